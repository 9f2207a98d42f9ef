#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""twin:FILE: the fingerprint of a twin is that of its datasheet, and a changed sheet is another device.

usage: check_twin.py TENON PLUGINS"""
import json
import os
import subprocess
import sys
import tempfile

TENON, PLUGINS = sys.argv[1:]
DEVICES = ["cpu"] + ["orders:" + o for o in ["parts", "reversed", "pairwise", "separate", "lanes4", "lanes16", "split4", "zero", "f64"] +
                     [f"fused{w}x{e}" for w in (4, 8, 16) for e in (0, 1, 2)]]


def tenon(status, *args):
    env = dict(os.environ, TENON_PLUGIN_PATH=PLUGINS)
    done = subprocess.run([TENON, *args], capture_output=True, text=True, env=env)
    assert done.returncode == status, (args, done.returncode, done.stdout[-600:], done.stderr[-600:])
    return done.stdout + done.stderr


def main():
    with tempfile.TemporaryDirectory() as d:
        p = lambda name: os.path.join(d, name)
        for device in DEVICES:
            shape = {"cpu": "17x33x32", "orders:parts": "3x2x37"}.get(device, "5x7x32")
            which = ["--shape", shape, "--types", "f32,f32"]
            tenon(0, "fingerprint", device, *which, "--json", p("sheet"))
            out = tenon(0, "fingerprint", "twin:" + p("sheet"), *which, "--compare", p("sheet"), "--json", p("again"))
            assert "the same as" in out, (device, out)
            a, b = json.load(open(p("sheet"))), json.load(open(p("again")))
            assert a["sums"] == b["sums"] and a["digest"] == b["digest"] and a["places"] == b["places"], device
        few = ["--shape", "1x64x64", "--types", "f32,f32"]
        tenon(0, "fingerprint", "cpu", *few, "--json", p("sheet"))
        out = tenon(0, "verify", "twin:" + p("sheet"), "-q", "--case", "*matmul*64*")
        assert " pass" in out, out
        # an accumulator that rounds toward zero is another device, and one that does not do what it declares nowhere
        sheet = json.load(open(p("sheet")))
        for s in sheet["sums"]:
            s["accumulate_round"] = "zero"
        json.dump(sheet, open(p("other"), "w"))
        assert "differs" in tenon(1, "fingerprint", "twin:" + p("other"), *few, "--compare", p("sheet"))
        for text in ("", "{}", '{"sums":[{"shape":"4x4x4","types":"f32,f32","paths":[{"tree":"((0 1) 9)","stable":true}]}]}'):
            open(p("bad"), "w").write(text)
            assert "no datasheet" in tenon(3, "verify", "twin:" + p("bad"), "-q"), text
        assert "cannot be read" in tenon(3, "verify", "twin:" + p("none"), "-q")
    print(f"twin: the fingerprints of {len(DEVICES)} twins are those of their devices")


if __name__ == "__main__":
    main()
