/* SPDX-License-Identifier: Apache-2.0 */
/* A list of work that is recorded once and submitted many times, for tests that compare devices. */
#ifndef TN_TESTS_SUPPORT_RECORDED_H
#define TN_TESTS_SUPPORT_RECORDED_H

#include "failing_alloc.h"
#include "run_op.h"
#include "test.h"

enum { RECORDED_SIDE = 32, RECORDED_COUNT = RECORDED_SIDE * RECORDED_SIDE, RECORDED_ROUNDS = 4 };
enum { RECORDED_TRANSFERS = 1, RECORDED_CALL = 2 }; /* what else a list has */
static const uint64_t recorded_bytes = RECORDED_COUNT * sizeof(float);

/* x comes from the host, w (by way of v) adds up what was done, the others are between. */
typedef struct recorded {
    tn_test_device *d;
    tn_queue *q;
    tn_plan *product, *soft, *sum;
    tn_buffer *x, *b, *y, *z, *v, *w;
    tn_commands *list; /* NULL: the same as calls */
    uint32_t what;
    bool canonical;
    float from[RECORDED_COUNT], seen[RECORDED_COUNT];
    int calls;
} recorded;

static inline tn_buffer *recorded_buffer(tn_test_device *d)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = recorded_bytes};
    tn_buffer *b = NULL;
    return tn_buffer_create(d->device, &desc, &b) == TN_OK ? b : NULL;
}

/* CANONICAL where the device has it. */
static inline tn_plan *recorded_plan(recorded *r, const char *text)
{
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    if (tn_op_parse(r->d->runtime, text, &op) != TN_OK)
        return NULL;
    op->numerics.cls = TN_CLASS_CANONICAL;
    if (tn_plan_create(r->d->device, op, NULL, &plan) != TN_OK) {
        r->canonical = false;
        op->numerics.cls = TN_CLASS_BOUNDED;
        if (tn_plan_create(r->d->device, op, NULL, &plan) != TN_OK)
            plan = NULL;
    }
    tn_op_free(r->d->runtime, op);
    return plan;
}

static inline tn_status recorded_run(tn_queue *q, tn_plan *p, tn_buffer *a, tn_buffer *b,
                                     tn_buffer *out)
{
    tn_bind bind[3] = {{.role = TN_ARG_A, .buffer = a},
                       {.role = TN_ARG_OUT, .buffer = out},
                       {.role = TN_ARG_B, .buffer = b}};
    return tn_queue_run(q, p, bind, b != NULL ? 3 : 2, NULL, NULL);
}

static inline void recorded_called(void *self)
{
    ++((recorded *)self)->calls;
}

/* 23 items and more: above what one batch holds, the same plans with other operands, moves between
 * them, and a sum that every submit adds to. */
static inline tn_status recorded_items(recorded *r, tn_queue *to, uint32_t what)
{
    tn_status st = TN_OK;
    if ((what & RECORDED_TRANSFERS) != 0)
        st = tn_queue_write(to, r->x, 0, r->from, recorded_bytes, NULL);
    for (int i = 0; st == TN_OK && i < 4; ++i) {
        st = recorded_run(to, r->product, i == 0 ? r->x : r->z, r->b, r->y);
        if (st == TN_OK)
            st = recorded_run(to, r->soft, r->y, NULL, r->z);
        if (st == TN_OK)
            st = recorded_run(to, r->product, r->z, r->x, r->y);
        if (st == TN_OK && i == 1)
            st = tn_queue_fill(to, r->y, 64, 128, 0x3f800000u, 4, NULL);
        if (st == TN_OK && i == 2)
            st = tn_queue_copy(to, r->y, 256, r->x, 512, 1024, NULL);
        if (st == TN_OK && i == 2 && (what & RECORDED_CALL) != 0)
            st = tn_queue_call(to, recorded_called, r, NULL);
        if (st == TN_OK && i == 3 && (what & RECORDED_TRANSFERS) != 0)
            st = tn_queue_fill(to, r->y, 3, 7, 0x40, 1, NULL); /* of no whole words */
        if (st == TN_OK)
            st = recorded_run(to, r->soft, r->y, NULL, r->z);
        if (st == TN_OK)
            st = recorded_run(to, r->sum, r->z, i % 2 == 0 ? r->w : r->v, i % 2 == 0 ? r->v : r->w);
    }
    if (st == TN_OK && (what & RECORDED_TRANSFERS) != 0)
        st = tn_queue_read(to, r->seen, r->w, 0, recorded_bytes, NULL);
    return st;
}

static inline void recorded_drop(recorded *r)
{
    tn_commands_release(r->list);
    tn_plan_release(r->product);
    tn_plan_release(r->soft);
    tn_plan_release(r->sum);
    tn_buffer_release(r->x);
    tn_buffer_release(r->b);
    tn_buffer_release(r->y);
    tn_buffer_release(r->z);
    tn_buffer_release(r->v);
    tn_buffer_release(r->w);
    tn_queue_release(r->q);
}

/* The status of the first that failed; drop it all the same. */
static inline tn_status recorded_make(tn_test_device *d, uint32_t what, uint32_t queue_flags,
                                      bool calls, recorded *r)
{
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc), .flags = queue_flags};
    tn_queue *to = NULL;
    tn_error e;
    memset(r, 0, sizeof *r);
    r->d = d;
    r->what = what;
    r->canonical = true;
    tn_status st = tn_queue_create(d->device, &desc, &r->q);
    if (st != TN_OK)
        return st;
    if ((r->x = recorded_buffer(d)) == NULL || (r->b = recorded_buffer(d)) == NULL ||
        (r->y = recorded_buffer(d)) == NULL || (r->z = recorded_buffer(d)) == NULL ||
        (r->v = recorded_buffer(d)) == NULL || (r->w = recorded_buffer(d)) == NULL ||
        (r->product = recorded_plan(r, "matmul 32x32x32:f32")) == NULL ||
        (r->soft = recorded_plan(r, "softmax 32x32:f32:axis=1")) == NULL ||
        (r->sum = recorded_plan(r, "eltwise add 32x32:f32")) == NULL) {
        tn_error_last(&e);
        return e.status;
    }
    if (calls)
        return TN_OK;
    st = tn_commands_begin(r->q, &to);
    if (st == TN_OK)
        st = recorded_items(r, to, what);
    if (st == TN_OK)
        st = tn_commands_end(to, &r->list);
    tn_queue_release(to);
    return st;
}

static inline void recorded_numbers(float *to, uint64_t seed)
{
    for (int i = 0; i < RECORDED_COUNT; ++i)
        to[i] = (float)((int64_t)(tn_test_random(&seed) >> 48) - 32768) * 0x1p-14f;
}

static inline tn_status recorded_submit(recorded *r)
{
    return r->list != NULL ? tn_queue_submit(r->q, r->list, NULL)
                           : recorded_items(r, r->q, r->what);
}

/* Submits the list RECORDED_ROUNDS times with other values of x, twice without a wait in between,
 * and runs one of its plans on other buffers meanwhile; out: w after each round. */
static inline tn_status recorded_play(recorded *r, uint64_t seed,
                                      float out[RECORDED_ROUNDS][RECORDED_COUNT])
{
    static float weights[RECORDED_COUNT];
    tn_status st = tn_queue_fill(r->q, r->w, 0, recorded_bytes, 0, 4, NULL);
    recorded_numbers(weights, seed);
    if (st == TN_OK)
        st = tn_queue_write(r->q, r->b, 0, weights, recorded_bytes, NULL);
    for (uint64_t round = 0; st == TN_OK && round < RECORDED_ROUNDS; ++round) {
        recorded_numbers(r->from, seed + 1 + round);
        st = tn_queue_write(r->q, r->x, 0, r->from, recorded_bytes, NULL);
        if (st == TN_OK)
            st = recorded_submit(r);
        if (st == TN_OK)
            st = recorded_run(r->q, r->product, r->w, r->b, r->z);
        if (st == TN_OK)
            st = recorded_submit(r);
        if (st == TN_OK)
            st = tn_queue_read(r->q, out[round], r->w, 0, recorded_bytes, NULL);
        tn_status idle = tn_queue_wait_idle(r->q, UINT64_MAX);
        st = st != TN_OK ? st : idle;
    }
    return st;
}

/* The list on a device beside the same on the cpu or, where the device has other bits, beside its
 * own calls; kinds: how many kinds of lists, from the plain one on. */
enum { RECORDED_PLAIN = 1, RECORDED_MOVES, RECORDED_ALL = 4 };
static inline void recorded_compare(tn_test_device *d, const char *name, uint32_t kinds)
{
    static float want[RECORDED_ROUNDS][RECORDED_COUNT], got[RECORDED_ROUNDS][RECORDED_COUNT];
    static recorded r;
    tn_test_device cpu;
    TN_REQUIRE(tn_test_open("cpu", &cpu));
    for (uint32_t what = 0; what < kinds; ++what)
        for (uint32_t flags = 0; flags <= TN_QUEUE_INLINE; ++flags) {
            uint64_t seed = tn_test_seed() + what;
            tn_status st = recorded_make(d, what, flags, false, &r);
            if (st == TN_OK)
                st = recorded_play(&r, seed, got);
            TN_EXPECT(st == TN_OK, "%s, list %u, queue %u: %s", name, what, flags,
                      tn_status_name(st));
            if ((what & RECORDED_TRANSFERS) != 0)
                TN_EXPECT(memcmp(r.seen, got[RECORDED_ROUNDS - 1], sizeof r.seen) == 0, "%s", name);
            if ((what & RECORDED_CALL) != 0)
                TN_EXPECT(r.calls == 2 * RECORDED_ROUNDS, "%s: %d calls", name, r.calls);
            bool canonical = r.canonical;
            recorded_drop(&r);
            TN_EXPECT(recorded_make(canonical ? &cpu : d, what, 0, true, &r) == TN_OK &&
                          recorded_play(&r, seed, want) == TN_OK,
                      "%s, list %u as calls", name, what);
            TN_EXPECT(memcmp(want, got, sizeof got) == 0, "%s, list %u, queue %u: other bits", name,
                      what, flags);
            recorded_drop(&r);
        }
    tn_test_close(&cpu);
}

/* Each allocation of making a list fails once: a status or a list that is right, and nothing leaks.
 */
static inline void recorded_without_memory(const char *uri)
{
    static float want[RECORDED_ROUNDS][RECORDED_COUNT], got[RECORDED_ROUNDS][RECORDED_COUNT];
    static recorded r;
    failing_alloc memory = {0};
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc)};
    tn_test_device d = {0};
    uint32_t refused = 0;
    desc.allocator = failing_allocator(&memory);
    TN_REQUIRE(tn_runtime_create(&desc, &d.runtime) == TN_OK);
    TN_REQUIRE(tn_device_open(d.runtime, uri, &d.device) == TN_OK, "%s", uri);
    TN_EXPECT(recorded_make(&d, RECORDED_TRANSFERS, 0, false, &r) == TN_OK &&
                  recorded_play(&r, 3, want) == TN_OK,
              "%s", uri);
    for (uint64_t at = 1;; ++at) {
        tn_queue *to = NULL;
        tn_commands *list = NULL, *first = r.list;
        TN_REQUIRE(tn_commands_begin(r.q, &to) == TN_OK);
        TN_REQUIRE(recorded_items(&r, to, RECORDED_TRANSFERS) == TN_OK);
        failing_arm(&memory, at, false);
        tn_status st = tn_commands_end(to, &list);
        bool hit = atomic_load(&memory.fired) != 0;
        failing_disarm(&memory);
        TN_EXPECT(st == TN_OK || (hit && st == TN_STATUS_NO_MEMORY),
                  "%s, allocation %" PRIu64 ": %s", uri, at, tn_status_name(st));
        refused += st != TN_OK;
        if (st != TN_OK)
            TN_EXPECT(tn_commands_end(to, &list) == TN_OK, "%s: ended again", uri);
        r.list = list;
        TN_EXPECT(recorded_play(&r, 3, got) == TN_OK && memcmp(want, got, sizeof got) == 0,
                  "%s, allocation %" PRIu64, uri, at);
        tn_commands_release(first);
        tn_queue_release(to);
        if (!hit)
            break;
    }
    recorded_drop(&r);
    tn_test_close(&d);
    TN_EXPECT(refused > 1, "%s: %u refusals", uri, refused);
    TN_EXPECT(atomic_load(&memory.live_bytes) == 0 && atomic_load(&memory.misuse) == 0,
              "%s: %" PRId64 " bytes are left", uri, atomic_load(&memory.live_bytes));
}

#endif
