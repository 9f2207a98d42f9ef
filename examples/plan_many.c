/* SPDX-License-Identifier: Apache-2.0 */
/* Plan once, run many times: the plan holds shapes and the kernel, each run binds buffers. The host
 * goes on while the device works and waits for a value of a fence. usage: plan_many [URI] */
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

enum { N = 64, RUNS = 100 };

static void check(tn_status st, const char *what)
{
    tn_error e;
    if (st == TN_OK)
        return;
    tn_error_last(&e);
    fprintf(stderr, "%s: %s: %s\n", what, e.reason, e.text);
    exit(1); /* the system takes everything back */
}

static tn_buffer *make(tn_device *device, uint64_t bytes)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_buffer *buffer = NULL;
    check(tn_buffer_create(device, &desc, &buffer), "a buffer");
    return buffer;
}

int main(int argc, char **argv)
{
    static float m[N][N], x[N], y[N];
    const char *uri = argc > 1 ? argv[1] : "cpu";
    tn_runtime *runtime = NULL;
    tn_device *device = NULL;
    tn_queue *queue = NULL;
    tn_fence *fence = NULL;
    check(tn_runtime_create(NULL, &runtime), "runtime");
    check(tn_device_open(runtime, uri, &device), uri);
    check(tn_queue_create(device, NULL, &queue), "queue");
    check(tn_fence_create(runtime, 0, &fence), "fence");

    /* m turns the vector's elements by one place, so after n steps x has moved by n. */
    for (int i = 0; i < N; ++i) {
        m[i][(i + 1) % N] = 1;
        x[i] = (float)i;
    }

    /* An op in its text form; a plan looks at no buffer. */
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    char text[64];
    (void)snprintf(text, sizeof text, "matmul %dx1x%d:f32", N, N);
    check(tn_op_parse(runtime, text, &op), text);
    check(tn_plan_create(device, op, NULL, &plan), text);
    check(tn_plan_get_info(plan, &info), "info");
    fprintf(stderr, "kernel %s\n", info.kernel);

    tn_buffer *matrix = make(device, sizeof m), *vector[2];
    vector[0] = make(device, sizeof x);
    vector[1] = make(device, sizeof x);
    check(tn_queue_write(queue, matrix, 0, m, sizeof m, NULL), "write");
    check(tn_queue_write(queue, vector[0], 0, x, sizeof x, NULL), "write");

    /* Nothing here blocks: a queue executes in the order of submission. */
    for (uint64_t run = 1; run <= RUNS; ++run) {
        const tn_bind binds[] = {{.role = TN_ARG_A, .buffer = matrix},
                                 {.role = TN_ARG_B, .buffer = vector[(run + 1) % 2]},
                                 {.role = TN_ARG_OUT, .buffer = vector[run % 2]}};
        const tn_point done = {fence, run};
        const tn_sync sync = {.signal = &done, .signal_count = 1};
        check(tn_queue_run(queue, plan, binds, 3, NULL, &sync), "run");
    }
    const tn_point half = {fence, RUNS / 2}, end = {fence, RUNS + 1};
    const tn_sync last = {.signal = &end, .signal_count = 1};
    check(tn_queue_read(queue, y, vector[RUNS % 2], 0, sizeof y, &last), "read");

    uint64_t reached = 0;
    check(tn_fence_wait(&half, 1, 0, UINT64_MAX), "half of the runs");
    check(tn_fence_query(fence, &reached), "query");
    fprintf(stderr, "%d runs are done, %llu by now\n", RUNS / 2, (unsigned long long)reached);
    check(tn_fence_wait(&end, 1, 0, UINT64_MAX), "all runs");
    printf("after %d runs y[0] = %g, y[%d] = %g\n", RUNS, y[0], N - 1, y[N - 1]);

    tn_buffer_release(matrix);
    tn_buffer_release(vector[0]);
    tn_buffer_release(vector[1]);
    tn_plan_release(plan);
    tn_op_free(runtime, op);
    tn_fence_release(fence);
    tn_queue_release(queue);
    tn_device_release(device);
    tn_runtime_release(runtime);
    return 0;
}
