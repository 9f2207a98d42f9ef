/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling as packets for the vector unit. An average keeps the 64 lanes of the canonical sum as
 * tiles: a tap adds to the tile of its lane, then the lanes are folded. */
#include <kernels/common/canon.h>
#include <kernels/common/canonmath.h>
#include <kernels/common/widen.h>
#include <kernels/pool/pool.h>
#include <kernels/systolic/systolic_window.h>

static const tn_k_sys_source none, itself = {TN_K_SYS_ITSELF, TN_K_SYS_FULL, TN_F32};

static uint32_t lanes_of(const tn_k_pool *p)
{
    int64_t taps = tn_k_pool_taps(p);
    return taps < TN_C_LANES ? (uint32_t)taps : TN_C_LANES;
}

static tn_k_sys_window window_of(const tn_k_pool *p)
{
    tn_k_sys_window w = {.channels = p->channels,
                         .a_c = p->a_c,
                         .out_c = p->out_c,
                         .from = p->dtype,
                         .to = p->dtype,
                         .tiles = p->kind == TN_POOL_MAX ? 1 : lanes_of(p)};
    for (int d = 0; d < 2; d++) {
        w.in[d] = p->in[d + 1];
        w.size[d] = p->size[d + 1];
        w.taps[d] = p->window[d + 1];
        w.stride[d] = p->stride[d + 1];
        w.dilation[d] = p->dilation[d + 1];
        w.lo[d] = p->lo[d + 1];
        w.a_s[d] = p->a_s[d + 1];
        w.out_s[d] = p->out_s[d + 1];
    }
    return w;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_pool *p = params;
    tn_k_sys_window w = window_of(p);
    tn_k_sys_patch patch;
    bool whole = p->dtype == TN_S8 || p->dtype == TN_U8;
    if (p->in[0] != 1 || p->window[0] != 1 || p->size[0] != 1 || p->lo[0] != 0 ||
        tn_k_pool_taps(p) > TN_C_SEGMENT)
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes pools over two dims and at most 4096 taps");
    if (!tn_k_sys_vector_class(caps, false, whole ? TN_CLASS_CANONICAL : cls, why))
        return false;
    return (tn_k_sys_window_strides_fit(&w) && tn_k_sys_window_fits(&w, caps, &patch)) ||
           p->channels == 0 || tn_k_sys_no_room(why);
}

static void maximum(tn_k_sys_block *b, const tn_k_sys_window *w, const tn_k_sys_patch *p,
                    uint32_t tile, uint32_t out)
{
    const float least = -__builtin_inff();
    int64_t pixels = p->count[0] * p->count[1];
    tn_k_sys_source y = tn_k_sys_full(tile, TN_F32);
    tn_k_sys_window_clear(b, p, tile);
    tn_k_sys_map(b, TN_ELTWISE_CLAMP, y, none, none, least, least, pixels, p->channels, tile,
                 TN_F32);
    for (int64_t k = 0; k < w->taps[0] * w->taps[1]; k++)
        for (int64_t r = 0; r < p->count[0]; r++)
            tn_k_sys_window_map(b, w, p, r, k / w->taps[1], k % w->taps[1], TN_ELTWISE_MAX, itself,
                                none, tile);
    tn_k_sys_map(b, 0, y, none, none, 0, 0, pixels, p->channels, out, w->to);
}

/* Runs of outputs whose averages are of equally many taps. */
static void divide(tn_k_sys_block *b, const tn_k_pool *pool, const tn_k_sys_window *w,
                   const tn_k_sys_patch *p, uint32_t sum, uint32_t out)
{
    uint32_t pitch = tn_k_sys_rows_of(b->caps, 0, (uint64_t)p->channels * tn_k_elem_bytes(w->to));
    for (int64_t r = 0; r < p->count[0]; r++) {
        int64_t high = tn_k_pool_along(pool, 1, p->at[0] + r);
        for (int64_t c = 0, end; c < p->count[1]; c = end) {
            int64_t wide = tn_k_pool_along(pool, 2, p->at[1] + c), first = r * p->count[1] + c;
            for (end = c + 1; end < p->count[1]; end++)
                if (tn_k_pool_along(pool, 2, p->at[1] + end) != wide)
                    break;
            tn_k_sys_source y = tn_k_sys_full(sum + (uint32_t)first * p->pitch, TN_F32);
            tn_k_sys_map(b, TN_ELTWISE_SCALE, y, none, none, c_recip((float)(high * wide)), -0.0f,
                         end - c, p->channels, out + (uint32_t)first * pitch, w->to);
        }
    }
}

static void average(tn_k_sys_block *b, const tn_k_pool *pool, const tn_k_sys_window *w,
                    const tn_k_sys_patch *p, uint32_t tile, uint32_t out)
{
    int64_t pixels = p->count[0] * p->count[1];
    uint32_t each = (uint32_t)pixels * p->pitch, lanes = lanes_of(pool);
    tn_k_sys_source sum = tn_k_sys_full(tile, TN_F32);
    for (uint32_t l = 0; l < lanes; l++)
        tn_k_sys_window_clear(b, p, tile + l * each);
    for (int64_t k = 0; k < w->taps[0] * w->taps[1]; k++)
        for (int64_t r = 0; r < p->count[0]; r++)
            tn_k_sys_window_map(b, w, p, r, k / w->taps[1], k % w->taps[1], TN_ELTWISE_ADD, itself,
                                none, tile + (uint32_t)(k % TN_C_LANES) * each);
    for (uint32_t h = TN_C_LANES / 2; h > 0; h /= 2)
        for (uint32_t l = 0; l < h && l + h < lanes; l++)
            tn_k_sys_map(b, TN_ELTWISE_ADD, tn_k_sys_full(tile + l * each, TN_F32),
                         tn_k_sys_full(tile + (l + h) * each, TN_F32), none, 0, 0, pixels,
                         p->channels, tile + l * each, TN_F32);
    /* the sum of the segment is added to +0 */
    tn_k_sys_map(b, TN_ELTWISE_SCALE, sum, none, none, 1.0f, 0.0f, pixels, p->channels, tile,
                 TN_F32);
    divide(b, pool, w, p, tile, out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_pool *p = params;
    tn_k_sys_window w = window_of(p);
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    tn_k_sys_patch x;
    int64_t bytes = tn_k_elem_bytes(p->dtype);
    if (!tn_k_sys_window_fits(&w, caps, &x))
        return;
    for (int64_t n = 0; n < p->n; n++)
        for (int64_t c = 0; c < w.channels; c += x.most_channels)
            for (int64_t at[2] = {0, 0}; at[0] < w.size[0] && !out->failed; at[0] += x.most[0])
                for (at[1] = 0; at[1] < w.size[1]; at[1] += x.most[1]) {
                    tn_k_sys_begin(&b);
                    tn_k_sys_window_load(&b, &w, &x, operand[0] + (uint64_t)(n * p->a_n * bytes),
                                         at, c);
                    uint64_t pixels = (uint64_t)(x.count[0] * x.count[1]);
                    uint32_t tile = tn_k_sys_room(&b, pixels * w.tiles, (uint64_t)x.channels * 4);
                    uint32_t to = tn_k_sys_room(&b, pixels, (uint64_t)(x.channels * bytes));
                    tn_k_sys_ready(&b);
                    if (p->kind == TN_POOL_MAX)
                        maximum(&b, &w, &x, tile, to);
                    else
                        average(&b, p, &w, &x, tile, to);
                    tn_k_sys_window_store(&b, &w, &x, operand[1] + (uint64_t)(n * p->out_n * bytes),
                                          to);
                }
}

extern const tn_k_sys_row tn_k_pool_systolic;
const tn_k_sys_row tn_k_pool_systolic = {
    .name = "pool_systolic",
    .kind = TN_OP_POOL,
    .accepts = accepts,
    .lower = lower,
};
