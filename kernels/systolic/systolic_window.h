/* SPDX-License-Identifier: Apache-2.0 */
/* Windows over pictures on the vector unit: pixels are rows of the scratchpad, channels lie side by
 * side in them. What pooling and depthwise convolution share: blocks of outputs, the input that
 * they need, and which outputs a tap meets. A tap outside of the picture is not emitted. */
#ifndef TN_KERNELS_SYSTOLIC_WINDOW_H
#define TN_KERNELS_SYSTOLIC_WINDOW_H

#include <kernels/systolic/systolic_rows.h>

/* Height, then width. Strides of memory in elements: of a row of pixels, of a pixel, of a channel.
 */
typedef struct tn_k_sys_window {
    int64_t in[2], size[2], taps[2], stride[2], dilation[2], lo[2];
    int64_t channels, a_s[2], a_c, out_s[2], out_c;
    uint32_t from, to; /* types */
    uint32_t tiles;    /* of f32 that a block of outputs needs beside its result */
    uint32_t fixed;    /* further rows of f32, each as long as the channels of a block */
    uint32_t pictures; /* further tiles of f32 that are loaded beside the input */
} tn_k_sys_window;

/* A block: at most so many outputs and channels; then the one at hand. */
typedef struct tn_k_sys_patch {
    int64_t most[2], most_channels;
    int64_t at[2], count[2], channel, channels; /* of outputs */
    int64_t first[2], last[2];                  /* of the input: [first, last) */
    uint32_t input, in_pitch, pitch;            /* pitch: of a tile of f32 */
} tn_k_sys_patch;

/* Inputs along dim d that `count` outputs from `at` on meet. */
static inline void tn_k_sys_window_span(const tn_k_sys_window *w, int d, int64_t at, int64_t count,
                                        int64_t *first, int64_t *last)
{
    int64_t low = at * w->stride[d] - w->lo[d];
    int64_t high =
        (at + count - 1) * w->stride[d] - w->lo[d] + (w->taps[d] - 1) * w->dilation[d] + 1;
    *first = low < 0 ? 0 : low > w->in[d] ? w->in[d] : low;
    *last = high > w->in[d] ? w->in[d] : high < *first ? *first : high;
}

static inline bool tn_k_sys_window_fits(const tn_k_sys_window *w, const tn_k_sys_caps *caps,
                                        tn_k_sys_patch *p)
{
    uint32_t fb = tn_k_elem_bytes(w->from), tb = tn_k_elem_bytes(w->to);
    *p = (tn_k_sys_patch){
        .most = {w->size[0] < 32 ? w->size[0] : 32, w->size[1] < 512 ? w->size[1] : 512},
        .most_channels = w->channels < 256 ? w->channels : 256};
    while (p->most_channels > 0 && p->most[0] > 0 && p->most[1] > 0) {
        uint64_t n = (uint64_t)p->most_channels, outputs = (uint64_t)(p->most[0] * p->most[1]);
        uint64_t inputs = 1;
        for (int d = 0; d < 2; d++) {
            int64_t span = (p->most[d] - 1) * w->stride[d] + (w->taps[d] - 1) * w->dilation[d] + 1;
            inputs *= (uint64_t)(span < w->in[d] ? span : w->in[d]);
        }
        uint64_t f32 = tn_k_sys_rows_of(caps, 0, n * 4);
        uint64_t need =
            inputs * tn_k_sys_rows_of(caps, 0, n * fb) +
            outputs * (f32 * (w->tiles + w->pictures) + tn_k_sys_rows_of(caps, 0, n * tb)) +
            f32 * w->fixed;
        if (need <= caps->spad_rows / 2)
            return (uint64_t)w->stride[1] * tn_k_sys_rows_of(caps, 0, n * fb) <= UINT16_MAX;
        if (p->most[0] > 1)
            p->most[0] /= 2;
        else if (p->most[1] > 16 || p->most_channels == 1)
            p->most[1] /= 2;
        else
            p->most_channels /= 2;
    }
    return false;
}

/* The block at an output and a channel; its input is loaded. */
static inline void tn_k_sys_window_load(tn_k_sys_block *b, const tn_k_sys_window *w,
                                        tn_k_sys_patch *p, uint64_t address, const int64_t at[2],
                                        int64_t channel)
{
    uint32_t bytes = tn_k_elem_bytes(w->from);
    p->channel = channel;
    p->channels =
        w->channels - channel < p->most_channels ? w->channels - channel : p->most_channels;
    for (int d = 0; d < 2; d++) {
        p->at[d] = at[d];
        p->count[d] = w->size[d] - at[d] < p->most[d] ? w->size[d] - at[d] : p->most[d];
        tn_k_sys_window_span(w, d, p->at[d], p->count[d], &p->first[d], &p->last[d]);
    }
    p->in_pitch = tn_k_sys_rows_of(b->caps, 0, (uint64_t)p->channels * bytes);
    p->pitch = tn_k_sys_rows_of(b->caps, 0, (uint64_t)p->channels * 4);
    int64_t high = p->last[0] - p->first[0], wide = p->last[1] - p->first[1];
    p->input = tn_k_sys_room(b, (uint64_t)(high * wide), (uint64_t)p->channels * bytes);
    for (int64_t r = 0; r < high && wide > 0; r++) {
        int64_t from = (p->first[0] + r) * w->a_s[0] + p->first[1] * w->a_s[1] + channel * w->a_c;
        tn_k_sys_load_packet(b, tn_k_sys_transfer(TN_K_SYS_LD,
                                                  address + (uint64_t)(from * (int64_t)bytes),
                                                  bytes, w->a_s[1], w->a_c, wide, p->channels,
                                                  p->input + (uint32_t)(r * wide) * p->in_pitch));
    }
}

/* Outputs of row `row` of the block that tap (kh, kw) meets: [*first, *first + returned), and the
 * row of the scratchpad with the input of the first. */
static inline int64_t tn_k_sys_window_tap(const tn_k_sys_window *w, const tn_k_sys_patch *p,
                                          int64_t row, int64_t kh, int64_t kw, int64_t *first,
                                          uint32_t *source)
{
    int64_t ih = (p->at[0] + row) * w->stride[0] - w->lo[0] + kh * w->dilation[0];
    int64_t s = w->stride[1], shift = kw * w->dilation[1] - w->lo[1]; /* iw = ow * s + shift */
    int64_t low = p->at[1], high = p->at[1] + p->count[1];
    if (shift < 0 && -shift > low * s)
        low = (-shift + s - 1) / s;
    int64_t end = w->in[1] - shift; /* ow * s below this */
    high = end <= 0 ? low : (end + s - 1) / s < high ? (end + s - 1) / s : high;
    if (ih < 0 || ih >= w->in[0] || low >= high)
        return 0;
    *first = low - p->at[1];
    *source = p->input + (uint32_t)((ih - p->first[0]) * (p->last[1] - p->first[1]) + low * s +
                                    shift - p->first[1]) *
                             p->in_pitch;
    return high - low;
}

/* What tap (kh, kw) does to row `row` of the tile: kind(input, y, z), y or z the tile itself where
 * they are at ITSELF. */
enum { TN_K_SYS_ITSELF = 0xffffffffu };
static inline void tn_k_sys_window_map(tn_k_sys_block *b, const tn_k_sys_window *w,
                                       const tn_k_sys_patch *p, int64_t row, int64_t kh, int64_t kw,
                                       uint32_t kind, tn_k_sys_source y, tn_k_sys_source z,
                                       uint32_t tile)
{
    int64_t first = 0, count;
    uint32_t source = 0;
    count = tn_k_sys_window_tap(w, p, row, kh, kw, &first, &source);
    if (count <= 0)
        return;
    uint32_t to = tile + (uint32_t)(row * p->count[1] + first) * p->pitch;
    if (y.at == TN_K_SYS_ITSELF)
        y.at = to;
    if (z.at == TN_K_SYS_ITSELF)
        z.at = to;
    tn_k_sys_put(b->out,
                 (tn_k_sys_packet){.op = TN_K_SYS_MAP,
                                   .a = source,
                                   .b = y.at,
                                   .d = z.at,
                                   .c = to,
                                   .iova = TN_K_SYS_MAP_PARTS(w->stride[1] * p->in_pitch, 0, 0, 0),
                                   .n0 = (uint32_t)count,
                                   .n1 = (uint32_t)p->channels,
                                   .n2 = TN_K_SYS_MAP_TYPES(w->from, y.type, z.type, TN_F32),
                                   .s0 = TN_K_SYS_MAP_KIND(kind, TN_K_SYS_FULL, y.mode, z.mode)});
}

/* A tile of f32 for the outputs of the block, all +0. */
static inline void tn_k_sys_window_clear(tn_k_sys_block *b, const tn_k_sys_patch *p, uint32_t tile)
{
    tn_k_sys_put(b->out, (tn_k_sys_packet){.op = TN_K_SYS_IOT,
                                           .c = tile,
                                           .n0 = (uint32_t)(p->count[0] * p->count[1]),
                                           .n1 = (uint32_t)p->channels});
}

/* The outputs of the block at `at`, of type `to`, to memory; the block is over. */
static inline void tn_k_sys_window_store(tn_k_sys_block *b, const tn_k_sys_window *w,
                                         const tn_k_sys_patch *p, uint64_t address, uint32_t at)
{
    uint32_t bytes = tn_k_elem_bytes(w->to);
    uint32_t pitch = tn_k_sys_rows_of(b->caps, 0, (uint64_t)p->channels * bytes);
    tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, 0, 0, TN_K_SYS_OUT_FULL, 1);
    for (int64_t r = 0; r < p->count[0]; r++) {
        int64_t to = (p->at[0] + r) * w->out_s[0] + p->at[1] * w->out_s[1] + p->channel * w->out_c;
        tn_k_sys_packet x = tn_k_sys_transfer(
            TN_K_SYS_ST, address + (uint64_t)(to * (int64_t)bytes), bytes, w->out_s[1], w->out_c,
            p->count[1], p->channels, at + (uint32_t)(r * p->count[1]) * pitch);
        x.wait_sem = TN_K_SYS_OUT_FULL;
        x.wait_val = r == 0;
        x.sig_sem = TN_K_SYS_STORED;
        x.sig_val = r + 1 == p->count[0];
        tn_k_sys_put(b->out, x);
    }
    tn_k_sys_stored(b);
}

static inline bool tn_k_sys_window_strides_fit(const tn_k_sys_window *w)
{
    bool good = tn_k_sys_stride_fits(w->a_c, 8) && tn_k_sys_stride_fits(w->out_c, 8);
    for (int d = 0; d < 2; d++)
        good = good && tn_k_sys_stride_fits(w->a_s[d], 8) && tn_k_sys_stride_fits(w->out_s[d], 8) &&
               w->in[d] < INT32_MAX / 64 && w->taps[d] < INT32_MAX / 64;
    return good;
}

#endif
