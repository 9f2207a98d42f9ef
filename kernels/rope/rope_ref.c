/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary embedding in float64: the truth. */
#include <kernels/rope/rope.h>
#include <math.h>

void tn_k_rope_ref(const tn_k_rope_params *p, const float *a, const int32_t *index,
                   const float *freq, double *out)
{
    int64_t rows = tn_k_grid_count(&p->rows);
    for (int64_t r = 0; r < rows; r++, out += p->d) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        double position = index[tn_k_grid_offset(&p->rows, 1, r)];
        for (int64_t e = 2 * p->half; e < p->d; e++)
            out[e] = (double)x[e * p->a_stride];
        for (int64_t i = 0; i < p->half; i++) {
            int64_t e0, e1;
            tn_k_rope_pair(p, i, &e0, &e1);
            double angle = position * (double)freq[i * p->freq_stride];
            double x0 = (double)x[e0 * p->a_stride], x1 = (double)x[e1 * p->a_stride];
            out[e0] = x0 * cos(angle) - x1 * sin(angle);
            out[e1] = x0 * sin(angle) + x1 * cos(angle);
        }
    }
}
