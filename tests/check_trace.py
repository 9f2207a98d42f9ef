#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The files that the command writes as traces: valid JSON, slices that nest, every submitted item once.

check_trace.py TENON
"""
import collections
import decimal
import json
import os
import subprocess
import sys
import tempfile

TOOL = sys.argv[1]
OPS = ("matmul 64x64x64:f32", "softmax 64x64:f32:axis=1", "eltwise add 64x64:f32")
bad = []


def expect(good, text):
    if not good:
        bad.append(text)


def run(*args, rc=0, **env):
    """The output of a run of the command, which has to end with rc."""
    full = {k: v for k, v in os.environ.items() if k != "TENON_TRACE"} | env
    p = subprocess.run([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                       check=False, env=full)
    expect(p.returncode == rc, f"{' '.join(args)} ended with {p.returncode}, not {rc}: {p.stdout[-500:]}")
    return p.stdout


def ns(value):
    return int(decimal.Decimal(value) * 1000)


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f, parse_float=decimal.Decimal)


def check(path, what):
    """What holds for every trace; returns its events."""
    root = load(path)
    expect(root["otherData"]["lost"] == 0, f"{what}: events were lost")
    events = root["traceEvents"]
    names = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M"}
    processes = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    slices, submits, stacks, last = {}, set(), collections.defaultdict(list), {}
    flows = collections.defaultdict(list)
    for e in events:
        track = (e["pid"], e["tid"])
        expect(track in names, f"{what}: {track} has no name")
        if e["ph"] in "XiC":
            expect(last.get(track, 0) <= ns(e["ts"]), f"{what}: {track} goes back in time")
            last[track] = ns(e["ts"])
        if e["ph"] == "X":
            begin, end = ns(e["ts"]), ns(e["ts"]) + ns(e["dur"])
            host = processes[e["pid"]] == "host"
            stack = stacks[track]
            while stack and stack[-1] <= begin:
                stack.pop()
            expect(not stack or (host and end <= stack[-1]), f"{what}: {e['name']} crosses what it begins in")
            stack.append(end)
            if not host:
                expect(end > begin, f"{what}: {e['name']} takes no time")
                key = (e["tid"], e["args"]["item"])
                expect(key not in slices, f"{what}: item {key} is there twice")
                slices[key] = e
        elif e["ph"] == "i" and e["name"] == "submit":
            key = (e["args"]["queue_tid"], e["args"]["item"])
            expect(key not in submits, f"{what}: {key} was submitted twice")
            submits.add(key)
        elif e["ph"] in "sf":
            flows[e["id"]].append(e)
    expect(submits == set(slices), f"{what}: {len(submits)} submitted, {len(slices)} done")
    for two in flows.values():
        expect([e["ph"] for e in two] == ["s", "f"], f"{what}: half an arrow")
        expect(ns(two[0]["ts"]) <= ns(two[-1]["ts"]), f"{what}: an arrow back in time")
        for e in two:
            inside = [x for x in events if x["ph"] == "X" and x["tid"] == e["tid"]
                      and ns(x["ts"]) <= ns(e["ts"]) <= ns(x["ts"]) + ns(x["dur"])]
            expect(inside, f"{what}: an arrow from or to nowhere")
    return events


def named(events, phase, name):
    return [e for e in events if e["ph"] == phase and (e["name"] == name or e["name"].startswith((name + " ", name + ":")))]


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "t.json")
        for uri in ("cpu", "cpu?private=1"):
            for queues in (1, 3):
                run("trace", *OPS, "--device", uri, "--out", path, "--queues", str(queues), "--runs", "4")
                events = check(path, f"{uri} {queues} queues")
                for op in OPS:
                    ran = named(events, "X", op.split(":")[0])
                    expect(len(ran) == 4, f"{uri}: {len(ran)} runs of {op}")
                    for e in ran:
                        expect(e["cat"] == "kernel" and e["args"]["kernel"] and e["args"]["class"] == "bounded",
                               f"{uri}: {e}")
                expect(len(named(events, "X", "plan")) == len(OPS), f"{uri}: plans")
                expect(len([e for e in events if e["ph"] == "f"]) >= 4 * len(OPS) - 1, f"{uri}: arrows")
                expect(named(events, "C", "memory_bytes"), f"{uri}: no memory")
                tracks = {e["tid"] for e in named(events, "X", OPS[0].split(":")[0])
                          + named(events, "X", OPS[1].split(":")[0])}
                expect(len(tracks) == min(queues, 2) or queues == 3, f"{uri}: {tracks}")
        run("trace", OPS[0], "--device", "null", "--out", path)
        marks = named(check(path, "null"), "i", "fallback")
        expect(marks and marks[0]["args"]["reason"] == "null.no_kernels" and marks[0]["args"]["device"] == "cpu",
               f"fallback: {marks}")
        # Other verbs, and the ways to name the file.
        run("trace", "--out", path, "--", "explain", OPS[0])
        expect(named(check(path, "explain"), "X", "plan"), "trace -- explain: no plan")
        os.remove(path)
        run("explain", OPS[0], TENON_TRACE=path)
        expect(named(check(path, "TENON_TRACE"), "X", "plan"), "TENON_TRACE: no plan")
        os.remove(path)
        run("explain", OPS[0], "--trace", path, TENON_TRACE=os.path.join(folder, "other"))
        expect(named(check(path, "--trace"), "X", "plan"), "--trace: no plan")
        expect(not os.path.exists(os.path.join(folder, "other")), "--trace does not go before TENON_TRACE")
        run("bench", "matmul", "16x16x16:f32", "--rounds", "1", "--vs", "none", "--trace", path)
        bench = load(path)["traceEvents"]
        expect(named(bench, "X", "matmul") and named(bench, "i", "submit"), "bench --trace: nothing ran")
        # What cannot be written.
        nowhere = os.path.join(folder, "no", "such", "t.json")
        for args in (("trace", OPS[0], "--out"), ("explain", OPS[0], "--trace"),
                     ("bench", "matmul", "8x8x8", "--vs", "none", "--trace")):
            expect(nowhere in run(*args, nowhere, rc=1), f"{args[0]} does not name the file")
        expect("nowhere" not in run("explain", OPS[0], rc=1, TENON_TRACE=folder), "a folder")
        if os.path.exists("/dev/full"):
            expect("in full" in run("trace", OPS[0], "--out", "/dev/full", rc=1), "/dev/full")
        # Wrong calls.
        run("trace", "--out", path, rc=64)
        run("trace", OPS[0], "--runs", "0", rc=64)
        run("trace", OPS[0], "--queues", "99", rc=64)
        run("trace", OPS[0], "--class", "best", rc=64)
        run("trace", "--out", path, "--", "doctor", rc=2)
        run("trace", "--out", path, "--", rc=2)
        run("trace", "matmul nonsense", "--out", path, rc=1)
    print("\n".join(bad) or "trace: every file is as it should be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
