/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of the ops that compute along axes: softmax, norm, rope, reduce. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <math.h>

#include "hal/op.h"

uint32_t tn__norm_axes(const tn_norm *t, uint32_t rank)
{
    if (t->axes != 0)
        return t->axes;
    return t->kind < TN_NORM_GROUP ? 1 : rank == 0 ? 0 : rank - 1;
}

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
    bool group = v->attr.norm.kind >= TN_NORM_GROUP;
    uint32_t dims = group ? 1 : axes; /* that it has */
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *t = tn__op_tensor(v, role);
    if (t == NULL)
        return TN_OK;
    bool fits = t->rank == dims;
    for (uint32_t i = 0; fits && i < dims; ++i)
        fits = t->dim[i] == a->dim[a->rank - axes + i];
    if (!fits) {
        char have[96], of[96];
        tn__shape_text(t, have, sizeof have);
        tn__shape_text(a, of, sizeof of);
        return tn__fail(TN_STATUS_INVALID, "norm.affine_shape", name,
                        "%s is %s; it has to be %u dims from the %u-th last on of a %s", name, have,
                        dims, axes, of);
    }
    if (!tn__dtype_float(t->dtype))
        return tn__fail(TN_STATUS_INVALID, "norm.dtype", name, "%s is %s; a float is needed", name,
                        tn_dtype_name((tn_dtype)t->dtype));
    return TN_OK;
}

/* Batch norm reads statistics, the others make their own. */
static tn_status check_stats(const tn__op_view *v, int64_t channels)
{
    const tn_tensor *t = tn__op_tensor(v, TN_ARG_STATS);
    char have[96] = "not given";
    bool batch = v->attr.norm.kind == TN_NORM_BATCH_INFERENCE;
    if (t != NULL)
        tn__shape_text(t, have, sizeof have);
    if (batch != (t != NULL) ||
        (batch && (t->rank != 2 || t->dim[0] != 2 || t->dim[1] != channels)))
        return tn__fail(TN_STATUS_INVALID, "norm.stats", "stats",
                        "stats is %s; batch norm needs [2,%lld], means and variances, and the "
                        "other kinds none",
                        have, (long long)channels);
    if (batch && !tn__dtype_float(t->dtype))
        return tn__fail(TN_STATUS_INVALID, "norm.dtype", "stats", "stats is %s; a float is needed",
                        tn_dtype_name((tn_dtype)t->dtype));
    return TN_OK;
}

tn_status tn__op_norm(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_norm *t = &v->attr.norm;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A);
    uint32_t axes = tn__norm_axes(t, a->rank);
    (void)role;
    if (t->kind > TN_NORM_BATCH_INFERENCE)
        return tn__fail(TN_STATUS_INVALID, "norm.kind", "attr.kind",
                        "attr.kind is %u; layer 0, rms 1, group 2, batch_inference 3 exist",
                        t->kind);
    if (t->kind != TN_NORM_GROUP && t->groups > 1)
        return tn__fail(TN_STATUS_INVALID, "norm.groups", "attr.groups",
                        "attr.groups is %u; all but group norm take 0 or 1", t->groups);
    if (axes > a->rank || axes == 0)
        return tn__fail(TN_STATUS_INVALID, "norm.axes", "attr.axes",
                        "attr.axes is %u, of a tensor of rank %u; 1 to that rank is allowed",
                        t->axes, a->rank);
    int64_t channels = a->dim[a->rank - axes];
    if (t->kind == TN_NORM_GROUP && (t->groups == 0 || channels % (int64_t)t->groups != 0))
        return tn__fail(TN_STATUS_INVALID, "norm.groups", "attr.groups",
                        "attr.groups is %u over %lld channels; a divisor of these is needed",
                        t->groups, (long long)channels);
    if (!isfinite(t->epsilon) || t->epsilon < 0.0f)
        return tn__fail(TN_STATUS_INVALID, "norm.epsilon", "attr.epsilon",
                        "attr.epsilon is %g; finite and 0 or more is allowed", (double)t->epsilon);
    tn_status st = same_shape_floats(v, out);
    if (st == TN_OK)
        st = check_stats(v, channels);
    if (st == TN_OK)
        st = check_affine(v, TN_ARG_GAMMA, "gamma", axes);
    return st != TN_OK ? st : check_affine(v, TN_ARG_BETA, "beta", axes);
}

tn_status tn__op_rope(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_rope *t = &v->attr.rope;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *index = tn__op_tensor(v, TN_ARG_INDEX);
    const tn_tensor *freq = tn__op_tensor(v, TN_ARG_FREQ);
    char have[96], of[96];
    (void)role;
    if (a->rank == 0)
        return tn__fail(TN_STATUS_INVALID, "rope.rank", "a",
                        "a has rank 0; a last dim to rotate is needed");
    if (t->interleaved > 1)
        return tn__fail(TN_STATUS_INVALID, "rope.interleaved", "attr.interleaved",
                        "attr.interleaved is %u; 0 and 1 are allowed", t->interleaved);
    int64_t d = a->dim[a->rank - 1], rotary = t->rotary_dims == 0 ? d : t->rotary_dims;
    if (rotary < 0 || rotary > d || rotary % 2 != 0)
        return tn__fail(TN_STATUS_INVALID, "rope.dims", "attr.rotary_dims",
                        "attr.rotary_dims is %d, which rotates %lld of the %lld elements of the "
                        "last dim; an even number up to these is needed",
                        t->rotary_dims, (long long)rotary, (long long)d);
    tn_tensor tokens = *a;
    tokens.rank--;
    tn__shape_text(index, have, sizeof have);
    tn__shape_text(&tokens, of, sizeof of);
    if (index->dtype != TN_S32)
        return tn__fail(TN_STATUS_INVALID, "rope.index_dtype", "index",
                        "index is %s; s32 positions are needed",
                        tn_dtype_name((tn_dtype)index->dtype));
    if (!tn__shape_fits(index, &tokens))
        return tn__fail(TN_STATUS_INVALID, "rope.index_shape", "index",
                        "index is %s; it has to broadcast to %s, a without its last dim", have, of);
    tn__shape_text(freq, have, sizeof have);
    if (freq->dtype != TN_F32 || freq->rank != 1 || freq->dim[0] != rotary / 2)
        return tn__fail(TN_STATUS_INVALID, "rope.freq", "freq",
                        "freq is %s of %s; an f32 table [%lld], half the rotated elements, is "
                        "needed",
                        have, tn_dtype_name((tn_dtype)freq->dtype), (long long)rotary / 2);
    return same_shape_floats(v, out);
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
