/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim run: ops on simulated chips: cycles, utilisation, roofline and the bound of each. */
#include "tool.h"

#include <backends/tpu-sim/model/sim.h>

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

typedef struct options {
    const char *op[MOST], *profile[MOST], *timing;
    uint32_t ops, profiles;
    bool json;
} options;

/* A layer of BERT-base at 128 tokens, and convolutions of ResNet-50 as the products that they are.
 */
static const char *const usual[] = {
    "128x2304x768", "128x768x768", "128x3072x768", "128x768x3072", /* qkv, out, in and out of ffn */
    "3136x64x576",  "3136x256x64", "784x128x1152", "196x256x2304", "49x512x4608",
};

static const char *type_of(const sim_profile *p)
{
    static const tn_dtype order[] = {TN_BF16, TN_F16, TN_S8};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if ((p->types >> order[i] & 1u) != 0)
            return tn_dtype_name(order[i]);
    return "u8";
}

/* "MxNxK" becomes a product of the chip's type; anything else is an op's text. */
static void text_of(const char *op, const sim_profile *p, char *text, size_t room)
{
    const char *type = type_of(p);
    bool whole = type[0] == 's' || type[0] == 'u';
    if (strspn(op, "0123456789x") == strlen(op))
        snprintf(text, room, "matmul %s:%s,%s,%s", op, type, type, whole ? "s32" : "f32");
    else
        snprintf(text, room, "%s", op);
}

typedef struct measured {
    tn_times times;
    uint64_t bytes, macs;
    double seconds;
} measured;

/* Runs the op once with some data; NULL or the reason why not. */
static const char *compute(tn_runtime *rt, tn_device *d, const tn_op *op, measured *out)
{
    static char reason[128];
    tn_buffer *buffer[8] = {NULL};
    tn_bind bind[8];
    tn_queue *queue = NULL;
    tn_fence *fence = NULL;
    tn_plan *plan = NULL;
    tn_status st = op->arg_count <= 8 ? tn_queue_create(d, NULL, &queue) : TN_STATUS_UNSUPPORTED;
    if (st == TN_OK)
        st = tn_fence_create(rt, 0, &fence);
    if (st == TN_OK)
        st = tn_plan_create(d, op, NULL, &plan);
    out->bytes = 0;
    for (uint32_t i = 0; st == TN_OK && i < op->arg_count; i++) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc),
                               .bytes = tool_tensor_bytes(&op->args[i].tensor)};
        out->bytes += desc.bytes;
        st = tn_buffer_create(d, &desc, &buffer[i]);
        if (st == TN_OK)
            st = tn_queue_fill(queue, buffer[i], 0, desc.bytes / 4 * 4, 0x3f803f80u, 4, NULL);
        bind[i] = (tn_bind){.role = op->args[i].role, .buffer = buffer[i]};
    }
    if (st == TN_OK)
        st = tn_queue_wait_idle(queue, UINT64_MAX);
    tn_point done = {fence, 1};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    double start = tool_now();
    if (st == TN_OK)
        st = tn_queue_run(queue, plan, bind, op->arg_count, NULL, &sync);
    if (st == TN_OK)
        st = tn_queue_wait_idle(queue, UINT64_MAX);
    out->seconds = tool_now() - start;
    if (st == TN_OK)
        st = tn_fence_times(fence, 1, &out->times);
    if (st != TN_OK) {
        tn_error e;
        tn_error_last(&e);
        snprintf(reason, sizeof reason, "%s", e.reason != NULL ? e.reason : "failed");
    }
    for (uint32_t i = 0; i < 8; i++)
        tn_buffer_release(buffer[i]);
    tn_plan_release(plan);
    tn_fence_release(fence);
    tn_queue_release(queue);
    return st == TN_OK ? NULL : reason;
}

static uint64_t macs_of(const tn_op *op)
{
    const tn_tensor *a = &op->args[0].tensor, *out = NULL;
    uint64_t n = 1;
    for (uint32_t i = 0; i < op->arg_count; i++)
        if (op->args[i].role == TN_ARG_OUT)
            out = &op->args[i].tensor;
    if (op->kind != TN_OP_MATMUL || out == NULL || a->rank < 2)
        return 0;
    bool turned = (((const tn_matmul *)op->attr)->flags & TN_MATMUL_TRANSPOSE_A) != 0;
    for (int i = 0; i < out->rank; i++)
        n *= (uint64_t)out->dim[i];
    return n * (uint64_t)a->dim[turned ? a->rank - 2 : a->rank - 1];
}

static cJSON *row_of(const char *profile, const char *text, const sim_profile *p, const measured *m)
{
    cJSON *o = cJSON_CreateObject();
    double each = (double)p->rows * p->cols * p->arrays * p->tile_rows;
    double compute = (double)m->macs / each;
    double memory = (double)m->bytes * (double)p->array_khz * 1e3 / (double)p->dma_bytes_per_s;
    double roof = compute > memory ? compute : memory, cycles = (double)m->times.device_cycles;
    cJSON_AddStringToObject(o, "profile", profile);
    cJSON_AddStringToObject(o, "op", text);
    cJSON_AddNumberToObject(o, "cycles", cycles);
    cJSON_AddNumberToObject(o, "us", (double)(m->times.end_ns - m->times.start_ns) * 1e-3);
    cJSON_AddNumberToObject(o, "macs", (double)m->macs);
    cJSON_AddNumberToObject(o, "bytes", (double)m->bytes);
    cJSON_AddNumberToObject(o, "utilisation", cycles > 0 ? 100.0 * compute / cycles : 0.0);
    cJSON_AddNumberToObject(o, "roofline_cycles", roof);
    cJSON_AddStringToObject(o, "roofline", compute > memory ? "array" : "memory");
    cJSON_AddNumberToObject(o, "host_seconds", m->seconds);
    return o;
}

static bool one(tn_runtime *rt, const options *o, const char *profile, cJSON *rows)
{
    char uri[192], error[200];
    size_t bytes = 0;
    sim_profile p;
    tn_device *d = NULL;
    const char *text = tn__sim_profile_text(profile, &bytes);
    if (text == NULL || !tn__sim_profile_read(text, bytes, &p, error, sizeof error)) {
        fprintf(stderr, "tenon: %s is no built-in profile\n", profile);
        return false;
    }
    snprintf(uri, sizeof uri, "tpu-sim:%s?timing=%s", profile, o->timing);
    bool good = tn_device_open(rt, uri, &d) == TN_OK;
    if (!good)
        tool_error(uri);
    for (uint32_t i = 0; good && i < o->ops; i++) {
        char op_text[256];
        tn_op *op = NULL;
        measured m = {.seconds = 0};
        text_of(o->op[i], &p, op_text, sizeof op_text);
        if (tn_op_parse(rt, op_text, &op) != TN_OK) {
            tool_error(op_text);
            good = false;
            break;
        }
        m.macs = macs_of(op);
        const char *why = compute(rt, d, op, &m);
        cJSON *row = NULL;
        if (why == NULL) {
            row = row_of(profile, op_text, &p, &m);
        } else {
            row = cJSON_CreateObject();
            cJSON_AddStringToObject(row, "profile", profile);
            cJSON_AddStringToObject(row, "op", op_text);
            cJSON_AddStringToObject(row, "refused", why);
        }
        cJSON_AddItemToArray(rows, row);
        tn_op_free(rt, op);
    }
    tn_device_release(d);
    return good;
}

static double number(const cJSON *row, const char *key)
{
    const cJSON *x = cJSON_GetObjectItem(row, key);
    return x != NULL ? x->valuedouble : 0.0;
}

static void print(const cJSON *rows)
{
    const cJSON *row;
    printf("%-15s %-36s %12s %11s %7s %12s %-7s %9s\n", "profile", "op", "cycles", "us", "util %",
           "roofline", "bound", "GMAC/s");
    cJSON_ArrayForEach(row, rows)
    {
        printf("%-15s %-36s ", cJSON_GetObjectItem(row, "profile")->valuestring,
               cJSON_GetObjectItem(row, "op")->valuestring);
        if (cJSON_GetObjectItem(row, "refused") != NULL)
            printf("refused: %s\n", cJSON_GetObjectItem(row, "refused")->valuestring);
        else
            printf("%12.0f %11.2f %7.1f %12.0f %-7s %9.2f\n", number(row, "cycles"),
                   number(row, "us"), number(row, "utilisation"), number(row, "roofline_cycles"),
                   cJSON_GetObjectItem(row, "roofline")->valuestring,
                   number(row, "macs") / number(row, "host_seconds") * 1e-9);
    }
    printf("cycles and us are simulated, GMAC/s is this machine's\n");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'c':
        if (o->profiles == MOST)
            argp_error(state, "at most %d profiles", MOST);
        o->profile[o->profiles++] = arg;
        return 0;
    case 't':
        o->timing = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->ops == MOST)
            argp_error(state, "at most %d ops", MOST);
        o->op[o->ops++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int tool_sim_run(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"profile", 'c', "NAME", 0, "chip, may be repeated (all)", 0},
        {"timing", 't', "serial|overlap", 0, "(overlap)", 0},
        {"json", 'j', NULL, 0, "rows on standard output", 0},
        {0},
    };
    static const struct argp parser = {
        flags,
        parse,
        "[MxNxK | OP]...",
        "Runs ops on simulated chips, values and cycles; without ops a layer of BERT-base at 128 "
        "tokens "
        "and products of ResNet-50, in the first of bf16, f16 and s8 that the chip has.",
        NULL,
        NULL,
        NULL};
    options o = {.timing = "overlap"};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    if (o.ops == 0)
        while (o.ops < sizeof usual / sizeof usual[0]) {
            o.op[o.ops] = usual[o.ops];
            o.ops++;
        }
    if (o.profiles == 0)
        while (o.profiles < MOST && tn__sim_profile_name(o.profiles) != NULL) {
            o.profile[o.profiles] = tn__sim_profile_name(o.profiles);
            o.profiles++;
        }
    tn_runtime *rt = NULL;
    if (tn_runtime_create(NULL, &rt) != TN_OK)
        return tool_error("the runtime could not be made");
    cJSON *rows = cJSON_CreateArray();
    bool good = true;
    for (uint32_t i = 0; good && i < o.profiles; i++)
        good = one(rt, &o, o.profile[i], rows);
    if (o.json) {
        char *text = cJSON_Print(rows);
        if (text != NULL)
            puts(text);
        cJSON_free(text);
    } else {
        print(rows);
    }
    cJSON_Delete(rows);
    tn_runtime_release(rt);
    return good ? 0 : 1;
}
