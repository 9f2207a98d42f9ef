# SPDX-License-Identifier: Apache-2.0
"""Operators that carry a state from call to call: linear attention and the causal convolution before it."""
import math


from .. import ops
from .movement import join
from .table import operator


def _given(x, i):
    return x[i] if len(x) > i else None


def _heads(c, t, count):
    """[batch, tokens, heads * d] as [batch, tokens, heads, d]"""
    return c.reshape(t, (*t.shape[:2], count, t.shape[2] // count))


@operator("LinearAttention", since=27)
def linear_attention(c, node, x):
    """Token by token: the state decays, takes in an outer product, and answers the query."""
    rule, kv, heads = node.get("update_rule", "gated_delta"), node.get("kv_num_heads"), node.get("q_num_heads")
    q = _heads(c, c.f32(x[0]), heads)
    k, v = (_heads(c, c.f32(t), kv) for t in x[1:3])
    batch, tokens, _, d = q.shape
    scale = node.get("scale", 0.0) or 1 / math.sqrt(d)
    decay = beta = None
    if rule in ("gated", "gated_delta"):
        decay = c.e("exp", _heads(c, c.f32(x[4]), kv))
    if rule in ("delta", "gated_delta"):
        beta = c.f32(x[5])
        beta = c.reshape(beta, (batch, tokens, beta.shape[2], 1))
    past = _given(x, 3)
    state = c.f32(past) if past is not None else c.broadcast(c.const(0.0), (batch, kv, d, v.shape[3]))
    out = []
    for i in range(tokens):
        key, value = ops.copy(k.pick(1, i)), ops.copy(v.pick(1, i))
        if decay is not None:
            g = ops.copy(decay.pick(1, i))
            state = c.e("mul", state, c.reshape(g, (*g.shape, 1)))
        if beta is not None:
            known = ops.matmul(c.reshape(key, (batch, kv, 1, d)), state, numerics=c.numerics)
            value = c.e("mul", c.e("sub", value, c.reshape(known, value.shape)), beta.pick(1, i))
        state = c.e("fma", c.reshape(key, (batch, kv, d, 1)), c.reshape(value, (batch, kv, 1, value.shape[2])), state)
        asked = c.reshape(c.scale(ops.copy(q.pick(1, i)), scale), (batch, kv, heads // kv, d))
        y = ops.matmul(asked, state, numerics=c.numerics)
        out.append(c.reshape(y, (batch, 1, heads * value.shape[2])))
    return (c.value(join(c, out, 1), x[0].dtype),
            c.value(state, past.dtype if past is not None else x[0].dtype))[:len(node.outputs)]


@operator("CausalConvWithState", since=27)
def causal_conv(c, node, x):
    t, w = c.f32(x[0]), c.f32(x[1])
    bias, past = _given(x, 2), _given(x, 3)
    keep = w.shape[2] - 1
    before = c.f32(past) if past is not None else c.broadcast(c.const(0.0), (*t.shape[:2], keep))
    line = ops.concat([before, t], 2) if keep else t
    act = "silu" if node.get("activation", "none") in ("silu", "swish") else None
    y = ops.conv(line, w, c.f32(bias) if bias is not None else None, act, groups=t.shape[1], numerics=c.numerics)
    last = ops.copy(line.slice(2, line.shape[2] - keep, line.shape[2]))
    return (c.value(y, x[0].dtype), c.value(last, x[0].dtype))[:len(node.outputs)]
