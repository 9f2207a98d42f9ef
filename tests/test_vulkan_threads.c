/* SPDX-License-Identifier: Apache-2.0 */
/* Four threads on all Vulkan drivers at once, each with a queue of its own: right results all the
 * time, a clean end. 3 seconds; 60 with TENON_TEST_FULL=1. */
#include "support/op_problem.h"
#include "support/vulkan_devices.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = 4 };

static const char *const texts[] = {
    "matmul 33x65x127:f32:nt+bias",
    "softmax 30x400:f32:axis=1",
    "norm layer 9x500:f32:eps=1e-05+gamma+beta",
    "eltwise add 300x40:f32",
};

typedef struct worker {
    tn_test_device d; /* the device is shared, the queue is not */
    const char *uri;
    uint64_t seed;
    double seconds;
    uint32_t rounds, wrong;
    pthread_t thread;
} worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *serve(void *arg)
{
    worker *w = arg;
    problem p[4];
    void *want[4] = {NULL};
    double end = now() + w->seconds;
    for (uint32_t i = 0; i < 4; ++i)
        make(&w->d, texts[i], &p[i], w->seed + i);
    do {
        for (uint32_t i = 0; i < 4; ++i) {
            uint32_t last = p[i].op->arg_count;
            for (uint32_t a = 0; a < p[i].op->arg_count; ++a)
                if (p[i].op->args[a].role == TN_ARG_OUT)
                    last = a;
            memset(p[i].host[last], 0x7e, p[i].bytes[last]);
            bool ok = tn_test_compute(&w->d, p[i].op, p[i].host, p[i].bytes);
            if (ok && want[i] == NULL) {
                want[i] = malloc(p[i].bytes[last]);
                memcpy(want[i], p[i].host[last], p[i].bytes[last]);
            }
            w->wrong += !ok || memcmp(want[i], p[i].host[last], p[i].bytes[last]) != 0;
        }
        ++w->rounds;
    } while (now() < end);
    for (uint32_t i = 0; i < 4; ++i) {
        free(want[i]);
        drop(&w->d, &p[i]);
    }
    return NULL;
}

TN_TEST(vulkan_threads, four_at_once)
{
    vulkan_devices all = find_vulkan();
    const char *full = getenv("TENON_TEST_FULL");
    tn_test_device opened[TN_TEST_VULKAN];
    worker w[THREADS];
    if (all.count == 0)
        return;
    for (uint32_t i = 0; i < all.count; ++i)
        TN_REQUIRE(tn_test_open(all.uri[i], &opened[i]), "%s", all.uri[i]);
    for (uint32_t i = 0; i < THREADS; ++i) {
        uint32_t which = i % all.count;
        w[i] = (worker){.d = opened[which],
                        .uri = all.uri[which],
                        .seed = tn_test_seed(),
                        .seconds = full != NULL && full[0] == '1' ? 60.0 : 3.0};
        TN_REQUIRE(tn_queue_create(w[i].d.device, NULL, &w[i].d.queue) == TN_OK);
        TN_REQUIRE(pthread_create(&w[i].thread, NULL, serve, &w[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; ++i) {
        pthread_join(w[i].thread, NULL);
        fprintf(stderr, "%s: %u rounds\n", w[i].uri, w[i].rounds);
        TN_EXPECT(w[i].rounds > 0 && w[i].wrong == 0, "%s: %u of %u rounds were wrong", w[i].uri,
                  w[i].wrong, w[i].rounds);
        tn_queue_release(w[i].d.queue);
    }
    for (uint32_t i = 0; i < all.count; ++i)
        tn_test_close(&opened[i]);
}

TN_TEST(vulkan_threads, the_submitters_own)
{
    vulkan_devices all = find_vulkan();
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        TN_EXPECT(inline_work_is_done(&d), "%s", all.uri[i]);
        tn_test_close(&d);
    }
}
