# SPDX-License-Identifier: Apache-2.0
"""Data movement: the elements of the output are elements of the input. Where they come from is worked out on the
host from shapes and indices; the device moves them, by copies of views or by one gather."""
import functools

import numpy as np

from .. import ops
from .shapes import view
from .table import Unsupported, operator
from .value import Value

_MOST = 23  # operands of the library's concat


def places(shape):
    """The place of each element in row-major order."""
    return np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)


def move(c, x, function, book=False):
    """Applies a numpy function of an array that only moves elements; -1 among the places it moves gives 0."""
    if book and x.book:
        c.host("bookkeeping")
        return c.book(function(x.numpy()))
    if x.name is None:
        if x.dtype.kind in "OUST":
            raise Unsupported("onnx.dtype", "strings are not supported", [c.row["op"]])
        return c.integers(lambda: np.ascontiguousarray(function(x.numpy())))
    return c.value(c.take(x.on(c.device), function(places(x.shape))))


@operator("Concat")
def concat(c, node, x):
    axis = node.get("axis", 1 if node.version < 4 else 0)
    if all(v.book for v in x):
        c.host("bookkeeping")
        return c.book(np.concatenate([v.numpy() for v in x], axis))
    if x[0].name is None:
        return c.integers(lambda: np.concatenate([v.numpy() for v in x], axis))
    return c.value(join(c, [v.on(c.device) for v in x], axis))


def join(c, tensors, axis):
    while len(tensors) > 1:
        tensors = [ops.concat(tensors[i:i + _MOST], axis) if len(tensors[i:i + _MOST]) > 1 else tensors[i]
                   for i in range(0, len(tensors), _MOST)]
    return tensors[0]


def _cut(c, x, axis, start, stop):
    if x.book:
        c.host("bookkeeping")
        return c.book(x.numpy()[(slice(None),) * axis + (slice(start, stop),)])
    if x.name is None:
        return c.integers(lambda: x.numpy()[(slice(None),) * axis + (slice(start, stop),)])
    return c.value(ops.copy(x.on(c.device).slice(axis, start, stop)))


@operator("Split")
def split(c, node, x):
    axis = node.get("axis", 0) % x[0].ndim
    total = x[0].shape[axis]
    sizes = node.get("split")
    if len(x) > 1 and x[1] is not None:
        sizes = c.ints(x[1]).tolist()
    if sizes is None:
        count = node.get("num_outputs", len(node.outputs))
        step = -(-total // count)
        sizes = [step] * (total // step if step else 0)
        sizes += [total - sum(sizes)] + [0] * count
        sizes = sizes[:count]
    at = np.cumsum([0, *sizes]).tolist()
    return tuple(_cut(c, x[0], axis, a, b) for a, b in zip(at, at[1:]))


@operator("Slice", until=9)
def slice_attributes(c, node, x):
    return _slice(c, x[0], node.get("starts"), node.get("ends"), node.get("axes"), None)


@operator("Slice", since=10)
def slice_node(c, node, x):
    more = [c.ints(v).tolist() if v is not None else None for v in x[1:]] + [None] * 2
    return _slice(c, x[0], *more[:4])


def _slice(c, x, starts, ends, axes, steps):
    axes = axes if axes is not None else range(len(starts))
    cuts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts)):
        n = x.shape[axis]
        if step < 0 and end < -n:
            end = None
        cuts[axis % x.ndim] = slice(start, end, step)
    cuts = tuple(cuts)
    if x.book:
        c.host("bookkeeping")
        return c.book(x.numpy()[cuts])
    if x.name is None:
        return c.integers(lambda: np.ascontiguousarray(x.numpy()[cuts]))
    ranges = [range(*s.indices(n)) for s, n in zip(cuts, x.shape)]
    if any(r.step < 0 for r in ranges):
        return move(c, x, lambda a: a[cuts])
    t = x.on(c.device)
    for axis, r in enumerate(ranges):
        stop = max(r.start, min(r.stop, x.shape[axis])) if len(r) else min(r.start, x.shape[axis])
        start = min(r.start, x.shape[axis])
        if (start, stop, r.step) != (0, x.shape[axis], 1):
            t = t.slice(axis, start, stop, r.step)
    return c.value(ops.copy(t))


@operator("Gather")
def gather(c, node, x):
    axis = node.get("axis", 0)
    if x[0].book and x[1].array is not None:
        c.host("bookkeeping")
        return c.book(np.take(x[0].numpy(), x[1].numpy(), axis))
    if x[0].name is None:
        return c.integers(lambda: np.take(x[0].numpy(), x[1].numpy(), axis))
    return c.value(ops.gather(x[0].on(c.device), x[1].on(c.device), axis))


@operator("GatherElements")
def gather_elements(c, node, x):
    axis, index = node.get("axis", 0) % x[0].ndim, c.ints(x[1])
    index = np.where(index < 0, index + x[0].shape[axis], index)
    return move(c, x[0], lambda a: np.take_along_axis(a[tuple(
        slice(None) if i == axis else slice(0, n) for i, n in enumerate(index.shape))], index, axis))


@operator("GatherND")
def gather_nd(c, node, x):
    batch, index = node.get("batch_dims", 0), c.ints(x[1])

    def pick(a):
        lead = index.shape[:batch]
        if not batch:
            return a[tuple(np.moveaxis(index, -1, 0))]
        rows = [a[at][tuple(np.moveaxis(index[at], -1, 0))] for at in np.ndindex(*lead)]
        return np.stack(rows).reshape(lead + rows[0].shape)
    return move(c, x[0], pick)


def scatter(c, x, updates, where_to, reduction):
    """x with updates written at places of it (an array of the shape of updates); several at one place are
    combined in order."""
    where_to = where_to.reshape(-1)
    order = np.argsort(where_to, kind="stable")
    sorted_to = where_to[order]
    first = np.searchsorted(sorted_to, sorted_to, "left")
    rank = np.arange(len(order)) - first  # how many came before at the same place
    t, u = x.on(c.device), updates.on(c.device)
    n = x.size
    if reduction == "none":
        index = places((n,))
        index[where_to[order]] = n + order  # the last one stays
        both = ops.concat([c.reshape(t, (n,)), c.reshape(u, (len(order),))])
        return c.reshape(c.take(both, index), x.shape)
    flat_u, out = c.reshape(u, (len(order),)), c.cast(c.reshape(t, (n,)), "f32" if t.dtype != "s32" else "s32")
    flat_u = c.cast(flat_u, out.dtype)
    kind = {"add": "add", "mul": "mul", "max": "max", "min": "min"}[reduction]
    for r in range(int(rank.max(initial=-1)) + 1):
        source, there = np.full(n, -1, np.int64), np.zeros(n, bool)
        source[sorted_to[rank == r]] = order[rank == r]
        there[sorted_to[rank == r]] = True
        out = ops.where(c.array(there), c.e(kind, out, c.take(flat_u, source)), out)
    return c.reshape(c.cast(out, t.dtype), x.shape)


@operator("ScatterElements", "Scatter")
def scatter_elements(c, node, x):
    axis, index = node.get("axis", 0) % x[0].ndim, c.ints(x[1])
    index = np.where(index < 0, index + x[0].shape[axis], index)
    at = list(np.indices(index.shape))
    at[axis] = index
    to = places(x[0].shape)[tuple(at)]
    return c.value(scatter(c, x[0], x[2], to, node.get("reduction", "none")))


@operator("ScatterND")
def scatter_nd(c, node, x):
    index = c.ints(x[1])
    to = places(x[0].shape)[tuple(np.moveaxis(index, -1, 0))]
    return c.value(scatter(c, x[0], x[2], to, node.get("reduction", "none")))


@operator("TensorScatter")
def tensor_scatter(c, node, x):
    past, update = x[0], x[1]
    axis = node.get("axis", -2) % past.ndim
    start = c.ints(x[2]) if len(x) > 2 and x[2] is not None else np.zeros(past.shape[0], np.int64)
    n, m = past.shape[axis], update.shape[axis]
    step = (np.asarray(start)[:, None] + np.arange(m)) % n if node.get("mode", "linear") == "circular" else \
        np.asarray(start)[:, None] + np.arange(m)
    all_places = np.moveaxis(places(past.shape), axis, 1)
    to = np.stack([all_places[b][step[b]] for b in range(past.shape[0])])
    return c.value(scatter(c, past, update, np.moveaxis(to, 1, axis), "none"))


@operator("Tile")
def tile(c, node, x):
    return move(c, x[0], lambda a: np.tile(a, tuple(c.ints(x[1]).tolist())), book=True)


@operator("Trilu")
def trilu(c, node, x):
    k = int(c.ints(x[1])) if len(x) > 1 and x[1] is not None else 0
    keep = (np.triu if node.get("upper", 1) else np.tril)(np.ones(x[0].shape, bool), k)
    if x[0].name is None:
        return c.integers(lambda: np.where(keep, x[0].numpy(), 0))
    zero = c.array(np.zeros((), x[0].dtype))
    return c.value(ops.where(c.array(keep), x[0].on(c.device), zero))


@operator("ReverseSequence")
def reverse_sequence(c, node, x):
    time, batch = node.get("time_axis", 0), node.get("batch_axis", 1)
    lengths = c.ints(x[1])

    def turn(a):
        out = np.moveaxis(a, (batch, time), (0, 1)).copy()
        for i, n in enumerate(lengths):
            out[i, :n] = out[i, :n][::-1]
        return np.moveaxis(out, (0, 1), (batch, time))
    return move(c, x[0], turn)


@operator("DepthToSpace")
def depth_to_space(c, node, x):
    b, (n, ch, h, w) = node.get("blocksize"), x[0].shape
    if node.get("mode", "DCR") == "DCR":
        t = c.reshape(x[0].on(c.device), (n, b, b, ch // b**2, h, w)).transpose(0, 3, 4, 1, 5, 2)
    else:
        t = c.reshape(x[0].on(c.device), (n, ch // b**2, b, b, h, w)).transpose(0, 1, 4, 2, 5, 3)
    return c.value(c.reshape(ops.copy(t), (n, ch // b**2, h * b, w * b)))


@operator("SpaceToDepth", until=25)
def space_to_depth(c, node, x):
    b, (n, ch, h, w) = node.get("blocksize"), x[0].shape
    t = c.reshape(x[0].on(c.device), (n, ch, h // b, b, w // b, b)).transpose(0, 3, 5, 1, 2, 4)
    return c.value(c.reshape(ops.copy(t), (n, ch * b * b, h // b, w // b)))


@operator("Compress")
def compress(c, node, x):
    keep, axis = c.ints(x[1]), node.get("axis")
    if axis is None:
        return move(c, x[0], lambda a: np.compress(keep, a.reshape(-1)))
    return move(c, x[0], lambda a: np.compress(keep, a, axis))


@operator("NonZero")
def non_zero(c, node, x):
    c.host("reads where elements are not zero")
    return Value(np.stack(np.nonzero(x[0].numpy())).astype(np.int64).reshape(x[0].ndim, -1))


@operator("Unique")
def unique(c, node, x):
    """Where the unique elements are is found on the host; the elements are moved by the device."""
    c.host("looks for equal elements")
    axis, a = node.get("axis"), x[0].numpy()
    line = a.reshape(-1) if axis is None else a
    at = 0 if axis is None else axis % a.ndim
    if line.dtype.kind not in "iubf":
        line = line.astype(np.float32)
    _, first, inverse, counts = np.unique(line, return_index=True, return_inverse=True, return_counts=True, axis=at)
    inverse = inverse.reshape(-1)
    if not node.get("sorted", 1):
        order = np.argsort(first)
        first, counts = first[order], counts[order]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        inverse = back[inverse]
    y = move(c, view(c, x[0], line.shape), lambda p: np.take(p, first, at))
    return y, *(Value(v.astype(np.int64)) for v in (first, inverse, counts))


@operator("OneHot")
def one_hot(c, node, x):
    index, depth, axis = x[0], int(c.ints(x[1]).reshape(())), node.get("axis", -1)
    i = c.ints(index).astype(np.int64)
    i = np.where(i < 0, i + depth, i)
    axis = axis + i.ndim + 1 if axis < 0 else axis
    hit = np.expand_dims(i, axis) == np.arange(depth).reshape((-1,) + (1,) * (i.ndim - axis))
    return move(c, x[2], lambda v: np.where(hit, v[1], v[0]))


@operator("Pad", until=10)
def pad_attributes(c, node, x):
    return _pad(c, x[0], node.get("pads", node.get("paddings")), node.get("mode", "constant"),
                float(node.get("value", 0.0)), None)


@operator("Pad", since=11)
def pad(c, node, x):
    value = 0.0
    if len(x) > 2 and x[2] is not None:
        value = x[2].numpy().reshape(()).item()
    axes = c.ints(x[3]).tolist() if len(x) > 3 and x[3] is not None else None
    return _pad(c, x[0], c.ints(x[1]).tolist(), node.get("mode", "constant"), value, axes)


def _pad(c, x, pads, mode, value, axes):
    axes = [a % x.ndim for a in axes] if axes is not None else list(range(x.ndim))
    widths = [(0, 0)] * x.ndim
    for i, axis in enumerate(axes):
        widths[axis] = (pads[i], pads[i + len(axes)])
    if mode == "wrap" or (mode == "reflect" and any(max(w) >= n for w, n in zip(widths, x.shape))):
        cut = tuple(slice(max(0, -lo), n - max(0, -hi)) for (lo, hi), n in zip(widths, x.shape))
        grow = [(max(0, lo), max(0, hi)) for lo, hi in widths]
        return move(c, x, lambda a: np.pad(a[cut], grow, mode))
    t = x.on(c.device)
    if abs(value) != float("inf") and float(np.float32(value)) != value and t.dtype not in ("f32", "f16", "bf16"):
        raise Unsupported("onnx.dtype", f"Pad of {x.dtype} by {value} has no kernel", ["Pad"])
    return c.value(ops.pad(t, tuple(widths), mode, value))


@operator("CenterCropPad")
def center_crop_pad(c, node, x):
    want = c.ints(x[1]).tolist()
    axes = [a % x[0].ndim for a in node.get("axes", range(x[0].ndim))]
    widths = [(0, 0)] * x[0].ndim
    for axis, n in zip(axes, want):
        more = n - x[0].shape[axis]
        widths[axis] = (more // 2, more - more // 2) if more >= 0 else (-(-more // 2), more + -more // 2)
    return c.value(ops.pad(x[0].on(c.device), tuple(widths)))


@operator("Col2Im")
def col2im(c, node, x):
    image, block = c.ints(x[1]).tolist(), c.ints(x[2]).tolist()
    dims = len(image)
    dilation, stride = node.get("dilations", [1] * dims), node.get("strides", [1] * dims)
    pads = node.get("pads", [0] * 2 * dims)
    n, total, blocks = x[0].shape
    area = int(np.prod(block))
    ch = total // area
    counts = [(image[i] + pads[i] + pads[i + dims] - dilation[i] * (block[i] - 1) - 1) // stride[i] + 1
              for i in range(dims)]
    columns = places((n, ch, *block, *counts))
    # one list of contributions for each place of the image, as a sum of gathers
    lists = {}
    for k in np.ndindex(*block):
        source = np.full((n, ch, *image), -1, np.int64)
        at = [np.arange(counts[i]) * stride[i] - pads[i] + k[i] * dilation[i] for i in range(dims)]
        good = [(a >= 0) & (a < image[i]) for i, a in enumerate(at)]
        to = np.ix_(range(n), range(ch), *(a[g] for a, g in zip(at, good)))
        of = columns[(slice(None), slice(None), *k)][np.ix_(range(n), range(ch), *(np.flatnonzero(g) for g in good))]
        source[to] = of
        lists[k] = source
    t = c.f32(x[0])
    return c.value(functools.reduce(lambda a, b: c.e("add", a, b), [c.take(t, s) for s in lists.values()]), x[0].dtype)
