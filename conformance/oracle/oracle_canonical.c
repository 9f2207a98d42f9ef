/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and rows of CANONICAL 1 (docs/NUMERICS.md sections 3 to 7), in the order that it writes. */
#include <conformance/oracle/oracle_canonical.h>

#include <string.h>

enum { LANES = 64, SEGMENT = 4096, BLOCK = 128 };

float tn_v_c_reduce(const float *x, int64_t n, bool squares)
{
    float t = 0;
    for (int64_t from = 0; from < n; from += SEGMENT) {
        float lane[LANES] = {0};
        for (int64_t i = from; i < n && i < from + SEGMENT; ++i) {
            float *l = &lane[i % LANES];
            *l = squares ? fmaf(x[i], x[i], *l) : *l + x[i];
        }
        for (int h = LANES / 2; h > 0; h /= 2)
            for (int l = 0; l < h; ++l)
                lane[l] = lane[l] + lane[l + h];
        t = t + lane[0];
    }
    return t;
}

/* ---- what the parts keep ---- */

static float greatest(float x, float y)
{
    if (isnan(x) || isnan(y))
        return NAN;
    return x > y || (x == y && signbit(y) != 0) ? x : y;
}

static float clamped(float y, float low, float high)
{
    return -greatest(-greatest(y, low), -high);
}

float tn_v_c_posts(const tn_v_call *call, const tn_v_truth *of, const int64_t *i, float y)
{
    for (uint32_t p = 0; p < call->op->post_count; ++p) {
        const tn_post *post = &call->op->posts[p];
        tn_v_view r = tn_v_view_of(call, post->role);
        float with = r.t != NULL ? (float)tn_v_load(&r, tn_v_broadcast(r.t, i, of->rank)) : 0.0f;
        switch (post->kind) {
        case TN_POST_BIAS:
        case TN_POST_ADD:
            y = y + with;
            break;
        case TN_POST_MUL:
            y = y * with;
            break;
        case TN_POST_SCALE:
            y = y * post->a;
            break;
        case TN_POST_CLAMP:
            y = clamped(y, post->a, post->b);
            break;
        case TN_POST_RELU:
            y = y > 0 || isnan(y) ? y : 0;
            break;
        case TN_POST_GELU:
            (void)tn_v_c_function(TN_ELTWISE_GELU, y, &y);
            break;
        case TN_POST_GELU_TANH:
            (void)tn_v_c_function(TN_ELTWISE_GELU_TANH, y, &y);
            break;
        case TN_POST_SILU:
            (void)tn_v_c_function(TN_ELTWISE_SILU, y, &y);
            break;
        }
    }
    return y;
}

void tn_v_c_keep(const tn_v_call *call, tn_v_truth *out, int64_t n, float y)
{
    out->canonical[n] = tn_v_rounded(out->dtype, (double)y, TN_V_NEAREST_EVEN,
                                     (call->op->numerics.flags & TN_NUMERICS_SATURATE) != 0);
    out->known = true;
}

/* ---- rows ---- */

void tn_v_c_softmax(const float *x, int64_t n, bool log_form, float *y)
{
    float m = n > 0 ? x[0] : 0;
    for (int64_t i = 1; i < n; ++i)
        m = greatest(m, x[i]);
    for (int64_t i = 0; i < n; ++i)
        y[i] = tn_v_c_exp(x[i] - m);
    float s = tn_v_c_reduce(y, n, false), by = tn_v_c_recip(s), less = tn_v_c_log(s);
    for (int64_t i = 0; i < n; ++i)
        y[i] = log_form ? (x[i] - m) - less : y[i] * by;
}

void tn_v_c_softmax_back(const float *y, const float *dy, int64_t n, bool log_form, float *dx)
{
    for (int64_t i = 0; i < n; ++i)
        dx[i] = log_form ? dy[i] : y[i] * dy[i];
    float s = tn_v_c_reduce(dx, n, false);
    for (int64_t i = 0; i < n; ++i)
        dx[i] = log_form ? fmaf(-tn_v_c_exp(y[i]), s, dy[i]) : y[i] * (dy[i] - s);
}

/* d_i and r of a row; d goes to y. */
static float spread_of(const float *x, int64_t n, bool rms, float epsilon, float *y)
{
    float by = tn_v_c_recip((float)n), mean = rms ? 0 : tn_v_c_reduce(x, n, false) * by;
    for (int64_t i = 0; i < n; ++i)
        y[i] = rms ? x[i] : x[i] - mean;
    return tn_v_c_rsqrt(fmaf(tn_v_c_reduce(y, n, true), by, epsilon));
}

void tn_v_c_norm(const float *x, int64_t n, bool rms, float epsilon, const float *gamma,
                 const float *beta, float *y)
{
    float r = spread_of(x, n, rms, epsilon, y);
    for (int64_t i = 0; i < n; ++i) {
        float z = y[i] * r;
        y[i] = gamma != NULL && beta != NULL ? fmaf(z, gamma[i], beta[i])
               : gamma != NULL               ? z * gamma[i]
               : beta != NULL                ? z + beta[i]
                                             : z;
    }
}

void tn_v_c_norm_back(const float *x, const float *dy, int64_t n, bool rms, float epsilon,
                      const float *gamma, float *dx)
{
    float r = spread_of(x, n, rms, epsilon, dx), by = tn_v_c_recip((float)n);
    float lane[2][LANES], total[2] = {0, 0};
    /* both sums over rows of any length, without room for them: lanes as in reduce */
    for (int64_t from = 0; from < n; from += SEGMENT) {
        memset(lane, 0, sizeof lane);
        for (int64_t i = from; i < n && i < from + SEGMENT; ++i) {
            float g = gamma != NULL ? dy[i] * gamma[i] : dy[i];
            lane[0][i % LANES] = lane[0][i % LANES] + g;
            lane[1][i % LANES] = lane[1][i % LANES] + g * (dx[i] * r);
        }
        for (int k = 0; k < 2; ++k) {
            for (int h = LANES / 2; h > 0; h /= 2)
                for (int l = 0; l < h; ++l)
                    lane[k][l] = lane[k][l] + lane[k][l + h];
            total[k] = total[k] + lane[k][0];
        }
    }
    float a = total[0] * by, b = total[1] * by;
    for (int64_t i = 0; i < n; ++i) {
        float g = gamma != NULL ? dy[i] * gamma[i] : dy[i];
        dx[i] = r * fmaf(-(dx[i] * r), b, rms ? g : g - a);
    }
}

/* ---- attention ---- */

/* The score of key j in base 2; *bend: what a softcap makes of its gradient. */
static float score(const tn_v_c_query *w, int64_t j, float *bend)
{
    tn_v_dot z = {0, 0, 0};
    for (int64_t e = 0; e < w->d; ++e)
        tn_v_dot_add(&z, e, w->q[e], w->k[j * w->d + e]);
    float t = tn_v_dot_end(&z);
    if (w->cap != 0) {
        float u = tn_v_c_tanh(t * (w->scale * tn_v_c_recip(w->cap)));
        t = u * (w->cap * TN_V_L2E);
        *bend = fmaf(-u, u, 1.0f);
    } else {
        t = t * (w->scale * TN_V_L2E);
    }
    if (w->bias != NULL)
        t = fmaf(w->bias[j], TN_V_L2E, t);
    if (w->has_slope)
        t = fmaf(w->slope * (float)(w->first_key + j - w->query), TN_V_L2E, t);
    return t;
}

typedef struct state {
    bool any;
    float m, l;
} state;

/* Keys [first, last), which lie in one block; o_b goes to `room`. */
static bool block(const tn_v_c_query *w, int64_t first, int64_t last, float *top, float *l,
                  float *room)
{
    float p[BLOCK] = {0}, t[BLOCK], m = -INFINITY, bend;
    bool part[BLOCK] = {false}, any = false;
    for (int64_t j = first; j < last; ++j) {
        int64_t at = (w->first_key + j) % BLOCK;
        t[at] = w->part[j] ? score(w, j, &bend) : -INFINITY;
        part[at] = t[at] != -INFINITY;
        if (part[at])
            m = any ? greatest(m, rintf(t[at])) : rintf(t[at]);
        any = any || part[at];
    }
    for (int at = 0; at < BLOCK; ++at)
        if (part[at])
            p[at] = tn_v_c_p2(t[at] - rintf(t[at])) * tn_v_c_pow2(rintf(t[at]) - m);
    *top = m;
    *l = tn_v_c_reduce(p, BLOCK, false);
    for (int at = 0; at < BLOCK && w->weights != TN_F32; ++at)
        p[at] = (float)tn_v_rounded(w->weights, (double)p[at], TN_V_NEAREST_EVEN, false);
    for (int64_t e = 0; e < w->dv && any; ++e) {
        tn_v_dot o = {0, 0, 0};
        for (int64_t j = first; j < last; ++j) {
            int64_t at = (w->first_key + j) % BLOCK;
            if (part[at])
                tn_v_dot_add(&o, at, p[at], w->v[j * w->dv + e]);
        }
        room[e] = tn_v_dot_end(&o);
    }
    return any;
}

void tn_v_c_attention(const tn_v_c_query *w, float *scratch, float *y, float *stats)
{
    state s = {false, 0, 0};
    bool lost = false;
    memset(y, 0, (size_t)w->dv * sizeof *y);
    if (w->has_sink && w->sink != -INFINITY) {
        float t = w->sink * TN_V_L2E;
        s = (state){true, rintf(t), tn_v_c_p2(t - rintf(t))};
        lost = isnan(w->sink) || isinf(w->sink);
    }
    for (int64_t first = 0; first < w->keys;) {
        int64_t last = first + BLOCK - (w->first_key + first) % BLOCK;
        last = last < w->keys ? last : w->keys;
        float m, l;
        bool any = block(w, first, last, &m, &l, scratch);
        first = last;
        if (!any)
            continue;
        lost = lost || isnan(m);
        if (!s.any) {
            s = (state){true, m, l};
            memcpy(y, scratch, (size_t)w->dv * sizeof *y);
        } else if (m > s.m) {
            float f = tn_v_c_pow2(s.m - m);
            s = (state){true, m, fmaf(s.l, f, l)};
            for (int64_t e = 0; e < w->dv; ++e)
                y[e] = fmaf(y[e], f, scratch[e]);
        } else {
            float f = tn_v_c_pow2(m - s.m);
            s.l = fmaf(l, f, s.l);
            for (int64_t e = 0; e < w->dv; ++e)
                y[e] = fmaf(scratch[e], f, y[e]);
        }
    }
    for (int64_t e = 0; e < w->dv; ++e)
        y[e] = lost ? NAN : s.any ? y[e] * tn_v_c_recip(s.l) : 0;
    stats[0] = lost ? NAN : s.any ? s.m + 0.0f : 0; /* never -0 */
    stats[1] = lost ? NAN : s.any ? s.l : 0;
}

void tn_v_c_attention_back(const tn_v_c_query *w, const float *out, const float *grad,
                           const float *stats, float *p, float *ds)
{
    tn_v_dot d = {0, 0, 0};
    float by = tn_v_c_recip(stats[1]), bend = 1;
    for (int64_t e = 0; e < w->dv; ++e)
        tn_v_dot_add(&d, e, grad[e], out[e]);
    for (int64_t j = 0; j < w->keys; ++j) {
        tn_v_dot dp = {0, 0, 0};
        p[j] = ds[j] = 0;
        if (!w->part[j])
            continue;
        float t = score(w, j, &bend), n = rintf(t);
        for (int64_t e = 0; e < w->dv; ++e)
            tn_v_dot_add(&dp, e, grad[e], w->v[j * w->dv + e]);
        p[j] = (tn_v_c_p2(t - n) * tn_v_c_pow2(n - stats[0])) * by;
        ds[j] = p[j] * (tn_v_dot_end(&dp) - tn_v_dot_end(&d));
        ds[j] = w->cap != 0 ? ds[j] * bend : ds[j];
    }
}
