/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of CANONICAL 1 on eight floats (canonmath_lanes.inc), twice: `_8` for every
 * argument, `_8n` for near ones, whose powers of two and results are all normal numbers: then a
 * product with a power of two is a sum of exponents, and nothing has to be clamped. Both have the
 * same bits there; tn_c_near_8 is the limit of the arguments of each. */
#ifndef TN_KERNELS_CANONMATH_AVX2_H
#define TN_KERNELS_CANONMATH_AVX2_H

#include <immintrin.h>
#include <kernels/common/canonmath.h>

#undef CLAMP
#define TN_L(name)      name##_8
#define TN_L_BYTES      32
#define TN_L_SET1(x)    _mm256_set1_ps(x)
#define TN_L_SET1I(i)   _mm256_set1_epi32(i)
#define FMA_OF(a, b, c) _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define RINT(x)         ((TN_L(tn_c_f))_mm256_round_ps((__m256)(x), _MM_FROUND_TO_NEAREST_INT))
#define F2I(x)          ((TN_L(tn_c_i))_mm256_cvtps_epi32((__m256)(x)))
#define I2F_OF(x)       _mm256_cvtepi32_ps((__m256i)(x))
#define SEL_OF(c, a, b) _mm256_blendv_ps((__m256)(b), (__m256)(a), (__m256)(c))
#define RECIP(x)        ((TN_L(tn_c_f))_mm256_div_ps(_mm256_set1_ps(1.0f), (__m256)(x)))
/* A NaN is the second operand of both, and so stays. */
#define CLAMP(x, lo, hi)                                                                           \
    ((TN_L(tn_c_f))_mm256_max_ps(_mm256_set1_ps(lo),                                               \
                                 _mm256_min_ps(_mm256_set1_ps(hi), (__m256)(x))))
#include <kernels/common/canonmath_lanes.inc>
#undef TN_L

#define TN_L(name)       name##_8n
#define TN_L_BYTES       32
#define TN_L_SET1(x)     _mm256_set1_ps(x)
#define TN_L_SET1I(i)    _mm256_set1_epi32(i)
#define FMA_OF(a, b, c)  _mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define RINT(x)          ((TN_L(tn_c_f))_mm256_round_ps((__m256)(x), _MM_FROUND_TO_NEAREST_INT))
#define F2I(x)           ((TN_L(tn_c_i))_mm256_cvtps_epi32((__m256)(x)))
#define I2F_OF(x)        _mm256_cvtepi32_ps((__m256i)(x))
#define SEL_OF(c, a, b)  _mm256_blendv_ps((__m256)(b), (__m256)(a), (__m256)(c))
#define RECIP(x)         ((TN_L(tn_c_f))_mm256_div_ps(_mm256_set1_ps(1.0f), (__m256)(x)))
#define CLAMP(x, lo, hi) (x)
#define SCALE(p, n)      ((TN_L(tn_c_f))((TN_L(tn_c_u))(p) + ((TN_L(tn_c_u))(n) << 23)))
#include <kernels/common/canonmath_lanes.inc>
#undef TN_L

/* Largest |x| of the near forms: beyond it a power of two or a result leaves the normal numbers
 * (exp e^-86, silu 80 e^-80, gelu 13 Phi(-13), gelu_tanh 76 in the exponent). The other functions
 * have no limit: log scales nothing, erf's exponent ends at 4. */
#define TN_C_NEAR_EXP       86.0f
#define TN_C_NEAR_EXP2      125.0f
#define TN_C_NEAR_TANH      43.0f
#define TN_C_NEAR_SILU      80.0f
#define TN_C_NEAR_GELU_TANH 9.5f
#define TN_C_NEAR_GELU      13.0f

/* Whether all of `count` vectors lie within the limit; NaNs do not. */
TN_C_FN bool tn_c_near_8(const tn_c_f_8 *x, int count, float limit)
{
    __m256i low = _mm256_set1_epi32(0x7fffffff), most = _mm256_and_si256((__m256i)x[0], low);
    for (int i = 1; i < count; i++)
        most = _mm256_max_epu32(most, _mm256_and_si256((__m256i)x[i], low));
    __m256i over = _mm256_cmpgt_epi32(most, _mm256_set1_epi32((int)tn_c_bits(limit)));
    return _mm256_testz_si256(over, over) != 0;
}

#endif
