/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu device: options of its URI, what it says of itself, its table. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "cpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CPU_THREADS_MOST = 4096 }; /* what TENON_THREADS may ask for */

static void fill_info(const cpu_device *d, tn_device_info *out)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    snprintf(out->uri, sizeof out->uri, "%s", d->hidden ? "cpu?private=1" : "cpu");
    snprintf(out->name, sizeof out->name, "%s", d->brand);
    snprintf(out->vendor, sizeof out->vendor, "%s",
             strstr(d->brand, "AMD") != NULL     ? "AMD"
             : strstr(d->brand, "Intel") != NULL ? "Intel"
                                                 : "unknown");
    snprintf(out->driver, sizeof out->driver, "tenon cpu, %s, %u thread%s",
             tn__cpu_tier_name(d->caps.isa), d->caps.workers, d->caps.workers == 1 ? "" : "s");
    snprintf(out->group, sizeof out->group, "host-cpu");
    out->kind = TN_KIND_CPU;
    out->flags = TN_DEVICE_ASYNC | (d->hidden ? 0u : TN_DEVICE_HOST_VISIBLE | TN_DEVICE_DEFAULT);
    out->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    out->largest_buffer_bytes = out->memory_bytes;
    out->buffer_align = 64;
    out->offset_align = 1;
    out->import_align = 1;
    out->queues = 64;
}

static tn_status device_info(void *device, tn_device_info *out)
{
    fill_info(device, out);
    return TN_OK;
}

static void device_close(void *device)
{
    cpu_device *d = device;
    tn_allocator a = d->host->allocator;
    a.free(a.self, d, sizeof *d);
}

static tn_status device_classes(void *device, tn_dtype dtype, tn_class_info *out)
{
    (void)device;
    const uint32_t inexact = 1u << TN_CLASS_BOUNDED | 1u << TN_CLASS_FAST;
    switch (dtype) {
    case TN_F32:
        out->classes = inexact | 1u << TN_CLASS_CANONICAL;
        break;
    case TN_F16:
    case TN_BF16:
    case TN_F64: /* moved and converted, nothing more */
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
    return TN_OK;
}

static const tn_device_ops device_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_device_ops),
    .close = device_close,
    .info = device_info,
    .buffer_create = tn__cpu_buffer_create,
    .queue_create = tn__cpu_queue_create,
    .plan_create = tn__cpu_plan_create,
    .supports = tn__cpu_supports,
    .classes = device_classes,
    .buffer_import = tn__cpu_buffer_import,
};

static tn_status option_number(const tn_host *host, const char *key, const char *value,
                               uint64_t high, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || n > high || errno != 0)
        return CPU_FAIL_ARGUMENT(
            host, TN_STATUS_INVALID, "cpu.option", "uri",
            "uri has %s=\"%s\"; %s of the cpu device is a number from 0 to %llu", key, value, key,
            (unsigned long long)high);
    *out = n;
    return TN_OK;
}

static tn_status option(cpu_device *d, const char *key, const char *value)
{
    uint64_t n = 0;
    tn_status st = TN_OK;
    if (strcmp(key, "threads") == 0) {
        st = option_number(d->host, key, value, CPU_THREADS_MOST, &n);
        if (st == TN_OK && n != 0 && n < d->caps.workers)
            d->caps.workers = (uint32_t)n;
    } else if (strcmp(key, "private") == 0) {
        st = option_number(d->host, key, value, 1, &n);
        d->hidden = n != 0;
    } else if (strcmp(key, "delay") == 0) {
        st = option_number(d->host, key, value, UINT64_MAX, &d->delay_seed);
    } else if (strcmp(key, "max") == 0) {
        uint32_t mask = tn__cpu_tier_mask(value);
        if (mask == 0)
            return CPU_FAIL_ARGUMENT(
                d->host, TN_STATUS_INVALID, "cpu.option", "uri",
                "uri has max=\"%s\"; max of the cpu device is a tier: baseline, avx2, avx512, "
                "avx512bf16, amx; on Arm baseline, neon",
                value);
        d->caps.isa &= mask;
    } else {
        return CPU_FAIL_ARGUMENT(
            d->host, TN_STATUS_INVALID, "cpu.option", "uri",
            "uri has the option \"%s\"; the cpu device has threads, private, delay, max", key);
    }
    return st;
}

static void init(cpu_device *d, const tn_host *host)
{
    memset(d, 0, sizeof *d);
    d->host = host;
    d->executor = host->executor;
    d->delay_seed = 1;
    tn__cpu_caps(&d->caps, d->brand, sizeof d->brand);
    d->caps.workers =
        host->executor.parallel != NULL && host->executor.workers > 0 ? host->executor.workers : 1;
}

static tn_status backend_enumerate(const tn_host *host, void *token,
                                   void (*found)(void *token, const tn_device_info *))
{
    cpu_device d;
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    init(&d, host);
    fill_info(&d, &info);
    found(token, &info);
    return TN_OK;
}

static tn_status backend_open(const tn_host *host, const char *arg, void *token, void **out,
                              const tn_device_ops **out_ops)
{
    tn_allocator a = host->allocator;
    cpu_device *d = a.alloc(a.self, sizeof *d, 64);
    if (d == NULL)
        return CPU_FAIL(host, TN_STATUS_NO_MEMORY, "host.memory",
                        "no host memory for a device; free something and try again");
    init(d, host);
    d->token = token;
    tn_status st = TN_OK;
    const char *at = arg != NULL ? arg : "";
    if (*at != '\0' && *at != '?')
        st = CPU_FAIL_ARGUMENT(
            host, TN_STATUS_INVALID, "cpu.arg", "uri",
            "uri has \"%s\" behind cpu; the cpu device takes options only, cpu?key=value", at);
    while (st == TN_OK && *at != '\0') {
        char key[32], value[64];
        ++at;
        size_t n = strcspn(at, "&"), k = strcspn(at, "=&");
        if (k >= n || k >= sizeof key || n - k - 1 >= sizeof value) {
            st = CPU_FAIL_ARGUMENT(host, TN_STATUS_INVALID, "cpu.option", "uri",
                                   "uri has \"%s\" behind cpu; an option is key=value with at most "
                                   "31 and 63 characters, joined by &",
                                   arg);
            break;
        }
        snprintf(key, sizeof key, "%.*s", (int)k, at);
        snprintf(value, sizeof value, "%.*s", (int)(n - k - 1), at + k + 1);
        st = option(d, key, value);
        at += n;
    }
    if (st != TN_OK) {
        a.free(a.self, d, sizeof *d);
        return st;
    }
    if ((d->caps.isa & TN_K_ISA_AMX) != 0 && !tn__cpu_tiles_allowed())
        d->caps.isa &= ~(uint32_t)TN_K_ISA_AMX;
    *out = d;
    *out_ops = &device_ops;
    return TN_OK;
}

static const tn_backend_ops backend_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_backend_ops),
    .name = "cpu",
    .enumerate = backend_enumerate,
    .open = backend_open,
};

tn_status tn_backend_query_cpu(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_cpu(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &backend_ops;
    return TN_OK;
}
