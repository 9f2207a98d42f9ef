/* SPDX-License-Identifier: Apache-2.0 */
/* The k first elements along an axis in order, and where they were. */
#ifndef TN_KERNELS_TOPK_H
#define TN_KERNELS_TOPK_H

#include <kernels/common/shape.h>

/** The k largest elements of each row along the axis, descending, or the smallest, ascending.
 *  shape     A [O.., X, N..], OUT and INDEX [O.., k, N..]; any strides
 *  dtype     A and OUT of one type of whole bytes but bool; INDEX, or OUT as indices, s32 or s64
 *  memory    OUT and INDEX overlap no A
 *  numerics  EXACT; the order is that of max and min (section 1): +0 above -0, NaN first either
 * way, all NaN equal; equal elements by index, the lowest first cost      about one comparison an
 * element, and log k for each that enters split     rows */
typedef struct tn_k_topk_params {
    tn_k_operands operands; /* A, OUT, [INDEX] */
    uint32_t dtype, elem_bytes, index_bytes;
    bool smallest;
    int32_t values_at, index_at; /* operand index, or -1 */
    int64_t k, extent;
    int64_t stride[3]; /* along the axis: A, values, indices */
    tn_k_grid rows;    /* A, values, indices */
} tn_k_topk_params;

/* An element in the order of the op: the greatest key comes first, then the lowest index. */
typedef struct tn_k_topk_item {
    int64_t key, index;
} tn_k_topk_item;

static inline bool tn_k_topk_before(tn_k_topk_item x, tn_k_topk_item y)
{
    return x.key > y.key || (x.key == y.key && x.index < y.index);
}

/* A float's bits as an integer that orders like it: -0 just below +0, above `inf` it is NaN. */
static inline int64_t tn_k_topk_float_key(uint64_t bits, int sign_bit, uint64_t inf, bool smallest)
{
    uint64_t magnitude = bits & (((uint64_t)1 << sign_bit) - 1);
    int64_t key = bits >> sign_bit & 1 ? -(int64_t)magnitude - 1 : (int64_t)magnitude;
    return magnitude > inf ? INT64_MAX : smallest ? ~key : key;
}

static inline int64_t tn_k_topk_key(const tn_k_topk_params *p, const void *a, int64_t at)
{
    bool smallest = p->smallest;
    int64_t i;
    switch (p->dtype) {
    case TN_F64:
        return tn_k_topk_float_key(((const uint64_t *)a)[at], 63, 0x7ff0000000000000u, smallest);
    case TN_F32:
        return tn_k_topk_float_key(((const uint32_t *)a)[at], 31, 0x7f800000u, smallest);
    case TN_TF32: /* the last 13 bits are no part of it */
        return tn_k_topk_float_key(((const uint32_t *)a)[at] >> 13, 18, 0x3fc00u, smallest);
    case TN_F16:
        return tn_k_topk_float_key(((const uint16_t *)a)[at], 15, 0x7c00u, smallest);
    case TN_BF16:
        return tn_k_topk_float_key(((const uint16_t *)a)[at], 15, 0x7f80u, smallest);
    case TN_F8E4M3:
        return tn_k_topk_float_key(((const uint8_t *)a)[at], 7, 0x7eu, smallest);
    case TN_F8E5M2:
        return tn_k_topk_float_key(((const uint8_t *)a)[at], 7, 0x7cu, smallest);
    case TN_E8M0:
        return tn_k_topk_float_key(((const uint8_t *)a)[at], 8, 0xfeu, smallest);
    case TN_S64:
        i = ((const int64_t *)a)[at];
        break;
    case TN_S32:
        i = ((const int32_t *)a)[at];
        break;
    case TN_S8:
        i = ((const int8_t *)a)[at];
        break;
    default: /* TN_U8 */
        i = ((const uint8_t *)a)[at];
    }
    return smallest ? ~i : i;
}

/** Writes element `index` of row `row` to place `place` of the outputs. */
static inline void tn_k_topk_put(const tn_k_topk_params *p, void *const *operand, int64_t row,
                                 int64_t place, int64_t index)
{
    int64_t bytes = p->elem_bytes;
    if (p->values_at >= 0)
        memcpy((char *)operand[p->values_at] +
                   (tn_k_grid_offset(&p->rows, 1, row) + place * p->stride[1]) * bytes,
               (const char *)operand[0] +
                   (tn_k_grid_offset(&p->rows, 0, row) + index * p->stride[0]) * bytes,
               (size_t)bytes);
    if (p->index_at < 0)
        return;
    int64_t to = tn_k_grid_offset(&p->rows, 2, row) + place * p->stride[2];
    if (p->index_bytes == 8)
        ((int64_t *)operand[p->index_at])[to] = index;
    else
        ((int32_t *)operand[p->index_at])[to] = (int32_t)index;
}

#endif
