/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers and host calls in queue order, and their emulation where a backend has none. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "queue.h"

enum { STAGING_BYTES = 4 << 20 };

static tn_status begin(tn_queue *q)
{
    if (q == NULL)
        return tn__fail_null("queue", "make one with tn_queue_create");
    return tn__device_usable(q->device, "queue");
}

static tn_status host_transfer(tn_queue *q, tn_work_kind kind, tn_buffer *buffer, uint64_t offset,
                               void *host, const char *host_name, uint64_t bytes,
                               const tn_sync *sync)
{
    tn_status st = begin(q);
    if (st != TN_OK)
        return st;
    bool write = kind == TN_WORK_WRITE;
    st = tn__buffer_check(buffer, q->device, offset, bytes, write ? "to" : "from");
    if (st != TN_OK)
        return st;
    if (host == NULL && bytes != 0)
        return tn__fail(TN_STATUS_INVALID, "argument.null", host_name,
                        "%s is NULL and bytes %llu; give the host memory", host_name,
                        (unsigned long long)bytes);
    tn__item *item;
    /* No bytes: nothing for a backend to do, but it has its place in the order. */
    st = tn__item_begin(q, bytes != 0 ? kind : (tn_work_kind)0, sync, 0, 1, &item);
    if (st != TN_OK)
        return st;
    tn__item_keep(item, buffer);
    item->work.bytes = bytes;
    item->work.to = write ? buffer->object : host;
    item->work.from = write ? host : buffer->object;
    *(write ? &item->work.to_offset : &item->work.from_offset) = buffer->offset + offset;
    return tn__item_submit(item, sync);
}

tn_status tn_queue_write(tn_queue *q, tn_buffer *to, uint64_t offset, const void *from,
                         uint64_t bytes, const tn_sync *sync)
{
    /* tn_work has one pointer for both directions; a WRITE only reads through it. */
    return host_transfer(q, TN_WORK_WRITE, to, offset, (void *)(uintptr_t)from, "from", bytes,
                         sync);
}

tn_status tn_queue_read(tn_queue *q, void *to, tn_buffer *from, uint64_t offset, uint64_t bytes,
                        const tn_sync *sync)
{
    return host_transfer(q, TN_WORK_READ, from, offset, to, "to", bytes, sync);
}

tn_status tn_queue_copy(tn_queue *q, tn_buffer *to, uint64_t to_offset, tn_buffer *from,
                        uint64_t from_offset, uint64_t bytes, const tn_sync *sync)
{
    tn_status st = begin(q);
    if (st != TN_OK)
        return st;
    /* Any two devices of the runtime; at an end that is elsewhere the device checked is its own. */
    tn_device *there = to != NULL && to->device->runtime == q->runtime ? to->device : q->device;
    tn_device *here =
        from != NULL && from->device->runtime == q->runtime ? from->device : q->device;
    st = tn__device_usable(there, "to");
    if (st == TN_OK)
        st = tn__buffer_check(to, there, to_offset, bytes, "to");
    if (st == TN_OK)
        st = tn__device_usable(here, "from");
    if (st == TN_OK)
        st = tn__buffer_check(from, here, from_offset, bytes, "from");
    if (st != TN_OK)
        return st;
    uint64_t a = to->offset + to_offset, b = from->offset + from_offset;
    if (to->object == from->object && bytes != 0 && a < b + bytes && b < a + bytes)
        return tn__fail(
            TN_STATUS_INVALID, "copy.overlap", "to",
            "to (%llu bytes at %llu) overlaps from (at %llu) in one buffer; give ranges apart",
            (unsigned long long)bytes, (unsigned long long)a, (unsigned long long)b);
    tn__item *item;
    st = tn__item_begin(q, bytes != 0 ? TN_WORK_COPY : (tn_work_kind)0, sync, 0, 2, &item);
    if (st != TN_OK)
        return st;
    tn__item_keep(item, to);
    tn__item_keep(item, from);
    item->work.to = to->object;
    item->work.from = from->object;
    item->work.to_offset = a;
    item->work.from_offset = b;
    item->work.bytes = bytes;
    /* Across devices the progress thread reads and writes through queues of its own, while this
     * queue holds back what comes after: the order is kept. */
    item->host = bytes != 0 && (there != q->device || here != q->device);
    return tn__item_submit(item, sync);
}

tn_status tn_queue_fill(tn_queue *q, tn_buffer *buffer, uint64_t offset, uint64_t bytes,
                        uint32_t pattern, uint32_t pattern_bytes, const tn_sync *sync)
{
    tn_status st = begin(q);
    if (st != TN_OK)
        return st;
    st = tn__buffer_check(buffer, q->device, offset, bytes, "buffer");
    if (st != TN_OK)
        return st;
    if (pattern_bytes != 1 && pattern_bytes != 2 && pattern_bytes != 4)
        return tn__fail(TN_STATUS_INVALID, "fill.pattern", "pattern_bytes",
                        "pattern_bytes is %u; 1, 2 and 4 are allowed", pattern_bytes);
    if (offset % pattern_bytes != 0 || bytes % pattern_bytes != 0)
        return tn__fail(
            TN_STATUS_INVALID, "fill.align", offset % pattern_bytes != 0 ? "offset" : "bytes",
            "offset %llu and bytes %llu with pattern_bytes %u; both have to be multiples of it",
            (unsigned long long)offset, (unsigned long long)bytes, pattern_bytes);
    tn__item *item;
    st = tn__item_begin(q, bytes != 0 ? TN_WORK_FILL : (tn_work_kind)0, sync, 0, 1, &item);
    if (st != TN_OK)
        return st;
    tn__item_keep(item, buffer);
    item->work.to = buffer->object;
    item->work.to_offset = buffer->offset + offset;
    item->work.bytes = bytes;
    item->work.pattern = pattern;
    item->work.pattern_bytes = pattern_bytes;
    return tn__item_submit(item, sync);
}

tn_status tn_queue_call(tn_queue *q, void (*fn)(void *self), void *self, const tn_sync *sync)
{
    tn_status st = begin(q);
    if (st != TN_OK)
        return st;
    if (fn == NULL)
        return tn__fail_null("fn", "give a function to call");
    tn__item *item;
    st = tn__item_begin(q, TN_WORK_CALL, sync, 0, 0, &item);
    if (st != TN_OK)
        return st;
    item->work.call = fn;
    item->work.call_self = self;
    return tn__item_submit(item, sync);
}

/* ---- emulation ---- */
tn_status tn__transfer_now(tn_queue *internal, tn_buffer *buffer, uint64_t offset, void *host,
                           uint64_t bytes, bool write)
{
    tn_status st = write ? tn_queue_write(internal, buffer, offset, host, bytes, NULL)
                         : tn_queue_read(internal, host, buffer, offset, bytes, NULL);
    return st != TN_OK ? st : tn_queue_wait_idle(internal, UINT64_MAX);
}

/* The internal queue in *slot, made anew when it is of another device or has failed. */
static tn_status internal_queue(tn_queue **slot, tn_device *device)
{
    if (*slot != NULL && (*slot)->device == device &&
        tn_queue_wait_idle(*slot, UINT64_MAX) == TN_OK)
        return TN_OK;
    tn_queue_release(*slot);
    *slot = NULL;
    return tn__queue_internal(device, slot);
}

static void fill_staging(uint8_t *staging, uint64_t bytes, uint32_t pattern, uint32_t pattern_bytes)
{
    /* The pattern is its low bytes in memory order; the hosts that are built for are little
     * endian. */
    for (uint64_t i = 0; i < bytes; i += pattern_bytes)
        memcpy(staging + i, &pattern, pattern_bytes);
}

tn_status tn__transfer_emulate(tn_queue *q, tn__item *item)
{
    const tn_work *w = &item->work;
    if (w->kind == TN_WORK_CALL) {
        w->call(w->call_self);
        return TN_OK;
    }
    bool copy = w->kind == TN_WORK_COPY;
    tn_buffer *to = item->keep[0], *from = copy ? item->keep[1] : NULL;
    uint64_t chunk = w->bytes < STAGING_BYTES ? w->bytes : STAGING_BYTES;
    uint8_t *staging = tn__alloc(q->runtime, chunk);
    if (staging == NULL)
        return TN_STATUS_NO_MEMORY;
    tn_status st = internal_queue(&q->writer, to->device);
    if (st == TN_OK && copy)
        st = internal_queue(&q->reader, from->device);
    if (st == TN_OK && !copy)
        fill_staging(staging, chunk, w->pattern, w->pattern_bytes);
    for (uint64_t done = 0; st == TN_OK && done < w->bytes; done += chunk) {
        uint64_t part = w->bytes - done < chunk ? w->bytes - done : chunk;
        if (copy)
            st = tn__transfer_now(q->reader, from, w->from_offset - from->offset + done, staging,
                                  part, false);
        if (st == TN_OK)
            st = tn__transfer_now(q->writer, to, w->to_offset - to->offset + done, staging, part,
                                  true);
    }
    tn__free(q->runtime, staging, chunk);
    return st;
}
