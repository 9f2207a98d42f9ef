/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of simd_int8_avx2.h on AVX-512 BF16: a unit is two neighbours along k in bf16,
 * sums are f32. vdpbf16ps takes subnormals as zeros and gives none. */
#ifndef TN_KERNELS_SIMD_PAIRS_BF16_H
#define TN_KERNELS_SIMD_PAIRS_BF16_H

#include <immintrin.h>
#include <stdint.h>

enum { VI_LANES = 16, VI_DEPTH = 4 /* bytes */, VI_A_OFFSET = 0 };
typedef __m512 vi;

static inline vi vi_zero(void)
{
    return _mm512_setzero_ps();
}
static inline void vi_store(void *p, vi v)
{
    _mm512_storeu_ps(p, v);
}
static inline vi vi_unit(uint32_t u)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32((int)u));
}
static inline vi vi_columns(const int8_t *p)
{
    return _mm512_loadu_ps(p);
}
static inline vi vi_dot(vi sum, vi a, vi b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

#endif
