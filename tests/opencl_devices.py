#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of all devices on each OpenCL device of this machine: opencl_devices.py TENON TESTS-FOLDER"""
import json
import os
import subprocess
import sys

# Those of the list of devices (tn_test_devices) that suppose nothing of cpu.
TESTS = ("queue", "device", "plan", "align", "inject", "errors_queue", "errors_runtime", "errors_inject", "errors_fork",
         "alloc_odd", "encoder_layer")


def main():
    tenon, folder = sys.argv[1:]
    told = json.loads(subprocess.run([tenon, "info", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    devices = [d["uri"] for d in told["devices"] if d["uri"].startswith("opencl:")]
    if not devices:
        print("skipped: no OpenCL driver here (./run --drivers)")
        return 77
    bad = 0
    for uri in devices:
        for name in TESTS:
            done = subprocess.run([os.path.join(folder, "test_" + name)], env={**os.environ, "TENON_TEST_DEVICES": uri},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
            print(f"{uri} test_{name}: {'ok' if done.returncode == 0 else 'FAILED'}")
            if done.returncode != 0:
                bad += 1
                print("\n".join(line for line in done.stdout.splitlines() if not line.startswith(("error:", "call:")))[-3000:])
    print(f"{len(devices) * len(TESTS) - bad} passed, {bad} failed on {', '.join(devices)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
