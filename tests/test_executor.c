/* SPDX-License-Identifier: Apache-2.0 */
/* An encoder-like chain of ops on executors of the host application: the bits of our own pool,
 * whatever the order, the threads and the manners of the executor. */
#include "support/test.h"

#include "support/failing_alloc.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* ---- executors ---- */
enum { HELPERS = 3, WORKERS = HELPERS + 1 };
typedef enum manner {
    POOL,       /* helpers and the caller take what comes next */
    REVERSED,   /* from the last task to the first */
    LATE,       /* as POOL, each task after a while */
    ELSEWHERE,  /* all on one other thread */
    NOT_HERE,   /* helpers only */
    SKIPS,      /* every second task is left out */
    NEVER,      /* none is called */
    WILD,       /* worker numbers of its own invention */
    SHUFFLED,   /* in an order of its own */
    ONE_BY_ONE, /* never two at a time, of all jobs */
    DEFERRED,   /* on other threads, which start late, while the caller sleeps */
    MANNERS
} manner;
static const char *const manner_names[] = {"pool",     "reversed",   "late",    "elsewhere",
                                           "not here", "skips",      "never",   "wild",
                                           "shuffled", "one by one", "deferred"};

typedef struct job {
    void (*task)(void *arg, uint32_t index, uint32_t worker);
    void *arg;
    uint32_t tasks;
    manner how;
    atomic_uint next;
} job;

typedef struct host {
    manner how;
    atomic_uint jobs, tasks; /* calls of parallel, and the tasks of these */
} host;

static void nap(uint64_t ns)
{
    struct timespec t = {0, (long)ns};
    (void)nanosleep(&t, NULL);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* guards: nothing, it keeps apart */

static void one(job *j, uint32_t index, uint32_t worker)
{
    if (j->how == ONE_BY_ONE) {
        pthread_mutex_lock(&turn);
        j->task(j->arg, index, worker);
        pthread_mutex_unlock(&turn);
        return;
    }
    if (j->how == SHUFFLED && j->tasks % 7 != 0)
        index = (index * 7 + 3) % j->tasks; /* a permutation: 7 does not divide the tasks */
    if (j->how == LATE)
        nap(index % 3 * 100000);
    if (j->how == SKIPS && index % 2 != 0)
        return;
    j->task(j->arg, j->how == REVERSED ? j->tasks - 1 - index : index,
            j->how == WILD ? worker + 1000u * (index + 1u) : worker);
}

static void take(job *j, uint32_t worker)
{
    for (uint32_t i; (i = atomic_fetch_add(&j->next, 1u)) < j->tasks;)
        one(j, i, worker);
}

typedef struct helper {
    job *j;
    uint32_t worker;
    pthread_t thread;
} helper;

static void *help(void *arg)
{
    helper *h = arg;
    if (h->j->how == DEFERRED)
        nap(200000);
    take(h->j, h->worker);
    return NULL;
}

static void parallel(void *self, uint32_t tasks, void (*task)(void *, uint32_t, uint32_t),
                     void *arg)
{
    host *h = self;
    job j = {.task = task, .arg = arg, .tasks = tasks, .how = h->how};
    helper helpers[HELPERS];
    uint32_t started = 0;
    atomic_fetch_add(&h->jobs, 1u);
    atomic_fetch_add(&h->tasks, tasks);
    if (h->how == NEVER)
        return;
    for (uint32_t i = 0; i < (h->how == ELSEWHERE ? 1u : HELPERS); ++i, ++started) {
        helpers[i] = (helper){.j = &j, .worker = i + 1};
        if (pthread_create(&helpers[i].thread, NULL, help, &helpers[i]) != 0)
            break;
    }
    if ((h->how != ELSEWHERE && h->how != NOT_HERE && h->how != DEFERRED) || started == 0)
        take(&j, 0);
    for (uint32_t i = 0; i < started; ++i)
        (void)pthread_join(helpers[i].thread, NULL);
}

/* ---- the chain ---- */
enum { ELEMS = 96 * 384, SLOTS = 12 };

typedef struct step {
    const char *text; /* without the class */
    uint32_t slot[5]; /* a buffer for each operand in the op's order; the last is the output */
} step;

/* Slots: 0 input, 1 to 3 activations, 4 to 7 weights, 8 to 11 the rest. One layer of an encoder. */
static const step steps[] = {
    {"matmul 64x96x96:f32:bias", {0, 4, 8, 1}},
    {"matmul 64x96x96:f32:bias", {0, 5, 9, 2}},
    {"matmul 64x96x96:f32:bias", {0, 6, 10, 3}},
    {"attention b1h4q64k64d24:f32", {1, 2, 3, 11}},
    {"matmul 64x96x96:f32:bias", {11, 7, 8, 1}},
    {"eltwise add 64x96:f32", {1, 0, 2}},
    {"norm layer 64x96:f32:eps=0.00001+gamma+beta", {2, 9, 10, 1}},
    {"matmul 64x384x96:f32:bias+gelu", {1, 4, 5, 2}},
    {"matmul 64x96x384:f32:bias", {2, 6, 8, 3}},
    {"eltwise add 64x96:f32", {3, 1, 2}},
    {"norm layer 64x96:f32:eps=0.00001+gamma+beta", {2, 9, 10, 1}},
    {"softmax 64x96:f32:axis=1", {1, 2}},
    {"reduce sum 64x96:f32:axes=1", {2, 3}},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

typedef struct bits {
    float value[SLOTS][ELEMS];
} bits;

static void check(tn_status st, const char *what, const char *uri)
{
    tn_error e;
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s on %s: %s %s", what, uri, e.reason, e.text);
}

/* Runs the chain and reads every slot back; returns the live bytes when all is released. */
static int64_t chain(const char *uri, const char *cls, host *h, uint32_t threads, bits *out)
{
    failing_alloc mem = {0};
    tn_runtime_desc desc = {
        .head = TN_INIT(tn_runtime_desc), .allocator = failing_allocator(&mem), .threads = threads};
    if (h != NULL)
        desc.executor = (tn_executor){.self = h, .workers = WORKERS, .parallel = parallel};
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_queue *q = NULL;
    tn_buffer *slot[SLOTS] = {NULL};
    check(tn_runtime_create(&desc, &rt), "runtime", uri);
    check(tn_device_open(rt, uri, &d), "device", uri);
    check(tn_queue_create(d, NULL, &q), "queue", uri);
    uint64_t seed = 20;
    for (int i = 0; i < SLOTS; ++i) {
        tn_buffer_desc buffer = {.head = TN_INIT(tn_buffer_desc), .bytes = ELEMS * 4};
        for (int k = 0; k < ELEMS; ++k)
            out->value[i][k] = (float)((double)(tn_test_random(&seed) >> 40) * 0x1p-24 - 0.5);
        check(tn_buffer_create(d, &buffer, &slot[i]), "buffer", uri);
        check(tn_queue_write(q, slot[i], 0, out->value[i], ELEMS * 4, NULL), "write", uri);
    }
    tn_op *op[STEPS] = {NULL};
    tn_plan *plan[STEPS] = {NULL};
    for (int i = 0; i < STEPS; ++i) {
        char text[128];
        tn_bind bind[5];
        bool keys = strchr(strchr(steps[i].text, ':') + 1, ':') != NULL;
        snprintf(text, sizeof text, "%s%c%s", steps[i].text, keys ? '+' : ':', cls);
        check(tn_op_parse(rt, text, &op[i]), text, uri);
        check(tn_plan_create(d, op[i], NULL, &plan[i]), text, uri);
        for (uint32_t a = 0; a < op[i]->arg_count; ++a)
            bind[a] = (tn_bind){.role = op[i]->args[a].role, .buffer = slot[steps[i].slot[a]]};
        check(tn_queue_run(q, plan[i], bind, op[i]->arg_count, NULL, NULL), text, uri);
    }
    for (int i = 0; i < SLOTS; ++i)
        check(tn_queue_read(q, out->value[i], slot[i], 0, ELEMS * 4, NULL), "read", uri);
    check(tn_queue_wait_idle(q, UINT64_MAX), "wait", uri);
    for (int i = 0; i < STEPS; ++i) {
        tn_plan_release(plan[i]);
        tn_op_free(rt, op[i]);
    }
    for (int i = 0; i < SLOTS; ++i)
        tn_buffer_release(slot[i]);
    TN_EXPECT(atomic_load(&mem.live_bytes) > 0);
    tn_queue_release(q);
    tn_device_release(d);
    tn_runtime_release(rt);
    TN_EXPECT(atomic_load(&mem.misuse) == 0, "%s frees what it did not get", uri);
    return atomic_load(&mem.live_bytes);
}

static void compare(const char *uri)
{
    static const char *const classes[] = {"canonical", "bounded"};
    static bits want, got;
    for (int c = 0; c < 2; ++c) {
        TN_EXPECT(chain(uri, classes[c], NULL, WORKERS, &want) == 0, "%s leaks", uri);
        for (int m = 0; m < MANNERS; ++m) {
            host h = {.how = (manner)m};
            memset(&got, 0, sizeof got);
            TN_EXPECT(chain(uri, classes[c], &h, 1, &got) == 0, "%s %s leaks", uri,
                      manner_names[m]);
            TN_EXPECT(memcmp(&got, &want, sizeof got) == 0, "%s, %s, %s executor: other bits", uri,
                      classes[c], manner_names[m]);
            TN_EXPECT(atomic_load(&h.jobs) >= 5 && atomic_load(&h.tasks) >= 10,
                      "%s, %s executor: only %u jobs of %u tasks", uri, manner_names[m],
                      atomic_load(&h.jobs), atomic_load(&h.tasks));
        }
        /* Neither the executor nor its size shows in canonical bits. */
        if (c == 0) {
            TN_EXPECT(chain(uri, classes[c], NULL, 1, &got) == 0);
            TN_EXPECT(memcmp(&got, &want, sizeof got) == 0, "%s: other bits on one thread", uri);
        }
    }
}

TN_TEST(executor, same_bits)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        compare(*uri);
}

/* One executor for several runtimes, which call it at the same time from their own threads. */
typedef struct guest {
    const char *uri;
    host *h;
    bits got;
    int64_t live;
} guest;

static void *visit(void *arg)
{
    guest *g = arg;
    g->live = chain(g->uri, "canonical", g->h, 1, &g->got);
    return NULL;
}

TN_TEST(executor, shared_by_runtimes)
{
    enum { GUESTS = 3 };
    static const manner manners[] = {POOL, ELSEWHERE, ONE_BY_ONE};
    static guest g[GUESTS];
    static bits want;
    pthread_t thread[GUESTS];
    (void)chain("cpu", "canonical", NULL, WORKERS, &want);
    for (size_t m = 0; m < sizeof manners / sizeof manners[0]; ++m) {
        host h = {.how = manners[m]};
        for (int i = 0; i < GUESTS; ++i) {
            g[i].uri = i % 2 == 0 ? "cpu" : "cpu?private=1";
            g[i].h = &h;
            TN_REQUIRE(pthread_create(&thread[i], NULL, visit, &g[i]) == 0);
        }
        for (int i = 0; i < GUESTS; ++i) {
            pthread_join(thread[i], NULL);
            TN_EXPECT(g[i].live == 0 && memcmp(&g[i].got, &want, sizeof want) == 0,
                      "%s executor, %s: other bits or %lld bytes left", manner_names[manners[m]],
                      g[i].uri, (long long)g[i].live);
        }
    }
}

/* Fewer threads than the executor has: its worker numbers go past the plan's workspace. */
TN_TEST(executor, fewer_threads_than_workers)
{
    compare("cpu?threads=2");
    compare("cpu?private=1&threads=3");
}

/* Under TN_RUNTIME_NO_THREADS nothing is given to anybody. */
TN_TEST(executor, not_used_without_threads)
{
    host h = {.how = POOL};
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .executor = {.self = &h, .workers = WORKERS, .parallel = parallel},
                            .flags = TN_RUNTIME_NO_THREADS};
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    check(tn_runtime_create(&desc, &rt), "runtime", "cpu");
    check(tn_device_open(rt, "cpu", &d), "device", "cpu");
    check(tn_device_get_info(d, &info), "info", "cpu");
    TN_EXPECT(strstr(info.driver, "1 thread") != NULL, "%s", info.driver);
    TN_EXPECT(atomic_load(&h.jobs) == 0);
    tn_device_release(d);
    tn_runtime_release(rt);
}
