/* SPDX-License-Identifier: Apache-2.0 */
/* The template backend: it moves data, refuses ops with its reason, and plans on it fall back. */
#include "support/run_op.h"
#include "support/test.h"

TN_TEST(null, moves_data_refuses_ops_and_falls_back)
{
    tn_test_device d;
    TN_REQUIRE(tn_test_open("null", &d), "null cannot be opened");
    int64_t dim[] = {4, 4};
    float a[16], b[16], out[16];
    for (int i = 0; i < 16; ++i) {
        a[i] = (float)i;
        b[i] = i % 5 == 0 ? 2.0f : 0.0f; /* twice the identity */
        out[i] = -1.0f;
    }
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {{TN_ARG_A, 0, tn_test_tensor(TN_F32, 2, dim)},
                      {TN_ARG_B, 0, tn_test_tensor(TN_F32, 2, dim)},
                      {TN_ARG_OUT, 0, tn_test_tensor(TN_F32, 2, dim)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};
    tn_plan *plan = NULL;
    tn_error e;
    TN_EXPECT(tn_plan_create(d.device, &op, NULL, &plan) == TN_STATUS_UNSUPPORTED, "no kernel");
    tn_error_last(&e);
    TN_EXPECT(e.reason != NULL && strcmp(e.reason, "null.no_kernels") == 0, "%s", e.reason);

    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    TN_REQUIRE(tn_plan_create(d.device, &op, &desc, &plan) == TN_OK, "fallback");
    TN_EXPECT(tn_plan_get_info(plan, &info) == TN_OK && info.fallback == 1, "fallback is reported");
    tn_buffer *buffer[3];
    float *host[3] = {a, b, out};
    tn_bind binds[3];
    for (int i = 0; i < 3; ++i) {
        tn_buffer_desc bd = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof a};
        TN_REQUIRE(tn_buffer_create(d.device, &bd, &buffer[i]) == TN_OK, "buffer");
        TN_REQUIRE(tn_queue_write(d.queue, buffer[i], 0, host[i], sizeof a, NULL) == TN_OK,
                   "write");
        binds[i] = (tn_bind){.role = args[i].role, .buffer = buffer[i]};
    }
    TN_EXPECT(tn_queue_run(d.queue, plan, binds, 3, NULL, NULL) == TN_OK, "run");
    TN_EXPECT(tn_queue_read(d.queue, out, buffer[2], 0, sizeof out, NULL) == TN_OK, "read");
    TN_EXPECT(tn_queue_wait_idle(d.queue, UINT64_MAX) == TN_OK, "idle");
    for (int i = 0; i < 16; ++i)
        TN_EXPECT(out[i] == 2.0f * a[i], "element %d is %g", i, (double)out[i]);
    for (int i = 0; i < 3; ++i)
        tn_buffer_release(buffer[i]);
    tn_plan_release(plan);
    tn_test_close(&d);
}
