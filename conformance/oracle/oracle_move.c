/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that move or convert elements. Where bits are moved, a truth says which element of which
 * operand it is: `ref` the element, `err` the index of the argument; err -1: the value `mag`. */
#include <conformance/oracle/oracle.h>

#include <string.h>

static int index_of(const tn_op *op, uint32_t role)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (op->args[i].role == role)
            return (int)i;
    return -1;
}

static void from(tn_v_truth *out, int64_t n, int arg, int64_t at)
{
    out->ref[n] = (double)at;
    out->err[n] = arg;
}

static void constant(tn_v_truth *out, int64_t n, double value)
{
    out->err[n] = -1;
    out->mag[n] = value;
}

static bool integer(tn_dtype d)
{
    return d >= TN_S64 && d <= TN_U4;
}

/* An integer to a narrower one: its low bits. */
static double wrapped(tn_dtype to, double x)
{
    int64_t v = (int64_t)x;
    switch (to) {
    case TN_S32:
        return (double)(int32_t)(uint32_t)(uint64_t)v;
    case TN_S8:
        return (double)(int8_t)(uint8_t)(uint64_t)v;
    case TN_U8:
        return (double)(uint8_t)(uint64_t)v;
    default:
        return x;
    }
}

static bool copy(const tn_v_call *c, tn_v_truth *out)
{
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    int64_t i[TN_MAX_RANK];
    if (a.t == NULL)
        return false;
    tn_dtype d = (tn_dtype)a.t->dtype, to = out->dtype;
    out->bits = d == to;
    out->single = !out->bits;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        int64_t at = tn_v_broadcast(a.t, i, out->rank);
        if (out->bits) {
            from(out, n, 0, at);
            out->err[n] = index_of(c->op, TN_ARG_A);
            continue;
        }
        double x = tn_v_load(&a, at);
        if (integer(to))
            x = integer(d) || d == TN_BOOL ? wrapped(to, x) : isnan(x) ? 0 : trunc(x);
        out->ref[n] = x;
    }
    return true;
}

static bool concat(const tn_v_call *c, tn_v_truth *out)
{
    const tn_axis *t = c->op->attr;
    int axis = t->axis < 0 ? t->axis + (int)out->rank : t->axis;
    int64_t i[TN_MAX_RANK];
    out->bits = true;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        for (uint32_t role = TN_ARG_INPUT0;; ++role) {
            int arg = index_of(c->op, role);
            if (arg < 0)
                return false;
            const tn_tensor *x = &c->op->args[arg].tensor;
            if (i[axis] < x->dim[axis]) {
                from(out, n, arg, tn_v_broadcast(x, i, out->rank));
                break;
            }
            i[axis] -= x->dim[axis];
        }
    }
    return true;
}

static bool pad(const tn_v_call *c, tn_v_truth *out)
{
    const tn_window *t = c->op->attr;
    int arg = index_of(c->op, TN_ARG_A);
    int64_t i[TN_MAX_RANK];
    if (arg < 0)
        return false;
    const tn_tensor *a = &c->op->args[arg].tensor;
    out->bits = true;
    for (int64_t n = 0; n < out->count; ++n) {
        bool outside = false;
        tn_v_unravel(out->dim, out->rank, n, i);
        for (uint32_t d = 0; d < out->rank; ++d) {
            int64_t last = a->dim[d] - 1;
            i[d] -= t->lo[d];
            if (i[d] >= 0 && i[d] <= last)
                continue;
            if (t->mode == TN_PAD_EDGE)
                i[d] = i[d] < 0 ? 0 : last;
            else if (t->mode == TN_PAD_REFLECT)
                i[d] = i[d] < 0 ? -i[d] : 2 * last - i[d];
            else
                outside = true;
        }
        if (outside)
            constant(out, n, integer(out->dtype) ? trunc((double)t->value) : (double)t->value);
        else
            from(out, n, arg, tn_v_broadcast(a, i, out->rank));
    }
    return true;
}

static bool gather(const tn_v_call *c, tn_v_truth *out)
{
    const tn_axis *t = c->op->attr;
    int arg = index_of(c->op, TN_ARG_A);
    tn_v_view index = tn_v_view_of(c, TN_ARG_INDEX);
    if (arg < 0 || index.t == NULL || (t->flags & TN_GATHER_BACKWARD) != 0)
        return false;
    const tn_tensor *a = &c->op->args[arg].tensor;
    int axis = t->axis < 0 ? t->axis + a->rank : t->axis;
    int64_t i[TN_MAX_RANK], of[TN_MAX_RANK];
    out->bits = true;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        int64_t at = 0;
        for (uint32_t d = 0; d < index.t->rank; ++d)
            at += i[(uint32_t)axis + d] * index.t->stride[d];
        double row = tn_v_load(&index, at);
        row = row < 0 ? row + (double)a->dim[axis] : row;
        for (int d = 0; d < a->rank; ++d)
            of[d] = d < axis ? i[d] : d == axis ? 0 : i[d - 1 + (int)index.t->rank];
        if (row < 0 || row >= (double)a->dim[axis]) {
            constant(out, n, 0);
            continue;
        }
        of[axis] = (int64_t)row;
        from(out, n, arg, tn_v_broadcast(a, of, a->rank));
    }
    return true;
}

bool tn_v_move(const tn_v_call *c, tn_v_truth *out)
{
    switch ((int)c->op->kind) {
    case TN_OP_COPY:
        return copy(c, out);
    case TN_OP_CONCAT:
        return concat(c, out);
    case TN_OP_PAD:
        return pad(c, out);
    default:
        return gather(c, out);
    }
}

/* ---- quantising ---- */

/* The scale or zero of element i; runs of `param` elements along the axis, or one an index. */
static double factor(const tn_v_view *v, const tn_axis *t, uint32_t rank, const int64_t *i,
                     double otherwise)
{
    if (v->t == NULL)
        return otherwise;
    if (v->t->rank == 0)
        return tn_v_load(v, 0);
    int axis = t->axis < 0 ? t->axis + (int)rank : t->axis;
    if (t->param == 0)
        return tn_v_load(v, i[axis] * v->t->stride[0]);
    int64_t of[TN_MAX_RANK];
    memcpy(of, i, sizeof of);
    of[axis] /= t->param;
    return tn_v_load(v, tn_v_broadcast(v->t, of, rank));
}

bool tn_v_quantize(const tn_v_call *c, tn_v_truth *out)
{
    const tn_axis *t = c->op->attr;
    bool down = c->op->kind == TN_OP_QUANTIZE;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), sa = tn_v_view_of(c, TN_ARG_SCALE_OF + TN_ARG_A),
              so = tn_v_view_of(c, TN_ARG_SCALE_OF + TN_ARG_OUT),
              za = tn_v_view_of(c, TN_ARG_ZERO_OF + TN_ARG_A),
              zo = tn_v_view_of(c, TN_ARG_ZERO_OF + TN_ARG_OUT);
    int64_t i[TN_MAX_RANK];
    if (a.t == NULL)
        return false;
    if (tn_v_arg(c->op, TN_ARG_OUT)->tensor.layout != TN_LAYOUT_STRIDED)
        return tn_v_quantize_blocks(c, out);
    out->single = true;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        float x = (float)tn_v_load(&a, tn_v_broadcast(a.t, i, out->rank));
        if (!down) {
            float s = (float)factor(&sa, t, out->rank, i, 1),
                  z = (float)factor(&za, t, out->rank, i, 0);
            out->ref[n] = za.t != NULL ? (double)fmaf(x, s, -(z * s)) : (double)(x * s);
            continue;
        }
        float y = so.t != NULL ? x / (float)factor(&so, t, out->rank, i, 1)
                               : x * (float)factor(&sa, t, out->rank, i, 1);
        if (tn_v_format_of(out->dtype).floating) {
            out->ref[n] = (double)y;
            continue;
        }
        double q = isnan(y) ? 0 : nearbyint((double)y), zero = factor(&zo, t, out->rank, i, 0);
        q = q > 0x1p30 ? 0x1p30 : q < -0x1p30 ? -0x1p30 : q;
        out->ref[n] = q + zero;
    }
    return true;
}
