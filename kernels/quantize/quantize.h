/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers to a narrow type by a scale. */
#ifndef TN_KERNELS_QUANTIZE_H
#define TN_KERNELS_QUANTIZE_H

#include <kernels/common/quant_grid.h>

/** out = clamp(rint(x) + zero), x = f32(a) / scale of OUT or f32(a) * scale of A; a float OUT is x
 * cast. shape     A and OUT of one shape, the scale and ZERO_OF + OUT as tn_axis says; any strides
 *  dtype     A f32 f16 bf16 s32, scale f32, OUT s8 u8 f8e4m3 f8e5m2, ZERO as OUT (integers)
 *  numerics  CANONICAL 1 section 4: rint is clamped to +-2^30, sum and clamp are of integers, NaN
 * gives the zero point; SATURATE as in a cast cost      2 FLOP an element split     ranges of
 * elements in row-major order */
typedef struct tn_k_quantize_params {
    tn_k_operands operands; /* A, scale, OUT, [ZERO] */
    uint32_t from, to;      /* dtypes */
    bool divide, zero, saturate;
    uint64_t layout; /* of blocks of OUT: no scale operand, the grid counts blocks */
    int64_t step;    /* elements from one to the next in a block of the other */
    tn_k_grid grid; /* A, scale, ZERO, OUT */
} tn_k_quantize_params;

#endif
