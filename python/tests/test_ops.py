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


@pytest.mark.parametrize("a_type, b_type", (("bf16", "bf16"), ("f16", "f16"), ("f8e4m3", "f8e5m2"), ("f32", "bf16"), ("bf16", "f8e4m3")))
def test_matmul_of_narrow_floats(device, rng, a_type, b_type):
    def narrow(shape, name):
        t = device.tensor(rng.standard_normal(shape).astype(np.float32))
        t = t if name == "f32" else tenon.cast(t, name)
        return t, tenon.cast(t, "f32").numpy(copy=True).astype(float)
    (a, x), (b, y) = narrow((7, 300), a_type), narrow((19, 300), b_type)
    bias = rng.standard_normal(19).astype(np.float32)
    bound = 302 * EPS * (np.abs(x) @ np.abs(y).T + np.abs(bias))
    for constant in (False, True):
        for numerics in ("bounded", "canonical"):
            got = tenon.matmul(a, b, transpose_b=True, bias=device.tensor(bias), constant_b=constant, numerics=numerics, dtype="f32")
            assert np.all(np.abs(got.numpy(copy=True) - (x @ y.T + bias)) <= bound)
    assert tenon.matmul(a, b, transpose_b=True).dtype == (a_type if a_type == b_type else "f32")
    with pytest.raises(tenon.Error) as e:
        tenon.matmul(a, b, transpose_b=True, dtype="f31")
    assert e.value.reason == "op.dtype"


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


def in_order(x, axis, smallest):
    """Indices as topk promises them for distinct zeros: numpy's stable sort, NaN first."""
    key = np.where(np.isnan(x), np.inf, x if not smallest else -x)
    key = np.where(np.isnan(x), np.inf, key)
    return np.argsort(-key, axis=axis, kind="stable")


@pytest.mark.parametrize("smallest", [False, True])
def test_topk(device, rng, smallest):
    x = rng.integers(-4, 5, (5, 40, 3)).astype(np.float32) + np.float32(0.5)
    x[rng.random(x.shape) < 0.05] = np.nan
    values, index = tenon.topk(device.tensor(x), 6, axis=1, smallest=smallest)
    want = in_order(x, 1, smallest)[:, :6]
    assert np.array_equal(index.numpy(), want)
    assert np.array_equal(values.numpy(), np.take_along_axis(x, want, 1), equal_nan=True)


def test_argmax_and_argmin_are_numpys(device, rng):
    for dtype in (np.float32, np.int64, np.uint8):
        x = rng.integers(0, 50, (7, 30, 4)).astype(dtype)
        for axis in (0, 1, -1):
            assert np.array_equal(tenon.argmax(device.tensor(x), axis).numpy(), x.argmax(axis))
            assert np.array_equal(tenon.argmin(device.tensor(x), axis).numpy(), x.argmin(axis))
    x = np.float32([3, np.nan, 1, np.nan])
    assert tenon.argmax(device.tensor(x)).numpy() == 1 == x.argmax()
    assert tenon.argmin(device.tensor(x)).numpy() == 1 == x.argmin()


def test_cumsum(device, rng):
    n = rng.integers(-9, 9, (6, 500)).astype(np.int32)
    assert np.array_equal(tenon.cumsum(device.tensor(n), dtype="s64").numpy(), n.cumsum(1, dtype=np.int64))
    assert np.array_equal(tenon.cumsum(device.tensor(n), 0).numpy(), n.cumsum(0))
    got = tenon.cumsum(device.tensor(n), exclusive=True, reverse=True).numpy()
    assert np.array_equal(got, n[:, ::-1].cumsum(1)[:, ::-1] - n)
    x = rng.standard_normal((3, 9000), np.float32)
    got = tenon.cumsum(device.tensor(x), numerics="canonical").numpy()
    # within a segment of 4096 one rounding an element, then one a segment
    bound = np.minimum(np.arange(9000), 4100) + 4
    assert np.all(np.abs(got - x.cumsum(1, dtype=float)) <= bound * EPS * np.abs(x).cumsum(1, dtype=float))


def test_rmsnorm_and_groupnorm(device, rng):
    x = rng.standard_normal((3, 12, 5, 7), np.float32)
    gamma, beta = rng.standard_normal(12, np.float32), rng.standard_normal(12, np.float32)
    g = x.reshape(3, 4, -1).astype(float)
    z = (g - g.mean(2, keepdims=True)) / np.sqrt(g.var(2, keepdims=True) + 1e-5)
    want = z.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    got = tenon.groupnorm(*map(device.tensor, (x,)), 4, device.tensor(gamma), device.tensor(beta)).numpy()
    # sums of 105 in 64 lanes, as for layer norm
    scale = 1 + np.abs(z).reshape(x.shape) * np.abs(gamma)[:, None, None] + np.abs(beta)[:, None, None]
    assert np.all(np.abs(got - want) <= 80 * EPS * scale)
    rows, weight = x.reshape(36, 35), rng.standard_normal(35, np.float32)
    want = rows / np.sqrt((rows.astype(float)**2).mean(1, keepdims=True) + 1e-5) * weight
    got = tenon.rmsnorm(device.tensor(rows), device.tensor(weight)).numpy()
    assert np.all(np.abs(got - want) <= 80 * EPS * (1 + np.abs(want)))


@pytest.mark.parametrize("interleaved", [False, True])
def test_rope(device, rng, interleaved):
    x = rng.standard_normal((2, 3, 10, 20), np.float32)
    positions = np.arange(5, 15, dtype=np.int32)
    freq = (10000.0 ** -(np.arange(8) / 8)).astype(np.float32)
    angle = positions[:, None].astype(float) * freq
    even, odd = (slice(0, 16, 2), slice(1, 16, 2)) if interleaved else (slice(0, 8), slice(8, 16))
    want = x.astype(float)
    want[..., even] = x[..., even] * np.cos(angle) - x[..., odd] * np.sin(angle)
    want[..., odd] = x[..., even] * np.sin(angle) + x[..., odd] * np.cos(angle)
    got = tenon.rope(*map(device.tensor, (x, positions, freq)), interleaved, 16, "canonical").numpy()
    size = np.abs(x).max() * 2
    # the angle is rounded once, sine and cosine are within 2 ulp, then two roundings
    assert np.all(np.abs(got - want) <= size * (np.abs(angle).max() + 7) * EPS)
    assert np.array_equal(got[..., 16:], x[..., 16:])


def test_quantize_and_back(device, rng):
    x = (rng.standard_normal((6, 32)) * 4).astype(np.float32)
    scale = np.float32([0.5, 0.25, 0.125, 1, 2, 0.0625])  # powers of two: the division is exact
    zero = np.uint8([128, 100, 90, 3, 0, 255])
    q = tenon.quantize(*map(device.tensor, (x, scale, zero)))
    want = np.clip(np.rint(x / scale[:, None]) + zero[:, None], 0, 255)
    assert q.dtype == "u8" and np.array_equal(q.numpy(), want)
    back = tenon.dequantize(q, device.tensor(scale), device.tensor(zero)).numpy()
    assert np.array_equal(back, ((want - zero[:, None]) * scale[:, None]).astype(np.float32))
    runs = np.repeat(np.float32([1, 0.5, 0.25, 0.125]), 8)
    steps = np.broadcast_to(runs[::8], (6, 4)).copy()
    got = tenon.quantize(device.tensor(x), device.tensor(steps), axis=1, group=8).numpy()
    assert np.array_equal(got, np.clip(np.rint(x / runs), -128, 127))
    sums = rng.integers(-10**6, 10**6, 50).astype(np.int32)
    got = tenon.quantize(device.tensor(sums), device.tensor(np.float32(2.0**-13)), requantize=True).numpy()
    assert np.array_equal(got, np.clip(np.rint(sums * 2.0**-13), -128, 127))


def test_nothing_to_do(device):
    empty = device.tensor(np.zeros((0, 4), np.float32))
    none = device.tensor(np.zeros((3, 0), np.float32))
    assert tenon.concat([empty, empty]).numpy().shape == (0, 4)
    assert np.array_equal(tenon.pad(none, ((0, 0), (1, 1)), value=7.0).numpy(), np.full((3, 2), 7, np.float32))
    assert tenon.pad(empty, ((0, 0), (-4, 0))).numpy().shape == (0, 0)
    assert [t.numpy().shape for t in tenon.topk(empty, 2)] == [(0, 2)] * 2
    assert tenon.cumsum(none).numpy().shape == (3, 0) and tenon.cumsum(empty).numpy().shape == (0, 4)
    assert tenon.groupnorm(empty, 2).numpy().shape == (0, 4)
    index, freq = device.tensor(np.zeros(1, np.int32)), device.tensor(np.ones(2, np.float32))
    assert tenon.rope(empty, index, freq).numpy().shape == (0, 4)
    assert tenon.quantize(empty, freq.pick(0, 0)).numpy().shape == (0, 4)
    with pytest.raises(tenon.Error) as e:
        tenon.argmax(none)
    assert e.value.reason == "topk.k"


def test_another_device_falls_back(runtime, rng):
    device = runtime.open("null")
    x = rng.standard_normal((4, 30), np.float32)
    values, index = tenon.topk(device.tensor(x, copy=True), 5)
    want = np.argsort(-x, 1)[:, :5]
    assert np.array_equal(index.numpy(copy=True), want) and device.ops_fallen_back == 1
    assert np.array_equal(values.numpy(copy=True), np.take_along_axis(x, want, 1))


def test_matmul_of_bytes(device):
    rng = np.random.default_rng(5)
    a = rng.integers(0, 256, (7, 33), dtype=np.uint8)
    b = rng.integers(-128, 128, (33, 20), dtype=np.int8)
    bias = rng.integers(-1000, 1000, 20, dtype=np.int32)
    put = device.tensor
    want = a.astype(np.int32) @ b.astype(np.int32)
    got = tenon.matmul(put(a), put(b), numerics="exact", constant_b=True)
    assert got.dtype == "s32" and (got.numpy() == want).all()
    za, zo, sb = np.uint8(131), np.int8(-7), (rng.random(20) * 1e-3 + 1e-4).astype(np.float32)
    out = tenon.Tensor.empty(device, (7, 20), "s8")
    got = tenon.matmul(put(a), put(b), bias=put(bias), act="relu", zero_a=put(np.array(za)), scale_b=put(sb),
                       zero_out=put(np.array(zo)), out=out).numpy()
    y = (((a.astype(np.int32) - 131) @ b.astype(np.int32) + bias).astype(np.float32) * sb).clip(0)
    assert (got == (np.rint(y).astype(np.int64) - 7).clip(-128, 127)).all()
