# SPDX-License-Identifier: Apache-2.0
"""A decoder-only transformer with seeded weights: RMSNorm, rotary positions, grouped queries, SwiGLU, a cache of keys
and values on the device, greedy choice; and its twin in float64 numpy, which keeps no cache."""
import math

import numpy as np

import tenon

from .reference import softmax

MODEL = "decoder"
VOCABULARY, HIDDEN, LAYERS, HEADS, KV_HEADS, INNER = 512, 256, 4, 8, 2, 688
D = HIDDEN // HEADS
PROMPT, MORE = 24, 24  # tokens given and tokens made
EPSILON, BASE = 1e-5, 10000.0
SEED = 20231001


def make():
    """({name: weights}, prompt)"""
    rng = np.random.default_rng(SEED)

    def linear(n, k):
        return (rng.standard_normal((n, k)) / math.sqrt(k)).astype(np.float32)
    w = {"embedding": rng.standard_normal((VOCABULARY, HIDDEN)).astype(np.float32),
         "norm": (1 + rng.standard_normal(HIDDEN) / 10).astype(np.float32), "head": linear(VOCABULARY, HIDDEN)}
    for i in range(LAYERS):
        w |= {f"{i}.norm1": (1 + rng.standard_normal(HIDDEN) / 10).astype(np.float32),
              f"{i}.qkv": linear((HEADS + 2 * KV_HEADS) * D, HIDDEN), f"{i}.out": linear(HIDDEN, HEADS * D),
              f"{i}.norm2": (1 + rng.standard_normal(HIDDEN) / 10).astype(np.float32),
              f"{i}.gate": linear(INNER, HIDDEN), f"{i}.up": linear(INNER, HIDDEN), f"{i}.down": linear(HIDDEN, INNER)}
    return w, rng.integers(0, VOCABULARY, PROMPT).astype(np.int32)


def frequencies():
    return (BASE ** -(np.arange(D // 2) * 2 / D)).astype(np.float32)


class Decoder:
    def __init__(self, device, weights, most=PROMPT + MORE, numerics="canonical"):
        self.device, self.numerics = device, numerics
        self.w = {k: device.tensor(v) for k, v in weights.items()}
        self.freq = device.tensor(frequencies())
        self.keys, self.values = ([device.empty((1, KV_HEADS, most, D)) for _ in range(LAYERS)] for _ in range(2))

    def linear(self, x, name, **epilogue):
        return tenon.matmul(x, self.w[name], transpose_b=True, constant_b=True, numerics=self.numerics, **epilogue)

    def norm(self, x, name):
        return tenon.rmsnorm(x, self.w[name], EPSILON, numerics=self.numerics)

    def attend(self, x, i, at, n):
        """The new tokens against the cache of layer i, which they enter first."""
        qkv = self.linear(self.norm(x, f"{i}.norm1"), f"{i}.qkv").reshape(1, n, HEADS + 2 * KV_HEADS, D)
        q, k, v = (qkv.slice(2, a, b).transpose(0, 2, 1, 3) for a, b in
                   ((0, HEADS), (HEADS, HEADS + KV_HEADS), (HEADS + KV_HEADS, HEADS + 2 * KV_HEADS)))
        positions = self.device.tensor(np.arange(at, at + n, dtype=np.int32))
        q, k = (tenon.rope(t, positions, self.freq, numerics=self.numerics) for t in (q, k))
        tenon.copy(k, out=self.keys[i].slice(2, at, at + n))
        tenon.copy(v, out=self.values[i].slice(2, at, at + n))
        seen = self.device.empty((1, n, HEADS, D))
        tenon.attention(q, self.keys[i].slice(2, 0, at + n), self.values[i].slice(2, 0, at + n), causal="end",
                        out=seen.transpose(0, 2, 1, 3), numerics=self.numerics)
        return self.linear(seen.reshape(n, HEADS * D), f"{i}.out", residual=x)

    def step(self, tokens, at):
        """Logits [vocabulary] after the last of the tokens, which stand from position `at` on."""
        n = len(tokens)
        x = tenon.gather(self.w["embedding"], self.device.tensor(np.asarray(tokens, np.int32)))
        for i in range(LAYERS):
            x = self.attend(x, i, at, n)
            y = self.norm(x, f"{i}.norm2")
            inner = tenon.eltwise("mul", self.linear(y, f"{i}.gate", act="silu"), self.linear(y, f"{i}.up"),
                                  numerics=self.numerics)
            x = self.linear(inner, f"{i}.down", residual=x)
        return self.linear(self.norm(x.slice(0, n - 1, n), "norm"), "head").numpy(copy=True)[0]

    def __call__(self, prompt, more=MORE):
        """(tokens, logits [more, vocabulary]): the prompt at once, then token by token."""
        tokens, rows, at, new = [], [], 0, list(prompt)
        for _ in range(more):
            rows.append(self.step(new, at))
            at += len(new)
            new = [int(rows[-1].argmax())]
            tokens += new
        return tokens, np.stack(rows)


class Twin:
    def __init__(self, weights):
        self.w = {k: v.astype(float) for k, v in weights.items()}

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * self.w[name]

    def rope(self, x):
        angle = np.arange(x.shape[1])[:, None] * frequencies().astype(float)
        a, b = x[..., :D // 2], x[..., D // 2:]
        return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], -1)

    def logits(self, tokens):
        """[tokens, vocabulary] of a whole sequence."""
        n = len(tokens)
        x = self.w["embedding"][tokens]
        hidden = np.triu(np.full((n, n), -np.inf), 1)
        for i in range(LAYERS):
            qkv = (self.norm(x, f"{i}.norm1") @ self.w[f"{i}.qkv"].T).reshape(n, -1, D).swapaxes(0, 1)
            q, k = self.rope(qkv[:HEADS]), self.rope(qkv[HEADS:HEADS + KV_HEADS])
            group = HEADS // KV_HEADS
            k, v = np.repeat(k, group, 0), np.repeat(qkv[HEADS + KV_HEADS:], group, 0)
            seen = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(D) + hidden) @ v
            x = x + seen.swapaxes(0, 1).reshape(n, -1) @ self.w[f"{i}.out"].T
            y = self.norm(x, f"{i}.norm2")
            gate = y @ self.w[f"{i}.gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (y @ self.w[f"{i}.up"].T)) @ self.w[f"{i}.down"].T
        return self.norm(x, "norm") @ self.w["head"].T

    def __call__(self, prompt, more=MORE):
        tokens, rows = list(prompt), []
        for _ in range(more):
            rows.append(self.logits(tokens)[-1])
            tokens.append(int(rows[-1].argmax()))
        return tokens[len(prompt):], np.stack(rows)
