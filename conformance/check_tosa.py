#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TOSA's own cases: made by its generator (sets S0 to S5 of dot products, integers), computed by its reference model in float64,
run through Tenon, judged by its verification library; and its negative cases, where what is an error there is one of Tenon, too.
A necessary condition: TOSA's bounds are wider than ours.

usage: .venv/tosa/bin/python conformance/check_tosa.py FOLDER [--full] [--seed N] [DEVICE..]

Run by an interpreter that has tosa-tools; cases and references are kept in FOLDER. The numbers of cases that were run, and of those that
were not by reason, are printed; a device on which nothing was run fails."""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
import tenon  # noqa: E402
from checker.verifier import VerifierLibrary  # noqa: E402
from tenon._library import lib  # noqa: E402
from tenon.ops import _run  # noqa: E402

SITE = pathlib.Path(sys.modules["checker"].__file__).parent.parent
MODEL = SITE / "tosa_reference_model"
TYPES = {"FP32": ("f32", np.float32), "FP16": ("f16", np.float16), "BF16": ("bf16", ml_dtypes.bfloat16), "INT8": ("s8", np.int8),
         "FP8E4M3": ("f8e4m3", ml_dtypes.float8_e4m3fn), "FP8E5M2": ("f8e5m2", ml_dtypes.float8_e5m2), "INT32": ("s32", np.int32)}
# One convolution: its generator is slow, and has one case a set for each padding; weights of other types than the input are not ours.
CONV = ["--target-shape", "1,11,9,5", "--conv-kernel", "3,3", "--max-conv-stride", "1", "--max-conv-dilation", "1",
        "--extension", "tosa-ext-bf16"]
SETS = {"matmul": (["--filter", "^matmul$", "--test-type", "both"], ["fp32", "fp16", "bf16", "int8", "fp8e4m3", "fp8e5m2"]),
        "conv2d": (["--filter", "^conv2d$", "--test-type", "positive", *CONV, "--max-conv-padding", "0"], ["fp32", "fp16", "bf16"])}
FULL = {"conv2d": (["--filter", "^conv2d$", "--test-type", "positive", *CONV, "--max-conv-padding", "1"], ["fp32", "fp16", "bf16", "int8"])}


def generate(folder, seed, full):
    """The folders of all cases; they are made once."""
    out = []
    for name, (words, types) in {**SETS, **(FULL if full else {})}.items():
        at = folder / f"{name}-{seed}-{'full' if full and name in FULL else 'quick'}"
        if not (at / "done").exists():
            done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "tosa_verif_build_tests"), "--generate-lib-path",
                                   str(MODEL / "libtosa_reference_generate_lib.so"), "-o", str(at), "--seed", str(seed),
                                   "--dump-const-tensors", *words, "--target-dtype", *types], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            (at / "done").touch()
        out += sorted(p.parent for p in at.rglob("desc.json"))
    return out


def reference(case):
    """Has the model compute a case, once; whether it took it."""
    marks = {True: case / "accepted", False: case / "refused"}
    for good, mark in marks.items():
        if mark.exists():
            return good
    done = subprocess.run([str(SITE / "bin/tosa_reference_model"), "--tosa_level", "EIGHTK", "--operator_fbs", str(SITE / "bin/tosa.fbs"),
                           "--test_desc", str(case / "desc.json"), "--precise_mode=1"], capture_output=True, text=True)
    good = done.returncode == 0 and "Graph result: ERROR" not in done.stdout + done.stderr
    marks[good].touch()
    return good


class NotMapped(Exception):
    """Why a case is none of Tenon's."""


def load(device, path, kind):
    if kind not in TYPES:
        raise NotMapped(f"no type {kind}")
    dtype = np.dtype(TYPES[kind][1])
    a = np.load(path, allow_pickle=False)
    if a.dtype != dtype:
        a = a.astype(dtype) if kind == "BF16" and a.dtype == np.float32 else a.view(dtype)
    return device.tensor(a, copy=True)


def constant(device, info):
    """A tensor of FIXED_DATA: zero points."""
    if info["data_type"] not in TYPES:
        raise NotMapped(f"no type {info['data_type']}")
    return device.tensor(np.array(info["fixed_data_info"]["data"][0]).astype(TYPES[info["data_type"]][1]), copy=True)


def run(device, case, desc):
    """Tenon's result of a case, by its name and data."""
    tensors, details = desc["meta"]["data_gen"]["tensors"], desc["test_details"]
    kind = {name: t["data_type"] for name, t in tensors.items()}
    out = details["output_types"][0]
    if out not in TYPES:
        raise NotMapped(f"no type {out}")
    inputs = [load(device, case / f, kind[n]) for n, f in zip(desc["ifm_name"], desc["ifm_file"])]
    zeros = [constant(device, t) for t in tensors.values() if t["generator"] == "FIXED_DATA" and t["shape"] == [1]]
    given = [z for z in zeros if np.any(z.numpy(copy=True).astype(np.float32))]
    if details["operator"] == "MATMUL":
        if details.get("ERRORIF") == "WrongInputList":
            return _run(lib.TN_OP_MATMUL, ("tn_matmul", {}), [(lib.TN_ARG_A, inputs[0])])
        points = dict(zip(("zero_a", "zero_b"), zeros)) if given else {}
        if kind["input-0"] != "INT8":
            points["dtype"] = TYPES[out][0]
        return tenon.matmul(*inputs, numerics="bounded", **points)
    words = re.search(r"_st(\d)(\d)_pad(\d)(\d)(\d)(\d)_dilat(\d)(\d)", case.name)
    if given or not words:
        raise NotMapped("convolution with zero points" if given else "attributes that the name does not tell")
    stride, pad, dilation = ([int(x) for x in words.groups()[i:j]] for i, j in ((0, 2), (2, 6), (6, 8)))
    for n in ("const-0", "const-1"):
        if n in tensors and not (case / f"{n}.npy").exists():
            raise NotMapped("constants that are not given as files")
    rest = [load(device, case / f"{n}.npy", kind[n]) for n in ("const-0", "const-1") if n in tensors]
    a, b, bias = (inputs + rest)[:3]
    if a.dtype != b.dtype or TYPES[out][0] not in (a.dtype, "s32"):
        raise NotMapped("convolution of mixed types")
    # rank 1 and one number for all filters is TOSA's broadcast
    bias = bias if bias.shape == (b.shape[0],) else bias.broadcast((b.shape[0],))
    return tenon.conv(a, b, bias, stride=stride, pad=pad[::2], pad_hi=pad[1::2], dilation=dilation, channels_last=True)


def judge(verifier, case, desc, got):
    name, file = desc["ofm_name"][0], desc["ofm_file"][0]
    ref = np.load(case / file)
    bound = case / f"bounds_{file}"
    if got.dtype == ml_dtypes.bfloat16:
        got = got.view("V2")
    return verifier.verify_data(name, desc["meta"]["compliance"], np.ascontiguousarray(got), ref, np.load(bound) if bound.exists() else None)


NEGATIVE = {"InputZeroPointNotZero", "WrongInputList"}  # what is a call of Tenon at all; the others are faults of a graph


def one_device(uri, cases, verifier):
    device = tenon.Runtime().open(uri)
    counts, failures = collections.Counter(), []
    for case in cases:
        desc = json.loads((case / "desc.json").read_text())
        error, before = desc["test_details"].get("ERRORIF"), device.ops_on_device
        kind = desc["test_details"]["operator"].lower()
        try:
            if error and error not in NEGATIVE:
                raise NotMapped(f"error {error}: no call of Tenon has it")
            accepted = reference(case)
            assert accepted != bool(error), f"{case.name}: TOSA's model has another opinion of its own case"
            if error:
                try:
                    run(device, case, desc)
                    failures.append(f"{case.name}: taken, TOSA refuses it ({error})")
                except tenon.Error as e:
                    assert e.status.lower() in ("invalid", "unsupported"), e
                    counts[f"run: {kind}, refused as there"] += 1
                continue
            got = run(device, case, desc).numpy(copy=True)
            if device.ops_on_device == before:
                raise NotMapped("no kernel on the device")
            set_ = re.search(r"_(s[0-5])$", case.name)
            counts[f"run: {kind}, {set_[1] if set_ else 'other data'}"] += 1
            if not judge(verifier, case, desc, got):
                failures.append(f"{case.name}: not compliant")
        except NotMapped as e:
            counts[f"skipped: {kind}, {e}"] += 1
        except tenon.Error as e:
            if e.status.lower() != "unsupported":
                raise
            counts[f"skipped: {kind}, {e.reason}"] += 1
    for what, n in sorted(counts.items()):
        print(f"tosa on {uri}: {n:5d} {what}")
    ran = sum(n for what, n in counts.items() if what.startswith("run"))
    print(f"tosa on {uri}: {ran} run, {len(cases) - ran} skipped, {len(failures)} failed")
    for f in failures[:20]:
        print("  " + f)
    return ran > 0 and not failures


def finds_defects(cases, verifier):
    """The verifier has to refuse a result of ours that is off."""
    device = tenon.Runtime().open("cpu")
    for case in cases:
        desc = json.loads((case / "desc.json").read_text())
        if case.name.endswith("f32xf32_outf32_s5") and desc["test_details"]["operator"] == "MATMUL" and reference(case):
            got = run(device, case, desc).numpy(copy=True)
            wrong = got.copy()
            wrong.ravel()[3] *= np.float32(1.001)
            return judge(verifier, case, desc, got) and not judge(verifier, case, desc, wrong)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--full", action="store_true", help="more convolutions")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("device", nargs="*", default=["cpu", "cpu?private=1"])
    asked = parser.parse_args()
    verifier = VerifierLibrary(MODEL / "libtosa_reference_verify_lib.so")
    print(f"seed {asked.seed}")
    cases = generate(asked.folder, asked.seed, asked.full)
    good = finds_defects(cases, verifier)
    if not good:
        print("tosa: the verification library did not tell a wrong result from a right one")
    for uri in asked.device:
        good = one_device(uri, cases, verifier) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
