#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `tenon sim` prints: every reference row by gemm and conv, the tally of faults, the gaps of profiles, runs
that keep to their roofline. check_sim.py TENON"""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "scalesim.csv")
bad = []


def expect(good, what):
    if not good:
        bad.append(what)


def tenon(*args, code=0):
    p = subprocess.run([sys.argv[1], "sim", *args], capture_output=True, text=True, timeout=500, check=False)
    expect(p.returncode == code, f"sim {' '.join(args)}: exit status {p.returncode}: {p.stderr[-500:]}")
    return p.stdout


def rows():
    with open(DATA, encoding="utf-8") as f:
        for r in csv.DictReader(line for line in f if not line.startswith("#")):
            common = ["--array", f"{r['rows']}x{r['columns']}", "--dataflow", r["dataflow"], "--timing", "serial", "--json"]
            # the reference leaves the shifting out of an output-stationary array away
            common += ["--no-drain"] if r["dataflow"] == "os" else []
            calls = [["gemm", r["m"], r["n"], r["k"]]]
            if r["kind"] == "conv":
                calls.append(["conv", *r["dims"].split("x")])
            for call in calls:
                o = json.loads(tenon(*call, *common))
                name = f"{r['layer']} {r['rows']}x{r['columns']} {r['dataflow']} by {call[0]}"
                expect(o["cycles"] == int(r["total_cycles"]) + 1, f"{name}: {o['cycles']} cycles")
                expect(o["useful_macs"] == int(r["m"]) * int(r["n"]) * int(r["k"]), f"{name}: MACs")
                expect(abs(o["mapping_efficiency"] - float(r["mapping_efficiency"])) <= 1e-9, f"{name}: mapping")
                expect(o["sram_ifmap_reads"] == int(r["ifmap_reads"]), f"{name}: inputs read")
                expect(o["sram_filter_reads"] == int(r["filter_reads"]), f"{name}: filters read")


def other_arrays():
    """Arrays that are in no row: serial and overlap by their formulas, written out here once more."""
    for r, c, m, n, k in ((7, 5, 33, 21, 50), (300, 20, 9, 1000, 601), (1, 1, 3, 4, 5)):
        folds = math.ceil(k / r) * math.ceil(n / c)
        size = ["gemm", f"{m}x{n}x{k}", "--array", f"{r}x{c}", "--json"]
        expect(json.loads(tenon(*size, "--timing", "serial"))["cycles"] == folds * (2 * r + c + m - 2), f"serial {r}x{c}")
        expect(json.loads(tenon(*size, "--timing", "overlap"))["cycles"] == r + (folds - 1) * max(m, r) + m + r + c - 2,
               f"overlap {r}x{c}")
        folds = math.ceil(m / r) * math.ceil(n / c)
        expect(json.loads(tenon(*size, "--dataflow", "os"))["cycles"] == folds * (2 * r + c + k - 2), f"os {r}x{c}")
    expect("sizes are needed" in subprocess.run([sys.argv[1], "sim", "gemm", "1", "2"], capture_output=True, text=True,
                                                check=False).stderr, "two sizes are too few")
    tenon("gemm", "0", "2", "3", code=1)


def faults():
    o = json.loads(tenon("faults", "--count", "300", "--seed", "5", "--json"))
    for protect, tally in o["protect"].items():
        ends = {k: v for k, v in tally.items() if k != "by_kind"}
        expect(sum(ends.values()) == 300, f"{protect}: {ends}")
        expect(sum(sum(kind.values()) for kind in tally["by_kind"].values()) == 300, f"{protect}: by kind")
        expect(tally["past_watchdog"] == 0, f"{protect}: past the watchdog")
        expect(tally["recovered"] > 0 and tally["reported"] > 0, f"{protect}: {ends}")
    expect(o["protect"]["full"]["silent_wrong"] == 0, "full protection lets wrong results pass")
    expect(o["protect"]["none"]["silent_wrong"] > 0, "without protection nothing is wrong: the faults do not reach")
    expect(tenon("faults", "--count", "50", "--seed", "5", "--json") == tenon("faults", "--count", "50", "--seed", "5", "--json"),
           "the same seed gives another tally")


def gaps():
    o = json.loads(tenon("gaps", "--json"))
    expect(len(o) >= 10, f"only {len(o)} profiles")
    expect(not o["canonical-128"]["assumed"], "canonical-128 is made up, so nothing of it is assumed")
    for name, p in o.items():
        expect(all(g["source"].startswith("assumed") for g in p["assumed"]), name)
    expect(o["tpu-v1"]["assumed"], "nobody published all of TPU v1")
    tenon("gaps", "/no/such/profile", code=1)


def runs():
    o = json.loads(tenon("run", "--json", "100x200x300", "1x128x128"))
    seen = {r["profile"] for r in o if "cycles" in r}
    expect(len(seen) >= 10, f"ran on {sorted(seen)}")
    for r in o:
        name = f"{r['profile']} {r['op']}"
        expect("refused" not in r, f"{name}: {r.get('refused')}")
        if "cycles" in r:
            expect(r["cycles"] >= r["roofline_cycles"] - 1, f"{name}: {r['cycles']} below {r['roofline_cycles']}")
            expect(0 < r["utilisation"] <= 100, f"{name}: {r['utilisation']} %")


def traces():
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, n) for n in ("golden", "again", "perfetto", "vcd")]
        op = "matmul 300x600x400:bf16,bf16,f32:bias+canonical"
        tenon("trace", op, "--golden", names[0], "--perfetto", names[2], "--vcd", names[3])
        out = tenon("trace", op, "--golden", names[1])
        golden, again, perfetto, vcd = (open(n, encoding="utf-8").read() if os.path.exists(n) else "" for n in names)
    expect(golden == again and golden.count("\n") > 50, "the golden trace is another one the second time")
    lines = [line.split() for line in golden.splitlines()]
    expect(sorted(int(line[0]) for line in lines) == list(range(len(lines))), "each command ends once")
    expect([int(line[4]) for line in lines] == sorted(int(line[4]) for line in lines), "they end in the order of time")
    expect(all(line[5] != "00000000" for line in lines if line[2] in ("LD", "MM", "MAP", "ST")), "what was written has a CRC")
    events = json.loads(perfetto)["traceEvents"]
    slices = [e for e in events if e["ph"] == "X"]
    expect(len(slices) == len(lines), f"{len(slices)} slices, {len(lines)} commands")
    expect(len([e for e in events if e["ph"] == "s"]) == len([e for e in events if e["ph"] == "f"]) > 20, "arrows have two ends")
    busy = {}
    for e in sorted(slices, key=lambda e: (e["ts"], e["dur"])):
        expect(e["ts"] >= busy.get(e["tid"], 0), f"engine {e['tid']} does two things at {e['ts']}")
        busy[e["tid"]] = e["ts"] + e["dur"]
    expect("$enddefinitions" in vcd and vcd.count("#") > 50, "waves")
    expect("overlaps without an order: 0, reads of rows that nothing wrote: 0" in out, out)


def dumps():
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as script:
        script.write("hang nth=30")
        script.flush()
        op = "matmul 128x512x512:bf16,bf16,f32:bias"
        out = tenon("dump", op, "--chip", f"canonical-128?faults={script.name}", code=1)
    busy = [line for line in out.splitlines() if " is busy with command " in line]
    expect(len(busy) == 1, f"one engine hangs: {out}")
    waits = [line.split() for line in out.splitlines() if " waits with command " in line]
    expect(len(waits) >= 3 and all("signals" in line for line in waits), f"who waits for whom: {out}")
    expect("err_code     00000007" in out, f"the watchdog barked: {out}")
    expect("ended well" in tenon("dump", op), "a sound chip ends well")


rows()
other_arrays()
faults()
gaps()
runs()
traces()
dumps()
print("\n".join(bad) or "sim: cycles, faults, gaps and runs are as they should be")
sys.exit(1 if bad else 0)
