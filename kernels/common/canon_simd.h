/* SPDX-License-Identifier: Apache-2.0 */
/* reduce and sumsq of CANONICAL 1 with the 64 lanes in registers; for files with AVX2 or AVX-512
 * flags. */
#ifndef TN_KERNELS_CANON_SIMD_H
#define TN_KERNELS_CANON_SIMD_H

#include <immintrin.h>
#include <kernels/common/canon.h>

#ifdef __AVX512F__
typedef __m512 tn_v;
enum { TN_V_WIDTH = 16 };
#define TN_V_LOAD  _mm512_loadu_ps
#define TN_V_STORE _mm512_storeu_ps
#define TN_V_ADD   _mm512_add_ps
#define TN_V_SUB   _mm512_sub_ps
#define TN_V_FMA   _mm512_fmadd_ps
#define TN_V_SET1  _mm512_set1_ps
#else
typedef __m256 tn_v;
enum { TN_V_WIDTH = 8 };
#define TN_V_LOAD  _mm256_loadu_ps
#define TN_V_STORE _mm256_storeu_ps
#define TN_V_ADD   _mm256_add_ps
#define TN_V_SUB   _mm256_sub_ps
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

/* Greatest key of a row. */
TN_C_FN int32_t tn_v_key_max(const float *x, int64_t count)
{
    int32_t m = INT32_MIN;
    for (int64_t i = 0; i < count; i++) {
        int32_t k = tn_c_key_max(x[i]);
        m = k > m ? k : m;
    }
    return m;
}

TN_C_FN int32_t tn_v_key_min(const float *x, int64_t count)
{
    int32_t m = INT32_MAX;
    for (int64_t i = 0; i < count; i++) {
        int32_t k = tn_c_key_min(x[i]);
        m = k < m ? k : m;
    }
    return m;
}

#endif
