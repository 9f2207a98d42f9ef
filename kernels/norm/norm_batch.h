/* SPDX-License-Identifier: Apache-2.0 */
/* What the batch norm rows share: one factor and one summand a channel. */
#ifndef TN_KERNELS_NORM_BATCH_H
#define TN_KERNELS_NORM_BATCH_H

#include <kernels/common/canonmath.h>
#include <kernels/norm/norm.h>

/* y = fma(x, *out_a, *out_b) */
static inline void norm_batch_factors(const tn_k_norm_params *p, void *const *operand, int64_t c,
                                      float *out_a, float *out_b)
{
    const float *stats = operand[p->stats_at];
    float mean = stats[c * p->stats_stride[1]];
    float variance = stats[p->stats_stride[0] + c * p->stats_stride[1]];
    float a = c_rsqrt(variance + p->epsilon), beta = 0.0f;
    if (p->gamma_at >= 0)
        a = ((const float *)operand[p->gamma_at])[c * p->affine_stride[0]] * a;
    if (p->beta_at >= 0)
        beta = ((const float *)operand[p->beta_at])[c * p->affine_stride[1]];
    *out_a = a;
    *out_b = __builtin_fmaf(-mean, a, beta);
}

#endif
