/* SPDX-License-Identifier: Apache-2.0 */
/* Layer norm and RMS norm over trailing axes. */
#ifndef TN_KERNELS_NORM_H
#define TN_KERNELS_NORM_H

#include <kernels/common/shape.h>

/** LAYER: y = (x - mean) * rsqrt(var + eps) * gamma + beta; RMS: y = x * rsqrt(ms + eps) * gamma.
 *  shape     A and OUT of one shape, any strides; GAMMA and BETA (optional; RMS takes no BETA)
 *            broadcast to the normalised trailing axes
 *  dtype     f32
 *  memory    OUT may be A exactly
 *  numerics  CANONICAL 1 section 6 in every variant
 *  cost      about 8 FLOP and 8 bytes an element
 *  split     rows */
typedef struct tn_k_norm_params {
    tn_k_operands operands; /* A, OUT, [GAMMA, [BETA]]; see gamma_at, beta_at */
    uint32_t kind;
    int32_t gamma_at, beta_at; /* operand index, or -1 */
    float epsilon;
    int64_t count;   /* elements of a row */
    tn_k_grid rows;  /* leading dims: A, OUT */
    tn_k_grid inner; /* normalised dims: A, OUT, GAMMA, BETA */
} tn_k_norm_params;

/** The truth in float64; out has rows * count doubles in row-major order. */
void tn_k_norm_ref(const tn_k_norm_params *p, const float *a, const float *gamma, const float *beta,
                   double *out);

#endif
