# SPDX-License-Identifier: Apache-2.0
"""The model in float64 numpy, written from its definition (BERT, mean pooling, unit length).

It shares nothing with the library or with encoder.py: what it says is the truth that both are held to.
"""
import math

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)


def gelu(x):
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)).astype(np.float64))


def layernorm(x, gamma, beta, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * gamma + beta


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Reference:
    def __init__(self, config, weights):
        self.config = config
        self.w = {k: v.astype(np.float64) for k, v in weights.items()}

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        return layernorm(x, self.w[name + ".weight"], self.w[name + ".bias"], self.config["layer_norm_eps"])

    def __call__(self, ids):
        """The embedding of one sentence: ids [tokens], without padding."""
        c, w = self.config, self.w
        n, heads = len(ids), c["num_attention_heads"]
        d = c["hidden_size"] // heads
        x = (w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:n]
             + w["embeddings.token_type_embeddings.weight"][0])
        x = self.norm(x, "embeddings.LayerNorm")
        for i in range(c["num_hidden_layers"]):
            p = f"encoder.layer.{i}."
            q, k, v = (self.linear(x, p + "attention.self." + s).reshape(n, heads, d).transpose(1, 0, 2)
                       for s in ("query", "key", "value"))
            p_ij = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(d))
            seen = (p_ij @ v).transpose(1, 0, 2).reshape(n, heads * d)
            x = self.norm(x + self.linear(seen, p + "attention.output.dense"), p + "attention.output.LayerNorm")
            inner = gelu(self.linear(x, p + "intermediate.dense"))
            x = self.norm(x + self.linear(inner, p + "output.dense"), p + "output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)
