/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary position embedding. */
#ifndef TN_KERNELS_ROPE_H
#define TN_KERNELS_ROPE_H

#include <kernels/common/shape.h>

/** (y0, y1) = (x0 cos a - x1 sin a, x0 sin a + x1 cos a), a = position * freq_i, for the pairs (i,
 * i + half) or (2 i, 2 i + 1); what is past the pairs is copied. shape     A and OUT [R.., d],
 * INDEX broadcasts to [R..], FREQ [half]; any strides dtype     A and OUT f32 f16 bf16; INDEX s32,
 * FREQ f32 memory    OUT may be A exactly numerics  CANONICAL 1 section 8, one rounding to OUT; NaN
 * where |a| is above 2^20 cost      3 FLOP and 8 bytes an element, and a sine and a cosine a
 * position and pair split     rows */
typedef struct tn_k_rope_params {
    tn_k_operands operands; /* A, INDEX, FREQ, OUT */
    uint32_t from, to;      /* dtypes */
    bool interleaved;
    int64_t d, half;
    int64_t a_stride, freq_stride, out_stride; /* of the last dim */
    tn_k_grid rows;                            /* A, INDEX, OUT, and the number of the position */
    tn_k_grid positions;                       /* INDEX as it is: offset by number */
} tn_k_rope_params;

/** The two elements of pair `i`. */
static inline void tn_k_rope_pair(const tn_k_rope_params *p, int64_t i, int64_t *x0, int64_t *x1)
{
    *x0 = p->interleaved ? 2 * i : i;
    *x1 = p->interleaved ? 2 * i + 1 : i + p->half;
}

/** The truth in float64 of f32 operands; out has rows * d doubles in row-major order. */
void tn_k_rope_ref(const tn_k_rope_params *p, const float *a, const int32_t *index,
                   const float *freq, double *out);

void tn_k_rope_arithmetic(const void *params, tn_arithmetic *out);

#endif
