/* SPDX-License-Identifier: Apache-2.0 */
/* What rows of attention share beside their order: operands of several dtypes, sinks, lengths. */
#ifndef TN_KERNELS_ATTENTION_SEQUENCE_H
#define TN_KERNELS_ATTENTION_SEQUENCE_H

#include <kernels/attention/attention.h>
#include <kernels/common/canon.h>
#include <kernels/common/dtype_convert.h>

/* The pointer of an operand, or NULL where it was not given. */
static inline void *tn_k_attention_operand(const tn_k_attention_params *p, void *const *operand,
                                           int which)
{
    return p->slot[which] != 0 ? operand[p->slot[which] - 1] : NULL;
}

static inline int64_t tn_k_attention_size(uint32_t type)
{
    return type == TN_F32 ? 4 : type == TN_S8 ? 1 : 2;
}

/* The operand from an element of its four dims on. */
static inline unsigned char *tn_k_attention_from(const tn_k_attention_params *p,
                                                 void *const *operand, int which, int64_t batch,
                                                 int64_t head, int64_t row)
{
    const int64_t *s = p->stride[which];
    unsigned char *base = tn_k_attention_operand(p, operand, which);
    return base + (batch * s[0] + head * s[1] + row * s[2]) * tn_k_attention_size(p->type[which]);
}

static inline float tn_k_attention_load(uint32_t type, const void *from, int64_t at)
{
    if (type == TN_F32)
        return ((const float *)from)[at];
    if (type == TN_S8)
        return (float)((const int8_t *)from)[at];
    uint16_t h = ((const uint16_t *)from)[at];
    return type == TN_BF16 ? tn_c_float((uint32_t)h << 16) : tn_c_f16_float(h);
}

static inline void tn_k_attention_store(uint32_t type, void *to, int64_t at, float x)
{
    uint32_t u = tn_c_bits(x);
    if (type == TN_F32)
        ((float *)to)[at] = x;
    else if (type == TN_BF16 && x == x) /* the upper half, to nearest even */
        ((uint16_t *)to)[at] = (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
    else
        ((uint16_t *)to)[at] = (uint16_t)(type == TN_BF16 ? tn_c_narrow_f32(x, 7, 8)
                                                          : tn_c_narrow_f32(x, 10, 5));
}

/* x as the type keeps it; what s8 keeps is not rounded here, its scale is in x already. */
static inline float tn_k_attention_round(uint32_t type, float x)
{
    uint16_t room[2];
    if (type == TN_F32 || type == TN_S8)
        return x;
    tn_k_attention_store(type, room, 0, x);
    return tn_k_attention_load(type, room, 0);
}

static inline tn_k_attention_sequence tn_k_attention_sequence_of(const tn_k_attention_params *p,
                                                                 void *const *operand,
                                                                 int64_t batch, int64_t head)
{
    tn_k_attention_sequence q = {.batch = batch, .keys = p->keys};
    const int32_t *table = tn_k_attention_operand(p, operand, TN_K_ATT_PAGES);
    const int32_t *lengths = tn_k_attention_operand(p, operand, TN_K_ATT_LENGTHS);
    const float *slopes = tn_k_attention_operand(p, operand, TN_K_ATT_SLOPES);
    const void *sinks = tn_k_attention_operand(p, operand, TN_K_ATT_SINKS);
    if (lengths != NULL) {
        int64_t n = lengths[batch * p->stride[TN_K_ATT_LENGTHS][0]];
        q.keys = n < 0 ? 0 : n < p->keys ? n : p->keys;
    }
    if (table != NULL)
        q.table = table + batch * p->stride[TN_K_ATT_PAGES][0];
    q.position = p->from_end ? p->first_key + q.keys - p->queries : p->position;
    if (slopes != NULL)
        q.slope = slopes[head * p->stride[TN_K_ATT_SLOPES][1]];
    if (sinks != NULL) {
        float t = tn_k_attention_load(p->type[TN_K_ATT_SINKS], sinks,
                                      head * p->stride[TN_K_ATT_SINKS][1]) *
                  0x1.715476p+0f;
        q.sink = t != -__builtin_inff();
        q.bad = q.sink && t - t != 0.0f;
        q.sink_m = q.sink ? __builtin_rintf(t) : 0.0f;
        q.sink_l = q.sink ? c_p2(t - q.sink_m) : 0.0f;
    }
    return q;
}

/* Where key j of a batch lies: the index of the outermost dim of k and v, and that of the row. */
typedef struct tn_k_attention_place {
    bool there; /* false: the table has no page for it, so that it takes no part */
    int64_t outer, row;
} tn_k_attention_place;

static inline tn_k_attention_place tn_k_attention_place_of(const tn_k_attention_params *p,
                                                           const tn_k_attention_sequence *seq,
                                                           int64_t j)
{
    if (seq->table == NULL)
        return (tn_k_attention_place){true, seq->batch, j};
    int64_t page = seq->table[j / p->page_tokens * p->stride[TN_K_ATT_PAGES][1]];
    return (tn_k_attention_place){page >= 0 && page < p->pages, page, j % p->page_tokens};
}

/* The scale of an s8 key or value (which: the operand that holds it); 1 of other types. */
static inline float tn_k_attention_scale(const tn_k_attention_params *p, void *const *operand,
                                         int which, int64_t kv, const tn_k_attention_place *at)
{
    const int64_t *s = p->stride[which];
    const float *scale = tn_k_attention_operand(p, operand, which);
    return scale == NULL ? 1.0f : scale[at->outer * s[0] + kv * s[1] + at->row * s[2]];
}

/* The score in base 2 of a dot of query row i and key j; bias: the mask's number, if that adds. */
static inline float tn_k_attention_base2(const tn_k_attention_params *p,
                                         const tn_k_attention_sequence *seq, int64_t i, int64_t j,
                                         float z, float bias)
{
    float t = p->inner != 0.0f ? c_tanh(z * p->inner) * p->c : z * p->c;
    if (p->mask == TN_K_ATT_ADD_MASK)
        t = __builtin_fmaf(bias, 0x1.715476p+0f, t);
    if (p->slot[TN_K_ATT_SLOPES] != 0) {
        float away = (float)(p->first_key + j - seq->position - i);
        t = __builtin_fmaf(seq->slope * away, 0x1.715476p+0f, t);
    }
    return t;
}

/* 2^e of an integer e up to 127; 0 below the normal numbers. */
static inline float tn_k_attention_pow2(float e)
{
    if (e < -126.0f)
        return 0.0f;
    return tn_c_float((uint32_t)((int32_t)(e > 127.0f ? 127.0f : e) + 127) << 23);
}

/* (m, l) of a row; 0 and 0 of one without keys and sink, whose log is then -Inf. */
static inline void tn_k_attention_tell(const tn_k_attention_params *p, void *const *operand,
                                       int64_t batch, int64_t head, int64_t row, bool bad, float m,
                                       float l)
{
    const int64_t *s = p->stride[TN_K_ATT_STATS];
    float *to = tn_k_attention_operand(p, operand, TN_K_ATT_STATS);
    if (to == NULL)
        return;
    to += batch * s[0] + head * s[1] + row * s[2];
    to[0] = bad ? tn_c_float(0x7fc00000u) : m + 0.0f; /* -0 is +0 */
    to[s[3]] = bad ? tn_c_float(0x7fc00000u) : l;
}

#endif
