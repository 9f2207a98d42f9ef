/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of layer, RMS and group norm in float64: the truth. */
#include <kernels/norm_backward/norm_backward.h>
#include <math.h>

void tn_k_norm_backward_ref(const tn_k_norm_backward_params *p, const float *a, const float *grad,
                            const float *gamma, double *out)
{
    int64_t rows = tn_k_grid_count(&p->rows);
    double n = (double)p->count;
    for (int64_t r = 0; r < rows; r++, out += p->count) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        const float *dy = grad + tn_k_grid_offset(&p->rows, 1, r);
        double mean = 0, square = 0, sum = 0, dot = 0;
        for (int64_t i = 0; i < p->count && p->kind != TN_NORM_RMS; i++)
            mean += (double)x[tn_k_grid_offset(&p->inner, 0, i)] / n;
        for (int64_t i = 0; i < p->count; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            square += d * d;
        }
        double r_sd = 1 / sqrt(square / n + (double)p->epsilon);
        for (int64_t i = 0; i < p->count; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            double g = (double)dy[tn_k_grid_offset(&p->inner, 1, i)];
            if (gamma != NULL)
                g *= (double)gamma[tn_k_norm_backward_gamma(p, r, i)];
            out[i] = g;
            sum += p->kind == TN_NORM_RMS ? 0 : g / n;
            dot += g * d * r_sd / n;
        }
        for (int64_t i = 0; i < p->count; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            out[i] = r_sd * (out[i] - sum - d * r_sd * dot);
        }
    }
}
