/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers from a narrow type and a scale. */
#ifndef TN_KERNELS_DEQUANTIZE_H
#define TN_KERNELS_DEQUANTIZE_H

#include <kernels/common/quant_grid.h>

/** out = a * scale, or fma(a, scale, -(zero * scale)).
 *  shape     A and OUT of one shape, SCALE_OF + A and ZERO_OF + A as tn_axis says; any strides
 *  dtype     A s8 u8 s32 f8e4m3 f8e5m2, SCALE f32, ZERO as A (integers), OUT f32 f16 bf16
 *  numerics  CANONICAL 1 section 4, one rounding to OUT
 *  cost      1 or 2 FLOP an element
 *  split     ranges of elements in row-major order */
typedef struct tn_k_dequantize_params {
    tn_k_operands operands; /* A, SCALE, OUT, [ZERO] */
    uint32_t from, to;      /* dtypes */
    bool zero;
    uint64_t layout; /* of blocks of A: no scale operand, the grid counts blocks */
    int64_t step;    /* elements from one to the next in a block of the other */
    tn_k_grid grid; /* A, SCALE, ZERO, OUT */
} tn_k_dequantize_params;

#endif
