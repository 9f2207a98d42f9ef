/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of eltwise, gather and copy. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

uint32_t tn__eltwise_arity(uint32_t kind)
{
    if (kind >= TN_ELTWISE_NEG && kind <= TN_ELTWISE_CLAMP)
        return 1;
    if (kind >= TN_ELTWISE_ADD && kind <= TN_ELTWISE_LESS_EQUAL)
        return 2;
    return kind == TN_ELTWISE_FMA || kind == TN_ELTWISE_WHERE ? 3 : 0;
}

bool tn__eltwise_compares(uint32_t kind)
{
    return kind >= TN_ELTWISE_EQUAL && kind <= TN_ELTWISE_LESS_EQUAL;
}

static tn_status check_dtypes(const tn__op_view *v, uint32_t kind, uint32_t arity)
{
    static const char *const names[3] = {"a", "b", "c"};
    const tn_tensor *o = tn__op_tensor(v, TN_ARG_OUT);
    bool moves = kind == TN_ELTWISE_WHERE; /* b and c are moved, not computed with */
    for (uint32_t i = 0; i < arity; ++i) {
        const tn_tensor *t = tn__op_tensor(v, TN_ARG_A + i);
        bool is_bool = t->dtype == TN_BOOL;
        if (moves && i == 0 && !is_bool)
            return tn__fail(TN_STATUS_INVALID, "eltwise.where", "a",
                            "a of where is %s; bool is needed", tn_dtype_name((tn_dtype)t->dtype));
        if (is_bool && !moves && kind != TN_ELTWISE_EQUAL)
            return tn__fail(TN_STATUS_INVALID, "eltwise.dtype", names[i],
                            "%s is bool, and this kind (%u) computes; a number is needed", names[i],
                            kind);
    }
    if (o == NULL)
        return TN_OK;
    if (tn__eltwise_compares(kind) && o->dtype != TN_BOOL)
        return tn__fail(TN_STATUS_INVALID, "eltwise.compare", "out",
                        "out is %s, and this kind (%u) compares; bool is needed",
                        tn_dtype_name((tn_dtype)o->dtype), kind);
    if (o->dtype == TN_BOOL && !moves && !tn__eltwise_compares(kind))
        return tn__fail(
            TN_STATUS_INVALID, "eltwise.dtype", "out",
            "out is bool, and this kind (%u) computes; only comparisons and where give bool", kind);
    return TN_OK;
}

tn_status tn__op_eltwise(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    static const char *const names[3] = {"a", "b", "c"};
    const tn_eltwise *t = &v->attr.eltwise;
    uint32_t arity = tn__eltwise_arity(t->kind);
    (void)role;
    if (arity == 0)
        return tn__fail(
            TN_STATUS_INVALID, "eltwise.kind", "attr.kind",
            "attr.kind is %u; unary 1 to 21, binary 64 to 72, ternary 128 and 129 exist", t->kind);
    if (t->kind == TN_ELTWISE_CLAMP && !(t->a <= t->b))
        return tn__fail(TN_STATUS_INVALID, "eltwise.clamp", "attr.a",
                        "attr.a and attr.b clamp to [%g, %g]; the first has to be the smaller",
                        (double)t->a, (double)t->b);
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < 3; ++i) {
        const tn_tensor *in = tn__op_tensor(v, TN_ARG_A + i);
        if ((in != NULL) != (i < arity))
            return tn__fail(TN_STATUS_INVALID, "eltwise.arity", names[i],
                            "%s is %s; kind %u reads %u operand%s", names[i],
                            in != NULL ? "too much" : "missing", t->kind, arity,
                            arity > 1 ? "s" : "");
        if (in != NULL && !tn__shape_broadcast(out, in)) {
            char have[96], so_far[96];
            tn__shape_text(in, have, sizeof have);
            tn__shape_text(out, so_far, sizeof so_far);
            return tn__fail(TN_STATUS_INVALID, "eltwise.broadcast", names[i],
                            "%s is %s; it has to broadcast with %s", names[i], have, so_far);
        }
    }
    tn_status st = check_dtypes(v, t->kind, arity);
    if (st != TN_OK)
        return st;
    out->dtype = tn__op_tensor(v, arity == 3 ? TN_ARG_C : TN_ARG_A)->dtype;
    if (tn__eltwise_compares(t->kind))
        out->dtype = TN_BOOL;
    return tn__op_expect(v, TN_ARG_OUT, out, "the operands broadcast");
}

tn_status tn__op_gather(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_axis *t = &v->attr.axis;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *index = tn__op_tensor(v, TN_ARG_INDEX);
    const tn_tensor *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    if (a->rank == 0 || t->axis >= a->rank || t->axis < -(int32_t)a->rank)
        return tn__fail(
            TN_STATUS_INVALID, "gather.axis", "attr.axis",
            "attr.axis is %d over rank %u; -rank to rank - 1 is allowed, of a rank above 0",
            t->axis, a->rank);
    if (t->flags != 0 || t->param != 0)
        return tn__fail(TN_STATUS_INVALID, "gather.attr",
                        t->flags != 0 ? "attr.flags" : "attr.param",
                        "attr.flags is 0x%x and attr.param %lld; gather takes 0 for both, or "
                        "TN_GATHER_BACKWARD (0x1) with the dim of a along the axis",
                        t->flags, (long long)t->param);
    if (index->dtype != TN_S32 && index->dtype != TN_S64)
        return tn__fail(TN_STATUS_INVALID, "gather.index_dtype", "index",
                        "index is %s; s32 or s64 is needed", tn_dtype_name((tn_dtype)index->dtype));
    if (a->rank - 1 + index->rank > TN_MAX_RANK)
        return tn__fail(
            TN_STATUS_INVALID, "gather.rank", "index",
            "index has rank %u and a %u, which makes an out of rank %d; at most %d is allowed",
            index->rank, a->rank, a->rank - 1 + index->rank, TN_MAX_RANK);
    int axis = t->axis < 0 ? t->axis + a->rank : t->axis;
    memset(out, 0, sizeof *out);
    out->dtype = a->dtype;
    for (int i = 0; i < axis; ++i)
        out->dim[out->rank++] = a->dim[i];
    for (int i = 0; i < index->rank; ++i)
        out->dim[out->rank++] = index->dim[i];
    for (int i = axis + 1; i < a->rank; ++i)
        out->dim[out->rank++] = a->dim[i];
    if (o != NULL && o->dtype != a->dtype)
        return tn__fail(TN_STATUS_INVALID, "gather.dtype", "out",
                        "out is %s and a is %s; they have to be equal",
                        tn_dtype_name((tn_dtype)o->dtype), tn_dtype_name((tn_dtype)a->dtype));
    return tn__op_expect(v, TN_ARG_OUT, out, "a with the dims of index in place of the axis");
}

tn_status tn__op_copy_kind(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A);
    (void)role;
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = a->dtype;
    memcpy(out->dim, a->dim, a->rank * sizeof a->dim[0]);
    return tn__op_expect(v, TN_ARG_OUT, out, "the shape of a");
}
