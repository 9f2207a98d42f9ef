/* SPDX-License-Identifier: Apache-2.0 */
/* Padding and cropping. */
#ifndef TN_KERNELS_PAD_H
#define TN_KERNELS_PAD_H

#include <kernels/common/shape.h>

/** out[i] = a[f(i - lo)]; outside of a f is the nearest index (EDGE), the mirrored one (REFLECT) or
 *  none, which gives the value (CONSTANT).
 *  shape     A [D..], OUT [D + lo + hi..]; lo and hi may be negative; any strides
 *  dtype     one type of whole bytes
 *  memory    OUT overlaps no A
 *  numerics  EXACT; the value is converted as by a cast
 *  cost      no FLOP; two bytes moved a byte of OUT
 *  split     rows of OUT */
typedef struct tn_k_pad_params {
    tn_k_operands operands; /* A, OUT */
    uint32_t mode, rank, elem_bytes;
    int64_t from_dim[TN_MAX_RANK], from_stride[TN_MAX_RANK], lo[TN_MAX_RANK];
    int64_t dim[TN_MAX_RANK], stride[TN_MAX_RANK];
    unsigned char value[8]; /* one element */
} tn_k_pad_params;

/** The index of A that stands at index `i` of OUT along dim `d`, or -1 for the value. */
static inline int64_t tn_k_pad_index(const tn_k_pad_params *p, uint32_t d, int64_t i)
{
    int64_t at = i - p->lo[d], most = p->from_dim[d] - 1;
    if (at >= 0 && at <= most)
        return at;
    if (p->mode == TN_PAD_CONSTANT)
        return -1;
    if (p->mode == TN_PAD_EDGE)
        return at < 0 ? 0 : most;
    return at < 0 ? -at : 2 * most - at;
}

static inline int64_t tn_k_pad_height(const tn_k_pad_params *p)
{
    int64_t n = 1;
    for (uint32_t d = 0; d + 1 < p->rank; d++)
        n *= p->dim[d];
    return n;
}

static inline int64_t tn_k_pad_width(const tn_k_pad_params *p)
{
    return p->rank == 0 ? 1 : p->dim[p->rank - 1];
}

/** Where row `row` of OUT starts; *out_from where that of A does, or -1 where all is the value. */
static inline int64_t tn_k_pad_row(const tn_k_pad_params *p, int64_t row, int64_t *out_from)
{
    int64_t to = 0;
    *out_from = 0;
    for (uint32_t d = p->rank; d-- > 1; row /= p->dim[d - 1]) {
        int64_t i = row % p->dim[d - 1], at = tn_k_pad_index(p, d - 1, i);
        to += i * p->stride[d - 1];
        *out_from = *out_from < 0 || at < 0 ? -1 : *out_from + at * p->from_stride[d - 1];
    }
    return to;
}

#endif
