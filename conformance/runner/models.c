/* SPDX-License-Identifier: Apache-2.0 */
/* The known defects. Order matters: what explains most precisely stands first. */
#include <conformance/runner/models.h>

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static double to_tf32(double x)
{
    return tn_v_to_bits(x, 11, TN_V_NEAREST_EVEN);
}

static double to_tf32_zero(double x)
{
    return tn_v_to_bits(x, 11, TN_V_TOWARD_ZERO);
}

static double to_bf16(double x)
{
    return tn_v_to_bits(x, 8, TN_V_NEAREST_EVEN);
}

static double to_f16(double x)
{
    return tn_v_rounded(TN_F16, x, TN_V_NEAREST_EVEN, false);
}

static double no_nan(double x)
{
    return isnan(x) ? 0 : x;
}

static double no_tiny32(double x)
{
    return fabs(x) < 0x1p-126 ? 0 : x;
}

static double no_tiny16(double x)
{
    return fabs(x) < 0x1p-14 ? 0 : x;
}

static double as_signed(double x)
{
    return x > 127 ? x - 256 : x;
}

static double as_unsigned(double x)
{
    return x < 0 ? x + 256 : x;
}

static double (*const maps[])(double) = {to_tf32, to_bf16, to_f16, no_nan, no_tiny32, no_tiny16,
                                         as_signed, as_unsigned, to_tf32_zero};
enum { TF32, BF16, F16, NO_NAN, TINY32, TINY16, SIGNED, UNSIGNED, TF32_ZERO };

static bool map_inputs(tn_v_edit *e, int which)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_Q, TN_ARG_K, TN_ARG_V, TN_ARG_GRAD};
    bool changed = false;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; ++i) {
        const tn_tensor *t = tn_v_edit_tensor(e, roles[i]);
        if (t == NULL || (which == SIGNED && t->dtype != TN_U8) || (which == UNSIGNED && t->dtype != TN_S8) ||
            (which == TINY16 && t->dtype != TN_F16))
            continue;
        changed = tn_v_edit_map(e, roles[i], maps[which]) || changed;
    }
    return changed;
}

static bool round_output(tn_v_edit *e, int round)
{
    e->round = (tn_v_round)round;
    return true;
}

static bool saturate(tn_v_edit *e, int param)
{
    (void)param;
    e->saturate = true;
    return true;
}

static bool flush(tn_v_edit *e, int param)
{
    (void)param;
    e->flush = true;
    return true;
}

/* ---- sums of matmul ---- */

static int64_t depth(tn_v_edit *e)
{
    const tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_A);
    return a->dim[a->rank - ((e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0 ? 2 : 1)];
}

static bool set_depth(tn_v_edit *e, int64_t k)
{
    tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_A), *b = tn_v_edit_tensor(e, TN_ARG_B);
    if (k < 0 || k == depth(e))
        return false;
    a->dim[a->rank - ((e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0 ? 2 : 1)] = k;
    b->dim[b->rank - ((e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_B) != 0 ? 1 : 2)] = k;
    return true;
}

static bool drop_last(tn_v_edit *e, int count)
{
    return set_depth(e, depth(e) - count);
}

static bool drop_tail(tn_v_edit *e, int of)
{
    return set_depth(e, depth(e) / of * of);
}

static bool drop_first(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_A), *b = tn_v_edit_tensor(e, TN_ARG_B);
    bool ta = (e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0,
         tb = (e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_B) != 0;
    if (depth(e) < 2)
        return false;
    int64_t sa = a->stride[a->rank - (ta ? 2 : 1)], sb = b->stride[b->rank - (tb ? 1 : 2)];
    tn_v_memory *ma = tn_v_edit_memory(e, TN_ARG_A), *mb = tn_v_edit_memory(e, TN_ARG_B);
    *ma = (tn_v_memory){ma->value + sa, ma->elems - sa};
    *mb = (tn_v_memory){mb->value + sb, mb->elems - sb};
    return set_depth(e, depth(e) - 1);
}

static bool difference_twice(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    (void)e;
    for (int64_t i = 0; i < right->count; ++i) {
        model->ref[i] = 2 * right->ref[i] - model->ref[i];
        model->err[i] = right->err[i] * 2 + model->err[i];
    }
    return true;
}

static bool last_twice(tn_v_edit *e, int param)
{
    (void)param;
    e->combine = difference_twice;
    return e->op.post_count == 0 && drop_last(e, 1);
}

static bool add_old(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    const tn_v_job *j = e->job;
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        for (int64_t n = 0; n < right->count && j->op->args[i].role == right->role; ++n) {
            const unsigned char *got = tn_v_element(j, right, n);
            model->ref[n] += tn_v_decode(right->dtype, j->image[i].before + (got - j->image[i].bytes));
        }
    return true;
}

static bool not_cleared(tn_v_edit *e, int param)
{
    (void)param;
    e->combine = add_old;
    return true;
}

/* ---- strides and layouts ---- */

static bool turn(tn_v_edit *e, int role)
{
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    uint32_t r = t != NULL ? t->rank : 0;
    if (r < 2 || t->dim[r - 1] != t->dim[r - 2] || t->dim[r - 1] < 2)
        return false;
    int64_t s = t->stride[r - 1];
    t->stride[r - 1] = t->stride[r - 2];
    t->stride[r - 2] = s;
    return true;
}

static bool dense_rows(tn_v_edit *e, int role)
{
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    uint32_t r = t != NULL ? t->rank : 0;
    if (r < 2 || t->stride[r - 2] == t->dim[r - 1])
        return false;
    t->stride[r - 2] = t->dim[r - 1];
    return true;
}

static bool same_batch(tn_v_edit *e, int role)
{
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    bool changed = false;
    for (uint32_t d = 0; t != NULL && d + 2 < t->rank; ++d) {
        changed = changed || (t->stride[d] != 0 && t->dim[d] > 1);
        t->stride[d] = 0;
    }
    return changed;
}

/* ---- what follows the sum ---- */

static bool without_flag(tn_v_edit *e, int flag)
{
    tn_matmul *m = &e->attr.matmul;
    if ((m->flags & (uint32_t)flag) == 0)
        return false;
    if (flag == TN_MATMUL_BETA)
        m->beta = 0;
    else
        m->flags &= ~(uint32_t)flag;
    return true;
}

static bool beta_one(tn_v_edit *e, int param)
{
    (void)param;
    if ((e->attr.matmul.flags & TN_MATMUL_BETA) == 0)
        return false;
    e->attr.matmul.flags &= ~(uint32_t)TN_MATMUL_BETA;
    return true;
}

static bool without_post(tn_v_edit *e, int kind)
{
    for (uint32_t p = 0; p < e->op.post_count; ++p)
        if ((int)e->posts[p].kind == kind) {
            memmove(&e->posts[p], &e->posts[p + 1], (e->op.post_count - p - 1) * sizeof *e->posts);
            e->op.post_count--;
            return true;
        }
    return false;
}

static bool other_gelu(tn_v_edit *e, int param)
{
    (void)param;
    for (uint32_t p = 0; p < e->op.post_count; ++p)
        if (e->posts[p].kind == TN_POST_GELU || e->posts[p].kind == TN_POST_GELU_TANH) {
            e->posts[p].kind = e->posts[p].kind == TN_POST_GELU ? TN_POST_GELU_TANH : TN_POST_GELU;
            return true;
        }
    return false;
}

/* The bias of row m instead of column n. */
static bool bias_by_row(tn_v_edit *e, int param)
{
    (void)param;
    for (uint32_t p = 0; p < e->op.post_count; ++p) {
        tn_tensor *t = tn_v_edit_tensor(e, e->posts[p].role);
        if (e->posts[p].kind != TN_POST_BIAS || t == NULL || t->rank != 1)
            continue;
        t->rank = 2;
        t->dim[1] = 1;
        t->stride[1] = 0;
        const tn_tensor *o = tn_v_edit_tensor(e, TN_ARG_OUT);
        t->dim[0] = o->dim[o->rank - 2];
        return true;
    }
    return false;
}

static bool relu_no_nan(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    (void)e;
    for (int64_t i = 0; i < right->count; ++i)
        if (isnan(model->ref[i])) {
            model->ref[i] = 0;
            model->err[i] = 0;
        }
    return true;
}

static bool relu_of_nan(tn_v_edit *e, int param)
{
    (void)param;
    for (uint32_t p = 0; p < e->op.post_count; ++p)
        if (e->posts[p].kind == TN_POST_RELU) {
            e->combine = relu_no_nan;
            return true;
        }
    return false;
}

static bool without_operand(tn_v_edit *e, int role)
{
    tn_v_memory *m = tn_v_edit_memory(e, (uint32_t)role);
    if (m == NULL || e->owned == TN_V_ARGS)
        return false;
    double *zero = calloc((size_t)m->elems + 1, sizeof *zero);
    if (zero == NULL)
        return false;
    e->own[e->owned++] = zero;
    m->value = zero;
    return true;
}

static bool shifted(tn_v_edit *e, int role)
{
    tn_v_memory *m = tn_v_edit_memory(e, (uint32_t)role);
    const tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    if (m == NULL || t->rank == 0 || m->elems < 2 || e->owned == TN_V_ARGS)
        return false;
    double *copy = calloc((size_t)m->elems + 1, sizeof *copy);
    if (copy == NULL)
        return false;
    for (int64_t i = 0; i < m->elems; ++i)
        copy[i] = m->value[(i + 1) % m->elems];
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

/* ---- accumulators, in ascending order ---- */

enum { ACC_F16, ACC_BF16, ACC_ZERO, PRODUCT_F16, ACC_14 };

static double narrow(int how, double x)
{
    switch (how) {
    case ACC_F16:
        return tn_v_rounded(TN_F16, x, TN_V_NEAREST_EVEN, false);
    case ACC_BF16:
        return tn_v_to_bits(x, 8, TN_V_NEAREST_EVEN);
    case ACC_14:
        return tn_v_to_bits(x, 14, TN_V_TOWARD_ZERO);
    case ACC_ZERO:
        return tn_v_to_bits(x, 24, TN_V_TOWARD_ZERO);
    default:
        return tn_v_to_bits(x, 24, TN_V_NEAREST_EVEN);
    }
}

static bool step_by_step(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    tn_v_view a = tn_v_view_of(&e->call, TN_ARG_A), b = tn_v_view_of(&e->call, TN_ARG_B);
    bool ta = (e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0,
         tb = (e->attr.matmul.flags & TN_MATMUL_TRANSPOSE_B) != 0;
    int64_t k = depth(e), i[TN_MAX_RANK];
    int64_t ak = a.t->stride[a.t->rank - (ta ? 2 : 1)], am = a.t->stride[a.t->rank - (ta ? 1 : 2)],
            bk = b.t->stride[b.t->rank - (tb ? 1 : 2)], bn = b.t->stride[b.t->rank - (tb ? 2 : 1)];
    for (int64_t n = 0; n < right->count; ++n) {
        tn_v_unravel(right->dim, right->rank, n, i);
        int64_t pa = i[right->rank - 2] * am, pb = i[right->rank - 1] * bn;
        for (uint32_t d = 0; d + 2 < right->rank; ++d) {
            uint32_t lag_a = right->rank - a.t->rank, lag_b = right->rank - b.t->rank;
            if (d >= lag_a && a.t->dim[d - lag_a] > 1)
                pa += i[d] * a.t->stride[d - lag_a];
            if (d >= lag_b && b.t->dim[d - lag_b] > 1)
                pb += i[d] * b.t->stride[d - lag_b];
        }
        double s = 0;
        for (int64_t j = 0; j < k; ++j) {
            double p = tn_v_load(&a, pa + j * ak) * tn_v_load(&b, pb + j * bk);
            if (e->param == PRODUCT_F16)
                p = tn_v_rounded(TN_F16, p, TN_V_NEAREST_EVEN, false);
            s = narrow(e->param, s + p);
        }
        model->ref[n] = s;
        model->err[n] = 0;
    }
    return true;
}

static bool accumulator(tn_v_edit *e, int how)
{
    const tn_tensor *a = tn_v_edit_tensor(e, TN_ARG_A);
    if (e->op.post_count > 0 || tn_v_edit_tensor(e, TN_ARG_C) != NULL || e->attr.matmul.flags & TN_MATMUL_ALPHA ||
        !tn_v_format_of((tn_dtype)a->dtype).floating)
        return false;
    e->param = how;
    e->combine = step_by_step;
    return true;
}

/* ---- convolution ---- */

static bool conv_is(const tn_v_edit *e, bool forward)
{
    return !forward || (e->attr.conv.pass == TN_PASS_FORWARD && (e->attr.conv.flags & TN_CONV_TRANSPOSED) == 0);
}

static void exchange(int32_t *x, int32_t *y)
{
    int32_t t = *x;
    *x = *y;
    *y = t;
}

static bool pads(tn_v_edit *e, int how)
{
    tn_conv *c = &e->attr.conv;
    tn_conv old = *c;
    for (uint32_t d = 0; d < c->dims && how == 0; ++d)
        exchange(&c->pad_lo[d], &c->pad_hi[d]);
    if (how == 1 && c->dims > 1)
        exchange(&c->pad_lo[0], &c->pad_lo[1]);
    if (how == 2)
        memset(c->pad_lo, 0, sizeof c->pad_lo);
    return memcmp(&old, c, sizeof old) != 0;
}

static bool axes(tn_v_edit *e, int how)
{
    tn_conv *c = &e->attr.conv;
    tn_conv old = *c;
    if (how == 0)
        memset(c->dilation, 0, sizeof c->dilation);
    else if (how == 1 && c->dims > 1)
        exchange(&c->stride[0], &c->stride[1]);
    else if (how == 2 && c->dims > 1)
        exchange(&c->dilation[0], &c->dilation[1]);
    else if (how == 3)
        memset(c->stride, 0, sizeof c->stride);
    return memcmp(&old, c, sizeof old) != 0;
}

/* Every group reads the channels of the first: A looks as if it had only those. */
static bool no_groups(tn_v_edit *e, int role)
{
    tn_conv *c = &e->attr.conv;
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    tn_v_memory *m = tn_v_edit_memory(e, (uint32_t)role);
    if (c->groups < 2 || t == NULL || e->owned == TN_V_ARGS || !conv_is(e, true))
        return false;
    int axis = role == TN_ARG_B ? 0 : (c->flags & TN_CONV_CHANNELS_LAST) != 0 ? t->rank - 1 : 1;
    int64_t per = t->dim[axis] / c->groups, i[TN_MAX_RANK], count = 1;
    double *copy = malloc(((size_t)m->elems + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    memcpy(copy, m->value, (size_t)m->elems * sizeof *copy);
    for (uint32_t d = 0; d < t->rank; ++d)
        count *= t->dim[d];
    for (int64_t n = 0; n < count; ++n) {
        int64_t to = 0, from = 0;
        tn_v_unravel(t->dim, t->rank, n, i);
        for (uint32_t d = 0; d < t->rank; ++d) {
            to += i[d] * t->stride[d];
            from += ((int)d == axis ? i[d] % per : i[d]) * t->stride[d];
        }
        copy[to] = m->value[from];
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

static bool flipped(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    tn_v_memory *m = tn_v_edit_memory(e, TN_ARG_B);
    tn_conv *c = &e->attr.conv;
    if (b == NULL || e->owned == TN_V_ARGS)
        return false;
    double *copy = malloc(((size_t)m->elems + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    memcpy(copy, m->value, (size_t)m->elems * sizeof *copy);
    uint32_t space = (c->flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    int64_t i[TN_MAX_RANK], count = 1;
    for (uint32_t d = 0; d < b->rank; ++d)
        count *= b->dim[d];
    for (int64_t n = 0; n < count; ++n) {
        int64_t to = 0, from = 0;
        tn_v_unravel(b->dim, b->rank, n, i);
        for (uint32_t d = 0; d < b->rank; ++d) {
            bool turned = d >= space && d < space + c->dims;
            to += i[d] * b->stride[d];
            from += (turned ? b->dim[d] - 1 - i[d] : i[d]) * b->stride[d];
        }
        copy[to] = m->value[from];
    }
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
}

/* Channels first read as channels last, where the sizes allow it, and the other way round. */
static bool other_layout(tn_v_edit *e, int role)
{
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    if (t == NULL || t->rank < 3)
        return false;
    bool last = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0;
    int64_t s[TN_MAX_RANK];
    for (uint32_t d = 1; d < t->rank; ++d) {
        if (t->dim[d] != t->dim[1])
            return false;
        uint32_t from = last ? (d == t->rank - 1u ? 1 : d + 1) : (d == 1 ? t->rank - 1u : d - 1);
        s[d] = t->stride[from];
    }
    memcpy(t->stride + 1, s + 1, (t->rank - 1u) * sizeof *s);
    return true;
}

static bool turned_kernel(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    uint32_t space = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    if (b == NULL || e->attr.conv.dims != 2 || b->dim[space] != b->dim[space + 1])
        return false;
    int64_t s = b->stride[space];
    b->stride[space] = b->stride[space + 1];
    b->stride[space + 1] = s;
    return true;
}

/* The last channel of the group takes no part. */
static bool drop_channel(tn_v_edit *e, int param)
{
    (void)param;
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    if (b == NULL || e->attr.conv.groups > 1 || !conv_is(e, true))
        return false;
    int axis = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? b->rank - 1 : 1;
    return --b->dim[axis] > 0;
}

static bool drop_tap(tn_v_edit *e, int which)
{
    tn_tensor *b = tn_v_edit_tensor(e, TN_ARG_B);
    uint32_t space = (e->attr.conv.flags & TN_CONV_CHANNELS_LAST) != 0 ? 1 : 2;
    if (b == NULL || !conv_is(e, true) || (uint32_t)which >= e->attr.conv.dims)
        return false;
    return --b->dim[space + (uint32_t)which] > 0;
}

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
        e->attr.attention.first_query = e->attr.attention.first_key + k->dim[k->rank - 2] - q->dim[q->rank - 2] + by;
    }
    return true;
}

static bool causal_kind(tn_v_edit *e, int how)
{
    uint32_t *f = &e->attr.attention.flags, both = TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END;
    if ((*f & both) == 0)
        return false;
    *f = how == 0 ? *f & ~both : *f ^ both;
    return true;
}

static bool scale_by(tn_v_edit *e, int how)
{
    const tn_tensor *q = tn_v_edit_tensor(e, TN_ARG_Q);
    float d = (float)q->dim[q->rank - 1], old = e->attr.attention.scale;
    e->attr.attention.scale = how == 0 ? 1.0f : how == 1 ? 1.0f / d : how == 2 && old != 0 ? 0.0f : 1.0f;
    return e->attr.attention.scale != old;
}

static bool drop_keys(tn_v_edit *e, int of)
{
    tn_tensor *k = tn_v_edit_tensor(e, TN_ARG_K), *v = tn_v_edit_tensor(e, TN_ARG_V);
    int64_t keys = k->dim[k->rank - 2], left = of == 1 ? keys - 1 : keys / of * of;
    if (left == keys || left <= 0 || tn_v_edit_tensor(e, TN_ARG_MASK) != NULL)
        return false;
    if ((e->attr.attention.flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        return false;
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

static bool no_softcap(tn_v_edit *e, int param)
{
    bool there = e->attr.attention.softcap != 0;
    (void)param;
    e->attr.attention.softcap = 0;
    return there;
}

#define M TN_OP_MATMUL
#define C TN_OP_CONV
#define A TN_OP_ATTENTION
const tn_v_model tn_v_models[] = {
    {"last k dropped", M, drop_last, 1},
    {"k mod 2 tail dropped", M, drop_tail, 2},
    {"k mod 4 tail dropped", M, drop_tail, 4},
    {"k mod 8 tail dropped", M, drop_tail, 8},
    {"k mod 16 tail dropped", M, drop_tail, 16},
    {"k mod 32 tail dropped", M, drop_tail, 32},
    {"k mod 64 tail dropped", M, drop_tail, 64},
    {"first k dropped", M, drop_first, 0},
    {"last k counted twice", M, last_twice, 0},
    {"accumulator not cleared", M, not_cleared, 0},
    {"A transposed", M, turn, TN_ARG_A},
    {"B transposed", M, turn, TN_ARG_B},
    {"leading dimension of A ignored", M, dense_rows, TN_ARG_A},
    {"leading dimension of B ignored", M, dense_rows, TN_ARG_B},
    {"batch stride of A ignored", M, same_batch, TN_ARG_A},
    {"batch stride of B ignored", M, same_batch, TN_ARG_B},
    {"beta * C omitted", M, without_flag, TN_MATMUL_BETA},
    {"alpha omitted", M, without_flag, TN_MATMUL_ALPHA},
    {"C added without beta", M, beta_one, 0},
    {"bias indexed by row", M, bias_by_row, 0},
    {"relu of NaN gives 0", 0, relu_of_nan, 0},
    {"bias omitted", 0, without_post, TN_POST_BIAS},
    {"residual omitted", 0, without_post, TN_POST_ADD},
    {"activation omitted", 0, without_post, TN_POST_RELU},
    {"gelu in its other form", 0, other_gelu, 0},
    {"u8 read as s8", 0, map_inputs, SIGNED},
    {"s8 read as u8", 0, map_inputs, UNSIGNED},
    {"zero point of A ignored", M, without_operand, TN_ARG_ZERO_OF + TN_ARG_A},
    {"zero point of B ignored", M, without_operand, TN_ARG_ZERO_OF + TN_ARG_B},
    {"zero point of the output ignored", M, without_operand, TN_ARG_ZERO_OF + TN_ARG_OUT},
    {"scale of B shifted by one", M, shifted, TN_ARG_SCALE_OF + TN_ARG_B},
    {"f16 accumulator", M, accumulator, ACC_F16},
    {"bf16 accumulator", M, accumulator, ACC_BF16},
    {"products rounded to f16", M, accumulator, PRODUCT_F16},
    {"accumulator of 14 bits", M, accumulator, ACC_14},
    {"accumulator rounds toward zero", M, accumulator, ACC_ZERO},
    {"padding of the low and the high side exchanged", C, pads, 0},
    {"padding of height and width exchanged", C, pads, 1},
    {"padding ignored", C, pads, 2},
    {"dilation ignored", C, axes, 0},
    {"strides of height and width exchanged", C, axes, 1},
    {"dilation of height and width exchanged", C, axes, 2},
    {"stride ignored", C, axes, 3},
    {"groups read the channels of the first group", C, no_groups, TN_ARG_A},
    {"groups use the filters of the first group", C, no_groups, TN_ARG_B},
    {"filter flipped", C, flipped, 0},
    {"filter transposed", C, turned_kernel, 0},
    {"channels first and last mixed up in A", C, other_layout, TN_ARG_A},
    {"channels first and last mixed up in B", C, other_layout, TN_ARG_B},
    {"last channel dropped", C, drop_channel, 0},
    {"last row of the filter dropped", C, drop_tap, 0},
    {"last column of the filter dropped", C, drop_tap, 1},
    {"accumulator not cleared", C, not_cleared, 0},
    {"causal border one key too far", A, causal_by, 1},
    {"causal border one key too early", A, causal_by, -1},
    {"causal ignored", A, causal_kind, 0},
    {"causal from the wrong end", A, causal_kind, 1},
    {"scores not scaled", A, scale_by, 0},
    {"scores scaled by 1 / d", A, scale_by, 1},
    {"scale of the call ignored", A, scale_by, 2},
    {"last key dropped", A, drop_keys, 1},
    {"tail of keys mod 4 dropped", A, drop_keys, 4},
    {"tail of keys mod 8 dropped", A, drop_keys, 8},
    {"tail of keys mod 16 dropped", A, drop_keys, 16},
    {"tail of keys mod 32 dropped", A, drop_keys, 32},
    {"tail of keys mod 64 dropped", A, drop_keys, 64},
    {"tail of keys mod 128 dropped", A, drop_keys, 128},
    {"last element of d dropped", A, drop_d, 1},
    {"window ignored", A, window_by, 0},
    {"window one key too wide", A, window_by, 1},
    {"window one key too narrow", A, window_by, 2},
    {"sides of the window exchanged", A, window_by, 3},
    {"mask ignored", A, no_mask, 0},
    {"mask inverted", A, mask_inverted, 0},
    {"mask adds -10000", A, mask_add, -10000},
    {"mask adds -30", A, mask_add, -30},
    {"a row that is all masked gives the mean", A, twist_other, 1},
    {"K and V exchanged", A, k_as_v, 0},
    {"key head is h mod the key heads", A, twist_other, 0},
    {"softcap ignored", A, no_softcap, 0},
    {"padded keys take part, tile 16", A, twist_extra, 16},
    {"padded keys take part, tile 32", A, twist_extra, 32},
    {"padded keys take part, tile 64", A, twist_extra, 64},
    {"padded keys take part, tile 128", A, twist_extra, 128},
    {"sum of weights not rescaled, block 1", A, twist_rescale, 1},
    {"sum of weights not rescaled, block 8", A, twist_rescale, 8},
    {"sum of weights not rescaled, block 16", A, twist_rescale, 16},
    {"sum of weights not rescaled, block 32", A, twist_rescale, 32},
    {"sum of weights not rescaled, block 64", A, twist_rescale, 64},
    {"maximum not subtracted", A, twist_other, 2},
    {"exp by exponent bits (Schraudolph)", A, twist_exp, 1},
    {"exp of the second degree", A, twist_exp, 2},
    {"exp in bf16", A, twist_exp, 3},
    {"weights stored in bf16", A, twist_stored, 0},
    {"weights stored in f16", A, twist_stored, 1},
    {"scores stored in bf16", A, twist_stored, 2},
    {"scores stored in f16", A, twist_stored, 3},
    {"NaN operand read as 0", 0, map_inputs, NO_NAN},
    {"subnormal f32 inputs flushed", 0, map_inputs, TINY32},
    {"subnormal f16 inputs flushed", 0, map_inputs, TINY16},
    {"subnormal results flushed", 0, flush, 0},
    {"overflow saturates", 0, saturate, 0},
    {"inputs rounded to tf32", 0, map_inputs, TF32},
    {"inputs truncated to tf32", 0, map_inputs, TF32_ZERO},
    {"inputs rounded to bf16", 0, map_inputs, BF16},
    {"inputs rounded to f16", 0, map_inputs, F16},
    {"output truncated", 0, round_output, TN_V_TOWARD_ZERO},
    {"output rounded half away from zero", 0, round_output, TN_V_NEAREST_AWAY},
    {NULL, 0, NULL, 0}};
