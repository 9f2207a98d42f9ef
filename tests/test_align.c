/* SPDX-License-Identifier: Apache-2.0 */
/* Where operands, workspaces and imported memory may start: elements, offset_align, buffer_align.
 */
#include <hal/hal.h>
#include <tests/support/run_op.h>
#include <tests/support/test.h>

enum { BYTES = 4096 };

static bool refused(tn_status st, tn_status want, const char *reason, const char *argument)
{
    tn_error e;
    tn_error_last(&e);
    return st == want && strcmp(e.reason, reason) == 0 && strcmp(e.argument, argument) == 0;
}

typedef struct setup {
    tn_test_device d;
    tn_arg args[3];
    tn_matmul attr;
    tn_op op;
    tn_plan *plan;
    tn_buffer *buffer, *odd; /* odd: a view from byte 2 on */
} setup;

/* A device as if its hardware asked for `align`; a 2x2x2 matmul of dense or packed weights. */
static void start(setup *s, const char *uri, uint64_t align, bool packed)
{
    memset(s, 0, sizeof *s);
    TN_REQUIRE(tn_test_open(uri, &s->d), "%s", uri);
    s->d.device->info.offset_align = align;
    s->attr = (tn_matmul){.head = TN_INIT(tn_matmul)};
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_OUT};
    for (int i = 0; i < 3; i++)
        s->args[i] = (tn_arg){roles[i], packed && i == 1 ? TN_ARG_PACKED : 0,
                              tn_test_tensor(TN_F32, 2, (int64_t[]){2, 2})};
    s->op = (tn_op){.head = TN_INIT(tn_op),
                    .kind = TN_OP_MATMUL,
                    .arg_count = 3,
                    .attr = &s->attr,
                    .args = s->args};
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = BYTES};
    TN_REQUIRE(tn_buffer_create(s->d.device, &desc, &s->buffer) == TN_OK);
    TN_REQUIRE(tn_buffer_view(s->buffer, 2, BYTES - 2, &s->odd) == TN_OK);
    float zero[BYTES / 4] = {0};
    TN_REQUIRE(tn_queue_write(s->d.queue, s->buffer, 0, zero, BYTES, NULL) == TN_OK);
    TN_REQUIRE(tn_queue_wait_idle(s->d.queue, UINT64_MAX) == TN_OK); /* zero is borrowed */
    TN_REQUIRE(tn_plan_create(s->d.device, &s->op, NULL, &s->plan) == TN_OK, "%s", uri);
}

static void stop(setup *s)
{
    TN_EXPECT(tn_queue_wait_idle(s->d.queue, UINT64_MAX) == TN_OK);
    tn_plan_release(s->plan);
    tn_buffer_release(s->odd);
    tn_buffer_release(s->buffer);
    tn_test_close(&s->d);
}

static tn_status run(setup *s, tn_buffer *b, uint64_t first, uint64_t second, uint64_t third,
                     tn_buffer *workspace)
{
    tn_bind bind[3] = {{TN_ARG_A, 0, b, first},
                       {TN_ARG_B, 0, s->buffer, second},
                       {TN_ARG_OUT, 0, s->buffer, third}};
    return tn_queue_run(s->d.queue, s->plan, bind, 3, workspace, NULL);
}

TN_TEST(align, operands_start_at_elements)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; uri++) {
        setup s;
        start(&s, *uri, 1, false);
        TN_EXPECT(run(&s, s.buffer, 4, 256, 512, NULL) == TN_OK, "%s", *uri);
        TN_EXPECT(run(&s, s.odd, 2, 256, 512, NULL) == TN_OK, "%s",
                  *uri); /* byte 4 of the memory */
        TN_EXPECT(
            refused(run(&s, s.buffer, 2, 256, 512, NULL), TN_STATUS_INVALID, "run.offset", "a"));
        TN_EXPECT(refused(run(&s, s.odd, 4, 256, 512, NULL), TN_STATUS_INVALID, "run.offset", "a"));
        TN_EXPECT(
            refused(run(&s, s.buffer, 0, 256, 513, NULL), TN_STATUS_INVALID, "run.offset", "out"));
        stop(&s);
    }
}

TN_TEST(align, operands_start_where_the_device_wants)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; uri++) {
        setup s;
        start(&s, *uri, 128, false);
        TN_EXPECT(run(&s, s.buffer, 128, 256, 512, NULL) == TN_OK, "%s", *uri);
        TN_EXPECT(run(&s, s.odd, 126, 256, 512, NULL) == TN_OK, "%s", *uri);
        TN_EXPECT(
            refused(run(&s, s.buffer, 64, 256, 512, NULL), TN_STATUS_INVALID, "run.offset", "a"));
        TN_EXPECT(
            refused(run(&s, s.buffer, 0, 132, 512, NULL), TN_STATUS_INVALID, "run.offset", "b"));
        tn_op op = s.op;
        tn_arg args[3];
        memcpy(args, s.args, sizeof args);
        op.args = args;
        for (uint32_t i = 0; i < 3; i++)
            args[i].tensor.buffer = s.buffer, args[i].tensor.offset_bytes = 128 * i;
        TN_EXPECT(tn_compute(s.d.queue, &op) == TN_OK);
        args[1].tensor.offset_bytes = 192;
        TN_EXPECT(refused(tn_compute(s.d.queue, &op), TN_STATUS_INVALID, "run.offset", "b"));
        /* copies take any offset */
        TN_EXPECT(tn_queue_copy(s.d.queue, s.buffer, 1, s.buffer, 1025, 3, NULL) == TN_OK);
        stop(&s);
    }
}

TN_TEST(align, packed_weights_and_workspaces)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; uri++) {
        setup s;
        start(&s, *uri, 64, false);
        tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
        TN_REQUIRE(tn_plan_get_info(s.plan, &info) == TN_OK);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = info.workspace_bytes + 64};
        tn_buffer *work = NULL, *in = NULL, *askew = NULL;
        TN_REQUIRE(tn_buffer_create(s.d.device, &desc, &work) == TN_OK);
        TN_REQUIRE(tn_buffer_view(work, 64, info.workspace_bytes, &in) == TN_OK);
        TN_REQUIRE(tn_buffer_view(work, 32, info.workspace_bytes, &askew) == TN_OK);
        TN_EXPECT(run(&s, s.buffer, 0, 256, 512, in) == TN_OK, "%s", *uri);
        TN_EXPECT(refused(run(&s, s.buffer, 0, 256, 512, askew), TN_STATUS_INVALID, "run.offset",
                          "workspace"));
        tn_buffer_release(askew);
        tn_buffer_release(in);
        tn_buffer_release(work);
        stop(&s);
        start(&s, *uri, 64, true);
        uint64_t layout, bytes;
        TN_REQUIRE(tn_plan_layout(s.plan, TN_ARG_B, &layout, &bytes) == TN_OK && bytes <= 1024,
                   "%s", *uri);
        tn_tensor from = s.args[1].tensor;
        from.buffer = s.buffer;
        from.offset_bytes = 64;
        TN_EXPECT(tn_queue_pack(s.d.queue, s.plan, TN_ARG_B, &from, s.buffer, 2048, NULL) == TN_OK);
        TN_EXPECT(refused(tn_queue_pack(s.d.queue, s.plan, TN_ARG_B, &from, s.buffer, 2052, NULL),
                          TN_STATUS_INVALID, "run.offset", "to"));
        from.offset_bytes = 68;
        TN_EXPECT(refused(tn_queue_pack(s.d.queue, s.plan, TN_ARG_B, &from, s.buffer, 2048, NULL),
                          TN_STATUS_INVALID, "run.offset", "from"));
        stop(&s);
    }
}

TN_TEST(align, imported_memory)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open("cpu", &d));
    d.device->info.import_align = 64;
    TN_ALIGNED(64) char memory[256];
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = memory,
                            .bytes = 128,
                            .offset = 64};
    tn_buffer *b = NULL;
    TN_EXPECT(tn_buffer_import(d.device, &external, &b) == TN_OK);
    tn_buffer_release(b);
    external.offset = 60;
    TN_EXPECT(refused(tn_buffer_import(d.device, &external, &b), TN_STATUS_UNSUPPORTED,
                      "buffer.import_align", "external.pointer"));
    tn_test_close(&d);
}
