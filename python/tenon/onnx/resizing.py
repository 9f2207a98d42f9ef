# SPDX-License-Identifier: Apache-2.0
"""Resizing: the library's, and what it lacks axis by axis: nearest picks elements; linear and cubic are a product with
the weights of the axis, which follow from sizes alone and are worked out on the host in float64."""
import math

import numpy as np

from .. import ops
from .table import Unsupported, operator
from .value import FLOATS

_LIBRARY = ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")


def _coordinates(mode, n, m, exact, scale, roi):
    """Where each of m outputs lies among n inputs."""
    i = np.arange(m, dtype=np.float64)
    if mode == "align_corners":
        return i * ((n - 1) / (exact - 1)) if exact > 1 else i * 0
    if mode == "asymmetric":
        return i / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if m > 1:
            return start * (n - 1) + i * (end - start) * (n - 1) / (m - 1)
        return np.full(1, 0.5 * (start + end) * (n - 1))
    if mode == "pytorch_half_pixel" and m == 1:
        return i * 0
    shift = n / 2 * (1 - m / exact) if mode == "half_pixel_symmetric" else 0.0
    return shift + (i + 0.5) / scale - 0.5


def _nearest(at, mode):
    if mode == "floor":
        return np.floor(at)
    if mode == "ceil":
        return np.ceil(at)
    return np.ceil(at - 0.5) if mode == "round_prefer_floor" else np.floor(at + 0.5)


def _kernel(kind, a):
    def linear(d):
        return np.maximum(0, 1 - np.abs(d))

    def cubic(d):
        d = np.abs(d)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))
    return (linear, 1) if kind == "linear" else (cubic, 2)


def weights(at, n, kind, a, scale, antialias, exclude):
    """The matrix [outputs, inputs] of one axis."""
    function, reach = _kernel(kind, a)
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    reach = math.ceil(reach * stretch)
    out = np.zeros((len(at), n))
    base = np.floor(at).astype(np.int64)
    for k in range(1 - reach - 1, reach + 2):
        source = base + k
        w = function((at - source) / stretch)
        if exclude:
            w = np.where((source >= 0) & (source < n), w, 0)
        np.add.at(out, (np.arange(len(at)), np.clip(source, 0, n - 1)), w)
    return out / out.sum(1, keepdims=True) if antialias or exclude else out


def _along(c, t, axis, matrix):
    """The product of an axis of t with a matrix [outputs, inputs]."""
    order = [i for i in range(t.ndim) if i != axis] + [axis]
    moved = ops.copy(t.transpose(*order)) if axis != t.ndim - 1 else t
    rows = c.reshape(moved, (-1 if all(moved.shape) else 0, moved.shape[-1]))
    y = ops.matmul(rows, c.array(matrix.astype(np.float32)), transpose_b=True, numerics=c.numerics)
    y = c.reshape(y, (*moved.shape[:-1], matrix.shape[0]))
    return ops.copy(y.transpose(*(order.index(i) for i in range(t.ndim)))) if axis != t.ndim - 1 else y


def _by_library(c, node, x, axes, lengths, factors, kind, coordinate, nearest):
    more = {"kind": kind, "coordinate": coordinate, "rounding": nearest.removeprefix("round_"),
            "cubic": node.get("cubic_coeff_a", -0.75) if kind == "cubic" else 0.0, "numerics": c.numerics}
    if factors is None:
        shape = list(x.shape)
        for axis, m in zip(axes, lengths):
            shape[axis] = m
        return ops.resize(c.f32(x), shape=shape, **more)
    scale = [0.0] * x.ndim
    for axis, factor in zip(axes, factors):
        scale[axis] = factor if factor != 1 else 0.0
    return ops.resize(c.f32(x), scale=scale, **more)


@operator("Resize", since=10)
def resize(c, node, x):
    if node.version == 10:
        return _resize(c, node, x[0], None, x[1], None)
    more = [x[i] if len(x) > i and x[i] is not None and x[i].size else None for i in (1, 2, 3)]
    return _resize(c, node, x[0], *more)


@operator("Upsample", until=9)
def upsample(c, node, x):
    if node.version < 9:
        raise Unsupported("onnx.attribute", "Upsample of opset 7 is not supported", ["Upsample"])
    return _resize(c, node, x[0], None, x[1], None, "asymmetric")


def _resize(c, node, x, roi, scales, sizes, coordinate=None):
    axes = [a % x.ndim for a in node.get("axes", range(x.ndim))]
    kind = node.get("mode", "nearest")
    coordinate = coordinate or node.get("coordinate_transformation_mode",
                                        "half_pixel" if node.version > 10 else "asymmetric")
    nearest = node.get("nearest_mode", "round_prefer_floor" if node.version > 10 else "floor")
    bounds = c.ints(roi).astype(float).reshape(2, -1) if roi is not None else None
    if scales is not None:
        factors = [float(s) for s in scales.numpy()]
        lengths = [math.floor(x.shape[a] * s) for a, s in zip(axes, factors)]
        if coordinate == "tf_crop_and_resize":
            lengths = [math.floor(x.shape[a] * (e - b) * s) for a, s, b, e in zip(axes, factors, *bounds)]
    else:
        lengths = c.ints(sizes).tolist()
        factors = [m / x.shape[a] for a, m in zip(axes, lengths)]
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factor = (min if policy == "not_larger" else max)(factors)
            lengths = [math.floor(factor * x.shape[a] + 0.5) for a in axes]
            factors = [factor] * len(axes)
    # the library aligns the corners of whole outputs, ONNX those of n * scale
    fraction = coordinate == "align_corners" and any(m != x.shape[a] * f for a, m, f in zip(axes, lengths, factors))
    plain = not (node.get("antialias", 0) or node.get("exclude_outside", 0)) and \
        node.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    if plain and coordinate in _LIBRARY and not fraction and x.name in FLOATS:
        return c.value(_by_library(c, node, x, axes, lengths, factors if scales is not None else None, kind, coordinate,
                                   nearest), x.dtype)
    t = x.on(c.device) if kind == "nearest" else c.f32(x)
    outside = None
    for i, (axis, m, factor) in enumerate(zip(axes, lengths, factors)):
        n = x.shape[axis]
        part = bounds[:, i] if bounds is not None else (0.0, 1.0)
        if m == n and factor == 1 and coordinate != "tf_crop_and_resize":
            continue
        at = _coordinates(coordinate, n, m, n * factor, factor, part)
        if coordinate == "tf_crop_and_resize":
            beyond = ((at < 0) | (at > n - 1)).reshape([-1 if k == axis else 1 for k in range(x.ndim)])
            outside = beyond if outside is None else outside | beyond
        if kind == "nearest":
            index = np.clip(_nearest(at, nearest), 0, n - 1).astype(np.int64)
            t = ops.gather(t, c.array(index), axis)
        else:
            t = _along(c, t, axis, weights(at, n, kind, node.get("cubic_coeff_a", -0.75), factor,
                                           node.get("antialias", 0), node.get("exclude_outside", 0)))
    if outside is not None and outside.any():
        mask = c.array(np.broadcast_to(outside, t.shape))
        t = c.where(mask, c.cast(c.const(float(node.get("extrapolation_value", 0.0))), t.dtype), t)
    return c.value(t, x.dtype)
