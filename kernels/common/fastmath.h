/* SPDX-License-Identifier: Apache-2.0 */
/* Functions for rows of class FAST: fewer operations than those of CANONICAL 1, a larger error that
 * is measured over all inputs (tools/canonmath/result.txt). Scalar code without branches, which the
 * compiler makes vectors of. */
#ifndef TN_KERNELS_FASTMATH_H
#define TN_KERNELS_FASTMATH_H

#include <kernels/common/canonmath.h>

#define TN_F_GELU_ULP 10.06f
#define TN_F_TANH_ULP 5.01f

/* x * Phi(x) = max(x, 0) - a Phi(-a), a = |x|: Phi(-a) exp(a^2 / 2) by a polynomial in t, the
 * exponential as 2^(n + r) with n scaled by 64, so that one product rounds into the subnormals. */
TN_C_FN float tn_f_gelu(float x)
{
    tn_c_uint size = tn_c_bits(x) & 0x7fffffffu; /* one instruction takes the less of integers */
    float a = tn_c_float(size < 0x41700000u ? size : 0x41700000u); /* 15 */
    float t = 1.0f / __builtin_fmaf(a, 0x1.388p-2f, 1.0f);
    float q = __builtin_fmaf(0x1.2abc9p-5f, t, -0x1.36d12cp-3f);
    q = __builtin_fmaf(q, t, 0x1.7745e2p-3f);
    q = __builtin_fmaf(q, t, -0x1.260f88p-5f);
    q = __builtin_fmaf(q, t, 0x1.eb7496p-4f);
    q = __builtin_fmaf(q, t, 0x1.a90786p-4f);
    q = __builtin_fmaf(q, t, 0x1.f5bb2p-4f);
    q = __builtin_fmaf(q, t, 0x1.f288d8p-4f);
    float h = a * a, l = __builtin_fmaf(a, a, -h); /* a^2 = h + l */
    float m = __builtin_fmaf(h, -0x1.715476p-1f, 0x1.8p23f + 64.0f);
    float n = m - (0x1.8p23f + 64.0f);
    float r = __builtin_fmaf(h, -0x1.715476p-1f, -n);
    r = __builtin_fmaf(h, -0x1.4ae0cp-27f, r);
    r = __builtin_fmaf(l, -0x1.715476p-1f, r);
    float p = __builtin_fmaf(0x1.5c0908p-10f, r, 0x1.3d0c64p-7f);
    p = __builtin_fmaf(p, r, 0x1.c6b6e6p-5f);
    p = __builtin_fmaf(p, r, 0x1.ebf918p-3f);
    p = __builtin_fmaf(p, r, 0x1.62e428p-1f);
    p = __builtin_fmaf(p, r, 0x1.000002p+0f);
    p = tn_c_float(tn_c_bits(p) + (tn_c_bits(m) << 23));
    float g = ((a * (q * t)) * p) * 0x1p-64f;
    return (-0.0f > x ? -0.0f : x) - g;
}

/* x P(x^2) / Q(x^2), fitted to 0.35 of 2^-24 up to 9.02, where tanh rounds to 1; what is beyond
 * counts as 9.25. */
TN_C_FN float tn_f_tanh(float x)
{
    float a = 0x1.28p3f < x ? 0x1.28p3f : x; /* a NaN stays */
    a = -0x1.28p3f > a ? -0x1.28p3f : a;
    float s = a * a;
    float p = __builtin_fmaf(0x1.c9a324p-27f, s, 0x1.595506p-16f);
    float q = __builtin_fmaf(0x1.a0b7cp-21f, s, 0x1.5841a2p-12f);
    p = __builtin_fmaf(p, s, 0x1.c9f82ep-9f);
    q = __builtin_fmaf(q, s, 0x1.a7df12p-6f);
    p = __builtin_fmaf(p, s, 0x1.12043cp-3f);
    q = __builtin_fmaf(q, s, 0x1.de5766p-2f);
    p = __builtin_fmaf(p, s, 1.0f);
    q = __builtin_fmaf(q, s, 1.0f);
    float y = (a * p) / q;
    y = 1.0f < y ? 1.0f : y;
    return -1.0f > y ? -1.0f : y;
}

#endif
