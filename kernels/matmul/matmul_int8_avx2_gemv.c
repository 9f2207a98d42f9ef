/* SPDX-License-Identifier: Apache-2.0 */
/* Few-row matmul of s8 and u8 on AVX2 that reads an unpacked B once: rows of B are added up in L1,
 * K-contiguous columns are dots. */
#include <immintrin.h>
#include <kernels/matmul/matmul_int_epilogue.h>
#include <string.h>

enum { MOST_ROWS = 4, MOST_COLS = 1024, GROUP = 16, DEPTH = 8 };
enum { COLS_PER_TASK, COL_BLOCKS, A_STEP };

static bool gemv_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    (void)caps;
    if (!matmul_int_takes(p, why))
        return false;
    if (p->m > MOST_ROWS)
        return tn_k_refuse(why, "matmul.rows", "a", "for at most 4 rows");
    return (!p->b_packed && (p->b_view.col == 1 || p->b_view.row == 1)) ||
           tn_k_refuse(why, "matmul.layout", "b", "reads b in place: needs a contiguous dimension");
}

static void gemv_plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    *out = (tn_k_launch){.workers = caps->workers};
    if (p->batch_count == 0 || p->m == 0 || p->n == 0)
        return;
    int64_t workers = caps->workers ? caps->workers : 1, cols = MOST_COLS;
    while (cols > 64 && p->batch_count * (p->n + cols - 1) / cols < 2 * workers)
        cols /= 2;
    if (workers == 1 || (double)p->n * (double)p->k < 131072)
        cols = MOST_COLS;
    out->number[COLS_PER_TASK] = cols;
    out->number[COL_BLOCKS] = (p->n + cols - 1) / cols;
    out->number[A_STEP] = (p->k + 31) / 32 * 32;
    out->phases = 1;
    out->tasks[0] = (uint32_t)(p->batch_count * out->number[COL_BLOCKS]);
    /* the sums, those of the columns, and a as s16 */
    out->worker_bytes =
        (uint64_t)((MOST_ROWS + 1) * MOST_COLS * 4 + p->m * out->number[A_STEP] * 2);
    double bytes = (double)p->batch_count * (double)p->n * (double)p->k;
    double rate = bytes > caps->l2_bytes ? 14.0 : 20.0, arithmetic = bytes * (double)p->m / 30.0;
    double cost = bytes / rate > arithmetic ? bytes / rate : arithmetic;
    double parallel = workers < out->tasks[0] ? (double)workers : out->tasks[0];
    out->estimate_ns = (uint64_t)(cost / parallel) + 40 + (parallel > 1 ? 1500 : 0);
}

static inline __m256i add_product(__m256i sum, __m256i a, __m256i b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

static inline void wrap(int32_t *sum, int32_t more)
{
    *sum = (int32_t)((uint32_t)*sum + (uint32_t)more);
}

/* sum[i][j] += a[i][k..k + depth) x rows of b, `depth` even but for the last row of all; row
 * MOST_ROWS of the sums is that of b's columns. */
static inline __attribute__((always_inline)) void add_rows(int rows, int depth, const int16_t *a,
                                                           int64_t a_step, const uint8_t *b,
                                                           int64_t b_k, int64_t n, uint8_t flip,
                                                           int32_t *sum)
{
    const __m128i top = _mm_set1_epi8((char)flip);
    const __m256i ones = _mm256_set1_epi16(1);
    int64_t j = 0;
    for (; j + GROUP <= n; j += GROUP) {
        __m256i w[DEPTH];
#pragma GCC unroll 4
        for (int k = 0; k < depth; k += 2) {
            __m128i x = _mm_loadu_si128((const __m128i *)(b + k * b_k + j)), y = top;
            if (k + 1 < depth)
                y = _mm_loadu_si128((const __m128i *)(b + (k + 1) * b_k + j));
            x = _mm_xor_si128(x, top);
            y = _mm_xor_si128(y, top);
            w[k] = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x, y));
            w[k + 1] = _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(x, y));
        }
#pragma GCC unroll 5
        for (int i = 0; i <= rows; i++) {
            int32_t *to = sum + (i < rows ? i : MOST_ROWS) * MOST_COLS + j;
            __m256i s0 = _mm256_loadu_si256((const __m256i *)to);
            __m256i s1 = _mm256_loadu_si256((const __m256i *)(to + 8));
#pragma GCC unroll 4
            for (int k = 0; k < depth; k += 2) {
                int32_t pair;
                memcpy(&pair, a + (i < rows ? i : 0) * a_step + k, sizeof pair);
                __m256i x = i < rows ? _mm256_set1_epi32(pair) : ones;
                s0 = add_product(s0, x, w[k]);
                s1 = add_product(s1, x, w[k + 1]);
            }
            _mm256_storeu_si256((__m256i *)to, s0);
            _mm256_storeu_si256((__m256i *)(to + 8), s1);
        }
    }
    for (; j < n; j++)
        for (int k = 0; k < depth; k++) {
            int32_t v = (int8_t)(b[k * b_k + j] ^ flip);
            for (int i = 0; i < rows; i++)
                wrap(sum + i * MOST_COLS + j, a[i * a_step + k] * v);
            wrap(sum + MOST_ROWS * MOST_COLS + j, v);
        }
}

static __attribute__((noinline)) void sum_rows(int rows, int64_t k, const int16_t *a,
                                               int64_t a_step, const uint8_t *b, int64_t b_k,
                                               int64_t n, uint8_t flip, int32_t *sum)
{
    int64_t at = 0;
    memset(sum, 0, (MOST_ROWS + 1) * MOST_COLS * sizeof *sum);
    for (; at + DEPTH <= k; at += DEPTH, b += DEPTH * b_k) {
        if (rows == 1)
            add_rows(1, DEPTH, a + at, a_step, b, b_k, n, flip, sum);
        else
            add_rows(rows, DEPTH, a + at, a_step, b, b_k, n, flip, sum);
    }
    for (; at < k; at += 2, b += 2 * b_k)
        add_rows(rows, k - at < 2 ? 1 : 2, a + at, a_step, b, b_k, n, flip, sum);
}

static inline int32_t across(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

/* A column whose k are contiguous; a is padded with zeros. */
static inline __attribute__((always_inline)) void sum_column(int rows, int64_t k, const int16_t *a,
                                                             int64_t a_step, const uint8_t *b,
                                                             uint8_t flip, int32_t *sum)
{
    const __m128i top = _mm_set1_epi8((char)flip);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i s[MOST_ROWS + 1][2];
#pragma GCC unroll 5
    for (int i = 0; i <= rows; i++)
        s[i][0] = s[i][1] = _mm256_setzero_si256();
    for (int64_t at = 0; at < k; at += 32) {
        uint8_t room[32];
        const uint8_t *from = b + at;
        if (k - at < 32) { /* the rest reads as 0 */
            memset(room, flip, sizeof room);
            memcpy(room, from, (size_t)(k - at));
            from = room;
        }
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m128i x = _mm_loadu_si128((const __m128i *)(from + 16 * h));
            __m256i w = _mm256_cvtepi8_epi16(_mm_xor_si128(x, top));
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++)
                s[i][h] = add_product(
                    s[i][h], _mm256_loadu_si256((const __m256i *)(a + i * a_step + at + 16 * h)),
                    w);
            s[rows][h] = add_product(s[rows][h], ones, w);
        }
    }
    for (int i = 0; i < rows; i++)
        sum[i * MOST_COLS] = across(_mm256_add_epi32(s[i][0], s[i][1]));
    sum[MOST_ROWS * MOST_COLS] = across(_mm256_add_epi32(s[rows][0], s[rows][1]));
}

static __attribute__((noinline)) void sum_columns(int rows, int64_t k, const int16_t *a,
                                                  int64_t a_step, const uint8_t *b, int64_t b_col,
                                                  int64_t n, uint8_t flip, int32_t *sum)
{
    for (int64_t j = 0; j < n; j++, b += b_col, sum++)
        switch (rows) {
        case 1:
            sum_column(1, k, a, a_step, b, flip, sum);
            break;
        case 2:
            sum_column(2, k, a, a_step, b, flip, sum);
            break;
        case 3:
            sum_column(3, k, a, a_step, b, flip, sum);
            break;
        default:
            sum_column(4, k, a, a_step, b, flip, sum);
            break;
        }
}

/* Rows of a as s16 with zeros behind them; and their sums. */
static void widen_rows(const tn_k_matmul *p, const uint8_t *a, int64_t a_step, int16_t *to,
                       uint32_t *row_sum)
{
    uint8_t flip = p->a_type == TN_U8 ? 0x80 : 0;
    for (int64_t i = 0; i < p->m; i++, to += a_step) {
        row_sum[i] = 0;
        for (int64_t k = 0; k < p->k; k++) {
            int16_t v = (int8_t)(a[i * p->a_view.row + k * p->a_view.col] ^ flip);
            to[k] = v;
            row_sum[i] += (uint32_t)(int32_t)v;
        }
        for (int64_t k = p->k; k < a_step; k++)
            to[k] = 0;
    }
}

static void gemv_run(const tn_k_launch *launch, const void *params, void *const *operand,
                     void *shared, void *worker_scratch, uint32_t phase, uint32_t first,
                     uint32_t last)
{
    const tn_k_matmul *p = params;
    int32_t *sum = worker_scratch;
    int16_t *wide = (int16_t *)(sum + (MOST_ROWS + 1) * MOST_COLS);
    int64_t cols = launch->number[COLS_PER_TASK], blocks = launch->number[COL_BLOCKS];
    int64_t a_step = launch->number[A_STEP], item = -1;
    uint8_t flip = p->b_type == TN_U8 ? 0x80 : 0;
    uint32_t row_sum[MOST_ROWS] = {0};
    (void)shared, (void)phase;
    for (uint32_t task = first; task < last; task++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, task / blocks, &at);
        if (item != task / blocks)
            widen_rows(p, (const uint8_t *)operand[0] + at.a, a_step, wide, row_sum);
        item = task / blocks;
        int64_t j0 = task % blocks * cols, n = p->n - j0 < cols ? p->n - j0 : cols;
        const uint8_t *b = (const uint8_t *)operand[1] + at.b + j0 * p->b_view.col;
        if (p->b_view.row == 1)
            sum_columns((int)p->m, p->k, wide, a_step, b, p->b_view.col, n, flip, sum);
        else
            sum_rows((int)p->m, p->k, wide, a_step, b, p->b_view.row, n, flip, sum);
        for (int64_t j = 0; j < n; j += GROUP) {
            matmul_int_columns c;
            matmul_int_prepare(p, operand, j0 + j, (int)(n - j < GROUP ? n - j : GROUP), GROUP,
                               sum + MOST_ROWS * MOST_COLS + j, &c);
            for (int64_t i = 0; i < p->m; i++)
                matmul_int_finish(p, &at, operand, i, j0 + j, &c,
                                  matmul_int_zero(&p->a_zero, p->a_type, operand, i), row_sum[i],
                                  sum + i * MOST_COLS + j, GROUP);
        }
    }
}

extern const tn_k_variant tn_k_matmul_int8_avx2_gemv;
const tn_k_variant tn_k_matmul_int8_avx2_gemv = {
    .name = "matmul_int8_avx2_gemv",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_EXACT,
    .accepts = gemv_accepts,
    .plan = gemv_plan,
    .run = gemv_run,
    .arithmetic = tn_k_matmul_arithmetic,
};
