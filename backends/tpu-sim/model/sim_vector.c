/* SPDX-License-Identifier: Apache-2.0 */
/* The vector unit: elementwise functions, reductions along rows, and the two steps of attention. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "sim_state.h"

#include <kernels/common/widen.h>
#include <string.h>

enum { PIECE = 512 };

/* How many passes over the lanes a kind takes. */
static uint64_t passes(const sim_dev *d, const tn_k_sys_packet *p)
{
    uint32_t kind = (uint32_t)p->s0 & 0xffffu, operands = 1;
    if (p->op == TN_K_SYS_BLK) /* round, maximum, power, sum, convert */
        return 4 + d->profile.function_passes;
    if (p->op == TN_K_SYS_MRG)
        return 2;
    if (p->op == TN_K_SYS_RED || p->op == TN_K_SYS_IOT)
        return 1;
    operands += (p->n2 >> 8 & 0xffu) != 0;
    operands += (p->n2 >> 16 & 0xffu) != 0;
    uint64_t reads = (operands + d->profile.vector_ports - 1) / d->profile.vector_ports;
    bool function = (kind >= TN_ELTWISE_RECIP && kind <= TN_ELTWISE_COS) || kind == TN_ELTWISE_DIV;
    return reads > 1 || !function ? reads : d->profile.function_passes;
}

uint64_t tn__sim_vector_cycles(const sim_dev *d, const tn_k_sys_packet *p)
{
    /* Rows shorter than the lanes share them. */
    uint64_t elements = (uint64_t)p->n0 * p->n1, lanes = d->profile.lanes;
    return d->profile.vector_latency + (elements + lanes - 1) / lanes * passes(d, p);
}

typedef struct operand {
    const unsigned char *at;
    uint64_t pitch; /* bytes to the next row */
    uint32_t mode, type;
    float value; /* of one that is the same along a row */
} operand;

static void float_row(const operand *o, uint32_t first, uint32_t n, float *to)
{
    if (o->mode == TN_K_SYS_FULL || o->mode == TN_K_SYS_PER_COLUMN) {
        const unsigned char *at = o->at + first * tn__sim_type_bytes(o->type);
        if (tn_k_widens(o->type)) {
            tn_k_widen_row(o->type, at, 0, 1, n, to);
        } else if (o->type == TN_S32) {
            for (uint32_t i = 0; i < n; i++)
                to[i] = (float)((const int32_t *)(const void *)at)[i];
        } else {
            for (uint32_t i = 0; i < n; i++)
                to[i] = o->type == TN_S8 ? (float)(int8_t)at[i] : (float)at[i];
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        to[i] = o->value;
}

static uint64_t row_bytes(const sim_dev *d, uint32_t at)
{
    return at & TN_K_SYS_ACC ? d->acc_row_bytes : d->profile.row_bytes;
}

/* Bytes from one row of a tile to the next; rows 0: what `bytes` takes. */
static uint64_t pitch_of(const sim_dev *d, uint32_t at, uint64_t rows, uint64_t bytes)
{
    return (rows != 0 ? rows : tn__sim_rows_of(d, at, bytes)) * row_bytes(d, at);
}

static void open_operand(sim_dev *d, const tn_k_sys_packet *p, uint32_t at, uint32_t mode,
                         uint32_t type, operand *o)
{
    *o = (operand){.at = tn__sim_row(d, at), .mode = mode, .type = type};
    if (mode == TN_K_SYS_FULL)
        o->pitch = pitch_of(d, at, 0, p->n1 * tn__sim_type_bytes(type));
}

/* The operand of row r: its pointer moves on, or its one value is read. */
static void next_row(operand *o, uint32_t r)
{
    if (r != 0 && o->mode == TN_K_SYS_FULL)
        o->at += o->pitch;
    operand one = *o;
    one.mode = TN_K_SYS_FULL;
    if (o->mode == TN_K_SYS_PER_ROW)
        float_row(&one, r, 1, &o->value);
    else if (o->mode == TN_K_SYS_ONE)
        float_row(&one, 0, 1, &o->value);
}

static bool readable(uint32_t type)
{
    return tn_k_widens(type) || type == TN_S32 || type == TN_S8 || type == TN_U8 || type == TN_BOOL;
}

static void narrow_row(uint32_t type, const float *from, uint32_t n, unsigned char *to)
{
    if (tn_k_widens(type)) {
        tn_k_narrow_row(type, from, n, to, 0, 1);
        return;
    }
    if (type == TN_S8 || type == TN_U8) { /* nearest, saturated; NaN gives 0 */
        float low = type == TN_S8 ? -128.0f : 0.0f, high = type == TN_S8 ? 127.0f : 255.0f;
        for (uint32_t i = 0; i < n; i++) {
            float y = __builtin_rintf(from[i]);
            y = y > high ? high : y < low ? low : y == y ? y : 0.0f;
            to[i] = (unsigned char)(int32_t)y;
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) /* truths of comparisons */
        to[i] = from[i] != 0.0f;
}

static uint32_t map(sim_dev *d, const tn_k_sys_packet *p)
{
    uint32_t type[3] = {p->n2 & 0xffu, p->n2 >> 8 & 0xffu, p->n2 >> 16 & 0xffu}, to = p->n2 >> 24;
    uint32_t at[3] = {p->a, p->b, p->d}, modes = (uint32_t)p->s0 >> 16;
    uint32_t kind = (uint32_t)p->s0 & 0xffffu;
    float x[3][PIECE], y[PIECE];
    operand o[3];
    bool copies = kind == 0 && type[0] == to;
    uint64_t size = tn__sim_type_bytes(to);
    bool looked_up = d->profile.segments != 0 && tn_k_sys_tables_have(kind);
    if (!copies && !tn_k_widens(to) && to != TN_BOOL && to != TN_S8 && to != TN_U8)
        return TPU_ERR_TYPE;
    for (int i = copies; i < 3; i++)
        if (type[i] != 0 && !readable(type[i]))
            return TPU_ERR_TYPE;
    for (int i = 0; i < 3; i++)
        open_operand(d, p, at[i], modes >> 4 * i & 15u, type[i], &o[i]);
    if (p->iova != 0 && o[0].mode == TN_K_SYS_FULL) {
        uint64_t bytes = p->iova >> 32 & 0xffffu;
        o[0].pitch =
            pitch_of(d, p->a, p->iova & 0xffffu, bytes + p->n1 * tn__sim_type_bytes(type[0]));
        o[0].at += bytes;
    }
    bool direct = to == TN_F32;
    for (int i = 0; i < 3; i++)
        direct =
            direct && (type[i] == 0 || (type[i] == TN_F32 && o[i].mode <= TN_K_SYS_PER_COLUMN));
    const uint32_t piece = direct ? p->n1 : PIECE;
    unsigned char *out = tn__sim_row(d, p->c) + (p->iova >> 48);
    uint64_t pitch = pitch_of(d, p->c, p->iova >> 16 & 0xffffu, (p->iova >> 48) + p->n1 * size);
    for (uint32_t r = 0; r < p->n0; r++, out += pitch) {
        for (int i = 0; i < 3; i++)
            if (type[i] != 0)
                next_row(&o[i], r);
        if (copies && o[0].mode == TN_K_SYS_FULL) {
            memmove(out, o[0].at, p->n1 * size);
            continue;
        }
        for (uint32_t c = 0; c < p->n1; c += piece) {
            uint32_t n = p->n1 - c < piece ? p->n1 - c : piece;
            const float *in[3];
            float *result = to == TN_F32 ? (float *)(void *)out + c : y;
            for (int i = 0; i < 3; i++) {
                in[i] = i == 0 ? x[0] : in[0];
                if (type[i] == TN_F32 && o[i].mode <= TN_K_SYS_PER_COLUMN) { /* as it lies */
                    in[i] = (const float *)(const void *)o[i].at + c;
                } else if (type[i] != 0) {
                    float_row(&o[i], c, n, x[i]);
                    in[i] = x[i];
                }
            }
            if (looked_up)
                tn_k_sys_tables_map(&d->tables, kind, in[0], result, n);
            else
                d->math->map(kind, in[0], in[1], in[2], tn_c_float(p->p0), tn_c_float(p->p1),
                             result, n);
            if (result == y)
                narrow_row(to, y, n, out + c * size);
        }
    }
    d->count[TPU_COUNT_VECTOR] += (uint64_t)p->n0 * p->n1;
    return TPU_ERR_NONE;
}

static uint32_t count_up(sim_dev *d, const tn_k_sys_packet *p)
{
    unsigned char *to = tn__sim_row(d, p->c);
    uint64_t pitch = pitch_of(d, p->c, 0, (uint64_t)p->n1 * 4);
    for (uint32_t r = 0; r < p->n0; r++, to += pitch)
        for (uint32_t c = 0; c < p->n1; c++)
            ((float *)(void *)to)[c] = (float)(int32_t)((uint32_t)p->s1 + c * p->p0 + r * p->p1);
    d->count[TPU_COUNT_VECTOR] += (uint64_t)p->n0 * p->n1;
    return TPU_ERR_NONE;
}

static uint32_t reduce(sim_dev *d, const tn_k_sys_packet *p)
{
    uint32_t kind = (uint32_t)p->s0 & 0xffffu, type = p->n2 & 0xffu;
    operand o;
    float *out = (float *)(void *)tn__sim_row(d, p->c);
    if (!tn_k_widens(type) || kind > TN_K_SYS_RED_SUMSQ)
        return TPU_ERR_TYPE;
    if (p->n1 > d->row_room)
        return TPU_ERR_RANGE;
    open_operand(d, p, p->a, TN_K_SYS_FULL, type, &o);
    for (uint32_t r = 0; r < p->n0; r++) {
        next_row(&o, r);
        float_row(&o, 0, p->n1, d->row);
        out[r] = kind == TN_K_SYS_RED_MAX   ? d->math->max(d->row, p->n1)
                 : kind == TN_K_SYS_RED_SUM ? d->math->sum(d->row, p->n1)
                                            : d->math->sumsq(d->row, p->n1);
    }
    d->count[TPU_COUNT_VECTOR] += (uint64_t)p->n0 * p->n1;
    return TPU_ERR_NONE;
}

/* The two vectors of a block or a state: maxima at `at`, sums on the rows behind. */
static float *vector_of(sim_dev *d, uint32_t at, uint32_t which, uint32_t n)
{
    return (float *)(void *)tn__sim_row(d, at + which * tn__sim_rows_of(d, at, (uint64_t)n * 4));
}

static uint32_t score_block(sim_dev *d, const tn_k_sys_packet *p)
{
    uint32_t to = p->n2 >> 24;
    float weights[TN_K_SYS_BLOCK], *most = vector_of(d, p->d, 0, p->n0);
    float *sum = vector_of(d, p->d, 1, p->n0);
    uint8_t takes[TN_K_SYS_BLOCK];
    operand t, mask;
    bool masked = (p->n2 >> 8 & 0xffu) != 0;
    if (!tn_k_widens(to))
        return TPU_ERR_TYPE;
    open_operand(d, p, p->a, TN_K_SYS_FULL, TN_F32, &t);
    open_operand(d, p, p->b, TN_K_SYS_FULL, TN_U8, &mask);
    unsigned char *out = tn__sim_row(d, p->c);
    uint64_t pitch = pitch_of(d, p->c, 0, p->n1 * tn__sim_type_bytes(to));
    for (uint32_t r = 0; r < p->n0; r++) {
        int64_t low = (int64_t)(int32_t)p->p0 + r, high = (int64_t)(int32_t)p->p1 + r;
        next_row(&t, r);
        if (masked)
            next_row(&mask, r);
        for (uint32_t j = 0; j < p->n1; j++)
            takes[j] = j >= low && j < high && (!masked || mask.at[j] != 0);
        const float *scores = (const float *)(const void *)t.at;
        if (d->profile.segments != 0)
            tn_k_sys_tables_block(&d->tables, scores, takes, p->n1, weights, &most[r], &sum[r]);
        else
            d->math->block(scores, takes, p->n1, weights, &most[r], &sum[r]);
        narrow_row(to, weights, p->n1, out + r * pitch);
    }
    d->count[TPU_COUNT_VECTOR] += (uint64_t)p->n0 * p->n1;
    return TPU_ERR_NONE;
}

/* 2^e of an integer or NaN at most 0. */
static float power(float e)
{
    return e >= -126.0f ? c_pow2((int)e) : 0.0f;
}

static uint32_t merge(sim_dev *d, const tn_k_sys_packet *p)
{
    const float none = -__builtin_inff();
    const float *block_m = vector_of(d, p->d, 0, p->n0), *block_l = vector_of(d, p->d, 1, p->n0);
    float *state_m = vector_of(d, p->b, 0, p->n0), *state_l = vector_of(d, p->b, 1, p->n0);
    operand from, to;
    bool first = (p->flags & TN_K_SYS_ZERO) != 0;
    open_operand(d, p, p->a, TN_K_SYS_FULL, TN_F32, &from);
    open_operand(d, p, p->c, TN_K_SYS_FULL, TN_F32, &to);
    for (uint32_t r = 0; r < p->n0; r++) {
        next_row(&from, r);
        next_row(&to, r);
        const float *ob = (const float *)(const void *)from.at;
        float *o = (float *)(void *)(unsigned char *)(uintptr_t)to.at;
        float *m = &state_m[r], *l = &state_l[r];
        float bm = block_m[r], bl = block_l[r], f;
        if (first) {
            *m = none;
            *l = 0.0f;
            memset(o, 0, p->n1 * sizeof *o);
        }
        if (bm == none) /* no key of the block takes part: it is not there */
            continue;
        if (*m == none) {
            *m = bm;
            *l = bl;
            memcpy(o, ob, p->n1 * sizeof *o);
        } else if (bm > *m) {
            f = power(*m - bm);
            *l = __builtin_fmaf(*l, f, bl);
            for (uint32_t c = 0; c < p->n1; c++)
                o[c] = __builtin_fmaf(o[c], f, ob[c]);
            *m = bm;
        } else {
            f = power(bm - *m);
            *l = __builtin_fmaf(bl, f, *l);
            for (uint32_t c = 0; c < p->n1; c++)
                o[c] = __builtin_fmaf(ob[c], f, o[c]);
        }
    }
    d->count[TPU_COUNT_VECTOR] += (uint64_t)p->n0 * p->n1;
    return TPU_ERR_NONE;
}

uint32_t tn__sim_vector(sim_dev *d, const tn_k_sys_packet *p)
{
    switch (p->op) {
    case TN_K_SYS_MAP:
        return map(d, p);
    case TN_K_SYS_IOT:
        return count_up(d, p);
    case TN_K_SYS_RED:
        return reduce(d, p);
    case TN_K_SYS_BLK:
        return score_block(d, p);
    default:
        return merge(d, p);
    }
}
