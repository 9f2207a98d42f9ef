/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim faults: a product on a small chip, once for each random fault; how each one ended. */
#include "tool.h"

#include <backends/tpu-sim/driver/tpu_backend.h>

#include <argp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { M = 30, N = 70, K = 100, SEED = 256 };

enum { NOT_STRUCK, HARMLESS, RECOVERED, REPORTED, SILENT_WRONG, PAST_WATCHDOG, ENDS };
static const char *const ends[ENDS] = {"not_struck", "harmless",     "recovered",
                                       "reported",   "silent_wrong", "past_watchdog"};
static const char *const kinds[] = {"flip",         "packet",    "stuck",     "stuck_sum",
                                    "stuck_weight", "dma_error", "dma_short", "dma_wrong",
                                    "dma_delay",    "irq_lost",  "irq_early", "irq_spurious",
                                    "hang",         "doorbell",  "gone",      "throttle"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct options {
    uint32_t count, protect; /* 3: without and with full protection */
    uint64_t seed;
    const char *profile;
    bool json;
} options;

typedef struct tally {
    uint32_t end[KINDS][ENDS], sum[ENDS];
} tally;

static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- a host that keeps nothing: the outcome is the status ---- */

static void *take(void *self, size_t bytes, size_t align)
{
    void *p = NULL;
    (void)self;
    return posix_memalign(&p, align < sizeof p ? sizeof p : align, bytes) == 0 ? p : NULL;
}

static void give(void *self, void *p, size_t bytes)
{
    (void)self, (void)bytes;
    free(p);
}

static tn_status fail(tn_status st, const char *reason, const char *file, int32_t line,
                      const char *format, ...)
{
    (void)reason, (void)file, (void)line, (void)format;
    return st;
}

static void lost(void *token, tn_status st, const char *reason)
{
    (void)token, (void)st, (void)reason;
}

/* ---- the product ---- */

static bool plan(tpu_device *d, tpu_plan *p)
{
    static tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {
        {TN_ARG_A, 0, {.dtype = TN_BF16, .rank = 2, .dim = {M, K}, .stride = {K, 1}}},
        {TN_ARG_B, 0, {.dtype = TN_BF16, .rank = 2, .dim = {K, N}, .stride = {N, 1}}},
        {TN_ARG_OUT, 0, {.dtype = TN_F32, .rank = 2, .dim = {M, N}, .stride = {N, 1}}}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};
    tn_k_why why;
    memset(p, 0, sizeof *p);
    p->device = d;
    p->row = &tn_k_matmul_systolic;
    p->repeatable = true;
    for (uint32_t i = 0; i < tn_k_op_count; i++)
        if (tn_k_ops[i]->kind == TN_OP_MATMUL)
            p->op = tn_k_ops[i];
    return p->op != NULL && p->op->params(&op, p->params, &why) &&
           p->row->accepts(p->params, &d->chip.caps, TN_CLASS_BOUNDED, &why);
}

typedef struct result {
    tn_status status;
    bool opened;
    uint32_t struck, corrected, packets, transfers;
    uint64_t ns, limit_ns;
    tpu_report report;
    float out[M * N];
} result;

static void run(const options *o, uint32_t protect, const char *script, result *r)
{
    static const tn_allocator allocator = {NULL, take, give};
    tn_host host = {.allocator = allocator, .fail = fail, .lost = lost};
    tpu_device d = {.host = &host};
    tpu_plan p;
    char error[200] = "";
    size_t bytes = 0;
    const char *text = tn__sim_profile_text(o->profile, &bytes);
    sim_options s = {.timing = SIM_OVERLAP,
                     .protect = protect,
                     .faults = script,
                     .math = &tn_k_sys_math_baseline};
    memset(r, 0, sizeof *r);
    if (text == NULL || !tn__sim_profile_read(text, bytes, &d.profile, error, sizeof error)) {
        fprintf(stderr, "tenon: profile %s: %s\n", o->profile, text != NULL ? error : "unknown");
        return;
    }
    d.profile.watchdog_us = 2000;
    if (!tn__tpu_bus_model_open(&allocator, &d.profile, &s, &d.bus, error, sizeof error)) {
        fprintf(stderr, "tenon: %s: %s\n", script, error);
        return;
    }
    uint64_t at[3];
    uint16_t *a = NULL, *b = NULL;
    float *out = NULL;
    if (tn__tpu_open(&d.chip, &d.bus, error, sizeof error)) {
        a = d.bus.dma_alloc(d.bus.self, M * K * 2, 64, &at[0]);
        b = d.bus.dma_alloc(d.bus.self, K * N * 2, 64, &at[1]);
        out = d.bus.dma_alloc(d.bus.self, M * N * 4, 64, &at[2]);
    }
    if (a != NULL && b != NULL && out != NULL && plan(&d, &p)) {
        uint64_t state = 1;
        for (int i = 0; i < M * K; i++)
            a[i] = (uint16_t)((next(&state) & 0x80ffu) | 0x3f00u);
        for (int i = 0; i < K * N; i++)
            b[i] = (uint16_t)((next(&state) & 0x80ffu) | 0x3f00u);
        memset(out, 0xff, M * N * 4);
        pthread_mutex_init(&d.lock, NULL);
        uint64_t start = d.bus.now_ns(d.bus.self);
        r->opened = true;
        r->status = tn__tpu_run(&d, &p, at);
        r->ns = d.bus.now_ns(d.bus.self) - start;
        r->limit_ns = (uint64_t)TPU_TRIES * (3u * d.profile.watchdog_us + 200000u) * 1000u;
        r->struck = tn__sim_faults_struck(tn__tpu_bus_model_chip(&d.bus));
        r->corrected =
            (uint32_t)tn__sim_count(tn__tpu_bus_model_chip(&d.bus), TPU_COUNT_ECC_CORRECTED);
        r->packets = (uint32_t)tn__sim_count(tn__tpu_bus_model_chip(&d.bus), TPU_COUNT_PACKETS);
        r->transfers =
            (uint32_t)(tn__sim_count(tn__tpu_bus_model_chip(&d.bus), TPU_COUNT_TRANSFERS));
        r->report = d.chip.report;
        memcpy(r->out, out, sizeof r->out);
        pthread_mutex_destroy(&d.lock);
    }
    d.bus.dma_free(d.bus.self, a);
    d.bus.dma_free(d.bus.self, b);
    d.bus.dma_free(d.bus.self, out);
    tn__tpu_close(&d.chip);
    tn__tpu_bus_model_close(&d.bus);
}

/* One fault at random, likely to meet what the product uses. */
static uint32_t make_script(uint64_t *state, const result *plain, char *script, size_t room)
{
    uint32_t kind = (uint32_t)(next(state) % KINDS);
    unsigned nth = 1 + (unsigned)(next(state) % plain->packets),
             bit = (unsigned)(next(state) % 512);
    unsigned row = (unsigned)(next(state) % 24), column = (unsigned)(next(state) % 40);
    unsigned bits = 1 + (unsigned)(next(state) % 2), value = (unsigned)(next(state) % 2);
    switch (kind) {
    case 0:
        snprintf(script, room, "flip nth=%u space=%u row=%u bit=%u bits=%u", nth, nth % 3,
                 (unsigned)(next(state) % 3000), bit % 32, bits);
        break;
    case 1:
        snprintf(script, room, "packet nth=%u bit=%u", nth, bit);
        break;
    case 2:
    case 3:
    case 4:
        snprintf(script, room, "%s row=%u column=%u bit=%u value=%u", kinds[kind], row, column,
                 bit % 32, value);
        break;
    case 8:
        snprintf(script, room, "dma_delay nth=%u cycles=%u", nth % plain->transfers + 1,
                 bit * 1000);
        break;
    case 9:
    case 10:
    case 13:
    case 14:
        snprintf(script, room, "%s nth=1", kinds[kind]);
        break;
    case 15:
        snprintf(script, room, "throttle nth=%u ratio=%u", nth, 1 + bit / 2);
        break;
    default: /* transfers and commands; one in four never goes away */
        nth = kind < 9 ? nth % plain->transfers + 1 : nth;
        snprintf(script, room, "%s nth=%u bit=%u sticky=%u", kinds[kind], nth, bit,
                 kind != 11 && value == 1 && bits == 1);
        break;
    }
    return kind;
}

static uint32_t end_of(const result *r, const float *want)
{
    bool reacted = r->report.resets != 0 || r->report.interrupts_lost != 0 ||
                   r->report.doorbells_again != 0 || r->corrected != 0;
    if (r->ns > r->limit_ns)
        return PAST_WATCHDOG;
    if (r->status != TN_OK)
        return REPORTED;
    if (memcmp(r->out, want, sizeof r->out) != 0)
        return SILENT_WRONG;
    return reacted ? RECOVERED : r->struck != 0 ? HARMLESS : NOT_STRUCK;
}

static bool tally_all(const options *o, uint32_t protect, tally *t)
{
    result *r = malloc(2 * sizeof *r);
    uint64_t state = o->seed;
    memset(t, 0, sizeof *t);
    if (r == NULL)
        return false;
    run(o, protect, "", r);
    bool good = r->opened && r->status == TN_OK;
    for (uint32_t i = 0; good && i < o->count; i++) {
        char script[128];
        uint32_t kind = make_script(&state, r, script, sizeof script), end;
        run(o, protect, script, r + 1);
        good = r[1].opened;
        end = end_of(r + 1, r->out);
        if (strncmp(script, "stuck", 5) == 0 && end == NOT_STRUCK)
            end = HARMLESS; /* it is there all the time */
        t->end[kind][end]++;
        t->sum[end]++;
    }
    free(r);
    return good;
}

static cJSON *tally_json(const tally *t)
{
    cJSON *o = cJSON_CreateObject();
    for (int e = 0; e < ENDS; e++)
        cJSON_AddNumberToObject(o, ends[e], t->sum[e]);
    cJSON *by = cJSON_AddObjectToObject(o, "by_kind");
    for (int k = 0; k < KINDS; k++) {
        cJSON *row = cJSON_AddObjectToObject(by, kinds[k]);
        for (int e = 0; e < ENDS; e++)
            if (t->end[k][e] != 0)
                cJSON_AddNumberToObject(row, ends[e], t->end[k][e]);
    }
    return o;
}

static void print(const char *protect, const tally *t)
{
    printf("protect=%s\n  %-14s", protect, "");
    for (int e = 0; e < ENDS; e++)
        printf(" %13s", ends[e]);
    for (int k = 0; k <= KINDS; k++) {
        printf("\n  %-14s", k < KINDS ? kinds[k] : "all");
        for (int e = 0; e < ENDS; e++)
            printf(" %13u", k < KINDS ? t->end[k][e] : t->sum[e]);
    }
    printf("\n");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    char *end;
    switch (key) {
    case 'n':
        o->count = (uint32_t)strtoul(arg, &end, 10);
        if (*end != '\0' || o->count == 0 || o->count > 1000000)
            argp_error(state, "count is 1 to 1000000");
        return 0;
    case SEED:
        o->seed = strtoull(arg, &end, 10);
        if (*end != '\0' || *arg == '\0')
            argp_error(state, "seed is a number");
        return 0;
    case 'p':
        for (o->protect = 0; o->protect < 3; o->protect++) {
            static const char *const names[] = {"none", "ecc", "full"};
            if (strcmp(arg, names[o->protect]) == 0)
                return 0;
        }
        argp_error(state, "protect is none, ecc or full");
        return 0;
    case 'c':
        o->profile = arg;
        return 0;
    case 'j':
        o->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int tool_sim_faults(int argc, char **argv)
{
    static const struct argp_option flags[] = {
        {"count", 'n', "N", 0, "faults (1000)", 0},
        {"seed", SEED, "S", 0, "of the faults (1)", 0},
        {"protect", 'p', "none|ecc|full", 0, "instead of first none, then full", 0},
        {"profile", 'c', "NAME", 0, "chip (test-24x40)", 0},
        {"json", 'j', NULL, 0, "the tally on standard output", 0},
        {0},
    };
    static const struct argp parser = {
        flags,
        parse,
        NULL,
        "Runs a product once for each of N random faults. silent_wrong: it ended well with a wrong "
        "result; past_watchdog: it took longer than the watchdog allows.",
        NULL,
        NULL,
        NULL};
    static const char *const names[] = {"none", "ecc", "full"};
    options o = {.count = 1000, .seed = 1, .protect = 3, .profile = "test-24x40"};
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "count", o.count);
    cJSON_AddNumberToObject(root, "seed", (double)o.seed);
    cJSON_AddStringToObject(root, "profile", o.profile);
    cJSON *list = cJSON_AddObjectToObject(root, "protect");
    bool good = true, kept = true;
    for (uint32_t protect = 0; good && protect < 3; protect++) {
        tally t;
        if (o.protect == 3 ? protect == 1 : protect != o.protect)
            continue;
        good = tally_all(&o, protect, &t);
        cJSON_AddItemToObject(list, names[protect], tally_json(&t));
        if (!o.json)
            print(names[protect], &t);
        kept = kept && t.sum[PAST_WATCHDOG] == 0 && (protect != 2 || t.sum[SILENT_WRONG] == 0);
    }
    if (o.json) {
        char *text = cJSON_Print(root);
        if (text != NULL)
            puts(text);
        cJSON_free(text);
    }
    cJSON_Delete(root);
    return good && kept ? 0 : 1;
}
