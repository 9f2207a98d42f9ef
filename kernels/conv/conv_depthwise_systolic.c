/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution as packets for the vector unit, where an array would use one row and one
 * column a channel: every tap is one fma over the pixels that it meets. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
#include <kernels/conv/conv.h>
#include <kernels/systolic/systolic_window.h>

static const tn_k_sys_source none, itself = {TN_K_SYS_ITSELF, TN_K_SYS_FULL, TN_F32};

static uint32_t kind_of(uint32_t post, bool *out_function)
{
    *out_function = true;
    switch (post) {
    case TN_POST_GELU:
        return TN_ELTWISE_GELU;
    case TN_POST_GELU_TANH:
        return TN_ELTWISE_GELU_TANH;
    case TN_POST_SILU:
        return TN_ELTWISE_SILU;
    default:
        *out_function = false;
        return post == TN_POST_MUL                           ? TN_ELTWISE_MUL
               : post == TN_POST_BIAS || post == TN_POST_ADD ? TN_ELTWISE_ADD
               : post == TN_POST_SCALE                       ? TN_ELTWISE_SCALE
               : post == TN_POST_CLAMP                       ? TN_ELTWISE_CLAMP
                                                             : TN_ELTWISE_RELU;
    }
}

static bool of_pixels(const tn_k_conv_post *q)
{
    return q->operand >= 0 && (q->view.s[1] != 0 || q->view.s[2] != 0);
}

static tn_k_sys_window window_of(const tn_k_conv *p)
{
    tn_k_sys_window w = {.channels = p->groups,
                         .a_c = p->a_view.c,
                         .out_c = p->out_view.c,
                         .from = p->a_dtype,
                         .to = p->out_dtype,
                         .tiles = 1,
                         .fixed = (uint32_t)tn_k_conv_taps(p)};
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
        w.pictures += of_pixels(&p->post[i]);
        w.fixed += p->post[i].operand >= 0;
    }
    return w;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_conv *p = params;
    bool functions = false, one;
    tn_k_sys_window w;
    tn_k_sys_patch patch;
    if (p->transposed || p->packed || p->kernel[0] != 1 || p->size[0] != 1 || p->in[0] != 1 ||
        p->cg != 1 || p->kg != 1 || p->groups == 1 || p->saturate || p->out_dtype == TN_S32 ||
        tn_k_conv_taps(p) > TN_C_CHUNK)
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes forward convolutions of floats with one filter a channel");
    for (uint32_t i = 0; i < p->post_count; i++) {
        (void)kind_of(p->post[i].kind, &one);
        functions = functions || one;
    }
    if (!tn_k_sys_vector_class(caps, functions, cls, why))
        return false;
    w = window_of(p);
    bool good = tn_k_sys_window_strides_fit(&w) && tn_k_sys_stride_fits(p->b_group, 4) &&
                tn_k_sys_stride_fits(p->b_s[2], 4);
    for (uint32_t i = 0; i < p->post_count; i++)
        good = good && tn_k_sys_stride_fits(p->post[i].view.c, 4) &&
               tn_k_sys_stride_fits(p->post[i].view.s[2], 4);
    return (good && tn_k_sys_window_fits(&w, caps, &patch)) || tn_k_sys_no_room(why);
}

typedef struct lowering {
    const tn_k_conv *p;
    const uint64_t *operand;
    tn_k_sys_window w;
    tn_k_sys_patch x;
    tn_k_sys_block b;
    int64_t n;
} lowering;

static uint64_t host(const lowering *l, uint32_t operand, uint32_t type, int64_t at)
{
    return l->operand[operand] + (uint64_t)(at * (int64_t)tn_k_elem_bytes(type));
}

/* One word a channel. */
static tn_k_sys_source load_row(lowering *l, uint64_t address, uint32_t type, int64_t stride)
{
    uint32_t bytes = tn_k_elem_bytes(type);
    tn_k_sys_source y = {.mode = stride != 0 ? TN_K_SYS_PER_COLUMN : TN_K_SYS_ONE, .type = type};
    int64_t count = stride != 0 ? l->x.channels : 1;
    y.at = tn_k_sys_room(&l->b, 1, (uint64_t)count * bytes);
    tn_k_sys_load_packet(
        &l->b, tn_k_sys_transfer(TN_K_SYS_LD, address, bytes, 0, stride, 1, count, y.at));
    return y;
}

static tn_k_sys_source load_post(lowering *l, const tn_k_conv_post *q)
{
    const tn_k_sys_patch *x = &l->x;
    int64_t at = l->n * q->view.n + x->channel * q->view.c;
    if (!of_pixels(q))
        return load_row(l, host(l, (uint32_t)q->operand, q->dtype, at), q->dtype, q->view.c);
    uint32_t bytes = tn_k_elem_bytes(q->dtype);
    uint32_t pitch = tn_k_sys_rows_of(l->b.caps, 0, (uint64_t)x->channels * bytes);
    uint32_t to = tn_k_sys_room(&l->b, (uint64_t)(x->count[0] * x->count[1]),
                                (uint64_t)x->channels * bytes);
    for (int64_t r = 0; r < x->count[0]; r++) {
        int64_t from = at + (x->at[0] + r) * q->view.s[1] + x->at[1] * q->view.s[2];
        tn_k_sys_load_packet(
            &l->b, tn_k_sys_transfer(TN_K_SYS_LD, host(l, (uint32_t)q->operand, q->dtype, from),
                                     bytes, q->view.s[2], q->view.c, x->count[1], x->channels,
                                     to + (uint32_t)(r * x->count[1]) * pitch));
    }
    return tn_k_sys_full(to, q->dtype);
}

static void finish(lowering *l, const tn_k_sys_source *operand, uint32_t tile, uint32_t out)
{
    const tn_k_conv *p = l->p;
    int64_t pixels = l->x.count[0] * l->x.count[1];
    tn_k_sys_source y = tn_k_sys_full(tile, TN_F32);
    bool ends = p->post_count == 0, function;
    /* the sum of the chunk is added to +0 */
    tn_k_sys_map(&l->b, TN_ELTWISE_SCALE, y, none, none, 1.0f, 0.0f, pixels, l->x.channels,
                 ends ? out : tile, ends ? p->out_dtype : TN_F32);
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_conv_post *q = &p->post[i];
        ends = i + 1 == p->post_count;
        tn_k_sys_map(&l->b, kind_of(q->kind, &function), y, q->operand >= 0 ? operand[i] : none,
                     none, q->a, q->kind == TN_POST_SCALE ? -0.0f : q->b, pixels, l->x.channels,
                     ends ? out : tile, ends ? p->out_dtype : TN_F32);
    }
}

static void block(lowering *l, const int64_t at[2], int64_t channel)
{
    const tn_k_conv *p = l->p;
    tn_k_sys_source weight[TN_C_CHUNK], operand[TN_K_CONV_POSTS];
    int64_t taps = tn_k_conv_taps(p), wide = p->kernel[2];
    tn_k_sys_begin(&l->b);
    tn_k_sys_window_load(&l->b, &l->w, &l->x, host(l, 0, p->a_dtype, l->n * p->a_view.n), at,
                         channel);
    for (int64_t k = 0; k < taps; k++)
        weight[k] = load_row(l,
                             host(l, 1, p->b_dtype,
                                  channel * p->b_group + k / wide * p->b_s[1] +
                                      k % wide * p->b_s[2]),
                             p->b_dtype, p->b_group);
    for (uint32_t i = 0; i < p->post_count; i++)
        if (p->post[i].operand >= 0)
            operand[i] = load_post(l, &p->post[i]);
    uint64_t pixels = (uint64_t)(l->x.count[0] * l->x.count[1]), n = (uint64_t)l->x.channels;
    uint32_t tile = tn_k_sys_room(&l->b, pixels, n * 4);
    uint32_t out = tn_k_sys_room(&l->b, pixels, n * tn_k_elem_bytes(p->out_dtype));
    tn_k_sys_ready(&l->b);
    tn_k_sys_window_clear(&l->b, &l->x, tile);
    for (int64_t k = 0; k < taps; k++)
        for (int64_t r = 0; r < l->x.count[0]; r++)
            tn_k_sys_window_map(&l->b, &l->w, &l->x, r, k / wide, k % wide, TN_ELTWISE_FMA,
                                weight[k], itself, tile);
    finish(l, operand, tile, out);
    tn_k_sys_window_store(&l->b, &l->w, &l->x,
                          host(l, (uint32_t)p->out, p->out_dtype, l->n * p->out_view.n), out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_conv *p = params;
    lowering l = {.p = p, .operand = operand, .w = window_of(p)};
    l.b = tn_k_sys_blocks(caps, out);
    if (!tn_k_sys_window_fits(&l.w, caps, &l.x))
        return;
    for (l.n = 0; l.n < p->n; l.n++)
        for (int64_t c = 0; c < l.w.channels; c += l.x.most_channels)
            for (int64_t at[2] = {0, 0}; at[0] < l.w.size[0] && !out->failed;
                 at[0] += l.x.most[0])
                for (at[1] = 0; at[1] < l.w.size[1]; at[1] += l.x.most[1])
                    block(&l, at, c);
}

extern const tn_k_sys_row tn_k_conv_depthwise_systolic;
const tn_k_sys_row tn_k_conv_depthwise_systolic = {
    .name = "conv_depthwise_systolic",
    .kind = TN_OP_CONV,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_conv_arithmetic,
};
