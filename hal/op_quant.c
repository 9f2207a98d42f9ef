/* SPDX-License-Identifier: Apache-2.0 */
/* Validation and shape of quantize and dequantize. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

/* Axis and run; what they mean for a scale. */
static tn_status check_attr(const tn__op_view *v, const tn_tensor *a, int *out_axis)
{
    const tn_axis *t = &v->attr.axis;
    int32_t rank = a->rank;
    *out_axis = t->axis < 0 ? t->axis + rank : t->axis;
    if (rank == 0 ? t->axis != 0 : t->axis >= rank || t->axis < -rank)
        return tn__fail(TN_STATUS_INVALID, "quant.axis", "attr.axis",
                        "attr.axis is %d over rank %d; -rank to rank - 1 is allowed, 0 for rank 0",
                        t->axis, rank);
    if (t->flags != 0)
        return tn__fail(TN_STATUS_INVALID, "quant.flags", "attr.flags",
                        "attr.flags is 0x%x; %s takes 0", t->flags, v->row->name);
    int64_t dim = rank == 0 ? 0 : a->dim[*out_axis];
    if (t->param < 0 || (t->param > 0 && (rank == 0 || dim % t->param != 0)))
        return tn__fail(TN_STATUS_INVALID, "quant.group", "attr.param",
                        "attr.param is %lld over a dim of %lld; 0, or a divisor of it is allowed",
                        (long long)t->param, (long long)dim);
    return TN_OK;
}

/* A scale or a zero: one number, one an index of the axis, or one a run of it. */
static tn_status check_factor(const tn__op_view *v, const tn_tensor *a, int axis, uint32_t role,
                              uint32_t dtype)
{
    const tn_tensor *t = tn__op_tensor(v, role);
    const char *name = tn__role_static(role);
    char have[96], of[96];
    if (t == NULL)
        return TN_OK;
    int64_t run = v->attr.axis.param;
    bool fits = t->rank == 0;
    if (!fits && run == 0)
        fits = t->rank == 1 && a->rank > 0 && t->dim[0] == a->dim[axis];
    if (!fits && run > 0) {
        fits = t->rank == a->rank;
        for (int d = 0; fits && d < a->rank; ++d)
            fits = t->dim[d] == (d == axis ? a->dim[d] / run : a->dim[d]);
    }
    tn__shape_text(t, have, sizeof have);
    tn__shape_text(a, of, sizeof of);
    if (!fits)
        return tn__fail(TN_STATUS_INVALID, "quant.shape", name,
                        "%s is %s for a %s, axis %d and runs of %lld; one number, one an index of "
                        "the axis (runs of 0) or one a run is needed",
                        name, have, of, axis, (long long)run);
    if (t->dtype != dtype)
        return tn__fail(TN_STATUS_INVALID, "quant.factor_dtype", name, "%s is %s; %s is needed",
                        name, tn_dtype_name((tn_dtype)t->dtype), tn_dtype_name((tn_dtype)dtype));
    return TN_OK;
}

/* A zero stands beside a scale and looks like it. */
static tn_status check_zero(const tn__op_view *v, uint32_t role, const tn_tensor *scale,
                            uint32_t dtype)
{
    const tn_tensor *zero = tn__op_tensor(v, role);
    const char *name = tn__role_static(role);
    if (zero == NULL || (scale != NULL && tn__shape_equal(zero, scale) && tn__dtype_integer(dtype)))
        return TN_OK;
    char have[96];
    tn__shape_text(zero, have, sizeof have);
    return tn__fail(TN_STATUS_INVALID, "quant.zero", name,
                    "%s is %s beside %s; the shape of the scale is needed, and an integer type",
                    name, have, tn_dtype_name((tn_dtype)dtype));
}

static void like(tn_tensor *out, const tn_tensor *a, uint16_t dtype)
{
    memset(out, 0, sizeof *out);
    out->rank = a->rank;
    out->dtype = dtype;
    memcpy(out->dim, a->dim, a->rank * sizeof a->dim[0]);
}

static bool number(uint32_t dtype)
{
    return tn__dtype_float(dtype) || tn__dtype_integer(dtype);
}

/* Blocks carry their scales, along the last dim. */
static tn_status check_own_scale(const tn__op_view *v, const tn_tensor *blocks, const char *name)
{
    const tn_axis *t = &v->attr.axis;
    if (v->op.arg_count > 2)
        return tn__fail(
            TN_STATUS_INVALID, "block.scale", "args",
            "args hold %u operands and %s is in %s; blocks hold their scales, give a and "
            "out alone",
            v->op.arg_count, name, tn__block_name(blocks->layout));
    if (t->axis != 0 || t->param != 0 || t->flags != 0)
        return tn__fail(
            TN_STATUS_INVALID, "block.attr", "attr",
            "attr has axis %d, param %lld and flags 0x%x, and %s is in %s; 0 is allowed", t->axis,
            (long long)t->param, t->flags, name, tn__block_name(blocks->layout));
    return TN_OK;
}

tn_status tn__op_quantize(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const uint32_t by_a = TN_ARG_SCALE_OF + TN_ARG_A, by_out = TN_ARG_SCALE_OF + TN_ARG_OUT;
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    const tn_tensor *of_a = tn__op_tensor(v, by_a), *of_out = tn__op_tensor(v, by_out);
    const uint16_t to = o != NULL ? o->dtype : TN_S8;
    int axis;
    (void)role;
    if (o != NULL && tn__block_bytes(o->layout) != 0) {
        tn_status own = check_own_scale(v, o, "out");
        if (own != TN_OK)
            return own;
        like(out, a, to);
        return tn__op_expect(v, TN_ARG_OUT, out, "the shape of a");
    }
    tn_status st = check_attr(v, a, &axis);
    if (st != TN_OK)
        return st;
    if ((of_a == NULL) == (of_out == NULL))
        return tn__fail(TN_STATUS_INVALID, "quant.scale", "args",
                        "args of quantize hold %s of scale_of_a and scale_of_out; one is needed",
                        of_a == NULL ? "none" : "both");
    if (!number(a->dtype) || !number(to))
        return tn__fail(TN_STATUS_INVALID, "quant.dtype", number(a->dtype) ? "out" : "a",
                        "%s is %s; a number is needed", number(a->dtype) ? "out" : "a",
                        tn_dtype_name((tn_dtype)(number(a->dtype) ? to : a->dtype)));
    st = check_factor(v, a, axis, of_a != NULL ? by_a : by_out, TN_F32);
    if (st == TN_OK)
        st = check_zero(v, TN_ARG_ZERO_OF + TN_ARG_OUT, of_a != NULL ? of_a : of_out, to);
    if (st == TN_OK)
        st = check_factor(v, a, axis, TN_ARG_ZERO_OF + TN_ARG_OUT, to);
    if (st != TN_OK)
        return st;
    like(out, a, TN_S8);
    return tn__op_expect(v, TN_ARG_OUT, out, "the shape of a");
}

tn_status tn__op_dequantize(const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *o = tn__op_tensor(v, TN_ARG_OUT);
    int axis;
    (void)role;
    bool blocks = tn__block_bytes(a->layout) != 0;
    tn_status st = blocks ? check_own_scale(v, a, "a") : check_attr(v, a, &axis);
    if (st != TN_OK)
        return st;
    if (!number(a->dtype) || (o != NULL && !tn__dtype_float(o->dtype)))
        return tn__fail(TN_STATUS_INVALID, "quant.dtype", number(a->dtype) ? "out" : "a",
                        "%s is %s; %s is needed", number(a->dtype) ? "out" : "a",
                        tn_dtype_name((tn_dtype)(number(a->dtype) ? o->dtype : a->dtype)),
                        number(a->dtype) ? "a float" : "a number");
    if (!blocks)
        st = check_factor(v, a, axis, TN_ARG_SCALE_OF + TN_ARG_A, TN_F32);
    if (st == TN_OK && !blocks)
        st = check_zero(v, TN_ARG_ZERO_OF + TN_ARG_A, tn__op_tensor(v, TN_ARG_SCALE_OF + TN_ARG_A),
                        a->dtype);
    if (st == TN_OK && !blocks)
        st = check_factor(v, a, axis, TN_ARG_ZERO_OF + TN_ARG_A, a->dtype);
    if (st != TN_OK)
        return st;
    like(out, a, TN_F32);
    return tn__op_expect(v, TN_ARG_OUT, out, "the shape of a");
}
