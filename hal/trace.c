/* SPDX-License-Identifier: Apache-2.0 */
/* Trace events: what happened, handed to whoever listens as data; nothing is written here. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/plan.h"
#include "hal/queue.h"

enum { OP_TEXT_BYTES = 1024 };

/* A call of the listener that is going on; lives on the stack of the calling thread. */
typedef struct tn__trace_call {
    struct tn__trace_call *next;
    pthread_t thread;
    uint64_t turn;
} tn__trace_call;

/* Whether a listener from before `turn` is still being called; with the lock. */
static bool busy(const tn_runtime *rt, uint64_t turn)
{
    for (const tn__trace_call *c = rt->tracers; c != NULL; c = c->next)
        if (c->turn < turn)
            return true;
    return false;
}

static bool inside(const tn_runtime *rt)
{
    for (const tn__trace_call *c = rt->tracers; c != NULL; c = c->next)
        if (pthread_equal(c->thread, pthread_self()))
            return true;
    return false;
}

tn_status tn_runtime_trace(tn_runtime *rt, void (*fn)(void *self, const tn_event *), void *self)
{
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    (void)pthread_mutex_lock(&rt->lock);
    if (inside(rt)) {
        (void)pthread_mutex_unlock(&rt->lock);
        return tn__fail(TN_STATUS_INVALID, "trace.inside", "fn",
                        "fn is given from inside of the function that takes the events, which "
                        "would wait for itself; call tn_runtime_trace when it has returned");
    }
    uint64_t turn = ++rt->trace_turn;
    rt->trace = fn;
    rt->trace_self = self;
    atomic_store_explicit(&rt->tracing, fn != NULL, memory_order_relaxed);
    while (busy(rt, turn))
        (void)pthread_cond_wait(&rt->trace_quiet, &rt->lock);
    (void)pthread_mutex_unlock(&rt->lock);
    return TN_OK;
}

static void tell(tn_runtime *rt, const tn_event *event)
{
    tn__trace_call call = {.thread = pthread_self()};
    (void)pthread_mutex_lock(&rt->lock);
    void (*fn)(void *, const tn_event *) = rt->trace;
    void *self = rt->trace_self;
    call.turn = rt->trace_turn;
    call.next = rt->tracers;
    if (fn != NULL)
        rt->tracers = &call;
    (void)pthread_mutex_unlock(&rt->lock);
    if (fn == NULL)
        return;
    fn(self, event);
    (void)pthread_mutex_lock(&rt->lock);
    tn__trace_call **at = &rt->tracers;
    while (*at != &call)
        at = &(*at)->next;
    *at = call.next;
    (void)pthread_cond_broadcast(&rt->trace_quiet);
    (void)pthread_mutex_unlock(&rt->lock);
}

uint64_t tn__trace_id(tn_runtime *rt, _Atomic uint64_t *id)
{
    uint64_t have = atomic_load_explicit(id, memory_order_relaxed);
    if (have != 0)
        return have;
    uint64_t fresh = atomic_fetch_add_explicit(&rt->trace_ids, 1u, memory_order_relaxed) + 1u;
    return atomic_compare_exchange_strong_explicit(id, &have, fresh, memory_order_relaxed,
                                                   memory_order_relaxed)
               ? fresh
               : have;
}

/* An event with nothing in it. */
static tn_event blank(tn_event_kind kind, const char *crossing, const char *track)
{
    return (tn_event){.kind = kind,
                      .cls = -1,
                      .crossing = crossing,
                      .track = track,
                      .name = "",
                      .device = "",
                      .op = "",
                      .kernel = "",
                      .reason = ""};
}

/* The op of a slice, in `text`; of an op that has no text form, or too long a one, its name. */
static void describe(tn_event *e, const tn_plan *plan, const tn_op *op, char *text, size_t bytes)
{
    if (tn_op_format(op, text, &bytes) != TN_OK) {
        const char *name = tn__op_name(op->kind);
        size_t n = strlen(name);
        memcpy(text, name, n + 1);
    }
    if (tn_op_cost(op, &e->flops, &e->bytes) != TN_OK)
        e->flops = e->bytes = 0;
    e->op = text;
    e->cls = (int32_t)op->numerics.cls;
    if (plan != NULL) {
        e->kernel = plan->info.kernel;
        e->device = plan->info.device;
    }
}

/* ---- host threads ---- */
/* A number that no other living thread has: the place of its own last error. */
static uint64_t thread_id(void)
{
    tn_error e;
    tn_error_last(&e);
    return (uint64_t)(uintptr_t)e.reason;
}

uint64_t tn__trace_host(tn_runtime *rt, const char *crossing, const char *name, tn_status status,
                        uint64_t start_ns, const tn_plan *plan, const tn_op *op)
{
    char text[OP_TEXT_BYTES];
    tn__error_copy keep;
    tn_event e = blank(TN_EVENT_SLICE, crossing, "host");
    tn__error_save(&keep, NULL);
    if (op != NULL)
        describe(&e, plan, op, text, sizeof text);
    e.status = status;
    if (status != TN_OK && keep.error.status == status)
        e.reason = keep.error.reason;
    e.name = name;
    e.track_id = thread_id();
    e.item = atomic_fetch_add_explicit(&rt->trace_ids, 1u, memory_order_relaxed) + 1u;
    e.start_ns = start_ns;
    e.end_ns = tn__now_ns();
    tell(rt, &e);
    if (keep.error.status != TN_OK)
        (void)tn__fail_again(&keep.error);
    return e.item;
}

void tn__trace_host_point(tn_runtime *rt, tn_event_kind kind, uint64_t item, uint64_t at_ns,
                          const tn_point *point)
{
    tn_event e = blank(kind, "api", "host");
    e.track_id = thread_id();
    e.item = item;
    e.flow = tn__fence_trace_id(point->fence);
    e.value = point->value;
    e.start_ns = e.end_ns = at_ns;
    tell(rt, &e);
}

static void mark(tn_runtime *rt, tn_event *e, const char *name, uint64_t at_ns)
{
    e->name = name;
    e->start_ns = e->end_ns = at_ns;
    tell(rt, e);
}

void tn__trace_submit(tn_queue *q, uint64_t item, uint64_t at_ns)
{
    tn_event e = blank(TN_EVENT_MARK, "api", "host");
    e.device = q->device->uri;
    e.track_id = thread_id();
    e.flow = tn__trace_id(q->runtime, &q->trace_id);
    e.value = item;
    mark(q->runtime, &e, "submit", at_ns);
}

void tn__trace_hit(const tn_plan *plan)
{
    char text[OP_TEXT_BYTES];
    tn__error_copy keep;
    tn_event e = blank(TN_EVENT_MARK, "placement", "host");
    tn__error_save(&keep, NULL);
    describe(&e, plan, plan->op, text, sizeof text);
    e.track_id = thread_id();
    mark(plan->device->runtime, &e, "plan_hit", tn__now_ns());
    if (keep.error.status != TN_OK)
        (void)tn__fail_again(&keep.error);
}

/* ---- devices ---- */
void tn__trace_fallback(const tn_plan *plan, const char *reason)
{
    char text[OP_TEXT_BYTES];
    tn_event e = blank(TN_EVENT_MARK, "placement", plan->device->uri);
    describe(&e, plan->inner, plan->op, text, sizeof text);
    e.status = TN_STATUS_UNSUPPORTED;
    e.reason = reason;
    mark(plan->device->runtime, &e, "fallback", tn__now_ns());
}

void tn__trace_lost(tn_device *d)
{
    tn_event e = blank(TN_EVENT_MARK, "device", d->uri);
    e.device = d->uri;
    e.status = d->error.error.status;
    e.reason = d->error.error.reason;
    mark(d->runtime, &e, "lost", tn__now_ns());
}

void tn__trace_memory(tn_device *d, uint64_t used_bytes, uint64_t at_ns)
{
    tn_event e = blank(TN_EVENT_COUNTER, "device", d->uri);
    e.name = "memory_bytes";
    e.value = used_bytes;
    e.start_ns = e.end_ns = at_ns;
    tell(d->runtime, &e);
}

/* ---- queues ---- */
/* Work of one queue is done in order, so what the device (or nobody) said of times is brought into
 * that order: a slice begins where the one before ended, at the earliest, and takes some time. */
static void put_in_order(tn_queue *q, const tn_times *times, tn_event *e)
{
    e->submitted_ns = times->submitted_ns;
    e->start_ns = times->start_ns;
    e->end_ns = times->end_ns;
    bool simulated = (q->device->info.flags & TN_DEVICE_SIMULATED) != 0; /* a clock of its own */
    if (!simulated && e->start_ns < e->submitted_ns)
        e->start_ns = e->submitted_ns;
    pthread_mutex_lock(&q->lock);
    if (e->start_ns < q->traced_ns)
        e->start_ns = q->traced_ns;
    if (e->end_ns <= e->start_ns)
        e->end_ns = e->start_ns + 1u;
    q->traced_ns = e->end_ns;
    pthread_mutex_unlock(&q->lock);
}

static uint64_t moved_bytes(const tn__item *item)
{
    switch (item->work.kind) {
    case TN_WORK_COPY:
    case TN_WORK_FILL:
    case TN_WORK_WRITE:
    case TN_WORK_READ:
        return item->work.bytes;
    default:
        return 0;
    }
}

void tn__trace_item(tn_queue *q, const tn__item *item, const tn_error *error, const tn_times *times)
{
    char text[OP_TEXT_BYTES];
    tn_work_kind kind = item->work.kind;
    bool planned = (kind == TN_WORK_RUN || kind == TN_WORK_PACK) && item->shown != NULL;
    const char *crossing = "device";
    if (item->host || kind == 0)
        crossing = "queue";
    else if (planned)
        crossing = "kernel";
    tn_event e = blank(TN_EVENT_SLICE, crossing, q->device->uri);
    e.name = tn__work_name(kind);
    e.bytes = moved_bytes(item);
    if (planned) {
        tn__error_copy keep;
        tn__error_save(&keep, NULL);
        describe(&e, item->shown, item->shown->op, text, sizeof text);
        if (keep.error.status != TN_OK)
            (void)tn__fail_again(&keep.error);
        if (kind == TN_WORK_RUN)
            e.name = tn__op_name(item->shown->op->kind);
        else
            e.flops = e.bytes = 0; /* the op's, not those of packing one of its operands */
    }
    if (error != NULL) {
        e.status = error->status;
        e.reason = error->reason;
    }
    e.device = q->device->uri;
    e.track_id = tn__trace_id(q->runtime, &q->trace_id);
    e.item = item->id;
    put_in_order(q, times, &e);
    tell(q->runtime, &e);
    if (error != NULL)
        return;
    tn_event point = blank(TN_EVENT_WAIT, crossing, q->device->uri);
    point.track_id = e.track_id;
    point.item = e.item;
    point.start_ns = point.end_ns = e.start_ns;
    for (uint32_t i = 0; i < item->wait_count + item->met_count; ++i) {
        point.flow = tn__fence_trace_id(item->waits[i].fence);
        point.value = item->waits[i].value;
        tell(q->runtime, &point);
    }
    point.kind = TN_EVENT_SIGNAL;
    point.start_ns = point.end_ns = e.end_ns;
    for (uint32_t i = 0; i < item->signal_count; ++i) {
        point.flow = tn__fence_trace_id(item->signals[i].fence);
        point.value = item->signals[i].value;
        tell(q->runtime, &point);
    }
}
