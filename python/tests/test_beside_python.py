# SPDX-License-Identifier: Apache-2.0
"""bench/beside_python.py: its own results are held to float64, absent libraries are named, wrong texts refused."""
import json
import os
import subprocess
import sys

import pytest

SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "beside_python.py")


def run(*args):
    return subprocess.run([sys.executable, SCRIPT, "--rounds", "2", *args], capture_output=True, text=True, check=False)


def test_every_op(tmp_path):
    ops = ["matmul 5x6x7", "conv n1c4h8w9k6r3s3p1g2", "conv n2c3h9w8k4r3s2p1u2:nhwc", "attention b1h4g2q5k7d8", "attention b1h2q6k6d8:causal",
           "softmax 4x9", "norm layer 4x9", "eltwise gelu 4x9"]
    r = run(*ops, "--json", str(tmp_path / "rows"))
    assert r.returncode == 0, r.stdout + r.stderr
    with open(tmp_path / "rows", encoding="utf-8") as f:
        rows = json.load(f)["rows"]
    assert {(row["text"], row["class"]) for row in rows if row["impl"] == "tenon"} == {(t, c) for t in ops for c in ("fast", "canonical")}


@pytest.mark.parametrize("args, word", ((("pool 4x4",), "the ops are"), (("matmul 4x4x4:f16",), "only f32"), (("matmul 4x4x4", "--vs", "none"), "--vs none"),
                                        (("matmul 4x4x4", "--cpu-time", "--threads", "2"), "--cpu-time")))
def test_refused(args, word):
    r = run(*args)
    assert r.returncode == 2 and word in r.stderr, r.stderr
