#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each public header compiles alone, included twice, as C11 and as C++17, without a warning.

usage: check_headers.py CC CXX (CXX may be empty: C alone)
"""
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wundef", "-fsyntax-only", "-I", os.path.join(ROOT, "include")]


def main():
    cc, cxx = sys.argv[1:]
    compilers = [([cc, "-std=c11", "-x", "c", "-Wstrict-prototypes"], "C11")]
    if cxx:
        compilers.append(([cxx, "-std=c++17", "-x", "c++"], "C++17"))
    headers = sorted(os.path.basename(p) for p in glob.glob(os.path.join(ROOT, "include", "tenon", "*.h")))
    wrong = 0
    for header in headers:
        text = f"#include <tenon/{header}>\n#include <tenon/{header}>\nint main() {{ return 0; }}\n"
        for command, language in compilers:
            source = text.replace("main()", "main(void)") if language == "C11" else text
            run = subprocess.run([*command, *STRICT, "-"], input=source, capture_output=True, text=True)
            if run.returncode:
                wrong += 1
                print(f"{header} as {language}:\n{run.stderr}")
    if not wrong:
        print(f"headers: {len(headers)} alone, as {' and '.join(language for _, language in compilers)}")
    return 1 if wrong or not headers else 0


sys.exit(main())
