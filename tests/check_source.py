#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler does not check: banned calls, file length, SPDX line, left-over notes."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = (".c", ".h", ".inc", ".cl", ".comp", ".py", ".sh", ".cmake")
LIBRARY = ("hal/", "kernels/", "backends/", "include/")
BANNED_ALWAYS = re.compile(r"(?<![\w.>])(sprintf|strcpy|strcat|atoi|rand)\s*\(")
BANNED_LIBRARY = re.compile(r"(?<![\w.>])(abort|exit|printf|puts|perror|assert)\s*\(")
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
NOTE = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|^\s*#\s*if 0", re.M)
MAX_LINES = 800


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def main():
    bad, seen = [], 0
    for folder, dirs, files in os.walk(ROOT):
        dirs[:] = [d for d in dirs if d not in (".git", "build", ".venv", ".drivers", "__pycache__")]
        for f in sorted(files):
            if not f.endswith(SOURCE):
                continue
            path = os.path.join(folder, f)
            rel = os.path.relpath(path, ROOT)
            text = open(path, encoding="utf-8").read()
            seen += 1
            if "SPDX-License-Identifier: Apache-2.0" not in text[:300]:
                bad.append(f"{rel}: no SPDX line")
            if text.count("\n") > MAX_LINES:
                bad.append(f"{rel}: {text.count(chr(10))} lines, {MAX_LINES} are allowed")
            if rel != "tests/check_source.py" and NOTE.search(text):
                bad.append(f"{rel}: a left-over note or dead code")
            if f.endswith((".c", ".h", ".inc")):
                code = COMMENT.sub(blank, text)
                hits = [m.group(1) for m in BANNED_ALWAYS.finditer(code)]
                if rel.startswith(LIBRARY):
                    hits += [m.group(1) for m in BANNED_LIBRARY.finditer(code)]
                    if rel != "hal/env.c":
                        hits += re.findall(r"\b(getenv)\s*\(", code)
                    if rel != "hal/alloc.c":
                        hits += re.findall(r"(?<![\w.>])(malloc|calloc|realloc|aligned_alloc|posix_memalign)\s*\(", code)
                for h in hits:
                    bad.append(f"{rel}: banned call {h}()")
    print("\n".join(bad) or f"source: {seen} files keep the house rules")
    return 1 if bad or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
