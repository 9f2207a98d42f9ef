/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul in float64, with the magnitude that error bounds are made of. */
#include <kernels/common/dtype_convert.h>
#include <kernels/matmul/matmul.h>

void tn_k_matmul_ref(const tn_k_matmul *p, const void *a, const void *b, double *out_dot,
                     double *out_magnitude)
{
    for (int64_t z = 0; z < p->batch_count; z++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, z, &at);
        for (int64_t i = 0; i < p->m; i++) {
            for (int64_t j = 0; j < p->n; j++) {
                double dot = 0, magnitude = 0;
                for (int64_t k = 0; k < p->k; k++) {
                    int64_t a_at = at.a + i * p->a_view.row + k * p->a_view.col;
                    int64_t b_at = at.b + k * p->b_view.row + j * p->b_view.col;
                    double x = tn_c_load(p->a_type, a, a_at).f;
                    double y = tn_c_load(p->b_type, b, b_at).f;
                    dot += x * y;
                    magnitude += x * y < 0 ? -(x * y) : x * y;
                }
                *out_dot++ = dot;
                *out_magnitude++ = magnitude;
            }
        }
    }
}
