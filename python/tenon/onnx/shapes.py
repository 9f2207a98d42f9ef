# SPDX-License-Identifier: Apache-2.0
"""Constants, shapes and views: operators that compute nothing."""
import numpy as np

from .. import ops
from .table import Unsupported, operator
from .value import Value, constant


def view(c, x, shape):
    """x with another shape of as many elements."""
    shape = tuple(int(n) for n in shape)
    if x.book or x.name is None:
        return Value(x.numpy().reshape(shape), book=x.book)
    return Value(tensor=c.reshape(x.on(c.device), shape))


@operator("Constant")
def constant_node(c, node, x):
    if "value" not in node.cache:
        for key, make in (("value", np.asarray), ("value_float", np.float32), ("value_int", np.int64),
                          ("value_floats", lambda v: np.array(v, np.float32)),
                          ("value_ints", lambda v: np.array(v, np.int64)), ("value_string", np.array),
                          ("value_strings", lambda v: np.array(v, object))):
            if key in node.attributes:
                node.cache["value"] = constant(np.asarray(make(node.get(key))))
                break
        else:
            raise Unsupported("onnx.sparse", "sparse constants are not supported", ["Constant"])
    return node.cache["value"]


@operator("Identity")
def identity(c, node, x):
    return x[0]


@operator("Shape")
def shape(c, node, x):
    dims = x[0].shape
    return c.book(np.array(dims[node.get("start", 0):node.get("end")], np.int64))


@operator("Size")
def size(c, node, x):
    return c.book(np.array(x[0].size, np.int64))


@operator("ConstantOfShape")
def constant_of_shape(c, node, x):
    fill = np.asarray(node.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
    dims = tuple(int(n) for n in c.ints(x[0]))
    out = np.full(dims, fill)
    c.host("bookkeeping")
    return Value(out, book=out.dtype.kind in "iub" and out.size <= 1024)


@operator("Range")
def range_node(c, node, x):
    start, limit, step = (v.numpy().reshape(()) for v in x)
    dtype = x[0].dtype
    if dtype.kind in "iu":
        return c.book(np.arange(start, limit, step, dtype=dtype))
    n = max(0, int(np.ceil((np.float64(limit) - np.float64(start)) / np.float64(step))))
    if dtype.kind == "f" and dtype.itemsize == 8:
        raise Unsupported("onnx.dtype", "Range of float64 has no kernel", ["Range"])
    steps = c.array(np.arange(n, dtype=np.float32))
    return c.value(c.scale(steps, float(step), float(start)), dtype)


@operator("EyeLike")
def eye_like(c, node, x):
    import onnx

    dtype = x[0].dtype if node.get("dtype") is None else onnx.helper.tensor_dtype_to_np_dtype(node.get("dtype"))
    c.host("constants")
    return Value(np.eye(*x[0].shape, k=node.get("k", 0)).astype(dtype))


@operator("Reshape", until=4)
def reshape_attribute(c, node, x):
    return _reshape(c, x[0], node.get("shape"), False)


@operator("Reshape", since=5)
def reshape(c, node, x):
    return _reshape(c, x[0], c.ints(x[1]).tolist(), node.get("allowzero", 0))


def _reshape(c, x, want, allow_zero):
    dims = [n if n or allow_zero else x.shape[i] for i, n in enumerate(want)]
    if -1 in dims:
        rest = 1
        for n in dims:
            rest *= n if n != -1 else 1
        dims = [x.size // rest if rest and n == -1 else max(n, 0) for n in dims]
    return view(c, x, dims)


@operator("Flatten")
def flatten(c, node, x):
    axis = node.get("axis", 1)
    axis += x[0].ndim if axis < 0 else 0
    first = int(np.prod(x[0].shape[:axis], dtype=np.int64))
    return view(c, x[0], (first, int(np.prod(x[0].shape[axis:], dtype=np.int64))))


def _axes(c, node, x):
    axes = node.get("axes")
    if len(x) > 1 and x[1] is not None:
        axes = c.ints(x[1]).reshape(-1).tolist()
    return axes


@operator("Squeeze")
def squeeze(c, node, x):
    axes = _axes(c, node, x)
    n = x[0].ndim
    drop = {i for i, d in enumerate(x[0].shape) if d == 1} if axes is None else {a % n for a in axes}
    return view(c, x[0], [d for i, d in enumerate(x[0].shape) if i not in drop])


@operator("Unsqueeze")
def unsqueeze(c, node, x):
    axes = _axes(c, node, x)
    rank = x[0].ndim + len(axes)
    places, left = {a % rank for a in axes}, iter(x[0].shape)
    return view(c, x[0], [1 if i in places else next(left) for i in range(rank)])


@operator("Transpose")
def transpose(c, node, x):
    perm = node.get("perm") or list(range(x[0].ndim))[::-1]
    if x[0].book:
        c.host("bookkeeping")
        return c.book(x[0].numpy().transpose(perm))
    if x[0].name is None:
        return c.integers(lambda: np.ascontiguousarray(x[0].numpy().transpose(perm)))
    return c.value(ops.copy(x[0].on(c.device).transpose(*perm)))


@operator("Expand")
def expand(c, node, x):
    dims = np.broadcast_shapes(x[0].shape, tuple(c.ints(x[1]).tolist()))
    if x[0].book and int(np.prod(dims, dtype=np.int64)) <= 1024:
        c.host("bookkeeping")
        return c.book(np.broadcast_to(x[0].numpy(), dims).copy())
    if x[0].name is None:
        return c.integers(lambda: np.broadcast_to(x[0].numpy(), dims).copy())
    return c.value(c.broadcast(x[0].on(c.device), dims))
