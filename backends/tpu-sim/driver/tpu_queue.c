/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of the device: one thread that runs items in order; all queues share the chip. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "tpu_backend.h"
#include "tpu_float.h"
#include <backends/common/item_ring.h>

#include <string.h>
#include <time.h>

enum { FIRST_RING = 16 };

typedef struct tpu_item {
    tn_work work;
    tn_slot slot[TN_K_OPERANDS];
} tpu_item;

typedef struct tpu_queue {
    tpu_device *device;
    void *token;
    item_ring ring;
    tn_status failed; /* the thread's, or the submitter's where nothing is queued */
} tpu_queue;

static unsigned char *at(void *buffer, uint64_t offset)
{
    return ((tpu_buffer *)buffer)->data + offset;
}

/* The host's copies: the chip sees them once dma_sync has said so. */
static void push(tpu_queue *q, unsigned char *to, uint64_t bytes)
{
    q->device->bus.dma_sync(q->device->bus.self, to, (size_t)bytes, 1);
}

static const unsigned char *pull(tpu_queue *q, unsigned char *from, uint64_t bytes)
{
    q->device->bus.dma_sync(q->device->bus.self, from, (size_t)bytes, 0);
    return from;
}

static tn_status execute_run(tpu_queue *q, const tn_work *w, tn_times *times)
{
    tpu_device *d = q->device;
    const tpu_plan *p = w->plan;
    const tn_k_operands *o = (const tn_k_operands *)(const void *)p->params;
    uint64_t operand[TN_K_OPERANDS] = {0};
    for (uint32_t i = 0; i < o->count; ++i)
        for (uint32_t s = 0; s < w->slot_count; ++s)
            if (w->slots[s].role == o->item[i].role && w->slots[s].buffer != NULL)
                operand[i] = ((tpu_buffer *)w->slots[s].buffer)->iova + w->slots[s].offset;
    pthread_mutex_lock(&d->lock);
    uint32_t old = tpu_float_enter();
    uint64_t cycles = tn__tpu_counter(&d->chip, TPU_COUNT_CYCLES);
    times->start_ns = d->bus.now_ns(d->bus.self);
    tn_status st = tn__tpu_run(d, p, operand);
    times->end_ns = d->bus.now_ns(d->bus.self);
    times->submitted_ns = times->start_ns;
    times->device_cycles = tn__tpu_counter(&d->chip, TPU_COUNT_CYCLES) - cycles;
    tpu_float_leave(old);
    pthread_mutex_unlock(&d->lock);
    return st;
}

static tn_status execute(tpu_queue *q, const tn_work *w, tn_times *times)
{
    unsigned char *to;
    switch (w->kind) {
    case TN_WORK_RUN:
        return execute_run(q, w, times);
    case TN_WORK_COPY:
        to = at(w->to, w->to_offset);
        memmove(to, pull(q, at(w->from, w->from_offset), w->bytes), (size_t)w->bytes);
        push(q, to, w->bytes);
        return TN_OK;
    case TN_WORK_WRITE:
        to = at(w->to, w->to_offset);
        memcpy(to, w->from, (size_t)w->bytes);
        push(q, to, w->bytes);
        return TN_OK;
    case TN_WORK_READ:
        memcpy(w->to, pull(q, at(w->from, w->from_offset), w->bytes), (size_t)w->bytes);
        return TN_OK;
    case TN_WORK_FILL:
        to = at(w->to, w->to_offset);
        for (uint64_t i = 0; i < w->bytes; i += w->pattern_bytes)
            memcpy(to + i, &w->pattern, w->pattern_bytes);
        push(q, to, w->bytes);
        return TN_OK;
    default: /* TN_WORK_CALL */
        w->call(w->call_self);
        return TN_OK;
    }
}

/* What was handed over before a failure was known ends like it, without running. */
static void run_item(tpu_queue *q, const tn_work *w)
{
    tn_times times = {0};
    tn_status st = q->failed != TN_OK ? q->failed : execute(q, w, &times);
    q->failed = st;
    q->device->host->complete(q->token, w->item, st, w->kind == TN_WORK_RUN ? &times : NULL);
}

static void *serve(void *arg)
{
    tpu_queue *q = arg;
    tpu_item item;
    while (item_ring_wait(&q->ring, &item)) {
        item.work.slots = item.slot;
        run_item(q, &item.work);
        item_ring_idle(&q->ring);
        item_ring_done(&q->ring);
    }
    return NULL;
}

static tn_status enqueue(tpu_queue *q, const tn_work *w) /* with the lock */
{
    tpu_item *item = item_ring_next(&q->ring);
    if (item == NULL || !item_ring_start(&q->ring, serve, q))
        return TN_STATUS_NO_MEMORY;
    item->work = *w;
    for (uint32_t i = 0; i < w->slot_count; ++i)
        item->slot[i] = w->slots[i];
    item_ring_came(&q->ring);
    return TN_OK;
}

static tn_status queue_submit(void *queue, const tn_work *w)
{
    tpu_queue *q = queue;
    const tn_host *host = q->device->host;
    if (w->kind == TN_WORK_COMMANDS || w->kind == TN_WORK_PACK || w->slot_count > TN_K_OPERANDS)
        return TPU_FAIL(host, TN_STATUS_UNSUPPORTED, "tpu.work",
                        "work of kind %d with %u slots; the queue takes single items of at most %d "
                        "slots and packs nothing",
                        (int)w->kind, w->slot_count, TN_K_OPERANDS);
    pthread_mutex_lock(&q->ring.lock);
    bool here = (w->flags & TN_WORK_MAY_RUN_HERE) != 0 && q->ring.count == 0 && !q->ring.busy;
    tn_status st = here ? TN_OK : enqueue(q, w);
    uint32_t behind = q->ring.count;
    pthread_mutex_unlock(&q->ring.lock);
    if (st != TN_OK)
        return TPU_FAIL(host, st, "tpu.queue",
                        "no memory or thread for one more item behind %u; free something, end some "
                        "threads or wait for the queue",
                        behind);
    if (here)
        run_item(q, w);
    return TN_OK;
}

static tn_status queue_poll(void *queue, uint64_t timeout_ns)
{
    return item_ring_poll(&((tpu_queue *)queue)->ring, timeout_ns);
}

static void queue_destroy(void *queue)
{
    tpu_queue *q = queue;
    tn_allocator a = q->device->host->allocator;
    item_ring_stop(&q->ring);
    item_ring_free(&q->ring);
    a.free(a.self, q, sizeof *q);
}

static const tn_queue_ops queue_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_queue_ops),
    .destroy = queue_destroy,
    .submit = queue_submit,
    .poll = queue_poll,
};

tn_status tn__tpu_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                               const tn_queue_ops **out_ops)
{
    tpu_device *d = device;
    tn_allocator a = d->host->allocator;
    tpu_queue *q = a.alloc(a.self, sizeof *q, 64);
    if (q != NULL)
        memset(q, 0, sizeof *q);
    if (q == NULL || !item_ring_init(&q->ring, &a, sizeof(tpu_item), FIRST_RING)) {
        if (q != NULL)
            a.free(a.self, q, sizeof *q);
        return TPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "host.memory",
                        "no host memory for a queue; free something and try again");
    }
    q->device = d;
    q->token = token;
    if ((desc->flags & TN_QUEUE_INLINE) == 0 && !item_ring_start(&q->ring, serve, q)) {
        queue_destroy(q);
        return TPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "tpu.queue",
                        "the system gave no thread for a queue; end some threads and try again");
    }
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}
