# SPDX-License-Identifier: Apache-2.0
"""Gradients of operations that are linear in an operand: the loss sum(out * grad) is then the operand times
its gradient. Every sum is of float64 over the device's f32; what it was made of bounds how far they are apart."""
import numpy as np
import pytest

import tenon
from tenon import backward

U = 2.0**-24


def same_loss(out, grad, operand, gradient, roundings):
    out, grad, operand, gradient = (np.asarray(t.numpy(copy=True), np.float64) for t in (out, grad, operand, gradient))
    assert gradient.shape == operand.shape
    loss, again = (out * grad).sum(), (operand * gradient).sum()
    # Terms of either side before they cancel: at least these, and of random data not many times more.
    size = np.abs(out * grad).sum() + np.abs(operand * gradient).sum()
    assert abs(loss - again) <= 4 * roundings * U * size, (loss, again, size)


def tensor(device, rng, *shape):
    return device.tensor(rng.standard_normal(shape).astype(np.float32), copy=True)


@pytest.mark.parametrize("transpose_a", (False, True))
@pytest.mark.parametrize("transpose_b", (False, True))
def test_matmul(device, rng, transpose_a, transpose_b):
    a = tensor(device, rng, *((2, 7, 5) if transpose_a else (2, 5, 7)))
    b = tensor(device, rng, *((2, 6, 7) if transpose_b else (2, 7, 6)))
    grad = tensor(device, rng, 2, 5, 6)
    out = tenon.matmul(a, b, transpose_a, transpose_b)
    da, db = backward.matmul(a, b, grad, transpose_a, transpose_b)
    same_loss(out, grad, a, da, 9)
    same_loss(out, grad, b, db, 9)


@pytest.mark.parametrize("settings", ({}, {"stride": 2, "pad": 1}, {"stride": (3, 1), "pad": (1, 0), "pad_hi": (2, 1), "groups": 2},
                                      {"dilation": 2, "pad": 2, "channels_last": True}, {"stride": 2, "dilation": 3, "pad": 3}))
def test_conv(device, rng, settings):
    groups, last = settings.get("groups", 1), settings.get("channels_last", False)
    a, b = (2, 4, 11, 12), (6, 4 // groups, 3, 2)
    if last:
        a, b = (a[0], *a[2:], a[1]), (b[0], *b[2:], b[1])
    a, b = tensor(device, rng, *a), tensor(device, rng, *b)
    out = tenon.conv(a, b, **settings)
    grad = tensor(device, rng, *out.shape)
    da, db = backward.conv(a, b, grad, **settings)
    same_loss(out, grad, a, da, 130)
    same_loss(out, grad, b, db, 130)


@pytest.mark.parametrize("interleaved", (False, True))
def test_rope(device, rng, interleaved):
    a, grad = tensor(device, rng, 2, 9, 16), tensor(device, rng, 2, 9, 16)
    where = device.tensor(np.arange(9, dtype=np.int32), copy=True)
    freq = device.tensor(np.float32(10.0 ** -np.arange(6)), copy=True)
    out = tenon.rope(a, where, freq, interleaved, 12)
    same_loss(out, grad, a, backward.rope(grad, where, freq, interleaved, 12), 8)


@pytest.mark.parametrize("axis", (0, 1, -1))
def test_gather(device, rng, axis):
    a = tensor(device, rng, 5, 6, 7)
    index = device.tensor(rng.integers(-5, 5, (3, 4)).astype(np.int64), copy=True)
    out = tenon.gather(a, index, axis)
    grad = tensor(device, rng, *out.shape)
    same_loss(out, grad, a, backward.gather(grad, index, a.shape[axis], axis), 14)


@pytest.mark.parametrize("exclusive", (False, True))
@pytest.mark.parametrize("reverse", (False, True))
def test_cumsum(device, rng, exclusive, reverse):
    a, grad = tensor(device, rng, 3, 40), tensor(device, rng, 3, 40)
    out = tenon.cumsum(a, 1, exclusive, reverse)
    same_loss(out, grad, a, backward.cumsum(grad, 1, exclusive, reverse), 42)


def test_gamma_and_beta(device, rng):
    """The norms are linear in gamma and beta."""
    a, grad = tensor(device, rng, 6, 10), tensor(device, rng, 6, 10)
    gamma, zero = tensor(device, rng, 10), device.tensor(np.zeros(10, np.float32), copy=True)
    _, dgamma, dbeta = backward.layernorm(a, grad, gamma)
    same_loss(tenon.layernorm(a, gamma, zero), grad, gamma, dgamma, 30)
    _, dgamma = backward.rmsnorm(a, grad, gamma)
    same_loss(tenon.rmsnorm(a, gamma), grad, gamma, dgamma, 30)
    g = grad.numpy(copy=True).astype(float)
    assert (np.abs(dbeta.numpy(copy=True) - g.sum(0)) <= 80 * U * np.abs(g).sum(0)).all()


def test_wrong_words(device, rng):
    a = tensor(device, rng, 3)
    with pytest.raises(tenon.Error, match="no element-wise"):
        backward.eltwise("gelo", a, a)
    with pytest.raises(tenon.Error) as e:
        backward.eltwise("add", a, a)
    assert e.value.reason == "eltwise.pass"
