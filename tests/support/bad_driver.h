/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that is no good among those of this machine: what has to hold of all the others. */
#ifndef TN_TESTS_SUPPORT_BAD_DRIVER_H
#define TN_TESTS_SUPPORT_BAD_DRIVER_H

#include "op_problem.h"

#include <unistd.h>

#include <hal/plugin.h>

enum { DEVICES = 8 };

/* Devices of one scheme that are there without the bad driver. */
typedef struct known {
    const char *scheme;
    uint32_t count;
    char uri[DEVICES][128];
} known;

static inline known find(const char *scheme)
{
    known k = {.scheme = scheme};
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (size_t i = 0, n = tn_runtime_device_count(rt); i < n && k.count < DEVICES; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        if (tn_runtime_device_info(rt, i, &info) == TN_OK &&
            strncmp(info.uri, scheme, strlen(scheme)) == 0)
            snprintf(k.uri[k.count++], sizeof k.uri[0], "%s", info.uri);
    }
    tn_runtime_release(rt);
    return k;
}

static inline bool listed(tn_runtime *rt, const char *uri)
{
    for (size_t i = 0, n = tn_runtime_device_count(rt); i < n; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        if (tn_runtime_device_info(rt, i, &info) == TN_OK && strcmp(info.uri, uri) == 0)
            return true;
    }
    return false;
}

/* Small integers: every sum is exact, so the bits are the same on any device. */
static inline void computes(tn_runtime *rt, const char *uri)
{
    static const char text[] = "matmul 9x20x7:f32";
    tn_test_device cpu, d = {.runtime = tn_runtime_retain(rt)};
    problem p, q;
    tn_error e;
    tn_status st = tn_device_open(rt, uri, &d.device);
    tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s beside a bad driver: %s", uri, e.text);
    if (st == TN_OK && tn_queue_create(d.device, NULL, &d.queue) == TN_OK) {
        TN_REQUIRE(tn_test_open("cpu", &cpu));
        make(&cpu, text, &p, 3);
        make(&d, text, &q, 3);
        for (uint32_t a = 0; a < 2; ++a)
            for (size_t i = 0; i < p.bytes[a] / sizeof(float); ++i)
                ((float *)p.host[a])[i] = ((float *)q.host[a])[i] = (float)(i % 7) - 3.0f;
        TN_EXPECT(tn_test_compute(&cpu, p.op, p.host, p.bytes) &&
                      tn_test_compute(&d, q.op, q.host, q.bytes) &&
                      memcmp(p.host[2], q.host[2], p.bytes[2]) == 0,
                  "%s computes otherwise", uri);
        drop(&d, &q);
        drop(&cpu, &p);
        tn_test_close(&cpu);
    }
    tn_test_close(&d);
}

/* With the bad driver in the environment; `uri` is its device, or NULL. */
static inline void beside(const known *good, const char *kind, const char *uri, const char *reason)
{
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_error e;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    if (strcmp(kind, "hang") == 0)
        rt->plugins->limit_ns = 4000000000u; /* of the child's patience, which a hang uses up */
    TN_EXPECT(listed(rt, "cpu"), "cpu beside %s", kind);
    for (uint32_t i = 0; i < good->count; ++i)
        TN_EXPECT(listed(rt, good->uri[i]), "%s is hidden by %s", good->uri[i], kind);
    if (uri != NULL) {
        for (int i = 0; i < 2; ++i) { /* the second time it is remembered */
            tn_status st = tn_device_open(rt, uri, &d);
            tn_error_last(&e);
            TN_EXPECT(st == TN_STATUS_UNAVAILABLE && d == NULL && strcmp(e.reason, reason) == 0,
                      "%s of %s: %s %s: %s", uri, kind, tn_status_name(st), e.reason, e.text);
        }
    }
    for (uint32_t i = 0; i < good->count; ++i)
        computes(rt, good->uri[i]);
    tn_runtime_release(rt);
}

#endif
