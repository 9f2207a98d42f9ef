# SPDX-License-Identifier: Apache-2.0
"""Attention beyond the plain call, against its definition in float64."""
import numpy as np
import pytest

import tenon


def truth(q, k, v, scale, sinks=None, slopes=None, lengths=None, causal=False, softcap=0.0, window=None):
    """Head by head, row by row; grouped heads share keys."""
    batch, heads, queries, _ = q.shape
    out = np.zeros((batch, heads, queries, v.shape[3]))
    for b in range(batch):
        keys = k.shape[2] if lengths is None else lengths[b]
        for h in range(heads):
            g = h // (heads // k.shape[1])
            for i in range(queries):
                at = keys - queries + i if causal == "end" else i
                s = k[b, g, :keys] @ q[b, h, i] * scale
                j = np.arange(keys)
                if softcap:
                    s = softcap * np.tanh(s / softcap)
                if slopes is not None:
                    s = s + slopes[h] * (j - at)
                part = np.ones(keys, bool)
                if causal:
                    part &= j <= at
                if window is not None:
                    part &= (j >= at - window[0]) & (j <= at + window[1])
                s = s[part]
                extra = [] if sinks is None else [sinks[h]]
                if len(s) + len(extra) == 0:
                    continue
                top = max([*s, *extra])
                w = np.exp(s - top)
                out[b, h, i] = w @ v[b, g, :keys][part] / (w.sum() + sum(np.exp(x - top) for x in extra))
    return out


@pytest.mark.parametrize("name", ("f32", "f16", "bf16"))
def test_attention_of_narrow_floats(device, rng, name):
    q, k, v = (tenon.cast(device.tensor(rng.standard_normal(s).astype(np.float32)), name)
               for s in ((2, 4, 5, 24), (2, 2, 150, 24), (2, 2, 150, 16)))
    more = dict(sinks=device.tensor(np.float32([0.5, -1, 2, 0])), slopes=device.tensor(np.float32([0.1, 0.05, 0, -0.02])),
                lengths=device.tensor(np.int32([150, 77])), causal="end", softcap=8.0, window=(60, 0))
    wide = [tenon.cast(t, "f32").numpy(copy=True).astype(float) for t in (q, k, v)]
    plain = {n: t.numpy(copy=True) if isinstance(t, tenon.Tensor) else t for n, t in more.items()}
    want = truth(*wide, 24**-0.5, **plain)
    got = tenon.cast(tenon.attention(q, k, v, **more), "f32").numpy(copy=True)
    unit = {"f32": 2.0**-21, "f16": 2.0**-11, "bf16": 2.0**-8}[name]
    # Weights and outputs are rounded to the dtype; a weighted mean is below the largest value.
    assert np.abs(got - want).max() <= 3 * unit * np.abs(wide[2]).max()
    canonical = [tenon.cast(tenon.attention(q, k, v, **more, numerics="canonical"), "f32").numpy(copy=True) for _ in range(2)]
    assert np.array_equal(*canonical)
