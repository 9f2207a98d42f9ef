# SPDX-License-Identifier: Apache-2.0
"""Attention with a cache, and rotary embedding."""
import math

import numpy as np

from .. import ops
from .reductions import reduce
from .table import Unsupported, operator
from .value import Value


def _heads(c, t, count):
    """[batch, tokens, heads * d] as [batch, heads, tokens, d]; four dims stay."""
    if t.ndim == 4:
        return t
    batch, tokens, hidden = t.shape
    return c.reshape(t, (batch, tokens, count, hidden // count)).transpose(0, 2, 1, 3)


def _optional(x, i):
    return x[i] if len(x) > i else None


def _mask_bias(c, node, mask, scores, past, lengths):
    """The additive mask [.., queries, keys], in f32 on the device, or None: -inf where a key takes no part."""
    queries, keys = scores[-2:]
    bias = None
    if mask is not None:
        bias = c.where(mask.on(c.device), 0.0, -math.inf) if mask.dtype == bool else c.f32(mask)
        if mask.shape[-1] < keys:  # the mask may be shorter than the cache
            bias = ops.pad(bias, ((0, 0),) * (bias.ndim - 1) + ((0, keys - mask.shape[-1]),), value=-math.inf)
    causal, left, right = (node.get(k, d) for k, d in (("is_causal", 0), ("left_window_size", -1),
                                                       ("right_window_size", -1)))
    if not causal and lengths is None and left < 0 and right < 0:
        return bias
    c.host("masks from positions")
    place, key = np.arange(queries)[:, None] + past, np.arange(keys)
    seen = np.ones((1, 1, queries, keys), bool)
    if lengths is not None:
        n = c.ints(lengths).reshape(-1, 1, 1, 1)
        seen, place = seen & (key < n), place + (0 if past else n - queries)
    for limit, inside in ((causal, key <= place), (left >= 0, key >= place - left), (right >= 0, key <= place + right)):
        if limit:
            seen = seen & inside
    hole = c.where(c.array(seen), 0.0, -math.inf)
    return hole if bias is None else c.e("add", bias, hole)


@operator("Attention", since=23)
def attention(c, node, x):
    q, k, v, mask = x[0], x[1], x[2], _optional(x, 3)
    past_k, past_v, lengths = _optional(x, 4), _optional(x, 5), _optional(x, 6)
    flat = q.ndim == 3
    q_heads, kv_heads = node.get("q_num_heads", q.shape[1]), node.get("kv_num_heads", k.shape[1])
    tq, tk, tv = _heads(c, c.f32(q), q_heads), _heads(c, c.f32(k), kv_heads), _heads(c, c.f32(v), kv_heads)
    past = 0
    if past_k is not None:
        past = past_k.shape[2]
        tk = ops.concat([c.f32(past_k), ops.copy(tk)], 2)
        tv = ops.concat([c.f32(past_v), ops.copy(tv)], 2)
    batch, heads, queries, d = tq.shape
    keys = tk.shape[2]
    if tv.shape[-1] != d and tv.shape[1] != heads and heads % tv.shape[1]:
        raise Unsupported("onnx.attribute", "Attention of heads that do not divide", ["Attention"])
    scale = node.get("scale", 0.0) or 1 / math.sqrt(d)
    softcap = node.get("softcap", 0.0)
    bias = _mask_bias(c, node, mask, (batch, heads, queries, keys), past, lengths)
    if bias is not None:
        bias = bias if bias.ndim == 4 else bias.reshape((1,) * (4 - bias.ndim) + bias.shape)
        bias = c.broadcast(bias, (batch, heads, queries, keys)) if bias.shape[:2] not in ((1, 1), (batch, heads)) else bias
    extra = len(node.outputs) > 3 and node.outputs[3] != ""
    seen = ops.attention(tq, tk, tv, mask=bias, scale=scale, softcap=softcap, numerics=c.numerics)
    y = ops.copy(seen.transpose(0, 2, 1, 3)) if flat else seen
    y = c.reshape(y, (batch, queries, -1)) if flat else y
    out = [c.value(y, q.dtype)]
    if len(node.outputs) > 1:
        out += [c.value(ops.copy(tk), k.dtype), c.value(ops.copy(tv), v.dtype)][:len(node.outputs) - 1]
    if extra:
        out.append(c.value(_scores(c, node, tq, tk, bias, scale, softcap), q.dtype))
    return tuple(out)


def _scores(c, node, q, k, bias, scale, softcap):
    """What the fourth output asks for: the scores after a stage of their making."""
    batch, heads, queries, d = q.shape
    group = heads // k.shape[1]
    if group > 1:
        k = ops.copy(ops.copy(k).reshape(batch, k.shape[1], 1, k.shape[2], d).broadcast(
            (batch, k.shape[1], group, k.shape[2], d))).reshape(batch, heads, k.shape[2], d)
    z = c.scale(ops.matmul(q, k, transpose_b=True, numerics=c.numerics), scale)
    mode = node.get("qk_matmul_output_mode", 0)
    if mode and softcap:
        z = c.scale(c.e("tanh", c.scale(z, 1 / softcap)), softcap)
    if mode >= 2 and bias is not None:
        z = c.e("add", z, bias)
    if mode < 3:
        return z
    none = c.e("equal", reduce(c, "max", z, [3]), -math.inf)
    return c.where(none, 0.0, ops.softmax(z, numerics=c.numerics))


@operator("RotaryEmbedding", since=23)
def rotary(c, node, x):
    """y0 = x0 cos - x1 sin, y1 = x0 sin + x1 cos with tables of cos and sin, picked by position."""
    t = c.f32(x[0])
    flat = t.ndim == 3
    heads = node.get("num_heads", 0)
    if flat:
        batch, tokens, hidden = t.shape
        t = c.reshape(t, (batch, tokens, heads, hidden // heads))
    else:
        t = ops.copy(t.transpose(0, 2, 1, 3))
    d = t.shape[-1]
    dims = node.get("rotary_embedding_dim", 0) or d
    cos, sin = (c.f32(v) for v in x[1:3])
    if len(x) > 3 and x[3] is not None:
        cos, sin = (ops.gather(table, x[3].on(c.device)) for table in (cos, sin))
    cos, sin = (c.reshape(v, (v.shape[0], v.shape[1], 1, v.shape[2])) for v in (cos, sin))
    half = dims // 2
    if node.get("interleaved", 0):
        x0, x1 = t.slice(3, 0, dims, 2), t.slice(3, 1, dims, 2)
    else:
        x0, x1 = t.slice(3, 0, half), t.slice(3, half, dims)
    y0 = c.e("fma", x0, cos, c.e("neg", c.e("mul", x1, sin)))
    y1 = c.e("fma", x0, sin, c.e("mul", x1, cos))
    if node.get("interleaved", 0):
        both = ops.concat([c.reshape(v, (*v.shape, 1)) for v in (y0, y1)], 4)
        y = c.reshape(both, (*both.shape[:3], dims))
    else:
        y = ops.concat([y0, y1], 3)
    if dims < d:
        y = ops.concat([y, ops.copy(t.slice(3, dims, d))], 3)
    y = c.reshape(y, x[0].shape) if flat else ops.copy(y.transpose(0, 2, 1, 3))
    return Value(tensor=c.cast(y, x[0].name))
