/* SPDX-License-Identifier: Apache-2.0 */
/* Picking slices of a tensor by index along one axis. */
#ifndef TN_KERNELS_GATHER_H
#define TN_KERNELS_GATHER_H

#include <kernels/common/shape.h>

/** out[o.., i.., n..] = a[o.., index[i..], n..] for the axis between o and n.
 *  shape     A [O.., X, N..], INDEX [I..], OUT [O.., I.., N..]; any strides
 *  dtype     A and OUT of one type of 1, 2, 4 or 8 bytes; INDEX s32 or s64; a negative index counts
 *            from the end, one out of range gives zeros
 *  numerics  EXACT
 *  cost      no FLOP; two bytes moved a byte of OUT
 *  split     slices [o.., i..] */
typedef struct tn_k_gather_params {
    tn_k_operands operands; /* A, INDEX, OUT */
    uint32_t elem_bytes, index_bytes;
    int64_t extent, axis_stride; /* of A along the axis */
    tn_k_grid outer;             /* [o.., i..]: A (0 along i), INDEX (0 along o), OUT */
    tn_k_grid slice;             /* [n..]: A, -, OUT */
} tn_k_gather_params;

/** The index of slice `at`, or -1 when it is out of range. */
static inline int64_t tn_k_gather_index(const tn_k_gather_params *p, const void *index, int64_t at)
{
    int64_t i = p->index_bytes == 8 ? ((const int64_t *)index)[at] : ((const int32_t *)index)[at];
    if (i < 0)
        i += p->extent;
    return i < 0 || i >= p->extent ? -1 : i;
}

#endif
