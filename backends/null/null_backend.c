/* SPDX-License-Identifier: Apache-2.0 */
/* The template of a backend: the 12 entries that a device must have and nothing else. Copy this
 * folder, rename, and replace each body by what your chip does. Its memory is host memory, it moves
 * data, and it has no kernels: every op is refused, and a plan that allows it falls back to cpu. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <stdio.h>
#include <string.h>
#include <tenon/backend.h>

typedef struct null_device {
    const tn_host *host; /* outlives the device: allocator, executor, fail, log, complete, lost */
    void *token;         /* hal's name for this device, for host->lost */
} null_device;

typedef struct null_buffer {
    null_device *device;
    unsigned char *data;
    uint64_t bytes;
} null_buffer;

typedef struct null_queue {
    null_device *device;
    void *token; /* hal's name for this queue, for host->complete */
} null_queue;

/* Errors are made where they are first seen: a status that says what the caller can do, a reason id
 * "noun.what", a sentence. host->fail returns its first argument. */
#define NULL_FAIL(d, status, reason, ...)                                                          \
    (d)->host->fail(status, reason, __FILE__, __LINE__, __VA_ARGS__)

static void *take(const tn_host *host, size_t bytes)
{
    void *p = host->allocator.alloc(host->allocator.self, bytes, 64);
    if (p != NULL)
        memset(p, 0, bytes);
    return p;
}

static void give(const tn_host *host, void *p, size_t bytes)
{
    if (p != NULL)
        host->allocator.free(host->allocator.self, p, bytes);
}

/* ---- buffers ---- */

/* [R] Frees device memory; hal calls it after the last work that uses the buffer. */
static void null_buffer_destroy(void *buffer)
{
    null_buffer *b = buffer;
    const tn_host *host = b->device->host;
    give(host, b->data, b->bytes);
    give(host, b, sizeof *b);
}

/* map, unmap, address and export_to are NULL: hal stages maps through WRITE and READ, and reserves
 * an address range. */
static const tn_buffer_ops null_buffer_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = null_buffer_destroy,
};

/* [R] Allocates device memory; any thread. desc is checked; bytes is 1 or more. */
static tn_status null_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                    const tn_buffer_ops **out_ops)
{
    null_device *d = device;
    null_buffer *b = take(d->host, sizeof *b);
    if (b != NULL) {
        b->device = d;
        b->bytes = desc->bytes;
        b->data = take(d->host, (size_t)desc->bytes);
    }
    if (b == NULL || b->data == NULL) {
        give(d->host, b, sizeof *b);
        return NULL_FAIL(d, TN_STATUS_NO_MEMORY, "null.memory",
                         "no memory for %llu bytes; free something or ask for less",
                         (unsigned long long)desc->bytes);
    }
    *out = b;
    *out_ops = &null_buffer_ops;
    return TN_OK;
}

/* ---- queues ---- */

/* [R] Frees the queue; nothing is in flight any more. */
static void null_queue_destroy(void *queue)
{
    null_queue *q = queue;
    give(q->device->host, q, sizeof *q);
}

static unsigned char *at(void *buffer, uint64_t offset)
{
    return ((null_buffer *)buffer)->data + offset;
}

/* [R] Takes one item, never blocks, and reports it by host->complete, now or later, in order. Its
 * waits are met. UNSUPPORTED for COPY, FILL, PACK, CALL and COMMANDS makes hal emulate them; WRITE,
 * READ and RUN must work. A device that computes would hand the item to its hardware here. */
static tn_status null_submit(void *queue, const tn_work *w)
{
    null_queue *q = queue;
    switch (w->kind) {
    case TN_WORK_WRITE:
        memcpy(at(w->to, w->to_offset), w->from, (size_t)w->bytes);
        break;
    case TN_WORK_READ:
        memcpy(w->to, at(w->from, w->from_offset), (size_t)w->bytes);
        break;
    case TN_WORK_COPY:
        memmove(at(w->to, w->to_offset), at(w->from, w->from_offset), (size_t)w->bytes);
        break;
    default:
        return NULL_FAIL(q->device, TN_STATUS_UNSUPPORTED, "null.work",
                         "work of kind %d; the null device only moves data", (int)w->kind);
    }
    q->device->host->complete(q->token, w->item, TN_OK, NULL);
    return TN_OK;
}

/* [R] Drives completion where the device does not interrupt; any thread. Here submit completes. */
static tn_status null_poll(void *queue, uint64_t timeout_ns)
{
    (void)queue, (void)timeout_ns;
    return TN_OK;
}

static const tn_queue_ops null_queue_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_queue_ops),
    .destroy = null_queue_destroy,
    .submit = null_submit,
    .poll = null_poll,
};

/* [R] Makes a queue; keep the token. */
static tn_status null_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                                   const tn_queue_ops **out_ops)
{
    null_device *d = device;
    null_queue *q = take(d->host, sizeof *q);
    (void)desc;
    if (q == NULL)
        return NULL_FAIL(d, TN_STATUS_NO_MEMORY, "null.memory",
                         "no memory for a queue; free something and try again");
    q->device = d;
    q->token = token;
    *out = q;
    *out_ops = &null_queue_ops;
    return TN_OK;
}

/* ---- plans ---- */

/* [R] Prepares a kernel for an op whose shapes hal has checked, or says why not. A plan brings a
 * tn_plan_ops, whose destroy is the twelfth required entry; tell every candidate to fn. */
static tn_status null_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                                  tn_choice_fn fn, void *self, void **out,
                                  const tn_plan_ops **out_ops)
{
    (void)op, (void)desc, (void)fn, (void)self, (void)out, (void)out_ops;
    return NULL_FAIL((null_device *)device, TN_STATUS_UNSUPPORTED, "null.no_kernels",
                     "the null device has no kernels; let the plan fall back "
                     "(TN_PLAN_ALLOW_FALLBACK)");
}

/* ---- the device ---- */

/* [R] Legal after loss; must not wait. */
static void null_close(void *device)
{
    null_device *d = device;
    give(d->host, d, sizeof *d);
}

/* [R] Any thread. Without TN_DEVICE_DEFAULT nobody meets the device who did not ask for it. */
static tn_status null_info(void *device, tn_device_info *out)
{
    (void)device;
    snprintf(out->uri, sizeof out->uri, "null");
    snprintf(out->name, sizeof out->name, "template without kernels");
    snprintf(out->vendor, sizeof out->vendor, "none");
    snprintf(out->driver, sizeof out->driver, "tenon null");
    snprintf(out->group, sizeof out->group, "host-cpu");
    out->kind = TN_KIND_ACCELERATOR;
    out->buffer_align = 64;
    out->offset_align = 1;
    out->queues = 1;
    return TN_OK;
}

/* classes is NULL: BOUNDED only. supports is NULL: plan_create and destroy. */
static const tn_device_ops null_device_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_device_ops),
    .close = null_close,
    .info = null_info,
    .buffer_create = null_buffer_create,
    .queue_create = null_queue_create,
    .plan_create = null_plan_create,
};

/* ---- the backend ---- */

/* [R] Tells every device; cheap, cannot hang, UNAVAILABLE without a driver. The template keeps
 * itself out of the list: it is opened by name only. */
static tn_status null_enumerate(const tn_host *host, void *token,
                                void (*found)(void *token, const tn_device_info *))
{
    (void)host, (void)token, (void)found;
    return TN_OK;
}

/* [R] arg is what follows the name in the URI: "", "?k=v" or "arg?k=v". */
static tn_status null_open(const tn_host *host, const char *arg, void *token, void **out,
                           const tn_device_ops **out_ops)
{
    if (arg != NULL && arg[0] != '\0')
        return host->fail_argument(TN_STATUS_INVALID, "null.arg", "uri", __FILE__, __LINE__,
                                   "uri has \"%s\" behind null; the null device takes no argument "
                                   "and no options",
                                   arg);
    null_device *d = take(host, sizeof *d);
    if (d == NULL)
        return host->fail(TN_STATUS_NO_MEMORY, "null.memory", __FILE__, __LINE__,
                          "no memory for a device; free something and try again");
    d->host = host;
    d->token = token;
    *out = d;
    *out_ops = &null_device_ops;
    return TN_OK;
}

static const tn_backend_ops null_backend_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_backend_ops),
    .name = "null",
    .enumerate = null_enumerate,
    .open = null_open,
};

/* A plugin exports this as tn_backend_query; built in, the folder's name is added. */
tn_status tn_backend_query_null(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_null(uint32_t host_abi, const tn_backend_ops **out)
{
    if (host_abi < TN_BACKEND_ABI)
        return TN_STATUS_INCOMPATIBLE;
    *out = &null_backend_ops;
    return TN_OK;
}
