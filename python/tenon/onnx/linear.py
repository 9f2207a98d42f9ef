# SPDX-License-Identifier: Apache-2.0
"""Products: matmul, convolutions, einsum; of floats, and of 8-bit integers into 32 bits."""
import numpy as np

from .. import ops
from .table import Unsupported, operator


def _product(shape):
    return int(np.prod(shape, dtype=np.int64))


def matmul(c, a, b, constant_b=False, **more):
    """numpy's matmul of f32 tensors: vectors get a dim that goes away again."""
    out = []
    if a.ndim == 1:
        a = a.reshape((1,) + a.shape)
    else:
        out.append(a.shape[-2])
    if b.ndim == 1:
        b = b.reshape(b.shape + (1,))
    else:
        out.append(b.shape[-1])
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if b.ndim == 2 and a.ndim > 2:  # one product of many rows
        a = c.reshape(a, (_product(a.shape[:-1]), a.shape[-1]))
    y = ops.matmul(a, b, constant_b=constant_b and b.ndim == 2, numerics=c.numerics, **more)
    return c.reshape(y, (*lead, *out))


@operator("MatMul")
def matmul_node(c, node, x):
    y = matmul(c, c.f32(x[0]), c.f32(x[1]), x[1].constant and x[1].name == "f32")
    return c.value(y, x[0].dtype)


@operator("Gemm")
def gemm(c, node, x):
    a, b = c.f32(x[0]), c.f32(x[1])
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    more = {"transpose_a": bool(node.get("transA", 0)), "transpose_b": bool(node.get("transB", 0)),
            "alpha": alpha if alpha != 1 else None, "constant_b": x[1].constant and x[1].name == "f32"}
    if len(x) > 2 and x[2] is not None:
        bias = c.f32(x[2])
        more["bias"] = c.scale(bias, beta) if beta != 1 else bias
    return c.value(ops.matmul(a, b, numerics=c.numerics, **more), x[0].dtype)


def geometry(node, space, kernel, size=None):
    """(stride, dilation, pads before, pads after) of a convolution or a pool over `space`."""
    dims = len(space)
    stride = node.get("strides", [1] * dims)
    dilation = node.get("dilations", [1] * dims)
    auto, pads = node.get("auto_pad", "NOTSET"), node.get("pads", [0] * 2 * dims)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        total = [max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
                 for n, s, k, d in zip(space, stride, kernel, dilation)]
        small, large = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = small + large if auto == "SAME_UPPER" else large + small
    elif auto == "VALID":
        pads = [0] * 2 * dims
    return stride, dilation, pads[:dims], pads[dims:]


@operator("Conv")
def conv(c, node, x):
    stride, dilation, lo, hi = geometry(node, x[0].shape[2:], x[1].shape[2:])
    bias = c.f32(x[2]) if len(x) > 2 and x[2] is not None else None
    y = ops.conv(c.f32(x[0]), c.f32(x[1]), bias, stride=stride, dilation=dilation, pad=lo, pad_hi=hi,
                 groups=node.get("group", 1), constant_b=x[1].constant and x[1].name == "f32", numerics=c.numerics)
    return c.value(y, x[0].dtype)


@operator("ConvTranspose")
def conv_transpose(c, node, x):
    space, kernel = x[0].shape[2:], x[1].shape[2:]
    dims = len(space)
    stride, dilation = node.get("strides", [1] * dims), node.get("dilations", [1] * dims)
    more = node.get("output_padding", [0] * dims)
    pads = list(node.get("pads", [0] * 2 * dims))
    want, auto = node.get("output_shape"), node.get("auto_pad", "NOTSET")
    if want is None and auto in ("SAME_UPPER", "SAME_LOWER"):
        want = [n * s for n, s in zip(space, stride)]
    if want is not None:
        want = want[-dims:]
        for i in range(dims):
            total = (space[i] - 1) * stride[i] + more[i] + (kernel[i] - 1) * dilation[i] + 1 - want[i]
            small, large = (total // 2, total - total // 2)
            if total < 0:  # longer than the taps reach: at the end
                pads[i], pads[i + dims] = 0, total
            elif auto == "SAME_UPPER":
                pads[i], pads[i + dims] = small, large
            else:
                pads[i], pads[i + dims] = large, small
    # less padding than nothing makes the output longer
    out_pad = [m + max(0, -p) for m, p in zip(more, pads[dims:])]
    lo, hi = [max(0, p) for p in pads[:dims]], [max(0, p) for p in pads[dims:]]
    t, w = c.f32(x[0]), c.f32(x[1])
    bias = c.f32(x[2]) if len(x) > 2 and x[2] is not None else None
    before = [max(0, -p) for p in pads[:dims]]
    excess = [max(0, o - s + 1) if s > 1 or o else 0 for o, s in zip(out_pad, stride)]
    y = ops.conv(t, w, bias if not any(excess + before) else None, stride=stride, dilation=dilation, pad=lo, pad_hi=hi,
                 groups=node.get("group", 1), transposed=True, out_pad=[o - e for o, e in zip(out_pad, excess)],
                 numerics=c.numerics)
    if any(excess + before):  # places that no tap reaches: only the bias is there
        y = ops.pad(y, ((0, 0), (0, 0), *zip(before, excess)))
        y = y if bias is None else c.e("add", y, bias.reshape((-1,) + (1,) * dims))
    return c.value(y, x[0].dtype)


# ---- 8-bit integers into 32 bits ----


def _centred(c, value, zero, axis):
    """value - zero as f32, exact; zero is one number or one along an axis."""
    t = c.cast(value.on(c.device), "f32")
    if zero is None:
        return t
    z = c.cast(zero.on(c.device), "f32")
    if z.ndim == 1 and z.shape[0] > 1:
        z = z.reshape([-1 if i == axis % t.ndim else 1 for i in range(t.ndim)])
    return c.e("sub", t, z if z.ndim != 1 else z.reshape(()))


def _exact(c, k, op):
    """Differences of 8-bit numbers are at most 255 and their products 65025: f32 holds the sum of 258 exactly."""
    if k > 258:
        raise Unsupported("onnx.size", f"{op} over {k} elements: sums in f32 are exact up to 258", [op])


@operator("MatMulInteger")
def matmul_integer(c, node, x):
    zeros = [x[i] if len(x) > i else None for i in (2, 3)]
    _exact(c, x[0].shape[-1], "MatMulInteger")
    y = matmul(c, _centred(c, x[0], zeros[0], -2), _centred(c, x[1], zeros[1], -1))
    return c.value(y, np.int32)


@operator("ConvInteger")
def conv_integer(c, node, x):
    zeros = [x[i] if len(x) > i else None for i in (2, 3)]
    _exact(c, _product(x[1].shape[1:]), "ConvInteger")
    stride, dilation, lo, hi = geometry(node, x[0].shape[2:], x[1].shape[2:])
    y = ops.conv(_centred(c, x[0], zeros[0], 1), _centred(c, x[1], zeros[1], 0), stride=stride, dilation=dilation,
                 pad=lo, pad_hi=hi, groups=node.get("group", 1), numerics=c.numerics)
    return c.value(y, np.int32)


def factor(c, value, t, axis):
    """A scale in the shape that broadcasts along an axis of t."""
    s = c.cast(value.on(c.device), "f32")
    if s.ndim == 1:
        s = s.reshape(()) if s.shape[0] == 1 else s.reshape([-1 if i == axis % t.ndim else 1 for i in range(t.ndim)])
    return s


def requantise(c, sums, scale, zero, like):
    """clamp(rint(sums * scale) + zero): sums are whole numbers in f32, scale is one number."""
    z = c.cast(zero.on(c.device), "f32")
    y = c.e("add", c.e("rint", c.e("mul", sums, scale)), z if z.ndim != 1 else z.reshape(()))
    info = np.iinfo(like.dtype)
    return c.value(c.clamp(y, float(info.min), float(info.max)), like.dtype)


@operator("QLinearMatMul")
def qlinear_matmul(c, node, x):
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = x
    _exact(c, a.shape[-1], "QLinearMatMul")
    sums = matmul(c, _centred(c, a, a_zero, -2), _centred(c, b, b_zero, -1))
    scale = c.e("div", c.e("mul", factor(c, a_scale, sums, -2), factor(c, b_scale, sums, -1)),
                factor(c, y_scale, sums, -2))
    return requantise(c, sums, scale, y_zero, y_zero)


@operator("QLinearConv")
def qlinear_conv(c, node, x):
    a, a_scale, a_zero, w, w_scale, w_zero, y_scale, y_zero = x[:8]
    _exact(c, _product(w.shape[1:]), "QLinearConv")
    stride, dilation, lo, hi = geometry(node, a.shape[2:], w.shape[2:])
    sums = ops.conv(_centred(c, a, a_zero, 1), _centred(c, w, w_zero, 0), stride=stride, dilation=dilation, pad=lo,
                    pad_hi=hi, groups=node.get("group", 1), numerics=c.numerics)
    if len(x) > 8 and x[8] is not None:
        bias = c.cast(x[8].on(c.device), "f32")
        sums = c.e("add", sums, bias.reshape((-1,) + (1,) * (sums.ndim - 2)))
    scale = c.e("div", c.e("mul", factor(c, a_scale, sums, 1), factor(c, w_scale, sums, 1)),
                factor(c, y_scale, sums, 1))
    return requantise(c, sums, scale, y_zero, y_zero)


# ---- einsum ----


@operator("Einsum")
def einsum(c, node, x):
    """Pairs of operands, left to right: each pair is one batched product."""
    text = node.get("equation").replace(" ", "")
    left, _, right = text.partition("->")
    terms = left.split(",")
    letters = [chr(0x100 + i) for i in range(8)]  # stand in for "..."
    terms = [_expand_dots(t, v.ndim, letters) for t, v in zip(terms, x)]
    dots = "".join(sorted({ch for t in terms for ch in t if ch in letters}))
    if "->" in text:
        right = right.replace("...", dots)
    else:
        every = "".join(terms)
        right = dots + "".join(sorted(ch for ch in set(every) - set(dots) if every.count(ch) == 1))
    tensors = [c.f32(v) for v in x]
    pairs = [_diagonal(c, t, s) for t, s in zip(tensors, terms)]
    while len(pairs) > 1:
        (a, sa), (b, sb) = pairs[:2]
        rest = set(right).union(*(s for _, s in pairs[2:]))
        pairs[:2] = [_pair(c, a, sa, b, sb, rest)]
    t, s = pairs[0]
    t, s = _sum_out(c, t, s, set(right))
    return c.value(ops.copy(t.transpose(*(s.index(ch) for ch in right))) if s != right else t, x[0].dtype)


def _expand_dots(term, rank, letters):
    if "..." not in term:
        return term
    n = rank - (len(term) - 3)
    return term.replace("...", "".join(letters[8 - n:]))


def _diagonal(c, t, s):
    for ch in sorted(set(s)):
        if s.count(ch) > 1:
            index = np.arange(int(np.prod(t.shape))).reshape(t.shape)
            i, j = [k for k, q in enumerate(s) if q == ch][:2]
            t = c.take(t, np.diagonal(index, axis1=i, axis2=j))
            s = "".join(q for k, q in enumerate(s) if k not in (i, j)) + ch
    return t, s


def _sum_out(c, t, s, keep):
    axes = tuple(i for i, ch in enumerate(s) if ch not in keep)
    if not axes:
        return t, s
    y = ops.reduce("sum", t, axes, numerics=c.numerics)
    rest = "".join(ch for ch in s if ch in keep)
    return c.reshape(y, [d for i, d in enumerate(t.shape) if i not in axes]), rest


def _pair(c, a, sa, b, sb, keep):
    a, sa = _sum_out(c, a, sa, keep | set(sb))
    b, sb = _sum_out(c, b, sb, keep | set(sa))
    batch = [ch for ch in sa if ch in sb and ch in keep]
    inner = [ch for ch in sa if ch in sb and ch not in keep]
    rows, columns = [ch for ch in sa if ch not in sb], [ch for ch in sb if ch not in sa]
    size = dict(zip(sa, a.shape)) | dict(zip(sb, b.shape))

    def arrange(t, s, *groups):
        t = ops.copy(t.transpose(*(s.index(ch) for g in groups for ch in g)))
        return c.reshape(t, [_product([size[ch] for ch in g]) for g in groups])
    y = ops.matmul(arrange(a, sa, batch, rows, inner), arrange(b, sb, batch, inner, columns), numerics=c.numerics)
    order = [*batch, *rows, *columns]
    return c.reshape(y, [size[ch] for ch in order]), "".join(order)
