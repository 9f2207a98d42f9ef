/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of the backward passes: what the forward op asks, and the gradients. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

/* The forward op of a backward one, for its check: roles that it lacks are not looked at. */
static tn__op_view forward_of(const tn__op_view *v)
{
    tn__op_view f = *v;
    f.row = tn__op_find((uint32_t)v->op.kind, TN_PASS_FORWARD);
    switch (v->op.kind) {
    case TN_OP_ATTENTION:
        f.attr.attention.pass = TN_PASS_FORWARD;
        break;
    case TN_OP_SOFTMAX:
        f.attr.softmax.pass = TN_PASS_FORWARD;
        break;
    case TN_OP_NORM:
        f.attr.norm.pass = TN_PASS_FORWARD;
        break;
    default:
        f.attr.eltwise.pass = TN_PASS_FORWARD;
    }
    return f;
}

/* A gradient has the shape of what it is the gradient of, and is a float. */
static tn_status check_gradient(const tn__op_view *v, uint32_t role, const tn_tensor *of,
                                const char *rule)
{
    const tn_tensor *t = tn__op_tensor(v, role);
    const char *name = tn__role_static(role);
    if (t == NULL)
        return TN_OK;
    if (!tn__dtype_float(t->dtype))
        return tn__fail(TN_STATUS_INVALID, "op.grad_dtype", name,
                        "%s of %s is %s; a float is needed", name, v->row->name,
                        tn_dtype_name((tn_dtype)t->dtype));
    if (!tn__shape_equal(t, of)) {
        char have[96], want[96];
        tn__shape_text(t, have, sizeof have);
        tn__shape_text(of, want, sizeof want);
        return tn__fail(TN_STATUS_INVALID, "op.grad_shape", name,
                        "%s of %s is %s; it has to be %s (%s)", name, v->row->name, have, want,
                        rule);
    }
    return TN_OK;
}

tn_status tn__op_same_backward(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    uint32_t kind = v->attr.eltwise.kind;
    (void)role;
    if (v->op.kind == TN_OP_ELTWISE && tn__eltwise_arity(kind) > 1)
        return tn__fail(TN_STATUS_UNSUPPORTED, "eltwise.pass", "attr.pass",
                        "attr.pass is backward of kind %u; only unary kinds (1 to 21) have that "
                        "pass, the gradients of others are forward ops",
                        kind);
    tn__op_view f = forward_of(v);
    tn_status st = f.row->check(&f, TN_ARG_OUT, out);
    if (st != TN_OK)
        return st;
    if (!tn__dtype_float(out->dtype)) /* eltwise takes integers forward */
        return tn__fail(TN_STATUS_INVALID, "op.float", "a", "a is %s; %s backward takes floats",
                        tn_dtype_name((tn_dtype)out->dtype), v->row->name);
    return check_gradient(v, TN_ARG_GRAD, out, "the shape of a");
}

tn_status tn__op_attention_backward(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    static const uint32_t of[TN__OP_OUTPUTS] = {TN_ARG_Q, TN_ARG_K, TN_ARG_V};
    tn__op_view f = forward_of(v);
    tn_tensor y;
    tn_status st = f.row->check(&f, TN_ARG_OUT, &y);
    if (st == TN_OK)
        st = check_gradient(v, TN_ARG_GRAD, &y, "the shape of out");
    for (uint32_t i = 0; st == TN_OK && i < TN__OP_OUTPUTS; ++i) {
        const tn_tensor *t = tn__op_tensor(v, of[i]);
        st = check_gradient(v, v->row->outputs[i], t, "the shape of q, k or v");
        if (v->row->outputs[i] == role) {
            memset(out, 0, sizeof *out);
            out->rank = t->rank;
            out->dtype = t->dtype;
            memcpy(out->dim, t->dim, t->rank * sizeof t->dim[0]);
        }
    }
    return st;
}

tn_status tn__op_conv_weights(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_conv *t = &v->attr.conv;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *g = tn__op_tensor(v, TN_ARG_GRAD);
    const tn_tensor *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    tn_status st = tn__conv_check_attr(t);
    if (st == TN_OK && (t->flags & TN_CONV_TRANSPOSED) != 0)
        st = tn__fail(TN_STATUS_UNSUPPORTED, "conv.pass", "attr.pass",
                      "attr.pass is backward weights of a TRANSPOSED conv (flags 0x%x); give the "
                      "plain conv with a and grad exchanged, which is the same",
                      t->flags);
    if (st == TN_OK)
        st = tn__conv_check_operand(t, a, "a");
    if (st == TN_OK)
        st = tn__conv_check_operand(t, g, "grad");
    if (st == TN_OK && o != NULL)
        st = tn__conv_check_operand(t, o, "out");
    if (st != TN_OK)
        return st;
    const tn_tensor *wrong = !tn__dtype_float(a->dtype)                ? a
                             : !tn__dtype_float(g->dtype)              ? g
                             : o != NULL && !tn__dtype_float(o->dtype) ? o
                                                                       : NULL;
    if (wrong != NULL)
        return tn__fail(TN_STATUS_INVALID, "conv.dtype",
                        wrong == a   ? "a"
                        : wrong == g ? "grad"
                                     : "out",
                        "%s is %s; backward weights takes floats",
                        wrong == a   ? "a"
                        : wrong == g ? "grad"
                                     : "out",
                        tn_dtype_name((tn_dtype)wrong->dtype));
    bool last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    uint32_t space = last ? 1 : 2, channel = last ? t->dims + 1 : 1;
    int64_t groups = t->groups == 0 ? 1 : (int64_t)t->groups;
    int64_t channels = a->dim[channel], filters = g->dim[channel];
    if (channels % groups != 0 || filters % groups != 0)
        return tn__fail(TN_STATUS_INVALID, "conv.groups", "attr.groups",
                        "attr.groups is %lld, of %lld channels of a and %lld of grad; a divisor of "
                        "both is needed",
                        (long long)groups, (long long)channels, (long long)filters);
    if (a->dim[0] != g->dim[0])
        return tn__fail(TN_STATUS_INVALID, "conv.batch", "grad",
                        "grad has %lld batches, a %lld; they have to be equal",
                        (long long)g->dim[0], (long long)a->dim[0]);
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = a->dtype == g->dtype ? a->dtype : (uint16_t)TN_F32;
    out->dim[0] = filters;
    out->dim[channel] = channels / groups;
    for (uint32_t d = 0; d < t->dims; ++d) {
        /* Several kernels may have led there; the longest stands for them until out says which. */
        int64_t positions = g->dim[space + d], in = a->dim[space + d], most, made = -1;
        int64_t step = t->stride[d] == 0 ? 1 : t->stride[d];
        int64_t apart = t->dilation[d] == 0 ? 1 : t->dilation[d];
        bool fits = positions > 0 && !__builtin_mul_overflow(positions - 1, step, &most) &&
                    most <= in + t->pad_lo[d] + t->pad_hi[d] - 1;
        int64_t kernel = !fits       ? 1
                         : o != NULL ? o->dim[space + d]
                                     : (in + t->pad_lo[d] + t->pad_hi[d] - 1 - most) / apart + 1;
        if (!fits || !tn__conv_out_dim(t, d, in, kernel, &made) || made != positions)
            return tn__fail(TN_STATUS_INVALID, "conv.window", "grad",
                            "grad has %lld positions along spatial dim %u, which no kernel of %lld "
                            "leaves of %lld elements of a with padding %d and %d; the shape of the "
                            "forward out is needed",
                            (long long)positions, d, (long long)kernel, (long long)in, t->pad_lo[d],
                            t->pad_hi[d]);
        out->dim[space + d] = kernel;
    }
    return tn__op_expect(v, TN_ARG_OUT, out, "filters, channels of a group and the kernel");
}

tn_status tn__op_gather_backward(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_axis *t = &v->attr.axis;
    const tn_tensor *g = tn__op_tensor(v, TN_ARG_GRAD), *index = tn__op_tensor(v, TN_ARG_INDEX);
    (void)role;
    int rank = g->rank + 1 - index->rank; /* of the table */
    if (t->flags != TN_GATHER_BACKWARD || t->param < 0)
        return tn__fail(TN_STATUS_INVALID, "gather.attr",
                        t->param < 0 ? "attr.param" : "attr.flags",
                        "attr.flags is 0x%x and attr.param %lld; backward takes "
                        "TN_GATHER_BACKWARD alone, and the dim of out along the axis",
                        t->flags, (long long)t->param);
    if (index->dtype != TN_S32 && index->dtype != TN_S64)
        return tn__fail(TN_STATUS_INVALID, "gather.index_dtype", "index",
                        "index is %s; s32 or s64 is needed", tn_dtype_name((tn_dtype)index->dtype));
    if (rank < 1 || rank > TN_MAX_RANK)
        return tn__fail(TN_STATUS_INVALID, "gather.rank", "grad",
                        "grad has rank %u and index %u, which makes an out of rank %d; 1 to %d is "
                        "allowed",
                        g->rank, index->rank, rank, TN_MAX_RANK);
    if (t->axis >= rank || t->axis < -rank)
        return tn__fail(TN_STATUS_INVALID, "gather.axis", "attr.axis",
                        "attr.axis is %d over rank %d of out; -rank to rank - 1 is allowed",
                        t->axis, rank);
    int axis = t->axis < 0 ? t->axis + rank : t->axis;
    tn_tensor want = {.rank = g->rank};
    memset(out, 0, sizeof *out);
    out->rank = (uint16_t)rank;
    out->dtype = g->dtype;
    for (int i = 0; i < g->rank; ++i) {
        bool of_index = i >= axis && i < axis + index->rank;
        want.dim[i] = of_index ? index->dim[i - axis] : g->dim[i];
        if (!of_index)
            out->dim[i < axis ? i : i - index->rank + 1] = g->dim[i];
    }
    out->dim[axis] = t->param;
    tn_status st = check_gradient(v, TN_ARG_GRAD, &want, "the dims of index in place of the axis");
    if (st == TN_OK)
        st = check_gradient(v, TN_ARG_OUT, out, "grad with attr.param in place of index's dims");
    return st;
}
