# SPDX-License-Identifier: Apache-2.0
"""A block of a diffusion transformer (adaLN-Zero) with seeded weights, and its twin in float64 numpy."""
import math

import numpy as np

import tenon

from .reference import softmax

MODEL = "DiT block"
HIDDEN, HEADS, INNER, TOKENS, BATCH = 384, 6, 1536, 256, 2
EPSILON = 1e-6
SEED = 20240607


def make():
    """(weights, x [batch, tokens, hidden], condition [batch, hidden])"""
    rng = np.random.default_rng(SEED)

    def linear(n, k):
        w, b = rng.standard_normal((n, k)) / math.sqrt(k), rng.standard_normal(n) / 10
        return w.astype(np.float32), b.astype(np.float32)
    w = {"modulation": linear(6 * HIDDEN, HIDDEN), "qkv": linear(3 * HIDDEN, HIDDEN), "out": linear(HIDDEN, HIDDEN),
         "up": linear(INNER, HIDDEN), "down": linear(HIDDEN, INNER)}
    x = rng.standard_normal((BATCH, TOKENS, HIDDEN)).astype(np.float32)
    return w, x, rng.standard_normal((BATCH, HIDDEN)).astype(np.float32)


class Block:
    def __init__(self, device, weights, numerics="canonical"):
        self.device, self.numerics = device, numerics
        self.w = {k: tuple(device.tensor(p) for p in pair) for k, pair in weights.items()}

    def linear(self, x, name, **epilogue):
        w, b = self.w[name]
        return tenon.matmul(x, w, transpose_b=True, bias=b, constant_b=True, numerics=self.numerics, **epilogue)

    def e(self, kind, *operands, **more):
        return tenon.eltwise(kind, *operands, numerics=self.numerics, **more)

    def modulated(self, x, shift, scale):
        """norm(x) (1 + scale) + shift; shift and scale are [batch, 1, hidden]"""
        batch, tokens, hidden = x.shape
        z = tenon.layernorm(x.reshape(batch * tokens, hidden), epsilon=EPSILON, numerics=self.numerics)
        wide = self.e("scale", scale, alpha=1.0, beta=1.0)
        return self.e("fma", z.reshape(x.shape), wide, shift).reshape(batch * tokens, hidden)

    def __call__(self, x, condition):
        batch, tokens, hidden = x.shape
        d = hidden // HEADS
        six = self.linear(self.e("silu", condition), "modulation").reshape(batch, 6, 1, hidden)
        shift1, scale1, gate1, shift2, scale2, gate2 = (six.pick(1, i) for i in range(6))
        qkv = self.linear(self.modulated(x, shift1, scale1), "qkv").reshape(batch, tokens, 3, HEADS, d)
        q, k, v = (qkv.pick(2, i).transpose(0, 2, 1, 3) for i in range(3))
        seen = self.device.empty((batch, tokens, HEADS, d))
        tenon.attention(q, k, v, out=seen.transpose(0, 2, 1, 3), numerics=self.numerics)
        y = self.linear(seen.reshape(batch * tokens, hidden), "out").reshape(x.shape)
        x = self.e("fma", gate1, y, x)
        inner = self.linear(self.modulated(x, shift2, scale2), "up", act="gelu_tanh")
        return self.e("fma", gate2, self.linear(inner, "down").reshape(x.shape), x)


def twin(weights, x, condition):
    """The same block from its definition, in float64."""
    w = {k: tuple(p.astype(float) for p in pair) for k, pair in weights.items()}
    x, condition = x.astype(float), condition.astype(float)

    def linear(t, name):
        return t @ w[name][0].T + w[name][1]

    def modulated(t, shift, scale):
        centred = t - t.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * (1 + scale) + shift
    batch, tokens, hidden = x.shape
    d = hidden // HEADS
    six = linear(condition / (1 + np.exp(-condition)), "modulation").reshape(batch, 6, 1, hidden)
    shift1, scale1, gate1, shift2, scale2, gate2 = (six[:, i] for i in range(6))
    qkv = linear(modulated(x, shift1, scale1), "qkv").reshape(batch, tokens, 3, HEADS, d).transpose(2, 0, 3, 1, 4)
    p = softmax(qkv[0] @ qkv[1].swapaxes(-1, -2) / math.sqrt(d))
    seen = (p @ qkv[2]).transpose(0, 2, 1, 3).reshape(batch, tokens, hidden)
    x = x + gate1 * linear(seen, "out")
    inner = linear(modulated(x, shift2, scale2), "up")
    inner = inner / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
    return x + gate2 * linear(inner, "down")
