/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict: every element, then the spread of all errors, then what to say about it. */
#include <conformance/runner/execute.h>

#include <stdio.h>
#include <string.h>

static const tn_arg *arg_at(const tn_v_job *j, int index)
{
    return index >= 0 && (uint32_t)index < j->op->arg_count ? &j->op->args[index] : NULL;
}

/* Where bits are moved: the very bits of the source. */
static bool same_bits(const tn_v_job *j, const tn_v_truth *t, int64_t n)
{
    const unsigned char *got = tn_v_element(j, t, n);
    uint32_t elem = tn_v_elem_bytes(t->dtype);
    int from = (int)t->err[n];
    unsigned char want[8];
    if (arg_at(j, from) != NULL)
        memcpy(want, j->image[from].before + j->image[from].guard + (uint64_t)t->ref[n] * elem,
               elem);
    else
        tn_v_encode(t->dtype, t->mag[n], TN_V_NEAREST_EVEN, false, want);
    return memcmp(want, got, elem) == 0;
}

/* Kinds where a zero has one right sign. */
static bool signed_zero(const tn_v_job *j)
{
    return j->op->kind == TN_OP_ELTWISE || j->op->kind == TN_OP_COPY;
}

/* Functions have the zeros of NUMERICS.md section 9 in every class, but for sin(-0): that of
 * CANONICAL is +0, that of most libraries is not. */
static bool zero_of_function(const tn_v_job *j)
{
    const tn_eltwise *t = j->op->attr;
    return j->op->kind == TN_OP_ELTWISE && t->pass == TN_PASS_FORWARD && t->kind != TN_ELTWISE_SIN;
}

/* After 1.5 * 2^p the sum has lost what the accumulator has no bits for, or (another order, a wider
 * one) nothing. */
static bool round_set(const tn_v_job *j, double ref, double got)
{
    const tn_v_arith *a = &j->call.arith;
    int p = tn_v_format_of(a->accumulate).precision;
    double bits = -log2(a->u) + (a->nearest ? 0 : 1), big;
    p = bits < p ? (int)bits : p;
    p = p > 46 ? 46 : p;
    big = ldexp(1.5, p);
    if (got == ref)
        return true;
    for (int s = -1; s <= 1; s += 2) {
        double b = s * big;
        if (got == tn_v_to_bits(b + ref, p, TN_V_NEAREST_EVEN) - b)
            return true;
        if (!a->nearest && (got == tn_v_to_bits(b + ref, p, TN_V_TOWARD_ZERO) - b || got == 0 ||
                            fabs(got - ref) <= 2))
            return true;
    }
    return false;
}

static bool right(const tn_v_job *j, const tn_v_truth *t, int64_t n, double *ratio)
{
    *ratio = 0;
    if (t->bits) {
        bool same = same_bits(j, t, n);
        *ratio = same ? 0 : INFINITY;
        return same;
    }
    double got = tn_v_decode(t->dtype, tn_v_element(j, t, n)), ref = t->ref[n];
    const tn_v_arith *a = &j->call.arith;
    if (j->which->data == TN_V_ROUND && j->op->kind == TN_OP_MATMUL)
        return round_set(j, ref, got) || (*ratio = INFINITY, false);
    /* What a device without subnormals reads as 0 it may pass on as it lies in memory. */
    if (a->flush_in && a->flush_out && ref == 0 && signbit(ref) == signbit(got) &&
        fabs(got) < ldexp(1.0, tn_v_format_of(t->dtype).exponent_min))
        return true;
    bool exact = (t->single || j->call.exact) && t->err[n] == 0;
    if (!exact && !tn_v_within(a, t->dtype, ref, t->err[n], t->mag[n], got, ratio))
        return false;
    if (!exact) {
        bool other_zero =
            ref == 0 && got == 0 && signbit(ref) != signbit(got) && zero_of_function(j);
        *ratio = other_zero ? INFINITY : *ratio;
        return !other_zero;
    }
    double want = tn_v_rounded(t->dtype, ref, a->out_round, a->saturate);
    tn_v_format f = tn_v_format_of(t->dtype);
    bool same = (isnan(want) && isnan(got)) ||
                (want == got &&
                 (want != 0 || !signed_zero(j) || !f.floating || signbit(want) == signbit(got)));
    if (!same && a->flush_out && got == 0 && fabs(want) < ldexp(1.0, f.exponent_min))
        same = true;
    *ratio = same ? 0 : INFINITY;
    return same;
}

bool tn_v_right(const tn_v_job *j, const tn_v_truth *t, int64_t n, double *ratio)
{
    if (right(j, t, n, ratio)) {
        if (tn_v_canonical(t, n, tn_v_decode(t->dtype, tn_v_element(j, t, n))))
            return true;
        *ratio = INFINITY;
        return false;
    }
    ptrdiff_t at = t - j->truth;
    double other;
    if (at < 0 || at >= j->kept_truths || !right(j, &j->kept[at], n, &other))
        return false;
    *ratio = other;
    return true;
}

typedef struct spread {
    double sum, square, count; /* in units of the accumulator, or of the output's last place */
    bool narrow;
    double extra;
} spread;

static double last_place(tn_dtype d, double v)
{
    tn_v_format f = tn_v_format_of(d);
    int e;
    (void)frexp(v, &e);
    return ldexp(1.0, e - f.precision);
}

static void add_error(spread *s, const tn_v_job *j, const tn_v_truth *t, int64_t n)
{
    double got = tn_v_decode(t->dtype, tn_v_element(j, t, n)), ref = t->ref[n];
    if (!isfinite(got) || !isfinite(ref) || t->mag[n] <= 0)
        return;
    double e;
    if (s->narrow) {
        if (fabs(ref) < ldexp(4.0, tn_v_format_of(t->dtype).exponent_min))
            return;
        e = (got - ref) / last_place(t->dtype, ref);
        double inner = t->err[n] / last_place(t->dtype, ref);
        s->extra += inner * inner;
    } else {
        e = (got - ref) / (tn_v_unit(j->call.arith.accumulate) * t->mag[n]);
    }
    e *= ref < 0 ? -1 : 1;
    s->sum += e;
    s->square += e * e;
    s->count += 1;
}

/* Whether the errors as a whole are such as the declared arithmetic makes. */
static bool spread_good(const spread *s, const tn_v_job *j, const tn_v_truth *t, tn_v_result *out)
{
    /* a product or two of few operands have errors that are no sample of anything */
    if (s->count < 100 || t->terms < 4)
        return true;
    double mean = s->sum / s->count, square = s->square / s->count,
           deviation = sqrt(square - mean * mean);
    out->rms = sqrt(square);
    out->bias = deviation > 0 ? mean / deviation * sqrt(s->count) : 0;
    const tn_v_arith *a = &j->call.arith;
    const char *what = NULL;
    if (s->narrow && a->out_round == TN_V_NEAREST_EVEN) {
        double extra = s->extra / s->count, root = sqrt(s->count);
        if (fabs(mean) * root / sqrt(1.0 / 12 + extra) > TN_V_LAMBDA)
            what = "the output's rounding is biased";
        /* the variance of a squared uniform error is 1/180 */
        else if (s->count >= 400 &&
                 square > (1.0 / 12 + extra) + TN_V_LAMBDA * sqrt(1.0 / 180) / root)
            what = "the output's errors are larger than one rounding makes";
    } else if (!s->narrow && s->count >= 400) {
        out->rms_limit = tn_v_rms_limit(a, j->data.spread, t->terms);
        out->terms = t->terms;
        if (out->rms > out->rms_limit)
            what = "errors are larger than sums of this accumulator make";
        else if (a->nearest && j->data.spread == TN_V_SPREAD_ZERO && fabs(out->bias) > 8)
            what = "errors lean to one side: the accumulator does not round to nearest";
    }
    if (what == NULL)
        return true;
    out->status = TN_V_FAIL;
    snprintf(out->message, sizeof out->message,
             "%s: root mean square %.3g %s, mean %.3g standard errors from 0", what, out->rms,
             s->narrow ? "units in the last place" : "units of the accumulator", out->bias);
    return false;
}

static void hex(const unsigned char *e, uint32_t bytes, char *text)
{
    for (uint32_t i = bytes; i-- > 0; text += 2)
        snprintf(text, 3, "%02x", e[i]);
}

static void describe(const tn_v_job *j, const tn_v_truth *t, int64_t n, char *text, size_t room)
{
    int64_t i[TN_MAX_RANK];
    char index[80] = "", got[20], *at = index;
    double ratio;
    bool order = t->canonical != NULL && right(j, t, n, &ratio); /* wrong by its bits alone */
    tn_v_unravel(t->dim, t->rank, n, i);
    for (uint32_t d = 0; d < t->rank && at < index + sizeof index - 24; ++d)
        at += snprintf(at, 24, "%s%lld", d ? "," : "", (long long)i[d]);
    hex(tn_v_element(j, t, n), tn_v_elem_bytes(t->dtype), got);
    snprintf(text, room, "[%s] got %.9g (0x%s), want %.9g +- %.3g", index,
             tn_v_decode(t->dtype, tn_v_element(j, t, n)), got,
             t->bits ? NAN
             : order ? t->canonical[n]
                     : t->ref[n],
             t->bits || order ? 0.0 : t->err[n]);
}

void tn_v_judge(tn_v_job *j, tn_v_result *out)
{
    out->status = TN_V_PASS;
    int64_t worst_at = -1, within = 0; /* within: wrong only by the bits of CANONICAL */
    const tn_v_truth *worst_of = NULL;
    for (int k = 0; k < j->truths; ++k) {
        const tn_v_truth *t = &j->truth[k];
        spread s = {0, 0, 0, t->dtype != j->call.arith.accumulate, 0};
        bool sums = (j->op->kind == TN_OP_MATMUL || j->op->kind == TN_OP_CONV ||
                     j->op->kind == TN_OP_REDUCE) &&
                    j->call.arith.transform == 0;
        for (int64_t n = 0; n < t->count; ++n) {
            double ratio, bound;
            bool good = tn_v_right(j, t, n, &ratio);
            out->elements++;
            if (!good && t->canonical != NULL && right(j, t, n, &bound))
                within++;
            if (!good && (out->wrong++ == 0 || (ratio > out->ratio && isfinite(ratio)))) {
                worst_at = n;
                worst_of = t;
            }
            if (isfinite(ratio) && ratio > out->ratio)
                out->ratio = ratio;
            if (good && sums && j->data.rms)
                add_error(&s, j, t, n);
        }
        if (out->wrong == 0 && sums && j->data.rms && !spread_good(&s, j, t, out))
            break;
    }
    if (out->wrong > 0) {
        out->status = TN_V_FAIL;
        describe(j, worst_of, worst_at, out->worst, sizeof out->worst);
        snprintf(out->message, sizeof out->message, "%lld of %lld elements are wrong; %s",
                 (long long)out->wrong, (long long)out->elements, out->worst);
    }
    if (within > 0 && within == out->wrong)
        snprintf(out->hypothesis, sizeof out->hypothesis,
                 "within the bound, in other bits than CANONICAL's: another order or function");
    else if (out->status == TN_V_FAIL && j->session->explain)
        tn_v_hypothesis(j, out);
}
