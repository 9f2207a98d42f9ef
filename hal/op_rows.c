/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of the ops that go along axes: softmax, norm, reduce. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <math.h>

#include "hal/op.h"

/* A and OUT of one shape, both floats. */
static tn_status same_shape_floats(const tn__op_view *v, tn_tensor *out)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    if (!tn__dtype_float(a->dtype) || (o != NULL && !tn__dtype_float(o->dtype)))
        return tn__fail(TN_STATUS_INVALID, "op.float", tn__dtype_float(a->dtype) ? "out" : "a",
                        "%s is %s; %s takes floats", tn__dtype_float(a->dtype) ? "out" : "a",
                        tn_dtype_name((tn_dtype)(tn__dtype_float(a->dtype) ? o->dtype : a->dtype)),
                        v->row->name);
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = a->dtype;
    memcpy(out->dim, a->dim, a->rank * sizeof a->dim[0]);
    return tn__op_expect(v, TN_ARG_OUT, out, "the shape of a");
}

tn_status tn__op_softmax(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_softmax *t = &v->attr.softmax;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A);
    (void)role;
    if (t->pass != TN_PASS_FORWARD)
        return tn__fail(TN_STATUS_UNSUPPORTED, "softmax.pass", "attr.pass",
                        "attr.pass is %u; only forward (0) is built", t->pass);
    if (a->rank == 0 || t->axis >= a->rank || t->axis < -(int32_t)a->rank)
        return tn__fail(
            TN_STATUS_INVALID, "softmax.axis", "attr.axis",
            "attr.axis is %d over rank %u; -rank to rank - 1 is allowed, of a rank above 0",
            t->axis, a->rank);
    if (t->log > 1)
        return tn__fail(TN_STATUS_INVALID, "softmax.log", "attr.log",
                        "attr.log is %u; 0 and 1 are allowed", t->log);
    return same_shape_floats(v, out);
}

static tn_status check_affine(const tn__op_view *v, uint32_t role, const char *name, uint32_t axes)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *t = tn__op_tensor(v, role);
    if (t == NULL)
        return TN_OK;
    bool fits = t->rank == axes;
    for (uint32_t i = 0; fits && i < axes; ++i)
        fits = t->dim[i] == a->dim[a->rank - axes + i];
    if (!fits) {
        char have[96], of[96];
        tn__shape_text(t, have, sizeof have);
        tn__shape_text(a, of, sizeof of);
        return tn__fail(TN_STATUS_INVALID, "norm.affine_shape", name,
                        "%s is %s; it has to be the last %u dims of a %s", name, have, axes, of);
    }
    if (!tn__dtype_float(t->dtype))
        return tn__fail(TN_STATUS_INVALID, "norm.dtype", name, "%s is %s; a float is needed", name,
                        tn_dtype_name((tn_dtype)t->dtype));
    return TN_OK;
}

tn_status tn__op_norm(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_norm *t = &v->attr.norm;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A);
    uint32_t axes = t->axes == 0 ? 1 : t->axes;
    (void)role;
    if (t->pass != TN_PASS_FORWARD)
        return tn__fail(TN_STATUS_UNSUPPORTED, "norm.pass", "attr.pass",
                        "attr.pass is %u; only forward (0) is built", t->pass);
    if (t->kind > TN_NORM_BATCH_INFERENCE)
        return tn__fail(TN_STATUS_INVALID, "norm.kind", "attr.kind",
                        "attr.kind is %u; layer 0, rms 1, group 2, batch_inference 3 exist",
                        t->kind);
    if (t->kind > TN_NORM_RMS)
        return tn__fail(
            TN_STATUS_UNSUPPORTED, "norm.kind", "attr.kind",
            "attr.kind is %u, group or batch norm, which is not built; layer and rms are", t->kind);
    if (t->groups > 1)
        return tn__fail(TN_STATUS_INVALID, "norm.groups", "attr.groups",
                        "attr.groups is %u; layer and rms norm take 0 or 1", t->groups);
    if (axes > a->rank)
        return tn__fail(TN_STATUS_INVALID, "norm.axes", "attr.axes",
                        "attr.axes is %u, of a tensor of rank %u; 1 to that rank is allowed", axes,
                        a->rank);
    if (!isfinite(t->epsilon) || t->epsilon < 0.0f)
        return tn__fail(TN_STATUS_INVALID, "norm.epsilon", "attr.epsilon",
                        "attr.epsilon is %g; finite and 0 or more is allowed", (double)t->epsilon);
    tn_status st = same_shape_floats(v, out);
    if (st == TN_OK)
        st = check_affine(v, TN_ARG_GAMMA, "gamma", axes);
    return st != TN_OK ? st : check_affine(v, TN_ARG_BETA, "beta", axes);
}

tn_status tn__op_reduce(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_reduce *t = &v->attr.reduce;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    (void)role;
    if (t->kind > TN_REDUCE_SUMSQ)
        return tn__fail(TN_STATUS_INVALID, "reduce.kind", "attr.kind",
                        "attr.kind is %u; sum 0, mean 1, max 2, min 3, sumsq 4 exist", t->kind);
    if (t->axes_mask == 0 || (t->axes_mask >> a->rank) != 0)
        return tn__fail(
            TN_STATUS_INVALID, "reduce.axes", "attr.axes_mask",
            "attr.axes_mask is 0x%x over rank %u; one bit an axis is needed, at least one",
            t->axes_mask, a->rank);
    if (a->dtype == TN_BOOL || (o != NULL && o->dtype == TN_BOOL))
        return tn__fail(TN_STATUS_INVALID, "reduce.dtype", a->dtype == TN_BOOL ? "a" : "out",
                        "%s is bool; reduce takes numbers", a->dtype == TN_BOOL ? "a" : "out");
    tn_tensor kept = {.rank = a->rank, .dtype = a->dtype}, dropped = {.dtype = a->dtype};
    for (int i = 0; i < a->rank; ++i) {
        bool gone = ((t->axes_mask >> i) & 1u) != 0;
        kept.dim[i] = gone ? 1 : a->dim[i];
        if (!gone)
            dropped.dim[dropped.rank++] = a->dim[i];
    }
    *out = o != NULL && o->rank != kept.rank ? dropped : kept;
    return tn__op_expect(v, TN_ARG_OUT, out, "a with the reduced dims as 1, or without them");
}
