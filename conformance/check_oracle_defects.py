#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle with one planted defect each has to disagree with its second implementation (check_oracle.py); so have its CANONICAL parts.

A defect is a change of one place of one source, compiled beside the rest of the suite. A place that is no longer there fails,
so this list cannot go stale unseen; the unchanged sources have to pass by the same way.

usage: check_oracle_defects.py CC ROOT BUILD DUMP_FLAG ..    the flags link oracle_dump: libraries
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile

CC, ROOT, BUILD, *LINK = sys.argv[1:]
DEFECTS = [  # source, what stands there, what is planted, which of several places (0: the only one)
    ("matmul", "sum += p;", "sum += j == k - 1 ? 0 : p;", 0),
    ("matmul", "sum += p;", "sum += j == 0 ? 0 : p;", 0),
    ("matmul", "sum += p;", "sum += (double)(float)p * (1 + 0x1p-30);", 0),
    ("matmul", "sum += p;", "sum = (double)(float)(sum + p);", 0),
    ("matmul", "mag += isfinite(p) ? fabs(p) : 0;", "mag += p;", 0),
    ("matmul", "mag += isfinite(p) ? fabs(p) : 0;", "mag += j == 0 ? 0 : fabs(p);", 0),
    ("matmul", "+ fma(x, y, -p);", ";", 0),
    ("matmul", "rest += (sum - (s - t)) + (p - t)", "rest += (p - t)", 0),
    ("matmul", "w.k = transposed ? inner : outer;", "w.k = outer;", 0),
    ("matmul", "w.row = transposed ? inner : outer;", "w.row = outer;", 0),
    ("matmul", "w.base += i[of] * t->stride[d];", "w.base += 0 * i[of] * t->stride[d];", 0),
    ("matmul", "sum += (uint32_t)(x * y);", "sum += (uint32_t)(x * y * (j != k - 1));", 0),
    ("matmul", "sum += (uint32_t)(x * y);", "sum += (uint32_t)(uint16_t)(x * y);", 0),
    ("matmul", "tn_v_sum_error(&c->arith, (double)k, mag)", "tn_v_sum_error(&c->arith, (double)k, mag) / 8", 0),
    ("matmul", "tn_v_sum_error(&c->arith, (double)k, mag)", "4 * tn_v_sum_error(&c->arith, (double)k, mag)", 0),
    ("conv", "s->sum += x * y;", "s->sum += x * y * (1 + 0x1p-30);", 0),
    ("conv", "s->sum += x * y;", "s->sum += s->terms == 0 ? 0 : x * y;", 0),
    ("conv", "s->mag += fabs(x * y);", "s->mag += x * y;", 0),
    ("conv", "i[d] = o[d] * g->stride[d] - g->lo[d] + r[d] * g->dilation[d];", "i[d] = o[d] - g->lo[d] + r[d] * g->dilation[d];", 1),
    ("conv", "i[d] = o[d] * g->stride[d] - g->lo[d] + r[d] * g->dilation[d];", "i[d] = o[d] * g->stride[d] + r[d] * g->dilation[d];", 1),
    ("conv", "i[d] = o[d] * g->stride[d] - g->lo[d] + r[d] * g->dilation[d];", "i[d] = o[d] * g->stride[d] - g->lo[d] + r[d];", 1),
    ("conv", "pixel(b, f, s.k, r));", "pixel(b, f, s.k, (int64_t[]){b->dim[2] - 1 - r[0], r[1], b->dim[4] - 1 - r[2]}));", 0),
    ("conv", "first = f / per * b->dim[1]", "first = 0 * per", 0),
    ("rows", "p = exp(x - top);", "p = exp(x - top) * (k != n - 1);", 0),
    ("rows", "p = exp(x - top);", "p = (double)expf((float)(x - top));", 0),
    ("rows", "exp(x - top) / sum;", "exp(x - top) / (sum * (1 + 0x1p-30));", 0),
    ("rows", "double s2 = var + (double)t->epsilon, s = sqrt(s2);", "double s2 = var, s = sqrt(s2);", 0),
    ("rows", "double s2 = var + (double)t->epsilon, s = sqrt(s2);", "double s2 = var + (double)t->epsilon, s = sqrt(var) + (double)t->epsilon;", 0),
    ("rows", "double p = t->kind == TN_REDUCE_SUMSQ ? x * x : x;", "double p = x;", 0),
    ("rows", "double p = t->kind == TN_REDUCE_SUMSQ ? x * x : x;", "double p = (t->kind == TN_REDUCE_SUMSQ ? x * x : x) * (1 + 0x1p-30);", 0),
    ("attention", ": 1 / sqrt((double)s->d);", ": 1 / (double)s->d;", 0),
    ("attention", "h / (s->heads / s->kv_heads);", "h % s->kv_heads;", 0),
    ("attention", "r->weight[j] = exp(r->score[j] - r->top);", "r->weight[j] = exp(r->score[j] - r->top) * (j != 0);", 0),
    ("attention", "r->weight[j] = exp(r->score[j] - r->top);", "r->weight[j] = (double)expf((float)(r->score[j] - r->top));", 0),
    ("attention", "double t = z * s->scale,", "double t = z,", 0),
    ("canonical", "LANES = 64", "LANES = 32", 0),
    ("canonical", "SEGMENT = 4096", "SEGMENT = 8192", 0),
    ("canonical", "fmaf(x[i], x[i], *l) : *l + x[i];", "x[i] * x[i] + *l : *l + x[i];", 0),
    ("canonical", "y[i] * by;", "y[i] / s;", 0),
    ("canonical", "(x[i] - m) - less", "x[i] - (m + less)", 0),
    ("canonical", "fmaf(z, gamma[i], beta[i])", "z * gamma[i] + beta[i]", 0),
    ("canonical", "tn_v_c_rsqrt(fmaf(tn_v_c_reduce(y, n, true), by, epsilon))", "tn_v_c_rsqrt(tn_v_c_reduce(y, n, true) * by + epsilon)", 0),
    ("canonical", "r * fmaf(-(dx[i] * r), b, rms ? g : g - a)", "r * ((rms ? g : g - a) - dx[i] * r * b)", 0),
    ("canonical", "y[e] = fmaf(y[e], f, scratch[e]);", "y[e] = y[e] * f + scratch[e] * (1 + 0x1p-23f);", 0),
    ("canonical", "s.l = fmaf(l, f, s.l);", "s.l = fmaf(l, f, s.l) * (1 + 0x1p-23f);", 0),
    ("canonical", "t * (w->scale * TN_V_L2E);", "t * w->scale * TN_V_L2E;", 0),
    ("canonical", "(w->scale * tn_v_c_recip(w->cap))", "w->scale / w->cap", 0),
    ("canonical", "w->weights != TN_F32; ++at)", "false; ++at)", 0),
    ("canonical", "tn_v_c_pow2(n - stats[0])) * by;", "tn_v_c_pow2(n - stats[0])) / stats[1];", 0),
    ("attention", "tn_v_dot_add(&sum, g + s->attr->first_query,", "tn_v_dot_add(&sum, i,", 0),
    ("canonical_math", "fmaf(q, f * f, n * LN2_L);", "fmaf(q, f * f, 0.0f);", 0),
    ("canonical_math", "if (side > 0 ? beyond < 0 : beyond > 0)", "if (side > 0 ? beyond > 0 : beyond < 0)", 0),
    ("canonical_math", "x < 0 ? z * q : q;", "x < 0 ? 1.0f - q : q;", 0),
    ("canonical_math", "x * fmaf(c, x, 0.5f);", "fmaf(x * c, x, 0.5f * x);", 0),
    ("canonical_math", "fmaf(n, -0x1.921fb6p+0f, x);", "x - n * 0x1.921fb6p+0f;", 0),
    ("canonical_math", "*out = z * (q * q);", "*out = (z * q) * q;", 0),
    ("matmul", "tn_v_dot_add(&dot, j, (float)room[j].a, (float)room[j].b);", "tn_v_dot_add(&dot, k - 1 - j, (float)room[k - 1 - j].a, (float)room[k - 1 - j].b);", 0),
    ("conv", "list[k].tap * per + list[k].k,", "k,", 0),
]


def planted(defect, folder):
    name, old, new, place = defect
    text = open(os.path.join(ROOT, "conformance", "oracle", f"oracle_{name}.c"), encoding="utf-8").read()
    if text.count(old) != 1 and not (place and text.count(old) >= place):
        return f"oracle_{name}.c has {text.count(old)} places with: {old}"
    at = -1
    for _ in range(max(place, 1)):
        at = text.index(old, at + 1)
    path = os.path.join(folder, f"oracle_{name}.c")
    open(path, "w", encoding="utf-8").write(text[:at] + new + text[at + len(old):])
    return survives(path, os.path.join(folder, "dump"))


def survives(source, exe):
    """None: the check disagreed. Text: what went wrong."""
    dump = os.path.join(ROOT, "conformance", "oracle_dump.c")
    made = subprocess.run([CC, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1", "-ffp-contract=off", "-w", "-I", ROOT, "-I", os.path.join(ROOT, "include"),
                           dump, source, "-o", exe, *LINK], capture_output=True, text=True, cwd=BUILD)
    if made.returncode:
        return "does not compile: " + made.stderr[-600:]
    done = subprocess.run([sys.executable, os.path.join(ROOT, "conformance", "check_oracle.py"), exe], capture_output=True, text=True)
    return "survived" if done.returncode == 0 else None


def main():
    with tempfile.TemporaryDirectory() as top:
        whole = os.path.join(ROOT, "conformance", "oracle", "oracle_matmul.c")
        found = survives(whole, os.path.join(top, "whole"))
        assert found == "survived", ("the oracle as it is has to agree", found)
        folders = [os.path.join(top, str(i)) for i in range(len(DEFECTS))]
        for f in folders:
            os.mkdir(f)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(planted, DEFECTS, folders))
    bad = [f"{d[0]}: {d[1]} -> {d[2]}: {r}" for d, r in zip(DEFECTS, results) if r is not None]
    print("\n".join(bad))
    if bad:
        sys.exit(1)
    print(f"oracle: {len(DEFECTS)} planted defects, all disagree with the second implementation")


if __name__ == "__main__":
    main()
