/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench: any op, by its text, timed in its classes, packed and not, beside every peer library
 * that has it; contestants take turns for at least 15 rounds on pinned threads, warm. */
#include "tool.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_ROUNDS = 15, SHAPES = 64, TEXT = 256 };

typedef struct options {
    const char *op, *shape[SHAPES], *device, *vs, *json, *trace, *suite;
    uint32_t shapes, threads, rounds;
    bool thread_time;
} options;

static error_t parse(int key, char *arg, struct argp_state *state)
{
    options *o = state->input;
    char *end = NULL;
    switch (key) {
    case 't':
        o->threads = (uint32_t)strtoul(arg, &end, 10);
        if (*end != '\0' || o->threads == 0 || o->threads > 64)
            argp_error(state, "--threads takes 1 to 64, not '%s'", arg);
        return 0;
    case 'r':
        o->rounds = (uint32_t)strtoul(arg, &end, 10);
        if (*end != '\0' || o->rounds == 0 || o->rounds > 10000)
            argp_error(state, "--rounds takes 1 to 10000, not '%s'", arg);
        return 0;
    case 'c':
        o->thread_time = true;
        return 0;
    case 'v':
        o->vs = arg;
        return 0;
    case 'd':
        o->device = arg;
        return 0;
    case 'j':
        o->json = arg;
        return 0;
    case 'T':
        o->trace = arg;
        return 0;
    case 's':
        o->suite = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->op == NULL)
            o->op = arg;
        else if (o->shapes < SHAPES)
            o->shape[o->shapes++] = arg;
        else
            argp_error(state, "at most %d shapes", SHAPES);
        return 0;
    case ARGP_KEY_END:
        if (o->op == NULL && o->suite == NULL)
            argp_error(state, "name an op, such as softmax, or overhead");
        if (o->thread_time && o->threads != 1)
            argp_error(state, "--thread-time is of one thread, not of %u", o->threads);
        if (o->thread_time &&
            (strncmp(o->device, "cpu", 3) != 0 || strstr(o->device, "private") != NULL))
            argp_error(state,
                       "--thread-time needs a device that computes on the calling thread, "
                       "such as cpu, not %s",
                       o->device);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool parses(tn_runtime *rt, const char *text)
{
    tn_op *op = NULL;
    bool ok = tn_op_parse(rt, text, &op) == TN_OK;
    tn_op_free(rt, op);
    return ok;
}

/* "softmax" and "4096x4096" make "softmax 4096x4096:f32". false, said: too long for a text. */
static bool compose(char *text, const char *op, const char *shape)
{
    int n = snprintf(text, TEXT, "%s %s%s", op, shape, strchr(shape, ':') != NULL ? "" : ":f32");
    if (n >= 0 && n < TEXT)
        return true;
    fprintf(stderr, "tenon bench: an op and its shape take %d characters at most\n", TEXT - 1);
    return false;
}

/* One op: `op` may hold a whole text, and its first shape may be the op's kind ("eltwise relu"). */
static int bench_op(const options *o, const tool_setup *with)
{
    static const struct {
        const char *op, *shape[3];
    } usual[] = {
        {"matmul", {"256x256x256", "512x512x512", "1024x1024x1024"}},
        {"conv", {"n1c64h56w56k64r3s3p1:f32:nhwc", "n1c256h14w14k256r3s3p1:f32:nhwc"}},
        {"attention", {"b1h12q1024k1024d64", "b1h12q1024k1024d64:f32:causal"}},
    };
    char prefix[TEXT], text[TEXT];
    const char *const *shape = o->shape;
    uint32_t shapes = o->shapes;
    int rc = 0;
    if (strchr(o->op, ' ') != NULL) { /* every argument is a text */
        rc = tool_bench_op(with, o->op);
        for (uint32_t i = 0; i < shapes; ++i) {
            int one = tool_bench_op(with, shape[i]);
            rc = one > rc ? one : rc;
        }
        return rc;
    }
    snprintf(prefix, sizeof prefix, "%s", o->op);
    for (size_t u = 0; shapes == 0 && u < sizeof usual / sizeof usual[0]; ++u)
        if (strcmp(o->op, usual[u].op) == 0)
            for (shape = usual[u].shape; shapes < 3 && shape[shapes] != NULL;)
                ++shapes;
    if (shapes == 0) {
        fprintf(stderr, "tenon bench: %s needs a shape: tenon bench %s 4096x4096:f32\n", o->op,
                o->op);
        return 2;
    }
    if (!compose(text, prefix, shape[0]))
        return 2;
    if (shapes > 1 && !parses(with->runtime, text)) {
        char longer[TEXT];
        snprintf(longer, sizeof longer, "%.100s %.100s", o->op, shape[0]);
        if (compose(text, longer, shape[1]) && parses(with->runtime, text)) {
            snprintf(prefix, sizeof prefix, "%s", longer);
            ++shape;
            --shapes;
        }
    }
    for (uint32_t i = 0; i < shapes; ++i) {
        int one;
        if (!compose(text, prefix, shape[i]))
            return 2;
        if (strcmp(o->op, "conv") == 0 && parses(with->runtime, text))
            one = tool_bench_conv(with->runtime, with->device, text + 5, o->vs, o->threads,
                                  o->rounds, with->peak_gflops, with->rows);
        else if (strcmp(o->op, "attention") == 0)
            one = tool_bench_attention(with->device, shape[i], o->threads, o->rounds,
                                       with->peak_gflops, with->rows);
        else
            one = tool_bench_op(with, text);
        rc = one > rc ? one : rc;
    }
    return rc;
}

static bool write_json(const char *path, const cJSON *root)
{
    FILE *f = fopen(path, "w");
    char *text = cJSON_Print(root);
    bool ok = f != NULL && text != NULL && fputs(text, f) >= 0;
    cJSON_free(text);
    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "tenon bench: cannot write %s\n", path);
    return ok;
}

int tool_bench(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"threads", 't', "N", 0, "pinned threads, 1 by default", 0},
        {"vs", 'v', "all|none|NAME,...", 0, "peers beside ours, all by default", 0},
        {"rounds", 'r', "N", 0, "interleaved rounds, 15 by default", 0},
        {"device", 'd', "URI", 0, "cpu by default", 0},
        {"suite", 's', "NAME", 0, "a list of ops, those whose text has a WORD: peers", 0},
        {"thread-time", 'c', NULL, 0,
         "count the processor time of the one thread instead of the wall's, for a busy machine", 0},
        {"json", 'j', "FILE", 0, "write the rows as JSON", 0},
        {"trace", 'T', "FILE", 0, "write a timeline for ui.perfetto.dev (TENON_TRACE)", 0},
        {0}};
    static const struct argp argp = {known,
                                     parse,
                                     "OP [KIND] [SHAPE...]\n\"OP-TEXT\"...\n--suite NAME [WORD...]",
                                     "Times ops beside the peer libraries that are found.\v"
                                     "  tenon bench matmul 512x512x512:f32 31x513x257\n"
                                     "  tenon bench eltwise gelu 4096x4096:f32\n"
                                     "  tenon bench conv n1c64h56w56k64r3s3p1:f32:nhwc\n"
                                     "  tenon bench attention b1h12q1024k1024d64:f32:causal\n"
                                     "  tenon bench \"softmax 4096x4096:f32\" \"norm layer "
                                     "4096x4096:f32:gamma+beta\"\n"
                                     "  tenon bench --suite peers matmul norm --threads 2\n"
                                     "  tenon bench overhead",
                                     NULL,
                                     NULL,
                                     NULL};
    options o = {.threads = 1, .rounds = DEFAULT_ROUNDS, .vs = "all", .device = "cpu"};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.thread_time)
        tool_count_thread_time();
    tool_setup with = {
        .thread_time = o.thread_time, .vs = o.vs, .threads = o.threads, .rounds = o.rounds};
    tn_runtime_desc rd = {.head = TN_INIT(tn_runtime_desc), .threads = o.threads};
    if (!tool_pin(o.threads))
        fprintf(stderr, "tenon bench: could not pin to cpus 0..%u\n", o.threads - 1);
    if (tn_runtime_create(&rd, &with.runtime) != TN_OK ||
        tn_device_open(with.runtime, o.device, &with.device) != TN_OK) {
        int rc = tool_error(o.device);
        tn_runtime_release(with.runtime);
        return rc;
    }
    int rc = 0;
    tool_trace *trace = NULL;
    cJSON *root = cJSON_CreateObject();
    if (!tool_trace_start(with.runtime, o.trace, &trace)) {
        rc = 1;
    } else if (o.suite == NULL && strcmp(o.op, "overhead") == 0) {
        rc = tool_bench_overhead(with.device);
    } else {
        char cpu[96];
        tool_cpu_name(cpu, sizeof cpu);
        with.peak_gflops = tool_peak_gflops(o.threads);
        with.read_gbs = tool_read_gbs(o.threads);
        with.copy_gbs = tool_copy_gbs(o.threads);
        printf("peak %.1f GFLOP/s f32 fma, read %.1f GB/s, copy %.1f GB/s (measured now)\n",
               with.peak_gflops, with.read_gbs, with.copy_gbs);
        cJSON_AddNumberToObject(root, "canonical_version", 1);
        cJSON_AddStringToObject(root, "tenon", TN_VERSION_TEXT);
        cJSON_AddStringToObject(root, "cpu", cpu);
        cJSON_AddStringToObject(root, "device", o.device);
        cJSON_AddNumberToObject(root, "threads", o.threads);
        cJSON_AddNumberToObject(root, "peak_gflops", with.peak_gflops);
        cJSON_AddNumberToObject(root, "read_gbs", with.read_gbs);
        cJSON_AddNumberToObject(root, "copy_gbs", with.copy_gbs);
        cJSON_AddStringToObject(root, "clock", o.thread_time ? "thread" : "wall");
        with.rows = cJSON_AddArrayToObject(root, "rows");
        if (o.suite == NULL) {
            rc = bench_op(&o, &with);
        } else {
            /* the first word came in the place of the op */
            const char *word[SHAPES + 1];
            uint32_t words = 0;
            if (o.op != NULL)
                word[words++] = o.op;
            for (uint32_t i = 0; i < o.shapes; ++i)
                word[words++] = o.shape[i];
            rc = tool_bench_suite(&with, o.suite, word, words);
            tool_peers_missing(cJSON_AddArrayToObject(root, "missing"));
        }
        if (o.json != NULL && !write_json(o.json, root))
            rc = 1;
    }
    if (tool_trace_write(trace) != 0)
        rc = 1;
    cJSON_Delete(root);
    tn_device_release(with.device);
    tn_runtime_release(with.runtime);
    return rc;
}
