/* SPDX-License-Identifier: Apache-2.0 */
/* Fences by themselves: values, failures, waits from several threads, callbacks. */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <tenon/tenon.h>

enum { FOREVER_S = 60 };
static const uint64_t forever = FOREVER_S * 1000000000ull;

static void count_call(void *self, tn_status status, const tn_error *error)
{
    (void)error;
    atomic_int *counts = self;
    atomic_fetch_add(&counts[status == TN_OK ? 0 : 1], 1);
}

TN_TEST(fence, value_grows)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_fence *f = NULL;
    TN_REQUIRE(tn_fence_create(rt, 3, &f) == TN_OK);
    uint64_t value = 0;
    TN_EXPECT(tn_fence_query(f, &value) == TN_OK && value == 3);
    TN_EXPECT(tn_fence_signal(f, 7) == TN_OK);
    TN_EXPECT(tn_fence_query(f, &value) == TN_OK && value == 7);
    TN_EXPECT(tn_fence_signal(f, 6) == TN_STATUS_INVALID);
    TN_EXPECT(tn_fence_query(f, &value) == TN_OK && value == 7);
    tn_point p = {f, 8};
    TN_EXPECT(tn_fence_wait(&p, 1, 0, 0) == TN_STATUS_TIMEOUT);
    TN_EXPECT(tn_fence_wait(&p, 1, 0, 2000000) == TN_STATUS_TIMEOUT);
    p.value = 7;
    TN_EXPECT(tn_fence_wait(&p, 1, 0, 0) == TN_OK);
    tn_times times;
    TN_EXPECT(tn_fence_times(f, 7, &times) == TN_STATUS_UNAVAILABLE);
    tn_fence_release(f);
    tn_runtime_release(rt);
}

TN_TEST(fence, failure_keeps_reached)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_fence *f = NULL;
    TN_REQUIRE(tn_fence_create(rt, 0, &f) == TN_OK);
    TN_EXPECT(tn_fence_signal(f, 2) == TN_OK);
    tn_error first = {.status = TN_STATUS_CORRUPT, .reason = "test.first", .text = "first"};
    tn_error second = {.status = TN_STATUS_CANCELLED, .reason = "test.second", .text = "second"};
    TN_EXPECT(tn_fence_fail(f, NULL) == TN_STATUS_INVALID);
    TN_EXPECT(tn_fence_fail(f, &first) == TN_OK);
    TN_EXPECT(tn_fence_fail(f, &second) == TN_OK);
    TN_EXPECT(tn_fence_signal(f, 9) == TN_STATUS_CORRUPT);
    uint64_t value = 0;
    TN_EXPECT(tn_fence_query(f, &value) == TN_STATUS_CORRUPT && value == 2);
    tn_point reached = {f, 2}, higher = {f, 3};
    TN_EXPECT(tn_fence_wait(&reached, 1, 0, 0) == TN_OK);
    TN_EXPECT(tn_fence_wait(&higher, 1, 0, forever) == TN_STATUS_CORRUPT);
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(e.reason != NULL && strcmp(e.reason, "test.first") == 0);
    TN_EXPECT(tn_fence_get_error(f, &e) == TN_OK && strcmp(e.reason, "test.first") == 0);
    tn_fence_release(f);
    tn_runtime_release(rt);
}

TN_TEST(fence, any_and_all)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    enum { COUNT = 12 };
    tn_point points[COUNT];
    for (int i = 0; i < COUNT; ++i) {
        points[i].value = 1;
        TN_REQUIRE(tn_fence_create(rt, 0, &points[i].fence) == TN_OK);
    }
    TN_EXPECT(tn_fence_wait(points, COUNT, 1, 1000000) == TN_STATUS_TIMEOUT);
    TN_EXPECT(tn_fence_signal(points[5].fence, 1) == TN_OK);
    TN_EXPECT(tn_fence_wait(points, COUNT, 1, forever) == TN_OK);
    TN_EXPECT(tn_fence_wait(points, COUNT, 0, 1000000) == TN_STATUS_TIMEOUT);
    for (int i = 0; i < COUNT; ++i)
        if (i != 5)
            TN_EXPECT(tn_fence_signal(points[i].fence, 1) == TN_OK);
    TN_EXPECT(tn_fence_wait(points, COUNT, 0, forever) == TN_OK);
    for (int i = 0; i < COUNT; ++i)
        tn_fence_release(points[i].fence);
    tn_runtime_release(rt);
}

typedef struct laps {
    tn_fence *f;
    uint64_t count;
    atomic_int bad;
} laps;

static void *wait_laps(void *self)
{
    laps *l = self;
    for (uint64_t v = 1; v <= l->count; ++v) {
        tn_point p = {l->f, v};
        if (tn_fence_wait(&p, 1, 0, forever) != TN_OK)
            atomic_fetch_add(&l->bad, 1);
    }
    return NULL;
}

TN_TEST(fence, four_threads_wait)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    laps l = {.count = 500};
    TN_REQUIRE(tn_fence_create(rt, 0, &l.f) == TN_OK);
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i)
        TN_REQUIRE(pthread_create(&threads[i], NULL, wait_laps, &l) == 0);
    for (uint64_t v = 1; v <= l.count; ++v)
        TN_EXPECT(tn_fence_signal(l.f, v) == TN_OK);
    for (int i = 0; i < 4; ++i)
        pthread_join(threads[i], NULL);
    TN_EXPECT(atomic_load(&l.bad) == 0);
    tn_fence_release(l.f);
    tn_runtime_release(rt);
}

TN_TEST(fence, callbacks_once)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_fence *f = NULL;
    TN_REQUIRE(tn_fence_create(rt, 1, &f) == TN_OK);
    atomic_int early[2] = {0}, later[2] = {0}, failed[2] = {0}, never[2] = {0};
    TN_EXPECT(tn_fence_notify(f, 1, count_call, early) == TN_OK);
    TN_EXPECT(atomic_load(&early[0]) == 1);
    TN_EXPECT(tn_fence_notify(f, 2, count_call, later) == TN_OK);
    TN_EXPECT(tn_fence_notify(f, 9, count_call, failed) == TN_OK);
    TN_EXPECT(atomic_load(&later[0]) == 0);
    TN_EXPECT(tn_fence_signal(f, 2) == TN_OK);
    TN_EXPECT(tn_fence_signal(f, 3) == TN_OK);
    TN_EXPECT(atomic_load(&later[0]) == 1 && atomic_load(&later[1]) == 0);
    tn_error e = {.status = TN_STATUS_CANCELLED, .reason = "test.cancelled"};
    TN_EXPECT(tn_fence_fail(f, &e) == TN_OK);
    TN_EXPECT(atomic_load(&failed[0]) == 0 && atomic_load(&failed[1]) == 1);
    tn_fence_release(f);
    TN_REQUIRE(tn_fence_create(rt, 0, &f) == TN_OK);
    TN_EXPECT(tn_fence_notify(f, 1, count_call, never) == TN_OK);
    tn_fence_release(f); /* nobody can signal it now: told once that it never will be */
    TN_EXPECT(atomic_load(&never[0]) == 0 && atomic_load(&never[1]) == 1);
    tn_runtime_release(rt);
}
