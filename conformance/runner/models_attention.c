/* SPDX-License-Identifier: Apache-2.0 */
/* Known defects of attention. */
#include <conformance/runner/models.h>

#include <stdlib.h>
#include <string.h>

/* ---- attention ---- */

static bool causal_by(tn_v_edit *e, int by)
{
    if ((e->attr.attention.flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) == 0)
        return false;
    /* the diagonal moves: a window to the right of `by` keys */
    e->attr.attention.first_query += by;
    if ((e->attr.attention.flags & TN_ATTENTION_CAUSAL_FROM_END) != 0) {
        const tn_tensor *q = tn_v_edit_tensor(e, TN_ARG_Q), *k = tn_v_edit_tensor(e, TN_ARG_K);
        if (tn_v_edit_tensor(e, TN_ARG_LENGTHS) != NULL)
            return false;
        e->attr.attention.flags &= ~(uint32_t)TN_ATTENTION_CAUSAL_FROM_END;
        e->attr.attention.flags |= TN_ATTENTION_CAUSAL;
        e->attr.attention.first_query =
            e->attr.attention.first_key + k->dim[k->rank - 2] - q->dim[q->rank - 2] + by;
    }
    return true;
}

static bool causal_kind(tn_v_edit *e, int how)
{
    uint32_t *f = &e->attr.attention.flags,
             both = TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END;
    if ((*f & both) == 0)
        return false;
    *f = how == 0 ? *f & ~both : *f ^ both;
    return true;
}

static bool scale_by(tn_v_edit *e, int how)
{
    const tn_tensor *q = tn_v_edit_tensor(e, TN_ARG_Q);
    float d = (float)q->dim[q->rank - 1], old = e->attr.attention.scale;
    e->attr.attention.scale = how == 0               ? 1.0f
                              : how == 1             ? 1.0f / d
                              : how == 2 && old != 0 ? 0.0f
                                                     : 1.0f;
    return e->attr.attention.scale != old;
}

static bool drop_keys(tn_v_edit *e, int of)
{
    tn_tensor *k = tn_v_edit_tensor(e, TN_ARG_K), *v = tn_v_edit_tensor(e, TN_ARG_V);
    int64_t keys = k->dim[k->rank - 2], left = of == 1 ? keys - 1 : keys / of * of;
    tn_tensor *mask = tn_v_edit_tensor(e, TN_ARG_MASK);
    if (left == keys || left <= 0)
        return false;
    if ((e->attr.attention.flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        return false;
    if (mask != NULL && mask->dim[mask->rank - 1] > 1)
        mask->dim[mask->rank - 1] = left;
    k->dim[k->rank - 2] = v->dim[v->rank - 2] = left;
    return true;
}

static bool drop_d(tn_v_edit *e, int of)
{
    tn_tensor *q = tn_v_edit_tensor(e, TN_ARG_Q), *k = tn_v_edit_tensor(e, TN_ARG_K);
    int64_t d = q->dim[q->rank - 1], left = of == 1 ? d - 1 : d / of * of;
    if (left == d || left <= 0)
        return false;
    if (e->attr.attention.scale == 0)
        e->attr.attention.scale = (float)(1 / sqrt((double)d));
    q->dim[q->rank - 1] = k->dim[k->rank - 1] = left;
    return true;
}

static bool window_by(tn_v_edit *e, int how)
{
    tn_attention *a = &e->attr.attention;
    if ((a->flags & TN_ATTENTION_WINDOW) == 0)
        return false;
    if (how == 0)
        a->flags &= ~(uint32_t)TN_ATTENTION_WINDOW;
    else if (how == 3) {
        int64_t l = a->window_left;
        a->window_left = a->window_right;
        a->window_right = l;
    } else if (a->window_left >= 0) {
        a->window_left += how == 1 ? 1 : -1;
    }
    return true;
}

static bool no_mask(tn_v_edit *e, int param)
{
    int i = 0;
    (void)param;
    for (; i < (int)e->op.arg_count && e->args[i].role != TN_ARG_MASK; ++i)
        ;
    if (i == (int)e->op.arg_count)
        return false;
    memmove(&e->args[i], &e->args[i + 1], (e->op.arg_count - (uint32_t)i - 1) * sizeof *e->args);
    memmove(&e->call.memory[i], &e->call.memory[i + 1],
            (e->op.arg_count - (uint32_t)i - 1) * sizeof *e->call.memory);
    e->op.arg_count--;
    return true;
}

static double not_it(double x)
{
    return x == 0;
}

static bool mask_inverted(tn_v_edit *e, int param)
{
    const tn_tensor *t = tn_v_edit_tensor(e, TN_ARG_MASK);
    (void)param;
    return t != NULL && t->dtype == TN_BOOL && tn_v_edit_map(e, TN_ARG_MASK, not_it);
}

static bool masks(const tn_v_edit *e)
{
    for (uint32_t i = 0; i < e->op.arg_count; ++i)
        if (e->args[i].role == TN_ARG_MASK || e->args[i].role == TN_ARG_LENGTHS)
            return true;
    return (e->attr.attention.flags &
            (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END | TN_ATTENTION_WINDOW)) != 0;
}

static bool mask_add(tn_v_edit *e, int value)
{
    e->call.twist.mask_add = value;
    return masks(e);
}

static bool k_as_v(tn_v_edit *e, int param)
{
    tn_v_memory *k = tn_v_edit_memory(e, TN_ARG_K), *v = tn_v_edit_memory(e, TN_ARG_V);
    const tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_K), *b = tn_v_edit_tensor(e, TN_ARG_V);
    tn_v_memory t = *k;
    (void)param;
    if (a->dim[a->rank - 1] != b->dim[b->rank - 1])
        return false;
    *k = *v;
    *v = t;
    return true;
}

static bool twist_exp(tn_v_edit *e, int kind)
{
    e->call.twist.exp_kind = kind;
    return true;
}

static bool twist_extra(tn_v_edit *e, int to)
{
    const tn_tensor *k = tn_v_edit_tensor(e, TN_ARG_K);
    e->call.twist.extra_to = to;
    return k->dim[k->rank - 2] % to != 0;
}

static bool twist_rescale(tn_v_edit *e, int block)
{
    e->call.twist.no_rescale = block;
    return true;
}

static bool twist_other(tn_v_edit *e, int how)
{
    const tn_tensor *q = tn_v_edit_tensor(e, TN_ARG_Q), *k = tn_v_edit_tensor(e, TN_ARG_K);
    if (how == 0)
        e->call.twist.head_modulo = true;
    else if (how == 1)
        e->call.twist.mean_row = true;
    else
        e->call.twist.no_max = true;
    return how != 0 || q->dim[q->rank - 3] != k->dim[k->rank - 3];
}

static bool twist_stored(tn_v_edit *e, int how)
{
    tn_dtype d = how % 2 ? TN_F16 : TN_BF16;
    *(how < 2 ? &e->call.twist.weights : &e->call.twist.scores) = d;
    return true;
}

static bool no_lengths(tn_v_edit *e, int param)
{
    int i = 0;
    (void)param;
    for (; i < (int)e->op.arg_count && e->args[i].role != TN_ARG_LENGTHS; ++i)
        ;
    if (i == (int)e->op.arg_count)
        return false;
    memmove(&e->args[i], &e->args[i + 1], (e->op.arg_count - (uint32_t)i - 1) * sizeof *e->args);
    memmove(&e->call.memory[i], &e->call.memory[i + 1],
            (e->op.arg_count - (uint32_t)i - 1) * sizeof *e->call.memory);
    e->op.arg_count--;
    return true;
}

static bool key_before(tn_v_edit *e, int param)
{
    tn_tensor *v = tn_v_edit_tensor(e, TN_ARG_V);
    tn_v_memory *m = tn_v_edit_memory(e, TN_ARG_V);
    int64_t i[TN_MAX_RANK], count = 1;
    (void)param;
    double *copy = e->owned < TN_V_ARGS ? malloc(((size_t)m->elems + 1) * sizeof *copy) : NULL;
    if (copy == NULL)
        return false;
    memcpy(copy, m->value, (size_t)m->elems * sizeof *copy);
    for (uint32_t d = 0; d < v->rank; ++d)
        count *= v->dim[d];
    for (int64_t n = 0; n < count; ++n) {
        int64_t at = 0;
        tn_v_unravel(v->dim, v->rank, n, i);
        for (uint32_t d = 0; d < v->rank; ++d)
            at += i[d] * v->stride[d];
        if (i[v->rank - 2] > 0)
            copy[at] = m->value[at - v->stride[v->rank - 2]];
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

static bool doubled(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    for (int64_t n = 0; n < right->count && (int)right->role == e->param; ++n) {
        model->ref[n] *= 2;
        model->err[n] = model->err[n] * 2 + tn_v_unit(right->dtype) * fabs(model->ref[n]);
    }
    return true;
}

static bool twice(tn_v_edit *e, int role)
{
    e->param = role;
    e->combine = doubled;
    return e->attr.attention.pass == TN_PASS_BACKWARD_DATA;
}

static bool no_softcap(tn_v_edit *e, int param)
{
    bool there = e->attr.attention.softcap != 0;
    (void)param;
    e->attr.attention.softcap = 0;
    return there;
}

const tn_v_model tn_v_models_attention[] = {
    {"causal border one key too far", TN_OP_ATTENTION, causal_by, 1},
    {"causal border one key too early", TN_OP_ATTENTION, causal_by, -1},
    {"causal ignored", TN_OP_ATTENTION, causal_kind, 0},
    {"causal from the wrong end", TN_OP_ATTENTION, causal_kind, 1},
    {"scores not scaled", TN_OP_ATTENTION, scale_by, 0},
    {"scores scaled by 1 / d", TN_OP_ATTENTION, scale_by, 1},
    {"scale of the call ignored", TN_OP_ATTENTION, scale_by, 2},
    {"last key dropped", TN_OP_ATTENTION, drop_keys, 1},
    {"tail of keys mod 4 dropped", TN_OP_ATTENTION, drop_keys, 4},
    {"tail of keys mod 8 dropped", TN_OP_ATTENTION, drop_keys, 8},
    {"tail of keys mod 16 dropped", TN_OP_ATTENTION, drop_keys, 16},
    {"tail of keys mod 32 dropped", TN_OP_ATTENTION, drop_keys, 32},
    {"tail of keys mod 64 dropped", TN_OP_ATTENTION, drop_keys, 64},
    {"tail of keys mod 128 dropped", TN_OP_ATTENTION, drop_keys, 128},
    {"last element of d dropped", TN_OP_ATTENTION, drop_d, 1},
    {"window ignored", TN_OP_ATTENTION, window_by, 0},
    {"window one key too wide", TN_OP_ATTENTION, window_by, 1},
    {"window one key too narrow", TN_OP_ATTENTION, window_by, 2},
    {"sides of the window exchanged", TN_OP_ATTENTION, window_by, 3},
    {"mask ignored", TN_OP_ATTENTION, no_mask, 0},
    {"mask inverted", TN_OP_ATTENTION, mask_inverted, 0},
    {"mask adds -10000", TN_OP_ATTENTION, mask_add, -10000},
    {"mask adds -30", TN_OP_ATTENTION, mask_add, -30},
    {"a row that is all masked gives the mean", TN_OP_ATTENTION, twist_other, 1},
    {"K and V exchanged", TN_OP_ATTENTION, k_as_v, 0},
    {"key head is h mod the key heads", TN_OP_ATTENTION, twist_other, 0},
    {"softcap ignored", TN_OP_ATTENTION, no_softcap, 0},
    {"lengths ignored", TN_OP_ATTENTION, no_lengths, 0},
    {"value of the key before", TN_OP_ATTENTION, key_before, 0},
    {"gradient of Q twice too large", TN_OP_ATTENTION, twice, TN_ARG_OUT_GRAD_A},
    {"gradient of K twice too large", TN_OP_ATTENTION, twice, TN_ARG_OUT_GRAD_B},
    {"gradient of V twice too large", TN_OP_ATTENTION, twice, TN_ARG_OUT_GRAD_V},
    {"padded keys take part, tile 16", TN_OP_ATTENTION, twist_extra, 16},
    {"padded keys take part, tile 32", TN_OP_ATTENTION, twist_extra, 32},
    {"padded keys take part, tile 64", TN_OP_ATTENTION, twist_extra, 64},
    {"padded keys take part, tile 128", TN_OP_ATTENTION, twist_extra, 128},
    {"sum of weights not rescaled, block 1", TN_OP_ATTENTION, twist_rescale, 1},
    {"sum of weights not rescaled, block 8", TN_OP_ATTENTION, twist_rescale, 8},
    {"sum of weights not rescaled, block 16", TN_OP_ATTENTION, twist_rescale, 16},
    {"sum of weights not rescaled, block 32", TN_OP_ATTENTION, twist_rescale, 32},
    {"sum of weights not rescaled, block 64", TN_OP_ATTENTION, twist_rescale, 64},
    {"maximum not subtracted", TN_OP_ATTENTION, twist_other, 2},
    {"exp by exponent bits (Schraudolph)", TN_OP_ATTENTION, twist_exp, 1},
    {"exp of the second degree", TN_OP_ATTENTION, twist_exp, 2},
    {"exp in bf16", TN_OP_ATTENTION, twist_exp, 3},
    {"weights stored in bf16", TN_OP_ATTENTION, twist_stored, 0},
    {"weights stored in f16", TN_OP_ATTENTION, twist_stored, 1},
    {"scores stored in bf16", TN_OP_ATTENTION, twist_stored, 2},
    {"scores stored in f16", TN_OP_ATTENTION, twist_stored, 3},
    {NULL, 0, NULL, 0}};
