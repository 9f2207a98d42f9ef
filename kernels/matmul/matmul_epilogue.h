/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a piece of an output row after its dots: alpha, beta and the listed steps, one
 * rounding each, then the store. */
#ifndef TN_KERNELS_MATMUL_EPILOGUE_H
#define TN_KERNELS_MATMUL_EPILOGUE_H

#include <kernels/common/canonmath.h>
#include <kernels/matmul/matmul.h>
#include <string.h>

enum { TN_K_MATMUL_PIECE = 32 }; /* most columns of a piece */

/* The columns of an operand's row, in `room` unless they lie contiguous and complete in memory. */
static inline const float *matmul_columns(const float *from, int64_t stride, int n, int width,
                                          float *room)
{
    if (stride == 1 && n == width)
        return from;
    for (int j = 0; j < n; j++)
        room[j] = from[j * stride];
    for (int j = n; j < width; j++)
        room[j] = 0.0f;
    return room;
}

static inline __attribute__((always_inline)) void
matmul_step(const tn_k_matmul_post *q, float *restrict y, const float *restrict r, int width)
{
    switch (q->kind) {
    case TN_POST_BIAS:
    case TN_POST_ADD:
        for (int j = 0; j < width; j++)
            y[j] = y[j] + r[j];
        break;
    case TN_POST_MUL:
        for (int j = 0; j < width; j++)
            y[j] = y[j] * r[j];
        break;
    case TN_POST_SCALE:
        for (int j = 0; j < width; j++)
            y[j] = y[j] * q->a;
        break;
    case TN_POST_CLAMP:
        for (int j = 0; j < width; j++)
            y[j] = tn_c_min(tn_c_max(y[j], q->a), q->b);
        break;
    case TN_POST_RELU:
        for (int j = 0; j < width; j++)
            y[j] = tn_c_relu(y[j]);
        break;
    case TN_POST_GELU:
        for (int j = 0; j < width; j++)
            y[j] = c_gelu(y[j]);
        break;
    case TN_POST_GELU_TANH:
        for (int j = 0; j < width; j++)
            y[j] = c_gelu_tanh(y[j]);
        break;
    default:
        for (int j = 0; j < width; j++)
            y[j] = c_silu(y[j]);
        break;
    }
}

/* y: `width` floats (a constant, so that loops become vectors) of which n are real; row, col: where
 * they are in the output. */
static inline __attribute__((always_inline)) void
matmul_finish(const tn_k_matmul *p, const tn_k_matmul_item *at, void *const *operand, int64_t row,
              int64_t col, float *restrict y, int n, int width)
{
    float room[TN_K_MATMUL_PIECE];
    if (p->alpha != 1.0f)
        for (int j = 0; j < width; j++)
            y[j] = p->alpha * y[j];
    if (p->c >= 0) {
        const float *c =
            (const float *)operand[p->c] + at->c + row * p->c_view.row + col * p->c_view.col;
        c = matmul_columns(c, p->c_view.col, n, width, room);
        for (int j = 0; j < width; j++)
            y[j] = __builtin_fmaf(p->beta, c[j], y[j]);
    }
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_matmul_post *q = &p->post[i];
        const float *r = y;
        if (q->operand >= 0) {
            r = (const float *)operand[q->operand] + at->post[i] + row * q->view.row +
                col * q->view.col;
            r = matmul_columns(r, q->view.col, n, width, room);
        }
        matmul_step(q, y, r, width);
    }
    float *out = (float *)operand[p->out] + at->out + row * p->out_view.row + col * p->out_view.col;
    if (p->out_view.col == 1 && n == width)
        memcpy(out, y, (size_t)width * sizeof *y);
    else
        for (int j = 0; j < n; j++)
            out[j * p->out_view.col] = y[j];
}

#endif
