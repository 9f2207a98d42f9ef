/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that depend on where an element lies: rope, top-k, scan, resize, the gradient of gather; and
 * derivatives of functions. */
#include <conformance/oracle/oracle_canonical.h>

#include <stdlib.h>
#include <string.h>

static int arg_index(const tn_op *op, uint32_t role)
{
    for (uint32_t i = 0; i < op->arg_count; ++i)
        if (op->args[i].role == role)
            return (int)i;
    return -1;
}

static bool whole(tn_dtype d)
{
    return d >= TN_S64 && d <= TN_U4;
}

/* Sine and cosine of NUMERICS.md section 9, in ulp: any class may use them. */
#define TURN_ULP 1.807

bool tn_v_rope(const tn_v_call *c, tn_v_truth *out)
{
    const tn_rope *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), at = tn_v_view_of(c, TN_ARG_INDEX),
              freq = tn_v_view_of(c, TN_ARG_FREQ);
    if (a.t == NULL || at.t == NULL || freq.t == NULL || a.t->rank < 1)
        return false;
    uint32_t rank = a.t->rank;
    int64_t d = a.t->dim[rank - 1], turned = t != NULL && t->rotary_dims > 0 ? t->rotary_dims : d,
            i[TN_MAX_RANK];
    bool pairs = t != NULL && t->interleaved != 0;
    double f = TURN_ULP * tn_v_unit(TN_F32) * 2;
    f = c->arith.function_rel > f ? c->arith.function_rel : f;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        int64_t e = i[rank - 1], from = tn_v_broadcast(a.t, i, rank);
        if (e >= turned) {
            out->ref[n] = tn_v_load(&a, from);
            if (out->canonical != NULL)
                tn_v_c_keep(c, out, n, (float)out->ref[n]);
            continue;
        }
        int64_t pair = pairs ? e / 2 : e % (turned / 2);
        bool second = pairs ? e % 2 != 0 : e >= turned / 2;
        int64_t step = (pairs ? 1 : turned / 2) * a.t->stride[rank - 1];
        double x0 = tn_v_load(&a, second ? from - step : from),
               x1 = tn_v_load(&a, second ? from : from + step);
        float position = (float)tn_v_load(&at, tn_v_broadcast(at.t, i, rank - 1)),
              angle = position * (float)tn_v_load(&freq, pair * freq.t->stride[0]);
        if (out->canonical != NULL) {
            float cf = tn_v_c_sincos(angle, 1), sf = tn_v_c_sincos(angle, 0);
            tn_v_c_keep(c, out, n,
                        second ? fmaf((float)x0, sf, (float)x1 * cf)
                               : fmaf((float)x0, cf, -((float)x1 * sf)));
        }
        double co = fabs((double)angle) <= 0x1p20 ? cos((double)angle) : NAN,
               si = fabs((double)angle) <= 0x1p20 ? sin((double)angle) : NAN;
        double p = second ? x0 * si : x0 * co, q = second ? x1 * co : -x1 * si;
        out->ref[n] = p + q;
        out->mag[n] = fabs(p) + fabs(q);
        out->err[n] = (f + 2 * c->arith.u) * out->mag[n] + 2 * c->arith.tiny;
    }
    return true;
}

/* Whether x comes before y: NaN first, then by value, +0 above -0. */
static bool before(double x, double y, bool least)
{
    if (isnan(x) || isnan(y))
        return isnan(x) && !isnan(y);
    if (x == y)
        return x == 0 && signbit(x) != signbit(y) && (signbit(x) != 0) == least;
    return least ? x < y : x > y;
}

bool tn_v_topk(const tn_v_call *c, tn_v_truth *truth, int count)
{
    const tn_axis *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    if (a.t == NULL || count < 1)
        return false;
    uint32_t rank = a.t->rank;
    int axis = t->axis < 0 ? t->axis + (int)rank : t->axis;
    int64_t dim = a.t->dim[axis], i[TN_MAX_RANK];
    bool least = (t->flags & TN_TOPK_SMALLEST) != 0;
    int source = arg_index(c->op, TN_ARG_A);
    for (int k = 0; k < count; ++k) {
        tn_v_truth *out = &truth[k];
        bool indices = out->role == TN_ARG_INDEX || (t->flags & TN_TOPK_INDICES) != 0;
        out->bits = !indices;
        out->single = indices;
        for (int64_t n = 0; n < out->count; ++n) {
            tn_v_unravel(out->dim, out->rank, n, i);
            int64_t place = i[axis], found = 0;
            i[axis] = 0;
            int64_t base = tn_v_broadcast(a.t, i, rank), step = a.t->stride[axis];
            for (int64_t x = 0; x < dim; ++x) { /* the one that `place` others come before */
                int64_t ahead = 0;
                double v = tn_v_load(&a, base + x * step);
                for (int64_t y = 0; y < dim; ++y) {
                    double w = tn_v_load(&a, base + y * step);
                    ahead += before(w, v, least) || (y < x && !before(v, w, least));
                }
                if (ahead == place)
                    found = x;
            }
            out->ref[n] = indices ? (double)found : (double)(base + found * step);
            out->err[n] = indices ? 0 : source;
        }
    }
    return true;
}

/* An integer mod 2^bits of its type. */
static double wrapped(tn_dtype d, uint64_t v)
{
    return d == TN_S32  ? (double)(int32_t)(uint32_t)v
           : d == TN_S8 ? (double)(int8_t)(uint8_t)v
           : d == TN_U8 ? (double)(uint8_t)v
                        : (double)(int64_t)v;
}

/* Element i along the axis: what its segment of 4096 adds up to, and then the segments before. */
static float canonical_scan(const tn_v_view *a, const int64_t *i, int axis, int64_t dim, bool back,
                            bool without)
{
    float t = 0, sum = 0;
    int64_t at[TN_MAX_RANK], to = back ? dim - 1 - i[axis] : i[axis];
    memcpy(at, i, sizeof at);
    for (int64_t n = 0; n <= to; ++n) {
        if (n % 4096 == 0) {
            t = t + sum;
            sum = 0;
        }
        at[axis] = back ? dim - 1 - n : n;
        if (n < to || !without)
            sum = sum + (float)tn_v_load(a, tn_v_broadcast(a->t, at, a->t->rank));
    }
    return sum + t;
}

bool tn_v_scan(const tn_v_call *c, tn_v_truth *out)
{
    const tn_axis *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    if (a.t == NULL)
        return false;
    int axis = t->axis < 0 ? t->axis + (int)a.t->rank : t->axis;
    bool back = (t->flags & TN_SCAN_REVERSE) != 0, without = (t->flags & TN_SCAN_EXCLUSIVE) != 0,
         integer = whole(out->dtype);
    int64_t dim = a.t->dim[axis], i[TN_MAX_RANK];
    out->single = integer;
    out->terms = (double)dim;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        int64_t to = i[axis], terms = 0;
        double sum = 0, mag = 0;
        uint64_t bits = 0;
        if (out->canonical != NULL && !integer)
            tn_v_c_keep(c, out, n, canonical_scan(&a, i, axis, dim, back, without));
        for (int64_t x = 0; x < dim; ++x) {
            if (back ? x < to || (x == to && without) : x > to || (x == to && without))
                continue;
            i[axis] = x;
            double v = tn_v_load(&a, tn_v_broadcast(a.t, i, a.t->rank));
            bits += integer ? (uint64_t)(int64_t)v : 0;
            sum += v;
            mag += isfinite(v) ? fabs(v) : 0;
            terms++;
        }
        out->ref[n] = integer ? wrapped(out->dtype, bits) : sum;
        out->mag[n] = mag;
        out->err[n] = integer || c->exact ? 0 : tn_v_sum_error(&c->arith, (double)terms, mag);
    }
    return true;
}

/* ---- resize ---- */

typedef struct image {
    const tn_v_view *a;
    const tn_window *t;
    const tn_v_truth *out;
    double coefficient, error; /* error: roundings on the way, in units */
} image;

static bool kept(const image *m, uint32_t d)
{
    return m->a->t->dim[d] == m->out->dim[d] && (m->t->scale[d] == 0 || m->t->scale[d] == 1);
}

static double place(const image *m, uint32_t d, int64_t o)
{
    double in = (double)m->a->t->dim[d], to = (double)m->out->dim[d],
           up = m->t->scale[d] == 0 ? in : 1,
           down = m->t->scale[d] == 0 ? to : (double)m->t->scale[d];
    switch (m->t->mode & TN_RESIZE_COORDINATE) {
    case TN_RESIZE_ALIGN_CORNERS:
        return to == 1 ? 0 : (double)o * (in - 1) / (to - 1);
    case TN_RESIZE_ASYMMETRIC:
        return (double)o * up / down;
    case TN_RESIZE_PYTORCH_HALF_PIXEL:
        if (to == 1)
            return 0;
        break;
    default:
        break;
    }
    return ((double)o + 0.5) * up / down - 0.5;
}

static double into(double x, int64_t dim)
{
    return x < 0 ? 0 : x > (double)(dim - 1) ? (double)(dim - 1) : x;
}

static double nearest(const image *m, uint32_t d, int64_t o)
{
    double x = place(m, d, o);
    uint32_t how = m->t->mode & ~(uint32_t)TN_RESIZE_COORDINATE;
    x = how == TN_RESIZE_ROUND_PREFER_CEIL ? floor(x + 0.5)
        : how == TN_RESIZE_FLOOR           ? floor(x)
        : how == TN_RESIZE_CEIL            ? ceil(x)
                                           : ceil(x - 0.5);
    return into(x, m->a->t->dim[d]);
}

/* Weight of a tap at distance t; rounded once. */
static double weight(const image *m, double t)
{
    double a = m->coefficient, w;
    t = fabs(t);
    if (m->t->kind == TN_RESIZE_LINEAR)
        w = t < 1 ? 1 - t : 0;
    else if (t <= 1)
        w = ((a + 2) * t - (a + 3)) * t * t + 1;
    else
        w = t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
    return (double)(float)w;
}

/* Sum over taps of axes d and up; *size: of magnitudes. */
static double blend(const image *m, uint32_t d, const int64_t *o, int64_t from, double *size)
{
    const tn_tensor *t = m->a->t;
    if (d == t->rank) {
        double x = tn_v_load(m->a, from);
        *size = fabs(x);
        return x;
    }
    if (kept(m, d))
        return blend(m, d + 1, o, from + o[d] * t->stride[d], size);
    double x = place(m, d, o[d]), sum = 0, all = 0, part;
    if (m->t->kind == TN_RESIZE_LINEAR)
        x = into(x, t->dim[d]);
    for (int64_t i = (int64_t)floor(x) - 1; i <= (int64_t)floor(x) + 2; ++i) {
        double w = weight(m, x - (double)i);
        if (w == 0)
            continue;
        int64_t at = (int64_t)into((double)i, t->dim[d]);
        sum += w * blend(m, d + 1, o, from + at * t->stride[d], &part);
        all += fabs(w) * part;
    }
    *size = all;
    return sum;
}

/* The same by section 11: axes from the last on, f32 in between. */
static float canonical_blend(const image *m, uint32_t d, const int64_t *o, int64_t from)
{
    const tn_tensor *t = m->a->t;
    if (d == t->rank)
        return (float)tn_v_load(m->a, from);
    if (kept(m, d))
        return canonical_blend(m, d + 1, o, from + o[d] * t->stride[d]);
    bool linear = m->t->kind == TN_RESIZE_LINEAR;
    double x = place(m, d, o[d]), a = m->coefficient;
    x = linear ? into(x, t->dim[d]) : x;
    double f = x - floor(x), g = 1 - f, w[4] = {g, f, 0, 0};
    int64_t first = (int64_t)floor(x) - (linear ? 0 : 1);
    for (int k = 0; k < 4 && !linear; ++k) {
        double u = k == 0 ? f + 1 : k == 1 ? f : k == 2 ? g : 2 - f;
        w[k] = k == 1 || k == 2 ? ((a + 2) * u - (a + 3)) * u * u + 1
                                : ((a * u - 5 * a) * u + 8 * a) * u - 4 * a;
    }
    tn_v_dot sum = {0, 0, 0};
    for (int k = 0; k < 4; ++k) {
        int64_t at = (int64_t)into((double)(first + k), t->dim[d]);
        if ((float)w[k] != 0)
            tn_v_dot_add(&sum, k, (float)w[k],
                         canonical_blend(m, d + 1, o, from + at * t->stride[d]));
    }
    return tn_v_dot_end(&sum);
}

bool tn_v_resize(const tn_v_call *c, tn_v_truth *out)
{
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    image m = {&a, c->op->attr, out, 0, 0};
    int64_t i[TN_MAX_RANK];
    if (a.t == NULL || m.t == NULL)
        return false;
    m.coefficient = m.t->value != 0 ? (double)m.t->value : -0.75;
    for (uint32_t d = 0; d < a.t->rank; ++d) /* each tap, its weight, the sum kept in between */
        m.error += kept(&m, d) ? 0 : (m.t->kind == TN_RESIZE_LINEAR ? 2 : 4) + 2;
    out->bits = m.t->kind == TN_RESIZE_NEAREST;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        if (out->bits) {
            int64_t at = 0;
            for (uint32_t d = 0; d < a.t->rank; ++d)
                at += (kept(&m, d) ? i[d] : (int64_t)nearest(&m, d, i[d])) * a.t->stride[d];
            out->ref[n] = (double)at;
            out->err[n] = arg_index(c->op, TN_ARG_A);
            continue;
        }
        out->ref[n] = blend(&m, 0, i, 0, &out->mag[n]);
        if (out->canonical != NULL)
            tn_v_c_keep(c, out, n, canonical_blend(&m, 0, i, 0));
        out->err[n] = m.error * (c->arith.u * out->mag[n] + c->arith.tiny);
    }
    return true;
}

/* ---- gradients ---- */

bool tn_v_gather_back(const tn_v_call *c, tn_v_truth *out)
{
    const tn_axis *t = c->op->attr;
    tn_v_view grad = tn_v_view_of(c, TN_ARG_GRAD), index = tn_v_view_of(c, TN_ARG_INDEX);
    if (grad.t == NULL || index.t == NULL)
        return false;
    int axis = t->axis < 0 ? t->axis + (int)out->rank : t->axis;
    int64_t i[TN_MAX_RANK], of[TN_MAX_RANK], at[TN_MAX_RANK], places = 1;
    for (uint32_t d = 0; d < index.t->rank; ++d)
        places *= index.t->dim[d];
    for (int64_t n = 0; n < out->count; ++n) {
        double sum = 0, mag = 0;
        int64_t terms = 0;
        tn_v_dot dot = {0, 0, 0};
        tn_v_unravel(out->dim, out->rank, n, i);
        for (int64_t p = 0; p < places; ++p) {
            tn_v_unravel(index.t->dim, index.t->rank, p, at);
            double row = tn_v_load(&index, tn_v_broadcast(index.t, at, index.t->rank));
            row = row < 0 ? row + (double)out->dim[axis] : row;
            if (row != (double)i[axis])
                continue;
            int d = 0;
            for (int k = 0; k < axis; ++k)
                of[d++] = i[k];
            for (uint32_t k = 0; k < index.t->rank; ++k)
                of[d++] = at[k];
            for (uint32_t k = (uint32_t)axis + 1; k < out->rank; ++k)
                of[d++] = i[k];
            double v = tn_v_load(&grad, tn_v_broadcast(grad.t, of, (uint32_t)d));
            tn_v_dot_add(&dot, p, 1, (float)v);
            sum += v;
            mag += isfinite(v) ? fabs(v) : 0;
            terms++;
        }
        if (out->canonical != NULL)
            tn_v_c_keep(c, out, n, tn_v_dot_end(&dot));
        out->ref[n] = sum;
        out->mag[n] = mag;
        out->err[n] = c->exact ? 0 : tn_v_sum_error(&c->arith, (double)terms, mag);
    }
    return true;
}

/* Errors of f' in units of a rounding: the roundings that NUMERICS.md section 6 counts, or what its
 * functions of section 9 cost, which any class may use. */
static double derivative(const tn_eltwise *t, double x, double *units)
{
    double s = 1 / (1 + exp(-x)), y, slope, k = 0.7978845608028654, inner;
    *units = 0;
    switch (t->kind) {
    case TN_ELTWISE_NEG:
        return -1;
    case TN_ELTWISE_ABS:
        return x > 0 ? 1 : x < 0 ? -1 : 0;
    case TN_ELTWISE_SQUARE:
        return 2 * x;
    case TN_ELTWISE_RELU:
        return x > 0;
    case TN_ELTWISE_RINT:
        return 0;
    case TN_ELTWISE_SCALE:
        return (double)t->a;
    case TN_ELTWISE_CLAMP:
        return x >= (double)t->a && x <= (double)t->b;
    case TN_ELTWISE_RECIP:
        *units = 3;
        return -1 / (x * x);
    case TN_ELTWISE_SQRT:
        *units = 2;
        return 0.5 / sqrt(x);
    case TN_ELTWISE_RSQRT:
        *units = 5;
        return -0.5 / (x * sqrt(x));
    case TN_ELTWISE_EXP:
        *units = 2 * 1.0115;
        return exp(x);
    case TN_ELTWISE_EXP2:
        *units = 2 * 0.879 + 2;
        return exp2(x) * 0.6931471805599453;
    case TN_ELTWISE_LOG:
        *units = 1;
        return 1 / x;
    case TN_ELTWISE_SIN:
        *units = 2 * TURN_ULP;
        return cos(x);
    case TN_ELTWISE_COS:
        *units = 2 * TURN_ULP;
        return -sin(x);
    case TN_ELTWISE_TANH:
        *units = 5.29;
        return 1 / (cosh(x) * cosh(x));
    case TN_ELTWISE_SIGMOID:
        *units = 5.29;
        return s / (1 + exp(x));
    case TN_ELTWISE_SILU:
        *units = 5.64;
        return s + x * s / (1 + exp(x));
    case TN_ELTWISE_ERF:
        *units = 3.70;
        return 1.1283791670955126 * exp(-x * x);
    case TN_ELTWISE_GELU:
        *units = 13.40;
        return 0.5 * erfc(-x * 0.7071067811865476) + x * 0.3989422804014327 * exp(-x * x / 2);
    case TN_ELTWISE_GELU_TANH:
        *units = 10.65;
        (void)tn_v_gelu_slope(x, &y, &slope, true);
        inner = k * (x + 0.044715 * x * x * x);
        s = 1 / (1 + exp(-2 * inner));
        return s + x * s / (1 + exp(2 * inner)) * 2 * k * (1 + 3 * 0.044715 * x * x);
    default:
        return NAN;
    }
}

bool tn_v_eltwise_back(const tn_v_call *c, tn_v_truth *out)
{
    const tn_eltwise *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), grad = tn_v_view_of(c, TN_ARG_GRAD);
    int64_t i[TN_MAX_RANK];
    if (a.t == NULL || grad.t == NULL || t->kind > TN_ELTWISE_CLAMP)
        return false;
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        double x = tn_v_load(&a, tn_v_broadcast(a.t, i, out->rank)),
               dy = tn_v_load(&grad, tn_v_broadcast(grad.t, i, out->rank)), units,
               slope = derivative(t, x, &units);
        bool left_out = slope == 0 && (t->kind == TN_ELTWISE_ABS || t->kind == TN_ELTWISE_RELU ||
                                       t->kind == TN_ELTWISE_RINT || t->kind == TN_ELTWISE_CLAMP);
        out->ref[n] = isnan(x) ? NAN : left_out ? 0 : slope * dy;
        float bits; /* kinds that select round nothing: the reference is it */
        if (out->canonical != NULL)
            tn_v_c_keep(c, out, n,
                        isnan(x) || !tn_v_c_slope(t, (float)x, (float)dy, &bits)
                            ? (float)out->ref[n]
                            : bits);
        double size = fabs(out->ref[n]);
        /* near a zero of f' its parts are larger than it is */
        if (t->kind >= TN_ELTWISE_TANH && t->kind <= TN_ELTWISE_ERF)
            size = size > fabs(dy) * 0x1p-2 ? size : fabs(dy) * (fabs(slope) + 0x1p-2);
        bool exact = left_out || t->kind == TN_ELTWISE_NEG || t->kind == TN_ELTWISE_ABS ||
                     t->kind == TN_ELTWISE_RELU || t->kind == TN_ELTWISE_CLAMP;
        out->mag[n] = 0;
        out->err[n] = exact || !isfinite(out->ref[n])
                          ? 0
                          : (units + 2) * c->arith.u * size + 2 * c->arith.tiny * (1 + fabs(dy));
    }
    return true;
}
