# SPDX-License-Identifier: Apache-2.0
"""Pools. Where the library has none (the place of the largest, powers), the taps of a window are strided views of the
padded input, combined by element-wise ops."""
import functools
import math

import numpy as np

from .. import ops
from .linear import geometry
from .movement import join, scatter
from .reductions import reduce
from .table import Unsupported, operator
from .value import FLOATS, Value


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pool(c, node, x):
    kind = "mean" if node.op == "GlobalAveragePool" else "max"
    return c.value(reduce(c, kind, c.f32(x[0]), list(range(2, x[0].ndim))), x[0].dtype)


def _out_sizes(node, space, kernel, stride, dilation, lo, hi):
    out = []
    for n, k, s, d, a, b in zip(space, kernel, stride, dilation, lo, hi):
        left = n + a + b - d * (k - 1) - 1
        m = left // s + 1
        if node.get("ceil_mode", 0) and left % s and m * s < n + a:
            m += 1  # a window that starts in the input or the padding before it
        out.append(m)
    return out


class _Windows:
    """The taps of all windows over a tensor [n, channels, space..]."""

    def __init__(self, node, t, fill):
        self.space, self.kernel = t.shape[2:], node.get("kernel_shape")
        self.stride, self.dilation, self.lo, self.hi = geometry(node, self.space, self.kernel)
        self.out = _out_sizes(node, self.space, self.kernel, self.stride, self.dilation, self.lo, self.hi)
        # as far as the last window reaches, which may be less or more than the padding
        more = [(m - 1) * s + d * (k - 1) + 1 - n - a for n, k, m, s, d, a in
                zip(self.space, self.kernel, self.out, self.stride, self.dilation, self.lo)]
        widths = ((0, 0), (0, 0), *zip(self.lo, more))
        self.t = ops.pad(t, widths, value=fill) if any(map(any, widths)) else t

    def taps(self):
        for at in np.ndindex(*self.kernel):
            t = self.t
            for i, k in enumerate(at):
                first = k * self.dilation[i]
                t = t.slice(i + 2, first, first + (self.out[i] - 1) * self.stride[i] + 1, self.stride[i])
            yield t


def _options(node, t):
    """What the library's pools take, beside the tensor."""
    kernel = node.get("kernel_shape")
    stride, dilation, lo, hi = geometry(node, t.shape[2:], kernel)
    return {"window": tuple(kernel), "stride": tuple(stride), "pad": tuple(lo), "pad_hi": tuple(hi),
            "dilation": tuple(dilation), "ceil": bool(node.get("ceil_mode", 0))}


@operator("AveragePool")
def average_pool(c, node, x):
    t = c.f32(x[0])
    y = ops.average_pool(t, **_options(node, t), count_padding=bool(node.get("count_include_pad", 0)), numerics=c.numerics)
    return c.value(y, x[0].dtype)


@operator("LpPool")
def lp_pool(c, node, x):
    from .elementwise import _power

    p = node.get("p", 2)
    w = _Windows(node, c.f32(x[0]), 0.0)
    if p == 2:
        parts = [c.e("square", t) for t in w.taps()]
    else:
        parts = [_power(c, c.e("abs", t), c.const(float(p))) if p != 1 else c.e("abs", t) for t in w.taps()]
    total = functools.reduce(lambda a, b: c.e("add", a, b), parts)
    y = c.e("sqrt", total) if p == 2 else total if p == 1 else _power(c, total, c.const(1 / p))
    return c.value(y, x[0].dtype)


@operator("MaxPool")
def max_pool(c, node, x):
    if x[0].name in FLOATS:
        t = c.f32(x[0])
    elif x[0].name in ("s8", "u8"):  # f32 holds them all
        t = ops.cast(x[0].on(c.device), "f32")
    else:
        raise Unsupported("onnx.dtype", f"MaxPool of {x[0].dtype} has no kernel", ["MaxPool"])
    y = c.value(ops.max_pool(t, **_options(node, t), numerics=c.numerics), x[0].dtype)
    if len(node.outputs) < 2 or not node.outputs[1]:
        return y
    return y, Value(_where_largest(c, node, _Windows(node, t, -math.inf)))


def _where_largest(c, node, w):
    """The place in the input of the largest element of each window, in row-major order of its dims."""
    stacked = join(c, [c.reshape(t, (1, *t.shape)) for t in map(ops.copy, w.taps())], 0)
    best = ops.argmax(stacked, 0).numpy(copy=True)
    c.host("turns taps into places")
    order = range(len(w.out))[::-1] if node.get("storage_order", 0) == 0 else range(len(w.out))
    at = np.unravel_index(best, w.kernel)
    place, step = np.zeros(best.shape, np.int64), 1
    for i in order:
        first = (np.arange(w.out[i]) * w.stride[i] - w.lo[i]).reshape([-1 if k == i + 2 else 1 for k in range(best.ndim)])
        place = place + (first + at[i] * w.dilation[i]) * step
        step *= w.space[i]
    rows = np.arange(best.shape[0] * best.shape[1]).reshape(best.shape[:2] + (1,) * len(w.out))
    return place + rows * step


@operator("MaxUnpool")
def max_unpool(c, node, x):
    kernel = node.get("kernel_shape")
    dims = len(kernel)
    stride, pads = node.get("strides", [1] * dims), node.get("pads", [0] * 2 * dims)
    natural = [(n - 1) * s + k - a - b for n, s, k, a, b in zip(x[0].shape[2:], stride, kernel, pads, pads[dims:])]
    shape = (*x[0].shape[:2], *natural)
    index = c.ints(x[1])
    if len(x) > 2 and x[2] is not None:
        # the places are those of the natural shape
        rows, *at = np.unravel_index(index, (int(np.prod(shape[:2])), *natural))
        shape = tuple(c.ints(x[2]).tolist())
        index = np.ravel_multi_index((rows, *at), (int(np.prod(shape[:2])), *shape[2:]))
    empty = Value(tensor=c.broadcast(c.const(0.0), shape))
    return c.value(scatter(c, empty, Value(tensor=c.f32(x[0])), index, "none"), x[0].dtype)
