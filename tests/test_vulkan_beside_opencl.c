/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of every OpenCL and Vulkan driver of this machine in one process and one runtime, four
 * threads that go from one to the next with queues of their own: the bits of cpu until the time is
 * over, nothing of ours left behind, a clean end. 3 seconds; 60 with TENON_TEST_FULL=1. */
#include "support/failing_alloc.h"
#include "support/op_problem.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 4, DEVICES = 8, OPS = 6, CANONICAL_OPS = 3 };

/* The first need the class. Of the others operands are small integers, so that every product and
 * every sum is exact: their bits are the same in any order, by any device. */
static const char *const texts[OPS] = {
    "matmul 33x65x300:f32:nt+bias+canonical",
    "softmax 30x400:f32:axis=1+canonical",
    "norm layer 9x500:f32:eps=1e-05+gamma+beta+canonical",
    "matmul 33x65x127:f32:nt+bias+relu",
    "reduce sum 20x300:f32:axes=1",
    "gather 300x64:f32:axis=0+index=12+exact",
};

typedef struct world {
    tn_runtime *runtime;
    uint32_t count;
    tn_device *device[DEVICES];
    char uri[DEVICES][128];
    bool canonical[DEVICES];
} world;

typedef struct worker {
    pthread_t thread;
    const world *on;
    problem p[OPS];
    void *want[OPS];
    uint32_t first;
    double seconds;
    uint32_t rounds[DEVICES], wrong[DEVICES];
} worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t out_of(const problem *p)
{
    uint32_t i = 0;
    while (p->op->args[i].role != TN_ARG_OUT)
        ++i;
    return i;
}

static void *serve(void *arg)
{
    worker *w = arg;
    double end = now() + w->seconds;
    /* each device once at least, however slow the others are */
    for (uint32_t turn = 0; turn < w->on->count || now() < end; ++turn) {
        uint32_t at = (w->first + turn) % w->on->count;
        tn_test_device d = {.runtime = w->on->runtime, .device = w->on->device[at]};
        bool ok = tn_queue_create(d.device, NULL, &d.queue) == TN_OK;
        for (uint32_t i = w->on->canonical[at] ? 0 : CANONICAL_OPS; ok && i < OPS; ++i) {
            problem *p = &w->p[i];
            uint32_t out = out_of(p);
            memset(p->host[out], 0x7e, p->bytes[out]);
            ok = tn_test_compute(&d, p->op, p->host, p->bytes) &&
                 memcmp(p->host[out], w->want[i], p->bytes[out]) == 0;
        }
        tn_queue_release(d.queue);
        ++w->rounds[at];
        w->wrong[at] += !ok;
    }
    return NULL;
}

/* All four at once; how much of ours lives afterwards. */
static int64_t together(worker *w, double seconds, failing_alloc *mem)
{
    for (uint32_t t = 0; t < THREADS; ++t) {
        w[t].seconds = seconds;
        TN_REQUIRE(pthread_create(&w[t].thread, NULL, serve, &w[t]) == 0);
    }
    for (uint32_t t = 0; t < THREADS; ++t)
        TN_EXPECT(pthread_join(w[t].thread, NULL) == 0);
    return atomic_load(&mem->live_bytes);
}

static void find(world *on)
{
    tn_error e;
    size_t n = tn_runtime_device_count(on->runtime);
    for (size_t i = 0; i < n && on->count < DEVICES; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        uint32_t at = on->count;
        if (tn_runtime_device_info(on->runtime, i, &info) != TN_OK ||
            (strncmp(info.uri, "opencl:", 7) != 0 && strncmp(info.uri, "vulkan:", 7) != 0))
            continue;
        snprintf(on->uri[at], sizeof on->uri[at], "%s", info.uri);
        tn_status st = tn_device_open(on->runtime, on->uri[at], &on->device[at]);
        tn_error_last(&e);
        TN_REQUIRE(st == TN_OK, "%s: %s", on->uri[at], e.text);
        ++on->count;
    }
}

static void prepare(worker *w, tn_test_device *cpu, uint64_t seed)
{
    for (uint32_t i = 0; i < OPS; ++i) {
        problem *p = &w->p[i];
        uint64_t state = seed + i;
        make(cpu, texts[i], p, state);
        for (uint32_t a = 0; i >= CANONICAL_OPS && a < p->op->arg_count; ++a)
            for (uint64_t k = 0; p->op->args[a].tensor.dtype == TN_F32 && k < p->bytes[a] / 4; ++k)
                ((float *)p->host[a])[k] = (float)(int)(tn_test_random(&state) % 17u) - 8.0f;
        TN_REQUIRE(tn_test_compute(cpu, p->op, p->host, p->bytes), "%s", texts[i]);
        uint32_t out = out_of(p);
        w->want[i] = malloc(p->bytes[out] + 1);
        TN_REQUIRE(w->want[i] != NULL, "memory");
        memcpy(w->want[i], p->host[out], p->bytes[out]);
    }
}

TN_TEST(vulkan_beside_opencl, four_threads)
{
    static failing_alloc mem;
    static worker w[THREADS];
    world on = {0};
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .allocator = failing_allocator(&mem)};
    const char *full = getenv("TENON_TEST_FULL");
    double seconds = full != NULL && strcmp(full, "1") == 0 ? 60.0 : 3.0;
    tn_test_device cpu;
    TN_REQUIRE(tn_runtime_create(&desc, &on.runtime) == TN_OK);
    find(&on);
    if (on.count == 0) {
        fprintf(stderr, "skipped: no Vulkan driver here (./run --setup)\n");
        tn_runtime_release(on.runtime);
        return;
    }
    TN_REQUIRE(tn_test_open("cpu", &cpu));
    for (uint32_t t = 0; t < THREADS; ++t) {
        prepare(&w[t], &cpu, tn_test_seed() + 100 * t);
        w[t].on = &on;
        w[t].first = t;
    }
    for (uint32_t i = 0; i < on.count; ++i)
        on.canonical[i] = tn_device_supports(on.device[i], w[0].p[0].op) == TN_OK;
    /* Once with nobody beside, so that plans, programs and pipelines are there. */
    int64_t live = 0;
    (void)serve(&w[0]);
    /* What is kept grows with how much was once in flight, and then no more. */
    (void)together(w, seconds / 3, &mem);
    live = together(w, seconds / 3, &mem);
    int64_t after = together(w, seconds / 3, &mem);
    TN_EXPECT(after <= live, "%lld bytes lived, now %lld", (long long)live, (long long)after);
    for (uint32_t i = 0; i < on.count; ++i) {
        uint32_t rounds = 0, wrong = 0;
        for (uint32_t t = 0; t < THREADS; ++t)
            rounds += w[t].rounds[i], wrong += w[t].wrong[i];
        fprintf(stderr, "%s: %u rounds%s\n", on.uri[i], rounds,
                on.canonical[i] ? " of all ops" : ", no CANONICAL");
        TN_EXPECT(rounds >= THREADS && wrong == 0, "%s: %u of %u rounds were wrong", on.uri[i],
                  wrong, rounds);
    }
    for (uint32_t t = 0; t < THREADS; ++t)
        for (uint32_t i = 0; i < OPS; ++i) {
            drop(&cpu, &w[t].p[i]);
            free(w[t].want[i]);
        }
    for (uint32_t i = 0; i < on.count; ++i)
        tn_device_release(on.device[i]);
    tn_runtime_release(on.runtime);
    tn_test_close(&cpu);
    TN_EXPECT(atomic_load(&mem.live_bytes) == 0, "%lld bytes in %lld blocks are left",
              (long long)atomic_load(&mem.live_bytes), (long long)atomic_load(&mem.live_blocks));
    TN_EXPECT(atomic_load(&mem.misuse) == 0, "frees what it did not get");
}
