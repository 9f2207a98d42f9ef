#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenon doctor where drivers were removed: cpu works, and each kind has the line that installs it: check_doctor.py TENON"""
import json
import os
import subprocess
import sys
import tempfile

LINES = {"opencl": "apt-get install pocl-opencl-icd", "vulkan": "apt-get install mesa-vulkan-drivers"}


def call(tenon, folder, manifest, *words):
    env = {**os.environ, "OCL_ICD_VENDORS": folder, "VK_DRIVER_FILES": manifest, "VK_ICD_FILENAMES": manifest}
    for name in ("OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH", "VK_ADD_DRIVER_FILES", "TENON_DEVICES"):
        env.pop(name, None)
    return subprocess.run([tenon, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)


def removed(tenon, what, folder, manifest):
    """How many complaints there are."""
    bad = []
    done = call(tenon, folder, manifest, "doctor")
    if done.returncode != 0:
        bad.append(f"doctor ended with {done.returncode}")
    for scheme, line in LINES.items():
        if f"missing  0 devices of {scheme}:" not in done.stdout:
            bad.append(f"doctor does not miss {scheme}")
        if line not in done.stdout:
            bad.append(f"doctor does not say how to install a driver of {scheme}")
    told = json.loads(call(tenon, folder, manifest, "info", "--json").stdout)
    uris = [d["uri"] for d in told["devices"]]
    if "cpu" not in uris or any(u.startswith(("opencl:", "vulkan:")) for u in uris):
        bad.append(f"the devices are {uris}")
    done = call(tenon, folder, manifest, "explain", "matmul 64x64x64:f32", "--device", "cpu")
    if done.returncode != 0 or "runs " not in done.stdout:
        bad.append("cpu does not run a product")
    for line in bad:
        print(f"{what}: {line}")
    return len(bad)


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        bad += removed(sys.argv[1], "no driver", folder, os.path.join(folder, "none.json"))
        gone = os.path.join(folder, "libgone.so")
        with open(os.path.join(folder, "gone.icd"), "w", encoding="utf-8") as f:
            f.write(gone + "\n")
        manifest = os.path.join(folder, "gone.json")
        with open(manifest, "w", encoding="utf-8") as f:
            json.dump({"file_format_version": "1.0.0", "ICD": {"library_path": gone, "api_version": "1.3.0"}}, f)
        bad += removed(sys.argv[1], "a file that names a library that is gone", folder, manifest)
    print(f"{bad} complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
