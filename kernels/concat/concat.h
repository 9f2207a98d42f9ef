/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors one after the other along an axis. */
#ifndef TN_KERNELS_CONCAT_H
#define TN_KERNELS_CONCAT_H

#include <kernels/common/shape.h>

enum { TN_K_CONCAT_INPUTS = TN_K_OPERANDS - 1 };

/** out[o.., s_i + x, n..] = input_i[o.., x, n..], s_i the extents of the inputs before i.
 *  shape     INPUT0.. [O.., X_i, N..], OUT [O.., X_0 + X_1 + .., N..]; any strides
 *  dtype     one type of 1, 2, 4 or 8 bytes
 *  memory    OUT overlaps no input; a single input may be OUT exactly
 *  numerics  EXACT
 *  cost      no FLOP; two bytes moved a byte of OUT
 *  split     ranges of elements of OUT */
typedef struct tn_k_concat_params {
    tn_k_operands operands; /* INPUT0.., OUT */
    uint32_t inputs, rank, axis, elem_bytes;
    int64_t dim[TN_MAX_RANK], stride[TN_MAX_RANK]; /* of OUT */
    struct {
        int64_t extent, stride[TN_MAX_RANK];
    } in[TN_K_CONCAT_INPUTS];
} tn_k_concat_params;

static inline int64_t tn_k_concat_count(const tn_k_concat_params *p, uint32_t from, uint32_t to)
{
    int64_t n = 1;
    for (uint32_t d = from; d < to; d++)
        n *= p->dim[d];
    return n;
}

#endif
