/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds from declared arithmetic. */
#include <conformance/bounds/bounds.h>

#include <math.h>
#include <string.h>

static tn_dtype accumulator(const tn_arithmetic *d, const tn_op *op)
{
    if (d->accumulate != 0)
        return (tn_dtype)d->accumulate;
    if (op->numerics.accumulate != 0)
        return (tn_dtype)op->numerics.accumulate;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        uint32_t role = op->args[i].role;
        if (role == TN_ARG_A || role == TN_ARG_Q || role == TN_ARG_INPUT0)
            return op->args[i].tensor.dtype == TN_F64 ? TN_F64 : TN_F32;
    }
    return TN_F32;
}

tn_v_arith tn_v_arith_of(const tn_arithmetic *d, const tn_op *op)
{
    tn_v_arith a;
    memset(&a, 0, sizeof a);
    a.accumulate = accumulator(d, op);
    if (!tn_v_format_of(a.accumulate).floating)
        a.accumulate = TN_F32; /* what integer sums are scaled in */
    tn_v_format f = tn_v_format_of(a.accumulate);
    int bits = d->accumulate_bits != 0 ? d->accumulate_bits : f.precision;
    a.nearest = d->accumulate_round == 0 && d->extra_bits == 0 && d->block == 0;
    a.u = ldexp(1.0, a.nearest ? -bits : 1 - bits);
    a.tiny = ldexp(1.0, f.exponent_min - f.precision + (d->flush_out ? f.precision : 0));
    if (d->block != 0) {
        a.block = d->block;
        a.block_u = (d->block + 1) * ldexp(1.0, 1 - bits - d->extra_bits);
    }
    if (d->product == TN_TF32 || d->product == TN_BF16 || d->product == TN_F16) {
        /* A product narrower than the accumulator: inputs are rounded first where the type is the
         * one of a matrix unit, the product itself where it is the accumulator's own kind. */
        if (d->product == TN_TF32 || d->product == TN_BF16)
            a.read_as = (tn_dtype)d->product;
        else
            a.product_u = tn_v_unit(TN_F16);
    }
    if (d->split != 0)
        a.split_u = 3.0 * tn_v_unit(TN_F32); /* what three bf16 products leave out */
    a.function_rel = (double)d->exp_ulp * ldexp(1.0, 1 - f.precision);
    a.rsqrt_rel = d->rsqrt_ulp > 0 ? (double)d->rsqrt_ulp * ldexp(1.0, 1 - f.precision)
                                   : tn_v_unit(a.accumulate);
    if (d->inner == TN_F16 || d->inner == TN_BF16)
        a.weight_u = tn_v_unit((tn_dtype)d->inner);
    if (op->kind == TN_OP_ATTENTION && a.weight_u == 0)
        for (uint32_t i = 0; i < op->arg_count; ++i)
            if (op->args[i].role == TN_ARG_V &&
                (op->args[i].tensor.dtype == TN_F16 || op->args[i].tensor.dtype == TN_BF16))
                a.weight_u = tn_v_unit((tn_dtype)op->args[i].tensor.dtype);
    a.transform = d->transform;
    a.out_round = d->output_round == 0 ? TN_V_NEAREST_EVEN : TN_V_TOWARD_ZERO;
    a.saturate = d->overflow != 0 || (op->numerics.flags & TN_NUMERICS_SATURATE) != 0;
    a.flush_in = d->flush_in != 0;
    a.flush_out = d->flush_out != 0;
    return a;
}

double tn_v_sum_error(const tn_v_arith *a, double n, double sum_abs)
{
    if (n <= 0)
        return 0;
    double roundings = a->block > 0 ? ceil(n / a->block) : n, nu = roundings * a->u;
    double worst = nu < 0.5 ? nu / (1 - nu) : INFINITY;
    double likely = a->nearest ? TN_V_LAMBDA * sqrt(roundings) * a->u : INFINITY;
    double rel = worst < likely ? worst : likely;
    rel += a->product_u + a->split_u + (a->block > 0 ? a->block_u * roundings : 0);
    return rel * sum_abs + n * a->tiny;
}

double tn_v_transform_growth(int m)
{
    /* Largest sum of magnitudes in a row of B', G and A' for the points 0, 1, -1 (F(2,3)) and 0, 1,
     * -1, 2, -2 (F(4,3)). */
    double input = m == 2 ? 2 : 10, filter = m == 2 ? 1.5 : 1, output = m == 2 ? 3 : 19;
    return input * input * filter * filter * output * output;
}

static bool flushed(double v, tn_dtype out)
{
    return v != 0 && fabs(v) < ldexp(1.0, tn_v_format_of(out).exponent_min);
}

bool tn_v_within(const tn_v_arith *a, tn_dtype out, double ref, double err, double sum_abs,
                 double got, double *out_ratio)
{
    tn_v_format f = tn_v_format_of(out), acc = tn_v_format_of(a->accumulate);
    *out_ratio = 0;
    if (!f.floating) {
        double least = fabs(got - ref);
        *out_ratio = least;
        return least <= (err > 0 ? ceil(err) : 0);
    }
    if (isnan(ref))
        return isnan(got);
    if (isinf(ref)) {
        if (a->saturate && !isnan(got))
            return got == (ref > 0 ? f.max : f.min);
        return f.has_infinity ? got == ref : isnan(got);
    }
    if (sum_abs + err >= acc.max) /* partial sums may overflow in some order */
        return true;
    double half = out == a->accumulate && err > 0 ? 0 : tn_v_unit(out);
    if (a->out_round != TN_V_NEAREST_EVEN)
        half *= 2;
    /* Values that round to the largest or beyond. */
    double threshold = f.max + ldexp(1.0, ilogb(f.max) - f.precision);
    bool may_overflow = fabs(ref) + err >= threshold, must_overflow = fabs(ref) - err > threshold;
    if (isnan(got))
        return may_overflow && !f.has_infinity && !a->saturate;
    if (isinf(got))
        return may_overflow && f.has_infinity && !a->saturate && (got > 0) == (ref > 0);
    if (must_overflow)
        return a->saturate && got == (ref > 0 ? f.max : f.min);
    double step = ldexp(1.0, f.exponent_min - f.precision + 1); /* between subnormals */
    double bound = err + half * (fabs(ref) + err) + (half > 0 ? step / 2 : 0);
    if (bound == 0) { /* exact, or the accumulator's own type with nothing to round */
        *out_ratio = got == ref ? 0 : INFINITY;
        return got == ref;
    }
    *out_ratio = fabs(got - ref) / bound;
    if (*out_ratio <= 1)
        return true;
    return a->flush_out && got == 0 && flushed(ref + copysign(err, ref), out);
}

double tn_v_rms_limit(const tn_v_arith *a, tn_v_spread spread, double n)
{
    double unit = tn_v_unit(a->accumulate);
    if (a->nearest)
        return (spread == TN_V_SPREAD_ZERO       ? 1.0
                : spread == TN_V_SPREAD_POSITIVE ? 0.7 * sqrt(n) + 1
                                                 : 1.6) *
                   (a->u / unit) +
               (a->split_u + a->product_u) / unit;
    if (a->block > 0) {
        /* each block cuts the partial sum, which grows as sqrt(n): measured 0.31 to 0.36 sqrt(n) /
         * block, of 1024 and 4500 terms of zero mean */
        double drift = 0.7 * sqrt(n) / a->block;
        return spread == TN_V_SPREAD_ZERO       ? fmax(2.5, drift)
               : spread == TN_V_SPREAD_POSITIVE ? 0.6 * n + 2
                                                : fmax(6, 2.4 * drift);
    }
    return spread == TN_V_SPREAD_ZERO       ? sqrt(n) + 1
           : spread == TN_V_SPREAD_POSITIVE ? 0.6 * n + 2
                                            : 2 * sqrt(n) + 1;
}
