/* SPDX-License-Identifier: Apache-2.0 */
/* Every public call on an object of a runtime that was made before a fork, from the child. */
#include "support/errors.h"

typedef struct forked {
    errors_bed bed;
    tn_plan *plan;
    tn_queue *recorder;
    tn_commands *commands;
    tn_op *op;
    tn_fence *told;
} forked;

static void ignore_event(void *self, const tn_event *event)
{
    (void)self, (void)event;
}

static void ignore_plugin(void *self, const char *path, tn_status status, const char *reason)
{
    (void)self, (void)path, (void)status, (void)reason;
}

static void ignore_choice(void *self, const tn_choice *choice)
{
    (void)self, (void)choice;
}

static void ignore_lost(void *self, tn_device *d, const tn_error *e)
{
    (void)self, (void)d, (void)e;
}

static void ignore_told(void *self, tn_status status, const tn_error *e)
{
    (void)self, (void)status, (void)e;
}

static void nothing(void *self)
{
    (void)self;
}

#define FORKED(call) TN_INVALID(call, "runtime.forked", "runtime", pid)

static void rows(void *self)
{
    forked *x = self;
    errors_bed *b = &x->bed;
    char pid[32], host[64] = {0};
    snprintf(pid, sizeof pid, "%lld", (long long)getppid());
    uint64_t value = 0, bytes = 0;
    void *p = NULL;
    size_t count = 0;
    tn_device *d = NULL;
    tn_buffer *buffer = NULL;
    tn_queue *q = NULL;
    tn_fence *f = NULL;
    tn_plan *plan = NULL;
    tn_commands *c = NULL;
    tn_op *op = NULL;
    tn_bus bus;
    tn_times times;
    tn_error error;
    tn_error why = {.status = TN_STATUS_CANCELLED};
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    tn_device_info device_info = {.head = TN_INIT(tn_device_info)};
    tn_memory_info memory_info = {.head = TN_INIT(tn_memory_info)};
    tn_class_info class_info = {.head = TN_INIT(tn_class_info)};
    tn_buffer_info buffer_info = {.head = TN_INIT(tn_buffer_info)};
    tn_plan_info plan_info = {.head = TN_INIT(tn_plan_info)};
    tn_arithmetic arithmetic = {.head = TN_INIT(tn_arithmetic)};
    tn_link link = {.head = TN_INIT(tn_link)};
    tn_external ext = {
        .head = TN_INIT(tn_external), .kind = TN_EXTERNAL_HOST, .pointer = host, .bytes = 64};
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
    tn_tensor t = {.dtype = TN_F32, .rank = 1, .dim = {4}, .stride = {1}, .buffer = b->b};
    tn_point point = {b->f, 1};
    tn_bind bind = {.role = TN_ARG_A, .buffer = b->b};
    long long managed[32] = {1};

    FORKED(tn_runtime_discover(b->rt));
    FORKED(tn_runtime_device_info(b->rt, 0, &device_info));
    errors_forget();
    TN_ACCEPTS(tn_runtime_device_count(b->rt) == count);
    tn_error_last(&error);
    TN_ERROR_IS("tn_runtime_device_count", &error, TN_STATUS_INVALID, "runtime.forked", "runtime",
                pid);
    FORKED(tn_runtime_trace(b->rt, ignore_event, NULL));
    FORKED(tn_runtime_plugins(b->rt, ignore_plugin, NULL));
    FORKED(tn_runtime_find(b->rt, 1, &buffer, &value));
    FORKED(tn_device_open(b->rt, "cpu", &d));
    FORKED(tn_device_get_info(b->d, &device_info));
    FORKED(tn_device_get_status(b->d));
    FORKED(tn_device_on_lost(b->d, ignore_lost, NULL));
    FORKED(tn_device_child(b->d, 0, &d));
    FORKED(tn_device_memory(b->d, 0, &memory_info));
    FORKED(tn_device_classes(b->d, TN_F32, &class_info));
    FORKED(tn_device_supports(b->d, x->op));
    FORKED(tn_device_explain(b->d, x->op, ignore_choice, NULL));
    FORKED(tn_device_inject(b->d, "lose at=1"));
    FORKED(tn_device_bus(b->d, &bus, &chip));
    FORKED(tn_link_get(b->d, NULL, &link));
    FORKED(tn_buffer_create(b->d, &desc, &buffer));
    FORKED(tn_buffer_view(b->b, 0, 4, &buffer));
    FORKED(tn_buffer_import(b->d, &ext, &buffer));
    FORKED(tn_buffer_export(b->b, TN_EXTERNAL_HOST, &ext));
    FORKED(tn_buffer_map(b->b, 0, 4, TN_MAP_READ, &p));
    FORKED(tn_buffer_unmap(b->b));
    FORKED(tn_buffer_get_info(b->b, &buffer_info));
    FORKED(tn_tensor_from_dlpack(b->d, managed, &t));
    FORKED(tn_tensor_to_dlpack(&t, &p));
    FORKED(tn_tensor_from_dlpack_legacy(b->d, managed, &t));
    FORKED(tn_tensor_to_dlpack_legacy(&t, &p));
    FORKED(tn_queue_create(b->d, NULL, &q));
    FORKED(tn_queue_wait_idle(b->q, UINT64_MAX));
    FORKED(tn_queue_write(b->q, b->b, 0, host, 4, NULL));
    FORKED(tn_queue_read(b->q, host, b->b, 0, 4, NULL));
    FORKED(tn_queue_copy(b->q, b->b, 0, b->b, 64, 4, NULL));
    FORKED(tn_queue_fill(b->q, b->b, 0, 4, 0, 4, NULL));
    FORKED(tn_queue_call(b->q, nothing, NULL, NULL));
    FORKED(tn_queue_run(b->q, x->plan, &bind, 1, NULL, NULL));
    FORKED(tn_queue_pack(b->q, x->plan, TN_ARG_B, &t, b->b, 0, NULL));
    FORKED(tn_queue_submit(b->q, x->commands, NULL));
    FORKED(tn_commands_begin(b->q, &q));
    FORKED(tn_commands_end(x->recorder, &c));
    FORKED(tn_compute(b->q, x->op));
    FORKED(tn_fence_create(b->rt, 0, &f));
    FORKED(tn_fence_query(b->f, &value));
    FORKED(tn_fence_wait(&point, 1, 0, UINT64_MAX));
    FORKED(tn_fence_signal(b->f, 1));
    FORKED(tn_fence_fail(b->f, &why));
    FORKED(tn_fence_notify(b->f, 1, ignore_told, NULL));
    FORKED(tn_fence_get_error(b->f, &error));
    FORKED(tn_fence_times(b->f, 1, &times));
    FORKED(tn_fence_export(b->f, 1, TN_EXTERNAL_SYNC_FD, &ext));
    FORKED(tn_fence_import(b->rt, &ext, &f));
    FORKED(tn_plan_create(b->d, x->op, NULL, &plan));
    FORKED(tn_plan_get_info(x->plan, &plan_info));
    FORKED(tn_plan_arithmetic(x->plan, &arithmetic));
    FORKED(tn_plan_explain(x->plan, ignore_choice, NULL));
    FORKED(tn_plan_layout(x->plan, TN_ARG_B, &value, &bytes));
    FORKED(tn_op_parse(b->rt, "matmul 2x3x4", &op));
    /* The threads that these would wait for are the parent's. */
    tn_fence_release(x->told);
    tn_plan_release(x->plan);
    tn_commands_release(x->commands);
    tn_queue_release(x->recorder);
    errors_drop(b);
}

TN_TEST(errors_fork, from_a_child)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        forked x = {.bed = errors_make(*uri)};
        tn_queue *r = NULL;
        TN_REQUIRE(tn_op_parse(x.bed.rt, "matmul 4x4x4", &x.op) == TN_OK);
        TN_REQUIRE(tn_plan_create(x.bed.d, x.op, NULL, &x.plan) == TN_OK);
        TN_REQUIRE(tn_commands_begin(x.bed.q, &r) == TN_OK);
        TN_REQUIRE(tn_queue_fill(r, x.bed.b, 0, 4, 0, 4, NULL) == TN_OK);
        TN_REQUIRE(tn_commands_end(r, &x.commands) == TN_OK);
        tn_queue_release(r);
        TN_REQUIRE(tn_commands_begin(x.bed.q, &x.recorder) == TN_OK);
        TN_REQUIRE(tn_fence_create(x.bed.rt, 0, &x.told) == TN_OK);
        TN_REQUIRE(tn_fence_notify(x.told, 1, ignore_told, NULL) == TN_OK);
        /* its thread is there and idle */
        TN_REQUIRE(tn_queue_fill(x.bed.q, x.bed.b, 0, 4, 0, 4, NULL) == TN_OK &&
                   tn_queue_wait_idle(x.bed.q, UINT64_MAX) == TN_OK);
        errors_forked(rows, &x);
        TN_EXPECT(tn_queue_fill(x.bed.q, x.bed.b, 0, 4, 0, 4, NULL) == TN_OK &&
                      tn_queue_wait_idle(x.bed.q, UINT64_MAX) == TN_OK,
                  "the parent goes on");
        tn_fence_release(x.told);
        tn_plan_release(x.plan);
        tn_commands_release(x.commands);
        tn_queue_release(x.recorder);
        tn_op_free(x.bed.rt, x.op);
        errors_drop(&x.bed);
    }
}
