/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of softmax and log_softmax along one axis. */
#ifndef TN_KERNELS_SOFTMAX_BACKWARD_H
#define TN_KERNELS_SOFTMAX_BACKWARD_H

#include <kernels/common/shape.h>

/** dx_i = y_i * (dy_i - sum y_j dy_j), or dy_i - exp(y_i) * sum dy_j for log_softmax; y is the
 *  forward output.
 *  shape     A, GRAD and OUT of one shape, any strides; any axis
 *  dtype     f32
 *  memory    OUT may be A or GRAD exactly
 *  numerics  CANONICAL 1 section 6 in every variant
 *  cost      about 4 FLOP (log: 20) and 12 bytes an element
 *  split     rows of the axis */
typedef struct tn_k_softmax_backward_params {
    tn_k_operands operands; /* A, GRAD, OUT */
    uint32_t log;
    int64_t count, stride[3]; /* along the axis */
    tn_k_grid rows;           /* all other dims */
} tn_k_softmax_backward_params;

/** The truth in float64; out has count * rows doubles in row order, and so has out_scale, of the
 *  sum's magnitude. */
void tn_k_softmax_backward_ref(const tn_k_softmax_backward_params *p, const float *a,
                               const float *grad, double *out, double *out_scale);

#endif
