/* SPDX-License-Identifier: Apache-2.0 */
/* Two devices share the rows of one matmul, and the bits are those of one device alone: CANONICAL
 * names the order of every rounding. usage: two_devices [URI [URI]] */
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

enum { M = 96, N = 80, K = 300 };
static float a[M][K], b[K][N], alone[M][N], shared[M][N];

static void check(tn_status st, const char *what)
{
    tn_error e;
    if (st == TN_OK)
        return;
    tn_error_last(&e);
    fprintf(stderr, "%s: %s: %s\n", what, e.reason, e.text);
    exit(1);
}

/* FNV-1a of the bytes, lowest first. */
static unsigned long long digest(const void *from, size_t bytes)
{
    const unsigned char *p = from;
    unsigned long long h = 14695981039346656037u;
    for (size_t i = 0; i < bytes; ++i)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

typedef struct worker {
    tn_device *device;
    tn_queue *queue;
    tn_buffer *buffer[3];
} worker;

static void start(worker *w, tn_runtime *runtime, const char *uri)
{
    const uint64_t bytes[] = {sizeof a, sizeof b, sizeof alone};
    check(tn_device_open(runtime, uri, &w->device), uri);
    check(tn_queue_create(w->device, NULL, &w->queue), "queue");
    for (int i = 0; i < 3; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes[i]};
        check(tn_buffer_create(w->device, &desc, &w->buffer[i]), "buffer");
    }
}

/* Rows [first, last) of the product. Nothing here waits: the fence says when they are in `out`. */
static void submit(worker *w, int first, int last, float out[M][N], tn_fence *fence, uint64_t value)
{
    const int64_t rows = last - first;
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {{.role = TN_ARG_A}, {.role = TN_ARG_B}, {.role = TN_ARG_OUT}};
    args[0].tensor = (tn_tensor){.dtype = TN_F32, .rank = 2, .dim = {rows, K}, .stride = {K, 1}};
    args[1].tensor = (tn_tensor){.dtype = TN_F32, .rank = 2, .dim = {K, N}, .stride = {N, 1}};
    args[2].tensor = (tn_tensor){.dtype = TN_F32, .rank = 2, .dim = {rows, N}, .stride = {N, 1}};
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_MATMUL,
                .arg_count = 3,
                .attr = &attr,
                .args = args,
                .numerics.cls = TN_CLASS_CANONICAL};
    const tn_bind binds[] = {{.role = TN_ARG_A, .buffer = w->buffer[0]},
                             {.role = TN_ARG_B, .buffer = w->buffer[1]},
                             {.role = TN_ARG_OUT, .buffer = w->buffer[2]}};
    const tn_point done = {fence, value};
    const tn_sync sync = {.signal = &done, .signal_count = 1};
    tn_plan *plan = NULL;
    check(tn_plan_create(w->device, &op, NULL, &plan), "plan");
    check(tn_queue_write(w->queue, w->buffer[0], 0, a[first], (uint64_t)rows * sizeof a[0], NULL),
          "write");
    check(tn_queue_write(w->queue, w->buffer[1], 0, b, sizeof b, NULL), "write");
    check(tn_queue_run(w->queue, plan, binds, 3, NULL, NULL), "run");
    check(
        tn_queue_read(w->queue, out[first], w->buffer[2], 0, (uint64_t)rows * sizeof out[0], &sync),
        "read");
    tn_plan_release(plan); /* the queue keeps what it needs */
}

int main(int argc, char **argv)
{
    const char *uri[2] = {argc > 1 ? argv[1] : "cpu", argc > 2 ? argv[2] : "cpu?private=1"};
    tn_runtime *runtime = NULL;
    tn_fence *fence[2];
    worker w[2];
    check(tn_runtime_create(NULL, &runtime), "runtime");
    for (int i = 0; i < M * K; ++i)
        a[i / K][i % K] = (float)(i * 37 % 1009) / 997.0f - 0.5f;
    for (int i = 0; i < K * N; ++i)
        b[i / N][i % N] = (float)(i * 53 % 1013) / 991.0f - 0.5f;
    for (int i = 0; i < 2; ++i) {
        start(&w[i], runtime, uri[i]);
        check(tn_fence_create(runtime, 0, &fence[i]), "fence");
    }
    submit(&w[0], 0, M, alone, fence[0], 1);
    submit(&w[0], 0, M / 3, shared, fence[0], 2); /* a third here, the rest there */
    submit(&w[1], M / 3, M, shared, fence[1], 1);
    const tn_point both[] = {{fence[0], 2}, {fence[1], 1}};
    check(tn_fence_wait(both, 2, 0, UINT64_MAX), "both devices");
    printf("alone %016llx, shared %016llx\n", digest(alone, sizeof alone),
           digest(shared, sizeof shared));
    for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 3; ++j)
            tn_buffer_release(w[i].buffer[j]);
        tn_queue_release(w[i].queue);
        tn_device_release(w[i].device);
        tn_fence_release(fence[i]);
    }
    tn_runtime_release(runtime);
    return digest(alone, sizeof alone) != digest(shared, sizeof shared);
}
