/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX Runtime as a peer, through the shared object of its Python package: a model of one node is
 * written into memory for each problem. Weights are constants of the model where `packed`. The
 * wheel has no headers; its table of functions only grows, so that the places below stay. */
#include "onnx_model.h"
#include "peer.h"

#include <dlfcn.h>
#include <stdio.h>

enum {
    API_VERSION = 11,
    AT_CREATE_ENV = 3,
    AT_CREATE_SESSION_FROM_ARRAY = 8,
    AT_RUN = 9,
    AT_CREATE_SESSION_OPTIONS = 10,
    AT_SET_SEVERITY = 22,
    AT_SET_INTRA_THREADS = 24,
    AT_SET_INTER_THREADS = 25,
    AT_CREATE_TENSOR_WITH_DATA = 49,
    AT_CREATE_CPU_MEMORY_INFO = 69,
    AT_RELEASE_STATUS = 93,
    AT_RELEASE_SESSION = 95,
    AT_RELEASE_VALUE = 96,
    AT_RELEASE_SESSION_OPTIONS = 100,
    INPUTS = 4
};
typedef void (*function)(void);
typedef struct base {
    const function *(*get)(uint32_t version);
    const char *(*version)(void);
} base;
/* The signatures of the functions used; each returns NULL or a status. */
typedef void *create_env(int severity, const char *name, void **out);
typedef void *create_memory(int allocator, int type, void **out);
typedef void *create_options(void **out);
typedef void *set_int(void *options, int value);
typedef void *create_session(void *env, const void *model, size_t bytes, void *options, void **out);
typedef void *create_tensor(void *info, void *data, size_t bytes, const int64_t *dim, size_t rank,
                            int type, void **out);
typedef void *run_session(void *session, void *options, const char *const *in_name, void *const *in,
                          size_t ins, const char *const *out_name, size_t outs, void **out);
typedef void release(void *object);

static const base *library;
static const function *api;
static void *env, *cpu_memory;
static int thread_count = 1;

typedef struct prepared {
    void *session, *in[INPUTS], *out;
    const char *name[INPUTS];
    size_t ins;
} prepared;

static const char *version(void)
{
    return library->version();
}

static void threads(int count)
{
    thread_count = count;
}

static int ok(void *status)
{
    if (status != NULL)
        ((release *)api[AT_RELEASE_STATUS])(status);
    return status == NULL;
}

static void run(void *state)
{
    static const char *const out_name[] = {"y"};
    prepared *p = state;
    (void)ok(((run_session *)api[AT_RUN])(p->session, NULL, p->name, p->in, p->ins, out_name, 1,
                                          &p->out));
}

static void finish(void *state)
{
    prepared *p = state;
    for (size_t i = 0; i < p->ins; ++i)
        ((release *)api[AT_RELEASE_VALUE])(p->in[i]);
    if (p->out != NULL)
        ((release *)api[AT_RELEASE_VALUE])(p->out);
    if (p->session != NULL)
        ((release *)api[AT_RELEASE_SESSION])(p->session);
    free(p);
}

/* ---- a graph in the making ---- */

typedef struct maker {
    prepared *p;
    onnx_bytes graph, node;
    int failed;
} maker;

static int type_of(uint32_t dtype, size_t *bytes)
{
    *bytes = dtype == TN_F32 || dtype == TN_S32 ? 4 : 1;
    return dtype == TN_F32   ? ONNX_FLOAT
           : dtype == TN_S32 ? ONNX_INT32
           : dtype == TN_U8  ? ONNX_UINT8
           : dtype == TN_S8  ? ONNX_INT8
                             : 0;
}

static void add(maker *m, const char *name, uint32_t dtype, const int64_t *dim, size_t rank,
                void *data, int constant)
{
    size_t bytes;
    int type = type_of(dtype, &bytes), out = name[0] == 'y';
    for (size_t d = 0; d < rank; ++d)
        bytes *= (size_t)dim[d];
    onnx_text(&m->node, out ? NODE_OUTPUT : NODE_INPUT, name);
    if (type == 0 || (!out && m->p->ins == INPUTS)) {
        m->failed = 1;
    } else if (constant) {
        onnx_constant(&m->graph, name, type, dim, rank, data, bytes);
    } else {
        onnx_value(&m->graph, out ? GRAPH_OUTPUT : GRAPH_INPUT, name, type, dim, rank);
        void **to = out ? &m->p->out : &m->p->in[m->p->ins];
        if (!ok(((create_tensor *)api[AT_CREATE_TENSOR_WITH_DATA])(cpu_memory, data, bytes, dim,
                                                                   rank, type, to)))
            m->failed = 1;
        else if (!out)
            m->p->name[m->p->ins++] = name;
    }
}

static void *done(maker *m, const char *op_type, int64_t opset)
{
    void *options = NULL;
    onnx_text(&m->node, NODE_TYPE, op_type);
    onnx_message(&m->graph, GRAPH_NODE, &m->node);
    onnx_text(&m->graph, GRAPH_NAME, "one");
    onnx_bytes model = onnx_model(&m->graph, opset);
    int good = !m->failed && !model.failed &&
               ok(((create_options *)api[AT_CREATE_SESSION_OPTIONS])(&options)) &&
               ok(((set_int *)api[AT_SET_SEVERITY])(options, 4)) &&
               ok(((set_int *)api[AT_SET_INTRA_THREADS])(options, thread_count)) &&
               ok(((set_int *)api[AT_SET_INTER_THREADS])(options, 1)) &&
               ok(((create_session *)api[AT_CREATE_SESSION_FROM_ARRAY])(env, model.data, model.size,
                                                                        options, &m->p->session));
    free(model.data);
    if (options != NULL)
        ((release *)api[AT_RELEASE_SESSION_OPTIONS])(options);
    if (good)
        return m->p;
    finish(m->p);
    return NULL;
}

static int begin(maker *m)
{
    memset(m, 0, sizeof *m);
    m->p = calloc(1, sizeof *m->p);
    return m->p != NULL;
}

/* ---- the ops ---- */

/* The library writes through none of its inputs; its interface merely lacks const. */
static void *writable(const float *p)
{
    union {
        const float *in;
        void *out;
    } u = {p};
    return u.out;
}

static void *matmul(const tn_peer_matmul *q, int constant)
{
    maker m;
    int64_t a[] = {q->batch, q->m, q->k},
            b[] = {q->batch, q->nt ? q->n : q->k, q->nt ? q->k : q->n};
    int64_t y[] = {q->batch, q->m, q->n};
    size_t skip = q->batch == 1 ? 1 : 0; /* Gemm, which transposes, has no batch */
    if ((q->nt && skip == 0) || !begin(&m))
        return NULL;
    add(&m, "a", TN_F32, a + skip, 3 - skip, writable(q->a), 0);
    add(&m, "b", TN_F32, b + skip, 3 - skip, writable(q->b), constant);
    add(&m, "y", TN_F32, y + skip, 3 - skip, q->c, 0);
    if (q->nt)
        onnx_attribute_int(&m.node, "transB", 1);
    return done(&m, q->nt ? "Gemm" : "MatMul", 21);
}

static void *prepare(const tn_peer_matmul *q)
{
    return matmul(q, 0);
}

static void *prepare_packed(const tn_peer_matmul *q)
{
    return matmul(q, 1);
}

static void *prepare_conv(const tn_peer_conv *q)
{
    maker m;
    if (q->last || !begin(&m))
        return NULL;
    int64_t a[] = {q->n, q->channels, q->h, q->w}, y[] = {q->n, q->filters, q->oh, q->ow};
    int64_t b[] = {q->filters, q->channels / q->groups, q->kh, q->kw};
    int64_t pads[] = {q->lo[0], q->lo[1], q->hi[0], q->hi[1]};
    add(&m, "a", TN_F32, a, 4, writable(q->a), 0);
    add(&m, "b", TN_F32, b, 4, writable(q->b), 1);
    add(&m, "y", TN_F32, y, 4, q->c, 0);
    onnx_attribute_int(&m.node, "group", q->groups);
    onnx_attribute_ints(&m.node, "strides", q->stride, 2);
    onnx_attribute_ints(&m.node, "dilations", q->dilation, 2);
    onnx_attribute_ints(&m.node, "pads", pads, 4);
    return done(&m, "Conv", 21);
}

static int find(const tn_peer_op *q, uint32_t role)
{
    for (uint32_t i = 0; i < q->op->arg_count; ++i)
        if (q->op->args[i].role == role)
            return (int)i;
    return -1;
}

static void operand(maker *m, const tn_peer_op *q, uint32_t role, const char *name)
{
    int i = find(q, role);
    if (i < 0) {
        m->failed = 1;
        return;
    }
    const tn_tensor *t = &q->op->args[i].tensor;
    add(m, name, t->dtype, t->dim, t->rank, q->data[i], 0);
}

static void *attention(const tn_peer_op *q)
{
    const tn_attention *t = q->op->attr;
    tn_attention plain = {.head = TN_INIT(tn_attention), .flags = t != NULL ? t->flags : 0};
    maker m;
    if (q->op->arg_count != 4 || (plain.flags & ~(uint32_t)TN_ATTENTION_CAUSAL) != 0 ||
        (t != NULL && (t->pass != 0 || t->scale != 0.0f || t->softcap != 0.0f)) ||
        q->op->args[0].tensor.rank != 4 || !begin(&m))
        return NULL;
    operand(&m, q, TN_ARG_Q, "q");
    operand(&m, q, TN_ARG_K, "k");
    operand(&m, q, TN_ARG_V, "v");
    operand(&m, q, TN_ARG_OUT, "y");
    onnx_attribute_int(&m.node, "is_causal", (plain.flags & TN_ATTENTION_CAUSAL) != 0);
    return done(&m, "Attention", 23);
}

static void *norm(const tn_peer_op *q)
{
    const tn_norm *t = q->op->attr;
    maker m;
    if (t->pass != 0 || t->kind != TN_NORM_LAYER || find(q, TN_ARG_GAMMA) < 0 ||
        q->op->arg_count != (find(q, TN_ARG_BETA) < 0 ? 3u : 4u) || !begin(&m))
        return NULL;
    operand(&m, q, TN_ARG_A, "a");
    operand(&m, q, TN_ARG_GAMMA, "gamma");
    if (q->op->arg_count == 4)
        operand(&m, q, TN_ARG_BETA, "beta");
    operand(&m, q, TN_ARG_OUT, "y");
    onnx_attribute_int(&m.node, "axis", -(int64_t)(t->axes == 0 ? 1 : t->axes));
    onnx_attribute_float(&m.node, "epsilon", t->epsilon);
    return done(&m, "LayerNormalization", 21);
}

static void *elementwise(const tn_peer_op *q)
{
    static const struct {
        uint32_t kind, inputs;
        const char *type;
    } known[] = {
        {TN_ELTWISE_RELU, 1, "Relu"}, {TN_ELTWISE_EXP, 1, "Exp"},
        {TN_ELTWISE_TANH, 1, "Tanh"}, {TN_ELTWISE_SIGMOID, 1, "Sigmoid"},
        {TN_ELTWISE_GELU, 1, "Gelu"}, {TN_ELTWISE_ERF, 1, "Erf"},
        {TN_ELTWISE_ADD, 2, "Add"},   {TN_ELTWISE_MUL, 2, "Mul"},
    };
    const tn_eltwise *t = q->op->attr;
    maker m;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i) {
        if (t->pass != 0 || t->kind != known[i].kind || q->op->arg_count != known[i].inputs + 1 ||
            !begin(&m))
            continue;
        operand(&m, q, TN_ARG_A, "a");
        if (known[i].inputs == 2)
            operand(&m, q, TN_ARG_B, "b");
        operand(&m, q, TN_ARG_OUT, "y");
        return done(&m, known[i].type, 21);
    }
    return NULL;
}

static void *prepare_op(const tn_peer_op *q)
{
    const tn_op *op = q->op;
    maker m;
    if (op->kind == TN_OP_ATTENTION)
        return attention(q);
    if (op->kind == TN_OP_NORM)
        return norm(q);
    if (op->kind == TN_OP_ELTWISE)
        return elementwise(q);
    if (op->kind == TN_OP_SOFTMAX && ((const tn_softmax *)op->attr)->pass == 0 && begin(&m)) {
        const tn_softmax *t = op->attr;
        operand(&m, q, TN_ARG_A, "a");
        operand(&m, q, TN_ARG_OUT, "y");
        onnx_attribute_int(&m.node, "axis", t->axis);
        return done(&m, t->log != 0 ? "LogSoftmax" : "Softmax", 21);
    }
    return NULL;
}

/* Opens the library once; without it there are no entries. */
static int ready(void)
{
    static int state;
    const base *(*get)(void) = NULL;
    if (state == 0) {
        void *h = dlopen(TN_ONNXRUNTIME, RTLD_NOW | RTLD_LOCAL);
        if (h != NULL)
            *(void **)&get = dlsym(h, "OrtGetApiBase");
        library = get != NULL ? get() : NULL;
        api = library != NULL ? library->get(API_VERSION) : NULL;
        state = api != NULL && ok(((create_env *)api[AT_CREATE_ENV])(4, "tenon", &env)) &&
                        ok(((create_memory *)api[AT_CREATE_CPU_MEMORY_INFO])(1, 0, &cpu_memory))
                    ? 1
                    : -1;
    }
    return state > 0;
}

static const tn_peer entries[] = {
    {TN_PEER_ABI, 0, "onnxruntime", version, threads, prepare, run, finish, NULL, prepare_op},
    {TN_PEER_ABI, 1, "onnxruntime", version, threads, prepare_packed, run, finish, prepare_conv,
     NULL},
};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index < 2 && ready() ? &entries[index] : NULL;
}
