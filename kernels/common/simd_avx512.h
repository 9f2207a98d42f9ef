/* SPDX-License-Identifier: Apache-2.0 */
/* The few vector operations that tile cores need, on AVX-512: 16 floats. */
#ifndef TN_KERNELS_SIMD_AVX512_H
#define TN_KERNELS_SIMD_AVX512_H

#include <immintrin.h>

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
static inline void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
/* The first n lanes, n <= VF_LANES; none where n <= 0. */
static inline vf_mask vf_first(int n)
{
    return (vf_mask)(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
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
static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

#endif
