/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's one progress thread: hands over items whose waits were met, runs host items, polls
 * devices that do not report, and destroys queues whose last item has just completed. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "queue.h"

#include <time.h>

enum { POLL_NS = 1000000 };

struct tn__progress {
    tn_allocator allocator; /* outlives the runtime when this thread is the one that ends it */
    pthread_mutex_t lock;   /* guards: everything below and the todo fields of the queues */
    pthread_cond_t cond, turned;
    pthread_t thread;
    const tn_queue *current; /* whose turn it is; only compared */
    uint32_t watchers;       /* on `turned` */
    bool started, stop, orphan;
    tn_queue *first, **end;
    tn_queue *timed; /* retained, to be listed when their time has come */
};

static void destroy_memory(tn__progress *p)
{
    tn_allocator allocator = p->allocator;
    pthread_cond_destroy(&p->turned);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->lock);
    allocator.free(allocator.self, p, sizeof *p);
}

/* Takes one queue off the list and does what was asked. Entered and left with the lock; on the way
 * out the runtime may be gone if the queue was the last thing that held it. */
static void turn(tn__progress *p)
{
    tn_queue *q = p->first;
    p->first = q->todo_next;
    if (p->first == NULL)
        p->end = &p->first;
    uint32_t todo = q->todo;
    q->todo = 0;
    q->listed = false;
    p->current = q;
    pthread_mutex_unlock(&p->lock);
    if ((todo & TN__TODO_REAP) != 0) {
        tn__queue_destroy(q);
    } else {
        if ((todo & TN__TODO_HOST) != 0)
            tn__queue_host_run(q);
        if ((todo & (TN__TODO_DISPATCH | TN__TODO_HOST)) != 0) {
            pthread_mutex_lock(&q->lock);
            tn__queue_dispatch(q, false);
        }
        if ((todo & TN__TODO_POLL) != 0 && tn__queue_flying(q)) {
            (void)q->ops->poll(q->object, POLL_NS);
            if (tn__queue_flying(q))
                tn__progress_post(q, TN__TODO_POLL);
        }
        tn_queue_release(q);
    }
    pthread_mutex_lock(&p->lock);
    p->current = NULL;
    if (p->watchers != 0)
        pthread_cond_broadcast(&p->turned);
}

/* ---- times ---- */
static void append(tn__progress *p, tn_queue *q) /* with the lock; takes the caller's reference */
{
    q->listed = true;
    q->todo_next = NULL;
    *p->end = q;
    p->end = &q->todo_next;
}

/* With the lock: lists the queues whose time has come; the earliest time of the others, or 0. */
static uint64_t expire(tn__progress *p)
{
    uint64_t now = p->timed != NULL ? tn__now_ns() : 0, earliest = 0;
    for (tn_queue **at = &p->timed; *at != NULL;) {
        tn_queue *q = *at;
        if (q->wake_ns > now) {
            earliest = earliest == 0 || q->wake_ns < earliest ? q->wake_ns : earliest;
            at = &q->timed_next;
            continue;
        }
        *at = q->timed_next;
        q->wake_ns = 0;
        q->todo |= TN__TODO_DISPATCH;
        if (!q->listed)
            append(p, q);
        else /* the list has a reference already, so this is not the last */
            (void)tn__ref_release(&q->ref);
    }
    return earliest;
}

static void *run(void *arg)
{
    tn__progress *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        for (;;) {
            uint64_t until = expire(p);
            if (p->first != NULL || p->stop)
                break;
            if (until == 0) {
                pthread_cond_wait(&p->cond, &p->lock);
            } else {
                struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
                (void)pthread_cond_timedwait(&p->cond, &p->lock, &t);
            }
        }
        if (p->first == NULL)
            break;
        turn(p);
    }
    bool orphan = p->orphan;
    pthread_mutex_unlock(&p->lock);
    if (orphan)
        destroy_memory(p);
    return NULL;
}

/* The list, or NULL before the first queue. */
static tn__progress *get(tn_runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
    tn__progress *p = rt->progress;
    pthread_mutex_unlock(&rt->lock);
    return p;
}

static tn__progress *make(tn_runtime *rt)
{
    tn__progress *p = get(rt), *first;
    if (p != NULL)
        return p;
    p = tn__alloc(rt, sizeof *p);
    if (p == NULL)
        return NULL;
    p->allocator = rt->allocator;
    pthread_mutex_init(&p->lock, NULL);
    tn__cond_init(&p->cond);
    tn__cond_init(&p->turned);
    p->end = &p->first;
    pthread_mutex_lock(&rt->lock);
    first = rt->progress;
    if (first == NULL)
        rt->progress = p;
    pthread_mutex_unlock(&rt->lock);
    if (first == NULL)
        return p;
    destroy_memory(p); /* another thread was faster */
    return first;
}

tn_status tn__progress_start(tn_runtime *rt)
{
    tn__progress *p = make(rt);
    if (p == NULL)
        return TN_STATUS_NO_MEMORY;
    if ((rt->flags & TN_RUNTIME_NO_THREADS) != 0)
        return TN_OK;
    pthread_mutex_lock(&p->lock);
    if (!p->started)
        p->started = pthread_create(&p->thread, NULL, run, p) == 0;
    bool ok = p->started;
    pthread_mutex_unlock(&p->lock);
    return ok ? TN_OK
              : tn__fail(TN_STATUS_NO_MEMORY, "progress.thread", NULL,
                         "the system gave no thread for the runtime's progress; end some threads "
                         "and try again");
}

/* With the lock. The caller has a reference of its own, so the time's is not the last. */
static void untime(tn__progress *p, tn_queue *q)
{
    if (q->wake_ns == 0)
        return;
    tn_queue **at = &p->timed;
    while (*at != q)
        at = &(*at)->timed_next;
    *at = q->timed_next;
    q->wake_ns = 0;
    (void)tn__ref_release(&q->ref);
}

void tn__progress_post(tn_queue *q, uint32_t todo)
{
    tn__progress *p = get(q->runtime); /* made before the queue was, with its thread */
    pthread_mutex_lock(&p->lock);
    q->todo |= todo;
    untime(p, q); /* whoever hands over sets the time again if it still holds */
    if (!q->listed) {
        if ((todo & TN__TODO_REAP) == 0)
            tn__ref_retain(&q->ref);
        append(p, q);
    }
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

void tn__progress_settle(tn_queue *q)
{
    tn__progress *p = get(q->runtime);
    pthread_mutex_lock(&p->lock);
    if (p->started && !pthread_equal(p->thread, pthread_self())) {
        ++p->watchers;
        while (q->listed || p->current == q)
            pthread_cond_wait(&p->turned, &p->lock);
        --p->watchers;
    }
    pthread_mutex_unlock(&p->lock);
}

void tn__progress_at(tn_queue *q, uint64_t wake_ns)
{
    tn__progress *p = get(q->runtime);
    pthread_mutex_lock(&p->lock);
    if (wake_ns == 0) {
        untime(p, q);
    } else if (q->wake_ns == 0) {
        tn__ref_retain(&q->ref);
        q->timed_next = p->timed;
        p->timed = q;
        q->wake_ns = wake_ns;
    } else if (wake_ns < q->wake_ns) {
        q->wake_ns = wake_ns;
    }
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

bool tn__progress_turn(tn_runtime *rt)
{
    tn__progress *p = get(rt);
    if (p == NULL)
        return false;
    pthread_mutex_lock(&p->lock);
    (void)expire(p);
    bool some = p->first != NULL;
    if (some)
        turn(p);
    pthread_mutex_unlock(&p->lock);
    return some;
}

void tn__progress_destroy(tn__progress *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    bool started = p->started;
    bool self = started && pthread_equal(p->thread, pthread_self());
    p->orphan = self;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
    if (self) {
        /* The last queue was this thread's to destroy and took the runtime along: it ends by
         * itself and frees the list then. */
        pthread_detach(p->thread);
    } else {
        if (started)
            pthread_join(p->thread, NULL);
        destroy_memory(p);
    }
}
