#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CANONICAL 1 once more, in plain Python, sharing nothing with the library.

Recomputes every golden vector of canonical-1/ and compares bits.
A vector file holds cases: `case OP key=value ...`, then one line per operand: name, dims, hex words.
Words are of f32, or of the type that `types=` gives the operand.
A NaN is written 7fc00000 (7fc0, 7e00, 7f and 7e in the narrow types) and stands for every NaN."""
import math
import os
import struct
import sys
from fractions import Fraction

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "canonical-1")
INF, NAN = float("inf"), float("nan")
CH, LANES, SEG = 128, 64, 4096
def bits(x): return 0x7FC00000 if x != x else struct.unpack("<I", struct.pack("<f", x))[0]
def val(u): return struct.unpack("<f", struct.pack("<I", u & 0xFFFFFFFF))[0]
def r32(x):
    """binary64 to binary32, nearest even."""
    try:
        return struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return INF if x > 0 else -INF
def H(text): return float.fromhex(text)
# bits of precision, least normal exponent, largest value, what is beyond
FORMATS = {"bf16": (8, -126, float.fromhex("0x1.fep127"), INF), "f16": (11, -14, 65504.0, INF), "f8e4m3": (4, -6, 448.0, NAN), "f8e5m2": (3, -14, 57344.0, INF)}
def narrow(kind, x):
    """To the nearest value of a type, even where two are."""
    if kind == "f32" or x != x or x == 0: return x
    p, least, most, beyond = FORMATS[kind]
    if abs(x) == INF: return x * beyond
    step = 2.0 ** (max(math.frexp(x)[1] - 1, least) - p + 1)
    y = round(x / step) * step  # the quotient is exact, and round() goes to even
    return math.copysign(abs(y), x) if abs(y) <= most else math.copysign(1.0, x) * beyond
def types(key): return dict(t.split(":") for t in key["types"].split(",")) if "types" in key else {}
def half(u): return struct.unpack("<e", struct.pack("<H", u))[0]
WHOLE = {"s32": 32, "s8": 8, "u8": 0}
def value(kind, u):
    """What a word of a type stands for."""
    if kind in WHOLE:
        return float(u - (1 << WHOLE[kind]) if WHOLE[kind] and u >> (WHOLE[kind] - 1) else u)
    if kind == "f8e4m3":
        e, m, sign = u >> 3 & 15, u & 7, -1.0 if u >> 7 else 1.0
        return NAN if u & 127 == 127 else sign * (m * 2.0 ** -9 if e == 0 else (8 + m) * 2.0 ** (e - 10))
    return {"f32": val, "bf16": lambda w: val(w << 16), "f16": half, "f8e5m2": lambda w: half(w << 8)}[kind](u)
def word(kind, x):
    """The word of a value that the type has."""
    if kind in WHOLE:
        return int(x) % (1 << (WHOLE[kind] or 8))
    if x != x: return {"f32": 0x7FC00000, "bf16": 0x7FC0, "f16": 0x7E00, "f8e4m3": 0x7F, "f8e5m2": 0x7E}[kind]
    if kind == "f8e4m3": return next(u for u in range(256) if value(kind, u) == x and u >> 7 == (math.copysign(1.0, x) < 0))
    f16 = 0 if kind in ("f32", "bf16") else struct.unpack("<H", struct.pack("<e", x))[0]
    return {"f32": bits(x), "bf16": bits(x) >> 16, "f16": f16, "f8e5m2": f16 >> 8}[kind]

# One rounding each; binary64 has more than 2 * 24 + 2 bits, so rounding twice is innocuous for + and *.
def add(a, b): return r32(a + b)
def sub(a, b): return r32(a - b)
def mul(a, b): return r32(a * b)
def fma(a, b, c):
    """Exact product, sum rounded to odd in binary64, then once to binary32."""
    p = a * b
    s = p + c
    if s != s or s in (INF, -INF):
        return r32(s)
    t = s - p
    r = (p - (s - t)) + (c - t)
    if r != 0.0:
        u = struct.unpack("<q", struct.pack("<d", s))[0]
        if u & 1 == 0:
            u += 1 if (r > 0) == (s > 0) else -1
            s = struct.unpack("<d", struct.pack("<q", u))[0]
    return r32(s)
def rint(x):
    if x != x or abs(x) >= 2.0 ** 23:
        return x
    n = float(round(x))
    return -0.0 if n == 0 and str(x)[0] == "-" else n
def recip(x):
    return (-INF if bits(x) >> 31 else INF) if x == 0 else r32(1.0 / x)
def sqrt(x): return x if x == 0 else NAN if not x >= 0 else x if x == INF else r32(x ** 0.5)
def rsqrt(x):
    if not 0 < x < INF:
        return NAN if not x >= 0 else 0.0 if x == INF else -INF if bits(x) >> 31 else INF
    y = r32(x ** -0.5)
    for n in (bits(y) - 1, bits(y) + 1):  # exact: is a neighbour nearer?
        mid = (Fraction(y) + Fraction(val(n))) / 2
        if (n > bits(y)) == (mid * mid * Fraction(x) < 1):
            return val(n)
    return y
def pow2(n): return 0.0 if n < -126 else INF if n > 127 else 2.0 ** n
def scale(p, n):
    return r32(p * 2.0 ** int(n))
def poly(x, *c):
    y = H(c[0])
    for k in c[1:]:
        y = fma(y, x, H(k))
    return y
L2E, L2E_L, LN2, LN2_L = H("0x1.715476p+0"), H("0x1.4ae0cp-26"), H("0x1.62e43p-1"), H("-0x1.05c61p-29")
def p2(r):
    return poly(r, "0x1.3fbc78p-13", "0x1.5f0f82p-10", "0x1.3b308cp-7", "0x1.c6af7p-5", "0x1.ebfbd8p-3", "0x1.62e43p-1", "1")
def exp(x):
    if x != x: return NAN
    x = min(max(x, -104.0), 89.0)
    n = rint(mul(x, L2E))
    return scale(p2(fma(x, L2E_L, fma(x, L2E, -n))), n)
def exp2(x):
    if x != x: return NAN
    x = min(max(x, -151.0), 129.0)
    n = rint(x)
    return scale(p2(sub(x, n)), n)
def log(x):
    if not 0 < x < INF:
        return NAN if not x >= 0 else -INF if x == 0 else INF
    tiny = x < 2.0 ** -126
    y = mul(x, 2.0 ** 24) if tiny else x
    e = (bits(y) - 0x3F2AAAAB) >> 23
    f = sub(val(bits(y) - (e << 23)), 1.0)
    n = sub(float(e), 24.0 if tiny else 0.0)
    q = poly(f, "0x1.ea92cap-4", "-0x1.fd1b86p-4", "0x1.b92aa6p-4", "-0x1.f74aaap-4", "0x1.24e842p-3", "-0x1.55788ep-3",
             "0x1.999816p-3", "-0x1.ffffb4p-3", "0x1.555556p-2", "-0x1p-1")
    q = fma(q, mul(f, f), mul(n, LN2_L))
    return fma(n, LN2, add(f, q))
def sigmoid(x):
    z = exp(-abs(x))
    q = recip(add(1.0, z))
    return mul(z, q) if x < 0 else q
def core(h, l, n): return p2(fma(l, L2E, fma(h, L2E_L, fma(h, L2E, -n))))
def xsig(x, h, l):
    if h != h: return NAN
    a = min(abs(h), 126.0)
    l = l if h < 0 else -l
    n = rint(mul(a, -L2E))
    p = core(-a, l, n)
    w = mul(x, recip(add(1.0, scale(p, n))))
    return scale(mul(w, p), n) if h < 0 else w
def silu(x):
    x = max(x, -126.0) if x == x else x
    return xsig(x, x, 0.0)
def gelu_tanh(x):
    if x != x: return NAN
    t = -16.0 if x < -16.0 else x
    u = 16.0 if t > 16.0 else t
    s = mul(u, u)
    sl = fma(u, u, -s)
    k, c0 = H("0x1.2444f2p-4"), H("0x1.98846p+0")
    c = fma(s, k, c0)
    cl = fma(s, k, sub(c0, c))
    cl = fma(sl, k, cl)
    cl = fma(s, H("0x1.49b16ap-29"), add(cl, H("-0x1.985794p-21")))
    h = mul(u, c)
    return xsig(t, h, fma(u, cl, fma(u, c, -h)))
def gelu(x):
    if x != x: return NAN
    a = min(abs(x), 15.0)
    t = recip(fma(a, 0.296875, 1.0))
    q = poly(t, "-0x1.4f3f2p-6", "0x1.d6b0f2p-4", "-0x1.f0f7e8p-3", "0x1.be8902p-3", "-0x1.92287ap-4", "0x1.b4e14ap-4",
             "0x1.339252p-4", "0x1.c22418p-4", "0x1.e46934p-4", "0x1.e52434p-4")
    h = mul(a, a)
    l = fma(a, a, -h)
    h = mul(h, -0.5)
    n = rint(mul(h, L2E))
    g = scale(mul(mul(a, mul(q, t)), core(h, mul(l, -0.5), n)), n)
    if a < 1.25:
        c = poly(mul(x, x), "-0x1.d48d8ap-18", "0x1.d4cfa6p-14", "-0x1.36a188p-10", "0x1.46cbe4p-7", "-0x1.10584p-4", "0x1.988454p-2")
        return mul(x, fma(c, x, 0.5))
    return sub(x, g) if x > 0 else -g
def signed(y, x): return NAN if y != y else val((bits(y) & 0x7FFFFFFF) | (bits(x) & 0x80000000))
def tanh(x):
    a = abs(x)
    if a != a: return NAN
    s = mul(a, a)
    if a < 0.625:
        q = poly(s, "-0x1.8ff18p-8", "0x1.5813cp-6", "-0x1.b92674p-5", "0x1.110e16p-3", "-0x1.555552p-2")
        return signed(fma(mul(q, s), a, a), x)
    z = exp(mul(a, -2.0))
    return signed(fma(mul(z, -2.0), recip(add(1.0, z)), 1.0), x)
def erf(x):
    a = abs(x)
    if a != a: return NAN
    if a < 0.9375:
        q = poly(mul(a, a), "0x1.4c5cb4p-14", "-0x1.a5197ap-11", "0x1.542fecp-8", "-0x1.b7fec4p-6", "0x1.ce2d52p-4", "-0x1.81274p-2", "0x1.06eba8p-3")
        return signed(fma(q, a, a), x)
    b = min(a, 4.0)
    t = poly(b, "0x1.dce2aep-21", "-0x1.09bd96p-15", "0x1.f6d696p-12", "-0x1.153dd2p-8", "0x1.993fc2p-6", "-0x1.b8f29p-4", "-0x1.44c0bep-1", "-0x1.20fd6p+0")
    return signed(sub(1.0, exp(mul(t, b))), x)
def sincos(x, k):
    if not abs(x) <= 2.0 ** 20:
        return NAN
    n = rint(mul(x, H("0x1.45f306p-1")))
    r = fma(n, H("0x1.ee59dap-50"), fma(n, H("0x1.777a5cp-25"), fma(n, H("-0x1.921fb6p+0"), x)))
    s = mul(r, r)
    j = int(n) + k
    if j & 1:
        y = fma(fma(poly(s, "0x1.9b008p-16", "-0x1.6c1148p-10", "0x1.555554p-5"), s, -0.5), s, 1.0)
    else:
        y = fma(poly(s, "0x1.7b2844p-19", "-0x1.a05c62p-13", "0x1.11117ep-7", "-0x1.555556p-3"), mul(s, r), r)
    return val(bits(y) ^ ((j & 2) << 30))
def cmax(a, b): return NAN if a != a or b != b else max(a, b, key=lambda v: (v, not bits(v) >> 31))
def relu(x): return x if x > 0 or x != x else 0.0
UNARY = {"exp": exp, "exp2": exp2, "log": log, "recip": recip, "sqrt": sqrt, "rsqrt": rsqrt, "tanh": tanh, "sigmoid": sigmoid,
         "silu": silu, "gelu": gelu, "gelu_tanh": gelu_tanh, "erf": erf, "sin": lambda x: sincos(x, 0), "cos": lambda x: sincos(x, 1),
         "relu": relu, "rint": rint}
def dot(a, b):
    t = 0.0
    for c in range(0, len(a), CH):
        s = 0.0
        for x, y in zip(a[c:c + CH], b[c:c + CH]): s = fma(x, y, s)
        t = add(t, s)
    return t
def reduce(x, square=False):
    t = 0.0
    for c in range(0, len(x), SEG):
        lane = [0.0] * LANES
        for i, v in enumerate(x[c:c + SEG]):
            lane[i % LANES] = fma(v, v, lane[i % LANES]) if square else add(lane[i % LANES], v)
        h = LANES // 2
        while h:
            for l in range(h):
                lane[l] = add(lane[l], lane[l + h])
            h //= 2
        t = add(t, lane[0])
    return t
def softmax(x, logarithm):
    m = x[0]
    for v in x[1:]: m = cmax(m, v)
    p = [exp(sub(v, m)) for v in x]
    s = reduce(p)
    return [sub(sub(v, m), log(s)) for v in x] if logarithm else [mul(v, recip(s)) for v in p]
def norm(x, kind, eps, gamma, beta):
    rn = recip(float(len(x)))
    mu = mul(reduce(x), rn) if kind != "rms" else None
    d = [sub(v, mu) for v in x] if kind != "rms" else x
    r = rsqrt(fma(reduce(d, True), rn, eps))
    z = [mul(v, r) for v in d]
    return [fma(v, g, b) for v, g, b in zip(z, gamma, beta)] if kind != "rms" else [mul(v, g) for v, g in zip(z, gamma)]
def groupnorm(key, x, dims):
    n, c, space = dims["a"]
    per, out = c // int(key["groups"]), []
    for i, row in enumerate(split(x["a"], per * space)):
        channel = [i % int(key["groups"]) * per + j // space for j in range(per * space)]
        out += norm(row, "group", H(key["eps"]), [x["gamma"][j] for j in channel], [x["beta"][j] for j in channel])
    return out
def batchnorm(key, x, dims):
    n, c, space = dims["a"]
    out = []
    for i, v in enumerate(x["a"]):
        j = i // space % c
        a = mul(x["gamma"][j], rsqrt(add(x["stats"][c + j], H(key["eps"]))))
        out.append(fma(v, a, fma(-x["stats"][j], a, x["beta"][j])))
    return out
def pair(text): return [int(v) for v in text.split("x")]
def pool(key, x, dims):
    """[1, channels, h, w]"""
    (_, c, h, w), (kh, kw), (sh, sw), (lh, lw), (hh, hw) = dims["a"], *(pair(key[n]) for n in ("window", "stride", "lo", "hi"))
    out = []
    for k in range(c):
        for oh in range((h + lh + hh - kh) // sh + 1):
            for ow in range((w + lw + hw - kw) // sw + 1):
                at = [(oh * sh - lh + i, ow * sw - lw + j) for i in range(kh) for j in range(kw)]
                taps = [x["a"][(k * h + i) * w + j] if 0 <= i < h and 0 <= j < w else None for i, j in at]
                there = [t for t in taps if t is not None]
                if key["kind"] == "max":
                    m = -INF
                    for t in there: m = cmax(m, t)
                    out.append(m)
                else:
                    out.append(mul(reduce([0.0 if t is None else t for t in taps]), recip(float(len(at) if "count" in key else len(there)))))
    return out
def place(mode, o, n_in, n_out, given):
    up, down = (1.0, given) if given else (float(n_in), float(n_out))
    if mode == "align_corners": return 0.0 if n_out == 1 else o * float(n_in - 1) / float(n_out - 1)
    if mode == "asymmetric": return o * up / down
    return 0.0 if mode == "pytorch_half_pixel" and n_out == 1 else (o + 0.5) * up / down - 0.5
def taps_of(key, o, n_in, n_out, given):
    p = place(key["mode"], o, n_in, n_out, given)
    if key["kind"] == "linear":
        p = min(max(p, 0.0), n_in - 1.0)
        f = p - math.floor(p)
        w, first = [1.0 - f, f], math.floor(p)
    else:
        a, f, first = -0.75, p - math.floor(p), math.floor(p) - 1
        near = lambda t: ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
        far = lambda t: ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
        w = [far(f + 1.0), near(f), near(1.0 - f), far(2.0 - f)]
    return [(min(max(first + i, 0), n_in - 1), r32(v)) for i, v in enumerate(w) if r32(v) != 0]
def along(values, key, n_out, given):
    out = []
    for o in range(n_out):
        taps = taps_of(key, float(o), len(values), n_out, given)
        out.append(dot([w for _, w in taps], [values[i] for i, _ in taps]))
    return out
def resize(key, x, dims):
    """[h, w], the last axis first; an axis of equal dims stays"""
    (h, w), (oh, ow), (gh, gw) = dims["a"], pair(key["to"]), (H(v) for v in key["scale"].split("x_"))
    lines = [along(r, key, ow, gw) if w != ow or gw not in (0.0, 1.0) else r for r in split(x["a"], w)]
    columns = [[r[j] for r in lines] for j in range(ow)]
    columns = [along(v, key, oh, gh) if h != oh or gh not in (0.0, 1.0) else v for v in columns]
    return [columns[j][i] for i in range(oh) for j in range(ow)]
def scan(x, exclusive):
    t, out = 0.0, []
    for b in range(0, len(x), SEG):
        c = 0.0
        for v in x[b:b + SEG]:
            before, c = c, add(c, v)
            out.append(add(before if exclusive else c, t))
        t = add(t, c)
    return out
def rope(x, position, freq, interleaved):
    y, half = list(x), len(freq)
    for i, f in enumerate(freq):
        a = mul(position, f)
        c, s = sincos(a, 1), sincos(a, 0)
        p, q = (2 * i, 2 * i + 1) if interleaved else (i, i + half)
        y[p], y[q] = fma(x[p], c, -mul(x[q], s)), fma(x[p], s, mul(x[q], c))
    return y
def attention_row(q, keys, values, takes, bias, cap=None, stored=lambda p: p):
    scale = rsqrt(float(len(q)))
    c = mul(cap, L2E) if cap else mul(scale, L2E)
    inner = mul(scale, recip(cap)) if cap else None
    m = l = o = None
    for b in range(0, len(keys), 128):
        part = []
        for j in range(b, min(b + 128, len(keys))):
            if not takes(j):
                continue
            t = mul(dot(q, keys[j]), inner or c)
            t = mul(UNARY["tanh"](t), c) if cap else t
            t = fma(bias[j], L2E, t) if bias else t
            part += [(j, t)] if t != -INF else []
        if not part:
            continue
        top = max(rint(t) for _, t in part)
        p = [0.0] * 128
        for j, t in part:
            p[j - b] = mul(p2(sub(t, rint(t))), pow2(rint(t) - top))
        lb = reduce(p)
        ob = [dot([stored(p[j - b]) for j, _ in part], [values[j][e] for j, _ in part]) for e in range(len(values[0]))]
        if m is None:
            m, l, o = top, lb, ob
        elif top > m:
            f = pow2(m - top)
            m, l, o = top, fma(l, f, lb), [fma(x, f, y) for x, y in zip(o, ob)]
        else:
            f = pow2(top - m)
            l, o = fma(lb, f, l), [fma(y, f, x) for x, y in zip(o, ob)]
    return [0.0] * len(values[0]) if m is None else [mul(x, recip(l)) for x in o]

# Derivatives, and the backward passes of sections 5 to 7.
def sigmoids(h):
    z = exp(-abs(h))
    q = recip(add(1.0, z))
    w = mul(z, q)
    return (w, q) if h < 0 else (q, w)
def xsig_grad(e, h):
    s, c = sigmoids(h)
    return fma(mul(e, c), s, s)
def sigmoid_grad(x):
    z = exp(-abs(x))
    q = recip(add(1.0, z))
    return mul(z, mul(q, q))
def tanh_grad(x):
    z = exp(mul(abs(x), -2.0))
    q = recip(add(1.0, z))
    return mul(mul(z, 4.0), mul(q, q))
def silu_grad(x):
    t = x if x != x else min(max(x, -126.0), 126.0)
    return xsig_grad(t, t)
def gelu_tanh_grad(x):
    t = x if x != x else min(max(x, -16.0), 16.0)
    s, c = mul(t, t), H("0x1.988454p+0")
    return xsig_grad(mul(t, fma(s, H("0x1.b6676cp-3"), c)), mul(t, fma(s, H("0x1.2444f2p-4"), c)))
def gelu_grad(x):
    if x != x: return NAN
    a = min(abs(x), 15.0)
    t = recip(fma(a, 0.296875, 1.0))
    q = poly(t, "-0x1.4f3f2p-6", "0x1.d6b0f2p-4", "-0x1.f0f7e8p-3", "0x1.be8902p-3", "-0x1.92287ap-4", "0x1.b4e14ap-4",
             "0x1.339252p-4", "0x1.c22418p-4", "0x1.e46934p-4", "0x1.e52434p-4")
    h = mul(a, a)
    l = fma(a, a, -h)
    h = mul(h, -0.5)
    n = rint(mul(h, L2E))
    w = fma(a, H("-0x1.988454p-2"), mul(q, t))
    w = scale(mul(w, core(h, mul(l, -0.5), n)), n)
    return sub(1.0, w) if x > 0 else w
def erf_grad(x):
    if x != x: return NAN
    a = min(abs(x), 15.0)
    h = mul(a, a)
    l = fma(a, a, -h)
    e = exp(-h)
    return mul(fma(-l, e, e), H("0x1.20dd76p+0"))
SLOPES = {"square": lambda x: add(x, x), "recip": lambda x: -mul(recip(x), recip(x)), "sqrt": lambda x: mul(recip(sqrt(x)), 0.5),
          "rsqrt": lambda x: mul(mul(rsqrt(x), rsqrt(x)), mul(rsqrt(x), -0.5)), "exp": exp, "exp2": lambda x: mul(exp2(x), LN2),
          "log": recip, "tanh": tanh_grad, "sigmoid": sigmoid_grad, "silu": silu_grad, "gelu": gelu_grad, "gelu_tanh": gelu_tanh_grad,
          "erf": erf_grad, "sin": lambda x: sincos(x, 1), "cos": lambda x: -sincos(x, 0)}
def slope(kind, x, g):
    if kind == "relu":
        return x if x != x else g if x > 0 else 0.0
    return mul(SLOPES[kind](x), g)
def softmax_back(y, g, logarithm):
    s = reduce(g if logarithm else [mul(a, b) for a, b in zip(y, g)])
    return [fma(-exp(a), s, b) if logarithm else mul(a, sub(b, s)) for a, b in zip(y, g)]
def norm_back(x, g, kind, eps, gamma):
    rn = recip(float(len(x)))
    d = x
    if kind != "rms":
        mu = mul(reduce(x), rn)
        d = [sub(v, mu) for v in x]
    r = rsqrt(fma(reduce(d, True), rn, eps))
    xh, g = [mul(v, r) for v in d], [mul(a, b) for a, b in zip(g, gamma)]
    a, b = mul(reduce(g), rn), mul(reduce([mul(p, q) for p, q in zip(g, xh)]), rn)
    return [mul(r, fma(-p, b, q if kind == "rms" else sub(q, a))) for p, q in zip(xh, g)]
def taps(pairs, chunk_of):
    """A dot over (k, a, b) in ascending k, borders at multiples of CH of k."""
    t = s = 0.0
    at = 0
    for k, a, b in pairs:
        if chunk_of(k) != at:
            t, s, at = add(t, s), 0.0, chunk_of(k)
        s = fma(a, b, s)
    return add(t, s)
def chunk(k): return k // CH
def conv_weights_back(key, x, dims):
    (n, c, ih, iw), (_, f, oh, ow), (_, cg, r, s) = dims["a"], dims["grad"], dims["out"]
    step, pad, groups = int(key["stride"]), int(key["pad"]), int(key["groups"])
    out = []
    for i in range(f * cg * r * s):
        fi, ci, kh, kw = i // s // r // cg, i // s // r % cg, i // s % r, i % s
        ch = fi // (f // groups) * cg + ci
        pairs = []
        for k in range(n * oh * ow):
            b, y, z = k // ow // oh, k // ow % oh * step - pad + kh, k % ow * step - pad + kw
            if 0 <= y < ih and 0 <= z < iw:
                pairs.append((k, x["grad"][(b * f + fi) * oh * ow + k % (oh * ow)], x["a"][((b * c + ch) * ih + y) * iw + z]))
        out.append(taps(pairs, chunk))
    return {"out": out}
def gather_back(key, x, dims):
    rows, width = dims["out"]
    grad = split(x["grad"], width)
    return {"out": [taps([(i, 1.0, grad[i][e]) for i, p in enumerate(x["index"]) if p in (v, v - rows)], chunk)
                    for v in range(rows) for e in range(width)]}
def attention_back(key, x, dims):
    (hq, sq, d), (hkv, sk, _), dv = dims["q"], dims["k"], dims["v"][2]
    q, k, v, o, g, st = (split(split(x[n], w), s) for n, w, s in
                         (("q", d, sq), ("k", d, sk), ("v", dv, sk), ("out", dv, sq), ("grad", dv, sq), ("stats", 2, sq)))
    factor, group, cap = rsqrt(float(d)), hq // hkv, H(key.get("softcap", "0"))
    pairs = {}
    for h in range(hq):
        for i in range(sq):
            dd, (m, l) = dot(g[h][i], o[h][i]), st[h][i]
            for j in range(sk):
                if "causal" in key and j > i:
                    continue
                z, bend = dot(q[h][i], k[h // group][j]), None
                if cap:
                    u = tanh(mul(z, mul(factor, recip(cap))))
                    t, bend = mul(u, mul(cap, L2E)), fma(-u, u, 1.0)
                else:
                    t = mul(z, mul(factor, L2E))
                p = mul(mul(p2(sub(t, rint(t))), pow2(rint(t) - m)), recip(l))
                ds = mul(p, sub(dot(g[h][i], v[h // group][j]), dd))
                pairs[h, i, j] = p, mul(ds, bend) if cap else ds
    dq = [mul(factor, taps([(j, pairs[h, i, j][1], k[h // group][j][e]) for j in range(sk) if (h, i, j) in pairs], chunk))
          for h in range(hq) for i in range(sq) for e in range(d)]
    def of_keys(which, rows, width):
        return [taps([(y * sq + i, pairs[kv * group + y, i, j][which], rows[kv * group + y][i][e])
                      for y in range(group) for i in range(sq) if (kv * group + y, i, j) in pairs], chunk)
                for kv in range(hkv) for j in range(sk) for e in range(width)]
    return {"out_grad_a": dq, "out_grad_b": [mul(factor, y) for y in of_keys(1, q, d)], "out_grad_v": of_keys(0, g, dv)}
def backward(key, x, dims):
    of = key["of"]
    if of == "eltwise":
        return {"out": [slope(key["kind"], a, g) for a, g in zip(x["a"], x["grad"])]}
    rows = list(zip(split(x.get("a", []), dims.get("a", [1])[-1]), split(x["grad"], dims["grad"][-1])))
    if of == "softmax":
        return {"out": [y for a, g in rows for y in softmax_back(a, g, "log" in key)]}
    if of == "norm":
        return {"out": [y for a, g in rows for y in norm_back(a, g, key["kind"], H(key["eps"]), x["gamma"])]}
    return {"conv": conv_weights_back, "gather": gather_back, "attention": attention_back}[of](key, x, dims)

def operands(lines):
    """name -> (dims, words) of one case."""
    out = {}
    for line in lines:
        name, dims, *words = line.split()
        out[name] = ([int(d) for d in dims.split("x")], [int(w, 16) for w in words])
    return out
def split(x, n): return [x[i:i + n] for i in range(0, len(x), n)] if n else []
def integer_matmul(kind, key, x, dims):
    (m, k), n = dims["a"], dims["b"][1]
    low, high = {"s8": (-128, 127), "u8": (0, 255)}.get(kind.get("out"), (0, 0))
    out = []

    def at(name, i, other):
        return x[name][i if len(x[name]) > 1 else 0] if name in x else other
    for i in range(m):
        for j in range(n):
            za, zb = int(at("zero_of_a", i, 0)), int(at("zero_of_b", j, 0))
            s = sum((int(x["a"][i * k + p]) - za) * (int(x["b"][p * n + j]) - zb) for p in range(k))
            posts = [p for p in key.get("posts", "").split("+") if p]
            if "bias" in x and kind.get("bias") == "s32":
                s, posts = s + int(x["bias"][j]), posts[1:]
            s = (s + 2**31) % 2**32 - 2**31
            if kind.get("out") == "s32":
                out.append(float(max(s, 0) if posts else s))
                continue
            y = r32(float(s))
            if "scale_of_a" in x or "scale_of_b" in x:
                y = mul(y, mul(at("scale_of_a", i, 1.0), at("scale_of_b", j, 1.0)))
            for post in posts:
                y = add(y, x["bias"][j]) if post == "bias" else UNARY[post](y)
            if kind.get("out", "f32") != "f32":
                y = r32(y / at("scale_of_out", j, 1.0))
                q = int(max(min(rint(y), 2.0**30), -2.0**30)) + int(at("zero_of_out", j, 0))
                y = float(max(min(q, high), low))
            out.append(y)
    return out
def matmul(key, x, dims):
    if types(key).get("a") in WHOLE:
        return integer_matmul(types(key), key, x, dims)
    m, k, n = dims["a"][0], dims["a"][1], dims["b"][1]
    out = []
    for i in range(m):
        for j in range(n):
            y = dot(x["a"][i * k:(i + 1) * k], x["b"][j::n] if k else [])
            y = mul(H(key["alpha"]), y) if "alpha" in key else y
            y = fma(H(key["beta"]), x["c"][i * n + j], y) if "beta" in key else y
            for post in key.get("posts", "").split("+"):
                y = {"": lambda: y, "bias": lambda: add(y, x["bias"][j]), "add": lambda: add(y, x["add"][i * n + j]),
                     "scale": lambda: mul(y, H(key["scale"]))}.get(post, lambda: UNARY[post](y))()
            out.append(y)
    return [narrow(types(key).get("out", "f32"), y) for y in out]
def in_order(x, dims):
    """Pages and scales away: k and v [heads, keys, d] of floats, and the keys that are there. One batch."""
    n, hkv, tokens, _ = dims["k"]
    table = [int(t) for t in x["pages"]] if "pages" in x else [0]
    there = [0 <= t < n for t in table for _ in range(tokens)]
    out = {}
    for name in "kv":
        d = dims[name][3]
        pages = [split(p, tokens * d) for p in split(x[name], hkv * tokens * d)]
        s = x.get("scale_of_" + name, [1.0])
        s = [s[0 if len(s) == 1 else h if len(s) == hkv else h * tokens + j] for h in range(hkv) for j in range(tokens)]
        out[name] = [mul(v, s[h * tokens + i // d]) if "scale_of_" + name in x else v
                     for h in range(hkv) for t in table for i, v in enumerate(pages[t][h] if 0 <= t < n else [NAN] * (tokens * d))]
    new = {n: dims[n][1:] for n in ("q", "k", "v")}
    new["k"][1] = new["v"][1] = len(table) * tokens
    return {**x, **out}, {**dims, **new}, there
def attention(key, x, dims):
    there = None
    if len(dims["q"]) == 4:
        x, dims, there = in_order(x, dims)
    (hq, sq, d), (hkv, sk, _), dv = dims["q"], dims["k"], dims["v"][2]
    left, right, cap = int(key.get("left", sk + sq)), int(key.get("right", sk + sq)), H(key["softcap"]) if "softcap" in key else None
    heads = [split(split(x[n], w), s) for n, w, s in (("q", d, sq), ("k", d, sk), ("v", dv, sk))]
    out = []
    for h in range(hq):
        g = h // (hq // hkv)
        for i in range(sq):
            take = [x["mask"][i * sk + j] != 0 if key.get("mask") == "bool" else True for j in range(sk)]
            limit = {"start": i, "end": i + sk - sq}.get(key.get("causal"), sk)
            at = i + sk - sq if key.get("causal") == "end" else i
            take = [t and at - left <= j <= at + right and (there is None or there[j]) for j, t in enumerate(take)]
            bias = x["mask"][i * sk:(i + 1) * sk] if key.get("mask") == "add" else None
            out += attention_row(heads[0][h][i], heads[1][g], heads[2][g], lambda j: take[j] and j <= limit, bias, cap)
    return out
def compute(op, key, x, dims):
    if op == "unary":
        return [UNARY[key["kind"]](v) for v in x["a"]]
    if op == "binary":
        return [{"add": add, "mul": mul, "max": cmax, "min": lambda a, b: -cmax(-a, -b)}[key["kind"]](a, b) for a, b in zip(x["a"], x["b"])]
    rows = split(x.get("a", []), dims.get("a", [1, 1])[-1])
    if op == "reduce":
        f = {"sum": reduce, "sumsq": lambda r: reduce(r, True), "mean": lambda r: mul(reduce(r), recip(float(len(r))))}[key["kind"]]
        return [f(r) for r in rows]
    if op == "softmax":
        return [y for r in rows for y in softmax(r, "log" in key)]
    if op == "scan":
        back = -1 if "reverse" in key else 1
        return [y for r in rows for y in scan(r[::back], "exclusive" in key)[::back]]
    if op == "rope":
        return [y for r, p in zip(rows, x["index"]) for y in rope(r, p, x["freq"], "interleaved" in key)]
    if op in ("pool", "resize"):
        return {"pool": pool, "resize": resize}[op](key, x, dims)
    if op == "norm" and key["kind"] == "batch":
        return batchnorm(key, x, dims)
    if op == "norm" and key["kind"] == "group":
        return groupnorm(key, x, dims)
    if op == "norm":
        return [y for r in rows for y in norm(r, key["kind"], H(key["eps"]), x["gamma"], x.get("beta"))]
    return {"matmul": matmul, "attention": attention}[op](key, x, dims)
def cases(path):
    for block in open(path, encoding="ascii").read().split("case ")[1:]:
        head, *lines = block.strip().split("\n")
        op, *pairs = head.split()
        yield op, dict(p.split("=", 1) for p in pairs), operands(lines), head
def main():
    count = bad = 0
    for name in sorted(os.listdir(HERE)):
        for op, key, args, head in cases(os.path.join(HERE, name)):
            kind = {n: types(key).get(n, "f32") for n in args}
            x = {n: [value(kind[n], w) for w in words] for n, (_, words) in args.items()}
            dims = {n: d for n, (d, _) in args.items()}
            outputs = backward(key, x, dims) if op == "backward" else {"out": compute(op, key, x, dims)}
            wrong = 0
            for output, values in outputs.items():
                got, want = [word(kind[output], y) for y in values], args[output][1]
                wrong += sum(a != b for a, b in zip(got, want)) + abs(len(got) - len(want))
            count, bad = count + 1, bad + (wrong > 0)
            if wrong:
                print(f"{name}: {head}: {wrong} words differ")
    print(f"canonical-1: {count - bad} of {count} golden cases have the bits of the independent checker")
    return 1 if bad or not count else 0
if __name__ == "__main__":
    sys.exit(main())
