/* SPDX-License-Identifier: Apache-2.0 */
/* Attention in plain f32 with one thing wrong, for defects that no change of the op expresses. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant_rows.h"

#include <math.h>

typedef struct shape {
    int64_t heads, kv_heads, queries, keys, d, dv;
    const tn_tensor *q, *k, *v, *out, *mask;
    const tn_attention *attr;
} shape;

static shape shape_of(mutant_op *o)
{
    shape s = {.q = tn__mutant_tensor(o, TN_ARG_Q),
               .k = tn__mutant_tensor(o, TN_ARG_K),
               .v = tn__mutant_tensor(o, TN_ARG_V),
               .out = tn__mutant_tensor(o, TN_ARG_OUT),
               .mask = tn__mutant_tensor(o, TN_ARG_MASK),
               .attr = &o->attr.attention};
    s.heads = s.q->dim[s.q->rank - 3];
    s.queries = s.q->dim[s.q->rank - 2];
    s.d = s.q->dim[s.q->rank - 1];
    s.kv_heads = s.k->dim[s.k->rank - 3];
    s.keys = s.k->dim[s.k->rank - 2];
    s.dv = s.v->dim[s.v->rank - 1];
    return s;
}

static int64_t place(const tn_tensor *t, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t index[4] = {b, h, i, j}, at = 0;
    for (uint32_t d = 0; d < t->rank; ++d)
        at += t->dim[d] > 1 ? index[4 - t->rank + d] * t->stride[d] : 0;
    return at;
}

bool tn__mutant_attention_meets(mutant_op *o, int how)
{
    shape s;
    if (o->attr.attention.pass != TN_PASS_FORWARD || o->attr.attention.page_tokens != 0 ||
        o->attr.attention.softcap != 0 ||
        o->op.arg_count > (tn__mutant_tensor(o, TN_ARG_MASK) != NULL ? 5u : 4u) ||
        o->op.numerics.cls == TN_CLASS_CANONICAL)
        return false;
    s = shape_of(o);
    bool masked = s.mask != NULL ||
                  (s.attr->flags &
                   (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END | TN_ATTENTION_WINDOW)) != 0;
    switch (how) {
    case ATT_ADD_10000:
    case ATT_ADD_30:
        return masked;
    case ATT_MEAN_ROW:
        return s.mask != NULL;
    case ATT_HEADS:
        return s.heads != s.kv_heads && s.kv_heads > 1;
    case ATT_EXTRA:
        return s.keys % 16 != 0;
    case ATT_WEIGHTS_BF16:
    case ATT_SCORES_F16:
        return s.q->dtype == TN_F32 && s.v->dtype == TN_F32;
    default:
        return true;
    }
}

static float exp_of(int how, float x)
{
    if (how == ATT_SCHRAUDOLPH) {
        float y = x * 1.44269504f, n = floorf(y);
        return x < -87.0f ? 0.0f : ldexpf(1.0f + (y - n), (int)n);
    }
    if (how == ATT_QUADRATIC) {
        float y = x * 1.44269504f, n = rintf(y), f = (y - n) * 0.693147181f;
        return x < -87.0f ? 0.0f : ldexpf(1.0f + f + f * f * 0.5f, (int)n);
    }
    if (how == ATT_EXP_BF16)
        return tn__mutant_round((double)expf(x), 8, true);
    return expf(x);
}

typedef struct row {
    float *score;
    bool *part;
} row;

static bool seen(const mutant_run *r, const shape *s, int64_t b, int64_t h, int64_t i, int64_t j,
                 float *bias)
{
    const tn_attention *a = s->attr;
    int64_t key = a->first_key + j, query = a->first_query + i;
    bool part = true;
    *bias = 0;
    if ((a->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        query = a->first_key + i + s->keys - s->queries;
    if ((a->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0)
        part = key <= query;
    if ((a->flags & TN_ATTENTION_WINDOW) != 0)
        part = part && (a->window_left < 0 || key >= query - a->window_left) &&
               (a->window_right < 0 || key <= query + a->window_right);
    if (s->mask != NULL) {
        float m = (float)tn__mutant_load(r, TN_ARG_MASK, place(s->mask, b, h, i, j));
        if (s->mask->dtype == TN_BOOL)
            part = part && m != 0;
        else if (isinf(m) && m < 0)
            part = false;
        else
            *bias = m;
    }
    return part;
}

static void one_row(const mutant_run *r, const shape *s, int how, int64_t b, int64_t h, int64_t i,
                    row *w)
{
    int64_t kv = how == ATT_HEADS ? h % s->kv_heads : h / (s->heads / s->kv_heads);
    float scale = s->attr->scale != 0 ? s->attr->scale : 1.0f / sqrtf((float)s->d), top = -INFINITY,
          sum = 0;
    for (int64_t j = 0; j < s->keys; ++j) {
        float z = 0, bias;
        w->part[j] = seen(r, s, b, h, i, j, &bias);
        if (!w->part[j] && (how == ATT_ADD_10000 || how == ATT_ADD_30)) {
            w->part[j] = true;
            bias = how == ATT_ADD_30 ? -30.0f : -10000.0f;
        }
        if (!w->part[j])
            continue;
        for (int64_t e = 0; e < s->d; ++e)
            z = (float)((double)z + tn__mutant_load(r, TN_ARG_Q, place(s->q, b, h, i, e)) *
                                        tn__mutant_load(r, TN_ARG_K, place(s->k, b, kv, j, e)));
        z = z * scale + bias;
        if (how == ATT_SCORES_F16)
            z = tn__mutant_f16((double)z);
        w->score[j] = z;
        top = z > top ? z : top;
    }
    float running = -INFINITY;
    for (int64_t j = 0; j < s->keys; ++j) {
        if (!w->part[j])
            continue;
        if (how == ATT_NO_RESCALE && w->score[j] > running)
            running = w->score[j]; /* the sum so far keeps its old maximum */
        sum += how == ATT_NO_RESCALE ? expf(w->score[j] - running) : 0;
        w->score[j] = exp_of(how, how == ATT_NO_MAX ? w->score[j] : w->score[j] - top);
        if (how != ATT_NO_RESCALE)
            sum += w->score[j];
        if (how == ATT_WEIGHTS_BF16)
            w->score[j] = tn__mutant_round((double)w->score[j], 8, true);
    }
    if (how == ATT_EXTRA && sum > 0)
        sum += (float)((16 - s->keys % 16) % 16) * expf(0.0f - top);
    bool all = how == ATT_MEAN_ROW && !(sum > 0);
    for (int64_t c = 0; c < s->dv; ++c) {
        float o = 0;
        for (int64_t j = 0; j < s->keys; ++j)
            if (w->part[j] || all) {
                int64_t key = how == ATT_V_SHIFTED && j > 0 ? j - 1 : j;
                o += (all ? 1.0f : w->score[j]) *
                     (float)tn__mutant_load(r, TN_ARG_V, place(s->v, b, kv, key, c));
            }
        float l = all ? (float)s->keys : sum;
        tn__mutant_store(r, TN_ARG_OUT, place(s->out, b, h, i, c),
                         l > 0    ? (double)(o / l)
                         : l == 0 ? 0
                                  : (double)NAN);
    }
}

void tn__mutant_attention(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    shape s = shape_of(&o);
    size_t bytes = (size_t)(s.keys + 1) * (sizeof(float) + sizeof(bool));
    float *score = tn__mutant_take(r->host, bytes);
    row w = {score, score != NULL ? (bool *)(score + s.keys + 1) : NULL};
    int64_t batch = s.q->rank == 4 ? s.q->dim[0] : 1;
    for (int64_t n = 0; score != NULL && n < batch * s.heads * s.queries; ++n)
        one_row(r, &s, how, n / s.queries / s.heads, n / s.queries % s.heads, n % s.queries, &w);
    tn__mutant_give(r->host, score, bytes);
}
