/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on AVX-512: 16 floats. */
#ifndef TN_KERNELS_SIMD_AVX512_H
#define TN_KERNELS_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

enum { VF_LANES = 16 };
typedef __m512 vf;
typedef __mmask16 vf_mask;

static inline vf vf_zero(void)
{
    return _mm512_setzero_ps();
}
static inline vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline vf vf_load_bf16(const uint16_t *p)
{
    __m256i h = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline vf vf_load_f8e5m2(const uint8_t *p)
{
    __m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
    return _mm512_cvtph_ps(_mm256_slli_epi16(w, 8));
}
/* See tn_k_widen8_f8e4m3(). */
static inline vf vf_load_f8e4m3(const uint8_t *p)
{
    __m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
    __m256i sign = _mm256_and_si256(_mm256_slli_epi16(w, 8), _mm256_set1_epi16((short)0x8000));
    __m256i size = _mm256_and_si256(_mm256_slli_epi16(w, 7), _mm256_set1_epi16(0x3f80));
    __m256i nan = _mm256_cmpeq_epi16(size, _mm256_set1_epi16(0x3f80));
    size = _mm256_or_si256(size, _mm256_and_si256(nan, _mm256_set1_epi16(0x7c00)));
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_or_si256(sign, size)), _mm512_set1_ps(256.0f));
}
static inline void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
/* The first n lanes, n <= VF_LANES; none where n <= 0. */
static inline vf_mask vf_first(int n)
{
    return (vf_mask)(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
}
/* The lanes from first up to end. */
static inline vf_mask vf_between(int first, int end)
{
    return (vf_mask)(vf_first(end) & ~vf_first(first));
}
/* Lanes outside the mask are +0 and not read. */
static inline vf vf_load_masked(const float *p, vf_mask m)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static inline void vf_store_masked(float *p, vf_mask m, vf v)
{
    _mm512_mask_storeu_ps(p, m, v);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* c where the mask is not set. */
static inline vf vf_fma_masked(vf_mask m, vf a, vf b, vf c)
{
    return _mm512_mask3_fmadd_ps(a, b, c, m);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
/* Adds lanes that are integers of at most 24 bits to s32 at t. */
static inline void vf_add_to_ints(void *t, vf v)
{
    _mm512_storeu_si512(t, _mm512_add_epi32(_mm512_loadu_si512(t), _mm512_cvtps_epi32(v)));
}

#endif
