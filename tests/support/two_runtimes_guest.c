/* SPDX-License-Identifier: Apache-2.0 */
/* A library that uses libtenon for itself: one runtime, one device, several threads that make
 * plans, run them and compare every bit. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "failing_alloc.h"
#include "two_runtimes.h"

static const char *const texts[] = {
    "matmul 33x47x65:f32:bias+relu+canonical",
    "matmul 1x96x200:f32:canonical",
    "matmul 128x64x96:f32:nt+canonical",
    "matmul 70x40x30:f32:tn+bias+gelu+canonical",
    "softmax 37x129:f32:axis=1+canonical",
    "norm layer 40x96:f32:eps=0.00001+gamma+beta+canonical",
    "attention b1h3q40k56d32:f32:canonical",
    "attention b1h2q33k33d16:f32:causal+canonical",
    "reduce sum 65x130:f32:axes=1+canonical",
    "eltwise add 50x70:f32:canonical",
    "eltwise gelu 3000:f32:canonical",
    "copy 30x40:f32:a=30x40@1x30",
};
enum { OPS = sizeof texts / sizeof texts[0], ARGS = 8, MOST = 1 << 14, FRESH = 8, THREADS = 16 };

typedef struct job {
    tn_op *op;
    uint32_t out;       /* index of the output */
    uint64_t out_bytes; /* all operands are given MOST floats */
    unsigned char want[MOST * 4];
} job;

typedef struct guest {
    failing_alloc mem;
    tn_runtime *rt;
    tn_device *device;
    job jobs[OPS];
    float in[ARGS][MOST];
    double seconds;
    pthread_mutex_t lock; /* guards: report */
    guest_report *report;
} guest;

typedef struct worker {
    guest *g;
    pthread_t thread;
    uint64_t seed;
    tn_queue *queue;
    unsigned char got[MOST * 4];
} worker;

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void trouble(guest *g, const char *what, tn_status st)
{
    tn_error e;
    tn_error_last(&e);
    pthread_mutex_lock(&g->lock);
    if (g->report->errors++ == 0)
        snprintf(g->report->text, sizeof g->report->text, "%s: %s %s", what, tn_status_name(st),
                 e.text != NULL ? e.text : "");
    pthread_mutex_unlock(&g->lock);
}

static uint64_t extent(const tn_tensor *t)
{
    uint64_t last = 0;
    for (int i = 0; i < t->rank; ++i)
        last += (uint64_t)(t->dim[i] - 1) * (uint64_t)t->stride[i];
    return (last + 1) * (tn_dtype_bits((tn_dtype)t->dtype) / 8);
}

/* Plan, buffers, run, read: all of its own, so that much is made and released at once. */
static tn_status run(tn_device *d, tn_queue *q, const tn_op *op, const float (*in)[MOST],
                     uint32_t out, void *got, uint64_t got_bytes, tn_plan **out_plan)
{
    tn_buffer *buffer[ARGS] = {NULL};
    tn_bind bind[ARGS];
    tn_plan *plan = NULL;
    tn_status st = tn_plan_create(d, op, NULL, &plan);
    for (uint32_t i = 0; i < op->arg_count && st == TN_OK; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc),
                               .bytes = extent(&op->args[i].tensor)};
        st = tn_buffer_create(d, &desc, &buffer[i]);
        bind[i] = (tn_bind){.role = op->args[i].role, .buffer = buffer[i]};
        if (st == TN_OK && i != out)
            st = tn_queue_write(q, buffer[i], 0, in[i], desc.bytes, NULL);
    }
    if (st == TN_OK)
        st = tn_queue_run(q, plan, bind, op->arg_count, NULL, NULL);
    if (st == TN_OK)
        st = tn_queue_read(q, got, buffer[out], 0, got_bytes, NULL);
    tn_status idle = tn_queue_wait_idle(q, UINT64_MAX);
    for (uint32_t i = 0; i < ARGS; ++i)
        tn_buffer_release(buffer[i]);
    *out_plan = plan;
    return st != TN_OK ? st : idle;
}

/* The truth: one thread, the plainest kernels. */
static tn_status prepare(guest *g)
{
    tn_device *plain = NULL;
    tn_queue *q = NULL;
    tn_status st = tn_device_open(g->rt, "cpu?threads=1&max=baseline", &plain);
    if (st == TN_OK)
        st = tn_queue_create(plain, NULL, &q);
    for (int i = 0; i < OPS && st == TN_OK; ++i) {
        job *j = &g->jobs[i];
        tn_plan *plan = NULL;
        st = tn_op_parse(g->rt, texts[i], &j->op);
        if (st != TN_OK)
            break;
        for (uint32_t a = 0; a < j->op->arg_count; ++a)
            if (j->op->args[a].role == TN_ARG_OUT)
                j->out = a;
        j->out_bytes = extent(&j->op->args[j->out].tensor);
        st =
            run(plain, q, j->op, (const float(*)[MOST])g->in, j->out, j->want, j->out_bytes, &plan);
        tn_plan_release(plan);
        for (uint64_t k = 0; k < j->out_bytes; ++k)
            g->report->digest = (g->report->digest ^ j->want[k]) * 0x100000001b3u;
    }
    tn_queue_release(q);
    tn_device_release(plain);
    return st;
}

/* A shape that nobody asked for yet, so that the cache of plans does not know it: sums of small
 * whole numbers, which are exact in any order. */
static bool fresh(worker *w, uint64_t *plans)
{
    guest *g = w->g;
    char text[64];
    unsigned m = 1 + (unsigned)(next(&w->seed) % 60), n = 1 + (unsigned)(next(&w->seed) % 60);
    unsigned k = 1 + (unsigned)(next(&w->seed) % 60);
    static const char *const classes[] = {"", ":fast", ":canonical"};
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    snprintf(text, sizeof text, "matmul %ux%ux%u:f32%s", m, n, k, classes[next(&w->seed) % 3]);
    tn_status st = tn_op_parse(g->rt, text, &op);
    if (st == TN_OK)
        st = run(g->device, w->queue, op, (const float(*)[MOST])g->in, 2, w->got,
                 (uint64_t)m * n * 4, &plan);
    tn_op_free(g->rt, op);
    tn_plan_release(plan);
    if (st != TN_OK) {
        trouble(g, text, st);
        return true;
    }
    ++*plans;
    bool right = true;
    for (unsigned i = 0; i < m; ++i)
        for (unsigned j = 0; j < n; ++j) {
            float sum = 0.0f, got;
            for (unsigned l = 0; l < k; ++l)
                sum += g->in[0][i * k + l] * g->in[1][l * n + j];
            memcpy(&got, &w->got[(i * n + j) * 4], 4);
            right = right && got == sum;
        }
    return right;
}

static void *work(void *arg)
{
    worker *w = arg;
    guest *g = w->g;
    uint64_t plans = 0, runs = 0, wrong = 0;
    double end = now() + g->seconds;
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc),
                          .flags = next(&w->seed) % 2 != 0 ? TN_QUEUE_INLINE : 0};
    tn_status st = tn_queue_create(g->device, &desc, &w->queue);
    if (st != TN_OK)
        trouble(g, "queue", st);
    while (st == TN_OK && now() < end) {
        const job *j = &g->jobs[next(&w->seed) % OPS];
        tn_plan *plan = NULL;
        memset(w->got, 0x77, j->out_bytes);
        tn_status ran = run(g->device, w->queue, j->op, (const float(*)[MOST])g->in, j->out, w->got,
                            j->out_bytes, &plan);
        tn_plan_release(plan);
        if (ran != TN_OK)
            trouble(g, "run", ran);
        else
            wrong += memcmp(w->got, j->want, j->out_bytes) != 0;
        ++plans;
        ++runs;
        for (int i = 0; i < FRESH && next(&w->seed) % 4 == 0; ++i, ++runs)
            wrong += !fresh(w, &plans);
        if (next(&w->seed) % 16 == 0) { /* queues come and go too */
            tn_queue_release(w->queue);
            w->queue = NULL;
            st = tn_queue_create(g->device, &desc, &w->queue);
            if (st != TN_OK)
                trouble(g, "queue", st);
        }
    }
    tn_queue_release(w->queue);
    pthread_mutex_lock(&g->lock);
    g->report->plans += plans;
    g->report->runs += runs;
    g->report->wrong += wrong;
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

TN_API void tn_test_guest(const char *uri, uint32_t threads, double seconds, uint64_t seed,
                          guest_report *out);
TN_API void tn_test_guest(const char *uri, uint32_t threads, double seconds, uint64_t seed,
                          guest_report *out)
{
    guest *g = calloc(1, sizeof *g);
    worker *workers = calloc(THREADS, sizeof *workers);
    uint64_t state = 0x9e3779b97f4a7c15u; /* the same numbers in every guest */
    memset(out, 0, sizeof *out);
    if (g == NULL || workers == NULL || threads > THREADS) {
        out->errors = 1;
        free(g);
        free(workers);
        return;
    }
    g->report = out;
    g->seconds = seconds;
    pthread_mutex_init(&g->lock, NULL);
    for (int a = 0; a < ARGS; ++a)
        for (int i = 0; i < MOST; ++i)
            g->in[a][i] = (float)((int)(next(&state) % 17) - 8);
    tn_runtime_desc desc = {
        .head = TN_INIT(tn_runtime_desc), .allocator = failing_allocator(&g->mem), .threads = 3};
    tn_status st = tn_runtime_create(&desc, &g->rt);
    if (st == TN_OK)
        st = tn_device_open(g->rt, uri, &g->device);
    if (st == TN_OK)
        st = prepare(g);
    if (st != TN_OK)
        trouble(g, "prepare", st);
    uint32_t started = 0;
    for (; st == TN_OK && started < threads; ++started) {
        worker *w = &workers[started];
        w->g = g;
        w->seed = (seed + started + 1) * 0x9e3779b97f4a7c15u | 1u;
        if (pthread_create(&w->thread, NULL, work, w) != 0)
            break;
    }
    if (started < threads)
        trouble(g, "thread", TN_STATUS_NO_MEMORY);
    for (uint32_t i = 0; i < started; ++i)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < OPS; ++i)
        tn_op_free(g->rt, g->jobs[i].op);
    tn_device_release(g->device);
    tn_runtime_release(g->rt);
    /* At once: every queue was idle, and this library may be unloaded when we return. */
    out->live_bytes = atomic_load(&g->mem.live_bytes);
    out->misuse = atomic_load(&g->mem.misuse);
    out->allocations = atomic_load(&g->mem.calls);
    pthread_mutex_destroy(&g->lock);
    free(workers);
    free(g);
}
