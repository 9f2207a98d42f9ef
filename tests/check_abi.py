#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sizes and offsets of the public structs are those that programs were compiled with (tests/data/abi_lp64.txt).

usage: check_abi.py CC [--write]
A struct that begins with tn_head may grow at its end, any other may not change.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KNOWN = os.path.join(ROOT, "tests", "data", "abi_lp64.txt")
INCLUDE = os.path.join(ROOT, "include")
STRUCT = re.compile(r"typedef struct (tn_\w+) \{(.*?)\n?\} \1;", re.S)


def fields(body):
    body = re.sub(r"/\*.*?\*/", " ", body, flags=re.S)
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        pointer = re.search(r"\(\*(\w+)\)\s*\(", declaration)
        if pointer:
            yield pointer.group(1)
            continue
        for part in declaration.split(","):
            yield re.search(r"(\w+)(?:\[[^\]]*\])*$", part.strip()).group(1)


def measure(cc):
    lines = ["#include <stddef.h>", "#include <stdio.h>", "#include <tenon/tenon.h>", "#include <tenon/backend.h>",
             "int main(void) {", 'if (sizeof(void *) != 8 || sizeof(long) != 8) return 2;']
    for header in sorted(os.listdir(os.path.join(INCLUDE, "tenon"))):
        text = open(os.path.join(INCLUDE, "tenon", header), encoding="utf-8").read()
        for name, body in STRUCT.findall(text):
            lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
            for field in fields(body):
                lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
    lines.append("return 0; }")
    with tempfile.TemporaryDirectory() as top:
        source, program = os.path.join(top, "abi.c"), os.path.join(top, "abi")
        with open(source, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
        subprocess.run([cc, "-std=c11", "-I", INCLUDE, source, "-o", program], check=True)
        done = subprocess.run([program], capture_output=True, text=True)
        if done.returncode == 2:
            return None
        return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def main():
    now = measure(sys.argv[1])
    if now is None:
        print("abi: no LP64 machine, nothing to compare with")
        return 77
    if "--write" in sys.argv:
        with open(KNOWN, "w", encoding="utf-8") as f:
            f.writelines(f"{name} {value}\n" for name, value in now.items())
        return 0
    known = dict(line.rsplit(" ", 1) for line in open(KNOWN, encoding="utf-8").read().splitlines())
    wrong = 0
    for name in list(known) + [n for n in now if n not in known]:
        if known.get(name) != now.get(name):
            wrong += 1
            print(f"{name}: was {known.get(name, 'not there')}, is {now.get(name, 'not there')}")
    if wrong:
        print("programs that were compiled before would break, or the table is behind: check_abi.py CC --write")
    else:
        print(f"abi: {sum('.' not in n for n in now)} structs, {sum('.' in n for n in now)} fields")
    return 1 if wrong or not now else 0


sys.exit(main())
