/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention: every row against the plain one, that one against float64 with its
 * error counted step by step, and the float64 truth against differences of the forward truth. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/attention_backward/attention_backward.h>
#include <math.h>

#ifndef TN_TEST_PLAIN /* sanitizers take long to compile it */
/* The 512-bit core over plain C: its tile logic is checked where the CPU lacks AVX-512. */
#include <kernels/common/simd_emulated512.h>
enum { TILE = 12 };
#include <kernels/attention_backward/attention_backward_core.inc>
static const tn_k_variant emulated = {.name = "emulated_512",
                                      .isa = TN_K_ISA_BASELINE,
                                      .cls = TN_CLASS_CANONICAL,
                                      .accepts = accepts,
                                      .plan = plan,
                                      .run = run};
#endif

extern const tn_k_op tn_k_op_attention_backward;

static const double log2_e = 1.44269504088896340736, ln_2 = 0.69314718055994530942;

enum { Q, K, V, O, G, STATS, DQ, DK, DV, MASK, LENGTHS, SLOPES, ALL };

typedef struct call {
    tn_attention attr;
    tn_arg args[ALL];
    unsigned char *block[ALL];
    tn_op op;
    uint32_t at[ALL]; /* index of each in args, + 1; 0: not there */
} call;

static int64_t pick(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(tn_test_random(state) % (uint64_t)(high - low + 1));
}

static void give(call *c, uint64_t *state, int what, uint32_t role, uint16_t dtype, uint16_t rank,
                 const int64_t *dim, uint32_t rare)
{
    tn_arg *a = &c->args[c->op.arg_count];
    c->at[what] = ++c->op.arg_count;
    a->role = role;
    a->tensor.dtype = dtype;
    a->tensor.rank = rank;
    memcpy(a->tensor.dim, dim, rank * sizeof *dim);
    tn_t_strides(state, &a->tensor, tn_test_random(state) % 2);
    unsigned char *block = c->block[c->op.arg_count - 1] = tn_t_block();
    for (size_t i = 0; i < TN_T_BYTES / 4; i++) {
        float x = tn_t_float(state, rare);
        if (dtype == TN_F32)
            ((float *)(void *)block)[i] = x;
        else if (dtype == TN_BOOL)
            block[i] = tn_test_random(state) % 4 != 0;
        else if (dtype == TN_S32)
            ((int32_t *)(void *)block)[i] = (int32_t)pick(state, -1, dim[0] + 150);
        else
            tn_k_attention_store(dtype, block, (int64_t)i, x);
    }
}

static void make(call *c, uint64_t *state, bool special)
{
    static const uint16_t types[] = {TN_F32, TN_F32, TN_BF16, TN_F16};
    memset(c, 0, sizeof *c);
    uint32_t rare = special ? 300 : 0;
    int64_t b = pick(state, 1, 2), g = pick(state, 1, 2), h = g * pick(state, 1, 3);
    int64_t q = pick(state, 1, 40), k = pick(state, 1, 150);
    int64_t d = pick(state, 1, 24), e = pick(state, 1, 24);
    c->attr = (tn_attention){.head = TN_INIT(tn_attention), .pass = TN_PASS_BACKWARD_DATA};
    c->op =
        (tn_op){.head = TN_INIT(tn_op), .kind = TN_OP_ATTENTION, .attr = &c->attr, .args = c->args};
    c->attr.flags = (uint32_t)pick(state, 0, 2); /* none, causal, from the end */
    if (tn_test_random(state) % 3 == 0) {
        c->attr.flags |= TN_ATTENTION_WINDOW;
        c->attr.window_left = pick(state, -1, 60);
        c->attr.window_right = pick(state, -1, 60);
    }
    c->attr.first_query = tn_test_random(state) % 3 == 0 ? pick(state, 0, 300) : 0;
    c->attr.first_key = tn_test_random(state) % 3 == 0 ? pick(state, 0, 300) : 0;
    c->attr.softcap = tn_test_random(state) % 3 == 0 ? 2.5f : 0.0f;
    c->attr.scale = tn_test_random(state) % 2 ? 0.0f : 0.07f;
    uint16_t tq = types[tn_test_random(state) % 4], tk = types[tn_test_random(state) % 4];
    uint16_t tv = types[tn_test_random(state) % 4], tg = types[tn_test_random(state) % 4];
    if (tn_test_random(state) % 2)
        tq = tk = tv = tg = TN_F32;
    give(c, state, Q, TN_ARG_Q, tq, 4, (int64_t[]){b, h, q, d}, rare);
    give(c, state, K, TN_ARG_K, tk, 4, (int64_t[]){b, g, k, d}, rare);
    give(c, state, V, TN_ARG_V, tv, 4, (int64_t[]){b, g, k, e}, rare);
    give(c, state, O, TN_ARG_OUT, tg, 4, (int64_t[]){b, h, q, e}, rare);
    give(c, state, G, TN_ARG_GRAD, tg, 4, (int64_t[]){b, h, q, e}, rare);
    give(c, state, STATS, TN_ARG_STATS, TN_F32, 4, (int64_t[]){b, h, q, 2}, rare);
    give(c, state, DQ, TN_ARG_OUT_GRAD_A, tq, 4, (int64_t[]){b, h, q, d}, 0);
    give(c, state, DK, TN_ARG_OUT_GRAD_B, tk, 4, (int64_t[]){b, g, k, d}, 0);
    give(c, state, DV, TN_ARG_OUT_GRAD_V, tv, 4, (int64_t[]){b, g, k, e}, 0);
    uint64_t masked = tn_test_random(state) % 3;
    if (masked != 0)
        give(c, state, MASK, TN_ARG_MASK, masked == 1 ? TN_BOOL : TN_F32, 2, (int64_t[]){q, k},
             rare);
    if (tn_test_random(state) % 3 == 0)
        give(c, state, LENGTHS, TN_ARG_LENGTHS, TN_S32, 1, (int64_t[]){b}, 0);
    if (tn_test_random(state) % 3 == 0)
        give(c, state, SLOPES, TN_ARG_SLOPES, TN_F32, 1, (int64_t[]){h}, 0);
}

static void drop(call *c)
{
    for (uint32_t i = 0; i < c->op.arg_count; i++)
        free(c->block[i]);
}

static double value(const call *c, int what, int64_t b, int64_t h, int64_t i, int64_t e)
{
    const tn_tensor *t = &c->args[c->at[what] - 1].tensor;
    const void *from = c->block[c->at[what] - 1] + TN_T_MIDDLE;
    const int64_t *s = t->stride;
    if (t->rank == 2) /* the mask */
        return (double)tn_k_attention_load(t->dtype, from, i * s[0] + e * s[1]);
    return (double)tn_k_attention_load(t->dtype, from, b * s[0] + h * s[1] + i * s[2] + e * s[3]);
}

static int64_t keys_of(const call *c, const tn_k_attention_params *f, int64_t b)
{
    if (c->at[LENGTHS] == 0)
        return f->keys;
    const tn_tensor *t = &c->args[c->at[LENGTHS] - 1].tensor;
    const int32_t *n = (const int32_t *)(void *)(c->block[c->at[LENGTHS] - 1] + TN_T_MIDDLE);
    int64_t x = n[b * t->stride[0]];
    return x < 0 ? 0 : x < f->keys ? x : f->keys;
}

static double slope_of(const call *c, int64_t h)
{
    if (c->at[SLOPES] == 0)
        return 0;
    const tn_tensor *t = &c->args[c->at[SLOPES] - 1].tensor;
    return (double)((const float *)(void *)(c->block[c->at[SLOPES] - 1] +
                                            TN_T_MIDDLE))[h * t->stride[0]];
}

/* What the forward pass would have left, in float64 and rounded once: outputs and statistics.
 * Scores in natural units go to `score` [queries][keys], -Inf where a pair takes no part. */
static void forward(call *c, const tn_k_attention_backward_params *p, int64_t b, int64_t h,
                    double *score)
{
    const tn_k_attention_params *f = &p->f;
    int64_t kv = h / (f->heads / f->kv_heads), keys = keys_of(c, f, b);
    tn_k_attention_sequence seq = {.keys = keys};
    seq.position = f->from_end ? f->first_key + keys - f->queries : f->position;
    const tn_tensor *ts = &c->args[c->at[STATS] - 1].tensor, *to = &c->args[c->at[O] - 1].tensor;
    float *stats = (float *)(void *)(c->block[c->at[STATS] - 1] + TN_T_MIDDLE);
    void *out = c->block[c->at[O] - 1] + TN_T_MIDDLE;
    for (int64_t i = 0; i < f->queries; i++) {
        double *s = score + i * f->keys, top = -INFINITY, sum = 0;
        int64_t low, high;
        tn_k_attention_limits(f, &seq, i, &low, &high);
        for (int64_t j = 0; j < f->keys; j++) {
            double z = 0;
            for (int64_t e = 0; e < f->d; e++)
                z += value(c, Q, b, h, i, e) * value(c, K, b, kv, j, e);
            z *= c->attr.scale == 0.0f ? 1 / sqrt((double)f->d) : (double)c->attr.scale;
            if (c->attr.softcap != 0.0f)
                z = (double)c->attr.softcap * tanh(z / (double)c->attr.softcap);
            if (f->mask == TN_K_ATT_ADD_MASK)
                z += value(c, MASK, 0, 0, i, j);
            z += slope_of(c, h) * (double)(f->first_key + j - seq.position - i);
            bool in = j >= low && j < high;
            if (f->mask == TN_K_ATT_BOOL_MASK) {
                const tn_tensor *m = &c->args[c->at[MASK] - 1].tensor;
                in = in &&
                     c->block[c->at[MASK] - 1][TN_T_MIDDLE + i * m->stride[0] + j * m->stride[1]] !=
                         0;
            }
            s[j] = in ? z : -INFINITY;
            top = fmax(top, s[j]);
        }
        double m = top == -INFINITY ? 0 : rint(top * log2_e);
        for (int64_t j = 0; j < f->keys; j++)
            sum += exp2(s[j] * log2_e - m);
        int64_t at = b * ts->stride[0] + h * ts->stride[1] + i * ts->stride[2];
        stats[at] = (float)m;
        stats[at + ts->stride[3]] = (float)sum;
        for (int64_t e = 0; e < f->dv; e++) {
            double y = 0;
            for (int64_t j = 0; j < f->keys && sum > 0; j++)
                y += exp2(s[j] * log2_e - m) / sum * value(c, V, b, kv, j, e);
            tn_k_attention_store(to->dtype, out,
                                 b * to->stride[0] + h * to->stride[1] + i * to->stride[2] +
                                     e * to->stride[3],
                                 (float)y);
        }
    }
}

static double unit(uint32_t type)
{
    return type == TN_F32 ? 0x1p-24 : type == TN_BF16 ? 0x1p-8 : 0x1p-11;
}

/* n roundings in a row, relative */
static double gamma_of(int64_t n)
{
    double chain = (double)(n < 128 ? n : 128) + (double)(n / 128) + 2;
    return chain * 0x1p-24 / (1 - chain * 0x1p-24);
}

/* Room for one batch: truths and bounds of all that is computed of it. */
typedef struct truth {
    double *score, *dq, *dk, *dv, *scratch, *bq, *bk, *bv;
} truth;

/* Bounds of one head. A score's error: its dot, the factors, tanh, bias and slope; p: that, its
 * polynomial, l, recip and two products; dP and D: dots, and how o was rounded; dS: a difference
 * and one product, with softcap two; then the dots, whose operands may be rounded to 16 bits. */
static void bounds(const call *c, const tn_k_attention_backward_params *p, int64_t b, int64_t h,
                   const truth *t)
{
    const tn_k_attention_params *f = &p->f;
    const double u = 0x1p-24, least = 0x1p-149;
    int64_t kv = h / (f->heads / f->kv_heads), span = f->queries * (f->heads / f->kv_heads);
    double scale = (double)p->scale, cap = (double)c->attr.softcap, ck = fabs((double)f->c);
    double round_k = f->type[TN_K_ATT_K] == TN_F32 ? 0 : unit(f->type[TN_K_ATT_K]);
    double round_q = f->type[TN_K_ATT_Q] == TN_F32 ? 0 : unit(f->type[TN_K_ATT_Q]);
    double round_g = p->grad_type == TN_F32 ? 0 : unit(p->grad_type);
    for (int64_t i = 0; i < f->queries; i++) {
        double d = 0, d_size = 0, top = -INFINITY, sum = 0;
        for (int64_t e = 0; e < f->dv; e++) {
            double x = value(c, G, b, h, i, e) * value(c, O, b, h, i, e);
            d += x;
            d_size += fabs(x);
        }
        double d_error = (gamma_of(f->dv) + unit(f->type[TN_K_ATT_OUT])) * d_size;
        if (f->type[TN_K_ATT_OUT] == TN_F16)
            for (int64_t e = 0; e < f->dv; e++)
                d_error += 0x1p-25 * fabs(value(c, G, b, h, i, e));
        for (int64_t j = 0; j < f->keys; j++)
            top = fmax(top, t->score[i * f->keys + j]);
        for (int64_t j = 0; j < f->keys; j++)
            sum += exp(t->score[i * f->keys + j] - top);
        for (int64_t j = 0; j < f->keys; j++) {
            double s = t->score[i * f->keys + j], z = 0, z_size = 0, dp = 0, dp_size = 0;
            if (s == -INFINITY)
                continue;
            for (int64_t e = 0; e < f->d; e++) {
                double x = value(c, Q, b, h, i, e) * value(c, K, b, kv, j, e);
                z += x;
                z_size += fabs(x);
            }
            for (int64_t e = 0; e < f->dv; e++) {
                double x = value(c, G, b, h, i, e) * value(c, V, b, kv, j, e);
                dp += x;
                dp_size += fabs(x);
            }
            double score = s * log2_e, t_error, bend = 1, bend_error = 0;
            if (cap != 0) {
                double v = z * scale / cap, w = tanh(v);
                double w_error = 2 * 1.43 * u * fabs(w) +
                                 fabs(scale / cap) * gamma_of(f->d) * z_size + 4 * u * fabs(v);
                t_error = ck * w_error + 3 * u * fabs(w) * ck;
                bend = 1 - w * w;
                bend_error = 2 * fabs(w) * w_error + u;
            } else {
                t_error = ck * gamma_of(f->d) * z_size + 3 * u * fabs(z) * ck;
            }
            double bias = f->mask == TN_K_ATT_ADD_MASK ? fabs(value(c, MASK, 0, 0, i, j)) : 0;
            double away = c->at[SLOPES] == 0 ? 0 : fabs(slope_of(c, h)) * 1000;
            t_error +=
                3 * u * (fabs(score) + bias * 1.45 + away * 1.45 + ck * (cap != 0 ? 1 : fabs(z)));
            double weight = exp(s - top) / sum;
            double p_error = weight * (ln_2 * t_error * (1 + t_error) + 8 * u) + 0x1p-126;
            double x = dp - d, x_error = gamma_of(f->dv) * dp_size + d_error + u * fabs(x);
            double ds = weight * x;
            double ds_error =
                p_error * (fabs(x) + x_error) + weight * x_error + u * fabs(ds) + least;
            ds_error = ds_error * (bend + bend_error) + fabs(ds) * (bend_error + u);
            ds *= bend;
            for (int64_t e = 0; e < f->d; e++) {
                double k = fabs(value(c, K, b, kv, j, e)), q = fabs(value(c, Q, b, h, i, e));
                double a = fabs(ds) + ds_error;
                double tiny = 0x1p-25; /* where a 16-bit operand has no more bits */
                t->bq[i * f->d + e] += scale * k *
                                       (ds_error + a * (round_k + gamma_of(f->keys) + 3 * u) +
                                        (round_k != 0 ? tiny : 0));
                t->bk[j * f->d + e] +=
                    scale * q *
                    (ds_error + a * (round_q + gamma_of(span) + 3 * u) + (round_q != 0 ? tiny : 0));
            }
            for (int64_t e = 0; e < f->dv; e++)
                t->bv[j * f->dv + e] += fabs(value(c, G, b, h, i, e)) *
                                        (p_error + (weight + p_error) * (round_g + gamma_of(span)) +
                                         (round_g != 0 ? 0x1p-25 : 0));
        }
    }
}

static void compare(const call *c, int what, int64_t b, int64_t h, int64_t rows, int64_t width,
                    const double *want, const double *bound)
{
    uint32_t type = c->args[c->at[what] - 1].tensor.dtype;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t e = 0; e < width; e++) {
            double got = value(c, what, b, h, i, e), y = want[i * width + e];
            double all = bound[i * width + e];
            all += unit(type) * (fabs(y) + all) + (type == TN_F16 ? 0x1p-25 : 0x1p-133);
            TN_EXPECT(fabs(got - y) <= all * (1 + 0x1p-8), "operand %d [%d,%d]: %a, want %a +- %a",
                      what, (int)i, (int)e, got, y, all);
        }
}

static void against_truth(call *c, const tn_k_attention_backward_params *p, void *const *operand)
{
    const tn_k_attention_params *f = &p->f;
    size_t q = (size_t)(f->queries * f->d), k = (size_t)(f->keys * f->d);
    size_t v = (size_t)(f->keys * f->dv), s = (size_t)(f->queries * f->keys);
    double *all = calloc(s + 2 * (q + k + v) + 2 * (size_t)f->keys + 1, sizeof *all);
    TN_REQUIRE(all != NULL);
    truth t = {.score = all,
               .dq = all + s,
               .dk = all + s + q,
               .dv = all + s + q + k,
               .scratch = all + s + 2 * (q + k + v)};
    t.bq = t.dv + v;
    t.bk = t.bq + q;
    t.bv = t.bk + k;
    for (int64_t b = 0; b < f->batch; b++)
        for (int64_t kv = 0; kv < f->kv_heads; kv++) {
            memset(t.dk, 0, (k + v) * sizeof *all);
            memset(t.bk, 0, (k + v) * sizeof *all);
            for (int64_t x = 0; x < f->heads / f->kv_heads; x++) {
                int64_t h = kv * (f->heads / f->kv_heads) + x;
                memset(t.bq, 0, q * sizeof *all);
                forward(c, p, b, h, t.score); /* again, for the scores */
                tn_k_attention_backward_ref(p, &c->attr, operand, keys_of(c, f, b), slope_of(c, h),
                                            b, h, t.scratch, t.dq, t.dk, t.dv);
                bounds(c, p, b, h, &t);
                compare(c, DQ, b, h, f->queries, f->d, t.dq, t.bq);
            }
            compare(c, DK, b, kv, f->keys, f->d, t.dk, t.bk);
            compare(c, DV, b, kv, f->keys, f->dv, t.dv, t.bv);
        }
    free(all);
}

static bool same(const call *c, unsigned char *const *other)
{
    bool equal = true;
    for (int what = DQ; what <= DV; what++) {
        uint32_t at = c->at[what] - 1;
        equal =
            equal && tn_t_same(c->block[at], other[what - DQ], c->args[at].tensor.dtype == TN_F32);
    }
    return equal;
}

static void round_of(uint64_t *state, bool special)
{
    call c;
    tn_k_attention_backward_params p;
    tn_k_why why = {"none", "none", "none"};
    make(&c, state, special);
    TN_REQUIRE(tn_k_op_attention_backward.params(&c.op, &p, &why), "%s", why.text);
    double *score = malloc((size_t)(p.f.queries * p.f.keys + 1) * sizeof *score);
    TN_REQUIRE(score != NULL);
    for (int64_t b = 0; b < p.f.batch && !special; b++)
        for (int64_t h = 0; h < p.f.heads; h++)
            forward(&c, &p, b, h, score);
    free(score);
    void *operand[ALL] = {NULL};
    uint32_t from[ALL] = {0}, rows = 0;
    for (uint32_t i = 0; i < p.f.operands.count; i++)
        for (uint32_t j = 0; j < c.op.arg_count; j++)
            if (c.args[j].role == p.f.operands.item[i].role) {
                operand[i] = c.block[j] + TN_T_MIDDLE;
                from[j] = i;
            }
    unsigned char *other[3] = {tn_t_block(), tn_t_block(), tn_t_block()};
    uint32_t count = tn_k_op_attention_backward.variant_count;
    for (uint32_t i = 0; i <= count; i++) {
#ifndef TN_TEST_PLAIN
        const tn_k_variant *v = i < count ? tn_k_op_attention_backward.variants[i] : &emulated;
#else
        if (i == count)
            break;
        const tn_k_variant *v = tn_k_op_attention_backward.variants[i];
#endif
        for (uint32_t workers = 1; workers <= 3; workers += 2) {
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = workers, .l1d_bytes = 32768};
            if ((v->isa & caps.isa) != v->isa || !v->accepts(&p, &caps, &why))
                continue;
            for (int what = DQ; what <= DV; what++) {
                uint32_t at = c.at[what] - 1;
                unsigned char *to = rows == 0 ? c.block[at] : other[what - DQ];
                memset(to, 0xa5, TN_T_BYTES);
                operand[from[at]] = to + TN_T_MIDDLE;
            }
            tn_t_run(v, &p, &caps, operand, workers > 1);
            TN_EXPECT(rows == 0 || same(&c, other), "%s differs", v->name);
            rows++;
        }
    }
    TN_EXPECT(rows >= 2, "only %u runs", rows);
    for (int i = 0; i < 3; i++)
        free(other[i]);
    if (!special)
        against_truth(&c, &p, operand);
    drop(&c);
}

TN_TEST(k_attention_backward, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 60; i++)
        round_of(&state, i % 3 == 2);
}

/* d(loss)/dx by two central differences, the error of which falls with h^4; loss = sum(out * grad).
 */
TN_TEST(k_attention_backward, truth)
{
    enum { N = 5, D = 3 };
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 6; round++) {
        tn_attention attr = {.head = TN_INIT(tn_attention), .flags = (uint32_t)round % 3};
        attr.softcap = round > 2 ? 1.5f : 0.0f;
        tn_k_attention_backward_params p = {.grad_slot = 3, .grad_type = TN_F32};
        tn_k_attention_params *f = &p.f;
        *f =
            (tn_k_attention_params){.batch = 1, .heads = 1, .kv_heads = 1, .queries = N, .keys = N};
        f->d = f->dv = D;
        float x[4][N * D];
        void *operand[4] = {x[0], x[1], x[2], x[3]};
        for (int o = 0; o < 4; o++) {
            int64_t *s = o < 3 ? f->stride[TN_K_ATT_Q + o] : p.grad_stride;
            s[2] = D, s[3] = 1;
            for (int i = 0; i < N * D; i++)
                x[o][i] = (float)pick(&state, -64, 64) * 0x1p-6f;
        }
        for (int o = 0; o < 3; o++)
            f->slot[TN_K_ATT_Q + o] = (uint8_t)(o + 1), f->type[TN_K_ATT_Q + o] = TN_F32;
        double gradient[3][N * D] = {{0}}, scratch[2 * N];
        tn_k_attention_backward_ref(&p, &attr, operand, N, 0, 0, 0, scratch, gradient[0],
                                    gradient[1], gradient[2]);
        for (int o = 0; o < 3; o++)
            for (int at = 0; at < N * D; at++) {
                float held = x[o][at];
                double slope = 0;
                for (int step = 0; step < 4; step++) {
                    double h = step < 2 ? 0x1p-8 : 0x1p-7, side = step % 2 ? -1 : 1;
                    x[o][at] = held + (float)(side * h);
                    tn_k_attention_truth none = {.keys = N};
                    for (int i = 0; i < N; i++) {
                        double score[N], size[N], out[D];
                        tn_k_attention_ref(f, &attr, x[0], x[1], x[2], NULL, &none, 0, 0, i, score,
                                           size, out);
                        for (int e = 0; e < D; e++)
                            slope += side * (step < 2 ? 4 : -1) / 3.0 * out[e] *
                                     (double)x[3][i * D + e] / (2 * h);
                    }
                }
                x[o][at] = held;
                TN_EXPECT(fabs(slope - gradient[o][at]) < 1e-7, "operand %d: %g, slope %g", o,
                          gradient[o][at], slope);
            }
    }
}
