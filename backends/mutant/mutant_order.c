/* SPDX-License-Identifier: Apache-2.0 */
/* CANONICAL in another order: every result lies within its bound, and the bits are other ones. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>

static bool canonical(const mutant_op *o)
{
    const tn_tensor *t = tn__mutant_index(o, TN_ARG_OUT) < 0
                             ? NULL
                             : &o->args[tn__mutant_index(o, TN_ARG_OUT)].tensor;
    return o->op.numerics.cls == TN_CLASS_CANONICAL && t != NULL &&
           (t->dtype == TN_F32 || t->dtype == TN_F16 || t->dtype == TN_BF16);
}

/* ---- sums of products ---- */

enum {
    DOT_DESCENDING = 1, /* sums of chunks are added from the last one on */
    DOT_256,            /* chunks of 256 */
    DOT_CHAIN,          /* one chain over k */
    DOT_SWAPPED,        /* the last two products of a sum exchanged */
    DOT_SHORT_FIRST,    /* the short chunk is the first one */
    DOT_APART,          /* a product is rounded before it is added */
    DOT_BIAS_FIRST,     /* the bias is what the sum starts with */
    DOT_CHANNELS,       /* of a convolution: channels outside of taps */
    DOT_INSIDE          /* of a convolution: only taps that are there count */
};

static float add_up(const float *a, const float *b, const int64_t *k, int64_t n, float start,
                    int how)
{
    float sum[64] = {0};
    int64_t chunk = how == DOT_256 ? 256 : how == DOT_CHAIN ? INT64_MAX : 128, at = 0;
    int64_t whole = n > 0 ? k[n - 1] + 1 : 0, last = 0;
    for (int64_t i = 0; i < n; ++i) {
        int64_t e = how == DOT_SWAPPED && n > 1 && i >= n - 2 ? 2 * n - 3 - i : i;
        at = how == DOT_SHORT_FIRST ? (k[e] + 127 - (whole + 127) % 128) / 128 : k[e] / chunk;
        at = at > 63 ? 63 : at;
        last = at > last ? at : last;
        sum[at] = how == DOT_APART ? sum[at] + a[e] * b[e] : fmaf(a[e], b[e], sum[at]);
    }
    float t = start;
    for (int64_t c = 0; c <= last; ++c)
        t = t + sum[how == DOT_DESCENDING ? last - c : c];
    return t;
}

static bool dot_meets(mutant_op *o, int how)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *t = tn__mutant_tensor(o, TN_ARG_OUT),
                    *b = tn__mutant_tensor(o, TN_ARG_B);
    if (!canonical(o) || a->rank != 2 || b->rank != 2 || t->rank != 2 ||
        b->layout != TN_LAYOUT_STRIDED || tn__mutant_tensor(o, TN_ARG_C) != NULL ||
        (o->attr.matmul.flags & TN_MATMUL_ALPHA) != 0 ||
        (a->dtype != TN_F32 && a->dtype != TN_F16 && a->dtype != TN_BF16))
        return false;
    if (how == DOT_BIAS_FIRST)
        return o->op.post_count == 1 && o->posts[0].kind == TN_POST_BIAS;
    return o->op.post_count == 0 && (how != DOT_APART || a->dtype == TN_F32);
}

static void dots(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *b = tn__mutant_tensor(&o, TN_ARG_B),
                    *t = tn__mutant_tensor(&o, TN_ARG_OUT);
    uint32_t ta = (o.attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0,
             tb = (o.attr.matmul.flags & TN_MATMUL_TRANSPOSE_B) != 0;
    int64_t count = a->dim[ta ? 0 : 1];
    size_t n = (size_t)count + 1;
    float *x = tn__mutant_take(r->host, n * 2 * sizeof *x), *y = x + n;
    int64_t *k = tn__mutant_take(r->host, n * sizeof *k);
    for (int64_t e = 0; x != NULL && k != NULL && e < tn__mutant_count_of(t); ++e) {
        int64_t row = e / t->dim[1], column = e % t->dim[1];
        for (int64_t i = 0; i < count; ++i) {
            k[i] = i;
            x[i] = (float)tn__mutant_load(r, TN_ARG_A,
                                          row * a->stride[ta ? 1 : 0] + i * a->stride[ta ? 0 : 1]);
            y[i] = (float)tn__mutant_load(
                r, TN_ARG_B, column * b->stride[tb ? 0 : 1] + i * b->stride[tb ? 1 : 0]);
        }
        float start = 0;
        if (how == DOT_BIAS_FIRST) {
            const tn_tensor *bias = tn__mutant_tensor(&o, o.posts[0].role);
            start =
                (float)tn__mutant_load(r, o.posts[0].role, column * bias->stride[bias->rank - 1]);
        }
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, e),
                         (double)add_up(x, y, k, count, start, how));
    }
    tn__mutant_give(r->host, x, n * 2 * sizeof *x);
    tn__mutant_give(r->host, k, n * sizeof *k);
}

static bool conv_meets(mutant_op *o, int how)
{
    const tn_conv *c = &o->attr.conv;
    (void)how;
    return canonical(o) && c->pass == TN_PASS_FORWARD && c->dims == 2 && o->op.post_count == 0 &&
           (c->flags & (TN_CONV_TRANSPOSED | TN_CONV_CHANNELS_LAST)) == 0;
}

static void convs(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_conv *c = &o.attr.conv;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *b = tn__mutant_tensor(&o, TN_ARG_B),
                    *t = tn__mutant_tensor(&o, TN_ARG_OUT);
    int64_t groups = c->groups ? c->groups : 1, per = b->dim[0] / groups, cg = b->dim[1],
            taps = b->dim[2] * b->dim[3], sy = c->stride[0] ? c->stride[0] : 1,
            sx = c->stride[1] ? c->stride[1] : 1, dy = c->dilation[0] ? c->dilation[0] : 1,
            dx = c->dilation[1] ? c->dilation[1] : 1;
    size_t room = (size_t)(cg * taps) + 1;
    float *x = tn__mutant_take(r->host, room * 2 * sizeof *x), *w = x + room;
    int64_t *k = tn__mutant_take(r->host, room * sizeof *k);
    for (int64_t e = 0; x != NULL && k != NULL && e < tn__mutant_count_of(t); ++e) {
        int64_t i[4], rest = e, n = 0;
        for (int d = 3; d >= 0; --d) {
            i[d] = rest % t->dim[d];
            rest /= t->dim[d];
        }
        for (int64_t s = 0; s < cg * taps; ++s) {
            int64_t tap = how == DOT_CHANNELS ? s % taps : s / cg,
                    ch = how == DOT_CHANNELS ? s / taps : s % cg;
            int64_t ky = tap / b->dim[3], kx = tap % b->dim[3],
                    yy = i[2] * sy - c->pad_lo[0] + ky * dy,
                    xx = i[3] * sx - c->pad_lo[1] + kx * dx;
            if (yy < 0 || xx < 0 || yy >= a->dim[2] || xx >= a->dim[3])
                continue;
            k[n] = how == DOT_INSIDE ? n : s;
            x[n] =
                (float)tn__mutant_load(r, TN_ARG_A,
                                       i[0] * a->stride[0] + (i[1] / per * cg + ch) * a->stride[1] +
                                           yy * a->stride[2] + xx * a->stride[3]);
            w[n++] = (float)tn__mutant_load(r, TN_ARG_B,
                                            i[1] * b->stride[0] + ch * b->stride[1] +
                                                ky * b->stride[2] + kx * b->stride[3]);
        }
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, e),
                         (double)add_up(x, w, k, n, 0, how));
    }
    tn__mutant_give(r->host, x, room * 2 * sizeof *x);
    tn__mutant_give(r->host, k, room * sizeof *k);
}

/* ---- rows ---- */

enum {
    ROW_32 = 1,  /* 32 lanes */
    ROW_UP,      /* neighbouring lanes first */
    ROW_CHAIN,   /* one chain */
    ROW_ENDLESS, /* no segments */
    ROW_DIVIDED, /* softmax: by the sum, not times its reciprocal */
    ROW_APART    /* norm: epsilon is added after the product is rounded */
};

static float reduce(const float *x, int64_t n, bool squares, int how)
{
    float t = 0;
    int64_t lanes = how == ROW_32      ? 32
                    : how == ROW_CHAIN ? 1
                                       : 64,
            segment = how == ROW_ENDLESS ? n + 1 : 4096;
    for (int64_t from = 0; from < n; from += segment) {
        float lane[64] = {0};
        for (int64_t i = from; i < n && i < from + segment; ++i) {
            float *l = &lane[i % lanes];
            *l = squares ? fmaf(x[i], x[i], *l) : *l + x[i];
        }
        if (how == ROW_UP)
            for (int64_t h = 1; h < lanes; h *= 2)
                for (int64_t l = 0; l < lanes; l += 2 * h)
                    lane[l] = lane[l] + lane[l + h];
        else
            for (int64_t h = lanes / 2; h > 0; h /= 2)
                for (int64_t l = 0; l < h; ++l)
                    lane[l] = lane[l] + lane[l + h];
        t = t + lane[0];
    }
    return t;
}

/* Rows along the last dim of dense f32. */
static bool row_meets(mutant_op *o, int how)
{
    const tn_tensor *a = tn__mutant_tensor(o, TN_ARG_A), *t = tn__mutant_tensor(o, TN_ARG_OUT);
    int64_t n = a != NULL && a->rank > 0 ? a->dim[a->rank - 1] : 0;
    bool whole = n > 0 && a->dtype == TN_F32 && t != NULL && t->dtype == TN_F32;
    if (!canonical(o) || !whole || (how == ROW_ENDLESS && n <= 4096))
        return false;
    for (int64_t d = a->rank, next = 1; d-- > 0; next *= a->dim[d])
        whole = whole && a->stride[d] == next;
    for (int64_t d = t->rank, next = 1; d-- > 0; next *= t->dim[d])
        whole = whole && t->stride[d] == next;
    if (o->op.kind == TN_OP_REDUCE)
        return whole && o->attr.reduce.axes_mask == 1u << (a->rank - 1u) &&
               (o->attr.reduce.kind == TN_REDUCE_SUM || o->attr.reduce.kind == TN_REDUCE_SUMSQ);
    if (o->op.kind == TN_OP_SOFTMAX)
        return whole && o->attr.softmax.pass == TN_PASS_FORWARD && o->attr.softmax.log == 0 &&
               (o->attr.softmax.axis == -1 || o->attr.softmax.axis == (int32_t)a->rank - 1);
    return whole && o->attr.norm.pass == TN_PASS_FORWARD && o->attr.norm.kind == TN_NORM_RMS &&
           o->attr.norm.axes <= 1 && tn__mutant_tensor(o, TN_ARG_GAMMA) == NULL;
}

static void rows(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A);
    const float *x = (const float *)(const void *)r->data[tn__mutant_index(&o, TN_ARG_A)];
    float *y = (float *)(void *)r->data[tn__mutant_index(&o, TN_ARG_OUT)];
    int64_t n = a->dim[a->rank - 1];
    for (int64_t at = 0; at < tn__mutant_count_of(a); at += n, x += n) {
        if (o.op.kind == TN_OP_REDUCE) {
            *y++ = reduce(x, n, o.attr.reduce.kind == TN_REDUCE_SUMSQ, how);
            continue;
        }
        float by = 1.0f / (float)n, m = x[0];
        if (o.op.kind == TN_OP_NORM) {
            float q = reduce(x, n, true, how);
            float v =
                how == ROW_APART ? q * by + o.attr.norm.epsilon : fmaf(q, by, o.attr.norm.epsilon);
            float root = (float)(1 / sqrt((double)v));
            for (int64_t i = 0; i < n; ++i)
                y[i] = x[i] * root;
            y += n;
            continue;
        }
        for (int64_t i = 1; i < n; ++i)
            m = x[i] > m || isnan(x[i]) ? x[i] : m;
        for (int64_t i = 0; i < n; ++i)
            y[i] = (float)exp((double)(x[i] - m));
        float s = reduce(y, n, false, how);
        for (int64_t i = 0; i < n; ++i)
            y[i] = how == ROW_DIVIDED ? y[i] / s : y[i] * (1.0f / s);
        y += n;
    }
}

/* ---- the rest by other calls, or by what comes out ---- */

/* Blocks of keys begin 64 keys later: what comes out is the same but for its order. */
static bool block_shifted(mutant_op *o, int param)
{
    tn_attention *a = &o->attr.attention;
    (void)param;
    if (!canonical(o) || a->pass != TN_PASS_FORWARD || a->page_tokens != 0)
        return false;
    a->first_key += 64;
    a->first_query += 64;
    return true;
}

/* Another class than the call asks for. */
static bool lower(mutant_op *o, int cls)
{
    if (!canonical(o))
        return false;
    o->op.numerics.cls = (tn_class)cls;
    return true;
}

/* Functions as a library of float64 has them. */
static bool library_meets(mutant_op *o, int kind)
{
    return canonical(o) && o->attr.eltwise.pass == TN_PASS_FORWARD &&
           (int)o->attr.eltwise.kind == kind;
}

static void library(mutant_run *r, int kind)
{
    mutant_op o = r->plan->right;
    const tn_tensor *a = tn__mutant_tensor(&o, TN_ARG_A), *t = tn__mutant_tensor(&o, TN_ARG_OUT);
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        double x = tn__mutant_load(r, TN_ARG_A, tn__mutant_offset(a, n));
        double y = kind == TN_ELTWISE_EXP       ? exp(x)
                   : kind == TN_ELTWISE_LOG     ? log(x)
                   : kind == TN_ELTWISE_TANH    ? tanh(x)
                   : kind == TN_ELTWISE_SIGMOID ? 1 / (1 + exp(-x))
                                                : erf(x);
        tn__mutant_store(r, TN_ARG_OUT, tn__mutant_offset(t, n), y);
    }
}

/* The last bit of one element. */
enum { BIT_POOL = 1, BIT_ANY, BIT_GRADIENT };

static uint32_t bit_role(int how)
{
    return how == BIT_GRADIENT ? TN_ARG_OUT_GRAD_A : TN_ARG_OUT;
}

static bool bit_meets(mutant_op *o, int how)
{
    const tn_tensor *t = tn__mutant_tensor(o, bit_role(how));
    return canonical(o) && t != NULL && t->dtype == TN_F32 && tn__mutant_count_of(t) > 0 &&
           (how != BIT_POOL || o->attr.pool.kind == TN_POOL_AVERAGE);
}

static void bit(mutant_run *r, int how)
{
    mutant_op o = r->plan->right;
    const tn_tensor *t = tn__mutant_tensor(&o, bit_role(how));
    int64_t at = tn__mutant_offset(t, tn__mutant_count_of(t) / 3);
    float v = (float)tn__mutant_load(r, bit_role(how), at);
    if (isfinite(v) && v != 0)
        tn__mutant_store(r, bit_role(how), at, (double)nextafterf(v, 0));
}

#define ORDER(of, meets, run, how)                                                                 \
    .family = "order", .kind = of, .bend = meets, .compute = run, .param = how
#define LIBRARY(k)     ORDER(TN_OP_ELTWISE, library_meets, library, k)
#define LAST(of, how)  .family = "order", .kind = of, .bend = bit_meets, .after = bit, .param = how
#define LOWER(of, cls) .family = "order", .kind = of, .bend = lower, .param = cls
const mutant_defect tn__mutant_order[] = {
    {.id = "O01",
     .text = "sums of chunks from the last on",
     ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_DESCENDING)},
    {.id = "O02", .text = "chunks of 256", ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_256)},
    {.id = "O03", .text = "one chain over k", ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_CHAIN)},
    {.id = "O04",
     .text = "the last two products exchanged",
     ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_SWAPPED)},
    {.id = "O05",
     .text = "the short chunk comes first",
     ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_SHORT_FIRST)},
    {.id = "O06", .text = "products rounded", ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_APART)},
    {.id = "O07",
     .text = "a sum starts with its bias",
     ORDER(TN_OP_MATMUL, dot_meets, dots, DOT_BIAS_FIRST)},
    {.id = "O08",
     .text = "channels outside of taps",
     ORDER(TN_OP_CONV, conv_meets, convs, DOT_CHANNELS)},
    {.id = "O09",
     .text = "chunks count the taps that are there",
     ORDER(TN_OP_CONV, conv_meets, convs, DOT_INSIDE)},
    {.id = "O10", .text = "32 lanes", ORDER(TN_OP_REDUCE, row_meets, rows, ROW_32)},
    {.id = "O11", .text = "neighbouring lanes first", ORDER(TN_OP_REDUCE, row_meets, rows, ROW_UP)},
    {.id = "O12", .text = "one chain", ORDER(TN_OP_REDUCE, row_meets, rows, ROW_CHAIN)},
    {.id = "O13", .text = "no segments", ORDER(TN_OP_REDUCE, row_meets, rows, ROW_ENDLESS)},
    {.id = "O14",
     .text = "softmax divides by its sum",
     ORDER(TN_OP_SOFTMAX, row_meets, rows, ROW_DIVIDED)},
    {.id = "O15",
     .text = "softmax adds up in one chain",
     ORDER(TN_OP_SOFTMAX, row_meets, rows, ROW_CHAIN)},
    {.id = "O16",
     .text = "rms norm's eps is added, not fused",
     ORDER(TN_OP_NORM, row_meets, rows, ROW_APART)},
    {.id = "O17", .text = "rms norm of 32 lanes", ORDER(TN_OP_NORM, row_meets, rows, ROW_32)},
    {.id = "O18",
     .text = "blocks of keys begin elsewhere",
     .family = "order",
     .kind = TN_OP_ATTENTION,
     .bend = block_shifted},
    {.id = "O19", .text = "matmul of class BOUNDED", LOWER(TN_OP_MATMUL, TN_CLASS_BOUNDED)},
    {.id = "O20", .text = "functions of class FAST", LOWER(TN_OP_ELTWISE, TN_CLASS_FAST)},
    {.id = "O21", .text = "exp of a library", LIBRARY(TN_ELTWISE_EXP)},
    {.id = "O22", .text = "log of a library", LIBRARY(TN_ELTWISE_LOG)},
    {.id = "O23", .text = "tanh of a library", LIBRARY(TN_ELTWISE_TANH)},
    {.id = "O24", .text = "sigmoid of a library", LIBRARY(TN_ELTWISE_SIGMOID)},
    {.id = "O25", .text = "erf of a library", LIBRARY(TN_ELTWISE_ERF)},
    {.id = "O26", .text = "average pool: the last bit of one", LAST(TN_OP_POOL, BIT_POOL)},
    {.id = "O27", .text = "rope: the last bit of one", LAST(TN_OP_ROPE, BIT_ANY)},
    {.id = "O28", .text = "scan: the last bit of one", LAST(TN_OP_SCAN, BIT_ANY)},
    {.id = "O29", .text = "norm: the last bit of one", LAST(TN_OP_NORM, BIT_ANY)},
    {.id = "O30", .text = "resize: the last bit of one", LAST(TN_OP_RESIZE, BIT_ANY)},
    {.id = "O32",
     .text = "attention's gradient: the last bit of one",
     LAST(TN_OP_ATTENTION, BIT_GRADIENT)},
    {.id = "O31", .text = "gather's gradient: the last bit of one", LAST(TN_OP_GATHER, BIT_ANY)},
    {0}};
