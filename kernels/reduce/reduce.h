/* SPDX-License-Identifier: Apache-2.0 */
/* Sum, mean, max, min and sum of squares over axes. */
#ifndef TN_KERNELS_REDUCE_H
#define TN_KERNELS_REDUCE_H

#include <kernels/common/shape.h>

/** out = sum, mean, max, min or sum of squares over the axes of axes_mask.
 *  shape     A any strides; OUT keeps the reduced dims as 1 or drops them
 *  dtype     A and OUT each f32, f16 or bf16; widened exactly, computed in f32, rounded once
 *  numerics  CANONICAL 1 sections 1, 3 and 6: row-major order of the reduced axes; an empty set
 *            gives sum +0, mean NaN, max -Inf, min +Inf
 *  cost      1 to 2 FLOP and 4 bytes an input element
 *  split     outputs */
typedef struct tn_k_reduce_params {
    tn_k_operands operands;  /* A, OUT */
    uint32_t kind, from, to; /* dtypes of A and OUT */
    int64_t count;           /* elements of one output */
    tn_k_grid kept;          /* A, OUT */
    tn_k_grid inner;         /* reduced dims: A */
} tn_k_reduce_params;

/** The truth in float64; out has one double an output, in row-major order. */
void tn_k_reduce_ref(const tn_k_reduce_params *p, const float *a, double *out);

#endif
