/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum and average over windows. */
#ifndef TN_KERNELS_POOL_H
#define TN_KERNELS_POOL_H

#include <kernels/common/shape.h>

/** out = max or mean of the taps of a window.
 *  shape     space is always depth, height, width, with 1 for the dims that are not there; layout
 *            (channels first or last) is in the strides alone
 *  dtype     f32, bf16, f16; MAX also s8, u8
 *  memory    a tap outside of A is not read; OUT overlaps no A
 *  numerics  CANONICAL 1 section 6: average = reduce(taps in row-major order, +0 where there is
 * none) * recip(count); the maximum of floats is free of order, of integers EXACT cost      one
 * FLOP a tap; A read about once split     planes of OUT, or its rows */
typedef struct tn_k_pool {
    tn_k_operands operands; /* A, OUT */
    uint32_t kind, dtype, count_padding;
    int64_t n, channels;
    int64_t in[3], size[3], window[3], stride[3], dilation[3], lo[3], hi[3];
    int64_t a_n, a_c, a_s[3], out_n, out_c, out_s[3];
} tn_k_pool;

/* The index of A that output position o meets at tap k along dim d; false: it is outside. */
static inline bool tn_k_pool_tap(const tn_k_pool *p, int d, int64_t o, int64_t k, int64_t *out_in)
{
    *out_in = o * p->stride[d] - p->lo[d] + k * p->dilation[d];
    return *out_in >= 0 && *out_in < p->in[d];
}

static inline int64_t tn_k_pool_taps(const tn_k_pool *p)
{
    return p->window[0] * p->window[1] * p->window[2];
}

/* Taps along one dim that an average divides by. */
static inline int64_t tn_k_pool_along(const tn_k_pool *p, int d, int64_t o)
{
    int64_t count = 0, i;
    for (int64_t k = 0; k < p->window[d]; k++) {
        bool inside = tn_k_pool_tap(p, d, o, k, &i);
        count += inside || (p->count_padding && i < p->in[d] + p->hi[d]);
    }
    return count;
}

/* The truth in float64, dense [n, channel, d, h, w]; NaN, -Inf and the least integer as the
 * contract has them. */
void tn_k_pool_ref(const tn_k_pool *p, const void *a, double *out);

#endif
