#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/PERFORMANCE.md from what `tenon bench --json FILE`, bench/beside_python.py and bench/beside_drivers.py wrote, and from the lines of kernels/.

usage: performance.py FILE... [--out docs/PERFORMANCE.md]

A ratio is the peer's time over ours, round by round, both on the same cpus in the same minute; the median of the rounds. Where the
difference is smaller than the spread of either it is a tie.
"""
import argparse
import glob
import json
import math
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOW = 0.92


def load(paths):
    """What `tenon bench` wrote, its rows, of which a later file's takes an earlier one's place, and what the scripts beside this one wrote."""
    files, python, drivers, rows = [], [], [], {}
    for path in paths:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        if data.get("from") == "python":
            python.append(data)
            continue
        if data.get("from") == "drivers":
            drivers.append(data)
            continue
        files.append(data)
        for row in data["rows"]:
            row["text"] = row.get("text") or f"{row['op']} {row['shape']}"
            rows[(row["text"], row["threads"], row["impl"], row["class"], row["packed"], row.get("kernel", ""))] = row
    return files, list(rows.values()), python, drivers


def geomean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def machines(files):
    """What each machine measured of itself, from the least to the most of its files."""
    found = {}
    for f in files:
        found.setdefault((f.get("cpu", "?"), f.get("threads", "?")), []).append(f)

    def of(some):
        def between(key):
            values = [f.get(key, 0) for f in some]
            return f"{min(values):.1f}" + (f" to {max(values):.1f}" if len(values) > 1 else "")
        return between
    return {machine: of(some) for machine, some in found.items()}


def spread(row):
    return (row["p90_ms"] - row["p10_ms"]) / row["median_ms"]


def families(rows):
    """{(text, threads): ours and peers}, in the order of the files."""
    out = {}
    for row in rows:
        one = out.setdefault((row["text"], row["threads"]), {"ours": [], "peers": []})
        one["ours" if row["impl"] == "tenon" else "peers"].append(row)
    return out


def ratio(row, peers):
    """Speed beside the fastest peer with the same kind of weights, and its row."""
    same = [p for p in peers if p["packed"] == row["packed"]]
    if not same:
        return None, None
    best = min(same, key=lambda p: p["median_ms"])
    told = row.get("ratio")
    if told is None or row.get("beside") != best["impl"]:
        told = best["median_ms"] / row["median_ms"]
    return told, best


def price(ours, packed):
    """Time of CANONICAL over that of the fast classes."""
    fast = [r for r in ours if r["class"] == "fast" and r["packed"] == packed]
    canonical = [r for r in ours if r["class"] == "canonical" and r["packed"] == packed]
    return canonical[0]["median_ms"] / fast[0]["median_ms"] if fast and canonical else None


def rate(row):
    return f"{row['gflops']:.1f} GFLOP/s" if row.get("limit", "fma") == "fma" else f"{row['gbs']:.1f} GB/s"


def table(head, lines):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(x) + " |" for x in lines] + [""]


def op_table(all_of, op):
    lines = []
    for (text, threads), one in all_of.items():
        if text.split()[0] != op:
            continue
        for packed in (False, True):
            ours = {r["class"]: r for r in one["ours"] if r["packed"] == packed}
            for name, row in ours.items():
                if name == "canonical":
                    continue
                canonical = ours.get("canonical") if name == "fast" else None
                told, best = ratio(row, one["peers"])
                noise = max(spread(row), spread(best)) if best else 0.0
                also = ratio(canonical, one["peers"])[0] if canonical else None
                cost = price(one["ours"], packed) if canonical else None
                lines.append([
                    f"`{text.split(' ', 1)[1]}`", str(threads), "packed" if packed else "plain", name,
                    f"{row['median_ms']:.4g}", f"{100 * spread(row):.0f} %", rate(row),
                    f"{row['percent']:.0f} % {row['limit']}" if "percent" in row else "-",
                    f"{100 * (cost - 1):+.1f} %" if cost else "-",
                    f"**{told:.2f}**{' tie' if abs(told - 1) < noise else ''}" if told else "-",
                    f"{also:.2f}" if also else "-", best["impl"].split()[0] if best else "-"])
    return table(["shape", "threads", "weights", "class", "median ms", "spread", "rate", "of the limit", "price of CANONICAL",
                  "ratio", "ratio, CANONICAL", "best peer"], lines)


def summary(all_of):
    lines, low = [], []
    for threads in sorted({t for _, t in all_of}):
        for name in ("fast", "canonical"):
            got = []
            for (text, t), one in all_of.items():
                for row in one["ours"]:
                    told, best = ratio(row, one["peers"])
                    if t == threads and row["class"] == name and told:
                        got.append(told)
                        if name == "fast" and told < LOW:
                            low.append((told, text, threads, row["packed"], best["impl"].split()[0]))
            if got:
                lines.append([str(threads), name.upper(), str(len(got)), f"{geomean(got):.3f}", f"{min(got):.2f}", f"{max(got):.2f}",
                              str(sum(x < LOW for x in got))])
    out = table(["threads", "class", "rows with a peer", "geometric mean of ratios", "least", "most", f"below {LOW}"], lines)
    if low:
        out += [f"Rows of FAST below {LOW}, the worst first:", ""]
        out += [f"- `{text}`, {threads} thread{'s' if threads > 1 else ''}, {'packed' if packed else 'plain'}: {told:.2f} of {peer}"
                for told, text, threads, packed, peer in sorted(low)]
        out += [""]
    return out


def prices(all_of):
    found = {}
    for (text, _), one in all_of.items():
        for packed in (False, True):
            cost = price(one["ours"], packed)
            if cost:
                found.setdefault(text.split()[0], []).append(cost)
    return table(["op", "measured", "price of CANONICAL, geometric mean", "least", "most"],
                 [[op, str(len(x)), f"{100 * (geomean(x) - 1):+.1f} %", f"{100 * (min(x) - 1):+.1f} %", f"{100 * (max(x) - 1):+.1f} %"]
                  for op, x in sorted(found.items())])


def count(path):
    with open(path, encoding="utf-8") as f:
        return f.read().count("\n")


def sizes():
    """Lines of each op: what is shared, what is plain, and what one more variant took."""
    lines = []
    for folder in sorted(glob.glob(os.path.join(ROOT, "kernels", "*", ""))):
        op = os.path.basename(folder[:-1])
        files = {os.path.basename(p): count(p) for p in glob.glob(folder + "*") if os.path.isfile(p)}
        if f"{op}_op.c" not in files:
            continue
        plain = {f for f in files if re.search(r"_(ref|canonical)\.c$", f) and not re.search(r"_(avx|neon|amx)", f)}
        shared = {f for f in files if f.endswith((".h", ".inc", "_op.c"))}
        variants = sorted(files[f] for f in set(files) - plain - shared)
        lines.append([op, str(sum(files.values())), str(sum(files[f] for f in plain)), str(sum(files[f] for f in shared)),
                      str(len(variants)), str(sum(variants)), str(variants[len(variants) // 2]) if variants else "-", str(max(files.values()))])
    return table(["op", "lines", "plain and reference", "shared: contract, conversion, cores", "variant files", "lines in them",
                  "median", "largest file"], lines)


def beside_python(files):
    """The rows of bench/beside_python.py: both sides were called from Python."""
    rows = [r for f in files for r in f["rows"]]
    lines = []
    for (text, threads), one in families(rows).items():
        mine = {r["class"]: r for r in one["ours"]}
        for peer in sorted(one["peers"], key=lambda r: r["median_ms"]):
            lines.append([f"`{text}`", str(threads), peer["impl"], f"{mine['fast']['median_ms']:.4g}", f"{peer['median_ms']:.4g}",
                          f"{peer['median_ms'] / mine['fast']['median_ms']:.2f}", f"{peer['median_ms'] / mine['canonical']['median_ms']:.2f}"])
    return ["## Beside libraries that Python reaches", "", "By `bench/beside_python.py`, both sides called from Python, weights given beforehand; the "
            "medians of " + str(min(r["rounds"] for r in rows)) + " rounds" +
            (" of the process's processor time" if any(f["clock"] == "process" for f in files) else "") + ". What takes less than 0.2 ms is mostly the call.", ""
            ] + table(["op", "threads", "peer", "ours, ms", "theirs, ms", "ratio", "ratio, CANONICAL"], lines)


def beside_drivers(files):
    """The rows of bench/beside_drivers.py: devices of drivers, and what uses the same drivers."""
    rows, lines, ops = [r for f in files for r in f["rows"]], [], {}
    for row in rows:
        ops.setdefault(row["text"], {})[row["impl"], row["class"]] = row
    for text, one in ops.items():
        cpu = one["tenon cpu", "fast"]
        for (impl, name), row in one.items():
            if impl != "tenon cpu":
                lines.append([f"`{text}`", impl, name or "-", f"{row['min_ms']:.4g}", f"{row['cpu_min_ms']:.4g}",
                              f"{cpu['min_ms'] / row['min_ms']:.2f}", f"{cpu['cpu_min_ms'] / row['cpu_min_ms']:.2f}"])
    return ["## Devices of drivers", "", "By `bench/beside_drivers.py`: the wall's time and the processor time of all threads, the least of at least "
            f"{min(r['rounds'] for r in rows)} rounds in turn;", "speed beside the cpu device's FAST on as many cpus, by either clock. All of these drivers "
            f"compute on the cpu, here {' and '.join(dict.fromkeys(f['cpu'] for f in files))}.", ""
            ] + table(["op", "on", "class", "ms", "processor ms", "speed beside cpu", "by processor time"], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--out", metavar="FILE", default=os.path.join(ROOT, "docs", "PERFORMANCE.md"))
    a = parser.parse_args()
    files, rows, python, drivers = load(a.files)
    if not rows:
        sys.exit("performance.py: the files have no rows")
    all_of = families(rows)
    peers = sorted({r["impl"] for r in rows if r["impl"] != "tenon"})
    missing = sorted(set().union(*(f.get("missing", []) for f in files)))
    least = min(r["rounds"] for r in rows)
    clock = " of the one thread's own processor time" if any(f.get("clock") == "thread" for f in files) else ""
    out = ["# Performance", "", "Made by `bench/performance.py` from the output of `tenon bench --json`; do not edit. Ours and the peers take turns "
           "in one process, at least", f"{least} rounds, warm, pinned to the same cpus, and every number is a median of rounds{clock}. "
           "Ratios above 1 are in our favour; a difference within the spread", "is a tie. Another machine has other numbers: compare ratios, not times.", "",
           "    tenon bench --suite peers --json ONE",
           "    tenon bench --suite peers --threads 2 --json TWO",
           "    bench/performance.py ONE TWO", "",
           "## Machine", ""]
    out += table(["cpu", "threads", "f32 fma peak", "read", "copy"],
                 [[cpu, str(threads), f"{of('peak_gflops')} GFLOP/s", f"{of('read_gbs')} GB/s", f"{of('copy_gbs')} GB/s"]
                  for (cpu, threads), of in machines(files).items()])
    out += [f"Tenon {files[-1].get('tenon', '?')}. Peers: {'; '.join(peers) or 'none'}."]
    out += [f"Not installed: {', '.join(missing)}." if missing else "", ""]
    out += ["The limit of a row is what bounds it on this machine by its operations and bytes: `fma` the peak, `read` and `copy` the bandwidth of",
            "256 MiB, all measured in the minute of the row; what fits the caches exceeds the latter two.", "",
            "## Ratios to the best peer", ""]
    out += summary(all_of)
    out += ["## Price of CANONICAL", "", "Time in CANONICAL over time in FAST with nothing allowed, of the same op in the same rounds.", ""]
    out += prices(all_of)
    for op in dict.fromkeys(text.split()[0] for text, _ in all_of):
        out += [f"## {op}", ""] + op_table(all_of, op)
    if python:
        out += beside_python(python)
    if drivers:
        out += beside_drivers(drivers)
    out += ["## Lines", ""] + sizes()
    with open(a.out, "w", encoding="utf-8") as f:
        f.write("\n".join(out).rstrip("\n") + "\n")
    print(f"{a.out}: {len(rows)} rows of {len(all_of)} ops from {len(files)} files")


if __name__ == "__main__":
    main()
