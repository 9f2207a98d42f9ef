# SPDX-License-Identifier: Apache-2.0
"""Discrete Fourier transforms as products with the table of cosines and sines, which follows from the length alone
and is worked out on the host in float64."""
import math

import numpy as np

from .. import ops
from .movement import places
from .table import operator


def _tables(n, bins, transposed):
    """cos and sin of 2 pi k m / n: [n, bins], or [bins, n]."""
    turn = np.outer(np.arange(n), np.arange(bins)) % n * (2 * math.pi / n)
    pair = np.cos(turn), np.sin(turn)
    return tuple(p.T for p in pair) if transposed else pair


def transform(c, t, axis, n, inverse, onesided):
    """t [.., 1 or 2] f32: the transform of length n along an axis; the last axis is real and imaginary part."""
    order = [i for i in range(t.ndim - 1) if i != axis] + [axis]
    given = t.shape[axis]
    short = n // 2 + 1
    need = short if inverse and onesided else n

    def part(i):
        rows = c.reshape(ops.copy(t.pick(t.ndim - 1, i).transpose(*order)), (-1, given))
        return rows if given == need else ops.pad(rows, ((0, 0), (0, need - given)))
    real, imaginary = part(0), part(1) if t.shape[-1] == 2 else None

    def times(x, table):
        return ops.matmul(x, c.array(table.astype(np.float32)), numerics=c.numerics) if x is not None else None

    def plus(a, b, sign):
        if b is None:
            return a
        b = b if sign > 0 else c.e("neg", b)
        return b if a is None else c.e("add", a, b)
    if inverse and onesided:  # the other half is the conjugate
        weight = np.full((short, 1), 2.0)
        weight[0] = 1
        if n % 2 == 0:
            weight[-1] = 1
        cos, sin = (weight * p / n for p in _tables(n, short, True))
        parts = [plus(times(real, cos), times(imaginary, sin), -1)]
    else:
        cos, sin = (p / (n if inverse else 1) for p in _tables(n, short if onesided else n, False))
        sign = -1 if inverse else 1
        parts = [plus(times(real, cos), times(imaginary, sin), sign), plus(times(imaginary, cos), times(real, sin), -sign)]
    length = parts[0].shape[-1]
    wide = [c.reshape(p, (*(t.shape[i] for i in order[:-1]), length, 1)) for p in parts]
    y = ops.concat(wide, -1) if len(wide) > 1 else wide[0]
    back = [order.index(i) for i in range(t.ndim - 1)] + [t.ndim - 1]
    return ops.copy(y.transpose(*back))


@operator("DFT", since=17)
def dft(c, node, x):
    t = c.f32(x[0])
    if node.version < 20:
        axis = node.get("axis", 1)
    else:
        axis = int(c.ints(x[2]).reshape(())) if len(x) > 2 and x[2] is not None else -2
    axis %= t.ndim
    inverse, onesided = node.get("inverse", 0), node.get("onesided", 0)
    given = t.shape[axis]
    n = int(c.ints(x[1]).reshape(())) if len(x) > 1 and x[1] is not None else \
        2 * (given - 1) if inverse and onesided else given
    return c.value(transform(c, t, axis, n, inverse, onesided), x[0].dtype)


@operator("STFT", since=17)
def stft(c, node, x):
    step = int(c.ints(x[1]).reshape(()))
    window = x[2] if len(x) > 2 else None
    n = int(c.ints(x[3]).reshape(())) if len(x) > 3 and x[3] is not None else window.shape[0]
    t = c.f32(x[0])
    batch, length, parts = t.shape if t.ndim == 3 else (*t.shape, 1)
    frames = (length - n) // step + 1
    at = np.arange(frames)[:, None] * step + np.arange(n)
    cut = c.take(t, places((batch, length, parts))[:, at])
    if window is not None:
        cut = c.e("mul", cut, c.f32(window).reshape((n, 1)))
    return c.value(transform(c, cut, 2, n, 0, node.get("onesided", 1)), x[0].dtype)
