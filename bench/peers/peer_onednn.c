/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN (OpenMP) as a peer of the matmul bench: plain row-major weights, and weights in the layout
 * that the library asks for, reordered once before the clock runs. */
#include "peer.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct prepared {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t matmul;
    dnnl_memory_t a, b, b_packed, c;
} prepared;

static const char *version(void)
{
    static char text[48];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

static void threads(int count)
{
    omp_set_num_threads(count);
}

static void finish(void *state)
{
    prepared *p = state;
    if (p->b_packed != p->b)
        dnnl_memory_destroy(p->b_packed);
    dnnl_memory_destroy(p->a);
    dnnl_memory_destroy(p->b);
    dnnl_memory_destroy(p->c);
    dnnl_primitive_destroy(p->matmul);
    dnnl_primitive_desc_destroy(p->desc);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
    free(p);
}

static dnnl_status_t reorder(prepared *p, dnnl_memory_t from, dnnl_memory_t to,
                             const_dnnl_memory_desc_t from_md, const_dnnl_memory_desc_t to_md)
{
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_status_t st =
        dnnl_reorder_primitive_desc_create(&desc, from_md, p->engine, to_md, p->engine, NULL);
    if (st != dnnl_success)
        return st;
    st = dnnl_primitive_create(&primitive, desc);
    if (st == dnnl_success) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        st = dnnl_primitive_execute(primitive, p->stream, 2, args);
        if (st == dnnl_success)
            st = dnnl_stream_wait(p->stream);
        dnnl_primitive_destroy(primitive);
    }
    dnnl_primitive_desc_destroy(desc);
    return st;
}

/* One matmul, whatever its types. */
typedef struct problem {
    int64_t m, n, k, batch;
    int nt;
    const void *a, *b;
    void *c;
    dnnl_data_type_t a_type, b_type, c_type;
} problem;

static void *prepare_with(const problem *problem, int packed)
{
    prepared *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    dnnl_dims_t ad = {problem->batch, problem->m, problem->k},
                bd = {problem->batch, problem->k, problem->n},
                cd = {problem->batch, problem->m, problem->n};
    dnnl_format_tag_t btag = problem->nt ? dnnl_acb : dnnl_abc;
    dnnl_memory_desc_t am = NULL, bm = NULL, bq = NULL, cm = NULL;
    union {
        const void *in;
        void *out;
    } a = {problem->a}, b = {problem->b};
    int ok =
        dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success &&
        dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&am, 3, ad, problem->a_type, dnnl_abc) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&bm, 3, bd, problem->b_type, btag) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&bq, 3, bd, problem->b_type,
                                         packed ? dnnl_format_tag_any : btag) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&cm, 3, cd, problem->c_type, dnnl_abc) == dnnl_success &&
        dnnl_matmul_primitive_desc_create(&p->desc, p->engine, am, bq, NULL, cm, NULL) ==
            dnnl_success &&
        dnnl_primitive_create(&p->matmul, p->desc) == dnnl_success &&
        dnnl_memory_create(&p->a, am, p->engine, a.out) == dnnl_success &&
        dnnl_memory_create(&p->b, bm, p->engine, b.out) == dnnl_success &&
        dnnl_memory_create(&p->c, cm, p->engine, problem->c) == dnnl_success;
    p->b_packed = p->b;
    if (ok && packed) {
        const_dnnl_memory_desc_t want =
            dnnl_primitive_desc_query_md(p->desc, dnnl_query_weights_md, 0);
        ok = dnnl_memory_create(&p->b_packed, want, p->engine, DNNL_MEMORY_ALLOCATE) ==
                 dnnl_success &&
             reorder(p, p->b, p->b_packed, bm, want) == dnnl_success;
    }
    dnnl_memory_desc_destroy(am);
    dnnl_memory_desc_destroy(bm);
    dnnl_memory_desc_destroy(bq);
    dnnl_memory_desc_destroy(cm);
    if (!ok) {
        finish(p);
        return NULL;
    }
    return p;
}

static void *prepare_floats(const tn_peer_matmul *q, int packed)
{
    problem p = {q->m, q->n, q->k, q->batch, q->nt, q->a, q->b, q->c, dnnl_f32, dnnl_f32, dnnl_f32};
    return prepare_with(&p, packed);
}

static void *prepare(const tn_peer_matmul *q)
{
    return prepare_floats(q, 0);
}

static void *prepare_packed(const tn_peer_matmul *q)
{
    return prepare_floats(q, 1);
}

static void run(void *state)
{
    prepared *p = state;
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, p->b_packed}, {DNNL_ARG_DST, p->c}};
    if (dnnl_primitive_execute(p->matmul, p->stream, 3, args) == dnnl_success)
        dnnl_stream_wait(p->stream);
}

/* Data in the layout given, filters in the one that the library asks for. */
static void *prepare_conv(const tn_peer_conv *q)
{
    prepared *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    int64_t fg = q->filters / q->groups, cg = q->channels / q->groups;
    dnnl_dims_t ad = {q->n, q->channels, q->h, q->w}, cd = {q->n, q->filters, q->oh, q->ow};
    dnnl_dims_t bd = {q->groups, fg, cg, q->kh, q->kw};
    dnnl_dims_t strides = {q->stride[0], q->stride[1]}, lo = {q->lo[0], q->lo[1]};
    dnnl_dims_t apart = {q->dilation[0] - 1, q->dilation[1] - 1}, hi = {q->hi[0], q->hi[1]};
    dnnl_memory_desc_t am = NULL, bm = NULL, bq = NULL, cm = NULL;
    dnnl_format_tag_t tag = q->last ? dnnl_nhwc : dnnl_nchw;
    union {
        const float *in;
        float *out;
    } a = {q->a}, b = {q->b};
    int grouped = q->groups > 1, rank = grouped ? 5 : 4;
    const int64_t *bdims = grouped ? bd : bd + 1;
    dnnl_format_tag_t btag =
        grouped ? (q->last ? dnnl_gohwi : dnnl_goihw) : (q->last ? dnnl_ohwi : dnnl_oihw);
    int ok = dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success &&
             dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(&am, 4, ad, dnnl_f32, tag) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(&bm, rank, bdims, dnnl_f32, btag) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(&bq, rank, bdims, dnnl_f32, dnnl_format_tag_any) ==
                 dnnl_success &&
             dnnl_memory_desc_create_with_tag(&cm, 4, cd, dnnl_f32, tag) == dnnl_success &&
             dnnl_convolution_forward_primitive_desc_create(
                 &p->desc, p->engine, dnnl_forward_inference, dnnl_convolution_direct, am, bq, NULL,
                 cm, strides, apart, lo, hi, NULL) == dnnl_success &&
             dnnl_primitive_create(&p->matmul, p->desc) == dnnl_success &&
             dnnl_memory_create(&p->a, am, p->engine, a.out) == dnnl_success &&
             dnnl_memory_create(&p->b, bm, p->engine, b.out) == dnnl_success &&
             dnnl_memory_create(&p->c, cm, p->engine, q->c) == dnnl_success;
    p->b_packed = p->b;
    if (ok) {
        const_dnnl_memory_desc_t want =
            dnnl_primitive_desc_query_md(p->desc, dnnl_query_weights_md, 0);
        ok = dnnl_memory_create(&p->b_packed, want, p->engine, DNNL_MEMORY_ALLOCATE) ==
                 dnnl_success &&
             reorder(p, p->b, p->b_packed, bm, want) == dnnl_success;
    }
    dnnl_memory_desc_destroy(am);
    dnnl_memory_desc_destroy(bm);
    dnnl_memory_desc_destroy(bq);
    dnnl_memory_desc_destroy(cm);
    if (!ok) {
        finish(p);
        return NULL;
    }
    return p;
}

/* ---- softmax, layernorm and elementwise, all f32 and dense ---- */

typedef struct rows {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[4];
    int count;
} rows;

static void run_rows(void *state)
{
    rows *r = state;
    if (dnnl_primitive_execute(r->primitive, r->stream, r->count, r->arg) == dnnl_success)
        dnnl_stream_wait(r->stream);
}

static void finish_rows(void *state)
{
    rows *r = state;
    for (int i = 0; i < r->count; ++i)
        dnnl_memory_destroy(r->arg[i].memory);
    dnnl_primitive_destroy(r->primitive);
    dnnl_primitive_desc_destroy(r->desc);
    dnnl_stream_destroy(r->stream);
    dnnl_engine_destroy(r->engine);
    free(r);
}

static const tn_tensor *find(const tn_peer_op *q, uint32_t role, void **data)
{
    for (uint32_t i = 0; i < q->op->arg_count; ++i)
        if (q->op->args[i].role == role) {
            *data = q->data[i];
            return &q->op->args[i].tensor;
        }
    return NULL;
}

static int add_memory(rows *r, int arg, const_dnnl_memory_desc_t md, void *data)
{
    r->arg[r->count].arg = arg;
    if (dnnl_memory_create(&r->arg[r->count].memory, md, r->engine, data) != dnnl_success)
        return 0;
    ++r->count;
    return 1;
}

static dnnl_alg_kind_t unary(uint32_t kind)
{
    switch (kind) {
    case TN_ELTWISE_RELU:
        return dnnl_eltwise_relu;
    case TN_ELTWISE_EXP:
        return dnnl_eltwise_exp;
    case TN_ELTWISE_TANH:
        return dnnl_eltwise_tanh;
    case TN_ELTWISE_SIGMOID:
        return dnnl_eltwise_logistic;
    case TN_ELTWISE_GELU:
        return dnnl_eltwise_gelu_erf;
    case TN_ELTWISE_GELU_TANH:
        return dnnl_eltwise_gelu_tanh;
    default:
        return dnnl_alg_kind_undef;
    }
}

/* The primitive of an op over rows; false where the library has none. */
static int describe(const tn_peer_op *q, rows *r, const_dnnl_memory_desc_t md,
                    const_dnnl_memory_desc_t vector, int last)
{
    const tn_op *op = q->op;
    if (op->kind == TN_OP_SOFTMAX) {
        const tn_softmax *t = op->attr;
        return t->pass == TN_PASS_FORWARD && (t->axis == -1 || t->axis == last) &&
               dnnl_softmax_forward_primitive_desc_create(
                   &r->desc, r->engine, dnnl_forward_inference,
                   t->log ? dnnl_softmax_log : dnnl_softmax_accurate, md, md, last,
                   NULL) == dnnl_success;
    }
    if (op->kind == TN_OP_NORM) {
        const tn_norm *t = op->attr;
        return t->pass == TN_PASS_FORWARD && t->kind == TN_NORM_LAYER && t->axes <= 1 &&
               dnnl_layer_normalization_forward_primitive_desc_create(
                   &r->desc, r->engine, dnnl_forward_inference, md, md, NULL, t->epsilon,
                   vector != NULL ? dnnl_use_scale | dnnl_use_shift : dnnl_normalization_flags_none,
                   NULL) == dnnl_success;
    }
    if (op->kind == TN_OP_ELTWISE) {
        const tn_eltwise *t = op->attr;
        return t->pass == TN_PASS_FORWARD && unary(t->kind) != dnnl_alg_kind_undef &&
               dnnl_eltwise_forward_primitive_desc_create(&r->desc, r->engine,
                                                          dnnl_forward_inference, unary(t->kind),
                                                          md, md, 0.0f, 0.0f, NULL) == dnnl_success;
    }
    return 0;
}

static void *prepare_op(const tn_peer_op *q)
{
    void *a = NULL, *out = NULL, *gamma = NULL, *beta = NULL;
    const tn_tensor *ta = find(q, TN_ARG_A, &a), *to = find(q, TN_ARG_OUT, &out);
    const tn_tensor *tg = find(q, TN_ARG_GAMMA, &gamma), *tb = find(q, TN_ARG_BETA, &beta);
    if (ta == NULL || to == NULL || ta->dtype != TN_F32 || to->dtype != TN_F32 || ta->rank == 0 ||
        ta->rank > 5 || q->op->post_count != 0 || (tg == NULL) != (tb == NULL))
        return NULL;
    rows *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    static const dnnl_format_tag_t tags[] = {dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
    int rank = ta->rank, last = rank - 1;
    dnnl_dims_t dims, one = {ta->dim[last]};
    dnnl_memory_desc_t md = NULL, vector = NULL;
    for (int d = 0; d < rank; ++d)
        dims[d] = ta->dim[d];
    int ok =
        dnnl_engine_create(&r->engine, dnnl_cpu, 0) == dnnl_success &&
        dnnl_stream_create(&r->stream, r->engine, dnnl_stream_default_flags) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&md, rank, dims, dnnl_f32, tags[last]) == dnnl_success &&
        (tg == NULL ||
         dnnl_memory_desc_create_with_tag(&vector, 1, one, dnnl_f32, dnnl_a) == dnnl_success) &&
        describe(q, r, md, vector, last) &&
        dnnl_primitive_create(&r->primitive, r->desc) == dnnl_success &&
        add_memory(r, DNNL_ARG_SRC, md, a) && add_memory(r, DNNL_ARG_DST, md, out) &&
        (tg == NULL || (add_memory(r, DNNL_ARG_SCALE, vector, gamma) &&
                        add_memory(r, DNNL_ARG_SHIFT, vector, beta)));
    dnnl_memory_desc_destroy(md);
    dnnl_memory_desc_destroy(vector);
    if (!ok) {
        finish_rows(r);
        return NULL;
    }
    return r;
}

/* Types of a, b and out; on cpus without VNNI the sums of products of bytes saturate at 16 bits. */
static const struct {
    uint16_t tenon[3];
    dnnl_data_type_t onednn[3];
} narrow[] = {
    {{TN_U8, TN_S8, TN_S32}, {dnnl_u8, dnnl_s8, dnnl_s32}},
    {{TN_S8, TN_S8, TN_S32}, {dnnl_s8, dnnl_s8, dnnl_s32}},
    {{TN_BF16, TN_BF16, TN_F32}, {dnnl_bf16, dnnl_bf16, dnnl_f32}},
    {{TN_BF16, TN_BF16, TN_BF16}, {dnnl_bf16, dnnl_bf16, dnnl_bf16}},
};

static void *prepare_narrow_as(const tn_peer_op *q, int packed)
{
    void *a = NULL, *b = NULL, *c = NULL;
    const tn_tensor *ta = find(q, TN_ARG_A, &a), *tb = find(q, TN_ARG_B, &b);
    const tn_tensor *tc = find(q, TN_ARG_OUT, &c);
    const tn_matmul *attr = q->op->attr;
    uint32_t flags = attr != NULL ? attr->flags : 0;
    if (q->op->kind != TN_OP_MATMUL || q->op->arg_count != 3 || ta == NULL || tb == NULL ||
        tc == NULL || ta->rank != 2 || tb->rank != 2 ||
        (flags & ~(uint32_t)TN_MATMUL_TRANSPOSE_B) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; ++i) {
        const uint16_t *t = narrow[i].tenon;
        const dnnl_data_type_t *to = narrow[i].onednn;
        if (t[0] != ta->dtype || t[1] != tb->dtype || t[2] != tc->dtype)
            continue;
        problem p = {.m = tc->dim[0], .n = tc->dim[1], .k = ta->dim[1], .batch = 1};
        p.nt = flags != 0;
        p.a = a, p.b = b, p.c = c;
        p.a_type = to[0], p.b_type = to[1], p.c_type = to[2];
        return prepare_with(&p, packed);
    }
    return NULL;
}

static void *prepare_narrow(const tn_peer_op *q)
{
    return prepare_narrow_as(q, 0);
}

static void *prepare_narrow_packed(const tn_peer_op *q)
{
    return prepare_narrow_as(q, 1);
}

static const tn_peer entries[] = {
    {TN_PEER_ABI, 0, "onednn", version, threads, prepare, run, finish, NULL, NULL},
    {TN_PEER_ABI, 1, "onednn", version, threads, prepare_packed, run, finish, prepare_conv, NULL},
    {TN_PEER_ABI, 0, "onednn", version, threads, NULL, run_rows, finish_rows, NULL, prepare_op},
    {TN_PEER_ABI, 0, "onednn", version, threads, NULL, run, finish, NULL, prepare_narrow},
    {TN_PEER_ABI, 1, "onednn", version, threads, NULL, run, finish, NULL, prepare_narrow_packed},
};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index < sizeof entries / sizeof entries[0] ? &entries[index] : NULL;
}
