/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of the unary elementwise kinds. */
#ifndef TN_KERNELS_ELTWISE_BACKWARD_H
#define TN_KERNELS_ELTWISE_BACKWARD_H

#include <kernels/common/shape.h>

enum { TN_K_ELTWISE_BACKWARD_A, TN_K_ELTWISE_BACKWARD_GRAD, TN_K_ELTWISE_BACKWARD_OUT };

/** out = f'(a) * grad for the unary kinds of TN_ELTWISE_*.
 *  shape     A, GRAD and OUT of one shape, any strides
 *  dtype     f32
 *  memory    OUT may be A or GRAD exactly
 *  numerics  CANONICAL 1 section 6
 *  cost      2 to 40 FLOP and 12 bytes an element
 *  split     ranges of elements in row-major order */
typedef struct tn_k_eltwise_backward_params {
    tn_k_operands operands; /* A, GRAD, OUT */
    uint32_t kind;
    float a, b;
    tn_k_grid grid;
} tn_k_eltwise_backward_params;

/** The truth in float64 of one element's f'(x); *out_scale is what the error of f' is relative to.
 */
double tn_k_eltwise_backward_ref(uint32_t kind, double x, double a, double b, double *out_scale);

#endif
