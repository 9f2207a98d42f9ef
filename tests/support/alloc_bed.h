/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeps a call over every allocation it makes: the n-th fails, or all from the n-th on, for n = 1
 * and up until none is left to fail. Each time the call has to report NO_MEMORY with a reason or to
 * do without, to leak nothing, and to give the right result on the very same objects afterwards. */
#ifndef TN_TESTS_SUPPORT_ALLOC_BED_H
#define TN_TESTS_SUPPORT_ALLOC_BED_H

#include "test.h"

#include "failing_alloc.h"
#include "fake_device.h"

#include <time.h>

enum { BED_BYTES = 1 << 16, BED_POINTS_MOST = 2000, BED_BUFFERS = 6 };
enum { BED_NOTHING, BED_RUNTIME, BED_DEVICE, BED_QUEUE }; /* what is made before the call */
enum {
    BED_KEEPS = 1,   /* the call may keep memory for the next one: a cache, a pool, an arena */
    BED_POISONS = 2, /* may fail after submit, and so the rest of the queue: use another one */
    BED_INLINE = 4,  /* the queue is TN_QUEUE_INLINE */
    BED_SYSTEM = 8   /* threads and mappings fail, not allocations */
};

typedef struct bed {
    failing_alloc mem;
    const char *uri;
    uint32_t queue_flags;
    tn_runtime *rt;
    tn_device *d, *other;
    tn_queue *q;
    tn_buffer *buffer[BED_BUFFERS];
    tn_op *op;
    tn_plan *plan;
    uint32_t notified;
    uint8_t in[BED_BYTES], got[BED_BYTES];
    uint64_t got_bytes; /* what a call that ended well has in `got`, always the same */
} bed;

typedef struct scenario {
    const char *name;
    uint32_t level, flags;
    uint32_t least;            /* fewer allocation points than that: the test does not test */
    void (*setup)(bed *b);     /* NULL: nothing more */
    tn_status (*call)(bed *b); /* as often as one likes: what it makes it releases */
} scenario;

static inline bool bed_try(tn_status *st, tn_status now)
{
    if (*st == TN_OK)
        *st = now;
    return *st == TN_OK;
}

static inline tn_buffer *bed_buffer(bed *b, uint64_t bytes)
{
    tn_buffer *x = test_buffer(b->d, bytes);
    TN_REQUIRE(x != NULL, "%s", b->uri);
    return x;
}

static inline void bed_queue(bed *b)
{
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc), .flags = b->queue_flags};
    TN_REQUIRE(tn_queue_create(b->d, &desc, &b->q) == TN_OK);
}

static inline void bed_make(bed *b, const scenario *s, const char *uri)
{
    memset(b, 0, sizeof *b);
    b->uri = uri;
    b->queue_flags = (s->flags & BED_INLINE) != 0 ? TN_QUEUE_INLINE : 0;
    b->mem.system = (s->flags & BED_SYSTEM) != 0;
    *failing_system() = b->mem.system ? &b->mem : NULL;
    for (uint32_t i = 0; i < BED_BYTES; ++i)
        b->in[i] = (uint8_t)(i * 7 + 1);
    tn_runtime_desc desc = {
        .head = TN_INIT(tn_runtime_desc), .allocator = failing_allocator(&b->mem), .threads = 3};
    if (s->level >= BED_RUNTIME)
        TN_REQUIRE(tn_runtime_create(&desc, &b->rt) == TN_OK);
    if (s->level >= BED_DEVICE) {
        b->d = test_open(b->rt, uri);
        TN_REQUIRE(b->d != NULL, "%s", uri);
    }
    if (s->level >= BED_QUEUE)
        bed_queue(b);
    if (s->setup != NULL)
        s->setup(b);
    if (b->q != NULL)
        TN_REQUIRE(tn_queue_wait_idle(b->q, UINT64_MAX) == TN_OK);
}

/* What completes on other threads gives its memory back a moment later. */
static inline bool bed_live(bed *b, int64_t want)
{
    struct timespec t = {0, 100000};
    for (int i = 0; i < 50000 && atomic_load(&b->mem.live_bytes) != want; ++i)
        (void)nanosleep(&t, NULL);
    return atomic_load(&b->mem.live_bytes) == want;
}

static inline void bed_drop(bed *b, const char *name)
{
    tn_plan_release(b->plan);
    tn_op_free(b->rt, b->op);
    for (int i = 0; i < BED_BUFFERS; ++i)
        tn_buffer_release(b->buffer[i]);
    tn_queue_release(b->q);
    tn_device_release(b->other);
    tn_device_release(b->d);
    tn_runtime_release(b->rt);
    TN_EXPECT(bed_live(b, 0), "%s on %s leaks %lld bytes in %lld blocks", name, b->uri,
              (long long)atomic_load(&b->mem.live_bytes),
              (long long)atomic_load(&b->mem.live_blocks));
    TN_EXPECT(atomic_load(&b->mem.misuse) == 0, "%s on %s frees what it did not get", name, b->uri);
}

/* Once with failures from `at` on; false when there were not that many allocations. */
static inline bool bed_round(bed *b, const scenario *s, uint64_t at, bool from, const uint8_t *want,
                             uint64_t want_bytes)
{
    char where[160];
    tn_error e;
    snprintf(where, sizeof where, "%s on %s, %s %s %llu", s->name, b->uri,
             from ? "every one from" : "only",
             (s->flags & BED_SYSTEM) != 0 ? "system call" : "allocation", (unsigned long long)at);
    int64_t before = atomic_load(&b->mem.live_bytes);
    failing_arm(&b->mem, at, from);
    tn_status st = s->call(b);
    tn_error_last(&e);
    uint64_t fired = atomic_load(&b->mem.fired);
    failing_disarm(&b->mem);
    TN_EXPECT(st == TN_OK || (fired != 0 && st == TN_STATUS_NO_MEMORY), "%s: %s, %s %s", where,
              tn_status_name(st), e.reason, e.text);
    if (st == TN_STATUS_NO_MEMORY)
        TN_EXPECT(e.status == st && e.reason != NULL && strchr(e.reason, '.') != NULL &&
                      e.text != NULL && strlen(e.text) > 10,
                  "%s: NO_MEMORY without a reason of its own: %s %s", where, e.reason, e.text);
    else
        TN_EXPECT(b->got_bytes == want_bytes && memcmp(b->got, want, want_bytes) == 0,
                  "%s: other bytes", where);
    if (fired == 0)
        return false;
    if ((s->flags & BED_KEEPS) == 0) {
        TN_EXPECT(bed_live(b, before), "%s: %lld bytes were live, now %lld", where,
                  (long long)before, (long long)atomic_load(&b->mem.live_bytes));
    } else if (from && b->q == NULL) {
        /* What is kept lets the next failure come later, and in the end nothing is added. */
        int64_t live = -1, last = -2;
        for (int i = 0; i < BED_POINTS_MOST && live != last; ++i) {
            failing_arm(&b->mem, at, true);
            (void)s->call(b);
            failing_disarm(&b->mem);
            last = live;
            live = atomic_load(&b->mem.live_bytes);
        }
        TN_EXPECT(live == last, "%s: grows with every failure", where);
    }
    if (b->q != NULL && tn_queue_wait_idle(b->q, UINT64_MAX) != TN_OK) {
        TN_EXPECT((s->flags & BED_POISONS) != 0, "%s: the queue has failed", where);
        tn_queue_release(b->q);
        bed_queue(b);
    }
    memset(b->got, 0, sizeof b->got);
    st = s->call(b);
    tn_error_last(&e);
    TN_EXPECT(st == TN_OK, "%s: and then %s %s", where, e.reason, e.text);
    TN_EXPECT(b->got_bytes == want_bytes && memcmp(b->got, want, want_bytes) == 0,
              "%s: other bytes afterwards", where);
    return true;
}

/* Returns the allocation points; both modes go over all of them. */
static inline uint64_t bed_sweep(const scenario *s, const char *uri)
{
    static bed b;
    static uint8_t want[BED_BYTES];
    tn_error e;
    bed_make(&b, s, uri);
    tn_status st = s->call(&b);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s on %s: %s %s", s->name, uri, e.reason, e.text);
    uint64_t bytes = b.got_bytes, points = 0;
    memcpy(want, b.got, sizeof want);
    bed_drop(&b, s->name);
    for (int from = 0; from <= 1; ++from) {
        bool more = true;
        uint64_t at = 0;
        while (more) {
            ++at;
            TN_REQUIRE(at < BED_POINTS_MOST, "%s on %s never ends", s->name, uri);
            bed_make(&b, s, uri);
            more = bed_round(&b, s, at, from, want, bytes);
            bed_drop(&b, s->name);
        }
        if (at - 1 > points)
            points = at - 1;
    }
    TN_EXPECT(points >= s->least, "%s on %s has %llu points to fail, fewer than %u", s->name, uri,
              (unsigned long long)points, s->least);
    return points;
}

static inline uint64_t bed_sweep_all(const scenario *s, size_t count, const char *uri)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
        uint64_t points = bed_sweep(&s[i], uri);
        fprintf(stderr, "  %-24s %-16s %3llu %s points\n", s[i].name, uri,
                (unsigned long long)points,
                (s[i].flags & BED_SYSTEM) != 0 ? "system call" : "allocation");
        sum += points;
    }
    return sum;
}

static inline void bed_nothing(void *self)
{
    (void)self;
}

/* Many items at once, so that the queue has recycled ones for whatever comes later, however fast
 * or slow it completes. */
static inline void bed_warm(bed *b)
{
    tn_fence *gate = NULL;
    TN_REQUIRE(tn_fence_create(b->rt, 0, &gate) == TN_OK);
    tn_point point = {gate, 1};
    tn_sync held = {.wait = &point, .wait_count = 1};
    for (int i = 0; i < 8; ++i)
        TN_REQUIRE(tn_queue_call(b->q, bed_nothing, NULL, &held) == TN_OK);
    TN_REQUIRE(tn_fence_signal(gate, 1) == TN_OK);
    TN_REQUIRE(tn_queue_wait_idle(b->q, UINT64_MAX) == TN_OK);
    tn_fence_release(gate);
}

/* Calls that have no business with memory: they run with every allocation refused. */
static inline void bed_without(bed *b, const char *name, tn_status (*call)(bed *b))
{
    tn_error e;
    failing_arm(&b->mem, 1, true);
    tn_status st = call(b);
    tn_error_last(&e);
    uint64_t calls = atomic_load(&b->mem.calls);
    failing_disarm(&b->mem);
    TN_EXPECT(st == TN_OK && calls == 0, "%s on %s: %llu allocations, %s %s", name, b->uri,
              (unsigned long long)calls, e.reason, e.text);
}

#endif
