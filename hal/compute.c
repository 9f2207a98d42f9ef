/* SPDX-License-Identifier: Apache-2.0 */
/* One call for scripts and tests: plan, run, wait. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/plan.h"

/** Runs an op with the buffers of its own tensors and waits until it is done.
 *  memory    every tensor has a buffer of the queue's device and its offset_bytes
 *  numerics  as the op asks
 *  returns   as tn_plan_create, tn_queue_run and the wait. An op that the device lacks runs on the
 *            cpu device with copies (TN_PLAN_ALLOW_FALLBACK); make the plan yourself to see that,
 *            or to refuse it
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_compute(tn_queue *q, const tn_op *op)
{
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
    tn_bind bind[TN__OP_ARGS];
    tn_fence *fence = NULL;
    tn_plan *plan = NULL;
    tn__op_view v;
    tn__error_copy first;
    if (q == NULL)
        return tn__fail_null("queue", "make one with tn_queue_create");
    if (tn__queue_recording(q))
        return tn__fail(TN_STATUS_INVALID, "compute.record", "queue",
                        "the queue is a recorder, and tn_compute waits, which cannot be recorded; "
                        "use tn_queue_run");
    tn_runtime *rt = tn__queue_device(q)->runtime;
    uint64_t began = tn__trace_begin(rt);
    tn_status st = tn__op_open(op, &v);
    if (st == TN_OK)
        st = tn_plan_create(tn__queue_device(q), op, &desc, &plan);
    if (st != TN_OK)
        return st;
    for (uint32_t i = 0; i < v.op.arg_count; ++i)
        bind[i] = (tn_bind){.role = v.op.args[i].role,
                            .buffer = v.op.args[i].tensor.buffer,
                            .offset_bytes = v.op.args[i].tensor.offset_bytes};
    st = tn_fence_create(rt, 0, &fence);
    tn_point done = {fence, 1};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    if (st == TN_OK)
        st = tn_queue_run(q, plan, bind, v.op.arg_count, NULL, &sync);
    if (st == TN_OK)
        st = tn_fence_wait(&done, 1, 0, UINT64_MAX);
    if (began != 0)
        (void)tn__trace_host(rt, "api", "compute", st, began, plan, op);
    if (st != TN_OK)
        tn__error_save(&first, NULL);
    tn_fence_release(fence);
    tn_plan_release(plan);
    return st == TN_OK ? TN_OK : tn__fail_again(&first.error);
}
