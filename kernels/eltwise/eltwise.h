/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise functions with broadcast. */
#ifndef TN_KERNELS_ELTWISE_H
#define TN_KERNELS_ELTWISE_H

#include <kernels/common/shape.h>

/** out = f(a), f(a, b) or f(a, b, c) for the kinds of TN_ELTWISE_*.
 *  shape     operands broadcast to OUT; any strides
 *  dtype     f32: all kinds; f16 and bf16 too, widened exactly, computed in f32, rounded once; s32:
 *            add sub mul max min, comparisons; where: any type of whole bytes,
 *            of A bool; comparisons give bool
 *  memory    OUT may be an input exactly
 *  numerics  f32 CANONICAL 1 (sections 1 and 9); s32 EXACT, wrapping; where EXACT
 *  cost      1 to 40 FLOP and 4 bytes an operand an element
 *  split     ranges of elements in row-major order */
typedef struct tn_k_eltwise_params {
    tn_k_operands operands; /* A, [B, [C,]] OUT */
    uint32_t kind, dtype;   /* dtype of the values (of B for WHERE) */
    uint32_t inputs;
    float a, b;
    tn_k_grid grid; /* strides of the inputs, then at [inputs] of OUT */
} tn_k_eltwise_params;

static inline bool tn_k_eltwise_is_compare(uint32_t kind)
{
    return kind >= TN_ELTWISE_EQUAL && kind <= TN_ELTWISE_LESS_EQUAL;
}

/** The truth in float64 of one element of an f32 kind (comparisons: 0 or 1). */
double tn_k_eltwise_ref(uint32_t kind, double x, double y, double z, double a, double b);

void tn_k_eltwise_arithmetic(const void *params, tn_arithmetic *out);

#endif
