#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps true who may include whom (docs/ARCHITECTURE.md). Exits 1 and names each line that breaks it."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLAIN = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)

# folder -> patterns of project headers that it may include
RULES = {
    "include/tenon": [r"tenon/"],
    "hal": [r"tenon/", r"hal/", r"kernels/common/probe\.h"],
    "kernels": [r"tenon/", r"kernels/", ],
    "backends": [r"tenon/", r"kernels/common/", r"kernels/(\w+)/\1(_glsl)?\.h", r"backends/common/", r"backends/{backend}/"],
    "tools": [r"tenon/", r"tools/", r"bench/peers/peer\.h", r"conformance/(verify|runner/execute|cases/cases|oracle/oracle|bounds/\w+|mutants/mutants|fingerprint/fingerprint)\.h"],
    "conformance": [r"tenon/", r"conformance/", r"tests/support/test\.h", r"kernels/(\w+)/\1\.h", r"kernels/(\w+)/\1_cases", r"kernels/common/probe\.h"],
    "bench": [r"tenon/", r"bench/", r"kernels/(\w+)/\1\.h", r"kernels/(\w+)/\1_cases"],
    "examples": [r"tenon/"],
    "integrations": [r"tenon/", r"integrations/"],
}
# kernels see plain data of the public headers, never objects or calls of the runtime
KERNELS_PUBLIC = {"base.h", "dtype.h", "tensor.h", "ops.h", "plan.h", "memory.h", "queue.h", "device.h"}
EXCEPTIONS = {
    ("tools/canonmath", r"kernels/common/"),  # sweeps the canonical functions themselves
    ("tools/tenon/sim_", r"(backends/tpu-sim/|kernels/systolic/systolic\.h)"),  # looks into the simulated chip
}


def resolve(path, name):
    """The header's path in the tree, or None for a system header."""
    for base in (os.path.dirname(path), os.path.join(ROOT, "include"), ROOT):
        full = os.path.normpath(os.path.join(base, name))
        if os.path.exists(full) and full.startswith(ROOT):
            rel = os.path.relpath(full, ROOT)
            return rel[len("include/"):] if rel.startswith("include/") else rel
    return None


def main():
    bad, seen = [], 0
    for top, allowed in RULES.items():
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for f in sorted(files):
                if not f.endswith((".c", ".h", ".inc", ".cl", ".comp")):
                    continue
                path = os.path.join(folder, f)
                rel = os.path.relpath(path, ROOT)
                seen += 1
                backend = rel.split("/")[1] if rel.startswith("backends/") else ""
                pats = [p.replace("{backend}", re.escape(backend)) for p in allowed]
                pats += [p for where, p in EXCEPTIONS if rel.startswith(where)]
                text = open(path, encoding="utf-8").read()
                for m in PLAIN.finditer(text):
                    target = resolve(path, m.group(1))
                    if target is None:
                        if re.match(r"(CL|vulkan|cuda)/", m.group(1)) and not rel.startswith("backends/"):
                            bad.append(f"{rel}: driver header {m.group(1)}")
                        continue
                    ok = any(re.match(p, target) for p in pats)
                    if top == "kernels" and target.startswith("tenon/"):
                        ok = os.path.basename(target) in KERNELS_PUBLIC
                    if not ok:
                        bad.append(f"{rel}: may not include {target}")
                if rel.startswith(("hal/", "backends/")) and rel.endswith(".c") and 'path:' not in text:
                    bad.append(f"{rel}: no 'path:' line")
    # The driver of a chip knows no model and no simulation: one object file for every bus.
    for f in ("tpu_driver.c", "tpu_selftest.c", "tpu_driver.h"):
        text = open(os.path.join(ROOT, "backends/tpu-sim/driver", f), encoding="utf-8").read()
        for m in PLAIN.finditer(text):
            if not re.match(r"tpu_driver\.h|backends/tpu-sim/tpu_regs\.h|kernels/systolic/|tenon/|\w+\.h$", m.group(1)):
                bad.append(f"{f}: the driver may not include {m.group(1)}")
        if re.search(r"^\s*#\s*if(?!ndef TN_BACKENDS)|\bsim_", text, re.M):
            bad.append(f"{f}: the driver may not tell a model from a chip")
    names = {}
    for top in ("hal", "backends", "kernels", "tools", "conformance", "bench", "tests"):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for f in files:
                if f.endswith(".c"):
                    names.setdefault(f, []).append(os.path.relpath(os.path.join(folder, f), ROOT))
    bad += [f"basename used twice: {', '.join(v)}" for v in names.values() if len(v) > 1]
    if seen == 0:
        bad.append("no source file was found")
    print("\n".join(bad) or f"layers: {seen} files keep the rules")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
