/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL devices of this machine, for tests that need one. */
#ifndef TN_TESTS_SUPPORT_OPENCL_DEVICES_H
#define TN_TESTS_SUPPORT_OPENCL_DEVICES_H

#include "test.h"
#include <tenon/tenon.h>

enum { TN_TEST_OPENCL = 8 };

typedef struct opencl_devices {
    uint32_t count;
    char uri[TN_TEST_OPENCL][128];
} opencl_devices;

/* Without any the test says so, which ctest takes for a skip. */
static inline opencl_devices find_opencl(void)
{
    opencl_devices all = {0};
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    size_t n = tn_runtime_device_count(rt);
    for (size_t i = 0; i < n && all.count < TN_TEST_OPENCL; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        if (tn_runtime_device_info(rt, i, &info) == TN_OK && strncmp(info.uri, "opencl:", 7) == 0)
            snprintf(all.uri[all.count++], sizeof all.uri[0], "%s", info.uri);
    }
    tn_runtime_release(rt);
    if (all.count == 0)
        fprintf(stderr, "skipped: no OpenCL driver here (./run --setup)\n");
    return all;
}

#endif
