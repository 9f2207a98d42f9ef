/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the cpu device: host memory, or the private device's own. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "cpu.h"

enum { CPU_ALIGN = 64, CPU_POISON = 0xa5 };

static void buffer_destroy(void *buffer)
{
    cpu_buffer *b = buffer;
    tn_allocator a = b->device->host->allocator;
    if (b->release != NULL) {
        b->release(b->release_self);
    } else if (b->device->hidden) {
        memset(b->data, CPU_POISON, b->bytes);
        tn__cpu_private_free(b);
    } else if (b->allocated != 0) {
        a.free(a.self, b->data, b->allocated);
    }
    a.free(a.self, b, sizeof *b);
}

static tn_status buffer_map(void *buffer, uint64_t offset, uint64_t bytes, uint32_t mode,
                            void **out)
{
    cpu_buffer *b = buffer;
    (void)bytes;
    (void)mode;
    *out = b->data + offset;
    return TN_OK;
}

static tn_status buffer_unmap(void *buffer)
{
    (void)buffer;
    return TN_OK;
}

static tn_status buffer_address(void *buffer, uint64_t *out)
{
    cpu_buffer *b = buffer;
    *out = b->device->hidden ? b->address : (uint64_t)(uintptr_t)b->data;
    return TN_OK;
}

static tn_status buffer_export(void *buffer, tn_external_kind kind, tn_external *out)
{
    cpu_buffer *b = buffer;
    if (kind != TN_EXTERNAL_HOST || b->device->hidden)
        return CPU_FAIL_ARGUMENT(
            b->device->host, TN_STATUS_UNSUPPORTED, "buffer.export", "kind",
            "kind %d is not to be had; the cpu device exports host pointers (%d) only", (int)kind,
            TN_EXTERNAL_HOST);
    out->kind = TN_EXTERNAL_HOST;
    out->fd = -1;
    out->pointer = b->data;
    out->bytes = b->bytes;
    return TN_OK;
}

/* The last things in the file: what each kind of device offers. */
static const tn_buffer_ops visible_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
    .map = buffer_map,
    .unmap = buffer_unmap,
    .address = buffer_address,
    .export_to = buffer_export,
};
static const tn_buffer_ops hidden_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
    .address = buffer_address,
};

static cpu_buffer *new_buffer(cpu_device *d)
{
    tn_allocator a = d->host->allocator;
    cpu_buffer *b = a.alloc(a.self, sizeof *b, CPU_ALIGN);
    if (b != NULL) {
        memset(b, 0, sizeof *b);
        b->device = d;
    }
    return b;
}

tn_status tn__cpu_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                const tn_buffer_ops **out_ops)
{
    cpu_device *d = device;
    tn_allocator a = d->host->allocator;
    tn_status st = TN_OK;
    cpu_buffer *b = new_buffer(d);
    if (b != NULL) {
        b->bytes = desc->bytes;
        if (d->hidden) {
            st = tn__cpu_private_alloc(b, desc->bytes, desc->align);
            if (st == TN_OK)
                memset(b->data, CPU_POISON, b->bytes);
        } else {
            size_t align = desc->align > CPU_ALIGN ? (size_t)desc->align : CPU_ALIGN;
            /* Whole cache lines, so that two buffers never share one; never 0 bytes. */
            b->allocated = (size_t)((desc->bytes + CPU_ALIGN) & ~(uint64_t)(CPU_ALIGN - 1));
            b->data = b->allocated > desc->bytes || desc->bytes % CPU_ALIGN == 0
                          ? a.alloc(a.self, b->allocated, align)
                          : NULL;
            st = b->data != NULL ? TN_OK : TN_STATUS_NO_MEMORY;
            if (st == TN_OK)
                tn__cpu_huge_pages(b->data, b->allocated);
        }
    }
    if (b == NULL || st != TN_OK) {
        if (b != NULL)
            a.free(a.self, b, sizeof *b);
        return CPU_FAIL_ARGUMENT(
            d->host, TN_STATUS_NO_MEMORY, "buffer.memory", "desc.bytes",
            "desc.bytes is %llu, which the host has no memory for; free something or "
            "ask for less",
            (unsigned long long)desc->bytes);
    }
    *out = b;
    *out_ops = d->hidden ? &hidden_ops : &visible_ops;
    return TN_OK;
}

tn_status tn__cpu_buffer_import(void *device, const tn_external *external, void **out,
                                const tn_buffer_ops **out_ops)
{
    cpu_device *d = device;
    if (d->hidden || external->kind != TN_EXTERNAL_HOST)
        return CPU_FAIL_ARGUMENT(
            d->host, TN_STATUS_UNSUPPORTED, "buffer.import", "external.kind",
            "external.kind is %d; %s", (int)external->kind,
            d->hidden ? "the private cpu device would need a copy, so create a buffer "
                        "and copy with tn_queue_write"
                      : "the cpu device imports host pointers (1) only");
    cpu_buffer *b = new_buffer(d);
    if (b == NULL)
        return CPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "host.memory",
                        "no host memory for a buffer; free something and try again");
    b->data = (unsigned char *)external->pointer + external->offset;
    b->bytes = external->bytes;
    b->release = external->release;
    b->release_self = external->self;
    *out = b;
    *out_ops = &visible_ops;
    return TN_OK;
}
