/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution as packets for the vector unit, where an array would use one row and one
 * column a channel: every tap is one fma over the pixels that it meets. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
#include <kernels/conv/conv_patch.h>

static const tn_k_sys_source none, itself = {TN_K_SYS_ITSELF, TN_K_SYS_FULL, TN_F32};

static tn_k_sys_window window_of(const tn_k_conv *p)
{
    tn_k_sys_window w = tn_k_conv_window(p);
    w.channels = p->groups;
    w.fixed += (uint32_t)tn_k_conv_taps(p);
    return w;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_conv *p = params;
    tn_k_sys_window w;
    tn_k_sys_patch patch;
    if (p->transposed || p->packed || p->kernel[0] != 1 || p->size[0] != 1 || p->in[0] != 1 ||
        p->cg != 1 || p->kg != 1 || p->groups == 1 || p->saturate || p->out_dtype == TN_S32 ||
        tn_k_conv_taps(p) > TN_C_CHUNK)
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes forward convolutions of floats with one filter a channel");
    if (!tn_k_sys_vector_class(caps, tn_k_conv_has_function(p), cls, why))
        return false;
    w = window_of(p);
    bool good = tn_k_sys_window_strides_fit(&w) && tn_k_conv_strides_fit(p);
    return (good && tn_k_sys_window_fits(&w, caps, &patch)) || tn_k_sys_no_room(why);
}

static void block(tn_k_conv_patch *l, const int64_t at[2], int64_t channel)
{
    const tn_k_conv *p = l->p;
    tn_k_sys_source weight[TN_C_CHUNK], operand[TN_K_CONV_POSTS];
    int64_t taps = tn_k_conv_taps(p), wide = p->kernel[2];
    tn_k_sys_begin(&l->b);
    tn_k_sys_window_load(&l->b, &l->w, &l->x, tn_k_conv_host(l, 0, p->a_dtype, l->n * p->a_view.n),
                         at, channel);
    for (int64_t k = 0; k < taps; k++) {
        int64_t from = channel * p->b_group + k / wide * p->b_s[1] + k % wide * p->b_s[2];
        weight[k] = tn_k_conv_load_row(l, tn_k_conv_host(l, 1, p->b_dtype, from), p->b_dtype,
                                       p->b_group, l->x.channels);
    }
    for (uint32_t i = 0; i < p->post_count; i++)
        if (p->post[i].operand >= 0)
            operand[i] = tn_k_conv_load_post(l, &p->post[i], l->x.channel, l->x.channels);
    uint64_t pixels = (uint64_t)(l->x.count[0] * l->x.count[1]), n = (uint64_t)l->x.channels;
    uint32_t tile = tn_k_sys_room(&l->b, pixels, n * 4);
    uint32_t out = tn_k_sys_room(&l->b, pixels, n * tn_k_elem_bytes(p->out_dtype));
    tn_k_sys_ready(&l->b);
    tn_k_sys_window_clear(&l->b, &l->x, tile);
    for (int64_t k = 0; k < taps; k++)
        for (int64_t r = 0; r < l->x.count[0]; r++)
            tn_k_sys_window_map(&l->b, &l->w, &l->x, r, k / wide, k % wide, TN_ELTWISE_FMA,
                                weight[k], itself, tile);
    tn_k_sys_source sum = tn_k_sys_full(tile, TN_F32);
    /* the sum of the chunk is added to +0 */
    tn_k_sys_map(&l->b, TN_ELTWISE_SCALE, sum, none, none, 1.0f, 0.0f, (int64_t)pixels,
                 l->x.channels, tile, TN_F32);
    tn_k_conv_epilogue(l, operand, sum, l->x.channels, out);
    tn_k_sys_window_store(&l->b, &l->w, &l->x,
                          tn_k_conv_host(l, (uint32_t)p->out, p->out_dtype, l->n * p->out_view.n),
                          out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_conv *p = params;
    tn_k_conv_patch l = {.p = p, .operand = operand, .w = window_of(p)};
    l.b = tn_k_sys_blocks(caps, out);
    if (!tn_k_sys_window_fits(&l.w, caps, &l.x))
        return;
    for (l.n = 0; l.n < p->n; l.n++)
        for (int64_t c = 0; c < l.w.channels; c += l.x.most_channels)
            for (int64_t at[2] = {0, 0}; at[0] < l.w.size[0] && !out->failed; at[0] += l.x.most[0])
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
