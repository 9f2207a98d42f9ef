/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool: every task once, unique workers, several callers, nesting. */
#define _GNU_SOURCE /* the cpus that a thread may use */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include <hal/hal.h>
#include <tests/support/test.h>

enum { WORKERS = 4, TASKS = 97 };

typedef struct job {
    atomic_uint seen[TASKS], inside[WORKERS];
    atomic_uint bad;
    tn_executor executor;
} job;

static void task(void *arg, uint32_t index, uint32_t worker)
{
    job *j = arg;
    if (index >= TASKS || worker >= WORKERS || atomic_fetch_add(&j->inside[worker], 1u) != 0) {
        atomic_fetch_add(&j->bad, 1u);
        return;
    }
    atomic_fetch_add(&j->seen[index], 1u);
    for (volatile int i = 0; i < 50; i++)
        ;
    atomic_fetch_sub(&j->inside[worker], 1u);
}

static bool run_and_check(const tn_executor *e, uint32_t tasks)
{
    job j;
    memset(&j, 0, sizeof(j));
    e->parallel(e->self, tasks, task, &j);
    bool ok = atomic_load(&j.bad) == 0;
    for (uint32_t i = 0; i < TASKS; i++)
        ok = ok && atomic_load(&j.seen[i]) == (i < tasks ? 1u : 0u);
    return ok;
}

static tn_runtime *make(uint32_t flags)
{
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc), .threads = WORKERS};
    tn_runtime *rt = NULL;
    d.flags = TN_RUNTIME_NO_ENV | flags;
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK);
    return rt;
}

TN_TEST(pool, runs_every_task_once)
{
    tn_runtime *rt = make(0);
    tn_executor e;
    TN_REQUIRE(tn__runtime_executor(rt, &e) == TN_OK);
    TN_EXPECT(e.workers == WORKERS);
    TN_EXPECT(atomic_load(&rt->pool) == NULL, "a pool before its first need");
    TN_EXPECT(run_and_check(&e, 0) && run_and_check(&e, 1));
    TN_EXPECT(atomic_load(&rt->pool) == NULL, "a pool for a single task");
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t tasks = 2 + i % (TASKS - 1);
        TN_REQUIRE(run_and_check(&e, tasks));
    }
    TN_EXPECT(atomic_load(&rt->pool) != NULL);
    tn_runtime_release(rt);
}

TN_TEST(pool, sleeps_and_wakes)
{
    tn_runtime *rt = make(0);
    struct timespec pause = {.tv_nsec = 1000000};
    for (uint32_t i = 0; i < 20; i++) {
        TN_REQUIRE(run_and_check(&rt->host.executor, TASKS));
        (void)nanosleep(&pause, NULL);
    }
    tn_runtime_release(rt);
}

/* Threads of this process run while it looks for work, and no longer. */
TN_TEST(pool, idle_threads_sleep)
{
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc), .flags = TN_RUNTIME_NO_ENV};
    tn_runtime *rt = NULL;
    tn_executor e;
    struct timespec before, after;
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK && tn__runtime_executor(rt, &e) == TN_OK);
    job j;
    memset(&j, 0, sizeof(j));
    e.parallel(e.self, 2, task, &j);
    /* each helper looks ten times as long at most, were a job running all the while */
    uint64_t most = UINT64_C(10000) * TN__SPIN_US * e.workers, pause = most + 200000000;
    struct timespec idle = {(time_t)(pause / 1000000000), (long)(pause % 1000000000)};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    (void)nanosleep(&idle, NULL);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used = (double)(after.tv_sec - before.tv_sec) * 1e9;
    used += (double)(after.tv_nsec - before.tv_nsec);
    TN_EXPECT(used < (double)most, "%g ns in the pause, %g at most", used, (double)most);
    tn_runtime_release(rt);
}

static void *caller(void *arg)
{
    tn_runtime *rt = arg;
    for (uint32_t i = 0; i < 500; i++)
        if (!run_and_check(&rt->host.executor, TASKS))
            return arg;
    return NULL;
}

TN_TEST(pool, serves_several_callers)
{
    tn_runtime *rt = make(0);
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        TN_REQUIRE(pthread_create(&t[i], NULL, caller, rt) == 0);
    for (int i = 0; i < 3; i++) {
        void *bad = NULL;
        (void)pthread_join(t[i], &bad);
        TN_EXPECT(bad == NULL);
    }
    tn_runtime_release(rt);
}

static void nested(void *arg, uint32_t index, uint32_t worker)
{
    job *j = arg;
    (void)index;
    (void)worker;
    if (!run_and_check(&j->executor, TASKS))
        atomic_fetch_add(&j->bad, 1u);
}

TN_TEST(pool, may_be_called_from_a_task)
{
    tn_runtime *rt = make(0);
    job j;
    memset(&j, 0, sizeof(j));
    j.executor = rt->host.executor;
    j.executor.parallel(j.executor.self, 8, nested, &j);
    TN_EXPECT(atomic_load(&j.bad) == 0);
    tn_runtime_release(rt);
}

TN_TEST(pool, no_threads_runs_on_the_caller)
{
    tn_runtime *rt = make(TN_RUNTIME_NO_THREADS);
    TN_EXPECT(rt->host.executor.workers == 1);
    TN_EXPECT(run_and_check(&rt->host.executor, TASKS));
    TN_EXPECT(atomic_load(&rt->pool) == NULL);
    tn_runtime_release(rt);
}

/* Where each worker's tasks ran; the caller waits in its task until every worker has one. */
typedef struct seat {
    uint32_t workers;
    atomic_uint came;
    atomic_uint cpu[CPU_SETSIZE];
} seat;

static void take_seat(void *arg, uint32_t index, uint32_t worker)
{
    seat *s = arg;
    (void)index;
    (void)atomic_fetch_add(&s->came, 1u);
    while (atomic_load(&s->came) < s->workers)
        (void)sched_yield();
    atomic_store(&s->cpu[worker], tn__cpu_here());
}

/* With as many threads as cpus every thread has a cpu of its own, wherever the caller moves to. */
TN_TEST(pool, helpers_keep_clear_of_the_caller)
{
    cpu_set_t all, one;
    TN_REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
    uint32_t cpus = (uint32_t)CPU_COUNT(&all);
    if (cpus < 2 || tn__cpus_usable() != cpus) {
        fprintf(stderr, "not tried: %u cpus allowed, %u usable\n", cpus, tn__cpus_usable());
        return; /* a cpu for each is what the rest is about */
    }
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc), .flags = TN_RUNTIME_NO_ENV};
    tn_runtime *rt = NULL;
    tn_executor e;
    TN_REQUIRE(tn_runtime_create(&d, &rt) == TN_OK && tn__runtime_executor(rt, &e) == TN_OK);
    TN_REQUIRE(e.workers == cpus);
    seat first = {.workers = cpus};
    e.parallel(e.self, cpus, take_seat, &first); /* makes the pool */
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        seat s = {.workers = cpus};
        cpu_set_t seen;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        CPU_ZERO(&seen);
        TN_REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
        e.parallel(e.self, cpus, take_seat, &s);
        for (uint32_t w = 0; w < cpus; w++)
            CPU_SET(atomic_load(&s.cpu[w]), &seen);
        TN_EXPECT(atomic_load(&s.cpu[0]) == cpu, "the caller is on cpu %u, not %u",
                  atomic_load(&s.cpu[0]), cpu);
        TN_EXPECT((uint32_t)CPU_COUNT(&seen) == cpus, "%d cpus for %u threads", CPU_COUNT(&seen),
                  cpus);
    }
    TN_EXPECT(sched_setaffinity(0, sizeof(all), &all) == 0);
    tn_runtime_release(rt);
}
