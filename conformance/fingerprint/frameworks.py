#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A framework as somebody who multiplies matrices: asked by `tenon fingerprint numpy|onnxruntime|torch[:DEVICE]|jax|ggml[:q8_0]`.

Standard input: "shape M N K IN OUT", answered by yes or no; "run SHIFT" and two vectors of K doubles, the row of A and the
column of B, answered by M * N doubles. Operands lie SHIFT bytes behind a multiple of 64, where frameworks put their own."""
import ctypes
import os
import pathlib
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
        a, b = (self.torch.from_numpy(x).to(self.device) for x in (a, b))
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


class Ggml:
    """The cpu backend that the package libggml-python has. Its operands lie where it puts them. Of weights in q8_0 a term of
    the sum is a block of 32, of which one element is not 0, so that the tree is of blocks."""

    types = {("f32", "f32"), ("f16", "f32")}

    def __init__(self, weights=""):
        import libggml

        if weights not in ("", "q8_0"):
            raise RuntimeError(f"weights in {weights} are not asked, q8_0 is")
        self.blocks = weights == "q8_0"
        if self.blocks:
            self.types = {("f16", "f32")}
        folder = next(pathlib.Path(libggml.__file__).parent.glob("lib*/libggml-base.so")).parent
        base, cpu = (ctypes.CDLL(str(folder / f"libggml-{part}.so"), ctypes.RTLD_GLOBAL) for part in ("base", "cpu"))
        p, n = ctypes.c_void_p, ctypes.c_int64

        class Params(ctypes.Structure):
            _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", p), ("no_alloc", ctypes.c_bool)]

        def call(library, name, result, *types):
            function = getattr(library, "ggml_" + name)
            function.restype, function.argtypes = result, types
            return function

        self.params = Params
        self.init, self.free = call(base, "init", p, Params), call(base, "free", None, p)
        self.tensor, self.data = call(base, "new_tensor_2d", p, p, ctypes.c_int, n, n), call(base, "get_data", p, p)
        self.product, self.graph = call(base, "mul_mat", p, p, p, p), call(base, "new_graph", p, p)
        self.expand = call(base, "build_forward_expand", None, p, p)
        self.compute = call(cpu, "graph_compute_with_ctx", ctypes.c_int, p, p, ctypes.c_int)
        call(cpu, "cpu_init", None)()

    def shape(self, m, n, k, dtype):
        self.room = np.empty((m + 2 * n) * k * (128 if self.blocks else 8) + 4 * m * n + (1 << 20), np.uint8)

    def multiply(self, a, b):
        weights, kind = np.ascontiguousarray(b.T), {"float32": 0, "float16": 1}[b.dtype.name]
        a = a.astype(np.float32)
        (m, k), n = a.shape, len(weights)
        if self.blocks:  # weights: scale b, numbers 1 0 0 ..; of a: 1 127 0 .. times a, which ggml makes numbers of with scale a
            raw = np.zeros((n, k, 34), np.uint8)
            raw[:, :, :2] = weights[:, :, None].view(np.uint8)
            raw[:, :, 2] = 1
            spread = np.zeros((m, k, 32), np.float32)
            spread[:, :, 0], spread[:, :, 1] = a, 127 * a
            weights, kind, a, k = raw, 8, spread, 32 * k
        context = self.init(self.params(self.room.nbytes - 64, self.room.ctypes.data + -self.room.ctypes.data % 64, False))
        x, w = self.tensor(context, 0, k, m), self.tensor(context, kind, k, n)
        for tensor, array in ((x, a), (w, weights)):
            ctypes.memmove(self.data(tensor), array.ctypes.data, array.nbytes)
        y, graph = self.product(context, w, x), self.graph(context)
        self.expand(graph, y)
        good = self.compute(context, graph, 1) == 0
        out = np.empty((m, n), np.float32)
        ctypes.memmove(out.ctypes.data, self.data(y), out.nbytes)
        self.free(context)
        if not good:
            sys.exit("ggml: the graph could not be computed")
        return out


def placed(values, dtype, shift):
    raw = np.empty(values.size * dtype().itemsize + 128, np.uint8)
    at = -raw.ctypes.data % 64 + shift
    out = raw[at:at + values.size * dtype().itemsize].view(dtype).reshape(values.shape)
    out[:] = values
    return out


def main():
    name, _, device = sys.argv[1].partition(":")
    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a framework prints is no answer
    try:
        who = {"numpy": Numpy, "onnxruntime": Onnxruntime, "torch": Torch, "jax": Jax, "ggml": Ggml}[name](
            *([device] if name in ("torch", "ggml") else []))
    except (ImportError, RuntimeError, OSError) as e:
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
            c = who.multiply(placed(np.broadcast_to(a, (m, k)), dtype, int(words[1])),
                             placed(np.broadcast_to(b[:, None], (k, n)), dtype, int(words[1])))
            out.write(np.ascontiguousarray(c, np.float64).tobytes())
        out.flush()


if __name__ == "__main__":
    main()
