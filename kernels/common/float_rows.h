/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of an index space whose elements are f32, f16 or bf16, as dense f32 and back. */
#ifndef TN_KERNELS_FLOAT_ROWS_H
#define TN_KERNELS_FLOAT_ROWS_H

#include <kernels/common/shape.h>
#include <kernels/common/widen.h>

/* What the row-wise ops compute on. */
static inline bool tn_k_computes(uint32_t type)
{
    return type == TN_F32 || type == TN_F16 || type == TN_BF16;
}

/* `from` is the grid's origin moved by `at` elements; the points [first, last) in row-major order.
 */
static inline void tn_k_grid_widen(const tn_k_grid *g, uint32_t o, uint32_t type, const void *from,
                                   int64_t at, int64_t first, int64_t last, float *to)
{
    int64_t inner = tn_k_grid_inner(g), stride = tn_k_grid_inner_stride(g, o);
    while (first < last) {
        int64_t column = first % inner;
        int64_t count = inner - column < last - first ? inner - column : last - first;
        tn_k_widen_row(type, from, at + tn_k_grid_offset(g, o, first), stride, count, to);
        to += count;
        first += count;
    }
}

static inline void tn_k_grid_narrow(const tn_k_grid *g, uint32_t o, uint32_t type, void *to,
                                    int64_t at, int64_t first, int64_t last, const float *from)
{
    int64_t inner = tn_k_grid_inner(g), stride = tn_k_grid_inner_stride(g, o);
    while (first < last) {
        int64_t column = first % inner;
        int64_t count = inner - column < last - first ? inner - column : last - first;
        tn_k_narrow_row(type, from, count, to, at + tn_k_grid_offset(g, o, first), stride);
        from += count;
        first += count;
    }
}

#endif
