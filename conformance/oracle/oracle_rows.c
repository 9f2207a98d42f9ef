/* SPDX-License-Identifier: Apache-2.0 */
/* Ops along rows: softmax, norms, reductions; forward and backward. */
#include <conformance/oracle/oracle_canonical.h>

#include <stdlib.h>

/* Mean of errors of a sum of n, relative to the mean of magnitudes. */
static double mean_error(const tn_v_arith *a, double n)
{
    return tn_v_sum_error(a, n, 1) + 2 * a->u; /* 1 / n and the product with it */
}

/* Where element k of row r is, for rows along `axis`. */
static int64_t along(const tn_tensor *t, int64_t r, int64_t k, int axis)
{
    int64_t at = k * t->stride[axis];
    for (int d = t->rank; d-- > 0;) {
        if (d == axis)
            continue;
        at += r % t->dim[d] * t->stride[d];
        r /= t->dim[d];
    }
    return at;
}

static int64_t along_out(const tn_v_truth *t, int64_t r, int64_t k, int axis)
{
    int64_t at = 0, stride = 1;
    for (int d = (int)t->rank; d-- > 0;) {
        at += (d == axis ? k : r % t->dim[d]) * stride;
        if (d != axis)
            r /= t->dim[d];
        stride *= t->dim[d];
    }
    return at;
}

static void softmax_row(const tn_v_call *c, const tn_v_view *a, tn_v_truth *out, int64_t r,
                        int axis, bool log_form)
{
    const tn_v_arith *ar = &c->arith;
    int64_t n = a->t->dim[axis];
    double top = -INFINITY, sum = 0, shift = 0, u = ar->u;
    double exp_rel = ar->function_rel > u ? ar->function_rel : u;
    for (int64_t k = 0; k < n; ++k) {
        double x = tn_v_load(a, along(a->t, r, k, axis));
        top = isnan(x) || x > top ? x : top;
        if (isnan(top))
            break;
    }
    for (int64_t k = 0; k < n; ++k) {
        double x = tn_v_load(a, along(a->t, r, k, axis)), p = exp(x - top);
        sum += p;
        shift += p > 0 ? p * u * fabs(x - top) : 0;
    }
    double sum_rel = shift / sum + exp_rel + tn_v_sum_error(ar, (double)n, 1);
    for (int64_t k = 0; k < n; ++k) {
        double x = tn_v_load(a, along(a->t, r, k, axis));
        int64_t at = along_out(out, r, k, axis);
        double y = log_form ? x - top - log(sum) : exp(x - top) / sum;
        double moved = isfinite(x - top) ? u * fabs(x - top) : 0;
        out->ref[at] = y;
        if (log_form)
            out->err[at] = moved + sum_rel + exp_rel * fabs(log(sum)) +
                           u * (fabs(y) + fabs(log(sum))) + ar->tiny;
        else /* weights below the normal range may be zero */
            out->err[at] = y * (moved + exp_rel + sum_rel + 3 * u) + 0x1p-126 / sum + ar->tiny;
        if (!isfinite(out->err[at]))
            out->err[at] = 0;
    }
}

/* Row r by section 6; g: of the backward pass, or NULL. */
static bool canonical_softmax(const tn_v_call *c, const tn_v_view *a, const tn_v_view *g,
                              tn_v_truth *out, int64_t r, int axis, bool log_form)
{
    int64_t n = a->t->dim[axis];
    float *x = malloc(((size_t)n * 3 + 1) * sizeof *x);
    if (x == NULL)
        return false;
    for (int64_t k = 0; k < n; ++k) {
        x[k] = (float)tn_v_load(a, along(a->t, r, k, axis));
        if (g != NULL)
            x[n + k] = (float)tn_v_load(g, along(g->t, r, k, axis));
    }
    if (g != NULL)
        tn_v_c_softmax_back(x, x + n, n, log_form, x + 2 * n);
    else
        tn_v_c_softmax(x, n, log_form, x + 2 * n);
    for (int64_t k = 0; k < n; ++k)
        tn_v_c_keep(c, out, along_out(out, r, k, axis), x[2 * n + k]);
    free(x);
    return true;
}

bool tn_v_softmax(const tn_v_call *c, tn_v_truth *out)
{
    const tn_softmax *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), g = tn_v_view_of(c, TN_ARG_GRAD);
    if (a.t == NULL || a.t->rank == 0)
        return false;
    int axis = t->axis < 0 ? t->axis + a.t->rank : t->axis;
    int64_t n = a.t->dim[axis], rows = n > 0 ? out->count / n : 0;
    double u = c->arith.u;
    for (int64_t r = 0; r < rows; ++r) {
        if (out->canonical != NULL &&
            !canonical_softmax(c, &a, t->pass == TN_PASS_FORWARD ? NULL : &g, out, r, axis,
                               t->log != 0))
            return false;
        if (t->pass == TN_PASS_FORWARD) {
            softmax_row(c, &a, out, r, axis, t->log != 0);
            continue;
        }
        double sum = 0, mag = 0;
        for (int64_t k = 0; k < n; ++k) {
            double y = tn_v_load(&a, along(a.t, r, k, axis)),
                   dy = tn_v_load(&g, along(g.t, r, k, axis)), p = t->log ? dy : y * dy;
            sum += p;
            mag += fabs(p);
        }
        double e = tn_v_sum_error(&c->arith, (double)n + 1, mag);
        for (int64_t k = 0; k < n; ++k) {
            double y = tn_v_load(&a, along(a.t, r, k, axis)),
                   dy = tn_v_load(&g, along(g.t, r, k, axis));
            int64_t at = along_out(out, r, k, axis);
            double w = t->log ? exp(y) : y;
            double exp_rel = c->arith.function_rel > u ? c->arith.function_rel : 2 * u;
            out->ref[at] = t->log ? dy - w * sum : y * (dy - sum);
            out->err[at] =
                t->log ? w * e + exp_rel * w * fabs(sum) + 2 * u * (fabs(dy) + w * fabs(sum))
                       : fabs(y) * (e + 2 * u * (fabs(dy) + fabs(sum))) + c->arith.tiny;
        }
    }
    return true;
}

/* ---- norms ---- */

/* How a row of a norm lies in its tensors: offsets of A, GRAD, GAMMA and BETA, and in the output.
 */
typedef struct norm_row {
    int64_t count, *a, *g, *gamma, *beta, *out;
} norm_row;

static void locate(const tn_v_call *c, const tn_norm *t, const tn_v_truth *out, int64_t r,
                   uint32_t axes, const tn_v_view *a, const tn_v_view *g, const tn_v_view *gamma,
                   const tn_v_view *beta, norm_row *row)
{
    uint32_t rank = a->t->rank, first = rank - axes;
    int64_t i[TN_MAX_RANK], groups = t->kind == TN_NORM_GROUP && t->groups > 0 ? t->groups : 1;
    (void)c;
    for (int64_t k = 0; k < row->count; ++k) {
        int64_t inner = k + (t->kind == TN_NORM_GROUP ? r % groups * row->count : 0);
        tn_v_unravel(out->dim + first, axes, inner, i + first);
        tn_v_unravel(out->dim, first, r / groups, i);
        row->a[k] = tn_v_broadcast(a->t, i, rank);
        row->g[k] = g->t != NULL ? tn_v_broadcast(g->t, i, rank) : 0;
        bool channel = t->kind >= TN_NORM_GROUP;
        row->gamma[k] = gamma->t == NULL ? 0
                        : channel        ? i[first] * gamma->t->stride[0]
                                         : tn_v_broadcast(gamma->t, i, rank);
        row->beta[k] = beta->t == NULL ? 0
                       : channel       ? i[first] * beta->t->stride[0]
                                       : tn_v_broadcast(beta->t, i, rank);
        int64_t at = 0;
        for (uint32_t d = 0; d < rank; ++d)
            at = at * out->dim[d] + i[d];
        row->out[k] = at;
    }
}

static void norm_forward(const tn_v_call *c, const tn_norm *t, tn_v_truth *out, const norm_row *w,
                         const tn_v_view *a, const tn_v_view *gamma, const tn_v_view *beta)
{
    const tn_v_arith *ar = &c->arith;
    double n = (double)w->count, mu = 0, x_abs = 0, var = 0, d_abs = 0, u = ar->u;
    bool rms = t->kind == TN_NORM_RMS;
    for (int64_t k = 0; k < w->count; ++k) {
        mu += tn_v_load(a, w->a[k]) / n;
        x_abs += fabs(tn_v_load(a, w->a[k])) / n;
    }
    if (rms)
        mu = 0;
    for (int64_t k = 0; k < w->count; ++k) {
        double d = tn_v_load(a, w->a[k]) - mu;
        var += d * d / n;
        d_abs += fabs(d) / n;
    }
    double b = mean_error(ar, n), e_mu = rms ? 0 : b * x_abs;
    double s2 = var + (double)t->epsilon, s = sqrt(s2);
    double e_d = e_mu + (rms ? 0 : u * (x_abs + fabs(mu)));
    double e_v = (b + 2 * u) * var + 2 * e_d * d_abs + e_d * e_d + 2 * u * s2;
    double rel = e_v / (2 * s2) + ar->rsqrt_rel + 3 * u;
    for (int64_t k = 0; k < w->count; ++k) {
        double x = tn_v_load(a, w->a[k]), z = (x - mu) / s;
        double g = gamma->t != NULL ? tn_v_load(gamma, w->gamma[k]) : 1,
               add = beta->t != NULL ? tn_v_load(beta, w->beta[k]) : 0;
        double e = (e_mu + (rms ? 0 : u * (fabs(x) + fabs(mu)))) / s + fabs(z) * rel;
        out->ref[w->out[k]] = z * g + add;
        out->err[w->out[k]] = fabs(g) * e + 2 * u * (fabs(z * g) + fabs(add)) + ar->tiny;
    }
}

static void norm_backward(const tn_v_call *c, const tn_norm *t, tn_v_truth *out, const norm_row *w,
                          const tn_v_view *a, const tn_v_view *gv, const tn_v_view *gamma)
{
    const tn_v_arith *ar = &c->arith;
    double n = (double)w->count, mu = 0, x_abs = 0, var = 0, d_abs = 0, u = ar->u;
    bool rms = t->kind == TN_NORM_RMS;
    for (int64_t k = 0; k < w->count; ++k) {
        mu += tn_v_load(a, w->a[k]) / n;
        x_abs += fabs(tn_v_load(a, w->a[k])) / n;
    }
    if (rms)
        mu = 0;
    for (int64_t k = 0; k < w->count; ++k) {
        double d = tn_v_load(a, w->a[k]) - mu;
        var += d * d / n;
        d_abs += fabs(d) / n;
    }
    double b = mean_error(ar, n), e_mu = rms ? 0 : b * x_abs;
    double s2 = var + (double)t->epsilon, s = sqrt(s2), e_d = e_mu + u * (x_abs + fabs(mu));
    double rel = ((b + 2 * u) * var + 2 * e_d * d_abs + e_d * e_d + 2 * u * s2) / (2 * s2) +
                 ar->rsqrt_rel + 3 * u;
    double A = 0, B = 0, A_abs = 0, B_abs = 0, B_err = 0;
    for (int64_t k = 0; k < w->count; ++k) {
        double xh = (tn_v_load(a, w->a[k]) - mu) / s;
        double g = tn_v_load(gv, w->g[k]) * (gamma->t != NULL ? tn_v_load(gamma, w->gamma[k]) : 1);
        A += g / n;
        A_abs += fabs(g) / n;
        B += g * xh / n;
        B_abs += fabs(g * xh) / n;
        B_err += fabs(g) * (e_d / s + fabs(xh) * rel) / n;
    }
    if (rms)
        A = A_abs = 0;
    double e_a = (b + u) * A_abs, e_b = (b + 2 * u) * B_abs + B_err;
    for (int64_t k = 0; k < w->count; ++k) {
        double x = tn_v_load(a, w->a[k]), xh = (x - mu) / s;
        double g = tn_v_load(gv, w->g[k]) * (gamma->t != NULL ? tn_v_load(gamma, w->gamma[k]) : 1);
        double inner = g - A - xh * B, e_x = (e_mu + u * (fabs(x) + fabs(mu))) / s + fabs(xh) * rel;
        out->ref[w->out[k]] = inner / s;
        out->err[w->out[k]] =
            fabs(inner / s) * rel +
            (e_a + e_x * fabs(B) + fabs(xh) * e_b + 4 * u * (fabs(g) + fabs(A) + fabs(xh * B))) /
                s +
            ar->tiny;
    }
}

/* One row of either pass by section 6. */
static bool canonical_norm(const tn_v_call *c, const tn_norm *t, tn_v_truth *out, const norm_row *w,
                           const tn_v_view *a, const tn_v_view *g, const tn_v_view *gamma,
                           const tn_v_view *beta)
{
    int64_t n = w->count;
    float *x = malloc(((size_t)n * 5 + 1) * sizeof *x), *dy = x + n, *f = x + 2 * n,
          *add = x + 3 * n, *y = x + 4 * n;
    bool rms = t->kind == TN_NORM_RMS;
    if (x == NULL)
        return false;
    for (int64_t k = 0; k < n; ++k) {
        x[k] = (float)tn_v_load(a, w->a[k]);
        dy[k] = g->t != NULL ? (float)tn_v_load(g, w->g[k]) : 0;
        f[k] = gamma->t != NULL ? (float)tn_v_load(gamma, w->gamma[k]) : 1;
        add[k] = beta->t != NULL ? (float)tn_v_load(beta, w->beta[k]) : 0;
    }
    const float *by = gamma->t != NULL ? f : NULL;
    if (t->pass == TN_PASS_FORWARD)
        tn_v_c_norm(x, n, rms, t->epsilon, by, beta->t != NULL ? add : NULL, y);
    else
        tn_v_c_norm_back(x, dy, n, rms, t->epsilon, by, y);
    for (int64_t k = 0; k < n; ++k)
        tn_v_c_keep(c, out, w->out[k], y[k]);
    free(x);
    return true;
}

/* y = x a + b with a and b of the channel. */
static void norm_batch(const tn_v_call *c, const tn_norm *t, tn_v_truth *out, uint32_t axes,
                       const tn_v_view *a, const tn_v_view *gamma, const tn_v_view *beta)
{
    tn_v_view stats = tn_v_view_of(c, TN_ARG_STATS);
    double u = c->arith.u;
    int64_t i[TN_MAX_RANK];
    for (int64_t n = 0; n < out->count; ++n) {
        tn_v_unravel(out->dim, out->rank, n, i);
        int64_t ch = i[out->rank - axes];
        double mean = tn_v_load(&stats, ch * stats.t->stride[1]),
               var = tn_v_load(&stats, stats.t->stride[0] + ch * stats.t->stride[1]);
        double g = gamma->t != NULL ? tn_v_load(gamma, ch * gamma->t->stride[0]) : 1,
               add = beta->t != NULL ? tn_v_load(beta, ch * beta->t->stride[0]) : 0;
        double x = tn_v_load(a, tn_v_broadcast(a->t, i, out->rank));
        if (out->canonical != NULL) {
            float root = tn_v_c_rsqrt((float)var + t->epsilon),
                  by = gamma->t != NULL ? (float)g * root : root,
                  shift_by = fmaf(-(float)mean, by, (float)add);
            tn_v_c_keep(c, out, n, fmaf((float)x, by, shift_by));
        }
        double f = g / sqrt(var + (double)t->epsilon), shift = add - mean * f;
        double f_rel = c->arith.rsqrt_rel + 2 * u;
        out->ref[n] = x * f + shift;
        out->err[n] = fabs(x * f) * f_rel + fabs(mean * f) * (f_rel + u) + 2 * u * fabs(shift) +
                      2 * u * fabs(x * f) + c->arith.tiny;
    }
}

bool tn_v_norm(const tn_v_call *c, tn_v_truth *out)
{
    const tn_norm *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A), g = tn_v_view_of(c, TN_ARG_GRAD),
              gamma = tn_v_view_of(c, TN_ARG_GAMMA), beta = tn_v_view_of(c, TN_ARG_BETA);
    if (a.t == NULL || a.t->rank == 0)
        return false;
    uint32_t axes = t->axes != 0 ? t->axes : t->kind >= TN_NORM_GROUP ? a.t->rank - 1u : 1u;
    if (t->kind == TN_NORM_BATCH_INFERENCE) {
        norm_batch(c, t, out, axes, &a, &gamma, &beta);
        return true;
    }
    int64_t groups = t->kind == TN_NORM_GROUP && t->groups > 0 ? t->groups : 1;
    norm_row w = {.count = 1};
    for (uint32_t d = out->rank - axes; d < out->rank; ++d)
        w.count *= out->dim[d];
    w.count /= groups;
    int64_t *room = calloc((size_t)w.count * 5 + 1, sizeof *room);
    if (room == NULL)
        return false;
    w.a = room;
    w.g = room + w.count;
    w.gamma = room + 2 * w.count;
    w.beta = room + 3 * w.count;
    w.out = room + 4 * w.count;
    for (int64_t r = 0; w.count > 0 && r < out->count / w.count; ++r) {
        locate(c, t, out, r, axes, &a, &g, &gamma, &beta, &w);
        if (out->canonical != NULL && !canonical_norm(c, t, out, &w, &a, &g, &gamma, &beta)) {
            free(room);
            return false;
        }
        if (t->pass == TN_PASS_FORWARD)
            norm_forward(c, t, out, &w, &a, &gamma, &beta);
        else
            norm_backward(c, t, out, &w, &a, &g, &gamma);
    }
    free(room);
    return true;
}

/* ---- reductions ---- */

bool tn_v_reduce(const tn_v_call *c, tn_v_truth *out)
{
    const tn_reduce *t = c->op->attr;
    tn_v_view a = tn_v_view_of(c, TN_ARG_A);
    if (a.t == NULL)
        return false;
    uint32_t rank = a.t->rank, mask = t->axes_mask;
    int64_t kept[TN_MAX_RANK], inner[TN_MAX_RANK], i[TN_MAX_RANK] = {0}, count = 1, rows = 1;
    for (uint32_t d = 0; d < rank; ++d) {
        bool reduced = (mask >> d & 1u) != 0;
        kept[d] = reduced ? 1 : a.t->dim[d];
        inner[d] = reduced ? a.t->dim[d] : 1;
        count *= inner[d];
        rows *= kept[d];
    }
    double u = c->arith.u;
    out->terms = (double)count;
    bool bits = out->canonical != NULL && t->kind != TN_REDUCE_MAX && t->kind != TN_REDUCE_MIN;
    float *row = bits ? malloc(((size_t)count + 1) * sizeof *row) : NULL;
    if (bits && row == NULL)
        return false;
    for (int64_t r = 0; r < rows && r < out->count; ++r) {
        tn_v_unravel(kept, rank, r, i);
        int64_t base = tn_v_broadcast(a.t, i, rank);
        double sum = 0, mag = 0, most = -INFINITY, least = INFINITY;
        bool nan = false;
        for (int64_t k = 0; k < count; ++k) {
            tn_v_unravel(inner, rank, k, i);
            double x = tn_v_load(&a, base + tn_v_broadcast(a.t, i, rank));
            double p = t->kind == TN_REDUCE_SUMSQ ? x * x : x;
            if (bits)
                row[k] = (float)x;
            nan = nan || isnan(x);
            sum += p;
            mag += fabs(p);
            most = x > most ? x : most;
            least = x < least ? x : least;
        }
        if (bits) {
            float y = tn_v_c_reduce(row, count, t->kind == TN_REDUCE_SUMSQ);
            y = t->kind == TN_REDUCE_MEAN ? y * tn_v_c_recip((float)count) : y;
            tn_v_c_keep(c, out, r, y);
        }
        if (t->kind == TN_REDUCE_MAX || t->kind == TN_REDUCE_MIN) {
            out->ref[r] = nan ? NAN : t->kind == TN_REDUCE_MAX ? most : least;
            out->single = true;
            continue;
        }
        double n = t->kind == TN_REDUCE_MEAN ? (double)count : 1;
        out->ref[r] = sum / n;
        out->mag[r] = mag; /* what overflows is the sum */
        if (!c->exact)
            out->err[r] =
                (tn_v_sum_error(&c->arith, (double)count, mag) + (double)count * 0x1p-53 * mag) /
                    n +
                (n > 1 ? 2 * u * fabs(sum / n) : 0);
        else if (n > 1)
            out->err[r] = 2 * u * fabs(sum / n);
    }
    free(row);
    return true;
}
