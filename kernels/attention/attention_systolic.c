/* SPDX-License-Identifier: Apache-2.0 */
/* Attention as packets: scores and weighted sums in the array, one block of 128 keys at a time; the
 * block and its merge in the vector unit (docs/NUMERICS.md section 7). While the unit works on a
 * block the array makes the scores of the next. */
#include <kernels/attention/attention.h>
#include <kernels/common/widen.h>
#include <kernels/systolic/systolic_rows.h>

enum {
    Q_FULL,
    Q_FREE,
    K_FULL,
    K_FREE,
    V_FULL,
    V_FREE,
    M_FULL,
    M_FREE,
    S_FULL,
    S_FREE,
    P_FULL,
    SUM_FULL,
    SUM_FREE,
    OUT_FULL,
    OUT_FREE
};

/* Where things lie: each twice, for a block and the next. Pitches are rows of the scratchpad. */
typedef struct shape {
    int64_t rows; /* of queries at a time */
    uint32_t q, k, v, mask, t, p, stat, state, o, out;
    uint32_t q_pitch, k_pitch, v_pitch, p_pitch, t_pitch, o_pitch, out_pitch, vector;
} shape;

static uint32_t place(uint32_t *next, uint64_t rows)
{
    uint32_t at = *next;
    *next += (uint32_t)(2 * rows);
    return at;
}

static bool layout(const tn_k_attention_params *p, const tn_k_sys_caps *caps, shape *s)
{
    const uint32_t *type = p->type;
    uint64_t d = (uint64_t)p->d, dv = (uint64_t)p->dv;
    *s = (shape){.rows = p->queries < 128 ? p->queries : 128};
    s->q_pitch = tn_k_sys_rows_of(caps, 0, d * tn_k_elem_bytes(type[TN_K_ATT_Q]));
    s->k_pitch = tn_k_sys_rows_of(caps, 0, d * tn_k_elem_bytes(type[TN_K_ATT_K]));
    s->v_pitch = tn_k_sys_rows_of(caps, 0, dv * tn_k_elem_bytes(type[TN_K_ATT_V]));
    s->p_pitch = tn_k_sys_rows_of(caps, 0, 128u * tn_k_elem_bytes(type[TN_K_ATT_V]));
    s->t_pitch = tn_k_sys_rows_of(caps, 0, 128u * 4);
    s->o_pitch = tn_k_sys_rows_of(caps, 0, dv * 4);
    s->out_pitch = s->o_pitch;
    for (; s->rows > 0; s->rows /= 2) {
        uint64_t n = (uint64_t)s->rows;
        uint32_t next = 0;
        s->vector = tn_k_sys_rows_of(caps, 0, n * 4);
        uint64_t need = 2 * (n * (s->q_pitch + s->t_pitch + s->p_pitch + s->o_pitch + s->out_pitch +
                                  tn_k_sys_rows_of(caps, 0, 128)) +
                             128u * ((uint64_t)s->k_pitch + s->v_pitch) + 4u * s->vector);
        if (need > caps->spad_rows || 4 * n > caps->acc_rows)
            continue;
        s->q = place(&next, n * s->q_pitch);
        s->k = place(&next, (uint64_t)128 * s->k_pitch);
        s->v = place(&next, (uint64_t)128 * s->v_pitch);
        s->mask = place(&next, n * tn_k_sys_rows_of(caps, 0, 128));
        s->t = place(&next, n * s->t_pitch);
        s->p = place(&next, n * s->p_pitch);
        s->stat = place(&next, 2u * s->vector);
        s->state = place(&next, 2u * s->vector);
        s->o = place(&next, n * s->o_pitch);
        s->out = place(&next, n * s->out_pitch);
        return true;
    }
    return false;
}

static bool strides_fit(const tn_k_attention_params *p)
{
    bool good = true;
    for (uint32_t i = 0; i <= TN_K_ATT_MASK; i++)
        for (uint32_t d = 0; d < 4; d++)
            good = good && tn_k_sys_stride_fits(p->stride[i][d], 4);
    return good && p->keys < INT32_MAX / 4 && p->queries < INT32_MAX / 4;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_attention_params *p = params;
    static const uint32_t plain[] = {TN_K_ATT_SINKS, TN_K_ATT_SLOPES, TN_K_ATT_LENGTHS,
                                     TN_K_ATT_STATS, TN_K_ATT_PAGES};
    shape s;
    for (uint32_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (p->slot[plain[i]] != 0)
            return tn_k_refuse(why, "systolic.kind", "args",
                               "takes Q, K, V, OUT and a mask of bool alone");
    for (uint32_t i = TN_K_ATT_Q; i <= TN_K_ATT_V; i++)
        if ((caps->array_types >> p->type[i] & 1u) == 0 || !tn_k_widens(p->type[i]))
            return tn_k_refuse(why, "systolic.dtype", "q",
                               "the matrix array has no multipliers for these types");
    if (p->mask == TN_K_ATT_ADD_MASK || p->from_end || p->first_key % 128 != 0)
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes masks of bool, and keys from a multiple of 128 on");
    if (caps->rows < 128 || caps->cols < 128 || p->d > 128 || p->dv > 128 || p->d == 0 ||
        (caps->flags & TN_K_SYS_SEQUENTIAL) == 0 || (caps->flags & TN_K_SYS_LDW_TRANSPOSES) == 0)
        return tn_k_refuse(
            why, "systolic.order", "q",
            "needs an array of 128 by 128 that adds one by one, and heads of at most "
            "128");
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    return (strides_fit(p) && layout(p, caps, &s)) || tn_k_sys_no_room(why);
}

typedef struct lowering {
    const tn_k_attention_params *p;
    const tn_k_sys_caps *caps;
    const uint64_t *operand;
    tn_k_sys_stream *out;
    tn_k_sys_block vector; /* for tn_k_sys_map alone */
    shape s;
    int64_t batch, head, row, rows;          /* the queries at hand */
    uint32_t planes, blocks, masks, queries; /* used so far */
} lowering;

static uint64_t address(const lowering *l, int which, int64_t head, int64_t row)
{
    const int64_t *s = l->p->stride[which];
    int64_t bytes = which == TN_K_ATT_MASK ? 1 : (int64_t)tn_k_elem_bytes(l->p->type[which]);
    return l->operand[l->p->slot[which] - 1] +
           (uint64_t)((l->batch * s[0] + head * s[1] + row * s[2]) * bytes);
}

static void load(lowering *l, int which, int64_t head, int64_t row, int64_t rows, int64_t cols,
                 uint32_t at, uint32_t full, uint32_t free, bool again)
{
    const int64_t *s = l->p->stride[which];
    uint32_t bytes = tn_k_elem_bytes(l->p->type[which]);
    tn_k_sys_packet x = tn_k_sys_transfer(TN_K_SYS_LD, address(l, which, head, row), bytes, s[2],
                                          s[3], rows, cols, at);
    x.wait_sem = (uint8_t)free;
    x.wait_val = again;
    x.sig_sem = (uint8_t)full;
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
}

static uint32_t weights(lowering *l, uint32_t at, uint32_t pitch, uint32_t type, int64_t k,
                        int64_t n, bool turned, uint32_t full, uint32_t free)
{
    uint32_t plane = l->planes++ % l->caps->planes;
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                           .flags = turned ? TN_K_SYS_TRANSPOSE : 0,
                                           .wait_sem = (uint8_t)full,
                                           .wait_val = 1,
                                           .sig_sem = (uint8_t)free,
                                           .sig_val = 1,
                                           .a = at,
                                           .b = plane,
                                           .n0 = (uint32_t)k,
                                           .n1 = (uint32_t)n,
                                           .s0 = (int32_t)pitch,
                                           .p1 = type});
    return plane;
}

static int64_t keys_of(const lowering *l, int64_t key)
{
    return l->p->keys - key < 128 ? l->p->keys - key : 128;
}

static uint32_t acc(const lowering *l, uint32_t which, uint32_t block)
{
    return TN_K_SYS_ACC | (2 * which + block % 2) * (uint32_t)l->s.rows;
}

/* Scores of a block: K' stands, Q streams. */
static void scores(lowering *l, int64_t key, uint32_t block, bool first)
{
    const tn_k_attention_params *p = l->p;
    int64_t n = keys_of(l, key), kv = l->head / (p->heads / p->kv_heads);
    uint32_t at = l->s.k + block % 2 * 128 * l->s.k_pitch;
    load(l, TN_K_ATT_K, kv, key, n, p->d, at, K_FULL, K_FREE, block >= 2);
    uint32_t plane =
        weights(l, at, l->s.k_pitch, p->type[TN_K_ATT_K], p->d, n, true, K_FULL, K_FREE);
    if (block >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, S_FREE, 1, 0, 0);
    tn_k_sys_put(
        l->out, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                  .flags = TN_K_SYS_ZERO,
                                  .wait_sem = Q_FULL,
                                  .wait_val = first,
                                  .sig_sem = S_FULL,
                                  .sig_val = 1,
                                  .a = l->s.q + l->queries % 2 * (uint32_t)l->s.rows * l->s.q_pitch,
                                  .b = plane,
                                  .c = acc(l, 0, block),
                                  .n0 = (uint32_t)l->rows,
                                  .s0 = (int32_t)l->s.q_pitch,
                                  .p1 = p->type[TN_K_ATT_Q]});
}

static uint32_t limit(int64_t x)
{
    const int64_t most = INT32_MAX / 2;
    return (uint32_t)(int32_t)(x > most ? most : x < -most ? -most : x);
}

/* From scores to weights, in base 2. */
static void block(lowering *l, int64_t key, uint32_t index)
{
    const tn_k_attention_params *p = l->p;
    static const tn_k_sys_source none;
    int64_t n = keys_of(l, key), at = p->position + l->row - p->first_key;
    uint32_t rows = (uint32_t)l->s.rows, mask = l->s.mask, one = tn_k_sys_rows_of(l->caps, 0, 128);
    uint32_t t = l->s.t + index % 2 * rows * l->s.t_pitch;
    bool masked = p->mask == TN_K_ATT_BOOL_MASK;
    if (masked) {
        const int64_t *s = p->stride[TN_K_ATT_MASK];
        mask += l->masks % 2 * rows * one;
        tn_k_sys_packet x = tn_k_sys_transfer(
            TN_K_SYS_LD, address(l, TN_K_ATT_MASK, l->head, l->row) + (uint64_t)(key * s[3]), 1,
            s[2], s[3], l->rows, n, mask);
        x.wait_sem = M_FREE;
        x.wait_val = l->masks >= 2;
        x.sig_sem = M_FULL;
        x.sig_val = 1;
        tn_k_sys_put(l->out, x);
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, M_FULL, 1, 0, 0);
        l->masks++;
    }
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, S_FULL, 1, 0, 0);
    tn_k_sys_source x = tn_k_sys_full(acc(l, 0, index), TN_F32), y = tn_k_sys_full(t, TN_F32);
    if (p->inner != 0.0f) {
        tn_k_sys_map(&l->vector, TN_ELTWISE_SCALE, x, none, none, p->inner, -0.0f, l->rows, n, t,
                     TN_F32);
        tn_k_sys_map(&l->vector, TN_ELTWISE_TANH, y, none, none, 0, 0, l->rows, n, t, TN_F32);
        x = y;
    }
    tn_k_sys_map(&l->vector, TN_ELTWISE_SCALE, x, none, none, p->c, -0.0f, l->rows, n, t, TN_F32);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, S_FREE, 1);
    tn_k_sys_put(l->out,
                 (tn_k_sys_packet){
                     .op = TN_K_SYS_BLK,
                     .sig_sem = P_FULL,
                     .sig_val = 1,
                     .a = t,
                     .b = mask,
                     .c = l->s.p + index % 2 * rows * l->s.p_pitch,
                     .d = l->s.stat + index % 2 * 2 * l->s.vector,
                     .n0 = (uint32_t)l->rows,
                     .n1 = (uint32_t)n,
                     .n2 = TN_K_SYS_MAP_TYPES(TN_F32, masked ? TN_U8 : 0, 0, p->type[TN_K_ATT_V]),
                     .p0 = limit(p->left == INT64_MAX ? -key - l->rows : at - p->left - key),
                     .p1 = limit(p->right == INT64_MAX ? p->keys : at + p->right + 1 - key)});
    if (masked)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, M_FREE, 1);
}

/* The sums that the weights make of the values, and their merge into what was before. */
static void sums(lowering *l, int64_t key, uint32_t index, bool first)
{
    const tn_k_attention_params *p = l->p;
    int64_t n = keys_of(l, key), kv = l->head / (p->heads / p->kv_heads);
    uint32_t at = l->s.v + index % 2 * 128 * l->s.v_pitch, rows = (uint32_t)l->s.rows;
    load(l, TN_K_ATT_V, kv, key, n, p->dv, at, V_FULL, V_FREE, index >= 2);
    uint32_t plane =
        weights(l, at, l->s.v_pitch, p->type[TN_K_ATT_V], n, p->dv, false, V_FULL, V_FREE);
    uint32_t pitch =
        tn_k_sys_rows_of(l->caps, 0, (uint64_t)n * tn_k_elem_bytes(p->type[TN_K_ATT_V]));
    if (index >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, SUM_FREE, 1, 0, 0);
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                           .flags = TN_K_SYS_ZERO | TN_K_SYS_GATED,
                                           .wait_sem = P_FULL,
                                           .wait_val = 1,
                                           .sig_sem = SUM_FULL,
                                           .sig_val = 1,
                                           .a = l->s.p + index % 2 * rows * l->s.p_pitch,
                                           .b = plane,
                                           .c = acc(l, 1, index),
                                           .n0 = (uint32_t)l->rows,
                                           .s0 = (int32_t)pitch,
                                           .p1 = p->type[TN_K_ATT_V]});
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_MRG,
                                           .flags = first ? TN_K_SYS_ZERO : 0,
                                           .wait_sem = SUM_FULL,
                                           .wait_val = 1,
                                           .sig_sem = SUM_FREE,
                                           .sig_val = 1,
                                           .a = acc(l, 1, index),
                                           .b = l->s.state + l->queries % 2 * 2 * l->s.vector,
                                           .c = l->s.o + l->queries % 2 * rows * l->s.o_pitch,
                                           .d = l->s.stat + index % 2 * 2 * l->s.vector,
                                           .n0 = (uint32_t)l->rows,
                                           .n1 = (uint32_t)p->dv});
}

/* y = o * recip(l), +0 where no key took part: 1/0 is no further than the largest number. */
static void finish(lowering *l)
{
    const tn_k_attention_params *p = l->p;
    static const tn_k_sys_source none;
    const int64_t *s = p->stride[TN_K_ATT_OUT];
    uint32_t rows = (uint32_t)l->s.rows, half = l->queries % 2, type = p->type[TN_K_ATT_OUT];
    uint32_t out = l->s.out + half * rows * l->s.out_pitch;
    uint32_t sum =
        l->s.state + half * 2 * l->s.vector + tn_k_sys_rows_of(l->caps, 0, (uint64_t)l->rows * 4);
    tn_k_sys_source word = tn_k_sys_full(sum, TN_F32);
    tn_k_sys_source o = tn_k_sys_full(l->s.o + half * rows * l->s.o_pitch, TN_F32);
    if (l->queries >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, OUT_FREE, 1, 0, 0);
    tn_k_sys_map(&l->vector, TN_ELTWISE_RECIP, word, none, none, 0, 0, 1, l->rows, sum, TN_F32);
    tn_k_sys_map(&l->vector, TN_ELTWISE_CLAMP, word, none, none, 0.0f, 0x1.fffffep+127f, 1, l->rows,
                 sum, TN_F32);
    tn_k_sys_map(&l->vector, TN_ELTWISE_MUL, o, tn_k_sys_per_row(sum), none, 0, 0, l->rows, p->dv,
                 out, type);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, OUT_FULL, 1);
    tn_k_sys_packet x = tn_k_sys_transfer(TN_K_SYS_ST, address(l, TN_K_ATT_OUT, l->head, l->row),
                                          tn_k_elem_bytes(type), s[2], s[3], l->rows, p->dv, out);
    x.wait_sem = OUT_FULL;
    x.wait_val = 1;
    x.sig_sem = OUT_FREE;
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
}

/* Without keys every output is +0. */
static void nothing(lowering *l)
{
    uint32_t rows = (uint32_t)l->s.rows, half = l->queries % 2;
    tn_k_sys_packet x = {.op = TN_K_SYS_FILL,
                         .a = l->s.o + half * rows * l->s.o_pitch,
                         .n0 = (uint32_t)l->rows * l->s.o_pitch,
                         .sig_sem = Q_FULL,
                         .sig_val = 1};
    if (l->queries >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_DMA_IN, Q_FREE, 1, 0, 0);
    tn_k_sys_put(l->out, x);
    x.a = l->s.state + half * 2 * l->s.vector;
    x.n0 = 2 * l->s.vector;
    tn_k_sys_put(l->out, x);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, Q_FULL, 2, 0, 0);
    finish(l);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, Q_FREE, 1);
    l->queries++;
}

static void rows_of_queries(lowering *l)
{
    const tn_k_attention_params *p = l->p;
    uint32_t first = l->blocks;
    if (p->keys == 0) {
        nothing(l);
        return;
    }
    load(l, TN_K_ATT_Q, l->head, l->row, l->rows, p->d,
         l->s.q + l->queries % 2 * (uint32_t)l->s.rows * l->s.q_pitch, Q_FULL, Q_FREE,
         l->queries >= 2);
    scores(l, 0, first, true);
    for (int64_t key = 0; key < p->keys; key += 128, l->blocks++) {
        if (key + 128 < p->keys)
            scores(l, key + 128, l->blocks + 1, false);
        else
            tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, 0, 0, Q_FREE, 1);
        block(l, key, l->blocks);
        sums(l, key, l->blocks, key == 0);
    }
    finish(l);
    l->queries++;
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_attention_params *p = params;
    lowering l = {.p = p, .caps = caps, .operand = operand, .out = out};
    l.vector = tn_k_sys_blocks(caps, out);
    if (!layout(p, caps, &l.s) || p->dv == 0)
        return;
    for (l.batch = 0; l.batch < p->batch; l.batch++)
        for (l.head = 0; l.head < p->heads && !out->failed; l.head++)
            for (l.row = 0; l.row < p->queries; l.row += l.s.rows) {
                l.rows = p->queries - l.row < l.s.rows ? p->queries - l.row : l.s.rows;
                rows_of_queries(&l);
            }
}

static uint64_t macs(const void *params)
{
    const tn_k_attention_params *p = params;
    return (uint64_t)(p->batch * p->heads * p->queries) * (uint64_t)(p->keys * (p->d + p->dv));
}

const tn_k_sys_row tn_k_attention_systolic = {
    .name = "attention_systolic",
    .kind = TN_OP_ATTENTION,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_attention_arithmetic,
    .macs = macs,
};
