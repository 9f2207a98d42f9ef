# SPDX-License-Identifier: Apache-2.0
"""Gradients of the operations. Each function has the name of its operation and takes what that took,
`grad`, the gradient of the loss by its output, and where it says so what it gave.

    y = tenon.softmax(x)
    dx = tenon.backward.softmax(y, dy)

A class of numerics holds for gradients as for operations: CANONICAL gives the same bits everywhere.
"""
from . import ops
from ._library import Error, lib
from .tensor import Tensor

_DATA = lib.TN_PASS_BACKWARD_DATA


def eltwise(kind, a, grad, alpha=0.0, beta=0.0, numerics=None):
    """Of a function of one operand, from that operand: "gelu", "rsqrt", ..."""
    number = getattr(lib, "TN_ELTWISE_" + kind.upper(), None)
    if number is None:
        raise Error("invalid", "eltwise.kind", "kind", f"no element-wise function {kind!r}")
    fields = {"pass": _DATA, "kind": number, "a": alpha, "b": beta}
    return ops._run(lib.TN_OP_ELTWISE, ("tn_eltwise", fields), [(lib.TN_ARG_A, a), (lib.TN_ARG_GRAD, grad)], (), numerics)


def softmax(out, grad, axis=-1, log=False, numerics=None):
    """From the output of softmax, or of log_softmax."""
    fields = {"pass": _DATA, "axis": axis, "log": int(log)}
    return ops._run(lib.TN_OP_SOFTMAX, ("tn_softmax", fields), [(lib.TN_ARG_A, out), (lib.TN_ARG_GRAD, grad)], (), numerics)


def _norm(kind, a, grad, gamma, fields, numerics):
    args = [(r, t) for r, t in ((lib.TN_ARG_A, a), (lib.TN_ARG_GRAD, grad), (lib.TN_ARG_GAMMA, gamma)) if t is not None]
    return ops._run(lib.TN_OP_NORM, ("tn_norm", {"pass": _DATA, "kind": kind, **fields}), args, (), numerics)


def _affine(normed, grad, axes, numerics):
    """Gradients of gamma and beta: sums over the axes of grad times the normalised input, and of grad."""
    if not axes:
        return ops.eltwise("mul", grad, normed, numerics=numerics), grad
    shape = [n for i, n in enumerate(grad.shape) if i not in axes]
    dgamma = ops.reduce("sum", ops.eltwise("mul", grad, normed, numerics=numerics), axes, numerics)
    return dgamma.reshape(shape), ops.reduce("sum", grad, axes, numerics).reshape(shape)


def layernorm(a, grad, gamma=None, epsilon=1e-5, axes=1, numerics=None):
    """(gradient of a, of gamma, of beta)."""
    da = _norm(lib.TN_NORM_LAYER, a, grad, gamma, {"axes": axes, "epsilon": epsilon}, numerics)
    normed = ops.layernorm(a, epsilon=epsilon, axes=axes, numerics=numerics)
    return (da,) + _affine(normed, grad, tuple(range(a.ndim - axes)), numerics)


def rmsnorm(a, grad, gamma=None, epsilon=1e-5, axes=1, numerics=None):
    """(gradient of a, of gamma)."""
    da = _norm(lib.TN_NORM_RMS, a, grad, gamma, {"axes": axes, "epsilon": epsilon}, numerics)
    normed = ops.rmsnorm(a, epsilon=epsilon, axes=axes, numerics=numerics)
    return da, _affine(normed, grad, tuple(range(a.ndim - axes)), numerics)[0]


def groupnorm(a, grad, groups, gamma=None, epsilon=1e-5, axes=0, numerics=None):
    """(gradient of a, of gamma, of beta)."""
    fields = {"axes": axes, "groups": groups, "epsilon": epsilon}
    da = _norm(lib.TN_NORM_GROUP, a, grad, gamma, fields, numerics)
    normed = ops.groupnorm(a, groups, epsilon=epsilon, axes=axes, numerics=numerics)
    channel = a.ndim - (axes or a.ndim - 1)
    return (da,) + _affine(normed, grad, tuple(i for i in range(a.ndim) if i != channel), numerics)


def matmul(a, b, grad, transpose_a=False, transpose_b=False, numerics=None):
    """(gradient of a, of b), both products; operands of one batch."""
    if transpose_a:
        da = ops.matmul(b, grad, transpose_a=transpose_b, transpose_b=True, numerics=numerics)
    else:
        da = ops.matmul(grad, b, transpose_b=not transpose_b, numerics=numerics)
    if transpose_b:
        return da, ops.matmul(grad, a, transpose_a=True, transpose_b=transpose_a, numerics=numerics)
    return da, ops.matmul(a, grad, transpose_a=not transpose_a, numerics=numerics)


def bias(grad, channel=-1, numerics=None):
    """Of what was added along one axis: the sum of grad over all others."""
    axes = tuple(i for i in range(grad.ndim) if i != channel % grad.ndim)
    return ops.reduce("sum", grad, axes, numerics).reshape(grad.shape[channel]) if axes else grad


def conv(a, b, grad, stride=1, dilation=1, pad=0, pad_hi=None, groups=1, channels_last=False, numerics=None):
    """(gradient of a, of b) of a conv that is not transposed."""
    dims, first = a.ndim - 2, 1 if channels_last else 2

    def each(x):
        return (x,) * dims if isinstance(x, int) else tuple(x)

    steps, apart, low = each(stride), each(dilation), each(pad)
    high = each(pad if pad_hi is None else pad_hi)
    # What strides left over at the end of a: elements that no window covered up to.
    out_pad = tuple((a.shape[first + d] + low[d] + high[d] - (b.shape[first + d] - 1) * apart[d] - 1) % steps[d]
                    for d in range(dims))
    da = ops.conv(grad, b, stride=steps, dilation=apart, pad=low, pad_hi=high, groups=groups,
                  channels_last=channels_last, transposed=True, out_pad=out_pad, numerics=numerics)
    fields = {"dims": dims, "groups": groups, "pass": lib.TN_PASS_BACKWARD_WEIGHTS, "stride": steps, "dilation": apart,
              "pad_lo": low, "pad_hi": high, "flags": channels_last * lib.TN_CONV_CHANNELS_LAST}
    db = ops._run(lib.TN_OP_CONV, ("tn_conv", fields), [(lib.TN_ARG_A, a), (lib.TN_ARG_GRAD, grad)], (), numerics,
                  Tensor.empty(b.device, b.shape, b.dtype))
    return da, db


def attention(q, k, v, out, stats, grad, mask=None, causal=False, scale=0.0, slopes=None, lengths=None, softcap=0.0,
              window=None, numerics=None):
    """(gradient of q, of k, of v) from out and stats of the call; sinks are in stats."""
    dk, dv = Tensor.empty(k.device, k.shape, k.dtype), Tensor.empty(v.device, v.shape, v.dtype)
    args = [(lib.TN_ARG_Q, q), (lib.TN_ARG_K, k), (lib.TN_ARG_V, v), (lib.TN_ARG_OUT, out), (lib.TN_ARG_GRAD, grad),
            (lib.TN_ARG_STATS, stats)]
    args += [(role, t) for role, t in ((lib.TN_ARG_MASK, mask), (lib.TN_ARG_LENGTHS, lengths),
                                       (lib.TN_ARG_SLOPES, slopes)) if t is not None]
    args += [(lib.TN_ARG_OUT_GRAD_B, dk), (lib.TN_ARG_OUT_GRAD_V, dv)]
    flags = {False: 0, True: lib.TN_ATTENTION_CAUSAL, "end": lib.TN_ATTENTION_CAUSAL_FROM_END}[causal]
    fields = {"pass": _DATA, "flags": flags, "scale": scale, "softcap": softcap}
    if window is not None:
        fields.update(flags=flags | lib.TN_ATTENTION_WINDOW, window_left=window[0], window_right=window[1])
    dq = ops._run(lib.TN_OP_ATTENTION, ("tn_attention", fields), args, (), numerics, out_role=lib.TN_ARG_OUT_GRAD_A)
    return dq, dk, dv


def rope(grad, positions, freq, interleaved=False, rotary_dims=0, numerics=None):
    """The same rotation the other way round."""
    turned = ops.eltwise("neg", freq, numerics=numerics)
    return ops.rope(grad, positions, turned, interleaved, rotary_dims, numerics)


def gather(grad, index, rows, axis=0, numerics=None):
    """Of the table, which has `rows` along the axis: what grad brings to each of its rows, added up."""
    fields = {"axis": axis, "flags": lib.TN_GATHER_BACKWARD, "param": rows}
    return ops._run(lib.TN_OP_GATHER, ("tn_axis", fields), [(lib.TN_ARG_GRAD, grad), (lib.TN_ARG_INDEX, index)], (), numerics)


def cumsum(grad, axis=-1, exclusive=False, reverse=False, numerics=None):
    """The running sum from the other end."""
    return ops.cumsum(grad, axis, exclusive, not reverse, numerics=numerics)
