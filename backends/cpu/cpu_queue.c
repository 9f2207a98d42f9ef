/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of the cpu device: inline when it is idle and may be, else on a thread of its own. The
 * private device always uses the thread, starts late and reports late. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "cpu.h"
#include "cpu_float.h"
#include <backends/common/item_ring.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { FIRST_RING = 16 }; /* made with the queue: one item can always be taken */

typedef struct cpu_item {
    tn_work work;
    tn_slot slot[TN_K_OPERANDS];
    tn_tensor tensor;
} cpu_item;

typedef struct cpu_queue {
    cpu_device *device;
    void *token;
    item_ring ring;
    uint64_t random;
} cpu_queue;

static void *at(void *buffer, uint64_t offset)
{
    cpu_buffer *b = buffer;
    return b != NULL && b->data != NULL ? b->data + offset : NULL;
}

typedef struct launch {
    const cpu_plan *plan;
    void *operand[TN_K_OPERANDS];
    unsigned char *shared, *scratch;
    uint32_t phase;
    const tn_tensor *from; /* PACK */
    const void *source;
    void *packed;
} launch;

static void run_task(void *arg, uint32_t index, uint32_t worker)
{
    const launch *l = arg;
    const tn_k_launch *k = &l->plan->launch;
    uint32_t old = float_enter();
    l->plan->variant->run(k, l->plan->params, l->operand, l->shared,
                          l->scratch + (size_t)worker * k->worker_bytes, l->phase, index,
                          index + 1);
    float_leave(old);
}

static void pack_task(void *arg, uint32_t index, uint32_t worker)
{
    const launch *l = arg;
    (void)worker;
    uint32_t old = float_enter();
    l->plan->variant->pack(&l->plan->launch, l->plan->params, l->from, l->source, l->packed, index,
                           index + 1);
    float_leave(old);
}

/* Tasks of one phase in as many lanes as the device has workers: a lane is what one thread does,
 * and its number stands for the worker, so that neither a limit below the executor's (?threads=)
 * nor an executor with its own idea of worker numbers reaches past the workspace. Each thread
 * begins with a range of its own, the same one in the next call of the same plan: what it then
 * reads and writes is in its own caches from the call before. Who is done takes from the ends of
 * the others' ranges. */
enum { RANGES = 64 }; /* more threads than that share them */

typedef struct range {
    _Alignas(64) _Atomic uint64_t left; /* the next task; in the upper half the end */
} range;

typedef struct lanes {
    void (*task)(void *arg, uint32_t index, uint32_t worker);
    void *arg;
    uint32_t tasks, count, ranges;
    atomic_uint started;
    _Atomic uint64_t done;
    range range[RANGES];
} lanes;

/* Takes one task from the front or from the end; false: there is none. */
static bool take(range *r, bool front, uint32_t *out_task)
{
    uint64_t left = atomic_load_explicit(&r->left, memory_order_relaxed), then;
    do {
        uint32_t next = (uint32_t)left, end = (uint32_t)(left >> 32);
        if (next >= end)
            return false;
        *out_task = front ? next : end - 1;
        then = front ? left + 1 : left - (UINT64_C(1) << 32);
    } while (!atomic_compare_exchange_weak_explicit(&r->left, &left, then, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void run_lane(void *arg, uint32_t index, uint32_t worker)
{
    lanes *l = arg;
    (void)index;
    uint32_t lane = atomic_fetch_add_explicit(&l->started, 1u, memory_order_relaxed);
    uint32_t own = (worker < l->count ? worker : lane) % l->ranges, t;
    uint64_t ran = 0;
    if (lane >= l->count)
        return;
    for (uint32_t i = 0; i < l->ranges; ++i)
        for (; take(&l->range[(own + i) % l->ranges], i == 0, &t); ++ran)
            l->task(l->arg, t, lane);
    atomic_fetch_add_explicit(&l->done, ran, memory_order_release);
}

static void spread(const cpu_device *d, uint32_t tasks, void (*task)(void *, uint32_t, uint32_t),
                   launch *l)
{
    if (tasks <= 1 || d->executor.parallel == NULL || d->caps.workers <= 1) {
        for (uint32_t i = 0; i < tasks; ++i)
            task(l, i, 0);
        return;
    }
    lanes all; /* most of its ranges stay as they are */
    all.task = task;
    all.arg = l;
    all.tasks = tasks;
    all.count = d->caps.workers < tasks ? d->caps.workers : tasks;
    all.ranges = all.count < RANGES ? all.count : RANGES;
    atomic_init(&all.started, 0);
    atomic_init(&all.done, 0);
    for (uint32_t i = 0; i < all.ranges; ++i) {
        uint64_t first = (uint64_t)tasks * i / all.ranges;
        uint64_t end = (uint64_t)tasks * (i + 1) / all.ranges;
        atomic_init(&all.range[i].left, end << 32 | first);
    }
    d->executor.parallel(d->executor.self, all.count, run_lane, &all);
    /* A host's executor may have left lanes out; with one that kept to its contract nothing is left
     * to do and nothing to wait for. */
    run_lane(&all, 0, 0);
    while (atomic_load_explicit(&all.done, memory_order_acquire) != tasks)
        (void)sched_yield();
}

static void execute_run(cpu_queue *q, const tn_work *w)
{
    launch l = {.plan = w->plan};
    const tn_k_operands *o = (const tn_k_operands *)(const void *)l.plan->params;
    for (uint32_t i = 0; i < o->count; ++i)
        for (uint32_t s = 0; s < w->slot_count; ++s)
            if (w->slots[s].role == o->item[i].role)
                l.operand[i] = at(w->slots[s].buffer, w->slots[s].offset);
    l.shared = at(w->workspace, w->workspace_offset);
    l.scratch = l.shared != NULL ? l.shared + l.plan->launch.shared_bytes : NULL;
    for (; l.phase < l.plan->launch.phases; ++l.phase)
        spread(q->device, l.plan->launch.tasks[l.phase], run_task, &l);
}

static void execute(cpu_queue *q, const tn_work *w)
{
    switch (w->kind) {
    case TN_WORK_RUN:
        execute_run(q, w);
        break;
    case TN_WORK_PACK: {
        launch l = {.plan = w->plan, .from = w->tensor};
        l.source = at(w->slots[0].buffer, w->slots[0].offset);
        l.packed = at(w->to, w->to_offset);
        spread(q->device, l.plan->launch.pack_tasks, pack_task, &l);
        break;
    }
    case TN_WORK_COPY:
        memmove(at(w->to, w->to_offset), at(w->from, w->from_offset), w->bytes);
        break;
    case TN_WORK_WRITE:
        memcpy(at(w->to, w->to_offset), w->from, w->bytes);
        break;
    case TN_WORK_READ:
        memcpy(w->to, at(w->from, w->from_offset), w->bytes);
        break;
    case TN_WORK_FILL: {
        unsigned char *to = at(w->to, w->to_offset);
        for (uint64_t i = 0; i < w->bytes; i += w->pattern_bytes)
            memcpy(to + i, &w->pattern, w->pattern_bytes);
        break;
    }
    case TN_WORK_CALL:
        w->call(w->call_self);
        break;
    default:
        break;
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The work, with its times where somebody looks at them; NULL otherwise. */
static const tn_times *execute_timed(cpu_queue *q, const tn_work *w, tn_times *times)
{
    if ((w->flags & TN_WORK_TIMED) == 0) {
        execute(q, w);
        return NULL;
    }
    *times = (tn_times){.start_ns = now_ns()};
    execute(q, w);
    times->end_ns = now_ns();
    return times;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (ns != 0 && nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* Mostly short, sometimes long, so that orders which hold by luck do not. */
static uint64_t delay(cpu_queue *q)
{
    q->random ^= q->random << 13;
    q->random ^= q->random >> 7;
    q->random ^= q->random << 17;
    return (q->random & 7u) == 0 ? q->random % 200000u : q->random % 4000u;
}

static void *serve(void *arg)
{
    cpu_queue *q = arg;
    cpu_item item;
    while (item_ring_wait(&q->ring, &item)) {
        item.work.slots = item.slot;
        item.work.tensor = &item.tensor;
        if (q->device->hidden)
            sleep_ns(delay(q));
        tn_times times;
        const tn_times *timed = execute_timed(q, &item.work, &times);
        if (q->device->hidden)
            sleep_ns(delay(q));
        /* Idle before the completion is told, so that whoever is told may go on inline. */
        item_ring_idle(&q->ring);
        q->device->host->complete(q->token, item.work.item, TN_OK, timed);
        item_ring_done(&q->ring);
    }
    return NULL;
}

static tn_status enqueue(cpu_queue *q, const tn_work *w) /* with the lock */
{
    cpu_item *item = item_ring_next(&q->ring);
    if (item == NULL || !item_ring_start(&q->ring, serve, q))
        return TN_STATUS_NO_MEMORY;
    item->work = *w;
    for (uint32_t i = 0; i < w->slot_count; ++i)
        item->slot[i] = w->slots[i];
    if (w->kind == TN_WORK_PACK)
        item->tensor = *w->tensor;
    item_ring_came(&q->ring);
    return TN_OK;
}

static tn_status queue_submit(void *queue, const tn_work *w)
{
    cpu_queue *q = queue;
    const tn_host *host = q->device->host;
    if (w->kind == TN_WORK_COMMANDS || w->slot_count > TN_K_OPERANDS)
        return CPU_FAIL(
            host, TN_STATUS_UNSUPPORTED, "cpu.work",
            "work of kind %d with %u slots; the cpu queue takes single items of at most "
            "%d slots",
            (int)w->kind, w->slot_count, TN_K_OPERANDS);
    pthread_mutex_lock(&q->ring.lock);
    bool here = (w->flags & TN_WORK_MAY_RUN_HERE) != 0 && !q->device->hidden &&
                q->ring.count == 0 && !q->ring.busy;
    tn_status st = here ? TN_OK : enqueue(q, w);
    uint32_t behind = q->ring.count;
    pthread_mutex_unlock(&q->ring.lock);
    if (st != TN_OK)
        return CPU_FAIL(host, st, "cpu.queue",
                        "no memory or thread for one more item behind %u; free something, end some "
                        "threads or wait for the queue",
                        behind);
    if (here) {
        tn_times times;
        const tn_times *timed = execute_timed(q, w, &times);
        host->complete(q->token, w->item, TN_OK, timed);
    }
    return TN_OK;
}

static tn_status queue_poll(void *queue, uint64_t timeout_ns)
{
    return item_ring_poll(&((cpu_queue *)queue)->ring, timeout_ns);
}

static void queue_destroy(void *queue)
{
    cpu_queue *q = queue;
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

tn_status tn__cpu_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                               const tn_queue_ops **out_ops)
{
    cpu_device *d = device;
    tn_allocator a = d->host->allocator;
    cpu_queue *q = a.alloc(a.self, sizeof *q, 64);
    if (q != NULL)
        memset(q, 0, sizeof *q);
    if (q == NULL || !item_ring_init(&q->ring, &a, sizeof(cpu_item), FIRST_RING)) {
        if (q != NULL)
            a.free(a.self, q, sizeof *q);
        return CPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "host.memory",
                        "no host memory for a queue; free something and try again");
    }
    q->device = d;
    q->token = token;
    q->random = d->delay_seed * 0x9e3779b97f4a7c15u | 1u;
    /* An inline queue may never need the thread. */
    if ((desc->flags & TN_QUEUE_INLINE) == 0 && !item_ring_start(&q->ring, serve, q)) {
        queue_destroy(q);
        return CPU_FAIL(d->host, TN_STATUS_NO_MEMORY, "cpu.thread",
                        "the system gave no thread for a queue; end some threads and try again");
    }
    *out = q;
    *out_ops = &queue_ops;
    return TN_OK;
}
