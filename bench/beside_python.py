#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tenon beside libraries that only Python reaches, both called from Python: PyTorch, ncnn, and ONNX Runtime's fused attention.

    bench/beside_python.py "matmul 1024x1024x1024" "conv n1c64h56w56k64r3s3p1:nhwc" "attention b1h12q1024k1024d64:causal" --json FILE

Every contender is checked against float64 first. A round runs each of them once, in an order that rotates; what is printed is the
median of the rounds, the tenth and ninetieth percentile, and the median of the rounds' own ratios. A call from Python costs some
microseconds on either side, so shapes below 0.2 ms say little. Weights are given beforehand, ours are packed once, as theirs are where the
library does so. ncnn's Winograd and half precision are off, since our FAST allows neither. A library that is not installed is left out by name.
"""
import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import tenon  # noqa: E402

ATTENTION = re.compile(r"b(\d+)h(\d+)(?:g(\d+))?q(\d+)k(\d+)d(\d+)")
DEFAULT = ["matmul 512x512x512", "matmul 1024x1024x1024", "matmul 128x3072x768", "conv n1c64h56w56k64r3s3p1", "conv n1c256h56w56k64r1s1",
           "conv n1c128h28w28k128r3s3p1", "conv n1c512h14w14k512r3s3g512p1", "attention b1h12q1024k1024d64", "attention b1h12q1024k1024d64:causal",
           "attention b1h32q1k2048d128", "softmax 4096x4096", "softmax 12288x128", "norm layer 4096x4096", "eltwise gelu 4096x4096"]


class Case:
    """One op on seeded data: arrays, the float64 result, and its operations."""

    def __init__(self, text, seed):
        self.text, rng = text, np.random.default_rng(seed)
        self.op, *kind, shape = text.split()
        self.kind, (self.shape, *words) = "".join(kind), shape.split(":")
        words = [w for w in words if w != "f32"]
        self.causal, self.nhwc = "causal" in words, "nhwc" in words
        if set(words) - {"causal", "nhwc"}:
            raise ValueError(f"of the words behind the shape only f32, causal and nhwc are known")
        if self.op not in ("matmul", "conv", "attention", "softmax", "norm", "eltwise"):
            raise ValueError("the ops are matmul, conv, attention, softmax, norm layer and eltwise")
        getattr(self, self.op)(lambda *dims: rng.standard_normal(dims, np.float32))

    def matmul(self, data):
        m, n, k = map(int, self.shape.split("x"))
        self.arrays = data(m, k), data(k, n)
        self.want, self.flops = self.arrays[0].astype(np.float64) @ self.arrays[1], 2.0 * m * n * k

    def conv(self, data):
        at = {k: int(v) for k, v in re.findall(r"([a-z])(\d+)", self.shape)}
        n, c, h, w, k, r, s = (at[x] for x in "nchwkrs")
        self.stride, self.pad, self.groups = at.get("u", 1), at.get("p", 0), at.get("g", 1)
        a, b = data(n, c, h, w), data(k, c // self.groups, r, s)
        self.arrays = a, b
        padded = np.pad(a.astype(np.float64), ((0, 0), (0, 0), (self.pad,) * 2, (self.pad,) * 2))
        view = np.lib.stride_tricks.sliding_window_view(padded, (r, s), (2, 3))[:, :, ::self.stride, ::self.stride]
        view = view.reshape(n, self.groups, c // self.groups, *view.shape[2:])
        self.want = np.einsum("ngchwrs,gkcrs->ngkhw", view, b.astype(np.float64).reshape(self.groups, k // self.groups, *b.shape[1:]),
                              optimize=True).reshape(n, k, *view.shape[3:5])
        self.flops = 2.0 * self.want.size * b[0].size

    def attention(self, data):
        b, h, g, n, m, d = (int(x or 0) for x in ATTENTION.fullmatch(self.shape).groups())
        self.arrays = data(b, h, n, d), data(b, g or h, m, d), data(b, g or h, m, d)
        q, k, v = (x.astype(np.float64).repeat(h // x.shape[1], 1) for x in self.arrays)
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(d)
        if self.causal:
            scores = np.where(np.tri(n, m, dtype=bool), scores, -np.inf)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        self.want = e / e.sum(-1, keepdims=True) @ v
        self.flops = 4.0 * b * h * d * (n * m if not self.causal else sum(min(m, i + 1) for i in range(n)))

    def rows(self, data):
        self.arrays = (data(*map(int, self.shape.split("x"))),)
        return self.arrays[0].astype(np.float64)

    def softmax(self, data):
        x = self.rows(data)
        e = np.exp(x - x.max(-1, keepdims=True))
        self.want, self.flops = e / e.sum(-1, keepdims=True), 20.0 * x.size

    def norm(self, data):
        x = self.rows(data)
        x = x - x.mean(-1, keepdims=True)
        self.want, self.flops = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5), 8.0 * x.size

    def eltwise(self, data):
        x = self.rows(data)
        exact = {"gelu": lambda: np.vectorize(gelu)(x), "relu": lambda: np.maximum(x, 0), "exp": lambda: np.exp(x), "tanh": lambda: np.tanh(x)}
        self.want, self.flops = exact[self.kind](), 20.0 * x.size


def gelu(x):
    from math import erf

    return 0.5 * x * (1 + erf(x / 2**0.5))


def ours(case, device, numerics):
    t = [device.tensor(x) for x in case.arrays]
    out = device.empty(case.want.shape)
    if case.op == "conv" and case.nhwc:
        t = [device.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1))) for x in case.arrays]
    calls = {
        "matmul": lambda: tenon.matmul(*t, constant_b=True, numerics=numerics, out=out),
        "conv": lambda: tenon.conv(*t, stride=case.stride, pad=case.pad, groups=case.groups, channels_last=case.nhwc, constant_b=True,
                                   numerics=numerics),
        "attention": lambda: tenon.attention(*t, causal=case.causal, out=out, numerics=numerics),
        "softmax": lambda: tenon.softmax(*t, numerics=numerics), "norm": lambda: tenon.layernorm(*t, numerics=numerics),
        "eltwise": lambda: tenon.eltwise(case.kind, *t, numerics=numerics)}

    def run():
        y = calls[case.op]()
        device.wait()
        return y

    return run, lambda y: y.numpy(copy=True).transpose(0, 3, 1, 2) if case.op == "conv" and case.nhwc else y.numpy(copy=True)


def with_torch(case, threads):
    import torch
    from torch.nn import functional as f

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    t = [torch.from_numpy(x) for x in case.arrays]
    out = torch.empty(case.want.shape)
    if case.op == "conv" and case.nhwc:
        t = [x.to(memory_format=torch.channels_last) for x in t]
    kinds = {"gelu": f.gelu, "relu": f.relu, "exp": torch.exp, "tanh": torch.tanh}
    run = {"matmul": lambda: torch.mm(*t, out=out),
           "conv": lambda: f.conv2d(*t, stride=case.stride, padding=case.pad, groups=case.groups),
           "attention": lambda: f.scaled_dot_product_attention(*t, is_causal=case.causal, enable_gqa=case.arrays[0].shape[1] != case.arrays[1].shape[1]),
           "softmax": lambda: f.softmax(t[0], -1), "norm": lambda: f.layer_norm(t[0], t[0].shape[-1:]),
           "eltwise": lambda: kinds[case.kind](t[0])}[case.op]
    return f"pytorch {torch.__version__}", run, lambda y: y.numpy()


def with_ncnn(case, threads):
    return ncnn_net(case, threads)


def ncnn_net(case, threads, prepare=lambda net: None, exact=True):
    """A net of the one op; prepare(net) before it is loaded; exact: without Winograd and half precision."""
    import ncnn

    if case.op not in ("matmul", "conv"):
        raise ValueError("matmul, and conv of one image, dense or depthwise, are asked for")
    b = case.arrays[1]
    net = ncnn.Net()
    net.opt.num_threads = threads
    if exact:
        net.opt.use_winograd_convolution = net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
    prepare(net)
    if case.op == "matmul":
        m, k = case.arrays[0].shape
        layer = f"Gemm y 1 1 a y 2=0 3=0 4=0 5=1 6=1 7=0 8={b.shape[1]} 9={k} 10=-1"
    elif case.op == "conv" and case.arrays[0].shape[0] == 1 and case.groups in (1, b.shape[0]):
        kind = "Convolution" if case.groups == 1 else "ConvolutionDepthWise"
        layer = (f"{kind} y 1 1 a y 0={b.shape[0]} 1={b.shape[3]} 11={b.shape[2]} 3={case.stride} 4={case.pad} 5=0 6={b.size} "
                 f"7={case.groups}")
    else:
        raise ValueError("conv of one image, dense or depthwise, is asked for")
    with tempfile.TemporaryDirectory() as top:
        with open(f"{top}/p", "w", encoding="ascii") as file:
            file.write(f"7767517\n2 2\nInput a 0 1 a\n{layer}\n")
        with open(f"{top}/m", "wb") as file:
            file.write(b"\0\0\0\0" + b.tobytes())  # type 0: f32
        if net.load_param(f"{top}/p") or net.load_model(f"{top}/m"):
            raise ValueError("the net was not loaded")
    a = ncnn.Mat(case.arrays[0] if case.op == "matmul" else case.arrays[0][0]).clone()

    def run():
        extractor = net.create_extractor()
        extractor.input("a", a)
        return extractor.extract("y")[1]

    return f"ncnn {ncnn.__version__}", run, lambda y: np.array(y).reshape(case.want.shape)


def with_onnxruntime(case, threads):
    """The quicker of the standard's Attention (opset 23) and its own MultiHeadAttention."""
    import onnxruntime
    from onnx import TensorProto, helper

    if case.op != "attention":
        raise ValueError("attention alone is asked for; bench has the other ops")
    q, k, v = case.arrays
    b, h, n, d = q.shape

    def flat(x):  # MultiHeadAttention's [batch, tokens, heads * d], laid out outside the clock
        return np.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(b, x.shape[2], -1)

    def session(node, feed, out, domain):
        def value(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph([node], "attention", [value(name, x.shape) for name, x in feed.items()], [value("y", out)])
        imports = [helper.make_opsetid("", 23)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        model = helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()
        s = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda: s.run(None, feed)[0]

    names = ["q", "k", "v"]
    found = []
    if k.shape[1] == h:
        node = helper.make_node("MultiHeadAttention", names, ["y"], domain="com.microsoft", num_heads=h, unidirectional=int(case.causal))
        found.append((session(node, dict(zip(names, map(flat, case.arrays))), (b, n, h * d), "com.microsoft"),
                      lambda y: y.reshape(b, n, h, d).transpose(0, 2, 1, 3)))
    try:
        node = helper.make_node("Attention", names, ["y"], is_causal=int(case.causal))
        found.append((session(node, dict(zip(names, case.arrays)), q.shape, ""), lambda y: y))
    except Exception:  # a build without the operator
        if not found:
            raise

    def took(run):
        run()
        start = time.process_time()
        run()
        return time.process_time() - start

    run, read = min(found, key=lambda one: took(one[0]))
    return f"onnxruntime {onnxruntime.__version__}", run, read


PEERS = {"torch": with_torch, "ncnn": with_ncnn, "onnxruntime": with_onnxruntime}


def measure(text, names, threads, rounds, seed, clock):
    case = Case(text, seed)
    device = tenon.Runtime(threads).open("cpu")
    runs = {("tenon", numerics): ours(case, device, numerics) for numerics in ("fast", "canonical")}
    for name in names:
        try:
            version, run, read = PEERS[name](case, threads)
            runs[(version, "")] = run, read
        except ImportError:
            print(f"  left out: {name} is not installed")
        except ValueError as e:
            print(f"  left out: {name}: {e}")
    # a sum of n f32 products is within n units of its magnitudes; the data is of size 1, so these bounds tell another op, not another order
    bound = 2.0**-24 * 4096 * max(1.0, float(np.abs(case.want).max()))
    for key, (run, read) in runs.items():
        worst = float(np.abs(read(run()) - case.want).max())
        if not worst <= bound:
            sys.exit(f"{key[0]} {text}: {worst:.3g} away from float64: not the same op")
    times, keys = {key: [] for key in runs}, list(runs)
    for i in range(rounds + 2):
        for key in keys[i % len(keys):] + keys[:i % len(keys)]:
            start = clock()
            runs[key][0]()
            took = clock() - start
            if i >= 2:
                times[key].append(took)
    peers = [key for key in keys if key[0] != "tenon"]
    peer = min(peers, key=lambda key: statistics.median(times[key])) if peers else None
    rows = []
    for key in keys:
        t = sorted(times[key])
        median = statistics.median(t)
        row = {"text": text, "op": case.op, "threads": threads, "class": key[1], "impl": key[0], "median_ms": median * 1e3, "rounds": rounds,
               "p10_ms": t[len(t) // 10] * 1e3, "p90_ms": t[len(t) * 9 // 10] * 1e3, "gflops": case.flops / median * 1e-9}
        told = ""
        if peer and key[0] == "tenon":
            row["ratio"], row["beside"] = statistics.median(p / o for p, o in zip(times[peer], times[key])), peer[0]
            told = f"  {row['ratio']:.3f} of the speed of {peer[0]}"
        rows.append(row)
        print(f"  {' '.join(key).strip():28} {row['median_ms']:9.3f} ms  p10 {row['p10_ms']:9.3f}  p90 {row['p90_ms']:9.3f}  "
              f"{row['gflops']:7.1f} GFLOP/s{told}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="*", default=DEFAULT, metavar="OP-TEXT")
    parser.add_argument("--vs", default=",".join(PEERS), help="torch,ncnn,onnxruntime by default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cpu-time", action="store_true", help="count the process's processor time, for a busy machine; one thread only")
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args()
    names = a.vs.split(",")
    for name in names:
        if name not in PEERS:
            parser.error(f"--vs {name}: {', '.join(PEERS)}")
    if a.cpu_time and a.threads != 1:
        parser.error(f"--cpu-time with --threads {a.threads}: the processor time of several threads is no time of a call")
    cpus = sorted(os.sched_getaffinity(0))[:a.threads]
    if len(cpus) < a.threads:
        parser.error(f"--threads {a.threads}: this process may use {len(cpus)} cpus")
    os.sched_setaffinity(0, cpus)
    rows = []
    for text in a.ops:
        print(f"{text}, {a.threads} thread(s), {a.rounds} rounds, warm, seed {a.seed}")
        try:
            rows += measure(text, names, a.threads, a.rounds, a.seed, time.process_time if a.cpu_time else time.perf_counter)
        except (KeyError, AttributeError, ValueError) as e:
            parser.error(f"{text!r}: {e}")
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump({"from": "python", "clock": "process" if a.cpu_time else "wall", "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
