# SPDX-License-Identifier: Apache-2.0
"""The sentence encoder: right, and the same bits on every device and in every batch."""
import json
import pathlib

import numpy as np
import pytest

import tenon
from tenon.demo import run, weights
from tenon.demo.encoder import Encoder
from tenon.demo.reference import Reference

SENTENCES = (pathlib.Path(run.__file__).parent / "sentences.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def model():
    return weights.load()


@pytest.fixture(scope="module")
def tokenizer():
    return weights.Tokenizer()


def encoder(uri, model):
    device = tenon.Runtime().open(uri)
    return Encoder(device, *model)


@pytest.fixture(scope="module")
def cpu(model):
    return encoder("cpu", model)


def test_reference_finds_the_pairs(model, tokenizer):
    reference = Reference(*model)
    y = np.stack([reference(tokenizer([s])[0][0]) for s in SENTENCES[:12]])
    similarity = y @ y.T - 2 * np.eye(12)
    assert list(similarity.argmax(1)) == [i ^ 1 for i in range(12)]
    assert np.allclose(np.linalg.norm(y, axis=1), 1, atol=1e-14)


def test_encoder_is_the_reference(cpu, model, tokenizer):
    reference = Reference(*model)
    for s in SENTENCES[:4]:
        ids, mask = tokenizer([s])
        assert np.abs(cpu(ids, mask)[0] - reference(ids[0])).max() <= run.LIMIT
    assert cpu.device.ops_fallen_back == 0


def test_the_exit_rule_of_bf16():
    row = {"max_abs_diff": 1e-7, "digest": "x", "digests": {"f32": "x", "bf16": "y"}, "max_abs_diff_bf16": 1e-3}
    assert run.judge(dict(row), "x", ("y", 1e-3)) and run.judge(dict(row), "x", ("y", 5e-4))
    assert not run.judge(dict(row), "x", ("z", 1e-3)) and not run.judge(dict(row), "x", ("y", 4e-4))
    assert run.judge(dict(row, digests={"f32": "x", "bf16": None}, max_abs_diff_bf16=None), "x", ("y", 1e-3))


def test_private_memory_gives_the_same_bits(cpu, model, tokenizer):
    private = encoder("cpu?private=1", model)
    for s in SENTENCES[:3]:
        assert private(*tokenizer([s])).tobytes() == cpu(*tokenizer([s])).tobytes()
    assert private.device.ops_fallen_back == 0


def test_batch_1_and_batch_32_have_the_same_bits(cpu, tokenizer):
    together = cpu(*tokenizer(SENTENCES[:32]))
    for i, s in enumerate(SENTENCES[:32]):
        assert cpu(*tokenizer([s]))[0].tobytes() == together[i].tobytes(), s


def test_the_report_has_its_schema(tmp_path):
    assert run.main(["--device", "cpu", "cpu?private=1", "--seconds", "0.2", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["schema"], report["canonical_version"], report["model"]) == (1, 1, "all-MiniLM-L6-v2")
    assert [d["uri"] for d in report["devices"]] == ["cpu", "cpu?private=1"]
    for d in report["devices"]:
        assert set(d) == {"uri", "name", "present", "class", "dtype", "ms_per_item", "items", "max_abs_diff", "digest",
                          "digests", "max_abs_diff_bf16", "ops_on_device", "ops_fallen_back", "refused", "reason"}
        assert d["digest"] == d["digests"]["f32"] == report["devices"][0]["digest"]
        assert len(d["digests"]["bf16"]) == 64 and d["digests"]["bf16"] == report["devices"][0]["digests"]["bf16"]
        assert d["refused"] is None
        assert d["digests"]["bf16"] != d["digest"] and 0 < d["max_abs_diff_bf16"] < 2.0**-8
    assert report["models"][0] == {"model": report["model"], "devices": report["devices"]}
    others = report["models"][1:]
    assert [m["model"] for m in others] == ["PP-OCRv4", "DiT block", "decoder"]
    for m in others:
        assert [d["uri"] for d in m["devices"]] == ["cpu", "cpu?private=1"]
        for d in m["devices"]:
            assert set(d) == set(report["devices"][0]) and d["digest"] == m["devices"][0]["digest"]
            assert d["reason"] is None and d["ops_on_device"] > 0 == d["ops_fallen_back"]
    assert [line["text"] for line in others[0]["lines"]] == others[0]["expected"]
    assert "@DATA@" not in (tmp_path / "report.html").read_text()


def test_a_device_that_is_not_there_fails_the_run(tmp_path):
    assert run.main(["--device", "cpu", "no-such-device", "--seconds", "0.1", "--out", str(tmp_path)]) == 1
    assert json.loads((tmp_path / "report.json").read_text())["devices"][1]["present"] is False
