#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A framework as somebody who multiplies matrices: asked by `tenon fingerprint numpy|onnxruntime|torch[:DEVICE]|jax`.

Standard input: "shape M N K IN OUT", answered by yes or no; "run" and two vectors of K doubles, the row of A and the column
of B, answered by M * N doubles."""
import os
import sys

import numpy as np

TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16}


class Numpy:
    types = {("f32", "f32"), ("f64", "f64")}

    def shape(self, m, n, k, dtype):
        pass

    def multiply(self, a, b):
        return a @ b


class Onnxruntime:
    types = {("f32", "f32"), ("f64", "f64")}

    def __init__(self):
        import onnx
        import onnxruntime

        self.onnx, self.onnxruntime = onnx, onnxruntime

    def shape(self, m, n, k, dtype):
        TensorProto, helper = self.onnx.TensorProto, self.onnx.helper
        kind = {"f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE, "f16": TensorProto.FLOAT16}[dtype]
        graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "g",
                                  [helper.make_tensor_value_info("a", kind, [m, k]), helper.make_tensor_value_info("b", kind, [k, n])],
                                  [helper.make_tensor_value_info("c", kind, [m, n])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        self.onnx.checker.check_model(model)
        options = self.onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = self.onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def multiply(self, a, b):
        return self.session.run(None, {"a": a, "b": b})[0]


class Torch:
    types = {("f32", "f32"), ("f64", "f64"), ("f16", "f16")}

    def __init__(self, device="cpu"):
        import torch

        torch.set_num_threads(1)
        self.torch, self.device = torch, device or "cpu"
        torch.zeros(1, device=self.device)  # says so at once where there is none

    def shape(self, m, n, k, dtype):
        pass

    def multiply(self, a, b):
        a, b = (self.torch.from_numpy(x.copy()).to(self.device) for x in (a, b))
        return (a @ b).cpu().numpy()


class Jax:
    types = {("f32", "f32")}

    def __init__(self):
        import jax

        self.jax = jax

    def shape(self, m, n, k, dtype):
        jax = self.jax
        self.call = jax.jit(lambda x, y: jax.numpy.matmul(x, y, precision="highest"))

    def multiply(self, a, b):
        return np.asarray(self.call(a, b))


def main():
    name, _, device = sys.argv[1].partition(":")
    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a framework prints is no answer
    try:
        who = {"numpy": Numpy, "onnxruntime": Onnxruntime, "torch": Torch, "jax": Jax}[name](*([device] if name == "torch" else []))
    except (ImportError, RuntimeError) as e:
        sys.exit(f"{name}: {e}")
    out.write(b"ready\n")
    out.flush()
    m = n = k = 0
    dtype = np.float32
    while line := source.readline():
        words = line.decode().split()
        if words[0] == "shape":
            m, n, k = map(int, words[1:4])
            good = (words[4], words[5]) in who.types
            if good:
                dtype = TYPES[words[4]]
                who.shape(m, n, k, words[4])
            out.write(b"yes\n" if good else b"no\n")
        else:
            a, b = (np.frombuffer(source.read(8 * k), np.float64).astype(dtype) for _ in range(2))
            c = who.multiply(np.ascontiguousarray(np.broadcast_to(a, (m, k))), np.ascontiguousarray(np.broadcast_to(b[:, None], (k, n))))
            out.write(np.ascontiguousarray(c, np.float64).tobytes())
        out.flush()


if __name__ == "__main__":
    main()
