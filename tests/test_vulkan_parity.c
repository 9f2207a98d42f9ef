/* SPDX-License-Identifier: Apache-2.0 */
/* Every op of the list on every Vulkan device that claims CANONICAL, by a kernel of the device
 * itself and under the validation layers: the bits are those of cpu's plain kernels. What a device
 * leaves out is named with its reason. */
#include "support/op_problem.h"
#include "support/vulkan_devices.h"

enum { PIPELINES_MOST = 80 };

static const char *const texts[] = {
#include "support/vulkan_texts.inc"
};

/* False: the device leaves the op out. */
static bool one(tn_test_device *plain, tn_test_device *d, const char *uri, const char *text,
                uint64_t seed)
{
    problem p, q;
    tn_error e = {0};
    tn_plan *plan = NULL;
    make(plain, text, &p, seed);
    if (tn_device_supports(d->device, p.op) != TN_OK) {
        tn_error_last(&e);
        fprintf(stderr, "%s leaves out \"%s\": %s\n", uri, text, e.reason);
        drop(plain, &p);
        return false;
    }
    tn_status st = tn_plan_create(d->device, p.op, NULL, &plan);
    if (st != TN_OK)
        tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s on %s: %s", text, uri, e.text);
    if (st == TN_OK) {
        make(d, text, &q, seed);
        compute(plain, "the plain device", text, &p, NULL);
        compute(d, uri, text, &q, p.host);
        drop(d, &q);
    }
    tn_plan_release(plan);
    drop(plain, &p);
    return true;
}

static void on_device(tn_test_device *plain, const char *uri, uint64_t seed)
{
    char validated[160];
    vulkan_log log = {0};
    tn_test_device d;
    tn_error e;
    uint32_t ran = 0, skipped = 0, undrawn = 0;
    snprintf(validated, sizeof validated, "%s?validate=1", uri);
    bool layers = vulkan_open(validated, &log, &d);
    if (!layers) {
        tn_error_last(&e);
        fprintf(stderr, "%s runs without validation layers: %s\n", uri, e.text);
        tn_test_close(&d);
        TN_REQUIRE(strcmp(e.reason, "vulkan.layer") == 0 && vulkan_open(uri, &log, &d), "%s: %s",
                   uri, e.text);
    }
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; ++t) {
        if (!drawn(seed, t, 3)) {
            ++undrawn;
            continue;
        }
        *(one(plain, &d, uri, texts[t], seed + t) ? &ran : &skipped) += 1;
    }
    uint32_t pipelines = atomic_load(&log.pipelines), complaints = atomic_load(&log.complaints);
    fprintf(stderr,
            "%s: %u cases of %zu ran%s, %u left out, %u not drawn, %u pipelines, %u complaints\n",
            uri, ran, sizeof texts / sizeof texts[0], layers ? " under validation layers" : "",
            skipped, undrawn, pipelines, complaints);
    TN_EXPECT(ran > 0, "%s ran nothing", uri);
    TN_EXPECT(pipelines > 0 && pipelines <= PIPELINES_MOST, "%s made %u pipelines", uri, pipelines);
    TN_EXPECT(complaints == 0, "%s: %u complaints", uri, complaints);
    tn_test_close(&d);
}

TN_TEST(vulkan_parity, the_bits_of_cpu)
{
    vulkan_devices all = find_vulkan();
    tn_test_device plain;
    if (all.count == 0)
        return;
    TN_REQUIRE(tn_test_open("cpu?max=baseline&threads=1", &plain), "baseline");
    for (uint32_t i = 0; i < all.count; ++i)
        on_device(&plain, all.uri[i], tn_test_seed());
    tn_test_close(&plain);
}
