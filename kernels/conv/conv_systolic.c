/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution as packets: shifted products. Every pixel of the input is a row of the scratchpad,
 * once; for each tap the array walks over the pixels that it meets, and accumulators add taps and
 * channels. Pixels of the padding are -0, which a gated multiplication leaves out: a tap outside
 * takes no part. The input's own -0 become +0 first: they do take part, by a weight that is not
 * finite it shows. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
#include <kernels/conv/conv_patch.h>

/* Semaphores; of array i: B_FULL + EACH * i and so on. */
enum { A_FULL, A_FREE, P_FULL, P_FREE, O_FULL, O_FREE, FILLED };
enum { B_FULL = FILLED + 1, B_FREE, S_FULL, S_FREE, A_READY, EACH = A_READY + 1 - B_FULL };
enum { B_BUFFERS = 4, GROUPS_MOST = 64 };

typedef struct shape {
    int64_t step, tiles; /* of channels */
    int64_t rows, in_rows,
        in_width; /* output rows at a time, and the padded input that they need */
    uint32_t a_at, b_at, o_at, p_at, a_pitch, b_pitch, b_rows, o_pitch, p_pitch, operands;
    uint32_t arrays; /* that have filters of their own at the same time */
    bool turned;     /* filters have their channels side by side */
} shape;

static bool integer(uint32_t type)
{
    return type == TN_S8 || type == TN_U8;
}

/* Whether some tap is outside of the input, whose elements then have to be told from its own. */
static bool padded(const tn_k_conv *p)
{
    bool any = false;
    for (int d = 1; d < 3; d++) {
        int64_t end =
            (p->size[d] - 1) * p->stride[d] - p->lo[d] + (p->kernel[d] - 1) * p->dilation[d];
        any = any || p->lo[d] > 0 || end >= p->in[d];
    }
    return any && !integer(p->a_dtype);
}

static bool layout_on(const tn_k_conv *p, const tn_k_sys_caps *caps, int64_t arrays, shape *s)
{
    uint32_t ea = tn_k_elem_bytes(p->a_dtype), eb = tn_k_elem_bytes(p->b_dtype);
    int64_t most = caps->rows >= TN_C_CHUNK && !integer(p->a_dtype) ? TN_C_CHUNK : caps->rows;
    *s = (shape){.step = p->cg < most ? p->cg : most};
    s->tiles = (p->cg + s->step - 1) / s->step;
    s->turned = p->b_c == 1 && p->b_k != 1 && (caps->flags & TN_K_SYS_LDW_TRANSPOSES) != 0;
    s->a_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)s->step * ea);
    s->b_rows = s->turned ? caps->cols : (uint32_t)s->step;
    s->b_pitch =
        tn_k_sys_rows_of(caps, 0, (uint64_t)(s->turned ? (uint32_t)s->step : caps->cols) * eb);
    s->o_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)caps->cols * tn_k_elem_bytes(p->out_dtype));
    s->p_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)caps->cols * 4);
    for (uint32_t i = 0; i < p->post_count; i++)
        s->operands += p->post[i].operand >= 0;
    s->in_width = (p->size[2] - 1) * p->stride[2] + (p->kernel[2] - 1) * p->dilation[2] + 1;
    int64_t chunks = (p->kg + caps->cols - 1) / caps->cols;
    s->arrays = arrays < chunks ? (uint32_t)arrays : (uint32_t)chunks;
    uint64_t fixed = (uint64_t)s->arrays * B_BUFFERS * s->b_rows * s->b_pitch;
    for (s->rows = p->size[1] < 64 ? p->size[1] : 64; s->rows > 0; s->rows--) {
        uint64_t pixels = (uint64_t)s->rows * (uint64_t)p->size[2];
        s->in_rows = (s->rows - 1) * p->stride[1] + (p->kernel[1] - 1) * p->dilation[1] + 1;
        uint64_t a = (uint64_t)s->tiles * (uint64_t)s->in_rows * (uint64_t)s->in_width * s->a_pitch;
        uint64_t need = fixed + a + 2 * pixels * (s->o_pitch + s->operands * s->p_pitch);
        if (need > caps->spad_rows || 2 * s->arrays * pixels > caps->acc_rows)
            continue;
        s->a_at = (uint32_t)fixed;
        s->o_at = s->a_at + (uint32_t)a;
        s->p_at = s->o_at + (uint32_t)(2 * pixels) * s->o_pitch;
        return true;
    }
    return false;
}

/* On as many arrays as leave a tile enough pixels to hide the loading of weights behind. */
static bool layout(const tn_k_conv *p, const tn_k_sys_caps *caps, shape *s)
{
    int64_t most = ((int64_t)caps->semaphores - B_FULL) / EACH;
    for (int64_t arrays = most < caps->arrays ? most : caps->arrays; arrays > 1; arrays--)
        if (layout_on(p, caps, arrays, s) &&
            (s->rows == p->size[1] || s->rows * p->size[2] >= (int64_t)caps->rows))
            return true;
    return most > 0 && layout_on(p, caps, 1, s);
}

static bool view_fits(const tn_k_conv_view *v, uint32_t type)
{
    uint32_t bytes = tn_k_elem_bytes(type);
    return tn_k_sys_stride_fits(v->c, bytes) && tn_k_sys_stride_fits(v->s[1], bytes) &&
           tn_k_sys_stride_fits(v->s[2], bytes);
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_conv *p = params;
    bool ints = integer(p->a_dtype);
    shape s;
    if ((caps->array_types >> p->a_dtype & 1u) == 0 ||
        (caps->array_types >> p->b_dtype & 1u) == 0 || ints != integer(p->b_dtype))
        return tn_k_refuse(why, "systolic.dtype", "a",
                           "the matrix array has no multipliers for these types");
    if (p->transposed || p->packed || p->kernel[0] != 1 || p->size[0] != 1 || p->in[0] != 1 ||
        p->groups > GROUPS_MOST || p->saturate)
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes forward convolutions of two dims and at most 64 groups");
    if (ints && (p->out_dtype != TN_S32 || p->post_count != 0))
        return tn_k_refuse(why, "systolic.integers", "out",
                           "sums of integers go to s32, without scales, zeros and steps behind");
    if (!ints && !tn_k_sys_vector_class(caps, tn_k_conv_has_function(p), cls, why))
        return false;
    if (!ints && cls == TN_CLASS_CANONICAL &&
        (caps->rows < TN_C_CHUNK || (caps->flags & TN_K_SYS_SEQUENTIAL) == 0 ||
         (p->cg % TN_C_CHUNK != 0 && tn_k_conv_taps(p) != 1)))
        return tn_k_refuse(
            why, "systolic.order", "numerics.cls",
            "chunks of 128 have to end with a tap: 1x1, or channels in multiples of 128");
    bool good = view_fits(&p->a_view, p->a_dtype) && view_fits(&p->out_view, p->out_dtype) &&
                tn_k_sys_stride_fits(p->b_k, 4) && tn_k_sys_stride_fits(p->b_c, 4) &&
                p->in[2] < INT32_MAX / 64 && p->cg > 0;
    for (uint32_t i = 0; i < p->post_count; i++)
        good = good && (p->post[i].operand < 0 || view_fits(&p->post[i].view, p->post[i].dtype));
    return (good && layout(p, caps, &s)) || tn_k_sys_no_room(why);
}

typedef struct lowering {
    const tn_k_conv *p;
    const tn_k_sys_caps *caps;
    const uint64_t *operand;
    tn_k_sys_stream *out;
    tn_k_sys_block vector;
    shape s;
    int64_t n, group, row, rows; /* image, group, output rows at hand */
    uint32_t tiles, inputs;
    uint32_t loads[TN_K_SYS_ARRAYS_MOST], used[TN_K_SYS_ARRAYS_MOST]; /* weights, accumulators */
} lowering;

static uint32_t semaphore(uint32_t which, uint32_t array)
{
    return which + EACH * array;
}

static uint64_t host(const lowering *l, uint32_t operand, uint32_t type, int64_t at)
{
    return l->operand[operand] + (uint64_t)(at * (int64_t)tn_k_elem_bytes(type));
}

/* Pixels of one row of the input and tile of channels: where they go, and how many. */
typedef struct strip {
    uint32_t to;
    int64_t pixels, count, at; /* count: channels; at: in A */
} strip;

/* The strip of row r of what the output rows need; false where all of it is padding. */
static bool strip_of(const lowering *l, int64_t tile, int64_t r, strip *out)
{
    const tn_k_conv *p = l->p;
    int64_t top = l->row * p->stride[1] - p->lo[1], left = -p->lo[2];
    int64_t from = left < 0 ? 0 : left, end = left + l->s.in_width, c = tile * l->s.step;
    uint32_t plane = (uint32_t)(l->s.in_rows * l->s.in_width);
    end = end < p->in[2] ? end : p->in[2];
    if (top + r < 0 || top + r >= p->in[1] || from >= end)
        return false;
    *out = (strip){.to = l->s.a_at +
                         ((uint32_t)tile * plane + (uint32_t)(r * l->s.in_width + from - left)) *
                             l->s.a_pitch,
                   .pixels = end - from,
                   .count = p->cg - c < l->s.step ? p->cg - c : l->s.step,
                   .at = l->n * p->a_view.n + (l->group * p->cg + c) * p->a_view.c +
                         (top + r) * p->a_view.s[1] + from * p->a_view.s[2]};
    return true;
}

/* The input that the output rows need, padding made of what is no element. */
static void load_input(lowering *l)
{
    const tn_k_conv *p = l->p;
    static const tn_k_sys_source none;
    uint32_t bytes = tn_k_elem_bytes(p->a_dtype), plane = (uint32_t)(l->s.in_rows * l->s.in_width);
    int64_t sent = 0;
    bool marked = padded(p);
    uint32_t reader = marked ? TN_K_SYS_VECTOR : TN_K_SYS_SYNC;
    strip x;
    tn_k_sys_packet fill = {.op = TN_K_SYS_FILL,
                            .wait_sem = A_FREE,
                            .wait_val = l->inputs != 0 ? (uint8_t)l->s.arrays : 0,
                            .sig_sem = FILLED,
                            .sig_val = 1,
                            .a = l->s.a_at,
                            .n0 = (uint32_t)l->s.tiles * plane * l->s.a_pitch,
                            .p0 = integer(p->a_dtype) ? 0
                                  : bytes == 1        ? 0x80808080u
                                                      : 0x80008000u};
    tn_k_sys_put(l->out, fill);
    tn_k_sys_nop(l->out, TN_K_SYS_DMA_IN, FILLED, 1, 0, 0);
    for (int64_t i = 0; i < l->s.tiles * l->s.in_rows; i++) {
        if (!strip_of(l, i / l->s.in_rows, i % l->s.in_rows, &x))
            continue;
        tn_k_sys_packet in =
            tn_k_sys_transfer(TN_K_SYS_LD, host(l, 0, p->a_dtype, x.at), bytes, p->a_view.s[2],
                              p->a_view.c, x.pixels, x.count, x.to);
        in.b = l->s.a_pitch;
        in.sig_sem = A_FULL;
        in.sig_val = 1;
        tn_k_sys_put(l->out, in);
        if (++sent == 128) { /* a semaphore's wait is a byte */
            tn_k_sys_nop(l->out, reader, A_FULL, 128, 0, 0);
            sent = 0;
        }
    }
    if (sent != 0)
        tn_k_sys_nop(l->out, reader, A_FULL, (uint32_t)sent, 0, 0);
    for (int64_t i = 0; marked && i < l->s.tiles * l->s.in_rows; i++)
        if (strip_of(l, i / l->s.in_rows, i % l->s.in_rows, &x)) /* x + 0 */
            tn_k_sys_map_parts(&l->vector, TN_ELTWISE_SCALE,
                               (tn_k_sys_part){x.to, p->a_dtype, l->s.a_pitch, 0}, none, 1.0f, 0.0f,
                               x.pixels, x.count,
                               (tn_k_sys_part){x.to, p->a_dtype, l->s.a_pitch, 0});
    for (uint32_t i = 0; i < l->s.arrays; i++) {
        tn_k_sys_nop(l->out, reader, 0, 0, semaphore(A_READY, i), 1);
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY + 2 * i, semaphore(A_READY, i), 1, 0, 0);
    }
    l->inputs++;
}

static uint32_t acc(const lowering *l, uint32_t array)
{
    return TN_K_SYS_ACC | (2 * array + l->used[array] % 2) * (uint32_t)(l->s.rows * l->p->size[2]);
}

static void tap(lowering *l, uint32_t array, int64_t kh, int64_t kw, int64_t tile, int64_t f,
                int64_t count, bool first, bool last)
{
    const tn_k_conv *p = l->p;
    int64_t c = tile * l->s.step, k = p->cg - c < l->s.step ? p->cg - c : l->s.step;
    uint32_t used = l->loads[array]++, buffer = array * B_BUFFERS + used % B_BUFFERS;
    uint32_t at = l->s.b_at + buffer * l->s.b_rows * l->s.b_pitch;
    int64_t from =
        l->group * p->b_group + f * p->b_k + c * p->b_c + kh * p->b_s[1] + kw * p->b_s[2];
    uint32_t bytes = tn_k_elem_bytes(p->b_dtype);
    tn_k_sys_packet x = tn_k_sys_transfer(
        TN_K_SYS_LD, host(l, 1, p->b_dtype, from), bytes, l->s.turned ? p->b_k : p->b_c,
        l->s.turned ? p->b_c : p->b_k, l->s.turned ? count : k, l->s.turned ? k : count, at);
    x.wait_sem = (uint8_t)semaphore(B_FREE, array);
    x.wait_val = used >= B_BUFFERS;
    x.sig_sem = (uint8_t)semaphore(B_FULL, array);
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
    uint32_t pitch = tn_k_sys_rows_of(l->caps, 0, x.n1);
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                           .flags = l->s.turned ? TN_K_SYS_TRANSPOSE : 0,
                                           .wait_sem = (uint8_t)semaphore(B_FULL, array),
                                           .wait_val = 1,
                                           .sig_sem = (uint8_t)semaphore(B_FREE, array),
                                           .sig_val = 1,
                                           .a = at,
                                           .b = used % l->caps->planes,
                                           .d = array,
                                           .n0 = (uint32_t)k,
                                           .n1 = (uint32_t)count,
                                           .s0 = (int32_t)pitch,
                                           .p1 = p->b_dtype});
    int64_t pixel = tile * l->s.in_rows * l->s.in_width + kh * p->dilation[1] * l->s.in_width +
                    kw * p->dilation[2];
    if (first && l->used[array] >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY + 2 * array, semaphore(S_FREE, array), 1, 0, 0);
    tn_k_sys_put(l->out, (tn_k_sys_packet){
                             .op = TN_K_SYS_MM,
                             .flags = (uint8_t)((first ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE) |
                                                (padded(p) ? TN_K_SYS_GATED : 0)),
                             .sig_sem = (uint8_t)semaphore(S_FULL, array),
                             .sig_val = last,
                             .a = l->s.a_at + (uint32_t)pixel * l->s.a_pitch,
                             .b = used % l->caps->planes,
                             .c = acc(l, array),
                             .d = array,
                             .n0 = (uint32_t)(l->rows * p->size[2]),
                             .n1 = (uint32_t)p->size[2],
                             .s0 = (int32_t)(p->stride[2] * l->s.a_pitch),
                             .s1 = (int32_t)(p->stride[1] * l->s.in_width * l->s.a_pitch),
                             .p1 = p->a_dtype,
                         });
}

/* An operand of the epilogue: per channel, one number, or an element a pixel, row by row. */
static tn_k_sys_source load_operand(lowering *l, const tn_k_conv_post *q, uint32_t slot, int64_t f,
                                    int64_t count, uint32_t *io_loads)
{
    const tn_k_conv_view *v = &q->view;
    int64_t wide = l->p->size[2], at = l->n * v->n + (l->group * l->p->kg + f) * v->c;
    bool pixels = v->s[1] != 0 || v->s[2] != 0;
    uint32_t bytes = tn_k_elem_bytes(q->dtype), room = (uint32_t)(l->s.rows * wide) * l->s.p_pitch;
    uint32_t to = l->s.p_at + (l->tiles % 2 * l->s.operands + slot) * room;
    uint32_t pitch = tn_k_sys_rows_of(l->caps, 0, (uint64_t)count * bytes);
    uint32_t mode = pixels ? TN_K_SYS_FULL : v->c != 0 ? TN_K_SYS_PER_COLUMN : TN_K_SYS_ONE;
    for (int64_t r = 0; r < (pixels ? l->rows : 1); r++) {
        int64_t row = at + (pixels ? (l->row + r) * v->s[1] : 0);
        tn_k_sys_packet x =
            tn_k_sys_transfer(TN_K_SYS_LD, host(l, (uint32_t)q->operand, q->dtype, row), bytes,
                              pixels ? v->s[2] : 0, v->c, pixels ? wide : 1,
                              mode == TN_K_SYS_ONE ? 1 : count, to + (uint32_t)(r * wide) * pitch);
        x.wait_sem = P_FREE;
        x.wait_val = *io_loads == 0 && l->tiles >= 2;
        x.sig_sem = P_FULL;
        x.sig_val = 1;
        tn_k_sys_put(l->out, x);
        ++*io_loads;
    }
    return (tn_k_sys_source){to, mode, q->dtype};
}

static void finish(lowering *l, uint32_t array, int64_t f, int64_t count)
{
    const tn_k_conv *p = l->p;
    static const tn_k_sys_source none;
    tn_k_sys_source operand[TN_K_CONV_POSTS];
    uint32_t loads = 0, slot = 0, sum = integer(p->a_dtype) ? TN_S32 : TN_F32;
    int64_t wide = p->size[2], pixels = l->rows * wide;
    uint32_t pitch = tn_k_sys_rows_of(l->caps, 0, (uint64_t)count * tn_k_elem_bytes(p->out_dtype));
    uint32_t to = l->s.o_at + l->tiles % 2 * (uint32_t)(l->s.rows * wide) * l->s.o_pitch;
    for (uint32_t i = 0; i < p->post_count; i++)
        if (p->post[i].operand >= 0)
            operand[i] = load_operand(l, &p->post[i], slot++, f, count, &loads);
    for (; loads > 128; loads -= 128)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, P_FULL, 128, 0, 0);
    if (loads != 0)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, P_FULL, loads, 0, 0);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, semaphore(S_FULL, array), 1, 0, 0);
    if (l->tiles >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, O_FREE, 1, 0, 0);
    tn_k_sys_source y = tn_k_sys_full(acc(l, array), sum);
    for (uint32_t i = 0; i < p->post_count; i++) {
        const tn_k_conv_post *q = &p->post[i];
        bool ends = i + 1 == p->post_count;
        tn_k_sys_map(&l->vector, tn_k_conv_step(q->kind), y, q->operand >= 0 ? operand[i] : none,
                     none, q->a, q->kind == TN_POST_SCALE ? -0.0f : q->b, pixels, count,
                     ends ? to : y.at, ends ? p->out_dtype : TN_F32);
    }
    if (p->post_count == 0)
        tn_k_sys_map(&l->vector, 0, y, none, none, 0, 0, pixels, count, to, p->out_dtype);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, semaphore(S_FREE, array), 1);
    if (loads != 0)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, P_FREE, 1);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, O_FULL, 1);
    tn_k_sys_nop(l->out, TN_K_SYS_DMA_OUT, O_FULL, 1, 0, 0);
    for (int64_t r = 0; r < l->rows; r++) {
        int64_t at = l->n * p->out_view.n + (l->group * p->kg + f) * p->out_view.c +
                     (l->row + r) * p->out_view.s[1];
        tn_k_sys_packet x = tn_k_sys_transfer(
            TN_K_SYS_ST, host(l, (uint32_t)p->out, p->out_dtype, at), tn_k_elem_bytes(p->out_dtype),
            p->out_view.s[2], p->out_view.c, wide, count, to + (uint32_t)(r * wide) * pitch);
        x.sig_sem = O_FREE;
        x.sig_val = r + 1 == l->rows;
        tn_k_sys_put(l->out, x);
    }
    l->tiles++;
    l->used[array]++;
}

/* Chunks of filters from f on, one an array, their taps in turn. */
static void chunks(lowering *l, int64_t f)
{
    const tn_k_conv *p = l->p;
    int64_t wide = l->caps->cols, steps = p->kernel[1] * p->kernel[2] * l->s.tiles;
    int64_t count[TN_K_SYS_ARRAYS_MOST];
    uint32_t here = 0;
    for (; here < l->s.arrays && f + here * wide < p->kg; here++)
        count[here] = p->kg - f - here * wide < wide ? p->kg - f - here * wide : wide;
    for (int64_t i = 0; i < steps; i++)
        for (uint32_t a = 0; a < here; a++)
            tap(l, a, i / l->s.tiles / p->kernel[2], i / l->s.tiles % p->kernel[2], i % l->s.tiles,
                f + a * wide, count[a], i == 0, i + 1 == steps);
    for (uint32_t a = 0; a < here; a++)
        finish(l, a, f + a * wide, count[a]);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_conv *p = params;
    lowering l = {.p = p, .caps = caps, .operand = operand, .out = out};
    l.vector = tn_k_sys_blocks(caps, out);
    if (tn_k_conv_pixels(p) == 0 || p->kg == 0 || !layout(p, caps, &l.s))
        return;
    int64_t wide = (int64_t)caps->cols * l.s.arrays;
    for (l.n = 0; l.n < p->n; l.n++)
        for (l.group = 0; l.group < p->groups; l.group++)
            for (l.row = 0; l.row < p->size[1] && !out->failed; l.row += l.s.rows) {
                l.rows = p->size[1] - l.row < l.s.rows ? p->size[1] - l.row : l.s.rows;
                load_input(&l);
                for (int64_t f = 0; f < p->kg; f += wide)
                    chunks(&l, f);
                for (uint32_t a = 0; a < l.s.arrays; a++)
                    tn_k_sys_nop(out, TN_K_SYS_ARRAY + 2 * a, 0, 0, A_FREE, 1);
            }
}

static uint64_t macs(const void *params)
{
    const tn_k_conv *p = params;
    return (uint64_t)tn_k_conv_pixels(p) * (uint64_t)tn_k_conv_taps(p) *
           (uint64_t)(p->groups * p->kg * p->cg);
}

extern const tn_k_sys_row tn_k_conv_systolic;
const tn_k_sys_row tn_k_conv_systolic = {
    .name = "conv_systolic",
    .kind = TN_OP_CONV,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_conv_arithmetic,
    .macs = macs,
};
