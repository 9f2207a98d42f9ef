/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of layer, RMS and group norm: the gradient of the input. */
#ifndef TN_KERNELS_NORM_BACKWARD_H
#define TN_KERNELS_NORM_BACKWARD_H

#include <kernels/common/shape.h>

/** dx_i = r * (g_i - mean(g) - xh_i * mean(g xh)), g = dy * gamma, xh the normalised input, r the
 *  reciprocal deviation (RMS: without mean(g)).
 *  shape     A, GRAD and OUT of one shape, any strides; GAMMA (optional) as forward
 *  dtype     f32
 *  memory    OUT may be A or GRAD exactly
 *  numerics  CANONICAL 1 section 6 in every variant
 *  cost      about 16 FLOP and 12 bytes an element
 *  split     rows */
typedef struct tn_k_norm_backward_params {
    tn_k_operands operands; /* A, GRAD, OUT, [GAMMA] */
    uint32_t kind;
    bool gamma;
    float epsilon;
    int64_t count;   /* elements of a row */
    tn_k_grid rows;  /* leading dims, and the groups: A, GRAD, OUT */
    tn_k_grid inner; /* normalised dims: A, GRAD, OUT, GAMMA (not in GROUP) */
    /* GROUP alone; otherwise groups is 1 */
    int64_t groups, channels, space; /* in all; of a group; elements of a channel */
    int64_t gamma_stride;
} tn_k_norm_backward_params;

/** Where GAMMA's factor of element `i` of row `r` is. */
static inline int64_t tn_k_norm_backward_gamma(const tn_k_norm_backward_params *p, int64_t r,
                                               int64_t i)
{
    if (p->kind != TN_NORM_GROUP)
        return tn_k_grid_offset(&p->inner, 3, i);
    return (r % p->groups * p->channels + i / p->space) * p->gamma_stride;
}

/** The truth in float64; out has rows * count doubles in row-major order. */
void tn_k_norm_backward_ref(const tn_k_norm_backward_params *p, const float *a, const float *grad,
                            const float *gamma, double *out);

#endif
