#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who equals whom: tells of a folder of datasheets (tenon fingerprint --json) which devices and libraries give the same bits
in each shape, and, given a second folder, what of the same name differs there.

usage: atlas.py FOLDER [OTHER]"""
import collections
import json
import pathlib
import sys

COMMON = ("flush_in", "flush_out", "saturates", "accumulate_round", "output_round")
ONE = ("kind", "multiply_add", "accumulator_bits", "later_rounded", "leaves", "node_bits")


def sheets(folder):
    found = {p.stem: json.loads(p.read_text()) for p in sorted(pathlib.Path(folder).glob("*.json"))}
    if not found:
        sys.exit(f"{folder} has no datasheets")
    return found


def sums(sheet):
    return {(s["shape"], s["types"]): s for s in sheet["sums"]}


def bits(s):
    """What settles the bits of a sum; None where it is not settled. Paths are of places, so they are told by where they begin."""
    if not s["repeatable"] or not all(p["stable"] for p in s["paths"]) or s["twin_right"] != s["twin_of"]:
        return None
    return json.dumps([[s[k] for k in COMMON]] + [[p["row"], p["column"], p["places"], p["tree"]] + [p.get(k) for k in ONE[1:]]
                                                  for p in s["paths"]])


def tree(s):
    return json.dumps([[p["row"], p["column"], p["places"], p["tree"]] for p in s["paths"]])


def told(s):
    """A sum in words."""
    parts = []
    for p in s["paths"]:
        how = "parts of different arithmetic" if "leaves" in p else p["multiply_add"]
        parts.append(f"{p['kind']}, {how}" + ("" if p["stable"] else ", unstable"))
    return "; ".join(dict.fromkeys(parts))


def main():
    here = sheets(sys.argv[1])
    keys = list(dict.fromkeys(k for s in here.values() for k in sums(s)))
    for key in keys:
        groups, lone = collections.defaultdict(list), []
        for name, sheet in here.items():
            s = sums(sheet).get(key)
            if s is not None:
                (groups[bits(s)] if bits(s) else lone).append(name)
        print(f"{key[0]} {key[1]}")
        for names in sorted(groups.values(), key=lambda g: -len(g)):
            print(f"  {', '.join(names)}: {told(sums(here[names[0]])[key])}")
        for name in lone:
            print(f"  {name}: not foreseen, {told(sums(here[name])[key])}")
    right = sum(s["twin_right"] for x in here.values() for s in x["sums"])
    of = sum(s["twin_of"] for x in here.values() for s in x["sums"])
    print(f"the twin foresaw {right} of {of} random dot products of {len(here)} devices and libraries")
    for name, sheet in here.items():
        moved = [f"{s['shape']} {s['types']} (modulo {n})" for s, n in zip(sheet["sums"], sheet.get("addresses", [])) if n > 1]
        if moved:
            print(f"by where operands lie: {name}: {', '.join(moved)}")
    if len(sys.argv) > 2:
        other = sheets(sys.argv[2])
        for name in here:
            if name not in other:
                print(f"{name}: only in {sys.argv[1]}")
                continue
            for key, s in sums(here[name]).items():
                o = sums(other[name]).get(key)
                if o is not None and bits(s) != bits(o):
                    same = " (the same tree)" if tree(s) == tree(o) else ""
                    print(f"{name} {key[0]} {key[1]}{same}: {told(s)} | {told(o)}")


if __name__ == "__main__":
    main()
