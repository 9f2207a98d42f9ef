/* SPDX-License-Identifier: Apache-2.0 */
/* Fault scripts on real devices: what is struck says so, what says nothing is right, what is lost
 * ends, everything goes on afterwards with the same bits, and nothing leaks. */
#include <pthread.h>
#include <time.h>

#include "support/fault_world.h"

static const char *const call_names[] = {"group",     "run",    "pack", "copy",     "fill",
                                         "write",     "read",   "call", "commands", "buffer",
                                         "workspace", "import", "map",  "queue",    "plan"};
enum { CALLS = sizeof call_names / sizeof call_names[0], WORK_CALLS = 9 };

/* Chances, counts and mixtures; the plain ones of each kind of call are made by a loop. `least`
 * and `most`: how many of the three attempts with the script fail. */
static const struct {
    const char *script;
    uint32_t least, most;
} mixed[] = {
    {"", 0, 0},
    {"# a comment and nothing else", 0, 0},
    {"fail p=0", 0, 0},
    {"fail at=1000000", 0, 0},
    {"fail op=copy nth=1000000 as=no_memory", 0, 0},
    {"fail at=1", 1, 1},
    {"fail at=9 as=unavailable", 1, 1},
    {"fail nth=14", 1, 1},
    {"fail p=1", 3, 3},
    {"fail every=2", 3, 3},
    {"fail every=19 times=2", 1, 2},
    {"fail times=1", 1, 1},
    {"fail op=copy times=2", 1, 2},
    {"fail op=copy,fill,read nth=7", 1, 1},
    {"fail op=run,pack kind=matmul", 3, 3},
    {"fail kind=softmax", 0, 0},
    {"fail op=run kind=matmul nth=2", 1, 1},
    {"fail op=plan kind=matmul nth=1", 1, 1},
    {"fail op=write over=4095", 3, 3},
    {"fail op=write over=4096", 0, 0},
    {"fail op=write over=4K", 0, 0},
    {"fail op=write over=1G", 0, 0},
    {"oom over=4095", 3, 3},
    {"oom over=1M", 0, 0},
    {"oom op=map", 3, 3},
    {"oom op=plan times=1", 1, 1},
    {"oom op=queue nth=2", 1, 1},
    {"oom kind=matmul nth=1", 1, 1},
    {"oom nth=3", 1, 1},
    {"fail op=map as=cancelled times=2", 2, 2},
    {"delay for=100us", 0, 0},
    {"delay op=copy,run for=1ms", 0, 0},
    {"delay upto=500us", 0, 0},
    {"delay op=call for=1ms upto=1ms times=2", 0, 0},
    {"seed=3; delay p=0.3 upto=2ms", 0, 0},
    {"delay op=group for=2ms; fail op=group nth=2", 1, 1},
    {"delay op=read for=3ms; delay op=read for=2ms; fail op=read nth=1 as=corrupt", 1, 1},
    {"fail op=copy nth=2; fail op=copy nth=4 as=internal; oom op=buffer nth=9", 2, 3},
    {"fail nth=1\nfail nth=2 # both\nfail nth=3", 1, 3},
    {"seed=1; fail p=0.02", 0, 3},
    {"seed=2; fail p=0.05 as=incompatible", 0, 3},
    {"seed=5; fail p=0.2; delay p=0.2 for=200us; oom p=0.1", 0, 3},
    {"lose at=1", 3, 3},
    {"lose at=17", 3, 3},
    {"lose at=30", 1, 3},
    {"lose op=group; delay for=1ms", 3, 3},
    {"delay op=write for=5ms; lose op=buffer nth=5", 3, 3},
    {"fail op=copy nth=1; lose op=queue nth=3", 3, 3},
    {"lose kind=matmul nth=3", 3, 3},
    {"seed=9; lose p=0.05", 0, 3},
};

typedef struct outcome {
    uint32_t failed; /* attempts */
    bool lost;
    char trace[8192];
} outcome;

static tn_status inject(fault_world *w, const char *script)
{
    tn_status st = tn_device_inject(w->d, script);
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(st == TN_OK || st == TN_STATUS_DEVICE_LOST, "%s: %s", script, e.text);
    return st;
}

/* Three attempts with the script, then one without, which has to succeed. */
static void run_script(const char *uri, const char *script, bool imports, outcome *out)
{
    fault_world w;
    world_open(&w, uri, 0);
    w.imports = imports;
    out->failed = 0;
    TN_EXPECT(inject(&w, script) == TN_OK);
    for (int i = 0; i < 3; ++i)
        out->failed += !world_attempt(&w);
    out->lost = tn_device_get_status(w.d) == TN_STATUS_DEVICE_LOST;
    memcpy(out->trace, w.trace, sizeof w.trace);
    TN_EXPECT(atomic_load(&w.lost) == (out->lost ? 1 : 0), "%s: on_lost was called %d times",
              script, atomic_load(&w.lost));
    if (out->lost) {
        tn_device_release(w.d);
        world_device(&w);
    } else {
        TN_EXPECT(inject(&w, "") == TN_OK);
    }
    TN_EXPECT(world_attempt(&w), "%s on %s: the next attempt failed as well: %s", script, uri,
              w.trace);
    /* The last reference to a queue may be the runtime's own thread's to give up. */
    tn_memory_info m = {.head = TN_INIT(tn_memory_info)};
    for (int i = 0; i < 5000 && tn_device_memory(w.d, 0, &m) == TN_OK && m.used_bytes != 0; ++i)
        world_pause();
    TN_EXPECT(m.used_bytes == 0, "%s on %s: %" PRIu64 " bytes", script, uri, m.used_bytes);
    world_close(&w);
}

/* How many scripts ran; a script fails as often, and at the same calls, on every device. */
static uint32_t scripts_run;

static void check_script(const char *script, uint32_t least, uint32_t most)
{
    static outcome first, again;
    bool have = false;
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        for (int round = 0; round < 2; ++round) {
            outcome *o = have ? &again : &first;
            run_script(*uri, script, false, o);
            TN_EXPECT(o->failed >= least && o->failed <= most, "%s on %s: %u attempts failed: %s",
                      script, *uri, o->failed, o->trace);
            if (have && first.lost)
                TN_EXPECT(again.lost, "%s", script); /* who sees the loss first is open */
            else if (have)
                TN_EXPECT(strcmp(first.trace, again.trace) == 0, "%s:\n%s\non %s:\n%s", script,
                          first.trace, *uri, again.trace);
            have = true;
        }
    ++scripts_run;
}

TN_TEST(inject, mixed_scripts)
{
    for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; ++i)
        check_script(mixed[i].script, mixed[i].least, mixed[i].most);
    printf("fault scripts run: %u, twice on each device\n", scripts_run);
}

static bool has_its_own_test(const char *call)
{
    return strcmp(call, "import") == 0 || strcmp(call, "workspace") == 0;
}

TN_TEST(inject, each_call)
{
    static const char *const statuses[] = {"unsupported",  "unavailable", "no_memory", "corrupt",
                                           "incompatible", "cancelled",   "internal"};
    char script[96];
    for (int c = 0; c < CALLS; ++c) { /* the statuses turn with the calls */
        if (has_its_own_test(call_names[c]))
            continue;
        snprintf(script, sizeof script, "fail op=%s nth=1 as=%s", call_names[c], statuses[c % 7]);
        check_script(script, 1, 1);
        snprintf(script, sizeof script, "lose op=%s", call_names[c]);
        check_script(script, 3, 3);
        if (c < WORK_CALLS)
            snprintf(script, sizeof script, "delay op=%s for=1ms", call_names[c]);
        else
            snprintf(script, sizeof script, "oom op=%s", call_names[c]);
        check_script(script,
                     c < WORK_CALLS                       ? 0
                     : strcmp(call_names[c], "plan") == 0 ? 3
                                                          : 3,
                     c < WORK_CALLS ? 0 : 3);
    }
    printf("fault scripts run: %u, twice on each device\n", scripts_run);
}

/* Only some devices import. */
TN_TEST(inject, imports)
{
    uint32_t importers = 0;
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        static const char *const scripts[] = {"fail op=import", "oom op=import", "lose op=import",
                                              "fail op=import over=65535"};
        fault_world w;
        outcome o;
        world_open(&w, *uri, 0);
        bool imports = w.can_import;
        world_close(&w);
        importers += imports;
        for (int i = 0; imports && i < 4; ++i) {
            run_script(*uri, scripts[i], true, &o);
            TN_EXPECT(o.failed == 3, "%s: %s", scripts[i], o.trace);
        }
    }
    TN_EXPECT(importers != 0, "no device here imports");
}

/* A queue makes its own workspace where the caller gives none. */
TN_TEST(inject, workspace)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        fault_world w;
        world_open(&w, *uri, 0);
        enum { N = 96 };
        tn_tensor t = {.dtype = TN_F32, .rank = 2, .dim = {N, N}, .stride = {N, 1}};
        tn_arg args[3] = {{.role = TN_ARG_A, .tensor = t},
                          {.role = TN_ARG_B, .tensor = t},
                          {.role = TN_ARG_OUT, .tensor = t}};
        args[1].tensor.stride[0] = 1, args[1].tensor.stride[1] = N; /* has to be packed */
        tn_op op = {.head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .args = args, .arg_count = 3};
        tn_plan *plan = NULL;
        tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
        TN_REQUIRE(tn_plan_create(w.d, &op, NULL, &plan) == TN_OK &&
                   tn_plan_get_info(plan, &info) == TN_OK && info.workspace_bytes > 1);
        tn_queue *q = NULL;
        tn_buffer *b = NULL;
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 2 * N * N * 4};
        TN_REQUIRE(tn_queue_create(w.d, NULL, &q) == TN_OK &&
                   tn_buffer_create(w.d, &desc, &b) == TN_OK);
        tn_bind bind[3] = {{.role = TN_ARG_A, .buffer = b},
                           {.role = TN_ARG_B, .buffer = b},
                           {.role = TN_ARG_OUT, .buffer = b, .offset_bytes = N * N * 4}};
        TN_EXPECT(tn_queue_fill(q, b, 0, 2 * N * N * 4, 0, 4, NULL) == TN_OK);
        TN_EXPECT(tn_device_inject(w.d, "oom op=workspace over=1") == TN_OK);
        TN_EXPECT(tn_queue_run(q, plan, bind, 3, NULL, NULL) == TN_STATUS_NO_MEMORY);
        /* The run was refused at submit: the queue is as it was. */
        TN_EXPECT(tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        TN_EXPECT(tn_device_inject(w.d, "") == TN_OK);
        TN_EXPECT(tn_queue_run(q, plan, bind, 3, NULL, NULL) == TN_OK &&
                  tn_queue_wait_idle(q, UINT64_MAX) == TN_OK);
        tn_buffer_release(b);
        tn_queue_release(q);
        tn_plan_release(plan);
        world_close(&w);
    }
}

/* ---- what happens when ---- */
typedef struct bench {
    fault_world w;
    tn_queue *q[2];
    tn_fence *f;
    tn_buffer *b;
} bench;

static void bench_open(bench *x, const char *uri, uint32_t flags)
{
    world_open(&x->w, uri, flags);
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 4096};
    TN_REQUIRE(tn_queue_create(x->w.d, NULL, &x->q[0]) == TN_OK &&
               tn_queue_create(x->w.d, NULL, &x->q[1]) == TN_OK);
    TN_REQUIRE(tn_fence_create(x->w.rt, 0, &x->f) == TN_OK &&
               tn_buffer_create(x->w.d, &desc, &x->b) == TN_OK);
}

static void bench_close(bench *x)
{
    tn_fence_release(x->f);
    tn_buffer_release(x->b);
    tn_queue_release(x->q[0]);
    tn_queue_release(x->q[1]);
    world_close(&x->w);
}

static tn_status wait_value(tn_fence *f, uint64_t value, uint64_t timeout_ns)
{
    tn_point p = {f, value};
    return tn_fence_wait(&p, 1, 0, timeout_ns);
}

static tn_status fill(tn_queue *q, tn_buffer *b, uint32_t pattern, tn_fence *f, uint64_t value)
{
    tn_point p = {f, value};
    tn_sync sync = {.signal = &p, .signal_count = 1};
    return tn_queue_fill(q, b, 0, 4096, pattern, 4, f != NULL ? &sync : NULL);
}

static const uint64_t minute = 60ull * 1000000000ull;

TN_TEST(inject, delays_keep_order_and_times)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        for (uint32_t flags = 0; flags <= TN_RUNTIME_NO_THREADS; flags += TN_RUNTIME_NO_THREADS) {
            bench x;
            uint32_t got[1024] = {0};
            tn_times first, t;
            bench_open(&x, *uri, flags);
            TN_REQUIRE(tn_device_inject(x.w.d, "delay op=fill for=20ms times=2") == TN_OK);
            TN_EXPECT(fill(x.q[0], x.b, 1, x.f, 1) == TN_OK);
            TN_EXPECT(fill(x.q[0], x.b, 2, x.f, 2) == TN_OK);
            TN_EXPECT(fill(x.q[0], x.b, 3, x.f, 3) == TN_OK);
            TN_EXPECT(tn_queue_read(x.q[0], got, x.b, 0, sizeof got, NULL) == TN_OK);
            TN_EXPECT(wait_value(x.f, 3, minute) == TN_OK, "%s", *uri);
            TN_EXPECT(tn_fence_times(x.f, 1, &first) == TN_OK);
            TN_EXPECT(tn_fence_times(x.f, 2, &t) == TN_OK);
            /* The second delay begins when the first item is done, whenever it was submitted. */
            TN_EXPECT(t.end_ns - first.submitted_ns >= 40000000, "%s: %" PRIu64 " ns", *uri,
                      t.end_ns - first.submitted_ns);
            TN_EXPECT(tn_queue_wait_idle(x.q[0], minute) == TN_OK && got[0] == 3 && got[1023] == 3,
                      "%s", *uri);
            bench_close(&x);
        }
}

TN_TEST(inject, a_loss_ends_what_waits)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        for (uint32_t flags = 0; flags <= TN_RUNTIME_NO_THREADS; flags += TN_RUNTIME_NO_THREADS) {
            bench x;
            bench_open(&x, *uri, flags);
            /* One item delayed for an hour, another behind a gate that nobody opens. */
            TN_REQUIRE(tn_device_inject(x.w.d, "delay op=fill for=3600s; lose op=buffer nth=1") ==
                       TN_OK);
            tn_fence *gate = NULL;
            TN_REQUIRE(tn_fence_create(x.w.rt, 0, &gate) == TN_OK);
            tn_point wait = {gate, 1}, done = {x.f, 2};
            tn_sync held = {.wait = &wait, .signal = &done, .wait_count = 1, .signal_count = 1};
            TN_EXPECT(fill(x.q[0], x.b, 1, x.f, 1) == TN_OK);
            if (flags == 0)
                TN_EXPECT(tn_queue_call(x.q[1], world_call, &x.w, &held) == TN_OK);
            TN_EXPECT(wait_value(x.f, 1, 1000000) == TN_STATUS_TIMEOUT, "%s", *uri);
            TN_EXPECT(tn_queue_wait_idle(x.q[0], 1000000) == TN_STATUS_TIMEOUT, "%s", *uri);
            tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
            tn_buffer *b = NULL;
            TN_EXPECT(tn_buffer_create(x.w.d, &desc, &b) == TN_STATUS_DEVICE_LOST && b == NULL);
            TN_EXPECT(wait_value(x.f, 1, minute) == TN_STATUS_DEVICE_LOST, "%s", *uri);
            TN_EXPECT(tn_queue_wait_idle(x.q[0], minute) == TN_STATUS_DEVICE_LOST, "%s", *uri);
            if (flags == 0)
                TN_EXPECT(tn_queue_wait_idle(x.q[1], minute) == TN_STATUS_DEVICE_LOST, "%s", *uri);
            TN_EXPECT(fill(x.q[0], x.b, 1, NULL, 0) == TN_STATUS_DEVICE_LOST);
            TN_EXPECT(atomic_load(&x.w.calls) == 0 && atomic_load(&x.w.lost) == 1, "%s", *uri);
            TN_EXPECT(tn_fence_signal(gate, 1) == TN_OK); /* too late for anybody */
            tn_fence_release(gate);
            bench_close(&x);
        }
}

TN_TEST(inject, failures_cross_fences)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        bench x;
        tn_error e;
        bench_open(&x, *uri, 0);
        tn_fence *second = NULL;
        TN_REQUIRE(tn_fence_create(x.w.rt, 0, &second) == TN_OK);
        TN_REQUIRE(tn_device_inject(
                       x.w.d, "delay op=fill for=5ms; fail op=fill nth=2 as=corrupt") == TN_OK);
        tn_point wait = {x.f, 2}, done = {second, 1};
        tn_sync behind = {.wait = &wait, .signal = &done, .wait_count = 1, .signal_count = 1};
        TN_EXPECT(tn_queue_call(x.q[1], world_call, &x.w, &behind) ==
                  TN_OK); /* before its signal */
        TN_EXPECT(fill(x.q[0], x.b, 1, x.f, 1) == TN_OK);
        TN_EXPECT(fill(x.q[0], x.b, 2, x.f, 2) == TN_OK);
        TN_EXPECT(fill(x.q[0], x.b, 3, x.f, 3) == TN_OK);
        TN_EXPECT(wait_value(x.f, 1, minute) == TN_OK, "what came before it is right");
        TN_EXPECT(wait_value(x.f, 3, minute) == TN_STATUS_CORRUPT, "%s", *uri);
        TN_EXPECT(wait_value(second, 1, minute) == TN_STATUS_CORRUPT, "%s", *uri);
        TN_EXPECT(tn_fence_get_error(second, &e) == TN_OK && strcmp(e.reason, "inject.fail") == 0 &&
                      strcmp(e.device, *uri) == 0,
                  "%s", e.reason);
        TN_EXPECT(atomic_load(&x.w.calls) == 0, "an item whose wait failed has run");
        tn_point any[2] = {{x.f, 3}, {x.f, 1}};
        TN_EXPECT(tn_fence_wait(any, 2, 1, minute) == TN_OK);
        /* The device is alive: a new queue goes on, and what was filled before the fault is there.
         */
        tn_queue *q = NULL;
        uint32_t got = 0;
        TN_EXPECT(tn_device_get_status(x.w.d) == TN_OK &&
                  tn_queue_create(x.w.d, NULL, &q) == TN_OK);
        TN_EXPECT(tn_queue_read(q, &got, x.b, 0, 4, NULL) == TN_OK &&
                      tn_queue_wait_idle(q, minute) == TN_OK && got == 1,
                  "%s: %u", *uri, got);
        tn_queue_release(q);
        tn_fence_release(second);
        bench_close(&x);
    }
}

TN_TEST(inject, release_with_delayed_work)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        bench x;
        bench_open(&x, *uri, 0);
        TN_REQUIRE(tn_device_inject(x.w.d, "delay op=fill for=10ms; delay op=call for=5ms") ==
                   TN_OK);
        TN_EXPECT(fill(x.q[0], x.b, 1, x.f, 1) == TN_OK);
        TN_EXPECT(tn_queue_call(x.q[1], world_call, &x.w, NULL) == TN_OK);
        tn_queue_release(x.q[0]);
        tn_queue_release(x.q[1]);
        x.q[0] = x.q[1] = NULL;
        TN_EXPECT(wait_value(x.f, 1, minute) == TN_OK, "%s", *uri);
        bench_close(&x); /* waits for the call by way of its memory */
        TN_EXPECT(atomic_load(&x.w.calls) == 1, "%s", *uri);
    }
}

/* The numbers behind p= are as good as their seed says: six standard deviations of a binomial. */
TN_TEST(inject, chances)
{
    enum { CALLS_MADE = 4096 };
    static const double chances[] = {0.5, 0.25, 0.03125};
    const char *uri = tn_test_devices()[0];
    fault_world w;
    world_open(&w, uri, 0);
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 4};
    uint64_t seed = tn_test_seed();
    static uint8_t hit[3][CALLS_MADE];
    for (int c = 0; c < 3; ++c)
        for (int run = 0; run < 3; ++run) {
            char script[80];
            snprintf(script, sizeof script, "seed=%" PRIu64 "; fail op=buffer p=%.5f",
                     seed + (run == 2), chances[c]);
            TN_REQUIRE(tn_device_inject(w.d, script) == TN_OK);
            uint32_t struck = 0, equal = 0;
            for (int i = 0; i < CALLS_MADE; ++i) {
                tn_buffer *b = NULL;
                uint8_t failed = tn_buffer_create(w.d, &desc, &b) != TN_OK;
                tn_buffer_release(b);
                equal += failed == hit[c][i];
                if (run == 0)
                    hit[c][i] = failed;
                struck += failed;
            }
            double mean = CALLS_MADE * chances[c], variance = mean * (1 - chances[c]);
            double off = (double)struck - mean;
            TN_EXPECT(off * off <= 36 * variance, "p %g struck %u of %d", chances[c], struck,
                      CALLS_MADE);
            if (run == 1)
                TN_EXPECT(equal == CALLS_MADE, "the same seed struck others");
            if (run == 2)
                TN_EXPECT(equal < CALLS_MADE, "another seed struck the same");
        }
    world_close(&w);
}

/* ---- from many threads ---- */
typedef struct worker {
    fault_world *w;
    uint32_t number, right, wrong, refused;
} worker;

static void *work(void *arg)
{
    worker *me = arg;
    uint32_t got[64], seen = 0;
    for (uint32_t round = 0; round < 150; ++round) {
        tn_queue *q = NULL;
        tn_buffer *b = NULL;
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof got};
        uint32_t value = me->number << 16 | round;
        if (tn_queue_create(me->w->d, NULL, &q) != TN_OK ||
            tn_buffer_create(me->w->d, &desc, &b) != TN_OK ||
            tn_queue_fill(q, b, 0, sizeof got, value, 4, NULL) != TN_OK ||
            tn_queue_call(q, world_call, me->w, NULL) != TN_OK ||
            tn_queue_read(q, got, b, 0, sizeof got, NULL) != TN_OK ||
            tn_queue_wait_idle(q, minute) != TN_OK)
            ++me->refused;
        else if (got[0] == value && got[63] == value)
            ++me->right;
        else
            ++me->wrong;
        if (q != NULL && tn_queue_wait_idle(q, minute) == TN_STATUS_TIMEOUT)
            ++seen;
        tn_buffer_release(b);
        tn_queue_release(q);
    }
    me->wrong += seen;
    return NULL;
}

TN_TEST(inject, from_many_threads)
{
    static const char *const scripts[] = {
        "fail p=0.05; delay p=0.1 upto=200us; oom p=0.05", "delay op=call for=50us", "",
        "seed=8; fail op=call p=0.1 as=unavailable", "fail op=fill every=7; oom op=queue every=11"};
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri)
        for (int lose = 0; lose < 2; ++lose) {
            fault_world w;
            worker me[3];
            pthread_t thread[3];
            world_open(&w, *uri, 0);
            for (uint32_t i = 0; i < 3; ++i) {
                me[i] = (worker){.w = &w, .number = i + 1};
                TN_REQUIRE(pthread_create(&thread[i], NULL, work, &me[i]) == 0);
            }
            for (int i = 0; i < 60; ++i) {
                struct timespec t = {0, 500000};
                const char *script = scripts[i % 5];
                TN_EXPECT(inject(&w, script) == TN_OK);
                nanosleep(&t, NULL);
            }
            if (lose != 0)
                TN_EXPECT(inject(&w, "lose op=call nth=3") == TN_OK);
            uint32_t right = 0;
            for (uint32_t i = 0; i < 3; ++i) {
                pthread_join(thread[i], NULL);
                TN_EXPECT(me[i].wrong == 0, "%u results are wrong or never came", me[i].wrong);
                right += me[i].right;
            }
            printf("%s: %u of 450 rounds went through\n", *uri, right);
            TN_EXPECT(right != 0);
            world_close(&w);
        }
}
