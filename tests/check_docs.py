#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The public doc blocks have their rows, and what README.md and docs/ name is there.

Every function of include/tenon has a block: a sentence, then rows in a fixed order, those that apply:
returns for what is not void; memory for handles, strings, data and callbacks; threads and since always;
source for what somebody else defined. Before that the script must fail on planted mistakes.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = ["shape", "dtype", "memory", "numerics", "returns", "threads", "source", "since"]
THREADS = ("thread-safe", "externally synchronised", "immutable after create")
FOREIGN = re.compile("dlpack")
HACKING = os.path.join("docs", "HACKING.md")
FUNCTION = re.compile(r"(?P<doc>/\*\*(?:(?!\*/).)*?\*/\n)?TN_API\b(?P<text>[^;{]*?\b(?P<name>tn_\w+)\s*\((?P<args>.*?)\));", re.S)
# What has an owner: handles that come out, and data, strings and functions that go in.
HANDLE_OUT = re.compile(r"\btn_(?:runtime|device|buffer|queue|fence|plan|commands|op) \*\*|void \*\*")
DATA = re.compile(r"\bvoid \*(?!self\b)(?!\*)\w|\(\*fn\)|\w+_fn \w|const char \*|char \*")


def rows_of(doc):
    """The sentence and {row: text} of a block, with what is wrong in its form."""
    lines = [re.sub(r"^\s?\*\s?", "", x) for x in doc.strip()[3:-2].strip().split("\n")]
    sentence, rows, wrong, now = [], {}, [], None
    for line in lines:
        m = re.match(r" ?([a-z]+)( {2,})(\S.*)$", line)
        if m and m.group(1) in ROWS and len(m.group(1)) + len(m.group(2)) == 10:
            now = m.group(1)
            if now in rows:
                wrong.append(f"has two rows '{now}'")
            rows[now] = m.group(3)
        elif now:
            rows[now] += " " + line.strip()
        else:
            sentence.append(line.strip())
    if list(rows) != [r for r in ROWS if r in rows]:
        wrong.append(f"has the rows {', '.join(rows)}; their order is {', '.join(ROWS)}")
    return " ".join(sentence).strip(), rows, wrong


def names_of(headers):
    return set(re.findall(r"\bTN_[A-Z0-9_]+\b", headers))


def check_function(m, names, version):
    name, text, args, doc = m.group("name"), m.group("text"), m.group("args"), m.group("doc")
    if not doc:
        return [f"{name} has no doc block"]
    sentence, rows, wrong = rows_of(doc)
    if not sentence:
        wrong.append("has no sentence")
    for row in ROWS:
        if re.search(rf"\b{row} {{2,}}", sentence):
            wrong.append(f"has its row '{row}' inside the sentence")
    void = re.search(rf"\bvoid {name}\b", text)
    status = re.search(rf"\btn_status {name}\b", text)
    needs = {"threads": True, "since": True, "returns": not void, "source": bool(FOREIGN.search(name)),
             "memory": bool(HANDLE_OUT.search(args) or DATA.search(args))}
    wrong += [f"lacks the row '{row}'" for row, needed in needs.items() if needed and not rows.get(row)]
    if rows.get("threads") and not any(word in rows["threads"] for word in THREADS):
        wrong.append(f"does not say one of {', '.join(THREADS)}")
    if rows.get("since") and tuple(map(int, rows["since"].split("."))) > version:
        wrong.append(f"is since {rows['since']}, which is not out")
    words = re.findall(r"\b[A-Z][A-Z_]{3,}\b", rows.get("returns", ""))
    if status and rows.get("returns") and not words and not re.search(r"\bas tn_\w+", rows["returns"]):
        wrong.append("names no status that it returns")
    for word in words:
        if word != "NULL" and not any(f"{p}{word}" in names for p in ("", "TN_STATUS_", "TN_PLAN_", "TN_QUEUE_", "TN_RUNTIME_")):
            wrong.append(f"names {word}, which does not exist")
    return [f"{name} {w}" for w in wrong]


def check_headers(texts, version):
    names, wrong, count = names_of("\n".join(texts.values())), [], 0
    for header, text in texts.items():
        found = list(FUNCTION.finditer(text))
        declared = len(re.findall(r"^TN_API\b", text, re.M))
        if len(found) != declared:
            wrong.append(f"{header}: {declared} functions, {len(found)} understood")
        count += declared
        for m in found:
            wrong += [f"{header}: {w}" for w in check_function(m, names, version)]
    return wrong, count


def check_named(path, text):
    """Files that a page names are there, commands of ours are spelt as they are."""
    wrong, folder = [], os.path.dirname(path)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        if not os.path.exists(os.path.join(ROOT, folder, target)):
            wrong.append(f"{path}: links to {target}, which is not there")
    tops = "|".join(sorted(x for x in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, x)) and x[0] != "." and x != "build"))
    for name in re.findall(rf"(?<![\w/.$<-])((?:{tops})/[\w./*-]*[\w*/])", text):
        name = name.rstrip(".")
        if not glob.glob(os.path.join(ROOT, name)):
            wrong.append(f"{path}: names {name}, which is not there")
    with open(os.path.join(ROOT, "CMakePresets.json"), encoding="utf-8") as f:
        presets = set(re.findall(r'"name": "([\w-]+)"', f.read()))
    for name in re.findall(r"--preset[= ]([\w-]+)|build/([\w-]+)/", text):
        name = name[0] or name[1]
        if name not in presets | {"run", "mm", "test"}:
            wrong.append(f"{path}: names the preset {name}; there are {', '.join(sorted(presets))}")
    with open(os.path.join(ROOT, "test"), encoding="utf-8") as f:
        stages = set(" ".join(re.findall(r'^(?:ALL|FULL)="([^"]*)"', f.read(), re.M)).split()) | {"sanitizers"}
    for line in re.findall(r"\./test((?: [a-z]+)+)`", text):
        wrong += [f"{path}: names the stage {s}" for s in line.split() if s not in stages]
    verbs = {os.path.basename(p)[5:-2] for p in glob.glob(os.path.join(ROOT, "tools", "tenon", "verb_*.c"))}
    for verb in re.findall(r"build/release/tenon (\w+)", text):
        if verb not in verbs:
            wrong.append(f"{path}: names `tenon {verb}`; verbs are {', '.join(sorted(verbs))}")
    options = "".join(open(p, encoding="utf-8").read() for p in
                      [os.path.join(ROOT, "CMakeLists.txt")] + glob.glob(os.path.join(ROOT, "examples", "*", "CMakeLists.txt")))
    for option in re.findall(r"-D(TENON_\w+)", text):
        if option not in options:
            wrong.append(f"{path}: names the option {option}")
    tests = open(os.path.join(ROOT, "tests", "CMakeLists.txt"), encoding="utf-8").read()
    for name in re.findall(r"ctest [^\n`]*-R '?\^?([\w|]+)", text):
        for one in name.split("|"):
            if one not in tests and not glob.glob(os.path.join(ROOT, "*", one + "*.c")):
                wrong.append(f"{path}: names the test {one}")
    for name in set(re.findall(r"\b(tn_(?:k_)?[a-z]\w*|tn__\w+)\b(?!<)", text)):
        if name not in check_named.source and not re.search(r"_$", name):
            wrong.append(f"{path}: names {name}, which nothing in the sources has")
    return wrong


def self_test(texts, version):
    """Each planted mistake must be told."""
    good = ("/** Do it.\n *  memory    the caller owns it\n *  returns   INVALID\n *  threads   thread-safe\n"
            " *  since     0.1 */\nTN_API TN_NODISCARD tn_status tn_x_do(tn_x *x, tn_buffer **out);\n")
    plants = [(good.replace(f" *  {row}", " *  other").replace(" *  other   ", " *  other  "), f"lacks the row '{row}'")
              for row in ("memory", "returns", "threads")]
    plants += [(good.replace("\n *  since     0.1", ""), "lacks the row 'since'"),
               (good[good.index("TN_API"):], "has no doc block"),
               (good.replace("INVALID", "INVALLID"), "names INVALLID"),
               (good.replace("INVALID", "nothing"), "names no status"),
               (good.replace("thread-safe", "fine"), "does not say one of"),
               (good.replace("0.1", "99.0"), "is not out"),
               (good.replace("Do it.\n *  memory ", "Do it. memory "), "lacks the row 'memory'"),
               (good.replace("tn_x_do", "tn_x_dlpack"), "lacks the row 'source'")]
    base = {"base.h": texts["base.h"]}
    if check_headers({**base, "plant.h": good}, version)[0] != check_headers(base, version)[0]:
        return ["self-test: a right block was refused"]
    missed = []
    for text, told in plants:
        if not any(told in w for w in check_headers({**base, "plant.h": text}, version)[0] if w.startswith("plant.h")):
            missed.append(f"self-test: not told: {told}")
    for text in ("see [x](docs/NOTHERE.md)", "in `hal/nothere.c`", "cmake --preset nothere", "call tn_nothere()",
                 "build/release/tenon nothere", "-DTENON_NOTHERE=1", "`./test nothere`", "ctest -R nothere"):
        if not check_named("plant.md", text):
            missed.append(f"self-test: not told: {text}")
    return missed


def main():
    with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as f:
        version = tuple(map(int, f.read().strip().split(".")))
    texts = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "include", "tenon", "*.h"))):
        with open(path, encoding="utf-8") as f:
            texts[os.path.basename(path)] = f.read()
    source = []
    for top in ("include", "hal", "kernels", "backends", "tests", "cmake", "CMakeLists.txt", "tools", "examples"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            source += [open(os.path.join(folder, n), encoding="utf-8").read() for n in names
                       if n.endswith((".c", ".h", ".inc", ".txt", ".cmake"))]
    check_named.source = set(re.findall(r"\btn_\w+", "\n".join(source)))
    wrong = self_test(texts, version)
    found, count = check_headers(texts, version)
    wrong += found
    pages = ["README.md"] + [os.path.relpath(p, ROOT) for p in sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))]
    for page in pages:
        with open(os.path.join(ROOT, page), encoding="utf-8") as f:
            text = f.read()
        # What the blocks of HACKING.md write and run, check_hacking.py follows.
        wrong += check_named(page, re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M) if page == HACKING else text)
    print("\n".join(wrong) or f"docs: {count} functions have their rows; what {len(pages)} pages name is there")
    return 1 if wrong or not count else 0


sys.exit(main())
