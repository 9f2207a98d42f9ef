/* SPDX-License-Identifier: Apache-2.0 */
/* The Vulkan backend: which devices there are, the options of a URI, the device's table. Built
 * without Vulkan's headers or glslc it says so and has no devices. */
/* path: api > placement > queue > [backend] > kernel > device */
#ifdef TN_VULKAN
#include "vk.h"
#include <backends/common/driver_names.h>

#include <stdio.h>
#include <stdlib.h>

static tn_status device_info(void *device, tn_device_info *out)
{
    tn__vk_fill_info(&((vk_device *)device)->caps, out);
    return TN_OK;
}

static void device_close(void *device)
{
    vk_device *d = device;
    const tn_host *host = d->host;
    tn__vk_device_destroy(d);
    pthread_mutex_destroy(&d->queue_lock);
    pthread_mutex_destroy(&d->pipeline_lock);
    pthread_mutex_destroy(&d->memory_lock);
    tn__vk_free(host, d, sizeof *d);
}

/* What is claimed here hal probes before anyone sees it. */
static tn_status device_classes(void *device, tn_dtype dtype, tn_class_info *out)
{
    const vk_device *d = device;
    const uint32_t inexact = 1u << TN_CLASS_BOUNDED | 1u << TN_CLASS_FAST;
    switch (dtype) {
    case TN_F32:
        out->classes = inexact | 1u << TN_CLASS_CANONICAL;
        break;
    case TN_F16:
    case TN_BF16:
    case TN_S64:
    case TN_S32:
    case TN_S8:
    case TN_U8:
    case TN_BOOL:
        out->classes = inexact | 1u << TN_CLASS_CANONICAL | 1u << TN_CLASS_EXACT;
        break;
    default:
        out->classes = 0;
        break;
    }
    if (dtype <= TN_E8M0 && !d->canonical) {
        out->classes &= ~(1u << TN_CLASS_CANONICAL);
        snprintf(out->refused, sizeof out->refused, "%s", d->refused);
    }
    return TN_OK;
}

static const tn_device_ops device_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_device_ops),
    .close = device_close,
    .info = device_info,
    .buffer_create = tn__vk_buffer_create,
    .queue_create = tn__vk_queue_create,
    .plan_create = tn__vk_plan_create,
    .buffer_import = tn__vk_buffer_import,
    .supports = tn__vk_supports,
    .classes = device_classes,
    .memory = tn__vk_device_memory,
};

enum { FAULT_BYTES = 256 };

static tn_status number(const tn_host *host, const char *key, const char *value, uint64_t high,
                        uint64_t *out)
{
    char *end = NULL;
    unsigned long long n = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || n > high)
        return VK_FAIL_ARGUMENT(
            host, TN_STATUS_INVALID, "vulkan.option", "uri",
            "uri has %s=\"%s\"; %s of a Vulkan device is a number from 0 to %llu", key, value, key,
            (unsigned long long)high);
    *out = n;
    return TN_OK;
}

static tn_status option(vk_device *d, char fault[FAULT_BYTES], const char *key, const char *value)
{
    uint64_t n = 0;
    tn_status st = TN_OK;
    if (strcmp(key, "validate") == 0) {
        st = number(d->host, key, value, 2, &n);
        d->validate = (uint32_t)n;
    } else if (strcmp(key, "staging") == 0) {
        st = number(d->host, key, value, 1, &n);
        d->staging = n != 0;
    } else if (strcmp(key, "hang") == 0) {
        st = number(d->host, key, value, 86400, &n);
        if (st == TN_OK && n != 0)
            d->hang_ns = n * 1000000000u;
    } else if (strcmp(key, "submit_us") == 0) {
        st = number(d->host, key, value, 10000000, &n);
        if (st == TN_OK && n != 0)
            d->submit_ns = n * 1000u;
    } else if (strcmp(key, "fault") == 0) {
        if (strlen(value) >= FAULT_BYTES)
            return VK_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "vulkan.fault", "uri",
                                    "uri has a fault of %zu characters; at most %zu are allowed",
                                    strlen(value), FAULT_BYTES - 1);
        memcpy(fault, value, strlen(value) + 1);
    } else {
        return VK_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "vulkan.option", "uri",
                                "uri has the option \"%s\"; a Vulkan device has validate, staging, "
                                "hang, submit_us, fault",
                                key);
    }
    return st;
}

/* "NAME?key=value&..": what is before the options goes to `which`. */
static tn_status parse(vk_device *d, const char *arg, char *which, size_t bytes,
                       char fault[FAULT_BYTES])
{
    const char *at = arg != NULL ? arg : "";
    size_t n = strcspn(at, "?");
    if (n == 0)
        snprintf(which, bytes, "0");
    else if (n >= bytes)
        return VK_FAIL_ARGUMENT(
            d->host, TN_STATUS_INVALID, "vulkan.arg", "uri",
            "uri has \"%.*s\" behind vulkan:; a number or a name of at most %zu "
            "characters is allowed",
            (int)(n < 80 ? n : 80), at, bytes - 1);
    else
        snprintf(which, bytes, "%.*s", (int)n, at);
    at += n;
    while (*at != '\0') {
        char key[32], value[512];
        ++at;
        size_t all = strcspn(at, "&"), k = strcspn(at, "=&");
        if (k >= all || k >= sizeof key || all - k - 1 >= sizeof value)
            return VK_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "vulkan.option", "uri",
                                    "uri has \"%s\"; an option is key=value, joined by &", at);
        snprintf(key, sizeof key, "%.*s", (int)k, at);
        snprintf(value, sizeof value, "%.*s", (int)(all - k - 1), at + k + 1);
        tn_status st = option(d, fault, key, value);
        if (st != TN_OK)
            return st;
        at += all;
    }
    return TN_OK;
}

static tn_status backend_open(const tn_host *host, const char *arg, void *token, void **out,
                              const tn_device_ops **out_ops)
{
    char which[64];
    char fault[FAULT_BYTES] = "";
    vk_device *d = tn__vk_alloc(host, sizeof *d);
    if (d == NULL)
        return TN_STATUS_NO_MEMORY;
    d->host = host;
    d->hang_ns = 600u * 1000000000ull;
    d->submit_ns = 250000000u;
    atomic_init(&d->lost, false);
    atomic_init(&d->abandoned, false);
    tn_status st = parse(d, arg, which, sizeof which, fault);
    if (st != TN_OK) {
        tn__vk_free(host, d, sizeof *d);
        return st;
    }
    pthread_mutex_init(&d->queue_lock, NULL);
    pthread_mutex_init(&d->pipeline_lock, NULL);
    pthread_mutex_init(&d->memory_lock, NULL);
    st = tn__vk_device_create(d, which, fault);
    if (st == TN_OK)
        st = tn__vk_pipelines_create(d);
    if (st == TN_OK)
        st = tn__vk_self_test(d);
    if (st != TN_OK) {
        device_close(d);
        return st;
    }
    d->token = token;
    *out = d;
    *out_ops = &device_ops;
    return TN_OK;
}

static tn_status list_devices(const tn_host *host, const char *driver, vk_found list[VK_DEVICES],
                              uint32_t *count)
{
    vk_api api;
    VkInstance instance = VK_NULL_HANDLE;
    tn_status st = tn__vk_api_open(host, &api, driver);
    if (st == TN_OK)
        st = tn__vk_instance(host, &api, 0, &instance);
    if (st == TN_OK)
        st = tn__vk_physical(host, &api, instance, list, count);
    if (instance != VK_NULL_HANDLE && api.vkDestroyInstance != NULL)
        api.vkDestroyInstance(instance, NULL);
    tn__vk_api_close(&api);
    return st;
}

static tn_status backend_enumerate(const tn_host *host, void *token,
                                   void (*found)(void *token, const tn_device_info *))
{
    const char *rest = host->drivers;
    char driver[DRIVER_NAME_BYTES];
    vk_found *list = tn__vk_alloc(host, VK_DEVICES * sizeof *list);
    uint32_t count = 0;
    tn_status st;
    if (list == NULL)
        return TN_STATUS_NO_MEMORY;
    do
        st = list_devices(host, rest != NULL && driver_next(&rest, driver) ? driver : NULL, list,
                          &count);
    while (st == TN_OK && rest != NULL && *rest != '\0');
    for (uint32_t i = 0; st == TN_OK && i < count; ++i) {
        tn_device_info info = {.head = TN_INIT(tn_device_info)};
        tn__vk_fill_info(&list[i].caps, &info);
        if (list[i].refused == NULL)
            found(token, &info);
    }
    tn__vk_free(host, list, VK_DEVICES * sizeof *list);
    return st;
}

#else
#include <tenon/backend.h>

static tn_status absent(const tn_host *host)
{
    return host->fail(TN_STATUS_UNAVAILABLE, "vulkan.absent", __FILE__, __LINE__,
                      "this library was built without Vulkan; install libvulkan-dev, glslc and "
                      "spirv-tools and build it again");
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
    .name = "vulkan",
    .enumerate = backend_enumerate,
    .open = backend_open,
#ifdef TN_VULKAN
    .flags = TN_BACKEND_DRIVER,
    .drivers = tn__vk_drivers,
#endif
};

tn_status tn_backend_query_vulkan(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_vulkan(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}
