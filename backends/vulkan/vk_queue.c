/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of a Vulkan device: a thread that records what was submitted in batches, runs ahead of
 * the device by a few of them, and tells hal what a timeline semaphore says is done. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "vk.h"
#include <backends/common/item_ring.h>

#include <stdio.h>
#include <time.h>

enum {
    FIRST_RING = 32,
    STAGING_BYTES = 4 << 20,
    WAIT_SLICE_NS = 200000000,
    LAST_WAIT_NS = 1000000000
};

typedef struct vk_queue {
    vk_device *device;
    void *token;
    item_ring ring;
    bool here; /* with the ring's lock: a submitter has what else is the thread's own */
    /* the thread's own */
    VkSemaphore timeline;
    uint64_t value;            /* signalled by the newest submit */
    vk_batch *batch[VK_SLOTS]; /* made when first needed */
    uint32_t first, flying;    /* of batch: the oldest in flight, and how many are */
    vk_buffer staging;
} vk_queue;

/* ---- the device's side ---- */

static tn_status submit_batch(vk_queue *q, vk_batch *b)
{
    vk_device *d = q->device;
    b->value = q->value + 1;
    VkTimelineSemaphoreSubmitInfo times = {.sType =
                                               VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                           .signalSemaphoreValueCount = 1,
                                           .pSignalSemaphoreValues = &b->value};
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .pNext = &times,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &b->commands,
                         .signalSemaphoreCount = 1,
                         .pSignalSemaphores = &q->timeline};
    b->submitted_ns = tn__vk_now();
    pthread_mutex_lock(&d->queue_lock);
    VkResult r = VK_CALL(&d->api, vkQueueSubmit, d->queue, 1, &info, VK_NULL_HANDLE);
    pthread_mutex_unlock(&d->queue_lock);
    if (r == VK_SUCCESS)
        q->value = b->value;
    return tn__vk_result(d, r, "vkQueueSubmit");
}

static tn_status wait_value(vk_queue *q, uint64_t value)
{
    vk_device *d = q->device;
    VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &q->timeline,
                                .pValues = &value};
    uint64_t start = tn__vk_now();
    for (;;) {
        if (atomic_load(&d->lost))
            return tn__vk_lose(d, "vulkan.lost", "an earlier call");
        VkResult r = VK_CALL(&d->api, vkWaitSemaphores, d->device, &info, WAIT_SLICE_NS);
        if (r != VK_TIMEOUT)
            return tn__vk_result(d, r, "vkWaitSemaphores");
        if (tn__vk_now() - start > d->hang_ns) {
            atomic_store(&d->abandoned, true);
            return tn__vk_lose(d, "vulkan.hang", "work that does not end (?hang= is the limit)");
        }
    }
}

/* Until the device is through with what it was given, whatever else went wrong: only then may
 * buffers go. A device that is really lost says so at once. */
static void quiesce(vk_queue *q)
{
    vk_device *d = q->device;
    VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &q->timeline,
                                .pValues = &q->value};
    uint64_t start = tn__vk_now();
    while (!atomic_load(&d->abandoned) &&
           d->api.vkWaitSemaphores(d->device, &info, LAST_WAIT_NS) == VK_TIMEOUT)
        if (tn__vk_now() - start > d->hang_ns)
            atomic_store(&d->abandoned, true);
}

static tn_status get_batch(vk_queue *q, bool timed, vk_batch **out)
{
    vk_device *d = q->device;
    uint32_t i = (q->first + q->flying) % VK_SLOTS;
    if (q->batch[i] == NULL) {
        vk_batch *b = tn__vk_alloc(d->host, sizeof *b);
        if (b == NULL)
            return TN_STATUS_NO_MEMORY;
        tn_status st = tn__vk_batch_create(d, b, false);
        if (st != TN_OK) {
            tn__vk_batch_destroy(d, b);
            tn__vk_free(d->host, b, sizeof *b);
            return st;
        }
        q->batch[i] = b;
    }
    *out = q->batch[i];
    return tn__vk_batch_begin(d, *out, timed);
}

/* What was recorded, until the device has done it. */
static tn_status run_to_end(vk_queue *q, vk_batch *b)
{
    tn_status st = tn__vk_batch_end(q->device, b);
    if (st == TN_OK)
        st = submit_batch(q, b);
    return st == TN_OK ? wait_value(q, q->value) : st;
}

/* ---- transfers by the host ---- */

static unsigned char *at(const vk_buffer *b, uint64_t offset)
{
    return tn__vk_mapped(b) + offset;
}

static tn_status move_mapped(vk_device *d, const tn_work *w)
{
    if (w->kind == TN_WORK_READ) {
        tn_status st = tn__vk_flush(d, w->from, w->from_offset, w->bytes, false);
        if (st == TN_OK)
            memcpy(w->to, at(w->from, w->from_offset), w->bytes);
        return st;
    }
    if (w->kind == TN_WORK_WRITE)
        memcpy(at(w->to, w->to_offset), w->from, w->bytes);
    else
        for (uint64_t i = 0; i < w->bytes; i += w->pattern_bytes)
            memcpy(at(w->to, w->to_offset) + i, &w->pattern, w->pattern_bytes);
    return tn__vk_flush(d, w->to, w->to_offset, w->bytes, true);
}

/* Piece by piece through memory that both see. */
static tn_status move_staged(vk_queue *q, const tn_work *w)
{
    vk_device *d = q->device;
    tn_status st = TN_OK;
    if (q->staging.block == NULL)
        st = tn__vk_memory_take(d, 1, STAGING_BYTES, 0, &q->staging);
    for (uint64_t done = 0; st == TN_OK && done < w->bytes;) {
        uint64_t n = w->bytes - done < STAGING_BYTES ? w->bytes - done : STAGING_BYTES;
        unsigned char *room = at(&q->staging, 0);
        bool read = w->kind == TN_WORK_READ;
        vk_batch *b;
        if (w->kind == TN_WORK_WRITE)
            memcpy(room, (const unsigned char *)w->from + done, n);
        for (uint64_t i = 0; w->kind == TN_WORK_FILL && i < n; i += w->pattern_bytes)
            memcpy(room + i, &w->pattern, w->pattern_bytes);
        if (!read)
            st = tn__vk_flush(d, &q->staging, 0, n, true);
        if (st == TN_OK)
            st = get_batch(q, false, &b);
        if (st == TN_OK)
            st = read ? tn__vk_batch_copy(d, b, &q->staging, 0, w->from, w->from_offset + done, n)
                      : tn__vk_batch_copy(d, b, w->to, w->to_offset + done, &q->staging, 0, n);
        if (st == TN_OK)
            st = run_to_end(q, b);
        if (st == TN_OK && read) {
            st = tn__vk_flush(d, &q->staging, 0, n, false);
            if (st == TN_OK)
                memcpy((unsigned char *)w->to + done, room, n);
        }
        done += n;
    }
    if (st != TN_OK)
        quiesce(q);
    return st;
}

/* Whether the thread moves the bytes itself once all before is done; else the device does. */
static bool by_host(const tn_work *w)
{
    return w->kind == TN_WORK_WRITE || w->kind == TN_WORK_READ ||
           (w->kind == TN_WORK_FILL && (w->to_offset % 4 != 0 || w->bytes % 4 != 0));
}

static const vk_buffer *moved(const tn_work *w)
{
    return w->kind == TN_WORK_READ ? w->from : w->to;
}

/* ---- the thread ---- */

static void complete(vk_queue *q, uint64_t item, tn_status status, const tn_times *times)
{
    q->device->host->complete(q->token, item, status, times);
    item_ring_done(&q->ring);
}

/* Before the last completion of what there is: whoever is told may go on in its own thread. */
static void settle(vk_queue *q, bool last)
{
    if (!last)
        return;
    pthread_mutex_lock(&q->ring.lock);
    q->ring.busy = q->ring.count != 0 || q->flying != 0;
    pthread_mutex_unlock(&q->ring.lock);
}

static void complete_batch(vk_queue *q, vk_batch *b, tn_status status)
{
    uint64_t now = tn__vk_now();
    for (uint32_t i = 0; i < b->count; ++i) {
        tn_times times = {0};
        bool timed = status == TN_OK && (b->item[i].work.flags & TN_WORK_TIMED) != 0 &&
                     tn__vk_batch_times(q->device, b, i, now, &times);
        settle(q, i + 1 == b->count);
        complete(q, b->item[i].work.item, status, timed ? &times : NULL);
    }
    b->count = 0;
}

static void finish_oldest(vk_queue *q)
{
    vk_batch *b = q->batch[q->first];
    tn_status st = wait_value(q, b->value);
    if (st != TN_OK)
        quiesce(q);
    q->first = (q->first + 1) % VK_SLOTS;
    --q->flying;
    complete_batch(q, b, st);
}

uint64_t tn__vk_estimate(const tn_work *w)
{
    return w->kind == TN_WORK_RUN        ? ((const vk_plan *)w->plan)->estimate_ns
           : w->kind == TN_WORK_COMMANDS ? ((const vk_commands *)w->commands)->estimate_ns
                                         : w->bytes / 2;
}

/* Whether the item alone is more than one submit may have, and is run in parts. */
static bool divided(const vk_device *d, const tn_work *w)
{
    return w->kind == TN_WORK_COMMANDS
               ? ((const vk_commands *)w->commands)->apart
               : w->kind == TN_WORK_RUN && ((const vk_plan *)w->plan)->launch.steps != 0 &&
                     tn__vk_estimate(w) > d->submit_ns;
}

bool tn__vk_batchable(const vk_device *d, const tn_work *w)
{
    return !by_host(w) && !divided(d, w);
}

/* Takes what fits into one batch, at least one item. With the lock. */
static void take_batch(vk_queue *q, vk_item *items, uint32_t *out_count)
{
    uint64_t ns = 0;
    uint32_t n = 0;
    while (q->ring.count != 0 && n < VK_BATCH) {
        const vk_item *item = item_ring_at(&q->ring, 0);
        if (!tn__vk_batchable(q->device, &item->work) ||
            (n != 0 && ns + tn__vk_estimate(&item->work) > q->device->submit_ns))
            break;
        ns += tn__vk_estimate(&item->work);
        item_ring_take(&q->ring, &items[n++]);
    }
    *out_count = n;
}

static void run_batch(vk_queue *q, const vk_item *items, uint32_t count)
{
    vk_batch *b = NULL;
    bool timed = false;
    for (uint32_t i = 0; i < count; ++i)
        timed = timed || (items[i].work.flags & TN_WORK_TIMED) != 0;
    tn_status st = get_batch(q, timed, &b);
    for (uint32_t i = 0; st == TN_OK && i < count; ++i)
        st = tn__vk_batch_add(q->device, b, &items[i]);
    if (st == TN_OK)
        st = tn__vk_batch_end(q->device, b);
    if (st == TN_OK)
        st = submit_batch(q, b);
    if (st == TN_OK) {
        ++q->flying;
        return;
    }
    while (q->flying != 0) /* in order, and before what comes now */
        finish_oldest(q);
    quiesce(q);
    for (uint32_t i = 0; i < count; ++i) {
        settle(q, i + 1 == count);
        complete(q, items[i].work.item, st, NULL);
    }
}

static tn_status move(vk_queue *q, const tn_work *w)
{
    return tn__vk_mapped(moved(w)) != NULL ? move_mapped(q->device, w) : move_staged(q, w);
}

static tn_status run_part(vk_queue *q, const tn_work *w, uint32_t step, uint32_t first,
                          uint32_t count)
{
    vk_device *d = q->device;
    vk_batch *b = NULL;
    tn_status st = get_batch(q, false, &b);
    if (st == TN_OK)
        st = tn__vk_batch_part(d, b, w, step, first, count);
    return st == TN_OK ? run_to_end(q, b) : st;
}

/* One plan in as many submits as its estimate asks for, each dispatch as if it were all of it. */
static tn_status run_divided(vk_queue *q, const tn_work *w)
{
    const vk_plan *p = w->plan;
    uint64_t parts = p->estimate_ns / q->device->submit_ns + 1;
    uint32_t submits = 0;
    tn_status st = TN_OK;
    for (uint32_t step = 0; step < p->launch.steps; ++step) {
        uint64_t all = tn__vk_outer(&p->launch.step[step]), n = parts < all ? parts : all;
        for (uint64_t i = 0; st == TN_OK && i < n; ++i, ++submits)
            st = run_part(q, w, step, (uint32_t)(all * i / n),
                          (uint32_t)(all * (i + 1) / n - all * i / n));
    }
    if (st == TN_OK) {
        char text[128];
        snprintf(text, sizeof text, "vulkan divided: %s in %u submits", p->kernel, submits);
        q->device->host->log(q->device->host->runtime, 5, text);
    } else {
        quiesce(q);
    }
    return st;
}

/* Parts of recorded work that follow each other, as many as one submit may have: at least one. */
static tn_status run_kept(vk_queue *q, const vk_part *part, uint32_t most, uint32_t *out_parts)
{
    vk_batch *b = NULL;
    uint64_t ns = part[0].estimate_ns;
    uint32_t n = 1;
    while (n < most && part[n].batch != NULL && ns + part[n].estimate_ns <= q->device->submit_ns)
        ns += part[n++].estimate_ns;
    *out_parts = n;
    tn_status st = get_batch(q, false, &b);
    if (st != TN_OK)
        return st;
    tn__vk_batch_execute(q->device, b, part, n);
    st = run_to_end(q, b);
    if (st != TN_OK)
        quiesce(q);
    return st;
}

static tn_status run_parts(vk_queue *q, const vk_commands *c)
{
    tn_status st = TN_OK;
    for (uint32_t i = 0, n = 1; st == TN_OK && i < c->parts; i += n) {
        const tn_work *w = c->part[i].work;
        n = 1;
        st = c->part[i].batch != NULL ? run_kept(q, &c->part[i], c->parts - i, &n)
             : w->kind == TN_WORK_RUN ? run_divided(q, w)
                                      : move(q, w);
    }
    return st;
}

/* What is for no batch, alone on the device. */
static void run_apart(vk_queue *q, const tn_work *w)
{
    tn_times times = {.start_ns = tn__vk_now()};
    tn_status st = w->kind == TN_WORK_RUN        ? run_divided(q, w)
                   : w->kind == TN_WORK_COMMANDS ? run_parts(q, w->commands)
                                                 : move(q, w);
    times.end_ns = tn__vk_now();
    settle(q, true);
    complete(q, w->item, st, st == TN_OK ? &times : NULL);
}

static void *serve(void *arg)
{
    vk_queue *q = arg;
    vk_item items[VK_BATCH];
    for (;;) {
        uint32_t count = 0;
        bool apart = false;
        pthread_mutex_lock(&q->ring.lock);
        while (q->here || (q->ring.count == 0 && q->flying == 0 && !q->ring.stop))
            pthread_cond_wait(&q->ring.work_came, &q->ring.lock);
        if (q->ring.count == 0 && q->flying == 0) {
            pthread_mutex_unlock(&q->ring.lock);
            return NULL;
        }
        if (q->ring.count != 0 && q->flying < VK_SLOTS)
            take_batch(q, items, &count);
        if (count == 0 && q->flying == 0) {
            apart = true;
            item_ring_take(&q->ring, &items[0]);
        }
        pthread_mutex_unlock(&q->ring.lock);
        for (uint32_t i = 0; i < (apart ? 1u : count); ++i)
            items[i].work.slots = items[i].slot;
        if (count != 0)
            run_batch(q, items, count);
        else if (apart)
            run_apart(q, &items[0].work);
        else
            finish_oldest(q);
    }
}

/* ---- hal's side ---- */

/* One item in the submitter's own thread, which saves two wake-ups; the queue is idle. */
static void run_here(vk_queue *q, const tn_work *w)
{
    vk_device *d = q->device;
    vk_item item = {.work = *w};
    vk_batch *b = NULL;
    tn_times times = {0};
    for (uint32_t i = 0; i < w->slot_count; ++i)
        item.slot[i] = w->slots[i];
    item.work.slots = item.slot;
    bool timed = (w->flags & TN_WORK_TIMED) != 0;
    tn_status st = get_batch(q, timed, &b);
    if (st == TN_OK)
        st = tn__vk_batch_add(d, b, &item);
    if (st == TN_OK)
        st = run_to_end(q, b);
    if (st != TN_OK)
        quiesce(q);
    timed = timed && st == TN_OK && tn__vk_batch_times(d, b, 0, tn__vk_now(), &times);
    pthread_mutex_lock(&q->ring.lock);
    q->here = false;
    q->ring.busy = q->ring.count != 0;
    if (q->ring.busy)
        pthread_cond_signal(&q->ring.work_came);
    pthread_mutex_unlock(&q->ring.lock);
    d->host->complete(q->token, w->item, st, timed ? &times : NULL);
}

static tn_status enqueue(vk_queue *q, const tn_work *w) /* with the lock */
{
    vk_item *item = item_ring_next(&q->ring);
    if (item == NULL)
        return tn__vk_no_memory(q->device->host, sizeof *item);
    item->work = *w;
    for (uint32_t i = 0; i < w->slot_count; ++i)
        item->slot[i] = w->slots[i];
    q->ring.busy = true;
    item_ring_came(&q->ring);
    return TN_OK;
}

static tn_status queue_submit(void *queue, const tn_work *w)
{
    vk_queue *q = queue;
    vk_device *d = q->device;
    bool known = w->kind == TN_WORK_RUN || w->kind == TN_WORK_COPY || w->kind == TN_WORK_FILL ||
                 w->kind == TN_WORK_WRITE || w->kind == TN_WORK_READ || w->kind == TN_WORK_COMMANDS;
    if (!known || w->slot_count > TN_K_OPERANDS)
        return VK_FAIL(d->host, TN_STATUS_UNSUPPORTED, "vulkan.work",
                       "work of kind %d with %u slots; a Vulkan queue runs, copies, fills, writes, "
                       "reads and submits what was recorded of that",
                       (int)w->kind, w->slot_count);
    if (atomic_load(&d->lost))
        return tn__vk_lose(d, "vulkan.lost", "an earlier call");
    pthread_mutex_lock(&q->ring.lock);
    bool may = (w->flags & TN_WORK_MAY_RUN_HERE) != 0 && !q->ring.busy;
    bool move = may && by_host(w) && tn__vk_mapped(moved(w)) != NULL;
    bool here = may && tn__vk_batchable(d, w);
    if (here)
        q->here = q->ring.busy = true;
    tn_status st = here || move ? TN_OK : enqueue(q, w);
    pthread_mutex_unlock(&q->ring.lock);
    if (here)
        run_here(q, w);
    if (move) {
        tn_times times = {.start_ns = tn__vk_now()};
        st = move_mapped(d, w);
        times.end_ns = tn__vk_now();
        d->host->complete(q->token, w->item, st, st == TN_OK ? &times : NULL);
        return TN_OK;
    }
    return st;
}

vk_device *tn__vk_queue_device(void *queue)
{
    return ((vk_queue *)queue)->device;
}

static tn_status queue_poll(void *queue, uint64_t timeout_ns)
{
    return item_ring_poll(&((vk_queue *)queue)->ring, timeout_ns);
}

/* The thread is gone, or never was. */
static void free_queue(vk_queue *q)
{
    vk_device *d = q->device;
    if (q->timeline != VK_NULL_HANDLE)
        quiesce(q);
    if (!atomic_load(&d->abandoned)) {
        for (uint32_t i = 0; i < VK_SLOTS; ++i)
            if (q->batch[i] != NULL) {
                tn__vk_batch_destroy(d, q->batch[i]);
                tn__vk_free(d->host, q->batch[i], sizeof *q->batch[i]);
            }
        if (q->timeline != VK_NULL_HANDLE)
            d->api.vkDestroySemaphore(d->device, q->timeline, NULL);
    }
    tn__vk_memory_give(d, &q->staging);
    item_ring_free(&q->ring);
    tn__vk_free(d->host, q, sizeof *q);
}

static void queue_destroy(void *queue)
{
    vk_queue *q = queue;
    item_ring_stop(&q->ring);
    free_queue(q);
}

static const tn_queue_ops queue_ops = {
    .abi = TN_BACKEND_ABI,
    .bytes = sizeof(tn_queue_ops),
    .destroy = queue_destroy,
    .submit = queue_submit,
    .poll = queue_poll,
    .record = tn__vk_record,
    .commands_destroy = tn__vk_commands_destroy,
};

tn_status tn__vk_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops)
{
    vk_device *d = device;
    (void)desc;
    vk_queue *q = tn__vk_alloc(d->host, sizeof *q);
    if (q == NULL)
        return TN_STATUS_NO_MEMORY;
    q->device = d;
    q->token = token;
    if (!item_ring_init(&q->ring, &d->host->allocator, sizeof(vk_item), FIRST_RING)) {
        tn__vk_free(d->host, q, sizeof *q);
        return tn__vk_no_memory(d->host, FIRST_RING * sizeof(vk_item));
    }
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    VkResult r = VK_CALL(&d->api, vkCreateSemaphore, d->device, &info, NULL, &q->timeline);
    if (r != VK_SUCCESS)
        q->timeline = VK_NULL_HANDLE;
    tn_status st = tn__vk_result(d, r, "vkCreateSemaphore");
    if (st == TN_OK && !item_ring_start(&q->ring, serve, q))
        st = VK_FAIL(d->host, TN_STATUS_NO_MEMORY, "vulkan.thread",
                     "the system gave no thread for a queue; end some threads and try again");
    if (st != TN_OK) {
        free_queue(q);
        return st;
    }
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}
