/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise functions and pooling. */
#include <conformance/oracle/oracle_canonical.h>

#include <stdlib.h>
#include <string.h>

/* max and min by the contract: NaN wins, +0 is above -0. */
static double extreme(double x, double y, bool most)
{
    if (isnan(x) || isnan(y))
        return NAN;
    if (x == y)
        return signbit(x) != 0 ? (most ? y : x) : (most ? x : y);
    return (x > y) == most ? x : y;
}

static int32_t wrap(int64_t x)
{
    return (int32_t)(uint32_t)(uint64_t)x;
}

static double binary(uint32_t kind, tn_dtype dtype, double x, double y)
{
    bool narrow = dtype != TN_F64;
    if (dtype == TN_S32 && kind <= TN_ELTWISE_MUL) {
        int64_t a = (int64_t)x, b = (int64_t)y;
        return wrap(kind == TN_ELTWISE_ADD ? a + b : kind == TN_ELTWISE_SUB ? a - b : a * b);
    }
    switch (kind) { /* narrow types are exact in f32, whose result is rounded once more */
    case TN_ELTWISE_ADD:
        return narrow ? (double)((float)x + (float)y) : x + y;
    case TN_ELTWISE_SUB:
        return narrow ? (double)((float)x - (float)y) : x - y;
    case TN_ELTWISE_MUL:
        return narrow ? (double)((float)x * (float)y) : x * y;
    case TN_ELTWISE_DIV:
        return narrow ? (double)((float)x / (float)y) : x / y;
    case TN_ELTWISE_MAX:
        return extreme(x, y, true);
    case TN_ELTWISE_MIN:
        return extreme(x, y, false);
    case TN_ELTWISE_EQUAL:
        return x == y;
    case TN_ELTWISE_LESS:
        return x < y;
    default:
        return x <= y;
    }
}

/* Kinds with one correctly rounded operation. */
static bool unary_single(uint32_t kind, bool wide, double x, double pa, double pb, double *out)
{
    switch (kind) {
    case TN_ELTWISE_NEG:
        *out = -x;
        return true;
    case TN_ELTWISE_ABS:
        *out = fabs(x);
        return true;
    case TN_ELTWISE_SQUARE:
        *out = wide ? x * x : (double)((float)x * (float)x);
        return true;
    case TN_ELTWISE_RELU:
        *out = x > 0 || isnan(x) ? x : 0.0;
        return true;
    case TN_ELTWISE_RINT:
        *out = nearbyint(x);
        return true;
    case TN_ELTWISE_SCALE:
        *out = wide ? fma(x, pa, pb) : (double)fmaf((float)x, (float)pa, (float)pb);
        return true;
    case TN_ELTWISE_CLAMP:
        *out = extreme(extreme(x, pa, true), pb, false);
        return true;
    default:
        return false;
    }
}

static double special(uint32_t kind, double x)
{
    double y = NAN, slope;
    switch (kind) {
    case TN_ELTWISE_RECIP:
        return 1 / x;
    case TN_ELTWISE_SQRT:
        return sqrt(x);
    case TN_ELTWISE_RSQRT:
        return x == 0 ? copysign(INFINITY, x) : 1 / sqrt(x);
    case TN_ELTWISE_EXP:
        return exp(x);
    case TN_ELTWISE_EXP2:
        return exp2(x);
    case TN_ELTWISE_LOG:
        return log(x);
    case TN_ELTWISE_TANH:
        return tanh(x);
    case TN_ELTWISE_SIGMOID:
        return 1 / (1 + exp(-x));
    case TN_ELTWISE_SILU:
        return isinf(x) && x < 0 ? -0.0 : x / (1 + exp(-x));
    case TN_ELTWISE_GELU:
    case TN_ELTWISE_GELU_TANH:
        tn_v_gelu_slope(x, &y, &slope, kind == TN_ELTWISE_GELU_TANH);
        return y;
    case TN_ELTWISE_ERF:
        return erf(x);
    case TN_ELTWISE_SIN:
        return fabs(x) <= 0x1p20 ? sin(x) : NAN;
    default:
        return fabs(x) <= 0x1p20 ? cos(x) : NAN;
    }
}

/* One unit in the last place of a number of the accumulator's type. */
static double ulp_of(tn_dtype dtype, double x)
{
    tn_v_format f = tn_v_format_of(dtype);
    int e;
    (void)frexp(x, &e);
    int exponent = x == 0 || e - 1 < f.exponent_min ? f.exponent_min : e - 1;
    return ldexp(1.0, exponent - f.precision + 1);
}

bool tn_v_eltwise(const tn_v_call *c, tn_v_truth *out)
{
    const tn_eltwise *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), b = tn_v_view_of(c, TN_ARG_B),
              cc = tn_v_view_of(c, TN_ARG_C);
    if (a.t == NULL || t->pass != TN_PASS_FORWARD || c->op->post_count != 0)
        return false;
    tn_dtype dtype = (tn_dtype)a.t->dtype;
    bool wide = dtype == TN_F64;
    int64_t i[TN_MAX_RANK];
    double ulps =
        c->arith.function_rel / ldexp(1.0, 1 - tn_v_format_of(c->arith.accumulate).precision);
    out->single = true;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        double x = tn_v_load(&a, tn_v_broadcast(a.t, i, out->rank)), y = 0, z = 0, r;
        if (b.t != NULL)
            y = tn_v_load(&b, tn_v_broadcast(b.t, i, out->rank));
        if (cc.t != NULL)
            z = tn_v_load(&cc, tn_v_broadcast(cc.t, i, out->rank));
        if (t->kind == TN_ELTWISE_FMA) {
            out->ref[n] = wide ? fma(x, y, z) : (double)fmaf((float)x, (float)y, (float)z);
        } else if (t->kind == TN_ELTWISE_WHERE) {
            out->ref[n] = x != 0 ? y : z;
        } else if (t->kind >= TN_ELTWISE_ADD) {
            out->ref[n] = binary(t->kind, dtype, x, y);
        } else if (unary_single(t->kind, wide, x, (double)t->a, (double)t->b, &r)) {
            out->ref[n] = r;
        } else {
            float bits;
            out->ref[n] = special(t->kind, x);
            out->single = false;
            if (out->canonical != NULL && tn_v_c_function(t->kind, (float)x, &bits))
                tn_v_c_keep(c, out, n, bits);
            /* declared in ulp of the result; none declared: correctly rounded in the accumulator */
            double u = ulp_of(c->arith.accumulate, out->ref[n]);
            out->err[n] = isfinite(out->ref[n]) ? (ulps > 0 ? ulps : 0.5) * u : 0;
            if (t->kind == TN_ELTWISE_RSQRT && c->arith.rsqrt_rel > tn_v_unit(c->arith.accumulate))
                out->err[n] = c->arith.rsqrt_rel * fabs(out->ref[n]);
        }
    }
    return true;
}

bool tn_v_pool(const tn_v_call *c, tn_v_truth *out)
{
    const tn_pool *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    if (a.t == NULL || t->pass != TN_PASS_FORWARD || t->dims < 1 || t->dims > 3)
        return false;
    bool last = (t->flags & TN_POOL_CHANNELS_LAST) != 0;
    uint32_t space = last ? 1 : 2;
    int64_t i[TN_MAX_RANK], w[3], stride[3], dilation[3], taps = 1;
    for (uint32_t d = 0; d < t->dims; ++d) {
        w[d] = t->window[d] == 0 ? a.t->dim[space + d] : t->window[d];
        stride[d] = t->stride[d] == 0 ? 1 : t->stride[d];
        dilation[d] = t->dilation[d] == 0 ? 1 : t->dilation[d];
        taps *= w[d];
    }
    double least = a.t->dtype == TN_U8 ? 0 : a.t->dtype == TN_S8 ? -128 : -INFINITY;
    bool bits = out->canonical != NULL && t->kind == TN_POOL_AVERAGE;
    float *row = bits ? calloc((size_t)taps + 1, sizeof *row) : NULL;
    if (bits && row == NULL)
        return false;
    out->terms = (double)taps;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        double sum = 0, mag = 0, most = least;
        int64_t count = 0, terms = 0;
        for (int64_t k = 0; k < taps; ++k) {
            int64_t tap[3], at[TN_MAX_RANK];
            bool there = true, counts = true;
            tn_v_unravel(w, t->dims, k, tap);
            memcpy(at, i, sizeof at);
            for (uint32_t d = 0; d < t->dims; ++d) {
                int64_t p = i[space + d] * stride[d] - t->pad_lo[d] + tap[d] * dilation[d];
                there = there && p >= 0 && p < a.t->dim[space + d];
                counts = counts && p >= -t->pad_lo[d] && p < a.t->dim[space + d] + t->pad_hi[d];
                at[space + d] = p;
            }
            if (bits)
                row[k] = 0;
            count += there || (counts && (t->flags & TN_POOL_COUNT_PADDING) != 0);
            if (!there)
                continue;
            double x = tn_v_load(&a, tn_v_broadcast(a.t, at, a.t->rank));
            if (bits)
                row[k] = (float)x;
            sum += x;
            mag += fabs(x);
            most = extreme(most, x, true);
            terms++;
        }
        if (t->kind == TN_POOL_MAX) {
            out->ref[n] = most;
            out->single = true;
            continue;
        }
        if (bits)
            tn_v_c_keep(c, out, n, tn_v_c_reduce(row, taps, false) * tn_v_c_recip((float)count));
        out->ref[n] = sum / (double)count;
        out->mag[n] = mag; /* what overflows is the sum */
        out->err[n] =
            (c->exact ? 0 : tn_v_sum_error(&c->arith, (double)terms, mag)) / (double)count +
            (count > 1 ? 2 * c->arith.u * fabs(out->ref[n]) : 0);
    }
    free(row);
    return true;
}
