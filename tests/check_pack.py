#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tenon pack: files that are made, mapped back and checked, and each way in which one is refused.

check_pack.py TENON
"""
import os
import random
import struct
import subprocess
import sys
import tempfile

TOOL = sys.argv[1]
bad = []


def run(*args, rc=0, has="", env=None):
    p = subprocess.run([TOOL, "pack", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                       check=False, env={**os.environ, **(env or {})})
    said = p.stdout + p.stderr
    if p.returncode != rc or has not in said:
        bad.append(f"pack {' '.join(args)}: ended with {p.returncode}, wanted {rc} and \"{has}\": {said[-400:]}")
    return said


def npy(path, descr, shape, data, order="False"):
    head = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


def changed(path, to, at, flip=True, cut=None):
    data = bytearray(open(path, "rb").read())
    if flip:
        data[at] ^= 0x10
    open(to, "wb").write(data[:cut])
    return to


with tempfile.TemporaryDirectory() as folder:
    def at(name):
        return os.path.join(folder, name)

    rng = random.Random(7)
    weights = bytes(rng.randrange(256) for _ in range(48 * 37))
    op = "matmul 16x37x48:u8s8s32"
    open(at("raw"), "wb").write(weights)
    npy(at("b.npy"), "|i1", "(48, 37)", weights)
    run(op, at("raw"), "-o", at("raw.pack"), has="layout")
    run(op, at("b.npy"), "-o", at("npy.pack"), has="mapped in place")
    if open(at("raw.pack"), "rb").read() != open(at("npy.pack"), "rb").read():
        bad.append("raw and npy weights give different files")
    run("--check", at("raw.pack"), has="int8")
    run("--check", at("raw.pack"), "matmul 900x37x48:u8s8s32", has="mapped in place")
    run("--check", at("raw.pack"), "--device", "cpu?private=1", has="copied")
    run(op, at("raw"), "-o", at("private.pack"), "--device", "cpu?private=1", has="copied")
    if open(at("raw.pack"), "rb").read()[4096:] != open(at("private.pack"), "rb").read()[4096:]:
        bad.append("the private device packs other bytes")
    run("conv n1c4h8w8k8r3s3:f32", at("raw"), "-o", at("conv.pack"), rc=1, has="bytes")

    # weights that are not what the op says
    run(op, at("none"), "-o", at("x"), rc=1, has="No such file")
    npy(at("f4.npy"), "<f4", "(48, 37)", weights * 4)
    run(op, at("f4.npy"), "-o", at("x"), rc=1, has="dtype")
    npy(at("shape.npy"), "|i1", "(37, 48)", weights)
    run(op, at("shape.npy"), "-o", at("x"), rc=1, has="shape")
    npy(at("order.npy"), "|i1", "(48, 37)", weights, "True")
    run(op, at("order.npy"), "-o", at("x"), rc=1, has="order")
    run("matmul 16x37x49:u8s8s32", at("raw"), "-o", at("x"), rc=1, has="the operand has 1813")
    run("matmul 16x37", at("raw"), "-o", at("x"), rc=1, has="optext.rank")
    run("softmax 4x4:f32:axis=1", at("raw"), "-o", at("x"), rc=1, has="only b of matmul and conv")
    run(op, at("raw"), "-o", at("no/such/folder"), rc=1, has="No such file")
    run(op, at("raw"), "-o", at("x"), "--device", "nothing", rc=1, has="nothing")
    if os.path.exists(at("x")):
        bad.append("a refused pack left a file")

    # files that are not what pack wrote, or not for this
    pack = at("raw.pack")
    run("--check", at("none"), rc=1, has="No such file")
    run("--check", at("raw"), rc=1, has="too short")
    run("--check", changed(pack, at("x"), 0), rc=1, has="not a file of packed weights")
    run("--check", changed(pack, at("x"), 8), rc=1, has="another version")
    run("--check", changed(pack, at("x"), 24), rc=1, has="head is corrupt")
    run("--check", changed(pack, at("x"), 4000), rc=1, has="head is corrupt")
    run("--check", changed(pack, at("x"), 4096), rc=1, has="weights are corrupt")
    run("--check", changed(pack, at("x"), os.path.getsize(pack) - 1), rc=1, has="weights are corrupt")
    run("--check", changed(pack, at("x"), 0, False, -1), rc=1, has="its length")
    run("--check", pack, "matmul 16x37x48:f32", rc=1, has="made for layout")
    # panels of 16 and of 32 columns both pad 37 to 48 or 64: the shape tells, not the size
    run("--check", pack, "matmul 16x64x48:u8s8s32", rc=1, has="another shape")
    run("--check", pack, "matmul 16x48x48:u8s8s32", rc=1, has="another shape")
    run("--check", pack, rc=1, has="matmul.packed", env={"TENON_CPU_MAX": "baseline"})
    run(rc=64, has="give an op")
    run("--check", pack, op, at("raw"), rc=64, has="no weights")

if bad:
    sys.exit("\n".join(bad))
print("tenon pack: made, mapped back, refused 25 ways")
