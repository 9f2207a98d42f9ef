/* SPDX-License-Identifier: Apache-2.0 */
/* The Vulkan devices of this machine, for tests that need one, and what they say in the log. */
#ifndef TN_TESTS_SUPPORT_VULKAN_DEVICES_H
#define TN_TESTS_SUPPORT_VULKAN_DEVICES_H

#include "run_op.h"
#include "test.h"

#include <dlfcn.h>
#include <stdatomic.h>

enum { TN_TEST_VULKAN = 8 };

typedef struct vulkan_devices {
    uint32_t count;
    char uri[TN_TEST_VULKAN][128];
} vulkan_devices;

/* What the log said since it was last looked at. */
typedef struct vulkan_log {
    atomic_uint pipelines, complaints; /* of validation layers */
    atomic_uint divided;               /* plans that took several submits */
} vulkan_log;

static inline void vulkan_listen(void *self, int level, const char *text)
{
    vulkan_log *log = self;
    (void)level;
    if (strncmp(text, "vulkan pipeline", 15) == 0)
        atomic_fetch_add(&log->pipelines, 1);
    if (strncmp(text, "vulkan divided", 14) == 0)
        atomic_fetch_add(&log->divided, 1);
    /* A word about a device without 64-bit integers, of addresses that no kernel has. */
    if (strstr(text, "No buffer device address checking will be attempted") != NULL)
        return;
    if (strncmp(text, "vulkan validation", 17) == 0) {
        atomic_fetch_add(&log->complaints, 1);
        fprintf(stderr, "%s\n", text);
    }
}

/* Without any the test says so, which ctest takes for a skip. */
static inline vulkan_devices find_vulkan(void)
{
    vulkan_devices all = {0};
    tn_runtime *rt = NULL;
#ifdef __SANITIZE_ADDRESS__
    /* Mesa never frees its table of AMD's caches: as long as its library stays, that is no leak. */
    (void)dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
#endif
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    size_t n = tn_runtime_device_count(rt);
    for (size_t i = 0; i < n && all.count < TN_TEST_VULKAN; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        if (tn_runtime_device_info(rt, i, &info) == TN_OK && strncmp(info.uri, "vulkan:", 7) == 0)
            snprintf(all.uri[all.count++], sizeof all.uri[0], "%s", info.uri);
    }
    tn_runtime_release(rt);
    if (all.count == 0)
        fprintf(stderr, "skipped: no Vulkan driver here (./run --setup)\n");
    return all;
}

/* As tn_test_open, with an ear at the log. */
static inline bool vulkan_open(const char *uri, vulkan_log *log, tn_test_device *out)
{
    tn_runtime_desc desc = {
        .head = TN_INIT(tn_runtime_desc), .log = vulkan_listen, .log_self = log, .log_level = 5};
    memset(out, 0, sizeof *out);
    return tn_runtime_create(&desc, &out->runtime) == TN_OK &&
           tn_device_open(out->runtime, uri, &out->device) == TN_OK &&
           tn_queue_create(out->device, NULL, &out->queue) == TN_OK;
}

#endif
