/* SPDX-License-Identifier: Apache-2.0 */
/* What the lowerings of convolution share that take a block of outputs at a time: its window, its
 * operands and its epilogue on the vector unit. */
#ifndef TN_KERNELS_CONV_PATCH_H
#define TN_KERNELS_CONV_PATCH_H

#include <kernels/conv/conv.h>
#include <kernels/systolic/systolic_window.h>

typedef struct tn_k_conv_patch {
    const tn_k_conv *p;
    const uint64_t *operand;
    tn_k_sys_window w;
    tn_k_sys_patch x;
    tn_k_sys_block b;
    int64_t n; /* the picture */
} tn_k_conv_patch;

static inline uint32_t tn_k_conv_function(uint32_t post)
{
    return post == TN_POST_GELU        ? TN_ELTWISE_GELU
           : post == TN_POST_GELU_TANH ? TN_ELTWISE_GELU_TANH
           : post == TN_POST_SILU      ? TN_ELTWISE_SILU
                                       : 0;
}

static inline uint32_t tn_k_conv_step(uint32_t post)
{
    return post == TN_POST_MUL                           ? TN_ELTWISE_MUL
           : post == TN_POST_BIAS || post == TN_POST_ADD ? TN_ELTWISE_ADD
           : post == TN_POST_SCALE                       ? TN_ELTWISE_SCALE
           : post == TN_POST_CLAMP                       ? TN_ELTWISE_CLAMP
           : post == TN_POST_RELU                        ? TN_ELTWISE_RELU
                                                         : tn_k_conv_function(post);
}

static inline bool tn_k_conv_has_function(const tn_k_conv *p)
{
    bool any = false;
    for (uint32_t i = 0; i < p->post_count; i++)
        any = any || tn_k_conv_function(p->post[i].kind) != 0;
    return any;
}

/* A step whose operand has an element a pixel. */
static inline bool tn_k_conv_of_pixels(const tn_k_conv_post *q)
{
    return q->operand >= 0 && (q->view.s[1] != 0 || q->view.s[2] != 0);
}

/* Two dims of space; channels are the caller's. */
static inline tn_k_sys_window tn_k_conv_window(const tn_k_conv *p)
{
    tn_k_sys_window w = {.a_c = p->a_view.c,
                         .out_c = p->out_view.c,
                         .from = p->a_dtype,
                         .to = p->out_dtype,
                         .tiles = 1};
    for (int d = 0; d < 2; d++) {
        w.in[d] = p->in[d + 1];
        w.size[d] = p->size[d + 1];
        w.taps[d] = p->kernel[d + 1];
        w.stride[d] = p->stride[d + 1];
        w.dilation[d] = p->dilation[d + 1];
        w.lo[d] = p->lo[d + 1];
        w.a_s[d] = p->a_view.s[d + 1];
        w.out_s[d] = p->out_view.s[d + 1];
    }
    for (uint32_t i = 0; i < p->post_count; i++) {
        w.pictures += tn_k_conv_of_pixels(&p->post[i]);
        w.fixed += p->post[i].operand >= 0;
    }
    return w;
}

/* Strides of filters and epilogue fit a packet. */
static inline bool tn_k_conv_strides_fit(const tn_k_conv *p)
{
    bool good = tn_k_sys_stride_fits(p->b_group, 4) && tn_k_sys_stride_fits(p->b_k, 4) &&
                tn_k_sys_stride_fits(p->b_c, 4) && tn_k_sys_stride_fits(p->b_s[2], 4);
    for (uint32_t i = 0; i < p->post_count; i++)
        good = good && tn_k_sys_stride_fits(p->post[i].view.c, 4) &&
               tn_k_sys_stride_fits(p->post[i].view.s[2], 4);
    return good;
}

static inline uint64_t tn_k_conv_host(const tn_k_conv_patch *l, uint32_t operand, uint32_t type,
                                      int64_t at)
{
    return l->operand[operand] + (uint64_t)(at * (int64_t)tn_k_elem_bytes(type));
}

/* One word a channel, or one for all. */
static inline tn_k_sys_source tn_k_conv_load_row(tn_k_conv_patch *l, uint64_t address,
                                                 uint32_t type, int64_t stride, int64_t channels)
{
    uint32_t bytes = tn_k_elem_bytes(type);
    tn_k_sys_source y = {.mode = stride != 0 ? TN_K_SYS_PER_COLUMN : TN_K_SYS_ONE, .type = type};
    int64_t count = stride != 0 ? channels : 1;
    y.at = tn_k_sys_room(&l->b, 1, (uint64_t)count * bytes);
    tn_k_sys_load_packet(&l->b,
                         tn_k_sys_transfer(TN_K_SYS_LD, address, bytes, 0, stride, 1, count, y.at));
    return y;
}

/* An operand of the epilogue for channels of OUT from `channel` on. */
static inline tn_k_sys_source tn_k_conv_load_post(tn_k_conv_patch *l, const tn_k_conv_post *q,
                                                  int64_t channel, int64_t channels)
{
    const tn_k_sys_patch *x = &l->x;
    uint32_t operand = (uint32_t)q->operand, bytes = tn_k_elem_bytes(q->dtype);
    int64_t at = l->n * q->view.n + channel * q->view.c;
    if (!tn_k_conv_of_pixels(q))
        return tn_k_conv_load_row(l, tn_k_conv_host(l, operand, q->dtype, at), q->dtype, q->view.c,
                                  channels);
    uint32_t pitch = tn_k_sys_rows_of(l->b.caps, 0, (uint64_t)channels * bytes);
    uint32_t to =
        tn_k_sys_room(&l->b, (uint64_t)(x->count[0] * x->count[1]), (uint64_t)channels * bytes);
    for (int64_t r = 0; r < x->count[0]; r++) {
        int64_t from = at + (x->at[0] + r) * q->view.s[1] + x->at[1] * q->view.s[2];
        tn_k_sys_load_packet(
            &l->b, tn_k_sys_transfer(TN_K_SYS_LD, tn_k_conv_host(l, operand, q->dtype, from), bytes,
                                     q->view.s[2], q->view.c, x->count[1], channels,
                                     to + (uint32_t)(r * x->count[1]) * pitch));
    }
    return tn_k_sys_full(to, q->dtype);
}

/* The steps of the epilogue on sums at y, which they use up; the last one writes `out`. */
static inline void tn_k_conv_epilogue(tn_k_conv_patch *l, const tn_k_sys_source *operand,
                                      tn_k_sys_source y, int64_t channels, uint32_t out)
{
    static const tn_k_sys_source none;
    const tn_k_conv *p = l->p;
    int64_t pixels = l->x.count[0] * l->x.count[1];
    if (p->post_count == 0)
        tn_k_sys_map(&l->b, 0, y, none, none, 0, 0, pixels, channels, out, p->out_dtype);
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_conv_post *q = &p->post[i];
        bool ends = i + 1 == p->post_count;
        tn_k_sys_map(&l->b, tn_k_conv_step(q->kind), y, q->operand >= 0 ? operand[i] : none, none,
                     q->a, q->kind == TN_POST_SCALE ? -0.0f : q->b, pixels, channels,
                     ends ? out : y.at, ends ? p->out_dtype : TN_F32);
    }
}

#endif
