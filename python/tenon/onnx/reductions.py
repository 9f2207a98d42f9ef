# SPDX-License-Identifier: Apache-2.0
"""Reductions, running sums, and what asks for the largest."""
import functools
import math

import numpy as np

from .. import ops
from .table import Unsupported, operator
from .value import FLOATS, Value


def reduce(c, kind, t, axes, keep=True):
    """A reduction of an f32 tensor over axes, with or without their dims."""
    shape = [1 if i in axes else d for i, d in enumerate(t.shape)]
    if axes:
        y = ops.reduce(kind, t, tuple(axes), numerics=c.numerics)
    else:
        y = c.e("square", t) if kind == "sumsq" else t
    return c.reshape(y, shape if keep else [d for i, d in enumerate(t.shape) if i not in axes])


def axes_of(c, node, x):
    axes = node.get("axes")
    if len(x) > 1 and x[1] is not None:
        axes = c.ints(x[1]).reshape(-1).tolist()
    if not axes:
        return [] if node.get("noop_with_empty_axes", 0) else list(range(x[0].ndim))
    return sorted(a % x[0].ndim for a in axes)


def log_sum_exp(c, t, axes):
    top = reduce(c, "max", t, axes)
    finite = c.e("less", c.e("abs", top), math.inf)
    shift = c.where(finite, top, 0.0)
    return c.e("add", c.e("log", reduce(c, "sum", c.e("exp", c.e("sub", t, shift)), axes)), shift)


def product(c, t, axes):
    """Neighbours are multiplied, then pairs of pairs."""
    for axis in axes:
        while t.shape[axis] > 1:
            half = t.shape[axis] // 2
            y = c.e("mul", t.slice(axis, 0, half), t.slice(axis, half, 2 * half))
            t = y if t.shape[axis] % 2 == 0 else ops.concat([y, ops.copy(t.slice(axis, 2 * half, 2 * half + 1))], axis)
        if t.shape[axis] == 0:
            t = c.broadcast(c.const(1.0), [1 if i == axis else d for i, d in enumerate(t.shape)])
    return t


def _whole(kind):
    return lambda c, t, axes: reduce(c, kind, t, axes)


def _empty_aware(kind, fill):
    def run(c, t, axes):
        if any(t.shape[a] == 0 for a in axes):
            return c.broadcast(c.const(fill), [1 if i in axes else d for i, d in enumerate(t.shape)])
        return reduce(c, kind, t, axes)
    return run


_FLOAT = {
    "ReduceSum": _whole("sum"), "ReduceMean": _whole("mean"),
    "ReduceMax": _empty_aware("max", -math.inf), "ReduceMin": _empty_aware("min", math.inf),
    "ReduceSumSquare": _whole("sumsq"), "ReduceProd": product,
    "ReduceL1": lambda c, t, axes: reduce(c, "sum", c.e("abs", t), axes),
    "ReduceL2": lambda c, t, axes: c.e("sqrt", reduce(c, "sumsq", t, axes)),
    "ReduceLogSum": lambda c, t, axes: c.e("log", reduce(c, "sum", t, axes)),
    "ReduceLogSumExp": log_sum_exp,
}
_INTEGER = {"ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod,
            "ReduceSumSquare": lambda a, **k: np.sum(a * a, **k), "ReduceL1": lambda a, **k: np.sum(np.abs(a), **k)}


def _reduction(name):
    @operator(name)
    def run(c, node, x):
        axes, keep = axes_of(c, node, x), node.get("keepdims", 1)
        if x[0].name in FLOATS:
            y = c.value(_FLOAT[name](c, c.f32(x[0]), axes), x[0].dtype)
            return y if keep else Value(tensor=c.reshape(y.tensor, [d for i, d in enumerate(x[0].shape) if i not in axes]))
        if x[0].dtype.kind not in "iub" or name not in _INTEGER:
            raise Unsupported("onnx.dtype", f"{name} of {x[0].dtype} has no kernel", [name])

        def host():
            if x[0].dtype == bool:
                return (np.any if name == "ReduceMax" else np.all)(x[0].numpy(), tuple(axes), keepdims=bool(keep))
            return _INTEGER[name](x[0].numpy(), axis=tuple(axes), keepdims=bool(keep)).astype(x[0].dtype)
        if x[0].book:
            c.host("bookkeeping")
            return c.book(host())
        return c.integers(host)


for _name in _FLOAT:
    _reduction(_name)


@operator("ArgMax", "ArgMin")
def arg(c, node, x):
    axis, keep = node.get("axis", 0) % x[0].ndim, node.get("keepdims", 1)
    t = x[0].on(c.device)
    last = node.get("select_last_index", 0)
    if last:  # the first one from the end
        t = c.take(t, np.flip(np.arange(x[0].size).reshape(x[0].shape), axis))
    y = (ops.argmax if node.op == "ArgMax" else ops.argmin)(t, axis)
    if last:
        y = c.e("sub", x[0].shape[axis] - 1, y)
    shape = [1 if i == axis else d for i, d in enumerate(x[0].shape) if keep or i != axis]
    return c.value(c.reshape(y, shape), np.int64)


@operator("TopK")
def top_k(c, node, x):
    k = node.get("k") if node.version < 10 else int(c.ints(x[1]).reshape(()))
    axis = node.get("axis", -1) % x[0].ndim
    if x[0].name is None:
        order = np.argsort(x[0].numpy(), axis, kind="stable") if not node.get("largest", 1) else \
            np.flip(x[0].shape[axis] - 1 - np.argsort(np.flip(x[0].numpy(), axis), axis, kind="stable"), axis)
        index = np.take(order, range(k), axis)
        return c.integers(lambda: np.take_along_axis(x[0].numpy(), index, axis)), Value(index.astype(np.int64))
    values, index = ops.topk(x[0].on(c.device), k, axis, smallest=not node.get("largest", 1))
    return c.value(values), c.value(index, np.int64)


@operator("Hardmax")
def hardmax(c, node, x):
    axis = node.get("axis", -1 if node.version >= 13 else 1) % x[0].ndim
    shape = x[0].shape
    t = c.f32(x[0])
    if node.version < 13:
        t = c.reshape(t, (int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))))
        axis = 1
    at = ops.argmax(t, axis)
    at = c.reshape(at, [1 if i == axis else d for i, d in enumerate(t.shape)])
    line = c.array(np.arange(t.shape[axis], dtype=np.int32).reshape([-1 if i == axis else 1 for i in range(t.ndim)]))
    return c.value(c.reshape(c.cast(ops.cast(c.e("equal", at, line), "u8"), "f32"), shape), x[0].dtype)


@operator("CumSum")
def cum_sum(c, node, x):
    axis = int(c.ints(x[1]).reshape(()))
    if x[0].name in ("f64", None):
        raise Unsupported("onnx.dtype", f"CumSum of {x[0].dtype} has no kernel", ["CumSum"])
    return c.value(ops.cumsum(x[0].on(c.device), axis, bool(node.get("exclusive", 0)), bool(node.get("reverse", 0)),
                              numerics=c.numerics))


@operator("CumProd")
def cum_prod(c, node, x):
    axis = int(c.ints(x[1]).reshape(())) % x[0].ndim
    reverse, exclusive = node.get("reverse", 0), node.get("exclusive", 0)

    def run(t):
        n = t.shape[axis]
        rows = [t.slice(axis, i, i + 1) for i in (range(n)[::-1] if reverse else range(n))]
        if exclusive:
            rows = [c.broadcast(c.const(1, t.dtype), rows[0].shape), *rows[:-1]]
        out = functools.reduce(lambda made, r: [*made, c.e("mul", made[-1], r)], rows[1:], [ops.copy(rows[0])])
        from .movement import join

        return join(c, out[::-1] if reverse else out, axis)
    return c.lift(x[:1], run)
