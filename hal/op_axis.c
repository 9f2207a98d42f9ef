/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of the ops that move or order elements along axes: concat, pad, topk, scan.
 */
/* path: [api] > placement > queue > backend > kernel > device */
#include <math.h>

#include "hal/op.h"

static void like(tn_tensor *out, const tn_tensor *a)
{
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = a->dtype;
    memcpy(out->dim, a->dim, a->rank * sizeof a->dim[0]);
}

/* 0 to rank - 1, or -1 with the error told. */
static int check_axis(const tn__op_view *v, const tn_tensor *a, const char *reason)
{
    int32_t axis = v->attr.axis.axis, rank = a->rank;
    if (rank != 0 && axis < rank && axis >= -rank)
        return axis < 0 ? axis + rank : axis;
    (void)tn__fail(TN_STATUS_INVALID, reason, "attr.axis",
                   "attr.axis is %d over rank %d; -rank to rank - 1 is allowed, of a rank above 0",
                   axis, rank);
    return -1;
}

static tn_status check_flags(const tn__op_view *v, const char *reason, uint32_t known)
{
    if ((v->attr.axis.flags & ~known) == 0)
        return TN_OK;
    return tn__fail(TN_STATUS_INVALID, reason, "attr.flags",
                    "attr.flags is 0x%x; %s takes the bits 0x%x only", v->attr.axis.flags,
                    v->row->name, known);
}

tn_status tn__op_concat(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_tensor *first = tn__op_tensor(v, TN_ARG_INPUT0), *o = tn__op_tensor(v, TN_ARG_OUT);
    const tn_tensor *in;
    (void)role;
    int axis = check_axis(v, first, "concat.axis");
    if (axis < 0)
        return TN_STATUS_INVALID;
    if (v->attr.axis.flags != 0 || v->attr.axis.param != 0)
        return tn__fail(TN_STATUS_INVALID, "concat.attr",
                        v->attr.axis.flags != 0 ? "attr.flags" : "attr.param",
                        "attr.flags is 0x%x and attr.param %lld; concat takes 0 for both",
                        v->attr.axis.flags, (long long)v->attr.axis.param);
    like(out, first);
    for (uint32_t i = 1; (in = tn__op_tensor(v, TN_ARG_INPUT0 + i)) != NULL; ++i) {
        const char *name = tn__role_static(TN_ARG_INPUT0 + i);
        bool fits = in->rank == first->rank;
        for (int d = 0; fits && d < in->rank; ++d)
            fits = d == axis || in->dim[d] == first->dim[d];
        if (!fits) {
            char have[96], want[96];
            tn__shape_text(in, have, sizeof have);
            tn__shape_text(first, want, sizeof want);
            return tn__fail(TN_STATUS_INVALID, "concat.shape", name,
                            "%s is %s and input0 %s; they may differ along axis %d only", name,
                            have, want, axis);
        }
        if (in->dtype != first->dtype)
            return tn__fail(TN_STATUS_INVALID, "concat.dtype", name,
                            "%s is %s and input0 %s; they have to be equal", name,
                            tn_dtype_name((tn_dtype)in->dtype),
                            tn_dtype_name((tn_dtype)first->dtype));
        out->dim[axis] += in->dim[axis]; /* each is below 2^49, and there are at most 23 */
    }
    if (o != NULL && o->dtype != first->dtype)
        return tn__fail(TN_STATUS_INVALID, "concat.dtype", "out",
                        "out is %s and input0 %s; they have to be equal",
                        tn_dtype_name((tn_dtype)o->dtype), tn_dtype_name((tn_dtype)first->dtype));
    return tn__op_expect(v, TN_ARG_OUT, out, "the inputs one after the other");
}

/* One dim of a pad: what it may be made of. */
static tn_status pad_dim(const tn_window *t, const tn_tensor *a, int d, int64_t *out_dim)
{
    const int64_t most = INT64_C(1) << 48;
    int64_t lo = t->lo[d], hi = t->hi[d], dim = d < a->rank ? a->dim[d] : 0;
    bool ok = lo >= -most && lo <= most && hi >= -most && hi <= most && dim + lo + hi >= 0;
    if (d >= a->rank)
        ok = lo == 0 && hi == 0;
    if (!ok)
        return tn__fail(
            TN_STATUS_INVALID, "pad.dims", "attr.lo",
            "attr.lo[%d] is %lld and attr.hi[%d] %lld over a dim of %lld; their sum may "
            "not take away more than there is, each is within 2^48, and 0 past rank %u",
            d, (long long)lo, d, (long long)hi, (long long)dim, a->rank);
    *out_dim = dim + lo + hi;
    /* outside of a is outside of every element that can stand there */
    if (t->mode == TN_PAD_EDGE && dim == 0 && *out_dim > 0)
        return tn__fail(TN_STATUS_INVALID, "pad.edge", "attr.lo",
                        "attr.lo[%d] is %lld and attr.hi[%d] %lld over a dim of 0, which has no "
                        "edge; only CONSTANT pads it",
                        d, (long long)lo, d, (long long)hi);
    if (t->mode == TN_PAD_REFLECT && ((lo > 0 && lo >= dim) || (hi > 0 && hi >= dim)))
        return tn__fail(TN_STATUS_INVALID, "pad.reflect", "attr.lo",
                        "attr.lo[%d] is %lld and attr.hi[%d] %lld over a dim of %lld; REFLECT adds "
                        "up to one less than there are",
                        d, (long long)lo, d, (long long)hi, (long long)dim);
    return TN_OK;
}

tn_status tn__op_pad(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_window *t = &v->attr.window;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    if (t->kind != 0)
        return tn__fail(TN_STATUS_INVALID, "pad.kind", "attr.kind",
                        "attr.kind is %u; it is of resize, pad takes 0", t->kind);
    if (t->mode > TN_PAD_REFLECT)
        return tn__fail(TN_STATUS_INVALID, "pad.mode", "attr.mode",
                        "attr.mode is %u; constant 0, edge 1, reflect 2 exist", t->mode);
    if (t->mode != TN_PAD_CONSTANT && (t->value != 0.0f || signbit(t->value)))
        return tn__fail(TN_STATUS_INVALID, "pad.value", "attr.value",
                        "attr.value is %g, which mode %u does not use; give 0", (double)t->value,
                        t->mode);
    like(out, a);
    for (int d = 0; d < TN_MAX_RANK; ++d) {
        int64_t dim = 0;
        if (t->scale[d] != 0.0f)
            return tn__fail(TN_STATUS_INVALID, "pad.scale", "attr.scale",
                            "attr.scale[%d] is %g; it is of resize, pad takes 0", d,
                            (double)t->scale[d]);
        tn_status st = pad_dim(t, a, d, &dim);
        if (st != TN_OK)
            return st;
        if (d < a->rank)
            out->dim[d] = dim;
    }
    if (o != NULL && o->dtype != a->dtype)
        return tn__fail(TN_STATUS_INVALID, "pad.dtype", "out",
                        "out is %s and a is %s; they have to be equal",
                        tn_dtype_name((tn_dtype)o->dtype), tn_dtype_name((tn_dtype)a->dtype));
    return tn__op_expect(v, TN_ARG_OUT, out, "the dims of a plus lo and hi");
}

/* The dtype of an operand that holds indices below `extent`. */
static tn_status check_index(const tn_tensor *t, const char *name, int64_t extent)
{
    if (t == NULL || t->dtype == TN_S64 || (t->dtype == TN_S32 && extent <= INT32_MAX))
        return TN_OK;
    return tn__fail(TN_STATUS_INVALID, "topk.index_dtype", name,
                    "%s is %s, for indices below %lld; s64 is needed, or s32 where these fit", name,
                    tn_dtype_name((tn_dtype)t->dtype), (long long)extent);
}

tn_status tn__op_topk(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    const tn_tensor *index = tn__op_tensor(v, TN_ARG_INDEX);
    bool indices = (v->attr.axis.flags & TN_TOPK_INDICES) != 0;
    int64_t k = v->attr.axis.param;
    int axis = check_axis(v, a, "topk.axis");
    if (axis < 0)
        return TN_STATUS_INVALID;
    tn_status st = check_flags(v, "topk.flags", TN_TOPK_SMALLEST | TN_TOPK_INDICES);
    if (st != TN_OK)
        return st;
    if (k < 1 || k > a->dim[axis])
        return tn__fail(TN_STATUS_INVALID, "topk.k", "attr.param",
                        "attr.param asks for %lld of %lld elements; 1 to all of them are allowed",
                        (long long)k, (long long)a->dim[axis]);
    if (a->dtype == TN_BOOL)
        return tn__fail(TN_STATUS_INVALID, "topk.dtype", "a", "a is bool; a number is needed");
    if (indices && index != NULL)
        return tn__fail(TN_STATUS_INVALID, "topk.index", "index",
                        "index is given, and TN_TOPK_INDICES too; leave one of them out");
    st = check_index(indices ? o : index, indices ? "out" : "index", a->dim[axis]);
    if (st != TN_OK)
        return st;
    if (!indices && o != NULL && o->dtype != a->dtype)
        return tn__fail(TN_STATUS_INVALID, "topk.dtype", "out",
                        "out is %s and a is %s; they have to be equal",
                        tn_dtype_name((tn_dtype)o->dtype), tn_dtype_name((tn_dtype)a->dtype));
    like(out, a);
    out->dim[axis] = k;
    if (indices || role == TN_ARG_INDEX)
        out->dtype = a->dim[axis] <= INT32_MAX ? TN_S32 : TN_S64;
    st = tn__op_expect(v, TN_ARG_OUT, out, "a with k elements along the axis");
    return st != TN_OK ? st
                       : tn__op_expect(v, TN_ARG_INDEX, out, "a with k elements along the axis");
}

tn_status tn__op_scan(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    if (check_axis(v, a, "scan.axis") < 0)
        return TN_STATUS_INVALID;
    tn_status st = check_flags(v, "scan.flags", TN_SCAN_EXCLUSIVE | TN_SCAN_REVERSE);
    if (st != TN_OK)
        return st;
    if (v->attr.axis.param != 0)
        return tn__fail(TN_STATUS_INVALID, "scan.kind", "attr.param",
                        "attr.param is %lld; only 0, the sum, exists",
                        (long long)v->attr.axis.param);
    const tn_tensor *t = a->dtype == TN_BOOL || o == NULL ? a : o;
    const char *name = t == a ? "a" : "out";
    if (t->dtype == TN_BOOL || tn__dtype_float(t->dtype) != tn__dtype_float(a->dtype))
        return tn__fail(TN_STATUS_INVALID, "scan.dtype", name,
                        "%s is %s over a of %s; floats add up to a float, integers to an integer",
                        name, tn_dtype_name((tn_dtype)t->dtype), tn_dtype_name((tn_dtype)a->dtype));
    like(out, a);
    return tn__op_expect(v, TN_ARG_OUT, out, "the shape of a");
}
