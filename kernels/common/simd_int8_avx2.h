/* SPDX-License-Identifier: Apache-2.0 */
/* The few operations that int8 tile cores need, on AVX2: bytes are widened to 16 bits, products of
 * neighbours are added in 32 (vpmaddubsw would saturate). */
#ifndef TN_KERNELS_SIMD_INT8_AVX2_H
#define TN_KERNELS_SIMD_INT8_AVX2_H

#include <immintrin.h>
#include <stdint.h>

/* A unit is what one lane reads of a at a time: VI_DEPTH values along k, in 32 bits. */
enum { VI_LANES = 8, VI_DEPTH = 2, VI_A_OFFSET = 0 };
typedef __m256i vi;

static inline vi vi_zero(void)
{
    return _mm256_setzero_si256();
}
static inline void vi_store(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}
static inline vi vi_unit(uint32_t u)
{
    return _mm256_set1_epi32((int)u);
}
/* VI_LANES columns of VI_DEPTH bytes. */
static inline vi vi_columns(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}
static inline vi vi_dot(vi sum, vi a, vi b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

#endif
