/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of few channels as packets, where one tap fills few rows of the array: the vector
 * unit lays the taps of an output side by side, and the array multiplies them by 128 in the order
 * of the canonical dot. What is outside of the picture is -0, which a gated multiplication leaves
 * out. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
#include <kernels/conv/conv_patch.h>

/* Beside those of the blocks. */
enum { B_FULL = TN_K_SYS_STORED + 1, B_FREE, SUMS_FULL, SUMS_FREE, PATCHES };
enum { B_BUFFERS = 4, GROUPS_MOST = 64, CHUNKS_MOST = 32, PIXELS_MOST = 4096 };

typedef struct lowering {
    tn_k_conv_patch c;
    tn_k_sys_caps caps; /* what is left beside the tiles of filters */
    int64_t step, tiles, chunks, group;
    uint32_t patches, pitch, b_at, b_pitch; /* patches: where they lie in the block */
    uint32_t loads, sums;                   /* so far */
} lowering;

static bool integer(uint32_t type)
{
    return type == TN_S8 || type == TN_U8;
}

static int64_t length(const tn_k_conv *p)
{
    return tn_k_conv_taps(p) * p->cg;
}

/* Everything but what is loaded; false where there is no room. */
static bool layout(const tn_k_conv *p, const tn_k_sys_caps *caps, lowering *l)
{
    uint32_t fb = tn_k_elem_bytes(p->a_dtype), ob = tn_k_elem_bytes(p->out_dtype);
    int64_t most = caps->rows >= TN_C_CHUNK && !integer(p->a_dtype) ? TN_C_CHUNK : caps->rows;
    memset(l, 0, sizeof *l);
    l->c.p = p;
    l->c.w = tn_k_conv_window(p);
    l->c.w.channels = p->cg;
    l->caps = *caps;
    l->step = most;
    l->tiles = (length(p) + most - 1) / most;
    l->chunks = (p->kg + caps->cols - 1) / caps->cols;
    l->pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)l->step * fb);
    l->b_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)caps->cols * tn_k_elem_bytes(p->b_dtype));
    uint64_t filters = B_BUFFERS * (uint64_t)l->step * l->b_pitch;
    if (filters >= caps->spad_rows / 2)
        return false;
    l->caps.spad_rows = caps->spad_rows - (uint32_t)filters;
    l->b_at = l->caps.spad_rows;
    tn_k_sys_patch *x = &l->c.x;
    *x = (tn_k_sys_patch){
        .most = {p->size[1] < 32 ? p->size[1] : 32, p->size[2] < 512 ? p->size[2] : 512},
        .most_channels = p->cg};
    uint64_t row = tn_k_sys_rows_of(caps, 0, (uint64_t)caps->cols * 4);
    uint64_t out = tn_k_sys_rows_of(caps, 0, (uint64_t)caps->cols * ob);
    for (; x->most[0] > 0 && x->most[1] > 0; x->most[x->most[0] > 1 ? 0 : 1] /= 2) {
        uint64_t outputs = (uint64_t)(x->most[0] * x->most[1]), inputs = 1;
        for (int d = 0; d < 2; d++) {
            int64_t span = (x->most[d] - 1) * p->stride[d + 1] +
                           (p->kernel[d + 1] - 1) * p->dilation[d + 1] + 1;
            inputs *= (uint64_t)(span < p->in[d + 1] ? span : p->in[d + 1]);
        }
        uint64_t need = inputs * tn_k_sys_rows_of(caps, 0, (uint64_t)p->cg * fb) +
                        outputs * ((uint64_t)l->tiles * l->pitch +
                                   (uint64_t)l->chunks * (out + row * l->c.w.pictures)) +
                        (uint64_t)l->chunks * row * l->c.w.fixed +
                        tn_k_sys_rows_of(caps, 0, (uint64_t)l->step * 4);
        if (need <= l->caps.spad_rows / 2 && 2 * outputs <= caps->acc_rows &&
            outputs <= PIXELS_MOST)
            return true;
    }
    return false;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_conv *p = params;
    lowering l;
    bool ints = integer(p->a_dtype), canonical = cls == TN_CLASS_CANONICAL && !ints;
    if ((caps->array_types >> p->a_dtype & 1u) == 0 ||
        (caps->array_types >> p->b_dtype & 1u) == 0 || ints != integer(p->b_dtype))
        return tn_k_refuse(why, "systolic.dtype", "a",
                           "the matrix array has no multipliers for these types");
    if (p->transposed || p->packed || p->kernel[0] != 1 || p->size[0] != 1 || p->in[0] != 1 ||
        p->groups > GROUPS_MOST || p->saturate || p->cg == 0 || tn_k_conv_taps(p) == 1 ||
        (ints && (p->out_dtype != TN_S32 || p->post_count != 0)))
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes forward convolutions of two dims and several taps");
    if (canonical ? p->cg % TN_C_CHUNK == 0 : 2 * p->cg > (int64_t)caps->rows)
        return tn_k_refuse(why, "systolic.kind", "attr", "one tap fills the rows of the array");
    if (canonical && (caps->rows < TN_C_CHUNK || (caps->flags & TN_K_SYS_SEQUENTIAL) == 0))
        return tn_k_refuse(why, "systolic.order", "numerics.cls",
                           "the array adds in another order than chunks of 128, one by one");
    if (!tn_k_sys_vector_class(caps, tn_k_conv_has_function(p), ints ? TN_CLASS_CANONICAL : cls,
                               why))
        return false;
    bool good = layout(p, caps, &l) && l.chunks <= CHUNKS_MOST &&
                tn_k_sys_window_strides_fit(&l.c.w) && tn_k_conv_strides_fit(p) &&
                l.tiles * l.pitch <= UINT16_MAX &&
                p->stride[2] * tn_k_sys_rows_of(caps, 0, (uint64_t)p->cg * 4) <= UINT16_MAX;
    return good || tn_k_sys_no_room(why);
}

/* The rows of the patches: -0 where a tap is outside, the picture elsewhere, its own -0 as +0. */
static void lay(lowering *l, uint32_t minus)
{
    static const tn_k_sys_source none;
    const tn_k_conv *p = l->c.p;
    tn_k_sys_block *b = &l->c.b;
    tn_k_sys_patch *x = &l->c.x;
    int64_t pixels = x->count[0] * x->count[1];
    uint32_t plane = (uint32_t)pixels * l->pitch, bytes = tn_k_elem_bytes(p->a_dtype);
    tn_k_sys_put(b->out, (tn_k_sys_packet){
                             .op = TN_K_SYS_IOT, .c = minus, .n0 = 1, .n1 = (uint32_t)l->step});
    for (int64_t t = 0; t < l->tiles; t++) {
        int64_t k = length(p) - t * l->step;
        tn_k_sys_source zero = {minus, TN_K_SYS_PER_COLUMN, TN_F32};
        tn_k_sys_put(b->out,
                     (tn_k_sys_packet){.op = TN_K_SYS_MAP,
                                       .a = zero.at,
                                       .c = l->patches + (uint32_t)t * plane,
                                       .iova = TN_K_SYS_MAP_PARTS(0, l->pitch, 0, 0),
                                       .n0 = (uint32_t)pixels,
                                       .n1 = (uint32_t)(k < l->step ? k : l->step),
                                       .n2 = TN_K_SYS_MAP_TYPES(TN_F32, 0, 0, p->a_dtype),
                                       .s0 = TN_K_SYS_MAP_KIND(TN_ELTWISE_NEG, zero.mode, 0, 0)});
    }
    for (int64_t tap = 0; tap < tn_k_conv_taps(p); tap++)
        for (int64_t r = 0; r < x->count[0]; r++) {
            int64_t first = 0, kh = tap / p->kernel[2], kw = tap % p->kernel[2], done = 0;
            uint32_t source = 0;
            int64_t count = tn_k_sys_window_tap(&l->c.w, x, r, kh, kw, &first, &source);
            while (count > 0 && done < p->cg) { /* a tap may go on in the next tile */
                int64_t k = tap * p->cg + done, t = k / l->step, column = k % l->step;
                int64_t here = p->cg - done < l->step - column ? p->cg - done : l->step - column;
                uint32_t to = l->patches + (uint32_t)t * plane +
                              (uint32_t)(r * x->count[1] + first) * l->pitch;
                tn_k_sys_map_parts(
                    b, TN_ELTWISE_SCALE,
                    (tn_k_sys_part){source, p->a_dtype, (uint32_t)p->stride[2] * x->in_pitch,
                                    (uint32_t)done * bytes},
                    none, 1.0f, 0.0f, count, here,
                    (tn_k_sys_part){to, p->a_dtype, l->pitch, (uint32_t)column * bytes});
                done += here;
            }
        }
    tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, 0, 0, PATCHES, 1);
    tn_k_sys_nop(b->out, TN_K_SYS_ARRAY, PATCHES, 1, 0, 0);
}

/* Filters [f, f + count) of tile t: a piece a tap. */
static uint32_t filters(lowering *l, int64_t t, int64_t f, int64_t count)
{
    const tn_k_conv *p = l->c.p;
    uint32_t used = l->loads++, pieces = 0;
    uint32_t at = l->b_at + used % B_BUFFERS * (uint32_t)l->step * l->b_pitch;
    int64_t k = t * l->step, end = k + l->step < length(p) ? k + l->step : length(p), first = k;
    uint32_t bytes = tn_k_elem_bytes(p->b_dtype);
    uint32_t pitch = tn_k_sys_rows_of(&l->caps, 0, (uint64_t)count * bytes);
    while (k < end) {
        int64_t tap = k / p->cg, c = k % p->cg;
        int64_t here = p->cg - c < end - k ? p->cg - c : end - k;
        int64_t from = l->group * p->b_group + f * p->b_k + c * p->b_c +
                       tap / p->kernel[2] * p->b_s[1] + tap % p->kernel[2] * p->b_s[2];
        tn_k_sys_packet x =
            tn_k_sys_transfer(TN_K_SYS_LD, tn_k_conv_host(&l->c, 1, p->b_dtype, from), bytes,
                              p->b_c, p->b_k, here, count, at + (uint32_t)(k - first) * pitch);
        x.wait_sem = B_FREE;
        x.wait_val = pieces == 0 && used >= B_BUFFERS;
        x.sig_sem = B_FULL;
        x.sig_val = 1;
        tn_k_sys_put(l->c.b.out, x);
        pieces++;
        k += here;
    }
    uint32_t plane = used % l->caps.planes;
    tn_k_sys_put(l->c.b.out, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                               .wait_sem = B_FULL,
                                               .wait_val = (uint8_t)pieces,
                                               .sig_sem = B_FREE,
                                               .sig_val = 1,
                                               .a = at,
                                               .b = plane,
                                               .n0 = (uint32_t)(end - first),
                                               .n1 = (uint32_t)count,
                                               .s0 = (int32_t)pitch,
                                               .p1 = p->b_dtype});
    return plane;
}

/* Sums of filters [f, f + count) through the epilogue to `out`. */
static void chunk(lowering *l, int64_t f, int64_t count, const tn_k_sys_source *operand,
                  uint32_t out)
{
    const tn_k_conv *p = l->c.p;
    const tn_k_sys_patch *x = &l->c.x;
    bool ints = integer(p->a_dtype);
    uint32_t pixels = (uint32_t)(x->count[0] * x->count[1]), most = l->caps.acc_rows / 2;
    uint32_t sums = TN_K_SYS_ACC | l->sums % 2 * most;
    for (int64_t t = 0; t < l->tiles; t++) {
        uint32_t plane = filters(l, t, f, count);
        if (t == 0 && l->sums >= 2)
            tn_k_sys_nop(l->c.b.out, TN_K_SYS_ARRAY, SUMS_FREE, 1, 0, 0);
        tn_k_sys_put(l->c.b.out,
                     (tn_k_sys_packet){
                         .op = TN_K_SYS_MM,
                         .flags = (uint8_t)((t == 0 ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE) |
                                            (ints ? 0 : TN_K_SYS_GATED)),
                         .sig_sem = SUMS_FULL,
                         .sig_val = t + 1 == l->tiles,
                         .a = l->patches + (uint32_t)t * pixels * l->pitch,
                         .b = plane,
                         .c = sums,
                         .n0 = pixels,
                         .s0 = (int32_t)l->pitch,
                         .p1 = p->a_dtype,
                     });
    }
    tn_k_sys_nop(l->c.b.out, TN_K_SYS_VECTOR, SUMS_FULL, 1, 0, 0);
    tn_k_conv_epilogue(&l->c, operand, tn_k_sys_full(sums, ints ? TN_S32 : TN_F32), count, out);
    tn_k_sys_nop(l->c.b.out, TN_K_SYS_VECTOR, 0, 0, SUMS_FREE, 1);
    l->sums++;
}

static void store(lowering *l, const uint32_t *out)
{
    const tn_k_conv *p = l->c.p;
    const tn_k_sys_patch *x = &l->c.x;
    uint32_t bytes = tn_k_elem_bytes(p->out_dtype);
    tn_k_sys_nop(l->c.b.out, TN_K_SYS_VECTOR, 0, 0, TN_K_SYS_OUT_FULL, 1);
    for (int64_t i = 0; i < l->chunks * x->count[0]; i++) {
        int64_t c = i / x->count[0], r = i % x->count[0], f = c * l->caps.cols;
        int64_t count = p->kg - f < (int64_t)l->caps.cols ? p->kg - f : l->caps.cols;
        int64_t to = l->c.n * p->out_view.n + (l->group * p->kg + f) * p->out_view.c +
                     (x->at[0] + r) * p->out_view.s[1] + x->at[1] * p->out_view.s[2];
        uint32_t pitch = tn_k_sys_rows_of(&l->caps, 0, (uint64_t)count * bytes);
        tn_k_sys_packet y = tn_k_sys_transfer(
            TN_K_SYS_ST, tn_k_conv_host(&l->c, (uint32_t)p->out, p->out_dtype, to), bytes,
            p->out_view.s[2], p->out_view.c, x->count[1], count,
            out[c] + (uint32_t)(r * x->count[1]) * pitch);
        y.wait_sem = TN_K_SYS_OUT_FULL;
        y.wait_val = i == 0;
        y.sig_sem = TN_K_SYS_STORED;
        y.sig_val = i + 1 == l->chunks * x->count[0];
        tn_k_sys_put(l->c.b.out, y);
    }
    tn_k_sys_stored(&l->c.b);
}

static void block(lowering *l, const int64_t at[2])
{
    const tn_k_conv *p = l->c.p;
    tn_k_sys_block *b = &l->c.b;
    const tn_k_sys_patch *x = &l->c.x;
    tn_k_sys_source operand[CHUNKS_MOST][TN_K_CONV_POSTS];
    uint32_t out[CHUNKS_MOST];
    int64_t from = l->c.n * p->a_view.n + l->group * p->cg * p->a_view.c;
    tn_k_sys_begin(b);
    tn_k_sys_window_load(b, &l->c.w, &l->c.x, tn_k_conv_host(&l->c, 0, p->a_dtype, from), at, 0);
    uint64_t pixels = (uint64_t)(x->count[0] * x->count[1]);
    for (int64_t c = 0; c < l->chunks; c++) {
        int64_t f = c * l->caps.cols;
        int64_t count = p->kg - f < (int64_t)l->caps.cols ? p->kg - f : l->caps.cols;
        out[c] = tn_k_sys_room(b, pixels, (uint64_t)count * tn_k_elem_bytes(p->out_dtype));
        for (uint32_t i = 0; i < p->post_count; i++)
            if (p->post[i].operand >= 0)
                operand[c][i] =
                    tn_k_conv_load_post(&l->c, &p->post[i], l->group * p->kg + f, count);
    }
    l->patches = tn_k_sys_room(b, pixels * (uint64_t)l->tiles,
                               (uint64_t)l->step * tn_k_elem_bytes(p->a_dtype));
    uint32_t minus = tn_k_sys_room(b, 1, (uint64_t)l->step * 4);
    tn_k_sys_ready(b);
    lay(l, minus);
    for (int64_t c = 0; c < l->chunks; c++) {
        int64_t f = c * l->caps.cols;
        chunk(l, f, p->kg - f < (int64_t)l->caps.cols ? p->kg - f : l->caps.cols, operand[c],
              out[c]);
    }
    store(l, out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_conv *p = params;
    lowering l;
    if (!layout(p, caps, &l) || p->kg == 0) {
        out->failed = p->kg != 0; /* fewer columns than when the plan was made */
        return;
    }
    l.c.operand = operand;
    l.c.b = tn_k_sys_blocks(&l.caps, out);
    for (l.c.n = 0; l.c.n < p->n; l.c.n++)
        for (l.group = 0; l.group < p->groups; l.group++)
            for (int64_t at[2] = {0, 0}; at[0] < p->size[1] && !out->failed; at[0] += l.c.x.most[0])
                for (at[1] = 0; at[1] < p->size[2]; at[1] += l.c.x.most[1])
                    block(&l, at);
}

static uint64_t macs(const void *params)
{
    const tn_k_conv *p = params;
    return (uint64_t)tn_k_conv_pixels(p) * (uint64_t)(p->groups * p->kg * length(p));
}

extern const tn_k_sys_row tn_k_conv_few_systolic;
const tn_k_sys_row tn_k_conv_few_systolic = {
    .name = "conv_few_systolic",
    .kind = TN_OP_CONV,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_conv_arithmetic,
    .macs = macs,
};
