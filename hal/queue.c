/* SPDX-License-Identifier: Apache-2.0 */
/* In-order queues: items from submit through hand-over to completion. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "queue.h"
#include "inject.h"

enum { POLL_SLICE_NS = 1000000, ARENA_STEP = 4096, POINTS_MOST = 65536 };

/* ---- items ---- */
static tn_status grow(tn_runtime *rt, void **array, uint32_t *capacity, uint32_t need,
                      uint32_t inline_capacity, size_t size)
{
    if (need <= *capacity)
        return TN_OK;
    void *larger = tn__alloc(rt, need * size);
    if (larger == NULL)
        return TN_STATUS_NO_MEMORY;
    if (*capacity > inline_capacity)
        tn__free(rt, *array, *capacity * size);
    *array = larger;
    *capacity = need;
    return TN_OK;
}

/* Room for what an item holds; the arrays are empty when this is called. */
static tn_status reserve(tn_runtime *rt, tn__item *item, uint32_t waits, uint32_t signals,
                         uint32_t slots, uint32_t keep)
{
    void *p = item->waits;
    tn_status st = grow(rt, &p, &item->wait_capacity, waits, TN__INLINE_WAITS, sizeof *item->waits);
    item->waits = p;
    if (st == TN_OK) {
        p = item->signals;
        st = grow(rt, &p, &item->signal_capacity, signals, TN__INLINE_SIGNALS,
                  sizeof *item->signals);
        item->signals = p;
    }
    if (st == TN_OK) {
        p = item->slots;
        st = grow(rt, &p, &item->slot_capacity, slots, TN__INLINE_SLOTS, sizeof *item->slots);
        item->slots = p;
    }
    if (st == TN_OK) {
        p = (void *)item->keep;
        st = grow(rt, &p, &item->keep_capacity, keep, TN__INLINE_KEEP, sizeof(tn_buffer *));
        item->keep = p;
    }
    return st;
}

/* Drops what the item uses; its fences stay until they are signalled. */
static void drop_uses(tn__item *item)
{
    for (uint32_t i = 0; i < item->keep_count; ++i)
        tn_buffer_release(item->keep[i]);
    item->keep_count = 0;
    if (item->plan != NULL)
        tn_plan_release(item->plan);
    item->plan = NULL;
    if (item->commands != NULL)
        tn_commands_release(item->commands);
    item->commands = NULL;
}

static void drop_fences(tn__item *item)
{
    for (uint32_t i = 0; i < item->wait_count + item->met_count; ++i)
        tn_fence_release(item->waits[i].fence);
    item->wait_count = item->met_count = 0;
    for (uint32_t i = 0; i < item->signal_count; ++i)
        tn_fence_release(item->signals[i].fence);
    item->signal_count = 0;
    item->wait_error = NULL;
}

void tn__item_free(tn_queue *q, tn__item *item)
{
    tn_runtime *rt = q->runtime;
    drop_uses(item);
    drop_fences(item);
    if (item->wait_capacity > TN__INLINE_WAITS)
        tn__free(rt, item->waits, item->wait_capacity * sizeof *item->waits);
    if (item->signal_capacity > TN__INLINE_SIGNALS)
        tn__free(rt, item->signals, item->signal_capacity * sizeof *item->signals);
    if (item->slot_capacity > TN__INLINE_SLOTS)
        tn__free(rt, item->slots, item->slot_capacity * sizeof *item->slots);
    if (item->keep_capacity > TN__INLINE_KEEP)
        tn__free(rt, (void *)item->keep, item->keep_capacity * sizeof(tn_buffer *));
    tn__free(rt, item, sizeof *item);
}

void tn__item_cancel(tn__item *item)
{
    tn_queue *q = item->queue;
    drop_uses(item);
    drop_fences(item);
    pthread_mutex_lock(&q->lock);
    item->next = q->spare;
    q->spare = item;
    pthread_mutex_unlock(&q->lock);
}

tn_status tn__sync_check(tn_queue *q, const tn_sync *sync)
{
    if (sync == NULL || (sync->wait_count == 0 && sync->signal_count == 0))
        return TN_OK;
    if (q->ops == NULL)
        return tn__fail(TN_STATUS_INVALID, "commands.sync", "sync",
                        "sync has %u waits and %u signals, which recorded work cannot have; give "
                        "them to tn_queue_submit",
                        sync->wait_count, sync->signal_count);
    if (sync->wait_count > POINTS_MOST || sync->signal_count > POINTS_MOST)
        return tn__fail(TN_STATUS_INVALID, "sync.count", "sync",
                        "sync has %u waits and %u signals; at most %d of each are allowed",
                        sync->wait_count, sync->signal_count, POINTS_MOST);
    for (uint32_t i = 0; i < sync->wait_count + sync->signal_count; ++i) {
        bool wait = i < sync->wait_count;
        const tn_point *points = wait ? sync->wait : sync->signal;
        uint32_t index = wait ? i : i - sync->wait_count;
        const char *name = wait ? "sync.wait" : "sync.signal";
        if (points == NULL || points[index].fence == NULL)
            return tn__fail(TN_STATUS_INVALID, "sync.null", name,
                            "%s[%u] has no fence; give each point one", name, index);
        if (tn__fence_runtime(points[index].fence) != q->runtime)
            return tn__fail(
                TN_STATUS_INVALID, "sync.runtime", name,
                "%s[%u] is a fence of another runtime; make it with the runtime of the queue", name,
                index);
        if (wait && (q->runtime->flags & TN_RUNTIME_NO_THREADS) != 0 &&
            !tn__fence_reached(points[index].fence, points[index].value) &&
            tn_fence_query(points[index].fence, NULL) == TN_OK)
            return tn__fail(TN_STATUS_UNSUPPORTED, "queue.no_threads", name,
                            "%s[%u] is not reached, and a runtime made with TN_RUNTIME_NO_THREADS "
                            "has nobody to hold the item back; submit when it is reached",
                            name, index);
    }
    return TN_OK;
}

tn_status tn__item_begin(tn_queue *q, tn_work_kind kind, const tn_sync *sync, uint32_t slots,
                         uint32_t keep, tn__item **out)
{
    tn_status st = tn__sync_check(q, sync);
    if (st != TN_OK)
        return st;
    if (q->ended)
        return tn__fail(TN_STATUS_INVALID, "commands.ended", "queue",
                        "the queue is a recorder whose commands were ended; begin a new one with "
                        "tn_commands_begin");
    pthread_mutex_lock(&q->lock);
    tn__item *item = q->spare;
    if (item != NULL)
        q->spare = item->next;
    pthread_mutex_unlock(&q->lock);
    if (item == NULL) {
        item = tn__alloc(q->runtime, sizeof *item);
        if (item == NULL)
            return TN_STATUS_NO_MEMORY;
        item->queue = q;
        item->waits = item->inline_waits;
        item->wait_capacity = TN__INLINE_WAITS;
        item->signals = item->inline_signals;
        item->signal_capacity = TN__INLINE_SIGNALS;
        item->slots = item->inline_slots;
        item->slot_capacity = TN__INLINE_SLOTS;
        item->keep = item->inline_keep;
        item->keep_capacity = TN__INLINE_KEEP;
    }
    item->next = NULL;
    item->host = false;
    item->retry = false;
    item->fault = (tn__fault){0};
    item->due_ns = 0;
    item->shown = NULL;
    memset(&item->work, 0, sizeof item->work);
    item->work.head = (tn_head)TN_INIT(tn_work);
    item->work.kind = kind;
    st = reserve(q->runtime, item, sync != NULL ? sync->wait_count : 0,
                 sync != NULL ? sync->signal_count : 0, slots, keep);
    if (st != TN_OK) {
        tn__item_cancel(item);
        return st;
    }
    *out = item;
    return TN_OK;
}

void tn__item_keep(tn__item *item, tn_buffer *buffer)
{
    item->keep[item->keep_count++] = tn_buffer_retain(buffer);
}

/* One of the waits of an item is settled: the signalling thread only wakes the progress thread. */
static void wait_settled(void *self, tn_status status, const tn_error *error)
{
    (void)status;
    tn__item *item = self;
    tn_queue *q = item->queue;
    pthread_mutex_lock(&q->lock);
    if (error != NULL && item->wait_error == NULL)
        item->wait_error = error;
    bool post = --item->waits_left == 0 && q->waiting == item && !q->dispatching;
    /* The item cannot complete before this lock is left, and it holds the queue; post retains it
     * again before the thread that would drop it can. */
    if (post)
        tn__ref_retain(&q->ref);
    pthread_mutex_unlock(&q->lock);
    if (post) {
        tn__progress_post(q, TN__TODO_DISPATCH);
        tn_queue_release(q);
    }
}

void tn__item_inject(tn__item *item, uint32_t call)
{
    tn_queue *q = item->queue;
    if (q->internal || !atomic_load_explicit(&q->device->injecting, memory_order_relaxed))
        return;
    tn__inject_count(
        q->device,
        &(tn__call){call, item->plan != NULL ? tn__plan_kind(item->plan) : 0u, item->work.bytes},
        &item->fault);
}

tn_status tn__item_submit(tn__item *item, const tn_sync *sync)
{
    tn_queue *q = item->queue;
    if (q->ops == NULL) {
        *q->waiting_end = item;
        q->waiting_end = &item->next;
        ++q->recorded;
        return TN_OK;
    }
    if (item->commands == NULL || item->work.kind == TN_WORK_COMMANDS) /* replay counts once */
        tn__item_inject(item, (uint32_t)item->work.kind);
    uint32_t signals = sync != NULL ? sync->signal_count : 0;
    for (uint32_t i = 0; i < signals; ++i) {
        item->signals[i] = sync->signal[i];
        tn_fence_retain(item->signals[i].fence);
    }
    item->signal_count = signals;
    item->traced = tn__tracing(q->runtime);
    item->submitted_ns = signals != 0 || item->traced ? tn__now_ns() : 0;
    uint32_t waits = 0;
    for (uint32_t i = 0; sync != NULL && i < sync->wait_count; ++i) {
        tn_point point = sync->wait[i];
        if (tn__fence_reached(point.fence, point.value))
            continue;
        item->waits[waits++] = (tn__fence_node){.value = point.value,
                                                .fn = wait_settled,
                                                .self = item,
                                                .fence = tn_fence_retain(point.fence)};
    }
    item->wait_count = waits;
    for (uint32_t i = 0; item->traced && sync != NULL && i < sync->wait_count; ++i) {
        tn_point point = sync->wait[i];
        uint32_t at = 0;
        while (at < waits &&
               (item->waits[at].fence != point.fence || item->waits[at].value != point.value))
            ++at;
        if (at == waits)
            item->waits[waits + item->met_count++] =
                (tn__fence_node){.value = point.value, .fence = tn_fence_retain(point.fence)};
    }
    bool traced = item->traced;
    uint64_t at_ns = item->submitted_ns;
    pthread_mutex_lock(&q->lock);
    uint64_t id = item->id = ++q->next_id;
    item->waits_left = waits + (waits != 0);
    *q->waiting_end = item;
    q->waiting_end = &item->next;
    if (q->pending++ == 0)
        tn__ref_retain(&q->ref);
    if (waits != 0) {
        pthread_mutex_unlock(&q->lock);
        for (uint32_t i = 0; i < waits; ++i) {
            const tn_error *error;
            if (!tn__fence_add(item->waits[i].fence, &item->waits[i], &error))
                wait_settled(item, error != NULL ? error->status : TN_OK, error);
        }
        pthread_mutex_lock(&q->lock);
        --item->waits_left;
    }
    tn__queue_dispatch(q, true);
    if (traced) /* the item may be gone */
        tn__trace_submit(q, id, at_ns);
    return TN_OK;
}

/* ---- completion ---- */
const char *tn__work_name(tn_work_kind kind)
{
    static const char *const names[] = {"group", "run",  "pack", "copy",    "fill",
                                        "write", "read", "call", "commands"};
    return (uint32_t)kind < sizeof names / sizeof names[0] ? names[kind] : "work";
}

/* The error of an item that failed: this thread's last one if it is of that status. */
static void save_error(tn_queue *q, tn__error_copy *to, tn_status status, tn_work_kind kind)
{
    tn_error error;
    tn_error_last(&error);
    if (error.status != status) {
        tn__fail(
            status, "queue.item", NULL,
            "a %s failed on %s and the device gave no reason; its backend should call tn_host.fail",
            tn__work_name(kind), q->device->uri);
        tn_error_last(&error);
    }
    if (error.device == NULL || error.device[0] == '\0')
        error.device = q->device->uri;
    tn__error_save(to, &error);
}

/* Takes an item out of the flight list, tells its fences, drops what it held and recycles it. */
static void finish(tn_queue *q, tn__item *item, tn_status status, const tn_times *times)
{
    pthread_mutex_lock(&q->lock);
    tn__item **at = &q->flying;
    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    if (q->flying_end == &item->next)
        q->flying_end = at;
    if (status == TN_OK && tn__device_lost(q->device))
        tn__queue_poison(q); /* nothing that ends after the loss can be relied on */
    if (status != TN_OK && !q->failed) {
        if (item->wait_error != NULL)
            tn__error_save(&q->error, item->wait_error);
        else
            save_error(q, &q->error, status, item->work.kind);
        q->failed = true;
    }
    /* Items complete in order, so whatever comes now was submitted after the one that failed. */
    const tn_error *error = q->failed ? &q->error.error : NULL;
    pthread_mutex_unlock(&q->lock);

    if (item->submitted_ns != 0) {
        tn_times t = {0};
        if (times != NULL)
            t = *times;
        if (t.submitted_ns == 0)
            t.submitted_ns = item->submitted_ns;
        if (t.end_ns == 0) {
            t.end_ns = tn__now_ns();
            if (t.start_ns == 0)
                t.start_ns = t.submitted_ns;
        }
        if (item->traced && tn__tracing(q->runtime))
            tn__trace_item(q, item, error, &t);
        drop_uses(item);
        for (uint32_t i = 0; i < item->signal_count; ++i)
            tn__fence_complete(item->signals[i].fence, item->signals[i].value, error, &t);
    } else {
        drop_uses(item);
    }
    drop_fences(item);

    pthread_mutex_lock(&q->lock);
    item->next = q->spare;
    q->spare = item;
    if (q->host_item == item)
        q->host_item = NULL;
    --q->inflight;
    bool last = --q->pending == 0;
    /* Whoever hands over is looking at the list anyhow; else what waited for an empty flight list
     * is woken, and never in a thread of the backend. */
    bool post = q->inflight == 0 && q->waiting != NULL && !q->dispatching &&
                (q->failed || q->waiting->waits_left == 0);
    if (q->sleepers != 0 && (last || q->polled))
        pthread_cond_broadcast(&q->changed);
    /* Given up before anybody can see that the queue is idle: it may be gone after the unlock. */
    bool reap = last && tn__ref_release(&q->ref);
    if (post)
        tn__ref_retain(&q->ref);
    pthread_mutex_unlock(&q->lock);
    if (post) {
        tn__progress_post(q, TN__TODO_DISPATCH);
        reap = tn__ref_release(&q->ref);
    }
    /* This may be the backend's own thread, which destroying the queue would join. */
    if (reap)
        tn__progress_post(q, TN__TODO_REAP);
}

void tn__queue_complete(void *token, uint64_t id, tn_status status, const tn_times *times)
{
    tn_queue *q = token;
    pthread_mutex_lock(&q->lock);
    tn__item *item = q->flying;
    while (item != NULL && item->id != id)
        item = item->next;
    pthread_mutex_unlock(&q->lock);
    if (item != NULL)
        finish(q, item, status, times);
    else
        tn__log(q->runtime, 1, "%s completed item %llu, which it does not hold", q->device->uri,
                (unsigned long long)id);
}

/* ---- hand-over ---- */
static bool can_emulate(const tn__item *item)
{
    tn_work_kind kind = item->work.kind;
    return !item->host && (kind == TN_WORK_COPY || kind == TN_WORK_FILL || kind == TN_WORK_CALL);
}

/* The backend refused an item that was just appended to the flight list: it goes back to the front
 * of the waiting list, to be done by the host or to fail, after everything in flight. With lock. */
static void take_back(tn_queue *q, tn__item *item)
{
    tn__item **at = &q->flying;
    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    if (q->flying_end == &item->next)
        q->flying_end = at;
    --q->inflight;
    item->next = q->waiting;
    if (q->waiting == NULL)
        q->waiting_end = &item->next;
    q->waiting = item;
}

/* Without lock; `others`: whether items were in flight before this one. */
static void hand_over(tn_queue *q, tn__item *item, bool others)
{
    tn_work_kind kind = item->work.kind;
    bool emulate = can_emulate(item);
    tn__error_clear(); /* so that a failure without a reason does not borrow an older one */
    tn_status st = q->ops->submit(q->object, &item->work);
    if (st == TN_OK)
        return; /* the item may be gone */
    pthread_mutex_lock(&q->lock);
    take_back(q, item);
    if (st == TN_STATUS_UNSUPPORTED && emulate) {
        item->host = true;
    } else if (st == TN_STATUS_NO_MEMORY && others) {
        item->retry = true; /* once those in flight have given back what they hold */
    } else {
        save_error(q, &q->submit_error, st, kind);
        item->wait_error = &q->submit_error.error;
    }
    pthread_mutex_unlock(&q->lock);
}

void tn__queue_dispatch(tn_queue *q, bool submitter)
{
    if (q->dispatching) {
        pthread_mutex_unlock(&q->lock);
        return;
    }
    q->dispatching = true;
    bool handed = false, untime = false;
    uint64_t due = 0;
    for (;;) {
        if (q->dead != NULL) {
            tn_commands *c = q->dead;
            q->dead = c->next_dead;
            pthread_mutex_unlock(&q->lock);
            tn__commands_destroy(c);
            pthread_mutex_lock(&q->lock);
            continue;
        }
        tn__item *item = q->waiting;
        if (item == NULL)
            break;
        tn__queue_poison(q);
        if (q->failed && item->waits_left != 0)
            tn__item_drop_waits(item);
        if (item->waits_left != 0 || q->host_item != NULL)
            break;
        bool failed = q->failed || item->wait_error != NULL;
        bool struck = !failed && item->fault.status != TN_OK;
        bool alone = failed || struck || item->host || item->work.kind == 0;
        if ((alone || item->retry) && q->inflight != 0)
            break;
        if (!failed && tn__item_held_back(item)) {
            due = item->due_ns;
            break;
        }
        untime = untime || item->due_ns != 0;
        q->waiting = item->next;
        if (q->waiting == NULL)
            q->waiting_end = &q->waiting;
        item->next = NULL;
        *q->flying_end = item;
        q->flying_end = &item->next;
        ++q->inflight;
        tn_status status = !failed     ? TN_OK
                           : q->failed ? q->error.error.status
                                       : item->wait_error->status;
        if (!alone) {
            bool others = q->inflight > 1;
            bool here = submitter && (q->flags & TN_QUEUE_INLINE) != 0 && !others;
            item->work.item = item->id;
            item->work.flags =
                (here ? TN_WORK_MAY_RUN_HERE : 0u) | (item->traced ? TN_WORK_TIMED : 0u);
            pthread_mutex_unlock(&q->lock);
            hand_over(q, item, others);
            handed = true;
        } else if (struck) {
            pthread_mutex_unlock(&q->lock);
            finish(q, item, tn__inject_strike(q->device, &item->fault), NULL);
        } else if (!failed && item->host) {
            q->host_item = item;
            pthread_mutex_unlock(&q->lock);
            tn__progress_post(q, TN__TODO_HOST);
        } else {
            pthread_mutex_unlock(&q->lock);
            finish(q, item, status, NULL);
        }
        pthread_mutex_lock(&q->lock);
    }
    q->dispatching = false;
    bool poll = handed && q->polled && q->inflight != 0;
    if (q->sleepers != 0)
        pthread_cond_broadcast(&q->changed);
    if (due != 0 || untime)
        tn__ref_retain(&q->ref); /* the last item may end as soon as the lock is left */
    pthread_mutex_unlock(&q->lock);
    if (due != 0 || untime) {
        tn__progress_at(q, due);
        if (tn__ref_release(&q->ref))
            tn__progress_post(q, TN__TODO_REAP);
    }
    if (poll)
        tn__progress_post(q, TN__TODO_POLL);
}

void tn__queue_enter(tn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    ++q->sleepers;
    while (q->dispatching)
        pthread_cond_wait(&q->changed, &q->lock);
    --q->sleepers;
    q->dispatching = true;
    pthread_mutex_unlock(&q->lock);
}

void tn__queue_host_run(tn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    tn__item *item = q->host_item;
    pthread_mutex_unlock(&q->lock);
    if (item == NULL)
        return;
    tn_times times = {.start_ns = tn__now_ns()};
    tn_status status = tn__transfer_emulate(q, item);
    times.end_ns = tn__now_ns();
    finish(q, item, status, &times);
}

bool tn__queue_flying(tn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool some = q->flying != NULL && q->host_item == NULL;
    pthread_mutex_unlock(&q->lock);
    return some;
}

/* ---- waiting ---- */
tn_device *tn__queue_device(const tn_queue *q)
{
    return q->device;
}

bool tn__queue_recording(const tn_queue *q)
{
    return q->ops == NULL;
}

tn_status tn_queue_wait_idle(tn_queue *q, uint64_t timeout_ns)
{
    if (q == NULL)
        return tn__fail_null("queue", "make one with tn_queue_create");
    if (!tn__runtime_usable(q->runtime))
        return TN_STATUS_INVALID;
    if (q->ops == NULL)
        return tn__fail(TN_STATUS_INVALID, "commands.wait", "queue",
                        "the queue is a recorder, which does nothing that could be waited for; "
                        "wait for the queue that its commands are submitted to");
    struct timespec deadline = {0};
    uint64_t began = tn__trace_begin(q->runtime);
    bool limited = tn__deadline(timeout_ns, &deadline), late = false;
    bool turning = (q->runtime->flags & TN_RUNTIME_NO_THREADS) != 0;
    uint64_t slice = timeout_ns < POLL_SLICE_NS ? timeout_ns : POLL_SLICE_NS;
    pthread_mutex_lock(&q->lock);
    while (q->pending != 0 && !late) {
        bool poll = q->polled && q->flying != NULL && q->host_item == NULL, worked = poll;
        pthread_mutex_unlock(&q->lock);
        /* Without a thread of our own the waiting thread does its work. */
        if (turning && tn__progress_turn(q->runtime))
            worked = true;
        if (poll)
            (void)q->ops->poll(q->object, slice);
        pthread_mutex_lock(&q->lock);
        if (q->pending == 0)
            break;
        late = limited && tn__passed(&deadline);
        if (late || worked)
            continue;
        struct timespec until = deadline;
        if (turning)
            tn__deadline(POLL_SLICE_NS, &until);
        ++q->sleepers;
        if (limited || turning)
            (void)pthread_cond_timedwait(&q->changed, &q->lock, &until);
        else
            pthread_cond_wait(&q->changed, &q->lock);
        --q->sleepers;
    }
    bool idle = q->pending == 0, failed = q->failed;
    pthread_mutex_unlock(&q->lock);
    if (idle)
        tn__progress_settle(q);
    if (began != 0)
        (void)tn__trace_host(q->runtime, "api", "wait_idle",
                             !idle    ? TN_STATUS_TIMEOUT
                             : failed ? q->error.error.status
                                      : TN_OK,
                             began, NULL, NULL);
    if (failed && idle)
        return tn__fail_again(&q->error.error);
    if (!idle)
        return tn__fail(
            TN_STATUS_TIMEOUT, "queue.timeout", "timeout_ns",
            "timeout_ns %llu passed before the queue was idle; the work goes on, wait again",
            (unsigned long long)timeout_ns);
    return TN_OK;
}

/* ---- plans ---- */
/* The queue's own workspace: one is enough, because a queue executes in order. What was smaller
 * lives until the items that use it are done. */
static tn_status arena(tn_queue *q, uint64_t bytes, tn_buffer **out)
{
    tn_queue *owner = q->base != NULL ? q->base : q;
    if (owner->arena == NULL || owner->arena->bytes < bytes) {
        uint64_t rounded;
        if (!tn__add_u64(bytes, ARENA_STEP - 1, &rounded))
            return tn__fail(TN_STATUS_NO_MEMORY, "queue.workspace", "workspace",
                            "the workspace needs %llu bytes, which no buffer can have; choose "
                            "another kernel or set a workspace limit",
                            (unsigned long long)bytes);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc),
                               .bytes = rounded & ~(uint64_t)(ARENA_STEP - 1)};
        tn_buffer *larger;
        tn_status st = tn__buffer_create(owner->device, &desc, TN__CALL_WORKSPACE, &larger);
        if (st != TN_OK)
            return st;
        tn_buffer_release(owner->arena);
        owner->arena = larger;
    }
    *out = owner->arena;
    return TN_OK;
}

tn_status tn__queue_run_plan(tn_queue *q, tn_plan *plan, void *plan_object, const tn_slot *slots,
                             uint32_t slot_count, tn_buffer *const *keep, uint32_t keep_count,
                             tn_buffer *workspace, uint64_t workspace_bytes, const tn_sync *sync)
{
    tn_status st = tn__device_usable(q->device, "queue");
    if (st != TN_OK)
        return st;
    if (workspace == NULL && workspace_bytes != 0)
        st = arena(q, workspace_bytes, &workspace);
    else if (workspace != NULL)
        st = tn__buffer_check(workspace, q->device, 0, workspace_bytes, "workspace");
    if (st != TN_OK)
        return st;
    tn__item *item;
    st = tn__item_begin(q, TN_WORK_RUN, sync, slot_count, keep_count + 1u, &item);
    if (st != TN_OK)
        return st;
    if (slot_count != 0)
        memcpy(item->slots, slots, slot_count * sizeof *slots);
    for (uint32_t i = 0; i < keep_count; ++i)
        tn__item_keep(item, keep[i]);
    if (workspace != NULL) {
        tn__item_keep(item, workspace);
        item->work.workspace = workspace->object;
        item->work.workspace_offset = workspace->offset;
    }
    item->shown = item->plan = tn_plan_retain(plan);
    item->work.plan = plan_object;
    item->work.slots = item->slots;
    item->work.slot_count = slot_count;
    return tn__item_submit(item, sync);
}

tn_status tn__queue_pack_plan(tn_queue *q, tn_plan *plan, void *plan_object, tn_role role,
                              const tn_tensor *from, tn_buffer *to, uint64_t to_offset,
                              const tn_sync *sync)
{
    tn_status st = tn__device_usable(q->device, "queue");
    if (st != TN_OK)
        return st;
    st = tn__buffer_check(from->buffer, q->device, from->offset_bytes, 0, "from");
    if (st != TN_OK)
        return st;
    st = tn__buffer_check(to, q->device, to_offset, 0, "to");
    if (st != TN_OK)
        return st;
    tn__item *item;
    st = tn__item_begin(q, TN_WORK_PACK, sync, 1, 2, &item);
    if (st != TN_OK)
        return st;
    item->slots[0] = (tn_slot){.role = (uint32_t)role,
                               .buffer = from->buffer->object,
                               .offset = from->buffer->offset + from->offset_bytes};
    item->tensor = *from;
    tn__item_keep(item, to);
    tn__item_keep(item, from->buffer);
    item->shown = item->plan = tn_plan_retain(plan);
    item->work.plan = plan_object;
    item->work.slots = item->slots;
    item->work.slot_count = 1;
    item->work.tensor = &item->tensor;
    item->work.to = to->object;
    item->work.to_offset = to->offset + to_offset;
    return tn__item_submit(item, sync);
}
