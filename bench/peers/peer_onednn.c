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

static void *prepare_with(const tn_peer_matmul *problem, int packed)
{
    prepared *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    dnnl_dims_t ad = {problem->m, problem->k}, bd = {problem->k, problem->n},
                cd = {problem->m, problem->n};
    dnnl_memory_desc_t am = NULL, bm = NULL, bq = NULL, cm = NULL;
    union {
        const float *in;
        float *out;
    } a = {problem->a}, b = {problem->b};
    int ok = dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success &&
             dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(&am, 2, ad, dnnl_f32, dnnl_ab) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(&bm, 2, bd, dnnl_f32, dnnl_ab) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(
                 &bq, 2, bd, dnnl_f32, packed ? dnnl_format_tag_any : dnnl_ab) == dnnl_success &&
             dnnl_memory_desc_create_with_tag(&cm, 2, cd, dnnl_f32, dnnl_ab) == dnnl_success &&
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

static void *prepare(const tn_peer_matmul *problem)
{
    return prepare_with(problem, 0);
}

static void *prepare_packed(const tn_peer_matmul *problem)
{
    return prepare_with(problem, 1);
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

static const tn_peer entries[] = {
    {TN_PEER_ABI, 0, "onednn", version, threads, prepare, run, finish, NULL},
    {TN_PEER_ABI, 1, "onednn", version, threads, prepare_packed, run, finish, prepare_conv},
};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index < 2 ? &entries[index] : NULL;
}
