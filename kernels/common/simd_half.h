/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of f16 and bf16 to and from f32, rounded to nearest even; for files with AVX2 or AVX-512
 * flags. */
#ifndef TN_KERNELS_SIMD_HALF_H
#define TN_KERNELS_SIMD_HALF_H

#include <kernels/common/canon_simd.h>
#include <kernels/common/dtype_convert.h>

/* TN_V_WIDTH elements from `at` on, of f32, bf16 or f16. */
TN_C_FN tn_v tn_v_widen(uint32_t dtype, const void *from, int64_t at)
{
    if (dtype == TN_F32)
        return TN_V_LOAD((const float *)from + at);
    const uint16_t *half = (const uint16_t *)from + at;
#ifdef __AVX512F__
    __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)half);
    return dtype == TN_F16 ? _mm512_cvtph_ps(h)
                           : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
#else
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)half);
    return dtype == TN_F16 ? _mm256_cvtph_ps(h)
                           : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
#endif
}

/* The first `count` of TN_V_WIDTH floats into elements `step` apart; `from` is read whole. */
TN_C_FN void tn_v_narrow(uint32_t dtype, const float *from, void *to, int64_t at, int64_t step,
                         int64_t count)
{
    uint16_t half[TN_V_WIDTH] __attribute__((aligned(64)));
    if (dtype == TN_F32) {
        float *f = (float *)to + at;
        if (step == 1 && count == TN_V_WIDTH)
            TN_V_STORE(f, TN_V_LOAD(from));
        else
            for (int64_t j = 0; j < count; j++)
                f[j * step] = from[j];
        return;
    }
    if (dtype == TN_F16)
        for (int j = 0; j < TN_V_WIDTH; j += 8) {
            __m256 x = _mm256_loadu_ps(from + j);
            /* the instruction keeps sign and payload of a NaN */
            x = _mm256_blendv_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000)),
                                 _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
            _mm_store_si128((__m128i *)(void *)(half + j),
                            _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
        }
    else
        for (int j = 0; j < TN_V_WIDTH; j++) {
            uint32_t u = tn_c_bits(from[j]), rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
            half[j] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
        }
    uint16_t *h = (uint16_t *)to + at;
    if (step == 1 && count == TN_V_WIDTH)
        memcpy(h, half, sizeof half);
    else
        for (int64_t j = 0; j < count; j++)
            h[j * step] = half[j];
}

#endif
