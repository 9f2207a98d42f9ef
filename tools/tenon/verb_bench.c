/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench: an op timed in its classes, packed and not, beside every peer library that is found;
 * contestants take turns for at least 15 rounds on pinned threads, warm. */
#include "tool.h"

#include <argp.h>
#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bench/peers/peer.h>

enum { MAX_CONTESTANTS = 24, DEFAULT_ROUNDS = 15 };

typedef struct options {
    const char *op, *shape[32], *device, *vs, *json, *trace;
    uint32_t shapes, threads, rounds;
} options;

/* One matmul problem: host arrays that the peers and our uploads share. */
typedef struct problem {
    int64_t m, n, k;
    float *a, *b, *c;
} problem;

/* Our side: buffers on the device, a plan, the queue. */
typedef struct ours {
    tn_queue *queue;
    tn_plan *plan;
    tn_fence *fence;
    uint64_t value;
    tn_buffer *a, *b, *c;
    char kernel[96];
    bool failed;
} ours;

static void run_ours(void *self)
{
    ours *o = self;
    tn_bind binds[] = {{TN_ARG_A, 0, o->a, 0}, {TN_ARG_B, 0, o->b, 0}, {TN_ARG_OUT, 0, o->c, 0}};
    tn_point done = {o->fence, ++o->value};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    if (tn_queue_run(o->queue, o->plan, binds, 3, NULL, &sync) != TN_OK ||
        tn_fence_wait(&done, 1, 0, UINT64_MAX) != TN_OK)
        o->failed = true;
}

static tn_tensor matrix(int64_t rows, int64_t cols)
{
    tn_tensor t = {.dtype = TN_F32, .rank = 2, .dim = {rows, cols}, .stride = {cols, 1}};
    return t;
}

static tn_status upload(tn_device *device, ours *o, tn_buffer **out, const void *from,
                        uint64_t bytes)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_status st = tn_buffer_create(device, &desc, out);
    if (st != TN_OK || from == NULL)
        return st;
    tn_point done = {o->fence, ++o->value};
    tn_sync sync = {.signal = &done, .signal_count = 1};
    st = tn_queue_write(o->queue, *out, 0, from, bytes, &sync);
    return st != TN_OK ? st : tn_fence_wait(&done, 1, 0, UINT64_MAX);
}

static void close_ours(ours *o)
{
    tn_buffer_release(o->a);
    tn_buffer_release(o->b);
    tn_buffer_release(o->c);
    tn_plan_release(o->plan);
    tn_fence_release(o->fence);
    tn_queue_release(o->queue);
    memset(o, 0, sizeof *o);
}

static tn_status open_ours(tn_runtime *rt, tn_device *device, const problem *p, tn_class cls,
                           bool packed, ours *o)
{
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {{TN_ARG_A, 0, matrix(p->m, p->k)},
                      {TN_ARG_B, packed ? TN_ARG_PACKED : 0u, matrix(p->k, p->n)},
                      {TN_ARG_OUT, 0, matrix(p->m, p->n)}};
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_MATMUL,
                .arg_count = 3,
                .attr = &attr,
                .args = args,
                .numerics = {.cls = cls}};
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    uint64_t layout = 0, b_bytes = (uint64_t)(p->k * p->n) * 4u;
    tn_status st = tn_queue_create(device, &qd, &o->queue);
    if (st == TN_OK)
        st = tn_fence_create(rt, 0, &o->fence);
    if (st == TN_OK)
        st = tn_plan_create(device, &op, NULL, &o->plan);
    if (st == TN_OK)
        st = tn_plan_get_info(o->plan, &info);
    if (st == TN_OK)
        st = upload(device, o, &o->a, p->a, (uint64_t)(p->m * p->k) * 4u);
    if (st == TN_OK)
        st = upload(device, o, &o->c, NULL, (uint64_t)(p->m * p->n) * 4u);
    if (st == TN_OK)
        st = upload(device, o, &o->b, p->b, b_bytes);
    if (st == TN_OK && packed) {
        tn_buffer *to = NULL;
        tn_tensor from = args[1].tensor;
        st = tn_plan_layout(o->plan, TN_ARG_B, &layout, &b_bytes);
        if (st == TN_OK)
            st = upload(device, o, &to, NULL, b_bytes);
        if (st == TN_OK) {
            from.buffer = o->b;
            tn_point done = {o->fence, ++o->value};
            tn_sync sync = {.signal = &done, .signal_count = 1};
            st = tn_queue_pack(o->queue, o->plan, TN_ARG_B, &from, to, 0, &sync);
            if (st == TN_OK)
                st = tn_fence_wait(&done, 1, 0, UINT64_MAX);
            tn_buffer_release(o->b);
            o->b = to;
        }
    }
    snprintf(o->kernel, sizeof o->kernel, "%s", info.kernel);
    return st;
}

static uint32_t seed_state = 12345;

static float next_value(void)
{
    seed_state = seed_state * 1664525u + 1013904223u;
    return (float)((seed_state >> 8) & 0xffff) / 65536.0f - 0.5f;
}

/* Checks a few elements against float64, with the bound K u sum|ab| that every kernel here meets.
 */
static bool right(const problem *p, const float *c)
{
    for (int t = 0; t < 32; ++t) {
        int64_t i = (int64_t)t * 7919 % p->m, j = (int64_t)t * 104729 % p->n;
        double y = 0.0, s = 0.0, u = 0x1p-24;
        for (int64_t k = 0; k < p->k; ++k) {
            double v = (double)p->a[i * p->k + k] * (double)p->b[k * p->n + j];
            y += v;
            s += v < 0.0 ? -v : v;
        }
        double e = y - (double)c[i * p->n + j], n = (double)p->k + 1.0;
        if ((e < 0.0 ? -e : e) > s * n * u / (1.0 - n * u))
            return false;
    }
    return true;
}

static bool wanted(const options *o, const char *name)
{
    if (strcmp(o->vs, "all") == 0)
        return true;
    size_t n = strlen(name);
    for (const char *at = o->vs; (at = strstr(at, name)) != NULL; at += n)
        if ((at == o->vs || at[-1] == ',') && (at[n] == '\0' || at[n] == ','))
            return true;
    return false;
}

static void add_row(cJSON *rows, const tool_contestant *c, uint32_t threads, double flops,
                    double bytes)
{
    tool_stats s = tool_statistics(c->sample_s, c->count);
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "op", c->op);
    cJSON_AddStringToObject(row, "dtype", "f32");
    cJSON_AddStringToObject(row, "shape", c->shape);
    cJSON_AddNumberToObject(row, "threads", threads);
    cJSON_AddStringToObject(row, "class", c->cls);
    cJSON_AddStringToObject(row, "impl", c->impl);
    cJSON_AddBoolToObject(row, "packed", c->packed);
    cJSON_AddNumberToObject(row, "median_ms", s.median * 1e3);
    cJSON_AddNumberToObject(row, "p10_ms", s.p10 * 1e3);
    cJSON_AddNumberToObject(row, "p90_ms", s.p90 * 1e3);
    cJSON_AddNumberToObject(row, "gflops", flops / s.median * 1e-9);
    cJSON_AddNumberToObject(row, "gbs", bytes / s.median * 1e-9);
    cJSON_AddItemToArray(rows, row);
}

static int bench_shape(const options *opt, tn_runtime *rt, tn_device *device, const char *shape,
                       double peak, cJSON *rows)
{
    problem p = {0};
    tool_contestant c[MAX_CONTESTANTS];
    ours mine[4];
    void *state[MAX_CONTESTANTS] = {0};
    const tn_peer *peer[MAX_CONTESTANTS] = {0};
    uint32_t count = 0, modules = 0, best_plain = 0, best_packed = 0;
    int rc = 1, used = 0;
    long long m, n, k;
    memset(c, 0, sizeof c);
    memset(mine, 0, sizeof mine);
    if (sscanf(shape, "%lldx%lldx%lld%n", &m, &n, &k, &used) != 3 || m <= 0 || n <= 0 || k <= 0 ||
        m > 65536 || n > 65536 || k > 65536 ||
        (shape[used] != '\0' && strcmp(shape + used, ":f32") != 0)) {
        fprintf(stderr, "tenon bench: shape '%s' is not MxNxK[:f32] with sizes from 1 to 65536\n",
                shape);
        return 2;
    }
    p.m = m, p.n = n, p.k = k;
    p.a = malloc((size_t)(m * k) * 4u);
    p.b = malloc((size_t)(k * n) * 4u);
    p.c = malloc((size_t)(m * n) * 4u);
    if (p.a == NULL || p.b == NULL || p.c == NULL) {
        fprintf(stderr, "tenon bench: not enough memory for %s\n", shape);
        goto done;
    }
    for (int64_t i = 0; i < m * k; ++i)
        p.a[i] = next_value();
    for (int64_t i = 0; i < k * n; ++i)
        p.b[i] = next_value();

    for (uint32_t v = 0; v < 4; ++v) {
        tn_class cls = v & 1u ? TN_CLASS_CANONICAL : TN_CLASS_FAST;
        bool packed = v >= 2;
        if (open_ours(rt, device, &p, cls, packed, &mine[v]) != TN_OK) {
            tool_error(shape);
            close_ours(&mine[v]);
            continue;
        }
        tool_contestant *one = &c[count++];
        one->run = run_ours;
        one->self = &mine[v];
        one->packed = packed;
        snprintf(one->cls, sizeof one->cls, "%s", tool_class_name(cls));
        snprintf(one->impl, sizeof one->impl, "tenon");
    }
    uint32_t own = count;
    glob_t found = {0};
    char folder[512], pattern[600];
    if (strcmp(opt->vs, "none") != 0 && tool_folder(folder, sizeof folder)) {
        snprintf(pattern, sizeof pattern, "%s/peers/peer_*.so", folder);
        if (glob(pattern, 0, NULL, &found) != 0)
            found.gl_pathc = 0;
    }
    for (size_t i = 0; i < found.gl_pathc && modules < 8; ++i) {
        void *h = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
        const tn_peer *(*get)(uint32_t) = NULL;
        if (h == NULL) {
            fprintf(stderr, "tenon bench: %s\n", dlerror());
            continue;
        }
        ++modules;
        *(void **)(&get) = dlsym(h, "tn_peer_get");
        for (uint32_t e = 0; get != NULL && get(e) != NULL && count < MAX_CONTESTANTS; ++e) {
            const tn_peer *one = get(e);
            if (one->abi != TN_PEER_ABI || !wanted(opt, one->name))
                continue;
            tn_peer_matmul problem_of_peer = {m, n, k, p.a, p.b, p.c};
            one->threads((int)opt->threads);
            void *prepared = one->prepare(&problem_of_peer);
            if (prepared == NULL)
                continue;
            memset(p.c, 0, (size_t)(m * n) * 4u);
            one->run(prepared);
            if (!right(&p, p.c))
                fprintf(stderr, "tenon bench: %s is WRONG on %s\n", one->name, shape);
            peer[count] = one;
            state[count] = prepared;
            c[count].run = one->run;
            c[count].self = prepared;
            c[count].packed = one->packed != 0;
            snprintf(c[count].cls, sizeof c[count].cls, "fast");
            snprintf(c[count].impl, sizeof c[count].impl, "%s %.70s", one->name, one->version());
            ++count;
        }
    }
    globfree(&found);
    for (uint32_t i = 0; i < count; ++i) {
        snprintf(c[i].op, sizeof c[i].op, "matmul");
        snprintf(c[i].shape, sizeof c[i].shape, "%lldx%lldx%lld", m, n, k);
    }
    if (count == 0 || !tool_interleave(c, count, opt->rounds))
        goto done;

    printf("matmul %lldx%lldx%lld f32, %u thread%s, %u interleaved rounds, warm, pinned\n", m, n, k,
           opt->threads, opt->threads == 1 ? "" : "s", opt->rounds);
    printf("  %-34s %-10s %-7s %10s %21s %9s %7s\n", "impl", "class", "weights", "median ms",
           "p10 .. p90 ms", "GFLOP/s", "% peak");
    double flops = 2.0 * (double)m * (double)n * (double)k,
           bytes = 4.0 * ((double)m * (double)k + (double)k * (double)n + (double)m * (double)n);
    double fast = 0.0, fast_packed = 0.0;
    for (uint32_t i = 0; i < count; ++i) {
        double *copy = malloc(c[i].count * sizeof *copy);
        if (copy == NULL)
            goto done;
        memcpy(copy, c[i].sample_s, c[i].count * sizeof *copy);
        tool_stats s = tool_statistics(copy, c[i].count);
        free(copy);
        printf("  %-34.34s %-10s %-7s %10.4f %10.4f %10.4f %9.1f %6.1f%%\n", c[i].impl, c[i].cls,
               c[i].packed ? "packed" : "plain", s.median * 1e3, s.p10 * 1e3, s.p90 * 1e3,
               flops / s.median * 1e-9, flops / s.median * 1e-7 / peak);
        double *best = c[i].packed ? &fast_packed : &fast;
        if (i >= own && (*best == 0.0 || s.median < *best)) {
            *best = s.median;
            *(c[i].packed ? &best_packed : &best_plain) = i;
        }
    }
    for (uint32_t i = 0; i < own; ++i) {
        uint32_t other = c[i].packed ? best_packed : best_plain;
        if (other != 0)
            printf("  ratio to the best peer, %s %s: %.3f (%s)\n", c[i].cls,
                   c[i].packed ? "packed" : "plain", 1.0 / tool_pair_ratio(&c[i], &c[other]),
                   c[other].impl);
    }
    for (uint32_t i = 0; i + 1 < own; ++i)
        if (c[i].packed == c[i + 1].packed)
            printf("  price of canonical, %s: %+.2f %%\n", c[i].packed ? "packed" : "plain",
                   100.0 * (tool_pair_ratio(&c[i + 1], &c[i]) - 1.0));
    for (uint32_t v = 0; v < 4; ++v)
        if (mine[v].plan != NULL)
            printf("  kernel, %s %s: %s\n", v & 1u ? "canonical" : "fast",
                   v >= 2 ? "packed" : "plain", mine[v].kernel);
    rc = 0;
    for (uint32_t v = 0; v < 4; ++v)
        if (mine[v].failed)
            rc = tool_error(shape);
    for (uint32_t i = 0; i < count; ++i)
        add_row(rows, &c[i], opt->threads, flops, bytes);
done:
    for (uint32_t i = 0; i < MAX_CONTESTANTS; ++i) {
        if (peer[i] != NULL)
            peer[i]->finish(state[i]);
        free(c[i].sample_s);
    }
    for (uint32_t v = 0; v < 4; ++v)
        close_ours(&mine[v]);
    free(p.a);
    free(p.b);
    free(p.c);
    /* The modules stay loaded: OpenMP runtimes do not survive dlclose. */
    return rc;
}

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
    case ARGP_KEY_ARG:
        if (o->op == NULL)
            o->op = arg;
        else if (o->shapes < 32)
            o->shape[o->shapes++] = arg;
        else
            argp_error(state, "at most 32 shapes");
        return 0;
    case ARGP_KEY_END:
        if (o->op == NULL)
            argp_error(state, "name an op: matmul, conv, attention or overhead");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int tool_bench(int argc, char **argv)
{
    static const struct argp_option known[] = {
        {"threads", 't', "N", 0, "pinned threads, 1 by default", 0},
        {"vs", 'v', "all|none|NAME,...", 0, "peers beside ours, all by default", 0},
        {"rounds", 'r', "N", 0, "interleaved rounds, 15 by default", 0},
        {"device", 'd', "URI", 0, "cpu by default", 0},
        {"json", 'j', "FILE", 0, "write the rows as JSON", 0},
        {"trace", 'T', "FILE", 0, "write a timeline for ui.perfetto.dev (TENON_TRACE)", 0},
        {0}};
    static const struct argp argp = {known,
                                     parse,
                                     "OP [SHAPE...]",
                                     "Times an op beside the peer libraries that are found.\v"
                                     "  tenon bench matmul 512x512x512:f32 31x513x257\n"
                                     "  tenon bench conv n1c64h56w56k64r3s3p1:f32:nhwc\n"
                                     "  tenon bench attention b1h12q1024k1024d64:f32:causal\n"
                                     "  tenon bench overhead",
                                     NULL,
                                     NULL,
                                     NULL};
    options o = {.threads = 1, .rounds = DEFAULT_ROUNDS, .vs = "all", .device = "cpu"};
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    char uri[160];
    tn_runtime *rt = NULL;
    tn_device *device = NULL;
    tn_runtime_desc rd = {.head = TN_INIT(tn_runtime_desc), .threads = o.threads};
    if (!tool_pin(o.threads))
        fprintf(stderr, "tenon bench: could not pin to cpus 0..%u\n", o.threads - 1);
    snprintf(uri, sizeof uri, "%s", o.device);
    if (tn_runtime_create(&rd, &rt) != TN_OK || tn_device_open(rt, uri, &device) != TN_OK) {
        int rc = tool_error(uri);
        tn_runtime_release(rt);
        return rc;
    }
    int rc = 0;
    tool_trace *trace = NULL;
    if (!tool_trace_start(rt, o.trace, &trace)) {
        tn_device_release(device);
        tn_runtime_release(rt);
        return 1;
    }
    cJSON *root = cJSON_CreateObject(), *rows = NULL;
    if (strcmp(o.op, "overhead") == 0) {
        rc = tool_bench_overhead(device);
    } else if (strcmp(o.op, "matmul") == 0 || strcmp(o.op, "attention") == 0 ||
               strcmp(o.op, "conv") == 0) {
        static const char *const cubes[] = {"256x256x256", "512x512x512", "1024x1024x1024"};
        static const char *const heads[] = {"b1h12q1024k1024d64", "b1h12q1024k1024d64:f32:causal"};
        static const char *const layers[] = {"n1c64h56w56k64r3s3p1:f32:nhwc",
                                             "n1c256h14w14k256r3s3p1:f32:nhwc"};
        bool matmul = o.op[0] == 'm', conv = o.op[0] == 'c';
        double peak = tool_peak_gflops(o.threads), read = tool_read_gbs(o.threads);
        printf("peak %.1f GFLOP/s f32 fma, read %.1f GB/s (measured now)\n", peak, read);
        cJSON_AddNumberToObject(root, "canonical_version", 1);
        cJSON_AddNumberToObject(root, "peak_gflops", peak);
        cJSON_AddNumberToObject(root, "read_gbs", read);
        rows = cJSON_AddArrayToObject(root, "rows");
        uint32_t n = o.shapes != 0 ? o.shapes : matmul ? 3 : 2;
        for (uint32_t i = 0; i < n; ++i) {
            const char *shape = o.shapes != 0 ? o.shape[i]
                                : matmul      ? cubes[i]
                                : conv        ? layers[i]
                                              : heads[i];
            int one =
                matmul ? bench_shape(&o, rt, device, shape, peak, rows)
                : conv ? tool_bench_conv(rt, device, shape, o.vs, o.threads, o.rounds, peak, rows)
                       : tool_bench_attention(device, shape, o.threads, o.rounds, peak, rows);
            rc = one > rc ? one : rc;
        }
    } else {
        fprintf(stderr,
                "tenon bench: no bench of '%s'; there are matmul, conv, attention, overhead\n",
                o.op);
        rc = 2;
    }
    if (o.json != NULL && rows != NULL) {
        FILE *f = fopen(o.json, "w");
        char *text = cJSON_Print(root);
        if (f == NULL || text == NULL || fputs(text, f) < 0) {
            fprintf(stderr, "tenon bench: cannot write %s\n", o.json);
            rc = 1;
        }
        cJSON_free(text);
        if (f != NULL && fclose(f) != 0)
            rc = 1;
    }
    if (tool_trace_write(trace) != 0)
        rc = 1;
    cJSON_Delete(root);
    tn_device_release(device);
    tn_runtime_release(rt);
    return rc;
}
