/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench conv: one text form (n1c64h56w56k64r3s3p1[:f32[:nhwc]]) in FAST and CANONICAL with
 * packed filters, in FAST with Winograd allowed and with plain filters, beside the peers that have
 * a direct convolution. */
#include "tool.h"

#include <dlfcn.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bench/peers/peer.h>

enum { OURS = 4, MOST = 12 };

typedef struct job {
    tn_queue *queue;
    tn_plan *plan;
    tn_buffer *a, *b, *out;
    char kernel[96];
    bool failed;
} job;

static void run(void *self)
{
    job *j = self;
    tn_bind binds[] = {{TN_ARG_A, 0, j->a, 0}, {TN_ARG_B, 0, j->b, 0}, {TN_ARG_OUT, 0, j->out, 0}};
    if (tn_queue_run(j->queue, j->plan, binds, 3, NULL, NULL) != TN_OK ||
        tn_queue_wait_idle(j->queue, UINT64_MAX) != TN_OK)
        j->failed = true;
}

static uint64_t bytes_of(const tn_tensor *t)
{
    uint64_t n = 4;
    for (uint32_t d = 0; d < t->rank; ++d)
        n *= (uint64_t)t->dim[d];
    return n;
}

static tn_status fresh(tn_device *device, uint64_t bytes, tn_buffer **out)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    return tn_buffer_create(device, &desc, out);
}

static void shut(job *j)
{
    tn_buffer_release(j->a);
    tn_buffer_release(j->b);
    tn_buffer_release(j->out);
    tn_plan_release(j->plan);
    tn_queue_release(j->queue);
}

static tn_status open_job(tn_device *device, const tn_op *op, tn_numerics numerics, bool packed,
                          float *const host[3], job *j)
{
    tn_arg args[3] = {op->args[0], op->args[1], op->args[2]};
    tn_op mine = *op;
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_tensor from = args[1].tensor;
    tn_buffer *plain = NULL;
    uint64_t layout, bytes = bytes_of(&from);
    mine.args = args;
    mine.numerics = numerics;
    args[1].flags = packed ? TN_ARG_PACKED : 0u;
    tn_status st = tn_queue_create(device, &qd, &j->queue);
    if (st == TN_OK)
        st = tn_plan_create(device, &mine, NULL, &j->plan);
    if (st == TN_OK)
        st = tn_plan_get_info(j->plan, &info);
    if (st == TN_OK && !tool_share(device, host[0], bytes_of(&args[0].tensor), &j->a)) {
        st = fresh(device, bytes_of(&args[0].tensor), &j->a);
        if (st == TN_OK)
            st = tn_queue_write(j->queue, j->a, 0, host[0], bytes_of(&args[0].tensor), NULL);
    }
    if (st == TN_OK && !tool_share(device, host[2], bytes_of(&args[2].tensor), &j->out))
        st = fresh(device, bytes_of(&args[2].tensor), &j->out);
    if (st == TN_OK)
        st = fresh(device, bytes, &plain);
    if (st == TN_OK)
        st = tn_queue_write(j->queue, plain, 0, host[1], bytes, NULL);
    if (st == TN_OK && packed) {
        st = tn_plan_layout(j->plan, TN_ARG_B, &layout, &bytes);
        if (st == TN_OK)
            st = fresh(device, bytes, &j->b);
        from.buffer = plain;
        if (st == TN_OK)
            st = tn_queue_pack(j->queue, j->plan, TN_ARG_B, &from, j->b, 0, NULL);
    } else {
        j->b = plain;
        plain = NULL;
    }
    if (j->queue != NULL && tn_queue_wait_idle(j->queue, UINT64_MAX) != TN_OK && st == TN_OK)
        st = TN_STATUS_INTERNAL;
    tn_buffer_release(plain);
    snprintf(j->kernel, sizeof j->kernel, "%s", info.kernel);
    return st;
}

static tn_peer_conv problem_of(const tn_op *op, float *const host[3])
{
    const tn_conv *t = op->attr;
    const tn_tensor *a = &op->args[0].tensor, *b = &op->args[1].tensor, *o = &op->args[2].tensor;
    bool last = (t->flags & TN_CONV_CHANNELS_LAST) != 0;
    int s = last ? 1 : 2, c = last ? 3 : 1;
    tn_peer_conv p = {.n = a->dim[0], .channels = a->dim[c], .h = a->dim[s], .w = a->dim[s + 1]};
    p.filters = o->dim[c], p.kh = b->dim[s], p.kw = b->dim[s + 1];
    p.groups = t->groups == 0 ? 1 : t->groups;
    p.oh = o->dim[s], p.ow = o->dim[s + 1], p.last = last;
    p.a = host[0], p.b = host[1], p.c = host[2];
    for (int d = 0; d < 2; ++d) {
        p.stride[d] = t->stride[d] == 0 ? 1 : t->stride[d];
        p.dilation[d] = t->dilation[d] == 0 ? 1 : t->dilation[d];
        p.lo[d] = t->pad_lo[d], p.hi[d] = t->pad_hi[d];
    }
    return p;
}

/* Two orders of k sums of products of numbers within 1 differ by at most 2 k (k + 1) u. */
static bool close_to(const float *x, const float *y, uint64_t count, double k)
{
    double bound = 2 * k * (k + 1) * 0x1p-24;
    for (uint64_t i = 0; i < count; ++i)
        if (!(fabs((double)x[i] - (double)y[i]) <= bound))
            return false;
    return true;
}

/* Every peer module with a convolution, prepared; returns the contestants added. */
static uint32_t add_peers(const char *vs, const tn_peer_conv *problem, uint32_t threads,
                          const float *want, uint64_t count, tool_contestant *c,
                          const tn_peer **peer, void **state)
{
    glob_t found = {0};
    char folder[512], pattern[600];
    uint32_t added = 0;
    double k = (double)(problem->kh * problem->kw * (problem->channels / problem->groups));
    if (strcmp(vs, "none") == 0 || !tool_folder(folder, sizeof folder))
        return 0;
    snprintf(pattern, sizeof pattern, "%s/peers/peer_*.so", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        found.gl_pathc = 0;
    for (size_t i = 0; i < found.gl_pathc; ++i) {
        void *h = dlopen(found.gl_pathv[i], RTLD_NOW | RTLD_LOCAL);
        const tn_peer *(*get)(uint32_t) = NULL, *one;
        if (h == NULL)
            continue;
        *(void **)(&get) = dlsym(h, "tn_peer_get");
        for (uint32_t e = 0; get != NULL && (one = get(e)) != NULL && added < MOST - OURS; ++e) {
            if (one->abi != TN_PEER_ABI || one->prepare_conv == NULL ||
                (strcmp(vs, "all") != 0 && strstr(vs, one->name) == NULL))
                continue;
            one->threads((int)threads);
            memset(problem->c, 0, count * 4u);
            state[added] = one->prepare_conv(problem);
            if (state[added] == NULL)
                continue;
            one->run(state[added]);
            if (!close_to(problem->c, want, count, k))
                fprintf(stderr, "tenon bench: %s is not close to ours\n", one->name);
            peer[added] = one;
            c[added].run = one->run;
            c[added].self = state[added];
            c[added].packed = true;
            snprintf(c[added].cls, sizeof c[added].cls, "fast");
            snprintf(c[added].impl, sizeof c[added].impl, "%s %.70s", one->name, one->version());
            ++added;
        }
    }
    globfree(&found);
    return added;
}

static void report(cJSON *rows, tool_contestant *c, uint32_t threads, double flops, double peak)
{
    tool_stats s = tool_statistics(c->sample_s, c->count);
    printf("  %-24.24s %-10s %-7s median %9.4f ms, p10 %9.4f, p90 %9.4f, %7.1f GFLOP/s, %5.1f%%\n",
           c->impl, c->cls, c->packed ? "packed" : "plain", s.median * 1e3, s.p10 * 1e3,
           s.p90 * 1e3, flops / s.median * 1e-9, flops / s.median * 1e-7 / peak);
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "op", "conv");
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
    cJSON_AddItemToArray(rows, row);
}

int tool_bench_conv(tn_runtime *rt, tn_device *device, const char *shape, const char *vs,
                    uint32_t threads, uint32_t rounds, double peak, cJSON *rows)
{
    static const struct {
        tn_numerics numerics;
        bool packed;
        const char *name;
    } ways[OURS] = {{{.cls = TN_CLASS_FAST}, true, "fast"},
                    {{.cls = TN_CLASS_CANONICAL}, true, "canonical"},
                    {{.cls = TN_CLASS_FAST}, false, "fast"},
                    {{.cls = TN_CLASS_FAST, .allow = TN_ALLOW_WINOGRAD}, true, "fast+winograd"}};
    char text[256];
    tn_op *op = NULL;
    job j[OURS];
    tool_contestant c[MOST];
    const tn_peer *peer[MOST] = {NULL};
    void *state[MOST] = {NULL};
    float *host[3] = {NULL}, *want = NULL;
    uint64_t flops = 0, bytes = 0, size = 0;
    uint32_t count = 0, peers = 0;
    int rc = 1;
    memset(j, 0, sizeof j);
    memset(c, 0, sizeof c);
    snprintf(text, sizeof text, "conv %s", shape);
    if (tn_op_parse(rt, text, &op) != TN_OK || tn_op_cost(op, &flops, &bytes) != TN_OK) {
        tool_error(shape);
        return 2;
    }
    for (int i = 0; i < 3; ++i)
        if (op->arg_count != 3 || op->args[i].tensor.dtype != TN_F32) {
            fprintf(stderr, "tenon bench: conv is timed in f32 without posts, not '%s'\n", shape);
            tn_op_free(rt, op);
            return 2;
        }
    uint32_t seed = 1;
    for (int i = 0; i < 3; ++i) {
        size = bytes_of(&op->args[i].tensor);
        host[i] = tool_memory(size);
        for (uint64_t e = 0; host[i] != NULL && e < size / 4; ++e) {
            seed = seed * 1664525u + 1013904223u;
            host[i][e] = (float)(seed >> 8) * 0x1p-23f - 1.0f;
        }
    }
    want = malloc(size);
    if (host[0] == NULL || host[1] == NULL || host[2] == NULL || want == NULL) {
        fprintf(stderr, "tenon bench: not enough memory for %s\n", shape);
        goto done;
    }
    for (int v = 0; v < OURS; ++v) {
        if (open_job(device, op, ways[v].numerics, ways[v].packed, host, &j[v]) != TN_OK) {
            tool_error(shape);
            goto done;
        }
        tool_contestant *one = &c[count++];
        one->run = run;
        one->self = &j[v];
        one->packed = ways[v].packed;
        snprintf(one->cls, sizeof one->cls, "%s", ways[v].name);
        snprintf(one->impl, sizeof one->impl, "tenon");
        run(&j[v]);
    }
    if (tn_queue_read(j[0].queue, want, j[0].out, 0, size, NULL) != TN_OK ||
        tn_queue_wait_idle(j[0].queue, UINT64_MAX) != TN_OK) {
        tool_error(shape);
        goto done;
    }
    if (op->args[0].tensor.rank == 4 &&
        (((const tn_conv *)op->attr)->flags & TN_CONV_TRANSPOSED) == 0) {
        tn_peer_conv problem = problem_of(op, host);
        peers = add_peers(vs, &problem, threads, want, size / 4, c + count, peer, state);
        count += peers;
    }
    for (uint32_t i = 0; i < count; ++i)
        snprintf(c[i].shape, sizeof c[i].shape, "%.60s", shape);
    if (!tool_interleave(c, count, rounds))
        goto done;
    printf("conv %s, %u thread%s, %u interleaved rounds, %s\n", shape, threads,
           threads == 1 ? "" : "s", rounds, j[1].kernel);
    printf("  fast+winograd: %s\n", j[3].kernel);
    for (uint32_t i = OURS; i < count; ++i)
        printf("  ratio to %s: fast %.3f, canonical %.3f, fast+winograd %.3f\n", c[i].impl,
               1.0 / tool_pair_ratio(&c[0], &c[i]), 1.0 / tool_pair_ratio(&c[1], &c[i]),
               1.0 / tool_pair_ratio(&c[3], &c[i]));
    printf("  price of canonical: %+.2f %%\n", 100.0 * (tool_pair_ratio(&c[1], &c[0]) - 1.0));
    for (uint32_t i = 0; i < count; ++i)
        report(rows, &c[i], threads, (double)flops, peak);
    rc = j[0].failed || j[1].failed || j[2].failed || j[3].failed ? tool_error(shape) : 0;
done:
    for (uint32_t i = 0; i < peers; ++i)
        peer[i]->finish(state[i]);
    for (uint32_t i = 0; i < MOST; ++i)
        free(c[i].sample_s);
    for (int v = 0; v < OURS; ++v)
        shut(&j[v]);
    for (int i = 0; i < 3; ++i)
        free(host[i]);
    free(want);
    tn_op_free(rt, op);
    return rc;
}
