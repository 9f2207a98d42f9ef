/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of CANONICAL 1 on sixteen floats (canonmath_lanes.inc): the compiler makes vectors
 * of the scalar form too, but builds powers of two by integers, and none at all of c_log. */
#ifndef TN_KERNELS_CANONMATH_AVX512_H
#define TN_KERNELS_CANONMATH_AVX512_H

#include <immintrin.h>
#include <kernels/common/canonmath.h>

#undef CLAMP
#define TN_L(name)      name##_16
#define TN_L_BYTES      64
#define TN_L_SET1(x)    _mm512_set1_ps(x)
#define TN_L_SET1I(i)   _mm512_set1_epi32(i)
#define FMA_OF(a, b, c) _mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#define RINT(x)         ((TN_L(tn_c_f))_mm512_roundscale_ps((__m512)(x), _MM_FROUND_TO_NEAREST_INT))
#define F2I(x)          ((TN_L(tn_c_i))(x)) /* stays a float, which is what scalef takes */
#define I2F_OF(x)       _mm512_cvtepi32_ps((__m512i)(x))
#define RECIP(x)        ((TN_L(tn_c_f))_mm512_div_ps(_mm512_set1_ps(1.0f), (__m512)(x)))
#define SCALE(p, n)     ((TN_L(tn_c_f))_mm512_scalef_ps((__m512)(p), (__m512)(n)))
/* A NaN is the second operand of both, and so stays. */
#define CLAMP(x, lo, hi)                                                                           \
    ((TN_L(tn_c_f))_mm512_max_ps(_mm512_set1_ps(lo),                                               \
                                 _mm512_min_ps(_mm512_set1_ps(hi), (__m512)(x))))
#include <kernels/common/canonmath_lanes.inc>
#undef TN_L

#endif
