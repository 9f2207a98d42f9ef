/* SPDX-License-Identifier: Apache-2.0 */
/* Known defects of matmul. What explains most precisely stands first. */
#include <conformance/runner/models.h>

#include <stdlib.h>
#include <string.h>

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

/* What lies before an operand is not known, and reads as NaN. */
static bool early(tn_v_edit *e, int role)
{
    tn_tensor *t = tn_v_edit_tensor(e, (uint32_t)role);
    tn_v_memory *m = tn_v_edit_memory(e, (uint32_t)role);
    double *copy = e->owned < TN_V_ARGS ? malloc(((size_t)m->elems + 1) * sizeof *copy) : NULL;
    if (copy == NULL || t->rank < 2)
        return false;
    copy[0] = NAN;
    memcpy(copy + 1, m->value, (size_t)m->elems * sizeof *copy);
    e->own[e->owned++] = copy;
    m->value = copy;
    return true;
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

static bool round_then_c(tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right)
{
    tn_v_call whole = e->job->call;
    tn_v_view c = tn_v_view_of(&whole, TN_ARG_C);
    const tn_matmul *m = e->job->op->attr;
    double beta = (m->flags & TN_MATMUL_BETA) != 0 ? (double)m->beta : 1;
    int64_t i[TN_MAX_RANK];
    for (int64_t n = 0; n < right->count; ++n) {
        tn_v_unravel(right->dim, right->rank, n, i);
        double add = beta * tn_v_load(&c, tn_v_broadcast(c.t, i, right->rank));
        double low = tn_v_rounded(right->dtype, model->ref[n] - model->err[n], TN_V_NEAREST_EVEN,
                                  false),
               high = tn_v_rounded(right->dtype, model->ref[n] + model->err[n], TN_V_NEAREST_EVEN,
                                   false);
        model->ref[n] = (low + high) / 2 + add;
        model->err[n] = (high - low) / 2;
    }
    return true;
}

static bool late_c(tn_v_edit *e, int param)
{
    (void)param;
    const tn_tensor *out = tn_v_edit_tensor(e, TN_ARG_OUT);
    if (tn_v_edit_tensor(e, TN_ARG_C) == NULL || out->dtype == TN_F32 || e->op.post_count > 0)
        return false;
    e->attr.matmul.flags |= TN_MATMUL_BETA;
    e->attr.matmul.beta = 0;
    e->combine = round_then_c;
    return true;
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

enum { ACC_F16, ACC_BF16, ACC_ZERO, PRODUCT_F16, ACC_14, ACC_22, ACC_UP, PRODUCT_BF16 };

static double narrow(int how, double x)
{
    switch (how) {
    case ACC_F16:
        return tn_v_rounded(TN_F16, x, TN_V_NEAREST_EVEN, false);
    case ACC_BF16:
        return tn_v_to_bits(x, 8, TN_V_NEAREST_EVEN);
    case ACC_14:
        return tn_v_to_bits(x, 14, TN_V_TOWARD_ZERO);
    case ACC_22:
        return tn_v_to_bits(x, 22, TN_V_NEAREST_EVEN);
    case ACC_UP:
        return tn_v_to_bits(x, 24, TN_V_UP);
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
            if (e->param == PRODUCT_BF16)
                p = tn_v_to_bits(p, 8, TN_V_NEAREST_EVEN);
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
    if (e->op.post_count > 0 || tn_v_edit_tensor(e, TN_ARG_C) != NULL ||
        e->attr.matmul.flags & TN_MATMUL_ALPHA || !tn_v_format_of((tn_dtype)a->dtype).floating)
        return false;
    e->param = how;
    e->combine = step_by_step;
    return true;
}

const tn_v_model tn_v_models_matmul[] = {
    {"last k dropped", TN_OP_MATMUL, drop_last, 1},
    {"k mod 2 tail dropped", TN_OP_MATMUL, drop_tail, 2},
    {"k mod 4 tail dropped", TN_OP_MATMUL, drop_tail, 4},
    {"k mod 8 tail dropped", TN_OP_MATMUL, drop_tail, 8},
    {"k mod 16 tail dropped", TN_OP_MATMUL, drop_tail, 16},
    {"k mod 32 tail dropped", TN_OP_MATMUL, drop_tail, 32},
    {"k mod 64 tail dropped", TN_OP_MATMUL, drop_tail, 64},
    {"last 128 of k dropped", TN_OP_MATMUL, drop_last, 128},
    {"first k dropped", TN_OP_MATMUL, drop_first, 0},
    {"A read one element too early", TN_OP_MATMUL, early, TN_ARG_A},
    {"B read one element too early", TN_OP_MATMUL, early, TN_ARG_B},
    {"last k counted twice", TN_OP_MATMUL, last_twice, 0},
    {"accumulator not cleared", TN_OP_MATMUL, tn_v_not_cleared, 0},
    {"A transposed", TN_OP_MATMUL, turn, TN_ARG_A},
    {"B transposed", TN_OP_MATMUL, turn, TN_ARG_B},
    {"leading dimension of A ignored", TN_OP_MATMUL, dense_rows, TN_ARG_A},
    {"leading dimension of B ignored", TN_OP_MATMUL, dense_rows, TN_ARG_B},
    {"batch stride of A ignored", TN_OP_MATMUL, same_batch, TN_ARG_A},
    {"batch stride of B ignored", TN_OP_MATMUL, same_batch, TN_ARG_B},
    {"beta * C omitted", TN_OP_MATMUL, without_flag, TN_MATMUL_BETA},
    {"alpha omitted", TN_OP_MATMUL, without_flag, TN_MATMUL_ALPHA},
    {"C added without beta", TN_OP_MATMUL, beta_one, 0},
    {"C added after the rounding", TN_OP_MATMUL, late_c, 0},
    {"bias indexed by row", TN_OP_MATMUL, bias_by_row, 0},
    {"zero point of A ignored", TN_OP_MATMUL, without_operand, TN_ARG_ZERO_OF + TN_ARG_A},
    {"zero point of B ignored", TN_OP_MATMUL, without_operand, TN_ARG_ZERO_OF + TN_ARG_B},
    {"zero point of the output ignored", TN_OP_MATMUL, without_operand,
     TN_ARG_ZERO_OF + TN_ARG_OUT},
    {"scale of B shifted by one", TN_OP_MATMUL, shifted, TN_ARG_SCALE_OF + TN_ARG_B},
    {"f16 accumulator", TN_OP_MATMUL, accumulator, ACC_F16},
    {"bf16 accumulator", TN_OP_MATMUL, accumulator, ACC_BF16},
    {"products rounded to f16", TN_OP_MATMUL, accumulator, PRODUCT_F16},
    {"products rounded to bf16", TN_OP_MATMUL, accumulator, PRODUCT_BF16},
    {"accumulator of 22 bits", TN_OP_MATMUL, accumulator, ACC_22},
    {"accumulator rounds up", TN_OP_MATMUL, accumulator, ACC_UP},
    {"accumulator of 14 bits", TN_OP_MATMUL, accumulator, ACC_14},
    {"accumulator rounds toward zero", TN_OP_MATMUL, accumulator, ACC_ZERO},
    {NULL, 0, NULL, 0}};
