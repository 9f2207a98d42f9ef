/* SPDX-License-Identifier: Apache-2.0 */
/* Attention, forward and backward, with bounds of the first order: what an error of a score or a
 * weight does to an output is the derivative of the output, so no factor is left to choose. */
#include <conformance/oracle/oracle_canonical.h>

#include <stdlib.h>
#include <string.h>

typedef struct sight {
    const tn_v_call *call;
    const tn_attention *attr;
    tn_v_view q, k, v, mask, lengths, sinks, slopes, grad, pages, scale_k, scale_v;
    int64_t page; /* tokens of one; 0: K and V are in one piece */
    int64_t batch, heads, kv_heads, queries, keys, d, dv;
    double scale;
} sight;

/* Offset of (batch, head, row, column) in a tensor of rank 3 or 4. */
static int64_t place(const tn_tensor *t, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t index[4] = {b, h, i, j};
    return tn_v_broadcast(t, index, 4);
}

static bool look(const tn_v_call *call, sight *s)
{
    memset(s, 0, sizeof *s);
    s->call = call;
    s->attr = call->op->attr;
    s->q = tn_v_view_of(call, TN_ARG_Q);
    s->k = tn_v_view_of(call, TN_ARG_K);
    s->v = tn_v_view_of(call, TN_ARG_V);
    s->mask = tn_v_view_of(call, TN_ARG_MASK);
    s->lengths = tn_v_view_of(call, TN_ARG_LENGTHS);
    s->sinks = tn_v_view_of(call, TN_ARG_SINKS);
    s->slopes = tn_v_view_of(call, TN_ARG_SLOPES);
    s->grad = tn_v_view_of(call, TN_ARG_GRAD);
    s->pages = tn_v_view_of(call, TN_ARG_PAGES);
    s->scale_k = tn_v_view_of(call, TN_ARG_SCALE_OF + TN_ARG_K);
    s->scale_v = tn_v_view_of(call, TN_ARG_SCALE_OF + TN_ARG_V);
    s->page = s->attr->page_tokens;
    if (s->q.t == NULL || s->k.t == NULL || s->v.t == NULL || (s->page > 0) != (s->pages.t != NULL))
        return false;
    const tn_tensor *q = s->q.t, *k = s->k.t;
    s->batch = q->rank == 4 ? q->dim[0] : 1;
    s->heads = q->dim[q->rank - 3];
    s->queries = q->dim[q->rank - 2];
    s->d = q->dim[q->rank - 1];
    s->kv_heads = k->dim[k->rank - 3];
    s->keys = s->page > 0 ? s->page * s->pages.t->dim[1] : k->dim[k->rank - 2];
    s->dv = s->v.t->dim[s->v.t->rank - 1];
    s->scale = s->attr->scale != 0 ? (double)s->attr->scale : 1 / sqrt((double)s->d);
    return true;
}

/* One query row: scores, their errors, weights. */
typedef struct row {
    double *score, *error, *weight, *bent;
    bool *part;
    double top, sum, sink;
    int64_t parts;
} row;

static bool row_make(row *r, int64_t keys)
{
    memset(r, 0, sizeof *r);
    size_t n = (size_t)keys + 1;
    double *all = calloc(4 * n, sizeof *all);
    r->part = calloc(n, sizeof *r->part);
    if (all == NULL || r->part == NULL) {
        free(all);
        free(r->part);
        return false;
    }
    r->score = all;
    r->error = all + n;
    r->weight = all + 2 * n;
    r->bent = all + 3 * n;
    return true;
}

static void row_free(row *r)
{
    free(r->score);
    free(r->part);
}

static int64_t head_of(const sight *s, int64_t h)
{
    return s->call->twist.head_modulo ? h % s->kv_heads : h / (s->heads / s->kv_heads);
}

/* The page that holds key j; -1: none does. Without pages the batch itself. */
static int64_t page_of(const sight *s, int64_t b, int64_t j)
{
    if (s->page == 0)
        return b;
    const tn_tensor *t = s->pages.t;
    double p = tn_v_load(&s->pages, b * t->stride[0] + j / s->page * t->stride[1]);
    return p >= 0 && p < (double)s->k.t->dim[0] ? (int64_t)p : -1;
}

/* Element e of a key or a value; that of bytes is scaled, and rounded. */
static double token(const sight *s, const tn_v_view *v, const tn_v_view *scale, int64_t b,
                    int64_t h, int64_t j, int64_t e)
{
    int64_t p = page_of(s, b, j), at = s->page > 0 ? j % s->page : j;
    double x = p < 0 ? NAN : tn_v_load(v, place(v->t, p, h, at, e));
    if (scale->t == NULL || p < 0)
        return x;
    int64_t index[3] = {p, h, at};
    return (double)(float)(x * tn_v_load(scale, tn_v_broadcast(scale->t, index, 3)));
}

static bool in_sight(const sight *s, int64_t keys, int64_t i, int64_t j)
{
    const tn_attention *a = s->attr;
    int64_t key = a->first_key + j, query = a->first_query + i;
    if ((a->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
        query = a->first_key + i + keys - s->queries;
    if ((a->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0 && key > query)
        return false;
    if ((a->flags & TN_ATTENTION_WINDOW) != 0 &&
        ((a->window_left >= 0 && key < query - a->window_left) ||
         (a->window_right >= 0 && key > query + a->window_right)))
        return false;
    return j < keys;
}

/* exp as some devices have it. */
static double exp_of(const tn_v_twist *t, double x)
{
    if (t->exp_kind == 1) { /* the exponent field of a float, linear between powers of two */
        double n = floor(x * 1.4426950408889634);
        return x < -87 ? 0 : ldexp(1 + (x * 1.4426950408889634 - n), (int)n);
    }
    if (t->exp_kind == 2) {
        double y = x * 1.4426950408889634, n = nearbyint(y), f = (y - n) * 0.6931471805599453;
        return x < -87 ? 0 : ldexp(1 + f + f * f / 2, (int)n);
    }
    if (t->exp_kind == 3)
        return tn_v_rounded(TN_BF16, exp(x), TN_V_NEAREST_EVEN, false);
    return exp(x);
}

/* What a wrong device would have for the sum and the weights of a row. */
static void twist_row(const sight *s, row *r)
{
    const tn_v_twist *t = &s->call->twist;
    double running = -INFINITY;
    r->sum = 0;
    for (int64_t j = 0; j < s->keys; ++j) {
        if (!r->part[j])
            continue;
        double x = r->score[j] - (t->no_max ? 0 : r->top);
        r->weight[j] = exp_of(t, x);
        if (t->no_max)
            r->weight[j] = tn_v_rounded(TN_F32, r->weight[j], TN_V_NEAREST_EVEN, false);
        if (t->no_rescale > 0 && j % t->no_rescale == 0)
            for (int64_t k = j; k < j + t->no_rescale && k < s->keys; ++k)
                if (r->part[k] && r->score[k] > running)
                    running = r->score[k];
        r->sum += t->no_rescale > 0 ? exp(r->score[j] - running) : r->weight[j];
        if (t->weights != 0)
            r->weight[j] = tn_v_rounded(t->weights, r->weight[j], TN_V_NEAREST_EVEN, false);
    }
    if (t->extra_to > 0) {
        int64_t extra = (t->extra_to - s->keys % t->extra_to) % t->extra_to;
        r->sum += (double)extra * exp(-r->top);
    }
}

static void find_row(const sight *s, int64_t b, int64_t h, int64_t i, row *r)
{
    const tn_v_arith *a = &s->call->arith;
    double u = a->u, cap = (double)s->attr->softcap;
    int64_t keys = s->keys, kv = head_of(s, h);
    if (s->lengths.t != NULL)
        keys = (int64_t)tn_v_load(&s->lengths, b * s->lengths.t->stride[0]);
    double slope = s->slopes.t != NULL ? tn_v_load(&s->slopes, h * s->slopes.t->stride[0]) : 0;
    int64_t query = (s->attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0
                        ? s->attr->first_key + i + keys - s->queries
                        : s->attr->first_query + i;
    r->top = -INFINITY;
    r->sum = 0;
    r->parts = 0;
    for (int64_t j = 0; j < s->keys; ++j) {
        r->weight[j] = r->error[j] = 0;
        r->bent[j] = 1;
        r->part[j] = in_sight(s, keys, i, j) && page_of(s, b, j) >= 0;
        double bias = 0;
        if (r->part[j] && s->mask.t != NULL) {
            double m = tn_v_load(&s->mask, place(s->mask.t, b, h, i, j));
            if (s->mask.t->dtype == TN_BOOL)
                r->part[j] = m != 0;
            else
                bias = m;
        }
        bias += slope * (double)(s->attr->first_key + j - query);
        if (!r->part[j] && s->call->twist.mask_add != 0 && j < keys) {
            r->part[j] = true;
            bias += s->call->twist.mask_add;
        }
        if (!r->part[j])
            continue;
        double z = 0, mag = 0;
        int64_t pq = place(s->q.t, b, h, i, 0), sq = s->q.t->stride[s->q.t->rank - 1];
        for (int64_t e = 0; e < s->d; ++e) {
            double p = tn_v_load(&s->q, pq + e * sq) * token(s, &s->k, &s->scale_k, b, kv, j, e);
            z += p;
            mag += fabs(p);
        }
        double t = z * s->scale,
               e = tn_v_sum_error(a, (double)s->d, mag) * fabs(s->scale) + 4 * u * fabs(t);
        if (cap != 0) {
            double bend = tanh(t / cap);
            r->bent[j] = 1 - bend * bend;
            t = cap * bend;
            e = e * r->bent[j] + (2 * a->function_rel + 4 * u) * fabs(t) + u * fabs(cap) * 2;
        }
        e += u * (fabs(bias) + fabs(t)) + a->score_u * fabs(t);
        t += bias;
        if (t == -INFINITY) {
            r->part[j] = false;
            continue;
        }
        if (s->call->twist.scores != 0)
            t = tn_v_rounded(s->call->twist.scores, t, TN_V_NEAREST_EVEN, false);
        r->score[j] = t;
        r->error[j] = e + 2 * u * fabs(t);
        r->parts++;
        r->top = t > r->top || isnan(t) ? t : r->top;
    }
    r->sink = 0;
    bool has_sink = s->sinks.t != NULL;
    double sink = has_sink ? tn_v_load(&s->sinks, h * s->sinks.t->stride[0]) : 0;
    if (has_sink && (sink > r->top || isnan(sink)))
        r->top = sink;
    for (int64_t j = 0; j < s->keys; ++j) {
        if (!r->part[j])
            continue;
        r->weight[j] = exp(r->score[j] - r->top);
        r->error[j] += u * fabs(r->score[j] - r->top); /* the argument of exp */
        r->sum += r->weight[j];
    }
    const tn_v_twist *w = &s->call->twist;
    if (w->exp_kind != 0 || w->no_max || w->no_rescale > 0 || w->weights != 0 || w->extra_to > 0)
        twist_row(s, r);
    if (w->mean_row && r->parts == 0)
        for (int64_t j = 0; j < s->keys; ++j) {
            r->part[j] = true;
            r->weight[j] = 1;
            r->sum += 1;
            r->parts++;
        }
    if (has_sink)
        r->sum += exp(sink - r->top);
}

static double at_v(const sight *s, int64_t b, int64_t kv, int64_t j, int64_t c)
{
    return token(s, &s->v, &s->scale_v, b, kv, j, c);
}

static void forward_row(const sight *s, int64_t b, int64_t h, const row *r, double *ref,
                        double *err, double *mag)
{
    const tn_v_arith *a = &s->call->arith;
    int64_t kv = head_of(s, h);
    double exp_rel = a->function_rel > a->u ? a->function_rel : a->u;
    /* Stored weights below their type's normal range lose whole units. */
    double weight_tiny = a->weight_u == tn_v_unit(TN_F16) ? 0x1p-24 : 0x1p-126;
    for (int64_t c = 0; c < s->dv; ++c) {
        double o = 0, sum_abs = 0, spread = 0, all = 0;
        for (int64_t j = 0; j < s->keys; ++j)
            if (r->part[j])
                o += r->weight[j] / r->sum * at_v(s, b, kv, j, c);
        double worst = 0;
        for (int64_t j = 0; j < s->keys; ++j) {
            if (!r->part[j])
                continue;
            double v = at_v(s, b, kv, j, c), w = r->weight[j] / r->sum;
            double e = r->error[j] + exp_rel;
            sum_abs += w * fabs(v);
            /* rounded weights meet the values, and not the sum that divides them */
            spread += w * fabs(v - o) * e + w * fabs(v) * a->weight_u;
            all += fabs(v) + fabs(o);
            worst = e > worst ? e : worst;
        }
        if (r->parts == 0) {
            ref[c] = err[c] = mag[c] = 0;
            continue;
        }
        ref[c] = o;
        mag[c] = sum_abs;
        err[c] = s->call->exact
                     ? 0
                     : spread * (1 + worst) + tn_v_sum_error(a, (double)r->parts, sum_abs) +
                           4 * a->u * sum_abs + weight_tiny * all / r->sum;
    }
}

/* Gradients of one row are added to those of its keys. */
static bool backward(const sight *s, tn_v_truth *dq, tn_v_truth *dk, tn_v_truth *dv)
{
    const tn_v_arith *a = &s->call->arith;
    row r;
    double *o = calloc((size_t)s->dv * 3 + 1, sizeof *o);
    /* magnitudes and terms of the sums of dk and dv, per element */
    bool ok = o != NULL && row_make(&r, s->keys);
    if (!ok) {
        free(o);
        return false;
    }
    double exp_rel = (a->function_rel > a->u ? a->function_rel : a->u) + 6 * a->u;
    /* gradients of scores that are stored in f16 lose half of its smallest number */
    double ds_tiny = a->weight_u == tn_v_unit(TN_F16) ? 0x1p-25 : 0;
    for (int64_t n = 0; n < s->batch * s->heads * s->queries; ++n) {
        int64_t i = n % s->queries, h = n / s->queries % s->heads, b = n / s->queries / s->heads;
        int64_t kv = head_of(s, h);
        find_row(s, b, h, i, &r);
        forward_row(s, b, h, &r, o, o + s->dv, o + 2 * s->dv);
        double d = 0, d_abs = 0, *q_ref = dq->ref + n * s->d, *q_err = dq->err + n * s->d,
               *q_mag = dq->mag + n * s->d;
        for (int64_t c = 0; c < s->dv; ++c) {
            double g = tn_v_load(&s->grad, place(s->grad.t, b, h, i, c));
            d += o[c] * g;
            /* the OUT that was handed in is rounded to its type */
            d_abs += fabs(o[c] * g);
        }
        const tn_arg *given = tn_v_arg(s->call->op, TN_ARG_OUT);
        double d_err = tn_v_sum_error(a, (double)s->dv, d_abs) +
                       d_abs * tn_v_unit((tn_dtype)given->tensor.dtype);
        for (int64_t j = 0; j < s->keys; ++j) {
            if (!r.part[j])
                continue;
            double w = r.weight[j] / r.sum, dp = 0, dp_abs = 0, rel = r.error[j] + exp_rel;
            int64_t key = (b * s->kv_heads + kv) * s->keys + j;
            for (int64_t c = 0; c < s->dv; ++c) {
                double g = tn_v_load(&s->grad, place(s->grad.t, b, h, i, c));
                double p = g * at_v(s, b, kv, j, c), m = fabs(w * g);
                dp += p;
                dp_abs += fabs(p);
                int64_t at = key * s->dv + c;
                dv->ref[at] += w * g;
                dv->mag[at] += m;
                dv->err[at] += m * (rel + a->weight_u) * (1 + rel) + 0x1p-24 * fabs(g);
            }
            double ds = w * (dp - d) * r.bent[j];
            double e = w * r.bent[j] *
                           (rel * fabs(dp - d) + tn_v_sum_error(a, (double)s->dv, dp_abs) + d_err +
                            2 * a->u * (fabs(dp) + fabs(d))) +
                       (a->weight_u + 4 * a->u) * fabs(ds) + ds_tiny +
                       0x1p-24 * (dp_abs + fabs(d)) * 0x1p-24;
            for (int64_t c = 0; c < s->d; ++c) {
                double q = tn_v_load(&s->q, place(s->q.t, b, h, i, c)),
                       k = tn_v_load(&s->k, place(s->k.t, b, kv, j, c));
                int64_t at = key * s->d + c;
                q_ref[c] += s->scale * ds * k;
                q_mag[c] += fabs(s->scale * ds * k);
                q_err[c] += fabs(s->scale * k) * e;
                dk->ref[at] += s->scale * ds * q;
                dk->mag[at] += fabs(s->scale * ds * q);
                dk->err[at] += fabs(s->scale * q) * e;
            }
        }
    }
    for (int64_t n = 0; n < dq->count; ++n)
        dq->err[n] += tn_v_sum_error(a, (double)s->keys, dq->mag[n]) + 3 * a->u * dq->mag[n];
    double rows = (double)(s->queries * (s->heads / s->kv_heads));
    for (int64_t n = 0; n < dk->count; ++n)
        dk->err[n] += tn_v_sum_error(a, rows, dk->mag[n]) + 3 * a->u * dk->mag[n];
    for (int64_t n = 0; n < dv->count; ++n)
        dv->err[n] += tn_v_sum_error(a, rows, dv->mag[n]) + 3 * a->u * dv->mag[n];
    free(o);
    row_free(&r);
    return true;
}

/* (m, l): the integer maximum of the scores in base 2, and the sum of weights above it. Where the
 * maximum may be a tie, m may be its neighbour, and l is another number. */
static void statistics(const sight *s, const row *r, double *ref, double *err)
{
    const tn_v_arith *a = &s->call->arith;
    double exp_rel = a->function_rel > a->u ? a->function_rel : a->u;
    ref[0] = ref[1] = err[0] = err[1] = 0;
    if (r->parts == 0 && s->sinks.t == NULL)
        return;
    double t = r->top * 1.4426950408889634, m = nearbyint(t), most = 0, l = 0;
    for (int64_t j = 0; j < s->keys; ++j) {
        if (!r->part[j])
            continue;
        l += r->weight[j] * (r->error[j] + exp_rel);
        most = r->error[j] > most ? r->error[j] : most;
    }
    double off = most * 1.4426950408889634 + 4 * a->u * fabs(t), grow = exp2(t - m);
    bool tie = !(fabs(t - m) < 0.5 - off);
    ref[0] = m;
    ref[1] = r->sum * grow;
    err[0] = tie ? 1 : 0;
    err[1] = tie ? INFINITY
                 : grow * (l + r->sum * (exp_rel + 8 * a->u * (1 + fabs(t))) +
                           tn_v_sum_error(a, (double)r->parts + 1, r->sum));
}

/* Numbers of query row n, with the keys that find_row has let take part; room [canonical_room]. */
static tn_v_c_query canonical_query(const sight *s, int64_t n, const row *r, float *room)
{
    int64_t i = n % s->queries, h = n / s->queries % s->heads, b = n / s->queries / s->heads,
            kv = head_of(s, h), keys = s->keys;
    float *q = room, *k = q + s->d, *v = k + keys * s->d, *bias = v + keys * s->dv;
    bool additive = s->mask.t != NULL && s->mask.t->dtype != TN_BOOL;
    int64_t length =
        s->lengths.t != NULL ? (int64_t)tn_v_load(&s->lengths, b * s->lengths.t->stride[0]) : keys;
    for (int64_t e = 0; e < s->d; ++e)
        q[e] = (float)tn_v_load(&s->q, place(s->q.t, b, h, i, e));
    for (int64_t j = 0; j < keys; ++j) {
        for (int64_t e = 0; e < s->d; ++e)
            k[j * s->d + e] = (float)token(s, &s->k, &s->scale_k, b, kv, j, e);
        for (int64_t e = 0; e < s->dv; ++e)
            v[j * s->dv + e] = (float)at_v(s, b, kv, j, e);
        bias[j] = additive ? (float)tn_v_load(&s->mask, place(s->mask.t, b, h, i, j)) : 0;
    }
    return (tn_v_c_query){
        .keys = keys,
        .d = s->d,
        .dv = s->dv,
        .first_key = s->attr->first_key,
        .query = (s->attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0
                     ? s->attr->first_key + i + length - s->queries
                     : s->attr->first_query + i,
        .q = q,
        .k = k,
        .v = v,
        .part = r->part,
        .bias = additive ? bias : NULL,
        .scale = s->attr->scale != 0 ? s->attr->scale : tn_v_c_rsqrt((float)s->d),
        .cap = s->attr->softcap,
        .slope = s->slopes.t != NULL ? (float)tn_v_load(&s->slopes, h * s->slopes.t->stride[0]) : 0,
        .sink = s->sinks.t != NULL ? (float)tn_v_load(&s->sinks, h * s->sinks.t->stride[0]) : 0,
        .has_slope = s->slopes.t != NULL,
        .has_sink = s->sinks.t != NULL,
        .weights =
            s->v.t->dtype == TN_F16 || s->v.t->dtype == TN_BF16 ? (tn_dtype)s->v.t->dtype : TN_F32};
}

static size_t canonical_room(const sight *s)
{
    return (size_t)(s->d + s->keys * (s->d + s->dv + 1)) + 1;
}

/* Query row n by section 7. */
static bool canonical_row(const sight *s, int64_t n, const row *r, tn_v_truth *o, tn_v_truth *stats)
{
    size_t size = canonical_room(s);
    float *room = malloc((size + 2 * (size_t)s->dv) * sizeof *room), stat[2];
    if (room == NULL)
        return false;
    float *y = room + size;
    tn_v_c_query w = canonical_query(s, n, r, room);
    tn_v_c_attention(&w, y + s->dv, y, stat);
    for (int64_t e = 0; e < s->dv; ++e)
        tn_v_c_keep(s->call, o, n * s->dv + e, y[e]);
    for (int64_t e = 0; stats != NULL && stats->canonical != NULL && e < 2; ++e)
        tn_v_c_keep(s->call, stats, 2 * n + e, stat[e]);
    free(room);
    return true;
}

/* A number as it meets one of a narrower type in a dot. */
static float as_other(float x, const tn_tensor *other)
{
    return other->dtype == TN_F16 || other->dtype == TN_BF16
               ? (float)tn_v_rounded((tn_dtype)other->dtype, (double)x, TN_V_NEAREST_EVEN, false)
               : x;
}

/* Weights and gradients of all scores, row by row: p and then ds of [rows, keys], and which take
 * part. */
static bool canonical_scores(const sight *s, float *all, bool *part)
{
    tn_v_view out = tn_v_view_of(s->call, TN_ARG_OUT), stats = tn_v_view_of(s->call, TN_ARG_STATS);
    int64_t rows = s->batch * s->heads * s->queries;
    size_t size = canonical_room(s);
    float *room = malloc((size + 2 * (size_t)s->dv) * sizeof *room), *o = room + size;
    row r;
    bool ok = room != NULL && out.t != NULL && stats.t != NULL && row_make(&r, s->keys);
    for (int64_t n = 0; ok && n < rows; ++n) {
        int64_t i = n % s->queries, h = n / s->queries % s->heads, b = n / s->queries / s->heads;
        find_row(s, b, h, i, &r);
        float stat[2];
        for (int64_t e = 0; e < 2; ++e)
            stat[e] = (float)tn_v_load(&stats, place(stats.t, b, h, i, e));
        for (int64_t e = 0; e < s->dv; ++e) {
            o[e] = (float)tn_v_load(&out, place(out.t, b, h, i, e));
            o[s->dv + e] = (float)tn_v_load(&s->grad, place(s->grad.t, b, h, i, e));
        }
        tn_v_c_query w = canonical_query(s, n, &r, room);
        tn_v_c_attention_back(&w, o, o + s->dv, stat, all + n * s->keys,
                              all + (rows + n) * s->keys);
        memcpy(part + n * s->keys, r.part, (size_t)s->keys * sizeof *part);
    }
    if (ok)
        row_free(&r);
    free(room);
    return ok;
}

/* All three gradients by section 7: dots over keys of dS, over queries of dS and of P. */
static bool canonical_backward(const sight *s, tn_v_truth *dq, tn_v_truth *dk, tn_v_truth *dv)
{
    int64_t rows = s->batch * s->heads * s->queries, group = s->heads / s->kv_heads;
    float *p = malloc((size_t)(2 * rows * s->keys + 1) * sizeof *p), *ds = p + rows * s->keys;
    bool *part = malloc((size_t)(rows * s->keys + 1) * sizeof *part);
    bool ok = p != NULL && part != NULL && canonical_scores(s, p, part);
    float scale = s->attr->scale != 0 ? s->attr->scale : tn_v_c_rsqrt((float)s->d);
    for (int64_t n = 0; ok && n < rows * s->d; ++n) {
        int64_t row_at = n / s->d, b = row_at / s->queries / s->heads,
                kv = head_of(s, row_at / s->queries % s->heads);
        tn_v_dot sum = {0, 0, s->attr->first_key / 128};
        for (int64_t j = 0; j < s->keys; ++j)
            if (part[row_at * s->keys + j])
                tn_v_dot_add(&sum, s->attr->first_key + j,
                             as_other(ds[row_at * s->keys + j], s->k.t),
                             (float)tn_v_load(&s->k, place(s->k.t, b, kv, j, n % s->d)));
        tn_v_c_keep(s->call, dq, n, scale * tn_v_dot_end(&sum));
    }
    for (int64_t n = 0; ok && n < s->batch * s->kv_heads * s->keys * (s->d + s->dv); ++n) {
        int64_t e = n % (s->d + s->dv), at = n / (s->d + s->dv), j = at % s->keys,
                kv = at / s->keys % s->kv_heads, b = at / s->keys / s->kv_heads;
        bool of_k = e < s->d;
        const tn_v_view *with = of_k ? &s->q : &s->grad;
        tn_v_dot sum = {0, 0, 0};
        for (int64_t g = 0; g < group * s->queries; ++g) {
            int64_t h = kv * group + g / s->queries, i = g % s->queries,
                    row_at = (b * s->heads + h) * s->queries + i;
            if (part[row_at * s->keys + j])
                tn_v_dot_add(&sum, g + s->attr->first_query,
                             as_other((of_k ? ds : p)[row_at * s->keys + j], with->t),
                             (float)tn_v_load(with, place(with->t, b, h, i, of_k ? e : e - s->d)));
        }
        if (of_k)
            tn_v_c_keep(s->call, dk, at * s->d + e, scale * tn_v_dot_end(&sum));
        else
            tn_v_c_keep(s->call, dv, at * s->dv + e - s->d, tn_v_dot_end(&sum));
    }
    free(p);
    free(part);
    return ok;
}

int tn_v_attention(const tn_v_call *call, tn_v_truth *out, int count)
{
    sight s;
    row r;
    if (!look(call, &s))
        return 0;
    if (s.attr->pass == TN_PASS_BACKWARD_DATA) {
        tn_v_truth *g[3] = {NULL, NULL, NULL};
        for (int i = 0; i < count; ++i)
            g[out[i].role - TN_ARG_OUT_GRAD_A] = &out[i];
        if (g[0] == NULL || g[1] == NULL || g[2] == NULL || s.grad.t == NULL ||
            !backward(&s, g[0], g[1], g[2]))
            return 0;
        bool bits = g[0]->canonical != NULL && g[1]->canonical != NULL && g[2]->canonical != NULL;
        return !bits || canonical_backward(&s, g[0], g[1], g[2]) ? count : 0;
    }
    if (count < 1 || !row_make(&r, s.keys))
        return 0;
    tn_v_truth *o = NULL, *stats = NULL;
    for (int i = 0; i < count; ++i)
        *(out[i].role == TN_ARG_OUT ? &o : &stats) = &out[i];
    for (int64_t n = 0; o != NULL && n < s.batch * s.heads * s.queries; ++n) {
        int64_t i = n % s.queries, h = n / s.queries % s.heads, b = n / s.queries / s.heads;
        find_row(&s, b, h, i, &r);
        forward_row(&s, b, h, &r, o->ref + n * s.dv, o->err + n * s.dv, o->mag + n * s.dv);
        if (o->canonical != NULL && !canonical_row(&s, n, &r, o, stats)) {
            row_free(&r);
            return 0;
        }
        if (stats == NULL)
            continue;
        statistics(&s, &r, stats->ref + 2 * n, stats->err + 2 * n);
    }
    row_free(&r);
    return o != NULL ? count : 0;
}
