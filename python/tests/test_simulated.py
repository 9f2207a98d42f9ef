# SPDX-License-Identifier: Apache-2.0
"""A simulated chip through the binding: the bits of cpu, and a meter of its own time."""
import numpy as np

import tenon


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
