/* SPDX-License-Identifier: Apache-2.0 */
/* Four threads on the OpenCL devices of this machine, of several makers in one process, each with
 * queues of its own: right results until the time is over, and a clean end. TENON_TEST_FULL=1: a
 * minute. */
#include "support/op_problem.h"
#include "support/opencl_devices.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 4, OPS = 3 };
static const char *const texts[OPS] = {"matmul 70x90x300:f32:bias+gelu+canonical",
                                       "softmax 60x900:f32:axis=1+canonical",
                                       "attention b1h4q40k140d32:f32:causal+canonical"};

typedef struct worker {
    pthread_t thread;
    tn_device *device;
    tn_runtime *runtime;
    problem p[OPS];
    void *want[OPS];
    double seconds;
    uint64_t rounds, wrong;
} worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t out_of(const problem *p)
{
    uint32_t i = 0;
    while (p->op->args[i].role != TN_ARG_OUT)
        ++i;
    return i;
}

static void *run(void *arg)
{
    worker *w = arg;
    double start = now();
    while (now() - start < w->seconds) {
        tn_test_device d = {.runtime = w->runtime, .device = w->device};
        if (tn_queue_create(d.device, NULL, &d.queue) != TN_OK) {
            ++w->wrong;
            break;
        }
        for (int i = 0; i < OPS; ++i) {
            problem *p = &w->p[i];
            uint32_t out = out_of(p);
            memset(p->host[out], 0x7e, p->bytes[out]);
            if (!tn_test_compute(&d, p->op, p->host, p->bytes) ||
                memcmp(p->host[out], w->want[i], p->bytes[out]) != 0)
                ++w->wrong;
        }
        tn_queue_release(d.queue);
        ++w->rounds;
    }
    return NULL;
}

TN_TEST(opencl_threads, several_makers)
{
    opencl_devices all = find_opencl();
    const char *full = getenv("TENON_TEST_FULL");
    double seconds = full != NULL && strcmp(full, "1") == 0 ? 60.0 : 3.0;
    tn_test_device cpu, d[TN_TEST_OPENCL];
    static worker w[THREADS];
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu", &cpu));
    for (uint32_t i = 0; i < all.count; ++i)
        TN_REQUIRE(tn_test_open(all.uri[i], &d[i]), "%s", all.uri[i]);
    for (uint32_t t = 0; t < THREADS; ++t) {
        tn_test_device *own = &d[t % all.count];
        w[t] = (worker){.device = own->device, .runtime = own->runtime, .seconds = seconds};
        for (int i = 0; i < OPS; ++i) {
            make(&cpu, texts[i], &w[t].p[i], tn_test_seed() + t);
            TN_REQUIRE(tn_test_compute(&cpu, w[t].p[i].op, w[t].p[i].host, w[t].p[i].bytes));
            uint32_t out = out_of(&w[t].p[i]);
            w[t].want[i] = malloc(w[t].p[i].bytes[out]);
            TN_REQUIRE(w[t].want[i] != NULL);
            memcpy(w[t].want[i], w[t].p[i].host[out], w[t].p[i].bytes[out]);
        }
    }
    for (int t = 0; t < THREADS; ++t)
        TN_REQUIRE(pthread_create(&w[t].thread, NULL, run, &w[t]) == 0);
    for (int t = 0; t < THREADS; ++t) {
        TN_EXPECT(pthread_join(w[t].thread, NULL) == 0);
        fprintf(stderr, "%s: %" PRIu64 " rounds\n", all.uri[(uint32_t)t % all.count], w[t].rounds);
        TN_EXPECT(w[t].rounds > 0 && w[t].wrong == 0, "thread %d: %" PRIu64 " wrong", t,
                  w[t].wrong);
        for (int i = 0; i < OPS; ++i) {
            drop(&cpu, &w[t].p[i]);
            free(w[t].want[i]);
        }
    }
    for (uint32_t i = 0; i < all.count; ++i)
        tn_test_close(&d[i]);
    tn_test_close(&cpu);
}

TN_TEST(opencl_threads, the_submitters_own)
{
    opencl_devices all = find_opencl();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        TN_EXPECT(inline_work_is_done(&d), "%s", all.uri[i]);
        tn_test_close(&d);
    }
}
