/* SPDX-License-Identifier: Apache-2.0 */
/* Random calls of attention, run through every row: against float64 with a bound made from a row's
 * order and its declared functions, and CANONICAL rows bit for bit against the plain one. */
#ifndef TN_TESTS_SUPPORT_K_ATTENTION_H
#define TN_TESTS_SUPPORT_K_ATTENTION_H

#include "k_rows.h"
#include <kernels/attention/attention_sequence.h>
#include <math.h>

extern const tn_k_op tn_k_op_attention;
/* The 512-bit core over plain C: its blocks are checked where the CPU lacks AVX-512. */
extern const tn_k_variant tn_t_attention_emulated512;

enum { Q, K, V, OUT, MASK, SINKS, SLOPES, LENGTHS, STATS, OPERANDS };
static const double unit = 0x1p-24,
                    smallest = 0x1p-149; /* half an ulp, relative; least subnormal */

/* Operands of any dtype are kept as floats that it has; calls get a copy in the dtype itself. */
typedef struct problem {
    tn_attention attr;
    tn_arg all[OPERANDS], args[OPERANDS]; /* by name; those given, one after the other */
    tn_op op;
    unsigned char *block[OPERANDS], *narrow[OPERANDS];
    float *stats; /* of the first row that ran */
    bool plain;   /* dense strides */
    tn_k_attention_params p;
} problem;

/* What a random problem may be. */
typedef struct limits {
    int64_t batch, heads, group, queries, keys, d;
} limits;

static inline int64_t pick(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(tn_test_random(state) % (uint64_t)(high - low + 1));
}

static inline bool coin(uint64_t *state, uint64_t one_in)
{
    return tn_test_random(state) % one_in == 0;
}

static inline float *floats(const problem *c, int operand)
{
    return (float *)(void *)(c->block[operand] + TN_T_MIDDLE);
}

static inline int64_t elements(const tn_tensor *t)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < t->rank; d++)
        n *= t->dim[d];
    return n;
}

/* Element i (row-major) of an operand, from its pointer. */
static inline int64_t place(const tn_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (int d = t->rank; d-- > 0;) {
        at += i % t->dim[d] * t->stride[d];
        i /= t->dim[d];
    }
    return at;
}

static inline float ordinary(uint64_t *state)
{
    return (float)(int64_t)tn_test_random(state) * 0x1p-63f;
}

/* NaN wherever no element lies, so that whoever reads there shows it. */
static inline void add(problem *c, uint64_t *state, int operand, tn_role role, uint16_t rank,
                       const int64_t *dim)
{
    tn_tensor *t = &c->all[operand].tensor;
    c->all[operand].role = role;
    t->dtype = TN_F32;
    t->rank = rank;
    for (int d = 0; d < rank; d++)
        t->dim[d] = dim[d];
    tn_t_strides(state, t, !c->plain && coin(state, 2));
    c->block[operand] = tn_t_block();
    memset(c->block[operand], 0xff, TN_T_BYTES);
    if (operand != OUT)
        for (int64_t i = 0, n = elements(t); i < n; i++)
            floats(c, operand)[place(t, i)] = ordinary(state);
}

/* The operands that there are, as the call wants them; then its params. */
static inline void prepare(problem *c)
{
    tn_k_why why = {"none", "none", "none"};
    c->op.args = c->args;
    c->op.arg_count = 0;
    for (int i = 0; i < OPERANDS; i++)
        if (c->block[i] != NULL)
            c->args[c->op.arg_count++] = c->all[i];
    TN_REQUIRE(tn_k_op_attention.params(&c->op, &c->p, &why), "%s %s", why.reason, why.text);
}

/* Gives an operand a dtype; its values become what the dtype has. */
static inline void retype_to(problem *c, int operand, uint16_t dtype)
{
    tn_tensor *t = &c->all[operand].tensor;
    t->dtype = dtype;
    for (int64_t i = 0, n = elements(t); operand != OUT && i < n; i++) {
        float *x = &floats(c, operand)[place(t, i)], kept = *x;
        uint16_t h[2];
        if (t->dtype == TN_F32)
            continue;
        tn_k_attention_store(t->dtype, h, 0, kept);
        *x = tn_k_attention_load(t->dtype, h, 0);
    }
}

/* A 16-bit dtype, or f32. */
static inline void retype(problem *c, uint64_t *state, int operand)
{
    static const uint16_t types[] = {TN_F32, TN_BF16, TN_F16};
    retype_to(c, operand, types[tn_test_random(state) % 3]);
}

/* What rows of one 16-bit dtype take. */
static inline void all_bf16(problem *c)
{
    retype_to(c, Q, TN_BF16);
    retype_to(c, K, TN_BF16);
    retype_to(c, V, TN_BF16);
}

/* Sinks, slopes, lengths, statistics: each half the time. */
static inline void add_extras(problem *c, uint64_t *state, int64_t b, int64_t h, int64_t sq,
                              int64_t sk, uint16_t rank)
{
    if (coin(state, 2)) {
        add(c, state, SINKS, TN_ARG_SINKS, 1, &h);
        if (coin(state, 4))
            floats(c, SINKS)[place(&c->all[SINKS].tensor, pick(state, 0, h - 1))] = -INFINITY;
        retype(c, state, SINKS);
    }
    if (coin(state, 2))
        add(c, state, SLOPES, TN_ARG_SLOPES, 1, &h);
    if (coin(state, 2)) {
        add(c, state, LENGTHS, TN_ARG_LENGTHS, 1, &b);
        c->all[LENGTHS].tensor.dtype = TN_S32;
        for (int64_t i = 0; i < b; i++) {
            int32_t n = (int32_t)pick(state, -1, sk + 1);
            memcpy(&floats(c, LENGTHS)[place(&c->all[LENGTHS].tensor, i)], &n, sizeof n);
        }
    }
    if (coin(state, 2))
        add(c, state, STATS, TN_ARG_STATS, rank, (int64_t[]){b, h, sq, 2} + (4 - rank));
}

/* Broadcast along some dims; whole rows of it may take no part. */
static inline void add_mask(problem *c, uint64_t *state, const int64_t scores[4], uint16_t rank)
{
    int64_t dim[4];
    uint16_t own = (uint16_t)pick(state, 1, rank);
    for (int d = 0; d < own; d++)
        dim[d] = d + 1 < own && coin(state, 3) ? 1 : scores[4 - own + d];
    bool boolean = coin(state, 2);
    add(c, state, MASK, TN_ARG_MASK, own, dim);
    tn_tensor *t = &c->all[MASK].tensor;
    uint64_t kept = 1 + tn_test_random(state) % 8;
    int64_t columns = t->dim[own - 1] > 0 ? t->dim[own - 1] : 1;
    bool row_hidden = false;
    if (boolean)
        t->dtype = TN_BOOL, memset(c->block[MASK], 0xff, TN_T_BYTES);
    for (int64_t i = 0, n = elements(t); i < n; i++) {
        row_hidden = i % columns == 0 ? coin(state, 6) : row_hidden;
        bool hidden = row_hidden || tn_test_random(state) % 8 >= kept;
        if (boolean)
            (c->block[MASK] + TN_T_MIDDLE)[place(t, i)] = !hidden;
        else
            floats(c, MASK)[place(t, i)] = !hidden          ? 4.0f * ordinary(state)
                                           : coin(state, 2) ? -INFINITY
                                                            : -1e9f;
    }
}

static inline void make_attr(tn_attention *a, uint64_t *state, int64_t sk)
{
    *a = (tn_attention){.head = TN_INIT(tn_attention)};
    a->first_key = coin(state, 2) ? pick(state, 0, 300) : 0;
    a->first_query = coin(state, 2) ? a->first_key + pick(state, 0, sk) : pick(state, 0, 40);
    uint64_t kind = tn_test_random(state) % 4;
    a->flags = kind == 0 ? TN_ATTENTION_CAUSAL : kind == 1 ? TN_ATTENTION_CAUSAL_FROM_END : 0;
    if (coin(state, 3)) {
        a->flags |= TN_ATTENTION_WINDOW;
        a->window_left = pick(state, -1, 150);
        a->window_right = pick(state, -1, 60);
    }
    a->scale = coin(state, 2) ? 0.0f : coin(state, 8) ? -0.5f : 4.0f * fabsf(ordinary(state));
    a->softcap = coin(state, 4) ? 0.5f + 20.0f * fabsf(ordinary(state)) : 0.0f;
}

static inline void make(problem *c, uint64_t *state, const limits *most)
{
    memset(c, 0, sizeof *c);
    c->op =
        (tn_op){.head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &c->attr, .args = c->args};
    uint16_t rank = coin(state, 3) ? 3 : 4;
    int64_t b = rank == 4 ? pick(state, 1, most->batch) : 1, kv = pick(state, 1, most->heads),
            h = kv * pick(state, 1, most->group), sq = pick(state, 1, most->queries),
            sk = pick(state, 0, most->keys), d = pick(state, 1, most->d),
            dv = pick(state, 1, most->d);
    add(c, state, Q, TN_ARG_Q, rank, (int64_t[]){b, h, sq, d} + (4 - rank));
    add(c, state, K, TN_ARG_K, rank, (int64_t[]){b, kv, sk, d} + (4 - rank));
    add(c, state, V, TN_ARG_V, rank, (int64_t[]){b, kv, sk, dv} + (4 - rank));
    add(c, state, OUT, TN_ARG_OUT, rank, (int64_t[]){b, h, sq, dv} + (4 - rank));
    if (coin(state, 2))
        add_mask(c, state, (int64_t[]){b, h, sq, sk}, rank);
    make_attr(&c->attr, state, sk);
    if (coin(state, 2))
        add_extras(c, state, b, h, sq, sk, rank);
    for (int i = 0; i < MASK && coin(state, 2); i++)
        retype(c, state, i);
    if (coin(state, 3))
        all_bf16(c);
    prepare(c);
    for (uint32_t i = 0; i < c->op.arg_count; i++) {
        const tn_tensor *t = &c->args[i].tensor;
        int64_t n = elements(t);
        TN_REQUIRE((n > 0 ? place(t, n - 1) + 1 : 0) * 4 <= TN_T_BYTES - TN_T_MIDDLE,
                   "the test's own shape is too large");
    }
}

static inline void forget(problem *c)
{
    for (int i = 0; i < OPERANDS; i++) {
        free(c->block[i]);
        free(c->narrow[i]);
    }
    free(c->stats);
}

static inline uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double gamma_of(double roundings)
{
    return roundings * unit / (1 - roundings * unit);
}

/* What the error of a row's outputs is made of: see bound_of(). */
typedef struct path {
    double score, sum, dot, function, shift; /* roundings, relative errors */
    double weight, weight_least, out,
        out_least; /* of the dtypes of v and out: relative, absolute */
    double score_least, dot_least; /* absolute: a score in natural units, a sum of values */
} path;

/* Half an ulp of a dtype: relative, and where it is subnormal. */
static inline void half_ulp(uint32_t dtype, double *relative, double *least)
{
    *relative = dtype == TN_BF16 ? 0x1p-8 : dtype == TN_F16 ? 0x1p-11 : 0;
    *least = dtype == TN_BF16 ? 0x1p-134 : dtype == TN_F16 ? 0x1p-25 : 0;
}

/* Roundings on the longest way of one term. CANONICAL (docs/NUMERICS.md 7): a dot of d is chains of
 * 128 and their sum; a block of 128 weights is summed by 8 adds, its products by a chain of 128;
 * one fma for each later block. Any other order: at most all terms in one chain, with a rescaling
 * by an exp at each step, and scores less the maximum rounded. Score: scale (or rsqrt), L2E, their
 * product, z * c and the bias; with softcap 1 / cap, scale / cap, z times it, tanh (1.421 ulp are
 * less than 3 halves), cap * L2E and the product. */
static inline path path_of(const tn_k_variant *v, const tn_k_attention_params *p)
{
    tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
    if (v->arithmetic != NULL)
        v->arithmetic(p, &a);
    TN_REQUIRE(a.product == 0 && a.accumulate == 0 &&
                   a.inner == (p->type[V] == TN_F32 ? 0u : p->type[V]) && a.exp_ulp > 0,
               "%s declares what this bound does not know", v->name);
    double d = (double)p->d, keys = (double)p->keys, blocks = floor(keys / 128) + 2;
    /* Subnormal operands, products and sums that count as zero, those of operands below 2^20 times a scale below 8. */
    TN_REQUIRE(a.flush_in == a.flush_out, "%s flushes one way", v->name);
    double flush = a.flush_out ? 0x1p-126 : 0;
    bool canonical = v->cls == TN_CLASS_CANONICAL;
    path x = {.function = 2 * (double)a.exp_ulp * unit,
              .score_least = flush * d * 0x1p24,
              .dot_least = flush * (2 * keys + 2 * blocks)};
    x.score = (canonical ? fmin(d, 128) + ceil(d / 128) : d) + (p->inner != 0.0f ? 11 : 5);
    x.sum = canonical ? 8 + blocks : keys * (3 + 2 * (double)a.exp_ulp);
    x.dot = canonical ? fmin(keys, 128) + 1 + blocks : x.sum;
    x.shift = canonical ? 0 : 2 * unit;
    half_ulp(p->type[V], &x.weight, &x.weight_least);
    half_ulp(p->type[OUT], &x.out, &x.out_least);
    x.weight_least *= 2; /* the greatest weight is at least half of what it is scaled by */
    return x;
}

/* With w the exact weights, O the exact output and weights off by eta_j, sums by phi and theta:
 *   |y - O| <= sum w (eta |v - O| + (1 + eta) (theta |v| + phi |O|)) / (1 - eta)(1 - phi),
 * because sum w (v - O) = 0 takes the first order of a common error away; then 1/l and the product.
 * eta_j = exp(error of the score) (1 + function) - 1. A weight below 2^-126 of the greatest may be
 * dropped, the greatest is at least 0.7 times a power of two. (1 + 2^-16): the float64 side. */
static inline double bound_of(const path *x, const tn_k_attention_params *p, const double *w,
                              const double *eta, double eta_most, const float *v, int64_t stride,
                              double y)
{
    double sum = 0, theta = gamma_of(x->dot) + x->weight, phi = gamma_of(x->sum);
    for (int64_t j = 0; j <= p->keys; j++) {
        double value = j < p->keys ? (double)v[j * stride] : 0.0;
        if (w[j] < 0)
            continue;
        sum += w[j] *
               (eta[j] * fabs(value - y) + (1 + eta[j]) * (theta * fabs(value) + phi * fabs(y)));
        sum += (0x1p-124 + x->weight_least) * (fabs(value) + fabs(y));
    }
    double whole = (1 - eta_most) * (1 - phi) - (double)p->keys * 0x1p-124;
    if (whole <= 0)
        return INFINITY;
    sum = (sum + 2 * (double)(p->keys + p->keys / 128 + 4) * smallest + x->dot_least) / whole;
    sum = (sum * (1 + gamma_of(2)) + gamma_of(2) * fabs(y) + smallest) * (1 + 0x1p-16);
    return sum + x->out * (fabs(y) + sum) + x->out_least; /* the dtype of the output */
}

/* What float64 has to know of a batch and head, from the operands themselves. */
static inline tn_k_attention_truth truth_of(const problem *c, int64_t batch, int64_t head)
{
    tn_k_attention_truth x = {.keys = c->p.keys};
    if (c->block[LENGTHS] != NULL) {
        int32_t n;
        memcpy(&n, &floats(c, LENGTHS)[place(&c->all[LENGTHS].tensor, batch)], sizeof n);
        x.keys = n < 0 ? 0 : n > c->p.keys ? c->p.keys : n;
    }
    if (c->block[SINKS] != NULL)
        x.sink = (double)floats(c, SINKS)[place(&c->all[SINKS].tensor, head)];
    x.has_sink = c->block[SINKS] != NULL && x.sink != -INFINITY;
    if (c->block[SLOPES] != NULL)
        x.slope = (double)floats(c, SLOPES)[place(&c->all[SLOPES].tensor, head)];
    return x;
}

/* Weights of a row (-1: takes no part) and the relative error of each; true if there is any. */
static inline bool weights_of(const problem *c, const path *x, const double *score,
                              const double *size, const tn_k_attention_truth *truth, int64_t row,
                              int64_t bias_at, double *w, double *eta, double *eta_most)
{
    const tn_k_attention_params *p = &c->p;
    double top = -INFINITY, least = INFINITY, sum = 0;
    int64_t position = p->from_end ? p->first_key + truth->keys - p->queries : p->position;
    if (truth->has_sink)
        top = least = truth->sink;
    for (int64_t j = 0; j < p->keys; j++)
        if (score[j] != -INFINITY)
            top = fmax(top, score[j]), least = fmin(least, score[j]);
    if (truth->has_sink)
        sum = exp(truth->sink - top);
    for (int64_t j = 0; j < p->keys; j++)
        sum += score[j] != -INFINITY ? exp(score[j] - top) : 0;
    *eta_most = 0;
    for (int64_t j = 0; j < p->keys; j++) {
        w[j] = score[j] != -INFINITY ? exp(score[j] - top) / sum : -1;
        if (w[j] < 0)
            continue;
        double bias = p->mask == TN_K_ATT_ADD_MASK
                          ? (double)floats(c, MASK)[bias_at + j * p->stride[TN_K_ATT_MASK][3]]
                          : 0;
        double away = truth->slope * (double)(p->first_key + j - position - row);
        double error = gamma_of(x->score) * size[j] + gamma_of(5) * (fabs(bias) + fabs(away)) +
                       x->shift * (top - least) + (double)(p->d + 8) * 2 * smallest + x->score_least;
        eta[j] = expm1(error) + exp(error) * x->function;
        /* A bias of -1e9: e^-100 is less than what bound_of() allows for a dropped weight. */
        if (score[j] - top + error < -100)
            eta[j] = 0;
        *eta_most = fmax(*eta_most, eta[j]);
    }
    /* A sink is one more key, behind the others, whose value is 0: sink * L2E is rounded once. */
    w[p->keys] = truth->has_sink ? exp(truth->sink - top) / sum : -1;
    eta[p->keys] = expm1(gamma_of(2) * fabs(truth->sink)) * (1 + x->function) + x->function;
    return sum > 0;
}

/* The whole output against float64. NaN where the truth is NaN, +0 in rows without keys. */
static inline void check_bound(const problem *c, const tn_k_variant *v, const char *what)
{
    const tn_k_attention_params *p = &c->p;
    const int64_t(*s)[4] = p->stride;
    path x = path_of(v, p);
    size_t room = (size_t)(p->keys + 2) * sizeof(double);
    double *score = malloc(room), *size = malloc(room), *w = malloc(room), *eta = malloc(room);
    double *y = malloc((size_t)p->dv * sizeof *y);
    TN_REQUIRE(score && size && w && eta && y, "memory");
    int64_t wrong = 0;
    for (int64_t r = 0; r < p->batch * p->heads * p->queries; r++) {
        int64_t i = r % p->queries, h = r / p->queries % p->heads, b = r / p->queries / p->heads;
        tn_k_attention_truth truth = truth_of(c, b, h);
        tn_k_attention_ref(p, &c->attr, floats(c, Q), floats(c, K), floats(c, V),
                           c->block[MASK] != NULL ? c->block[MASK] + TN_T_MIDDLE : NULL, &truth, b,
                           h, i, score, size, y);
        double most;
        bool any = weights_of(c, &x, score, size, &truth, i,
                              b * s[MASK][0] + h * s[MASK][1] + i * s[MASK][2], w, eta, &most);
        if (c->block[STATS] != NULL) {
            const float *told =
                floats(c, STATS) + b * s[STATS][0] + h * s[STATS][1] + i * s[STATS][2];
            double log_sum = (double)told[0] * log(2.0) + log((double)told[s[STATS][3]]);
            double right = truth.has_sink ? truth.sink : -INFINITY, total = 0;
            for (int64_t j = 0; j < p->keys; j++)
                right = score[j] > right ? score[j] : right;
            for (int64_t j = 0; j <= p->keys; j++)
                total += w[j] >= 0 ? exp((j < p->keys ? score[j] : truth.sink) - right) : 0;
            right += log(total);
            double room_for = -log1p(-fmin(fmax(most, eta[p->keys]) + gamma_of(x.sum), 0.5)) +
                              0x1p-22 * fabs(right);
            bool ok =
                y[0] != y[0] || (any ? fabs(log_sum - right) <= room_for : log_sum == -INFINITY);
            wrong += !ok && p->dv > 0;
        }
        const float *value = floats(c, V) + b * s[V][0] + h / (p->heads / p->kv_heads) * s[V][1];
        const float *got = floats(c, OUT) + b * s[OUT][0] + h * s[OUT][1] + i * s[OUT][2];
        /* An infinity times a weight that is rounded to +0 is NaN. */
        bool dropped = p->type[V] != TN_F32;
        for (int64_t j = 0; j < p->keys; j++)
            dropped = dropped || (w[j] >= 0 && w[j] < 0x1p-120);
        for (int64_t e = 0; e < p->dv; e++) {
            float g = got[e * s[OUT][3]];
            bool ok = y[e] != y[e]       ? g != g
                      : !any             ? bits_of(g) == 0
                      : isinf(y[e]) != 0 ? ((double)g == y[e] || (dropped && g != g))
                      : p->type[OUT] == TN_F16 && fabs(y[e]) > 65000.0
                          ? true /* may round to infinity */
                          : fabs((double)g - y[e]) <=
                                bound_of(&x, p, w, eta, most, value + e * s[V][3], s[V][2], y[e]);
            wrong += !ok;
        }
    }
    TN_EXPECT(wrong == 0,
              "%s%s: %d outputs outside their bound; b%d h%d/%d q%d k%d d%d/%d flags %u", v->name,
              what, (int)wrong, (int)p->batch, (int)p->heads, (int)p->kv_heads, (int)p->queries,
              (int)p->keys, (int)p->d, (int)p->dv, c->attr.flags);
    free(score);
    free(size);
    free(w);
    free(eta);
    free(y);
}

/* The operand as the call gets it: itself, or its copy in 16 bits with the same strides. */
static inline unsigned char *given(problem *c, int operand)
{
    const tn_tensor *t = &c->all[operand].tensor;
    if (c->block[operand] == NULL)
        return NULL;
    if (t->dtype != TN_BF16 && t->dtype != TN_F16)
        return c->block[operand] + TN_T_MIDDLE;
    if (c->narrow[operand] == NULL)
        c->narrow[operand] = tn_t_block();
    memset(c->narrow[operand], operand == OUT ? 0xa5 : 0xff, TN_T_BYTES);
    unsigned char *at = c->narrow[operand] + TN_T_MIDDLE;
    for (int64_t i = 0, n = elements(t); operand != OUT && i < n; i++)
        tn_k_attention_store(t->dtype, at, place(t, i), floats(c, operand)[place(t, i)]);
    return at;
}

/* The 16-bit output as floats, in the block that is looked at. */
static inline void widen(problem *c)
{
    const tn_tensor *t = &c->all[OUT].tensor;
    int64_t beside = 0;
    if (t->dtype == TN_F32)
        return;
    uint16_t *from = (uint16_t *)(void *)(c->narrow[OUT] + TN_T_MIDDLE);
    for (int64_t i = 0, n = elements(t); i < n; i++) {
        int64_t at = place(t, i);
        floats(c, OUT)[at] = tn_k_attention_load(t->dtype, from, at);
        from[at] = 0xa5a5;
    }
    for (size_t i = 0; i < TN_T_BYTES; i++)
        beside += c->narrow[OUT][i] != 0xa5;
    TN_EXPECT(beside == 0, "%d bytes beside the output were written", (int)beside);
}

/* (m, l) of each row: the log of its sum, and the same bits from every row of the canonical class.
 */
static inline void check_stats(problem *c, const tn_k_variant *v)
{
    const tn_tensor *t = &c->all[STATS].tensor;
    int64_t n = elements(t), wrong = 0;
    bool first = c->stats == NULL;
    if (first)
        c->stats = malloc((size_t)(n + 1) * sizeof *c->stats);
    TN_REQUIRE(c->stats != NULL);
    for (int64_t i = 0; i < n; i++) {
        float x = floats(c, STATS)[place(t, i)];
        if (first)
            c->stats[i] = x;
        wrong += bits_of(x) != bits_of(c->stats[i]) && !(x != x && c->stats[i] != c->stats[i]);
    }
    TN_EXPECT(wrong == 0 || v->cls != TN_CLASS_CANONICAL, "%s: %d statistics differ", v->name,
              (int)wrong);
}

static inline void run_row(problem *c, const tn_k_variant *v, const tn_k_caps *caps)
{
    void *operand[OPERANDS];
    int n = 0;
    memset(c->block[OUT], 0xa5, TN_T_BYTES);
    if (c->block[STATS] != NULL)
        memset(c->block[STATS], 0xa5, TN_T_BYTES);
    for (int i = 0; i < OPERANDS; i++)
        if (c->block[i] != NULL)
            operand[n++] = given(c, i);
    tn_t_run(v, &c->p, caps, operand, caps->workers > 1);
    widen(c);
    if (c->block[STATS] != NULL)
        check_stats(c, v);
}

/* Nothing but the elements of the output was written. */
static inline bool guards_hold(const problem *c, unsigned char *copy)
{
    const tn_tensor *t = &c->all[OUT].tensor;
    memcpy(copy, c->block[OUT], TN_T_BYTES);
    for (int64_t i = 0, n = elements(t); i < n; i++)
        memset(copy + TN_T_MIDDLE + 4 * place(t, i), 0xa5, 4);
    for (size_t i = 0; i < TN_T_BYTES; i++)
        if (copy[i] != 0xa5)
            return false;
    return true;
}

enum { MOST_ROWS_OF_OP = 32 };
static uint32_t tried[MOST_ROWS_OF_OP]; /* runs of the op's rows */

static inline void expect_all_tried(void)
{
    for (uint32_t i = 0; i < tn_k_op_attention.variant_count; i++)
        TN_EXPECT(tried[i] > 0 || (tn_k_op_attention.variants[i]->isa & ~tn_t_isa()) != 0,
                  "%s took no call", tn_k_op_attention.variants[i]->name);
}

/* Every row; the output block then holds the plain canonical result. */
static inline void check(problem *c, const char *what)
{
    unsigned char *canonical = tn_t_block(), *copy = tn_t_block();
    free(c->stats);
    c->stats = NULL;
    uint32_t rows = 0, count = tn_k_op_attention.variant_count;
    for (uint32_t i = 0; i < count + 2; i++) {
        /* the plain row once more at the end, so that its result stays in the block */
        const tn_k_variant *v = i < count    ? tn_k_op_attention.variants[i]
                                : i == count ? &tn_t_attention_emulated512
                                             : tn_k_op_attention.variants[0];
        tn_k_why why;
        for (uint32_t workers = 1; workers <= 3; workers += 2) {
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = workers, .l1d_bytes = 32768};
            if ((v->isa & caps.isa) != v->isa || !v->accepts(&c->p, &caps, &why))
                continue;
            run_row(c, v, &caps);
            tried[i < count ? i : 0]++;
            if (rows++ == 0)
                memcpy(canonical, c->block[OUT], TN_T_BYTES);
            if (v->cls == TN_CLASS_CANONICAL)
                TN_EXPECT(tn_t_same(c->block[OUT], canonical, true),
                          "%s%s: the bits differ from the plain row; b%d h%d/%d q%d k%d d%d/%d",
                          v->name, what, (int)c->p.batch, (int)c->p.heads, (int)c->p.kv_heads,
                          (int)c->p.queries, (int)c->p.keys, (int)c->p.d, (int)c->p.dv);
            if (workers > 1 || i > count)
                continue;
            check_bound(c, v, what);
            TN_EXPECT(guards_hold(c, copy), "%s%s writes beside its output", v->name, what);
        }
    }
    TN_EXPECT(rows >= 6, "only %u runs", rows);
    free(canonical);
    free(copy);
}

#endif
