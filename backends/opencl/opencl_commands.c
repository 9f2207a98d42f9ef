/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded work: kernels that follow each other become command buffers of the driver, where it has
 * them; everything else, and without them all, is enqueued one after the other. Either way a list
 * is one item, with one wait. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "opencl.h"

#include <stdio.h>

/* Of cl_khr_command_buffer. */
enum {
    CAPABILITIES = 0x12A9,
    REQUIRED_QUEUE = 0x12AA,
    CAN_FLY_TWICE = 1 << 2, /* among the capabilities */
    FLAGS = 0x1293,         /* a property of a command buffer, with this value: */
    FLIES_TWICE = 1 << 0
};

/* Work [first, first + count): what was recorded of it, or NULL, and its estimated time. */
typedef struct part {
    uint32_t first, count;
    uint64_t estimate_ns;
    opencl_recording recording;
} part;

typedef struct opencl_commands {
    size_t bytes;
    uint32_t count, parts;
    tn_work *work; /* slots and tensors are hal's, which keeps them */
    cl_mem *shape; /* of each PACK; kernels that were recorded read it at every submit */
    part *part;
    cl_kernel *twin; /* with the arguments of what was recorded */
    uint32_t twins;
} opencl_commands;

/* ---- whether the device has them ---- */

/* 0.9.0 or a later provisional one, or 1: what is called is the same in these. */
static bool known_version(opencl_device *d)
{
    size_t bytes = 0;
    bool known = false;
    if (OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_EXTENSIONS_WITH_VERSION, 0,
                    NULL, &bytes) != CL_SUCCESS ||
        bytes == 0)
        return false; /* older than OpenCL 3.0 */
    cl_name_version *list = tn__opencl_take(d->host, bytes);
    if (list == NULL)
        return false;
    if (OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CL_DEVICE_EXTENSIONS_WITH_VERSION,
                    bytes, list, NULL) == CL_SUCCESS)
        for (size_t i = 0; i < bytes / sizeof *list; ++i)
            if (strcmp(list[i].name, "cl_khr_command_buffer") == 0)
                known = CL_VERSION_MAJOR(list[i].version) == 1 ||
                        (CL_VERSION_MAJOR(list[i].version) == 0 &&
                         CL_VERSION_MINOR(list[i].version) == 9);
    tn__opencl_give(d->host, list, bytes);
    return known;
}

void tn__opencl_find_commands(opencl_device *d)
{
    cl_ulong can = 0, required = 0;
    if (d->record == OPENCL_ENQUEUE ||
        (d->record == OPENCL_BY_KIND && d->info.kind == TN_KIND_CPU) ||
        d->driver.clGetExtensionFunctionAddressForPlatform == NULL || !known_version(d) ||
        OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, CAPABILITIES, sizeof can, &can,
                    NULL) != CL_SUCCESS ||
        OPENCL_CALL(&d->driver, clGetDeviceInfo, d->found.id, REQUIRED_QUEUE, sizeof required,
                    &required, NULL) != CL_SUCCESS)
        return;
    /* The same list may be submitted again before it is done. */
    if ((can & CAN_FLY_TWICE) == 0 || (required & ~(cl_ulong)CL_QUEUE_PROFILING_ENABLE) != 0)
        return;
    d->records = true;
#define OPENCL_FIND(entry)                                                                         \
    *(void **)(void *)&d->driver.entry =                                                           \
        tn__opencl_struck(&d->driver, OPENCL_clGetExtensionFunctionAddressForPlatform)             \
            ? NULL                                                                                 \
            : d->driver.clGetExtensionFunctionAddressForPlatform(d->found.platform, #entry);       \
    d->records = d->records && d->driver.entry != NULL;
    OPENCL_RECORD_CALL_ENTRIES(OPENCL_FIND)
    OPENCL_RECORD_MAKE_ENTRIES(OPENCL_FIND)
#undef OPENCL_FIND
}

/* ---- recording ---- */

cl_int tn__opencl_twin(opencl_queue *q, opencl_handed *h, cl_kernel of, cl_kernel *out)
{
    opencl_driver *cl = &q->device->driver;
    cl_program program = NULL;
    char name[64] = "";
    *out = of;
    if (h->into == NULL)
        return CL_SUCCESS;
    h->call = "clGetKernelInfo";
    cl_int error =
        OPENCL_CALL(cl, clGetKernelInfo, of, CL_KERNEL_PROGRAM, sizeof program, &program, NULL);
    if (error == CL_SUCCESS)
        error =
            OPENCL_CALL(cl, clGetKernelInfo, of, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    if (error != CL_SUCCESS)
        return error;
    h->call = "clCreateKernel";
    *out = OPENCL_MAKE(cl, clCreateKernel, &error, program, name);
    if (*out != NULL)
        h->list->twin[h->list->twins++] = *out;
    return error;
}

/* Launches of a list, if none is divided. */
static size_t launches(const tn_work *works, uint32_t count)
{
    size_t n = 0;
    for (uint32_t i = 0; i < count; ++i)
        n += works[i].kind == TN_WORK_RUN    ? ((const opencl_plan *)works[i].plan)->launch.phases
             : works[i].kind == TN_WORK_PACK ? 1u
                                             : 0u;
    return n;
}

static uint64_t estimate(const tn_work *w)
{
    return w->kind == TN_WORK_RUN ? ((const opencl_plan *)w->plan)->launch.estimate_ns : 0;
}

/* Kernels that need no more than one submit. */
static bool recordable(const opencl_device *d, const tn_work *w)
{
    const opencl_plan *p = w->plan;
    return d->records &&
           ((w->kind == TN_WORK_RUN && p->launch.phases != 0 && estimate(w) < d->submit_ns) ||
            (w->kind == TN_WORK_PACK && p->launch.pack_tasks != 0));
}

/* Divides the list: runs of what can be recorded, each no longer than one submit, and the rest. */
static void divide(const opencl_device *d, opencl_commands *c)
{
    bool recorded = false;
    for (uint32_t i = 0; i < c->count; ++i) {
        bool can = recordable(d, &c->work[i]);
        uint64_t ns = estimate(&c->work[i]);
        part *last = c->parts != 0 ? &c->part[c->parts - 1] : NULL;
        if (last == NULL || can != recorded || last->estimate_ns + ns >= d->submit_ns) {
            last = &c->part[c->parts++];
            *last = (part){.first = i};
        }
        recorded = can;
        ++last->count;
        last->estimate_ns += ns;
    }
}

static cl_int record_into(opencl_queue *q, opencl_commands *c, const part *p, opencl_recording into,
                          const char **call)
{
    opencl_driver *cl = &q->device->driver;
    cl_int error = CL_SUCCESS;
    for (uint32_t i = p->first; error == CL_SUCCESS && i < p->first + p->count; ++i) {
        opencl_handed h = {.into = into, .list = c, .held = c->shape[i]};
        error = tn__opencl_hand(q, &c->work[i], &h);
        *call = h.call;
    }
    if (error != CL_SUCCESS)
        return error;
    *call = "clFinalizeCommandBufferKHR";
    return OPENCL_CALL(cl, clFinalizeCommandBufferKHR, into);
}

/* A driver that has command buffers and does not like this one leaves it at NULL. */
static tn_status record_part(opencl_queue *q, opencl_commands *c, part *p)
{
    opencl_device *d = q->device;
    const cl_ulong properties[] = {FLAGS, FLIES_TWICE, 0};
    const char *call = "clCreateCommandBufferKHR";
    cl_int error = CL_SUCCESS;
    opencl_recording into =
        OPENCL_MAKE(&d->driver, clCreateCommandBufferKHR, &error, 1, &q->commands, properties);
    if (into != NULL) {
        error = record_into(q, c, p, into, &call);
        if (error == CL_SUCCESS) {
            p->recording = into;
            return TN_OK;
        }
        (void)OPENCL_CALL(&d->driver, clReleaseCommandBufferKHR, into);
    }
    if (error > CL_INVALID_VALUE)
        return tn__opencl_failed(d, error, call, true);
    char text[128];
    snprintf(text, sizeof text, "opencl: %s gave %d, the list is enqueued as it is", call, error);
    d->host->log(d->host->runtime, 4, text);
    return TN_OK;
}

void tn__opencl_commands_destroy(void *queue, void *commands)
{
    opencl_device *d = ((opencl_queue *)queue)->device;
    opencl_commands *c = commands;
    for (uint32_t i = 0; i < c->parts; ++i)
        if (c->part[i].recording != NULL)
            (void)OPENCL_CALL(&d->driver, clReleaseCommandBufferKHR, c->part[i].recording);
    for (uint32_t i = 0; i < c->twins; ++i)
        (void)OPENCL_CALL(&d->driver, clReleaseKernel, c->twin[i]);
    for (uint32_t i = 0; i < c->count; ++i)
        if (c->shape[i] != NULL)
            (void)OPENCL_CALL(&d->driver, clReleaseMemObject, c->shape[i]);
    tn__opencl_give(d->host, c, c->bytes);
}

tn_status tn__opencl_record(void *queue, const tn_work *works, uint32_t count, void **out)
{
    opencl_queue *q = queue;
    opencl_device *d = q->device;
    for (uint32_t i = 0; i < count; ++i)
        if (works[i].kind == TN_WORK_CALL)
            return OPENCL_FAIL(d->host, TN_STATUS_UNSUPPORTED, "opencl.work",
                               "work %u of a list is of kind %d; an OpenCL device records what it "
                               "does itself",
                               i, (int)works[i].kind);
    if (atomic_load_explicit(&d->lost, memory_order_acquire))
        return OPENCL_FAIL(d->host, TN_STATUS_DEVICE_LOST, "opencl.lost",
                           "%s was lost before; release the device and open it again", d->info.uri);
    size_t bytes = sizeof(opencl_commands) + /* the members of all are of words */
                   count * (sizeof(tn_work) + sizeof(part) + sizeof(cl_mem)) +
                   launches(works, count) * sizeof(cl_kernel);
    opencl_commands *c = tn__opencl_take(d->host, bytes);
    if (c == NULL)
        return OPENCL_NO_HOST_MEMORY(d->host, "recorded work");
    c->bytes = bytes;
    c->count = count;
    c->work = (tn_work *)(c + 1);
    c->part = (part *)(c->work + count);
    c->shape = (cl_mem *)(c->part + count);
    c->twin = (cl_kernel *)(c->shape + count);
    memcpy(c->work, works, count * sizeof *works);
    tn_status st = TN_OK;
    for (uint32_t i = 0; st == TN_OK && i < count; ++i) {
        cl_int error = CL_SUCCESS;
        if (works[i].kind == TN_WORK_PACK)
            c->shape[i] = tn__opencl_shape(d, works[i].tensor, &error);
        if (error != CL_SUCCESS)
            st = tn__opencl_failed(d, error, "clCreateBuffer", true);
    }
    if (st == TN_OK)
        divide(d, c);
    for (uint32_t i = 0; st == TN_OK && i < c->parts; ++i)
        if (recordable(d, &c->work[c->part[i].first]))
            st = record_part(q, c, &c->part[i]);
    if (st != TN_OK) {
        tn__opencl_commands_destroy(q, c);
        return st;
    }
    *out = c;
    return TN_OK;
}

/* ---- handing over ---- */

static cl_int hand_part(opencl_queue *q, const opencl_commands *c, const part *p, opencl_handed *h)
{
    cl_int error = CL_SUCCESS;
    if (p->recording != NULL) {
        cl_event event = NULL;
        h->call = "clEnqueueCommandBufferKHR";
        h->untimed = true; /* drivers' events tell of the last command alone */
        error = OPENCL_CALL(&q->device->driver, clEnqueueCommandBufferKHR, 0, NULL, p->recording, 0,
                            NULL, &event);
        if (error == CL_SUCCESS)
            tn__opencl_keep_event(q, h, event);
        return error;
    }
    for (uint32_t i = p->first; error == CL_SUCCESS && i < p->first + p->count; ++i) {
        opencl_handed one = {.held = c->shape[i]};
        error = tn__opencl_hand(q, &c->work[i], &one);
        tn__opencl_keep_event(q, h, one.first);
        tn__opencl_keep_event(q, h, one.last);
        h->call = one.call;
    }
    return error;
}

cl_int tn__opencl_hand_commands(opencl_queue *q, const void *commands, opencl_handed *h)
{
    const opencl_commands *c = commands;
    opencl_device *d = q->device;
    uint64_t ns = 0;
    cl_int error = CL_SUCCESS;
    for (uint32_t i = 0; error == CL_SUCCESS && i < c->parts; ++i) {
        const part *p = &c->part[i];
        if (ns != 0 && ns + p->estimate_ns >= d->submit_ns) { /* a submit of its own */
            h->call = "clFlush";
            error = OPENCL_CALL(&d->driver, clFlush, q->commands);
            ns = 0;
        }
        ns += p->estimate_ns;
        if (error == CL_SUCCESS)
            error = hand_part(q, c, p, h);
    }
    return error;
}
