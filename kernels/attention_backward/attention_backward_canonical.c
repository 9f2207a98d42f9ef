/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention in the normative order, written out: a row of dQ, or of dK and dV, at
 * a time, one pair of query and key after the other. */
#include <kernels/attention_backward/attention_backward.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_attention_backward_params *p = params;
    const tn_k_attention_params *f = &p->f;
    int64_t queries = f->batch * f->heads * f->queries, keys = f->batch * f->kv_heads * f->keys;
    uint64_t width = (uint64_t)(f->d + f->dv);
    tn_k_launch second;
    tn_k_launch_items(&second, caps, keys, (uint64_t)(f->queries + 1) * width * 32u);
    tn_k_launch_items(out, caps, queries, (uint64_t)(f->keys + 1) * width * 32u);
    if (out->phases == 0 && second.phases == 0)
        return;
    out->phases = 2;
    out->tasks[0] = queries > 0 ? out->tasks[0] : 1;
    out->tasks[1] = keys > 0 ? second.tasks[0] : 1;
    /* rows of q, k, v, dO, o; and two sums */
    out->worker_bytes = (width * 7u * sizeof(float) + 63u) & ~(uint64_t)63u;
    out->estimate_ns = (out->estimate_ns + second.estimate_ns) * 8;
}

/* Rows as f32, and what is known of the query. */
typedef struct rows {
    float *q, *k, *v, *grad, *out, *sum, *part;
    float m, recip_l, d; /* d: dot of grad and out */
} rows;

static rows rows_in(const tn_k_attention_params *f, float *scratch)
{
    int64_t w = f->d + f->dv;
    return (rows){.q = scratch,
                  .k = scratch + w,
                  .v = scratch + 2 * w,
                  .grad = scratch + 3 * w,
                  .out = scratch + 4 * w,
                  .sum = scratch + 5 * w,
                  .part = scratch + 6 * w};
}

static void load(uint32_t type, const void *from, int64_t at, int64_t stride, int64_t n, float *to)
{
    for (int64_t e = 0; e < n; ++e)
        to[e] = tn_k_attention_load(type, from, at + e * stride);
}

static int64_t place(const int64_t s[4], int64_t b, int64_t h, int64_t i)
{
    return b * s[0] + h * s[1] + i * s[2];
}

static void load_query(const tn_k_attention_backward_params *p, void *const *operand, int64_t b,
                       int64_t h, int64_t i, rows *r)
{
    const tn_k_attention_params *f = &p->f;
    const int64_t *qs = f->stride[TN_K_ATT_Q], *os = f->stride[TN_K_ATT_OUT];
    const int64_t *ss = f->stride[TN_K_ATT_STATS];
    const float *stats = tn_k_attention_operand(f, operand, TN_K_ATT_STATS);
    load(f->type[TN_K_ATT_Q], tn_k_attention_operand(f, operand, TN_K_ATT_Q), place(qs, b, h, i),
         qs[3], f->d, r->q);
    load(f->type[TN_K_ATT_OUT], tn_k_attention_operand(f, operand, TN_K_ATT_OUT),
         place(os, b, h, i), os[3], f->dv, r->out);
    load(p->grad_type, operand[p->grad_slot], place(p->grad_stride, b, h, i), p->grad_stride[3],
         f->dv, r->grad);
    r->m = stats[place(ss, b, h, i)];
    r->recip_l = c_recip(stats[place(ss, b, h, i) + ss[3]]);
    r->d = tn_c_dot(r->grad, 1, r->out, 1, f->dv);
}

static void load_key(const tn_k_attention_params *f, void *const *operand, int64_t b, int64_t kv,
                     int64_t j, rows *r)
{
    const int64_t *ks = f->stride[TN_K_ATT_K], *vs = f->stride[TN_K_ATT_V];
    load(f->type[TN_K_ATT_K], tn_k_attention_operand(f, operand, TN_K_ATT_K), place(ks, b, kv, j),
         ks[3], f->d, r->k);
    load(f->type[TN_K_ATT_V], tn_k_attention_operand(f, operand, TN_K_ATT_V), place(vs, b, kv, j),
         vs[3], f->dv, r->v);
}

/* Whether query i may see key j by position, length and mask. */
static bool sees(const tn_k_attention_params *f, void *const *operand,
                 const tn_k_attention_sequence *seq, int64_t b, int64_t h, int64_t i, int64_t j)
{
    int64_t low, high;
    tn_k_attention_limits(f, seq, i, &low, &high);
    const uint8_t *mask = tn_k_attention_operand(f, operand, TN_K_ATT_MASK);
    const int64_t *ms = f->stride[TN_K_ATT_MASK];
    return j >= low && j < high &&
           (f->mask != TN_K_ATT_BOOL_MASK || mask[place(ms, b, h, i) + j * ms[3]] != 0);
}

/* p and dS of a pair whose rows are loaded; false: it takes no part. */
static bool pair(const tn_k_attention_params *f, void *const *operand,
                 const tn_k_attention_sequence *seq, int64_t b, int64_t h, int64_t i, int64_t j,
                 const rows *r, float *out_p, float *out_ds)
{
    const int64_t *ms = f->stride[TN_K_ATT_MASK];
    float z = tn_c_dot(r->q, 1, r->k, 1, f->d), u = 0.0f, t = z * f->c;
    if (f->inner != 0.0f) {
        u = c_tanh(z * f->inner);
        t = u * f->c;
    }
    if (f->mask == TN_K_ATT_ADD_MASK) {
        const float *mask = tn_k_attention_operand(f, operand, TN_K_ATT_MASK);
        t = __builtin_fmaf(mask[place(ms, b, h, i) + j * ms[3]], 0x1.715476p+0f, t);
    }
    if (f->slot[TN_K_ATT_SLOPES] != 0) {
        float away = (float)(f->first_key + j - seq->position - i);
        t = __builtin_fmaf(seq->slope * away, 0x1.715476p+0f, t);
    }
    if (t == -__builtin_inff())
        return false;
    float weight = tn_k_attention_backward_weight(t, r->m, r->recip_l);
    float ds = weight * (tn_c_dot(r->grad, 1, r->v, 1, f->dv) - r->d);
    if (f->inner != 0.0f)
        ds = ds * __builtin_fmaf(-u, u, 1.0f);
    *out_p = weight;
    *out_ds = ds;
    return true;
}

/* part += x * row, and part to sum at the borders of chunks. */
static void turn(float *sum, float *part, int64_t n)
{
    for (int64_t e = 0; e < n; ++e) {
        sum[e] = sum[e] + part[e];
        part[e] = 0.0f;
    }
}

static void add(float *part, float x, const float *row, int64_t n)
{
    for (int64_t e = 0; e < n; ++e)
        part[e] = __builtin_fmaf(x, row[e], part[e]);
}

static void query_row(const tn_k_attention_backward_params *p, void *const *operand, int64_t b,
                      int64_t h, int64_t i, rows *r)
{
    const tn_k_attention_params *f = &p->f;
    tn_k_attention_sequence seq = tn_k_attention_sequence_of(f, operand, b, h);
    int64_t chunk = 0, kv = h / (f->heads / f->kv_heads);
    memset(r->sum, 0, (size_t)f->d * sizeof(float));
    memset(r->part, 0, (size_t)f->d * sizeof(float));
    load_query(p, operand, b, h, i, r);
    for (int64_t j = 0; j < seq.keys; ++j) {
        float weight, ds;
        if (!sees(f, operand, &seq, b, h, i, j))
            continue;
        load_key(f, operand, b, kv, j, r);
        if (!pair(f, operand, &seq, b, h, i, j, r, &weight, &ds))
            continue;
        if ((f->first_key + j) / TN_C_CHUNK != chunk)
            turn(r->sum, r->part, f->d);
        chunk = (f->first_key + j) / TN_C_CHUNK;
        add(r->part, tn_k_attention_round(f->type[TN_K_ATT_K], ds), r->k, f->d);
    }
    turn(r->sum, r->part, f->d);
    for (int64_t e = 0; e < f->d; ++e)
        tn_k_attention_store(p->out_type[0], operand[p->out_slot[0]],
                             place(p->out_stride[0], b, h, i) + e * p->out_stride[0][3],
                             p->scale * r->sum[e]);
}

static void key_row(const tn_k_attention_backward_params *p, void *const *operand, int64_t b,
                    int64_t kv, int64_t j, rows *r)
{
    const tn_k_attention_params *f = &p->f;
    int64_t group = f->heads / f->kv_heads, chunk = 0, width = f->d + f->dv;
    memset(r->sum, 0, (size_t)width * sizeof(float));
    memset(r->part, 0, (size_t)width * sizeof(float));
    load_key(f, operand, b, kv, j, r);
    for (int64_t x = 0; x < group * f->queries; ++x) {
        int64_t h = kv * group + x / f->queries, i = x % f->queries;
        int64_t k = x / f->queries * f->queries + f->position + i;
        tn_k_attention_sequence seq = tn_k_attention_sequence_of(f, operand, b, h);
        float weight, ds;
        if (!sees(f, operand, &seq, b, h, i, j))
            continue;
        load_query(p, operand, b, h, i, r);
        if (!pair(f, operand, &seq, b, h, i, j, r, &weight, &ds))
            continue;
        if (k / TN_C_CHUNK != chunk)
            turn(r->sum, r->part, width);
        chunk = k / TN_C_CHUNK;
        add(r->part, tn_k_attention_round(f->type[TN_K_ATT_Q], ds), r->q, f->d);
        add(r->part + f->d, tn_k_attention_round(p->grad_type, weight), r->grad, f->dv);
    }
    turn(r->sum, r->part, width);
    for (int64_t e = 0; e < f->d; ++e)
        tn_k_attention_store(p->out_type[1], operand[p->out_slot[1]],
                             place(p->out_stride[1], b, kv, j) + e * p->out_stride[1][3],
                             p->scale * r->sum[e]);
    for (int64_t e = 0; e < f->dv; ++e)
        tn_k_attention_store(p->out_type[2], operand[p->out_slot[2]],
                             place(p->out_stride[2], b, kv, j) + e * p->out_stride[2][3],
                             r->sum[f->d + e]);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared;
    const tn_k_attention_backward_params *p = params;
    const tn_k_attention_params *f = &p->f;
    rows r = rows_in(f, worker_scratch);
    int64_t heads = phase == 0 ? f->heads : f->kv_heads, n = phase == 0 ? f->queries : f->keys;
    int64_t items = f->batch * heads * n;
    int64_t end = tn_k_task_first(items, launch->tasks[phase], last);
    for (int64_t x = tn_k_task_first(items, launch->tasks[phase], first); x < end; ++x)
        if (phase == 0)
            query_row(p, operand, x / n / heads, x / n % heads, x % n, &r);
        else
            key_row(p, operand, x / n / heads, x / n % heads, x % n, &r);
}

extern const tn_k_variant tn_k_attention_backward_canonical;
const tn_k_variant tn_k_attention_backward_canonical = {
    .name = "attention_backward_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
