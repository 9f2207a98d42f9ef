/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenCL device: its URI, its context, its loss, its table. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

tn_status tn__opencl_lose(opencl_device *d, cl_int error, const char *call)
{
    if (!atomic_exchange_explicit(&d->lost, true, memory_order_acq_rel))
        d->host->lost(d->token, TN_STATUS_DEVICE_LOST, "opencl.lost");
    return OPENCL_FAIL(d->host, TN_STATUS_DEVICE_LOST, "opencl.lost",
                       "%s gave %d (%s) on %s; release the device and open it again", call, error,
                       tn__opencl_error_name(error), d->info.uri);
}

tn_status tn__opencl_failed(opencl_device *d, cl_int error, const char *call, bool creates)
{
    bool memory = error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_HOST_MEMORY ||
                  (creates && error == CL_OUT_OF_RESOURCES);
    if (memory)
        return OPENCL_FAIL(d->host, TN_STATUS_NO_MEMORY, "opencl.memory",
                           "%s gave %d (%s) on %s; free something and try again", call, error,
                           tn__opencl_error_name(error), d->info.uri);
    return tn__opencl_lose(d, error, call);
}

static tn_status device_info(void *device, tn_device_info *out)
{
    const opencl_device *d = device;
    tn_head head = out->head;
    *out = d->info;
    out->head = head;
    return TN_OK;
}

static void device_close(void *device)
{
    opencl_device *d = device;
    const tn_host *host = d->host;
    for (uint32_t i = 0; d->programs != NULL && i < tn_k_opencl_row_count * OPENCL_FORMS; ++i) {
        tn__opencl_program_forget(d, &d->programs[i]);
        pthread_mutex_destroy(&d->programs[i].lock);
    }
    tn__opencl_give(host, d->programs, tn_k_opencl_row_count * OPENCL_FORMS * sizeof *d->programs);
    if (d->control != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseCommandQueue, d->control);
    if (d->context != NULL)
        (void)OPENCL_CALL(&d->driver, clReleaseContext, d->context);
    pthread_mutex_destroy(&d->control_lock);
    tn__opencl_give(host, d, sizeof *d);
}

static tn_status device_classes(void *device, tn_dtype dtype, tn_class_info *out)
{
    const opencl_device *d = device;
    const uint32_t inexact = 1u << TN_CLASS_BOUNDED | 1u << TN_CLASS_FAST;
    const uint32_t canonical = d->sums_right ? 1u << TN_CLASS_CANONICAL : 0;
    out->classes = 0;
    switch (dtype) {
    case TN_F32:
        out->classes = inexact | canonical;
        break;
    case TN_F16:
    case TN_BF16:
    case TN_F64:
    case TN_S64:
    case TN_S32:
    case TN_S8:
    case TN_U8:
    case TN_BOOL:
        out->classes = inexact | canonical | 1u << TN_CLASS_EXACT;
        break;
    default:
        break;
    }
    if (!d->sums_right)
        snprintf(out->refused, sizeof out->refused,
                 "canonical: the probe at open found other bits of fma, + or *");
    return TN_OK;
}

static const tn_device_ops device_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_device_ops),
    .close = device_close,
    .info = device_info,
    .buffer_create = tn__opencl_buffer_create,
    .queue_create = tn__opencl_queue_create,
    .plan_create = tn__opencl_plan_create,
    .supports = tn__opencl_supports,
    .classes = device_classes,
    .buffer_import = tn__opencl_buffer_import,
};

/* The cpu's own where the device is one, else a guess that suits small ones: OpenCL tells of one
 * cache alone. */
static uint32_t cache_bytes(const opencl_device *d, int name, uint32_t least, uint32_t guess)
{
    long bytes = d->info.kind == TN_KIND_CPU && name != 0 ? sysconf(name) : 0;
    return bytes >= (long)least && bytes <= 1 << 30 ? (uint32_t)bytes : guess;
}

#ifdef _SC_LEVEL1_DCACHE_SIZE
enum { L1_NAME = _SC_LEVEL1_DCACHE_SIZE, L2_NAME = _SC_LEVEL2_CACHE_SIZE };
#else
enum { L1_NAME = 0, L2_NAME = 0 };
#endif

/* Lanes that a unit keeps busy, and the least work of a task there: enough that a device is full,
 * and few enough for the scratch of each. */
enum { LANES = 256, TASK_BYTES = 256 };

/* Groups of work-items, and many more tasks than a cpu has threads. */
static void group_caps(opencl_device *d)
{
    cl_ulong local = 0;
    size_t items = 0;
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_LOCAL_MEM_SIZE,
                      sizeof local, &local, NULL);
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_MAX_WORK_GROUP_SIZE,
                      sizeof items, &items, NULL);
    d->caps.isa = TN_K_ISA_BASELINE | TN_K_ISA_GROUPS;
    d->caps.workers = (d->caps.workers < 1u << 12 ? d->caps.workers : 1u << 12) * LANES;
    d->caps.task_bytes = TASK_BYTES;
    d->caps.local_bytes = local < 1u << 30 ? (uint32_t)local : 1u << 30;
    d->caps.group_items = items < 1u << 16 ? (uint32_t)items : 1u << 16;
    d->caps.vendor = d->info.vendor;
    d->caps.device = d->info.name;
    d->caps.driver = d->info.driver;
}

static void caps_of(opencl_device *d)
{
    cl_uint units = 1, width = 1;
    if (!d->class_asked)
        d->groups = d->info.kind != TN_KIND_CPU;
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_MAX_COMPUTE_UNITS,
                      sizeof units, &units, NULL);
    (void)OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT,
                      sizeof width, &width, NULL);
    d->caps = (tn_k_caps){.isa = TN_K_ISA_BASELINE,
                          .workers = units == 0 ? 1 : units,
                          .l1d_bytes = cache_bytes(d, L1_NAME, 1u << 13, 32u << 10),
                          .l2_bytes = cache_bytes(d, L2_NAME, 1u << 16, 1u << 20),
                          .l3_bytes = 8u << 20,
                          .line_bytes = 64};
    if (d->groups) {
        group_caps(d);
        return;
    }
    if (d->info.kind == TN_KIND_CPU && width >= 8)
        d->caps.isa |= TN_K_ISA_WIDE8;
    if (d->info.kind == TN_KIND_CPU && width >= 16)
        d->caps.isa |= TN_K_ISA_WIDE16;
}

static tn_status option(opencl_device *d, const char *key, const char *value)
{
    if (strcmp(key, "fail") == 0) {
        d->driver.fault_entry = tn__opencl_entry(value);
        if (d->driver.fault_entry == OPENCL_ENTRIES)
            return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "opencl.option", "uri",
                                        "uri has fail=\"%s\"; fail of an OpenCL device is the name "
                                        "of an entry that it calls, such as clFlush",
                                        value);
        return TN_OK;
    }
    if (strcmp(key, "class") == 0) {
        d->class_asked = true;
        d->groups = strcmp(value, "gpu") == 0;
        if (!d->groups && strcmp(value, "cpu") != 0)
            return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "opencl.option", "uri",
                                        "uri has class=\"%s\"; class of an OpenCL device is cpu or "
                                        "gpu, by which its kernels are chosen; without it the "
                                        "device's own type says it",
                                        value);
        return TN_OK;
    }
    bool after = strcmp(key, "after") == 0, code = strcmp(key, "code") == 0;
    bool submit = strcmp(key, "submit_us") == 0;
    if (strcmp(key, "record") == 0 && (strcmp(value, "0") == 0 || strcmp(value, "1") == 0)) {
        d->record = value[0] == '1' ? OPENCL_RECORD : OPENCL_ENQUEUE;
        return TN_OK;
    }
    if (after || code || submit) {
        char *end = NULL;
        unsigned long n = strtoul(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != '\0' || n > 1000000)
            return OPENCL_FAIL_ARGUMENT(
                d->host, TN_STATUS_INVALID, "opencl.option", "uri",
                "uri has %s=\"%s\"; after is the calls that go well before, "
                "code an error of OpenCL without its minus, submit_us the estimated work of one "
                "launch, 0 to 1000000",
                key, value);
        if (submit)
            d->submit_ns = n != 0 ? n * 1000u : d->submit_ns;
        else if (after)
            atomic_store(&d->driver.fault_left, (int)n);
        else
            d->driver.fault_code = -(cl_int)n;
        return TN_OK;
    }
    return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "opencl.option", "uri",
                                "uri has the option \"%s\"; an OpenCL device has class, submit_us, "
                                "record (0 or 1), and fail, after and code, which put a fault in "
                                "the place of a driver's entry",
                                key);
}

static tn_status options(opencl_device *d, const char *at)
{
    while (*at != '\0') {
        char key[32], value[64];
        ++at;
        size_t n = strcspn(at, "&"), k = strcspn(at, "=&");
        if (k >= n || k >= sizeof key || n - k - 1 >= sizeof value)
            return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "opencl.option", "uri",
                                        "uri has \"%s\"; an option is key=value with at most 31 "
                                        "and 63 characters, joined by &",
                                        at);
        snprintf(key, sizeof key, "%.*s", (int)k, at);
        snprintf(value, sizeof value, "%.*s", (int)(n - k - 1), at + k + 1);
        tn_status st = option(d, key, value);
        if (st != TN_OK)
            return st;
        at += n;
    }
    return TN_OK;
}

/* By number, by name; "": the first. */
static tn_status choose(opencl_device *d, const char *name)
{
    opencl_found all[OPENCL_DEVICES];
    char list[256] = "";
    uint32_t count = 0;
    tn_status st = tn__opencl_list(d->host, &d->driver, all, &count);
    if (st != TN_OK)
        return st;
    char *end = NULL;
    unsigned long number = strtoul(name, &end, 10);
    bool is_number = name[0] == '\0' || (name[0] >= '0' && name[0] <= '9' && *end == '\0');
    for (uint32_t i = 0; i < count; ++i) {
        if (is_number ? number == i : strcmp(all[i].alias, name) == 0) {
            d->found = all[i];
            (void)tn__opencl_use(&d->driver, &d->found); /* it has them: the device was listed */
            return TN_OK;
        }
        size_t at = strlen(list);
        snprintf(list + at, sizeof list - at, "%s%s", at == 0 ? "" : ", ", all[i].alias);
    }
    return OPENCL_FAIL_ARGUMENT(d->host, TN_STATUS_UNAVAILABLE, "opencl.device", "uri",
                                "uri names the device \"%s\"; the OpenCL devices here are: %s; or "
                                "their numbers from 0 on",
                                name, count == 0 ? "none" : list);
}

static tn_status start(opencl_device *d)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)d->found.platform, 0};
    cl_int error = CL_SUCCESS;
    d->context =
        OPENCL_MAKE(&d->driver, clCreateContext, &error, properties, 1, &d->found.id, NULL, NULL);
    if (d->context == NULL)
        return tn__opencl_failed(d, error, "clCreateContext", true);
    d->control = OPENCL_MAKE(&d->driver, clCreateCommandQueue, &error, d->context, d->found.id, 0);
    if (d->control == NULL)
        return tn__opencl_failed(d, error, "clCreateCommandQueue", true);
    d->programs =
        tn__opencl_take(d->host, tn_k_opencl_row_count * OPENCL_FORMS * sizeof *d->programs);
    if (d->programs == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "a device");
    for (uint32_t i = 0; i < tn_k_opencl_row_count * OPENCL_FORMS; ++i)
        pthread_mutex_init(&d->programs[i].lock, NULL);
    tn__opencl_find_commands(d);
    return tn__opencl_probe(d);
}

tn_status tn__opencl_open(const tn_host *host, const char *arg, void *token, void **out,
                          const tn_device_ops **out_ops)
{
    char name[64];
    opencl_device *d = tn__opencl_take(host, sizeof *d);
    if (d == NULL)
        return OPENCL_NO_HOST_MEMORY(host, "a device");
    d->host = host;
    d->token = token;
    d->submit_ns = 250000000u;
    atomic_init(&d->lost, false);
    pthread_mutex_init(&d->control_lock, NULL);
    size_t n = strcspn(arg, "?");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), arg);
    tn_status st = tn__opencl_load(host, &d->driver);
    if (st == TN_OK)
        st = options(d, arg + n);
    if (st == TN_OK)
        st = choose(d, name);
    if (st == TN_OK) {
        tn__opencl_describe(&d->driver, &d->found, &d->info);
        snprintf(d->identity, sizeof d->identity, "%s|%s|%s", d->info.name, d->info.vendor,
                 d->info.driver);
        caps_of(d);
        st = start(d);
    }
    if (st != TN_OK) {
        device_close(d);
        return st;
    }
    *out = d;
    *out_ops = &device_ops;
    return TN_OK;
}
