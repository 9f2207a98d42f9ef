/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded work: a recorder is a queue that keeps its items; submitting replays them as one group,
 * through the backend's own recording where it offers one. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "queue.h"

tn_status tn_commands_begin(tn_queue *q, tn_queue **out_recorder)
{
    if (out_recorder == NULL)
        return tn__fail_null("out_recorder", "give a tn_queue * to fill");
    *out_recorder = NULL;
    if (q == NULL)
        return tn__fail_null("queue", "make one with tn_queue_create");
    tn_status st = tn__device_usable(q->device, "queue");
    if (st != TN_OK)
        return st;
    if (q->ops == NULL)
        return tn__fail(TN_STATUS_INVALID, "commands.nested", "queue",
                        "the queue is a recorder, which cannot record into another one; begin on "
                        "the queue that will run it");
    tn_queue *r = tn__alloc(q->runtime, sizeof *r);
    if (r == NULL)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&r->ref);
    r->device = tn_device_retain(q->device);
    r->runtime = q->runtime;
    r->kind = q->kind;
    r->base = tn_queue_retain(q);
    r->waiting_end = &r->waiting;
    r->flying_end = &r->flying;
    pthread_mutex_init(&r->lock, NULL);
    tn__cond_init(&r->changed);
    *out_recorder = r;
    return TN_OK;
}

/* The backend's own form of the items; UNSUPPORTED and items of the host leave them as they are. */
static tn_status record(tn_commands *c)
{
    tn_queue *q = c->queue;
    if (c->count == 0 || !tn__has(q->ops, record) || !tn__has(q->ops, commands_destroy))
        return TN_OK;
    for (const tn__item *item = c->items; item != NULL; item = item->next)
        if (item->host || item->work.kind == 0)
            return TN_OK;
    tn_work *works = tn__alloc(q->runtime, c->count * sizeof *works);
    if (works == NULL)
        return TN_STATUS_NO_MEMORY;
    uint32_t n = 0;
    for (const tn__item *item = c->items; item != NULL; item = item->next)
        works[n++] = item->work;
    tn__queue_enter(q);
    tn_status st = q->ops->record(q->object, works, n, &c->object);
    pthread_mutex_lock(&q->lock);
    q->dispatching = false;
    tn__queue_dispatch(q, false);
    tn__free(q->runtime, works, c->count * sizeof *works);
    if (st == TN_OK)
        return TN_OK;
    c->object = NULL;
    return st == TN_STATUS_UNSUPPORTED ? TN_OK : st;
}

tn_status tn_commands_end(tn_queue *recorder, tn_commands **out)
{
    if (out == NULL)
        return tn__fail_null("out_commands", "give a tn_commands * to fill");
    *out = NULL;
    if (recorder == NULL || recorder->ops != NULL)
        return tn__fail(TN_STATUS_INVALID, "commands.recorder", "recorder",
                        "recorder is %s; give what tn_commands_begin made",
                        recorder == NULL ? "NULL" : "a queue that runs its work");
    tn_status st = tn__device_usable(recorder->device, "recorder");
    if (st != TN_OK)
        return st;
    if (recorder->ended)
        return tn__fail(TN_STATUS_INVALID, "commands.ended", "recorder",
                        "the commands of this recorder were ended before; begin a new one with "
                        "tn_commands_begin");
    tn_commands *c = tn__alloc(recorder->runtime, sizeof *c);
    if (c == NULL)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&c->ref);
    c->queue = tn_queue_retain(recorder->base);
    c->items = recorder->waiting;
    c->count = recorder->recorded;
    st = record(c);
    if (st != TN_OK) {
        c->items = NULL; /* they stay with the recorder, which can be ended again */
        tn_commands_release(c);
        return st;
    }
    recorder->waiting = NULL;
    recorder->waiting_end = &recorder->waiting;
    recorder->recorded = 0;
    recorder->ended = true;
    *out = c;
    return TN_OK;
}

tn_commands *tn_commands_retain(tn_commands *c)
{
    if (c != NULL)
        tn__ref_retain(&c->ref);
    return c;
}

void tn__commands_destroy(tn_commands *c)
{
    tn_queue *q = c->queue;
    if (c->object != NULL)
        q->ops->commands_destroy(q->object, c->object);
    for (tn__item *item = c->items, *next; item != NULL; item = next) {
        next = item->next;
        tn__item_free(q, item);
    }
    tn__free(q->runtime, c, sizeof *c);
}

void tn_commands_release(tn_commands *c)
{
    if (c == NULL || !tn__ref_release(&c->ref) || tn__runtime_forked(c->queue->runtime))
        return;
    tn_queue *q = c->queue;
    if (c->object == NULL) {
        tn__commands_destroy(c);
    } else {
        /* The last use may end inside a backend entry of the very queue (an inline item completes
         * in submit): the destruction is left to whoever hands over next, or to the queue's end. */
        pthread_mutex_lock(&q->lock);
        c->next_dead = q->dead;
        q->dead = c;
        if (q->inflight == 0)
            tn__queue_dispatch(q, false);
        else
            pthread_mutex_unlock(&q->lock);
    }
    tn_queue_release(q);
}

/* The group item by item: the first one waits, the last one signals; each keeps the commands, whose
 * slots and tensors it points to. All are made before any is submitted, so that a group is never
 * cut short. */
static tn_status replay(tn_queue *q, tn_commands *c, const tn_sync *sync)
{
    tn_sync first = {0}, last = {0};
    if (sync != NULL) {
        first.wait = sync->wait;
        first.wait_count = sync->wait_count;
        last.signal = sync->signal;
        last.signal_count = sync->signal_count;
    }
    tn_sync only = sync != NULL ? *sync : first;
    tn__item *made = NULL, **end = &made;
    tn_status st = TN_OK;
    for (const tn__item *from = c->items; from != NULL && st == TN_OK; from = from->next) {
        tn__item *item;
        st = tn__item_begin(q, from->work.kind, &only, 0, from->keep_count, &item);
        if (st != TN_OK)
            break;
        item->work = from->work;
        item->host = from->host;
        item->shown = from->plan;
        for (uint32_t i = 0; i < from->keep_count; ++i)
            tn__item_keep(item, from->keep[i]);
        item->commands = tn_commands_retain(c);
        *end = item;
        end = &item->next;
    }
    for (uint32_t index = 0; made != NULL; ++index) {
        tn__item *item = made;
        made = item->next;
        item->next = NULL;
        if (st == TN_OK && index == 0)
            tn__item_inject(item, TN_WORK_COMMANDS); /* one call, whoever plays it */
        if (st != TN_OK)
            tn__item_cancel(item);
        else
            st = tn__item_submit(item, c->count == 1           ? &only
                                       : index == 0            ? &first
                                       : index + 1 == c->count ? &last
                                                               : NULL);
    }
    return st;
}

tn_status tn_queue_submit(tn_queue *q, tn_commands *c, const tn_sync *sync)
{
    if (q == NULL)
        return tn__fail_null("queue", "make one with tn_queue_create");
    if (c == NULL)
        return tn__fail_null("commands", "make them with tn_commands_begin and tn_commands_end");
    tn_status st = tn__device_usable(q->device, "queue");
    if (st != TN_OK)
        return st;
    if (c->queue != q)
        return tn__fail(TN_STATUS_INVALID, "commands.queue", "commands",
                        "the commands were recorded on another queue (of %s) than this (of %s); "
                        "submit them where they began",
                        c->queue->device->uri, q->device->uri);
    st = tn__sync_check(q, sync);
    if (st != TN_OK)
        return st;
    for (const tn__item *item = c->items; item != NULL; item = item->next)
        for (uint32_t i = 0; i < item->keep_count; ++i) {
            st = tn__buffer_check(item->keep[i], item->keep[i]->device, 0, item->keep[i]->bytes,
                                  "commands");
            if (st != TN_OK)
                return st;
        }
    if (c->object == NULL && c->count != 0)
        return replay(q, c, sync);
    tn__item *item;
    st = tn__item_begin(q, c->count != 0 ? TN_WORK_COMMANDS : (tn_work_kind)0, sync, 0, 0, &item);
    if (st != TN_OK)
        return st;
    item->commands = tn_commands_retain(c);
    item->work.commands = c->object;
    return tn__item_submit(item, sync);
}
