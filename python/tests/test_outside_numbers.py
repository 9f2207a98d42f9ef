# SPDX-License-Identifier: Apache-2.0
"""Conversions and arithmetic judged bit by bit by packages that know nothing of Tenon: ml_dtypes and Berkeley's SoftFloat.

Every pattern of the types of 8 and 16 bits, the ties of what is rounded to them with the numbers beside each, and operands of
all exponents for +, -, *, /, sqrt and fma. A NaN is any NaN. What a device cannot do runs on the cpu device, is counted apart,
and is no result of that device; a device that did nothing itself fails.
"""
import collections
import os

import ml_dtypes
import numpy as np
import pytest
import softfloatpy as soft

import tenon

FULL = os.environ.get("TENON_TEST_FULL") == "1"
TYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f8e4m3": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
         "e8m0": ml_dtypes.float8_e8m0fnu, "f32": np.float32, "f64": np.float64}
NARROW = ("f16", "bf16", "f8e4m3", "f8e5m2")
URIS = tuple(os.environ.get("TENON_TEST_DEVICES", "cpu cpu?private=1 tpu-sim:canonical-128").split())


@pytest.fixture(params=URIS)
def judged(request, runtime, say):
    """A device, and what became of it: run on it, run elsewhere, by kind."""
    device = runtime.open(request.param)
    counts = collections.Counter()
    yield device, counts
    test = request.node.name.split("[")[0].removeprefix("test_")
    say(f"outside numbers, {test} on {request.param}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))


def unsigned(x):
    return np.ascontiguousarray(x).view({1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[x.dtype.itemsize])


def differ(got, want):
    """Places where the bits differ, but for NaNs of any kind."""
    assert got.dtype == want.dtype and got.shape == want.shape
    if want.dtype.kind in "iu":
        return np.flatnonzero(got != want)
    with np.errstate(invalid="ignore"):
        nan, mine = np.isnan(want.astype(np.float64)), np.isnan(got.astype(np.float64))
    return np.flatnonzero((unsigned(got) != unsigned(want)) & ~(nan & mine))


def patterns(name):
    dtype = np.dtype(TYPES[name])
    return np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)


def ties(name, wide):
    """Both sides of and exactly half way between neighbours of a type, beyond its largest number too, as numbers of a wide type."""
    with np.errstate(invalid="ignore"):
        values = patterns(name).astype(np.float64)
    values = np.unique(values[np.isfinite(values) & (values >= 0)])
    values = np.append(values, 2 * values[-1] - values[-2])
    middle = ((values[1:] + values[:-1]) / 2).astype(wide)
    x = np.concatenate([middle, np.nextafter(middle, wide(np.inf)), np.nextafter(middle, wide(0)), values.astype(wide)])
    return np.concatenate([x, -x, np.array([np.inf, -np.inf, np.nan], wide)])


def numbers(kind, x):
    """SoftFloat's numbers of the bits of an array; it reads and writes the high byte first."""
    raw = unsigned(x)
    raw = raw.astype(raw.dtype.newbyteorder(">")).tobytes()
    return [kind.from_bytes(raw[i:i + x.dtype.itemsize]) for i in range(0, len(raw), x.dtype.itemsize)]


def array(results, dtype):
    """The array whose bits are SoftFloat's results."""
    raw = np.frombuffer(b"".join(r.to_bytes() for r in results), f">u{np.dtype(dtype).itemsize}")
    return raw.astype(raw.dtype.newbyteorder("=")).view(dtype)


def cast(judged, x, to, saturate=False):
    device, counts = judged
    before = device.ops_on_device
    out = tenon.cast(device.tensor(x), to, saturate=saturate).numpy(copy=True)
    counts["inputs converted" if device.ops_on_device > before else "inputs skipped (no such cast on the device)"] += x.size
    return out


def check(got, want, x, what):
    bad = differ(got, want)
    assert not bad.size, f"{what}: {bad.size} of {x.size} differ, first {x[bad[0]]!r}: {got[bad[0]]!r}, not {want[bad[0]]!r}"


def some_done(counts, what):
    assert counts[what] > 0, f"no {what} on the device"


def some_done_or_skipped(judged):
    device, counts = judged
    if not counts["inputs converted"]:
        assert not device.uri.startswith("cpu"), "the cpu device has all of this"
        pytest.skip("the device has no such conversion")


def test_every_pattern_of_narrow_types(judged):
    with np.errstate(all="ignore"):
        for source in (*NARROW, "e8m0"):
            x = patterns(source)
            for to in (*NARROW, "f32", "f64"):
                if to == source:
                    continue
                check(cast(judged, x, to), x.astype(np.float32).astype(TYPES[to]), x, f"{source} to {to}")
        for source, judge, number in (("f16", soft.f16_to_f32, soft.Float16), ("bf16", soft.bf16_to_f32, soft.BFloat16)):
            x = patterns(source)
            check(cast(judged, x, "f32"), array(map(judge, numbers(number, x)), np.float32), x, f"{source} to f32 by SoftFloat")
    some_done(judged[1], "inputs converted")


def test_powers_of_two(judged):
    """e8m0 rounds down where ml_dtypes rounds to nearest, so it is judged where nothing is rounded."""
    x = patterns("e8m0").astype(np.float32)
    check(cast(judged, x, "e8m0"), patterns("e8m0"), x, "f32 to e8m0")
    some_done_or_skipped(judged)


@pytest.mark.parametrize("name", NARROW)
def test_ties(judged, name):
    x = ties(name, np.float32)
    with np.errstate(all="ignore"):
        check(cast(judged, x, name), x.astype(TYPES[name]), x, f"f32 to {name}")
        if name.startswith("f8"):
            most = np.float32(ml_dtypes.finfo(TYPES[name]).max)
            check(cast(judged, x, name, saturate=True), np.clip(x, -most, most).astype(TYPES[name]), x, f"f32 to {name}, saturating")
            return
        judge, part = {"f16": soft.f32_to_f16, "bf16": soft.f32_to_bf16}[name], x if FULL else x[::7]
        want = array(map(judge, numbers(soft.Float32, part)), TYPES[name])
        check(cast(judged, part, name), want, part, f"f32 to {name} by SoftFloat")
        if name == "f16":  # where rounding to f32 on the way would make a tie of what is none
            wide = ties(name, np.float64)
            check(cast(judged, wide, name), wide.astype(np.float16), wide, "f64 to f16")
    some_done(judged[1], "inputs converted")


def test_ties_of_four_bits(judged):
    """f4e2m1 as mxfp4 blocks have it: the first number of each block settles a scale of 1."""
    device, counts = judged
    values = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    middle = (values[1:] + values[:-1]) / 2
    x = np.concatenate([values, middle, np.nextafter(middle, np.float32(9)), np.nextafter(middle, np.float32(0)), np.float32([5.5, 6.5, 7, 7.75])])
    x = np.concatenate([x, -x])
    x = np.pad(x, (0, -x.size % 31)).reshape(-1, 31)
    x = np.concatenate([np.full((len(x), 1), 4, np.float32), x], 1)
    before = device.ops_on_device
    blocks = tenon.quantize(device.tensor(x), dtype="mxfp4")
    got = tenon.dequantize(blocks).numpy(copy=True)
    counts["inputs converted" if device.ops_on_device >= before + 2 else "inputs skipped (no blocks on the device)"] += x.size
    want = x.astype(ml_dtypes.float4_e2m1fn)
    nibbles = blocks.block_bytes().numpy(copy=True).reshape(-1, 17)[:, 1:]
    check(np.concatenate([nibbles & 15, nibbles >> 4], 1).ravel(), want.view(np.uint8).ravel(), x.ravel(), "f32 to the bits of f4e2m1")
    value = want.astype(np.float32) + 0  # a zero of a block has no sign (docs/LAYOUTS.md)
    check(got.ravel(), value.ravel(), x.ravel(), "f4e2m1 to f32")
    some_done_or_skipped(judged)


def test_to_integers(judged):
    """Toward zero, within the range: outside of it SoftFloat leaves the answer to the machine."""
    rng = np.random.default_rng(3)
    x = np.concatenate([np.arange(-300, 300) / 2, rng.standard_normal(4000) * np.exp2(rng.integers(-3, 30, 4000))]).astype(np.float32)
    x = x[np.abs(x) < 2.0**31]
    want = [soft.f32_to_i32(v, soft.RoundingMode.MIN_MAG, False) for v in numbers(soft.Float32, x)]
    check(cast(judged, x, "s32"), array(want, np.int32), x, "f32 to s32")
    some_done_or_skipped(judged)


def operands(name, rng, count):
    """All exponents, significands at both ends and between, zeros, subnormals, infinities, NaN."""
    dtype = np.dtype(TYPES[name])
    bits, precision = 8 * dtype.itemsize, {"f16": 10, "bf16": 7, "f32": 23}[name]
    field = rng.integers(0, 1 << precision, count)
    ends = rng.integers(0, 6, count)
    few = np.array([0, 1, 2, (1 << precision) - 1, 1 << precision - 1, (1 << precision) - 2])[ends]
    field = np.where(rng.random(count) < 0.5, few, field)
    exponent = rng.integers(0, 1 << bits - 1 - precision, count)
    near = rng.random(count) < 0.6  # else most sums are one of the operands
    exponent = np.where(near, (1 << bits - 2 - precision) + rng.integers(-6, 6, count), exponent)
    sign = rng.integers(0, 2, count)
    return (sign << bits - 1 | exponent << precision | field).astype(f"u{dtype.itemsize}").view(dtype)


KINDS = {"add": soft.f32_add, "sub": soft.f32_sub, "mul": soft.f32_mul, "div": soft.f32_div, "fma": soft.f32_mul_add, "sqrt": soft.f32_sqrt}


@pytest.mark.parametrize("name", ("f32", "f16", "bf16"))
def test_arithmetic(judged, name, rng):
    device, counts = judged
    for kind, judge in KINDS.items():
        x = [operands(name, rng, 60000 if FULL else 6000) for _ in range({"fma": 3, "sqrt": 1}.get(kind, 2))]
        with np.errstate(all="ignore"):
            # narrow types are computed in f32 and rounded once (docs/NUMERICS.md)
            want = [judge(*v) for v in zip(*(numbers(soft.Float32, a.astype(np.float32)) for a in x))]
            last = {"f16": soft.f32_to_f16, "bf16": soft.f32_to_bf16}.get(name)
            want = array(map(last, want) if last else want, TYPES[name])
            before = device.ops_on_device
            got = tenon.eltwise(kind, *map(device.tensor, x), numerics="canonical").numpy(copy=True)
        counts[f"{name} results" if device.ops_on_device > before else "results skipped (no such op on the device)"] += got.size
        check(got, want, np.arange(got.size), f"{kind} of {name}")
        if name == "f16" and kind != "fma":  # IEEE's own f16: a second rounding changes nothing but in fma
            own = getattr(soft, f"f16_{kind}")
            want = array([own(*v) for v in zip(*(numbers(soft.Float16, a) for a in x))], np.float16)
            check(got, want, np.arange(got.size), f"{kind} of f16 by SoftFloat's f16")
    some_done(counts, f"{name} results")


def test_a_wrong_bit_is_found():
    x = ties("f16", np.float32)
    with np.errstate(over="ignore"):
        want = x.astype(np.float16)
    wrong = unsigned(want.copy())
    wrong[7] ^= 1
    assert differ(wrong.view(np.float16), want).tolist() == [7] and not differ(want, want).size
    down = want.copy()  # truncated: what a conversion without ties to even would give
    step = np.abs(down.astype(np.float32)) > np.abs(x)
    bits = unsigned(down.copy())
    bits[step] -= 1
    assert differ(bits.view(np.float16), want).size > 30000
