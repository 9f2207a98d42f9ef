/* SPDX-License-Identifier: Apache-2.0 */
/* tenon trace: runs a chain of ops, or another verb, and writes what happened, for
 * ui.perfetto.dev. */
#include "tool.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPS_MOST = 64, OPERANDS_MOST = 32, QUEUES_MOST = 8 };

typedef struct options {
    const char *op[OPS_MOST], *device, *out;
    uint32_t ops, runs, queues;
    int cls; /* -1: as the ops say */
    bool verb;
} options;

typedef struct link {
    tn_op *op;
    tn_plan *plan;
    tn_buffer *buffer[OPERANDS_MOST];
    tn_bind bind[OPERANDS_MOST];
} link;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    char *end = NULL;
    switch (key) {
    case 'd':
        o->device = arg;
        return 0;
    case 'o':
        o->out = arg;
        return 0;
    case 'n':
        o->runs = (uint32_t)strtoul(arg, &end, 10);
        if (*end != '\0' || o->runs == 0 || o->runs > 100000)
            argp_error(state, "--runs takes 1 to 100000, not '%s'", arg);
        return 0;
    case 'q':
        o->queues = (uint32_t)strtoul(arg, &end, 10);
        if (*end != '\0' || o->queues == 0 || o->queues > QUEUES_MOST)
            argp_error(state, "--queues takes 1 to %d, not '%s'", QUEUES_MOST, arg);
        return 0;
    case 'c':
        o->cls = tool_class_of(arg);
        if (o->cls < 0)
            argp_error(state, "--class takes bounded, fast, canonical or exact, not '%s'", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->ops == OPS_MOST)
            argp_error(state, "at most %d ops", OPS_MOST);
        else
            o->op[o->ops++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->ops == 0 && !o->verb)
            argp_error(state, "name an op such as \"matmul 64x64x64:f32\"");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Bytes of an operand as the text form makes it: from its first element to the end of its last. */
static uint64_t bytes_of(const tn_tensor *t)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < t->rank; ++i) {
        if (t->dim[i] == 0)
            return 0;
        last += (uint64_t)(t->dim[i] - 1) * (uint64_t)t->stride[i];
    }
    return ((last + 1) * tn_dtype_bits((tn_dtype)t->dtype) + 7) / 8;
}

/* The plan of an op and zeroed operands of its own: the times are what is looked at. */
static tn_status prepare(tn_runtime *rt, tn_device *device, tn_queue *queue, const char *text,
                         int cls, link *l)
{
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
    tn_status st = tn_op_parse(rt, text, &l->op);
    if (st == TN_OK && cls >= 0)
        l->op->numerics.cls = (tn_class)cls;
    if (st == TN_OK)
        st = tn_plan_create(device, l->op, &desc, &l->plan);
    for (uint32_t i = 0; st == TN_OK && i < l->op->arg_count && i < OPERANDS_MOST; ++i) {
        uint64_t bytes = bytes_of(&l->op->args[i].tensor);
        tn_buffer_desc bd = {.head = TN_INIT(tn_buffer_desc), .bytes = (bytes + 3) / 4 * 4};
        st = tn_buffer_create(device, &bd, &l->buffer[i]);
        if (st == TN_OK && bd.bytes != 0)
            st = tn_queue_fill(queue, l->buffer[i], 0, bd.bytes, 0, 4, NULL);
        l->bind[i] = (tn_bind){.role = l->op->args[i].role, .buffer = l->buffer[i]};
    }
    return st;
}

static int run_chain(tn_runtime *rt, tn_device *device, const options *o)
{
    static link chain[OPS_MOST];
    tn_queue *queue[QUEUES_MOST] = {0};
    tn_fence *fence = NULL;
    const char *what = o->device;
    uint64_t step = 0;
    tn_status st = tn_fence_create(rt, 0, &fence);
    for (uint32_t i = 0; st == TN_OK && i < o->queues; ++i)
        st = tn_queue_create(device, NULL, &queue[i]);
    for (uint32_t i = 0; st == TN_OK && i < o->ops; ++i) {
        what = o->op[i];
        st = prepare(rt, device, queue[0], o->op[i], o->cls, &chain[i]);
    }
    if (st == TN_OK)
        st = tn_queue_wait_idle(queue[0], UINT64_MAX);
    /* Each op waits for the one before, on whichever queue that ran. */
    for (uint32_t r = 0; st == TN_OK && r < o->runs; ++r)
        for (uint32_t i = 0; st == TN_OK && i < o->ops; ++i) {
            tn_point before = {fence, step}, after = {fence, step + 1};
            tn_sync sync = {
                .wait = &before, .signal = &after, .wait_count = step != 0, .signal_count = 1};
            what = o->op[i];
            st = tn_queue_run(queue[step % o->queues], chain[i].plan, chain[i].bind,
                              chain[i].op->arg_count, NULL, &sync);
            ++step;
        }
    tn_point last = {fence, step};
    if (st == TN_OK)
        st = tn_fence_wait(&last, 1, 0, UINT64_MAX);
    int rc = st == TN_OK ? 0 : tool_error(what);
    for (uint32_t i = 0; i < o->queues; ++i)
        if (queue[i] != NULL && tn_queue_wait_idle(queue[i], UINT64_MAX) != TN_OK && rc == 0)
            rc = tool_error(o->device);
    for (uint32_t i = 0; i < o->ops; ++i) {
        for (uint32_t k = 0; k < OPERANDS_MOST; ++k)
            tn_buffer_release(chain[i].buffer[k]);
        tn_plan_release(chain[i].plan);
        tn_op_free(rt, chain[i].op);
    }
    for (uint32_t i = 0; i < o->queues; ++i)
        tn_queue_release(queue[i]);
    tn_fence_release(fence);
    return rc;
}

/* Of the verbs that look for TENON_TRACE. */
static int run_verb(const options *o, int argc, char **argv)
{
    static const char *const verbs[] = {"bench", "explain"};
    for (size_t i = 0; argc > 0 && i < sizeof verbs / sizeof verbs[0]; ++i)
        if (strcmp(argv[0], verbs[i]) == 0) {
            if (o->out != NULL && setenv("TENON_TRACE", o->out, 1) != 0) {
                fprintf(stderr, "tenon trace: no memory\n");
                return 1;
            }
            int rc = tool_dispatch(argc, argv);
            if (rc == 0)
                printf("%s: open it at https://ui.perfetto.dev\n", getenv("TENON_TRACE"));
            return rc;
        }
    fprintf(stderr, "tenon trace: behind -- stands bench or explain, not '%s'\n",
            argc > 0 ? argv[0] : "");
    return 2;
}

int tool_trace_verb(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"device", 'd', "URI", 0, "cpu by default", 0},
        {"out", 'o', "FILE", 0, "trace.json by default, or what TENON_TRACE names", 0},
        {"runs", 'n', "N", 0, "times the chain is run, 3 by default", 0},
        {"queues", 'q', "N", 0, "queues that take turns, 2 by default", 0},
        {"class", 'c', "CLASS", 0, "bounded, fast, canonical or exact, for every op", 0},
        {0}};
    static const struct argp argp = {
        known,
        parse,
        "OP-TEXT...\n-- VERB [ARGUMENT...]",
        "Runs ops one after the other on operands of zeros and writes what happened as JSON for "
        "ui.perfetto.dev or chrome://tracing; or does so with what the verb bench or explain "
        "does.\v"
        "  tenon trace \"matmul 256x256x256:f32\" \"softmax 256x256:f32\" --out t.json\n"
        "  tenon trace --out t.json -- bench matmul 256x256x256:f32 --rounds 1",
        NULL,
        NULL,
        NULL};
    options o = {.device = "cpu", .runs = 3, .queues = 2, .cls = -1};
    int own = 0;
    while (own < argc && strcmp(argv[own], "--") != 0)
        ++own;
    o.verb = own < argc;
    argp_parse(&argp, own, argv, 0, NULL, &o);
    if (o.out == NULL && (getenv("TENON_TRACE") == NULL || getenv("TENON_TRACE")[0] == '\0'))
        o.out = "trace.json";
    if (o.verb)
        return run_verb(&o, argc - own - 1, argv + own + 1);
    tn_runtime *rt = NULL;
    tn_device *device = NULL;
    tool_trace *trace = NULL;
    int rc = 1;
    if (tn_runtime_create(NULL, &rt) != TN_OK || tn_device_open(rt, o.device, &device) != TN_OK)
        tool_error(o.device);
    else if (tool_trace_start(rt, o.out, &trace))
        rc = run_chain(rt, device, &o);
    if (tool_trace_write(trace) != 0)
        rc = 1;
    else if (rc == 0)
        printf("%s: %u ops on %s; open it at https://ui.perfetto.dev\n",
               o.out != NULL ? o.out : getenv("TENON_TRACE"), o.runs * o.ops, o.device);
    tn_device_release(device);
    tn_runtime_release(rt);
    return rc;
}
