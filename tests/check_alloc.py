#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Host memory comes from the runtime's allocator alone, and every public call is in a test that fails it.
check_alloc.py NM LIBTENON_A"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What takes memory from libc by itself; alloc.c has the default allocator.
BANNED = {"malloc", "calloc", "realloc", "reallocarray", "free", "aligned_alloc", "posix_memalign", "memalign", "valloc",
          "strdup", "strndup", "asprintf", "vasprintf", "getline", "getdelim", "open_memstream", "fopen", "fdopen", "tmpfile",
          "__sched_cpualloc", "scandir", "realpath", "_Znwm", "_Znam"}
ALLOWED = {"alloc.c.o": {"posix_memalign", "free"}}
PUBLIC = re.compile(r"^TN_API\s+(?:TN_NODISCARD\s+)?[\w\s*]*?\b(tn_\w+)\(", re.M)


def main():
    nm, library = sys.argv[1:3]
    bad, members, symbols, member = [], 0, 0, ""
    for line in subprocess.run([nm, "-u", library], check=True, capture_output=True, text=True).stdout.splitlines():
        if line.endswith(":"):
            member = line[:-1].split(":")[-1]
            members += 1
        elif line.split():
            name = line.split()[-1].split("@")[0]
            symbols += 1
            if name in BANNED and name not in ALLOWED.get(member, set()):
                bad.append(f"{member} calls {name}: take memory from the runtime's allocator")
    if members < 50 or symbols < 100:
        bad.append(f"{library}: only {members} members and {symbols} undefined symbols were seen")

    tests = "".join(open(f, encoding="utf-8").read() for f in sorted(glob.glob(os.path.join(ROOT, "tests", "test_alloc_*.c"))))
    tests += open(os.path.join(ROOT, "tests", "support", "alloc_bed.h"), encoding="utf-8").read()
    calls = set()
    for header in glob.glob(os.path.join(ROOT, "include", "tenon", "*.h")):
        if not header.endswith("backend.h"):
            calls |= set(PUBLIC.findall(open(header, encoding="utf-8").read()))
    missing = sorted(c for c in calls if not re.search(rf"\b{c}\(", tests))
    bad += [f"{c}() is in no tests/test_alloc_*.c" for c in missing]
    if len(calls) < 60:
        bad.append(f"only {len(calls)} public calls were found in include/tenon")
    print("\n".join(bad) or f"alloc: {members} members take no memory of their own; {len(calls)} public calls are swept")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
