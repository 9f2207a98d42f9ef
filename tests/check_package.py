#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs a build, moves the installed tree, and builds and runs somebody else's project with it: by CMake and by
pkg-config, shared and static; then programs from before and after the public structs grew, with the same library.

usage: check_package.py BUILD GENERATOR CC
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONSUMER = os.path.join(ROOT, "tests", "consumer")
RIGHT = "cpu: 22 28 49 64\ncpu?private=1: 22 28 49 64\n"
STRUCT = re.compile(r"(typedef struct (tn_\w+) \{\n\s+tn_head head;\n)(.*?)(\} \2;)", re.S)
# Structs that lose their last field for a program from before they grew; the program does not use these fields.
OLDER = {"tn_runtime_desc", "tn_device_info", "tn_buffer_desc"}


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def find(folder, name):
    for where, _, files in os.walk(folder):
        if name in files:
            return os.path.join(where, name)
    sys.exit(f"the installed tree has no {name}")


def depends(program):
    """Names and run paths that the dynamic linker would look at."""
    return re.findall(r"\((NEEDED|RPATH|RUNPATH)\).*\[(.*)\]", run("readelf", "-d", program))


def headers(stage, out, change):
    """A copy of the installed headers with each struct that has a head changed."""
    count = 0
    for name in sorted(os.listdir(os.path.join(stage, "include", "tenon"))):
        text = open(os.path.join(stage, "include", "tenon", name), encoding="utf-8").read()

        def swap(m):
            nonlocal count
            body = change(m.group(2), m.group(3))
            count += body != m.group(3)
            return m.group(1) + body + m.group(4)
        os.makedirs(os.path.join(out, "tenon"), exist_ok=True)
        with open(os.path.join(out, "tenon", name), "w", encoding="utf-8") as f:
            f.write(STRUCT.sub(swap, text))
    return count


def shrink(name, body):
    if name not in OLDER:
        return body
    fields = re.findall(r"[^;]+;\s*(?:/\*.*?\*/\s*)*", body, re.S)
    return "".join(fields[:-1]).rstrip() + "\n"


def main():
    build, generator, cc = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="tenon-package-") as top:
        stage, moved = os.path.join(top, "stage"), os.path.join(top, "somewhere else")
        run("cmake", "--install", build, "--prefix", stage)
        os.rename(stage, moved)
        for where, _, files in os.walk(moved):
            for name in files:
                path = os.path.join(where, name)
                data = b"" if os.path.islink(path) else open(path, "rb").read()
                for folder in (ROOT, stage):
                    text = name.endswith((".cmake", ".pc", ".h"))
                    if folder.encode() in data and text:
                        sys.exit(f"{path} names {folder}")
        library = find(moved, "libtenon.so")
        libdir = os.path.dirname(library)
        programs = []
        # CMake
        run("cmake", "-G", generator, "-S", CONSUMER, "-B", os.path.join(top, "cmake"), f"-DCMAKE_PREFIX_PATH={moved}",
            f"-DCMAKE_C_COMPILER={cc}", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
        run("cmake", "--build", os.path.join(top, "cmake"))
        programs += [("find_package, shared", os.path.join(top, "cmake", "consumer_tenon"), {}),
                     ("find_package, static", os.path.join(top, "cmake", "consumer_static"), {})]
        # pkg-config; a blank in the name is its users' burden, so it gets a name without one
        plain = os.path.join(top, "moved")
        os.symlink(moved, plain)
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(plain, os.path.relpath(libdir, moved), "pkgconfig"))
        for form in ("tenon", "tenon-static"):
            flags = run("pkg-config", "--cflags", "--libs", form, env=env).split()
            out = os.path.join(top, "pc-" + form)
            run(cc, "-std=c11", os.path.join(CONSUMER, "consumer.c"), "-o", out, *flags)
            programs.append((f"pkg-config {form}", out, {"LD_LIBRARY_PATH": libdir}))
        # structs of other ages
        for what, change, define in (("newer program", lambda name, body: body + "    uint64_t tn_grown;\n", "TN_GROWN"),
                                     ("older program", shrink, "TN_SHRUNK")):
            include, out = os.path.join(top, define), os.path.join(top, "p-" + define)
            count = headers(moved, include, change)
            if count < len(OLDER):
                sys.exit(f"{what}: only {count} structs changed")
            run(cc, "-std=c11", "-D" + define, "-I", include, os.path.join(CONSUMER, "consumer.c"), "-o", out,
                "-L", libdir, "-ltenon")
            programs.append((f"{what}, {count} structs", out, {"LD_LIBRARY_PATH": libdir}))
        for what, program, more in programs:
            needed = depends(program)
            shared = any("libtenon" in name for kind, name in needed)
            if shared == ("static" in what):
                sys.exit(f"{what}: needs {needed}")
            out = run(program, env=dict(os.environ, **more))
            if out != RIGHT:
                sys.exit(f"{what}: {out}")
            print(f"{what}: right")
        # The command and the helper, where they were moved to.
        told = run(find(moved, "tenon"), "info")
        if "cpu" not in told:
            sys.exit(told)
        for name in ("tenon", "tenon-probe", "libtenon.so"):
            bad = [p for kind, p in depends(find(moved, name)) if kind != "NEEDED" and not p.startswith("$ORIGIN")]
            if bad:
                sys.exit(f"{name} looks for libraries in {bad}")
    print(f"package: {len(programs)} programs built and run from a moved tree")


if shutil.which("pkg-config") is None:
    sys.exit("pkg-config is missing: apt-get install pkg-config")
main()
