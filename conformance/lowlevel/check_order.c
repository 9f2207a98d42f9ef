/* SPDX-License-Identifier: Apache-2.0 */
/* Level 3 and stress: queues, fences, errors, plans in flight, the same bits again and again. */
#include <conformance/lowlevel/lowlevel.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool fence_of(tn_v_session *s, tn_fence **f, tn_v_result *out)
{
    return tn_v_good(out, tn_fence_create(s->runtime, 0, f), "fence");
}

/* A producer signals, a consumer on another queue reads at once. */
static bool race(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { BYTES = 4096, LAPS = 200 };
    tn_queue *consumer = NULL;
    tn_fence *f = NULL;
    tn_buffer *b = NULL;
    unsigned char *sent = calloc(LAPS + 1, BYTES), got[BYTES];
    bool good = sent != NULL &&
                tn_v_good(out, tn_queue_create(s->device, NULL, &consumer), "queue") &&
                fence_of(s, &f, out) && tn_v_buffer(s, BYTES, &b, out);
    for (uint64_t lap = 1; lap <= LAPS && good; ++lap) {
        unsigned char *p = sent + lap * BYTES;
        for (int i = 0; i < BYTES; ++i)
            p[i] = (unsigned char)tn_v_next(r);
        tn_point done = {f, 2 * lap - 1}, read = {f, 2 * lap};
        tn_sync produce = {.signal = &done, .signal_count = 1},
                consume = {.wait = &done, .wait_count = 1, .signal = &read, .signal_count = 1};
        /* the consumer waits before the producer has even been asked */
        good = tn_v_good(out, tn_queue_read(consumer, got, b, 0, BYTES, &consume), "read") &&
               tn_v_good(out, tn_queue_write(s->queue, b, 0, p, BYTES, &produce), "write") &&
               tn_v_good(out, tn_v_wait_point(s, &read), "wait");
        int64_t at = good ? tn_v_differs(got, p, BYTES) : -1;
        if (at >= 0)
            good = tn_v_wrong(out, "lap %llu: byte %lld was not there when the fence was signalled",
                              (unsigned long long)lap, (long long)at);
    }
    if (consumer != NULL && tn_v_wait_idle(s, consumer) != TN_OK && good)
        good = tn_v_wrong(out, "the consumer's queue does not become idle");
    if (tn_v_wait_idle(s, s->queue) != TN_OK && good)
        good = tn_v_wrong(out, "the producer's queue does not become idle");
    tn_buffer_release(b);
    tn_fence_release(f);
    tn_queue_release(consumer);
    free(sent);
    return good;
}

/* A result of a kernel must be there when its fence says so. */
static bool kernel_race(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { N = 128 * 128, LAPS = 40 };
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    tn_buffer *b[2] = {NULL, NULL};
    tn_queue *consumer = NULL;
    tn_fence *f = NULL;
    float *in = malloc(N * sizeof *in), *got = malloc(N * sizeof *got);
    bool good = in != NULL && got != NULL &&
                tn_v_good(out, tn_op_parse(s->runtime, "eltwise neg 128x128:f32", &op), "op");
    if (good) {
        tn_status st = tn_plan_create(s->device, op, NULL, &plan);
        if (st == TN_STATUS_UNSUPPORTED)
            out->status = TN_V_NOT_SUPPORTED;
        good = tn_v_good(out, st, "plan");
    }
    good = good && tn_v_buffer(s, N * 4, &b[0], out) && tn_v_buffer(s, N * 4, &b[1], out) &&
           fence_of(s, &f, out) &&
           tn_v_good(out, tn_queue_create(s->device, NULL, &consumer), "queue");
    for (uint64_t lap = 1; lap <= LAPS && good; ++lap) {
        for (int i = 0; i < N; ++i)
            in[i] = (float)(tn_v_below(r, 100000) + 1);
        memset(got, 0, N * sizeof *got);
        tn_bind bind[2] = {{TN_ARG_A, 0, b[0], 0}, {TN_ARG_OUT, 0, b[1], 0}};
        tn_point done = {f, 2 * lap - 1}, read = {f, 2 * lap};
        tn_sync produce = {.signal = &done, .signal_count = 1},
                consume = {.wait = &done, .wait_count = 1, .signal = &read, .signal_count = 1};
        good = tn_v_good(out, tn_queue_write(s->queue, b[0], 0, in, N * 4, NULL), "write") &&
               tn_v_good(out, tn_queue_run(s->queue, plan, bind, 2, NULL, &produce), "run") &&
               tn_v_good(out, tn_queue_read(consumer, got, b[1], 0, N * 4, &consume), "read") &&
               tn_v_good(out, tn_v_wait_point(s, &read), "wait");
        for (int i = 0; i < N && good; ++i)
            if (got[i] != -in[i])
                good = tn_v_wrong(
                    out, "lap %llu: element %d is %g and not %g when the fence is signalled",
                    (unsigned long long)lap, i, (double)got[i], -(double)in[i]);
    }
    if (consumer != NULL && tn_v_wait_idle(s, consumer) != TN_OK && good)
        good = tn_v_wrong(out, "the queue does not become idle");
    if (tn_v_wait_idle(s, s->queue) != TN_OK && good)
        good = tn_v_wrong(out, "the queue does not become idle");
    for (int i = 0; i < 2; ++i)
        tn_buffer_release(b[i]);
    tn_fence_release(f);
    tn_queue_release(consumer);
    tn_plan_release(plan);
    tn_op_free(s->runtime, op);
    free(in);
    free(got);
    return good;
}

static void count_up(void *self)
{
    atomic_fetch_add((atomic_int *)self, 1);
}

static bool host_calls(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    static atomic_int count;
    enum { CALLS = 2000 };
    (void)r;
    atomic_store(&count, 0);
    bool good = true;
    for (int i = 0; i < CALLS && good; ++i)
        good = tn_v_good(out, tn_queue_call(s->queue, count_up, &count, NULL), "call");
    good = tn_v_good(out, tn_v_wait_idle(s, s->queue), "wait") && good;
    if (good && atomic_load(&count) != CALLS)
        return tn_v_wrong(out, "%d calls of %d were made", atomic_load(&count), CALLS);
    return good;
}

static bool monotonic(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_fence *f = NULL;
    (void)r;
    if (!fence_of(s, &f, out))
        return false;
    bool good = true;
    uint64_t last = 0;
    for (uint64_t v = 1; v <= 300 && good; ++v) {
        tn_point p = {f, v};
        tn_sync sync = {.signal = &p, .signal_count = 1};
        uint64_t now = 0;
        static atomic_int ignored;
        good = tn_v_good(out, tn_queue_call(s->queue, count_up, &ignored, &sync), "call") &&
               tn_v_good(out, tn_fence_query(f, &now), "query");
        if (good && now < last)
            good = tn_v_wrong(out, "the fence went from %llu to %llu", (unsigned long long)last,
                              (unsigned long long)now);
        last = now;
    }
    tn_point end = {f, 300};
    good = good && tn_v_good(out, tn_v_wait_point(s, &end), "wait");
    tn_point never = {f, 301};
    if (good && tn_fence_wait(&never, 1, 0, 20000000) != TN_STATUS_TIMEOUT)
        good = tn_v_wrong(out, "a wait for a value that nobody signals does not time out");
    (void)!tn_v_wait_idle(s, s->queue);
    tn_fence_release(f);
    return good;
}

/* Work that waits for a failed fence fails with its error, and so does the rest of its queue. */
static bool errors_travel(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_fence *gate = NULL, *after = NULL;
    tn_queue *q = NULL;
    static atomic_int ran;
    (void)r;
    atomic_store(&ran, 0);
    bool good = fence_of(s, &gate, out) && fence_of(s, &after, out) &&
                tn_v_good(out, tn_queue_create(s->device, NULL, &q), "queue");
    if (good) {
        tn_point wait = {gate, 1}, signal = {after, 1};
        tn_sync sync = {.wait = &wait, .wait_count = 1, .signal = &signal, .signal_count = 1};
        tn_error e = {
            .status = TN_STATUS_CANCELLED, .reason = "verify.cancelled", .text = "by the test"};
        good = tn_v_good(out, tn_queue_call(q, count_up, &ran, &sync), "call") &&
               tn_v_good(out, tn_fence_fail(gate, &e), "fail");
        tn_status st = good ? tn_v_wait_point(s, &signal) : TN_OK;
        if (good && st != TN_STATUS_CANCELLED)
            good = tn_v_wrong(out, "the fence behind a failed one gives %s, CANCELLED is expected",
                              tn_status_name(st));
        if (good && tn_v_wait_idle(s, q) != TN_STATUS_CANCELLED)
            good = tn_v_wrong(out, "the queue of failed work says that all is well");
        if (good && atomic_load(&ran) != 0)
            good = tn_v_wrong(out, "work ran although what it waited for had failed");
    }
    tn_queue_release(q);
    tn_fence_release(gate);
    tn_fence_release(after);
    return good;
}

/* Different plans one after the other without a wait between: each has its own parameters. */
static bool plans_in_flight(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    static const char *const text[3] = {"eltwise scale 1000:f32:pa=2+pb=1",
                                        "eltwise scale 1000:f32:pa=-3+pb=5",
                                        "eltwise scale 1000:f32:pa=0.5+pb=-1"};
    static const float pa[3] = {2, -3, 0.5f}, pb[3] = {1, 5, -1};
    enum { N = 1000, LAPS = 12 };
    tn_op *op[3] = {NULL};
    tn_plan *plan[3] = {NULL};
    tn_buffer *b[LAPS + 1] = {NULL};
    float in[N], got[N];
    bool good = true;
    for (int i = 0; i < 3 && good; ++i) {
        good = tn_v_good(out, tn_op_parse(s->runtime, text[i], &op[i]), "op");
        tn_status st = good ? tn_plan_create(s->device, op[i], NULL, &plan[i]) : TN_OK;
        if (st == TN_STATUS_UNSUPPORTED)
            out->status = TN_V_NOT_SUPPORTED;
        good = good && tn_v_good(out, st, "plan");
    }
    for (int i = 0; i <= LAPS && good; ++i)
        good = tn_v_buffer(s, N * 4, &b[i], out);
    for (int i = 0; i < N; ++i)
        in[i] = (float)tn_v_below(r, 1000);
    good = good && tn_v_put(s, b[0], 0, in, N * 4, out);
    for (int lap = 0; lap < LAPS && good; ++lap) {
        tn_bind bind[2] = {{TN_ARG_A, 0, b[0], 0}, {TN_ARG_OUT, 0, b[lap + 1], 0}};
        good = tn_v_good(out, tn_queue_run(s->queue, plan[lap % 3], bind, 2, NULL, NULL), "run");
    }
    good = tn_v_good(out, tn_v_wait_idle(s, s->queue), "wait") && good;
    for (int lap = 0; lap < LAPS && good; ++lap) {
        good = tn_v_get(s, got, b[lap + 1], 0, N * 4, out);
        for (int i = 0; i < N && good; ++i)
            if (got[i] != in[i] * pa[lap % 3] + pb[lap % 3])
                good =
                    tn_v_wrong(out, "run %d of several in flight: element %d is %g instead of %g",
                               lap, i, (double)got[i], (double)(in[i] * pa[lap % 3] + pb[lap % 3]));
    }
    for (int i = 0; i < 3; ++i) {
        tn_plan_release(plan[i]);
        tn_op_free(s->runtime, op[i]);
    }
    for (int i = 0; i <= LAPS; ++i)
        tn_buffer_release(b[i]);
    return good;
}

/* Wrong calls are refused, and the device goes on. */
static bool refusals(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_buffer *b = NULL;
    unsigned char byte[8] = {1, 2, 3, 4, 5, 6, 7, 8}, got[8] = {0};
    (void)r;
    if (!tn_v_buffer(s, 8, &b, out))
        return false;
    bool good = true;
    if (tn_queue_write(s->queue, b, 4, byte, 8, NULL) != TN_STATUS_INVALID)
        good = tn_v_wrong(out, "a write past the end of a buffer is not refused");
    else if (tn_queue_copy(s->queue, b, 0, b, 2, 4, NULL) != TN_STATUS_INVALID)
        good = tn_v_wrong(out, "a copy within a buffer that overlaps is not refused");
    else if (tn_queue_fill(s->queue, b, 1, 4, 0, 4, NULL) != TN_STATUS_INVALID)
        good = tn_v_wrong(out, "a fill at half a pattern is not refused");
    else if (tn_queue_read(s->queue, got, b, 0, UINT64_MAX, NULL) != TN_STATUS_INVALID)
        good = tn_v_wrong(out, "a read of 2^64 - 1 bytes is not refused");
    good = good && tn_v_put(s, b, 0, byte, 8, out) && tn_v_get(s, got, b, 0, 8, out);
    if (good && memcmp(got, byte, 8) != 0)
        good = tn_v_wrong(out, "after refused calls the queue moves wrong data");
    tn_buffer_release(b);
    return good;
}

const tn_v_check tn_v_order_checks[] = {{"fence.race", 3, TN_V_QUICK, race},
                                        {"fence.kernel_race", 3, TN_V_QUICK, kernel_race},
                                        {"fence.monotonic", 3, TN_V_QUICK, monotonic},
                                        {"queue.calls", 3, TN_V_QUICK, host_calls},
                                        {"queue.errors", 3, TN_V_QUICK, errors_travel},
                                        {"queue.plans", 3, TN_V_QUICK, plans_in_flight},
                                        {"queue.refusals", 3, TN_V_QUICK, refusals},
                                        {NULL, 0, TN_V_QUICK, NULL}};
