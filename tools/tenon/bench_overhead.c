/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench overhead: what a call costs beside its work: run of a 16x16x16 matmul on an idle
 * inline queue, plan creation, plan-cache hit. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 101, RUNS = 1000, PLANS = 200 };

static tn_op make_op(tn_matmul *attr, tn_arg args[3], int64_t n)
{
    static const uint32_t roles[] = {TN_ARG_A, TN_ARG_B, TN_ARG_OUT};
    *attr = (tn_matmul){.head = TN_INIT(tn_matmul)};
    for (int i = 0; i < 3; ++i)
        args[i] = (tn_arg){.role = roles[i],
                           .tensor = {.dtype = TN_F32, .rank = 2, .dim = {n, n}, .stride = {n, 1}}};
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_MATMUL,
                .arg_count = 3,
                .attr = attr,
                .args = args,
                .numerics = {.cls = TN_CLASS_CANONICAL}};
    return op;
}

static void report(const char *what, double *sample, uint32_t count)
{
    tool_stats s = tool_statistics(sample, count);
    printf("  %-44s median %8.3f us, p10 %8.3f, p90 %8.3f\n", what, s.median * 1e6, s.p10 * 1e6,
           s.p90 * 1e6);
}

int tool_bench_overhead(tn_device *device)
{
    tn_matmul attr;
    tn_arg args[3];
    tn_op op = make_op(&attr, args, 16);
    tn_queue *queue = NULL;
    tn_plan *plan = NULL;
    tn_buffer *buffer = NULL;
    int rc = 1;
    double sample[PLANS];
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_buffer_desc bd = {.head = TN_INIT(tn_buffer_desc), .bytes = 3 * 1024};
    if (tn_queue_create(device, &qd, &queue) != TN_OK ||
        tn_plan_create(device, &op, NULL, &plan) != TN_OK ||
        tn_buffer_create(device, &bd, &buffer) != TN_OK ||
        tn_queue_fill(queue, buffer, 0, 3 * 1024, 0, 4, NULL) != TN_OK ||
        tn_queue_wait_idle(queue, UINT64_MAX) != TN_OK)
        goto fail;
    tn_bind binds[] = {
        {TN_ARG_A, 0, buffer, 0}, {TN_ARG_B, 0, buffer, 1024}, {TN_ARG_OUT, 0, buffer, 2048}};
    for (int s = 0; s < SAMPLES; ++s) {
        double t = tool_now();
        for (int i = 0; i < RUNS; ++i)
            if (tn_queue_run(queue, plan, binds, 3, NULL, NULL) != TN_OK)
                goto fail;
        if (tn_queue_wait_idle(queue, UINT64_MAX) != TN_OK)
            goto fail;
        sample[s] = (tool_now() - t) / RUNS;
    }
    report("run, matmul 16x16x16 (kernel included)", sample, SAMPLES);
    for (int s = 0; s < PLANS; ++s) {
        tn_op fresh = make_op(&attr, args, 100 + s);
        tn_plan *one = NULL;
        double t = tool_now();
        if (tn_plan_create(device, &fresh, NULL, &one) != TN_OK)
            goto fail;
        sample[s] = tool_now() - t;
        tn_plan_release(one);
    }
    report("plan creation, a new shape each time", sample, PLANS);
    op = make_op(&attr, args, 16);
    for (int s = 0; s < SAMPLES; ++s) {
        double t = tool_now();
        for (int i = 0; i < RUNS; ++i) {
            tn_plan *one = NULL;
            if (tn_plan_create(device, &op, NULL, &one) != TN_OK)
                goto fail;
            tn_plan_release(one);
        }
        sample[s] = (tool_now() - t) / RUNS;
    }
    report("plan-cache hit, release included", sample, SAMPLES);
    rc = 0;
    goto done;
fail:
    tool_error("overhead");
done:
    tn_buffer_release(buffer);
    tn_plan_release(plan);
    tn_queue_release(queue);
    return rc;
}
