/* SPDX-License-Identifier: Apache-2.0 */
/* CANONICAL 1 in plain code of the suite's own: the orders and functions of docs/NUMERICS.md. The
 * parts of the oracle hand over rows of numbers and keep what they get beside their bounds. */
#ifndef TN_CONFORMANCE_ORACLE_CANONICAL_H
#define TN_CONFORMANCE_ORACLE_CANONICAL_H

#include <conformance/oracle/oracle.h>

/* ---- section 3 ---- */

/* A dot under way; terms come in ascending order of k, and some may be missing. */
typedef struct tn_v_dot {
    float t, s;
    int64_t chunk;
} tn_v_dot;

static inline void tn_v_dot_add(tn_v_dot *d, int64_t k, float a, float b)
{
    if (k / 128 != d->chunk) {
        d->t = d->t + d->s;
        d->s = 0;
        d->chunk = k / 128;
    }
    d->s = fmaf(a, b, d->s);
}

static inline float tn_v_dot_end(const tn_v_dot *d)
{
    return d->t + d->s;
}

/** Sum of n numbers, or of their squares. */
float tn_v_c_reduce(const float *x, int64_t n, bool squares);

/* ---- sections 1 and 9 ---- */
float tn_v_c_recip(float x);
float tn_v_c_rsqrt(float x);
float tn_v_c_exp(float x);
float tn_v_c_log(float x);
float tn_v_c_tanh(float x);
float tn_v_c_sincos(float x, int k); /* k 0: sine, 1: cosine */
float tn_v_c_p2(float r);
float tn_v_c_pow2(float e); /* +0 below -126; NaN of a NaN */
/** A unary kind that rounds more than once.
 *  returns   false: none of these */
bool tn_v_c_function(uint32_t kind, float x, float *out);
/** Its derivative times dy. */
bool tn_v_c_slope(const tn_eltwise *t, float x, float dy, float *out);

#define TN_V_L2E 0x1.715476p+0f
#define TN_V_LN2 0x1.62e43p-1f

/* ---- sections 6 and 7, one row each ---- */
void tn_v_c_softmax(const float *x, int64_t n, bool log_form, float *y);
void tn_v_c_softmax_back(const float *y, const float *dy, int64_t n, bool log_form, float *dx);
/* gamma and beta may be NULL */
void tn_v_c_norm(const float *x, int64_t n, bool rms, float epsilon, const float *gamma,
                 const float *beta, float *y);
void tn_v_c_norm_back(const float *x, const float *dy, int64_t n, bool rms, float epsilon,
                      const float *gamma, float *dx);

typedef struct tn_v_c_query {
    int64_t keys, d, dv, first_key, query; /* query: its position */
    const float *q, *k, *v;                /* [d], [keys, d], [keys, dv] */
    const bool *part;                      /* [keys] */
    const float *bias;                     /* [keys], or NULL */
    float scale, cap, slope, sink;         /* cap 0: none */
    bool has_slope, has_sink;
    tn_dtype weights; /* type that weights are rounded to before they meet v; f32: none */
} tn_v_c_query;
/** y [dv] and the statistics (m, l); scratch [dv] is overwritten. */
void tn_v_c_attention(const tn_v_c_query *w, float *scratch, float *y, float *stats);
/** Of the backward pass: weights p and gradients ds of the scores [keys], which are 0 where `part`
 *  is not set; out and grad [dv], stats (m, l). */
void tn_v_c_attention_back(const tn_v_c_query *w, const float *out, const float *grad,
                           const float *stats, float *p, float *ds);

/* ---- what the parts keep ---- */

/** The end of a sum at output element i: posts, one operation each. */
float tn_v_c_posts(const tn_v_call *call, const tn_v_truth *of, const int64_t *i, float y);
/* Element n is y, rounded to the output's type. */
void tn_v_c_keep(const tn_v_call *call, tn_v_truth *out, int64_t n, float y);

#endif
