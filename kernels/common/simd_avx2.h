/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on AVX2 and FMA: 8 floats. */
#ifndef TN_KERNELS_SIMD_AVX2_H
#define TN_KERNELS_SIMD_AVX2_H

#include <kernels/common/widen.h>

enum { VF_LANES = 8 };
typedef __m256 vf;
typedef __m256i vf_mask;

static inline vf vf_zero(void)
{
    return _mm256_setzero_ps();
}
static inline vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline vf vf_load_bf16(const uint16_t *p)
{
    return tn_k_widen8_bf16(p);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return tn_k_widen8_f16(p);
}
static inline vf vf_load_f8e4m3(const uint8_t *p)
{
    return tn_k_widen8_f8e4m3(p);
}
static inline vf vf_load_f8e5m2(const uint8_t *p)
{
    return tn_k_widen8_f8e5m2(p);
}
static inline void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}
/* The first n lanes, n <= VF_LANES; none where n <= 0. */
static inline vf_mask vf_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
/* The lanes from first up to end. */
static inline vf_mask vf_between(int first, int end)
{
    return _mm256_andnot_si256(vf_first(first), vf_first(end));
}
/* Lanes outside the mask are +0 and not read. */
static inline vf vf_load_masked(const float *p, vf_mask m)
{
    return _mm256_maskload_ps(p, m);
}
static inline void vf_store_masked(float *p, vf_mask m, vf v)
{
    _mm256_maskstore_ps(p, m, v);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
/* Adds lanes that are integers of at most 24 bits to s32 at t. */
static inline void vf_add_to_ints(void *t, vf v)
{
    _mm256_storeu_si256(t, _mm256_add_epi32(_mm256_loadu_si256(t), _mm256_cvtps_epi32(v)));
}

#endif
