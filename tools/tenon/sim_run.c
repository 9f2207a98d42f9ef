/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim run: ops on simulated chips: cycles, utilisation, roofline, what bounds each and which
 * engine is busiest. */
#include "sim_chip.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, ENGINES = TN_K_SYS_ENGINES };

typedef struct options {
    const char *op[MOST], *group[MOST], *profile[MOST], *timing;
    uint32_t ops, profiles;
    bool json;
} options;

/* What stands in for TYPE and SUM is the chip's: the first of bf16, f16 and s8 that its array has,
 * and what such products add up to; GELU is a step of floats alone. */
static const struct {
    const char *group, *op;
} usual[] = {
    {"BERT-base layer, 128 tokens", "matmul 128x2304x768:TYPE,TYPE,SUM"}, /* q, k, v */
    {"BERT-base layer, 128 tokens", "attention b1h12q128k128d64:TYPE:fast"},
    {"BERT-base layer, 128 tokens", "matmul 128x768x768:TYPE,TYPE,SUM"},
    {"BERT-base layer, 128 tokens", "norm layer 128x768:f32:gamma+beta+fast"},
    {"BERT-base layer, 128 tokens", "matmul 128x3072x768:TYPE,TYPE,SUM:GELU"},
    {"BERT-base layer, 128 tokens", "matmul 128x768x3072:TYPE,TYPE,SUM"},
    {"BERT-base layer, 128 tokens", "norm layer 128x768:f32:gamma+beta+fast"},
    {"ResNet-50, a block of each stage", "conv n1c64h56w56k64r3s3p1:TYPE,TYPE,SUM:nhwc"},
    {"ResNet-50, a block of each stage", "conv n1c64h56w56k256r1s1:TYPE,TYPE,SUM:nhwc"},
    {"ResNet-50, a block of each stage", "conv n1c128h28w28k128r3s3p1:TYPE,TYPE,SUM:nhwc"},
    {"ResNet-50, a block of each stage", "conv n1c256h14w14k256r3s3p1:TYPE,TYPE,SUM:nhwc"},
    {"ResNet-50, a block of each stage", "conv n1c512h7w7k512r3s3p1:TYPE,TYPE,SUM:nhwc"},
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
    const char *type = type_of(p), *sum = type[0] == 's' || type[0] == 'u' ? "s32" : "f32";
    const char *const words[][2] = {
        {"TYPE", type}, {"SUM", sum}, {":GELU", sum[0] == 's' ? "" : ":gelu+fast"}};
    size_t n = 0;
    if (strspn(op, "0123456789x") == strlen(op)) {
        snprintf(text, room, "matmul %s:%s,%s,%s", op, type, type, sum);
        return;
    }
    while (*op != '\0' && n + 8 < room) {
        size_t k = 0;
        while (k < sizeof words / sizeof words[0] &&
               strncmp(op, words[k][0], strlen(words[k][0])) != 0)
            k++;
        if (k < sizeof words / sizeof words[0]) {
            n += (size_t)snprintf(text + n, room - n, "%s", words[k][1]);
            op += strlen(words[k][0]);
        } else {
            text[n++] = *op++;
        }
    }
    text[n] = '\0';
}

typedef struct measured {
    tn_times times;
    uint64_t bytes, macs;
    double seconds, busy[ENGINES]; /* busy: parts of the op's time */
} measured;

/* The chip's own counters; the device is out of service after that. */
static bool counters(tn_device *d, uint32_t engines, measured *out)
{
    tn_bus bus;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    if (tn_device_bus(d, &bus, &chip) != TN_OK)
        return false;
    for (uint32_t i = 0; i <= engines; i++) {
        double part[4] = {0}, all = 0;
        for (uint32_t k = 0; k < 4; k++) {
            uint32_t at =
                TPU_PMU + 8 * (i == engines ? TPU_COUNT_MACS : TPU_COUNT_ENGINES + 4 * i + k);
            uint64_t low = bus.read32(bus.self, at), high = bus.read32(bus.self, at + 4);
            if (i == engines)
                out->macs = high << 32 | low;
            all += part[k] = (double)(high << 32 | low);
        }
        if (i < engines)
            out->busy[i] = all > 0 ? part[0] / all : 0;
    }
    return true;
}

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

/* The engine that was busy for the longest, as its name and the part of the time. */
static double busiest(const measured *m, uint32_t engines, char *name, size_t room)
{
    uint32_t most = 0;
    for (uint32_t i = 1; i < engines; i++)
        most = m->busy[i] > m->busy[most] ? i : most;
    tool_engine_name(most, name, room);
    return m->busy[most];
}

static cJSON *row_of(const char *profile, const char *text, const sim_profile *p, const measured *m)
{
    cJSON *o = cJSON_CreateObject();
    char engine[24];
    double each = (double)p->rows * p->cols * p->arrays * p->tile_rows;
    double compute = (double)m->macs / each;
    double memory = (double)m->bytes * (double)p->array_khz * 1e3 / (double)p->dma_bytes_per_s;
    double roof = compute > memory ? compute : memory, cycles = (double)m->times.device_cycles;
    double part = busiest(m, TN_K_SYS_WEIGHTS + 2 * p->arrays, engine, sizeof engine);
    cJSON_AddStringToObject(o, "profile", profile);
    cJSON_AddStringToObject(o, "op", text);
    cJSON_AddNumberToObject(o, "cycles", cycles);
    cJSON_AddNumberToObject(o, "us", (double)(m->times.end_ns - m->times.start_ns) * 1e-3);
    cJSON_AddNumberToObject(o, "macs", (double)m->macs);
    cJSON_AddNumberToObject(o, "bytes", (double)m->bytes);
    cJSON_AddNumberToObject(o, "utilisation", cycles > 0 ? 100.0 * compute / cycles : 0.0);
    cJSON_AddNumberToObject(o, "roofline_cycles", roof);
    cJSON_AddStringToObject(o, "roofline", compute > memory ? "array" : "memory");
    cJSON_AddStringToObject(o, "busiest", engine);
    cJSON_AddNumberToObject(o, "busy", 100.0 * part);
    cJSON_AddNumberToObject(o, "host_seconds", m->seconds);
    return o;
}

/* One op on a chip of its own, whose counters then are the op's. */
static bool one_op(tn_runtime *rt, const options *o, const char *profile, const sim_profile *p,
                   uint32_t index, cJSON *rows)
{
    char uri[512], text[256];
    tn_device *d = NULL;
    tn_op *op = NULL;
    measured m = {.seconds = 0};
    snprintf(uri, sizeof uri, "tpu-sim:%s?timing=%s", profile, o->timing);
    text_of(o->op[index], p, text, sizeof text);
    tn_error e = {.reason = NULL};
    if (tn_device_open(rt, uri, &d) != TN_OK) {
        tool_error(uri);
        return false;
    }
    const char *why = NULL;
    if (tn_op_parse(rt, text, &op) == TN_OK) {
        why = compute(rt, d, op, &m);
    } else { /* an op that this chip's type has not */
        tn_error_last(&e);
        why = e.reason;
        if (o->group[index] == NULL)
            tool_error(text);
    }
    cJSON *row = NULL;
    if (why == NULL && counters(d, TN_K_SYS_WEIGHTS + 2 * p->arrays, &m)) {
        row = row_of(profile, text, p, &m);
    } else {
        row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "profile", profile);
        cJSON_AddStringToObject(row, "op", text);
        cJSON_AddStringToObject(row, "refused", why != NULL ? why : "no counters");
    }
    if (o->group[index] != NULL)
        cJSON_AddStringToObject(row, "group", o->group[index]);
    cJSON_AddItemToArray(rows, row);
    bool good = op != NULL || o->group[index] != NULL;
    tn_op_free(rt, op);
    tn_device_release(d);
    return good;
}

static bool one(tn_runtime *rt, const options *o, const char *profile, cJSON *rows)
{
    sim_profile p;
    bool good = tool_profile_read(profile, &p);
    for (uint32_t i = 0; good && i < o->ops; i++)
        good = one_op(rt, o, profile, &p, i, rows);
    return good;
}

static double number(const cJSON *row, const char *key)
{
    const cJSON *x = cJSON_GetObjectItem(row, key);
    return x != NULL ? x->valuedouble : 0.0;
}

/* What the rows of one group on one profile add up to, after its last row. */
static void print_sum(const cJSON *rows, const char *profile, const char *group)
{
    const cJSON *row;
    double cycles = 0, us = 0, roof = 0, seconds = 0;
    int ran = 0, refused = 0;
    cJSON_ArrayForEach(row, rows)
    {
        const cJSON *g = cJSON_GetObjectItem(row, "group");
        if (g == NULL || strcmp(g->valuestring, group) != 0 ||
            strcmp(cJSON_GetObjectItem(row, "profile")->valuestring, profile) != 0)
            continue;
        bool is = cJSON_GetObjectItem(row, "refused") == NULL;
        ran += is;
        refused += !is;
        cycles += number(row, "cycles");
        us += number(row, "us");
        roof += number(row, "roofline_cycles");
        seconds += number(row, "host_seconds");
    }
    char text[64];
    snprintf(text, sizeof text, "= %s", group);
    printf("%-15s %-46s %12.0f %11.2f %7s %12.0f         %d ops here, %d refused; %.2f s\n",
           profile, text, cycles, us, "", roof, ran, refused, seconds);
}

static void print(const cJSON *rows)
{
    const cJSON *row;
    printf("%-15s %-46s %12s %11s %7s %12s %-7s %-14s %9s\n", "profile", "op", "cycles", "us",
           "util %", "roofline", "bound", "busiest", "GMAC/s");
    cJSON_ArrayForEach(row, rows)
    {
        const cJSON *group = cJSON_GetObjectItem(row, "group"), *next = row->next;
        const char *profile = cJSON_GetObjectItem(row, "profile")->valuestring;
        printf("%-15s %-46s ", profile, cJSON_GetObjectItem(row, "op")->valuestring);
        if (cJSON_GetObjectItem(row, "refused") != NULL)
            printf("refused: %s\n", cJSON_GetObjectItem(row, "refused")->valuestring);
        else
            printf("%12.0f %11.2f %7.1f %12.0f %-7s %-8s %4.0f%% %9.2f\n", number(row, "cycles"),
                   number(row, "us"), number(row, "utilisation"), number(row, "roofline_cycles"),
                   cJSON_GetObjectItem(row, "roofline")->valuestring,
                   cJSON_GetObjectItem(row, "busiest")->valuestring, number(row, "busy"),
                   number(row, "macs") / number(row, "host_seconds") * 1e-9);
        if (group == NULL)
            continue;
        const cJSON *after = next != NULL ? cJSON_GetObjectItem(next, "group") : NULL;
        if (after == NULL || strcmp(after->valuestring, group->valuestring) != 0)
            print_sum(rows, profile, group->valuestring);
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
        {"profile", 'c', "NAME", 0, "chip or a profile's file, may be repeated (all)", 0},
        {"timing", 't', "serial|overlap", 0, "(overlap)", 0},
        {"json", 'j', NULL, 0, "rows on standard output", 0},
        {0},
    };
    static const struct argp parser = {
        flags,
        parse,
        "[MxNxK | OP]...",
        "Runs ops on simulated chips, values and cycles; without ops a layer of BERT-base at 128 "
        "tokens and convolutions of ResNet-50. TYPE and SUM in an op's text are the first of bf16, "
        "f16 and s8 that the chip has, and f32 or s32.",
        NULL,
        NULL,
        NULL};
    options o = {.timing = "overlap"};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    if (o.ops == 0)
        while (o.ops < sizeof usual / sizeof usual[0]) {
            o.op[o.ops] = usual[o.ops].op;
            o.group[o.ops] = usual[o.ops].group;
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
