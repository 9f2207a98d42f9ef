#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of all devices on each device of a driver of this machine: opencl_devices.py TENON TESTS-FOLDER
[opencl | vulkan]"""
import json
import os
import random
import subprocess
import sys

# Those of the list of devices (tn_test_devices) that suppose nothing of cpu.
OPENCL = ("queue", "device", "plan", "align", "inject", "errors_queue", "errors_runtime", "errors_inject", "errors_fork",
         "alloc_odd", "encoder_layer")
# The rest supposes packed weights or imports, or opens devices so often that software drivers take minutes.
VULKAN = ("buffer", "device", "trace", "errors_queue", "errors_inject", "alloc_odd", "encoder_layer",
          "../conformance/test_canonical_vectors")
CANONICAL = VULKAN[-2:]  # would only show that cpu is right on a device that refuses the class


def main():
    tenon, folder, scheme = (*sys.argv[1:], "opencl")[:3]
    name_of, tests = {"opencl": ("OpenCL", OPENCL), "vulkan": ("Vulkan", VULKAN)}[scheme]
    told = json.loads(subprocess.run([tenon, "info", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    devices = [d["uri"] for d in told["devices"] if d["uri"].startswith(scheme + ":")]
    if not devices:
        print(f"skipped: no {name_of} driver here (./run --setup)")
        return 77
    ran = bad = 0
    seed, full = os.environ.get("TENON_TEST_SEED", ""), os.environ.get("TENON_TEST_FULL", "1") != "0"
    for uri in devices:
        classes = next(d["classes"]["f32"] for d in told["devices"] if d["uri"] == uri)
        # ./test without --full takes two of them, others each day
        for name in tests if full else random.Random(seed + uri).sample(tests, 2):
            if scheme == "vulkan" and name in CANONICAL and "canonical" not in classes:
                print(f"{uri} {name}: left out, the device refuses CANONICAL")
                continue
            done = subprocess.run([os.path.join(folder, name if "/" in name else "test_" + name)], env={**os.environ, "TENON_TEST_DEVICES": uri},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
            print(f"{uri} {name}: {'ok' if done.returncode == 0 else 'FAILED'}")
            ran += 1
            if done.returncode != 0:
                bad += 1
                print("\n".join(line for line in done.stdout.splitlines() if not line.startswith(("error:", "call:")))[-3000:])
        if scheme == "vulkan" and "canonical" not in classes:
            # What it claims is BOUNDED, and is held to what its kernels declare: a part of the list, another each day.
            parts = 25 if full else 120
            part = random.Random(seed + uri).randrange(parts) + 1
            verify = [tenon, "verify", uri, "--list", "quick", "-q", f"--shard={part}/{parts}"]
            done = subprocess.run(verify, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
            print(f"{uri} part {part} of {parts} of the quick list: {'ok' if done.returncode == 0 else 'FAILED'}")
            print(done.stdout[-2000:])
            ran += 1
            bad += done.returncode != 0
    print(f"{ran - bad} passed, {bad} failed on {', '.join(devices)}")
    return 1 if bad or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
