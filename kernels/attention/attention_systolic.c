/* SPDX-License-Identifier: Apache-2.0 */
/* Attention as packets: scores and weighted sums in the array, one block of 128 keys at a time; the
 * block and its merge in the vector unit (docs/NUMERICS.md section 7). While the unit works on a
 * block the array makes the scores of the next. An array that is smaller than a block or a head
 * takes them in parts, which the vector unit lays side by side. */
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
    OUT_FREE,
    W_FULL, /* words: sink, slope, length */
    W_FREE,
    SEMAPHORES
};
enum { BLOCK = 128, PARTS_MOST = 64 };
#define L2E 0x1.715476p+0f

/* Where things lie: each twice, for a block and the next, but what the vector unit alone works in.
 * Pitches are rows of the scratchpad. The parts: of a head in the array's rows (d), of a block in
 * its columns (wide) and in its rows (high), of a value in its columns (dv). */
typedef struct shape {
    int64_t rows; /* of queries at a time */
    int64_t d, wide, high, dv;
    uint32_t d_parts, wide_parts, high_parts, dv_parts;
    uint32_t q, k, v, mask, t, p, stat, state, o, out, words, parts, sums, far, takes, constants;
    uint32_t q_pitch, k_pitch, v_pitch, p_pitch, t_pitch, o_pitch, out_pitch, part_pitch,
        mask_pitch, takes_pitch, vector;
} shape;

static uint32_t place(uint32_t *next, uint64_t rows)
{
    uint32_t at = *next;
    *next += (uint32_t)(2 * rows);
    return at;
}

static uint32_t count_of(int64_t all, int64_t each)
{
    return all == 0 ? 1 : (uint32_t)((all + each - 1) / each);
}

static bool given(const tn_k_attention_params *p, int operand)
{
    return p->slot[operand] != 0;
}

static bool cut(const tn_k_attention_params *p)
{
    return given(p, TN_K_ATT_LENGTHS);
}

static void parts_of(const tn_k_attention_params *p, const tn_k_sys_caps *caps, shape *s)
{
    int64_t high = caps->rows < BLOCK ? (int64_t)caps->rows : BLOCK, wide = caps->cols;
    s->d = p->d < high ? p->d : high;
    s->high = high;
    s->wide = wide < BLOCK ? wide : BLOCK;
    s->dv = p->dv < wide ? p->dv : wide;
    s->d_parts = count_of(p->d, s->d);
    s->high_parts = count_of(BLOCK, s->high);
    s->wide_parts = count_of(BLOCK, s->wide);
    s->dv_parts = count_of(p->dv, s->dv == 0 ? 1 : s->dv);
}

static bool layout(const tn_k_attention_params *p, const tn_k_sys_caps *caps, shape *s)
{
    const uint32_t *type = p->type;
    uint32_t vb = tn_k_elem_bytes(type[TN_K_ATT_V]);
    *s = (shape){.rows = p->queries < BLOCK ? p->queries : BLOCK};
    parts_of(p, caps, s);
    s->q_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)s->d * tn_k_elem_bytes(type[TN_K_ATT_Q]));
    s->k_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)s->d * tn_k_elem_bytes(type[TN_K_ATT_K]));
    s->v_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)s->dv * vb);
    s->p_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)BLOCK * vb);
    s->part_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)s->high * vb);
    s->t_pitch = tn_k_sys_rows_of(caps, 0, BLOCK * 4u);
    s->o_pitch = tn_k_sys_rows_of(caps, 0, (uint64_t)p->dv * 4);
    s->out_pitch = s->o_pitch;
    s->takes_pitch = tn_k_sys_rows_of(caps, 0, BLOCK);
    s->mask_pitch = p->mask == TN_K_ATT_ADD_MASK ? s->t_pitch : s->takes_pitch;
    if (s->d_parts > PARTS_MOST || s->dv_parts > PARTS_MOST || s->high_parts > PARTS_MOST)
        return false;
    for (; s->rows > 0; s->rows /= 2) {
        uint64_t n = (uint64_t)s->rows, chunks = s->high_parts > 1 ? s->high_parts : 0;
        uint64_t sums = s->dv_parts > 1 ? n * s->o_pitch : 0;
        uint32_t next = 0;
        s->vector = tn_k_sys_rows_of(caps, 0, n * 4);
        uint64_t twice =
            n * ((uint64_t)s->d_parts * s->q_pitch + s->t_pitch + s->p_pitch + s->o_pitch +
                 s->out_pitch + s->mask_pitch + chunks * s->part_pitch) +
            BLOCK * ((uint64_t)s->d_parts * s->k_pitch + (uint64_t)s->dv_parts * s->v_pitch) +
            4u * s->vector + sums + 3;
        uint64_t once = n * ((uint64_t)s->t_pitch + s->takes_pitch) + 4 + 3u * s->vector;
        uint64_t acc = 2 * n * ((uint64_t)s->wide_parts + s->dv_parts);
        if (2 * twice + once > caps->spad_rows || acc > caps->acc_rows)
            continue;
        s->q = place(&next, n * s->d_parts * s->q_pitch);
        s->k = place(&next, (uint64_t)BLOCK * s->d_parts * s->k_pitch);
        s->v = place(&next, (uint64_t)BLOCK * s->dv_parts * s->v_pitch);
        s->mask = place(&next, n * s->mask_pitch);
        s->t = place(&next, n * s->t_pitch);
        s->p = place(&next, n * s->p_pitch);
        s->parts = place(&next, n * chunks * s->part_pitch);
        s->stat = place(&next, 2u * s->vector);
        s->state = place(&next, 2u * s->vector);
        s->o = place(&next, n * s->o_pitch);
        s->out = place(&next, n * s->out_pitch);
        s->sums = place(&next, sums);
        s->words = place(&next, 3);
        s->far = next;
        s->takes = s->far + (uint32_t)n * s->t_pitch;
        s->constants = s->takes + (uint32_t)n * s->takes_pitch;
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
    return good && p->keys < INT32_MAX / 4 && p->queries < INT32_MAX / 4 &&
           p->position < INT32_MAX / 4 && p->position > -INT32_MAX / 4 &&
           p->first_key < INT32_MAX / 4;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_attention_params *p = params;
    shape s;
    if (given(p, TN_K_ATT_STATS) || given(p, TN_K_ATT_PAGES) || (p->from_end && cut(p)) ||
        p->first_key % BLOCK != 0)
        return tn_k_refuse(
            why, "systolic.kind", "args",
            "takes no statistics, pages, lengths that queries end at, and keys from a "
            "multiple of 128 on");
    for (uint32_t i = TN_K_ATT_Q; i <= TN_K_ATT_V; i++)
        if ((caps->array_types >> p->type[i] & 1u) == 0 || !tn_k_widens(p->type[i]))
            return tn_k_refuse(why, "systolic.dtype", "q",
                               "the matrix array has no multipliers for these types");
    if (cls == TN_CLASS_CANONICAL &&
        (caps->rows < BLOCK || (caps->flags & TN_K_SYS_SEQUENTIAL) == 0))
        return tn_k_refuse(why, "systolic.order", "numerics.cls",
                           "the array adds in another order than chunks of 128, one by one");
    if ((caps->flags & TN_K_SYS_LDW_TRANSPOSES) == 0 || p->d == 0)
        return tn_k_refuse(
            why, "systolic.order", "q",
            "needs an array that takes its weights turned, and heads of some length");
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    return (strides_fit(p) && caps->semaphores >= SEMAPHORES && layout(p, caps, &s)) ||
           tn_k_sys_no_room(why);
}

typedef struct lowering {
    const tn_k_attention_params *p;
    const tn_k_sys_caps *caps;
    const uint64_t *operand;
    tn_k_sys_stream *out;
    tn_k_sys_block vector; /* for tn_k_sys_map alone */
    shape s;
    int64_t batch, head, row, rows, position; /* the queries at hand; of query 0 */
    uint32_t planes, blocks, masks, queries;  /* used so far */
} lowering;

static const tn_k_sys_source none;

static uint64_t address(const lowering *l, int which, int64_t head, int64_t row, int64_t col)
{
    const int64_t *s = l->p->stride[which];
    int64_t bytes = which == TN_K_ATT_MASK && l->p->mask == TN_K_ATT_BOOL_MASK
                        ? 1
                        : (int64_t)tn_k_elem_bytes(l->p->type[which]);
    return l->operand[l->p->slot[which] - 1] +
           (uint64_t)((l->batch * s[0] + head * s[1] + row * s[2] + col * s[3]) * bytes);
}

/* Rows of an operand in parts of `each` columns, each part a tile of `high` rows. */
static void load(lowering *l, int which, int64_t head, int64_t row, int64_t rows, int64_t cols,
                 int64_t each, uint32_t high, uint32_t pitch, uint32_t at, uint32_t full,
                 uint32_t free, bool again)
{
    const int64_t *s = l->p->stride[which];
    uint32_t bytes = tn_k_elem_bytes(l->p->type[which]);
    for (int64_t c = 0; c < cols; c += each) {
        int64_t here = cols - c < each ? cols - c : each;
        tn_k_sys_packet x =
            tn_k_sys_transfer(TN_K_SYS_LD, address(l, which, head, row, c), bytes, s[2], s[3], rows,
                              here, at + (uint32_t)(c / each) * high * pitch);
        x.b = pitch;
        x.wait_sem = (uint8_t)free;
        x.wait_val = again && c == 0;
        x.sig_sem = (uint8_t)full;
        x.sig_val = 1;
        tn_k_sys_put(l->out, x);
    }
}

/* A tile of weights; *plane is where it goes. */
static tn_k_sys_packet weights(lowering *l, uint32_t at, uint32_t pitch, uint32_t type, int64_t k,
                               int64_t n, bool turned, uint32_t *plane)
{
    *plane = l->planes++ % l->caps->planes;
    return (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                             .flags = turned ? TN_K_SYS_TRANSPOSE : 0,
                             .a = at,
                             .b = *plane,
                             .n0 = (uint32_t)k,
                             .n1 = (uint32_t)n,
                             .s0 = (int32_t)pitch,
                             .p1 = type};
}

static int64_t keys_of(const lowering *l, int64_t key)
{
    return l->p->keys - key < BLOCK ? l->p->keys - key : BLOCK;
}

/* Accumulators: scores of a block, then sums of a block, each twice and in parts. */
static uint32_t acc(const lowering *l, bool sums, uint32_t block, uint32_t part)
{
    uint32_t each = sums ? l->s.dv_parts : l->s.wide_parts;
    uint32_t first = sums ? 2 * l->s.wide_parts : 0;
    return TN_K_SYS_ACC | (first + block % 2 * each + part) * (uint32_t)l->s.rows;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Scores of a block: K' stands, Q streams. */
static void scores(lowering *l, int64_t key, uint32_t block, bool first)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    int64_t n = keys_of(l, key), kv = l->head / (p->heads / p->kv_heads);
    uint32_t at = s->k + block % 2 * BLOCK * s->d_parts * s->k_pitch, plane;
    uint32_t q = s->q + l->queries % 2 * (uint32_t)s->rows * s->d_parts * s->q_pitch;
    load(l, TN_K_ATT_K, kv, key, n, p->d, s->d, BLOCK, s->k_pitch, at, K_FULL, K_FREE, block >= 2);
    tn_k_sys_nop(l->out, TN_K_SYS_WEIGHTS, K_FULL, s->d_parts, 0, 0);
    if (block >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, S_FREE, 1, 0, 0);
    if (first)
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, Q_FULL, s->d_parts, 0, 0);
    for (int64_t c = 0; c < n; c += s->wide)
        for (uint32_t i = 0; i < s->d_parts; i++) {
            int64_t k = least(p->d - i * s->d, s->d);
            bool last = i + 1 == s->d_parts && c + s->wide >= n;
            tn_k_sys_packet w =
                weights(l, at + (i * BLOCK + (uint32_t)c) * s->k_pitch, s->k_pitch,
                        p->type[TN_K_ATT_K], k, least(n - c, s->wide), true, &plane);
            w.sig_sem = K_FREE;
            w.sig_val = last;
            tn_k_sys_put(l->out, w);
            tn_k_sys_put(l->out,
                         (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                           .flags = i == 0 ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE,
                                           .sig_sem = S_FULL,
                                           .sig_val = last,
                                           .a = q + i * (uint32_t)s->rows * s->q_pitch,
                                           .b = plane,
                                           .c = acc(l, false, block, (uint32_t)(c / s->wide)),
                                           .n0 = (uint32_t)l->rows,
                                           .s0 = (int32_t)s->q_pitch,
                                           .p1 = p->type[TN_K_ATT_Q]});
        }
}

static uint32_t limit(int64_t x)
{
    const int64_t most = INT32_MAX / 2;
    return (uint32_t)(int32_t)(x > most ? most : x < -most ? -most : x);
}

static tn_k_sys_source one(uint32_t at, uint32_t type)
{
    return (tn_k_sys_source){at, TN_K_SYS_ONE, type};
}

/* The words of the head: sink, slope, length. */
static uint32_t word_at(const lowering *l, uint32_t which)
{
    return l->s.words + l->queries % 2 * 3 + which;
}

/* L2E, -Inf and +0 on rows of their own. */
static void constants(lowering *l)
{
    const float values[] = {L2E, -__builtin_inff()};
    for (uint32_t i = 0; i < 3; i++)
        tn_k_sys_put(l->out, (tn_k_sys_packet){
                                 .op = TN_K_SYS_IOT, .c = l->s.constants + i, .n0 = 1, .n1 = 1});
    for (uint32_t i = 0; i < 2; i++)
        tn_k_sys_map(&l->vector, TN_ELTWISE_CLAMP, tn_k_sys_full(l->s.constants + i, TN_F32), none,
                     none, values[i], values[i], 1, 1, l->s.constants + i, TN_F32);
}

static void load_mask(lowering *l, int64_t key, int64_t n, uint32_t at)
{
    const int64_t *s = l->p->stride[TN_K_ATT_MASK];
    uint32_t bytes = l->p->mask == TN_K_ATT_ADD_MASK ? 4 : 1;
    tn_k_sys_packet x =
        tn_k_sys_transfer(TN_K_SYS_LD, address(l, TN_K_ATT_MASK, l->head, l->row, key), bytes, s[2],
                          s[3], l->rows, n, at);
    x.wait_sem = M_FREE;
    x.wait_val = l->masks >= 2;
    x.sig_sem = M_FULL;
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, M_FULL, 1, 0, 0);
    l->masks++;
}

/* c[row][column] = first + column * along + row * down */
static void count_up(lowering *l, int64_t first, int32_t along, int32_t down, int64_t n)
{
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_IOT,
                                           .c = l->s.far,
                                           .n0 = (uint32_t)l->rows,
                                           .n1 = (uint32_t)n,
                                           .s1 = (int32_t)first,
                                           .p0 = (uint32_t)along,
                                           .p1 = (uint32_t)down});
}

/* Scores in base 2: scaled, through the cap, with bias and slope. */
static void scale(lowering *l, int64_t key, int64_t n, uint32_t index, uint32_t t, uint32_t mask)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    tn_k_sys_source y = tn_k_sys_full(t, TN_F32);
    float factor = p->inner != 0.0f ? p->inner : p->c;
    uint32_t pitch = tn_k_sys_rows_of(l->caps, 0, (uint64_t)n * 4);
    for (int64_t c = 0; c < n; c += s->wide)
        tn_k_sys_map_parts(
            &l->vector, TN_ELTWISE_SCALE,
            (tn_k_sys_part){acc(l, false, index, (uint32_t)(c / s->wide)), TN_F32, 0, 0}, none,
            factor, -0.0f, l->rows, least(n - c, s->wide),
            (tn_k_sys_part){t, TN_F32, pitch, (uint32_t)c * 4});
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, S_FREE, 1);
    if (p->inner != 0.0f) {
        tn_k_sys_map(&l->vector, TN_ELTWISE_TANH, y, none, none, 0, 0, l->rows, n, t, TN_F32);
        tn_k_sys_map(&l->vector, TN_ELTWISE_SCALE, y, none, none, p->c, -0.0f, l->rows, n, t,
                     TN_F32);
    }
    if (p->mask == TN_K_ATT_ADD_MASK)
        tn_k_sys_map(&l->vector, TN_ELTWISE_FMA, tn_k_sys_full(mask, TN_F32),
                     one(s->constants, TN_F32), y, 0, 0, l->rows, n, t, TN_F32);
    if (given(p, TN_K_ATT_SLOPES)) {
        count_up(l, p->first_key + key - l->position - l->row, 1, -1, n);
        tn_k_sys_source far = tn_k_sys_full(s->far, TN_F32);
        tn_k_sys_map(&l->vector, TN_ELTWISE_MUL, far, one(word_at(l, 1), TN_F32), none, 0, 0,
                     l->rows, n, s->far, TN_F32);
        tn_k_sys_map(&l->vector, TN_ELTWISE_FMA, far, one(s->constants, TN_F32), y, 0, 0, l->rows,
                     n, t, TN_F32);
    }
}

/* Which keys take part, as bytes: inside of the length and not masked. */
static void cut_off(lowering *l, int64_t key, int64_t n, uint32_t mask)
{
    const shape *s = &l->s;
    count_up(l, key, 1, 0, n);
    tn_k_sys_map(&l->vector, TN_ELTWISE_LESS, tn_k_sys_full(s->far, TN_F32),
                 one(word_at(l, 2), TN_S32), none, 0, 0, l->rows, n, s->takes, TN_BOOL);
    if (l->p->mask == TN_K_ATT_BOOL_MASK)
        tn_k_sys_map(&l->vector, TN_ELTWISE_MUL, tn_k_sys_full(s->takes, TN_BOOL),
                     tn_k_sys_full(mask, TN_BOOL), none, 0, 0, l->rows, n, s->takes, TN_BOOL);
}

/* From scores to weights, in base 2. */
static void block(lowering *l, int64_t key, uint32_t index)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    int64_t n = keys_of(l, key), at = l->position + l->row - p->first_key;
    uint32_t rows = (uint32_t)s->rows, t = s->t + index % 2 * rows * s->t_pitch;
    uint32_t mask = s->mask + l->masks % 2 * rows * s->mask_pitch, takes = mask;
    uint32_t weight = s->p + index % 2 * rows * s->p_pitch,
             vb = tn_k_elem_bytes(p->type[TN_K_ATT_V]);
    bool masked = p->mask != TN_K_ATT_NO_MASK, parts = s->high_parts > 1;
    if (masked)
        load_mask(l, key, n, mask);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, S_FULL, 1, 0, 0);
    scale(l, key, n, index, t, mask);
    if (cut(p)) {
        cut_off(l, key, n, mask);
        takes = s->takes;
    }
    tn_k_sys_put(
        l->out,
        (tn_k_sys_packet){
            .op = TN_K_SYS_BLK,
            .sig_sem = P_FULL,
            .sig_val = !parts,
            .a = t,
            .b = takes,
            .c = weight,
            .d = s->stat + index % 2 * 2 * s->vector,
            .n0 = (uint32_t)l->rows,
            .n1 = (uint32_t)n,
            .n2 = TN_K_SYS_MAP_TYPES(TN_F32, cut(p) || p->mask == TN_K_ATT_BOOL_MASK ? TN_U8 : 0, 0,
                                     p->type[TN_K_ATT_V]),
            .p0 = limit(p->left == INT64_MAX ? -key - l->rows : at - p->left - key),
            .p1 = limit(p->right == INT64_MAX ? p->keys : at + p->right + 1 - key)});
    for (int64_t k = 0; parts && k < n; k += s->high) {
        uint32_t to =
            s->parts + (index % 2 * s->high_parts + (uint32_t)(k / s->high)) * rows * s->part_pitch;
        tn_k_sys_map_parts(&l->vector, 0,
                           (tn_k_sys_part){weight, p->type[TN_K_ATT_V],
                                           tn_k_sys_rows_of(l->caps, 0, (uint64_t)n * vb),
                                           (uint32_t)k * vb},
                           none, 0, 0, l->rows, least(n - k, s->high),
                           (tn_k_sys_part){to, p->type[TN_K_ATT_V], s->part_pitch, 0});
    }
    if (parts)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, P_FULL, 1);
    if (masked)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, M_FREE, 1);
}

/* The weights times the values of a block, into accumulators. */
static void weigh(lowering *l, int64_t key, uint32_t index)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    int64_t n = keys_of(l, key), kv = l->head / (p->heads / p->kv_heads);
    uint32_t at = s->v + index % 2 * BLOCK * s->dv_parts * s->v_pitch, plane;
    uint32_t rows = (uint32_t)s->rows, vb = tn_k_elem_bytes(p->type[TN_K_ATT_V]);
    uint32_t whole = tn_k_sys_rows_of(l->caps, 0, (uint64_t)n * vb);
    load(l, TN_K_ATT_V, kv, key, n, p->dv, s->dv, BLOCK, s->v_pitch, at, V_FULL, V_FREE,
         index >= 2);
    tn_k_sys_nop(l->out, TN_K_SYS_WEIGHTS, V_FULL, s->dv_parts, 0, 0);
    if (index >= 2)
        tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, SUM_FREE, 1, 0, 0);
    tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, P_FULL, 1, 0, 0);
    for (uint32_t c = 0; c < s->dv_parts; c++)
        for (int64_t k = 0; k < n; k += s->high) {
            bool last = c + 1 == s->dv_parts && k + s->high >= n;
            uint32_t part = (uint32_t)(k / s->high);
            tn_k_sys_packet w = weights(l, at + (c * BLOCK + (uint32_t)k) * s->v_pitch, s->v_pitch,
                                        p->type[TN_K_ATT_V], least(n - k, s->high),
                                        least(p->dv - c * s->dv, s->dv), false, &plane);
            w.sig_sem = V_FREE;
            w.sig_val = last;
            tn_k_sys_put(l->out, w);
            tn_k_sys_put(
                l->out, (tn_k_sys_packet){
                            .op = TN_K_SYS_MM,
                            .flags = (uint8_t)((k == 0 ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE) |
                                               TN_K_SYS_GATED),
                            .sig_sem = SUM_FULL,
                            .sig_val = last,
                            .a = s->high_parts > 1 ? s->parts + (index % 2 * s->high_parts + part) *
                                                                    rows * s->part_pitch
                                                   : s->p + index % 2 * rows * s->p_pitch,
                            .b = plane,
                            .c = acc(l, true, index, c),
                            .n0 = (uint32_t)l->rows,
                            .s0 = (int32_t)(s->high_parts > 1 ? s->part_pitch : whole),
                            .p1 = p->type[TN_K_ATT_V]});
        }
}

/* The sums of a block, and their merge into what was before. */
static void sums(lowering *l, int64_t key, uint32_t index, bool first)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    uint32_t rows = (uint32_t)s->rows, from = acc(l, true, index, 0);
    weigh(l, key, index);
    tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, SUM_FULL, 1, 0, 0);
    if (s->dv_parts > 1) {
        from = s->sums + index % 2 * rows * s->o_pitch;
        for (uint32_t c = 0; c < s->dv_parts; c++)
            tn_k_sys_map_parts(
                &l->vector, 0, (tn_k_sys_part){acc(l, true, index, c), TN_F32, 0, 0}, none, 0, 0,
                l->rows, least(p->dv - c * s->dv, s->dv),
                (tn_k_sys_part){from, TN_F32, s->o_pitch, (uint32_t)(c * s->dv) * 4});
    }
    tn_k_sys_put(l->out, (tn_k_sys_packet){.op = TN_K_SYS_MRG,
                                           .flags = first ? TN_K_SYS_ZERO : 0,
                                           .sig_sem = SUM_FREE,
                                           .sig_val = 1,
                                           .a = from,
                                           .b = s->state + l->queries % 2 * 2 * s->vector,
                                           .c = s->o + l->queries % 2 * rows * s->o_pitch,
                                           .d = s->stat + index % 2 * 2 * s->vector,
                                           .n0 = (uint32_t)l->rows,
                                           .n1 = (uint32_t)p->dv});
}

/* y = o * recip(l), +0 where no key took part: 1/0 is no further than the largest number. */
static void finish(lowering *l)
{
    const tn_k_attention_params *p = l->p;
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
    tn_k_sys_packet x = tn_k_sys_transfer(TN_K_SYS_ST, address(l, TN_K_ATT_OUT, l->head, l->row, 0),
                                          tn_k_elem_bytes(type), s[2], s[3], l->rows, p->dv, out);
    x.wait_sem = OUT_FULL;
    x.wait_val = 1;
    x.sig_sem = OUT_FREE;
    x.sig_val = 1;
    tn_k_sys_put(l->out, x);
}

/* The words of the head, where it has some; true if there are any. */
static bool load_words(lowering *l)
{
    static const int which[3] = {TN_K_ATT_SINKS, TN_K_ATT_SLOPES, TN_K_ATT_LENGTHS};
    uint32_t count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        if (!given(l->p, which[i]))
            continue;
        uint32_t bytes = tn_k_elem_bytes(l->p->type[which[i]]);
        tn_k_sys_packet x = tn_k_sys_transfer(TN_K_SYS_LD, address(l, which[i], l->head, 0, 0),
                                              bytes, 0, 1, 1, 1, word_at(l, i));
        x.wait_sem = W_FREE;
        x.wait_val = count == 0 && l->queries >= 2;
        x.sig_sem = W_FULL;
        x.sig_val = 1;
        tn_k_sys_put(l->out, x);
        count++;
    }
    if (count != 0)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, W_FULL, count, 0, 0);
    return count != 0;
}

/* The state before the first block: +0 sums and no maximum, or the sink, which is a key without a
 * value: of -Inf it is none, of NaN and +Inf it makes the row a NaN. */
static void begin(lowering *l)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    uint32_t half = l->queries % 2, each = tn_k_sys_rows_of(l->caps, 0, (uint64_t)l->rows * 4);
    uint32_t m = s->state + half * 2 * s->vector, sum = m + each;
    uint32_t o = s->o + half * (uint32_t)s->rows * s->o_pitch, score = s->constants + 4;
    tn_k_sys_put(l->out,
                 (tn_k_sys_packet){
                     .op = TN_K_SYS_IOT, .c = o, .n0 = (uint32_t)l->rows, .n1 = (uint32_t)p->dv});
    if (!given(p, TN_K_ATT_SINKS)) {
        tn_k_sys_put(l->out, (tn_k_sys_packet){
                                 .op = TN_K_SYS_IOT, .c = m, .n0 = 2, .n1 = (uint32_t)l->rows});
        return;
    }
    tn_k_sys_source t = tn_k_sys_full(score, TN_F32), big = tn_k_sys_full(m, TN_F32);
    tn_k_sys_source rest = tn_k_sys_full(sum, TN_F32);
    tn_k_sys_source gone = tn_k_sys_full(score + s->vector, TN_BOOL);
    tn_k_sys_map(&l->vector, TN_ELTWISE_SCALE, one(word_at(l, 0), p->type[TN_K_ATT_SINKS]), none,
                 none, L2E, -0.0f, 1, l->rows, score, TN_F32);
    tn_k_sys_map(&l->vector, TN_ELTWISE_RINT, t, none, none, 0, 0, 1, l->rows, m, TN_F32);
    tn_k_sys_map(&l->vector, TN_ELTWISE_SUB, t, big, none, 0, 0, 1, l->rows, sum, TN_F32);
    tn_k_sys_map(&l->vector, TN_ELTWISE_EXP2, rest, none, none, 0, 0, 1, l->rows, sum, TN_F32);
    tn_k_sys_map(&l->vector, TN_ELTWISE_EQUAL, t, one(s->constants + 1, TN_F32), none, 0, 0, 1,
                 l->rows, gone.at, TN_BOOL);
    tn_k_sys_map(&l->vector, TN_ELTWISE_WHERE, gone, one(s->constants + 2, TN_F32), rest, 0, 0, 1,
                 l->rows, sum, TN_F32);
}

static void rows_of_queries(lowering *l)
{
    const tn_k_attention_params *p = l->p;
    const shape *s = &l->s;
    uint32_t first = l->blocks;
    bool words = load_words(l), sink = given(p, TN_K_ATT_SINKS);
    if (sink || p->keys == 0)
        begin(l);
    if (p->keys != 0) {
        load(l, TN_K_ATT_Q, l->head, l->row, l->rows, p->d, s->d, (uint32_t)s->rows, s->q_pitch,
             s->q + l->queries % 2 * (uint32_t)s->rows * s->d_parts * s->q_pitch, Q_FULL, Q_FREE,
             l->queries >= 2);
        scores(l, 0, first, true);
    }
    for (int64_t key = 0; key < p->keys; key += BLOCK, l->blocks++) {
        if (key + BLOCK < p->keys)
            scores(l, key + BLOCK, l->blocks + 1, false);
        else
            tn_k_sys_nop(l->out, TN_K_SYS_ARRAY, 0, 0, Q_FREE, 1);
        block(l, key, l->blocks);
        sums(l, key, l->blocks, key == 0 && !sink);
    }
    finish(l);
    if (words)
        tn_k_sys_nop(l->out, TN_K_SYS_VECTOR, 0, 0, W_FREE, 1);
    l->queries++;
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_attention_params *p = params;
    lowering l = {.p = p, .caps = caps, .operand = operand, .out = out};
    l.vector = tn_k_sys_blocks(caps, out);
    l.position = p->from_end ? p->first_key + p->keys - p->queries : p->position;
    if (!layout(p, caps, &l.s) || p->dv == 0) {
        out->failed = p->dv != 0 && p->queries != 0; /* fewer columns than when the plan was made */
        return;
    }
    if (p->mask == TN_K_ATT_ADD_MASK || given(p, TN_K_ATT_SLOPES) || given(p, TN_K_ATT_SINKS))
        constants(&l);
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

extern const tn_k_sys_row tn_k_attention_systolic;
const tn_k_sys_row tn_k_attention_systolic = {
    .name = "attention_systolic",
    .kind = TN_OP_ATTENTION,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_attention_arithmetic,
    .macs = macs,
};
