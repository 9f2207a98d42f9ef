/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the device: what the bus gives, reachable by the chip. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "tpu_backend.h"

static void buffer_destroy(void *buffer)
{
    tpu_buffer *b = buffer;
    tn_allocator a = b->device->host->allocator;
    b->device->bus.dma_free(b->device->bus.self, b->data);
    a.free(a.self, b, sizeof *b);
}

/* map, address and export_to are NULL: hal stages through WRITE and READ, and reserves a range. */
static const tn_buffer_ops buffer_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_buffer_ops),
    .destroy = buffer_destroy,
};

tn_status tn__tpu_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                const tn_buffer_ops **out_ops)
{
    tpu_device *d = device;
    tn_allocator a = d->host->allocator;
    tpu_buffer *b = a.alloc(a.self, sizeof *b, 64);
    size_t align = desc->align > 64 ? (size_t)desc->align : 64;
    if (b != NULL) {
        *b = (tpu_buffer){.device = d, .bytes = desc->bytes};
        if (desc->bytes <= SIZE_MAX / 2)
            b->data = d->bus.dma_alloc(d->bus.self, desc->bytes != 0 ? (size_t)desc->bytes : 1,
                                       align, &b->iova);
    }
    if (b == NULL || b->data == NULL) {
        if (b != NULL)
            a.free(a.self, b, sizeof *b);
        return TPU_FAIL_ARGUMENT(d->host, TN_STATUS_NO_MEMORY, "buffer.memory", "desc.bytes",
                                 "desc.bytes is %llu, which the bus has no memory for; free "
                                 "something or ask for less",
                                 (unsigned long long)desc->bytes);
    }
    *out = b;
    *out_ops = &buffer_ops;
    return TN_OK;
}
