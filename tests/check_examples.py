#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every program of examples/ on each device and compares what it prints with what is right. The
sums are small integers; the digest is of a CANONICAL result, which is the same on every device.

usage: check_examples.py FOLDER (of the programs)
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOST, PRIVATE = "cpu", "cpu?private=1"
FALLBACK = r"null alone: unsupported, null\.no_kernels\nnull: (\S+) on cpu, a fallback with copies in and out\n"
DIGEST = "3b9c4fb20d998cf5"
# program -> list of (arguments, what is printed)
RIGHT = {
    "matmul": [([d], r"\[31 302; 64 605\]\n") for d in (HOST, PRIVATE)],
    "own_memory": [([HOST], "in place, rank 2, first 512, last 4096\nreleased 1 time\\(s\\)\n"),
                   ([PRIVATE], "copied, rank 2, first 512, last 4096\nreleased 0 time\\(s\\)\n")],
    "plan_many": [([d], r"after 100 runs y\[0\] = 36, y\[63\] = 35\n") for d in (HOST, PRIVATE)],
    "two_devices": [([a, b], f"alone {DIGEST}, shared {DIGEST}\n") for a in (HOST, PRIVATE) for b in (HOST, PRIVATE)],
    "why": [([d], rf"matmul 64x64x64:f32:canonical on {re.escape(d)}\n"
                  r"(  (accepts \S+|refuses \S+: .+ \([a-z_.]+\))\n)*  accepts matmul_canonical\n(  .+\n)*"
                  rf"[0-9]+ candidates\n{re.escape(d)}: \S+ on {re.escape(d)}\n" + FALLBACK) for d in (HOST, PRIVATE)],
}


def main():
    folder = sys.argv[1]
    names = {os.path.splitext(os.path.basename(p))[0] for p in glob.glob(os.path.join(ROOT, "examples", "*.c"))}
    wrong = [f"{name}: no output is expected of it in {os.path.basename(__file__)}" for name in sorted(names - set(RIGHT))]
    count = 0
    for name, runs in RIGHT.items():
        for arguments, right in runs:
            ran = subprocess.run([os.path.join(folder, f"example_{name}"), *arguments], capture_output=True, text=True)
            count += 1
            if ran.returncode or not re.fullmatch(right, ran.stdout):
                wrong.append(f"{name} {' '.join(arguments)}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}not like\n{right}")
    # An error is told, not ignored.
    for name in RIGHT:
        ran = subprocess.run([os.path.join(folder, f"example_{name}"), "nowhere"], capture_output=True, text=True)
        if ran.returncode != 1 or "nowhere" not in ran.stderr:
            wrong.append(f"{name} nowhere: exit {ran.returncode}\n{ran.stderr}")
    print("\n".join(wrong) or f"examples: {len(RIGHT)} programs, {count} runs, all right")
    return 1 if wrong else 0


sys.exit(main())
