/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of queues, transfers, fences and recorded commands, failed one by one. */
#include "support/alloc_bed.h"

static const uint64_t forever = UINT64_MAX;

static void two_buffers(bed *b)
{
    b->buffer[0] = bed_buffer(b, BED_BYTES);
    b->buffer[1] = bed_buffer(b, BED_BYTES);
    /* A call that failed half-way must not leave a result to find. */
    TN_REQUIRE(tn_queue_fill(b->q, b->buffer[1], 0, BED_BYTES, 0, 1, NULL) == TN_OK);
    TN_REQUIRE(tn_queue_write(b->q, b->buffer[0], 0, b->in, BED_BYTES, NULL) == TN_OK);
}

static void on_another_device(bed *b)
{
    TN_REQUIRE(tn_device_open(b->rt, "null", &b->other) == TN_OK);
    two_buffers(b);
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = BED_BYTES};
    TN_REQUIRE(tn_buffer_create(b->other, &desc, &b->buffer[2]) == TN_OK);
}

/* The wait first: what the queue failed with is what the call failed with. */
static tn_status finish_queue(bed *b, tn_status st)
{
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    tn_status idle = tn_queue_wait_idle(b->q, forever);
    return st != TN_OK ? tn__fail_again(&kept.error) : idle;
}

static tn_status queue_create(bed *b)
{
    tn_queue *q = NULL;
    tn_status st = tn_queue_create(b->d, NULL, &q);
    tn_queue_release(tn_queue_retain(q));
    if (st != TN_OK && q != NULL)
        return TN_STATUS_INTERNAL;
    tn_queue_release(q);
    return st;
}

static tn_status transfers(bed *b)
{
    tn_status st = tn_queue_write(b->q, b->buffer[0], 0, b->in, BED_BYTES, NULL);
    if (st == TN_OK)
        st = tn_queue_copy(b->q, b->buffer[1], 8, b->buffer[0], 100, 1000, NULL);
    if (st == TN_OK)
        st = tn_queue_fill(b->q, b->buffer[1], 2000, 96, 0x01020304, 4, NULL);
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[1], 0, 4096, NULL);
    b->got_bytes = 4096;
    return finish_queue(b, st);
}

static void count_call(void *self)
{
    ++*(uint32_t *)self;
}

enum { MANY = 40 };

/* Held back by a gate, then all at once: lists, the ring of the device, the gate's own. */
static tn_status many_in_flight(bed *b)
{
    tn_fence *gate = NULL, *done = NULL;
    uint32_t calls = 0, taken = 0;
    tn_status st = tn_fence_create(b->rt, 0, &gate);
    if (st == TN_OK)
        st = tn_fence_create(b->rt, 0, &done);
    tn_point wait = {gate, 1}, signal = {done, 1};
    tn_sync held = {.wait = &wait, .wait_count = 1}, last = {.signal = &signal, .signal_count = 1};
    for (int i = 0; i < MANY && st == TN_OK; ++i) {
        st = tn_queue_call(b->q, count_call, &calls, i == 0 ? &held : i + 1 == MANY ? &last : NULL);
        taken += st == TN_OK;
    }
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[0], 0, 4096, NULL);
    b->got_bytes = 4096;
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    if (gate != NULL && tn_fence_signal(gate, 1) != TN_OK)
        return TN_STATUS_INTERNAL;
    tn_times times;
    if (st == TN_OK)
        st = tn_fence_wait(&signal, 1, 0, forever);
    if (st == TN_OK)
        st = tn_fence_times(done, 1, &times);
    if (st == TN_OK)
        tn__error_save(&kept, NULL);
    tn_status idle = tn_queue_wait_idle(b->q, forever);
    /* What was taken ran, unless the queue itself has failed. */
    if (idle == TN_OK && calls != taken)
        st = TN_STATUS_INTERNAL;
    tn_fence_release(gate);
    tn_fence_release(done);
    return st == TN_STATUS_NO_MEMORY ? tn__fail_again(&kept.error) : st != TN_OK ? st : idle;
}

enum { WIDE = 6 };

/* More waits and signals than an item has room for. */
static tn_status wide_sync(bed *b)
{
    tn_fence *f[2 * WIDE] = {NULL};
    tn_point points[2 * WIDE];
    tn_status st = TN_OK;
    for (int i = 0; i < 2 * WIDE && st == TN_OK; ++i) {
        st = tn_fence_create(b->rt, 0, &f[i]);
        points[i] = (tn_point){f[i], 1};
    }
    tn_sync sync = {
        .wait = points, .wait_count = WIDE, .signal = points + WIDE, .signal_count = WIDE};
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[0], 0, 4096, &sync);
    bool taken = st == TN_OK;
    b->got_bytes = 4096;
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    for (int i = 0; i < WIDE; ++i)
        if (f[i] != NULL && tn_fence_signal(f[i], 1) != TN_OK)
            st = TN_STATUS_INTERNAL;
    if (taken)
        st = tn_fence_wait(points + WIDE, WIDE, 0, forever);
    else if (st == TN_STATUS_NO_MEMORY)
        (void)tn__fail_again(&kept.error);
    st = finish_queue(b, st);
    for (int i = 0; i < 2 * WIDE; ++i)
        tn_fence_release(f[i]);
    return st;
}

static tn_status across_devices(bed *b)
{
    tn_status st = tn_queue_copy(b->q, b->buffer[2], 0, b->buffer[0], 0, BED_BYTES, NULL);
    if (st == TN_OK)
        st = tn_queue_copy(b->q, b->buffer[1], 16, b->buffer[2], 32, 4096, NULL);
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[1], 16, 4096, NULL);
    b->got_bytes = 4096;
    return finish_queue(b, st);
}

/* ---- fences ---- */
static tn_status fence_create(bed *b)
{
    tn_fence *f = NULL;
    tn_status st = tn_fence_create(b->rt, 7, &f);
    tn_fence_release(tn_fence_retain(f));
    if (st != TN_OK && f != NULL)
        return TN_STATUS_INTERNAL;
    tn_fence_release(f);
    return st;
}

enum { POINTS = 12 };

/* More points than a wait keeps on its stack, none of them reached. */
static tn_status fence_wait(bed *b)
{
    tn_fence *f = NULL;
    tn_point points[POINTS];
    tn_status st = tn_fence_create(b->rt, 0, &f);
    if (st != TN_OK)
        return st;
    for (int i = 0; i < POINTS; ++i)
        points[i] = (tn_point){f, (uint64_t)i + 1};
    st = tn_fence_wait(points, POINTS, 0, 1000);
    tn_fence_release(f);
    return st == TN_STATUS_TIMEOUT ? TN_OK : st;
}

static void notified(void *self, tn_status status, const tn_error *error)
{
    bed *b = self;
    b->notified += status == TN_OK && error == NULL ? 1u : 100u;
}

/* Exactly once when it was accepted, never when it was not. */
static tn_status fence_notify(bed *b)
{
    tn_fence *f = NULL;
    tn_status st = tn_fence_create(b->rt, 0, &f);
    if (st != TN_OK)
        return st;
    b->notified = 0;
    st = tn_fence_notify(f, 3, notified, b);
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    uint32_t early = b->notified;
    bool signalled = tn_fence_signal(f, 3) == TN_OK;
    tn_fence_release(f);
    if (!signalled || early != 0 || b->notified != (st == TN_OK ? 1u : 0u))
        return TN_STATUS_INTERNAL;
    return st == TN_OK ? TN_OK : tn__fail_again(&kept.error);
}

/* ---- commands ---- */
static tn_status commands(bed *b)
{
    tn_queue *r = NULL;
    tn_commands *c = NULL;
    tn_fence *f = NULL;
    uint32_t calls = 0;
    tn_status st = tn_commands_begin(b->q, &r);
    if (st == TN_OK)
        st = tn_fence_create(b->rt, 0, &f);
    if (st == TN_OK)
        st = tn_queue_fill(r, b->buffer[1], 0, 64, 0x5a, 1, NULL);
    if (st == TN_OK)
        st = tn_queue_copy(r, b->buffer[1], 64, b->buffer[0], 64, 512, NULL);
    if (st == TN_OK)
        st = tn_queue_call(r, count_call, &calls, NULL);
    if (st == TN_OK)
        st = tn_commands_end(r, &c);
    if (st == TN_STATUS_NO_MEMORY && r != NULL && f != NULL) {
        /* The recorder still records: what it has can be ended once there is memory. */
        tn__error_copy kept;
        tn__error_save(&kept, NULL);
        failing_disarm(&b->mem);
        tn_status again = tn_commands_end(r, &c);
        tn_queue_release(r);
        tn_fence_release(f);
        tn_commands_release(c);
        return again == TN_OK ? tn__fail_again(&kept.error) : TN_STATUS_INTERNAL;
    }
    tn_point done = {f, 1};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    if (st == TN_OK)
        st = tn_queue_submit(b->q, tn_commands_retain(c), &sync);
    bool taken = st == TN_OK;
    if (c != NULL)
        tn_commands_release(c);
    if (taken)
        st = tn_fence_wait(&done, 1, 0, forever);
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[1], 0, 576, NULL);
    b->got_bytes = 576;
    st = finish_queue(b, st);
    if (calls != (taken && st == TN_OK ? 1u : calls))
        st = TN_STATUS_INTERNAL;
    tn_queue_release(r);
    tn_fence_release(f);
    tn_commands_release(c);
    return st;
}

static const scenario scenarios[] = {
    {"queue_create", BED_DEVICE, BED_KEEPS, 2, NULL, queue_create},
    /* A device that was quick has recycled every item it needs: many_in_flight has the least. */
    {"transfers", BED_QUEUE, BED_KEEPS, 0, two_buffers, transfers},
    {"transfers_inline", BED_QUEUE, BED_KEEPS | BED_INLINE, 0, two_buffers, transfers},
    {"many_in_flight", BED_QUEUE, BED_KEEPS, MANY, two_buffers, many_in_flight},
    {"wide_sync", BED_QUEUE, BED_KEEPS, 2 * WIDE + 2, two_buffers, wide_sync},
    {"fence_create", BED_RUNTIME, 0, 1, NULL, fence_create},
    {"fence_wait", BED_RUNTIME, 0, 2, NULL, fence_wait},
    {"fence_notify", BED_RUNTIME, 0, 2, NULL, fence_notify},
    {"commands", BED_QUEUE, BED_KEEPS, 7, two_buffers, commands},
};
/* COPY, FILL and CALL done by the host take staging after the submit. */
static const scenario emulated[] = {
    {"across_devices", BED_QUEUE, BED_KEEPS | BED_POISONS, 8, on_another_device, across_devices},
};
static const scenario transfers_emulated = {
    "transfers_emulated", BED_QUEUE, BED_KEEPS | BED_POISONS, 1, two_buffers, transfers};

static void sweep(const char *uri)
{
    size_t count = sizeof scenarios / sizeof scenarios[0];
    bool hosted = strcmp(uri, "null") == 0 || strcmp(uri, "fake:3") == 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
        scenario s = scenarios[i];
        if (hosted)
            s.flags |= BED_POISONS;
        sum += bed_sweep_all(&s, 1, uri);
    }
    if (hosted)
        sum += bed_sweep_all(&transfers_emulated, 1, uri);
    sum += bed_sweep_all(emulated, 1, uri);
    fprintf(stderr, "%llu allocation points of queues on %s\n", (unsigned long long)sum, uri);
}

TN_TEST(alloc_queue, cpu)
{
    sweep("cpu");
}

TN_TEST(alloc_queue, private)
{
    sweep("cpu?private=1");
}

TN_TEST(alloc_queue, null)
{
    sweep("null");
}

TN_TEST(alloc_queue, polled_and_minimal)
{
    sweep("fake:3");
}

TN_TEST(alloc_queue, records)
{
    sweep("fake:8");
}

/* ---- calls that take no memory ---- */
static tn_fence *fence;
static uint64_t value;

/* A queue that has seen such work before takes nothing for more of it. */
static tn_status warm(bed *b)
{
    tn_point done = {fence, ++value};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    tn_error error;
    tn_times times;
    uint64_t now = 0;
    tn_status st = tn_queue_write(b->q, b->buffer[0], 0, b->in, 4096, NULL);
    if (st == TN_OK)
        st = tn_queue_copy(b->q, b->buffer[1], 0, b->buffer[0], 0, 4096, NULL);
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, b->buffer[1], 0, 4096, &sync);
    if (st == TN_OK)
        st = tn_fence_wait(&done, 1, 0, forever);
    if (st == TN_OK)
        st = tn_fence_query(fence, &now);
    if (st == TN_OK)
        st = tn_fence_times(fence, now, &times);
    if (st == TN_OK)
        st = tn_fence_get_error(fence, &error);
    if (st == TN_OK)
        st = tn_queue_wait_idle(b->q, forever);
    tn_external out = {.head = TN_INIT(tn_external)};
    if (st == TN_OK && tn_fence_export(fence, now, TN_EXTERNAL_SYNC_FD, &out) == TN_OK)
        st = TN_STATUS_INTERNAL;
    return st == TN_OK ? tn_fence_signal(fence, ++value) : st;
}

static tn_status fail_fence(bed *b)
{
    (void)b;
    tn_error error = {.status = TN_STATUS_CORRUPT, .reason = "test.fails", .text = "as planned"};
    return tn_fence_fail(fence, &error);
}

TN_TEST(alloc_queue, warm_queues_take_none)
{
    static const char *const uris[] = {"cpu", "cpu?private=1", "null"};
    static const scenario s = {"warm", BED_QUEUE, 0, 0, two_buffers, warm};
    static bed b;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; ++i) {
        bed_make(&b, &s, uris[i]);
        value = 0;
        TN_REQUIRE(tn_fence_create(b.rt, 0, &fence) == TN_OK);
        bed_warm(&b);
        TN_EXPECT(warm(&b) == TN_OK);
        for (int round = 0; round < 5; ++round)
            bed_without(&b, s.name, warm);
        bed_without(&b, "fail_fence", fail_fence);
        tn_fence_release(fence);
        bed_drop(&b, s.name);
    }
}
