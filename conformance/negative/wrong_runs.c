/* SPDX-License-Identifier: Apache-2.0 */
/* Right plans of the samples, bound wrongly: every operand in every way. */
#include <conformance/negative/samples.h>

#include <stdio.h>
#include <string.h>

typedef struct setting {
    tn_v_bed *x;
    const tn_op *op;
    tn_bind bind[TN_V_ARGS + 1];
    uint32_t count;
    tn_queue *queue;
} setting;

/* One way to bind operand `i` wrongly. False: it does not apply. */
#define WAY(name, condition, ...)                                                                  \
    static bool name(setting *s, uint32_t i)                                                       \
    {                                                                                              \
        tn_bind *b = &s->bind[i];                                                                  \
        const tn_tensor *t = &s->op->args[i].tensor;                                               \
        (void)t, (void)b;                                                                          \
        if (!(condition))                                                                          \
            return false;                                                                          \
        __VA_ARGS__;                                                                               \
        return true;                                                                               \
    }
WAY(no_buffer, true, b->buffer = NULL)
WAY(opened_again, true, b->buffer = s->x->again_b)
WAY(other_runtime, true, b->buffer = s->x->other_b)
WAY(past_end, true, b->offset_bytes = TN_V_BED_BYTES)
WAY(offset_overflows, true, b->offset_bytes = UINT64_MAX - 63)
WAY(half_an_element, tn_dtype_bits((tn_dtype)t->dtype) > 8,
    b->offset_bytes = tn_dtype_bits((tn_dtype)t->dtype) / 16)
WAY(unknown_role, true, b->role = 60)
WAY(other_role, s->op->arg_count > 1, b->role = s->op->args[i == 0 ? 1 : 0].role)
WAY(unknown_flags, true, b->flags = 0x80)
WAY(left_out, true, s->count--)
WAY(once_too_often, true, s->bind[s->count++] = *b)
WAY(over_an_input, tn_v_is_output(s->op, s->op->args[i].role),
    b->buffer = s->bind[i == 0 ? 1 : 0].buffer)
WAY(other_queue, i == 0, s->queue = s->x->again_q)
WAY(no_queue, i == 0, s->queue = NULL)

static const struct {
    const char *name;
    bool (*change)(setting *s, uint32_t i);
    const char *argument; /* NULL: the operand */
} ways[] = {{"no_buffer", no_buffer, NULL},
            {"opened_again", opened_again, NULL},
            {"other_runtime", other_runtime, NULL},
            {"past_end", past_end, NULL},
            {"offset_overflows", offset_overflows, NULL},
            {"half_an_element", half_an_element, NULL},
            {"unknown_role", unknown_role, "binds"},
            {"other_role", other_role, "binds"},
            {"unknown_flags", unknown_flags, NULL},
            {"left_out", left_out, "binds"},
            {"once_too_often", once_too_often, "binds"},
            {"over_an_input", over_an_input, NULL},
            {"other_queue", other_queue, "plan"},
            {"no_queue", no_queue, "queue"}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static bool try_way(tn_v_bed *x, const tn_op *op, tn_plan *plan, uint32_t i, int way,
                    tn_v_result *out)
{
    setting s = {.x = x, .op = op, .count = op->arg_count, .queue = x->q};
    const char *role = tn_v_role_name(op->args[i].role);
    for (uint32_t k = 0; k < op->arg_count; ++k)
        s.bind[k] = (tn_bind){op->args[k].role, 0, x->operand[k], 0};
    if (!ways[way].change(&s, i))
        return tn_v_wrong(out, "does not apply");
    tn_status st = tn_queue_run(s.queue, plan, s.bind, s.count, NULL, NULL);
    return tn_v_refused(x, st, TN_STATUS_INVALID,
                        ways[way].argument != NULL ? ways[way].argument : role, out);
}

static bool run(tn_v_session *session, const tn_v_case *c, tn_v_random *r, tn_v_result *out)
{
    tn_v_bed *x = tn_v_make_bed(session, out);
    const char *what = c->op + strlen("negative.run.");
    (void)r;
    for (int k = 0; k < TN_V_SAMPLES && x != NULL; ++k) {
        char name[32], full[96];
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        tn_v_sample_name(k, name, sizeof name);
        size_t n = strlen(name);
        if (strncmp(what, name, n) != 0 || what[n] != '.')
            continue;
        if (!tn_v_good(out, tn_op_parse(session->runtime, tn_v_samples[k], &op), "op"))
            return false;
        tn_status st = tn_plan_create(x->d, op, NULL, &plan);
        if (st == TN_STATUS_UNSUPPORTED)
            out->status = TN_V_NOT_SUPPORTED;
        bool good = tn_v_good(out, st, "plan"), found = false;
        for (uint32_t i = 0; i < op->arg_count && good && !found; ++i)
            for (int way = 0; way < WAYS && !found; ++way) {
                snprintf(full, sizeof full, "%s.%s.%s", name, tn_v_role_name(op->args[i].role),
                         ways[way].name);
                found = strcmp(full, what) == 0;
                if (found)
                    good = try_way(x, op, plan, i, way, out);
            }
        if (good && !found)
            good = tn_v_wrong(out, "no such row");
        tn_plan_release(plan);
        tn_op_free(session->runtime, op);
        return good;
    }
    return x != NULL && tn_v_wrong(out, "no such op");
}

static void list(tn_v_sink *s)
{
    tn_v_session none;
    tn_v_result ignored;
    memset(&none, 0, sizeof none);
    none.runtime = tn_v_sample_runtime();
    for (int k = 0; k < TN_V_SAMPLES; ++k) {
        tn_v_sample sample;
        char name[32], full[96];
        tn_v_sample_name(k, name, sizeof name);
        if (!tn_v_sample_of(&none, tn_v_samples[k], &sample, &ignored)) {
            s->failed = true;
            continue;
        }
        for (uint32_t i = 0; i < sample.op.arg_count; ++i)
            for (int way = 0; way < WAYS; ++way) {
                setting test = {.op = &sample.op, .count = sample.op.arg_count};
                tn_v_bed nothing;
                memset(&nothing, 0, sizeof nothing);
                test.x = &nothing;
                if (!ways[way].change(&test, i))
                    continue;
                snprintf(full, sizeof full, "%s.%s.%s", name, tn_v_role_name(sample.args[i].role),
                         ways[way].name);
                tn_v_add(s, tn_v_share(full, 6), 6, TN_V_BIT(TN_V_EDGE), "negative.run.%s", full);
            }
    }
    tn_runtime_release(none.runtime);
}

const tn_v_family tn_v_wrong_runs = {"negative.run", false, list, run};
