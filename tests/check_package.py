#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs a build, moves the installed tree, and builds and runs somebody else's project with it: by CMake and by
pkg-config, shared and static; then programs from before and after the public structs grew, and plugins from before and after
the structs and tables of the contract grew, each with each, with the same library.

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
PLUGIN = os.path.join(ROOT, "examples", "plugin_matmul", "tenon_backend_mm.c")
# What may grow: structs with a head, and the tables of backends.
STRUCT = re.compile(r"(typedef struct (tn_\w+) \{\s*(?:/\*(?:(?!\*/).)*\*/\s*)?(?:tn_head head|uint32_t abi, bytes);\n)"
                    r"(.*?)(\} \2;)", re.S)
# Structs that lose their last field for a program from before they grew; the program does not use these fields.
OLDER = {"tn_runtime_desc", "tn_device_info", "tn_buffer_desc", "tn_queue_desc", "tn_plan_desc", "tn_plan_info",
         "tn_matmul", "tn_arithmetic"}
# The same for a plugin.
OLDER_CONTRACT = {"tn_host", "tn_work", "tn_device_info", "tn_plan_info", "tn_buffer_desc", "tn_plan_ops", "tn_buffer_ops",
                  "tn_queue_ops", "tn_device_ops", "tn_backend_ops"}


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
    """A copy of the installed headers with each struct that may grow changed; how many were."""
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


def same(name, body):
    return body


def grow(name, body):
    return body + ("    void (*tn_grown)(void);\n" if name.endswith("_ops") else "    uint64_t tn_grown;\n")


def shrink(names):
    def change(name, body):
        if name not in names:
            return body
        fields = re.sub(r"/\*.*?\*/", "", body, flags=re.S).split(";")
        return ";".join(fields[:-2]) + ";\n"
    return change


def plugins(top, cc, moved, libdir, programs):
    """Every plugin with every program; the libraries' own ABI number is the last word."""
    runs = 0
    for age, change, least in (("older", shrink(OLDER_CONTRACT), len(OLDER_CONTRACT)), ("same", same, 0), ("newer", grow, 20)):
        include, folder = os.path.join(top, "plugin-include-" + age), os.path.join(top, "plugin-" + age)
        count = headers(moved, include, change)
        if count < least:
            sys.exit(f"{age} plugin: only {count} structs changed")
        os.makedirs(folder)
        run(cc, "-std=gnu11", "-shared", "-fPIC", "-ffp-contract=off", "-O2", "-I", include, PLUGIN, "-o",
            os.path.join(folder, "tenon_backend_mm.so"), "-lm", "-lpthread")
        for what, program in programs:
            env = dict(os.environ, LD_LIBRARY_PATH=libdir, TENON_PLUGIN_PATH=folder)
            out = run(program, "mm", env=env)
            if out != "mm: 22 28 49 64\n":
                sys.exit(f"{age} plugin with the {what}: {out}")
            runs += 1
        print(f"{age} plugin, {count} structs and tables: right with {len(programs)} programs")
    include, folder = os.path.join(top, "plugin-include-next"), os.path.join(top, "plugin-next")
    headers(moved, include, grow)
    path = os.path.join(include, "tenon", "backend.h")
    text = open(path, encoding="utf-8").read()
    number = int(re.search(r"#define TN_BACKEND_ABI +(\d+)u", text).group(1))
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(r"(#define TN_BACKEND_ABI +)\d+u", rf"\g<1>{number + 1}u", text))
    os.makedirs(folder)
    run(cc, "-std=gnu11", "-shared", "-fPIC", "-O2", "-I", include, PLUGIN, "-o", os.path.join(folder, "tenon_backend_mm.so"),
        "-lm", "-lpthread")
    out = run(programs[0][1], "--plugins", env=dict(os.environ, LD_LIBRARY_PATH=libdir, TENON_PLUGIN_PATH=folder))
    if out != "incompatible plugin.abi\n":
        sys.exit(f"a plugin of the next ABI alone: {out}")
    print("plugin of the next ABI alone: refused")
    return runs


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
        aged = []
        for what, change, define in (("newer program", grow, "TN_GROWN"), ("older program", shrink(OLDER), "TN_SHRUNK"),
                                     ("same program", same, "TN_SAME")):
            include, out = os.path.join(top, define), os.path.join(top, "p-" + define)
            count = headers(moved, include, change)
            if count < (0 if change is same else len(OLDER)):
                sys.exit(f"{what}: only {count} structs changed")
            run(cc, "-std=c11", "-D" + define, "-I", include, os.path.join(CONSUMER, "consumer.c"), "-o", out,
                "-L", libdir, "-ltenon")
            programs.append((f"{what}, {count} structs", out, {"LD_LIBRARY_PATH": libdir}))
            aged.append((what, out))
        for what, program, more in programs:
            needed = depends(program)
            shared = any("libtenon" in name for kind, name in needed)
            if shared == ("static" in what):
                sys.exit(f"{what}: needs {needed}")
            out = run(program, env=dict(os.environ, **more))
            if out != RIGHT:
                sys.exit(f"{what}: {out}")
            print(f"{what}: right")
        pairs = plugins(top, cc, moved, libdir, aged)
        # The command and the helper, where they were moved to.
        told = run(find(moved, "tenon"), "info")
        if "cpu" not in told:
            sys.exit(told)
        for name in ("tenon", "tenon-probe", "libtenon.so"):
            bad = [p for kind, p in depends(find(moved, name)) if kind != "NEEDED" and not p.startswith("$ORIGIN")]
            if bad:
                sys.exit(f"{name} looks for libraries in {bad}")
    print(f"package: {len(programs)} programs built and run from a moved tree, {pairs} pairs of program and plugin")


if shutil.which("pkg-config") is None:
    sys.exit("pkg-config is missing: apt-get install pkg-config")
main()
