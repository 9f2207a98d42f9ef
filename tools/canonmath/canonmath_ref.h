/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of CANONICAL 1, and of FAST, beside their float64 truth, and the error in ulp; for the sweep and
 * for the tests. */
#ifndef TN_TOOLS_CANONMATH_REF_H
#define TN_TOOLS_CANONMATH_REF_H

#include <stdint.h> /* defines __GLIBC__ */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
/* libmvec's vector forms (at most 4 ulp of float64) when the file is compiled for vectors. */
#define TN_SIMD __attribute__((simd("notinbranch"), const))
#else
#define TN_SIMD
#endif
TN_SIMD double exp(double);
TN_SIMD double exp2(double);
TN_SIMD double log(double);
TN_SIMD double tanh(double);
TN_SIMD double erf(double);
TN_SIMD double erfc(double);
TN_SIMD double sin(double);
TN_SIMD double cos(double);
#include <kernels/common/fastmath.h>
#include <math.h>

#define TN_REF_FN static inline __attribute__((always_inline, unused))

TN_REF_FN double ref_exp(double x)
{
    return exp(x);
}
TN_REF_FN double ref_exp2(double x)
{
    return exp2(x);
}
TN_REF_FN double ref_log(double x)
{
    return log(x);
}
TN_REF_FN double ref_recip(double x)
{
    return 1 / x;
}
TN_REF_FN double ref_rsqrt(double x)
{
    return 1 / sqrt(x);
}
TN_REF_FN double ref_sqrt(double x)
{
    return sqrt(x);
}
TN_REF_FN double ref_tanh(double x)
{
    return tanh(x);
}
TN_REF_FN double ref_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
TN_REF_FN double ref_erf(double x)
{
    return erf(x);
}
TN_REF_FN double ref_silu(double x)
{
    double d = 1 + exp(-x);
    return x / d;
}
TN_REF_FN double ref_gelu_tanh(double x)
{
    return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}
TN_REF_FN double ref_gelu(double x)
{
    return 0.5 * x * erfc(-0.70710678118654752440 * x);
}
TN_REF_FN double ref_sin(double x)
{
    return sin(x);
}
TN_REF_FN double ref_cos(double x)
{
    return cos(x);
}

/* |got - want| in ulp of the binary32 binade of `want`. Infinity counts as 2^128 on both sides; a
 * NaN on one side only counts as 1e30. */
TN_REF_FN double ulp_error(float got, double want)
{
    double g = (double)got, top = 0x1p128;
    g = g > top ? top : g < -top ? -top : g;
    double w = want > top ? top : want < -top ? -top : want;
    double size = fabs(w) < 0x1p-126 ? 0x1p-126 : fabs(w) > 0x1p127 ? 0x1p127 : fabs(w);
    uint64_t bits;
    memcpy(&bits, &size, sizeof bits);
    /* 2^(23 - exponent) from the exponent field */
    bits = ((uint64_t)(2046 + 23) << 52) - (bits & 0x7ff0000000000000u);
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    double e = fabs(g - w) * scale;
    return g != g ? (w != w ? 0 : 1e30) : w != w ? 1e30 : e;
}

/* Name, declared maximum (docs/NUMERICS.md B2) and largest |x| that is checked: infinite inputs are
 * left out where the float64 formula is NaN. */
typedef struct tn_canonmath_row {
    const char *name;
    double declared, limit;
    float (*f)(float);
    double (*ref)(double);
} tn_canonmath_row;

static const tn_canonmath_row tn_canonmath_rows[] = {
    {"exp", 1.0115, INFINITY, c_exp, ref_exp},
    {"exp2", 0.879, INFINITY, c_exp2, ref_exp2},
    {"log", 0.826, INFINITY, c_log, ref_log},
    {"recip", 0.5, INFINITY, c_recip_seq, ref_recip},
    {"rsqrt", 0.5, INFINITY, c_rsqrt, ref_rsqrt},
    {"sqrt", 0.5, INFINITY, c_sqrt_seq, ref_sqrt},
    {"tanh", 1.421, INFINITY, c_tanh, ref_tanh},
    {"sigmoid", 2.820, INFINITY, c_sigmoid, ref_sigmoid},
    {"erf", 1.216, INFINITY, c_erf, ref_erf},
    {"silu", 3.279, 0x1.fffffep127, c_silu, ref_silu},
    {"gelu_tanh", 3.435, 0x1.fffffep127, c_gelu_tanh, ref_gelu_tanh},
    {"gelu", 6.062, 0x1.fffffep127, c_gelu, ref_gelu},
    {"sin", 1.669, 0x1p20, c_sin, ref_sin},
    {"cos", 1.807, 0x1p20, c_cos, ref_cos},
    {"fast_gelu", (double)TN_F_GELU_ULP, 0x1.fffffep127, tn_f_gelu, ref_gelu},
    {"fast_tanh", (double)TN_F_TANH_ULP, INFINITY, tn_f_tanh, ref_tanh},
};
enum { TN_CANONMATH_ROWS = sizeof tn_canonmath_rows / sizeof tn_canonmath_rows[0] };

#endif
