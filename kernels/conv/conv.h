/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution's params as plain data, and what all of its variants share. */
#ifndef TN_KERNELS_CONV_H
#define TN_KERNELS_CONV_H

#include <kernels/common/dtype_convert.h>
#include <kernels/common/post.h>
#include <kernels/common/shape.h>

enum { TN_K_CONV_POSTS = 8 };

/* An operand seen with the output's indices: batch, channel, space; 0 where it is broadcast. */
typedef struct tn_k_conv_view {
    int64_t n, c, s[3];
} tn_k_conv_view;

typedef struct tn_k_conv_post {
    uint32_t kind; /* tn_post_kind */
    int32_t operand;
    float a, b;
    uint32_t dtype;
    tn_k_conv_view view;
} tn_k_conv_post;

/** out = post(sum over taps and channels of the group of a * b), NUMERICS.md section 5.
 *  shape     space is always depth, height, width, with 1 for the dims that are not there; layout
 *            (channels first or last) is in the strides alone
 *  dtype     f32, bf16, f16 added up in f32; s8 and u8 in s32
 *  memory    a tap outside of A takes no part: neither is A read there nor b multiplied
 *  numerics  CANONICAL 1: one dot an output, k = tap * channels of the group + channel, transposed
 *            with the filters as channels; integers EXACT
 *  cost      2 FLOP an output, tap and channel of its group
 *  split     outputs */
typedef struct tn_k_conv {
    tn_k_operands operands;
    int32_t out;
    uint32_t post_count, transposed, packed, saturate, allow;
    uint32_t a_dtype, b_dtype, out_dtype, dims, last;
    int64_t n, groups, cg, kg; /* channels in and out of one group */
    int64_t in[3], size[3], kernel[3], stride[3], dilation[3], lo[3];
    tn_k_conv_view a_view, out_view;
    int64_t b_group, b_k, b_c, b_s[3];
    tn_k_conv_post post[TN_K_CONV_POSTS];
} tn_k_conv;

/* Where the filters lie in b, or in a tensor of its shape. Dim 0 of b is the filters, which a
 * transposed conv reads as channels. */
static inline void tn_k_conv_filters(tn_k_conv *p, const tn_tensor *b)
{
    uint32_t channel = p->last ? p->dims + 1 : 1, space = p->last ? 1 : 2;
    p->b_k = b->stride[p->transposed ? channel : 0];
    p->b_c = b->stride[p->transposed ? 0 : channel];
    p->b_group = b->stride[0] * (p->transposed ? p->cg : p->kg);
    for (uint32_t d = 3 - p->dims; d < 3; d++)
        p->b_s[d] = b->stride[space + d - (3 - p->dims)];
}

/* The index of A that output position o meets at tap k along dim d; false: there is none. */
static inline bool tn_k_conv_tap(const tn_k_conv *p, int d, int64_t o, int64_t k, int64_t *out_in)
{
    int64_t i = p->transposed ? o + p->lo[d] - k * p->dilation[d]
                              : o * p->stride[d] - p->lo[d] + k * p->dilation[d];
    if (p->transposed) {
        if (i < 0 || i % p->stride[d] != 0)
            return false;
        i /= p->stride[d];
    }
    *out_in = i;
    return i >= 0 && i < p->in[d];
}

static inline int64_t tn_k_conv_taps(const tn_k_conv *p)
{
    return p->kernel[0] * p->kernel[1] * p->kernel[2];
}

static inline int64_t tn_k_conv_pixels(const tn_k_conv *p)
{
    return p->n * p->size[0] * p->size[1] * p->size[2];
}

static inline int64_t tn_k_conv_at(const tn_k_conv_view *v, int64_t n, int64_t c,
                                   const int64_t o[3])
{
    return n * v->n + c * v->c + o[0] * v->s[0] + o[1] * v->s[1] + o[2] * v->s[2];
}

static inline float tn_k_conv_load(uint32_t dtype, const void *from, int64_t at)
{
    if (dtype == TN_F32)
        return ((const float *)from)[at];
    if (dtype == TN_BF16)
        return tn_c_float((uint32_t)((const uint16_t *)from)[at] << 16);
    if (dtype == TN_S8)
        return (float)((const int8_t *)from)[at];
    if (dtype == TN_U8)
        return (float)((const uint8_t *)from)[at];
    return tn_c_f16_float(((const uint16_t *)from)[at]);
}

static inline void tn_k_conv_store(const tn_k_conv *p, void *to, int64_t at, float y)
{
    if (p->out_dtype == TN_F32)
        ((float *)to)[at] = y;
    else
        tn_c_store(p->out_dtype, to, at, (tn_c_value){false, 0, (double)y}, p->saturate != 0);
}

/* Posts of `count` channels from c on at one output position; y has `width` floats. */
static inline __attribute__((always_inline)) void
tn_k_conv_steps(const tn_k_conv *p, void *const *operand, int64_t n, const int64_t o[3], int64_t c,
                float *restrict y, int count, int width)
{
    float room[TN_K_POST_ROOM] TN_K_POST_BESIDE;
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_conv_post *q = &p->post[i];
        const float *r = NULL;
        if (q->operand >= 0) {
            const void *from = operand[q->operand];
            int64_t at = tn_k_conv_at(&q->view, n, c, o);
            r = room;
#ifndef TN_K_POST_COPIED
            if (q->dtype == TN_F32 && q->view.c == 1 && count == width)
                r = (const float *)from + at;
            else
#endif
                for (int j = 0; j < width; j++)
                    room[j] = j < count ? tn_k_conv_load(q->dtype, from, at + j * q->view.c) : 0.0f;
        }
        tn_k_post_step(q->kind, q->a, q->b, y, r, width);
    }
}

/* Posts and store. */
static inline __attribute__((always_inline)) void
tn_k_conv_finish(const tn_k_conv *p, void *const *operand, int64_t n, const int64_t o[3], int64_t c,
                 float *restrict y, int count, int width)
{
    tn_k_conv_steps(p, operand, n, o, c, y, count, width);
    int64_t at = tn_k_conv_at(&p->out_view, n, c, o);
    if (p->out_dtype == TN_F32 && p->out_view.c == 1 && count == width) {
        memcpy((float *)operand[p->out] + at, y, (size_t)width * sizeof *y);
        return;
    }
    for (int j = 0; j < count; j++)
        tn_k_conv_store(p, operand[p->out], at + j * p->out_view.c, y[j]);
}

/* The truth for bounds: dot and sum |a||b| of each output in float64, before the epilogue; dense
 * [n, channel, d, h, w]. */
void tn_k_conv_ref(const tn_k_conv *p, const void *a, const void *b, double *out_dot,
                   double *out_magnitude);

void tn_k_conv_arithmetic(const void *params, tn_arithmetic *out);

#endif
