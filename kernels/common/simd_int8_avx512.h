/* SPDX-License-Identifier: Apache-2.0 */
/* simd_int8_avx2.h on AVX-512 BW. */
#ifndef TN_KERNELS_SIMD_INT8_AVX512_H
#define TN_KERNELS_SIMD_INT8_AVX512_H

#include <immintrin.h>
#include <stdint.h>

enum { VI_LANES = 16, VI_DEPTH = 2, VI_A_OFFSET = 0 };
typedef __m512i vi;

static inline vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
static inline void vi_store(int32_t *p, vi v)
{
    _mm512_storeu_si512(p, v);
}
static inline vi vi_unit(uint32_t u)
{
    return _mm512_set1_epi32((int)u);
}
static inline vi vi_columns(const int8_t *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}
static inline vi vi_dot(vi sum, vi a, vi b)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}

#endif
