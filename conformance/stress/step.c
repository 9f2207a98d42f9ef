/* SPDX-License-Identifier: Apache-2.0 */
/* One op among many: its plan and its verdict. */
#include <conformance/stress/step.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tn_v_step_make(tn_v_session *s, tn_device *device, const char *text, tn_v_step *out,
                    tn_v_result *result)
{
    tn_arithmetic declared = {.head = TN_INIT(tn_arithmetic)};
    memset(out, 0, sizeof *out);
    if (!tn_v_good(result, tn_op_parse(s->runtime, text, &out->op), text)) {
        result->status = TN_V_INTERNAL;
        return false;
    }
    tn_status st = tn_plan_create(device, out->op, NULL, &out->plan);
    if (st == TN_STATUS_UNSUPPORTED)
        result->status = TN_V_NOT_SUPPORTED;
    if (!tn_v_good(result, st, text))
        return false;
    if (tn_plan_arithmetic(out->plan, &declared) != TN_OK)
        memset(&declared, 0, sizeof declared);
    out->arith = tn_v_arith_of(&declared, out->op);
    out->unrepeatable = declared.unrepeatable != 0;
    return true;
}

void tn_v_step_drop(tn_v_session *s, tn_v_step *step)
{
    tn_plan_release(step->plan);
    tn_op_free(s->runtime, step->op);
    memset(step, 0, sizeof *step);
}

int64_t tn_v_span(const tn_tensor *t)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < t->rank; ++d)
        count *= t->dim[d];
    return count > 0 ? tn_v_offset(t, count - 1) + 1 : 0;
}

uint64_t tn_v_span_bytes(const tn_tensor *t)
{
    return (uint64_t)tn_v_span(t) * tn_v_elem_bytes((tn_dtype)t->dtype);
}

static bool element_right(const tn_v_step *step, const tn_v_truth *t, int64_t n,
                          const unsigned char *at)
{
    double got = tn_v_decode(t->dtype, at), ratio;
    if (t->err[n] != 0 || !t->single)
        return tn_v_within(&step->arith, t->dtype, t->ref[n], t->err[n], t->mag[n], got, &ratio);
    double want = tn_v_rounded(t->dtype, t->ref[n], step->arith.out_round, step->arith.saturate);
    double least = ldexp(1.0, tn_v_format_of(t->dtype).exponent_min);
    return got == want || (isnan(got) && isnan(want)) ||
           (step->arith.flush_out && fabs(want) < least && got == 0);
}

bool tn_v_step_right(const tn_v_step *step, const unsigned char *const bytes[TN_V_ARGS],
                     tn_v_result *result)
{
    tn_v_call call = {.op = step->op, .arith = step->arith};
    tn_v_truth truth[TN_V_ARGS];
    const tn_op *op = step->op;
    bool good = true;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        const tn_tensor *t = &op->args[i].tensor;
        tn_v_memory *m = &call.memory[i];
        m->elems = tn_v_span(t);
        m->value = calloc((size_t)m->elems + 1, sizeof *m->value);
        for (int64_t k = 0; m->value != NULL && k < m->elems; ++k)
            m->value[k] =
                tn_v_decode((tn_dtype)t->dtype, bytes[i] + k * tn_v_elem_bytes((tn_dtype)t->dtype));
        good = good && m->value != NULL;
    }
    int count = good ? tn_v_oracle(&call, truth) : -1;
    if (count <= 0) {
        good = tn_v_wrong(result, "the suite has no reference or no memory for it");
        result->status = TN_V_INTERNAL;
    }
    for (int k = 0; k < count && good; ++k)
        for (uint32_t i = 0; i < op->arg_count && good; ++i)
            for (int64_t n = 0; op->args[i].role == truth[k].role && n < truth[k].count && good;
                 ++n) {
                const tn_tensor *t = &op->args[i].tensor;
                const unsigned char *at =
                    bytes[i] + tn_v_offset(t, n) * tn_v_elem_bytes(truth[k].dtype);
                result->elements++;
                if (!truth[k].bits && !element_right(step, &truth[k], n, at))
                    good = tn_v_wrong(result, "element %lld is %.9g, %.9g +- %.3g is right",
                                      (long long)n, tn_v_decode(truth[k].dtype, at),
                                      truth[k].ref[n], truth[k].err[n]);
                double got = tn_v_decode(truth[k].dtype, at);
                if (good && !tn_v_canonical(&truth[k], n, got))
                    good = tn_v_wrong(
                        result, "element %lld is %.9g within its bound, and CANONICAL has %.9g",
                        (long long)n, got, truth[k].canonical[n]);
            }
    if (count > 0)
        tn_v_truth_free(truth, count);
    for (uint32_t i = 0; i < op->arg_count; ++i)
        free(call.memory[i].value);
    return good;
}

void tn_v_draw(tn_dtype dtype, tn_v_random *r, unsigned char *to, int64_t count)
{
    uint32_t elem = tn_v_elem_bytes(dtype);
    for (int64_t i = 0; i < count; ++i)
        tn_v_encode(dtype, 2 * tn_v_uniform(r) - 1, TN_V_NEAREST_EVEN, true, to + i * elem);
}

void tn_v_mix_digest(tn_v_result *result, const unsigned char *bytes, uint64_t count)
{
    uint64_t h = strtoull(result->digest, NULL, 16) ^ 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < count; ++i)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    snprintf(result->digest, sizeof result->digest, "%016llx", (unsigned long long)h);
}
