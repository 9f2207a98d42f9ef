#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fingerprint finds the order of devices that were built to have one, and the twin foresees their bits; the suite
raises no alarm on them as long as they declare what they do, and does where they do not."""
import json
import os
import subprocess
import sys
import tempfile

TENON, PLUGINS = sys.argv[1:3]
ENV = dict(os.environ, TENON_PLUGIN_PATH=PLUGINS)

# name: kind, bits of the accumulator, rounding, how products are added
ORDERS = {
    "sequential": ("sequential", 24, "nearest", "fused"),
    "reversed": ("reversed", 24, "nearest", "fused"),
    "pairwise": ("pairwise", 24, "nearest", "separate"),
    "separate": ("sequential", 24, "nearest", "separate"),
    "lanes4": ("4 lanes, halves first", 24, "nearest", "fused"),
    "lanes16": ("16 lanes, halves first", 24, "nearest", "fused"),
    "split4": ("blocks of 8", 24, "nearest", "fused"),
    "zero": ("sequential", 24, "zero", "fused"),
    "f64": ("sequential", 53, "nearest", "exact products"),
}
for w in (4, 8, 16):
    for e in (0, 1, 2):
        ORDERS[f"fused{w}x{e}"] = (f"fused by {w}", 24 + e, "truncates addends", None)


def tenon(*args):
    return subprocess.run([TENON, *args], env=ENV, capture_output=True, text=True)


def sheet(device, types, folder, shape="5x7x32"):
    path = os.path.join(folder, "f.json")
    done = tenon("fingerprint", device, "--shape", shape, "--types", types, "--json", path)
    assert done.returncode == 0, (device, done.stdout, done.stderr)
    return json.load(open(path))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, (kind, bits, rounds, fma) in ORDERS.items():
            one = sheet(f"orders:{name}", "f32,f32", folder)["sums"][0]
            path = one["paths"][0]
            assert len(one["paths"]) == 1 and path["places"] == 35 and path["stable"], (name, one)
            assert path["kind"] == kind, (name, path["kind"], path["tree"])
            assert one["accumulator_bits"] == bits and (one["accumulate_round"] == rounds or "fused" in name), (name, one)
            assert fma is None or one["multiply_add"] == fma, (name, one["multiply_add"])
            assert one["twin_right"] == one["twin_of"] == 1000, (name, one["twin_right"])
            assert one["repeatable"] and one["batch_invariant"] and not one["flush_in"] and not one["flush_out"], (name, one)
        half = sheet("orders:f16", "f16,f16", folder)["sums"][0]
        assert half["paths"][0]["kind"] == "sequential" and half["accumulator_bits"] == 11 and half["twin_right"] == 1000, half
        loose = sheet("orders:atomic", "f32,f32", folder)["sums"][0]
        assert not loose["repeatable"] and not loose["paths"][0]["stable"] and loose["paths"][0]["unstable_at"] >= 2, loose

        # sums of parts, whose remainder has other arithmetic than their lanes
        parts = sheet("orders:parts", "f32,f32", folder, "3x2x37")["sums"][0]
        path = parts["paths"][0]
        assert path["stable"] and parts["twin_right"] == 1000, parts
        # the last node's bits are the output's: what is above 24 there is nobody's to see
        assert path["leaves"] == "r" * 4 + "e" * 28 + "r" * 5 and path["node_bits"][-6:] == [24] + [53] * 4 + [24], path
        # where operands lie: noticed, and the tree is that of round addresses
        moved = sheet("orders:address", "f32,f32", folder)
        assert moved["addresses"] == [32] and moved["sums"][0]["paths"][0]["kind"] == "sequential", moved
        assert moved["sums"][0]["twin_right"] == 1000 and sheet("orders:sequential", "f32,f32", folder)["addresses"] == [1]

        # a digest is the device's own, and a changed device is told
        first, again = sheet("orders:lanes4", "f32,f32", folder), sheet("orders:lanes4", "f32,f32", folder)
        assert first["digest"] == again["digest"] != sheet("orders:lanes16", "f32,f32", folder)["digest"]
        path = os.path.join(folder, "lanes4.json")
        json.dump(first, open(path, "w"))
        same = tenon("fingerprint", "orders:lanes4", "--shape", "5x7x32", "--types", "f32,f32", "--compare", path)
        other = tenon("fingerprint", "orders:pairwise", "--shape", "5x7x32", "--types", "f32,f32", "--compare", path)
        assert same.returncode == 0 and other.returncode == 1 and "differs" in other.stdout, other.stdout

        # who equals whom
        json.dump(first, open(os.path.join(folder, "twice.json"), "w"))
        sheet("orders:lanes16", "f32,f32", folder)
        atlas = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fingerprint", "atlas.py")
        done = subprocess.run([sys.executable, atlas, folder], capture_output=True, text=True)
        assert "  lanes4, twice: 4 lanes" in done.stdout and "  f: 16 lanes" in done.stdout and "3000 of 3000" in done.stdout, done

        # what declares itself raises no alarm
        alarms = 0
        for name in list(ORDERS) + ["atomic", "f16", "parts", "address"]:
            done = tenon("verify", f"orders:{name}", "-q", "--case", "L5.matmul.*16?f32*", "--case", "L5.matmul.*65?f*", "--case",
                         "*33x31x129.*", "--no-retry")
            alarms += done.returncode != 0
            assert done.returncode == 0, (name, done.stdout[-1500:])
        # and what does not is found out
        for name in ("zero", "f16", "atomic", "fused8x0", "fused4x1"):
            done = tenon("verify", f"orders:{name}!declared", "-q", "--case", "*33x31x129.*", "--case", "L5.matmul.*", "--no-retry")
            assert done.returncode == 1, (name, done.stdout[-800:])
        # libraries as devices: no alarm, and the twin foresees what they give
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".venv")
        ENV["LD_LIBRARY_PATH"] = ":".join([os.path.join(root, "onednn/lib"), os.path.join(root, "lib"), ENV.get("LD_LIBRARY_PATH", "")])
        ENV.update(OPENBLAS_NUM_THREADS="1", BLIS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1")
        there = []
        for name in ("openblas", "blis", "mkl", "onednn"):
            done = tenon("fingerprint", f"orders:{name}", "--shape", "17x33x32", "--types", "f32,f32", "--json", path)
            if done.returncode == 3:
                continue
            one = json.load(open(path))["sums"][0]
            assert done.returncode == 0 and one["twin_right"] == 1000, (name, done.stdout)
            done = tenon("verify", f"orders:{name}", "-q", "--case", "L?.matmul.*f32*", "--no-retry")
            assert done.returncode == 0, (name, done.stdout[-1500:])
            there.append(f"{name} ({', '.join(p['kind'] for p in one['paths'])})")
        assert there, "none of the libraries is installed: a verdict on other people's sums needs one"
        print("fingerprint: libraries without an alarm:", "; ".join(there))
        if os.path.exists(os.path.join(os.path.dirname(TENON), "../../.venv/bin/python")):
            for library in ("numpy", "onnxruntime", "ggml"):
                done = tenon("fingerprint", library, "--shape", "17x33x32", "--types", "f32,f32", "--json", path)
                if library != "numpy" and "does not answer" in done.stderr:
                    print(f"fingerprint: {library} is not installed")
                    continue
                assert done.returncode == 0 and json.load(open(path))["sums"][0]["twin_right"] == 1000, done.stdout
    print(f"fingerprint: {len(ORDERS) + 4} orders found, {alarms} false alarms, 5 undeclared ones told")


if __name__ == "__main__":
    main()
