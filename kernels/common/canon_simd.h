/* SPDX-License-Identifier: Apache-2.0 */
/* reduce and sumsq of CANONICAL 1 with the 64 lanes in registers; for files with AVX2, AVX-512 or
 * NEON flags. */
#ifndef TN_KERNELS_CANON_SIMD_H
#define TN_KERNELS_CANON_SIMD_H

#include <kernels/common/canon.h>
#ifdef TN_V_WIDE16
#include <kernels/common/canon_wide16.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif

#ifdef TN_V_WIDE16
#elif defined(__ARM_NEON)
typedef float32x4_t tn_v;
enum { TN_V_WIDTH = 4 };
#define TN_V_LOAD         vld1q_f32
#define TN_V_STORE        vst1q_f32
#define TN_V_ADD          vaddq_f32
#define TN_V_SUB          vsubq_f32
#define TN_V_MUL          vmulq_f32
#define TN_V_FMA(a, b, c) vfmaq_f32(c, a, b)
#define TN_V_SET1         vdupq_n_f32
#elif defined(__AVX512F__)
typedef __m512 tn_v;
enum { TN_V_WIDTH = 16 };
#define TN_V_LOAD  _mm512_loadu_ps
#define TN_V_STORE _mm512_storeu_ps
#define TN_V_ADD   _mm512_add_ps
#define TN_V_SUB   _mm512_sub_ps
#define TN_V_MUL   _mm512_mul_ps
#define TN_V_FMA   _mm512_fmadd_ps
#define TN_V_SET1  _mm512_set1_ps
#else
typedef __m256 tn_v;
enum { TN_V_WIDTH = 8 };
#define TN_V_LOAD  _mm256_loadu_ps
#define TN_V_STORE _mm256_storeu_ps
#define TN_V_ADD   _mm256_add_ps
#define TN_V_SUB   _mm256_sub_ps
#define TN_V_MUL   _mm256_mul_ps
#define TN_V_FMA   _mm256_fmadd_ps
#define TN_V_SET1  _mm256_set1_ps
#endif

enum { TN_V_SUM, TN_V_SUMSQ, TN_V_SUMSQ_CENTRED };

/* One segment of at most 4096 elements; `centre` is taken from each element in SUMSQ_CENTRED. */
TN_C_FN float tn_v_segment(int mode, const float *x, int64_t count, float centre)
{
    enum { N = TN_C_LANES / TN_V_WIDTH };
    tn_v acc[N], c = TN_V_SET1(centre);
    for (int j = 0; j < N; j++)
        acc[j] = TN_V_SET1(0.0f);
    int64_t i = 0;
    for (; i + TN_C_LANES <= count; i += TN_C_LANES) {
        for (int j = 0; j < N; j++) {
            tn_v v = TN_V_LOAD(x + i + j * TN_V_WIDTH);
            if (mode == TN_V_SUMSQ_CENTRED)
                v = TN_V_SUB(v, c);
            acc[j] = mode == TN_V_SUM ? TN_V_ADD(acc[j], v) : TN_V_FMA(v, v, acc[j]);
        }
    }
    float lane[TN_C_LANES];
    for (int j = 0; j < N; j++)
        TN_V_STORE(lane + j * TN_V_WIDTH, acc[j]);
    for (int l = 0; i < count; i++, l++) {
        float v = mode == TN_V_SUMSQ_CENTRED ? x[i] - centre : x[i];
        lane[l] = mode == TN_V_SUM ? lane[l] + v : __builtin_fmaf(v, v, lane[l]);
    }
    return tn_c_fold(lane);
}

TN_C_FN float tn_v_reduce(int mode, const float *x, int64_t count, float centre)
{
    float t = 0.0f;
    for (int64_t first = 0; first < count; first += TN_C_SEGMENT) {
        int64_t n = count - first < TN_C_SEGMENT ? count - first : TN_C_SEGMENT;
        t = t + tn_v_segment(mode, x + first, n, centre);
    }
    return t;
}

/* Keys of a vector and their order, written out: the compiler does not make vectors of the scalar
 * form. `most` selects max, else min. */
#ifdef TN_V_WIDE16
#elif defined(__ARM_NEON)
typedef int32x4_t tn_vi;

TN_C_FN tn_vi tn_v_keys_of(bool most, tn_v x)
{
    tn_vi i = vreinterpretq_s32_f32(x), low = vdupq_n_s32(INT32_MAX);
    tn_vi key = veorq_s32(i, vandq_s32(vshrq_n_s32(i, 31), low));
    uint32x4_t nan = vcgtq_s32(vandq_s32(i, low), vdupq_n_s32(TN_C_KEY_INF));
    return vbslq_s32(nan, vdupq_n_s32(most ? INT32_MAX : INT32_MIN), key);
}

TN_C_FN tn_vi tn_v_order(bool most, tn_vi a, tn_vi b)
{
    return most ? vmaxq_s32(a, b) : vminq_s32(a, b);
}

TN_C_FN tn_vi tn_v_key_set1(int32_t key)
{
    return vdupq_n_s32(key);
}

TN_C_FN void tn_v_key_store(int32_t *to, tn_vi keys)
{
    vst1q_s32(to, keys);
}
#elif defined(__AVX512F__)
typedef __m512i tn_vi;

TN_C_FN tn_vi tn_v_keys_of(bool most, tn_v x)
{
    tn_vi i = _mm512_castps_si512(x), low = _mm512_set1_epi32(INT32_MAX);
    tn_vi key = _mm512_xor_si512(i, _mm512_and_si512(_mm512_srai_epi32(i, 31), low));
    __mmask16 nan =
        _mm512_cmpgt_epi32_mask(_mm512_and_si512(i, low), _mm512_set1_epi32(TN_C_KEY_INF));
    return _mm512_mask_mov_epi32(key, nan, _mm512_set1_epi32(most ? INT32_MAX : INT32_MIN));
}

TN_C_FN tn_vi tn_v_order(bool most, tn_vi a, tn_vi b)
{
    return most ? _mm512_max_epi32(a, b) : _mm512_min_epi32(a, b);
}

TN_C_FN tn_vi tn_v_key_set1(int32_t key)
{
    return _mm512_set1_epi32(key);
}

TN_C_FN void tn_v_key_store(int32_t *to, tn_vi keys)
{
    _mm512_storeu_si512(to, keys);
}
#else
typedef __m256i tn_vi;

TN_C_FN tn_vi tn_v_keys_of(bool most, tn_v x)
{
    tn_vi i = _mm256_castps_si256(x), low = _mm256_set1_epi32(INT32_MAX);
    tn_vi key = _mm256_xor_si256(i, _mm256_and_si256(_mm256_srai_epi32(i, 31), low));
    tn_vi nan = _mm256_cmpgt_epi32(_mm256_and_si256(i, low), _mm256_set1_epi32(TN_C_KEY_INF));
    return _mm256_blendv_epi8(key, _mm256_set1_epi32(most ? INT32_MAX : INT32_MIN), nan);
}

TN_C_FN tn_vi tn_v_order(bool most, tn_vi a, tn_vi b)
{
    return most ? _mm256_max_epi32(a, b) : _mm256_min_epi32(a, b);
}

TN_C_FN tn_vi tn_v_key_set1(int32_t key)
{
    return _mm256_set1_epi32(key);
}

TN_C_FN void tn_v_key_store(int32_t *to, tn_vi keys)
{
    _mm256_storeu_si256((__m256i *)to, keys);
}
#endif

TN_C_FN tn_vi tn_v_keys(bool most, const float *x)
{
    return tn_v_keys_of(most, TN_V_LOAD(x));
}

/* The greatest or least key of a row; -Inf's or Inf's for an empty one. */
TN_C_FN int32_t tn_v_key(bool most, const float *x, int64_t count)
{
    int32_t m = most ? TN_C_KEY_NINF : TN_C_KEY_INF, part[TN_V_WIDTH];
    tn_vi acc[4];
    for (int j = 0; j < 4; j++)
        acc[j] = tn_v_key_set1(m);
    int64_t i = 0;
    for (; i + 4 * TN_V_WIDTH <= count; i += 4 * TN_V_WIDTH)
        for (int j = 0; j < 4; j++)
            acc[j] = tn_v_order(most, acc[j], tn_v_keys(most, x + i + j * TN_V_WIDTH));
    tn_v_key_store(
        part, tn_v_order(most, tn_v_order(most, acc[0], acc[1]), tn_v_order(most, acc[2], acc[3])));
    for (int j = 0; j < TN_V_WIDTH; j++)
        m = most ? (part[j] > m ? part[j] : m) : (part[j] < m ? part[j] : m);
    for (; i < count; i++) {
        int32_t key = most ? tn_c_key_max(x[i]) : tn_c_key_min(x[i]);
        m = most ? (key > m ? key : m) : (key < m ? key : m);
    }
    return m;
}

#endif
