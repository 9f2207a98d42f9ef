/* SPDX-License-Identifier: Apache-2.0 */
/* Order, waits, failures and life of queues, on the fakes and on real devices. */
#include "support/test.h"

#include "support/fake_device.h"

static const uint64_t forever = 60ull * 1000000000ull;

typedef struct log {
    atomic_int count;
    int order[4096];
} log_t;
typedef struct call {
    log_t *log;
    int id;
} call_t;

static void note(void *self)
{
    call_t *c = self;
    c->log->order[atomic_fetch_add(&c->log->count, 1)] = c->id;
}

typedef struct bed {
    tn_runtime *rt;
    tn_device *d;
    tn_queue *q;
    tn_fence *f;
} bed;

static bed make_bed(const char *uri, uint32_t runtime_flags, uint32_t queue_flags)
{
    bed b = {0};
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .flags = runtime_flags};
    tn_queue_desc queue = {.head = TN_INIT(tn_queue_desc), .flags = queue_flags};
    TN_REQUIRE(tn_runtime_create(&desc, &b.rt) == TN_OK);
    b.d = test_open(b.rt, uri);
    TN_REQUIRE(b.d != NULL, "%s", uri);
    TN_REQUIRE(tn_queue_create(b.d, &queue, &b.q) == TN_OK);
    TN_REQUIRE(tn_fence_create(b.rt, 0, &b.f) == TN_OK);
    return b;
}

static void drop_bed(bed *b)
{
    tn_fence_release(b->f);
    tn_queue_release(b->q);
    tn_device_release(b->d);
    tn_runtime_release(b->rt);
}

static tn_status wait_for(tn_fence *f, uint64_t value)
{
    tn_point p = {f, value};
    return tn_fence_wait(&p, 1, 0, forever);
}

TN_TEST(queue, order_and_bytes)
{
    uint64_t seed = tn_test_seed();
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri)
        for (uint32_t flags = 0; flags <= TN_QUEUE_INLINE; ++flags) {
            bed b = make_bed(*uri, 0, flags);
            enum { BYTES = 4096 };
            uint8_t in[BYTES], out[BYTES], expected[BYTES];
            for (int i = 0; i < BYTES; ++i)
                in[i] = (uint8_t)tn_test_random(&seed);
            memcpy(expected, in, BYTES);
            for (int i = 0; i < 100; ++i) {
                expected[64 + i] = in[1001 + i];
                expected[2000 + i] = (i & 1) != 0 ? 0xcd : 0xab;
            }
            tn_buffer *x = test_buffer(b.d, BYTES), *y = test_buffer(b.d, BYTES + 16), *view;
            TN_REQUIRE(tn_buffer_view(y, 16, BYTES, &view) == TN_OK);
            tn_point done = {b.f, 1};
            tn_sync sync = {.signal = &done, .signal_count = 1};
            TN_EXPECT(tn_queue_write(b.q, x, 0, in, BYTES, NULL) == TN_OK);
            TN_EXPECT(tn_queue_copy(b.q, view, 0, x, 0, BYTES, NULL) == TN_OK);
            TN_EXPECT(tn_queue_copy(b.q, view, 64, x, 1001, 100, NULL) == TN_OK);
            TN_EXPECT(tn_queue_fill(b.q, view, 2000, 100, 0xcdab, 2, NULL) == TN_OK);
            TN_EXPECT(tn_queue_write(b.q, view, 7, in, 0, NULL) == TN_OK);
            TN_EXPECT(tn_queue_read(b.q, out, view, 0, BYTES, &sync) == TN_OK);
            TN_EXPECT(wait_for(b.f, 1) == TN_OK);
            TN_EXPECT(memcmp(out, expected, BYTES) == 0, "%s flags %u", *uri, flags);
            tn_times t = {0};
            TN_EXPECT(tn_fence_times(b.f, 1, &t) == TN_OK && t.end_ns != 0);
            TN_EXPECT(tn_queue_copy(b.q, view, 8, view, 0, 16, NULL) == TN_STATUS_INVALID);
            TN_EXPECT(tn_queue_copy(b.q, view, BYTES, x, 0, 1, NULL) == TN_STATUS_INVALID);
            TN_EXPECT(tn_queue_fill(b.q, view, 1, 4, 0, 4, NULL) == TN_STATUS_INVALID);
            TN_EXPECT(tn_queue_wait_idle(b.q, forever) == TN_OK);
            tn_buffer_release(x);
            tn_buffer_release(y);
            tn_buffer_release(view);
            drop_bed(&b);
        }
}

TN_TEST(queue, wait_before_signal)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri) {
        bed b = make_bed(*uri, 0, TN_QUEUE_INLINE);
        log_t log = {0};
        enum { COUNT = 64 };
        call_t calls[COUNT];
        tn_fence *gate = NULL;
        TN_REQUIRE(tn_fence_create(b.rt, 0, &gate) == TN_OK);
        for (int i = 0; i < COUNT; ++i) {
            calls[i] = (call_t){&log, i};
            tn_point wait[3] = {{gate, (uint64_t)i / 8 + 1}, {gate, 1}, {gate, (uint64_t)i / 16}};
            tn_point done = {b.f, (uint64_t)i + 1};
            tn_sync sync = {
                .wait = wait, .signal = &done, .wait_count = i % 4 == 0 ? 3 : 0, .signal_count = 1};
            TN_EXPECT(tn_queue_call(b.q, note, &calls[i], &sync) == TN_OK);
        }
        TN_EXPECT(atomic_load(&log.count) == 0, "%s", *uri);
        TN_EXPECT(tn_queue_wait_idle(b.q, 1000000) == TN_STATUS_TIMEOUT);
        for (uint64_t v = 1; v <= COUNT / 8; ++v) {
            TN_EXPECT(tn_fence_signal(gate, v) == TN_OK);
            TN_EXPECT(wait_for(b.f, v * 8) == TN_OK, "%s", *uri);
        }
        TN_EXPECT(tn_queue_wait_idle(b.q, forever) == TN_OK);
        for (int i = 0; i < COUNT; ++i)
            TN_EXPECT(log.order[i] == i, "%s", *uri);
        tn_fence_release(gate);
        drop_bed(&b);
    }
}

TN_TEST(queue, failure_poisons)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri) {
        bed b = make_bed(*uri, 0, 0);
        log_t log = {0};
        call_t before = {&log, 1}, after = {&log, 2};
        tn_fence *gate = NULL;
        TN_REQUIRE(tn_fence_create(b.rt, 0, &gate) == TN_OK);
        tn_point wait = {gate, 1}, p[3] = {{b.f, 1}, {b.f, 2}, {b.f, 3}};
        tn_sync first = {.signal = &p[0], .signal_count = 1};
        tn_sync second = {.wait = &wait, .wait_count = 1, .signal = &p[1], .signal_count = 1};
        tn_sync third = {.signal = &p[2], .signal_count = 1};
        TN_EXPECT(tn_queue_call(b.q, note, &before, &first) == TN_OK);
        TN_EXPECT(tn_queue_call(b.q, note, &after, &second) == TN_OK);
        TN_EXPECT(tn_queue_call(b.q, note, &after, &third) == TN_OK);
        TN_EXPECT(wait_for(b.f, 1) == TN_OK);
        tn_error e = {.status = TN_STATUS_CORRUPT, .reason = "test.gate", .text = "the gate"};
        TN_EXPECT(tn_fence_fail(gate, &e) == TN_OK);
        TN_EXPECT(wait_for(b.f, 3) == TN_STATUS_CORRUPT, "%s", *uri);
        tn_error_last(&e);
        TN_EXPECT(strcmp(e.reason, "test.gate") == 0);
        TN_EXPECT(tn_queue_wait_idle(b.q, forever) == TN_STATUS_CORRUPT);
        /* Later items are accepted and complete with the same error, without running. */
        tn_fence *late = NULL;
        TN_REQUIRE(tn_fence_create(b.rt, 0, &late) == TN_OK);
        tn_point q = {late, 1};
        tn_sync more = {.signal = &q, .signal_count = 1};
        TN_EXPECT(tn_queue_call(b.q, note, &after, &more) == TN_OK);
        TN_EXPECT(wait_for(late, 1) == TN_STATUS_CORRUPT);
        TN_EXPECT(atomic_load(&log.count) == 1 && log.order[0] == 1, "%s", *uri);
        uint64_t value = 0;
        TN_EXPECT(tn_fence_query(b.f, &value) == TN_STATUS_CORRUPT && value == 1);
        tn_fence_release(late);
        tn_fence_release(gate);
        drop_bed(&b);
    }
}

TN_TEST(queue, backend_failure)
{
    bed b = make_bed("fake:0", 0, 0);
    tn_buffer *x = test_buffer(b.d, 64);
    tn_point p = {b.f, 1};
    tn_sync sync = {.signal = &p, .signal_count = 1};
    TN_EXPECT(tn_queue_fill(b.q, x, 0, 64, FAKE_FAIL_PATTERN, 4, NULL) == TN_OK);
    TN_EXPECT(tn_queue_fill(b.q, x, 0, 64, 1, 4, &sync) == TN_OK);
    TN_EXPECT(wait_for(b.f, 1) == TN_STATUS_NO_MEMORY);
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "fake.fill") == 0 && strcmp(e.device, "fake:0") == 0);
    tn_buffer_release(x);
    drop_bed(&b);
}

TN_TEST(queue, release_with_pending_work)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri)
        for (int round = 0; round < 20; ++round) {
            bed b = make_bed(*uri, 0, round & 1);
            log_t log = {0};
            call_t call = {&log, 1};
            uint8_t out[64] = {0};
            tn_fence *gate = NULL, *done = tn_fence_retain(b.f);
            TN_REQUIRE(tn_fence_create(b.rt, 0, &gate) == TN_OK);
            tn_buffer *x = test_buffer(b.d, 64);
            tn_point wait = {gate, 1}, p = {b.f, 1};
            tn_sync held = {.wait = &wait, .wait_count = (uint32_t)round / 2 % 2};
            tn_sync last = {.signal = &p, .signal_count = 1};
            TN_EXPECT(tn_queue_fill(b.q, x, 0, 64, 0x5a, 1, &held) == TN_OK);
            TN_EXPECT(tn_queue_call(b.q, note, &call, NULL) == TN_OK);
            TN_EXPECT(tn_queue_read(b.q, out, x, 0, 64, &last) == TN_OK);
            tn_buffer_release(x);
            drop_bed(&b);
            TN_EXPECT(tn_fence_signal(gate, 1) == TN_OK);
            TN_EXPECT(wait_for(done, 1) == TN_OK, "%s", *uri);
            TN_EXPECT(atomic_load(&log.count) == 1 && out[0] == 0x5a && out[63] == 0x5a);
            tn_fence_release(gate);
            tn_fence_release(done);
        }
}

TN_TEST(queue, copies_across_devices)
{
    uint64_t seed = tn_test_seed();
    const char *const *list = test_all_devices();
    for (size_t i = 0; list[i] != NULL; ++i) {
        bed b = make_bed(list[i], 0, 0);
        for (size_t k = 0; list[k] != NULL; ++k) {
            tn_device *other = test_open(b.rt, list[k]);
            TN_REQUIRE(other != NULL);
            enum { BYTES = 100003 };
            uint8_t *in = malloc(BYTES), *out = calloc(1, BYTES);
            for (int n = 0; n < BYTES; ++n)
                in[n] = (uint8_t)tn_test_random(&seed);
            tn_buffer *x = test_buffer(b.d, BYTES + 5), *y = test_buffer(other, BYTES + 9);
            tn_point p = {b.f, k + 1};
            tn_sync sync = {.signal = &p, .signal_count = 1};
            TN_EXPECT(tn_queue_write(b.q, x, 5, in, BYTES, NULL) == TN_OK);
            TN_EXPECT(tn_queue_copy(b.q, y, 9, x, 5, BYTES, NULL) == TN_OK);
            TN_EXPECT(tn_queue_fill(b.q, x, 0, BYTES + 5, 0, 1, NULL) == TN_OK);
            TN_EXPECT(tn_queue_copy(b.q, x, 0, y, 9, BYTES, NULL) == TN_OK);
            TN_EXPECT(tn_queue_read(b.q, out, x, 0, BYTES, &sync) == TN_OK);
            TN_EXPECT(wait_for(b.f, k + 1) == TN_OK);
            TN_EXPECT(memcmp(in, out, BYTES) == 0, "%s %s", list[i], list[k]);
            free(in);
            free(out);
            tn_buffer_release(x);
            tn_buffer_release(y);
            tn_device_release(other);
        }
        drop_bed(&b);
    }
}

TN_TEST(queue, recorder)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri) {
        bed b = make_bed(*uri, 0, TN_QUEUE_INLINE);
        log_t log = {0};
        call_t calls[2] = {{&log, 1}, {&log, 2}};
        tn_buffer *x = test_buffer(b.d, 64), *y = test_buffer(b.d, 64);
        uint8_t out[64] = {0};
        tn_queue *r = NULL, *nested = NULL;
        tn_commands *c = NULL, *again = NULL, *none = NULL;
        TN_REQUIRE(tn_commands_begin(b.q, &r) == TN_OK);
        tn_point p = {b.f, 1};
        tn_sync sync = {.signal = &p, .signal_count = 1};
        TN_EXPECT(tn_commands_begin(r, &nested) == TN_STATUS_INVALID);
        TN_EXPECT(tn_queue_call(r, note, &calls[0], &sync) == TN_STATUS_INVALID);
        TN_EXPECT(tn_queue_call(r, note, &calls[0], NULL) == TN_OK);
        TN_EXPECT(tn_queue_fill(r, x, 0, 64, 7, 1, NULL) == TN_OK);
        TN_EXPECT(tn_queue_copy(r, y, 0, x, 0, 64, NULL) == TN_OK);
        TN_EXPECT(tn_queue_call(r, note, &calls[1], NULL) == TN_OK);
        TN_REQUIRE(tn_commands_end(r, &c) == TN_OK);
        TN_EXPECT(tn_commands_end(r, &again) == TN_STATUS_INVALID);
        TN_EXPECT(tn_queue_call(r, note, &calls[0], NULL) == TN_STATUS_INVALID);
        tn_queue_release(r);
        TN_EXPECT(atomic_load(&log.count) == 0);
        for (uint64_t round = 1; round <= 3; ++round) {
            p.value = round;
            TN_EXPECT(tn_queue_fill(b.q, y, 0, 64, 0, 1, NULL) == TN_OK);
            TN_EXPECT(tn_queue_submit(b.q, c, &sync) == TN_OK);
            TN_EXPECT(wait_for(b.f, round) == TN_OK);
            TN_EXPECT(atomic_load(&log.count) == (int)round * 2);
            TN_EXPECT(tn_queue_read(b.q, out, y, 0, 64, NULL) == TN_OK);
            TN_EXPECT(tn_queue_wait_idle(b.q, forever) == TN_OK);
            TN_EXPECT(out[0] == 7 && out[63] == 7, "%s", *uri);
        }
        for (int i = 0; i < 6; ++i)
            TN_EXPECT(log.order[i] == ((i & 1) == 0 ? 1 : 2), "%s", *uri);
        /* Released while in use; and a group of nothing still signals. */
        p.value = 4;
        TN_EXPECT(tn_queue_submit(b.q, c, &sync) == TN_OK);
        tn_commands_release(c);
        TN_REQUIRE(tn_commands_begin(b.q, &r) == TN_OK);
        TN_REQUIRE(tn_commands_end(r, &none) == TN_OK);
        tn_queue_release(r);
        p.value = 5;
        TN_EXPECT(tn_queue_submit(b.q, none, &sync) == TN_OK);
        TN_EXPECT(wait_for(b.f, 5) == TN_OK, "%s", *uri);
        tn_commands_release(none);
        tn_buffer_release(x);
        tn_buffer_release(y);
        drop_bed(&b);
    }
}

TN_TEST(queue, no_threads)
{
    for (int mode = 1; mode <= 3; mode += 2) {
        char uri[32];
        snprintf(uri, sizeof uri, "fake:%d", mode);
        bed b = make_bed(uri, TN_RUNTIME_NO_THREADS, 0);
        log_t log = {0};
        call_t call = {&log, 1};
        tn_fence *gate = NULL;
        TN_REQUIRE(tn_fence_create(b.rt, 0, &gate) == TN_OK);
        tn_point wait = {gate, 1}, p = {b.f, 1};
        tn_sync held = {.wait = &wait, .wait_count = 1}, sync = {.signal = &p, .signal_count = 1};
        TN_EXPECT(tn_queue_call(b.q, note, &call, &held) == TN_STATUS_UNSUPPORTED);
        TN_EXPECT(tn_queue_call(b.q, note, &call, &sync) == TN_OK);
        TN_EXPECT(wait_for(b.f, 1) == TN_OK);
        TN_EXPECT(tn_queue_call(b.q, note, &call, NULL) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(b.q, forever) == TN_OK);
        TN_EXPECT(atomic_load(&log.count) == 2);
        tn_fence_release(gate);
        drop_bed(&b);
    }
}

TN_TEST(queue, two_queues_race)
{
    for (const char *const *uri = test_all_devices(); *uri != NULL; ++uri) {
        bed b = make_bed(*uri, 0, 0);
        tn_queue *other = NULL;
        tn_fence *back = NULL;
        TN_REQUIRE(tn_queue_create(b.d, NULL, &other) == TN_OK);
        TN_REQUIRE(tn_fence_create(b.rt, 0, &back) == TN_OK);
        tn_buffer *x = test_buffer(b.d, sizeof(uint32_t));
        enum { LAPS = 200 };
        static uint32_t seen[LAPS];
        for (uint32_t i = 0; i < LAPS; ++i) {
            tn_point ready = {b.f, i + 1}, taken = {back, i + 1}, before = {back, i};
            tn_sync put = {.wait = &before, .wait_count = 1, .signal = &ready, .signal_count = 1};
            tn_sync take = {.wait = &ready, .wait_count = 1, .signal = &taken, .signal_count = 1};
            TN_EXPECT(tn_queue_read(other, &seen[i], x, 0, sizeof seen[i], &take) == TN_OK);
            TN_EXPECT(tn_queue_fill(b.q, x, 0, sizeof seen[i], i * 7u, 4, &put) == TN_OK);
        }
        TN_EXPECT(wait_for(back, LAPS) == TN_OK);
        for (uint32_t i = 0; i < LAPS; ++i)
            TN_EXPECT(seen[i] == i * 7u, "%s lap %u", *uri, i);
        tn_buffer_release(x);
        tn_fence_release(back);
        tn_queue_release(other);
        drop_bed(&b);
    }
}
