/* SPDX-License-Identifier: Apache-2.0 */
/* Level 7: the same launch again and again, empty submits, many objects alive, two threads. */
#include <conformance/stress/step.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A product with masks that swamp everything else, so that another order of sums shows at once;
 * every launch, into poison, has the bits of the first. Another queue works meanwhile. */
static bool again(tn_v_session *s, tn_v_random *r, tn_v_result *out, int launches)
{
    enum { M = 33, N = 31, K = 130 };
    static const char *const text = "matmul 33x31x130:f32";
    float a[M * K], b[K * N];
    unsigned char first[M * N * 4], got[M * N * 4];
    tn_v_step step;
    tn_buffer *buffer[4] = {NULL};
    bool good = tn_v_step_make(s, s->device, text, &step, out);
    if (good && step.unrepeatable) {
        out->status = TN_V_NOT_SUPPORTED;
        good = tn_v_wrong(out, "the plan declares that it is not repeatable");
    }
    for (int i = 0; i < M * K; ++i)
        a[i] = tn_v_below(r, 8) == 0 ? (tn_v_below(r, 2) ? 0x1p40f : -0x1p40f)
                                     : (float)(2 * tn_v_uniform(r) - 1);
    for (int i = 0; i < K * N; ++i)
        b[i] = (float)(1 + tn_v_below(r, 3));
    good =
        good && tn_v_buffer(s, sizeof a, &buffer[0], out) &&
        tn_v_buffer(s, sizeof b, &buffer[1], out) && tn_v_buffer(s, sizeof got, &buffer[2], out) &&
        tn_v_buffer(s, sizeof got, &buffer[3], out) &&
        tn_v_put(s, buffer[0], 0, a, sizeof a, out) && tn_v_put(s, buffer[1], 0, b, sizeof b, out);
    for (int n = 0; n < launches && good; ++n) {
        tn_bind bind[3] = {{TN_ARG_A, 0, buffer[0], 0},
                           {TN_ARG_B, 0, buffer[1], 0},
                           {TN_ARG_OUT, 0, buffer[2], 0}};
        tn_status st = tn_queue_fill(s->queue, buffer[2], 0, sizeof got, 0xffffffffu, 4, NULL);
        if (st == TN_OK)
            st = tn_queue_run(s->queue, step.plan, bind, 3, NULL, NULL);
        if (st == TN_OK)
            st = tn_queue_read(s->queue, got, buffer[2], 0, sizeof got, NULL);
        if (s->other != NULL && st == TN_OK && n % 4 == 0) {
            bind[2].buffer = buffer[3];
            st = tn_queue_run(s->other, step.plan, bind, 3, NULL, NULL);
        }
        tn_status idle = tn_v_wait_idle(s, s->queue);
        good = tn_v_good(out, st != TN_OK ? st : idle, "launch");
        if (good && n == 0) {
            const unsigned char *bytes[TN_V_ARGS] = {(unsigned char *)a, (unsigned char *)b, got};
            good = tn_v_step_right(&step, bytes, out);
            memcpy(first, got, sizeof first);
        }
        int64_t at = good ? tn_v_differs(got, first, sizeof got) : -1;
        if (at >= 0)
            good = tn_v_wrong(out, "launch %d of the same work has other bits from byte %lld on", n,
                              (long long)at);
    }
    if (s->other != NULL && tn_v_wait_idle(s, s->other) != TN_OK && good)
        good = tn_v_wrong(out, "the other queue does not become idle");
    if (good)
        tn_v_mix_digest(out, first, sizeof first);
    for (int i = 0; i < 4; ++i)
        tn_buffer_release(buffer[i]);
    tn_v_step_drop(s, &step);
    return good;
}

static bool again_1000(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    return again(s, r, out, 1000);
}

static bool again_10000(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    return again(s, r, out, 10000);
}

/* Submits that move nothing keep their place in the order, and signal. */
static bool submits(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { COUNT = 10000 };
    tn_fence *f = NULL;
    tn_buffer *b = NULL;
    (void)r;
    bool good =
        tn_v_good(out, tn_fence_create(s->runtime, 0, &f), "fence") && tn_v_buffer(s, 64, &b, out);
    for (uint64_t n = 1; n <= COUNT && good; ++n) {
        tn_point done = {f, n};
        tn_sync sync = {.signal = &done, .signal_count = 1};
        tn_status st = n % 3 == 0   ? tn_queue_write(s->queue, b, 0, NULL, 0, &sync)
                       : n % 3 == 1 ? tn_queue_copy(s->queue, b, 0, b, 0, 0, &sync)
                                    : tn_queue_fill(s->queue, b, 0, 0, 0, 4, &sync);
        good = tn_v_good(out, st, "empty submit");
    }
    tn_point last = {f, COUNT};
    uint64_t reached = 0;
    good = good && tn_v_good(out, tn_v_wait_point(s, &last), "wait") &&
           tn_v_good(out, tn_fence_query(f, &reached), "query");
    if (good && reached != COUNT)
        good = tn_v_wrong(out, "after %d empty submits the fence is at %llu", COUNT,
                          (unsigned long long)reached);
    (void)!tn_v_wait_idle(s, s->queue);
    tn_buffer_release(b);
    tn_fence_release(f);
    return good;
}

/* ---- many at a time ---- */

enum { BUFFERS = 1200, BUFFER_BYTES = 2048 };

static void pattern(unsigned char *to, uint64_t which)
{
    tn_v_random r = {which * 0x9e3779b97f4a7c15u + 1};
    for (int i = 0; i < BUFFER_BYTES; i += 8) {
        uint64_t word = tn_v_next(&r);
        memcpy(to + i, &word, 8);
    }
}

static bool check_buffers(tn_v_session *s, tn_buffer *const *b, const uint64_t *which,
                          tn_v_result *out)
{
    unsigned char want[BUFFER_BYTES], got[BUFFER_BYTES];
    for (int i = 0; i < BUFFERS; ++i) {
        pattern(want, which[i]);
        if (!tn_v_get(s, got, b[i], 0, BUFFER_BYTES, out))
            return false;
        int64_t at = tn_v_differs(got, want, BUFFER_BYTES);
        if (at >= 0)
            return tn_v_wrong(out, "with %d buffers alive byte %lld of number %d is not its own",
                              BUFFERS, (long long)at, i);
    }
    return true;
}

static bool buffers(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_buffer **b = calloc(BUFFERS, sizeof *b);
    uint64_t *which = calloc(BUFFERS, sizeof *which), number = 1;
    unsigned char text[BUFFER_BYTES];
    bool good = b != NULL && which != NULL;
    for (int round = 0; round < 2 && good; ++round) {
        for (int i = 0; i < BUFFERS && good; ++i) {
            if (round > 0 && tn_v_below(r, 2) == 0)
                continue; /* half of them are given back, others take their place */
            tn_buffer_release(b[i]);
            b[i] = NULL;
            which[i] = number++;
            pattern(text, which[i]);
            good = tn_v_buffer(s, BUFFER_BYTES, &b[i], out) &&
                   tn_v_put(s, b[i], 0, text, BUFFER_BYTES, out);
        }
        good = good && check_buffers(s, b, which, out);
    }
    for (int i = 0; b != NULL && i < BUFFERS; ++i)
        tn_buffer_release(b[i]);
    free(b);
    free(which);
    return good;
}

static bool plans(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    enum { COUNT = 320, MOST = 400 };
    tn_v_step *step = calloc(COUNT, sizeof *step);
    tn_buffer *b[2] = {NULL, NULL};
    float in[MOST], got[MOST];
    bool good = step != NULL && tn_v_buffer(s, sizeof in, &b[0], out) &&
                tn_v_buffer(s, sizeof got, &b[1], out);
    for (int i = 0; i < MOST; ++i)
        in[i] = (float)tn_v_below(r, 1000);
    for (int i = 0; i < COUNT && good; ++i) {
        char text[96];
        snprintf(text, sizeof text, "eltwise scale %d:f32:pa=%d+pb=%d", MOST - i % 7, i + 1, 3 - i);
        good = tn_v_step_make(s, s->device, text, &step[i], out);
    }
    good = good && tn_v_put(s, b[0], 0, in, sizeof in, out);
    for (int i = COUNT; i-- > 0 && good;) {
        tn_bind bind[2] = {{TN_ARG_A, 0, b[0], 0}, {TN_ARG_OUT, 0, b[1], 0}};
        good = tn_v_good(out, tn_queue_run(s->queue, step[i].plan, bind, 2, NULL, NULL), "run") &&
               tn_v_get(s, got, b[1], 0, sizeof got, out);
        for (int k = 0; k < MOST - i % 7 && good; ++k)
            if (got[k] != in[k] * (float)(i + 1) + (float)(3 - i))
                good = tn_v_wrong(out, "plan %d of %d alive: element %d is %g instead of %g", i,
                                  COUNT, k, (double)got[k],
                                  (double)(in[k] * (float)(i + 1) + (float)(3 - i)));
    }
    for (int i = 0; step != NULL && i < COUNT; ++i)
        tn_v_step_drop(s, &step[i]);
    free(step);
    tn_buffer_release(b[0]);
    tn_buffer_release(b[1]);
    return good;
}

/* ---- two threads on one device ---- */

enum { SIDE = 48, THREAD_LAPS = 150 };
typedef struct worker {
    tn_v_session *s;
    tn_plan *plan;
    tn_queue *queue;
    uint64_t seed;
    atomic_int *started;
    tn_v_result out;
    bool good;
} worker;

static void *work(void *self)
{
    worker *w = self;
    tn_v_session mine = *w->s;
    tn_v_random r = {w->seed};
    float a[SIDE * SIDE], b[SIDE * SIDE], got[SIDE * SIDE];
    tn_buffer *buffer[3] = {NULL};
    mine.queue = w->queue;
    w->good = true;
    for (int i = 0; i < 3 && w->good; ++i)
        w->good = tn_v_buffer(&mine, sizeof a, &buffer[i], &w->out);
    atomic_fetch_add(w->started, 1);
    while (atomic_load(w->started) < 2) /* both at once, or it shows nothing */
        ;
    for (int lap = 0; lap < THREAD_LAPS && w->good; ++lap) {
        tn_bind bind[3] = {{TN_ARG_A, 0, buffer[0], 0},
                           {TN_ARG_B, 0, buffer[1], 0},
                           {TN_ARG_OUT, 0, buffer[2], 0}};
        for (int i = 0; i < SIDE * SIDE; ++i) {
            a[i] = (float)(tn_v_below(&r, 17) - 8);
            b[i] = (float)(tn_v_below(&r, 17) - 8);
        }
        w->good = tn_v_put(&mine, buffer[0], 0, a, sizeof a, &w->out) &&
                  tn_v_put(&mine, buffer[1], 0, b, sizeof b, &w->out) &&
                  tn_v_good(&w->out, tn_queue_run(w->queue, w->plan, bind, 3, NULL, NULL), "run") &&
                  tn_v_get(&mine, got, buffer[2], 0, sizeof got, &w->out);
        for (int i = 0; i < SIDE * SIDE && w->good; ++i) {
            float want = 0;
            for (int k = 0; k < SIDE; ++k)
                want += a[i / SIDE * SIDE + k] * b[k * SIDE + i % SIDE];
            if (got[i] != want)
                w->good = tn_v_wrong(&w->out, "lap %d of two threads: element %d is %g, not %g",
                                     lap, i, (double)got[i], (double)want);
        }
    }
    if (w->out.status != TN_V_TIMEOUT)
        for (int i = 0; i < 3; ++i)
            tn_buffer_release(buffer[i]);
    return NULL;
}

static bool threads(tn_v_session *s, tn_v_random *r, tn_v_result *out)
{
    tn_v_step step;
    atomic_int started;
    worker *w = calloc(2, sizeof *w);
    pthread_t thread[2];
    int made = 0;
    atomic_init(&started, 0);
    bool good = w != NULL && tn_v_step_make(s, s->device, "matmul 48x48x48:f32", &step, out);
    for (int i = 0; i < 2 && good; ++i) {
        w[i] = (worker){.s = s, .plan = step.plan, .seed = tn_v_next(r), .started = &started};
        if (tn_queue_create(s->device, NULL, &w[i].queue) != TN_OK) {
            out->status = TN_V_NOT_SUPPORTED;
            good = tn_v_wrong(out, "the device has no two queues more");
        }
    }
    for (; made < 2 && good; ++made)
        if (pthread_create(&thread[made], NULL, work, &w[made]) != 0) {
            atomic_store(&started, 2); /* whoever waits for the other goes on */
            out->status = TN_V_INTERNAL;
            good = tn_v_wrong(out, "no thread can be made");
            break;
        }
    for (int i = 0; i < made; ++i)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < made && good; ++i)
        if (!w[i].good) {
            *out = w[i].out;
            good = false;
        }
    for (int i = 0; w != NULL && i < 2; ++i)
        tn_queue_release(w[i].queue);
    if (w != NULL)
        tn_v_step_drop(s, &step);
    free(w);
    return good;
}

const tn_v_check tn_v_stress_checks[] = {{"stress.again.1000", 7, TN_V_QUICK, again_1000},
                                         {"stress.again.10000", 7, TN_V_STANDARD, again_10000},
                                         {"stress.submits", 7, TN_V_QUICK, submits},
                                         {"stress.buffers", 7, TN_V_QUICK, buffers},
                                         {"stress.plans", 7, TN_V_QUICK, plans},
                                         {"stress.threads", 7, TN_V_QUICK, threads},
                                         {NULL, 0, TN_V_QUICK, NULL}};
