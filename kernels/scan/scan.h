/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums along an axis. */
#ifndef TN_KERNELS_SCAN_H
#define TN_KERNELS_SCAN_H

#include <kernels/common/shape.h>

/** out_i = a_0 + .. + a_i, or up to a_(i - 1) (exclusive); positions from the end on (reverse).
 *  shape     A and OUT of one shape; any strides
 *  dtype     f32 f16 bf16 to any of these, summed in f32; integers of whole bytes to any of these
 *  memory    OUT may be A exactly
 *  numerics  floats: cumsum of CANONICAL 1 section 6, one rounding to OUT; exclusive: what stands
 *            before the element, +0 for the first. Integers EXACT, wrapping
 *  cost      one or two FLOP an element
 *  split     rows */
typedef struct tn_k_scan_params {
    tn_k_operands operands; /* A, OUT */
    uint32_t from, to;      /* dtypes */
    bool exclusive;
    int64_t extent;
    int64_t first[2], step[2]; /* along the axis: where position 0 is, and the way to the next */
    tn_k_grid rows;            /* A, OUT */
} tn_k_scan_params;

static inline bool tn_k_scan_float(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

/** The truth in float64; out has rows * extent doubles in row-major order, by position. */
void tn_k_scan_ref(const tn_k_scan_params *p, const void *a, double *out);

#endif
