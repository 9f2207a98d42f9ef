#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the libraries show to the linker: the shared one the functions of include/tenon and nothing
else, each with its version; the static one only names that begin with tn_.

usage: check_symbols.py NM SHARED STATIC
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERSION = "TENON_0"
FOREIGN = {"tn_backend_query"}  # declared here, defined by whoever writes a plugin


def declared():
    names = set()
    for path in glob.glob(os.path.join(ROOT, "include", "tenon", "*.h")):
        text = re.sub(r"/\*.*?\*/|^\s*#[^\n]*", "", open(path, encoding="utf-8").read(), flags=re.S | re.M)
        names.update(re.findall(r"TN_API\b[^;{]*?\b(tn_\w+)\s*\(", text))
    return names - FOREIGN


def listed(nm, *args):
    out = subprocess.run([nm, *args], capture_output=True, text=True, check=True).stdout
    return [line.split() for line in out.splitlines() if len(line.split()) == 3]


def main():
    nm, shared, static = sys.argv[1:]
    wrong = []
    api, shown = declared(), set()
    for _, kind, name in listed(nm, "-D", "--defined-only", "--with-symbol-versions", shared):
        plain, _, version = name.partition("@@")
        if kind == "A" and plain == VERSION:
            continue
        shown.add(plain)
        if version != VERSION:
            wrong.append(f"{shared}: {plain} has version {version or 'none'}, {VERSION} is right")
    wrong += [f"{shared}: {n} is declared with TN_API and not shown" for n in sorted(api - shown)]
    wrong += [f"{shared}: {n} is shown and not declared with TN_API" for n in sorted(shown - api)]
    inside = {name for _, _, name in listed(nm, "-g", "--defined-only", static)}
    inside = {n for n in inside if not n.startswith(("__asan", "__ubsan", "__tsan", "__odr_asan", "DW.ref"))}
    wrong += [f"{static}: {n} is global and does not begin with tn_" for n in sorted(inside) if not n.startswith("tn_")]
    wrong += [f"{static}: {n} is missing" for n in sorted(api - inside)]
    print("\n".join(wrong) or f"symbols: {len(api)} functions shown, {len(inside)} names inside, all tn_")
    return 1 if wrong or not api else 0


sys.exit(main())
