/* SPDX-License-Identifier: Apache-2.0 */
/* reduce and sumsq of CANONICAL 1 with the 64 lanes in registers; for files with AVX2, AVX-512 or
 * NEON flags. */
#ifndef TN_KERNELS_CANON_SIMD_H
#define TN_KERNELS_CANON_SIMD_H

#include <kernels/common/canon.h>
#include <kernels/common/stream.h>
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
#define TN_V_STREAM       vst1q_f32
#define TN_V_ADD          vaddq_f32
#define TN_V_SUB          vsubq_f32
#define TN_V_MUL          vmulq_f32
#define TN_V_FMA(a, b, c) vfmaq_f32(c, a, b)
#define TN_V_SET1         vdupq_n_f32

/* The first n lanes, the others +0. */
TN_C_FN tn_v tn_v_head(tn_v v, int64_t n)
{
    static const int32_t at[4] = {0, 1, 2, 3};
    uint32x4_t in = vcltq_s32(vld1q_s32(at), vdupq_n_s32((int32_t)n));
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), in));
}

/* The first n of memory, the others +0; nothing behind them is read. */
TN_C_FN tn_v tn_v_load_head(const float *x, int64_t n)
{
    float part[4] = {0};
    for (int64_t i = 0; i < n; i++)
        part[i] = x[i];
    return vld1q_f32(part);
}

TN_C_FN void tn_v_store_head(float *y, int64_t n, tn_v v)
{
    float part[4];
    vst1q_f32(part, v);
    for (int64_t i = 0; i < n; i++)
        y[i] = part[i];
}

/* Lane l and lane l + half, down to one. */
TN_C_FN float tn_v_across(tn_v v)
{
    float32x2_t two = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
#elif defined(__AVX512F__)
typedef __m512 tn_v;
enum { TN_V_WIDTH = 16 };
#define TN_V_LOAD   _mm512_loadu_ps
#define TN_V_STORE  _mm512_storeu_ps
#define TN_V_STREAM _mm512_stream_ps
#define TN_V_ADD    _mm512_add_ps
#define TN_V_SUB    _mm512_sub_ps
#define TN_V_MUL    _mm512_mul_ps
#define TN_V_FMA    _mm512_fmadd_ps
#define TN_V_SET1   _mm512_set1_ps
#define TN_V_MAX    _mm512_max_ps /* of two, one NaN: the second */

TN_C_FN tn_v tn_v_head(tn_v v, int64_t n)
{
    return _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), v);
}

TN_C_FN tn_v tn_v_load_head(const float *x, int64_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), x);
}

TN_C_FN void tn_v_store_head(float *y, int64_t n, tn_v v)
{
    _mm512_mask_storeu_ps(y, (__mmask16)((1u << n) - 1), v);
}

TN_C_FN float tn_v_across(tn_v v)
{
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

TN_C_FN float tn_v_most(tn_v v)
{
    return _mm512_reduce_max_ps(v);
}
#else
typedef __m256 tn_v;
enum { TN_V_WIDTH = 8 };
#define TN_V_LOAD   _mm256_loadu_ps
#define TN_V_STORE  _mm256_storeu_ps
#define TN_V_STREAM _mm256_stream_ps
#define TN_V_ADD    _mm256_add_ps
#define TN_V_SUB    _mm256_sub_ps
#define TN_V_MUL    _mm256_mul_ps
#define TN_V_FMA    _mm256_fmadd_ps
#define TN_V_SET1   _mm256_set1_ps
#define TN_V_MAX    _mm256_max_ps /* of two, one NaN: the second */

TN_C_FN __m256i tn_v_head_mask(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

TN_C_FN tn_v tn_v_head(tn_v v, int64_t n)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(tn_v_head_mask(n)));
}

TN_C_FN tn_v tn_v_load_head(const float *x, int64_t n)
{
    return _mm256_maskload_ps(x, tn_v_head_mask(n));
}

TN_C_FN void tn_v_store_head(float *y, int64_t n, tn_v v)
{
    _mm256_maskstore_ps(y, tn_v_head_mask(n), v);
}

TN_C_FN float tn_v_across(tn_v v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

TN_C_FN float tn_v_most(tn_v v)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
#endif

/* Whether a vector at y may be stored by TN_V_STREAM. */
TN_C_FN bool tn_v_aligned(const float *y)
{
    return (uintptr_t)y % (TN_V_WIDTH * sizeof *y) == 0;
}

enum { TN_V_SUM, TN_V_SUMSQ, TN_V_SUMSQ_CENTRED };

/* tn_c_fold of the lanes in registers. */
TN_C_FN float tn_v_fold(tn_v acc[TN_C_LANES / TN_V_WIDTH])
{
    for (int h = TN_C_LANES / TN_V_WIDTH / 2; h > 0; h /= 2)
        for (int j = 0; j < h; j++)
            acc[j] = TN_V_ADD(acc[j], acc[j + h]);
    return tn_v_across(acc[0]);
}

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
    for (int j = 0; i < count; i += TN_V_WIDTH, j++) {
        /* lanes that have no element get +0, which changes none: no lane is -0 */
        int64_t n = count - i < TN_V_WIDTH ? count - i : TN_V_WIDTH;
        tn_v v = tn_v_load_head(x + i, n);
        if (mode == TN_V_SUMSQ_CENTRED)
            v = tn_v_head(TN_V_SUB(v, c), n);
        acc[j] = mode == TN_V_SUM ? TN_V_ADD(acc[j], v) : TN_V_FMA(v, v, acc[j]);
    }
    return tn_v_fold(acc);
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

/* Rows whose sums registers hold at once, so that none waits for the end of another's. */
#if defined(__AVX512F__) && !defined(TN_V_WIDE16)
enum { TN_V_ROWS = 4 };
#else
enum { TN_V_ROWS = 1 };
#endif

/* tn_v_reduce of TN_V_ROWS rows. */
static inline __attribute__((always_inline)) void
tn_v_reduce_rows(int mode, const float *const x[TN_V_ROWS], int64_t count,
                 const float centre[TN_V_ROWS], float out[TN_V_ROWS])
{
    enum { N = TN_C_LANES / TN_V_WIDTH };
    for (int r = 0; r < TN_V_ROWS; r++)
        out[r] = 0.0f;
    for (int64_t first = 0; first < count; first += TN_C_SEGMENT) {
        int64_t end = count - first < TN_C_SEGMENT ? count : first + TN_C_SEGMENT, i = first;
        tn_v acc[TN_V_ROWS][N];
        for (int r = 0; r < TN_V_ROWS; r++)
            for (int j = 0; j < N; j++)
                acc[r][j] = TN_V_SET1(0.0f);
        for (; i + TN_C_LANES <= end; i += TN_C_LANES)
            for (int r = 0; r < TN_V_ROWS; r++)
                for (int j = 0; j < N; j++) {
                    tn_v v = TN_V_LOAD(x[r] + i + j * TN_V_WIDTH);
                    if (mode == TN_V_SUMSQ_CENTRED)
                        v = TN_V_SUB(v, TN_V_SET1(centre[r]));
                    acc[r][j] =
                        mode == TN_V_SUM ? TN_V_ADD(acc[r][j], v) : TN_V_FMA(v, v, acc[r][j]);
                }
        for (int j = 0; j < N; j++, i += TN_V_WIDTH) {
            int64_t n = end - i < 0 ? 0 : end - i < TN_V_WIDTH ? end - i : TN_V_WIDTH;
            for (int r = 0; n > 0 && r < TN_V_ROWS; r++) {
                tn_v v = tn_v_load_head(x[r] + i, n);
                if (mode == TN_V_SUMSQ_CENTRED)
                    v = tn_v_head(TN_V_SUB(v, TN_V_SET1(centre[r])), n);
                acc[r][j] = mode == TN_V_SUM ? TN_V_ADD(acc[r][j], v) : TN_V_FMA(v, v, acc[r][j]);
            }
        }
        for (int r = 0; r < TN_V_ROWS; r++)
            out[r] = out[r] + tn_v_fold(acc[r]);
    }
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

/* The greatest or least of a vector's keys. */
TN_C_FN int32_t tn_v_key_across(bool most, tn_vi keys)
{
#if defined(__AVX512F__) && !defined(TN_V_WIDE16)
    return most ? _mm512_reduce_max_epi32(keys) : _mm512_reduce_min_epi32(keys);
#else
    int32_t part[TN_V_WIDTH];
    tn_v_key_store(part, keys);
    int32_t m = part[0];
    for (int j = 1; j < TN_V_WIDTH; j++)
        m = most ? (part[j] > m ? part[j] : m) : (part[j] < m ? part[j] : m);
    return m;
#endif
}

/* The greatest or least key of a row; -Inf's or Inf's for an empty one. */
TN_C_FN int32_t tn_v_key(bool most, const float *x, int64_t count)
{
    int32_t m = most ? TN_C_KEY_NINF : TN_C_KEY_INF;
    tn_vi acc[4];
    for (int j = 0; j < 4; j++)
        acc[j] = tn_v_key_set1(m);
    int64_t i = 0;
    for (; i + 4 * TN_V_WIDTH <= count; i += 4 * TN_V_WIDTH)
        for (int j = 0; j < 4; j++)
            acc[j] = tn_v_order(most, acc[j], tn_v_keys(most, x + i + j * TN_V_WIDTH));
    for (; i + TN_V_WIDTH <= count; i += TN_V_WIDTH)
        acc[0] = tn_v_order(most, acc[0], tn_v_keys(most, x + i));
    if (i < count && count >= TN_V_WIDTH) { /* some elements twice, which changes nothing */
        acc[1] = tn_v_order(most, acc[1], tn_v_keys(most, x + count - TN_V_WIDTH));
        i = count;
    }
    m = tn_v_key_across(
        most, tn_v_order(most, tn_v_order(most, acc[0], acc[1]), tn_v_order(most, acc[2], acc[3])));
    for (; i < count; i++) {
        int32_t key = most ? tn_c_key_max(x[i]) : tn_c_key_min(x[i]);
        m = most ? (key > m ? key : m) : (key < m ? key : m);
    }
    return m;
}

#endif
