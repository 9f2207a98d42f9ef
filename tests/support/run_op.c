/* SPDX-License-Identifier: Apache-2.0 */
/* Runs an op on a device from host arrays and back. */
#include "run_op.h"

#include <string.h>

enum { MAX_ARGS = 16 };

bool tn_test_open(const char *uri, tn_test_device *out)
{
    memset(out, 0, sizeof *out);
    if (tn_runtime_create(NULL, &out->runtime) == TN_OK &&
        tn_device_open(out->runtime, uri, &out->device) == TN_OK &&
        tn_queue_create(out->device, NULL, &out->queue) == TN_OK)
        return true;
    tn_test_close(out);
    return false;
}

void tn_test_close(tn_test_device *d)
{
    tn_queue_release(d->queue);
    tn_device_release(d->device);
    tn_runtime_release(d->runtime);
    memset(d, 0, sizeof *d);
}

tn_tensor tn_test_tensor(tn_dtype dtype, uint16_t rank, const int64_t *dim)
{
    tn_tensor t;
    memset(&t, 0, sizeof t);
    t.dtype = (uint16_t)dtype;
    t.rank = rank;
    int64_t stride = 1;
    for (int i = rank; i-- > 0;) {
        t.dim[i] = dim[i];
        t.stride[i] = stride;
        stride *= dim[i];
    }
    return t;
}

/* As tn_compute, by the kernel that the caller names. */
static tn_status compute_by(tn_test_device *d, const tn_op *op)
{
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .kernel = d->kernel};
    tn_bind bind[MAX_ARGS];
    tn_plan *plan = NULL;
    tn_status st = tn_plan_create(d->device, op, &desc, &plan);
    for (uint32_t i = 0; i < op->arg_count; ++i)
        bind[i] = (tn_bind){.role = op->args[i].role,
                            .buffer = op->args[i].tensor.buffer,
                            .offset_bytes = op->args[i].tensor.offset_bytes};
    if (st == TN_OK)
        st = tn_queue_run(d->queue, plan, bind, op->arg_count, NULL, NULL);
    tn_plan_release(plan);
    return st;
}

bool tn_test_compute(tn_test_device *d, const tn_op *op, void *const *host, const uint64_t *bytes)
{
    tn_arg args[MAX_ARGS];
    tn_buffer *buffer[MAX_ARGS] = {NULL};
    bool ok = op->arg_count <= MAX_ARGS;
    for (uint32_t i = 0; ok && i < op->arg_count; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = d->from_bytes + bytes[i]};
        args[i] = op->args[i];
        ok = tn_buffer_create(d->device, &desc, &buffer[i]) == TN_OK &&
             tn_queue_write(d->queue, buffer[i], d->from_bytes, host[i], bytes[i], NULL) == TN_OK;
        args[i].tensor.buffer = buffer[i];
        args[i].tensor.offset_bytes += d->from_bytes;
    }
    tn_op bound = *op;
    bound.args = args;
    ok = ok && (d->kernel != NULL ? compute_by(d, &bound) : tn_compute(d->queue, &bound)) == TN_OK;
    for (uint32_t i = 0; ok && i < op->arg_count; ++i)
        if (args[i].role == TN_ARG_OUT ||
            (args[i].role >= TN_ARG_OUT_GRAD_A && args[i].role <= TN_ARG_OUT_GRAD_V) ||
            (op->kind == TN_OP_TOPK && args[i].role == TN_ARG_INDEX))
            ok =
                tn_queue_read(d->queue, host[i], buffer[i], d->from_bytes, bytes[i], NULL) == TN_OK;
    /* Host memory is borrowed until the queue is idle, whatever went wrong before. */
    tn_error e;
    if (!ok)
        tn_error_last(&e);
    if (d->queue != NULL && tn_queue_wait_idle(d->queue, UINT64_MAX) != TN_OK)
        ok = false;
    for (uint32_t i = 0; i < MAX_ARGS; ++i)
        tn_buffer_release(buffer[i]);
    return ok;
}
