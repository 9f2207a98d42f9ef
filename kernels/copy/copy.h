/* SPDX-License-Identifier: Apache-2.0 */
/* Strided copy, transpose and cast. */
#ifndef TN_KERNELS_COPY_H
#define TN_KERNELS_COPY_H

#include <kernels/common/shape.h>

/** out = a, converted to the type of OUT.
 *  shape     A broadcasts to OUT; any strides
 *  dtype     one type of whole bytes unchanged, or any pair of f64 f32 tf32 f16 bf16 f8e4m3 f8e5m2
 *            e8m0 s64 s32 s8 u8 bool
 *  numerics  same type: EXACT; a cast rounds once (section 1), CANONICAL: floats to nearest even,
 *            overflow to infinity (f8e4m3: NaN), or to the largest value with SATURATE; float to
 *            integer truncates and saturates, NaN gives 0; integers wrap; to bool is x != 0
 *  cost      no FLOP; the bytes of both sides
 *  split     ranges of elements in row-major order of OUT; transposes by bands of rows */
typedef struct tn_k_copy_params {
    tn_k_operands operands; /* A, OUT */
    uint32_t from, to;      /* dtypes */
    bool saturate;          /* 8-bit floats: TN_NUMERICS_SATURATE */
    uint32_t elem_bytes;    /* of the type where both are one */
    tn_k_grid grid;         /* A, OUT */
} tn_k_copy_params;

#endif
