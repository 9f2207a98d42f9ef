/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, RMS and group norm in float64: the truth. */
#include <kernels/norm/norm.h>
#include <math.h>

void tn_k_norm_ref(const tn_k_norm_params *p, const float *a, const float *gamma, const float *beta,
                   double *out)
{
    int64_t rows = tn_k_grid_count(&p->rows);
    for (int64_t r = 0; r < rows; r++, out += p->count) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        double mean = 0, square = 0;
        if (p->kind != TN_NORM_RMS) {
            for (int64_t i = 0; i < p->count; i++)
                mean += (double)x[tn_k_grid_offset(&p->inner, 0, i)];
            mean /= (double)p->count;
        }
        for (int64_t i = 0; i < p->count; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            square += d * d;
        }
        double r_sd = 1 / sqrt(square / (double)p->count + (double)p->epsilon);
        for (int64_t i = 0; i < p->count; i++) {
            double z = ((double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean) * r_sd;
            if (gamma != NULL)
                z *= (double)gamma[tn_k_norm_affine(p, 0, r, i)];
            if (beta != NULL)
                z += (double)beta[tn_k_norm_affine(p, 1, r, i)];
            out[i] = z;
        }
    }
}
