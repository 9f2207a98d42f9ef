/* SPDX-License-Identifier: Apache-2.0 */
/* The index space of quantize and dequantize: a scale goes along the axis, by index or by run. */
#ifndef TN_KERNELS_QUANT_GRID_H
#define TN_KERNELS_QUANT_GRID_H

#include <kernels/common/shape.h>

/** Operands A, SCALE, ZERO (or NULL), OUT. A run splits the axis in two dims; false where the rank
 * is too high for that. */
static inline bool tn_k_quant_grid(tn_k_grid *g, const tn_axis *attr, const tn_tensor *a,
                                   const tn_tensor *scale, const tn_tensor *zero,
                                   const tn_tensor *out)
{
    int64_t run = attr->param;
    uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)a->rank : attr->axis);
    if (run > 0 && a->rank == TN_MAX_RANK)
        return false;
    memset(g, 0, sizeof *g);
    for (uint32_t d = 0; d < a->rank; d++) {
        const tn_tensor *factor[2] = {scale, zero};
        bool split = run > 0 && d == axis;
        uint32_t n = g->rank;
        g->rank += split ? 2 : 1;
        g->dim[n] = split ? a->dim[d] / run : a->dim[d];
        g->stride[0][n] = a->stride[d] * (split ? run : 1);
        g->stride[3][n] = out->stride[d] * (split ? run : 1);
        for (uint32_t k = 0; k < 2; k++) {
            const tn_tensor *f = factor[k];
            if (f == NULL || f->rank == 0)
                g->stride[1 + k][n] = 0;
            else if (run > 0)
                g->stride[1 + k][n] = f->stride[d];
            else
                g->stride[1 + k][n] = d == axis ? f->stride[0] : 0;
        }
        if (split) {
            g->dim[n + 1] = run;
            g->stride[0][n + 1] = a->stride[d];
            g->stride[3][n + 1] = out->stride[d];
        }
    }
    tn_k_grid_collapse(g, 4);
    return true;
}

/** Rows of blocks: `plain` is the tensor of elements, `blocks` the other, operands 0 and 3 as
 *  `plain_at` says; strides in elements and in blocks. */
static inline void tn_k_block_grid(tn_k_grid *g, const tn_tensor *plain, uint32_t plain_at,
                                   const tn_tensor *blocks)
{
    enum { BLOCK = 32 };
    memset(g, 0, sizeof *g);
    g->rank = plain->rank;
    for (uint32_t d = 0; d < plain->rank; d++) {
        bool last = d + 1 == plain->rank;
        g->dim[d] = last ? plain->dim[d] / BLOCK : plain->dim[d];
        g->stride[plain_at][d] = plain->stride[d] * (last ? BLOCK : 1);
        g->stride[3 - plain_at][d] = last ? 1 : blocks->stride[d] / BLOCK;
    }
    tn_k_grid_collapse(g, 4);
}

#endif
