# SPDX-License-Identifier: Apache-2.0
"""Sampling at places that the model computes: the device works out coordinates and weights, the host turns whole
coordinates into places in memory, the device gathers and adds up."""
import functools
import itertools

import numpy as np

from .. import ops
from .elementwise import _floor
from .table import Unsupported, operator
from .value import Value


def _reflected(c, x, low, high):
    """Coordinates mirrored at both ends until they are inside."""
    span = high - low
    if span == 0:
        return c.e("mul", x, 0.0)
    a = c.e("abs", c.scale(x, 1.0, -low))
    turns = _floor(c, c.e("div", a, float(span)))
    rest = c.e("fma", turns, c.const(-float(span)), a)
    half = c.scale(turns, 0.5)
    odd = c.logical_not(c.e("equal", _floor(c, half), half))
    return c.scale(c.where(odd, c.scale(rest, -1.0, span), rest), 1.0, low)


def _cubic(c, d, a=-0.75):
    """Weights of the four neighbours -1, 0, 1, 2 of a place d in [0, 1) after the second."""
    def near(s):
        return c.poly(s, (a + 2, -(a + 3), 0.0, 1.0))

    def far(s):
        return c.poly(s, (a, -5 * a, 8 * a, -4 * a))
    return [far(c.scale(d, 1.0, 1.0)), near(d), near(c.scale(d, -1.0, 1.0)), far(c.scale(d, -1.0, 2.0))]


@operator("GridSample", since=16)
def grid_sample(c, node, x):
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(node.get("mode", "linear"), node.get("mode", "linear"))
    padding, align = node.get("padding_mode", "zeros"), node.get("align_corners", 0)
    t, grid = c.f32(x[0]), c.f32(x[1])
    space = t.shape[2:]
    if mode == "cubic" and len(space) != 2:
        raise Unsupported("onnx.attribute", "GridSample of cubes by cubics is not supported", ["GridSample"])
    batch, channels, out = t.shape[0], t.shape[1], grid.shape[1:-1]
    taps = []  # by axis: [(whole coordinate, weight or None)]
    for axis, n in enumerate(space):
        at = ops.copy(grid.pick(grid.ndim - 1, len(space) - 1 - axis))
        at = c.scale(at, (n - 1) / 2, (n - 1) / 2) if align else c.scale(at, n / 2, (n - 1) / 2)
        ends = (0.0, n - 1.0) if align else (-0.5, n - 0.5)
        if mode != "cubic":
            at = c.clamp(at, 0.0, n - 1.0) if padding == "border" else at
            at = c.clamp(_reflected(c, at, *ends), 0.0, n - 1.0) if padding == "reflection" else at
        if mode == "nearest":
            taps.append([(c.e("rint", at), None)])
            continue
        base = _floor(c, at)
        d = c.e("sub", at, base)
        weights = [c.scale(d, -1.0, 1.0), d] if mode == "linear" else _cubic(c, d)
        first = 0 if mode == "linear" else -1
        line = []
        for k, w in enumerate(weights):
            place = c.scale(base, 1.0, float(first + k))
            if padding == "reflection":
                place = c.clamp(_reflected(c, place, *ends), 0.0, n - 1.0)
                place = c.e("rint", place)
            elif padding == "border":
                place = c.clamp(place, 0.0, n - 1.0)
            line.append((place, w))
        taps.append(line)
    c.host("turns coordinates into places")
    whole = [[(np.nan_to_num(p.numpy(copy=True), nan=-9e9).astype(np.int64), w) for p, w in line] for line in taps]
    parts, wide = [], (batch, 1, *out)
    for choice in itertools.product(*whole):
        index, inside, step = np.zeros(wide[:1] + out, np.int64), True, 1
        for (p, _), n in zip(choice[::-1], space[::-1]):
            inside = inside & (p >= 0) & (p < n)
            index += np.clip(p, 0, n - 1) * step
            step *= n
        rows = np.arange(batch * channels).reshape((batch, channels) + (1,) * len(out)) * step
        value = c.take(t, np.where(np.expand_dims(inside, 1), rows + np.expand_dims(index, 1), -1))
        for _, w in choice:
            value = value if w is None else c.e("mul", value, c.reshape(w, wide))
        parts.append(value)
    return c.value(functools.reduce(lambda a, b: c.e("add", a, b), parts), x[0].dtype)


@operator("NonMaxSuppression", since=10)
def non_max_suppression(c, node, x):
    """The overlaps of all pairs of boxes are the device's; who stays is decided on the host."""
    boxes, scores = c.f32(x[0]), c.f32(x[1])
    most, overlap, least = (v.numpy().reshape(()).item() if v is not None else None
                            for v in [x[i] if len(x) > i else None for i in (2, 3, 4)])
    corner = [ops.copy(boxes.pick(2, i)) for i in range(4)]
    if node.get("center_point_box", 0):
        half = [c.scale(v, 0.5) for v in corner[2:]]
        corner = [c.e("sub", corner[1], half[1]), c.e("sub", corner[0], half[0]),
                  c.e("add", corner[1], half[1]), c.e("add", corner[0], half[0])]
    low = [c.e("min", corner[i], corner[i + 2]) for i in (0, 1)]
    high = [c.e("max", corner[i], corner[i + 2]) for i in (0, 1)]
    area = c.e("mul", c.e("sub", high[0], low[0]), c.e("sub", high[1], low[1]))
    batch, n = area.shape

    def pair(kind, v):
        return c.e(kind, c.reshape(v, (batch, n, 1)), c.reshape(v, (batch, 1, n)))
    sides = [c.e("relu", c.e("sub", pair("min", h), pair("max", lo))) for lo, h in zip(low, high)]
    shared = c.e("mul", *sides)
    ratio = c.e("div", shared, c.e("sub", pair("add", area), shared)).numpy(copy=True)
    score = scores.numpy(copy=True)
    c.host("decides which boxes stay")
    chosen = []
    for b, k in np.ndindex(*score.shape[:2]):
        kept = []
        for i in np.argsort(-score[b, k], kind="stable"):
            if most is None or len(kept) >= most:
                break
            if least is not None and not score[b, k, i] > least:
                break
            if not any(ratio[b, i, j] > (overlap or 0.0) for j in kept):
                kept.append(i)
        chosen += [(b, k, i) for i in kept]
    return Value(np.array(chosen, np.int64).reshape(-1, 3))
