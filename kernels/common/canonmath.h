/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical math for C: c_pow2 .. c_cos of CANONICAL 1, and max, min and relu by integer keys.
 *
 * Everything is plain scalar code without branches, so a loop over it vectorises under -O3 in a
 * file with ISA flags and gives the same bits there: operations are correctly rounded one by one,
 * and no file is compiled with contraction. Without FMA in the ISA the compiler calls fmaf() of
 * libm, which is correct and slow. */
#ifndef TN_KERNELS_CANONMATH_H
#define TN_KERNELS_CANONMATH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t tn_c_uint;

static inline __attribute__((always_inline)) tn_c_uint tn_c_bits(float x)
{
    tn_c_uint u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline __attribute__((always_inline)) float tn_c_float(tn_c_uint u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

#define FN            static inline __attribute__((always_inline, unused))
#define FMA(a, b, c)  __builtin_fmaf(a, b, c)
#define RINT(x)       __builtin_rintf(x)
#define F2U(x)        tn_c_bits(x)
#define U2F(u)        tn_c_float(u)
/* unsigned, so that the text's subtraction wraps */
#define F2I_BITS(x)   tn_c_bits(x)
/* |x| < 2^22 or NaN; no conversion instruction, hence defined for NaN too */
#define F2I(x)        ((int)(tn_c_bits((x) + 0x1.8p23f) - 0x4b400000u))
#define I2F(i)        ((float)(i))
#define SEL(c, a, b)  ((c) ? (a) : (b))
#define SELU(c, a, b) ((c) ? (a) : (b))
#define SELI(c, a, b) ((c) ? (a) : (b))
#define ABS(x)        __builtin_fabsf(x)
#define INF           __builtin_inff()
#define NAN_          tn_c_float(0x7fc00000u)
/* IEEE division and square root are the same bits as the sequences (test_k_canonmath). */
#define RECIP(x)      (1.0f / (x))
#define uint          tn_c_uint
#include <kernels/common/canonmath.inc>
#undef uint
#include <kernels/common/canonmath_end.inc>

#define TN_C_FN static inline __attribute__((always_inline, unused))

TN_C_FN float c_recip(float x)
{
    return 1.0f / x;
}

TN_C_FN float c_sqrt(float x)
{
    return __builtin_sqrtf(x);
}

/* Largest error over all inputs in ulp of the result (docs/NUMERICS.md B2), for the `arithmetic` of
 * a row; functions that are not here are correctly rounded. */
#define TN_C_EXP_ULP       1.0115f
#define TN_C_EXP2_ULP      0.879f
#define TN_C_LOG_ULP       0.826f
#define TN_C_TANH_ULP      1.421f
#define TN_C_SIGMOID_ULP   2.820f
#define TN_C_ERF_ULP       1.216f
#define TN_C_SILU_ULP      3.279f
#define TN_C_GELU_TANH_ULP 3.435f
#define TN_C_GELU_ULP      6.062f
#define TN_C_SIN_ULP       1.669f
#define TN_C_COS_ULP       1.807f

/* Derivatives: units of 2^-24, over 4e7 points in [-20, 20]; of the result, or (silu, both gelu) of
 * the larger of it and 1/8. */
#define TN_C_TANH_GRAD_U      5.29f
#define TN_C_SIGMOID_GRAD_U   5.29f
#define TN_C_ERF_GRAD_U       3.70f
#define TN_C_SILU_GRAD_U      5.64f
#define TN_C_GELU_TANH_GRAD_U 10.65f
#define TN_C_GELU_GRAD_U      13.40f

/* Section 1: max and min as integers. A key orders like the float, -0 below +0; NaN wins. */
enum { TN_C_KEY_INF = 0x7f800000, TN_C_KEY_NINF = -0x7f800001 };

TN_C_FN int32_t tn_c_key_max(float x)
{
    int32_t i = (int32_t)tn_c_bits(x);
    int32_t key = i ^ ((i >> 31) & 0x7fffffff);
    return (i & 0x7fffffff) > TN_C_KEY_INF ? INT32_MAX : key;
}

TN_C_FN int32_t tn_c_key_min(float x)
{
    int32_t i = (int32_t)tn_c_bits(x);
    int32_t key = i ^ ((i >> 31) & 0x7fffffff);
    return (i & 0x7fffffff) > TN_C_KEY_INF ? INT32_MIN : key;
}

/* The float of a key of either kind. */
TN_C_FN float tn_c_unkey(int32_t key)
{
    int32_t i = key ^ ((key >> 31) & 0x7fffffff);
    return tn_c_float(key > TN_C_KEY_INF || key < TN_C_KEY_NINF ? 0x7fc00000u : (tn_c_uint)i);
}

TN_C_FN float tn_c_max(float a, float b)
{
    int32_t x = tn_c_key_max(a), y = tn_c_key_max(b);
    return tn_c_unkey(x > y ? x : y);
}

TN_C_FN float tn_c_min(float a, float b)
{
    int32_t x = tn_c_key_min(a), y = tn_c_key_min(b);
    return tn_c_unkey(x < y ? x : y);
}

/* x if x > 0 or x is NaN, else +0 */
TN_C_FN float tn_c_relu(float x)
{
    return x <= 0.0f ? 0.0f : x;
}

#endif
