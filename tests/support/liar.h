/* SPDX-License-Identifier: Apache-2.0 */
/* A backend of the error tests that fails on demand: without a word, with a wrong table, by losing
 * its device. A test that includes this replaces the library's table of built-in backends by the
 * liar, cpu and null. What it does is one word behind the scheme: liar:silent, liar:abi, ... */
#ifndef TN_TESTS_SUPPORT_LIAR_H
#define TN_TESTS_SUPPORT_LIAR_H

#include <hal/registry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_backend_query_cpu(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_null(uint32_t host_abi, const tn_backend_ops **out);
tn_status tn_backend_query_mutant(uint32_t host_abi, const tn_backend_ops **out);

typedef struct liar {
    const tn_host *host;
    void *token;
    char does[32];
} liar;

/* Switches for the device that a test has open: entries fail in silence, items fail in silence,
 * plans want this much workspace. */
static tn_status liar_silent, liar_item;
static uint64_t liar_workspace;

typedef struct liar_buffer {
    liar *device;
    unsigned char *data;
} liar_buffer;
typedef struct liar_queue {
    liar *device;
    void *token;
} liar_queue;

static void liar_buffer_destroy(void *buffer)
{
    liar_buffer *b = buffer;
    free(b->data);
    free(b);
}

static tn_status liar_map(void *buffer, uint64_t offset, uint64_t bytes, uint32_t mode, void **out)
{
    (void)bytes, (void)mode;
    *out = ((liar_buffer *)buffer)->data + offset;
    return liar_silent;
}

static tn_status liar_export(void *buffer, tn_external_kind kind, tn_external *out)
{
    (void)buffer, (void)kind, (void)out;
    return liar_silent;
}

static const tn_buffer_ops liar_buffer_ops = {.abi = TN_BACKEND_ABI,
                                              .bytes = sizeof(tn_buffer_ops),
                                              .destroy = liar_buffer_destroy,
                                              .map = liar_map,
                                              .export_to = liar_export};

static tn_status liar_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                    const tn_buffer_ops **out_ops)
{
    if (liar_silent != TN_OK)
        return liar_silent;
    liar_buffer *b = calloc(1, sizeof *b);
    b->device = device;
    b->data = calloc(1, desc->bytes);
    *out = b;
    *out_ops = &liar_buffer_ops;
    return TN_OK;
}

static tn_status liar_import(void *device, const tn_external *external, void **out,
                             const tn_buffer_ops **out_ops)
{
    (void)device, (void)external, (void)out, (void)out_ops;
    return liar_silent;
}

static void liar_queue_destroy(void *queue)
{
    free(queue);
}

static tn_status liar_submit(void *queue, const tn_work *w)
{
    liar_queue *q = queue;
    if (w->kind == TN_WORK_CALL)
        w->call(w->call_self);
    q->device->host->complete(q->token, w->item, liar_item, NULL);
    return TN_OK;
}

static tn_status liar_poll(void *queue, uint64_t timeout_ns)
{
    (void)queue, (void)timeout_ns;
    return TN_OK;
}

static const tn_queue_ops liar_queue_ops = {.abi = TN_BACKEND_ABI,
                                            .bytes = sizeof(tn_queue_ops),
                                            .destroy = liar_queue_destroy,
                                            .submit = liar_submit,
                                            .poll = liar_poll};

static tn_status liar_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                                   const tn_queue_ops **out_ops)
{
    (void)desc;
    if (liar_silent != TN_OK)
        return liar_silent;
    liar_queue *q = calloc(1, sizeof *q);
    *q = (liar_queue){device, token};
    *out = q;
    *out_ops = &liar_queue_ops;
    return TN_OK;
}

static void liar_plan_destroy(void *plan)
{
    (void)plan;
}

static tn_status liar_plan_info(void *plan, tn_plan_info *out)
{
    (void)plan;
    snprintf(out->kernel, sizeof out->kernel, "liar_kernel");
    out->workspace_bytes = liar_workspace;
    return liar_silent;
}

static tn_status liar_layout(void *plan, tn_role role, uint64_t *out_layout, uint64_t *out_bytes)
{
    (void)plan, (void)role;
    *out_layout = UINT64_C(1) << 33;
    *out_bytes = 64;
    return liar_silent;
}

static tn_status liar_arithmetic(void *plan, tn_arithmetic *out)
{
    (void)plan, (void)out;
    return liar_silent;
}

static tn_status liar_explain(void *plan, tn_choice_fn fn, void *self)
{
    (void)plan, (void)fn, (void)self;
    return liar_silent;
}

static const tn_plan_ops liar_plan_ops = {.abi = TN_BACKEND_ABI,
                                          .bytes = sizeof(tn_plan_ops),
                                          .destroy = liar_plan_destroy,
                                          .info = liar_plan_info,
                                          .layout = liar_layout,
                                          .arithmetic = liar_arithmetic,
                                          .explain = liar_explain};

static tn_status liar_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                                  tn_choice_fn fn, void *self, void **out,
                                  const tn_plan_ops **out_ops)
{
    (void)op, (void)desc, (void)fn, (void)self;
    if (liar_silent != TN_OK)
        return liar_silent;
    *out = device;
    *out_ops = &liar_plan_ops;
    return TN_OK;
}

static tn_status liar_supports(void *device, const tn_op *op)
{
    (void)device, (void)op;
    return liar_silent;
}

static tn_status liar_classes(void *device, tn_dtype dtype, tn_class_info *out)
{
    (void)device, (void)dtype, (void)out;
    return liar_silent;
}

static tn_status liar_memory(void *device, uint32_t index, tn_memory_info *out)
{
    (void)device, (void)index, (void)out;
    return liar_silent;
}

static tn_status liar_link(void *device, void *other, tn_link *out)
{
    (void)device, (void)other, (void)out;
    return liar_silent;
}

static tn_status liar_bus(void *device, tn_bus *out, tn_chip *out_chip)
{
    (void)device, (void)out, (void)out_chip;
    return liar_silent;
}

static tn_status liar_child(void *device, uint32_t index, tn_device **out)
{
    (void)device, (void)index, (void)out;
    return liar_silent;
}

static void liar_close(void *device)
{
    free(device);
}

static tn_status liar_info(void *device, tn_device_info *out)
{
    liar *d = device;
    if (strcmp(d->does, "info") == 0)
        return TN_STATUS_INTERNAL;
    snprintf(out->uri, sizeof out->uri, "liar");
    snprintf(out->name, sizeof out->name, "a device that fails");
    out->kind = TN_KIND_ACCELERATOR;
    out->children = 2;
    if (strcmp(d->does, "align") == 0)
        out->buffer_align = 48;
    return TN_OK;
}

static const tn_device_ops liar_device_ops = {.abi = TN_BACKEND_ABI,
                                              .bytes = sizeof(tn_device_ops),
                                              .close = liar_close,
                                              .info = liar_info,
                                              .buffer_create = liar_buffer_create,
                                              .queue_create = liar_queue_create,
                                              .plan_create = liar_plan_create,
                                              .supports = liar_supports,
                                              .classes = liar_classes,
                                              .memory = liar_memory,
                                              .link = liar_link,
                                              .buffer_import = liar_import,
                                              .bus = liar_bus,
                                              .child = liar_child};
/* Of an ABI that is not there yet, and without an entry that is required. */
static const tn_device_ops liar_future_ops = {
    .abi = 77, .bytes = sizeof(tn_device_ops), .close = liar_close, .info = liar_info};
static const tn_device_ops liar_short_ops = {
    .abi = TN_BACKEND_ABI, .bytes = sizeof(tn_device_ops), .close = liar_close, .info = liar_info};

static tn_status liar_open(const tn_host *host, const char *arg, void *token, void **out,
                           const tn_device_ops **out_ops)
{
    if (strcmp(arg, "silent") == 0)
        return TN_STATUS_UNAVAILABLE;
    liar *d = calloc(1, sizeof *d);
    d->host = host;
    d->token = token;
    snprintf(d->does, sizeof d->does, "%s", arg);
    *out = d;
    *out_ops = strcmp(arg, "short") == 0 ? &liar_short_ops : &liar_device_ops;
    if (strcmp(arg, "abi") == 0) {
        free(d); /* whoever does not know the table cannot close the object */
        *out = NULL;
        *out_ops = &liar_future_ops;
    }
    return TN_OK;
}

static tn_status liar_enumerate(const tn_host *host, void *token,
                                void (*found)(void *token, const tn_device_info *))
{
    (void)host, (void)token, (void)found;
    return TN_OK;
}

static tn_status liar_query(uint32_t host_abi, const tn_backend_ops **out)
{
    static const tn_backend_ops ops = {.abi = TN_BACKEND_ABI,
                                       .bytes = sizeof(tn_backend_ops),
                                       .name = "liar",
                                       .enumerate = liar_enumerate,
                                       .open = liar_open};
    (void)host_abi;
    *out = &ops;
    return TN_OK;
}

const tn__backend_query tn__builtin_backends[] = {
    liar_query, tn_backend_query_cpu, tn_backend_query_null, tn_backend_query_mutant, NULL};

#endif
