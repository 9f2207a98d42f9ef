/* SPDX-License-Identifier: Apache-2.0 */
/* How far the result of a layer may be off: what the oracle grants the layer on exact operands, the
 * rounding of its output, and what the errors of its operands do, by the derivative of the layer:
 * of the first order, as the bounds of attention and norms are. */
#include <conformance/networks/net.h>

#include <stdlib.h>
#include <string.h>

typedef struct operand {
    const tn_tensor *t;
    tn_v_memory ref, err, size; /* size: magnitudes of ref */
} operand;

typedef struct passage {
    tn_v_net *n;
    const tn_v_net_layer *l;
    const tn_op *op;
    operand arg[TN_V_ARGS];
    const tn_v_truth *truth;
    double *add; /* [count] of the output, row-major: what errors of operands do */
} passage;

static const operand *given(const passage *p, uint32_t role)
{
    for (uint32_t i = 0; i < p->op->arg_count; ++i)
        if (p->op->args[i].role == role)
            return &p->arg[i];
    return NULL;
}

/* The op without its posts on other numbers, added to `to`. */
static bool plain(const passage *p, const tn_v_memory a, const tn_v_memory b, uint32_t role_a,
                  uint32_t role_b, double *to)
{
    tn_op bare = *p->op;
    tn_v_call call = {.op = &bare, .arith = p->l->step.arith};
    tn_v_truth t[TN_V_ARGS];
    bare.post_count = 0;
    for (uint32_t i = 0; i < bare.arg_count; ++i)
        call.memory[i] = bare.args[i].role == role_a   ? a
                         : bare.args[i].role == role_b ? b
                                                       : p->arg[i].ref;
    int count = tn_v_oracle(&call, t);
    for (int64_t k = 0; count > 0 && k < t[0].count; ++k)
        to[k] += fabs(t[0].ref[k]);
    if (count > 0)
        tn_v_truth_free(t, count);
    return count > 0;
}

static bool product(passage *p)
{
    const operand *a = given(p, TN_ARG_A), *b = given(p, TN_ARG_B);
    return plain(p, a->err, b->size, TN_ARG_A, TN_ARG_B, p->add) &&
           plain(p, a->size, b->err, TN_ARG_A, TN_ARG_B, p->add);
}

/* Slopes of functions are at most these. */
static double slope_of(uint32_t kind)
{
    switch (kind) {
    case TN_ELTWISE_GELU:
    case TN_ELTWISE_GELU_TANH:
        return 1.13;
    case TN_ELTWISE_SILU:
        return 1.1;
    case TN_ELTWISE_RELU:
    case TN_ELTWISE_TANH:
    case TN_ELTWISE_NEG:
        return 1;
    default:
        return INFINITY;
    }
}

static bool posts(passage *p)
{
    int64_t i[TN_MAX_RANK];
    for (uint32_t k = 0; k < p->op->post_count; ++k) {
        const tn_post *post = &p->op->posts[k];
        const operand *with = given(p, post->role);
        double slope = post->kind == TN_POST_GELU || post->kind == TN_POST_GELU_TANH ? 1.13
                       : post->kind == TN_POST_SILU                                  ? 1.1
                                                                                     : 1;
        if (post->kind == TN_POST_MUL || post->kind == TN_POST_SCALE)
            return false;
        for (int64_t e = 0; e < p->truth->count; ++e) {
            tn_v_unravel(p->truth->dim, p->truth->rank, e, i);
            p->add[e] *= slope;
            if (with != NULL)
                p->add[e] += with->err.value[tn_v_broadcast(with->t, i, p->truth->rank)];
        }
    }
    return true;
}

static bool elementwise(passage *p)
{
    const tn_eltwise *t = p->op->attr;
    const operand *a = given(p, TN_ARG_A), *b = given(p, TN_ARG_B);
    int64_t i[TN_MAX_RANK];
    for (int64_t e = 0; e < p->truth->count; ++e) {
        tn_v_unravel(p->truth->dim, p->truth->rank, e, i);
        int64_t at = tn_v_broadcast(a->t, i, p->truth->rank);
        if (b == NULL) {
            p->add[e] = slope_of(t->kind) * a->err.value[at];
            continue;
        }
        int64_t bt = tn_v_broadcast(b->t, i, p->truth->rank);
        if (t->kind == TN_ELTWISE_MUL)
            p->add[e] = a->err.value[at] * b->size.value[bt] + a->size.value[at] * b->err.value[bt];
        else if (t->kind == TN_ELTWISE_ADD || t->kind == TN_ELTWISE_SUB)
            p->add[e] = a->err.value[at] + b->err.value[bt];
        else
            return false;
    }
    return true;
}

/* Softmax and norms of the last axis of dense operands. */
static bool rows(passage *p)
{
    const operand *a = given(p, TN_ARG_A), *gamma = given(p, TN_ARG_GAMMA);
    int64_t n = a->t->dim[a->t->rank - 1];
    for (int64_t r = 0; r < p->truth->count / n; ++r) {
        const double *x = a->ref.value + r * n, *e = a->err.value + r * n,
                     *y = p->truth->ref + r * n;
        double mean = 0, square = 0, mean_e = 0, turn = 0;
        if (p->op->kind == TN_OP_SOFTMAX) {
            for (int64_t k = 0; k < n; ++k)
                turn += y[k] * e[k];
            for (int64_t k = 0; k < n; ++k)
                p->add[r * n + k] = y[k] * (e[k] + turn);
            continue;
        }
        const tn_norm *t = p->op->attr;
        bool layer = t->kind == TN_NORM_LAYER;
        for (int64_t k = 0; k < n && layer; ++k)
            mean += x[k] / (double)n;
        for (int64_t k = 0; k < n; ++k) {
            square += (x[k] - mean) * (x[k] - mean) / (double)n;
            mean_e += layer ? e[k] / (double)n : 0;
        }
        double s = sqrt(square + (double)t->epsilon);
        for (int64_t k = 0; k < n; ++k)
            turn += fabs(x[k] - mean) / s * e[k] / (double)n;
        for (int64_t k = 0; k < n; ++k)
            p->add[r * n + k] = (gamma != NULL ? gamma->size.value[k] : 1) / s *
                                (e[k] + mean_e + fabs(x[k] - mean) / s * turn);
    }
    return true;
}

static int64_t token(const tn_tensor *t, int64_t h, int64_t i, int64_t c)
{
    return h * t->stride[1] + i * t->stride[2] + c * t->stride[3];
}

/* One batch, as many key heads as heads, no mask. */
static bool attention(passage *p)
{
    const operand *q = given(p, TN_ARG_Q), *k = given(p, TN_ARG_K), *v = given(p, TN_ARG_V);
    const tn_attention *attr = p->op->attr;
    int64_t keys = k->t->dim[2], d = q->t->dim[3], dv = v->t->dim[3], queries = q->t->dim[2];
    double scale = attr->scale != 0 ? (double)attr->scale : 1 / sqrt((double)d);
    double *w = calloc((size_t)keys * 2 + 1, sizeof *w), *bent = w + keys;
    if (w == NULL || q->t->dim[0] != 1 || q->t->dim[1] != k->t->dim[1]) {
        free(w);
        return false;
    }
    for (int64_t h = 0; h < q->t->dim[1]; ++h)
        for (int64_t i = 0; i < queries; ++i) {
            int64_t seen = (attr->flags & TN_ATTENTION_CAUSAL) != 0 && i + 1 < keys ? i + 1 : keys;
            double top = -INFINITY, sum = 0;
            for (int64_t j = 0; j < seen; ++j) {
                double s = bent[j] = 0;
                for (int64_t c = 0; c < d; ++c) {
                    int64_t a = token(q->t, h, i, c), b = token(k->t, h, j, c);
                    s += q->ref.value[a] * k->ref.value[b];
                    bent[j] +=
                        q->err.value[a] * k->size.value[b] + q->size.value[a] * k->err.value[b];
                }
                w[j] = s * scale;
                bent[j] *= scale;
                top = fmax(top, w[j]);
            }
            for (int64_t j = 0; j < seen; ++j)
                sum += w[j] = exp(w[j] - top);
            for (int64_t c = 0; c < dv; ++c) {
                int64_t at = (h * queries + i) * dv + c;
                for (int64_t j = 0; j < seen; ++j) {
                    int64_t b = token(v->t, h, j, c);
                    p->add[at] +=
                        w[j] / sum *
                        (fabs(v->ref.value[b] - p->truth->ref[at]) * bent[j] + v->err.value[b]);
                }
            }
        }
    free(w);
    return true;
}

static bool derivative(passage *p)
{
    const operand *a = given(p, TN_ARG_A);
    switch ((int)p->op->kind) {
    case TN_OP_MATMUL:
    case TN_OP_CONV:
        return product(p) && posts(p);
    case TN_OP_ELTWISE:
        return elementwise(p);
    case TN_OP_SOFTMAX:
    case TN_OP_NORM:
        return rows(p);
    case TN_OP_ATTENTION:
        return attention(p);
    case TN_OP_POOL: /* the largest error of a window, or the mean of them */
        return plain(p, a->err, a->err, TN_ARG_A, TN_ARG_A, p->add);
    case TN_OP_COPY:
        for (int64_t e = 0; e < p->truth->count; ++e)
            p->add[e] = a->err.value[(int64_t)p->truth->ref[e]];
        return true;
    default:
        return false;
    }
}

/* Reference and bound into the memory of the output. */
static void store(passage *p, uint32_t at)
{
    tn_v_net_value *to = &p->n->value[p->l->value[at]];
    const tn_tensor *t = &p->op->args[at].tensor;
    double u = tn_v_unit(p->truth->dtype),
           tiny = ldexp(1.0, tn_v_format_of(p->truth->dtype).exponent_min);
    for (int64_t e = 0; e < p->truth->count; ++e) {
        int64_t place = p->l->offset[at] + tn_v_offset(t, e);
        double y = p->truth->ref[e], err = p->truth->err[e];
        if (p->truth->bits) {
            y = given(p, TN_ARG_A)->ref.value[(int64_t)y];
            to->err[place] = p->add[e];
        } else {
            to->err[place] = err + p->add[e];
            to->err[place] += u * (fabs(y) + to->err[place]) + tiny;
        }
        to->ref[place] = y;
    }
}

bool tn_v_net_refer(tn_v_net *n, const tn_v_net_layer *l)
{
    passage p = {.n = n, .l = l, .op = l->step.op};
    tn_v_call call = {.op = p.op, .arith = l->step.arith};
    tn_v_truth truth[TN_V_ARGS];
    double *sizes[TN_V_ARGS] = {NULL};
    uint32_t out = 0;
    bool good = true;
    for (uint32_t i = 0; i < p.op->arg_count && good; ++i) {
        const tn_v_net_value *v = &n->value[l->value[i]];
        int64_t elems = v->count - l->offset[i];
        sizes[i] = calloc((size_t)elems + 1, sizeof *sizes[i]);
        good = sizes[i] != NULL;
        for (int64_t k = 0; k < elems && good; ++k)
            sizes[i][k] = fabs(v->ref[l->offset[i] + k]);
        p.arg[i] = (operand){.t = &p.op->args[i].tensor,
                             .ref = {v->ref + l->offset[i], elems},
                             .err = {v->err + l->offset[i], elems},
                             .size = {sizes[i], elems}};
        call.memory[i] = p.arg[i].ref;
        out = tn_v_is_output(p.op, p.op->args[i].role) ? i : out;
    }
    int count = good ? tn_v_oracle(&call, truth) : -1;
    p.truth = &truth[0];
    p.add = count == 1 ? calloc((size_t)truth[0].count + 1, sizeof *p.add) : NULL;
    good = p.add != NULL && derivative(&p);
    if (good)
        store(&p, out);
    free(p.add);
    if (count > 0)
        tn_v_truth_free(truth, count);
    for (uint32_t i = 0; i < p.op->arg_count; ++i)
        free(sizes[i]);
    return good;
}
