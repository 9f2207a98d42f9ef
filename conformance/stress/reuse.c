/* SPDX-License-Identifier: Apache-2.0 */
/* Level 7: what is prepared once and used often: recorded commands, packed weights. */
#include <conformance/stress/step.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Commands are submitted again with other contents in the buffers that they name, between other
 * work of the queue. */
static bool recorded(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { N = 3000, LAPS = 25 };
    tn_v_step step[2];
    tn_queue *recorder = NULL;
    tn_commands *commands = NULL;
    tn_buffer *b[4] = {NULL};
    float in[N], got[N], other[N];
    memset(step, 0, sizeof step);
    bool good = tn_v_step_make(s, s->device, "eltwise scale 3000:f32:pa=3+pb=-1", &step[0], out) &&
                tn_v_step_make(s, s->device, "eltwise add 3000:f32", &step[1], out);
    for (int i = 0; i < 4 && good; ++i)
        good = tn_v_buffer(s, sizeof in, &b[i], out);
    good = good && tn_v_good(out, tn_commands_begin(s->queue, &recorder), "begin");
    if (good) { /* b[3] = (3 b[0] - 1) + b[0] */
        tn_bind scale[2] = {{TN_ARG_A, 0, b[0], 0}, {TN_ARG_OUT, 0, b[1], 0}};
        tn_bind add[3] = {{TN_ARG_A, 0, b[2], 0}, {TN_ARG_B, 0, b[0], 0}, {TN_ARG_OUT, 0, b[3], 0}};
        good = tn_v_good(out, tn_queue_run(recorder, step[0].plan, scale, 2, NULL, NULL), "run") &&
               tn_v_good(out, tn_queue_copy(recorder, b[2], 0, b[1], 0, sizeof in, NULL), "copy") &&
               tn_v_good(out, tn_queue_run(recorder, step[1].plan, add, 3, NULL, NULL), "run") &&
               tn_v_good(out, tn_queue_read(recorder, got, b[3], 0, sizeof got, NULL), "read") &&
               tn_v_good(out, tn_commands_end(recorder, &commands), "end");
    }
    tn_queue_release(recorder);
    for (int lap = 0; lap < LAPS && good; ++lap) {
        for (int i = 0; i < N; ++i) {
            in[i] = (float)tn_v_below(r, 100000);
            other[i] = -7;
        }
        tn_status st = tn_queue_write(s->queue, b[0], 0, in, sizeof in, NULL);
        if (st == TN_OK)
            st = tn_queue_submit(s->queue, commands, NULL);
        if (st == TN_OK) /* spoils the output for the next time */
            st = tn_queue_write(s->queue, b[3], 0, other, sizeof other, NULL);
        tn_status idle = tn_v_wait_idle(s, s->queue);
        good = tn_v_good(out, st != TN_OK ? st : idle, "submit");
        for (int i = 0; i < N && good; ++i)
            if (got[i] != 3 * in[i] - 1 + in[i])
                good =
                    tn_v_wrong(out, "submission %d of recorded commands: element %d is %g, not %g",
                               lap, i, (double)got[i], (double)(3 * in[i] - 1 + in[i]));
    }
    tn_commands_release(commands);
    for (int i = 0; i < 4; ++i)
        tn_buffer_release(b[i]);
    for (int i = 0; i < 2; ++i)
        tn_v_step_drop(s, &step[i]);
    return good;
}

/* ---- packed weights ---- */

enum { GUARD = 256 };

/* Weights packed once, by a queue, into a buffer between guards; every launch is right, and other
 * work lies between. */
static bool run_packed(tn_v_session *s, const tn_v_case *c, tn_v_random *r, tn_v_result *out)
{
    const char *text = strchr(c->op, '.') + 1;
    tn_v_step step;
    tn_buffer *b[TN_V_ARGS] = {NULL}, *packed = NULL;
    unsigned char *host[TN_V_ARGS] = {NULL}, *image = NULL, *seen = NULL;
    tn_bind bind[TN_V_ARGS];
    uint64_t layout = 0, bytes = 0;
    bool good = tn_v_step_make(s, s->device, text, &step, out);
    tn_status st = good ? tn_plan_layout(step.plan, TN_ARG_B, &layout, &bytes) : TN_OK;
    if (st == TN_STATUS_UNSUPPORTED)
        out->status = TN_V_NOT_SUPPORTED;
    good = good && tn_v_good(out, st, "layout");
    const tn_op *op = step.op;
    uint32_t at_b = 0, at_out = 0;
    for (uint32_t i = 0; good && i < op->arg_count; ++i) {
        const tn_tensor *t = &op->args[i].tensor;
        uint64_t size = tn_v_span_bytes(t);
        host[i] = calloc(1, size + 1);
        good = host[i] != NULL && tn_v_buffer(s, size, &b[i], out);
        if (good)
            tn_v_draw((tn_dtype)t->dtype, r, host[i], tn_v_span(t));
        good = good && tn_v_put(s, b[i], 0, host[i], size, out);
        at_b = op->args[i].role == TN_ARG_B ? i : at_b;
        at_out = op->args[i].role == TN_ARG_OUT ? i : at_out;
        bind[i] = (tn_bind){op->args[i].role, 0, b[i], 0};
    }
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    good = good && tn_v_good(out, tn_device_get_info(s->device, &info), "info");
    uint64_t guard = info.offset_align > GUARD ? info.offset_align : GUARD,
             total = bytes + 2 * guard;
    image = good ? malloc(total) : NULL;
    seen = good ? malloc(total) : NULL;
    good = good && image != NULL && seen != NULL && tn_v_buffer(s, total, &packed, out);
    if (good) {
        tn_tensor from = op->args[at_b].tensor;
        from.buffer = b[at_b];
        memset(image, 0xa5, total);
        good =
            tn_v_put(s, packed, 0, image, total, out) &&
            tn_v_good(out, tn_queue_pack(s->queue, step.plan, TN_ARG_B, &from, packed, guard, NULL),
                      "pack") &&
            tn_v_get(s, seen, packed, 0, total, out);
    }
    for (uint64_t i = 0; i < guard && good; ++i)
        if (seen[i] != 0xa5 || seen[guard + bytes + i] != 0xa5)
            good = tn_v_wrong(out, "packing wrote outside of the %llu bytes that it asked for",
                              (unsigned long long)bytes);
    if (good)
        bind[at_b] = (tn_bind){TN_ARG_B, TN_ARG_PACKED, packed, guard};
    for (int lap = 0; lap < 3 && good; ++lap) {
        uint64_t size = tn_v_span_bytes(&op->args[at_out].tensor);
        const unsigned char *operand[TN_V_ARGS];
        for (uint32_t i = 0; i < op->arg_count; ++i)
            operand[i] = host[i];
        if (lap == 1 && at_b != 0) { /* the weights stay, the rest is new */
            const tn_tensor *t = &op->args[0].tensor;
            tn_v_draw((tn_dtype)t->dtype, r, host[0], tn_v_span(t));
            good = tn_v_put(s, b[0], 0, host[0], tn_v_span_bytes(t), out);
        }
        good = good &&
               tn_v_good(out, tn_queue_run(s->queue, step.plan, bind, op->arg_count, NULL, NULL),
                         "run") &&
               tn_v_get(s, host[at_out], b[at_out], 0, size, out) &&
               tn_v_step_right(&step, operand, out);
        if (good)
            tn_v_mix_digest(out, host[at_out], size);
    }
    for (uint32_t i = 0; i < TN_V_ARGS; ++i) {
        tn_buffer_release(b[i]);
        free(host[i]);
    }
    tn_buffer_release(packed);
    free(image);
    free(seen);
    tn_v_step_drop(s, &step);
    return good;
}

static void list_packed(tn_v_sink *s)
{
    static const char *const sizes[] = {"64x64x64",   "1x33x65",  "17x127x130",
                                        "100x16x257", "5x200x31", "130x129x300"};
    static const char *const types[] = {"f32", "bf16", "f16"};
    for (int t = 0; t < 3; ++t)
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; ++i)
            for (int tb = 0; tb < 2; ++tb)
                tn_v_add(s, (i + (unsigned)t) % 3 == 0 ? TN_V_QUICK : TN_V_STANDARD, 7,
                         TN_V_BIT(TN_V_EDGE), "packed.matmul %s:%s:%s+packed", sizes[i], types[t],
                         tb ? "nt" : "nn");
}

const tn_v_family tn_v_packings = {"packed", true, list_packed, run_packed};
const tn_v_check tn_v_reuse_checks[] = {{"stress.recorded", 7, TN_V_QUICK, recorded},
                                        {NULL, 0, TN_V_QUICK, NULL}};
