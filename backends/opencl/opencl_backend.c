/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL backend: devices of every driver that the machine's OpenCL loader knows. Built without
 * OpenCL's headers it says so and has no devices. */
/* path: api > placement > queue > [backend] > kernel > device */
#ifdef TN_OPENCL
#include "opencl.h"

static tn_status backend_enumerate(const tn_host *host, void *token,
                                   void (*found)(void *token, const tn_device_info *))
{
    opencl_driver driver;
    opencl_found all[OPENCL_DEVICES];
    uint32_t count = 0;
    tn_status st = tn__opencl_load(host, &driver);
    if (st == TN_OK)
        st = tn__opencl_list(host, &driver, all, &count);
    for (uint32_t i = 0; st == TN_OK && i < count; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        (void)tn__opencl_use(&driver, &all[i]);
        tn__opencl_describe(&driver, &all[i], &info);
        found(token, &info);
    }
    return st;
}

#define backend_open tn__opencl_open
#else
#include <tenon/backend.h>

static tn_status absent(const tn_host *host)
{
    return host->fail(TN_STATUS_UNAVAILABLE, "opencl.absent", __FILE__, __LINE__,
                      "this library was built without OpenCL; install opencl-headers and python3 "
                      "and build it again");
}

static tn_status backend_enumerate(const tn_host *host, void *token,
                                   void (*found)(void *token, const tn_device_info *))
{
    (void)token, (void)found;
    return absent(host);
}

static tn_status backend_open(const tn_host *host, const char *arg, void *token, void **out,
                              const tn_device_ops **out_ops)
{
    (void)arg, (void)token, (void)out, (void)out_ops;
    return absent(host);
}
#endif

static const tn_backend_ops backend_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_backend_ops),
    .name = "opencl",
    .enumerate = backend_enumerate,
    .open = backend_open,
#ifdef TN_OPENCL
    .flags = TN_BACKEND_DRIVER,
    .drivers = tn__opencl_drivers,
#endif
};

tn_status tn_backend_query_opencl(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_opencl(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}
