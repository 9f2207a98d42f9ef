#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle against a second implementation: sums in exact fractions, functions in 60 digits.

CANONICAL results have to be those of vectors/check_canonical.py, bit for bit.

The references have to agree to far below the bounds, the magnitudes exactly, and the bounds must hold for a plain
loop in f32 and be no looser than a few times the worst case of such a loop."""
import math
import os
import subprocess
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors"))
import check_canonical as canon  # noqa: E402

getcontext().prec = 60
A, B, OUT, BIAS, Q, K, V, GAMMA, BETA, INDEX, GRAD, STATS, FREQ, POST0 = 1, 2, 4, 5, 7, 8, 9, 14, 15, 16, 17, 21, 23, 128

CASES = [
    ("matmul 5x7x33:f32", "zero"), ("matmul 5x7x33:f32:tt", "wide"), ("matmul 2x3x4x65:bf16", "pos"),
    ("matmul 4x5x40:f16:nt", "e24"), ("matmul 3x3x9:f64", "zero"), ("matmul 6x5x17:s8,s8,s32:exact", "zero"),
    ("matmul 3x4x50:u8,s8,s32:exact", "zero"), ("matmul 7x9x12:f8e4m3,f8e4m3,f32", "e24"),
    ("conv n1c3h6w5k4r3s3p1:f32", "zero"), ("conv n2c4h7w5k6r3s2u2g2:bf16", "pos"),
    ("conv n1c2h6w6k3r3s3p2l2:f32:nhwc", "zero"), ("softmax 3x17:f32:axis=1", "zero"), ("softmax 3x17:f32:axis=1", "big"),
    ("reduce sum 3x41:f32:axes=1", "wide"), ("reduce sumsq 4x20:bf16:axes=1", "zero"),
    ("attention b1h2q3k9d8:f32", "zero"), ("attention h2g1q4k7d8:f32:causal_end", "rise"), ("attention h4g2q3k5d8:f32", "wide"),
    ("norm layer 3x20:f32:eps=0.001", "big"), ("norm rms 3x20:f32:eps=0.001", "zero"),
]


FUNCTIONS = ["recip", "sqrt", "rsqrt", "exp", "exp2", "log", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "erf", "sin", "cos"]
BITS = [
    ("matmul 3x5x300:f32:nn+canonical", "zero"), ("matmul 3x4x260:bf16:nn+canonical", "wide"), ("matmul 2x3x130:f16:nn+canonical+bias+gelu", "zero"),
    ("matmul 2x3x513:f32:nn+canonical+bias+silu", "pos"), ("matmul 2x3x9:f32:nn+canonical+gelu_tanh", "zero"),
    ("conv n2c16h4w5k3r3s3p1:f32:canonical", "zero"), ("conv n1c70h5w4k2r2s2u2:f16:canonical", "zero"),
    ("reduce sum 2x4200:f32:canonical+axes=1", "wide"), ("reduce mean 3x70:f32:canonical+axes=1", "zero"), ("reduce sumsq 40x130:f32:canonical+axes=1", "zero"),
    ("softmax 2x130:f32:canonical+axis=1", "zero"), ("softmax 3x33:f32:canonical+axis=1+log", "zero"), ("softmax 2x70:f32:canonical+backward+axis=1", "zero"),
    ("softmax 2x70:f32:canonical+backward+axis=1+log", "zero"), ("norm layer 2x130:f32:canonical+eps=0.001+gamma+beta", "zero"),
    ("norm rms 2x70:bf16:canonical+eps=0.001+gamma", "wide"), ("norm layer 2x70:f32:canonical+backward+eps=0.001+gamma", "zero"),
    ("norm rms 2x70:f32:canonical+backward+eps=0.001+gamma", "zero"), ("norm batch 2x3x5:f32:canonical+eps=0.001+gamma+beta+stats", "zero"),
    ("attention h2g1q3k200d8:f32:canonical+causal_end", "zero"), ("attention h2q2k300d8:bf16:canonical", "rise"),
    ("attention h1q2k140d8:f32:canonical+softcap=5", "zero"),
    ("attention h4g2q70k5d8:f32:backward+canonical", "zero"), ("attention h1q2k140d8e4:f32:backward+canonical+softcap=5", "zero"), ("scan 2x70:f32:canonical+axis=1", "zero"), ("rope 5x16:f32:canonical+index=5", "zero"),
] + [(f"eltwise {f} 9x41:f32:canonical", d) for f in FUNCTIONS for d in ("zero", "special", "wide")] + [
    (f"eltwise {f} 9x41:f32:canonical+backward", "zero") for f in FUNCTIONS + ["square"]]


def read(exe):
    text = subprocess.run([exe] + [x for c in CASES + BITS for x in c], check=True, capture_output=True, text=True).stdout
    cases = []
    for line in text.splitlines():
        if line.startswith("op "):
            cases.append({"op": line[3:], "in": {}, "ref": {}, "err": {}, "mag": {}, "bits": {}})
            continue
        head, numbers = line.split(" :")
        kind, role, dtype, dims = head.split()
        dims = [] if dims == "-" else [int(d) for d in dims.split("x")]
        cases[-1][kind][int(role)] = (dtype, dims, [float.fromhex(n) for n in numbers.split()])
    return cases


def strides(dims):
    s, out = 1, []
    for d in reversed(dims):
        out.insert(0, s)
        s *= d
    return out


def terms_matmul(case):
    words = case["op"].split(":")
    ta, tb = "tt" in words, "tt" in words or "nt" in words
    (_, da, a), (_, db, b), (_, do, _) = case["in"][A], case["in"][B], case["ref"][OUT]
    batch = do[0] if len(do) == 3 else 1
    m, n = do[-2:]
    k = da[-2] if ta else da[-1]
    for z in range(batch):
        for i in range(m):
            for j in range(n):
                yield [(a[z * m * k + (x * m + i if ta else i * k + x)], b[z * n * k + (j * k + x if tb else x * n + j)])
                       for x in range(k)]


def terms_conv(case):
    import re
    head = dict((key, int(v)) for key, v in re.findall(r"([a-z])(\d+)", case["op"].split()[1].split(":")[0]))
    last = "nhwc" in case["op"]
    (_, da, a), (_, db, b), (_, do, _) = case["in"][A], case["in"][B], case["ref"][OUT]
    sa, sb = strides(da), strides(db)
    groups, pad, step, dil = head.get("g", 1), head.get("p", 0), head.get("u", 1), head.get("l", 1)
    n, c, h, w, f, r, s = (head[x] for x in "nchwkrs")
    per, cg = f // groups, c // groups
    at = lambda st, x, ch, y, z: x * st[0] + ((y * st[1] + z * st[2] + ch * st[3]) if last else (ch * st[1] + y * st[2] + z * st[3]))
    oh, ow = (do[1], do[2]) if last else (do[2], do[3])
    order = ([(x, g, y, z) for x in range(n) for y in range(oh) for z in range(ow) for g in range(f)] if last else
             [(x, g, y, z) for x in range(n) for g in range(f) for y in range(oh) for z in range(ow)])
    for x, g, oy, ox in order:
        out = []
        for ky in range(r):
            for kx in range(s):
                y, z = oy * step - pad + ky * dil, ox * step - pad + kx * dil
                if 0 <= y < h and 0 <= z < w:
                    out += [(a[at(sa, x, g // per * cg + ch, y, z)], b[at(sb, g, ch, ky, kx)]) for ch in range(cg)]
        yield out


def terms_reduce(case):
    _, da, a = case["in"][A]
    for r in range(da[0]):
        row = a[r * da[1]:(r + 1) * da[1]]
        yield [(v, v) if "sumsq" in case["op"] else (v, 1.0) for v in row]


def check_sums(case, terms):
    _, _, ref = case["ref"][OUT]
    _, _, err = case["err"][OUT]
    _, _, mag = case["mag"][OUT]
    integer = case["ref"][OUT][0].startswith(("s", "u"))
    for i, t in enumerate(terms):
        exact = sum((Fraction(x) * Fraction(y) for x, y in t), Fraction(0))
        size = sum((abs(Fraction(x) * Fraction(y)) for x, y in t), Fraction(0))
        if integer:
            wrapped = (int(exact) + 2**31) % 2**32 - 2**31
            assert ref[i] == wrapped and err[i] == 0, (case["op"], i, ref[i], wrapped)
            continue
        wide = 2.0**-90 if case["in"][A][0] == "f64" else 2.0**-45
        assert abs(Fraction(ref[i]) - exact) <= max(Fraction(wide) * size, Fraction(abs(ref[i])) * Fraction(2.0**-52)), (case["op"], i, ref[i], float(exact))
        assert abs(Fraction(mag[i]) - size) <= Fraction(2.0**-45) * size, (case["op"], i)
        n, u = len(t), 2.0**-53 if case["in"][A][0] == "f64" else 2.0**-24
        # no looser than the worst case, no tighter than a few times what mean-zero errors make
        assert err[i] <= (n * u / (1 - n * u) + n * 2.0**-50) * float(size) * 1.01 + n * 2.0**-148, (case["op"], i, err[i])
        assert err[i] == 0 or err[i] >= min(n, 6 * math.sqrt(n)) * u * float(size) * 0.99, (case["op"], i, err[i])


def close(case, i, ref, want, err):
    assert abs(Decimal(ref) - want) <= Decimal(2.0**-40) * abs(want) + Decimal(1e-300), (case["op"], i, ref, want)
    assert err >= 0.25 * 2.0**-24 * abs(ref), (case["op"], i, "a bound below the rounding of the result", err, ref)


def check_softmax(case):
    _, d, a = case["in"][A]
    for r in range(d[0]):
        row = [Decimal(v) for v in a[r * d[1]:(r + 1) * d[1]]]
        total = sum((x - max(row)).exp() for x in row)
        for k, x in enumerate(row):
            i = r * d[1] + k
            close(case, i, case["ref"][OUT][2][i], (x - max(row)).exp() / total, case["err"][OUT][2][i])


def check_norm(case):
    _, d, a = case["in"][A]
    eps = Decimal(float.fromhex((0.001).hex()))
    import struct
    eps = Decimal(struct.unpack("f", struct.pack("f", 0.001))[0])
    for r in range(d[0]):
        row = [Decimal(v) for v in a[r * d[1]:(r + 1) * d[1]]]
        mean = Decimal(0) if "rms" in case["op"] else sum(row) / len(row)
        s = (sum((x - mean) ** 2 for x in row) / len(row) + eps).sqrt()
        for k, x in enumerate(row):
            i = r * d[1] + k
            want = (x - mean) / s
            assert abs(Decimal(case["ref"][OUT][2][i]) - want) <= Decimal(2.0**-38) * max(abs(want), abs(mean / s)), (case["op"], i)


def check_attention(case):
    _, dq, q = case["in"][Q]
    _, dk, k = case["in"][K]
    _, dv, v = case["in"][V]
    batch, heads, kv, queries, keys, d = (dq[0] if len(dq) == 4 else 1), dq[-3], dk[-3], dq[-2], dk[-2], dq[-1]
    scale = 1 / Decimal(d).sqrt()
    i = 0
    for b in range(batch):
        for h in range(heads):
            g = h // (heads // kv)
            for x in range(queries):
                seen = range(keys) if "causal" not in case["op"] else range(keys - queries + x + 1)
                z = [scale * sum(Decimal(q[((b * heads + h) * queries + x) * d + e]) * Decimal(k[((b * kv + g) * keys + j) * d + e])
                                 for e in range(d)) for j in seen]
                w = [(s - max(z)).exp() for s in z]
                for c in range(dv[-1]):
                    parts = [wj * Decimal(v[((b * kv + g) * keys + j) * dv[-1] + c]) for j, wj in zip(seen, w)]
                    want, ref = sum(parts) / sum(w), case["ref"][OUT][2][i]
                    assert abs(Decimal(ref) - want) <= Decimal(2.0**-40) * sum(abs(p) for p in parts) / sum(w), (case["op"], i, ref, want)
                    assert case["err"][OUT][2][i] > 0
                    i += 1


def canonical_sums(case):
    """Chunks lie where they would with every tap."""
    x, words = case["in"], case["op"].split(":")[-1].split("+")
    if case["op"].startswith("matmul"):
        rows = [canon.dot(*map(list, zip(*t))) for t in terms_matmul(case)]
    else:
        (_, (n, c, h, w), a), (_, (f, _, r, s), b) = x[A], x[B]
        step, pad = (2, 0) if "u2" in case["op"] else (1, 1)
        rows = []
        for i in range(len(case["ref"][OUT][2])):
            (_, (_, _, oh, ow), _) = case["ref"][OUT]
            z, g, y, q = i // (f * oh * ow), i // (oh * ow) % f, i // ow % oh * step - pad, i % ow * step - pad
            taps = [((ky * s + kx) * c + ch, a[((z * c + ch) * h + y + ky) * w + q + kx], b[((g * c + ch) * r + ky) * s + kx])
                    for ky in range(r) for kx in range(s) if 0 <= y + ky < h and 0 <= q + kx < w for ch in range(c)]
            rows.append(canon.taps(taps, canon.chunk))
    bias = x[POST0][2] if POST0 in x else x[BIAS][2] if BIAS in x else None
    for i, y in enumerate(rows):
        for word in words:
            y = canon.add(y, bias[i % len(bias)]) if word == "bias" else canon.UNARY[word](y) if word in canon.UNARY else y
        yield y


def canonical_attention(case):
    (_, (hq, sq, d), q), (_, (hk, sk, _), k), (_, (_, _, dv), v) = (case["in"][r] for r in (Q, K, V))
    typed = case["in"][V][0]
    for h in range(hq):
        g = h // (hq // hk)
        keys, values = canon.split(k, d)[g * sk:(g + 1) * sk], canon.split(v, dv)[g * sk:(g + 1) * sk]
        for i in range(sq):
            last = i + sk - sq if "causal_end" in case["op"] else sk
            row = q[(h * sq + i) * d:(h * sq + i + 1) * d]
            yield from canon.attention_row(row, keys, values, lambda j: j <= last, None, 5.0 if "softcap" in case["op"] else None,
                                           lambda p: canon.narrow(typed, p))


def canonical_rows(case):
    x, kind = case["in"], case["op"].split()[0]
    rows = canon.split(x[A][2], x[A][1][-1])
    grads = canon.split(x[GRAD][2], x[GRAD][1][-1]) if GRAD in x else None
    gamma, beta = (x[r][2] if r in x else None for r in (GAMMA, BETA))
    eps = canon.r32(0.001)
    word = case["op"].split()[1]
    if kind == "eltwise":
        return [canon.slope(word, a, g) for a, g in zip(x[A][2], x[GRAD][2])] if grads else [canon.UNARY[word](a) for a in x[A][2]]
    if kind == "reduce":
        f = {"sum": canon.reduce, "sumsq": lambda r: canon.reduce(r, True), "mean": lambda r: canon.mul(canon.reduce(r), canon.recip(float(len(r))))}[word]
        return [f(r) for r in rows]
    if kind == "softmax":
        f = (lambda r, g: canon.softmax_back(r, g, "log" in case["op"])) if grads else (lambda r, g: canon.softmax(r, "log" in case["op"]))
        return [y for r, g in zip(rows, grads or rows) for y in f(r, g)]
    if kind == "scan":
        return [y for r in rows for y in canon.scan(r, False)]
    if kind == "rope":
        return [y for r, p in zip(rows, x[INDEX][2]) for y in canon.rope(r, p, x[FREQ][2], False)]
    if word == "batch":
        n, c, space = x[A][1]
        return canon.batchnorm({"eps": eps.hex()}, {"a": x[A][2], "gamma": gamma, "beta": beta, "stats": x[STATS][2]}, {"a": (n, c, space)})
    if grads:
        return [y for r, g in zip(rows, grads) for y in canon.norm_back(r, g, word, eps, gamma)]
    return [y for r in rows for y in canon.norm(r, word, eps, gamma, beta)]


def check_bits(case):
    """No tolerance: the bits of the independent checker of the golden vectors."""
    kind = case["op"].split()[0]
    if "backward" in case["op"] and kind == "attention":
        named = {"q": Q, "k": K, "v": V, "out": OUT, "grad": GRAD, "stats": STATS}
        back = canon.attention_back({"softcap": (5.0).hex()} if "softcap" in case["op"] else {}, {n: case["in"][r][2] for n, r in named.items()},
                                    {n: case["in"][r][1] for n, r in named.items()})
        for output, role in (("out_grad_a", 18), ("out_grad_b", 19), ("out_grad_v", 20)):
            assert back[output] == case["bits"][role][2], (case["op"], output)
        return sum(len(y) for y in back.values())
    want = {"matmul": canonical_sums, "conv": canonical_sums, "attention": canonical_attention}.get(kind, canonical_rows)(case)
    typed, _, got = case["bits"][OUT]
    want = [canon.word(typed, canon.narrow(typed, y)) for y in want]
    assert want == [canon.word(typed, y) for y in got] and want, (case["op"], sum(a != canon.word(typed, b) for a, b in zip(want, got)), len(got))
    return len(got)


def main():
    cases = read(sys.argv[1])
    assert len(cases) == len(CASES) + len(BITS)
    elements = 0
    bits = sum(check_bits(case) for case in cases[len(CASES):])
    for case in cases[:len(CASES)]:
        kind = case["op"].split()[0]
        elements += len(case["ref"][OUT][2])
        if kind == "matmul":
            check_sums(case, terms_matmul(case))
        elif kind == "conv":
            check_sums(case, terms_conv(case))
        elif kind == "reduce":
            check_sums(case, terms_reduce(case))
        else:
            {"softmax": check_softmax, "norm": check_norm, "attention": check_attention}[kind](case)
    print(f"oracle: {elements} elements of {len(CASES)} ops agree with exact arithmetic, {bits} of {len(BITS)} ops in CANONICAL by their bits")


if __name__ == "__main__":
    main()
