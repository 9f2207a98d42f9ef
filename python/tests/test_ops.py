# SPDX-License-Identifier: Apache-2.0
"""Data movement, casts and the ops along an axis, against numpy."""
import numpy as np
import pytest

import tenon

EPS = 2.0**-24  # unit roundoff of f32


def values_of(name):
    """Every value of a narrow float in the order of its bits, by its definition."""
    exponent_bits, mantissa_bits = {"bf16": (8, 7), "f16": (5, 10), "f8e4m3": (4, 3), "f8e5m2": (5, 2)}[name]
    bits = np.arange(2**(exponent_bits + mantissa_bits))
    e, m = bits >> mantissa_bits, bits % 2**mantissa_bits
    bias = 2**(exponent_bits - 1) - 1
    x = np.ldexp(np.where(e == 0, m, m + 2**mantissa_bits).astype(float), np.maximum(e, 1) - bias - mantissa_bits)
    top = 2**exponent_bits - 1
    if name == "f8e4m3":
        x[-1] = np.nan
    else:
        x[e == top] = np.where(m[e == top] == 0, np.inf, np.nan)
    return x


def rounded(x, name):
    """The bits of the nearest value, the even one between two."""
    values = values_of(name)
    finite = values[np.isfinite(values)]
    step = finite[-1] - finite[-2]
    line = np.append(finite, finite[-1] + step)  # the value that would be next stands for too much
    magnitude = np.abs(x.astype(float))
    with np.errstate(invalid="ignore"):
        low = np.clip(np.searchsorted(line, magnitude, "right") - 1, 0, len(line) - 2)
        up, down = line[low + 1] - magnitude, magnitude - line[low]
        got = np.where((up < down) | ((up == down) & (low % 2 == 1)), low + 1, low)
    if name == "f8e4m3":
        assert got.max() <= 0x7f
    return got | np.where(np.signbit(x) & ~((name == "f8e4m3") & (got == 0x7f)), len(values), 0)


def raw(t):
    """The bits of a tensor that numpy has no dtype for."""
    name = {1: "u8", 2: "f16", 4: "f32"}[tenon.tensor.DTYPES[t.dtype][1]]
    bits = tenon.Tensor(t.device, t.buffer, name, t.shape, t.strides, t.offset_bytes).numpy(copy=True)
    return bits.view(f"uint{8 * bits.itemsize}")


@pytest.mark.parametrize("name", ("bf16", "f16", "f8e4m3", "f8e5m2"))
def test_cast_to_narrow_floats_and_back(device, rng, name):
    x = np.concatenate([rng.standard_normal(500) * s for s in (1e-6, 1e-3, 1, 100, 1e4)]).astype(np.float32)
    x = np.concatenate([x, np.float32([0.0, -0.0, 448, 464, 465, 57344, 61440, 1e30, np.inf, -np.inf])])
    want = rounded(x, name)
    narrow = tenon.cast(device.tensor(x), name)
    assert np.array_equal(raw(narrow), want)
    back = tenon.cast(narrow, "f32").numpy(copy=True)
    values = values_of(name)
    assert np.array_equal(np.abs(back), values[want % len(values)].astype(np.float32), equal_nan=True)
    assert np.isnan(tenon.cast(tenon.cast(device.tensor(np.float32([np.nan])), name), "f32").numpy(copy=True))


def test_cast_saturates_on_request(device):
    x = np.float32([449, 1e30, -1e30, np.inf, -np.inf, 1])
    for name, most in (("f8e4m3", 448), ("f8e5m2", 57344)):
        got = tenon.cast(tenon.cast(device.tensor(x), name, saturate=True), "f32").numpy(copy=True)
        assert np.array_equal(got[1:], np.float32([most, -most, most, -most, 1]))
    assert np.isnan(tenon.cast(tenon.cast(device.tensor(x), "f8e4m3"), "f32").numpy(copy=True)[1:5]).all()


def test_cast_between_integers_and_floats(device):
    x = np.float32([-1.9, 1.9, 300, -300, 3e9, -3e9, np.nan, np.inf])
    t = device.tensor(x)
    assert tenon.cast(t, "s8").numpy().tolist() == [-1, 1, 127, -128, 127, -128, 0, 127]
    assert tenon.cast(t, "u8").numpy().tolist() == [0, 1, 255, 0, 255, 0, 0, 255]
    assert tenon.cast(t, "s32").numpy().tolist()[4:] == [2**31 - 1, -(2**31), 0, 2**31 - 1]
    assert tenon.cast(t, "bool").numpy().all()
    n = np.array([2**40 + 5, -1, 256, 0], np.int64)
    for name in ("s32", "s8", "u8"):
        got = tenon.cast(device.tensor(n), name).numpy()
        assert np.array_equal(got, n.astype(got.dtype))


def test_concat(device, rng):
    parts = [rng.standard_normal((2, n, 3), np.float32) for n in (4, 1, 0, 7)]
    got = tenon.concat([device.tensor(p) for p in parts], axis=1).numpy()
    assert np.array_equal(got, np.concatenate(parts, 1))
    views = [device.tensor(p).transpose(2, 0, 1) for p in parts]
    assert np.array_equal(tenon.concat(views, axis=-1).numpy(), np.concatenate([p.transpose(2, 0, 1) for p in parts], 2))
    with pytest.raises(tenon.Error) as e:
        tenon.concat([device.tensor(parts[0]), device.tensor(parts[0][0])], axis=0)
    assert e.value.reason == "concat.shape" and e.value.argument == "input1"


@pytest.mark.parametrize("dtype", ["float32", "int8", "int64", "bool"])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pad(device, rng, mode, dtype):
    x = (rng.standard_normal((3, 4, 5)) * 3).astype(dtype)
    widths = ((2, 1), (0, 3), (4, 0))
    more = {"constant_values": np.float32(1.75).astype(dtype)} if mode == "constant" else {}
    got = tenon.pad(device.tensor(x), widths, mode, 1.75 if more else 0.0).numpy()
    assert np.array_equal(got, np.pad(x, widths, mode, **more))


def test_slices(device, rng):
    x = rng.standard_normal((6, 9), np.float32)
    t = device.tensor(x)
    assert np.array_equal(tenon.pad(t, ((-1, -2), (-3, 0))).numpy(), x[1:4, 3:])
    assert np.array_equal(tenon.copy(t.slice(1, 1, 9, 3).slice(0, 0, 6, 4)).numpy(), x[0:6:4, 1:9:3])


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int8", "int64", "bool"])
def test_where(device, rng, dtype):
    a, b = ((rng.standard_normal(s) * 3).astype(dtype) for s in ((4, 1, 7), (5, 7)))
    mask = rng.random((4, 5, 7)) < 0.4
    got = tenon.where(*map(device.tensor, (mask, a, b))).numpy()
    assert got.dtype == a.dtype and np.array_equal(got, np.where(mask, a, b))
