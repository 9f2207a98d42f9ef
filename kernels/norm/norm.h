/* SPDX-License-Identifier: Apache-2.0 */
/* Layer norm and RMS norm over trailing axes, group norm over runs of channels, batch norm by given
 * statistics. */
#ifndef TN_KERNELS_NORM_H
#define TN_KERNELS_NORM_H

#include <kernels/common/shape.h>

/** LAYER: y = (x - mean) * rsqrt(var + eps) * gamma + beta; RMS: y = x * rsqrt(ms + eps) * gamma;
 *  GROUP: LAYER over a group of channels and all of space, gamma and beta by channel.
 *  BATCH_INFERENCE: y = x * a + b, a = gamma * rsqrt(var + eps), b = beta - mean * a by channel.
 *  shape     A and OUT of one shape, any strides; GAMMA and BETA (optional; RMS takes no BETA)
 *            broadcast to the normalised trailing axes; GROUP and BATCH: A [R.., C, S..], GAMMA and
 *            BETA [C]; BATCH: STATS [2, C], means and variances
 *  dtype     each operand f32, f16 or bf16; widened exactly, computed in f32, rounded once; BATCH
 *            f32
 *  memory    OUT may be A exactly
 *  numerics  CANONICAL 1 section 6 in every variant
 *  cost      about 8 FLOP and 8 bytes an element
 *  split     rows */
typedef struct tn_k_norm_params {
    tn_k_operands operands; /* A, OUT, [GAMMA, [BETA, [STATS]]]; see gamma_at, beta_at, stats_at */
    uint32_t kind;
    uint32_t from, to, affine[2];        /* dtypes of A, OUT, GAMMA and BETA */
    int32_t gamma_at, beta_at, stats_at; /* operand index, or -1 */
    float epsilon;
    int64_t count;   /* elements of a row */
    tn_k_grid rows;  /* leading dims, and the groups: A, OUT */
    tn_k_grid inner; /* normalised dims: A, OUT, GAMMA, BETA (these two not in GROUP) */
    /* GROUP alone; otherwise groups is 1 */
    int64_t groups, channels, space; /* in all; of a group; elements of a channel */
    int64_t affine_stride[2];        /* GAMMA, BETA */
    /* BATCH_INFERENCE alone: all channels are one group, the rows leave them out, inner is space */
    int64_t channel_stride[2], stats_stride[2]; /* A, OUT; which of both, channel */
} tn_k_norm_params;

/** Where the factor (which 0, GAMMA) or summand (1, BETA) of element `i` of row `r` is. */
static inline int64_t tn_k_norm_affine(const tn_k_norm_params *p, uint32_t which, int64_t r,
                                       int64_t i)
{
    if (p->kind != TN_NORM_GROUP)
        return tn_k_grid_offset(&p->inner, 2 + which, i);
    return (r % p->groups * p->channels + i / p->space) * p->affine_stride[which];
}

/** The truth in float64; out has rows * count doubles in row-major order. Not for BATCH. */
void tn_k_norm_ref(const tn_k_norm_params *p, const float *a, const float *gamma, const float *beta,
                   double *out);

/** The same for BATCH: rows * channels * space doubles; stats [2, channels] by its strides. */
void tn_k_norm_batch_ref(const tn_k_norm_params *p, const float *a, const float *gamma,
                         const float *beta, const float *stats, double *out);

#endif
