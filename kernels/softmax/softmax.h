/* SPDX-License-Identifier: Apache-2.0 */
/* softmax and log_softmax along one axis. */
#ifndef TN_KERNELS_SOFTMAX_H
#define TN_KERNELS_SOFTMAX_H

#include <kernels/common/shape.h>

/** y_i = exp(x_i - m) * recip(sum exp(x_j - m)), or (x_i - m) - log(sum); m the greatest x.
 *  shape     A and OUT of one shape, any strides; any axis
 *  dtype     A and OUT each f32, f16 or bf16; widened exactly, computed in f32, rounded once
 *  memory    OUT may be A exactly
 *  numerics  CANONICAL 1 section 6 in every variant
 *  cost      about 20 FLOP and 8 bytes an element
 *  split     rows of the axis */
typedef struct tn_k_softmax_params {
    tn_k_operands operands;   /* A, OUT */
    uint32_t log, from, to;   /* dtypes of A and OUT */
    int64_t count, stride[2]; /* along the axis */
    tn_k_grid rows;           /* all other dims */
} tn_k_softmax_params;

/** The truth in float64, elementwise as in params; out has count * rows doubles in row order. */
void tn_k_softmax_ref(const tn_k_softmax_params *p, const float *a, double *out);

void tn_k_softmax_arithmetic(const void *params, tn_arithmetic *out);

#endif
