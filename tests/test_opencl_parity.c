/* SPDX-License-Identifier: Apache-2.0 */
/* Every op of the list on every OpenCL device, by a kernel of the device itself: the bits are those
 * of cpu's plain kernels. What a device leaves out is named with its reason. */
#include "support/op_problem.h"
#include "support/opencl_devices.h"

static const char *const texts[] = {
#include "support/op_texts.inc"
#include "support/opencl_texts.inc"
};
static const char *const small_texts[] = {
#include "support/opencl_small.inc"
};

/* One case in `of` of a list. */
static void of_list(tn_test_device *plain, tn_test_device *device, const char *uri, uint64_t seed,
                    uint64_t of, const char *const *list, size_t cases)
{
    uint32_t ran = 0, skipped = 0, undrawn = 0;
    for (size_t t = 0; t < cases; ++t) {
        problem p, q;
        if (!drawn(seed, t, of)) {
            ++undrawn;
            continue;
        }
        make(plain, list[t], &p, seed + t);
        if (tn_device_supports(device->device, p.op) != TN_OK) {
            tn_error e;
            tn_error_last(&e);
            fprintf(stderr, "%s leaves out \"%s\": %s (%s)\n", uri, list[t], e.reason, e.text);
            ++skipped;
            drop(plain, &p);
            continue;
        }
        tn_plan *plan = NULL;
        tn_status st = tn_plan_create(device->device, p.op, NULL, &plan);
        tn_error e = {0};
        if (st != TN_OK)
            tn_error_last(&e);
        TN_EXPECT(st == TN_OK, "%s on %s: %s", list[t], uri, e.text);
        if (st == TN_OK) {
            make(device, list[t], &q, seed + t);
            compute(plain, "the plain device", list[t], &p, NULL);
            compute(device, uri, list[t], &q, p.host);
            drop(device, &q);
            ++ran;
        }
        tn_plan_release(plan);
        drop(plain, &p);
    }
    fprintf(stderr, "%s: %u cases of %zu ran, %u left out, %u not drawn\n", uri, ran, cases,
            skipped, undrawn);
    TN_EXPECT(ran > 0, "%s ran nothing", uri);
}

static void on_device(tn_test_device *plain, const char *uri, uint64_t seed, uint64_t of)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
    of_list(plain, &d, uri, seed, of, texts, sizeof texts / sizeof texts[0]);
    tn_test_close(&d);
}

/* Each device in a test of its own, whose time is limited: drivers build every program here. */
static void nth_device(uint32_t first, uint32_t last)
{
    opencl_devices all = find_opencl();
    tn_test_device plain;
    if (all.count <= first)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = first; i < all.count && i < last; ++i)
        on_device(&plain, all.uri[i], tn_test_seed(), 6);
    tn_test_close(&plain);
}

TN_TEST(opencl_parity, first_device)
{
    nth_device(0, 1);
}

TN_TEST(opencl_parity, second_device)
{
    nth_device(1, 2);
}

TN_TEST(opencl_parity, other_devices)
{
    nth_device(2, TN_TEST_OPENCL);
}

#if __has_include(<CL/cl.h>)
#include <backends/opencl/opencl.h>

/* What tests/check_oclgrind.py has watched: the rows for plain devices, and those of vectors, which
 * an interpreter takes as well. */
TN_TEST(opencl_parity, small)
{
    static const uint32_t isa[] = {0, TN_K_ISA_WIDE8, TN_K_ISA_WIDE8 | TN_K_ISA_WIDE16};
    opencl_devices all = find_opencl();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        tn_test_device d;
        bool watched = strstr(all.uri[i], "oclgrind") != NULL; /* others have longer lists, too */
        TN_REQUIRE(tn_test_open(all.uri[i], &d), "%s", all.uri[i]);
        for (uint32_t k = 0; k < sizeof isa / sizeof isa[0]; ++k) {
            ((opencl_device *)d.device->object)->caps.isa = TN_K_ISA_BASELINE | isa[k];
            of_list(&plain, &d, all.uri[i], tn_test_seed() + k, watched ? 3 : 12, small_texts,
                    sizeof small_texts / sizeof small_texts[0]);
        }
        tn_test_close(&d);
    }
    tn_test_close(&plain);
}
#endif

/* Whether a device is opened and a plan runs within so many launches: the next one fails. */
static bool within(const char *device, const char *option, unsigned launches)
{
    char uri[200];
    tn_test_device d;
    problem p;
    snprintf(uri, sizeof uri, "%s?fail=clEnqueueNDRangeKernel&after=%u%s", device, launches,
             option);
    TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
    make(&d, "matmul 512x512x512:f32", &p, 1);
    bool ran = tn_test_compute(&d, p.op, p.host, p.bytes);
    drop(&d, &p);
    tn_test_close(&d);
    return ran;
}

/* Each phase in many launches, as what takes long is divided. */
TN_TEST(opencl_parity, divided)
{
    opencl_devices all = find_opencl();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i) {
        char uri[160];
        snprintf(uri, sizeof uri, "%s?submit_us=10", all.uri[i]);
        on_device(&plain, uri, tn_test_seed() + 1, 24);
        TN_EXPECT(within(all.uri[i], "", 4) && !within(all.uri[i], "&submit_us=10", 4),
                  "%s divides nothing", all.uri[i]);
    }
    tn_test_close(&plain);
}
