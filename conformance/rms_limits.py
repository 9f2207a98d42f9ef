#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How near legitimate devices come to the limits of the root mean square (conformance/bounds/bounds.c): the largest measured one
beside its limit, by data class and by what is declared. A limit that nobody comes near could be lower; one that is passed is a false alarm.

usage: conformance/rms_limits.py TENON [--plugins FOLDER] [--list LIST] [--case GLOB].. [DEVICE..]

Without devices: cpu, the orders of conformance/plugins that declare what they do, and the libraries that are installed."""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

NEAREST = ["sequential", "reversed", "pairwise", "separate", "lanes4", "lanes16", "split4", "f64", "parts", "address"]
OTHERS = ["zero"] + [f"fused{w}x{e}" for w in (4, 8, 16) for e in (0, 1, 2)]
LIBRARIES = ["openblas", "blis", "mkl", "onednn"]
CASES = [f"L?.{op}.*.{data}.*" for op in ("matmul", "conv", "reduce") for data in ("zero", "pos", "wide", "repeat")]


def records(asked, device, folder):
    """The passed cases of a device that were held to a limit; None: it is not there."""
    path = os.path.join(folder, "r.jsonl")
    if os.path.exists(path):
        os.remove(path)
    env = dict(os.environ, **({"TENON_PLUGIN_PATH": os.path.abspath(asked.plugins)} if asked.plugins else {}))
    words = [w for c in asked.case or CASES for w in ("--case", c)]
    done = subprocess.run([asked.tenon, "verify", device, "--list", asked.list, "-q", "--jsonl", path, *words], env=env, capture_output=True, text=True)
    if done.returncode == 3:
        return None
    found = [json.loads(line) for line in open(path)] if os.path.exists(path) else []
    assert found, (device, done.returncode, done.stdout[-500:], done.stderr[-500:])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tenon")
    parser.add_argument("--plugins", help="the folder of tenon_backend_orders.so")
    parser.add_argument("--list", default="quick")
    parser.add_argument("--case", action="append")
    parser.add_argument("device", nargs="*")
    asked = parser.parse_intermixed_args()
    devices = asked.device or ["cpu"] + [f"orders:{o}" for o in NEAREST + OTHERS + LIBRARIES] * bool(asked.plugins)
    most, alarms, there = {}, [], 0
    held = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for device in devices:
            found = records(asked, device, folder)
            if found is None:
                print(f"{device}: not there")
                continue
            there += 1
            kind = "nearest" if device.removeprefix("orders:") not in OTHERS else "toward zero" if device.endswith("zero") else "fused units"
            mine = collections.defaultdict(float)
            for r in found:
                m = r["metrics"]
                if r["status"] not in ("pass", "not_supported"):
                    alarms.append(f"{device} {r['case']}: {r.get('message', '')}")
                if "rms_limit" not in m:
                    continue
                key = kind, r["data"]
                held[key] += 1
                share = m["rms"] / m["rms_limit"]
                mine[r["data"]] = max(mine[r["data"]], share)
                if share > most.get(key, (0,))[0]:
                    most[key] = share, m["rms"], m["rms_limit"], m["terms"], device, r["case"]
            print(f"{device}: " + (", ".join(f"{d} {s:.2f}" for d, s in sorted(mine.items())) or "nothing was held to a limit"), flush=True)
    print(f"\n{'declared':12} {'data':8} {'cases':>6} {'share':>6} {'rms':>8} {'limit':>8} {'terms':>6}  device, case")
    for key, (share, rms, limit, terms, device, case) in sorted(most.items()):
        print(f"{key[0]:12} {key[1]:8} {held[key]:6} {share:6.2f} {rms:8.3f} {limit:8.3f} {terms:6.0f}  {device}, {case}")
    print(f"{there} devices, {sum(held.values())} cases held to a limit, {len(alarms)} false alarms")
    for a in alarms[:20]:
        print("  " + a)
    sys.exit(0 if most and not alarms else 1)


if __name__ == "__main__":
    main()
