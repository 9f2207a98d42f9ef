/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of a Vulkan device, and maps of those that the host sees. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "vk.h"

static void buffer_destroy(void *buffer)
{
    vk_buffer *b = buffer;
    const tn_host *host = b->device->host;
    tn__vk_memory_give(b->device, b);
    tn__vk_free(host, b, sizeof *b);
}

static tn_status buffer_map(void *buffer, uint64_t offset, uint64_t bytes, uint32_t mode,
                            void **out)
{
    vk_buffer *b = buffer;
    *out = tn__vk_mapped(b) + offset;
    return (mode & TN_MAP_READ) != 0 ? tn__vk_flush(b->device, b, offset, bytes, false) : TN_OK;
}

static tn_status buffer_unmap(void *buffer)
{
    vk_buffer *b = buffer;
    return tn__vk_flush(b->device, b, 0, b->bytes, true);
}

tn_status tn__vk_device_memory(void *device, uint32_t index, tn_memory_info *out)
{
    vk_device *d = device;
    if (index > 0)
        return VK_FAIL_ARGUMENT(d->host, TN_STATUS_INVALID, "memory.index", "index",
                                "index is %u; a Vulkan device tells of one memory, index 0", index);
    pthread_mutex_lock(&d->memory_lock);
    out->used_bytes = d->memory_used;
    pthread_mutex_unlock(&d->memory_lock);
    out->total_bytes = d->caps.heap_bytes;
    out->flags = d->caps.unified && !d->staging ? TN_MEMORY_HOST_VISIBLE : TN_MEMORY_DEVICE;
    return TN_OK;
}

/* The last things in the file: what each kind of memory offers. */
static const tn_buffer_ops mapped_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
    .map = buffer_map,
    .unmap = buffer_unmap,
};
static const tn_buffer_ops hidden_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
};

tn_status tn__vk_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops)
{
    vk_device *d = device;
    vk_buffer *b = tn__vk_alloc(d->host, sizeof *b);
    if (b == NULL)
        return TN_STATUS_NO_MEMORY;
    /* Memory that the host asked to see is not hidden by ?staging=1. */
    uint32_t kind = desc->memory != TN_MEMORY_DEVICE ? 1 : 0;
    tn_status st = tn__vk_memory_take(d, kind, desc->bytes, desc->align, b);
    if (st != TN_OK) {
        tn__vk_free(d->host, b, sizeof *b);
        return st;
    }
    *out = b;
    *out_ops = tn__vk_mapped(b) != NULL ? &mapped_ops : &hidden_ops;
    return TN_OK;
}

tn_status tn__vk_buffer_import(void *device, const tn_external *external, void **out,
                               const tn_buffer_ops **out_ops)
{
    vk_device *d = device;
    const uint64_t align = d->caps.import_align;
    if (external->kind != TN_EXTERNAL_HOST || align == 0)
        return VK_FAIL_ARGUMENT(
            d->host, TN_STATUS_UNSUPPORTED, "buffer.import", "external.kind",
            "external.kind is %d; %s: create a buffer and copy with tn_queue_write",
            (int)external->kind,
            align != 0 ? "a Vulkan device imports host pointers (1) only"
                       : "the driver of this device imports nothing that the host has");
    /* Whole units: the device may write all of a word, which must not be anybody else's. */
    if (external->bytes % align != 0 || external->bytes == 0 ||
        external->bytes > d->caps.largest_bytes)
        return VK_FAIL_ARGUMENT(
            d->host, TN_STATUS_UNSUPPORTED, "buffer.import_align", "external.bytes",
            "external.bytes is %llu; vulkan:%s imports multiples of %llu up to %llu; give whole "
            "pages, or create a buffer and copy with tn_queue_write",
            (unsigned long long)external->bytes, d->caps.uri, (unsigned long long)align,
            (unsigned long long)d->caps.largest_bytes);
    vk_buffer *b = tn__vk_alloc(d->host, sizeof *b);
    if (b == NULL)
        return TN_STATUS_NO_MEMORY;
    tn_status st = tn__vk_memory_import(d, (unsigned char *)external->pointer + external->offset,
                                        external->bytes, b);
    if (st != TN_OK) {
        tn__vk_free(d->host, b, sizeof *b);
        return st;
    }
    *out = b;
    *out_ops = &mapped_ops;
    return TN_OK;
}
