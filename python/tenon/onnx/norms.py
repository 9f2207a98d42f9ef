# SPDX-License-Identifier: Apache-2.0
"""Softmax and normalisations."""
import functools

import numpy as np

from .. import ops
from .reductions import reduce
from .table import operator
from .value import Value


def _product(shape):
    return int(np.prod(shape, dtype=np.int64))


@operator("Softmax", "LogSoftmax")
def softmax(c, node, x):
    axis = node.get("axis", -1 if node.version >= 13 else 1) % max(1, x[0].ndim)
    t, shape = c.f32(x[0]), x[0].shape
    if node.version < 13:  # everything from the axis on is one row
        t, axis = c.reshape(t, (_product(shape[:axis]), _product(shape[axis:]))), 1
    y = ops.softmax(t, axis, log=node.op == "LogSoftmax", numerics=c.numerics)
    return c.value(c.reshape(y, shape), x[0].dtype)


@operator("LayerNormalization")
def layer_norm(c, node, x):
    axis, epsilon = node.get("axis", -1) % x[0].ndim, node.get("epsilon", 1e-5)
    t, scale = c.f32(x[0]), c.f32(x[1])
    bias = c.f32(x[2]) if len(x) > 2 and x[2] is not None else None
    shape = x[0].shape
    rows = c.reshape(t, (_product(shape[:axis]), _product(shape[axis:])))
    whole = tuple(shape[axis:])
    full = [c.reshape(c.broadcast(p, whole), (-1,)) if p is not None else None for p in (scale, bias)]
    y = Value(tensor=c.cast(c.reshape(ops.layernorm(rows, *full, epsilon, numerics=c.numerics), shape), x[0].name))
    if len(node.outputs) == 1:
        return y
    few = (*shape[:axis], *(1 for _ in whole))
    mean = reduce(c, "mean", rows, [1])
    variance = reduce(c, "mean", c.e("square", c.e("sub", rows, mean)), [1])
    spread = c.e("rsqrt", c.scale(variance, 1.0, epsilon))
    return y, *(Value(tensor=c.reshape(v, few)) for v in (mean, spread))


@operator("RMSNormalization")
def rms_norm(c, node, x):
    axis, shape = node.get("axis", -1) % x[0].ndim, x[0].shape
    rows = c.reshape(c.f32(x[0]), (_product(shape[:axis]), _product(shape[axis:])))
    gamma = c.reshape(c.broadcast(c.f32(x[1]), shape[axis:]), (-1,))
    y = ops.rmsnorm(rows, gamma, node.get("epsilon", 1e-5), numerics=c.numerics)
    return c.value(c.reshape(y, shape), x[0].dtype)


def _channels(t, n):
    """A vector over the channels of an NCHW-like tensor of rank n."""
    return t.reshape((t.shape[0],) + (1,) * (n - 2))


@operator("BatchNormalization", since=7)
def batch_norm(c, node, x):
    t = c.f32(x[0])
    scale, bias, mean, variance = (c.f32(v) for v in x[1:5])
    epsilon, momentum = node.get("epsilon", 1e-5), node.get("momentum", 0.9)
    if not (node.get("training_mode", 0) if node.version >= 14 else 0):
        stats = node.cache.get("stats")  # of constants, once a device
        if stats is None or stats.device is not c.device:
            stats = _pair(c, mean, variance)
            if x[3].constant and x[4].constant:
                node.cache["stats"] = stats
        return c.value(ops.batchnorm(t, stats, scale, bias, epsilon, numerics=c.numerics), x[0].dtype)
    axes = [0, *range(2, t.ndim)]
    now = c.reshape(reduce(c, "mean", t, axes), (-1,))
    spread = reduce(c, "mean", c.e("square", c.e("sub", t, _channels(now, t.ndim))), axes)
    spread = c.reshape(spread, (-1,))
    y = ops.batchnorm(t, _pair(c, now, spread), scale, bias, epsilon, numerics=c.numerics)
    kept = [c.e("add", c.scale(old, momentum), c.scale(new, 1 - momentum))
            for old, new in ((mean, now), (variance, spread))]
    return (c.value(y, x[0].dtype), *(c.value(k, v.dtype) for k, v in zip(kept, x[3:5])))[:len(node.outputs)]


def _pair(c, mean, variance):
    return ops.concat([c.reshape(v, (1, -1)) for v in (mean, variance)], 0)


@operator("InstanceNormalization", since=6)
def instance_norm(c, node, x):
    y = ops.groupnorm(c.f32(x[0]), x[0].shape[1], c.f32(x[1]), c.f32(x[2]), node.get("epsilon", 1e-5),
                      numerics=c.numerics)
    return c.value(y, x[0].dtype)


@operator("GroupNormalization", since=21)
def group_norm(c, node, x):
    y = ops.groupnorm(c.f32(x[0]), node.get("num_groups"), c.f32(x[1]), c.f32(x[2]), node.get("epsilon", 1e-5),
                      numerics=c.numerics)
    return c.value(y, x[0].dtype)


@operator("LpNormalization")
def lp_norm(c, node, x):
    t, axis = c.f32(x[0]), node.get("axis", -1) % x[0].ndim
    if node.get("p", 2) == 1:
        size = reduce(c, "sum", c.e("abs", t), [axis])
    else:
        size = c.e("sqrt", reduce(c, "sumsq", t, [axis]))
    # a row of zeros stays one
    size = c.where(c.e("equal", size, 0.0), 1.0, size)
    return c.value(c.e("div", t, size), x[0].dtype)


@operator("MeanVarianceNormalization")
def mean_variance(c, node, x):
    axes, t = [a % x[0].ndim for a in node.get("axes", [0, 2, 3])], c.f32(x[0])
    centred = c.e("sub", t, reduce(c, "mean", t, axes))
    spread = c.e("sqrt", reduce(c, "mean", c.e("square", centred), axes))
    return c.value(c.e("div", centred, c.scale(spread, 1.0, 1e-9)), x[0].dtype)


@operator("LRN")
def lrn(c, node, x):
    """x / (bias + alpha / size * sum of squares of the neighbouring channels) ^ beta."""
    from .elementwise import _power

    t, size = c.f32(x[0]), node.get("size")
    alpha, beta, bias = node.get("alpha", 0.0001), node.get("beta", 0.75), node.get("bias", 1.0)
    below = (size - 1) // 2
    wide = ops.pad(c.e("square", t), ((0, 0), (below, size - 1 - below)) + ((0, 0),) * (t.ndim - 2))
    parts = [wide.slice(1, i, i + t.shape[1]) for i in range(size)]
    total = functools.reduce(lambda a, b: c.e("add", a, b), parts)
    base = c.scale(total, alpha / size, bias)
    return c.value(c.e("div", t, _power(c, base, c.const(beta))), x[0].dtype)
