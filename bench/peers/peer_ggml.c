/* SPDX-License-Identifier: Apache-2.0 */
/* ggml as a peer, through the libraries and headers of its Python package: a graph of one operator
 * over the bench's own memory, computed by the cpu backend with threads that stay. Its product
 * takes weights by columns: those of other order are turned before, where `packed`. */
#include "peer.h"

#include <ggml-cpu.h>
#include <ggml.h>

#include <stdlib.h>
#include <string.h>

enum { TENSORS = 16 };

static struct ggml_threadpool *pool;
static int thread_count = 1;

typedef struct prepared {
    struct ggml_context *context;
    struct ggml_cgraph *graph;
    struct ggml_cplan plan;
    struct ggml_tensor *result; /* whose data the bench owns */
    void *own[2];               /* turned weights; what is not the result yet */
    size_t owned;
} prepared;

static const char *version(void)
{
    return ggml_version();
}

static void threads(int count)
{
    struct ggml_threadpool_params p = ggml_threadpool_params_default(count);
    if (pool != NULL && count == thread_count)
        return; /* what was prepared runs in it */
    pool = ggml_threadpool_new(&p);
    thread_count = count;
}

static void run(void *state)
{
    prepared *p = state;
    (void)!ggml_graph_compute(p->graph, &p->plan);
}

static void finish(void *state)
{
    prepared *p = state;
    for (size_t i = 0; i < p->owned; ++i)
        free(p->own[i]);
    free(p->plan.work_data);
    ggml_free(p->context);
    free(p);
}

static prepared *begin(void)
{
    prepared *p = calloc(1, sizeof *p);
    struct ggml_init_params params = {
        .mem_size = TENSORS * ggml_tensor_overhead() + ggml_graph_overhead(), .no_alloc = true};
    if (p != NULL)
        p->context = ggml_init(params);
    if (p != NULL && p->context == NULL) {
        free(p);
        return NULL;
    }
    return p;
}

static void *room(prepared *p, size_t bytes)
{
    void *own = p->owned < 2 ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
    if (own != NULL)
        p->own[p->owned++] = own;
    return own;
}

/* The library writes through none of its inputs; its struct merely lacks const. */
static struct ggml_tensor *tensor(prepared *p, enum ggml_type type, int rank, const int64_t *dim,
                                  const void *data)
{
    int64_t ne[4] = {1, 1, 1, 1};
    union {
        const void *in;
        void *out;
    } u = {data};
    for (int d = 0; d < rank; ++d) /* the innermost first */
        ne[d] = dim[rank - 1 - d];
    struct ggml_tensor *t = ggml_new_tensor_4d(p->context, type, ne[0], ne[1], ne[2], ne[3]);
    t->data = u.out;
    return t;
}

/* The graph that ends in `y`, whose numbers go to `to`. */
static void *done(prepared *p, struct ggml_tensor *y, void *to)
{
    y->data = to;
    p->graph = ggml_new_graph(p->context);
    ggml_build_forward_expand(p->graph, y);
    p->plan = ggml_graph_plan(p->graph, thread_count, pool);
    p->plan.work_data = malloc(p->plan.work_size + 64);
    if (p->plan.work_data != NULL)
        return p;
    finish(p);
    return NULL;
}

/* ---- the ops ---- */

static void *matmul(const tn_peer_matmul *q, const float *columns, prepared *p)
{
    int64_t a[] = {q->batch, q->m, q->k}, b[] = {q->batch, q->n, q->k};
    struct ggml_tensor *x = tensor(p, GGML_TYPE_F32, 3, a, q->a);
    struct ggml_tensor *w = tensor(p, GGML_TYPE_F32, 3, b, columns);
    return done(p, ggml_mul_mat(p->context, w, x), q->c);
}

static void *prepare(const tn_peer_matmul *q)
{
    prepared *p = q->nt ? begin() : NULL;
    return p == NULL ? NULL : matmul(q, q->b, p);
}

static void *prepare_packed(const tn_peer_matmul *q)
{
    prepared *p = begin();
    float *w = p == NULL ? NULL : room(p, (size_t)(q->batch * q->n * q->k) * sizeof *w);
    if (w == NULL) {
        if (p != NULL)
            finish(p);
        return NULL;
    }
    for (int64_t i = 0; i < q->batch; ++i)
        for (int64_t k = 0; k < q->k; ++k)
            for (int64_t n = 0; n < q->n; ++n)
                w[(i * q->n + n) * q->k + k] =
                    q->b[i * q->n * q->k + (q->nt ? n * q->k + k : k * q->n + n)];
    return matmul(q, w, p);
}

static void *prepare_conv(const tn_peer_conv *q)
{
    bool depthwise = q->groups > 1 && q->groups == q->channels && q->groups == q->filters;
    bool even = q->lo[0] == q->hi[0] && q->lo[1] == q->hi[1];
    prepared *p = !q->last && even && (q->groups == 1 || depthwise) ? begin() : NULL;
    if (p == NULL)
        return NULL;
    int64_t a[] = {q->n, q->channels, q->h, q->w};
    int64_t b[] = {q->filters, q->channels / q->groups, q->kh, q->kw};
    struct ggml_tensor *x = tensor(p, GGML_TYPE_F32, 4, a, q->a);
    struct ggml_tensor *w = tensor(p, GGML_TYPE_F32, 4, b, q->b);
    struct ggml_tensor *(*conv)(struct ggml_context *, struct ggml_tensor *, struct ggml_tensor *,
                                int, int, int, int, int, int) =
        depthwise ? ggml_conv_2d_dw_direct : ggml_conv_2d_direct;
    return done(p,
                conv(p->context, w, x, (int)q->stride[1], (int)q->stride[0], (int)q->lo[1],
                     (int)q->lo[0], (int)q->dilation[1], (int)q->dilation[0]),
                q->c);
}

static const tn_tensor *find(const tn_peer_op *q, uint32_t role, void **data)
{
    for (uint32_t i = 0; i < q->op->arg_count; ++i)
        if (q->op->args[i].role == role && q->op->args[i].tensor.dtype == TN_F32) {
            *data = q->data[i];
            return &q->op->args[i].tensor;
        }
    return NULL;
}

static struct ggml_tensor *operand(prepared *p, const tn_peer_op *q, uint32_t role)
{
    void *data = NULL;
    const tn_tensor *t = find(q, role, &data);
    return t != NULL && t->rank <= 4 ? tensor(p, GGML_TYPE_F32, t->rank, t->dim, data) : NULL;
}

/* What an op without other operands than a gives. */
static void *of_a(const tn_peer_op *q,
                  struct ggml_tensor *(*make)(struct ggml_context *, struct ggml_tensor *, float),
                  float x)
{
    prepared *p = q->op->arg_count == 2 ? begin() : NULL;
    struct ggml_tensor *a = p == NULL ? NULL : operand(p, q, TN_ARG_A);
    void *to = NULL;
    if (a != NULL && find(q, TN_ARG_OUT, &to) != NULL)
        return done(p, make(p->context, a, x), to);
    if (p != NULL)
        finish(p);
    return NULL;
}

#define OF_A(op_)                                                                                  \
    static struct ggml_tensor *make_##op_(struct ggml_context *c, struct ggml_tensor *a, float x)  \
    {                                                                                              \
        (void)x;                                                                                   \
        return ggml_##op_(c, a);                                                                   \
    }
OF_A(relu)
OF_A(exp)
OF_A(tanh)
OF_A(sigmoid)
OF_A(silu)
OF_A(gelu_erf)
OF_A(soft_max)

static void *elementwise(const tn_peer_op *q)
{
    static const struct {
        uint32_t kind;
        struct ggml_tensor *(*make)(struct ggml_context *, struct ggml_tensor *, float);
    } known[] = {
        {TN_ELTWISE_RELU, make_relu}, {TN_ELTWISE_EXP, make_exp},
        {TN_ELTWISE_TANH, make_tanh}, {TN_ELTWISE_SIGMOID, make_sigmoid},
        {TN_ELTWISE_SILU, make_silu}, {TN_ELTWISE_GELU, make_gelu_erf},
    };
    const tn_eltwise *t = q->op->attr;
    for (size_t i = 0; t->pass == 0 && i < sizeof known / sizeof known[0]; ++i)
        if (t->kind == known[i].kind)
            return of_a(q, known[i].make, 0.0f);
    return NULL;
}

/* The fused operator of decoders. It gives [batch, query, head, column]: a copy brings that into
 * the order of q where more than one query and one head make a difference. */
static void *attention(const tn_peer_op *q)
{
    const tn_attention *t = q->op->attr;
    void *to = NULL;
    if (q->op->arg_count != 4 || find(q, TN_ARG_OUT, &to) == NULL ||
        (t != NULL && (t->flags != 0 || t->pass != 0 || t->scale != 0.0f || t->softcap != 0.0f)))
        return NULL;
    prepared *p = begin();
    struct ggml_tensor *x[3] = {NULL, NULL, NULL};
    static const uint32_t role[3] = {TN_ARG_Q, TN_ARG_K, TN_ARG_V};
    for (int i = 0; p != NULL && i < 3; ++i)
        x[i] = operand(p, q, role[i]);
    if (p == NULL || x[0] == NULL || x[1] == NULL || x[2] == NULL) {
        if (p != NULL)
            finish(p);
        return NULL;
    }
    float scale = 1.0f / __builtin_sqrtf((float)x[0]->ne[0]);
    struct ggml_tensor *y =
        ggml_flash_attn_ext(p->context, x[0], x[1], x[2], NULL, scale, 0.0f, 0.0f);
    if (y->ne[1] == 1 || y->ne[2] == 1)
        return done(p, y, to);
    y->data = room(p, ggml_nbytes(y));
    if (y->data == NULL) {
        finish(p);
        return NULL;
    }
    return done(p, ggml_cont(p->context, ggml_permute(p->context, y, 0, 2, 1, 3)), to);
}

static void *prepare_op(const tn_peer_op *q)
{
    const tn_op *op = q->op;
    if (op->kind == TN_OP_ATTENTION)
        return attention(q);
    if (op->kind == TN_OP_ELTWISE)
        return elementwise(q);
    if (op->kind == TN_OP_NORM) {
        const tn_norm *t = op->attr;
        bool rms = t->kind == TN_NORM_RMS;
        if (t->pass != 0 || t->axes > 1 || (!rms && t->kind != TN_NORM_LAYER))
            return NULL;
        return of_a(q, rms ? ggml_rms_norm : ggml_norm, t->epsilon);
    }
    if (op->kind == TN_OP_SOFTMAX) {
        const tn_softmax *t = op->attr;
        void *data = NULL;
        const tn_tensor *a = find(q, TN_ARG_A, &data);
        bool last = a != NULL && (t->axis == -1 || t->axis == a->rank - 1);
        return t->pass == 0 && t->log == 0 && last ? of_a(q, make_soft_max, 0.0f) : NULL;
    }
    return NULL;
}

static const tn_peer entries[] = {
    {TN_PEER_ABI, 0, "ggml", version, threads, prepare, run, finish, NULL, prepare_op},
    {TN_PEER_ABI, 1, "ggml", version, threads, prepare_packed, run, finish, prepare_conv, NULL},
};

const tn_peer *tn_peer_get(uint32_t index)
{
    if (index == 0)
        ggml_cpu_init();
    return index < 2 ? &entries[index] : NULL;
}
