# SPDX-License-Identifier: Apache-2.0
"""pool, resize and batch norm against their definitions in float64."""
import numpy as np
import pytest

import tenon

EPS = 2.0**-24  # unit roundoff of f32


def windows(x, window, stride, pad, fill):
    """[n, c, oh, ow, taps] of x [n, c, h, w]."""
    wide = np.pad(x.astype(float), ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=fill)
    at = np.lib.stride_tricks.sliding_window_view(wide, (window, window), (2, 3))[:, :, ::stride, ::stride]
    return at.reshape(at.shape[:4] + (-1,))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("window,stride,pad", [(2, 2, 0), (3, 1, 1), (3, 2, 1), (5, 3, 2)])
def test_pool(device, rng, window, stride, pad, channels_last):
    x = rng.standard_normal((2, 20, 13, 16), np.float32)
    t = device.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if channels_last else x)

    def turned(y):
        return y.numpy().transpose(0, 3, 1, 2) if channels_last else y.numpy()

    got = turned(tenon.max_pool(t, window, stride, pad, channels_last=channels_last))
    assert np.array_equal(got, windows(x, window, stride, pad, -np.inf).max(-1))
    inside = windows(np.ones_like(x), window, stride, pad, 0).sum(-1)
    taps = windows(x, window, stride, pad, 0)
    bound = (window * window + 3) * EPS * np.abs(taps).sum(-1)
    for counts, by in ((False, inside), (True, window * window)):
        got = turned(tenon.average_pool(t, window, stride, pad, count_padding=counts, channels_last=channels_last))
        assert (np.abs(got - taps.sum(-1) / by) <= bound / by).all()


def test_global_pool(device, rng):
    x = rng.standard_normal((2, 5, 9, 11), np.float32)
    got = tenon.average_pool(device.tensor(x)).numpy()
    assert got.shape == (2, 5, 1, 1)
    mean = x.astype(float).mean((2, 3), keepdims=True)
    assert (np.abs(got - mean) <= 102 * EPS * np.abs(x).astype(float).mean((2, 3), keepdims=True)).all()
    u8 = rng.integers(0, 256, (2, 5, 9, 11), np.uint8)
    assert np.array_equal(tenon.max_pool(device.tensor(u8)).numpy(), u8.max((2, 3), keepdims=True))


def place(coordinate, o, n_in, n_out):
    if coordinate == "align_corners":
        return o * (n_in - 1) / max(n_out - 1, 1)
    if coordinate == "asymmetric":
        return o * n_in / n_out
    return (o + 0.5) * n_in / n_out - 0.5


@pytest.mark.parametrize("coordinate", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
@pytest.mark.parametrize("shape", [(2, 3, 14, 9), (2, 3, 4, 23), (2, 3, 7, 20)])
def test_resize_linear(device, rng, coordinate, shape):
    x = rng.standard_normal((2, 3, 7, 10), np.float32)
    want = x.astype(float)
    for axis in (2, 3):
        o = place(coordinate, np.arange(shape[axis]), x.shape[axis], shape[axis])
        weights = np.maximum(0, 1 - np.abs(np.clip(o, 0, x.shape[axis] - 1)[:, None] - np.arange(x.shape[axis])))
        want = np.moveaxis(np.tensordot(weights, want, (1, axis)), 0, axis)
    got = tenon.resize(device.tensor(x), shape, coordinate=coordinate).numpy()
    assert (np.abs(got - want) <= 7 * EPS * np.abs(x).max()).all()


def test_resize_nearest(device, rng):
    x = rng.integers(0, 256, (1, 2, 5, 6), np.uint8)
    got = tenon.resize(device.tensor(x), scale=(1, 1, 2, 3), kind="nearest", coordinate="asymmetric", rounding="floor")
    assert np.array_equal(got.numpy(), x.repeat(2, 2).repeat(3, 3))
    with pytest.raises(tenon.Error) as e:
        tenon.resize(device.tensor(x), (1, 2, 3, 3), kind="bilinear")
    assert e.value.reason == "resize.mode"
    with pytest.raises(tenon.Error) as e:
        tenon.resize(device.tensor(x), (1, 2, 3, 3))
    assert e.value.reason == "resize.dtype"


@pytest.mark.parametrize("channels_last", [False, True])
def test_batchnorm(device, rng, channels_last):
    x = rng.standard_normal((2, 6, 5, 4), np.float32)
    stats = np.stack([rng.standard_normal(6), rng.random(6) + 0.1]).astype(np.float32)
    gamma, beta = rng.standard_normal((2, 6)).astype(np.float32)
    t = device.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if channels_last else x)
    got = tenon.batchnorm(t, device.tensor(stats), device.tensor(gamma), device.tensor(beta), channels_last=channels_last)
    got = got.numpy().transpose(0, 3, 1, 2) if channels_last else got.numpy()
    by = (slice(None), None, None)
    f = gamma.astype(float) / np.sqrt(stats[1].astype(float) + np.float64(np.float32(1e-5)))
    want = (x - stats[0].astype(float)[by]) * f[by] + beta[by]
    size = (np.abs(x) + np.abs(stats[0])[by]) * np.abs(f)[by] + np.abs(beta)[by]
    assert (np.abs(got - want) <= 5 * EPS * size).all()


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_fold(device, rng, groups, transposed):
    x = rng.standard_normal((1, 4, 6, 7), np.float32)
    shape = (4, 6 // groups, 3, 3) if transposed else (6, 4 // groups, 3, 3)
    b, bias = rng.standard_normal(shape).astype(np.float32), rng.standard_normal(6).astype(np.float32)
    stats = np.stack([rng.standard_normal(6), rng.random(6) + 0.1]).astype(np.float32)
    gamma, beta = rng.standard_normal((2, 6)).astype(np.float32)
    more = {"groups": groups, "transposed": transposed}
    y = tenon.conv(device.tensor(x), device.tensor(b), device.tensor(bias), **more)
    want = tenon.batchnorm(y, device.tensor(stats), device.tensor(gamma), device.tensor(beta)).numpy()
    folded, moved = tenon.fold_batchnorm(b, stats, gamma, beta, 1e-5, bias, **more)
    got = tenon.conv(device.tensor(x), device.tensor(folded), device.tensor(moved), **more).numpy()
    f = np.abs(gamma) / np.sqrt(stats[1] + 1e-5)
    k = 36 // groups
    size = k * np.abs(x).max() * np.abs(b).max() + np.abs(bias).max() + np.abs(stats[0]).max()
    bound = (2 * k + 12) * EPS * (size * f.max() + np.abs(beta).max())
    assert (np.abs(got - want) <= bound).all() and not np.array_equal(got, want)
