#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows docs/HACKING.md: applies its blocks to a copy of the tree, builds that, runs its commands and looks for what they
have to print. Kernels that no recipe speaks of are left out of the copy, which makes the build short.

usage: check_hacking.py CC [--whole FOLDER]
--whole: keep all kernels, a Release build and the copy itself, in FOLDER/tenon.
"""
import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.S | re.M)
IGNORE = shutil.ignore_patterns(".git", "build", ".venv", ".drivers", "__pycache__")
# The ops that the recipes need.
KERNELS = {"common", "eltwise"}


def fail(text):
    sys.exit(f"docs/HACKING.md: {text}")


def edit(tree, where, block):
    """Applies one block with file=; returns its lines."""
    path = os.path.normpath(os.path.join(tree, where["file"]))
    if not path.startswith(os.path.dirname(tree) + os.sep):
        fail(f"{where['file']} lies outside of the copy")
    how = [k for k in ("before", "after", "replace", "append") if k in where]
    if not how:
        if os.path.exists(path):
            fail(f"{where['file']} is there already")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        text = block
    else:
        text = open(path, encoding="utf-8").read()
        if how[0] == "append":
            text += block
        else:
            anchor = where[how[0]]
            at = text.find(anchor)
            if at < 0:
                fail(f"{where['file']} has no \"{anchor}\" any more")
            if how[0] == "replace":
                text = text[:at] + block.rstrip("\n") + text[at + len(anchor):]
            else:
                line = text.rfind("\n", 0, at) + 1 if how[0] == "before" else text.find("\n", at) + 1
                text = text[:line] + block + text[line:]
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return block.count("\n")


def run(tree, env, command):
    done = subprocess.run(["bash", "-c", command], cwd=tree, env=env, capture_output=True, text=True)
    if done.returncode:
        fail(f"`{command}` ended with {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout + done.stderr


def trim_kernels(tree):
    for name in os.listdir(os.path.join(tree, "kernels")):
        path = os.path.join(tree, "kernels", name)
        if os.path.isdir(path) and name not in KERNELS:
            shutil.rmtree(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cc")
    parser.add_argument("--whole", metavar="FOLDER")
    a = parser.parse_args()
    text = open(os.path.join(ROOT, "docs", "HACKING.md"), encoding="utf-8").read()
    with tempfile.TemporaryDirectory(prefix="tenon-hacking-") as top:
        tree = os.path.join(a.whole or top, "tenon")
        shutil.copytree(ROOT, tree, ignore=IGNORE, symlinks=True)
        if not a.whole:
            trim_kernels(tree)
        env = {k: v for k, v in os.environ.items() if not k.startswith("TENON_")}
        kind = "Release" if a.whole else "Debug"
        begin = time.monotonic()
        run(tree, env, f"cmake -G Ninja -S . -B build/release -DCMAKE_BUILD_TYPE={kind} -DCMAKE_C_COMPILER={shlex.quote(a.cc)}"
            " -DTENON_BENCH=OFF")
        if a.whole:
            run(tree, env, "ninja -C build/release")
            print(f"the first build: {time.monotonic() - begin:.0f} s")
        recipe, lines, files, commands, printed = "", 0, set(), 0, None
        parts = re.split(r"^(## .*)$", text, flags=re.M)
        for title, body in zip(parts[1::2], parts[2::2]):
            lines, files, commands, begin = 0, set(), 0, time.monotonic()
            for language, info, block in BLOCK.findall(body):
                where = dict((x.split("=", 1) + [""])[:2] for x in shlex.split(info))
                if "file" in where:
                    lines += edit(tree, where, block)
                    files.add(where["file"])
                elif language == "sh" and "run" in where:
                    printed = ""
                    for command in block.splitlines():
                        start = time.monotonic()
                        printed += run(tree, env, command)
                        commands += 1
                        if a.whole:
                            print(f"  {time.monotonic() - start:6.1f} s  {command}")
                elif language == "text" and "output" in where:
                    for line in block.splitlines():
                        if line not in printed:
                            fail(f"not printed: \"{line}\" but\n{printed}")
                else:
                    fail(f"a block of {language} {info} that nobody follows")
            recipe = title[3:].strip()
            print(f"{recipe}: {lines} lines in {len(files)} files, {commands} commands, {time.monotonic() - begin:.0f} s")
            if not commands or not lines:
                fail(f"{recipe} has nothing to do")
        for path in files:
            if path.endswith(".py"):
                run(tree, env, f"python3 -m py_compile {path}")
    if recipe == "":
        fail("has no recipe")


main()
