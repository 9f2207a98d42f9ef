/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the engines in plain C. */
#include <kernels/common/canonmath.h>
#include <kernels/systolic/systolic.h>

enum { STRIP_ROWS = 4, STRIP_COLUMNS = 8 };

/* The lowest exponent of what is not 0 and the highest of all, as stored. */
static void exponents(const float *x, int64_t ld, int64_t rows, int64_t cols, uint32_t *low,
                      uint32_t *high)
{
    uint32_t least = 255, most = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) {
            uint32_t u = tn_c_bits(x[r * ld + c]) & 0x7fffffffu, e = u >> 23;
            uint32_t not_zero = u != 0 ? e : 255;
            least = not_zero < least ? not_zero : least;
            most = e > most ? e : most;
        }
    *low = least;
    *high = most;
}

/* What the array multiplies has at most 11 significant bits, so that a product in the normal range
 * is exact, and a multiplication and an addition round as one fma does. */
static bool products_are_exact(const float *a, int64_t lda, const float *w, int64_t ldw,
                               int64_t rows, int64_t k, int64_t columns)
{
    uint32_t a_low, a_high, w_low, w_high;
    exponents(a, lda, rows, k, &a_low, &a_high);
    exponents(w, ldw, k, columns, &w_low, &w_high);
    return a_high < 255 && w_high < 255 && a_low + w_low >= 128 && a_high + w_high <= 380 &&
           a_low != 0 && w_low != 0;
}

/* Four floats, in a register of any machine that has such. */
typedef float four __attribute__((vector_size(16)));

static inline four load(const float *p)
{
    four v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __attribute__((always_inline)) void strip(const float *a, int64_t lda, const float *w,
                                                        int64_t ldw, int rows, int64_t k, float *s,
                                                        int64_t lds)
{
    four sum[STRIP_ROWS][2] = {{{0}}};
    for (int64_t kk = 0; kk < k; kk++) {
        four left = load(w + kk * ldw), right = load(w + kk * ldw + 4);
        for (int i = 0; i < rows; i++) {
            float x = a[i * lda + kk];
            four wide = {x, x, x, x};
            sum[i][0] = sum[i][0] + wide * left;
            sum[i][1] = sum[i][1] + wide * right;
        }
    }
    for (int i = 0; i < rows; i++)
        memcpy(s + i * lds, sum[i], sizeof sum[i]);
}

static void fused(const float *a, int64_t lda, const float *w, int64_t ldw, int64_t rows, int64_t k,
                  int64_t columns, float *s, int64_t lds)
{
    for (int64_t i = 0; i < rows; i++) {
        float *to = s + i * lds;
        for (int64_t c = 0; c < columns; c++)
            to[c] = 0.0f;
        for (int64_t kk = 0; kk < k; kk++) {
            float x = a[i * lda + kk];
            const float *weight = w + kk * ldw;
            for (int64_t c = 0; c < columns; c++)
                to[c] = __builtin_fmaf(x, weight[c], to[c]);
        }
    }
}

static void tile(const float *a, int64_t lda, const float *w, int64_t ldw, int64_t rows, int64_t k,
                 int64_t columns, float *s, int64_t lds)
{
    if (!products_are_exact(a, lda, w, ldw, rows, k, columns)) {
        fused(a, lda, w, ldw, rows, k, columns, s, lds);
        return;
    }
    for (int64_t c = 0; c < columns; c += STRIP_COLUMNS) {
        int64_t i = 0;
        for (; i + STRIP_ROWS <= rows; i += STRIP_ROWS)
            strip(a + i * lda, lda, w + c, ldw, STRIP_ROWS, k, s + i * lds + c, lds);
        for (; i < rows; i++)
            strip(a + i * lda, lda, w + c, ldw, 1, k, s + i * lds + c, lds);
    }
}

#define MATH_NAME tn_k_sys_math_baseline
#define MATH_ISA  TN_K_ISA_BASELINE
#include <kernels/systolic/systolic_math.inc>
