/* SPDX-License-Identifier: Apache-2.0 */
/* Fences: a growing number that any queue and the host can signal, fail and wait for. */
/* path: api > placement > [queue] > backend > kernel > device */
#include "queue.h"

#include <time.h>

enum { TIMES_KEPT = 32, WAIT_INLINE = 8, TURN_NS = 200000 /* how long new work may stay unseen */ };

struct tn_fence {
    tn__ref ref;
    tn_runtime *runtime; /* retained */
    _Atomic uint64_t value;
    atomic_bool failed;   /* error is set before and never changes afterwards */
    pthread_mutex_t lock; /* guards: writes of value and failed, the nodes, times */
    tn__fence_node *first, **end;
    tn__error_copy error;
    struct {
        uint64_t value;
        tn_times times;
    } times[TIMES_KEPT];
    uint32_t times_next, times_count;
    _Atomic uint64_t trace_id;
};

/* A query takes no lock, times do: the lock is not part of what const promises. */
static tn_fence *unlocked(const tn_fence *f)
{
    return (tn_fence *)(uintptr_t)f;
}

bool tn__deadline(uint64_t timeout_ns, struct timespec *out)
{
    if (timeout_ns >= (uint64_t)INT64_MAX)
        return false;
    clock_gettime(CLOCK_MONOTONIC, out);
    uint64_t ns = (uint64_t)out->tv_nsec + timeout_ns % 1000000000u;
    out->tv_sec += (time_t)(timeout_ns / 1000000000u + ns / 1000000000u);
    out->tv_nsec = (long)(ns % 1000000000u);
    return true;
}

bool tn__passed(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec ||
           (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

void tn__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

tn_status tn_fence_create(tn_runtime *rt, uint64_t initial, tn_fence **out)
{
    if (out == NULL)
        return tn__fail_null("out_fence", "give a tn_fence * to fill");
    *out = NULL;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    tn_fence *f = tn__alloc(rt, sizeof *f);
    if (f == NULL)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&f->ref);
    f->runtime = tn_runtime_retain(rt);
    atomic_init(&f->value, initial);
    atomic_init(&f->failed, false);
    pthread_mutex_init(&f->lock, NULL);
    f->end = &f->first;
    *out = f;
    return TN_OK;
}

tn_fence *tn_fence_retain(tn_fence *f)
{
    if (f != NULL)
        tn__ref_retain(&f->ref);
    return f;
}

void tn_fence_release(tn_fence *f)
{
    if (f == NULL || !tn__ref_release(&f->ref) || tn__runtime_forked(f->runtime))
        return;
    /* Nobody can signal it any more; who asked to be told is told that, once. */
    tn__error_copy before;
    bool told = f->first != NULL;
    if (told)
        tn__error_save(&before, NULL);
    while (f->first != NULL) {
        tn__fence_node *node = f->first;
        f->first = node->next;
        tn__fail(TN_STATUS_CANCELLED, "fence.released", "fence",
                 "the fence was released before it reached %llu; keep it until what waits for it "
                 "was told",
                 (unsigned long long)node->value);
        tn_error error;
        tn_error_last(&error);
        node->fn(node->self, TN_STATUS_CANCELLED, &error);
        if (node->owned)
            tn__free(f->runtime, node, sizeof *node);
    }
    if (told)
        (void)tn__fail_again(&before.error);
    tn_runtime *rt = f->runtime;
    pthread_mutex_destroy(&f->lock);
    tn__free(rt, f, sizeof *f);
    tn_runtime_release(rt);
}

tn_runtime *tn__fence_runtime(const tn_fence *f)
{
    return f->runtime;
}

bool tn__fence_reached(tn_fence *f, uint64_t value)
{
    return atomic_load_explicit(&f->value, memory_order_acquire) >= value;
}

/* Reached, failed or neither; may be asked without the lock: both facts stay once true. */
static bool settled(tn_fence *f, uint64_t value, const tn_error **out_error)
{
    *out_error = NULL;
    if (tn__fence_reached(f, value))
        return true;
    if (!atomic_load_explicit(&f->failed, memory_order_acquire))
        return false;
    /* The value may have grown between the two loads, but not after the failure. */
    if (!tn__fence_reached(f, value))
        *out_error = &f->error.error;
    return true;
}

bool tn__fence_add(tn_fence *f, tn__fence_node *node, const tn_error **out_error)
{
    pthread_mutex_lock(&f->lock);
    bool done = settled(f, node->value, out_error);
    if (!done) {
        node->next = NULL;
        node->previous =
            f->first == NULL
                ? NULL
                : (tn__fence_node *)(void *)((char *)f->end - offsetof(tn__fence_node, next));
        *f->end = node;
        f->end = &node->next;
        node->listed = true;
    }
    pthread_mutex_unlock(&f->lock);
    return !done;
}

static void unlink_node(tn_fence *f, tn__fence_node *node)
{
    if (node->previous != NULL)
        node->previous->next = node->next;
    else
        f->first = node->next;
    if (node->next != NULL)
        node->next->previous = node->previous;
    else
        f->end = node->previous != NULL ? &node->previous->next : &f->first;
    node->listed = false;
}

bool tn__fence_remove(tn_fence *f, tn__fence_node *node)
{
    pthread_mutex_lock(&f->lock);
    bool listed = node->listed;
    if (listed)
        unlink_node(f, node);
    pthread_mutex_unlock(&f->lock);
    return listed;
}

/* Tells those whom the new value or the failure settles. Entered with the lock, left without. The
 * caller holds a reference. */
static void tell(tn_fence *f)
{
    tn__fence_node *ready = NULL, **end = &ready;
    for (tn__fence_node *node = f->first, *next; node != NULL; node = next) {
        next = node->next;
        const tn_error *error;
        if (!settled(f, node->value, &error))
            continue;
        unlink_node(f, node);
        if (node->inside) {
            node->fn(node->self, error != NULL ? error->status : TN_OK, error);
        } else {
            node->next = NULL;
            *end = node;
            end = &node->next;
        }
    }
    pthread_mutex_unlock(&f->lock);
    while (ready != NULL) {
        /* A node that is not owned may be gone once its fn was called. */
        tn__fence_node node = *ready;
        tn__fence_node *memory = ready;
        ready = node.next;
        const tn_error *error;
        settled(f, node.value, &error);
        node.fn(node.self, error != NULL ? error->status : TN_OK, error);
        if (node.owned)
            tn__free(f->runtime, memory, sizeof node);
    }
}

void tn__fence_complete(tn_fence *f, uint64_t value, const tn_error *error, const tn_times *times)
{
    pthread_mutex_lock(&f->lock);
    bool failed = atomic_load_explicit(&f->failed, memory_order_relaxed);
    if (error != NULL) {
        if (!failed) {
            tn__error_save(&f->error, error);
            atomic_store_explicit(&f->failed, true, memory_order_release);
        }
    } else if (!failed && value > atomic_load_explicit(&f->value, memory_order_relaxed)) {
        atomic_store_explicit(&f->value, value, memory_order_release);
    }
    if (times != NULL && error == NULL) {
        f->times[f->times_next].value = value;
        f->times[f->times_next].times = *times;
        f->times_next = (f->times_next + 1u) % TIMES_KEPT;
        f->times_count += f->times_count < TIMES_KEPT;
    }
    tell(f);
}

tn_status tn_fence_query(const tn_fence *f, uint64_t *out_value)
{
    if (f == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    if (!tn__runtime_usable(f->runtime))
        return TN_STATUS_INVALID;
    bool failed = atomic_load_explicit(&f->failed, memory_order_acquire);
    if (out_value != NULL)
        *out_value = atomic_load_explicit(&f->value, memory_order_acquire);
    return failed ? tn__fail_again(&f->error.error) : TN_OK;
}

uint64_t tn__fence_trace_id(tn_fence *f)
{
    return tn__trace_id(f->runtime, &f->trace_id);
}

tn_status tn_fence_signal(tn_fence *f, uint64_t value)
{
    if (f == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    uint64_t now;
    tn_status status = tn_fence_query(f, &now);
    if (status != TN_OK)
        return status;
    if (value < now)
        return tn__fail(TN_STATUS_INVALID, "fence.value", "value",
                        "value is %llu, but the fence is at %llu; a fence only grows",
                        (unsigned long long)value, (unsigned long long)now);
    tn_fence_retain(f);
    uint64_t began = tn__trace_begin(f->runtime);
    if (began != 0) { /* before those who wait go on */
        tn_point point = {f, value};
        uint64_t item = tn__trace_host(f->runtime, "api", "signal", TN_OK, began, NULL, NULL);
        tn__trace_host_point(f->runtime, TN_EVENT_SIGNAL, item, began, &point);
    }
    tn__fence_complete(f, value, NULL, NULL);
    tn_fence_release(f);
    return TN_OK;
}

tn_status tn_fence_fail(tn_fence *f, const tn_error *error)
{
    if (f == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    if (error == NULL)
        return tn__fail_null("error", "give the error that waits shall see");
    if (error->status <= TN_OK || error->status > TN_STATUS_INTERNAL ||
        error->status == TN_STATUS_TIMEOUT)
        return tn__fail(TN_STATUS_INVALID, "fence.error", "error.status",
                        "error.status is %d; a failure has one of TN_STATUS_INVALID (%d) to "
                        "TN_STATUS_INTERNAL (%d), and not TIMEOUT, which means that work goes on",
                        (int)error->status, TN_STATUS_INVALID, TN_STATUS_INTERNAL);
    if (!tn__runtime_usable(f->runtime))
        return TN_STATUS_INVALID;
    tn_error whole = *error;
    if (whole.reason == NULL || whole.reason[0] == '\0')
        whole.reason = "fence.failed";
    if (whole.text == NULL || whole.text[0] == '\0')
        whole.text = "the fence was failed by tn_fence_fail, which gave no text; ask whoever did";
    if (whole.file == NULL) {
        whole.file = __FILE__;
        whole.line = __LINE__;
    }
    tn_fence_retain(f);
    tn__fence_complete(f, 0, &whole, NULL);
    tn_fence_release(f);
    return TN_OK;
}

tn_status tn__fence_when(tn_fence *f, uint64_t value, tn__fence_fn fn, void *self)
{
    tn__fence_node *node = tn__alloc(f->runtime, sizeof *node);
    if (node == NULL)
        return TN_STATUS_NO_MEMORY;
    node->value = value;
    node->fn = fn;
    node->self = self;
    node->owned = true;
    const tn_error *error;
    if (!tn__fence_add(f, node, &error)) {
        tn__free(f->runtime, node, sizeof *node);
        fn(self, error != NULL ? error->status : TN_OK, error);
    }
    return TN_OK;
}

tn_status tn_fence_notify(tn_fence *f, uint64_t value,
                          void (*fn)(void *self, tn_status, const tn_error *), void *self)
{
    if (f == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    if (fn == NULL)
        return tn__fail_null("fn", "give a function to call");
    if (!tn__runtime_usable(f->runtime))
        return TN_STATUS_INVALID;
    return tn__fence_when(f, value, fn, self);
}

tn_status tn_fence_get_error(const tn_fence *f, tn_error *out)
{
    if (f == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    if (out == NULL)
        return tn__fail_null("out_error", "give a tn_error to fill");
    if (!tn__runtime_usable(f->runtime))
        return TN_STATUS_INVALID;
    if (atomic_load_explicit(&f->failed, memory_order_acquire))
        *out = f->error.error;
    else
        memset(out, 0, sizeof *out);
    return TN_OK;
}

tn_status tn_fence_times(const tn_fence *fence, uint64_t value, tn_times *out)
{
    if (fence == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    if (out == NULL)
        return tn__fail_null("out_times", "give a tn_times to fill");
    if (!tn__runtime_usable(fence->runtime))
        return TN_STATUS_INVALID;
    tn_fence *f = unlocked(fence);
    pthread_mutex_lock(&f->lock);
    bool found = false;
    for (uint32_t i = 0; i < f->times_count && !found; ++i) {
        found = f->times[i].value == value;
        if (found)
            *out = f->times[i].times;
    }
    pthread_mutex_unlock(&f->lock);
    if (found)
        return TN_OK;
    return tn__fail(TN_STATUS_UNAVAILABLE, "fence.times", "value",
                    "value %llu has no times: no queue signalled it, or it is not among the last "
                    "%d; ask soon after the signal",
                    (unsigned long long)value, TIMES_KEPT);
}

tn_status tn_fence_export(tn_fence *f, uint64_t value, tn_external_kind kind, tn_external *out)
{
    (void)value;
    if (f == NULL)
        return tn__fail_null("fence", "make one with tn_fence_create");
    if (!tn__runtime_usable(f->runtime))
        return TN_STATUS_INVALID;
    tn_status st = tn__struct_out_check(out, TN_TYPE_tn_external, "out_external");
    if (st != TN_OK)
        return st;
    return tn__fail(TN_STATUS_UNSUPPORTED, "fence.export", "kind",
                    "kind %d is not to be had, fences live on the host; use tn_fence_notify to "
                    "signal a foreign object",
                    (int)kind);
}

tn_status tn_fence_import(tn_runtime *rt, const tn_external *external, tn_fence **out)
{
    tn_external local = {.head = TN_INIT(tn_external)};
    if (out == NULL)
        return tn__fail_null("out_fence", "give a tn_fence * to fill");
    *out = NULL;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    tn_status st = tn__struct_in(&local, sizeof local, TN_TYPE_tn_external, external, "external");
    if (st != TN_OK)
        return st;
    return tn__fail(TN_STATUS_UNSUPPORTED, "fence.import", "external.kind",
                    "external.kind %d cannot be imported; wait for the foreign fence and signal "
                    "one of your own",
                    (int)local.kind);
}

/* ---- waiting on the host ---- */
typedef struct waiter {
    pthread_mutex_t lock; /* a leaf; guards nothing but the sleep: the fences are asked again */
    pthread_cond_t cond;
    bool woken;
} waiter;

static void wake(void *self, tn_status status, const tn_error *error)
{
    (void)status;
    (void)error;
    waiter *w = self;
    pthread_mutex_lock(&w->lock);
    w->woken = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

/* False: not yet. Else *out_status is TN_OK or that of the error to report, already put back; it
 * may be any, TIMEOUT included. */
static bool judge(const tn_point *points, uint32_t count, bool any, tn_status *out_status)
{
    uint32_t reached = 0, failed = 0;
    const tn_error *first = NULL;
    for (uint32_t i = 0; i < count; ++i) {
        const tn_error *error;
        if (!settled(points[i].fence, points[i].value, &error))
            continue;
        if (error == NULL) {
            ++reached;
        } else {
            ++failed;
            if (first == NULL)
                first = error;
        }
    }
    *out_status = TN_OK;
    if (any ? reached > 0 : reached == count)
        return true;
    if (any ? failed < count : failed == 0)
        return false;
    *out_status = tn__fail_again(first);
    return true;
}

static tn_status wait_late(uint64_t timeout_ns)
{
    return tn__fail(
        TN_STATUS_TIMEOUT, "fence.timeout", "timeout_ns",
        "timeout_ns %llu passed before the fence got there; the work goes on, wait again",
        (unsigned long long)timeout_ns);
}

static tn_status wait_slow(tn_runtime *rt, const tn_point *points, uint32_t count, bool any,
                           uint64_t timeout_ns)
{
    tn__fence_node few[WAIT_INLINE], *nodes = few;
    if (count > WAIT_INLINE) {
        nodes = tn__alloc(rt, count * sizeof *nodes);
        if (nodes == NULL)
            return TN_STATUS_NO_MEMORY;
    }
    waiter w = {.woken = false};
    pthread_mutex_init(&w.lock, NULL);
    tn__cond_init(&w.cond);
    struct timespec deadline = {0};
    bool limited = tn__deadline(timeout_ns, &deadline);
    for (uint32_t i = 0; i < count; ++i) {
        nodes[i] =
            (tn__fence_node){.value = points[i].value, .fn = wake, .self = &w, .inside = true};
        const tn_error *error;
        if (!tn__fence_add(points[i].fence, &nodes[i], &error))
            wake(&w, TN_OK, NULL);
    }
    tn_status status;
    bool late = false, settled_now, turning = (rt->flags & TN_RUNTIME_NO_THREADS) != 0;
    while (!(settled_now = judge(points, count, any, &status)) && !late) {
        /* Without a thread of our own the waiting thread does its work. */
        bool worked = turning && tn__progress_turn(rt);
        struct timespec until = deadline;
        if (turning)
            tn__deadline(TURN_NS, &until);
        pthread_mutex_lock(&w.lock);
        if (!w.woken && !worked) {
            if (limited || turning)
                (void)pthread_cond_timedwait(&w.cond, &w.lock, &until);
            else
                pthread_cond_wait(&w.cond, &w.lock);
        }
        w.woken = false;
        pthread_mutex_unlock(&w.lock);
        late = limited && tn__passed(&deadline);
    }
    for (uint32_t i = 0; i < count; ++i)
        (void)tn__fence_remove(points[i].fence, &nodes[i]);
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.lock);
    if (nodes != few)
        tn__free(rt, nodes, count * sizeof *nodes);
    return settled_now ? status : wait_late(timeout_ns);
}

/* At its end, with the points that were reached then. */
static void trace_wait(tn_runtime *rt, const tn_point *points, uint32_t count, tn_status status,
                       uint64_t began)
{
    uint64_t item = tn__trace_host(rt, "api", "wait", status, began, NULL, NULL);
    uint64_t now = tn__now_ns();
    for (uint32_t i = 0; i < count; ++i)
        if (tn__fence_reached(points[i].fence, points[i].value))
            tn__trace_host_point(rt, TN_EVENT_WAIT, item, now, &points[i]);
}

tn_status tn_fence_wait(const tn_point *points, uint32_t count, uint32_t any, uint64_t timeout_ns)
{
    if (count == 0)
        return TN_OK;
    if (points == NULL)
        return tn__fail_null("points", "give the points to wait for, or count 0");
    for (uint32_t i = 0; i < count; ++i) {
        if (points[i].fence == NULL)
            return tn__fail(TN_STATUS_INVALID, "argument.null", "points",
                            "points[%u].fence is NULL; give each point a fence", i);
        if (points[i].fence->runtime != points[0].fence->runtime)
            return tn__fail(TN_STATUS_INVALID, "fence.runtime", "points",
                            "points[%u] is a fence of another runtime than points[0]; wait for "
                            "each runtime by itself",
                            i);
    }
    tn_runtime *rt = points[0].fence->runtime;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    tn_status status;
    uint64_t began = tn__trace_begin(rt);
    if (judge(points, count, any != 0, &status)) {
        if (began != 0)
            trace_wait(rt, points, count, status, began);
        return status;
    }
    if (timeout_ns != 0) {
        status = wait_slow(rt, points, count, any != 0, timeout_ns);
        if (began != 0)
            trace_wait(rt, points, count, status, began);
        return status;
    }
    if ((rt->flags & TN_RUNTIME_NO_THREADS) != 0 && tn__progress_turn(rt) &&
        judge(points, count, any != 0, &status))
        return status;
    return wait_late(timeout_ns);
}
