#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden vectors of CANONICAL 1: seeded inputs, bits from check_canonical.py.

Run for a new version of the class only; the vectors in the tree are what devices are held to."""
import os
import random

import check_canonical as cc

SPECIAL = [0.0, -0.0, 1.0, -1.0, cc.INF, -cc.INF, cc.NAN, cc.val(1), cc.val(0x80000001), cc.val(0x007FFFFF), cc.val(0x00800000),
           cc.val(0x7F7FFFFF), cc.val(0xFF7FFFFF), 0.5, 1.5, 2.5, -2.5, cc.val(0x3F7FFFFF), cc.val(0x3FFFFFFF), 88.5, -87.25, -103.875, 16777216.0]
R = random.Random(1)


def gauss(n, s=1.0): return [cc.r32(R.gauss(0.0, s)) for _ in range(n)]


def anybits(n): return [cc.val(R.getrandbits(32)) for _ in range(n)]


def size(dims):
    n = 1
    for d in dims:
        n *= d
    return n


class File:
    def __init__(self, name):
        self.path, self.parts = os.path.join(cc.HERE, name), []

    def case(self, op, out_dims, args, **key):
        """args: name -> (dims, values)"""
        key = {k: (float(v).hex() if isinstance(v, float) else str(v)) for k, v in key.items()}
        got = cc.compute(op, key, {n: v for n, (_, v) in args.items()}, {n: list(d) for n, (d, _) in args.items()})
        assert len(got) == size(out_dims), (op, key)
        lines = ["case " + " ".join([op] + [f"{k}={v}" for k, v in key.items()])]
        for name, (dims, values) in list(args.items()) + [("out", (out_dims, got))]:
            kind = cc.types(key).get(name, "f32")
            digits = {"f32": 8, "s32": 8, "bf16": 4, "f16": 4}.get(kind, 2)
            lines.append(" ".join([name, "x".join(map(str, dims))] + [f"{cc.word(kind, v):0{digits}x}" for v in values]))
        self.parts.append("\n".join(lines) + "\n")

    def backward(self, of, form, args, out_dims, **key):
        """form: the op's text; out_dims: of each output."""
        key = {"of": of, **{k: (float(v).hex() if isinstance(v, float) else str(v)) for k, v in key.items()}}
        dims = {n: list(d) for n, (d, _) in args.items()}
        dims.update(out_dims if of != "attention" else {})
        got = cc.backward(key, {n: v for n, (_, v) in args.items()}, dims)
        lines = ["case " + " ".join(["backward"] + [f"{k}={v}" for k, v in key.items()] + ["form=" + form.replace(" ", "~")])]
        for name, (dims, values) in list(args.items()) + [(n, (d, got[n])) for n, d in out_dims.items()]:
            assert len(values) == size(dims), (form, name)
            lines.append(" ".join([name, "x".join(map(str, dims))] + [f"{cc.bits(v):08x}" for v in values]))
        self.parts.append("\n".join(lines) + "\n")

    def close(self):
        with open(self.path, "w", encoding="ascii") as f:
            f.write("".join(self.parts))


def functions():
    f = File("functions.txt")
    for kind in cc.UNARY:
        v = SPECIAL + anybits(60) + gauss(60, 4.0)
        f.case("unary", [len(v)], {"a": ([len(v)], v)}, kind=kind)
    for kind in ("add", "mul", "max", "min"):
        a = [x for x in SPECIAL for _ in SPECIAL] + anybits(40)
        b = [x for _ in SPECIAL for x in SPECIAL] + anybits(40)
        f.case("binary", [len(a)], {"a": ([len(a)], a), "b": ([len(b)], b)}, kind=kind)
    f.close()


def matmuls():
    f = File("matmul.txt")
    for m, n, k in ((1, 1, 1), (2, 3, 0), (3, 5, 127), (3, 5, 128), (2, 17, 129), (7, 9, 300), (1, 33, 260)):
        f.case("matmul", [m, n], {"a": ([m, k], gauss(m * k)), "b": ([k, n], gauss(k * n))})
    m, n, k = 3, 18, 140

    def ab(): return {"a": ([m, k], gauss(m * k)), "b": ([k, n], gauss(k * n))}
    c, bias, res = ([m, n], gauss(m * n)), ([n], gauss(n)), ([m, n], gauss(m * n))
    f.case("matmul", [m, n], {**ab(), "c": c}, alpha=0.75, beta=-1.5)
    f.case("matmul", [m, n], {**ab(), "bias": bias}, posts="bias+relu")
    f.case("matmul", [m, n], {**ab(), "bias": bias}, posts="bias+gelu")
    f.case("matmul", [m, n], {**ab(), "bias": bias, "add": res}, posts="bias+gelu_tanh+add")
    f.case("matmul", [m, n], {**ab(), "add": res}, posts="scale+add+silu", scale=0.1875)
    wide = [cc.r32(x * 2.0 ** R.randint(-60, 60)) for x in gauss(m * k)]
    f.case("matmul", [m, n], {"a": ([m, k], wide), "b": ([k, n], gauss(k * n))})
    small = [cc.r32(x * 2.0 ** -75) for x in gauss(m * k)]
    f.case("matmul", [m, n], {"a": ([m, k], small), "b": ([k, n], [cc.r32(x * 2.0 ** -70) for x in gauss(k * n)])})
    f.close()


def narrow_matmuls():
    f = File("matmul_narrow.txt")
    for a, b, out in (("bf16", "bf16", "f32"), ("bf16", "bf16", "bf16"), ("f16", "f16", "f32"), ("f16", "f16", "f16"), ("f8e4m3", "f8e4m3", "f32"),
                      ("f8e4m3", "f8e5m2", "bf16"), ("f8e5m2", "f8e4m3", "f8e5m2"), ("f32", "bf16", "f32"), ("bf16", "f8e4m3", "bf16"), ("f16", "f32", "f8e4m3")):
        types = f"a:{a},b:{b},out:{out}"

        def of(kind, n, s=1.0): return [cc.narrow(kind, x) for x in gauss(n, s)]
        for m, n, k in ((2, 3, 0), (1, 18, 128), (5, 3, 300)):
            f.case("matmul", [m, n], {"a": ([m, k], of(a, m * k)), "b": ([k, n], of(b, k * n))}, types=types)
        m, n, k = 2, 19, 131
        wide = [cc.narrow(a, cc.r32(x * 2.0 ** R.randint(-14, 6))) for x in gauss(m * k)]
        f.case("matmul", [m, n], {"a": ([m, k], wide), "b": ([k, n], of(b, k * n, 8.0))}, types=types)
        f.case("matmul", [m, n], {"a": ([m, k], of(a, m * k)), "b": ([k, n], of(b, k * n)), "c": ([m, n], gauss(m * n))}, types=types, alpha=0.75, beta=-1.5)
        f.case("matmul", [m, n], {"a": ([m, k], of(a, m * k)), "b": ([k, n], of(b, k * n)), "bias": ([n], of(out, n)), "add": ([m, n], gauss(m * n))},
               types=types + f",bias:{out}", posts="bias+gelu+add")
        special = [cc.narrow(a, x) for x in SPECIAL]
        f.case("matmul", [len(special), 2], {"a": ([len(special), 1], special), "b": ([1, 2], [1.0, -0.5])}, types=types)
    f.close()


def integers():
    f = File("integers.txt")

    def whole(n, dtype):
        low, high = {"s8": (-128, 127), "u8": (0, 255), "s32": (-100000, 100000)}[dtype]
        return [float(R.choice((low, high, R.randint(low, high)))) for _ in range(n)]

    def scales(n): return [cc.r32(R.uniform(1e-4, 1e-3)) for _ in range(n)]
    for a, b in (("u8", "s8"), ("s8", "s8"), ("u8", "u8"), ("s8", "u8")):
        m, n, k = 3, 9, 41

        def ab(): return {"a": ([m, k], whole(m * k, a)), "b": ([k, n], whole(k * n, b))}
        zeros = {"zero_of_a": ([m], whole(m, a)), "zero_of_b": ([n], whole(n, b))}
        plain = f"a:{a},b:{b}"
        typed = plain + f",zero_of_a:{a},zero_of_b:{b},bias:s32"
        f.case("matmul", [m, n], ab(), types=plain + ",out:s32")
        f.case("matmul", [m, n], {**ab(), **zeros}, types=typed + ",out:s32")
        f.case("matmul", [m, n], {**ab(), **zeros, "bias": ([n], whole(n, "s32"))}, types=typed + ",out:s32", posts="bias+relu")
        f.case("matmul", [m, n], {**ab(), "scale_of_a": ([m], scales(m)), "scale_of_b": ([n], scales(n)), "bias": ([n], gauss(n))},
               types=plain + ",out:f32", posts="bias+gelu")
        for out in ("s8", "u8"):
            f.case("matmul", [m, n], {**ab(), **zeros, "scale_of_b": ([n], scales(n)), "bias": ([n], whole(n, "s32")),
                                      "zero_of_out": ([1], whole(1, out))},
                   types=typed + f",zero_of_out:{out},out:{out}", posts="bias+relu")
            f.case("matmul", [m, n], {**ab(), "scale_of_a": ([1], scales(1)), "scale_of_out": ([1], [cc.r32(0.0371)])},
                   types=plain + f",out:{out}")
    f.close()


def rows():
    f = File("rows.txt")
    for n in (1, 63, 64, 65, 129, 4097, 4300):
        for kind in ("sum", "sumsq", "mean"):
            f.case("reduce", [1], {"a": ([1, n], gauss(n))}, kind=kind)
    for n in (1, 5, 64, 130):
        for logarithm in (False, True):
            x = gauss(3 * n, 3.0)
            x[n] = -cc.INF if n > 1 else x[n]
            f.case("softmax", [3, n], {"a": ([3, n], x)}, **({"log": 1} if logarithm else {}))
    for n in (1, 7, 64, 100, 384):
        x, g, b = [cc.r32(v + 3.0) for v in gauss(2 * n)], gauss(n), gauss(n)
        f.case("norm", [2, n], {"a": ([2, n], x), "gamma": ([n], g), "beta": ([n], b)}, kind="layer", eps=cc.r32(1e-5))
        f.case("norm", [2, n], {"a": ([2, n], x), "gamma": ([n], g)}, kind="rms", eps=cc.r32(1e-6))
    f.close()


def attentions():
    f = File("attention.txt")

    def qkv(hq, hkv, sq, sk, d, dv, s=1.0):
        return {"q": ([hq, sq, d], gauss(hq * sq * d, s)), "k": ([hkv, sk, d], gauss(hkv * sk * d)), "v": ([hkv, sk, dv], gauss(hkv * sk * dv))}
    f.case("attention", [2, 3, 8], qkv(2, 2, 3, 20, 8, 8))
    f.case("attention", [4, 2, 5], qkv(4, 2, 2, 129, 16, 5))
    f.case("attention", [1, 3, 8], qkv(1, 1, 3, 300, 8, 8, 8.0))
    f.case("attention", [2, 9, 4], qkv(2, 1, 9, 9, 8, 4), causal="start")
    f.case("attention", [1, 4, 8], qkv(1, 1, 4, 132, 8, 8), causal="end")
    mask = [float(R.random() < 0.4) for _ in range(5 * 140)]
    mask[140:280] = [0.0] * 140
    f.case("attention", [1, 5, 8], {**qkv(1, 1, 5, 140, 8, 8), "mask": ([5, 140], mask)}, mask="bool")
    bias = gauss(4 * 140, 2.0)
    bias[3] = -cc.INF
    bias[140:280] = [-cc.INF] * 140
    bias[280:300] = [cc.r32(-1e9)] * 20
    f.case("attention", [1, 4, 8], {**qkv(1, 1, 4, 140, 8, 8), "mask": ([4, 140], bias)}, mask="add")
    f.close()


def caches():
    """Windows, softcap, pages and s8, in a file and with numbers of their own."""
    f = File("cache.txt")
    rand = random.Random(2)

    def g(n, s=1.0): return [cc.r32(rand.gauss(0.0, s)) for _ in range(n)]

    def qkv(hq, hkv, sq, sk, d, dv):
        return {"q": ([hq, sq, d], g(hq * sq * d)), "k": ([hkv, sk, d], g(hkv * sk * d)), "v": ([hkv, sk, dv], g(hkv * sk * dv))}
    f.case("attention", [1, 5, 8], qkv(1, 1, 5, 300, 8, 8), causal="end", left=150, right=0)
    f.case("attention", [2, 4, 8], qkv(2, 1, 4, 140, 8, 8), left=3, right=2)
    f.case("attention", [1, 3, 8], qkv(1, 1, 3, 150, 8, 8), softcap=2.5)
    for table in ([2, 0, 3, 1], [3, -1, 0, 2], [9, 1, 2, 0]):
        pages = {"q": ([1, 2, 3, 8], g(48)), "k": ([4, 1, 40, 8], g(1280)), "v": ([4, 1, 40, 8], g(1280)), "pages": ([1, 4], [float(t) for t in table])}
        f.case("attention", [1, 2, 3, 8], pages, page=40)
    for scales in ([], [2, 1], [1, 2, 130]):
        def s8(): return [float(rand.randint(-128, 127)) for _ in range(2 * 130 * 8)]
        x = {"q": ([1, 4, 2, 8], g(64)), "k": ([1, 2, 130, 8], s8()), "v": ([1, 2, 130, 8], s8())}
        x.update({n: (scales or [1], [cc.r32(rand.uniform(0.001, 0.02)) for _ in range(size(scales))]) for n in ("scale_of_k", "scale_of_v")})
        f.case("attention", [1, 4, 2, 8], x, type="s8")
    f.close()


def axes():
    f = File("axes.txt")
    for n in (1, 7, 130, 8200):
        f.case("scan", [1, n], {"a": ([1, n], gauss(n))})
    for key in ({"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
        f.case("scan", [1, 4100], {"a": ([1, 4100], gauss(4100, 3.0))}, **key)
    for c, space, groups in ((4, 1, 2), (6, 35, 3), (8, 130, 1), (5, 9, 5)):
        x = [cc.r32(v + 3.0) for v in gauss(2 * c * space)]
        f.case("norm", [2, c, space], {"a": ([2, c, space], x), "gamma": ([c], gauss(c)), "beta": ([c], gauss(c))},
               kind="group", groups=groups, eps=cc.r32(1e-5))
    for key in ({}, {"interleaved": 1}):
        for t, d, rotary in ((5, 16, 16), (9, 70, 38), (3, 2, 2)):
            freq = [cc.r32(10000.0 ** -(2 * i / rotary)) for i in range(rotary // 2)]
            index = [float(R.randint(-10, 300000)) for _ in range(t)]
            f.case("rope", [t, d], {"a": ([t, d], gauss(t * d)), "index": ([t], index), "freq": ([rotary // 2], freq)},
                   rotary=rotary, **key)
    f.close()


def backwards():
    f = File("backward.txt")
    for kind in list(cc.SLOPES) + ["relu"]:
        a = SPECIAL + anybits(30) + gauss(60, 4.0)
        n = len(a)
        f.backward("eltwise", f"eltwise {kind} {n}:f32:backward+canonical", {"a": ([n], a), "grad": ([n], gauss(n))}, {"out": [n]},
                   kind=kind)
    for n in (1, 5, 64, 130, 4100):
        for logarithm in (False, True) if n < 4100 else (False,):
            y = [v for _ in range(2) for v in cc.softmax(gauss(n, 3.0), logarithm)]
            f.backward("softmax", f"softmax 2x{n}:f32:backward+axis=1{'+log' if logarithm else ''}+canonical",
                       {"a": ([2, n], y), "grad": ([2, n], gauss(2 * n))}, {"out": [2, n]}, **({"log": 1} if logarithm else {}))
    for n in (1, 7, 64, 100, 384, 4100):
        for kind in ("layer", "rms") if n < 4100 else ("layer",):
            x = [cc.r32(v + 3.0) for v in gauss(2 * n)]
            f.backward("norm", f"norm {kind} 2x{n}:f32:backward+eps={cc.r32(1e-5):.9g}+canonical+gamma",
                       {"a": ([2, n], x), "grad": ([2, n], gauss(2 * n)), "gamma": ([n], gauss(n))}, {"out": [2, n]}, kind=kind,
                       eps=cc.r32(1e-5))
    for n, c, h, w, k, r, s, g, p, u in ((1, 1, 5, 5, 1, 3, 3, 1, 0, 1), (2, 4, 9, 11, 6, 3, 3, 2, 1, 1), (3, 3, 12, 13, 5, 3, 2, 1, 1, 2),
                                         (1, 2, 20, 21, 2, 1, 1, 1, 0, 1)):
        oh, ow = (h + 2 * p - r) // u + 1, (w + 2 * p - s) // u + 1
        f.backward("conv", f"conv n{n}c{c}h{h}w{w}k{k}r{r}s{s}g{g}p{p}u{u}:f32:backward_weights+canonical",
                   {"a": ([n, c, h, w], gauss(n * c * h * w)), "grad": ([n, k, oh, ow], gauss(n * k * oh * ow))},
                   {"out": [k, c // g, r, s]}, stride=u, pad=p, groups=g)
    for rows, width, n in ((3, 5, 1), (4, 3, 300), (50, 2, 40)):
        index = [float(R.randint(-rows - 1, rows)) for _ in range(n)]
        f.backward("gather", f"gather {rows}x{width}:f32:backward+axis=0+index={n}+canonical",
                   {"grad": ([n, width], gauss(n * width)), "index": ([n], index)}, {"out": [rows, width]})
    for hq, hkv, sq, sk, d, dv, key in ((2, 2, 3, 20, 8, 8, {}), (4, 2, 40, 9, 6, 5, {}), (1, 1, 9, 140, 8, 4, {}),
                                        (2, 1, 70, 70, 4, 4, {"causal": "start"}), (1, 1, 6, 7, 8, 8, {"softcap": 1.5})):
        x = {"q": ([hq, sq, d], gauss(hq * sq * d)), "k": ([hkv, sk, d], gauss(hkv * sk * d)), "v": ([hkv, sk, dv], gauss(hkv * sk * dv))}
        # what a forward call leaves need not be one's own: any o, and a maximum above the scores
        x["out"] = ([hq, sq, dv], gauss(hq * sq * dv))
        x["grad"] = ([hq, sq, dv], gauss(hq * sq * dv))
        x["stats"] = ([hq, sq, 2], [v for _ in range(hq * sq) for v in (float(R.randint(4, 9)), cc.r32(1.0 + R.random()))])
        words = {"causal": "+causal", "softcap": "+softcap=1.5"}
        f.backward("attention", f"attention h{hq}g{hkv}q{sq}k{sk}d{d}e{dv}:f32:backward{''.join(words[k] for k in key)}+canonical", x,
                   {"out_grad_a": [hq, sq, d], "out_grad_b": [hkv, sk, d], "out_grad_v": [hkv, sk, dv]}, **key)
    f.close()


def images():
    R.seed("images")  # apart from the others, which stay as they are
    f = File("images.txt")
    for c, space in ((4, 1), (5, 37)):
        stats = gauss(c) + [cc.r32(abs(v)) for v in gauss(c)]
        f.case("norm", [2, c, space], {"a": ([2, c, space], gauss(2 * c * space)), "gamma": ([c], gauss(c)), "beta": ([c], gauss(c)),
                                       "stats": ([2, c], stats)}, kind="batch", eps=cc.r32(1e-5))
    for c, h, w, window, stride, lo, hi in ((3, 7, 9, (3, 3), (2, 2), (1, 1), (1, 1)), (1, 12, 11, (9, 8), (3, 2), (0, 2), (2, 0)),
                                            (9, 5, 6, (5, 6), (1, 1), (0, 0), (0, 0)), (1, 70, 66, (70, 66), (1, 1), (0, 0), (0, 0))):
        for kind, key in (("average", {}), ("average", {"count": 1}), ("max", {})):
            x = gauss(c * h * w)
            if kind == "max":
                x[:len(SPECIAL)] = SPECIAL[:len(x)]
            dims = [c] + [(n + a + b - k) // s + 1 for n, k, s, a, b in zip((h, w), window, stride, lo, hi)]
            text = {n: "x".join(map(str, v)) for n, v in (("window", window), ("stride", stride), ("lo", lo), ("hi", hi))}
            f.case("pool", [1] + dims, {"a": ([1, c, h, w], x)}, kind=kind, **text, **key)
    for kind in ("linear", "cubic"):
        for mode in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
            for h, w, oh, ow, scale in ((5, 7, 9, 16, (0.0, 0.0)), (12, 8, 5, 8, (0.0, 0.0)), (6, 5, 1, 7, (0.0, cc.r32(1.4))), (1, 1, 3, 2, (0.0, 2.0))):
                text = "x_".join(float(v).hex() for v in scale)
                f.case("resize", [oh, ow], {"a": ([h, w], gauss(h * w))}, kind=kind, mode=mode, to=f"{oh}x{ow}", scale=text)
    f.close()


os.makedirs(cc.HERE, exist_ok=True)
for make in (functions, matmuls, rows, attentions, axes, backwards, images, narrow_matmuls, integers, caches):
    make()
