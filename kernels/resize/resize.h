/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing along axes. */
#ifndef TN_KERNELS_RESIZE_H
#define TN_KERNELS_RESIZE_H

#include <kernels/common/shape.h>
#include <math.h>

/** out = a at other places: the nearest element, or sums of 2 or 4 neighbours along each axis.
 *  shape     A and OUT of one rank, any strides
 *  dtype     NEAREST: one type of whole bytes; otherwise f32, bf16, f16
 *  memory    OUT overlaps no A
 *  numerics  NEAREST is EXACT, otherwise CANONICAL 1 section 11: places in binary64, a dot of the
 * taps along one axis after the other, the last first cost      2 FLOP a tap, output and axis split
 * rows of OUT */
typedef struct tn_k_resize {
    tn_k_operands operands; /* A, OUT */
    uint32_t kind, mode, dtype, rank;
    double value; /* coefficient of CUBIC */
    float scale[TN_MAX_RANK];
    int64_t in[TN_MAX_RANK], out[TN_MAX_RANK], a_s[TN_MAX_RANK], out_s[TN_MAX_RANK];
} tn_k_resize;

enum { TN_K_RESIZE_TAPS = 4 };

/* Whether an axis is as it was. */
static inline bool tn_k_resize_kept(const tn_k_resize *p, uint32_t d)
{
    return p->in[d] == p->out[d] && (p->scale[d] == 0.0f || p->scale[d] == 1.0f);
}

/* Where element o of OUT lies in A along axis d. */
static inline double tn_k_resize_place(const tn_k_resize *p, uint32_t d, int64_t o)
{
    double up = p->scale[d] == 0.0f ? (double)p->in[d] : 1.0;
    double down = p->scale[d] == 0.0f ? (double)p->out[d] : (double)p->scale[d];
    switch (p->mode & TN_RESIZE_COORDINATE) {
    case TN_RESIZE_ALIGN_CORNERS:
        return p->out[d] == 1 ? 0.0 : (double)o * (double)(p->in[d] - 1) / (double)(p->out[d] - 1);
    case TN_RESIZE_ASYMMETRIC:
        return (double)o * up / down;
    case TN_RESIZE_PYTORCH_HALF_PIXEL:
        if (p->out[d] == 1)
            return 0.0;
        break;
    default:
        break;
    }
    return ((double)o + 0.5) * up / down - 0.5;
}

static inline int64_t tn_k_resize_nearest(const tn_k_resize *p, uint32_t d, int64_t o)
{
    double x = tn_k_resize_place(p, d, o);
    switch (p->mode & ~(uint32_t)TN_RESIZE_COORDINATE) {
    case TN_RESIZE_ROUND_PREFER_CEIL:
        x = floor(x + 0.5);
        break;
    case TN_RESIZE_FLOOR:
        x = floor(x);
        break;
    case TN_RESIZE_CEIL:
        x = ceil(x);
        break;
    default:
        x = ceil(x - 0.5);
    }
    double most = (double)(p->in[d] - 1);
    return (int64_t)(x < 0.0 ? 0.0 : x > most ? most : x);
}

/* The cubic convolution kernel near (|t| <= 1) and far (1 < |t| <= 2). */
static inline double tn_k_resize_near(double a, double t)
{
    return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
}

static inline double tn_k_resize_far(double a, double t)
{
    return ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a;
}

/* The taps of element o along axis d, in ascending order; returns how many. */
static inline int tn_k_resize_taps(const tn_k_resize *p, uint32_t d, int64_t o,
                                   int64_t out_at[TN_K_RESIZE_TAPS], float out_w[TN_K_RESIZE_TAPS])
{
    double most = (double)(p->in[d] - 1), x = tn_k_resize_place(p, d, o);
    bool cubic = p->kind == TN_RESIZE_CUBIC;
    if (!cubic)
        x = x < 0.0 ? 0.0 : x > most ? most : x;
    double i = floor(x), f = x - i;
    int taps = cubic ? 4 : 2;
    for (int t = 0; t < taps; t++) {
        double at = i + (double)(t - (cubic ? 1 : 0));
        out_at[t] = (int64_t)(at < 0.0 ? 0.0 : at > most ? most : at);
    }
    if (cubic) {
        out_w[0] = (float)tn_k_resize_far(p->value, f + 1.0);
        out_w[1] = (float)tn_k_resize_near(p->value, f);
        out_w[2] = (float)tn_k_resize_near(p->value, 1.0 - f);
        out_w[3] = (float)tn_k_resize_far(p->value, 2.0 - f);
    } else {
        out_w[0] = (float)(1.0 - f);
        out_w[1] = (float)f;
    }
    return taps;
}

/* The truth in float64 and the sum of |weight| |a|, which bounds are made of; dense. */
void tn_k_resize_ref(const tn_k_resize *p, const void *a, double *out, double *out_magnitude);

#endif
