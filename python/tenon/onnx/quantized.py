# SPDX-License-Identifier: Apache-2.0
"""Quantised tensors: to 8-bit types and back."""
import numpy as np

from .. import ops
from .elementwise import narrow
from .table import Unsupported, operator
from .value import FLOATS, Value

_TARGETS = {"s8", "u8", "f8e4m3", "f8e5m2"}
_LIMITS = {"int16": (-32768, 32767), "uint16": (0, 65535), "int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1),
           "uint2": (0, 3), "int8": (-128, 127), "uint8": (0, 255)}


def _f32(c, value):
    """As f32 on the device; what the library has no type for is widened on the host, exactly."""
    if value.name is not None:
        return c.cast(value.on(c.device), "f32")
    c.host("types without a kernel")
    return c.array(value.numpy().astype(np.float32))


def _spread(c, value, x, axis, block):
    """A scale or zero point in a shape that broadcasts to x."""
    t = _f32(c, value)
    if value.size == 1 and value.ndim <= 1:
        return t.reshape(())
    if block:
        axis %= x.ndim
        index = np.arange(value.size).reshape(value.shape)
        return c.take(t, np.repeat(index, block, axis).take(range(x.shape[axis]), axis))
    return t.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


@operator("QuantizeLinear")
def quantize(c, node, x):
    import onnx

    zero = x[2] if len(x) > 2 else None
    dtype = zero.dtype if zero is not None else np.dtype(np.uint8)
    if node.get("output_dtype"):
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.get("output_dtype")))
    like = Value(np.zeros((), dtype))
    if (like.name not in _TARGETS and dtype.name not in _LIMITS) or x[0].name not in FLOATS | {"s32"}:
        raise Unsupported("onnx.dtype", f"QuantizeLinear of {x[0].dtype} to {dtype} has no kernel", ["QuantizeLinear"])
    axis, block = node.get("axis", 1), node.get("block_size", 0)
    q = c.e("div", c.cast(x[0].on(c.device), "f32"), _spread(c, x[1], x[0], axis, block))
    if dtype.name not in _LIMITS:
        return c.value(ops.cast(q, like.name, saturate=bool(node.get("saturate", 1))))
    y = c.e("rint", q)
    if zero is not None:
        y = c.e("add", y, _spread(c, zero, x[0], axis, block))
    y = c.clamp(y, *map(float, _LIMITS[dtype.name]))
    if like.name is not None:
        return c.value(y, dtype)
    c.host("types without a kernel")
    return Value(narrow(y.numpy(copy=True), dtype, True))


@operator("DequantizeLinear")
def dequantize(c, node, x):
    zero = x[2] if len(x) > 2 else None
    if x[0].name not in _TARGETS | {"s32"} and x[0].dtype.name not in _LIMITS and x[0].dtype.name != "float4_e2m1fn":
        raise Unsupported("onnx.dtype", f"DequantizeLinear of {x[0].dtype} has no kernel", ["DequantizeLinear"])
    axis, block = node.get("axis", 1), node.get("block_size", 0)
    t = _f32(c, x[0])
    if zero is not None:
        t = c.e("sub", t, _spread(c, zero, x[0], axis, block))
    return c.value(c.e("mul", t, _spread(c, x[1], x[0], axis, block)), x[1].dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize(c, node, x):
    t = c.f32(x[0])
    axes = tuple(range(t.ndim))
    low = c.e("min", c.reshape(ops.reduce("min", t, axes, numerics=c.numerics), ()), 0.0)
    high = c.e("max", c.reshape(ops.reduce("max", t, axes, numerics=c.numerics), ()), 0.0)
    scale = c.e("div", c.e("sub", high, low), 255.0)
    zero = c.clamp(c.e("rint", c.e("div", c.e("neg", low), scale)), 0.0, 255.0)
    y = c.clamp(c.e("add", c.e("rint", c.e("div", t, scale)), zero), 0.0, 255.0)
    return c.value(y, np.uint8), c.value(scale), c.value(zero, np.uint8)
