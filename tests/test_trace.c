/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a runtime: each item once, times in order, points with the slices they belong to,
 * and listeners that come and go while several queues work. */
#include "support/test.h"

#include "support/fake_device.h"
#include <stdatomic.h>
#include <time.h>

/* ---- a listener that keeps everything ---- */
typedef struct seen {
    tn_event e; /* its strings are not kept, but for the copies below */
    char crossing[16], track[64], name[32], device[64], kernel[96], reason[64], op[128];
} seen;
typedef struct tape {
    pthread_mutex_t lock; /* guards: at, count, capacity */
    seen *at;
    size_t count, capacity;
    atomic_uint inside;
    atomic_bool closed, late; /* late: an event came after it was closed */
    tn_runtime *again;        /* asked for another listener from inside, if not NULL */
    tn_status again_status;
    bool slow; /* takes its time, so that it is often inside when it is replaced */
} tape;

#define KEEP(field) snprintf(s->field, sizeof s->field, "%s", e->field)

static void take(void *self, const tn_event *e)
{
    tape *t = self;
    struct timespec nap = {0, 1000000};
    atomic_fetch_add(&t->inside, 1u);
    if (t->slow)
        (void)nanosleep(&nap, NULL);
    if (atomic_load(&t->closed))
        atomic_store(&t->late, true);
    pthread_mutex_lock(&t->lock);
    if (t->again != NULL)
        t->again_status = tn_runtime_trace(t->again, NULL, NULL);
    if (t->count == t->capacity) {
        t->capacity = t->capacity != 0 ? 2 * t->capacity : 1024;
        t->at = realloc(t->at, t->capacity * sizeof *t->at);
        TN_REQUIRE(t->at != NULL, "no memory");
    }
    seen *s = &t->at[t->count++];
    s->e = *e;
    KEEP(crossing), KEEP(track), KEEP(name), KEEP(device), KEEP(kernel), KEEP(reason), KEEP(op);
    pthread_mutex_unlock(&t->lock);
    atomic_fetch_sub(&t->inside, 1u);
}

static void tape_open(tape *t, tn_runtime *rt)
{
    memset(t, 0, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    if (rt != NULL)
        TN_REQUIRE(tn_runtime_trace(rt, take, t) == TN_OK);
}

static void tape_close(tape *t, tn_runtime *rt)
{
    if (rt != NULL)
        TN_REQUIRE(tn_runtime_trace(rt, NULL, NULL) == TN_OK);
    atomic_store(&t->closed, true);
    TN_EXPECT(atomic_load(&t->inside) == 0, "the listener is still being called");
}

static void tape_free(tape *t)
{
    TN_EXPECT(!atomic_load(&t->late), "called after it was replaced");
    free(t->at);
    pthread_mutex_destroy(&t->lock);
}

static const seen *find(const tape *t, tn_event_kind kind, const char *name)
{
    for (size_t i = 0; i < t->count; ++i)
        if (t->at[i].e.kind == kind && strcmp(t->at[i].name, name) == 0)
            return &t->at[i];
    return NULL;
}

static size_t count(const tape *t, tn_event_kind kind, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < t->count; ++i)
        n += t->at[i].e.kind == kind && (name == NULL || strcmp(t->at[i].name, name) == 0);
    return n;
}

static bool host(const seen *s)
{
    return strcmp(s->track, "host") == 0;
}

/* ---- what holds for every trace ---- */
/* Submits by (queue, item), slices of queues by (track, item), everything else behind. */
static int by_item(const void *a, const void *b)
{
    const seen *x = a, *y = b;
    if (x->e.kind != y->e.kind)
        return x->e.kind < y->e.kind ? -1 : 1;
    bool mark = x->e.kind == TN_EVENT_MARK;
    uint64_t xt = mark ? x->e.flow : x->e.track_id, yt = mark ? y->e.flow : y->e.track_id;
    uint64_t xi = mark ? x->e.value : x->e.item, yi = mark ? y->e.value : y->e.item;
    if (xt != yt)
        return xt < yt ? -1 : 1;
    return xi < yi ? -1 : xi > yi;
}

static const seen *slice_of(const tape *t, uint64_t track, uint64_t item)
{
    seen key = {.e = {.kind = TN_EVENT_SLICE, .track_id = track, .item = item}};
    return bsearch(&key, t->at, t->count, sizeof key, by_item);
}

/* Slices of one host thread are apart or one inside the other. */
static void check_nesting(const tape *t)
{
    for (size_t i = 0; i < t->count; ++i)
        for (size_t k = i + 1; k < t->count && t->at[k].e.kind == TN_EVENT_SLICE; ++k) {
            const tn_event *a = &t->at[i].e, *b = &t->at[k].e;
            if (a->kind != TN_EVENT_SLICE || !host(&t->at[i]) || a->track_id != b->track_id)
                continue;
            bool apart = a->end_ns <= b->start_ns || b->end_ns <= a->start_ns;
            bool in = (a->start_ns <= b->start_ns && b->end_ns <= a->end_ns) ||
                      (b->start_ns <= a->start_ns && a->end_ns <= b->end_ns);
            TN_EXPECT(apart || in, "%s and %s of a thread cross", t->at[i].name, t->at[k].name);
        }
}

/* Sorts the tape. */
static void check_whole(tape *t, const char *uri)
{
    qsort(t->at, t->count, sizeof *t->at, by_item);
    size_t submits = 0, slices = 0;
    const seen *before = NULL;
    for (size_t i = 0; i < t->count; ++i) {
        const seen *s = &t->at[i];
        if (s->e.kind == TN_EVENT_MARK && strcmp(s->name, "submit") == 0) {
            ++submits;
            const seen *work = slice_of(t, s->e.flow, s->e.value);
            TN_EXPECT(work != NULL, "%s: item %llu was submitted and never done", uri,
                      (unsigned long long)s->e.value);
            TN_EXPECT(work == NULL || work->e.submitted_ns == s->e.start_ns,
                      "%s: submitted at %llu"
                      " and at %llu",
                      uri, (unsigned long long)s->e.start_ns,
                      (unsigned long long)(work != NULL ? work->e.submitted_ns : 0));
        }
        if (s->e.kind != TN_EVENT_SLICE)
            continue;
        TN_EXPECT(s->e.start_ns != 0 && s->e.end_ns >= s->e.start_ns, "%s %s", uri, s->name);
        if (host(s))
            continue;
        ++slices;
        TN_EXPECT(s->e.submitted_ns != 0 && s->e.submitted_ns <= s->e.start_ns,
                  "%s: %s starts before it was submitted", uri, s->name);
        TN_EXPECT(s->e.end_ns > s->e.start_ns, "%s: %s takes no time", uri, s->name);
        if (before != NULL && before->e.track_id == s->e.track_id) {
            TN_EXPECT(before->e.item < s->e.item, "%s: item %llu is there twice", uri,
                      (unsigned long long)s->e.item);
            TN_EXPECT(before->e.end_ns <= s->e.start_ns, "%s: %s and %s of a queue overlap", uri,
                      before->name, s->name);
        }
        before = s;
    }
    TN_EXPECT(submits == slices, "%s: %zu submits and %zu slices", uri, submits, slices);
    check_nesting(t);
}

/* Every wait was for a value that a slice had signalled before, or that nobody had to. */
static void check_points(const tape *t, const char *uri)
{
    for (size_t i = 0; i < t->count; ++i) {
        const tn_event *w = &t->at[i].e;
        if (w->kind != TN_EVENT_WAIT || w->value == 0)
            continue;
        const seen *to = slice_of(t, w->track_id, w->item);
        bool found = false;
        for (size_t k = 0; k < t->count && !found; ++k) {
            const tn_event *s = &t->at[k].e;
            if (s->kind != TN_EVENT_SIGNAL || s->flow != w->flow || s->value != w->value)
                continue;
            const seen *from = slice_of(t, s->track_id, s->item);
            found = true;
            TN_EXPECT(from != NULL && to != NULL, "%s: a point of no slice", uri);
            /* A host's wait begins before and ends after. */
            TN_EXPECT(from == NULL || to == NULL ||
                          from->e.end_ns <= (host(to) ? to->e.end_ns : to->e.start_ns),
                      "%s: %s went on before what it waited for", uri, to->name);
        }
        TN_EXPECT(found, "%s: nobody signalled value %llu", uri, (unsigned long long)w->value);
    }
}

/* ---- several queues and threads ---- */
enum { LANES = 3, ROUNDS = 20, ELEMS = 1024, BYTES = ELEMS * 4 };
typedef struct lane {
    tn_queue *q;
    tn_fence *own, *other; /* other: of the lane before */
    tn_buffer *a, *b;
    tn_plan *plan;
    tn_status status;
    atomic_uint calls;
    float data[ELEMS];
} lane;

static void called(void *self)
{
    lane *l = self;
    atomic_fetch_add(&l->calls, 1u);
}

static void *work(void *arg)
{
    lane *l = arg;
    tn_bind bind[2] = {{TN_ARG_A, 0, l->a, 0}, {TN_ARG_OUT, 0, l->b, 0}};
    tn_status st = TN_OK;
    for (uint64_t r = 0; r < ROUNDS && st == TN_OK; ++r) {
        tn_point before = {l->other, r}, after = {l->own, r + 1};
        tn_sync sync = {.wait = &before, .signal = &after, .wait_count = 1, .signal_count = 1};
        st = tn_queue_fill(l->q, l->a, 0, BYTES, 0x3f800000, 4, NULL);
        if (st == TN_OK)
            st = tn_queue_copy(l->q, l->b, 0, l->a, 0, BYTES, &sync);
        if (st == TN_OK)
            st = tn_queue_run(l->q, l->plan, bind, 2, NULL, NULL);
        if (st == TN_OK)
            st = tn_queue_write(l->q, l->a, 0, l->data, BYTES, NULL);
        if (st == TN_OK)
            st = tn_queue_read(l->q, l->data, l->b, 0, BYTES, NULL);
        if (st == TN_OK)
            st = tn_queue_call(l->q, called, l, NULL);
    }
    tn_point last = {l->own, ROUNDS};
    if (st == TN_OK)
        st = tn_fence_wait(&last, 1, 0, UINT64_MAX);
    if (st == TN_OK)
        st = tn_queue_wait_idle(l->q, UINT64_MAX);
    l->status = st;
    return NULL;
}

static tn_plan *plan_of(tn_runtime *rt, tn_device *d, const char *text, uint32_t flags,
                        tn_status want)
{
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = flags};
    TN_REQUIRE(tn_op_parse(rt, text, &op) == TN_OK, "%s", text);
    TN_EXPECT(tn_plan_create(d, op, &desc, &plan) == want, "%s on %s", text, d->uri);
    tn_op_free(rt, op);
    return plan;
}

static void lanes_make(lane *l, tn_runtime *rt, tn_device *d, bool in_line)
{
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc), .flags = in_line ? TN_QUEUE_INLINE : 0};
    for (int i = 0; i < LANES; ++i) {
        memset(&l[i], 0, sizeof l[i]);
        TN_REQUIRE(tn_queue_create(d, &desc, &l[i].q) == TN_OK);
        TN_REQUIRE(tn_fence_create(rt, 0, &l[i].own) == TN_OK);
        l[i].a = test_buffer(d, BYTES);
        l[i].b = test_buffer(d, BYTES);
        l[i].plan = plan_of(rt, d, "eltwise exp 1024:f32", 0, TN_OK);
    }
    for (int i = 0; i < LANES; ++i)
        l[i].other = l[(i + LANES - 1) % LANES].own;
}

static void lanes_run(lane *l)
{
    pthread_t thread[LANES];
    for (int i = 0; i < LANES; ++i)
        TN_REQUIRE(pthread_create(&thread[i], NULL, work, &l[i]) == 0);
    for (int i = 0; i < LANES; ++i) {
        pthread_join(thread[i], NULL);
        TN_EXPECT(l[i].status == TN_OK, "%s", tn_status_name(l[i].status));
    }
}

static void lanes_free(lane *l)
{
    for (int i = 0; i < LANES; ++i) {
        tn_buffer_release(l[i].a);
        tn_buffer_release(l[i].b);
        tn_plan_release(l[i].plan);
        tn_fence_release(l[i].own);
        tn_queue_release(l[i].q);
    }
}

TN_TEST(trace, every_item_once)
{
    static lane l[LANES];
    static const char *const kinds[] = {"fill", "copy", "eltwise", "call"};
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        for (int in_line = 0; in_line < 2; ++in_line) {
            tn_runtime *rt = NULL;
            tape t;
            TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
            tn_device *d = test_open(rt, *uri);
            lanes_make(l, rt, d, in_line != 0);
            lanes_run(l); /* nobody listens: the queues are warm, the points at their last value */
            lanes_free(l);
            lanes_make(l, rt, d, in_line != 0);
            tape_open(&t, rt);
            lanes_run(l);
            tape_close(&t, rt);
            for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; ++k)
                TN_EXPECT(count(&t, TN_EVENT_SLICE, kinds[k]) == LANES * ROUNDS, "%s: %zu %s", *uri,
                          count(&t, TN_EVENT_SLICE, kinds[k]), kinds[k]);
            TN_EXPECT(count(&t, TN_EVENT_SIGNAL, NULL) == LANES * ROUNDS, "%s", *uri);
            TN_EXPECT(count(&t, TN_EVENT_WAIT, NULL) >= LANES * ROUNDS + LANES, "%s", *uri);
            TN_EXPECT(count(&t, TN_EVENT_SLICE, "wait") == LANES, "%s", *uri);
            TN_EXPECT(count(&t, TN_EVENT_SLICE, "wait_idle") == LANES, "%s", *uri);
            check_whole(&t, *uri);
            check_points(&t, *uri);
            const seen *copy = find(&t, TN_EVENT_SLICE, "copy");
            const seen *run = find(&t, TN_EVENT_SLICE, "eltwise");
            TN_REQUIRE(copy != NULL && run != NULL);
            TN_EXPECT(copy->e.bytes == BYTES && strcmp(copy->crossing, "device") == 0 &&
                      strcmp(copy->device, *uri) == 0 && copy->e.cls == -1);
            TN_EXPECT(strcmp(run->crossing, "kernel") == 0 && run->kernel[0] != '\0' &&
                          run->e.flops == ELEMS && run->e.cls == TN_CLASS_BOUNDED &&
                          strncmp(run->op, "eltwise exp 1024:f32", 20) == 0,
                      "%s %s %s", run->crossing, run->kernel, run->op);
            tape_free(&t);
            lanes_free(l);
            tn_device_release(d);
            tn_runtime_release(rt);
        }
}

/* Recorded work is submitted item by item, whoever plays it. */
TN_TEST(trace, recorded_work)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        static lane l[LANES];
        tn_runtime *rt = NULL;
        tn_queue *recorder = NULL;
        tn_commands *c = NULL;
        tape t;
        TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
        tn_device *d = test_open(rt, *uri);
        lanes_make(l, rt, d, false);
        tn_bind bind[2] = {{TN_ARG_A, 0, l[0].a, 0}, {TN_ARG_OUT, 0, l[0].b, 0}};
        tape_open(&t, rt);
        TN_REQUIRE(tn_commands_begin(l[0].q, &recorder) == TN_OK);
        TN_REQUIRE(tn_queue_fill(recorder, l[0].a, 0, BYTES, 0, 4, NULL) == TN_OK);
        TN_REQUIRE(tn_queue_run(recorder, l[0].plan, bind, 2, NULL, NULL) == TN_OK);
        TN_REQUIRE(tn_commands_end(recorder, &c) == TN_OK);
        TN_EXPECT(count(&t, TN_EVENT_MARK, "submit") == 0, "recording submits nothing");
        for (int i = 0; i < 3; ++i)
            TN_REQUIRE(tn_queue_submit(l[0].q, c, NULL) == TN_OK);
        TN_REQUIRE(tn_queue_wait_idle(l[0].q, UINT64_MAX) == TN_OK);
        tape_close(&t, rt);
        TN_EXPECT(count(&t, TN_EVENT_MARK, "submit") >= 3, "%s", *uri);
        check_whole(&t, *uri);
        tape_free(&t);
        tn_commands_release(c);
        tn_queue_release(recorder);
        lanes_free(l);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

/* ---- the other events ---- */
TN_TEST(trace, plans_and_fallbacks)
{
    tn_runtime *rt = NULL;
    tape t;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        tn_device *d = test_open(rt, *uri);
        tape_open(&t, rt);
        tn_plan *a = plan_of(rt, d, "matmul 8x8x8:f32", 0, TN_OK);
        tn_plan *b = plan_of(rt, d, "matmul 8x8x8:f32", 0, TN_OK);
        tn_plan *c = plan_of(rt, d, "matmul 8x8x8:f32:exact", 0, TN_STATUS_UNSUPPORTED);
        tape_close(&t, rt);
        const seen *made = find(&t, TN_EVENT_SLICE, "plan"),
                   *hit = find(&t, TN_EVENT_MARK, "plan_hit");
        TN_EXPECT(a == b && c == NULL && count(&t, TN_EVENT_SLICE, "plan") == 2 &&
                  count(&t, TN_EVENT_MARK, "plan_hit") == 1);
        TN_REQUIRE(made != NULL && hit != NULL);
        TN_EXPECT(strcmp(made->crossing, "placement") == 0 && host(made) &&
                  made->kernel[0] != '\0' && strcmp(made->device, *uri) == 0 &&
                  made->e.flops == 1024);
        TN_EXPECT(strcmp(hit->kernel, made->kernel) == 0 && strcmp(hit->op, made->op) == 0);
        for (size_t i = 0; i < t.count; ++i)
            if (t.at[i].e.status != TN_OK)
                TN_EXPECT(t.at[i].e.status == TN_STATUS_UNSUPPORTED &&
                              strcmp(t.at[i].reason, "kernel.class") == 0 &&
                              strcmp(t.at[i].name, "plan") == 0,
                          "%s %s", t.at[i].name, t.at[i].reason);
        tape_free(&t);
        tn_plan_release(a);
        tn_plan_release(b);
        tn_device_release(d);
    }
    tn_device *null = test_open(rt, "null");
    tape_open(&t, rt);
    tn_plan *p = plan_of(rt, null, "matmul 8x8x8:f32", TN_PLAN_ALLOW_FALLBACK, TN_OK);
    tape_close(&t, rt);
    const seen *f = find(&t, TN_EVENT_MARK, "fallback");
    TN_REQUIRE(f != NULL);
    TN_EXPECT(strcmp(f->track, "null") == 0 && strcmp(f->device, "cpu") == 0 &&
                  strcmp(f->reason, "null.no_kernels") == 0 && f->kernel[0] != '\0',
              "%s %s %s", f->track, f->device, f->reason);
    tape_free(&t);
    tn_plan_release(p);
    tn_device_release(null);
    tn_runtime_release(rt);
}

TN_TEST(trace, memory_failure_and_loss)
{
    tn_runtime *rt = NULL;
    tape t;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (uint32_t mode = 0; mode < 2; ++mode) { /* with a thread, and polled */
        tn_device *d = fake_open(rt, mode);
        tn_queue *q = NULL;
        tn_fence *f = NULL;
        TN_REQUIRE(tn_queue_create(d, NULL, &q) == TN_OK);
        TN_REQUIRE(tn_fence_create(rt, 0, &f) == TN_OK);
        tape_open(&t, rt);
        tn_buffer *b = test_buffer(d, 4096);
        tn_point done = {f, 1};
        tn_sync sync = {.signal = &done, .signal_count = 1};
        TN_EXPECT(tn_queue_fill(q, b, 0, 4096, FAKE_FAIL_PATTERN, 4, NULL) == TN_OK);
        TN_EXPECT(tn_queue_fill(q, b, 0, 4096, 1, 4, &sync) == TN_OK);
        TN_EXPECT(tn_fence_wait(&done, 1, 0, UINT64_MAX) == TN_STATUS_NO_MEMORY);
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_STATUS_NO_MEMORY);
        tn__device_lose(d, TN_STATUS_INTERNAL, "test.gone");
        tn__device_lose(d, TN_STATUS_INTERNAL, "test.gone_again");
        tape_close(&t, rt);
        const seen *memory = find(&t, TN_EVENT_COUNTER, "memory_bytes");
        const seen *lost = find(&t, TN_EVENT_MARK, "lost");
        TN_EXPECT(memory != NULL && memory->e.value == 4096 && strcmp(memory->track, d->uri) == 0);
        TN_EXPECT(count(&t, TN_EVENT_MARK, "lost") == 1);
        TN_EXPECT(lost != NULL && strcmp(lost->reason, "test.gone") == 0 &&
                  lost->e.status == TN_STATUS_DEVICE_LOST && strcmp(lost->track, d->uri) == 0);
        TN_EXPECT(count(&t, TN_EVENT_SIGNAL, NULL) == 0, "a failed item signals nothing");
        size_t failed = 0;
        for (size_t i = 0; i < t.count; ++i)
            if (t.at[i].e.kind == TN_EVENT_SLICE && strcmp(t.at[i].name, "fill") == 0)
                failed += t.at[i].e.status == TN_STATUS_NO_MEMORY &&
                          strcmp(t.at[i].reason, "fake.fill") == 0;
        TN_EXPECT(failed == 2, "%zu fills failed", failed);
        check_whole(&t, d->uri);
        tape_free(&t);
        tn_buffer_release(b);
        tn_fence_release(f);
        tn_queue_release(q);
        tn_device_release(d);
    }
    tn_runtime_release(rt);
}

/* ---- listeners ---- */
TN_TEST(trace, listeners_come_and_go)
{
    static lane l[LANES];
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        tn_runtime *rt = NULL;
        pthread_t thread[LANES];
        tape t[8];
        TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
        tn_device *d = test_open(rt, *uri);
        lanes_make(l, rt, d, false);
        for (int i = 0; i < LANES; ++i)
            TN_REQUIRE(pthread_create(&thread[i], NULL, work, &l[i]) == 0);
        for (int i = 0; i < 8; ++i) {
            tape_open(&t[i], NULL);
            t[i].slow = true;
            TN_REQUIRE(tn_runtime_trace(rt, take, &t[i]) == TN_OK); /* replaces the one before */
            if (i > 0)
                tape_close(&t[i - 1], NULL);
            tn_plan_release(plan_of(rt, d, "eltwise exp 1024:f32", 0, TN_OK));
        }
        tape_close(&t[7], rt);
        for (int i = 0; i < LANES; ++i) {
            pthread_join(thread[i], NULL);
            TN_EXPECT(l[i].status == TN_OK);
        }
        for (int i = 0; i < 8; ++i) {
            TN_EXPECT(t[i].count >= 1, "%s: listener %d heard nothing", *uri, i);
            tape_free(&t[i]);
        }
        lanes_free(l);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(trace, not_from_inside)
{
    tn_runtime *rt = NULL;
    tape t;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_device *d = test_open(rt, "cpu");
    tape_open(&t, rt);
    pthread_mutex_lock(&t.lock);
    t.again = rt;
    pthread_mutex_unlock(&t.lock);
    (void)tn__fail(TN_STATUS_CANCELLED, "test.before", NULL, "an error of before");
    tn_plan *p = plan_of(rt, d, "matmul 8x8x8:f32", 0, TN_OK);
    tape_close(&t, rt);
    TN_EXPECT(t.again_status == TN_STATUS_INVALID && t.count == 1);
    tape_free(&t);
    tn_plan_release(p);
    tn_device_release(d);
    tn_runtime_release(rt);
}
