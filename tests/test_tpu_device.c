/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated chip as a device: opening, memory, order of work, fallback, loss, its bus. */
#include "support/run_op.h"
#include "support/test.h"

#include <hal/queue.h>
#include <unistd.h>

static const char *reason_of(tn_runtime *rt, const char *uri, tn_status want)
{
    static char reason[64];
    tn_device *d = NULL;
    tn_error e;
    tn_status st = tn_device_open(rt, uri, &d);
    tn_error_last(&e);
    TN_EXPECT(st == want, "%s: %s", uri, e.text);
    TN_EXPECT(st == TN_OK || strcmp(e.argument, "uri") == 0, "%s blames %s", uri, e.argument);
    snprintf(reason, sizeof reason, "%s", e.reason);
    tn_device_release(d);
    return reason;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    TN_REQUIRE(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

TN_TEST(tpu_device, bad_uris_say_what_is_wrong)
{
    static const struct {
        const char *uri, *reason;
        tn_status status;
    } bad[] = {
        {"tpu-sim:no-such-chip", "tpu.profile", TN_STATUS_UNAVAILABLE},
        {"tpu-sim:/no/such/file.json", "tpu.profile", TN_STATUS_UNAVAILABLE},
        {"tpu-sim:canonical-128?timing=fast", "tpu.option", TN_STATUS_INVALID},
        {"tpu-sim:canonical-128?speed=fast", "tpu.option", TN_STATUS_INVALID},
        {"tpu-sim:canonical-128?bus=pci", "tpu.option", TN_STATUS_INVALID},
        {"tpu-sim:canonical-128?faults=/no/such/file", "tpu.file", TN_STATUS_INVALID},
    };
    tn_runtime *rt = NULL;
    char path[64], uri[96];
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *got = reason_of(rt, bad[i].uri, bad[i].status);
        TN_EXPECT(strcmp(got, bad[i].reason) == 0, "%s: %s", bad[i].uri, got);
    }
    snprintf(path, sizeof path, "tpu_device_%d.json", (int)getpid());
    snprintf(uri, sizeof uri, "tpu-sim:%s", path);
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"rows\": 4}",
                                        "{\"rows\": {\"value\": 4, \"source\": \"s\"}}",
                                        "{\"rows\": {\"value\": 0, \"source\": \"s\"}}",
                                        "{\"size\": {\"value\": 4, \"source\": \"s\"}}",
                                        "{\"types\": {\"value\": [\"f64\"], \"source\": \"s\"}}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_text(path, texts[i]);
        TN_EXPECT(strcmp(reason_of(rt, uri, TN_STATUS_INVALID), "tpu.profile") == 0, "%s",
                  texts[i]);
    }
    write_text(path, "meteor nth=1");
    snprintf(uri, sizeof uri, "tpu-sim:canonical-128?faults=%s", path);
    TN_EXPECT(strcmp(reason_of(rt, uri, TN_STATUS_INVALID), "tpu.script") == 0);
    write_text(path, "gone nth=0"); /* nobody answers from the start */
    TN_EXPECT(strcmp(reason_of(rt, uri, TN_STATUS_UNAVAILABLE), "tpu.chip") == 0);
    remove(path);
    tn_runtime_release(rt);
}

TN_TEST(tpu_device, moves_data_in_order)
{
    tn_test_device d;
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    tn_buffer *b[2];
    uint32_t in[64], out[64] = {0}, want[64];
    TN_REQUIRE(tn_test_open("tpu-sim:canonical-128", &d));
    TN_EXPECT(tn_device_get_info(d.device, &info) == TN_OK &&
              (info.flags & TN_DEVICE_SIMULATED) != 0 && info.memory_bytes != 0);
    for (int i = 0; i < 2; i++) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof out, .align = 4096};
        TN_REQUIRE(tn_buffer_create(d.device, &desc, &b[i]) == TN_OK);
    }
    for (uint32_t i = 0; i < 64; i++)
        want[i] = i < 8 ? 0xabcdabcdu : i < 40 ? i * 3 : 0x01010101u;
    for (uint32_t i = 0; i < 64; i++)
        in[i] = i * 3;
    TN_EXPECT(tn_queue_write(d.queue, b[0], 0, in, sizeof in, NULL) == TN_OK);
    TN_EXPECT(tn_queue_fill(d.queue, b[0], 160, 96, 1, 1, NULL) == TN_OK);
    TN_EXPECT(tn_queue_copy(d.queue, b[1], 0, b[0], 0, sizeof out, NULL) == TN_OK);
    TN_EXPECT(tn_queue_fill(d.queue, b[1], 0, 32, 0xabcdu, 2, NULL) == TN_OK);
    TN_EXPECT(tn_queue_read(d.queue, out, b[1], 0, sizeof out, NULL) == TN_OK);
    TN_EXPECT(tn_queue_wait_idle(d.queue, UINT64_MAX) == TN_OK);
    TN_EXPECT(memcmp(out, want, sizeof out) == 0);
    tn_buffer_release(b[0]);
    tn_buffer_release(b[1]);
    tn_test_close(&d);
}

/* A product of ones: out[i] = 40 everywhere. */
static tn_status product(tn_test_device *d, float *out, uint64_t *cycles)
{
    enum { M = 50, N = 60, K = 40 };
    int64_t dim[3][2] = {{M, K}, {K, N}, {M, N}};
    static const uint64_t bytes[3] = {M * K * 2, K * N * 2, M * N * 4};
    static uint16_t ones[M * K > K * N ? M * K : K * N];
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3];
    tn_bind binds[3];
    tn_buffer *b[3] = {NULL, NULL, NULL};
    tn_plan *plan = NULL;
    tn_fence *fence = NULL;
    tn_times times;
    tn_status st = tn_fence_create(d->runtime, 0, &fence);
    for (size_t i = 0; i < sizeof ones / sizeof ones[0]; i++)
        ones[i] = 0x3f80;
    for (int i = 0; i < 3; i++) {
        static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_B, TN_ARG_OUT};
        args[i] = (tn_arg){roles[i], 0, tn_test_tensor(i < 2 ? TN_BF16 : TN_F32, 2, dim[i])};
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes[i]};
        if (st == TN_OK)
            st = tn_buffer_create(d->device, &desc, &b[i]);
        if (st == TN_OK && i < 2)
            st = tn_queue_write(d->queue, b[i], 0, ones, bytes[i], NULL);
        binds[i] = (tn_bind){.role = roles[i], .buffer = b[i]};
    }
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};
    if (st == TN_OK)
        st = tn_plan_create(d->device, &op, NULL, &plan);
    tn_point done = {fence, 1};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    if (st == TN_OK)
        st = tn_queue_run(d->queue, plan, binds, 3, NULL, &sync);
    if (st == TN_OK)
        st = tn_queue_read(d->queue, out, b[2], 0, bytes[2], NULL);
    if (st == TN_OK)
        st = tn_queue_wait_idle(d->queue, UINT64_MAX);
    if (st == TN_OK && tn_fence_times(fence, 1, &times) == TN_OK)
        *cycles = times.device_cycles;
    for (int i = 0; i < 3; i++)
        tn_buffer_release(b[i]);
    tn_plan_release(plan);
    tn_fence_release(fence);
    return st;
}

static bool right(const float *out)
{
    for (int i = 0; i < 50 * 60; i++)
        if (out[i] != 40.0f)
            return false;
    return true;
}

typedef struct outcome {
    tn_status status;
    bool right;
    uint64_t cycles;
    char reason[64];
} outcome;

static outcome with_faults(const char *script, const char *options)
{
    static float out[50 * 60];
    char path[64], uri[160];
    tn_test_device d;
    outcome o = {.status = TN_STATUS_INTERNAL};
    snprintf(path, sizeof path, "tpu_faults_%d.txt", (int)getpid());
    write_text(path, script);
    snprintf(uri, sizeof uri, "tpu-sim:canonical-128?faults=%s%s", path, options);
    memset(out, 0, sizeof out);
    if (tn_test_open(uri, &d)) {
        tn_error e;
        o.status = product(&d, out, &o.cycles);
        tn_error_last(&e);
        snprintf(o.reason, sizeof o.reason, "%s", o.status != TN_OK ? e.reason : "");
        o.right = right(out);
        tn_test_close(&d);
    }
    remove(path);
    return o;
}

TN_TEST(tpu_device, faults_end_as_they_are_documented)
{
    static const struct {
        const char *script, *options, *reason;
        tn_status status;
        bool right;
    } rows[] = {
        {"", "", "", TN_OK, true},
        {"dma_error nth=1", "", "", TN_OK, true}, /* tried again */
        {"dma_error nth=1 sticky=1", "", "tpu.failed", TN_STATUS_CORRUPT, false},
        {"dma_short nth=3", "&protect=full", "", TN_OK, true},
        {"dma_wrong nth=1 bit=5", "&protect=full", "", TN_OK, true},
        {"packet nth=2 bit=70", "&protect=full", "", TN_OK, true},
        {"dma_delay nth=1 cycles=100000", "", "", TN_OK, true},
        {"irq_lost nth=1", "", "", TN_OK, true},
        {"irq_early nth=1", "", "", TN_OK, true},
        {"irq_spurious nth=3", "", "", TN_OK, true},
        {"hang nth=4", "", "", TN_OK, true},
        {"hang nth=2 sticky=1", "", "tpu.failed", TN_STATUS_CORRUPT, false},
        {"doorbell nth=1", "", "", TN_OK, true},
        {"gone nth=1", "", "tpu.gone", TN_STATUS_DEVICE_LOST, false},
        {"throttle nth=2 ratio=64", "", "", TN_OK, true},
        {"flip nth=4 space=0 row=4000 bit=3", "&protect=ecc", "", TN_OK, true},
        {"flip nth=4 space=0 row=4000 bit=3 bits=2", "&protect=ecc", "", TN_OK, true},
        {"stuck row=3 column=17 bit=30 value=1", "", "", TN_OK,
         false}, /* silent without protection */
        {"stuck row=3 column=17 bit=30 value=1", "&protect=full", "", TN_OK, true},
        {"stuck_sum row=0 column=0 bit=31 value=1", "&protect=full", "", TN_OK, true},
        {"stuck_weight row=39 column=59 bit=24 value=0", "&protect=full", "", TN_OK, true},
    };
    uint64_t plain = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        outcome o = with_faults(rows[i].script, rows[i].options);
        TN_EXPECT(o.status == rows[i].status && strcmp(o.reason, rows[i].reason) == 0,
                  "%s %s: status %d %s", rows[i].script, rows[i].options, (int)o.status, o.reason);
        TN_EXPECT(o.right == rows[i].right, "%s %s: right %d", rows[i].script, rows[i].options,
                  o.right);
        if (i == 0)
            plain = o.cycles;
        else if (strncmp(rows[i].script, "throttle", 8) == 0)
            TN_EXPECT(o.cycles > plain, "a slower clock takes longer: %" PRIu64 " of %" PRIu64,
                      o.cycles, plain);
    }
    TN_EXPECT(plain > 0, "cycles are told");
}

TN_TEST(tpu_device, ops_without_a_row_fall_back_and_say_so)
{
    tn_test_device d;
    tn_plan *plan = NULL;
    tn_op *op = NULL;
    tn_error e;
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
    TN_REQUIRE(tn_test_open("tpu-sim:canonical-128", &d));
    TN_REQUIRE(tn_op_parse(d.runtime, "topk 2x30:f32:axis=1+k=4", &op) == TN_OK);
    TN_EXPECT(tn_device_supports(d.device, op) == TN_STATUS_UNSUPPORTED);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "tpu.no_kernel") == 0, "%s", e.reason);
    TN_EXPECT(tn_plan_create(d.device, op, &desc, &plan) == TN_OK);
    TN_EXPECT(tn_plan_get_info(plan, &info) == TN_OK && info.fallback == 1);
    tn_plan_release(plan);
    tn_op_free(d.runtime, op);
    tn_test_close(&d);
}

TN_TEST(tpu_device, hands_out_its_bus_once)
{
    tn_test_device d;
    tn_bus bus;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    TN_REQUIRE(tn_test_open("tpu-sim:test-24x40", &d));
    TN_REQUIRE(tn_device_bus(d.device, &bus, &chip) == TN_OK);
    for (uint32_t i = 0; i < chip.register_count; i++) {
        const tn_register *r = &chip.registers[i];
        uint32_t before = bus.read32(bus.self, r->offset);
        bus.write32(bus.self, r->offset, ~before);
        uint32_t after = bus.read32(bus.self, r->offset);
        TN_EXPECT(after == ((before & ~r->writable_mask) | (~before & r->writable_mask)), "%s",
                  r->name);
    }
    TN_EXPECT(tn_device_get_status(d.device) == TN_STATUS_DEVICE_LOST, "out of service");
    tn_test_close(&d);
}

static void wait_for_point(void *self)
{
    (void)!tn_fence_wait(self, 1, 0, UINT64_MAX);
}

static void nothing(void *self)
{
    (void)self;
}

static void tell_nobody(void *token, uint64_t item, tn_status status, const tn_times *times)
{
    (void)token, (void)item, (void)status, (void)times;
}

static bool exhausted;

static void *some(void *self, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)self;
    if (__atomic_load_n(&exhausted, __ATOMIC_SEQ_CST))
        return NULL;
    return posix_memalign(&p, align < sizeof p ? sizeof p : align, bytes) == 0 ? p : NULL;
}

static void give(void *self, void *p, size_t bytes)
{
    (void)self, (void)bytes;
    free(p);
}

/* The backend's own table: work that it does not take, and a queue that cannot grow. */
TN_TEST(tpu_device, queues_have_limits)
{
    tn_runtime_desc rd = {.head = TN_INIT(tn_runtime_desc), .allocator = {NULL, some, give}};
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc)};
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_fence *f = NULL;
    void *object = NULL;
    const tn_queue_ops *ops = NULL;
    tn_error e;
    TN_REQUIRE(tn_runtime_create(&rd, &rt) == TN_OK);
    TN_REQUIRE(tn_device_open(rt, "tpu-sim:gemmini-16", &d) == TN_OK);
    TN_REQUIRE(tn_fence_create(rt, 0, &f) == TN_OK);
    rt->host.complete = tell_nobody; /* the items are this test's own */
    TN_REQUIRE(d->ops->queue_create(d->object, &desc, NULL, &object, &ops) == TN_OK);
    tn_work work = {.head = TN_INIT(tn_work), .kind = TN_WORK_COMMANDS};
    TN_EXPECT(ops->submit(object, &work) == TN_STATUS_UNSUPPORTED);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "tpu.work") == 0, "%s", e.reason);
    tn_point gate = {f, 1};
    work.kind = TN_WORK_CALL;
    work.call = wait_for_point;
    work.call_self = &gate;
    TN_REQUIRE(ops->submit(object, &work) == TN_OK);
    __atomic_store_n(&exhausted, true, __ATOMIC_SEQ_CST);
    work.call = nothing;
    tn_status st = TN_OK;
    for (int i = 0; i < 100 && st == TN_OK; i++)
        st = ops->submit(object, &work);
    tn_error_last(&e);
    TN_EXPECT(st == TN_STATUS_NO_MEMORY && strcmp(e.reason, "tpu.queue") == 0, "%d %s", (int)st,
              e.reason);
    TN_EXPECT(ops->poll(object, 1000) == TN_STATUS_TIMEOUT);
    __atomic_store_n(&exhausted, false, __ATOMIC_SEQ_CST);
    TN_EXPECT(tn_fence_signal(f, 1) == TN_OK);
    ops->destroy(object);
    tn_fence_release(f);
    tn_device_release(d);
    tn_runtime_release(rt);
}

/* Opening with ever more memory: each failure is NO_MEMORY, and nothing is lost on the way. */
static long until_failure;

static void *counted(void *self, size_t bytes, size_t align)
{
    if (until_failure >= 0 && until_failure-- == 0)
        return NULL;
    return some(self, bytes, align);
}

TN_TEST(tpu_device, opens_or_says_that_memory_is_short)
{
    tn_runtime_desc rd = {.head = TN_INIT(tn_runtime_desc), .allocator = {NULL, counted, give}};
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    int failures = 0;
    until_failure = -1;
    TN_REQUIRE(tn_runtime_create(&rd, &rt) == TN_OK);
    for (long n = 0; n < 200; n++) {
        until_failure = n;
        tn_status st = tn_device_open(rt, "tpu-sim:gemmini-16", &d);
        bool used = until_failure < 0;
        until_failure = -1;
        if (st == TN_OK) {
            tn_device_release(d);
            if (!used)
                break;
            continue;
        }
        TN_EXPECT(st == TN_STATUS_NO_MEMORY || st == TN_STATUS_UNAVAILABLE, "%ld: %d", n, (int)st);
        failures++;
    }
    TN_EXPECT(failures > 10, "%d", failures);
    tn_runtime_release(rt);
}
