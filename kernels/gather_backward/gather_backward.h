/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of gather: rows of a gradient added up where an index says. */
#ifndef TN_KERNELS_GATHER_BACKWARD_H
#define TN_KERNELS_GATHER_BACKWARD_H

#include <kernels/common/canon.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/common/shape.h>

/** out[.., v, ..] = sum of grad[.., i, ..] over the positions i with index[i] = v.
 *  shape     GRAD [outer.., index.., inner..], INDEX any shape, OUT [outer.., rows, inner..]; any
 *            strides; negative indices count from the end, those out of range are left out
 *  dtype     f32, bf16, f16 added up in f32; INDEX s32 or s64
 *  numerics  CANONICAL 1 section 6: one dot over the positions, chunks of 128
 *  cost      1 FLOP an element of GRAD
 *  split     outer, and columns of inner */
typedef struct tn_k_gather_backward_params {
    tn_k_operands operands; /* GRAD, INDEX, OUT */
    uint32_t grad_dtype, out_dtype, index_dtype;
    int64_t rows, grad_positions; /* of OUT along the axis; of INDEX */
    int64_t row_stride;           /* of OUT along the axis */
    tn_k_grid outer, inner;       /* GRAD, OUT */
    tn_k_grid positions;          /* GRAD, INDEX */
} tn_k_gather_backward_params;

/* The row that a position names, or -1. */
static inline int64_t tn_k_gather_backward_row(const tn_k_gather_backward_params *p,
                                               const void *index, int64_t position)
{
    int64_t at = tn_k_grid_offset(&p->positions, 1, position);
    int64_t v =
        p->index_dtype == TN_S64 ? ((const int64_t *)index)[at] : ((const int32_t *)index)[at];
    v += v < 0 ? p->rows : 0;
    return v >= 0 && v < p->rows ? v : -1;
}

#endif
