#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenon bench takes every op by its text, on every device, and what it writes is whole; bench/performance.py makes its page of it.
Nothing here looks at how long anything took.

usage: check_bench.py TENON
"""
import json
import math
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIELDS = {"op": str, "dtype": str, "shape": str, "text": str, "threads": int, "class": str, "impl": str, "kernel": str, "packed": bool,
          "rounds": int, "median_ms": (int, float), "p10_ms": (int, float), "p90_ms": (int, float), "gflops": (int, float),
          "gbs": (int, float), "limit": str, "percent": (int, float)}


def bench(tenon, *arguments):
    done = subprocess.run([tenon, "bench", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def built_ops():
    text = open(os.path.join(ROOT, "hal", "op_table.c"), encoding="utf-8").read()
    return set(re.findall(r'\.name = "(\w+)"', text))


def main():
    tenon, wrong, seen = sys.argv[1], [], {}
    with tempfile.TemporaryDirectory(prefix="tenon-bench-") as top:
        for device in ("cpu", "cpu?private=1"):
            path = os.path.join(top, f"{len(seen)}.json")
            rc, out, err = bench(tenon, "--suite", "ops", "--rounds", "1", "--vs", "none", "--device", device, "--json", path)
            if rc:
                sys.exit(f"--suite ops on {device}: exit {rc}\n{out}{err}")
            with open(path, encoding="utf-8") as f:
                seen[device] = json.load(f)
            rows = seen[device]["rows"]
            for row in rows:
                bad = [k for k, t in FIELDS.items() if not isinstance(row.get(k), t)]
                bad += [k for k in ("median_ms", "gbs", "percent") if not bad and not (row[k] > 0 and math.isfinite(row[k]))]
                if bad:
                    wrong.append(f"{device}: {row.get('text')}: {', '.join(bad)} is not right")
            wrong += [f"{device}: no row of {op}: add it to the suite of ops" for op in sorted(built_ops() - {r["op"] for r in rows})]
            for text in {r["text"] for r in rows}:
                classes = {r["class"] for r in rows if r["text"] == text}
                if not {"fast", "canonical"} <= classes:
                    wrong.append(f"{device}: {text} has only {', '.join(sorted(classes))}")
        # the forms of an op on the command line
        for form in (["softmax", "8x16:f32"], ["softmax", "8x16"], ["eltwise", "gelu", "8x16:f32"], ["softmax 8x16:f32", "eltwise add 8x16:f32"],
                     ["matmul", "8x9x10", "4x8x9x10:f32"], ["reduce", "sum", "8x16:f32:axes=0"]):
            rc, out, err = bench(tenon, *form, "--rounds", "1", "--vs", "none")
            if rc or out.count("interleaved rounds") != (2 if form[0] in ("matmul", "softmax 8x16:f32") else 1):
                wrong.append(f"{form}: exit {rc}\n{out}{err}")
        for form in (["softmax"], ["nothing", "8x8"], ["softmax", "8x8:f99"], ["--suite", "nothing"]):
            rc, out, err = bench(tenon, *form, "--rounds", "1", "--vs", "none")
            if rc != 2 or not err.strip():
                wrong.append(f"{form}: exit {rc} where 2 is right\n{out}{err}")
        path = os.path.join(top, "thread.json")
        rc, out, err = bench(tenon, "softmax", "8x16", "--rounds", "1", "--vs", "none", "--thread-time", "--json", path)
        with open(path, encoding="utf-8") as f:
            if rc or "the thread's own time" not in out or json.load(f)["clock"] != "thread":
                wrong.append(f"--thread-time: exit {rc}\n{out}{err}")
        for form in (["--threads", "2"], ["--device", "cpu?private=1"]):
            rc, out, err = bench(tenon, "softmax", "8x16", "--thread-time", *form)
            if rc == 0 or "--thread-time" not in err:
                wrong.append(f"--thread-time {form}: exit {rc} where it has to be refused\n{out}{err}")
        rc, out, err = bench(tenon, "--nonsense")
        if rc == 0 or not err.startswith("tenon bench: "):
            wrong.append(f"--nonsense: exit {rc}, and what is said is not as `tenon bench`\n{out}{err}")
        # a page of known numbers
        row = dict(seen["cpu"]["rows"][0], text="softmax 8x8:f32", op="softmax", packed=False, kernel="k")
        rows = [dict(row, impl=i, **{"class": c, "median_ms": m, "p10_ms": m, "p90_ms": m, "text": t})
                for t, us, them in (("softmax 8x8:f32", 1.0, 2.0), ("softmax 9x9:f32", 4.0, 2.0))
                for i, c, m in (("tenon", "fast", us), ("tenon", "canonical", 1.25 * us), ("other 1.0", "fast", them))]
        path, page = os.path.join(top, "known.json"), os.path.join(top, "page.md")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(dict(seen["cpu"], rows=rows), f)
        called = os.path.join(top, "python.json")
        with open(called, "w", encoding="utf-8") as f:
            json.dump({"from": "python", "clock": "wall", "rows": [
                {"text": "softmax 7x7", "threads": 1, "impl": i, "class": c, "median_ms": m, "rounds": 3}
                for i, c, m in (("tenon", "fast", 2.0), ("tenon", "canonical", 4.0), ("a framework", "", 3.0))]}, f)
        driven = os.path.join(top, "drivers.json")
        with open(driven, "w", encoding="utf-8") as f:
            json.dump({"from": "drivers", "cpu": "a cpu", "rows": [
                {"text": "matmul 7x7x7", "impl": i, "class": "fast", "min_ms": m, "cpu_min_ms": 2 * m, "rounds": 3}
                for i, m in (("tenon cpu", 1.0), ("tenon a:driver", 4.0))]}, f)
        subprocess.run([sys.executable, os.path.join(ROOT, "bench", "performance.py"), path, called, driven, "--out", page], check=True)
        text = open(page, encoding="utf-8").read()
        for part in ("| 1 | FAST | 2 | 1.000 | 0.50 | 2.00 | 1 |", "| softmax | 2 | +25.0 % | +25.0 % | +25.0 % |",
                     "`softmax 9x9:f32`, 1 thread, plain: 0.50 of other", "other 1.0",
                     "| `softmax 7x7` | 1 | a framework | 2 | 3 | 1.50 | 0.75 |",
                     "| `matmul 7x7x7` | tenon a:driver | fast | 4 | 8 | 0.25 | 0.25 |"):
            if part not in text:
                wrong.append(f"the page lacks \"{part}\"")
    print("\n".join(wrong) or f"bench: {len(built_ops())} ops on {len(seen)} devices, {sum(len(d['rows']) for d in seen.values())} rows")
    return 1 if wrong else 0


sys.exit(main())
