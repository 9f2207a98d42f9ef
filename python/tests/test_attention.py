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


def test_cache_grows_by_copies_into_it(device, rng):
    """Token by token through a cache with room for more: the bits of one call over all of them."""
    q, k, v = (rng.standard_normal(s).astype(np.float32) for s in ((2, 6, 9, 16), (2, 2, 9, 16), (2, 2, 9, 24)))
    whole = tenon.attention(*(device.tensor(x) for x in (q, k, v)), causal=True, numerics="canonical").numpy(copy=True)
    keys, values = (device.tensor(np.full((2, 2, 300, d), np.nan, np.float32)) for d in (16, 24))
    for first, last in ((0, 4), (4, 5), (5, 6), (6, 9)):
        for cache, new in ((keys, k), (values, v)):
            tenon.copy(device.tensor(np.ascontiguousarray(new[:, :, first:last])), out=cache.slice(2, first, last))
        now = device.tensor(np.ascontiguousarray(q[:, :, first:last]))
        lengths = device.tensor(np.full(2, last, np.int32))
        got = tenon.attention(now, keys, values, lengths=lengths, causal="end", numerics="canonical").numpy(copy=True)
        assert np.array_equal(got, whole[:, :, first:last])


def test_pages_are_the_cache_in_pieces(device, rng):
    q, k, v = (rng.standard_normal(s).astype(np.float32) for s in ((2, 4, 1, 16), (2, 2, 80, 16), (2, 2, 80, 16)))
    table = rng.permutation(13)[:10].astype(np.int32).reshape(2, 5)
    pages = [np.full((13, 2, 16, 16), np.nan, np.float32) for _ in range(2)]
    for pool, rows in zip(pages, (k, v)):
        for b in range(2):
            for i in range(5):
                pool[table[b, i]] = rows[b, :, 16 * i:16 * i + 16]
    lengths = np.int32([80, 37])
    table[1, 3:] = -1  # behind the end of that batch nothing is needed
    t = [device.tensor(x) for x in (q, k, v, *pages)]
    want = tenon.attention(*t[:3], lengths=device.tensor(lengths), causal="end", numerics="canonical").numpy(copy=True)
    got = tenon.attention(t[0], *t[3:], pages=device.tensor(table), lengths=device.tensor(lengths), causal="end",
                          numerics="canonical").numpy(copy=True)
    assert np.array_equal(got, want)
    truth_of = truth(*(x.astype(float) for x in (q, k, v)), 0.25, lengths=lengths, causal="end")
    assert np.abs(got - truth_of).max() < 1e-5


@pytest.mark.parametrize("per", ("tensor", "head", "token"))
def test_eight_bit_keys_and_values(device, rng, per):
    shape = {"tensor": (), "head": (2, 1), "token": (1, 2, 150)}[per]
    q = rng.standard_normal((1, 8, 2, 32)).astype(np.float32)
    k, v = (rng.integers(-128, 128, (1, 2, 150, 32)).astype(np.int8) for _ in range(2))
    ks, vs = (np.asarray(rng.uniform(0.005, 0.02, shape), np.float32) for _ in range(2))
    wide = [x.astype(np.float32) * np.broadcast_to(s, (1, 2, 150))[..., None] for x, s in ((k, ks), (v, vs))]
    got = tenon.attention(device.tensor(q), device.tensor(k), device.tensor(v), k_scale=device.tensor(ks),
                          v_scale=device.tensor(vs), numerics="canonical").numpy(copy=True)
    same = tenon.attention(device.tensor(q), *(device.tensor(x) for x in wide), numerics="canonical").numpy(copy=True)
    assert np.array_equal(got, same)
    assert np.abs(got - truth(q.astype(float), *(x.astype(float) for x in wide), 32**-0.5)).max() < 1e-5
