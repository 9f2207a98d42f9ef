/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen rows of words turned four words at a time on AVX-512: a register holds 16 bytes of each
 * of rows i, 4 + i, 8 + i and 12 + i, which are put side by side as they are loaded; what is left
 * to shuffle lies within its quarters. */
#ifndef TN_KERNELS_SIMD_QUARTERS_H
#define TN_KERNELS_SIMD_QUARTERS_H

#ifdef __AVX512F__
#include <immintrin.h>
#include <stdint.h>

/* 16 bytes at `at` of every fourth of `rows` (a constant) rows. */
static inline __attribute__((always_inline)) __m512i tn_k_quarters(const uint8_t *const *row,
                                                                   int rows, int64_t at)
{
    __m512i r = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(row[0] + at)));
    if (rows > 4)
        r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(row[4] + at)), 1);
    if (rows > 8)
        r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(row[8] + at)), 2);
    if (rows > 12)
        r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(row[12] + at)), 3);
    return r;
}

/* r[i] becomes the i-th word of all rows. */
static inline __attribute__((always_inline)) void tn_k_turn_quarters(__m512i r[4])
{
    __m512i t0 = _mm512_unpacklo_epi32(r[0], r[1]), t1 = _mm512_unpackhi_epi32(r[0], r[1]);
    __m512i t2 = _mm512_unpacklo_epi32(r[2], r[3]), t3 = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(t0, t2);
    r[1] = _mm512_unpackhi_epi64(t0, t2);
    r[2] = _mm512_unpacklo_epi64(t1, t3);
    r[3] = _mm512_unpackhi_epi64(t1, t3);
}
#endif

#endif
