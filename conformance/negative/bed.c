/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, queues and buffers for wrong calls, and the check after each of them. */
#include <conformance/negative/bed.h>

#include <stdlib.h>
#include <string.h>

enum { N = 16 };

static const unsigned char *pattern(void)
{
    static unsigned char bytes[TN_V_BED_BYTES];
    tn_v_random r = {0x7e57};
    for (int i = 0; bytes[0] == 0 && i < TN_V_BED_BYTES; i += 8) {
        uint64_t word = tn_v_next(&r) | 1u;
        memcpy(bytes + i, &word, 8);
    }
    return bytes;
}

static tn_status buffer_of(tn_device *d, tn_queue *q, tn_buffer **out)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = TN_V_BED_BYTES};
    tn_status st = tn_buffer_create(d, &desc, out);
    if (st == TN_OK)
        st = tn_queue_write(q, *out, 0, pattern(), TN_V_BED_BYTES, NULL);
    return st == TN_OK ? tn_queue_wait_idle(q, UINT64_MAX) : st;
}

static tn_status record(tn_v_bed *x)
{
    tn_status st = tn_commands_begin(x->q, &x->ended);
    if (st == TN_OK)
        st = tn_queue_fill(x->ended, x->out, 0, 64, 0, 4, NULL);
    if (st == TN_OK)
        st = tn_commands_end(x->ended, &x->commands);
    return st == TN_OK ? tn_commands_begin(x->q, &x->recorder) : st;
}

static tn_status devices(tn_v_bed *x, const char *uri)
{
    tn_status st = tn_runtime_create(NULL, &x->other_rt);
    if (st == TN_OK)
        st = tn_device_open(x->rt, uri, &x->again);
    if (st == TN_OK)
        st = tn_device_open(x->other_rt, uri, &x->other_d);
    if (st == TN_OK)
        st = tn_queue_create(x->d, NULL, &x->q);
    if (st == TN_OK && tn_queue_create(x->d, NULL, &x->second) != TN_OK)
        x->second = NULL; /* a device may have fewer */
    if (st == TN_OK)
        st = tn_queue_create(x->again, NULL, &x->again_q);
    return st == TN_OK ? tn_queue_create(x->other_d, NULL, &x->other_q) : st;
}

static tn_status contents(tn_v_bed *x)
{
    tn_error e = {
        .status = TN_STATUS_CANCELLED, .reason = "verify.cancelled", .text = "by the test"};
    tn_status st = buffer_of(x->d, x->q, &x->b);
    for (int i = 0; i < TN_V_BED_OPERANDS && st == TN_OK; ++i)
        st = buffer_of(x->d, x->q, &x->operand[i]);
    if (st == TN_OK)
        st = tn_buffer_view(x->b, 64, 64, &x->view);
    if (st == TN_OK)
        st = buffer_of(x->d, x->q, &x->in);
    if (st == TN_OK)
        st = buffer_of(x->d, x->q, &x->out);
    if (st == TN_OK)
        st = buffer_of(x->again, x->again_q, &x->again_b);
    if (st == TN_OK)
        st = buffer_of(x->other_d, x->other_q, &x->other_b);
    if (st == TN_OK)
        st = tn_fence_create(x->rt, 7, &x->f);
    if (st == TN_OK)
        st = tn_fence_create(x->other_rt, 0, &x->other_f);
    if (st == TN_OK)
        st = tn_fence_create(x->rt, 0, &x->failed);
    if (st == TN_OK)
        st = tn_fence_fail(x->failed, &e);
    if (st == TN_OK)
        st = record(x);
    if (st == TN_OK)
        st = tn_op_parse(x->rt, "eltwise scale 16:f32:pa=2+pb=1", &x->op);
    if (st == TN_OK && tn_plan_create(x->d, x->op, NULL, &x->plan) != TN_OK)
        x->plan = NULL;
    return st;
}

tn_v_bed *tn_v_make_bed(tn_v_session *s, tn_v_result *result)
{
    if (s->bed != NULL)
        return s->bed;
    tn_v_bed *x = calloc(1, sizeof *x);
    if (x == NULL) {
        result->status = TN_V_INTERNAL;
        (void)tn_v_wrong(result, "no host memory");
        return NULL;
    }
    x->rt = tn_runtime_retain(s->runtime);
    x->d = tn_device_retain(s->device);
    tn_status st = devices(x, s->uri);
    if (st == TN_OK)
        st = contents(x);
    if (!tn_v_good(result, st, "what wrong calls are made with")) {
        tn_v_drop_bed(x);
        return NULL;
    }
    s->bed = x;
    return x;
}

void tn_v_drop_bed(tn_v_bed *x)
{
    if (x == NULL)
        return;
    tn_commands_release(x->commands);
    tn_queue *queues[] = {x->recorder, x->ended, x->q, x->second, x->again_q, x->other_q};
    tn_buffer *buffers[] = {x->view, x->b, x->again_b, x->other_b, x->in, x->out};
    tn_fence *fences[] = {x->f, x->other_f, x->failed};
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; ++i)
        tn_queue_release(queues[i]);
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; ++i)
        tn_buffer_release(buffers[i]);
    for (int i = 0; i < TN_V_BED_OPERANDS; ++i)
        tn_buffer_release(x->operand[i]);
    for (size_t i = 0; i < sizeof fences / sizeof fences[0]; ++i)
        tn_fence_release(fences[i]);
    tn_plan_release(x->plan);
    tn_op_free(x->rt, x->op);
    tn_device *devices_of[] = {x->again, x->other_d, x->d};
    for (size_t i = 0; i < sizeof devices_of / sizeof devices_of[0]; ++i)
        tn_device_release(devices_of[i]);
    tn_runtime_release(x->other_rt);
    tn_runtime_release(x->rt);
    free(x);
}

static bool said(tn_status got, tn_status want, const char *argument, tn_v_result *out)
{
    tn_error e;
    tn_error_last(&e);
    const char *text = e.text != NULL ? e.text : "", *name = e.argument != NULL ? e.argument : "";
    const char *last = strrchr(argument, '.');
    if (got != want)
        return tn_v_wrong(out, "%s is given, %s is right (%s)", tn_status_name(got),
                          tn_status_name(want), text);
    if (e.status != want)
        return tn_v_wrong(out, "the call gives %s, the error says %s", tn_status_name(want),
                          tn_status_name(e.status));
    if (e.reason == NULL || strchr(e.reason, '.') == NULL)
        return tn_v_wrong(out, "the error has no reason: %.200s", text);
    if (strcmp(name, argument) != 0)
        return tn_v_wrong(out, "the error is about \"%s\", \"%s\" is wrong (%.200s)", name,
                          argument, text);
    if (strstr(text, last != NULL ? last + 1 : argument) == NULL)
        return tn_v_wrong(out, "the text does not name %s: %.200s", argument, text);
    return true;
}

/* Nothing was made, and what was there has its bytes. */
static bool unchanged(tn_v_bed *x, tn_v_result *out)
{
    unsigned char *got = malloc(TN_V_BED_BYTES);
    bool none = x->made_buffer == NULL && x->made_queue == NULL && x->made_fence == NULL &&
                x->made_plan == NULL && x->made_op == NULL && x->made_device == NULL &&
                x->made_runtime == NULL && x->made_commands == NULL;
    bool good = got != NULL && (none || tn_v_wrong(out, "a refused call has made something"));
    for (int i = -1; i < TN_V_BED_OPERANDS && good; ++i) {
        tn_status st =
            tn_queue_read(x->q, got, i < 0 ? x->b : x->operand[i], 0, TN_V_BED_BYTES, NULL);
        tn_status idle = tn_queue_wait_idle(x->q, UINT64_MAX);
        good = tn_v_good(out, st != TN_OK ? st : idle, "read after a refused call");
        int64_t at = good ? tn_v_differs(got, pattern(), TN_V_BED_BYTES) : -1;
        if (at >= 0)
            good =
                tn_v_wrong(out, "a refused call has changed byte %lld of a buffer", (long long)at);
    }
    free(got);
    return good;
}

static bool works(tn_v_bed *x, tn_v_result *out)
{
    float in[N], got[N];
    tn_bind bind[2] = {{TN_ARG_A, 0, x->in, 0}, {TN_ARG_OUT, 0, x->out, 0}};
    for (int i = 0; i < N; ++i)
        in[i] = (float)(i - 5);
    tn_status st = tn_queue_write(x->q, x->in, 0, in, sizeof in, NULL);
    if (st == TN_OK && x->plan != NULL)
        st = tn_queue_run(x->q, x->plan, bind, 2, NULL, NULL);
    if (st == TN_OK)
        st = tn_queue_read(x->q, got, x->plan != NULL ? x->out : x->in, 0, sizeof got, NULL);
    tn_status idle = tn_queue_wait_idle(x->q, UINT64_MAX);
    if (!tn_v_good(out, st != TN_OK ? st : idle, "work after a refused call"))
        return false;
    for (int i = 0; i < N; ++i) {
        float want = x->plan != NULL ? 2 * in[i] + 1 : in[i];
        if (got[i] != want)
            return tn_v_wrong(out, "after a refused call element %d of a result is %g, not %g", i,
                              (double)got[i], (double)want);
    }
    return true;
}

bool tn_v_refused(tn_v_bed *x, tn_status got, tn_status want, const char *argument,
                  tn_v_result *out)
{
    bool good = said(got, want, argument, out);
    if (x->mapped && tn_buffer_unmap(x->b) != TN_OK && good)
        good = tn_v_wrong(out, "after the refused call the mapping cannot be ended");
    x->mapped = false;
    good = good && unchanged(x, out) && works(x, out);
    tn_buffer_release(x->made_buffer);
    tn_queue_release(x->made_queue);
    tn_fence_release(x->made_fence);
    tn_plan_release(x->made_plan);
    tn_op_free(x->rt, x->made_op);
    tn_device_release(x->made_device);
    tn_runtime_release(x->made_runtime);
    tn_commands_release(x->made_commands);
    x->made_buffer = NULL;
    x->made_queue = NULL;
    x->made_fence = NULL;
    x->made_plan = NULL;
    x->made_op = NULL;
    x->made_device = NULL;
    x->made_runtime = NULL;
    x->made_commands = NULL;
    return good;
}
