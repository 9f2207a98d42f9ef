#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `tenon sim` prints: every reference row by gemm and conv, the tally of faults, the gaps of profiles, runs
that keep to their roofline. check_sim.py TENON"""
import csv
import json
import math
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DRIVER = os.path.join(ROOT, "backends", "tpu-sim", "driver")
PROFILE = os.path.join(ROOT, "backends", "tpu-sim", "profiles", "canonical-128.json")
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


# What docs/TPU_SIM.md says of each kind; a fault may also find nothing to strike.
REACTIONS = {
    "none": {"silent_wrong": "flip packet stuck stuck_sum stuck_weight dma_short dma_wrong",
             "recovered": "packet dma_error dma_delay irq_lost hang doorbell",
             "reported": "packet dma_error dma_short dma_wrong hang gone",
             "harmless": "flip packet stuck stuck_sum stuck_weight dma_short dma_wrong dma_delay irq_early irq_spurious throttle"},
    "full": {"silent_wrong": "",
             "recovered": "flip packet stuck stuck_sum stuck_weight dma_error dma_short dma_wrong dma_delay irq_lost hang doorbell",
             "reported": "stuck stuck_sum stuck_weight dma_error dma_short dma_wrong hang gone",
             "harmless": "flip stuck stuck_sum stuck_weight dma_delay irq_early irq_spurious throttle"},
}


def faults():
    count = 1000
    o = json.loads(tenon("faults", "--count", str(count), "--seed", "5", "--json"))
    for protect, tally in o["protect"].items():
        ends = {k: v for k, v in tally.items() if k != "by_kind"}
        expect(sum(ends.values()) == count, f"{protect}: {ends}")
        expect(sum(sum(kind.values()) for kind in tally["by_kind"].values()) == count, f"{protect}: by kind")
        expect(len(tally["by_kind"]) == 16, f"{protect}: {sorted(tally['by_kind'])}")
        for kind, how in tally["by_kind"].items():
            for end, n in how.items():
                allowed = end == "not_struck" or kind in REACTIONS[protect].get(end, "").split()
                expect(n == 0 or allowed, f"{protect}: {kind} ended {n} times as {end}")
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


def layers():
    """A layer of BERT-base and blocks of ResNet-50 on every profile: never below the roofline, and the cycles of the
    engines account for what bounds each."""
    chips = [name[:-5] for name in sorted(os.listdir(os.path.dirname(PROFILE)))]
    # its few rows make BERT's products long: seconds
    o = json.loads(tenon("run", "--json", *(f"--profile={c}" for c in chips if c != "ethos-u55-256")))
    o += json.loads(tenon("run", "--json", "--profile=ethos-u55-256", "64x256x64", "conv n1c64h28w28k64r3s3p1:TYPE,TYPE,SUM:nhwc"))
    ran = {}
    for r in o:
        name = f"{r['profile']} {r['op']}"
        if "refused" in r:
            expect(r["refused"].split(".")[0] in ("systolic", "attention"), f"{name}: {r['refused']}")
            continue
        ran.setdefault(r["profile"], set()).add(r["op"].split()[0])
        expect(r["cycles"] >= r["roofline_cycles"] - 1, f"{name}: {r['cycles']} below {r['roofline_cycles']}")
        expect(0 < r["busy"] <= 100 and r["utilisation"] <= 100, f"{name}: {r}")
    expect(len(ran) >= 10 and all({"matmul", "conv"} <= ops for ops in ran.values()), f"{ran}")
    whole = [p for p, ops in ran.items() if {"attention", "norm"} <= ops]
    expect({"canonical-128", "test-24x40", "tpu-v4", "tpu-v5e", "neuroncore-v2", "ascend-910"} <= set(whole), f"{whole}")


def optimised():
    with open(os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "CMakeCache.txt"), encoding="utf-8") as f:
        cache = f.read()
    return "CMAKE_BUILD_TYPE:STRING=Release" in cache and not re.search(r"^TENON_SANITIZE:[A-Z]+=.", cache, re.M)


def speed():
    """Prints what one core does in its own time; a rate is for who reads it, only that there is one is held here."""
    if not optimised():
        return
    o = json.loads(tenon("speed", "--json"))
    rates = {k: o[k] for k in ("gmacs", "gmacs_portable", "vector_gelements", "mcommands")}
    expect(all(v > 0 for v in rates.values()), f"a rate that is none in {rates}")
    print("speed on one core: " + ", ".join(f"{k} {v:.1f}" for k, v in rates.items()))


def bandwidth():
    """Twice the bandwidth halves an op that waits for memory; what is left at a bandwidth without end is all that may
    hide beside the transfers."""
    with open(PROFILE, encoding="utf-8") as f:
        text = json.load(f)
    op, bytes_ = "1x2048x512", 2 * (512 + 512 * 2048) + 4 * 2048
    text["dma_setup_cycles"]["value"] = text["dma_latency_ns"]["value"] = 0
    us = []
    for rate in (10**9, 2 * 10**9, 10**14):
        text["dma_bytes_per_s"]["value"] = rate
        with tempfile.NamedTemporaryFile("w", suffix=".json") as chip:
            json.dump(text, chip)
            chip.flush()
            us.append(json.loads(tenon("run", "--json", "--profile", chip.name, op))[0]["us"])
    rest = us[2]
    for t, rate in zip(us, (10**9, 2 * 10**9)):
        expect(bytes_ / rate * 1e6 <= t <= bytes_ / rate * 1e6 + rest, f"{t} us for {bytes_} bytes at {rate}, {rest} beside")
    expect(rest < us[1] / 100 and abs(us[0] - 2 * us[1]) <= rest, f"{us}")


def calibration():
    """Constants that are hidden in a chip are found again, exactly, and the fitted profile leaves nothing unexplained."""
    hidden = {"weight_rows_per_cycle": 4, "rows_per_cycle": 2, "min_interval_cycles": 48, "dma_bytes_per_s": 6400000000,
              "dma_setup_cycles": 17, "dma_latency_ns": 333, "dma_burst_bytes": 128, "vector_lanes": 200,
              "vector_latency_cycles": 21, "vector_ports": 1, "function_passes": 13, "skewed": 0}
    with open(PROFILE, encoding="utf-8") as f:
        text = json.load(f)
    for key, value in hidden.items():
        text[key]["value"] = False if key == "skewed" else value
    with tempfile.TemporaryDirectory() as folder:
        chip, fitted = os.path.join(folder, "chip.json"), os.path.join(folder, "fitted.json")
        with open(chip, "w", encoding="utf-8") as f:
            json.dump(text, f)
        o = json.loads(tenon("calibrate", "--chip", chip, "--json", "--write", fitted))
        expect(o["fitted"] == hidden, f"{o['fitted']}")
        expect(all(abs(ns) < 1e-9 for ns in o["residual_ns"].values()), f"{o['residual_ns']}")
        again = json.loads(tenon("calibrate", "--chip", chip, "--profile", fitted, "--json"))
        expect(again == o, "the written profile is not the fitted one")
        with open(fitted, encoding="utf-8") as f:
            written = json.load(f)
    changed = {k for k, v in written.items() if v["source"] == "fitted to what was measured"}
    expect(changed == set(hidden), f"{changed}")
    expect(written["types"]["value"] == text["types"]["value"] and written["name"]["value"] == "canonical-128", f"{written}")


def functions():
    """A fingerprint tells functions that are looked up from others, and finds how finely."""
    with tempfile.TemporaryDirectory() as folder:
        for chip, segments in (("tpu-v4", 256), ("test-24x40", 0)):
            path = os.path.join(folder, chip)
            p = subprocess.run([sys.argv[1], "fingerprint", f"tpu-sim:{chip}", "--json", path], capture_output=True, text=True, check=False)
            expect(p.returncode == 0, p.stderr)
            with open(path, encoding="utf-8") as f:
                o = json.load(f)
            expect(abs(o["straight_pieces"] - segments) <= segments / 16, f"{chip}: {o['straight_pieces']} pieces")
            # what the tables state: units of 2^-23 (docs/TPU_SIM.md), and more than rounding
            most = 0.05 * 2**24 / segments**2 + 120 if segments else 4
            expect(all(x is not None and x <= most for x in o["functions"].values()), f"{chip}: {o['functions']}")
            expect(not segments or min(o["functions"].values()) > 4, f"{chip}: {o['functions']}")


def steps():
    op = "matmul 20x300x400:bf16"
    out = tenon("step", op, "--break", "6", "--count", "3")
    nexts = [int(n) for n in re.findall(r"next is packet (\d+) of", out)]
    expect(nexts == [6, 7, 8, 9], f"{nexts}: {out}")
    expect(re.search(r"^6 LDW .* waits 6:1 signals 7:1$", out, re.M) is not None, out)
    all_ = int(re.search(r": (\d+) packets", out).group(1))
    out = tenon("step", op, "--break", str(all_ - 2), "--count", "9", "--chip", "test-24x40")
    last = int(re.search(r": (\d+) packets", out).group(1))
    expect(f"next is packet {min(last, all_ + 7)} of {last}" in out, out)
    # an engine that waits for what has not been handed out is told, and the watchdog lets it wait
    out = tenon("step", op, "--break", "2", "--count", "0")
    expect("next is packet 2 of" in out and "error" not in out, out)


def driver():
    """The driver is one object, whatever the bus: nothing in it names one, or a model."""
    build = os.path.dirname(os.path.abspath(sys.argv[1]))
    for name in ("tpu_driver.c", "tpu_selftest.c"):
        found = [os.path.join(at, f) for at, _, files in os.walk(build) for f in files if f in (name + ".o", name + ".obj")]
        expect(len(found) == 1, f"{name} was compiled {len(found)} times")
        with open(os.path.join(DRIVER, name), encoding="utf-8") as f:
            expect("#if" not in f.read().replace("#include", ""), f"{name} is another one for some builds")
        for path in found:
            p = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=False)
            wants = [line.split()[-1] for line in p.stdout.splitlines() if line.strip()]
            wrong = [w for w in wants if re.match(r"tn__sim|tn__tpu_(bus|log|mmio|socket|replay)", w)]
            expect(p.returncode == 0 and not wrong, f"{name} calls {wrong}")


def traces():
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, n) for n in ("golden", "again", "perfetto", "vcd")]
        op = "matmul 300x600x400:bf16,bf16,f32:bias+canonical"
        page = os.path.join(folder, "page.html")
        tenon("trace", op, "--golden", names[0], "--perfetto", names[2], "--vcd", names[3], "--html", page)
        html = open(page, encoding="utf-8").read()
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
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', html, re.S).group(1))
    expect(len(data["commands"]) == len(lines) and len(data["engines"]) >= 6, f"{len(data['commands'])} commands on the page")
    expect([c[5] for c in data["commands"]] == [int(line[0]) for line in lines], "the page has the commands of the golden trace")
    expect("http" not in html.replace("http://www.w3.org/2000/svg", ""), "the page asks for nothing from elsewhere")
    expect("$enddefinitions" in vcd and vcd.count("#") > 50, "waves")
    expect("overlaps without an order: 0, reads of rows that nothing wrote: 0" in out, out)
    # what the chip counted is what the commands say
    args = [(e["name"], e["args"]) for e in slices]
    read = sum(a["n0"] * a["n1"] * a["n2"] for name, a in args if name == "LD")
    wrote = sum(a["n0"] * a["n1"] * a["n2"] for name, a in args if name == "ST")
    expect(f"read {read} bytes" in out and f"wrote {wrote} in" in out, f"{read} {wrote}: {out}")
    expect(f"{300 * 600 * 400} useful MACs" in out, out)


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
layers()
speed()
bandwidth()
calibration()
functions()
steps()
driver()
traces()
dumps()
print("\n".join(bad) or "sim: cycles, faults, gaps and runs are as they should be")
sys.exit(1 if bad else 0)
