#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""f32 attention of tenon beside ONNX Runtime's fused operators, interleaved on the same threads.

ONNX Runtime has two: Attention of the standard (opset 23) and MultiHeadAttention of its own. Each is
asked for the same result on the same inputs, checked against float64 first, and the quicker one is the
peer. A round runs every contender once, in an order that rotates; what is printed is the median of the
rounds, with the tenth and ninetieth percentile, and the median of the rounds' own ratios.
"""
import argparse
import json
import os
import re
import statistics
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import tenon  # noqa: E402
from tenon import ops  # noqa: E402

SHAPE = re.compile(r"^b(\d+)h(\d+)(?:g(\d+))?q(\d+)k(\d+)d(\d+)(:causal)?$")


def exact(q, k, v, causal):
    group = q.shape[1] // k.shape[1]
    q, k, v = q.astype(np.float64), *(x.astype(np.float64).repeat(group, 1) for x in (k, v))
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if causal:
        s = np.where(np.tri(s.shape[-2], s.shape[-1], dtype=bool), s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def session(node, q, k, out, domain, version, threads):
    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs = [value("q", q), value("k", k), value("v", k)]
    graph = helper.make_graph([node], "attention", inputs, [value("y", out)])
    imports = [helper.make_opsetid("", 23)]
    if domain:
        imports.append(helper.make_opsetid(domain, version))
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def standard(q, k, v, causal, threads):
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], is_causal=int(causal))
    s = session(node, q.shape, k.shape, q.shape, "", 0, threads)
    feed = {"q": q, "k": k, "v": v}
    return lambda: s.run(None, feed)[0]


def own(q, k, v, causal, threads):
    """Takes [batch, tokens, heads * d]; its inputs are laid out so beforehand, outside the clock."""
    b, h, n, d = q.shape
    if k.shape[1] != h:
        raise ValueError("as many heads of keys as of queries are needed")

    def flat(x):
        return np.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(b, x.shape[2], h * d)

    feed = {"q": flat(q), "k": flat(k), "v": flat(v)}
    node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["y"], domain="com.microsoft",
                            num_heads=h, unidirectional=int(causal))
    s = session(node, feed["q"].shape, feed["k"].shape, feed["q"].shape, "com.microsoft", 1, threads)
    return lambda: s.run(None, feed)[0].reshape(b, n, h, d).transpose(0, 2, 1, 3)


def ours(device, q, k, v, causal, numerics):
    tq, tk, tv = (device.tensor(x) for x in (q, k, v))
    out = device.empty(q.shape)

    def run():
        ops.attention(tq, tk, tv, causal=causal, out=out, numerics=numerics)
        device.wait()
        return out

    return run


def measure(text, threads, rounds, seed):
    b, h, g, n, m, d = (int(x or 0) for x in SHAPE.match(text).groups()[:6])
    g = g or h
    causal = text.endswith(":causal")
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal((b, i, t, d), np.float32) for i, t in ((h, n), (g, m), (g, m)))
    device = tenon.Runtime(threads).open("cpu")
    version = "onnxruntime " + onnxruntime.__version__
    runs = {("tenon", "fast"): ours(device, q, k, v, causal, "fast"),
            ("tenon", "canonical"): ours(device, q, k, v, causal, "canonical")}
    for name, make in ((f"{version} Attention", standard), (f"{version} MultiHeadAttention", own)):
        try:
            runs[(name, "")] = make(q, k, v, causal, threads)
        except Exception as e:  # a build without the operator
            print(f"  left out: {name}: {str(e).splitlines()[0]}")
    want = exact(q, k, v, causal)
    for key, run in runs.items():
        got = run()
        got = got.numpy() if hasattr(got, "numpy") else got
        worst = float(np.abs(got - want).max())
        if not worst < 1e-4:
            sys.exit(f"{key[0]} {text}: largest difference from float64 {worst:.3g}: not the same attention")
    times = {key: [] for key in runs}
    keys = list(runs)
    for i in range(rounds + 2):
        for key in keys[i % len(keys):] + keys[:i % len(keys)]:
            start = time.perf_counter()
            runs[key]()
            took = time.perf_counter() - start
            if i >= 2:
                times[key].append(took)
    pairs = n * m if not causal else sum(min(m, i + 1) for i in range(n))
    flops = 4.0 * b * h * d * pairs
    peer = min((key for key in keys if key[0] != "tenon"), key=lambda key: statistics.median(times[key]))
    rows = []
    for key in keys:
        t = sorted(times[key])
        ratio = statistics.median(p / o for p, o in zip(times[peer], times[key]))
        median = statistics.median(t)
        rows.append({"op": "attention", "dtype": "f32", "shape": text, "threads": threads, "class": key[1],
                     "impl": key[0], "packed": False, "median_ms": median * 1e3, "p10_ms": t[len(t) // 10] * 1e3,
                     "p90_ms": t[len(t) * 9 // 10] * 1e3, "gflops": flops / median * 1e-9, "ratio": ratio})
        print(f"  {' '.join(key).strip():44} {median * 1e3:9.3f} ms  p10 {rows[-1]['p10_ms']:9.3f}  "
              f"p90 {rows[-1]['p90_ms']:9.3f}  {rows[-1]['gflops']:7.1f} GFLOP/s  {ratio:6.3f} of the best peer's speed")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", default=["b1h12q1024k1024d64", "b1h12q1024k1024d64:causal"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    a = parser.parse_args()
    for text in a.shapes:
        if not SHAPE.match(text):
            parser.error(f"shape {text!r}: b1h12q1024k1024d64, b1h12q1024k1024d64:causal or b1h32g8q1k2048d128")
    cpus = sorted(os.sched_getaffinity(0))[:a.threads]
    if len(cpus) < a.threads:
        parser.error(f"--threads {a.threads}: this process may use {len(cpus)} cpus")
    os.sched_setaffinity(0, cpus)
    rows = []
    for text in a.shapes:
        print(f"attention f32 {text}, {a.threads} thread(s), {a.rounds} rounds, warm, seed {a.seed}")
        rows += measure(text, a.threads, a.rounds, a.seed)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump({"canonical_version": 1, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
