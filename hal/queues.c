/* SPDX-License-Identifier: Apache-2.0 */
/* The queue object, which queues a device has, and what its loss and injected delays do to their
 * items. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "inject.h"
#include "queue.h"

static void list(tn_queue *q)
{
    tn_device *d = q->device;
    q->serial = atomic_fetch_add_explicit(&q->runtime->queue_count, 1u, memory_order_relaxed) + 1u;
    pthread_mutex_lock(&d->lock);
    q->device_next = d->queues;
    d->queues = q;
    pthread_mutex_unlock(&d->lock);
}

static void unlist(tn_queue *q)
{
    tn_device *d = q->device;
    pthread_mutex_lock(&d->lock);
    tn_queue **at = &d->queues;
    while (*at != NULL && *at != q)
        at = &(*at)->device_next;
    if (*at == q)
        *at = q->device_next;
    pthread_mutex_unlock(&d->lock);
}

void tn__queues_wake(tn_device *d)
{
    for (;;) {
        pthread_mutex_lock(&d->lock);
        tn_queue *q = d->queues;
        while (q != NULL && (q->told || !tn__ref_try_retain(&q->ref)))
            q = q->device_next;
        if (q != NULL)
            q->told = true;
        pthread_mutex_unlock(&d->lock);
        if (q == NULL)
            return;
        pthread_mutex_lock(&q->lock);
        bool waiting = q->waiting != NULL; /* what is in flight ends by itself */
        pthread_mutex_unlock(&q->lock);
        /* The progress thread hands over: this may be a thread of the backend. */
        if (waiting)
            tn__progress_post(q, TN__TODO_DISPATCH);
        if (tn__ref_release(&q->ref))
            tn__progress_post(q, TN__TODO_REAP);
    }
}

void tn__queue_poison(tn_queue *q)
{
    if (q->failed || !tn__device_lost(q->device))
        return;
    tn__error_save(&q->error, &q->device->error.error);
    q->failed = true;
}

void tn__item_drop_waits(tn__item *item)
{
    for (uint32_t i = 0; i < item->wait_count && item->waits_left != 0; ++i)
        if (tn__fence_remove(item->waits[i].fence, &item->waits[i]))
            --item->waits_left;
}

bool tn__item_held_back(tn__item *item)
{
    if (item->fault.delay_ns == 0)
        return false;
    uint64_t now = tn__now_ns();
    if (item->due_ns == 0)
        item->due_ns = now + item->fault.delay_ns;
    return now < item->due_ns;
}

/* ---- the object ---- */
static tn_status create(tn_device *device, const tn_queue_desc *desc, bool internal, tn_queue **out)
{
    if (out == NULL)
        return tn__fail_null("out_queue", "give a tn_queue * to fill");
    *out = NULL;
    tn_status st = tn__device_usable(device, "device");
    if (st != TN_OK)
        return st;
    tn_queue_desc local = {.head = TN_INIT(tn_queue_desc)};
    if (desc != NULL) {
        st = tn__struct_in(&local, sizeof local, TN_TYPE_tn_queue_desc, desc, "desc");
        if (st != TN_OK)
            return st;
    }
    if (local.kind > TN_QUEUE_TRANSFER)
        return tn__fail(
            TN_STATUS_INVALID, "queue.kind", "desc.kind",
            "desc.kind is %u; TN_QUEUE_COMPUTE (0) and TN_QUEUE_TRANSFER (1) are allowed",
            local.kind);
    if ((local.flags & ~(uint32_t)TN_QUEUE_INLINE) != 0)
        return tn__fail(TN_STATUS_INVALID, "queue.flags", "desc.flags",
                        "desc.flags is 0x%x; only TN_QUEUE_INLINE (1) is allowed", local.flags);
    tn_runtime *rt = device->runtime;
    st = tn__progress_start(rt);
    if (st == TN_OK && !internal)
        st = tn__inject_call(device, TN__CALL_QUEUE, 0, 0);
    if (st != TN_OK)
        return st;
    if ((rt->flags & TN_RUNTIME_NO_THREADS) != 0)
        (void)tn__progress_turn(rt);
    tn_queue *q = tn__alloc(rt, sizeof *q);
    if (q == NULL)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&q->ref);
    q->device = tn_device_retain(device);
    q->runtime = rt;
    q->internal = internal;
    q->kind = local.kind;
    q->flags = local.flags;
    q->polled = (device->info.flags & TN_DEVICE_ASYNC) == 0;
    q->waiting_end = &q->waiting;
    q->flying_end = &q->flying;
    pthread_mutex_init(&q->lock, NULL);
    tn__cond_init(&q->changed);
    tn__error_clear();
    st = device->ops->queue_create(device->object, &local, q, &q->object, &q->ops);
    if (st != TN_OK)
        st = tn__backend_failed(st, device->uri, "queue_create");
    else if (!tn__table_known(q->ops) || !tn__has(q->ops, destroy) || !tn__has(q->ops, submit) ||
             !tn__has(q->ops, poll))
        st = tn__backend_table(device->uri, "queue");
    if (st != TN_OK) {
        q->ops = NULL;
        tn__queue_destroy(q);
        return st;
    }
    list(q); /* from here on a loss of the device reaches it */
    *out = q;
    return TN_OK;
}

tn_status tn_queue_create(tn_device *device, const tn_queue_desc *desc, tn_queue **out)
{
    return create(device, desc, false, out);
}

tn_queue *tn_queue_retain(tn_queue *q)
{
    if (q != NULL)
        tn__ref_retain(&q->ref);
    return q;
}

void tn_queue_release(tn_queue *q)
{
    if (q != NULL && tn__ref_release(&q->ref) && !tn__runtime_forked(q->runtime))
        tn__queue_destroy(q);
}

void tn__queue_destroy(tn_queue *q)
{
    tn_runtime *rt = q->runtime;
    tn_device *device = q->device;
    unlist(q);
    while (q->dead != NULL) {
        tn_commands *c = q->dead;
        q->dead = c->next_dead;
        tn__commands_destroy(c);
    }
    for (tn__item *item = q->waiting, *next; item != NULL; item = next) {
        next = item->next;
        tn__item_free(q, item);
    }
    for (tn__item *item = q->spare, *next; item != NULL; item = next) {
        next = item->next;
        tn__item_free(q, item);
    }
    if (q->ops != NULL)
        q->ops->destroy(q->object);
    tn_buffer_release(q->arena);
    tn_queue_release(q->reader);
    tn_queue_release(q->writer);
    tn_queue_release(q->base);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    tn__free(rt, q, sizeof *q);
    tn_device_release(device);
}

tn_status tn__queue_internal(tn_device *device, tn_queue **out)
{
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    return create(device, &desc, true, out);
}
