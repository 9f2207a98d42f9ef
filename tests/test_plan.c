/* SPDX-License-Identifier: Apache-2.0 */
/* Plans on every test device: cache, info, explain, layout, refusals at run, fallback. */
#include <hal/plan.h>
#include <kernels/common/canonmath.h>

#include "support/test.h"

static tn_runtime *rt;
static tn_device *device;

static void open_device(const char *uri)
{
    tn_error e;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_status st = tn_device_open(rt, uri, &device);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", uri, e.text);
}

static void close_device(void)
{
    tn_device_release(device);
    tn_runtime_release(rt);
    device = NULL;
    rt = NULL;
}

static tn_op *parse(const char *text)
{
    tn_op *op = NULL;
    tn_error e;
    tn_status st = tn_op_parse(rt, text, &op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", text, e.text);
    return op;
}

static tn_plan *plan(const tn_op *op, uint32_t flags)
{
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = flags};
    tn_plan *p = NULL;
    tn_error e;
    tn_status st = tn_plan_create(device, op, &desc, &p);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s %s", e.reason, e.text);
    return p;
}

static tn_buffer *buffer(uint64_t bytes)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_buffer *b = NULL;
    TN_REQUIRE(tn_buffer_create(device, &desc, &b) == TN_OK);
    return b;
}

static void count_choice(void *self, const tn_choice *c)
{
    int *counts = self;
    ++counts[0];
    counts[1] += c->accepted;
    TN_EXPECT(c->kernel != NULL && c->reason != NULL && c->text != NULL);
}

TN_TEST(plan, cache_and_info)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        open_device(*uri);
        tn_op *op = parse("matmul 16x16x16:f32:canonical");
        tn_plan *a = plan(op, 0), *b = plan(op, 0), *c = plan(op, TN_PLAN_ALLOW_FALLBACK);
        TN_EXPECT(a == b, "an equal request finds the plan");
        TN_EXPECT(a != c, "another desc is another plan");
        op->numerics.canonical_version = 1;
        tn_plan *d = plan(op, 0);
        TN_EXPECT(a == d, "version 0 is the newest");
        op->numerics.cls = TN_CLASS_FAST;
        tn_plan *e = plan(op, 0);
        TN_EXPECT(a != e, "the class is part of the key");
        tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
        TN_REQUIRE(tn_plan_get_info(a, &info) == TN_OK);
        TN_EXPECT(info.kernel[0] != '\0' && info.fallback == 0 && info.parts == 1);
        TN_EXPECT(strcmp(info.device, *uri) == 0, "%s", info.device);
        TN_EXPECT(info.numerics.canonical_version == 1 && info.numerics.accumulate == TN_F32);
        int counts[2] = {0, 0};
        TN_EXPECT(tn_plan_explain(a, count_choice, counts) == TN_OK);
        TN_EXPECT(counts[0] >= 1 && counts[1] >= 1, "%d %d", counts[0], counts[1]);
        counts[0] = counts[1] = 0;
        TN_EXPECT(tn_device_explain(device, op, count_choice, counts) == TN_OK);
        TN_EXPECT(counts[0] >= 1 && counts[1] >= 1);
        TN_EXPECT(tn_device_supports(device, op) == TN_OK);
        tn_arithmetic arithmetic = {.head = TN_INIT(tn_arithmetic)};
        TN_EXPECT(tn_plan_arithmetic(a, &arithmetic) == TN_OK);
        tn_plan_release(b);
        tn_plan_release(c);
        tn_plan_release(d);
        tn_plan_release(e);
        tn_op_free(rt, op);
        tn_device_release(device); /* a plan keeps its device, and that the runtime */
        tn_runtime_release(rt);
        TN_EXPECT(tn_plan_get_info(a, &info) == TN_OK);
        tn_plan_release(a);
    }
}

TN_TEST(plan, many_plans_leave_the_cache)
{
    open_device(tn_test_devices()[0]);
    tn_plan *kept = NULL;
    for (int i = 1; i < 2300; ++i) {
        char text[64];
        (void)snprintf(text, sizeof text, "eltwise add %dx3:f32", i);
        tn_op *op = parse(text);
        tn_plan *p = plan(op, 0);
        if (i == 1)
            kept = tn_plan_retain(p);
        tn_plan_release(p);
        tn_op_free(rt, op);
    }
    tn_op *op = parse("eltwise add 1x3:f32");
    tn_plan *again = plan(op, 0);
    TN_EXPECT(again != kept, "the oldest went, the handle stayed good");
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    TN_EXPECT(tn_plan_get_info(kept, &info) == TN_OK);
    tn_plan_release(again);
    tn_plan_release(kept);
    tn_op_free(rt, op);
    close_device();
}

static void refused(tn_queue *q, tn_plan *p, const tn_bind *binds, uint32_t count,
                    const char *reason)
{
    tn_error e;
    tn_status st = tn_queue_run(q, p, binds, count, NULL, NULL);
    tn_error_last(&e);
    TN_EXPECT(st == TN_STATUS_INVALID && strcmp(e.reason, reason) == 0, "want %s, got %s %s %s",
              reason, tn_status_name(st), st == TN_OK ? "" : e.reason, st == TN_OK ? "" : e.text);
}

TN_TEST(plan, run_refusals)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        open_device(*uri);
        tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc)};
        tn_queue *q = NULL;
        TN_REQUIRE(tn_queue_create(device, &qd, &q) == TN_OK);
        tn_op *op = parse("eltwise add 8x8:f32");
        tn_plan *p = plan(op, 0);
        tn_buffer *a = buffer(256), *b = buffer(256), *out = buffer(512);
        const tn_bind good[3] = {{.role = TN_ARG_A, .buffer = a},
                                 {.role = TN_ARG_B, .buffer = b},
                                 {.role = TN_ARG_OUT, .buffer = out}};
        tn_bind bad[3];
#define WITH(reason, ...)                                                                          \
    do {                                                                                           \
        memcpy(bad, good, sizeof bad);                                                             \
        __VA_ARGS__;                                                                               \
        refused(q, p, bad, 3, reason);                                                             \
    } while (0)
        WITH("run.role", bad[0].role = TN_ARG_Q);
        WITH("run.role", bad[0].role = TN_ARG_B);
        WITH("run.flags", bad[0].flags = TN_ARG_PACKED);
        WITH("run.offset", bad[2].offset_bytes = 2);
        WITH("run.overlap", bad[0].buffer = out);
        WITH("run.overlap", bad[0].buffer = out; bad[0].offset_bytes = 252);
        refused(q, p, good, 2, "run.count");
#undef WITH
        memcpy(bad, good, sizeof bad);
        bad[1].offset_bytes = 4;
        TN_EXPECT(tn_queue_run(q, p, bad, 3, NULL, NULL) == TN_STATUS_INVALID, "out of range");
        bad[1] = (tn_bind){.role = TN_ARG_B};
        TN_EXPECT(tn_queue_run(q, p, bad, 3, NULL, NULL) == TN_STATUS_INVALID, "NULL buffer");
        memcpy(bad, good, sizeof bad);
        bad[0] = (tn_bind){.role = TN_ARG_A, .buffer = out, .offset_bytes = 256};
        TN_EXPECT(tn_queue_run(q, p, bad, 3, NULL, NULL) == TN_OK, "side by side is fine");
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        void *mapped;
        TN_REQUIRE(tn_buffer_map(b, 0, 16, TN_MAP_READ, &mapped) == TN_OK);
        refused(q, p, good, 3, "buffer.mapped");
        TN_EXPECT(tn_buffer_unmap(b) == TN_OK);
        tn_op *alias = parse("eltwise add 8x8:f32:alias");
        tn_plan *in_place = plan(alias, 0);
        memcpy(bad, good, sizeof bad);
        bad[2].buffer = a;
        TN_EXPECT(tn_queue_run(q, in_place, bad, 3, NULL, NULL) == TN_OK, "in place");
        bad[2] = (tn_bind){.role = TN_ARG_OUT, .buffer = out};
        bad[0] = (tn_bind){.role = TN_ARG_A, .buffer = out, .offset_bytes = 4};
        refused(q, in_place, bad, 3, "run.overlap");
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        tn_plan_release(in_place);
        tn_op_free(rt, alias);
        tn_buffer_release(a);
        tn_buffer_release(b);
        tn_buffer_release(out);
        tn_plan_release(p);
        tn_op_free(rt, op);
        tn_queue_release(q);
        close_device();
    }
}

static tn_status refuse_all(void *object, const tn_op *op, const tn_plan_desc *desc,
                            tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops)
{
    (void)object;
    (void)op;
    (void)desc;
    (void)fn;
    (void)self;
    (void)out;
    (void)out_ops;
    return tn__fail(TN_STATUS_UNSUPPORTED, "test.none", NULL, "this device has no kernels");
}

/* A device whose plan_create refuses everything falls back, with the right result. */
TN_TEST(plan, fallback)
{
    open_device("cpu?private=1");
    tn_device_ops ops = *device->ops;
    const tn_device_ops *real = device->ops;
    ops.plan_create = refuse_all;
    device->ops = &ops;
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc)};
    tn_queue *q = NULL;
    TN_REQUIRE(tn_queue_create(device, &qd, &q) == TN_OK);
    tn_op *op = parse("eltwise add 2x3:f32:out=2x3@4x1");
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc)};
    tn_plan *p = NULL;
    tn_error e;
    TN_EXPECT(tn_plan_create(device, op, &desc, &p) == TN_STATUS_UNSUPPORTED);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "test.none") == 0 && strcmp(e.device, "cpu?private=1") == 0, "%s %s",
              e.reason, e.device);
    p = plan(op, TN_PLAN_ALLOW_FALLBACK);
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    TN_REQUIRE(tn_plan_get_info(p, &info) == TN_OK);
    TN_EXPECT(info.fallback == 1 && strcmp(info.device, "cpu") == 0, "%s", info.device);
    int counts[2] = {0, 0};
    TN_EXPECT(tn_plan_explain(p, count_choice, counts) == TN_OK && counts[0] >= 2);
    const float a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {10, 20, 30, 40, 50, 60};
    float out[7] = {-1, -1, -1, -1, -1, -1, -1}, got[7];
    tn_buffer *ba = buffer(sizeof a), *bb = buffer(sizeof b), *bo = buffer(sizeof out);
    tn_bind binds[3] = {{.role = TN_ARG_A, .buffer = ba},
                        {.role = TN_ARG_B, .buffer = bb},
                        {.role = TN_ARG_OUT, .buffer = bo}};
    tn_fence *fence = NULL;
    TN_REQUIRE(tn_fence_create(rt, 0, &fence) == TN_OK);
    tn_point go = {fence, 1}, done = {fence, 2};
    tn_sync held = {.wait = &go, .wait_count = 1};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    TN_REQUIRE(tn_queue_write(q, ba, 0, a, sizeof a, &held) == TN_OK);
    TN_REQUIRE(tn_queue_write(q, bb, 0, b, sizeof b, NULL) == TN_OK);
    TN_REQUIRE(tn_queue_write(q, bo, 0, out, sizeof out, NULL) == TN_OK);
    tn_status st = tn_queue_run(q, p, binds, 3, NULL, NULL);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s", e.text);
    TN_REQUIRE(tn_queue_read(q, got, bo, 0, sizeof got, &sync) == TN_OK);
    TN_REQUIRE(tn_fence_signal(fence, 1) == TN_OK);
    st = tn_fence_wait(&done, 1, 0, UINT64_MAX);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s", e.text);
    const float want[7] = {11, 22, 33, -1, 44, 55, 66};
    for (int i = 0; i < 7; ++i)
        TN_EXPECT(got[i] == want[i], "%d: %g", i, (double)got[i]);
    tn_fence_release(fence);
    tn_buffer_release(ba);
    tn_buffer_release(bb);
    tn_buffer_release(bo);
    tn_plan_release(p);
    tn_op_free(rt, op);
    TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
    tn_queue_release(q);
    device->ops = real;
    close_device();
}

TN_TEST(plan, arithmetic_names_inexact_functions)
{
    static const struct {
        const char *op;
        float exp_ulp; /* docs/NUMERICS.md B2 */
    } rows[] = {
        {"matmul 4x4x4:f32", 0.0f},        {"matmul 4x4x4:f32:gelu", TN_C_GELU_ULP},
        {"matmul 4x4x4:f32:relu", 0.0f},   {"attention h1q4k4d4:f32", TN_C_EXP2_ULP},
        {"softmax 4x4:f32", TN_C_EXP_ULP},
    };
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        tn_runtime *own = NULL;
        tn_device *d = NULL;
        TN_REQUIRE(tn_runtime_create(NULL, &own) == TN_OK);
        TN_REQUIRE(tn_device_open(own, *uri, &d) == TN_OK, "%s", *uri);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
            tn_arithmetic a = {.head = TN_INIT(tn_arithmetic)};
            tn_plan *p = NULL;
            tn_op *op = NULL;
            TN_REQUIRE(tn_op_parse(own, rows[i].op, &op) == TN_OK, "%s", rows[i].op);
            TN_REQUIRE(tn_plan_create(d, op, NULL, &p) == TN_OK, "%s", rows[i].op);
            TN_EXPECT(tn_plan_arithmetic(p, &a) == TN_OK && a.exp_ulp == rows[i].exp_ulp,
                      "%s: %g ulp", rows[i].op, (double)a.exp_ulp);
            TN_EXPECT(a.product == 0 && a.accumulate == 0 && a.transform == 0, "%s", rows[i].op);
            tn_plan_release(p);
            tn_op_free(own, op);
        }
        tn_device_release(d);
        tn_runtime_release(own);
    }
}
