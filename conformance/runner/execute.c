/* SPDX-License-Identifier: Apache-2.0 */
/* Running a case: opening the device, the plan, the data and their references. */
#include <conformance/cases/case_fill.h>
#include <conformance/runner/launches.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const tn_v_status_names[TN_V_STATUS_COUNT] = {
    "pass",  "fail",  "quality_warning", "not_supported", "waived", "unexpected_pass",
    "flake", "crash", "timeout",         "internal_error"};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void last_error(char *text, size_t bytes)
{
    tn_error e;
    tn_error_last(&e);
    snprintf(text, bytes, "%s: %s", e.reason != NULL ? e.reason : tn_status_name(e.status),
             e.text != NULL ? e.text : "no text");
}

static void drop_queues(tn_v_session *s)
{
    tn_queue_release(s->queue);
    tn_queue_release(s->other);
    for (int i = 0; i < 2; ++i) {
        tn_fence_release(s->fence[i]);
        s->fence[i] = NULL;
    }
    s->queue = s->other = NULL;
    s->lap = 0;
}

static bool queues(tn_v_session *s)
{
    if (tn_queue_create(s->device, NULL, &s->queue) != TN_OK ||
        tn_fence_create(s->runtime, 0, &s->fence[0]) != TN_OK ||
        tn_fence_create(s->runtime, 0, &s->fence[1]) != TN_OK)
        return false;
    if (tn_queue_create(s->device, NULL, &s->other) != TN_OK)
        s->other = NULL; /* a device may have one queue only */
    return true;
}

bool tn_v_open(const char *uri, tn_v_session *s, char *why, size_t why_bytes)
{
    memset(s, 0, sizeof *s);
    snprintf(s->uri, sizeof s->uri, "%s", uri);
    s->timeout_ns = 20ull * 1000000000ull;
    s->explain = true;
    if (tn_runtime_create(NULL, &s->runtime) == TN_OK &&
        tn_device_open(s->runtime, uri, &s->device) == TN_OK && queues(s))
        return true;
    last_error(why, why_bytes);
    tn_v_close(s);
    return false;
}

void tn_v_close(tn_v_session *s)
{
    tn_v_drop_bed(s->bed);
    s->bed = NULL;
    drop_queues(s);
    tn_device_release(s->device);
    tn_runtime_release(s->runtime);
    s->device = NULL;
    s->runtime = NULL;
}

/* Data of one seed, and what has to come out of them. */
static bool prepare(tn_v_job *j, tn_v_result *out)
{
    double *values[TN_V_ARGS] = {NULL};
    if (!tn_v_images(j, out->message, sizeof out->message)) {
        out->status = TN_V_INTERNAL;
        return false;
    }
    for (uint32_t i = 0; i < j->op->arg_count; ++i)
        values[i] = j->image[i].values;
    if (!tn_v_fill(j->which, j->op, &j->call.arith, values, &j->data)) {
        out->status = TN_V_NOT_SUPPORTED;
        snprintf(out->message, sizeof out->message, "no data of class %s for this op",
                 tn_v_data_names[j->which->data]);
        return false;
    }
    j->call.exact = j->data.exact;
    return true;
}

static bool refer(tn_v_job *j, tn_v_result *out)
{
    tn_v_refer(j);
    if (j->truths > 0)
        return true;
    out->status = TN_V_INTERNAL;
    snprintf(out->message, sizeof out->message,
             j->truths == 0 ? "the suite has no reference for this op"
                            : "no host memory for the reference");
    j->truths = 0;
    return false;
}

/* Classes whose operands are made for each other. */
static bool belong_together(const tn_v_job *j)
{
    tn_v_data d = j->which->data;
    return d == TN_V_ONE_HOT || d == TN_V_EXACT || d == TN_V_ROUND || d == TN_V_ORDER ||
           d == TN_V_TIES ||
           (j->op->kind == TN_OP_ATTENTION &&
            ((const tn_attention *)j->op->attr)->pass != TN_PASS_FORWARD);
}

/* Other data: all of them, or the first input alone, or all but the first; what is kept of an
 * earlier launch then meets what is not. */
static void keep_some(const tn_v_job *j, tn_v_job *other)
{
    uint64_t how = tn_v_hash(j->which->name) / 2 % 3;
    if (how == 0 || belong_together(j))
        return;
    bool first = true;
    for (uint32_t i = 0; i < j->op->arg_count; ++i) {
        if (j->image[i].output)
            continue;
        if (first == (how == 2))
            memcpy(other->image[i].values, j->image[i].values,
                   (size_t)tn_v_count(&j->op->args[i].tensor) * sizeof(double));
        first = false;
    }
}

static void run_job(tn_v_job *j, tn_v_job *other, tn_v_case *with, tn_v_result *out)
{
    tn_plan *plan = NULL, *beside = NULL;
    bool beside_first = tn_v_hash(j->which->name) / 8 % 2 != 0;
    if (other != NULL && beside_first)
        beside = tn_v_beside(j);
    tn_status st = tn_plan_create(j->session->device, j->op, NULL, &plan);
    if (st != TN_OK) {
        tn_v_failed_call(out, st, "plan");
        tn_plan_release(beside);
        return;
    }
    if (other != NULL && !beside_first)
        beside = tn_v_beside(j);
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    j->declared = (tn_arithmetic){.head = TN_INIT(tn_arithmetic)};
    if (tn_plan_get_info(plan, &info) == TN_OK)
        snprintf(out->kernel, sizeof out->kernel, "%s", info.kernel);
    if (tn_plan_arithmetic(plan, &j->declared) != TN_OK)
        memset(&j->declared, 0, sizeof j->declared);
    j->call.op = j->op;
    j->call.arith = tn_v_arith_of(&j->declared, j->op);
    out->nearest = j->call.arith.nearest;
    out->bits = (int)(-log2(j->call.arith.u)) + (out->nearest ? 0 : 1);
    bool good = prepare(j, out);
    const tn_v_watch *watch = j->session->watch;
    if (good && watch != NULL && watch->made != NULL)
        watch->made(watch->self, j);
    if (good && other != NULL) {
        *other = (tn_v_job){.session = j->session,
                            .which = with,
                            .op = j->op,
                            .call = j->call,
                            .declared = j->declared};
        *with = *j->which;
        with->seed = (tn_v_hash(with->name) ^ 0x5bd1e995u) | 1u;
        with->seed ^= j->which->seed & 1u; /* hot data turn over with the lowest bit */
        good = prepare(other, out);
        if (good)
            keep_some(j, other);
    }
    if (good && refer(j, out) && (other == NULL || refer(other, out))) {
        if (watch != NULL && watch->ready != NULL)
            watch->ready(watch->self, j);
        tn_v_launches(j, other, plan, beside, out);
    }
    tn_plan_release(beside);
    tn_plan_release(plan);
}

void tn_v_run(tn_v_session *s, const tn_v_case *c, tn_v_result *out)
{
    memset(out, 0, sizeof *out);
    if (tn_v_is_lowlevel(c->op)) {
        double t0 = now();
        tn_v_lowlevel(s, c, out);
        out->run_s = now() - t0;
        return;
    }
    /* A second look for a hypothesis, which has no seed, needs no other data. */
    tn_v_job *j = calloc(1, sizeof *j), *other = c->seed != 0 ? calloc(1, sizeof *other) : NULL;
    tn_v_case with;
    tn_op *op = NULL;
    tn_status st = j != NULL && (other != NULL || c->seed == 0)
                       ? tn_op_parse(s->runtime, c->op, &op)
                       : TN_STATUS_NO_MEMORY;
    if (st != TN_OK) {
        last_error(out->message, sizeof out->message);
        out->status = TN_V_INTERNAL;
        free(j);
        free(other);
        return;
    }
    j->session = s;
    j->which = c;
    j->op = op;
    if (op->arg_count > TN_V_ARGS)
        out->status = TN_V_INTERNAL;
    else
        run_job(j, other, &with, out);
    if (s->watch != NULL && s->watch->judged != NULL)
        s->watch->judged(s->watch->self, j, out);
    tn_v_forget(j);
    if (other != NULL)
        tn_v_forget(other);
    free(j);
    free(other);
    tn_op_free(s->runtime, op);
    /* A queue whose work has failed does no more. */
    tn_status left = tn_queue_wait_idle(s->queue, 0);
    tn_status right = s->other != NULL ? tn_queue_wait_idle(s->other, 0) : TN_OK;
    bool failed = (left != TN_OK && left != TN_STATUS_TIMEOUT) ||
                  (right != TN_OK && right != TN_STATUS_TIMEOUT);
    if (failed && c->seed != 0) {
        drop_queues(s);
        if (!queues(s))
            out->status = TN_V_FAIL;
    }
}
