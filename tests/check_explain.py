#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenon explain: each kind of refusal is told with its reason, and the JSON has the keys that docs/DIAGNOSTICS.md lists.

check_explain.py TENON
"""
import json
import os
import re
import subprocess
import sys

TOOL = sys.argv[1]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
bad = []


def expect(good, text):
    if not good:
        bad.append(text)


def run(*args, rc=0):
    p = subprocess.run([TOOL, "explain", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=120, check=False, env={k: v for k, v in os.environ.items() if k != "TENON_TRACE"})
    expect(p.returncode == rc, f"explain {' '.join(args)} ended with {p.returncode}, not {rc}: {p.stderr[-300:]}")
    return p.stdout if rc in (0, 1) else p.stderr


def keys_of(value, at="", out=None):
    out = {} if out is None else out
    if isinstance(value, dict):
        for k, v in value.items():
            out.setdefault(f"{at}{k}", type(v))
            keys_of(v, f"{at}{k}.", out)
    elif isinstance(value, list):
        for v in value:
            keys_of(v, at, out)
    return out


def documented():
    with open(os.path.join(ROOT, "docs", "DIAGNOSTICS.md"), encoding="utf-8") as f:
        return set(re.findall(r"^ {4}([a-z_.]+) {2,}", f.read().split("## tenon explain --json")[1], flags=re.M))


def explain(text, *devices, rc=0):
    args = [text, "--json"]
    for d in devices:
        args += ["--device", d]
    root = json.loads(run(*args, rc=rc))
    expect(root["op"] == text and [d["device"] for d in root["devices"]] == list(devices or ("cpu",)), f"{text}: {root}")
    unknown = set(keys_of(root)) - documented()
    expect(not unknown, f"{text}: keys that are not documented: {sorted(unknown)}")
    for d in root["devices"]:
        chosen = [c for c in d["choices"] if c["verdict"] == "chosen"]
        expect(len(chosen) == (1 if d["accepted"] else 0), f"{text} on {d['device']}: {len(chosen)} are chosen")
        expect(d["accepted"] == ("refused" not in d), f"{text} on {d['device']}: refused and accepted")
        for c in d["choices"]:
            expect(c["verdict"] in ("chosen", "possible", "refused"), f"{c}")
            expect(re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", c["reason"]) and len(c["text"]) > 5, f"{text}: no reason: {c}")
        if d["accepted"]:
            expect(chosen and chosen[0]["kernel"] == d["plan"]["kernel"] and d["plan"]["fallback"] is False,
                   f"{text} on {d['device']}: another kernel runs than was chosen")
    return root["devices"]


def refusals(device):
    return {(c["kernel"], c["reason"]) for c in device["choices"] if c["verdict"] == "refused"}


def has(text, devices, reason, kernel="", rc=0):
    """Some row of the first device is refused for this reason."""
    first = explain(text, *devices, rc=rc)[0]
    found = [r for r in refusals(first) if r[1] == reason and kernel in r[0]]
    expect(found, f"{text} on {first['device']}: nothing is refused for {reason}: {sorted(refusals(first))}")
    return first


def main():
    rows = len(explain("matmul 64x64x64:f32")[0]["choices"])
    for uri in ("cpu", "cpu?private=1"):
        # dtype: every row of the op refuses, none is left out
        d = has("matmul 8x8x8:f64", [uri], "matmul.dtype", rc=1)
        expect(len(d["choices"]) == rows and d["plan"] is None and d["refused"]["reason"] == "matmul.dtype", f"dtype: {d}")
        # layout, and a stride that a row does not take
        has("matmul 8x8x8:f32:nt", [uri], "matmul.layout", "direct")
        has("matmul 8x8x8:f32:packed", [uri], "matmul.packed", "canonical")
        has("copy 3x5:f32:a=3x5@1x3", [uri], "copy.stride", "rows")
        # class
        d = has("matmul 8x8x8:f32:exact", [uri], "kernel.class", rc=1)
        expect(d["refused"]["reason"] == "kernel.class", f"class: {d['refused']}")
        d = has("matmul 64x64x64:f32:canonical", [uri], "kernel.class", "avx2_6x16")
        expect(d["plan"]["class"] == "canonical" and d["plan"]["canonical_version"] == 1, f"class: {d['plan']}")
        # accumulate
        has("matmul 8x8x8:f32:acc=f64", [uri], "kernel.accumulate", rc=1)
        # shape
        has("matmul 64x64x64:f32", [uri], "matmul.rows", "gemv")
        # tier
        limited = uri + ("&" if "?" in uri else "?") + "max=baseline"
        d = has("matmul 64x64x64:f32", [limited], "kernel.isa", "avx2")
        expect(all(k == "matmul_canonical" for k in [d["plan"]["kernel"]]), f"tier: {d['plan']}")
        # a dtype that one row lacks and another has
        has("copy 4x8:f32,f16", [uri], "copy.dtype", "rows")
        # one that was not chosen says so
        reasons = {c["reason"] for c in explain("matmul 64x64x64:f32", uri)[0]["choices"]}
        expect({"kernel.chosen", "kernel.not_best"} <= reasons, f"{reasons}")
    # several devices, and the fallback of one that has no kernels
    null, cpu = explain("softmax 8x33:f32:axis=1", "null", "cpu")
    expect(not null["accepted"] and null["refused"]["reason"] == "null.no_kernels", f"null: {null}")
    expect(null["plan"]["fallback"] is True and null["plan"]["device"] == "cpu"
           and null["plan"]["kernel"] == cpu["plan"]["kernel"], f"fallback: {null['plan']}")
    expect(explain("matmul 8x8x8:f64", "null", rc=1)[0]["plan"] is None, "a fallback that cpu refuses too")
    text = run("softmax 8x33:f32:axis=1", "--device", "null", "--device", "cpu")
    for part in ("null.no_kernels", "falls back to", "chosen", "refused", "class bounded", "workspace"):
        expect(part in text, f"no '{part}' in: {text}")
    # a workspace is told
    expect(explain("matmul 256x256x256:f32:nt")[0]["plan"]["workspace_bytes"] > 0, "workspace")
    # inner layouts: which operand is moved first, and into what form
    for uri in ("cpu", "cpu?private=1"):
        for op, part in (("matmul 256x256x256:f32:nt", "b [columns / "), ("conv n1c64h14w14k64r3s3p1:f32:nhwc", "a read in place; b [groups]"),
                         ("conv n1c64h14w14k64r3s3p1:bf16:nhwc", "a gathered by tile"),
                         ("conv n1c32h14w14k32r3s3g32p1:f32", "[taps][channels up to 16s]"),
                         ("conv n1c64h14w14k64r1s1:f32", "a read in place, positions in lanes")):
            told = explain(op, uri)[0]["plan"]["layouts"]
            expect(part in told, f"{op} on {uri} has the inner layouts: {told}")
        expect(explain("softmax 8x33:f32:axis=1", uri)[0]["plan"]["layouts"] == "", "softmax moves nothing")
        expect(explain("matmul 0x4x4:f32", uri)[0]["plan"]["layouts"] == "", "an empty product moves nothing")
    text = run("conv n1c64h14w14k64r3s3p1:f32:nhwc", "--device", "cpu")
    expect("inner layouts: a read in place; b [groups]" in text, f"inner layouts: {text}")
    # wrong calls
    run("matmul 8x8:f32", rc=1)
    run(rc=64)
    run("matmul 8x8x8", "softmax 8x8", rc=64)
    run("matmul 8x8x8:f32", "--device", "nosuch", rc=1)
    print("\n".join(bad) or "explain: every kind of refusal is told")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
