/* SPDX-License-Identifier: Apache-2.0 */
/* dot, reduce and sumsq of CANONICAL 1 (docs/NUMERICS.md section 3), written out plainly. */
#ifndef TN_KERNELS_CANON_H
#define TN_KERNELS_CANON_H

#include <kernels/common/canonmath.h>

enum { TN_C_CHUNK = 128, TN_C_LANES = 64, TN_C_SEGMENT = 4096 };

/* Strides in elements. */
TN_C_FN float tn_c_dot(const float *a, int64_t a_stride, const float *b, int64_t b_stride,
                       int64_t count)
{
    float t = 0.0f;
    for (int64_t first = 0; first < count; first += TN_C_CHUNK) {
        int64_t last = first + TN_C_CHUNK < count ? first + TN_C_CHUNK : count;
        float s = 0.0f;
        for (int64_t k = first; k < last; k++)
            s = __builtin_fmaf(a[k * a_stride], b[k * b_stride], s);
        t = t + s;
    }
    return t;
}

/* The tree over the lanes of one segment; lane is overwritten. */
TN_C_FN float tn_c_fold(float *lane)
{
    for (int h = TN_C_LANES / 2; h > 0; h /= 2)
        for (int l = 0; l < h; l++)
            lane[l] = lane[l] + lane[l + h];
    return lane[0];
}

TN_C_FN float tn_c_reduce(const float *x, int64_t stride, int64_t count)
{
    float t = 0.0f;
    for (int64_t first = 0; first < count; first += TN_C_SEGMENT) {
        int64_t last = first + TN_C_SEGMENT < count ? first + TN_C_SEGMENT : count;
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < last; i++)
            lane[i % TN_C_LANES] = lane[i % TN_C_LANES] + x[i * stride];
        t = t + tn_c_fold(lane);
    }
    return t;
}

TN_C_FN float tn_c_sumsq(const float *x, int64_t stride, int64_t count)
{
    float t = 0.0f;
    for (int64_t first = 0; first < count; first += TN_C_SEGMENT) {
        int64_t last = first + TN_C_SEGMENT < count ? first + TN_C_SEGMENT : count;
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < last; i++)
            lane[i % TN_C_LANES] =
                __builtin_fmaf(x[i * stride], x[i * stride], lane[i % TN_C_LANES]);
        t = t + tn_c_fold(lane);
    }
    return t;
}

#endif
