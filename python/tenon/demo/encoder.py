# SPDX-License-Identifier: Apache-2.0
"""all-MiniLM-L6-v2 over the binding, written once for every device."""
import numpy as np

import tenon


class Encoder:
    """Weights on one device; calling it gives embeddings of unit length, float32 [batch, 384]. dtype: of
    what products and attention read; sums, norms and the stream between the layers are f32."""

    def __init__(self, device, config, weights, numerics="canonical", dtype="f32"):
        self.device, self.config, self.numerics, self.dtype = device, config, numerics, dtype
        self.heads = config["num_attention_heads"]
        self.d = config["hidden_size"] // self.heads
        w = dict(weights)
        for i in range(config["num_hidden_layers"]):
            # q, k and v of a layer are one product: [3 * hidden, hidden]
            p = f"encoder.layer.{i}.attention.self."
            for kind in ("weight", "bias"):
                w[f"{p}qkv.{kind}"] = np.concatenate(
                    [w.pop(f"{p}{part}.{kind}") for part in ("query", "key", "value")])
        self.w = {k: device.tensor(v) for k, v in w.items() if not k.startswith("pooler.")}
        for k in [k for k, v in w.items() if v.ndim == 2 and k.startswith("encoder.")]:
            self.w[k] = self.narrow(self.w[k])
        types = np.ascontiguousarray(weights["embeddings.token_type_embeddings.weight"][0])
        self.type_row = device.tensor(types)

    def narrow(self, x):
        return x if x.dtype == self.dtype else tenon.cast(x, self.dtype)

    def linear(self, x, name, **epilogue):
        """The bits of a row of the product depend on nothing but that row (CANONICAL)."""
        return tenon.matmul(self.narrow(x), self.w[name + ".weight"], transpose_b=True, bias=self.w[name + ".bias"],
                            constant_b=True, numerics=self.numerics, **epilogue)

    def norm(self, x, name):
        return tenon.layernorm(x, self.w[name + ".weight"], self.w[name + ".bias"],
                               self.config["layer_norm_eps"], numerics=self.numerics)

    def eltwise(self, kind, *operands):
        return tenon.eltwise(kind, *operands, numerics=self.numerics)

    def embed(self, ids, batch, tokens):
        words = tenon.gather(self.w["embeddings.word_embeddings.weight"], self.device.tensor(ids.reshape(-1)))
        places = self.w["embeddings.position_embeddings.weight"].slice(0, 0, tokens)
        hidden = self.config["hidden_size"]
        x = self.eltwise("add", words.reshape(batch, tokens, hidden), places)
        x = self.eltwise("add", x, self.type_row)
        return self.norm(x.reshape(batch * tokens, hidden), "embeddings.LayerNorm")

    def attend(self, x, prefix, mask, batch, tokens):
        hidden = self.heads * self.d
        qkv = self.linear(x, prefix + "self.qkv", dtype=self.dtype).reshape(batch, tokens, 3, self.heads, self.d)
        q, k, v = (qkv.pick(2, i).transpose(0, 2, 1, 3) for i in range(3))
        # written with the heads side by side, so that no transposition follows
        seen = self.device.empty((batch, tokens, self.heads, self.d), self.dtype)
        tenon.attention(q, k, v, mask=mask, out=seen.transpose(0, 2, 1, 3), numerics=self.numerics)
        return seen.reshape(batch * tokens, hidden)

    def __call__(self, ids, mask):
        """ids, mask: [batch, tokens]; mask is false where a row is padding."""
        batch, tokens = ids.shape
        keys = self.device.tensor(mask.reshape(batch, 1, 1, tokens))
        x = self.embed(ids, batch, tokens)
        for i in range(self.config["num_hidden_layers"]):
            p = f"encoder.layer.{i}."
            seen = self.attend(x, p + "attention.", keys, batch, tokens)
            x = self.norm(self.linear(seen, p + "attention.output.dense", residual=x, dtype="f32"),
                          p + "attention.output.LayerNorm")
            inner = self.linear(x, p + "intermediate.dense", act="gelu", dtype=self.dtype)
            x = self.norm(self.linear(inner, p + "output.dense", residual=x, dtype="f32"), p + "output.LayerNorm")
        return self.pool(x.reshape(batch, tokens, -1), mask).numpy(copy=True)

    def pool(self, x, mask):
        """The mean over the tokens that are there, then unit length."""
        batch, tokens, hidden = x.shape
        there = self.device.tensor(mask.astype(np.float32).reshape(batch, tokens, 1))
        share = self.device.tensor((1.0 / mask.sum(1, keepdims=True)).astype(np.float32))
        total = tenon.reduce("sum", self.eltwise("mul", x, there), 1, numerics=self.numerics)
        mean = self.eltwise("mul", total.reshape(batch, hidden), share)
        squares = tenon.reduce("sumsq", mean, 1, numerics=self.numerics).reshape(batch, 1)
        return self.eltwise("mul", mean, self.eltwise("rsqrt", squares))
