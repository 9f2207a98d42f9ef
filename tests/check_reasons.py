#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every reason id of the library is provoked by a test and every public function has rows of errors.

Runs the executables of the error tables (tests/test_errors_*.c), which print one line for each error
that they provoked, and compares these with the ids and functions in the source:
check_reasons.py EXECUTABLE... [--sites] [--texts]
"""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = ("hal", "backends", "kernels")
ID = re.compile(r'"([a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)"')
# Literals of that form that are no reasons: fields of arguments, and names of files.
FIELDS = {"attr", "desc", "error", "external", "numerics", "sync", "tn_host"}
FILES = {"c", "h", "json", "max", "so", "txt"}
COMMENT = re.compile(r'("(?:\\.|[^"\\\n])*")|/\*.*?\*/|//[^\n]*', re.S)
ROW = re.compile(r"^error: (\w+) (\S+) (\S+): (.*)  \[(\w+) (\S*):(\d+)\]$")
CALL = re.compile(r"^call: (\w+)$")
FAIL = re.compile(r"\b(tn__fail|tn__fail_null|CPU_FAIL|CPU_FAIL_ARGUMENT|OPENCL_FAIL|OPENCL_FAIL_ARGUMENT|NULL_FAIL|MUTANT_FAIL|host->fail(?:_argument)?)\(")
# Names that an INVALID may blame besides the parameters of the function: the things behind handles,
# fields and operands of an op, the environment.
BLAMED = set("runtime device uri kind args posts attr numerics role a b c out bias mask q k v sinks lengths pages gamma beta grad "
             "out_grad_a out_grad_b out_grad_v "
             "index stats slopes freq binds workspace points address bytes op".split())

# What no test can bring about, and why.
IMPOSSIBLE = {
    "kernel.refused": "stands in for a kernel row that refuses and does not say why; every row says why",
    "vulkan.absent": "a library that was built without Vulkan",
    "vulkan.loader": "a machine without libvulkan.so.1",
    "vulkan.work": "hal does in the device's stead what its queue does not take",
    "vulkan.entry": "a driver that speaks Vulkan 1.2 and lacks an entry of it",
    "vulkan.version": "a loader older than Vulkan 1.2",
    "vulkan.refused": "a device without timeline semaphores, queues that compute or 12 buffers to bind",
    "vulkan.thread": "a queue's thread is made by a system that makes the driver's own",
    "vulkan.no_kernels": "every op that there is has a kernel of a Vulkan device",
    "vulkan.groups": "sizes that an int32 counts fit the grids of all drivers there are",
    "vulkan.class": "a Vulkan device that does not compute on the cpu",
    "vulkan.texels": "the next row takes an operand that is too long for texels, and what it says is told",
    "vulkan.division": "every driver there is divides right",
    "optext.operands": "an op has fewer roles than the reader has room for operands",
}
# Declared in a header, defined by whoever writes a plugin.
FOREIGN = {"tn_backend_query"}


def code(path):
    text = open(path, encoding="utf-8").read()
    text = COMMENT.sub(lambda m: m.group(1) or re.sub(r"[^\n]", " ", m.group(0)), text)
    return re.sub(r"^[ \t]*#\s*include[^\n]*", "", text, flags=re.M)


def files(folders, endings):
    for top in folders:
        for folder, dirs, names in os.walk(os.path.join(ROOT, top)):
            dirs[:] = sorted(d for d in dirs if d not in ("__pycache__", "build"))
            for name in sorted(names):
                if name.endswith(endings):
                    yield os.path.join(folder, name)


def ids_in(text):
    found = set()
    for m in ID.finditer(text):
        noun, what = m.group(1).split(".")
        if noun not in FIELDS and what not in FILES and not noun.startswith("tn_"):
            found.add(m.group(1))
    return found


def source_ids():
    ids = {}
    for path in files(SOURCES, (".c", ".h", ".inc")):
        for i in ids_in(code(path)):
            ids.setdefault(i, os.path.relpath(path, ROOT))
    return ids


def ids_of_other_tests():
    """Reasons that tests outside of the tables compare with."""
    found = set()
    for path in files(("tests", "conformance", "python/tests"), (".c", ".py")):
        name = os.path.basename(path)
        if not name.startswith("test_errors_") and name != os.path.basename(__file__):
            found |= ids_in(code(path) if name.endswith(".c") else open(path, encoding="utf-8").read())
    return found


def public_functions():
    """The public functions, with the names of their parameters."""
    functions = {}
    for path in files(("include/tenon",), (".h",)):
        for m in re.finditer(r"\bTN_API\b([^;{]*?)\b(tn_\w+)\s*\(", code(path)):
            text, depth, at = code(path), 1, m.end()
            while depth > 0:
                depth += {"(": 1, ")": -1}.get(text[at], 0)
                at += 1
            body = re.sub(r"\(\*(\w+)\)\s*\([^()]*\)", r" \1", text[m.end():at - 1])
            functions[m.group(2)] = {re.findall(r"\w+", p)[-1] for p in body.split(",") if re.findall(r"\w+", p)}
    return functions


def fail_sites():
    """Where errors are made: file, first and last line of the call."""
    sites = []
    for path in files(SOURCES, (".c", ".inc")):
        text = code(path)
        for m in FAIL.finditer(text):
            line = text[text.rfind("\n", 0, m.start()) + 1:m.start()]
            if re.match(r"\s*#\s*define|static\b|tn_status\b|bool\b|\s*(tn__fail|\(host\)->)", line + m.group(0)):
                continue
            depth, at, quoted = 1, m.end(), False
            while depth > 0:
                if text[at] == "\\":
                    at += 1
                elif text[at] == '"':
                    quoted = not quoted
                elif not quoted:
                    depth += {"(": 1, ")": -1}.get(text[at], 0)
                at += 1
            first = text.count("\n", 0, m.start()) + 1
            sites.append((os.path.relpath(path, ROOT), first, first + text.count("\n", m.start(), at)))
    return sites


def run(executables):
    rows, calls, bad = [], set(), []
    for exe in executables:
        p = subprocess.run([exe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        if p.returncode != 0:
            bad.append(f"{os.path.basename(exe)} failed with {p.returncode}: {p.stderr[-2000:]}")
        for line in p.stdout.splitlines():
            m = ROW.match(line)
            if m:
                rows.append(m.groups())
            elif CALL.match(line):
                calls.add(CALL.match(line).group(1))
            elif line.startswith("error:"):
                bad.append(f"{os.path.basename(exe)}: no row: {line}")
    return rows, calls, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("executables", nargs="+")
    parser.add_argument("--sites", action="store_true", help="list the places whose error no row provokes")
    parser.add_argument("--texts", action="store_true", help="list every error text once")
    args = parser.parse_args()
    rows, calls, bad = run(args.executables)
    ids, elsewhere, functions = source_ids(), ids_of_other_tests(), public_functions()

    provoked = {r[1] for r in rows}
    others = (set(ids) & elsewhere) - provoked
    impossible = (set(ids) & set(IMPOSSIBLE)) - provoked - others
    missing = set(ids) - provoked - others - impossible
    covered = len(ids) - len(missing) - len(impossible)
    print(f"reasons covered {covered} / in the source {len(ids)} "
          f"({len(set(ids) & provoked)} by rows, {len(others)} by other tests, {len(impossible)} impossible)")
    for i in sorted(impossible):
        print(f"  impossible: {i}: {IMPOSSIBLE[i]}")
    bad += [f"no test provokes {i} ({ids[i]})" for i in sorted(missing)]
    bad += [f"{i} is listed as impossible and {'was provoked' if i in provoked | elsewhere else 'is not in the source'}"
            for i in sorted(IMPOSSIBLE) if i not in impossible]

    called = {r[4] for r in rows} | calls
    wanted = set(functions) - FOREIGN
    print(f"functions covered {len(wanted & called)} / {len(wanted)}")
    bad += [f"no row calls {f}" for f in sorted(wanted - called)]
    bad += [f"{f} is no public function" for f in sorted(called - set(functions))]

    for status, reason, argument, _, function, _, _ in rows:
        name = re.split(r"[.\[]", argument)[0]
        if status == "invalid" and not (name in functions.get(function, ()) or name in BLAMED or
                                        name.startswith("TENON_") or re.match(r"(post|input)\d+$|(scale|zero)_of_\w+$", name)):
            bad.append(f"{reason} of {function} blames {argument}, which is not among its parameters")

    sites = fail_sites()
    seen = {(re.sub(r"^.*?\b(?=(hal|backends|kernels)/)", "", r[5]), int(r[6])) for r in rows}
    hit = [s for s in sites if any((s[0], line) in seen for line in range(s[1], s[2] + 1))]
    print(f"rows {len(rows)}, different texts {len({r[:4] for r in rows})}, "
          f"places that make an error and were seen {len(hit)} / {len(sites)}")
    if args.sites:
        for s in sorted(set(sites) - set(hit)):
            print(f"  {s[0]}:{s[1]}")
    if args.texts:
        for r in sorted({r[:4] for r in rows}):
            print(f"{r[0]} {r[1]} {r[2]}: {r[3]}")
    if not rows:
        bad.append("no rows")
    print("\n".join(dict.fromkeys(bad)) or "reasons: every one is provoked")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
