/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of the engines in plain C. */
#include <kernels/systolic/systolic.h>

static void tile(const float *a, int64_t lda, const float *w, int64_t ldw, int64_t rows, int64_t k,
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

#define MATH_NAME tn_k_sys_math_baseline
#define MATH_ISA  TN_K_ISA_BASELINE
#include <kernels/systolic/systolic_math.inc>
