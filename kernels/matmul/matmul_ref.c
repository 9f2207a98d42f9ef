/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul in float64, with the magnitude that error bounds are made of. */
#include <kernels/matmul/matmul.h>

void tn_k_matmul_ref(const tn_k_matmul *p, const float *a, const float *b, double *out_dot,
                     double *out_magnitude)
{
    for (int64_t z = 0; z < p->batch_count; z++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, z, &at);
        for (int64_t i = 0; i < p->m; i++) {
            for (int64_t j = 0; j < p->n; j++) {
                double dot = 0, magnitude = 0;
                for (int64_t k = 0; k < p->k; k++) {
                    double x = a[at.a + i * p->a_view.row + k * p->a_view.col];
                    double y = b[at.b + k * p->b_view.row + j * p->b_view.col];
                    dot += x * y;
                    magnitude += x * y < 0 ? -(x * y) : x * y;
                }
                *out_dot++ = dot;
                *out_magnitude++ = magnitude;
            }
        }
    }
}
