/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a piece of an output row after its dots: alpha, beta and the listed steps, one
 * rounding each, then the store. */
#ifndef TN_KERNELS_MATMUL_EPILOGUE_H
#define TN_KERNELS_MATMUL_EPILOGUE_H

#include <kernels/common/post.h>
#include <kernels/common/widen.h>
#include <kernels/matmul/matmul.h>
#include <string.h>

/* The columns of an operand's row, in `room` unless they lie as f32, contiguous and complete. */
static inline const float *matmul_columns(const void *operand, uint32_t type, int64_t at,
                                          int64_t stride, int n, int width, float *room)
{
#ifndef TN_K_POST_COPIED
    if (type == TN_F32 && stride == 1 && n == width)
        return (const float *)operand + at;
#endif
    tn_k_widen_row(type, operand, at, stride, n, room);
    for (int j = n; j < width; j++)
        room[j] = 0.0f;
    return room;
}

/* y: `width` floats (a constant, so that loops become vectors) of which n are real; row, col: where
 * they are in the output. */
static inline __attribute__((always_inline)) void
matmul_steps(const tn_k_matmul *p, const tn_k_matmul_item *at, void *const *operand, int64_t row,
             int64_t col, float *restrict y, int n, int width)
{
    float room[TN_K_POST_ROOM] TN_K_POST_BESIDE;
    if (p->alpha != 1.0f)
        for (int j = 0; j < width; j++)
            y[j] = p->alpha * y[j];
    if (p->c >= 0) {
        const float *c = matmul_columns(operand[p->c], p->c_type,
                                        at->c + row * p->c_view.row + col * p->c_view.col,
                                        p->c_view.col, n, width, room);
        for (int j = 0; j < width; j++)
            y[j] = __builtin_fmaf(p->beta, c[j], y[j]);
    }
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_matmul_post *q = &p->post[i];
        const float *r = NULL;
        if (q->operand >= 0)
            r = matmul_columns(operand[q->operand], q->type,
                               at->post[i] + row * q->view.row + col * q->view.col, q->view.col, n,
                               width, room);
        tn_k_post_step(q->kind, q->a, q->b, y, r, width);
    }
}

/* The steps, and the store. */
static inline __attribute__((always_inline)) void
matmul_finish(const tn_k_matmul *p, const tn_k_matmul_item *at, void *const *operand, int64_t row,
              int64_t col, float *restrict y, int n, int width)
{
    matmul_steps(p, at, operand, row, col, y, n, width);
    int64_t to = at->out + row * p->out_view.row + col * p->out_view.col;
    if (n == width) /* a constant, see above */
        tn_k_narrow_row(p->out_type, y, width, operand[p->out], to, p->out_view.col);
    else
        tn_k_narrow_row(p->out_type, y, n, operand[p->out], to, p->out_view.col);
}

#endif
