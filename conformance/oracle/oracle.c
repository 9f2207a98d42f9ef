/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the reference of an op; what the references share. */
#include <conformance/oracle/oracle.h>

#include <stdlib.h>
#include <string.h>

const tn_arg *tn_v_arg(const tn_op *op, uint32_t role)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (op->args[i].role == role)
            return &op->args[i];
    return NULL;
}

/* The pass of the op is BACKWARD_DATA of attention, where OUT and STATS are inputs. */
static bool attention_backward(const tn_op *op)
{
    return op->kind == TN_OP_ATTENTION &&
           ((const tn_attention *)op->attr)->pass == TN_PASS_BACKWARD_DATA;
}

bool tn_v_is_output(const tn_op *op, uint32_t role)
{
    if (role >= TN_ARG_OUT_GRAD_A && role <= TN_ARG_OUT_GRAD_V)
        return true;
    if (attention_backward(op))
        return false;
    return role == TN_ARG_OUT || (role == TN_ARG_STATS && op->kind == TN_OP_ATTENTION) ||
           (role == TN_ARG_INDEX && op->kind == TN_OP_TOPK);
}

tn_v_view tn_v_view_of(const tn_v_call *call, uint32_t role)
{
    tn_v_view v = {NULL, NULL};
    for (uint32_t i = 0; i < call->op->arg_count; ++i)
        if (call->op->args[i].role == role) {
            v.t = &call->op->args[i].tensor;
            v.m = &call->memory[i];
        }
    return v;
}

bool tn_v_gelu_slope(double x, double *value, double *slope, bool tanh_form)
{
    if (tanh_form) {
        /* (1 + tanh t) / 2 without its cancellation */
        double t = 0.7978845608028654 * (x + 0.044715 * x * x * x);
        *value = isinf(x) && x < 0 ? -0.0 : x / (1 + exp(-2 * t));
    } else {
        *value = 0.5 * x * erfc(-x * 0.7071067811865476);
        if (x < 0 && isinf(x))
            *value = -0.0;
    }
    *slope = 1.13; /* the largest derivative of either form */
    return true;
}

void tn_v_posts(const tn_v_call *call, const tn_v_truth *truth, const int64_t *i, double *ref,
                double *err)
{
    const tn_v_arith *a = &call->arith;
    double u = tn_v_unit(a->accumulate), y = *ref, e = *err, slope = 1;
    for (uint32_t p = 0; p < call->op->post_count; ++p) {
        const tn_post *post = &call->op->posts[p];
        tn_v_view r = tn_v_view_of(call, post->role);
        double with = r.t != NULL ? tn_v_load(&r, tn_v_broadcast(r.t, i, truth->rank)) : 0;
        if (isfinite(y) && fabs(y) + e >= tn_v_format_of(a->accumulate).max) {
            *ref = 0; /* whatever comes of an infinity that may be met on the way */
            *err = INFINITY;
            return;
        }
        switch (post->kind) {
        case TN_POST_BIAS:
        case TN_POST_ADD:
            y += with;
            break;
        case TN_POST_MUL:
            if (isinf(with) && fabs(y) <= e) { /* the device may have a zero there, or not */
                *ref = 0;
                *err = INFINITY;
                return;
            }
            y *= with;
            e *= fabs(with);
            break;
        case TN_POST_SCALE:
            y *= (double)post->a;
            e *= fabs((double)post->a);
            break;
        case TN_POST_CLAMP:
            y = y < (double)post->a ? (double)post->a : y > (double)post->b ? (double)post->b : y;
            continue;
        case TN_POST_RELU:
            y = y > 0 || isnan(y) ? y : 0;
            continue;
        case TN_POST_GELU:
        case TN_POST_GELU_TANH:
            tn_v_gelu_slope(y, &y, &slope, post->kind == TN_POST_GELU_TANH);
            e = e * slope + (a->function_rel + u) * fabs(y) + 2 * a->tiny;
            continue;
        case TN_POST_SILU:
            y = isinf(y) && y < 0 ? -0.0 : y / (1 + exp(-y));
            e = e * 1.1 + (a->function_rel + u) * fabs(y) + 2 * a->tiny;
            continue;
        }
        /* integers stay exact until a function has been among the posts, or they outgrow the type
         */
        if (!call->exact || e != 0 || tn_v_rounded(a->accumulate, y, TN_V_NEAREST_EVEN, false) != y)
            e += u * (fabs(y) + e) + a->tiny;
    }
    *ref = y;
    *err = e;
}

/* CANONICAL is of f32 and what it holds. */
static bool wants_bits(const tn_op *op)
{
    bool wide = op->numerics.accumulate != 0 && op->numerics.accumulate != TN_F32;
    for (uint32_t i = 0; i < op->arg_count; ++i)
        wide = wide || op->args[i].tensor.dtype == TN_F64;
    return op->numerics.cls == TN_CLASS_CANONICAL && !wide;
}

static bool make(const tn_v_call *call, const tn_arg *arg, tn_v_truth *t)
{
    tn_tensor stored = tn_v_stored(&arg->tensor);
    memset(t, 0, sizeof *t);
    t->role = arg->role;
    t->dtype = (tn_dtype)stored.dtype;
    t->rank = stored.rank;
    t->count = 1;
    for (uint32_t d = 0; d < t->rank; ++d) {
        t->dim[d] = stored.dim[d];
        t->count *= t->dim[d];
    }
    size_t n = (size_t)t->count + 1;
    t->ref = calloc(n, sizeof(double));
    t->err = calloc(n, sizeof(double));
    t->mag = calloc(n, sizeof(double));
    bool bits = wants_bits(call->op) && tn_v_format_of(t->dtype).floating;
    t->canonical = bits ? calloc(n, sizeof(double)) : NULL;
    return t->ref != NULL && t->err != NULL && t->mag != NULL && (t->canonical != NULL || !bits);
}

void tn_v_truth_free(tn_v_truth *t, int count)
{
    for (int i = 0; i < count; ++i) {
        free(t[i].ref);
        free(t[i].err);
        free(t[i].mag);
        free(t[i].canonical);
        memset(&t[i], 0, sizeof t[i]);
    }
}

static bool compute(const tn_v_call *call, tn_v_truth *t, int count)
{
    switch ((int)call->op->kind) {
    case TN_OP_MATMUL:
        return tn_v_matmul(call, t);
    case TN_OP_CONV:
        return tn_v_conv(call, t);
    case TN_OP_ATTENTION:
        return tn_v_attention(call, t, count) > 0;
    case TN_OP_SOFTMAX:
        return tn_v_softmax(call, t);
    case TN_OP_NORM:
        return tn_v_norm(call, t);
    case TN_OP_REDUCE:
        return tn_v_reduce(call, t);
    case TN_OP_POOL:
        return tn_v_pool(call, t);
    case TN_OP_ELTWISE:
        return ((const tn_eltwise *)call->op->attr)->pass == TN_PASS_FORWARD
                   ? tn_v_eltwise(call, t)
                   : tn_v_eltwise_back(call, t);
    case TN_OP_COPY:
    case TN_OP_CONCAT:
    case TN_OP_PAD:
        return tn_v_move(call, t);
    case TN_OP_GATHER:
        return (((const tn_axis *)call->op->attr)->flags & TN_GATHER_BACKWARD) != 0
                   ? tn_v_gather_back(call, t)
                   : tn_v_move(call, t);
    case TN_OP_ROPE:
        return tn_v_rope(call, t);
    case TN_OP_TOPK:
        return tn_v_topk(call, t, count);
    case TN_OP_SCAN:
        return tn_v_scan(call, t);
    case TN_OP_RESIZE:
        return tn_v_resize(call, t);
    case TN_OP_QUANTIZE:
    case TN_OP_DEQUANTIZE:
        return tn_v_quantize(call, t);
    default:
        return false;
    }
}

int tn_v_oracle(const tn_v_call *call, tn_v_truth truth[TN_V_ARGS])
{
    int count = 0;
    bool memory = true;
    for (uint32_t i = 0; i < call->op->arg_count && memory; ++i)
        if (tn_v_is_output(call->op, call->op->args[i].role))
            memory = make(call, &call->op->args[i], &truth[count++]);
    bool known = memory && count > 0 && compute(call, truth, count);
    if (!known) {
        tn_v_truth_free(truth, count);
        return memory ? 0 : -1;
    }
    for (int i = 0; i < count; ++i)
        if (!truth[i].known) {
            free(truth[i].canonical);
            truth[i].canonical = NULL;
        }
    return count;
}
