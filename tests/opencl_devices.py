#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of all devices on each device of a driver of this machine: opencl_devices.py TENON TESTS-FOLDER
[opencl | vulkan]"""
import json
import os
import subprocess
import sys

# Those of the list of devices (tn_test_devices) that suppose nothing of cpu.
OPENCL = ("queue", "device", "plan", "align", "inject", "errors_queue", "errors_runtime", "errors_inject", "errors_fork",
         "alloc_odd", "encoder_layer")
# The rest supposes packed weights or imports.
VULKAN = ("buffer", "queue", "device", "trace", "errors_queue", "errors_runtime", "errors_inject", "errors_fork",
          "alloc_odd", "encoder_layer", "../conformance/test_canonical_vectors")


def main():
    tenon, folder, scheme = (*sys.argv[1:], "opencl")[:3]
    name_of, tests = {"opencl": ("OpenCL", OPENCL), "vulkan": ("Vulkan", VULKAN)}[scheme]
    told = json.loads(subprocess.run([tenon, "info", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    devices = [d["uri"] for d in told["devices"] if d["uri"].startswith(scheme + ":")]
    if not devices:
        print(f"skipped: no {name_of} driver here (./run --drivers)")
        return 77
    bad = 0
    for uri in devices:
        for name in tests:
            done = subprocess.run([os.path.join(folder, name if "/" in name else "test_" + name)], env={**os.environ, "TENON_TEST_DEVICES": uri},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
            print(f"{uri} {name}: {'ok' if done.returncode == 0 else 'FAILED'}")
            if done.returncode != 0:
                bad += 1
                print("\n".join(line for line in done.stdout.splitlines() if not line.startswith(("error:", "call:")))[-3000:])
    print(f"{len(devices) * len(tests) - bad} passed, {bad} failed on {', '.join(devices)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
