/* SPDX-License-Identifier: Apache-2.0 */
/* An op that the device lacks, run on the cpu device with copies in and out; always reported. */
/* path: api > [placement] > queue > backend > kernel > device */
#include "hal/plan.h"

tn_status tn__fallback_create(tn_plan *plan, const tn_plan_desc *desc)
{
    tn__error_copy refused;
    tn_device *cpu = NULL;
    tn__error_save(&refused, NULL);
    if (plan->choices.first == NULL)
        tn__choices_add_error(&plan->choices, plan->device->uri);
    tn_status st = tn__runtime_fallback(plan->device->runtime, &cpu);
    if (st == TN_STATUS_NO_MEMORY) /* says nothing about the op: worth another try */
        return st;
    if (st != TN_OK)
        return tn__fail_again(&refused.error);
    if (cpu == plan->device) { /* it is the cpu device that refused */
        tn_device_release(cpu);
        return tn__fail_again(&refused.error);
    }
    tn_plan_desc inner = *desc;
    inner.flags &= ~(uint32_t)TN_PLAN_ALLOW_FALLBACK;
    inner.kernel = NULL; /* a forced kernel was the device's: it is not to be had elsewhere */
    st = desc->kernel != NULL ? TN_STATUS_UNSUPPORTED
                              : tn_plan_create(cpu, plan->op, &inner, &plan->inner);
    tn_device_release(cpu);
    if (st == TN_STATUS_UNSUPPORTED)
        return tn__fail_again(&refused.error);
    if (st == TN_OK)
        tn__choices_visit(&plan->inner->choices, tn__choices_add, &plan->choices);
    if (st == TN_OK && tn__tracing(plan->device->runtime))
        tn__trace_fallback(plan, refused.error.reason);
    return st;
}

/* Everything that one run needs on the cpu device; released at the end, kept by the pending work.
 */
typedef struct staged {
    tn_queue *queue;
    tn_fence *fence; /* 1: operands are here; 2: the result is */
    tn_buffer *buffer[TN__OP_ARGS];
} staged;

static tn_status stage_create(const tn_plan *plan, staged *s)
{
    tn_device *cpu = plan->inner->device;
    tn_queue_desc queue = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_status st = tn_queue_create(cpu, &queue, &s->queue);
    if (st == TN_OK)
        st = tn_fence_create(cpu->runtime, 0, &s->fence);
    for (uint32_t i = 0; st == TN_OK && i < plan->arg_count; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = plan->arg[i].extent};
        st = tn_buffer_create(cpu, &desc, &s->buffer[i]);
    }
    return st;
}

/* An output with gaps between its elements is brought over first: the gaps go back unchanged. */
static bool needs_copy_in(const tn_plan *plan, uint32_t arg)
{
    if (!plan->arg[arg].output)
        return true;
    uint64_t elems = 1, bytes;
    const tn_tensor *t = &plan->op->args[arg].tensor;
    for (int i = 0; i < t->rank; ++i)
        elems *= (uint64_t)t->dim[i]; /* below the extent, which was checked */
    bytes = (elems * tn_dtype_bits((tn_dtype)t->dtype) + 7) / 8;
    if (tn__block_bytes(t->layout) != 0)
        bytes = elems / TN__BLOCK * tn__block_bytes(t->layout);
    return bytes != plan->arg[arg].extent;
}

static tn_status copy_in(tn_queue *q, const tn_plan *plan, tn_buffer *const *buffer,
                         const uint64_t *offset, const staged *s, const tn_sync *sync)
{
    tn_point ready = {s->fence, 1};
    uint32_t last = 0;
    for (uint32_t i = 0; i < plan->arg_count; ++i)
        if (needs_copy_in(plan, i))
            last = i;
    bool first = true;
    for (uint32_t i = 0; i <= last; ++i) {
        tn_sync part = {0};
        if (!needs_copy_in(plan, i))
            continue;
        if (first && sync != NULL) {
            part.wait = sync->wait;
            part.wait_count = sync->wait_count;
        }
        first = false;
        if (i == last) {
            part.signal = &ready;
            part.signal_count = 1;
        }
        tn_status st =
            tn_queue_copy(q, s->buffer[i], 0, buffer[i], offset[i], plan->arg[i].extent, &part);
        if (st != TN_OK)
            return st;
    }
    return TN_OK;
}

static tn_status run_there(const tn_plan *plan, const staged *s)
{
    tn_bind bind[TN__OP_ARGS];
    tn_point ready = {s->fence, 1}, done = {s->fence, 2};
    tn_sync sync = {.wait = &ready, .signal = &done, .wait_count = 1, .signal_count = 1};
    for (uint32_t i = 0; i < plan->arg_count; ++i)
        bind[i] = (tn_bind){.role = plan->arg[i].role, .buffer = s->buffer[i]};
    return tn_queue_run(s->queue, plan->inner, bind, plan->arg_count, NULL, &sync);
}

static tn_status copy_out(tn_queue *q, const tn_plan *plan, tn_buffer *const *buffer,
                          const uint64_t *offset, const staged *s, const tn_sync *sync)
{
    tn_point done = {s->fence, 2};
    uint32_t last = 0;
    for (uint32_t i = 0; i < plan->arg_count; ++i)
        if (plan->arg[i].output)
            last = i;
    bool first = true;
    for (uint32_t i = 0; i <= last; ++i) {
        tn_sync part = {0};
        if (!plan->arg[i].output)
            continue;
        if (first) {
            part.wait = &done;
            part.wait_count = 1;
        }
        first = false;
        if (i == last && sync != NULL) {
            part.signal = sync->signal;
            part.signal_count = sync->signal_count;
        }
        tn_status st =
            tn_queue_copy(q, buffer[i], offset[i], s->buffer[i], 0, plan->arg[i].extent, &part);
        if (st != TN_OK)
            return st;
    }
    return TN_OK;
}

tn_status tn__fallback_run(tn_queue *q, tn_plan *plan, tn_buffer *const *buffer,
                           const uint64_t *offset, const tn_sync *sync)
{
    staged s = {0};
    tn__error_copy first;
    if (tn__queue_recording(q))
        return tn__fail(TN_STATUS_UNSUPPORTED, "fallback.record", "plan",
                        "the plan fell back to %s, which cannot be recorded; run it directly",
                        plan->info.device);
    tn_status st = tn__sync_check(q, sync);
    if (st == TN_OK)
        st = stage_create(plan, &s);
    if (st == TN_OK)
        st = copy_in(q, plan, buffer, offset, &s, sync);
    if (st == TN_OK)
        st = run_there(plan, &s);
    if (st == TN_OK)
        st = copy_out(q, plan, buffer, offset, &s, sync);
    if (st != TN_OK)
        tn__error_save(&first, NULL);
    for (uint32_t i = 0; i < plan->arg_count; ++i)
        tn_buffer_release(s.buffer[i]);
    tn_fence_release(s.fence);
    tn_queue_release(s.queue);
    return st == TN_OK ? TN_OK : tn__fail_again(&first.error);
}
