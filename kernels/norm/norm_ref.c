/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, RMS, group and batch norm in float64: the truth. */
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

void tn_k_norm_batch_ref(const tn_k_norm_params *p, const float *a, const float *gamma,
                         const float *beta, const float *stats, double *out)
{
    int64_t count = tn_k_grid_count(&p->rows) * p->channels * p->space;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i / p->space % p->channels, s = c * p->stats_stride[1];
        double x =
            (double)a[tn_k_grid_offset(&p->rows, 0, i / p->space / p->channels) +
                      c * p->channel_stride[0] + tn_k_grid_offset(&p->inner, 0, i % p->space)];
        double y = (x - (double)stats[s]) /
                   sqrt((double)stats[s + p->stats_stride[0]] + (double)p->epsilon);
        y = gamma != NULL ? y * (double)gamma[c * p->affine_stride[0]] : y;
        out[i] = beta != NULL ? y + (double)beta[c * p->affine_stride[1]] : y;
    }
}
