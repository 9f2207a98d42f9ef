/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of f32, f16, bf16 and 8-bit floats as f32, which is exact, and f32 rounded once to them. */
#ifndef TN_KERNELS_WIDEN_H
#define TN_KERNELS_WIDEN_H

#include <kernels/common/dtype_convert.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <kernels/common/simd_transpose8.h>
#endif

static inline bool tn_k_widens(uint32_t type)
{
    return type == TN_F32 || type == TN_F16 || type == TN_BF16 || type == TN_F8E4M3 ||
           type == TN_F8E5M2;
}

static inline int64_t tn_k_float_bytes(uint32_t type)
{
    return type == TN_F32 ? 4 : type == TN_F16 || type == TN_BF16 ? 2 : 1;
}

static inline float tn_k_widen(uint32_t type, const void *from, int64_t at)
{
    if (type == TN_F32)
        return ((const float *)from)[at];
    if (type == TN_BF16)
        return tn_c_float((uint32_t)((const uint16_t *)from)[at] << 16);
    if (type == TN_F16)
        return tn_c_f16_float(((const uint16_t *)from)[at]);
    uint8_t b = ((const uint8_t *)from)[at]; /* an e5m2 is the upper byte of an f16 */
    return type == TN_F8E4M3 ? tn_c_f8e4m3_float(b) : tn_c_f16_float((uint16_t)(b << 8));
}

/* f32, f16 or bf16. */
static inline void tn_k_narrow_wide(uint32_t type, void *to, int64_t at, float x)
{
    if (type == TN_F32)
        ((float *)to)[at] = x;
    else
        ((uint16_t *)to)[at] =
            (uint16_t)tn_c_narrow_f32(x, type == TN_F16 ? 10 : 7, type == TN_F16 ? 5 : 8);
}

static inline void tn_k_narrow(uint32_t type, void *to, int64_t at, float x)
{
    if (type == TN_F32 || type == TN_F16 || type == TN_BF16)
        tn_k_narrow_wide(type, to, at, x);
    else
        tn_c_store(type, to, at, (tn_c_value){false, 0, (double)x}, false);
}

#ifdef __AVX2__
/* Eight neighbours; the caller's file has AVX2 and F16C. */
static inline __m256 tn_k_widen8_bf16(const uint16_t *p)
{
    __m128i h = _mm_loadu_si128((const __m128i *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

static inline __m256 tn_k_widen8_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* An e5m2 is the upper byte of an f16. */
static inline __m256 tn_k_widen8_f8e5m2(const uint8_t *p)
{
    __m128i b = _mm_loadl_epi64((const __m128i *)p);
    return _mm256_cvtph_ps(_mm_unpacklo_epi8(_mm_setzero_si128(), b));
}

/* As an f16 of a 256th: subnormals cost nothing there, which they do in an f32 multiplication. */
static inline __m256 tn_k_widen8_f8e4m3(const uint8_t *p)
{
    __m128i w = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)p));
    __m128i sign = _mm_and_si128(_mm_slli_epi16(w, 8), _mm_set1_epi16((short)0x8000));
    __m128i size = _mm_and_si128(_mm_slli_epi16(w, 7), _mm_set1_epi16(0x3f80));
    __m128i nan = _mm_cmpeq_epi16(size, _mm_set1_epi16(0x3f80));
    size = _mm_or_si128(size, _mm_and_si128(nan, _mm_set1_epi16(0x7c00)));
    return _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(sign, size)), _mm256_set1_ps(256.0f));
}

static inline __attribute__((always_inline)) __m256 tn_k_widen8(uint32_t type, const void *p)
{
    return type == TN_BF16     ? tn_k_widen8_bf16(p)
           : type == TN_F16    ? tn_k_widen8_f16(p)
           : type == TN_F8E4M3 ? tn_k_widen8_f8e4m3(p)
           : type == TN_F8E5M2 ? tn_k_widen8_f8e5m2(p)
                               : _mm256_loadu_ps(p);
}

static inline __attribute__((always_inline)) void tn_k_widen8_to(uint32_t type, const void *p,
                                                                 float *to)
{
    _mm256_storeu_ps(to, tn_k_widen8(type, p));
}

static inline void tn_k_narrow8_f16(uint16_t *to, const float *from)
{
    _mm_storeu_si128((__m128i *)to,
                     _mm256_cvtps_ph(_mm256_loadu_ps(from), _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__ARM_NEON)
/* Eight neighbours. */
static inline tn_k_f8 tn_k_widen8_bf16(const uint16_t *p)
{
    uint16x8_t b = vld1q_u16(p);
    return (tn_k_f8){{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(b), 16)),
                      vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(b), 16))}};
}

static inline tn_k_f8 tn_k_f8_of_f16(uint16x8_t bits)
{
    float16x8_t h = vreinterpretq_f16_u16(bits);
    return (tn_k_f8){{vcvt_f32_f16(vget_low_f16(h)), vcvt_f32_f16(vget_high_f16(h))}};
}

static inline tn_k_f8 tn_k_widen8_f16(const uint16_t *p)
{
    return tn_k_f8_of_f16(vld1q_u16(p));
}

/* An e5m2 is the upper byte of an f16. */
static inline tn_k_f8 tn_k_widen8_f8e5m2(const uint8_t *p)
{
    return tn_k_f8_of_f16(vshlq_n_u16(vmovl_u8(vld1_u8(p)), 8));
}

/* As an f16 of a 256th. */
static inline tn_k_f8 tn_k_widen8_f8e4m3(const uint8_t *p)
{
    uint16x8_t w = vmovl_u8(vld1_u8(p)), sign = vandq_u16(vshlq_n_u16(w, 8), vdupq_n_u16(0x8000));
    uint16x8_t size = vandq_u16(vshlq_n_u16(w, 7), vdupq_n_u16(0x3f80));
    uint16x8_t nan = vceqq_u16(size, vdupq_n_u16(0x3f80));
    size = vorrq_u16(size, vandq_u16(nan, vdupq_n_u16(0x7c00)));
    tn_k_f8 x = tn_k_f8_of_f16(vorrq_u16(sign, size));
    return (tn_k_f8){{vmulq_n_f32(x.part[0], 256.0f), vmulq_n_f32(x.part[1], 256.0f)}};
}

static inline __attribute__((always_inline)) void tn_k_widen8_to(uint32_t type, const void *p,
                                                                 float *to)
{
    if (type == TN_F32) {
        memcpy(to, p, 32);
        return;
    }
    tn_k_f8 x = type == TN_BF16     ? tn_k_widen8_bf16(p)
                : type == TN_F16    ? tn_k_widen8_f16(p)
                : type == TN_F8E4M3 ? tn_k_widen8_f8e4m3(p)
                                    : tn_k_widen8_f8e5m2(p);
    vst1q_f32(to, x.part[0]);
    vst1q_f32(to + 4, x.part[1]);
}

/* Rounded to nearest even, as every task has it set. */
static inline void tn_k_narrow8_f16(uint16_t *to, const float *from)
{
    vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from))));
    vst1_u16(to + 4, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from + 4))));
}
#endif

/* n neighbours; `type` is a constant where this should be fast. */
static inline __attribute__((always_inline)) void tn_k_widen_run(uint32_t type, const void *from,
                                                                 int64_t n, float *to)
{
    int64_t i = 0;
#if defined(__AVX2__) || defined(__ARM_NEON)
    for (; i + 8 <= n; i += 8)
        tn_k_widen8_to(type, (const char *)from + i * tn_k_float_bytes(type), to + i);
#endif
    for (; i < n; i++)
        to[i] = tn_k_widen(type, from, i);
}

/* n elements at a stride, from the element `at` on. */
static inline void tn_k_widen_row(uint32_t type, const void *from, int64_t at, int64_t stride,
                                  int64_t n, float *to)
{
    const char *p = (const char *)from + at * tn_k_float_bytes(type);
    if (stride != 1)
        for (int64_t i = 0; i < n; i++)
            to[i] = tn_k_widen(type, p, i * stride);
    else if (type == TN_F32)
        memcpy(to, p, (size_t)n * sizeof *to);
    else if (type == TN_BF16)
        tn_k_widen_run(TN_BF16, p, n, to);
    else if (type == TN_F16)
        tn_k_widen_run(TN_F16, p, n, to);
    else if (type == TN_F8E4M3)
        tn_k_widen_run(TN_F8E4M3, p, n, to);
    else
        tn_k_widen_run(TN_F8E5M2, p, n, to);
}

static inline void tn_k_bf16_from_f32(uint16_t *restrict to, const float *restrict from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = tn_c_bits(from[i]);
        uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
        to[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
    }
}

static inline void tn_k_f16_from_f32(uint16_t *restrict to, const float *restrict from, int64_t n)
{
    int64_t i = 0;
#if defined(__AVX2__) || defined(__ARM_NEON)
    for (; i + 8 <= n; i += 8)
        tn_k_narrow8_f16(to + i, from + i);
#endif
    for (; i < n; i++)
        to[i] = (uint16_t)tn_c_narrow_f32(from[i], 10, 5);
}

/* n floats rounded to elements at a stride, from the element `at` on. */
static inline void tn_k_narrow_row(uint32_t type, const float *from, int64_t n, void *to,
                                   int64_t at, int64_t stride)
{
    if (stride == 1 && type == TN_F32)
        memcpy((float *)to + at, from, (size_t)n * sizeof *from);
    else if (stride == 1 && type == TN_BF16)
        tn_k_bf16_from_f32((uint16_t *)to + at, from, n);
    else if (stride == 1 && type == TN_F16)
        tn_k_f16_from_f32((uint16_t *)to + at, from, n);
    else
        for (int64_t i = 0; i < n; i++)
            tn_k_narrow(type, to, at + i * stride, from[i]);
}

#endif
