/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to sums of integers: zero points, added integers, scales, the listed steps and
 * requantisation, one rounding each, in the order of docs/NUMERICS.md section 4. */
#ifndef TN_KERNELS_MATMUL_INT_EPILOGUE_H
#define TN_KERNELS_MATMUL_INT_EPILOGUE_H

#include <kernels/common/post.h>
#include <kernels/matmul/matmul.h>

enum { MATMUL_INT_PIECE = 32 }; /* most columns of a piece */

/* What a piece of columns has in common for all rows. Bytes are seen as s8: a u8 minus 128, and so
 * is its zero point. */
typedef struct matmul_int_columns {
    int n;
    uint32_t sum[MATMUL_INT_PIECE]; /* of b along k */
    uint32_t zero[MATMUL_INT_PIECE];
    float scale[MATMUL_INT_PIECE], out_scale[MATMUL_INT_PIECE];
    int32_t out_zero[MATMUL_INT_PIECE];
} matmul_int_columns;

static inline int32_t matmul_int_byte(uint32_t dtype, const void *from, int64_t at)
{
    return dtype == TN_U8 ? ((const uint8_t *)from)[at] : ((const int8_t *)from)[at];
}

/* A zero point as the seen bytes have it. */
static inline uint32_t matmul_int_zero(const tn_k_matmul_factor *f, uint32_t dtype,
                                       void *const *operand, int64_t i)
{
    int32_t z = f->operand < 0 ? 0 : matmul_int_byte(dtype, operand[f->operand], i * f->stride);
    return (uint32_t)z - (dtype == TN_U8 ? 128u : 0u);
}

static inline float matmul_int_scale(const tn_k_matmul_factor *f, void *const *operand, int64_t i)
{
    return f->operand < 0 ? 1.0f : ((const float *)operand[f->operand])[i * f->stride];
}

/* n columns from col on, room for `width`; sums: of b's columns, NULL where no row has a zero. */
static inline void matmul_int_prepare(const tn_k_matmul *p, void *const *operand, int64_t col,
                                      int n, int width, const int32_t *sums, matmul_int_columns *c)
{
    c->n = n;
    for (int j = 0; j < width; j++) {
        int64_t at = col + (j < n ? j : n - 1);
        c->sum[j] = sums != NULL && j < n ? (uint32_t)sums[j] : 0;
        c->zero[j] = matmul_int_zero(&p->b_zero, p->b_type, operand, at);
        c->scale[j] = matmul_int_scale(&p->b_scale, operand, at);
        c->out_scale[j] = matmul_int_scale(&p->out_scale, operand, at);
        c->out_zero[j] = p->out_zero.operand < 0
                             ? 0
                             : matmul_int_byte(p->out_type, operand[p->out_zero.operand],
                                               at * p->out_zero.stride);
    }
}

/* clamp(rint(y / scale) + zero), NaN gives the zero point. */
static inline __attribute__((always_inline)) void
matmul_int_requantise(const tn_k_matmul *p, const matmul_int_columns *c, const float *restrict y,
                      int32_t *restrict q, int width)
{
    int32_t low = p->out_type == TN_U8 ? 0 : INT8_MIN;
    int32_t high = p->out_type == TN_U8 ? UINT8_MAX : INT8_MAX;
    for (int j = 0; j < width; j++) {
        float x = p->out_scale.operand < 0 ? y[j] : y[j] / c->out_scale[j];
        float r = __builtin_rintf(x);
        r = r > 0x1p30f ? 0x1p30f : r;
        r = r < -0x1p30f ? -0x1p30f : r;
        r = r != r ? 0.0f : r;
        int32_t n = (int32_t)r + c->out_zero[j];
        n = n < low ? low : n;
        q[j] = n > high ? high : n;
    }
}

static inline __attribute__((always_inline)) void
matmul_int_store(const tn_k_matmul *p, void *to, int64_t at, const int32_t *restrict q, int n)
{
    int64_t step = p->out_view.col;
    if (p->out_type == TN_S32 && step == 1)
        memcpy((int32_t *)to + at, q, (size_t)n * sizeof *q);
    else if (p->out_type == TN_S32)
        for (int j = 0; j < n; j++)
            ((int32_t *)to)[at + j * step] = q[j];
    else
        for (int j = 0; j < n; j++)
            ((uint8_t *)to)[at + j * step] = (uint8_t)q[j];
}

/* sum: `width` (a constant) sums of seen bytes, of which c->n are real; row_zero, row_sum: a's. */
static inline __attribute__((always_inline)) void
matmul_int_finish(const tn_k_matmul *p, const tn_k_matmul_item *at, void *const *operand,
                  int64_t row, int64_t col, const matmul_int_columns *c, uint32_t row_zero,
                  uint32_t row_sum, const int32_t *restrict sum, int width)
{
    uint32_t u[MATMUL_INT_PIECE], rest = row_sum - (uint32_t)p->k * row_zero;
    int32_t q[MATMUL_INT_PIECE];
    float y[MATMUL_INT_PIECE], r[MATMUL_INT_PIECE];
    /* sum of (a - za)(b - zb), all mod 2^32 */
    for (int j = 0; j < width; j++)
        u[j] = (uint32_t)sum[j] - row_zero * c->sum[j] - c->zero[j] * rest;
    for (uint32_t i = 0; i < p->int_posts; i++) {
        const tn_k_matmul_post *s = &p->post[i];
        const uint32_t *from = (const uint32_t *)operand[s->operand] + at->post[i] +
                               row * s->view.row + col * s->view.col;
        for (int j = 0; j < c->n; j++)
            u[j] += from[j * s->view.col];
    }
    int64_t out_at = at->out + row * p->out_view.row + col * p->out_view.col;
    if (p->out_type == TN_S32) {
        bool relu = p->post_count > p->int_posts;
        for (int j = 0; j < width; j++)
            q[j] = relu && (int32_t)u[j] < 0 ? 0 : (int32_t)u[j];
        /* a constant number: stores instead of a call for a few bytes */
        if (c->n == width)
            matmul_int_store(p, operand[p->out], out_at, q, width);
        else
            matmul_int_store(p, operand[p->out], out_at, q, c->n);
        return;
    }
    for (int j = 0; j < width; j++)
        y[j] = (float)(int32_t)u[j];
    if (p->a_scale.operand >= 0 || p->b_scale.operand >= 0) {
        float row_scale = matmul_int_scale(&p->a_scale, operand, row);
        for (int j = 0; j < width; j++)
            y[j] = y[j] * (row_scale * c->scale[j]);
    }
    for (uint32_t i = p->int_posts; i < p->post_count; i++) {
        const tn_k_matmul_post *s = &p->post[i];
        const float *from = NULL;
        if (s->operand >= 0)
            from = (const float *)operand[s->operand] + at->post[i] + row * s->view.row +
                   col * s->view.col;
        for (int j = 0; j < width; j++)
            r[j] = from != NULL && j < c->n ? from[j * s->view.col] : 0.0f;
        tn_k_post_step(s->kind, s->a, s->b, y, r, width);
    }
    if (p->out_type == TN_F32) {
        for (int j = 0; j < c->n; j++)
            ((float *)operand[p->out])[out_at + j * p->out_view.col] = y[j];
        return;
    }
    matmul_int_requantise(p, c, y, q, width);
    matmul_int_store(p, operand[p->out], out_at, q, c->n);
}

/* What a row of integers says to other types. */
static inline bool matmul_int_takes(const tn_k_matmul *p, tn_k_why *why)
{
    return ((p->a_type == TN_S8 || p->a_type == TN_U8) &&
            (p->b_type == TN_S8 || p->b_type == TN_U8) && p->b_layout == 0) ||
           tn_k_refuse(why, "matmul.dtype", "a", "for s8 and u8");
}

#endif
