/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of queues, transfers, fences and recorded commands. */
#include "support/errors.h"

TN_TEST(errors_queue, create_and_wait)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_queue *q = NULL;
        tn_queue_desc d = {.head = TN_INIT(tn_queue_desc)};
        TN_INVALID(tn_queue_create(NULL, &d, &q), "device.null", "device", "NULL");
        TN_INVALID(tn_queue_create(bed.d, &d, NULL), "argument.null", "out_queue", "NULL");
        d.kind = 2;
        TN_INVALID(tn_queue_create(bed.d, &d, &q), "queue.kind", "desc.kind", "2");
        d.kind = 0;
        d.flags = 6;
        TN_INVALID(tn_queue_create(bed.d, &d, &q), "queue.flags", "desc.flags", "0x6");
        d.head.type = TN_TYPE_tn_link;
        TN_INVALID(tn_queue_create(bed.d, &d, &q), "struct.type", "desc", "7");
        TN_EXPECT(q == NULL);
        TN_INVALID(tn_queue_wait_idle(NULL, 0), "argument.null", "queue", "NULL");
        errors_drop(&bed);
    }
}

static void wait_for_point(void *self)
{
    if (tn_fence_wait(self, 1, 0, UINT64_MAX) != TN_OK)
        abort();
}

/* A queue that is busy until a fence is signalled. */
TN_TEST(errors_queue, timeouts)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_point gate = {bed.f, 1};
        TN_REQUIRE(tn_queue_call(bed.q, wait_for_point, &gate, NULL) == TN_OK);
        TN_ERROR(tn_queue_wait_idle(bed.q, 1000), TN_STATUS_TIMEOUT, "queue.timeout", "timeout_ns",
                 "1000");
        TN_ERROR(tn_queue_wait_idle(bed.q, 0), TN_STATUS_TIMEOUT, "queue.timeout", "timeout_ns",
                 "timeout_ns 0");
        TN_ERROR(tn_fence_wait(&gate, 1, 0, 0), TN_STATUS_TIMEOUT, "fence.timeout", "timeout_ns",
                 "timeout_ns 0");
        TN_ERROR(tn_fence_wait(&gate, 1, 1, 1000), TN_STATUS_TIMEOUT, "fence.timeout", "timeout_ns",
                 "1000");
        TN_REQUIRE(tn_fence_signal(bed.f, 1) == TN_OK);
        TN_ACCEPTS(tn_queue_wait_idle(bed.q, UINT64_MAX) == TN_OK);
        errors_drop(&bed);
    }
}

static void nothing(void *self)
{
    (void)self;
}

TN_TEST(errors_queue, transfers)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        char host[64] = {0};
        tn_buffer *v = NULL;
        TN_REQUIRE(tn_buffer_view(bed.b, 64, 64, &v) == TN_OK);
        TN_INVALID(tn_queue_write(NULL, bed.b, 0, host, 4, NULL), "argument.null", "queue", "NULL");
        TN_INVALID(tn_queue_write(bed.q, NULL, 0, host, 4, NULL), "buffer.null", "to", *uri);
        TN_INVALID(tn_queue_write(bed.q, bed.b, 0, NULL, 4, NULL), "argument.null", "from", "4");
        TN_INVALID(tn_queue_write(bed.q, bed.b, 4090, host, 7, NULL), "buffer.range", "to", "4090");
        TN_INVALID(tn_queue_write(bed.q, bed.b, UINT64_MAX, host, 7, NULL), "buffer.range", "to",
                   "18446744073709551615");
        TN_INVALID(tn_queue_write(bed.q, v, 60, host, 5, NULL), "buffer.range", "to", "64");
        TN_INVALID(tn_queue_write(bed.q, bed.again_b, 0, host, 4, NULL), "buffer.device", "to",
                   "opened another time");
        TN_INVALID(tn_queue_write(bed.q, bed.other_b, 0, host, 4, NULL), "buffer.device", "to",
                   "another runtime");
        TN_INVALID(tn_queue_read(NULL, host, bed.b, 0, 4, NULL), "argument.null", "queue", "NULL");
        TN_INVALID(tn_queue_read(bed.q, NULL, bed.b, 0, 4, NULL), "argument.null", "to", "4");
        TN_INVALID(tn_queue_read(bed.q, host, NULL, 0, 4, NULL), "buffer.null", "from", *uri);
        TN_INVALID(tn_queue_read(bed.q, host, bed.b, 4096, 1, NULL), "buffer.range", "from",
                   "4096");
        TN_INVALID(tn_queue_read(bed.q, host, bed.other_b, 0, 4, NULL), "buffer.device", "from",
                   "another runtime");
        TN_ACCEPTS(tn_queue_read(bed.q, NULL, bed.b, 4096, 0, NULL) == TN_OK);
        TN_ACCEPTS(tn_queue_write(bed.q, bed.b, 4096, NULL, 0, NULL) == TN_OK);
        TN_INVALID(tn_queue_copy(NULL, bed.b, 0, bed.b, 64, 4, NULL), "argument.null", "queue",
                   "NULL");
        TN_INVALID(tn_queue_copy(bed.q, NULL, 0, bed.b, 0, 4, NULL), "buffer.null", "to", *uri);
        TN_INVALID(tn_queue_copy(bed.q, bed.b, 0, NULL, 0, 4, NULL), "buffer.null", "from", *uri);
        TN_INVALID(tn_queue_copy(bed.q, bed.b, 4095, bed.b, 0, 4, NULL), "buffer.range", "to",
                   "4095");
        TN_INVALID(tn_queue_copy(bed.q, bed.b, 0, bed.b, 4095, 4, NULL), "buffer.range", "from",
                   "4095");
        TN_INVALID(tn_queue_copy(bed.q, bed.b, 0, bed.b, 3, 4, NULL), "copy.overlap", "to",
                   "4 bytes at 0");
        TN_INVALID(tn_queue_copy(bed.q, v, 0, bed.b, 66, 4, NULL), "copy.overlap", "to", "66");
        TN_INVALID(tn_queue_copy(bed.q, bed.other_b, 0, bed.b, 0, 4, NULL), "buffer.device", "to",
                   "another runtime");
        TN_INVALID(tn_queue_copy(bed.q, bed.b, 0, bed.other_b, 0, 4, NULL), "buffer.device", "from",
                   "another runtime");
        TN_INVALID(tn_queue_fill(NULL, bed.b, 0, 4, 0, 4, NULL), "argument.null", "queue", "NULL");
        TN_INVALID(tn_queue_fill(bed.q, NULL, 0, 4, 0, 4, NULL), "buffer.null", "buffer", *uri);
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 0, 4100, 0, 4, NULL), "buffer.range", "buffer",
                   "4100");
        TN_INVALID(tn_queue_fill(bed.q, bed.again_b, 0, 4, 0, 4, NULL), "buffer.device", "buffer",
                   "opened another time");
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 0, 3, 0, 3, NULL), "fill.pattern", "pattern_bytes",
                   "3");
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 0, 3, 0, 0, NULL), "fill.pattern", "pattern_bytes",
                   "0");
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 2, 4, 0, 4, NULL), "fill.align", "offset", "2");
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 0, 7, 0, 2, NULL), "fill.align", "bytes", "7");
        TN_INVALID(tn_queue_call(NULL, nothing, NULL, NULL), "argument.null", "queue", "NULL");
        TN_INVALID(tn_queue_call(bed.q, NULL, NULL, NULL), "argument.null", "fn", "NULL");
        TN_EXPECT(tn_queue_wait_idle(bed.q, UINT64_MAX) == TN_OK);
        tn_buffer_release(v);
        errors_drop(&bed);
    }
}

TN_TEST(errors_queue, sync)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_point ours = {bed.f, 1}, none = {NULL, 1}, theirs = {bed.other_f, 1};
        tn_sync s = {.wait = NULL, .wait_count = 1};
        TN_INVALID(tn_queue_call(bed.q, nothing, NULL, &s), "sync.null", "sync.wait", "[0]");
        s = (tn_sync){.signal = NULL, .signal_count = 1};
        TN_INVALID(tn_queue_call(bed.q, nothing, NULL, &s), "sync.null", "sync.signal", "[0]");
        s = (tn_sync){.wait = &none, .wait_count = 1};
        TN_INVALID(tn_queue_call(bed.q, nothing, NULL, &s), "sync.null", "sync.wait", "[0]");
        s = (tn_sync){.wait = &theirs, .wait_count = 1};
        TN_INVALID(tn_queue_call(bed.q, nothing, NULL, &s), "sync.runtime", "sync.wait",
                   "another runtime");
        s = (tn_sync){.signal = &theirs, .signal_count = 1};
        TN_INVALID(tn_queue_fill(bed.q, bed.b, 0, 4, 0, 4, &s), "sync.runtime", "sync.signal",
                   "another runtime");
        /* the sum of the two counts is 0 in 32 bits */
        s = (tn_sync){.wait = &ours, .wait_count = UINT32_MAX, .signal = &ours, .signal_count = 1};
        TN_INVALID(tn_queue_call(bed.q, nothing, NULL, &s), "sync.count", "sync", "4294967295");
        s = (tn_sync){.signal = &ours, .signal_count = 65537};
        TN_INVALID(tn_queue_call(bed.q, nothing, NULL, &s), "sync.count", "sync", "65537");
        errors_drop(&bed);
    }
}

TN_TEST(errors_queue, no_threads)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .flags = TN_RUNTIME_NO_THREADS};
        tn_runtime *rt = NULL;
        tn_device *d = NULL;
        tn_queue *q = NULL;
        tn_fence *f = NULL;
        TN_REQUIRE(tn_runtime_create(&desc, &rt) == TN_OK && tn_device_open(rt, *uri, &d) == TN_OK);
        TN_REQUIRE(tn_queue_create(d, NULL, &q) == TN_OK && tn_fence_create(rt, 0, &f) == TN_OK);
        tn_point point = {f, 5};
        tn_sync s = {.wait = &point, .wait_count = 1};
        TN_ERROR(tn_queue_call(q, nothing, NULL, &s), TN_STATUS_UNSUPPORTED, "queue.no_threads",
                 "sync.wait", "[0]");
        TN_REQUIRE(tn_fence_signal(f, 5) == TN_OK);
        TN_ACCEPTS(tn_queue_call(q, nothing, NULL, &s) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        tn_fence_release(f);
        tn_queue_release(q);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

/* ---- fences ---- */
static void keep_error(void *self, tn_status status, const tn_error *error)
{
    (void)status;
    if (error != NULL)
        tn__error_save(self, error);
}

TN_TEST(errors_queue, fences)
{
    errors_bed bed = errors_make("cpu");
    tn_fence *f = NULL;
    tn_error e = {.status = TN_STATUS_CORRUPT}, out;
    tn_times times;
    tn_external ext = {.head = TN_INIT(tn_external), .kind = TN_EXTERNAL_SYNC_FD};
    tn_point none = {NULL, 1}, mixed[2] = {{bed.f, 0}, {bed.other_f, 0}};
    uint64_t value = 0;
    TN_INVALID(tn_fence_create(NULL, 0, &f), "runtime.null", "runtime", "NULL");
    TN_INVALID(tn_fence_create(bed.rt, 0, NULL), "argument.null", "out_fence", "NULL");
    TN_INVALID(tn_fence_query(NULL, &value), "argument.null", "fence", "NULL");
    TN_ACCEPTS(tn_fence_query(bed.f, NULL) == TN_OK);
    TN_INVALID(tn_fence_wait(NULL, 1, 0, 0), "argument.null", "points", "NULL");
    TN_INVALID(tn_fence_wait(&none, 1, 0, 0), "argument.null", "points", "[0]");
    TN_INVALID(tn_fence_wait(mixed, 2, 0, 0), "fence.runtime", "points", "[1]");
    TN_ACCEPTS(tn_fence_wait(NULL, 0, 0, 0) == TN_OK);
    TN_INVALID(tn_fence_signal(NULL, 1), "argument.null", "fence", "NULL");
    TN_REQUIRE(tn_fence_signal(bed.f, 7) == TN_OK);
    TN_INVALID(tn_fence_signal(bed.f, 6), "fence.value", "value", "is 6");
    TN_INVALID(tn_fence_fail(NULL, &e), "argument.null", "fence", "NULL");
    TN_INVALID(tn_fence_fail(bed.f, NULL), "argument.null", "error", "NULL");
    e.status = TN_OK;
    TN_INVALID(tn_fence_fail(bed.f, &e), "fence.error", "error.status", "is 0");
    e.status = (tn_status)11;
    TN_INVALID(tn_fence_fail(bed.f, &e), "fence.error", "error.status", "is 11");
    e.status = (tn_status)-3;
    TN_INVALID(tn_fence_fail(bed.f, &e), "fence.error", "error.status", "is -3");
    e.status = TN_STATUS_TIMEOUT;
    TN_INVALID(tn_fence_fail(bed.f, &e), "fence.error", "error.status", "is 5");
    TN_INVALID(tn_fence_notify(NULL, 1, keep_error, NULL), "argument.null", "fence", "NULL");
    TN_INVALID(tn_fence_notify(bed.f, 1, NULL, NULL), "argument.null", "fn", "NULL");
    TN_INVALID(tn_fence_get_error(NULL, &out), "argument.null", "fence", "NULL");
    TN_INVALID(tn_fence_get_error(bed.f, NULL), "argument.null", "out_error", "NULL");
    TN_INVALID(tn_fence_times(NULL, 1, &times), "argument.null", "fence", "NULL");
    TN_INVALID(tn_fence_times(bed.f, 1, NULL), "argument.null", "out_times", "NULL");
    TN_ERROR(tn_fence_times(bed.f, 7, &times), TN_STATUS_UNAVAILABLE, "fence.times", "value", "7");
    TN_INVALID(tn_fence_export(NULL, 1, TN_EXTERNAL_SYNC_FD, &ext), "argument.null", "fence",
               "NULL");
    TN_INVALID(tn_fence_export(bed.f, 1, TN_EXTERNAL_SYNC_FD, NULL), "struct.null", "out_external",
               "NULL");
    TN_ERROR(tn_fence_export(bed.f, 1, TN_EXTERNAL_SYNC_FD, &ext), TN_STATUS_UNSUPPORTED,
             "fence.export", "kind", "6");
    TN_INVALID(tn_fence_import(NULL, &ext, &f), "runtime.null", "runtime", "NULL");
    TN_INVALID(tn_fence_import(bed.rt, NULL, &f), "struct.null", "external", "NULL");
    TN_INVALID(tn_fence_import(bed.rt, &ext, NULL), "argument.null", "out_fence", "NULL");
    TN_ERROR(tn_fence_import(bed.rt, &ext, &f), TN_STATUS_UNSUPPORTED, "fence.import",
             "external.kind", "6");
    TN_EXPECT(f == NULL);
    /* a failure without words gets some */
    e = (tn_error){.status = TN_STATUS_CORRUPT};
    tn_point next = {bed.f, 8};
    TN_REQUIRE(tn_fence_fail(bed.f, &e) == TN_OK);
    TN_ERROR(tn_fence_wait(&next, 1, 0, UINT64_MAX), TN_STATUS_CORRUPT, "fence.failed", NULL, NULL);
    TN_ERROR(tn_fence_query(bed.f, &value), TN_STATUS_CORRUPT, "fence.failed", NULL, NULL);
    TN_ERROR(tn_fence_signal(bed.f, 9), TN_STATUS_CORRUPT, "fence.failed", NULL, NULL);
    TN_REQUIRE(tn_fence_get_error(bed.f, &out) == TN_OK);
    TN_ERROR_IS("tn_fence_get_error", &out, TN_STATUS_CORRUPT, "fence.failed", NULL, NULL);
    /* released while somebody waits to be told */
    tn__error_copy told = {.error.status = TN_OK};
    TN_REQUIRE(tn_fence_create(bed.rt, 0, &f) == TN_OK);
    TN_REQUIRE(tn_fence_notify(f, 12, keep_error, &told) == TN_OK);
    tn_fence_release(f);
    TN_ERROR_IS("tn_fence_release", &told.error, TN_STATUS_CANCELLED, "fence.released", "fence",
                "12");
    errors_drop(&bed);
}

/* A queue that failed says so for every later item, and a failed wait is that failure. */
TN_TEST(errors_queue, failed_waits)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_fence *done = NULL;
        TN_REQUIRE(tn_fence_create(bed.rt, 0, &done) == TN_OK);
        tn_point gate = {bed.f, 1}, first = {done, 1}, second = {done, 2};
        tn_sync a = {.wait = &gate, .wait_count = 1, .signal = &first, .signal_count = 1};
        tn_sync b = {.signal = &second, .signal_count = 1};
        TN_REQUIRE(tn_queue_call(bed.q, nothing, NULL, &a) == TN_OK);
        TN_REQUIRE(tn_queue_call(bed.q, nothing, NULL, &b) == TN_OK);
        tn_error why = {.status = TN_STATUS_CANCELLED,
                        .reason = "host.gave_up",
                        .text = "the host gave up; submit again"};
        TN_REQUIRE(tn_fence_fail(bed.f, &why) == TN_OK);
        TN_ERROR(tn_fence_wait(&second, 1, 0, UINT64_MAX), TN_STATUS_CANCELLED, "host.gave_up",
                 NULL, NULL);
        TN_ERROR(tn_queue_wait_idle(bed.q, UINT64_MAX), TN_STATUS_CANCELLED, "host.gave_up", NULL,
                 NULL);
        tn_fence_release(done);
        errors_drop(&bed);
    }
}

/* ---- commands ---- */
TN_TEST(errors_queue, commands)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        tn_queue *r = NULL, *nested = NULL, *second = NULL;
        tn_commands *c = NULL, *c2 = NULL;
        tn_point point = {bed.f, 1}, theirs = {bed.other_f, 1};
        tn_sync s = {.signal = &point, .signal_count = 1};
        void *p = NULL;
        TN_INVALID(tn_commands_begin(NULL, &r), "argument.null", "queue", "NULL");
        TN_INVALID(tn_commands_begin(bed.q, NULL), "argument.null", "out_recorder", "NULL");
        TN_INVALID(tn_commands_end(NULL, &c), "commands.recorder", "recorder", "NULL");
        TN_INVALID(tn_commands_end(bed.q, &c), "commands.recorder", "recorder", "runs its work");
        TN_REQUIRE(tn_commands_begin(bed.q, &r) == TN_OK);
        TN_INVALID(tn_commands_begin(r, &nested), "commands.nested", "queue", NULL);
        TN_INVALID(tn_queue_fill(r, bed.b, 0, 4, 0, 4, &s), "commands.sync", "sync", "1 signals");
        TN_INVALID(tn_queue_wait_idle(r, 0), "commands.wait", "queue", NULL);
        TN_INVALID(tn_compute(r, NULL), "compute.record", "queue", NULL);
        TN_INVALID(tn_queue_write(r, bed.again_b, 0, &point, 4, NULL), "buffer.device", "to",
                   "opened another time");
        TN_REQUIRE(tn_queue_fill(r, bed.b, 0, 64, 7, 4, NULL) == TN_OK);
        TN_INVALID(tn_commands_end(r, NULL), "argument.null", "out_commands", "NULL");
        TN_REQUIRE(tn_commands_end(r, &c) == TN_OK);
        TN_INVALID(tn_commands_end(r, &c2), "commands.ended", "recorder", NULL);
        TN_INVALID(tn_queue_fill(r, bed.b, 0, 4, 0, 4, NULL), "commands.ended", "queue", NULL);
        TN_INVALID(tn_queue_submit(NULL, c, NULL), "argument.null", "queue", "NULL");
        TN_INVALID(tn_queue_submit(bed.q, NULL, NULL), "argument.null", "commands", "NULL");
        TN_REQUIRE(tn_queue_create(bed.d, NULL, &second) == TN_OK);
        TN_INVALID(tn_queue_submit(second, c, NULL), "commands.queue", "commands", *uri);
        TN_INVALID(tn_queue_submit(r, c, NULL), "commands.queue", "commands", *uri);
        s.signal = &theirs;
        TN_INVALID(tn_queue_submit(bed.q, c, &s), "sync.runtime", "sync.signal", "another runtime");
        TN_REQUIRE(tn_buffer_map(bed.b, 0, 8, TN_MAP_READ, &p) == TN_OK);
        TN_INVALID(tn_queue_submit(bed.q, c, NULL), "buffer.mapped", "commands", "4096");
        TN_REQUIRE(tn_buffer_unmap(bed.b) == TN_OK);
        TN_ACCEPTS(tn_queue_submit(bed.q, c, NULL) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(bed.q, UINT64_MAX) == TN_OK && nested == NULL && c2 == NULL);
        tn_commands_release(c);
        tn_queue_release(r);
        tn_queue_release(second);
        errors_drop(&bed);
    }
}
