# SPDX-License-Identifier: Apache-2.0
"""Weights in blocks against docs/LAYOUTS.md, written once more in numpy."""
import numpy as np
import pytest

import tenon

F4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
LAYOUTS = {"q4_0": 18, "q8_0": 34, "mxfp4": 17}


def halves(nibbles):
    return np.concatenate([nibbles & 15, nibbles >> 4], axis=-1)


def decode(name, raw):
    """f32 [.., 32] of u8 [.., bytes]."""
    if name == "mxfp4":
        return (F4[halves(raw[..., 1:])] * np.exp2(raw[..., :1].astype(float) - 127)).astype(np.float32)
    d = raw[..., :2].copy().view(np.float16).astype(np.float32)
    n = raw[..., 2:].view(np.int8) if name == "q8_0" else halves(raw[..., 2:]).astype(np.int8) - np.int8(8)
    return n.astype(np.float32) * d


def encode(name, x):
    """u8 [.., bytes] of finite f32 [.., 32]."""
    most = np.abs(x).max(-1, keepdims=True)
    if name == "mxfp4":
        s = np.maximum((most.view(np.uint32) >> 23).astype(int) - 2, 0)
        v = np.abs(x) / np.exp2(s - 127.0)
        n = np.abs(v[..., None] - F4[:8]).argmin(-1)
        tie = (n < 7) & (v == (F4[n] + F4[np.minimum(n + 1, 7)]) / 2) & (n % 2 == 1)
        n = (n + tie) | np.where(np.signbit(x), 8, 0)
        head = s.astype(np.uint8)
    else:
        first = np.take_along_axis(x, np.abs(x).argmax(-1)[..., None], -1)
        d = (most / np.float32(127) if name == "q8_0" else first / np.float32(-8)).astype(np.float16)
        wide = d.astype(np.float32)
        v = np.rint(np.divide(x, wide, out=np.zeros_like(x), where=wide != 0))
        head = d.view(np.uint8).reshape(*d.shape[:-1], 2)
        if name == "q8_0":
            return np.concatenate([head, v.clip(-128, 127).astype(np.int8).view(np.uint8)], -1)
        n = (v.clip(-8, 7) + 8).astype(np.uint8)
    n = n.astype(np.uint8)
    return np.concatenate([head, n[..., :16] | n[..., 16:] << 4], -1)


@pytest.mark.parametrize("name", LAYOUTS)
def test_blocks_there_and_back(device, rng, name):
    x = (rng.standard_normal((6, 5, 32)) * np.exp2(rng.integers(-12, 9, (6, 5, 1)))).astype(np.float32)
    x[0, 0] = 0
    t = tenon.quantize(device.tensor(x.reshape(6, 160)), dtype=name)
    assert t.shape == (6, 160) and t.nbytes == 30 * LAYOUTS[name]
    raw = t.block_bytes().numpy(copy=True).reshape(6, 5, -1)
    assert np.array_equal(raw, encode(name, x))
    back = tenon.dequantize(t).numpy(copy=True)
    assert np.array_equal(back, decode(name, raw).reshape(6, 160))


@pytest.mark.parametrize("name", LAYOUTS)
def test_matmul_of_blocks_is_that_of_their_values(device, rng, name):
    raw = rng.integers(0, 256, (70, 4, LAYOUTS[name]), dtype=np.uint8)
    if name == "mxfp4":
        raw[..., 0] = rng.integers(120, 130, (70, 4))
    else:
        raw[..., :2] = rng.standard_normal((70, 4, 1)).astype(np.float16).view(np.uint8)
    b = tenon.Tensor.from_blocks(device, raw.tobytes(), name, (70, 128))
    wide = device.tensor(decode(name, raw).reshape(70, 128))
    for rows in (1, 9):
        a = device.tensor(rng.standard_normal((rows, 128)).astype(np.float32))
        got = tenon.matmul(a, b, transpose_b=True, act="gelu", numerics="canonical").numpy(copy=True)
        want = tenon.matmul(a, wide, transpose_b=True, act="gelu", numerics="canonical").numpy(copy=True)
        assert np.array_equal(got.view(np.uint32), want.view(np.uint32))


def test_blocks_that_do_not_fit(device):
    with pytest.raises(tenon.Error, match="whole blocks"):
        tenon.Tensor.empty(device, (2, 40), "q4_0")
    with pytest.raises(tenon.Error, match="those of"):
        tenon.Tensor.from_blocks(device, bytes(17), "q4_0", (1, 32))
