/* SPDX-License-Identifier: Apache-2.0 */
/* Two libraries in one process, each with a libtenon and a runtime of its own, four threads each:
 * right bits and nothing left over. TENON_TEST_SECONDS says how long on each device (2). */
#include "support/test.h"

#include "support/two_runtimes.h"
#include <dlfcn.h>
#include <pthread.h>

enum { GUESTS = 2, GUEST_THREADS = 4 };

typedef struct call {
    guest_fn fn;
    const char *uri;
    double seconds;
    uint64_t seed;
    guest_report report;
    pthread_t thread;
} call;

static void *enter(void *arg)
{
    call *c = arg;
    c->fn(c->uri, GUEST_THREADS, c->seconds, c->seed, &c->report);
    return NULL;
}

static double seconds(void)
{
    const char *text = getenv("TENON_TEST_SECONDS");
    double s = text != NULL && *text != '\0' ? strtod(text, NULL) : 2.0;
    return s > 0.0 && s < 100000.0 ? s : 2.0;
}

static void run(const char *uri, double time)
{
    static const char *const paths[GUESTS] = {TN_GUEST_shared, TN_GUEST_static};
    void *library[GUESTS];
    call calls[GUESTS];
    memset(calls, 0, sizeof calls);
    for (int i = 0; i < GUESTS; ++i) {
        library[i] = dlopen(paths[i], RTLD_NOW | RTLD_LOCAL);
        TN_REQUIRE(library[i] != NULL, "%s", dlerror());
        *(void **)&calls[i].fn = dlsym(library[i], "tn_test_guest");
        TN_REQUIRE(calls[i].fn != NULL, "%s", dlerror());
        calls[i].uri = uri;
        calls[i].seconds = time;
        calls[i].seed = tn_test_seed() + (uint64_t)i * 100;
    }
    TN_EXPECT(calls[0].fn != calls[1].fn);
    for (int i = 0; i < GUESTS; ++i)
        TN_REQUIRE(pthread_create(&calls[i].thread, NULL, enter, &calls[i]) == 0);
    for (int i = 0; i < GUESTS; ++i)
        (void)pthread_join(calls[i].thread, NULL);
    for (int i = 0; i < GUESTS; ++i) {
        const guest_report *r = &calls[i].report;
        fprintf(stderr,
                "%s, guest %d: %" PRIu64 " plans, %" PRIu64
                " runs in %.0f s on %d threads, %" PRIu64 " wrong, %" PRIu64 " errors, %" PRIu64
                " allocations, %" PRId64 " bytes left\n",
                uri, i, r->plans, r->runs, time, GUEST_THREADS, r->wrong, r->errors, r->allocations,
                r->live_bytes);
        TN_EXPECT(r->runs > 20 && r->plans > 20 && r->allocations > 100, "hardly any work");
        TN_EXPECT(r->wrong == 0);
        TN_EXPECT(r->errors == 0, "%s", r->text);
        TN_EXPECT(r->live_bytes == 0 && r->misuse == 0);
        TN_EXPECT(r->digest == calls[0].report.digest && r->digest != 0);
        TN_EXPECT(dlclose(library[i]) == 0);
    }
}

TN_TEST(two_runtimes, cpu)
{
    run("cpu", seconds());
}

TN_TEST(two_runtimes, private)
{
    run("cpu?private=1", seconds());
}
