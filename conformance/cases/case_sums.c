/* SPDX-License-Identifier: Apache-2.0 */
/* Data of ops that add up products: exact sums that climb, one-hot selections, ties, masks. */
#include <conformance/cases/case_fill.h>

#include <stdlib.h>
#include <string.h>

/* Terms of an exact sum along one axis: the magnitudes of two factors and the sign of the product.
 * The first half of the terms is positive, the second half takes it back, so that partial sums of
 * most orders climb far above the result; one or two terms are left over and are the result. */
typedef struct ladder {
    int64_t terms, *partner; /* of a term: the one that takes it back, or -1 */
    bool *negative, *lift;
    double amp_a, amp_b, lift_a, lift_b, rest_a, rest_b;
} ladder;

static void ladder_free(ladder *l)
{
    free(l->partner);
    free(l->negative);
    free(l->lift);
}

/* The largest integer that a type holds with every smaller one. */
static double whole(const tn_tensor *t)
{
    return ldexp(1.0, tn_v_format_of((tn_dtype)t->dtype).precision);
}

/* Integers in both factors so that sums of `weight` times the terms stay below the accumulator's
 * exact range; false where that range is too small. */
static bool ladder_make(ladder *l, int64_t terms, double weight, const tn_tensor *a,
                        const tn_tensor *b, const tn_tensor *out, int bits, tn_v_random *r)
{
    memset(l, 0, sizeof *l);
    l->terms = terms;
    double range = ldexp(1.0, bits),
           each = 0.4 * range / ((double)(terms > 0 ? terms : 1) * weight);
    double amp = floor(sqrt(each));
    if (amp < 1)
        return false;
    l->amp_a = fmin(amp, whole(a));
    l->amp_b = fmin(amp, whole(b));
    /* what remains is representable in the output */
    double result = fmin(whole(out), 0.05 * range);
    l->rest_a = fmax(1, fmin(floor(sqrt(result / 2 / weight)), l->amp_a));
    l->rest_b = fmax(1, fmin(floor(sqrt(result / 2 / weight)), l->amp_b));
    size_t n = (size_t)terms + 1;
    l->partner = calloc(n, sizeof *l->partner);
    l->negative = calloc(n, sizeof *l->negative);
    l->lift = calloc(n, sizeof *l->lift);
    int64_t *order = calloc(n, sizeof *order);
    if (l->partner == NULL || l->negative == NULL || l->lift == NULL || order == NULL) {
        ladder_free(l);
        free(order);
        return false;
    }
    int64_t pairs = (terms - 1) / 2;
    for (int64_t i = 0; i < terms; ++i)
        l->partner[i] = -1;
    /* first half in place, the second half shuffled against it; left-overs in the middle */
    for (int64_t i = 0; i < pairs; ++i)
        order[i] = terms - 1 - i;
    for (int64_t i = pairs; i-- > 1;) {
        int64_t j = tn_v_below(r, i + 1), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (int64_t i = 0; i < pairs; ++i) {
        l->partner[order[i]] = i;
        l->negative[order[i]] = true;
    }
    free(order);
    /* pairs that lift the partial sums into the highest binade of the range */
    double most_a = exp2(floor(log2(tn_v_format_of((tn_dtype)a->dtype).max))),
           most_b = exp2(floor(log2(tn_v_format_of((tn_dtype)b->dtype).max)));
    double want = range / 4 / weight;
    l->lift_a = fmin(exp2(floor(log2(want) / 2)), most_a);
    l->lift_b = fmin(exp2(floor(log2(want / l->lift_a))), most_b);
    int64_t lifts = (int64_t)(want / (l->lift_a * l->lift_b));
    lifts = lifts < 1 ? 1 : lifts > pairs / 2 ? pairs / 2 : lifts;
    for (int64_t i = 0; i < lifts; ++i)
        l->lift[tn_v_below(r, pairs)] = true;
    return true;
}

static double draw(double amp, tn_v_random *r)
{
    return amp - floor(tn_v_uniform(r) * amp * 0.3);
}

/* Factor of term k in row i: the partner's, or a new one. `row` holds the terms before. */
static double factor(const ladder *l, const double *row, int64_t stride, int64_t k, bool second,
                     tn_v_random *r)
{
    int64_t p = l->partner[k];
    if (p >= 0)
        return (second && l->negative[k] ? -1 : 1) * row[p * stride];
    bool paired = 2 * k + 1 < l->terms && k < (l->terms - 1) / 2;
    if (!paired)
        return draw(second ? l->rest_b : l->rest_a, r) * (tn_v_next(r) & 1 ? -1 : 1);
    if (l->lift[k])
        return second ? l->lift_b : l->lift_a;
    return draw(second ? l->amp_b : l->amp_a, r);
}

static int exact_bits(const tn_v_fill_call *f)
{
    int p = tn_v_format_of(f->arith->accumulate).precision;
    double bits = -log2(f->arith->u) + (f->arith->nearest ? 0 : 1);
    p = bits < p ? (int)bits : p;
    return p > 46 ? 46 : p;
}

/* A matrix operand as rows over its batch: element (batch, outer, k). */
typedef struct matrix {
    double *v;
    const tn_tensor *t;
    int64_t batches, outer, k, outer_stride, k_stride;
} matrix;

static matrix matrix_of(const tn_v_fill_call *f, uint32_t role)
{
    const tn_matmul *attr = f->op->attr;
    int arg = tn_v_find(f->op, role);
    matrix m = {f->value[arg], &f->op->args[arg].tensor, 1, 0, 0, 0, 0};
    uint32_t rank = m.t->rank;
    bool turned =
        (attr->flags & (role == TN_ARG_A ? TN_MATMUL_TRANSPOSE_A : TN_MATMUL_TRANSPOSE_B)) != 0;
    bool k_last = (role == TN_ARG_A) != turned;
    int64_t d0 = m.t->dim[rank - 2], d1 = m.t->dim[rank - 1];
    m.outer = k_last ? d0 : d1;
    m.k = k_last ? d1 : d0;
    m.outer_stride = k_last ? d1 : 1;
    m.k_stride = k_last ? 1 : d1;
    for (uint32_t d = 0; d + 2 < rank; ++d)
        m.batches *= m.t->dim[d];
    return m;
}

static double *at(const matrix *m, int64_t batch, int64_t outer, int64_t k)
{
    return m->v + batch * m->outer * m->k + outer * m->outer_stride + k * m->k_stride;
}

static bool fill_exact(const tn_v_fill_call *f, matrix *a, matrix *b, tn_v_random *r)
{
    const tn_tensor *out = &f->op->args[tn_v_find(f->op, TN_ARG_OUT)].tensor;
    ladder l;
    if (!ladder_make(&l, a->k, 1, a->t, b->t, out, exact_bits(f), r))
        return false;
    matrix *m[2] = {a, b};
    for (int s = 0; s < 2; ++s)
        for (int64_t n = 0; n < m[s]->batches; ++n)
            for (int64_t i = 0; i < m[s]->outer; ++i)
                for (int64_t k = 0; k < m[s]->k; ++k)
                    *at(m[s], n, i, k) =
                        factor(&l, at(m[s], n, i, 0), m[s]->k_stride, k, s == 1, r);
    ladder_free(&l);
    f->plan->exact = true;
    return true;
}

static bool fill_hot(matrix *a, matrix *b, bool mirrored)
{
    matrix *hot = mirrored ? b : a, *code = mirrored ? a : b;
    int64_t codes = (int64_t)fmin(whole(code->t), 125);
    for (int64_t n = 0; n < hot->batches; ++n)
        for (int64_t i = 0; i < hot->outer; ++i)
            for (int64_t k = 0; k < hot->k; ++k)
                *at(hot, n, i, k) = k == (hot->k - 1 + (i + n) * (hot->k / 2 + 1)) % hot->k;
    for (int64_t n = 0; n < code->batches; ++n)
        for (int64_t i = 0; i < code->outer; ++i)
            for (int64_t k = 0; k < code->k; ++k)
                *at(code, n, i, k) = (double)((7 * k + 13 * i + 5 * n) % (2 * codes + 1) - codes);
    return true;
}

static void clear(matrix *m)
{
    memset(m->v, 0, (size_t)(m->batches * m->outer * m->k) * sizeof *m->v);
}

/* A mantissa, half a unit of the output, and a little more or less. */
static bool fill_ties(const tn_v_fill_call *f, matrix *a, matrix *b, tn_v_random *r)
{
    const tn_tensor *out = &f->op->args[tn_v_find(f->op, TN_ARG_OUT)].tensor;
    int p = tn_v_format_of((tn_dtype)out->dtype).precision,
        acc = tn_v_format_of(f->arith->accumulate).precision;
    if (a->k < 3 || !f->arith->nearest || p > acc)
        return false;
    clear(a);
    clear(b);
    /* the mantissa is high * 2^h + low: each part fits a narrow factor */
    int h = p / 2;
    bool wide = p > tn_v_format_of((tn_dtype)a->t->dtype).precision;
    if (wide && (a->k < 4 || p == acc))
        return false;
    for (int64_t n = 0; n < a->batches; ++n)
        for (int64_t i = 0; i < a->outer; ++i) {
            double sign = tn_v_next(r) & 1 ? -1 : 1;
            int64_t m = (1ll << (p - 1)) + tn_v_below(r, 1ll << (p - 1));
            if (wide) {
                *at(a, n, i, 0) = sign * (double)(m >> h);
                *at(a, n, i, 3) = sign * (double)(m & ((1ll << h) - 1));
            } else {
                *at(a, n, i, 0) = sign * (double)m;
            }
            *at(a, n, i, 1) = sign * 0.5;
            *at(a, n, i, 2) = sign;
        }
    for (int64_t n = 0; n < b->batches; ++n)
        for (int64_t j = 0; j < b->outer; ++j) {
            static const double half[] = {1, -1, 1, 0.5, 1, -0.5},
                                off[] = {0, 0, 0x1p-5, 0, -0x1p-5, 0};
            *at(b, n, j, 0) = wide ? ldexp(1.0, h) : 1;
            *at(b, n, j, 1) = half[j % 6];
            *at(b, n, j, 2) = p == acc || p + 5 > acc ? 0 : off[j % 6];
            if (wide)
                *at(b, n, j, 3) = 1;
        }
    f->plan->exact = true;
    return true;
}

/* 1.5 * 2^p, a small number, and the large one taken back. */
static bool fill_round(const tn_v_fill_call *f, matrix *a, matrix *b, tn_v_random *r)
{
    int p = exact_bits(f), half = p / 2;
    double limit =
        fmin(tn_v_format_of((tn_dtype)a->t->dtype).max, tn_v_format_of((tn_dtype)b->t->dtype).max);
    if (a->k < 3 || 1.5 * ldexp(1.0, p - half) > limit)
        return false;
    clear(a);
    clear(b);
    int64_t place[3] = {0, 0, 0};
    place[0] = tn_v_below(r, a->k - 2);
    place[1] = place[0] + 1;
    place[2] = a->k - 1;
    static const double small[] = {1, 1.5, 3, -1, -1.5, -3};
    for (int64_t n = 0; n < a->batches; ++n)
        for (int64_t i = 0; i < a->outer; ++i) {
            *at(a, n, i, place[0]) = (i % 2 ? -1.5 : 1.5) * ldexp(1.0, p - half);
            *at(a, n, i, place[1]) = small[i / 2 % 6];
            *at(a, n, i, place[2]) = (i % 2 ? 1.5 : -1.5) * ldexp(1.0, p - half);
        }
    for (int64_t n = 0; n < b->batches; ++n)
        for (int64_t j = 0; j < b->outer; ++j) {
            *at(b, n, j, place[0]) = *at(b, n, j, place[2]) = ldexp(1.0, half);
            *at(b, n, j, place[1]) = 1;
        }
    return true;
}

/* +M and -M somewhere, ones elsewhere: how many ones survive tells the order. */
static bool fill_order(const tn_v_fill_call *f, matrix *a, matrix *b, tn_v_random *r)
{
    double limit =
        fmin(tn_v_format_of((tn_dtype)a->t->dtype).max, tn_v_format_of((tn_dtype)b->t->dtype).max);
    double m = fmin(exp2(floor(log2(limit))), 0x1p15), unit = m < 0x1p9 ? 0x1p-6 : 0x1p-3;
    if (a->k < 3 || tn_v_integer(a->t))
        return false;
    for (int64_t n = 0; n < a->batches; ++n)
        for (int64_t i = 0; i < a->outer; ++i) {
            int64_t x = tn_v_below(r, a->k), y = (x + 1 + tn_v_below(r, a->k - 1)) % a->k;
            for (int64_t k = 0; k < a->k; ++k)
                *at(a, n, i, k) = k == x ? m : k == y ? -m : unit;
        }
    for (int64_t n = 0; n < b->batches; ++n)
        for (int64_t j = 0; j < b->outer; ++j)
            for (int64_t k = 0; k < b->k; ++k)
                *at(b, n, j, k) = m;
    /* a mask meets one factor everywhere, the units a small one: scale columns as a whole */
    for (int64_t n = 0; n < b->batches; ++n)
        for (int64_t j = 0; j < b->outer; ++j)
            for (int64_t k = 0; k < b->k; ++k)
                *at(b, n, j, k) = tn_v_fit(b->t, 1 + 0.125 * (double)(j % 7));
    f->plan->same = true;
    f->plan->launches = 4;
    return true;
}

static void special_row(matrix *a, int64_t n, int64_t i, const tn_tensor *out, tn_v_random *r)
{
    tn_v_format in = tn_v_format_of((tn_dtype)a->t->dtype),
                to = tn_v_format_of((tn_dtype)out->dtype);
    int64_t k0 = tn_v_below(r, a->k), k1 = (k0 + 1) % a->k;
    double tiny = ldexp(1.0, in.exponent_min - in.precision + 2);
    switch (i % 9) {
    case 0:
        *at(a, n, i, k0) = in.has_nan ? NAN : 0;
        break;
    case 1:
        *at(a, n, i, k0) = in.has_infinity ? INFINITY : in.max;
        break;
    case 2:
        *at(a, n, i, k0) = in.has_infinity ? INFINITY : in.max;
        *at(a, n, i, k1) = in.has_infinity ? -INFINITY : -in.max;
        break;
    case 3: /* beyond the output's range, or not quite */
        for (int64_t k = 0; k < a->k; ++k)
            *at(a, n, i, k) = 0;
        *at(a, n, i, k0) = tn_v_fit(a->t, fmin(to.max, in.max) * 0.75);
        break;
    case 4: /* a subnormal input alone */
        for (int64_t k = 0; k < a->k; ++k)
            *at(a, n, i, k) = 0;
        *at(a, n, i, k0) = tiny * (double)(1 + tn_v_below(r, 3));
        break;
    case 5: /* one product round the output's smallest normal number, of a normal input if it has
               one */
        for (int64_t k = 0; k < a->k; ++k)
            *at(a, n, i, k) = 0;
        *at(a, n, i, k0) = tn_v_fit(
            a->t, ldexp(1 + tn_v_uniform(r),
                        to.exponent_min > in.exponent_min ? to.exponent_min : in.exponent_min));
        break;
    case 6:
        for (int64_t k = 0; k < a->k; ++k)
            *at(a, n, i, k) = k % 2 ? 0.0 : -0.0;
        break;
    default:
        break;
    }
}

/* C, bias and the like: values that an epilogue may not lose. */
static void odd_posts(const tn_v_fill_call *f, tn_v_random *r)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0x1p-130, 1e4};
    for (uint32_t i = 0; i < f->op->arg_count; ++i) {
        uint32_t role = f->op->args[i].role;
        const tn_tensor *t = &f->op->args[i].tensor;
        if (f->value[i] == NULL ||
            (role != TN_ARG_C && (role < TN_ARG_POST0 || role >= TN_ARG_SCALE_OF)))
            continue;
        for (int64_t k = tn_v_below(r, 9); k < tn_v_count(t); k += 1 + tn_v_below(r, 17))
            f->value[i][k] = tn_v_fit(t, odd[tn_v_below(r, 6)]);
    }
}

static bool fill_special(const tn_v_fill_call *f, matrix *a, matrix *b, tn_v_random *r)
{
    const tn_tensor *out = &f->op->args[tn_v_find(f->op, TN_ARG_OUT)].tensor;
    if (tn_v_integer(a->t) || a->k == 0)
        return false;
    for (int64_t n = 0; n < a->batches; ++n)
        for (int64_t i = 0; i < a->outer; ++i)
            special_row(a, n, i, out, r);
    for (int64_t n = 0; n < b->batches; ++n)
        for (int64_t j = 0; j < b->outer; ++j) {
            if (j % 5 == 3) /* what meets an infinity is zero */
                for (int64_t k = 0; k < b->k; ++k)
                    *at(b, n, j, k) = 0;
            if (j % 11 == 7)
                *at(b, n, j, tn_v_below(r, b->k)) = NAN;
            if (j % 13 == 5 && tn_v_format_of((tn_dtype)b->t->dtype).has_infinity)
                *at(b, n, j, tn_v_below(r, b->k)) = tn_v_next(r) & 1 ? INFINITY : -INFINITY;
        }
    odd_posts(f, r);
    return true;
}

static void fill_graded(matrix *a, matrix *b)
{
    for (int64_t n = 0; n < a->batches; ++n)
        for (int64_t i = 0; i < a->outer; ++i)
            for (int64_t k = 0; k < a->k; ++k)
                *at(a, n, i, k) = tn_v_fit(a->t, ldexp(*at(a, n, i, k), (int)(i % 11) - 5));
    for (int64_t n = 0; n < b->batches; ++n)
        for (int64_t j = 0; j < b->outer; ++j)
            for (int64_t k = 0; k < b->k; ++k)
                *at(b, n, j, k) = tn_v_fit(b->t, ldexp(*at(b, n, j, k), 5 - (int)(j % 11)));
}

/* C, bias and the like: integers where the sums are exact. */
static void whole_posts(const tn_v_fill_call *f, tn_v_random *r)
{
    for (uint32_t i = 0; i < f->op->arg_count; ++i) {
        uint32_t role = f->op->args[i].role;
        if (f->value[i] == NULL ||
            (role != TN_ARG_C && (role < TN_ARG_POST0 || role >= TN_ARG_SCALE_OF)))
            continue;
        for (int64_t k = 0; k < tn_v_count(&f->op->args[i].tensor); ++k)
            f->value[i][k] = (double)tn_v_below(r, 15) - 7;
    }
}

bool tn_v_fill_matmul(const tn_v_fill_call *f, tn_v_random *r)
{
    if (f->op->args[tn_v_find(f->op, TN_ARG_A)].tensor.rank < 2)
        return false;
    matrix a = matrix_of(f, TN_ARG_A), b = matrix_of(f, TN_ARG_B);
    bool integer = tn_v_integer(a.t);
    /* numbers of blocks are few, and so are their sums' last bits: no error is random */
    f->plan->rms = f->plan->rms && !integer && f->op->post_count == 0 && b.t->layout == 0;
    switch (f->which->data) {
    case TN_V_ONE_HOT:
        whole_posts(f, r);
        f->plan->exact = true;
        return fill_hot(&a, &b, f->which->seed % 2 != 0);
    case TN_V_EXACT:
        whole_posts(f, r);
        return integer || fill_exact(f, &a, &b, r);
    case TN_V_TIES:
        return !integer && f->op->post_count == 0 && fill_ties(f, &a, &b, r);
    case TN_V_ROUND:
        return !integer && f->op->post_count == 0 && fill_round(f, &a, &b, r);
    case TN_V_ORDER:
        return fill_order(f, &a, &b, r);
    case TN_V_SPECIAL:
        return fill_special(f, &a, &b, r);
    case TN_V_GRADED:
        fill_graded(&a, &b);
        return !integer;
    case TN_V_ZERO_MEAN:
    case TN_V_POSITIVE:
    case TN_V_WIDE:
        return true;
    case TN_V_HUGE:
        return !integer;
    default:
        return false;
    }
}

/* ---- convolution: pairs of channels take each other back ---- */

static int channel_axis(const tn_conv *t, const tn_tensor *x)
{
    return (t->flags & TN_CONV_CHANNELS_LAST) != 0 ? x->rank - 1 : 1;
}

bool tn_v_fill_conv(const tn_v_fill_call *f, tn_v_random *r)
{
    const tn_conv *t = f->op->attr;
    bool back = t->pass == TN_PASS_BACKWARD_WEIGHTS, turned = (t->flags & TN_CONV_TRANSPOSED) != 0;
    int ia = tn_v_find(f->op, TN_ARG_A), ib = tn_v_find(f->op, back ? TN_ARG_GRAD : TN_ARG_B);
    const tn_tensor *a = &f->op->args[ia].tensor, *b = &f->op->args[ib].tensor,
                    *out = &f->op->args[tn_v_find(f->op, TN_ARG_OUT)].tensor;
    bool integer = tn_v_integer(a);
    tn_v_data data = f->which->data;
    f->plan->rms = f->plan->rms && !integer && f->op->post_count == 0;
    if (data == TN_V_ZERO_MEAN || data == TN_V_POSITIVE || data == TN_V_WIDE)
        return true;
    if (data == TN_V_HUGE)
        return !integer;
    if (data == TN_V_SPECIAL) {
        static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0x1p-130};
        int64_t n = tn_v_count(a), m = tn_v_count(b);
        if (integer || n < 8)
            return false;
        for (int64_t k = 0; k < 3 + n / 64; ++k)
            f->value[ia][tn_v_below(r, n)] = tn_v_fit(a, odd[k % 5]);
        if (!back && m > 8) /* and a weight */
            f->value[ib][tn_v_below(r, m)] = tn_v_next(r) & 1 ? NAN : INFINITY;
        odd_posts(f, r);
        return true;
    }
    if (data == TN_V_GRADED &&
        !integer) { /* neighbours of very unlike size: a transform mixes them */
        int64_t n = tn_v_count(a);
        for (int64_t i = 0; i < n; ++i)
            f->value[ia][i] = tn_v_fit(a, ldexp(f->value[ia][i], (int)(i * 7 % 13) - 6));
        return true;
    }
    if (integer)
        return data == TN_V_EXACT;
    whole_posts(f, r);
    int ca = channel_axis(t, a), cb = back || turned ? 0 : channel_axis(t, b);
    double taps = 1;
    for (uint32_t d = 0; d < b->rank; ++d)
        taps *= (int)d == cb || ((int)d == 0 && !back) || ((int)d == channel_axis(t, b) && !back)
                    ? 1
                    : (double)b->dim[d];
    if (data == TN_V_ONE_HOT) { /* a filter sees one tap of one channel */
        int64_t codes = (int64_t)fmin(whole(a), 125), n = tn_v_count(a), m = tn_v_count(b);
        int64_t per = m / (b->dim[0] > 0 ? b->dim[0] : 1);
        for (int64_t i = 0; i < n; ++i)
            f->value[ia][i] = (double)(tn_v_below(r, 2 * codes + 1) - codes);
        for (int64_t i = 0; i < m; ++i)
            f->value[ib][i] = back || turned ? (double)(i % 17 == 3)
                                             : i % per == (per - 1 + i / per * (per / 2 + 1)) % per;
        f->plan->exact = !back && !turned;
        return true;
    }
    if (data != TN_V_EXACT)
        return false;
    int64_t index[TN_MAX_RANK];
    int64_t terms = back ? 1 : turned ? b->dim[0] / (t->groups ? t->groups : 1) : b->dim[cb];
    double weight = back ? (double)(tn_v_count(b) / b->dim[channel_axis(t, b)]) : taps;
    ladder l;
    if (!ladder_make(&l, terms, weight, a, b, out, exact_bits(f), r))
        return false;
    const tn_tensor *each[2] = {a, b};
    int arg[2] = {ia, ib}, axis[2] = {ca, cb};
    for (int s = 0; s < 2; ++s) {
        int64_t stride = 1;
        for (uint32_t d = (uint32_t)axis[s] + 1; d < each[s]->rank; ++d)
            stride *= each[s]->dim[d];
        for (int64_t i = 0; i < tn_v_count(each[s]); ++i) {
            double *v = f->value[arg[s]];
            if (back) {
                v[i] = draw(s ? l.amp_b : l.amp_a, r) * (tn_v_next(r) & 1 ? -1 : 1);
                continue;
            }
            tn_v_unravel(each[s]->dim, each[s]->rank, i, index);
            int64_t c = index[axis[s]], k = terms > 0 ? c % terms : 0;
            v[i] = factor(&l, v + i - k * stride, stride, k, s == 1, r);
        }
    }
    ladder_free(&l);
    f->plan->exact = true;
    return true;
}

bool tn_v_fill_reduce(const tn_v_fill_call *f, tn_v_random *r)
{
    const tn_reduce *t = f->op->attr;
    int ia = tn_v_find(f->op, TN_ARG_A);
    const tn_tensor *a = &f->op->args[ia].tensor;
    int64_t n = tn_v_count(a), terms = 1;
    double *v = f->value[ia];
    bool sum = t->kind == TN_REDUCE_SUM || t->kind == TN_REDUCE_MEAN || t->kind == TN_REDUCE_SUMSQ;
    f->plan->rms = f->plan->rms && t->kind == TN_REDUCE_SUM;
    for (uint32_t d = 0; d < a->rank; ++d)
        terms *= (t->axes_mask >> d & 1u) != 0 ? a->dim[d] : 1;
    if (f->which->data == TN_V_SPECIAL) {
        static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0x1p-140};
        for (int64_t i = 0; i < 5 + n / 64 && i < n; ++i)
            v[tn_v_below(r, n)] = tn_v_fit(a, odd[i % 5]);
        return true;
    }
    if (f->which->data != TN_V_EXACT)
        return (f->which->data <= TN_V_WIDE && f->which->data != TN_V_ONE_HOT) ||
               f->which->data == TN_V_HUGE;
    double amp = ldexp(0.9, exact_bits(f)) / (double)(terms > 0 ? terms : 1);
    if (t->kind == TN_REDUCE_SUMSQ)
        amp = sqrt(amp);
    amp = fmin(floor(amp), whole(a));
    if (amp < 1 || !sum)
        return false;
    for (int64_t i = 0; i < n; ++i) /* up, then down again */
        v[i] = (2 * i < n ? 1 : -1) * draw(amp, r);
    f->plan->exact = true;
    return true;
}
