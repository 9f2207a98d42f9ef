# SPDX-License-Identifier: Apache-2.0
"""Arithmetic, comparisons, logic, casts and activations."""
import functools
import math

import numpy as np

from .. import ops
from .table import Unsupported, operator
from .value import FLOATS, TO_TENON, Value

# ---- arithmetic ----


def _broadcast(c, node, x):
    """Before opset 7 an operand was aligned to an axis of the other."""
    axis = node.get("axis")
    if node.version >= 7 or axis is None or x[1].ndim == x[0].ndim:
        return x
    shape = x[1].shape + (1,) * (x[0].ndim - axis % x[0].ndim - x[1].ndim)
    return [x[0], Value(x[1].numpy().reshape(shape), book=x[1].book, constant=x[1].constant)]


def _arithmetic(name, kind, host):
    @operator(name)
    def run(c, node, x):
        return c.lift(_broadcast(c, node, x), lambda a, b: c.e(kind, a, b), host)


def _quotient(a, b):
    """Integers: towards zero."""
    q = a // np.where(b == 0, 1, b)
    return q + ((q < 0) & (q * b != a)) if a.dtype.kind == "i" else q


_arithmetic("Add", "add", np.add)
_arithmetic("Sub", "sub", np.subtract)
_arithmetic("Mul", "mul", np.multiply)


@operator("Div")
def div(c, node, x):
    x = _broadcast(c, node, x)
    if x[0].name in FLOATS or x[0].dtype.kind == "f":
        return c.lift(x, lambda a, b: c.e("div", a, b))
    if all(v.book for v in x):
        return c.lift(x, None, _quotient)
    return c.integers(lambda: _quotient(x[0].numpy(), x[1].numpy()))


@operator("Mod")
def mod(c, node, x):
    a, b = x
    if a.name in FLOATS:
        def remainder(p, q):
            n = _trunc(c, c.e("div", p, q))
            r = c.e("fma", c.e("neg", n), q, p)  # exact while the quotient is: it is below 2^24
            low = c.e("abs", q)
            # the rounded quotient may be one too far: the remainder then has the other sign
            wrong = c.e("less", c.e("mul", r, p), 0.0)
            r = c.where(wrong, c.e("add", r, c.where(c.e("less", p, 0.0), c.e("neg", low), low)), r)
            size = c.e("abs", r)
            r = c.where(c.e("less_equal", low, size), 0.0, r)
            r = c.where(c.e("less", p, 0.0), c.e("neg", c.e("abs", r)), r)
            r = c.where(c.e("equal", low, math.inf), p, r)
            if node.get("fmod", 0):
                return r
            return c.where(c.e("less", c.e("mul", r, q), 0.0), c.e("add", r, q), r)  # the sign of the divisor
        return c.lift(x, remainder)
    host = np.fmod if node.get("fmod", 0) else np.mod
    if all(v.book for v in x):
        return c.lift(x, None, host)
    if a.dtype.kind == "f":
        raise Unsupported("onnx.dtype", f"Mod of {a.dtype} has no kernel", ["Mod"])
    return c.integers(lambda: host(a.numpy(), b.numpy()))


def _many(name, kind, host):
    @operator(name)
    def run(c, node, x):
        def fold(*operands):
            return functools.reduce(lambda a, b: c.e(kind, a, b), operands)
        return x[0] if len(x) == 1 else c.lift(x, fold, lambda *a: functools.reduce(host, a))


_many("Max", "max", np.maximum)
_many("Min", "min", np.minimum)
_many("Sum", "add", np.add)


@operator("Mean")
def mean(c, node, x):
    return c.lift(x, lambda *t: c.scale(functools.reduce(lambda a, b: c.e("add", a, b), t), 1 / len(t)))


@operator("Pow")
def power(c, node, x):
    a, b = x
    if a.name not in FLOATS:
        if a.dtype.kind in "iu" and b.dtype.kind in "iu":
            return c.integers(lambda: np.power(a.numpy(), b.numpy()).astype(a.dtype))
        if a.dtype.kind not in "iu" or b.name not in FLOATS:
            raise Unsupported("onnx.dtype", f"Pow of {a.dtype} by {b.dtype} has no kernel", ["Pow"])
    if b.name in FLOATS or b.name is None or b.dtype.kind in "iu":
        base = c.f32(a) if a.name in FLOATS else c.cast(a.on(c.device), "f32")
        known = float(b.numpy().reshape(())) if b.size == 1 and b.array is not None else None
        if known is not None and b.ndim <= a.ndim:
            y = _known_power(c, base, known)
            if y is not None:
                return c.value(y, a.dtype)
        exponent = b.on(c.device) if b.name else c.array(b.numpy().astype(np.float32))
        return c.value(_power(c, base, c.cast(exponent, "f32")), a.dtype)
    raise Unsupported("onnx.dtype", f"Pow by {b.dtype} has no kernel", ["Pow"])


def _known_power(c, x, y):
    if y == 2:
        return c.e("square", x)
    if y == 1:
        return x
    if y == 3:
        return c.e("mul", c.e("square", x), x)
    if y == 0.5:
        return c.e("sqrt", x)
    if y == -1:
        return c.e("recip", x)
    return None


def _power(c, x, y):
    """exp(y log|x|), with the sign of a negative x to an odd power; relative error about |y log x| 2^-23."""
    size = c.e("exp", c.e("mul", y, c.e("log", c.e("abs", x))))
    size = c.where(c.e("equal", y, 0.0), 1.0, size)
    size = c.where(c.e("equal", x, 1.0), 1.0, size)
    whole = c.e("equal", c.e("rint", y), y)
    half = c.scale(y, 0.5)
    odd = c.logical_not(c.e("equal", c.e("rint", half), half))
    signed = c.where(odd, c.e("neg", size), size)
    below = c.where(whole, signed, math.nan)
    return c.where(c.e("less", x, 0.0), below, size)


# ---- one operand ----


def _unary(name, kind, host=None):
    @operator(name)
    def run(c, node, x):
        return c.lift(x, lambda a: c.e(kind, a), host) if x[0].name in FLOATS else _integer(c, x, host)

    def _integer(c, x, host):
        if host is None or x[0].dtype.kind not in "iu":
            raise Unsupported("onnx.dtype", f"{name} of {x[0].dtype} has no kernel", [name])
        return c.lift(x, None, host) if x[0].book else c.integers(lambda: host(x[0].numpy()))


_unary("Neg", "neg", np.negative)
_unary("Abs", "abs", np.abs)
_unary("Relu", "relu", lambda a: np.maximum(a, 0))
for _name, _kind in (("Sqrt", "sqrt"), ("Exp", "exp"), ("Log", "log"), ("Tanh", "tanh"), ("Sigmoid", "sigmoid"),
                     ("Erf", "erf"), ("Sin", "sin"), ("Cos", "cos"), ("Reciprocal", "recip"), ("Round", "rint")):
    _unary(_name, _kind)


def _composed(name, **more):
    """A function of f32 tensors becomes an operator of floats."""
    def enter(function):
        @operator(name, **more)
        def run(c, node, x):
            if x[0].name not in FLOATS:
                raise Unsupported("onnx.dtype", f"{name} of {x[0].dtype} has no kernel", [name])
            return c.value(function(c, node, *(c.f32(v) if v is not None else None for v in x)), x[0].dtype)
        return function
    return enter


def _floor(c, x):
    r = c.e("rint", x)
    return c.where(c.e("less", x, r), c.scale(r, 1.0, -1.0), r)


def _ceil(c, x):
    r = c.e("rint", x)
    return c.where(c.e("less", r, x), c.scale(r, 1.0, 1.0), r)


def _trunc(c, x):
    return c.where(c.e("less", x, 0.0), _ceil(c, x), _floor(c, x))


_composed("Floor")(lambda c, n, x: _floor(c, x))
_composed("Ceil")(lambda c, n, x: _ceil(c, x))


@operator("Sign")
def sign(c, node, x):
    if x[0].name not in FLOATS:
        return c.integers(lambda: np.sign(x[0].numpy()))
    t = c.f32(x[0])
    up = c.where(c.e("less", 0.0, t), 1.0, t)
    return c.value(c.where(c.e("less", t, 0.0), -1.0, up), x[0].dtype)


def expm1(c, x):
    """2 t / (1 - t) with t = tanh(x / 2): no difference of near numbers below 1."""
    t = c.e("tanh", c.scale(x, 0.5))
    near = c.e("div", c.scale(t, 2.0), c.scale(t, -1.0, 1.0))
    return c.where(c.e("less", c.e("abs", x), 1.0), near, c.scale(c.e("exp", x), 1.0, -1.0))


def log1p(c, x):
    """log(u) x / (u - 1) with u = 1 + x: the quotient takes back what rounding u lost."""
    u = c.scale(x, 1.0, 1.0)
    far = c.e("mul", c.e("log", u), c.e("div", x, c.scale(u, 1.0, -1.0)))
    far = c.where(c.e("equal", u, math.inf), u, far)
    return c.where(c.e("equal", u, 1.0), x, far)


_composed("Tan")(lambda c, n, x: c.e("div", c.e("sin", x), c.e("cos", x)))


@_composed("Sinh")
def sinh(c, node, x):
    t = c.e("tanh", c.scale(x, 0.5))
    near = c.e("div", c.scale(t, 2.0), c.e("mul", c.scale(t, -1.0, 1.0), c.scale(t, 1.0, 1.0)))
    e = c.e("exp", x)
    far = c.scale(c.e("sub", e, c.e("recip", e)), 0.5)
    return c.where(c.e("less", c.e("abs", x), 1.0), near, far)


@_composed("Cosh")
def cosh(c, node, x):
    e = c.e("exp", x)
    return c.scale(c.e("add", e, c.e("recip", e)), 0.5)


@_composed("Asinh")
def asinh(c, node, x):
    a = c.e("abs", x)
    s = c.e("square", a)
    root = c.scale(c.e("sqrt", c.scale(s, 1.0, 1.0)), 1.0, 1.0)
    y = log1p(c, c.e("add", a, c.e("div", s, root)))
    return c.where(c.e("less", x, 0.0), c.e("neg", y), y)


@_composed("Acosh")
def acosh(c, node, x):
    t = c.scale(x, 1.0, -1.0)
    return log1p(c, c.e("add", t, c.e("sqrt", c.e("fma", t, t, c.scale(t, 2.0)))))


@_composed("Atanh")
def atanh(c, node, x):
    a = c.e("abs", x)
    y = c.scale(log1p(c, c.e("div", c.scale(a, 2.0), c.scale(a, -1.0, 1.0))), 0.5)
    return c.where(c.e("less", x, 0.0), c.e("neg", y), y)


def _atan(c, x):
    a = c.e("abs", x)
    big, mid = c.e("less", math.tan(3 * math.pi / 8), a), c.e("less", math.tan(math.pi / 8), a)
    t = c.where(mid, c.e("div", c.scale(a, 1.0, -1.0), c.scale(a, 1.0, 1.0)), a)
    t = c.where(big, c.e("neg", c.e("recip", a)), t)
    start = c.where(big, math.pi / 2, c.where(mid, math.pi / 4, c.const(0.0)))
    s = c.e("square", t)
    p = c.e("fma", c.e("mul", c.poly(s, ATAN_POLY), s), t, t)
    y = c.e("add", start, p)
    return c.where(c.e("less", x, 0.0), c.e("neg", y), y)


def _atan_poly():
    """Coefficients in t^2, highest first, of (atan(t) - t) / t^3, fitted at Chebyshev points in float64."""
    top = math.tan(math.pi / 8)**2
    s = top * (1 - np.cos((np.arange(64) + 0.5) * math.pi / 64)) / 2
    t = np.sqrt(s)
    return tuple(float(k) for k in np.polyfit(s, (np.arctan(t) - t) / (t * s), 5))


ATAN_POLY = _atan_poly()

_composed("Atan")(lambda c, n, x: _atan(c, x))


@_composed("Asin")
def asin(c, node, x):
    root = c.e("sqrt", c.e("mul", c.scale(x, -1.0, 1.0), c.scale(x, 1.0, 1.0)))
    return c.scale(_atan(c, c.e("div", x, c.scale(root, 1.0, 1.0))), 2.0)


@_composed("Acos")
def acos(c, node, x):
    return c.scale(_atan(c, c.e("sqrt", c.e("div", c.scale(x, -1.0, 1.0), c.scale(x, 1.0, 1.0)))), 2.0)


# ---- activations ----


@_composed("HardSigmoid")
def hard_sigmoid(c, node, x):
    return c.clamp(c.scale(x, node.get("alpha", 0.2), node.get("beta", 0.5)), 0.0, 1.0)


@_composed("HardSwish")
def hard_swish(c, node, x):
    return c.e("mul", x, c.clamp(c.scale(x, 1 / 6, 0.5), 0.0, 1.0))


def leaky(c, x, alpha):
    return c.where(c.e("less", x, 0.0), c.scale(x, alpha), x)


def elu(c, x, alpha):
    return c.where(c.e("less", x, 0.0), c.scale(expm1(c, x), alpha), x)


_composed("LeakyRelu")(lambda c, n, x: leaky(c, x, n.get("alpha", 0.01)))
_composed("Elu")(lambda c, n, x: elu(c, x, n.get("alpha", 1.0)))


@_composed("Selu")
def selu(c, node, x):
    y = elu(c, x, node.get("alpha", 1.67326319217681884765625))
    return c.scale(y, node.get("gamma", 1.05070102214813232421875))


@_composed("Celu")
def celu(c, node, x):
    alpha = node.get("alpha", 1.0)
    return c.where(c.e("less", x, 0.0), c.scale(expm1(c, c.scale(x, 1 / alpha)), alpha), x)


@operator("PRelu")
def prelu(c, node, x):
    a, slope = c.f32(x[0]), c.f32(x[1])
    if node.version < 7 and slope.ndim == 1 and a.ndim > 1:
        slope = slope.reshape((slope.shape[0],) + (1,) * (a.ndim - 2))
    return c.value(c.where(c.e("less", a, 0.0), c.e("mul", a, slope), a), x[0].dtype)


@_composed("ThresholdedRelu")
def thresholded(c, node, x):
    return c.where(c.e("less", float(node.get("alpha", 1.0)), x), x, 0.0)


@_composed("Shrink")
def shrink(c, node, x):
    bias, edge = float(node.get("bias", 0.0)), float(node.get("lambd", 0.5))
    inner = c.where(c.e("less", edge, x), c.scale(x, 1.0, -bias), 0.0)
    return c.where(c.e("less", x, -edge), c.scale(x, 1.0, bias), inner)


def softplus(c, x):
    return c.e("add", c.e("relu", x), log1p(c, c.e("exp", c.e("neg", c.e("abs", x)))))


_composed("Softplus")(lambda c, n, x: softplus(c, x))
_composed("Softsign")(lambda c, n, x: c.e("div", x, c.scale(c.e("abs", x), 1.0, 1.0)))
_composed("Mish")(lambda c, n, x: c.e("mul", x, c.e("tanh", softplus(c, x))))
_composed("Gelu")(lambda c, n, x: c.e("gelu_tanh" if n.get("approximate", "none") == "tanh" else "gelu", x))


@_composed("Swish")
def swish(c, node, x):
    alpha = node.get("alpha", 1.0)
    return c.e("silu", x) if alpha == 1.0 else c.e("mul", x, c.e("sigmoid", c.scale(x, alpha)))


@operator("Clip", until=10)
def clip_attributes(c, node, x):
    low, high = node.get("min", -3.4028234663852886e38), node.get("max", 3.4028234663852886e38)
    return c.value(c.clamp(c.f32(x[0]), low, high), x[0].dtype)


@operator("Clip", since=11)
def clip(c, node, x):
    low, high = (x[i] if len(x) > i else None for i in (1, 2))
    if x[0].name in FLOATS:
        y = c.f32(x[0])
        ends = [float(v.numpy().reshape(())) if v is not None and v.array is not None else None for v in (low, high)]
        if (low is None or ends[0] is not None) and (high is None or ends[1] is not None):
            a, b = (ends[0] if low is not None else -math.inf), (ends[1] if high is not None else math.inf)
            if a <= b:
                return c.value(c.clamp(y, a, b), x[0].dtype)
        if low is not None:
            y = c.e("max", y, c.f32(low))
        if high is not None:
            y = c.e("min", y, c.f32(high))
        return c.value(y, x[0].dtype)
    given = [x[0]] + [v for v in (low, high) if v is not None]

    def limits(function_max, function_min):
        def run(a, *ends):
            ends = list(ends)
            if low is not None:
                a = function_max(a, ends.pop(0))
            return function_min(a, ends.pop(0)) if high is not None else a
        return run
    return c.lift(given, limits(lambda a, b: c.e("max", a, b), lambda a, b: c.e("min", a, b)),
                  limits(np.maximum, np.minimum))


@operator("Dropout")
def dropout(c, node, x):
    training = len(x) > 2 and x[2] is not None and bool(x[2].numpy())
    ratio = float(x[1].numpy()) if len(x) > 1 and x[1] is not None else node.get("ratio", 0.5)
    if training and ratio != 0:
        raise Unsupported("onnx.random", "Dropout in training draws numbers", ["Dropout"])
    if len(node.outputs) == 1:
        return x[0]
    return x[0], Value(np.ones(x[0].shape, bool if node.version >= 10 else x[0].dtype))


# ---- comparisons and logic ----


def _compare(name, kind, host, swap):
    @operator(name)
    def run(c, node, x):
        x = _broadcast(c, node, x)
        if x[0].dtype == bool and not all(v.book for v in x):
            a, b = (v.on(c.device) for v in x)
            return c.value(ops.where(a, b, c.logical_not(b)))  # Equal is the only one of bools
        if x[0].dtype.kind in "OUST":
            return c.integers(lambda: host(x[0].numpy(), x[1].numpy()))
        return c.lift(x, lambda a, b: c.e(kind, *((b, a) if swap else (a, b))), host, np.dtype(bool))


_compare("Equal", "equal", np.equal, False)
_compare("Less", "less", np.less, False)
_compare("LessOrEqual", "less_equal", np.less_equal, False)
_compare("Greater", "less", np.greater, True)
_compare("GreaterOrEqual", "less_equal", np.greater_equal, True)


def _logic(name, function, host):
    @operator(name)
    def run(c, node, x):
        x = _broadcast(c, node, x)
        if all(v.book for v in x):
            return c.lift(x, None, host)
        return c.value(function(c, *(v.on(c.device) for v in x)))


_logic("Not", lambda c, a: c.logical_not(a), np.logical_not)
_logic("And", lambda c, a, b: c.logical_and(a, b), np.logical_and)
_logic("Or", lambda c, a, b: c.logical_or(a, b), np.logical_or)
_logic("Xor", lambda c, a, b: ops.where(a, c.logical_not(b), b), np.logical_xor)


@operator("IsNaN")
def is_nan(c, node, x):
    t = c.f32(x[0])
    return c.value(c.logical_not(c.e("equal", t, t)))


@operator("IsInf")
def is_inf(c, node, x):
    t = c.f32(x[0])
    up, down = node.get("detect_positive", 1), node.get("detect_negative", 1)
    if up and down:
        return c.value(c.e("equal", c.e("abs", t), math.inf))
    if not up and not down:
        return c.book(np.zeros(x[0].shape, bool))
    return c.value(c.e("equal", t, math.inf if up else -math.inf))


@operator("Where")
def where(c, node, x):
    if all(v.book for v in x):
        c.host("bookkeeping")
        return c.book(np.where(*(v.numpy() for v in x)))
    if x[1].name is None:
        return c.integers(lambda: np.where(*(v.numpy() for v in x)))
    return c.value(ops.where(*(v.on(c.device) for v in x)))


def _bitwise(name, host):
    @operator(name)
    def run(c, node, x):
        return c.integers(lambda: host(*(v.numpy() for v in x)))


_bitwise("BitwiseAnd", np.bitwise_and)
_bitwise("BitwiseOr", np.bitwise_or)
_bitwise("BitwiseXor", np.bitwise_xor)
_bitwise("BitwiseNot", np.bitwise_not)


@operator("BitShift")
def bit_shift(c, node, x):
    host = np.left_shift if node.get("direction") == "LEFT" else np.right_shift
    return c.integers(lambda: host(x[0].numpy(), x[1].numpy()))


# ---- types ----


def cast_to(c, x, dtype, saturate):
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    if x.book and dtype.kind in "iub":
        c.host("bookkeeping")
        return c.book(x.numpy().astype(dtype))
    name = TO_TENON.get(dtype)
    if name == "e8m0":
        raise Unsupported("onnx.dtype", "Cast to float8_e8m0fnu rounds in ways that have no kernel", ["Cast"])
    if name is not None and x.name is not None:
        return c.value(ops.cast(x.on(c.device), name, bool(saturate) and name.startswith("f8")))
    if x.dtype.kind in "iub" and dtype.kind in "iub":
        return c.integers(lambda: x.numpy().astype(dtype))
    # a type of 2 or 4 bits, or one of another standard: what it holds fits into f32
    c.host("types without a kernel")
    if name is not None:
        wide = Value(x.numpy().astype(np.float32))
        return c.value(ops.cast(wide.on(c.device), name)) if name != "f32" else wide
    return Value(narrow(x.numpy().astype(np.float32), dtype, saturate))


def narrow(array, dtype, saturate):
    """f32 to a type that the library lacks: integers truncate and wrap, floats round to nearest even, and
    saturate where that is asked for."""
    import ml_dtypes

    if dtype.kind in "iub" or dtype.name in ("int4", "uint4", "int2", "uint2"):
        return array.astype(np.int64).astype(np.int8 if dtype.name in ("int4", "int2") else np.uint8).astype(dtype) \
            if dtype.kind not in "iub" else array.astype(np.int64).astype(dtype)
    top = float(ml_dtypes.finfo(dtype).max)
    if saturate:
        array = np.where(np.isnan(array), array, np.clip(array, -top, top))
    return array.astype(dtype)


@operator("Cast")
def cast(c, node, x):
    import onnx

    to = node.get("to")
    if isinstance(to, str):  # opset 1 to 5
        to = onnx.TensorProto.DataType.Value(to)
    if to == onnx.TensorProto.STRING or x[0].dtype.kind in "OUST":
        raise Unsupported("onnx.dtype", "Cast of strings is not supported", ["Cast"])
    return cast_to(c, x[0], onnx.helper.tensor_dtype_to_np_dtype(to), node.get("saturate", 1))


@operator("CastLike")
def cast_like(c, node, x):
    if x[0].dtype.kind in "OUST" or x[1].dtype.kind in "OUST":
        raise Unsupported("onnx.dtype", "CastLike of strings is not supported", ["CastLike"])
    return cast_to(c, x[0], x[1].dtype, node.get("saturate", 1))


@operator("BitCast")
def bit_cast(c, node, x):
    import onnx

    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.get("to")))
    if x[0].dtype.itemsize != dtype.itemsize:
        raise Unsupported("onnx.dtype", "BitCast between widths is not supported", ["BitCast"])
    name, t = TO_TENON.get(dtype), x[0].on(c.device) if x[0].name else None
    if name is None or t is None:
        return c.integers(lambda: np.ascontiguousarray(x[0].numpy()).view(dtype))
    from ..tensor import Tensor

    view = Tensor(t.device, t.buffer, name, t.shape, t.strides, t.offset_bytes)
    view._keep = t
    return c.value(view)
