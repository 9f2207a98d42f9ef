#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes OpenCL C of the C text of kernel rows: opencl_text.py --cc CC --root DIR --out FILE SOURCE...

A row's run() and pack() are plain computing over params, operands and scratch, and need nothing that
OpenCL C lacks but pointers to functions. So each source is preprocessed with the headers of
kernels/common/opencl in place of the C library's, cut into declarations, and what run and pack reach is
kept. FILE is C: a table of rows with their text.
"""
import argparse
import os
import re
import subprocess
import sys

import opencl_spaces

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[A-Za-z_]\w*|0[xX][\w.]+(?:[pP][+-]\d+\w*)?|\.?\d[\w.]*(?:[eE][+-]\d+\w*)?|\s+|.', re.S)
WORD = re.compile(r"[A-Za-z_]\w*\Z")
# Words that OpenCL C takes for itself.
TAKEN = {w: "tn_w_" + w for w in ("kernel", "global", "local", "constant", "private", "generic", "half", "pipe",
                                  "uniform", "event", "step", "clamp", "min", "max", "mix", "dot", "cross",
                                  "length", "distance", "any", "all", "sign", "rotate", "shuffle")}
VECTOR = {"float": ("float", 4), "int32_t": ("int", 4), "uint32_t": ("uint", 4), "int16_t": ("short", 2),
          "uint16_t": ("ushort", 2), "int8_t": ("char", 1), "uint8_t": ("uchar", 1), "int": ("int", 4), "double": ("double", 8), "uint64_t": ("ulong", 8)}

# Where the pointers that run() and pack() are called with point to: the list of operands is private.
RUN = ["g", "g", "pg", "g", "g"]
PACK = ["g", "g", "g", "g", "g"]


def preprocess(cc, root, source):
    command = [*cc, "-E", "-P", "-x", "c", "-std=c11", "-nostdinc", "-undef", "-DTN_K_OPENCL=1",
               "-I", os.path.join(root, "kernels/common/opencl"), "-I", root, "-I", os.path.join(root, "include"), source]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    text = re.sub(r"^\s*#\s*pragma GCC unroll (\d+)", r"#pragma unroll \1", text, flags=re.M)
    # Vectors of the compiler's own become OpenCL's, whose literals have parentheses.
    for scalar, vector, size in re.findall(r"typedef (\w+) (\w+) __attribute__\(\(vector_size\((\d+)\)\)\)", text):
        elem, lanes = VECTOR[scalar][0], int(size) // VECTOR[scalar][1]
        text = re.sub(rf"typedef {scalar} {vector} __attribute__\(\(vector_size\(\d+\)\)\)", f"typedef {elem}{lanes} {vector}", text)
        text = re.sub(rf"\({vector}\)\{{([^{{}}]*)\}}", rf"(({vector})(\1))", text)
    return re.sub(r"^\s*#\s*pragma (?!unroll).*\n", "", text, flags=re.M)


def declarations(text):
    """Top-level declarations as lists of tokens; a pragma inside a function stays a line of its own."""
    found, now, depth, body = [], [], 0, False
    for part in re.split(r"(^#pragma.*\n)", text, flags=re.M):
        if part.startswith("#pragma"):
            now.append("\n" + part)
            continue
        for t in TOKEN.findall(part):
            if not now and t.isspace():
                continue
            now.append(TAKEN.get(t, t))
            if t in "({[":
                if t == "{" and depth == 0:
                    body = [w for w in now if not w.isspace()][-2] == ")"
                depth += 1
            elif t in ")}]":
                depth -= 1
                if t == "}" and depth == 0 and body:
                    found.append(now)
                    now, body = [], False
            elif t == ";" and depth == 0:
                found.append(now)
                now = []
    for d in found:
        if d[0] == "static" and [w for w in d if not w.isspace()][1] == "const" and "=" in d and d[-1] == ";":
            d[0] = "__constant"
        elif d[-1] == "}":
            d[1:] = ["" if t == "static" else t for t in d[1:]]
    # Pointers to functions are not there in OpenCL C, and run() has none.
    return [d for d in found if not (d[0] == "typedef" and re.search(r"\(\s*\*", "".join(d)))]


def names_of(tokens):
    """What a declaration defines."""
    words = [t for t in tokens if not t.isspace()]
    plain = [t for t in words if WORD.match(t)]
    names, depth = set(), 0
    if "enum" in plain[:2]:
        at = words.index("{") if "{" in words else len(words)
        expect = True
        for t in words[at:]:
            if t in "({[":
                depth += 1
            elif t in ")}]":
                depth -= 1
            elif depth == 1 and t == ",":
                expect = True
                continue
            elif depth == 1 and expect and WORD.match(t):
                names.add(t)
            expect = t == "{" and depth == 1
    if plain and plain[0] in ("typedef", "enum", "struct"):
        if "struct" in plain[:2] or "enum" in plain[:2]:
            tag = plain[plain.index("struct" if "struct" in plain[:2] else "enum") + 1:][:1]
            names.update(tag if words[words.index(tag[0]) - 1] in ("struct", "enum") else []) if tag else None
        if plain[0] == "typedef":
            names.add(typedef_name(words))
        return names
    # A function or an object: the word before the first ( or = or [ or ; at depth 0, attributes left out.
    before = None
    skip = 0
    for i, t in enumerate(words):
        if t == "__attribute__":
            skip = 1
            continue
        if skip:
            depth += (t == "(") - (t == ")")
            skip = 0 if depth == 0 else 1
            continue
        if t in "(=[;{":
            break
        if WORD.match(t):
            before = t
    return {before} if before else set()


def typedef_name(words):
    """The last word of a typedef outside of brackets and attributes."""
    name, depth = None, 0
    for i, t in enumerate(words):
        if t in "({[":
            depth += 1
        elif t in ")}]":
            depth -= 1
        elif depth == 0 and WORD.match(t) and t != "__attribute__":
            name = t
    return name


def reach(decls, roots):
    """Declarations that the roots need, in their order."""
    by_name = {}
    for i, d in enumerate(decls):
        for n in names_of(d):
            by_name.setdefault(n, []).append(i)
    keep, todo = set(), list(roots)
    seen = set(todo)
    while todo:
        for i in by_name.get(todo.pop(), ()):
            if i in keep:
                continue
            keep.add(i)
            for t in decls[i]:
                if WORD.match(t) and t not in seen:
                    seen.add(t)
                    todo.append(t)
    return [d for i, d in enumerate(decls) if i in keep]


def recursive(decls, root):
    """A function that reaches itself, or None: OpenCL C has no recursion, and drivers crash on it."""
    calls = {}
    for d in decls:
        if d[-1] == "}" and d[0] not in ("typedef", "enum", "struct"):
            words = [t for t in d if not t.isspace()]
            body = words.index("{")
            called = {words[i] for i in range(body, len(words) - 1) if WORD.match(words[i]) and words[i + 1] == "("
                      and words[i - 1] != "." and words[i - 2:i] != ["-", ">"]}
            for n in names_of(d):
                calls[n] = called
    done, path = set(), []

    def visit(name):
        if name in path:
            return name
        if name in done or name not in calls:
            return None
        path.append(name)
        found = next(filter(None, map(visit, sorted(calls[name]))), None)
        path.pop()
        done.add(name)
        return found
    return visit(root)


def rows(decls):
    """(symbol, run, pack) of each row that a source defines."""
    for d in decls:
        words = [t for t in d if not t.isspace()]
        if words[:2] == ["const", "tn_k_variant"] and "=" in words:
            field = {words[i + 1]: words[i + 3] for i, t in enumerate(words)
                     if t == "." and i + 3 < len(words) and words[i + 2] == "="}
            # a choice by a constant: MATMUL_DIRECT ? NULL : core_pack
            pack = field.get("pack")
            if pack is not None and not WORD.match(pack):
                at = words.index("pack")
                tail = "".join(words[at + 2:words.index(",", at)])
                pack = tail.rsplit(":", 1)[-1] if tail.startswith("0?") else None
            yield words[2], field["run"], pack


def group_rows(decls):
    """(symbol, groups) of each row of groups: tn_k_group_row."""
    for d in decls:
        words = [t for t in d if not t.isspace()]
        if words[:2] == ["const", "tn_k_group_row"] and "=" in words:
            yield words[2], words[words.index("groups") + 2]


def group_text(source, decls):
    """Of a row of groups: the text of what its .cl file calls, and that file. A comment there has
    `uses NAME SPACES.., ..`: functions of the C file, and where each of their pointers points to (g global, p private)."""
    with open(source[:-2] + ".cl", encoding="utf-8") as f:
        kernel = f.read()
    uses = re.search(r"\buses ([^*]*?)\.\s", kernel.replace("\n *", "\n"))
    if uses is None:
        sys.exit(f"{source[:-2]}.cl: no comment says what it uses")
    starts = [(words[0], words[1:]) for words in (u.split() for u in uses.group(1).split(","))]
    words = [t for t in TOKEN.findall(re.sub(r"/\*.*?\*/", " ", kernel, flags=re.S)) if WORD.match(t)]
    body, names = opencl_spaces.spread(reach(decls, words + ["tn_k_launch"]), starts)
    if any(beside for _, beside in names):
        sys.exit(f"{source}: a group has no scratch for what lies beside")
    return body, kernel, "".join(f"#define {name} {made}\n" for (name, _), (made, _) in zip(starts, names) if name != made)


def params_of(decls, run):
    """The struct that run() takes its params for: the type of the pointer that they are given to."""
    for d in decls:
        if run in names_of(d) and d[-1] == "}":
            m = re.search(r"const (\w+) \*\w+ = params\b", "".join(d))
            if m:
                return m.group(1)
    sys.exit(f"{run}: params are given to no pointer")


def literal(text):
    lines = [l.strip() for l in text.splitlines()]
    return "\n".join('    "' + l.replace("\\", "\\\\").replace('"', '\\"') + '\\n"' for l in lines if l)


def frame(name, root):
    with open(os.path.join(root, "kernels/common/opencl", name + ".cl"), encoding="utf-8") as f:
        return f"const char tn_k_opencl_{name}[] =\n{literal(f.read())};\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--cc", required=True)
    p.add_argument("--root", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("sources", nargs="+")
    a = p.parse_args()
    texts, table, externs = [], [], []
    for source in a.sources:
        decls = declarations(preprocess(a.cc.split(";"), a.root, source))
        found, groups = list(rows(decls)), list(group_rows(decls))
        if not found and not groups:
            sys.exit(f"{source}: no row")
        op = os.path.basename(os.path.dirname(source))
        for symbol, function in groups:
            body, kernel, defines = group_text(source, decls)
            body += f"\n#define TN_PARAMS {params_of(decls, function)}\n{defines}"
            texts.append(f"static const char text_{symbol}[] =\n{literal(body)};\nstatic const char kernel_{symbol}[] =\n{literal(kernel)};\n")
            table.append(f"    {{&tn_k_op_{op}, &{symbol}.variant, text_{symbol}, kernel_{symbol}, &{symbol}, false}},\n")
            externs.append(f"extern const tn_k_group_row {symbol};\nextern const tn_k_op tn_k_op_{op};\n")
        for symbol, run, pack in found:
            cycle = recursive(decls, run)
            if cycle:
                sys.exit(f"{source}: {cycle} calls itself, which OpenCL C cannot")
            roots = [run, "tn_k_launch"] + ([pack, "tn_tensor"] if pack else [])
            starts = [(run, RUN)] + ([(pack, PACK)] if pack else [])
            body, names = opencl_spaces.spread(reach(decls, roots), starts)
            params = params_of(decls, run)
            (start, beside), *packs = names
            if packs and packs[0][1]:
                sys.exit(f"{source}: packing has no scratch for what lies beside")
            defines = f"#define TN_RUN {start}\n#define TN_PARAMS {params}\n"
            defines += "#define TN_BESIDE 1\n" if beside else ""
            defines += f"#define TN_PACK {packs[0][0]}\n" if packs else ""
            texts.append(f"static const char text_{symbol}[] =\n{literal(body + chr(10) + defines)};\n")
            table.append(f"    {{&tn_k_op_{op}, &{symbol}, text_{symbol}, NULL, NULL, {str(beside).lower()}}},\n")
            externs.append(f"extern const tn_k_variant {symbol};\nextern const tn_k_op tn_k_op_{op};\n")
    out = ("/* Made by cmake/opencl_text.py. */\n#include <kernels/common/kernel_opencl.h>\n" + "".join(externs) + "\n".join(texts) +
           "const tn_k_opencl_row tn_k_opencl_rows[] = {\n" + "".join(table) + "};\n"
           f"const uint32_t tn_k_opencl_row_count = {len(table)};\n" + "".join(frame(n, a.root) for n in ("prelude", "operands", "entry", "group", "probe")))
    with open(a.out, "w", encoding="utf-8") as f:
        f.write(out)


if __name__ == "__main__":
    main()
