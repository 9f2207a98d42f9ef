/* SPDX-License-Identifier: Apache-2.0 */
/* Few-row matmul on AVX2 that reads an unpacked B once, in the CANONICAL order: rows of B are added
 * up in L1 buffers, K-contiguous columns are transposed in registers. */
#include <kernels/common/simd_avx2.h>
#include <kernels/common/simd_transpose8.h>
#include <kernels/matmul/matmul_epilogue.h>

enum { MOST_ROWS = 4, CHUNK = 128, MOST_COLS = 1024, GROUP = 16 };
enum { COLS_PER_TASK, COL_BLOCKS };

static bool gemv_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    (void)caps;
    if (p->m > MOST_ROWS) {
        *why = (tn_k_why){"matmul.rows", "a", "for at most 4 rows"};
        return false;
    }
    if (p->b_packed || (p->b_view.col != 1 && p->b_view.row != 1)) {
        *why = (tn_k_why){"matmul.layout", "b", "reads b in place: needs a contiguous dimension"};
        return false;
    }
    return true;
}

static void gemv_plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    *out = (tn_k_launch){.workers = caps->workers};
    if (p->batch_count == 0 || p->m == 0 || p->n == 0)
        return;
    int64_t workers = caps->workers ? caps->workers : 1;
    int64_t cols = MOST_COLS;
    while (cols > 64 && p->batch_count * (p->n + cols - 1) / cols < 2 * workers)
        cols /= 2;
    if (workers == 1 || (double)p->n * (double)p->k < 32768)
        cols = MOST_COLS;
    out->number[COLS_PER_TASK] = cols;
    out->number[COL_BLOCKS] = (p->n + cols - 1) / cols;
    out->phases = 1;
    out->tasks[0] = (uint32_t)(p->batch_count * out->number[COL_BLOCKS]);
    out->worker_bytes = 2 * MOST_ROWS * MOST_COLS * 4;
    double bytes = 4.0 * (double)p->batch_count * (double)p->n * (double)p->k;
    double rate = bytes > caps->l2_bytes ? 22.0 : p->b_view.col == 1 ? 60.0 : 30.0;
    double arithmetic = bytes * (double)p->m / 80.0;
    double cost = bytes / rate > arithmetic ? bytes / rate : arithmetic;
    double parallel = workers < out->tasks[0] ? (double)workers : out->tasks[0];
    out->estimate_ns = (uint64_t)(cost / parallel) + 30 + (parallel > 1 ? 1500 : 0);
}

/* s[m][j] += a[m][k..k+depth) x rows of b, k ascending. */
static inline __attribute__((always_inline)) void add_rows(int rows, int depth, const float *a,
                                                           int64_t a_row, int64_t a_k,
                                                           const float *b, int64_t b_k, int64_t n,
                                                           float *s)
{
    float x[MOST_ROWS][8];
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < depth; k++)
            x[i][k] = a[i * a_row + k * a_k];
    for (int64_t j = 0; j < n; j += 8) {
        vf_mask mask = vf_first((int)(n - j < 8 ? n - j : 8));
        vf v[8];
#pragma GCC unroll 8
        for (int k = 0; k < depth; k++)
            v[k] = n - j >= 8 ? vf_load(b + k * b_k + j) : vf_load_masked(b + k * b_k + j, mask);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            vf sum = vf_load(s + i * MOST_COLS + j);
#pragma GCC unroll 8
            for (int k = 0; k < depth; k++)
                sum = vf_fma(vf_set1(x[i][k]), v[k], sum);
            vf_store(s + i * MOST_COLS + j, sum);
        }
    }
}

static void add_rows_of(int rows, int depth, const float *a, int64_t a_row, int64_t a_k,
                        const float *b, int64_t b_k, int64_t n, float *s)
{
    if (depth == 8 && rows == 1)
        add_rows(1, 8, a, a_row, a_k, b, b_k, n, s);
    else if (depth == 8)
        for (int i = 0; i < rows; i++)
            add_rows(1, 8, a + i * a_row, a_row, a_k, b, b_k, n, s + i * MOST_COLS);
    else
        for (int k = 0; k < depth; k++)
            for (int i = 0; i < rows; i++)
                add_rows(1, 1, a + i * a_row + k * a_k, a_row, a_k, b + k * b_k, b_k, n,
                         s + i * MOST_COLS);
}

static void sum_rows(const tn_k_matmul *p, const float *a, const float *b, int64_t n, float *s,
                     float *t)
{
    int rows = (int)p->m;
    memset(t, 0, sizeof(float) * MOST_ROWS * MOST_COLS);
    for (int64_t k0 = 0; k0 < p->k; k0 += CHUNK) {
        int64_t end = p->k - k0 < CHUNK ? p->k : k0 + CHUNK;
        memset(s, 0, sizeof(float) * MOST_ROWS * MOST_COLS);
        for (int64_t k = k0; k < end; k += 8)
            add_rows_of(rows, (int)(end - k < 8 ? end - k : 8), a + k * p->a_view.col,
                        p->a_view.row, p->a_view.col, b + k * p->b_view.row, p->b_view.row, n, s);
        for (int i = 0; i < rows; i++)
            for (int64_t j = 0; j < n; j++)
                t[i * MOST_COLS + j] = t[i * MOST_COLS + j] + s[i * MOST_COLS + j];
    }
}

/* GROUP K-contiguous columns at once; column[] repeats the last one past the edge. */
static inline __attribute__((always_inline)) void sum_columns(int rows, const tn_k_matmul *p,
                                                              const float *a,
                                                              const float *const column[GROUP],
                                                              float *y)
{
    vf t[MOST_ROWS][2];
    for (int i = 0; i < rows; i++)
        t[i][0] = t[i][1] = vf_zero();
    for (int64_t k0 = 0; k0 < p->k; k0 += CHUNK) {
        int64_t end = p->k - k0 < CHUNK ? p->k : k0 + CHUNK, k = k0;
        vf s[MOST_ROWS][2];
        for (int i = 0; i < rows; i++)
            s[i][0] = s[i][1] = vf_zero();
        for (; k + 8 <= end; k += 8) {
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                tn_k_f8 v[8];
#pragma GCC unroll 8
                for (int l = 0; l < 8; l++)
                    v[l] = vf_load(column[8 * h + l] + k);
                tn_k_transpose8(v);
#pragma GCC unroll 4
                for (int i = 0; i < rows; i++) {
                    const float *x = a + i * p->a_view.row + k * p->a_view.col;
#pragma GCC unroll 8
                    for (int l = 0; l < 8; l++)
                        s[i][h] = vf_fma(vf_set1(x[l * p->a_view.col]), v[l], s[i][h]);
                }
            }
        }
        for (; k < end; k++) {
            float v[GROUP];
            for (int l = 0; l < GROUP; l++)
                v[l] = column[l][k];
            for (int i = 0; i < rows; i++) {
                vf x = vf_set1(a[i * p->a_view.row + k * p->a_view.col]);
                s[i][0] = vf_fma(x, vf_load(v), s[i][0]);
                s[i][1] = vf_fma(x, vf_load(v + 8), s[i][1]);
            }
        }
        for (int i = 0; i < rows; i++)
            for (int h = 0; h < 2; h++)
                t[i][h] = vf_add(t[i][h], s[i][h]);
    }
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < 2; h++)
            vf_store(y + i * GROUP + 8 * h, t[i][h]);
}

static void finish(const tn_k_matmul *p, const tn_k_matmul_item *at, void *const *operand,
                   int64_t row, int64_t col, float *y, int64_t n)
{
    for (int64_t j = 0; j < n; j += GROUP)
        matmul_finish(p, at, operand, row, col + j, y + j, (int)(n - j < GROUP ? n - j : GROUP),
                      GROUP);
}

static void gemv_run(const tn_k_launch *launch, const void *params, void *const *operand,
                     void *shared, void *worker_scratch, uint32_t phase, uint32_t first,
                     uint32_t last)
{
    const tn_k_matmul *p = params;
    float *s = worker_scratch, *t = s + MOST_ROWS * MOST_COLS;
    int64_t cols = launch->number[COLS_PER_TASK], blocks = launch->number[COL_BLOCKS];
    (void)shared, (void)phase;
    for (uint32_t task = first; task < last; task++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, task / blocks, &at);
        int64_t j0 = task % blocks * cols, j1 = p->n - j0 < cols ? p->n : j0 + cols;
        const float *a = (const float *)operand[0] + at.a, *b = (const float *)operand[1] + at.b;
        if (p->b_view.col == 1) {
            sum_rows(p, a, b + j0, j1 - j0, s, t);
            for (int64_t i = 0; i < p->m; i++)
                finish(p, &at, operand, i, j0, t + i * MOST_COLS, j1 - j0);
            continue;
        }
        for (int64_t j = j0; j < j1; j += GROUP) {
            const float *column[GROUP];
            for (int l = 0; l < GROUP; l++)
                column[l] = b + (j + l < j1 ? j + l : j1 - 1) * p->b_view.col;
            for (int64_t i = 0; i < p->m;) {
                if (p->m - i >= 2) {
                    sum_columns(2, p, a + i * p->a_view.row, column, t);
                    finish(p, &at, operand, i, j, t, j1 - j < GROUP ? j1 - j : GROUP);
                    finish(p, &at, operand, i + 1, j, t + GROUP, j1 - j < GROUP ? j1 - j : GROUP);
                    i += 2;
                } else {
                    sum_columns(1, p, a + i * p->a_view.row, column, t);
                    finish(p, &at, operand, i, j, t, j1 - j < GROUP ? j1 - j : GROUP);
                    i++;
                }
            }
        }
    }
}

extern const tn_k_variant tn_k_matmul_f32_avx2_gemv;
const tn_k_variant tn_k_matmul_f32_avx2_gemv = {
    .name = "matmul_f32_avx2_gemv",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = gemv_accepts,
    .plan = gemv_plan,
    .run = gemv_run,
    .arithmetic = tn_k_matmul_arithmetic,
};
