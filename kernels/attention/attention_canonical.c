/* SPDX-License-Identifier: Apache-2.0 */
/* attention in the normative order, written out: one query row at a time, one block at a time. */
#include <kernels/attention/attention_sequence.h>

enum { BLOCK = 128 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_attention_params *p = params;
    int64_t rows = p->dv == 0 ? 0 : p->batch * p->heads * p->queries;
    tn_k_launch_items(out, caps, rows, (uint64_t)(p->keys + 1) * (uint64_t)(p->d + p->dv) * 16u);
    /* o of the row and of the block, the query, a key */
    out->worker_bytes = ((uint64_t)(p->dv + p->d) * 8u + 63u) & ~(uint64_t)63u;
    out->estimate_ns *= 8;
}

/* One query row: where its operands begin, and what it works in. */
typedef struct query {
    tn_k_attention_sequence seq;
    void *const *operand;
    const unsigned char *k, *v, *mask; /* k and v of page or batch 0 */
    int64_t i, kv;
    float *q, *key, *o, *ob; /* q as f32, dense; room for one key; the sums */
} query;

/* The score of one key in base 2; -Inf when it takes no part. */
static float score(const tn_k_attention_params *p, const query *x, int64_t j)
{
    const int64_t *ks = p->stride[TN_K_ATT_K];
    int64_t at = j * p->stride[TN_K_ATT_MASK][3];
    tn_k_attention_place place = tn_k_attention_place_of(p, &x->seq, j);
    if (!place.there)
        return -__builtin_inff();
    float scale = tn_k_attention_scale(p, x->operand, TN_K_ATT_K_SCALE, x->kv, &place);
    if (p->mask == TN_K_ATT_BOOL_MASK && x->mask[at] == 0)
        return -__builtin_inff();
    for (int64_t e = 0; e < p->d; ++e)
        x->key[e] = tn_k_attention_load(p->type[TN_K_ATT_K], x->k,
                                        place.outer * ks[0] + place.row * ks[2] + e * ks[3]) *
                    scale;
    float z = tn_c_dot(x->q, 1, x->key, 1, p->d);
    float bias = p->mask == TN_K_ATT_ADD_MASK ? ((const float *)(const void *)x->mask)[at] : 0.0f;
    return tn_k_attention_base2(p, &x->seq, x->i, j, z, bias);
}

/* Column e of a value. */
static float value(const tn_k_attention_params *p, const query *x, int64_t j, int64_t e)
{
    const int64_t *vs = p->stride[TN_K_ATT_V];
    tn_k_attention_place place = tn_k_attention_place_of(p, &x->seq, j);
    return tn_k_attention_load(p->type[TN_K_ATT_V], x->v,
                               place.outer * vs[0] + place.row * vs[2] + e * vs[3]) *
           tn_k_attention_scale(p, x->operand, TN_K_ATT_V_SCALE, x->kv, &place);
}

/* Returns l, writes m and o; *any: whether there is a block or a sink. */
static float row(const tn_k_attention_params *p, const query *x, float *out_m, bool *out_any,
                 bool *out_bad)
{
    const float none = -__builtin_inff();
    bool any = x->seq.sink, bad = x->seq.bad;
    float m = x->seq.sink_m, l = x->seq.sink_l, *o = x->o, *ob = x->ob;
    int64_t low, high;
    for (int64_t e = 0; e < p->dv; ++e)
        o[e] = 0.0f;
    tn_k_attention_limits(p, &x->seq, x->i, &low, &high);
    int64_t border = (p->first_key + low) / BLOCK * BLOCK - p->first_key;
    for (; border < high; border += BLOCK) {
        float t[BLOCK], pr[BLOCK], top = none;
        for (int64_t j = 0; j < BLOCK; ++j) {
            bool inside = border + j >= low && border + j < high;
            t[j] = inside ? score(p, x, border + j) : none;
            float n = __builtin_rintf(t[j]);
            top = t[j] == none           ? top
                  : top != top || n != n ? tn_c_float(0x7fc00000u)
                  : n > top              ? n
                                         : top;
        }
        if (top == none)
            continue;
        bad = bad || top != top;
        for (int64_t j = 0; j < BLOCK; ++j) {
            float n = __builtin_rintf(t[j]);
            pr[j] = t[j] == none || bad ? 0.0f : c_p2(t[j] - n) * tn_k_attention_pow2(n - top);
        }
        float lb = tn_c_reduce(pr, 1, BLOCK);
        for (int64_t j = 0; j < BLOCK; ++j)
            pr[j] = tn_k_attention_round(p->type[TN_K_ATT_V], pr[j]);
        for (int64_t e = 0; e < p->dv; ++e) {
            float s = 0.0f;
            for (int64_t j = 0; j < BLOCK; ++j)
                if (t[j] != none)
                    s = __builtin_fmaf(pr[j], value(p, x, border + j, e), s);
            ob[e] = 0.0f + s;
        }
        float f = !any ? 0.0f : top > m ? tn_k_attention_pow2(m - top) : tn_k_attention_pow2(top - m);
        if (!any || top > m) {
            l = any ? __builtin_fmaf(l, f, lb) : lb;
            for (int64_t e = 0; e < p->dv; ++e)
                o[e] = any ? __builtin_fmaf(o[e], f, ob[e]) : ob[e];
            m = top;
        } else {
            l = __builtin_fmaf(lb, f, l);
            for (int64_t e = 0; e < p->dv; ++e)
                o[e] = __builtin_fmaf(ob[e], f, o[e]);
        }
        any = true;
    }
    *out_m = m;
    *out_any = any;
    *out_bad = bad;
    return l;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)phase;
    const tn_k_attention_params *p = params;
    const int64_t(*s)[4] = p->stride;
    int64_t rows = p->batch * p->heads * p->queries, group = p->heads / p->kv_heads;
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    float *scratch = worker_scratch;
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; ++r) {
        int64_t i = r % p->queries, h = r / p->queries % p->heads, b = r / p->queries / p->heads;
        const unsigned char *mask = tn_k_attention_operand(p, operand, TN_K_ATT_MASK);
        if (mask != NULL)
            mask += (b * s[TN_K_ATT_MASK][0] + h * s[TN_K_ATT_MASK][1] + i * s[TN_K_ATT_MASK][2]) *
                    (p->mask == TN_K_ATT_ADD_MASK ? 4 : 1);
        query x = {.seq = tn_k_attention_sequence_of(p, operand, b, h),
                   .operand = operand,
                   .k = tn_k_attention_from(p, operand, TN_K_ATT_K, 0, h / group, 0),
                   .v = tn_k_attention_from(p, operand, TN_K_ATT_V, 0, h / group, 0),
                   .kv = h / group,
                   .mask = mask,
                   .i = i,
                   .o = scratch,
                   .ob = scratch + p->dv,
                   .q = scratch + 2 * p->dv,
                   .key = scratch + 2 * p->dv + p->d};
        const unsigned char *q = tn_k_attention_from(p, operand, TN_K_ATT_Q, b, h, i);
        unsigned char *y = tn_k_attention_from(p, operand, TN_K_ATT_OUT, b, h, i);
        for (int64_t e = 0; e < p->d; ++e)
            x.q[e] = tn_k_attention_load(p->type[TN_K_ATT_Q], q, e * s[TN_K_ATT_Q][3]);
        bool any, bad;
        float m, l = row(p, &x, &m, &any, &bad), f = c_recip(l);
        for (int64_t e = 0; e < p->dv; ++e)
            tn_k_attention_store(p->type[TN_K_ATT_OUT], y, e * s[TN_K_ATT_OUT][3],
                                 bad   ? tn_c_float(0x7fc00000u)
                                 : any ? x.o[e] * f
                                       : 0.0f);
        tn_k_attention_tell(p, operand, b, h, i, bad, any ? m : 0.0f, any ? l : 0.0f);
    }
}

extern const tn_k_variant tn_k_attention_f32_canonical;
const tn_k_variant tn_k_attention_f32_canonical = {
    .name = "attention_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};
