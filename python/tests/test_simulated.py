# SPDX-License-Identifier: Apache-2.0
"""A simulated chip through the binding: the bits of cpu, and a meter of its own time."""
import pathlib

import numpy as np
import pytest

import tenon
from tenon.demo import ocr, weights
from tenon.demo.encoder import Encoder

PROFILES = pathlib.Path(__file__).resolve().parents[2] / "backends" / "tpu-sim" / "profiles"


def test_meter_counts_what_ran_on_the_chip(runtime, rng):
    chip, cpu = runtime.open("tpu-sim:canonical-128"), runtime.open("cpu")
    assert cpu.meter is None and chip.meter.peak == 128 * 128 and chip.info["simulated"]
    x, w = (rng.standard_normal(s, np.float32) for s in ((200, 384), (384, 300)))
    found = []
    for d in (cpu, chip):
        a, b = (tenon.cast(d.tensor(v), "bf16") for v in (x, w))
        if d.meter:
            d.meter.reset()
        found.append(tenon.matmul(a, b, numerics="canonical", dtype="f32").numpy(copy=True))
    assert found[0].tobytes() == found[1].tobytes()
    meter = chip.meter
    assert meter.ops == 1 and meter.macs == 200 * 384 * 300 and 0 < meter.share <= 1
    assert meter.ns == meter.cycles  # its clock is 1 GHz


def test_meter_leaves_out_what_fell_back(runtime):
    chip = runtime.open("tpu-sim:canonical-128")
    a = chip.tensor(np.ones((8, 8), np.float32))
    chip.meter.reset()
    tenon.matmul(a, a)  # the array multiplies no f32
    assert chip.ops_fallen_back == 1 and chip.meter.ops == 0 and chip.meter.cycles == 0


@pytest.mark.parametrize("uri", ["file", "tpu-sim:tpu-v4"])
def test_the_encoder_runs_whole_on_a_chip(runtime, tmp_path, uri):
    """In bf16: on a 24 by 40 array with a dead column and an erratum, known from its file alone, and on one that looks
    its functions up. Twice cpu's distance from its own f32 is allowed, since the order of the sums is another one."""
    if uri == "file":
        text = (PROFILES / "test-24x40.json").read_text(encoding="utf-8").replace("test-24x40", "my-chip")
        (tmp_path / "my-chip.json").write_text(text, encoding="utf-8")
        uri = f"tpu-sim:{tmp_path / 'my-chip.json'}"
    config, w = weights.load()
    tokens = weights.Tokenizer()(["The snow on the mountain is deep."])
    chip, cpu = runtime.open(uri), runtime.open("cpu")
    kind = "bounded" if "my-chip" in uri else "fast"
    y = Encoder(chip, config, w, numerics=kind, dtype="bf16")(*tokens)[0]
    assert chip.ops_on_device > 60 and chip.ops_fallen_back == 0 and chip.meter.cycles > 0
    truth = Encoder(cpu, config, w)(*tokens)[0]
    narrow = Encoder(cpu, config, w, numerics=kind, dtype="bf16")(*tokens)[0]
    assert 0 < np.abs(y - truth).max() <= 2 * np.abs(narrow - truth).max()


def test_products_of_f32_alone_fall_back_in_pictures(runtime):
    chip = runtime.open("tpu-sim:canonical-128")
    path, expected = ocr.shipped()
    assert [text for text, _, _ in ocr.Reader(chip)(ocr.load_picture(path))] == expected
    lib = tenon.ops.lib
    fell = {key[0] for key, plan in chip.plans.items() if plan.fallback}
    assert fell == {lib.TN_OP_CONV, lib.TN_OP_MATMUL}
    assert 7 * chip.ops_fallen_back < chip.ops_on_device + chip.ops_fallen_back
