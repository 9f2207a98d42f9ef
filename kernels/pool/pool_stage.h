/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of A copied so that a vector of neighbouring outputs meets a tap in neighbouring places:
 * converted, padded with what changes no result, and taken apart by the stride. */
#ifndef TN_KERNELS_POOL_STAGE_H
#define TN_KERNELS_POOL_STAGE_H

#include <kernels/common/dtype_convert.h>
#include <kernels/pool/pool.h>

enum { POOL_BAND = 16 }; /* output rows that share staged rows */

/* A staged row is stride[2] phases of `phase` elements: column x of the padded row is element x /
 * stride of phase x % stride. */
typedef struct pool_stage {
    int64_t rows, phase, pitch; /* of a band of one plane; elements of a row */
} pool_stage;

/* `slack`: elements that a vector may read beyond the last output. */
static inline pool_stage pool_staged(const tn_k_pool *p, int64_t slack)
{
    int64_t band = p->size[1] < POOL_BAND ? p->size[1] : POOL_BAND;
    int64_t width = (p->size[2] - 1) * p->stride[2] + (p->window[2] - 1) * p->dilation[2] + 1;
    pool_stage s;
    s.rows = (band - 1) * p->stride[1] + (p->window[1] - 1) * p->dilation[1] + 1;
    s.phase = (width + p->stride[2] - 1) / p->stride[2] + slack;
    s.pitch = s.phase * p->stride[2];
    return s;
}

static inline __attribute__((always_inline)) void pool_put(uint32_t dtype, const void *from,
                                                           int64_t from_at, void *to, int64_t to_at)
{
    if (dtype == TN_S8 || dtype == TN_U8)
        ((uint8_t *)to)[to_at] = ((const uint8_t *)from)[from_at];
    else if (dtype == TN_F32)
        ((float *)to)[to_at] = ((const float *)from)[from_at];
    else if (dtype == TN_BF16)
        ((float *)to)[to_at] = tn_c_float((uint32_t)((const uint16_t *)from)[from_at] << 16);
    else
        ((float *)to)[to_at] = (float)tn_c_f16_widen(((const uint16_t *)from)[from_at]);
}

/* One row; from NULL: it lies outside. `size` of an element of `to`, `none` its bytes. */
static inline __attribute__((always_inline)) void
pool_stage_row(const tn_k_pool *p, uint32_t dtype, const pool_stage *s, const void *from,
               int64_t from_at, const void *none, size_t size, char *to)
{
    int64_t step = p->stride[2], first = p->lo[2], end = first + p->in[2], a = p->a_s[2];
    for (int64_t phase = 0; phase < step; phase++) {
        char *row = to + phase * s->phase * (int64_t)size;
        /* elements i with first <= phase + i * step < end */
        int64_t i0 = first <= phase ? 0 : (first - phase + step - 1) / step;
        int64_t i1 = end <= phase ? 0 : (end - phase + step - 1) / step;
        if (from == NULL)
            i0 = i1 = s->phase;
        i0 = i0 < s->phase ? i0 : s->phase;
        i1 = i1 < i0 ? i0 : i1 < s->phase ? i1 : s->phase;
        for (int64_t i = 0; i < i0; i++)
            memcpy(row + i * (int64_t)size, none, size);
        int64_t at = from_at + (phase + i0 * step - first) * a;
        if (step * a == 1)
            for (int64_t i = i0; i < i1; i++)
                pool_put(dtype, from, at + i - i0, row, i);
        else if (step * a == 2)
            for (int64_t i = i0; i < i1; i++)
                pool_put(dtype, from, at + (i - i0) * 2, row, i);
        else
            for (int64_t i = i0; i < i1; i++)
                pool_put(dtype, from, at + (i - i0) * step * a, row, i);
        for (int64_t i = i1; i < s->phase; i++)
            memcpy(row + i * (int64_t)size, none, size);
    }
}

/* The rows that a band from output row oh on meets, in every plane of the window at output plane
 * od: [window[0]][rows][pitch]. */
static inline __attribute__((always_inline)) void
pool_stage_band(const tn_k_pool *p, uint32_t dtype, const pool_stage *s, const void *from,
                int64_t from_at, int64_t od, int64_t oh, const void *none, size_t size, void *to)
{
    for (int64_t kd = 0; kd < p->window[0]; kd++) {
        int64_t id, top = oh * p->stride[1] - p->lo[1];
        bool there = tn_k_pool_tap(p, 0, od, kd, &id);
        for (int64_t r = 0; r < s->rows; r++) {
            int64_t ih = top + r;
            bool inside = there && ih >= 0 && ih < p->in[1];
            pool_stage_row(p, dtype, s, inside ? from : NULL,
                           inside ? from_at + id * p->a_s[0] + ih * p->a_s[1] : 0, none, size,
                           (char *)to + (kd * s->rows + r) * s->pitch * (int64_t)size);
        }
    }
}

/* Where tap k of output row `line` of the band starts in what is staged, for output column 0. */
static inline int64_t pool_staged_tap(const tn_k_pool *p, const pool_stage *s, int64_t line,
                                      int64_t k)
{
    int64_t kw = k % p->window[2] * p->dilation[2], kh = k / p->window[2] % p->window[1];
    int64_t kd = k / p->window[2] / p->window[1];
    return (kd * s->rows + line * p->stride[1] + kh * p->dilation[1]) * s->pitch +
           kw % p->stride[2] * s->phase + kw / p->stride[2];
}

#endif
