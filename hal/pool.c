/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool of a runtime: the caller and workers - 1 helpers share the tasks of one job. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <sched.h>

#include <hal/hal.h>

/* Of a job that others are still at work on the end is worth a longer wait: the next job of the
 * same plan comes right behind it. */
enum { SPINS_PER_CLOCK = 32, LONGER = 10 };

typedef void (*task_fn)(void *arg, uint32_t index, uint32_t worker);

typedef struct helper {
    tn__pool *pool;
    pthread_t thread;
    uint32_t worker;
    uint32_t cpu; /* where it is kept, TN__NO_CPU: anywhere; guarded by: pool->job */
} helper;

struct tn__pool {
    tn_runtime *runtime;
    uint32_t workers, started;
    uint64_t spin_ns; /* 0: sleeps at once */
    /* The cpu without a helper, for the caller; TN__NO_CPU: helpers run anywhere. guarded by: job
     */
    uint32_t clear;
    pthread_mutex_t job; /* held by the caller whose job the helpers serve */
    /* Number of the job in the upper half, tasks not yet taken in the lower one. Who takes a task
     * may read the three fields below until it has counted the task in `done`: only then can the
     * job end and the next one overwrite them. */
    _Alignas(64) _Atomic uint64_t ticket;
    task_fn task;
    void *arg;
    uint32_t tasks;
    _Alignas(64) atomic_uint done;
    atomic_uint caller_sleeps;
    atomic_bool running; /* a job is; what a helper that sees it late loses is a wait */
    _Alignas(64) pthread_mutex_t sleep; /* guards: the two conditions */
    pthread_cond_t work, finished;
    atomic_uint sleepers;
    atomic_bool stop;
    helper helpers[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#else
    (void)sched_yield();
#endif
}

static uint32_t left(uint64_t ticket)
{
    return (uint32_t)ticket;
}

/* Runs tasks of the present job until none is left; returns whether it ran any. */
static bool help(tn__pool *p, uint32_t worker)
{
    bool any = false;
    uint64_t ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
    while (left(ticket)) {
        if (!atomic_compare_exchange_weak_explicit(&p->ticket, &ticket, ticket - 1,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        uint32_t tasks = p->tasks;
        p->task(p->arg, tasks - left(ticket), worker);
        any = true;
        /* With the last task counted the caller may go on; `p` itself lives until it joined us. */
        if (atomic_fetch_add(&p->done, 1u) + 1 == tasks && atomic_load(&p->caller_sleeps)) {
            (void)pthread_mutex_lock(&p->sleep);
            (void)pthread_cond_signal(&p->finished);
            (void)pthread_mutex_unlock(&p->sleep);
        }
        ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
    return any;
}

/* Waits without sleeping until there is a task, or the pool stops, or the time is over, which
 * begins anew while a job is running. */
static bool spin_for_work(tn__pool *p)
{
    uint64_t end = 0, longest = 0;
    if (p->spin_ns == 0)
        return false;
    for (uint32_t i = 1;; i++) {
        if (left(atomic_load_explicit(&p->ticket, memory_order_acquire)) ||
            atomic_load_explicit(&p->stop, memory_order_relaxed))
            return true;
        relax();
        if (i % SPINS_PER_CLOCK == 0) {
            uint64_t now = tn__now_ns();
            if (end == 0)
                longest = now + LONGER * p->spin_ns;
            else if (now >= longest)
                return false;
            if (end == 0 || atomic_load_explicit(&p->running, memory_order_relaxed))
                end = now + p->spin_ns;
            else if (now >= end)
                return false;
        }
    }
}

static void sleep_for_work(tn__pool *p)
{
    (void)pthread_mutex_lock(&p->sleep);
    (void)atomic_fetch_add(&p->sleepers, 1u);
    while (!left(atomic_load(&p->ticket)) && !atomic_load(&p->stop))
        (void)pthread_cond_wait(&p->work, &p->sleep);
    (void)atomic_fetch_sub(&p->sleepers, 1u);
    (void)pthread_mutex_unlock(&p->sleep);
}

static void *helper_main(void *arg)
{
    helper *h = arg;
    tn__pool *p = h->pool;
    while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
        if (!help(p, h->worker) && !spin_for_work(p))
            sleep_for_work(p);
    }
    return NULL;
}

static void wake(tn__pool *p, uint32_t helpers)
{
    uint32_t sleepers = atomic_load(&p->sleepers);
    if (sleepers == 0)
        return;
    (void)pthread_mutex_lock(&p->sleep);
    if (helpers >= sleepers)
        (void)pthread_cond_broadcast(&p->work);
    else
        for (uint32_t i = 0; i < helpers; i++)
            (void)pthread_cond_signal(&p->work);
    (void)pthread_mutex_unlock(&p->sleep);
}

static void wait_done(tn__pool *p, uint32_t tasks)
{
    uint64_t end = 0;
    for (uint32_t i = 1; p->spin_ns != 0; i++) {
        if (atomic_load_explicit(&p->done, memory_order_acquire) == tasks)
            return;
        relax();
        if (i % SPINS_PER_CLOCK == 0) {
            uint64_t now = tn__now_ns();
            if (end == 0)
                end = now + LONGER * p->spin_ns;
            else if (now >= end)
                break;
        }
    }
    (void)pthread_mutex_lock(&p->sleep);
    atomic_store(&p->caller_sleeps, 1u);
    while (atomic_load(&p->done) != tasks)
        (void)pthread_cond_wait(&p->finished, &p->sleep);
    atomic_store(&p->caller_sleeps, 0u);
    (void)pthread_mutex_unlock(&p->sleep);
}

static void alone(uint32_t tasks, task_fn task, void *arg)
{
    for (uint32_t i = 0; i < tasks; i++)
        task(arg, i, 0);
}

/* Seen in a hypervisor's guest: a helper woken on the cpu of the thread that woke it, though
 * another was idle, and both on that one for milliseconds. So where there is a cpu for each, each
 * helper is kept on one, and the caller's stays clear of them, wherever the caller has moved to. */
static void place(tn__pool *p)
{
    uint32_t cpu = tn__cpu_next(TN__NO_CPU), first = cpu, count = 1;
    while ((cpu = tn__cpu_next(cpu)) != TN__NO_CPU)
        count++;
    if (p->started + 1 != p->workers || count != p->workers || tn__cpus_usable() != count)
        return;
    cpu = first;
    for (uint32_t i = 0; i < p->started; i++) {
        cpu = tn__cpu_next(cpu);
        if (tn__thread_keep(p->helpers[i].thread, cpu))
            p->helpers[i].cpu = cpu;
    }
    p->clear = first;
}

static void clear_caller(tn__pool *p)
{
    uint32_t here = tn__cpu_here();
    if (here == p->clear || here == TN__NO_CPU)
        return;
    for (uint32_t i = 0; i < p->started; i++) {
        helper *h = &p->helpers[i];
        if (h->cpu == here && tn__thread_keep(h->thread, p->clear)) {
            h->cpu = p->clear;
            p->clear = here;
            return;
        }
    }
}

static void parallel(void *self, uint32_t tasks, task_fn task, void *arg)
{
    tn__pool *p = self;
    /* A pool at work for another queue, or for the task that calls: the caller does it all. */
    if (tasks <= 1 || p->started == 0 || pthread_mutex_trylock(&p->job) != 0) {
        alone(tasks, task, arg);
        return;
    }
    if (p->clear != TN__NO_CPU)
        clear_caller(p);
    uint64_t job = (atomic_load_explicit(&p->ticket, memory_order_relaxed) >> 32) + 1;
    p->task = task;
    p->arg = arg;
    p->tasks = tasks;
    atomic_store_explicit(&p->done, 0u, memory_order_relaxed);
    atomic_store_explicit(&p->running, true, memory_order_relaxed);
    atomic_store(&p->ticket, job << 32 | tasks);
    wake(p, tasks - 1);
    (void)help(p, 0);
    wait_done(p, tasks);
    atomic_store_explicit(&p->running, false, memory_order_relaxed);
    (void)pthread_mutex_unlock(&p->job);
}

static size_t pool_bytes(uint32_t helpers)
{
    return sizeof(tn__pool) + helpers * sizeof(helper);
}

void tn__pool_destroy(tn__pool *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->sleep);
    atomic_store(&p->stop, true);
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->sleep);
    for (uint32_t i = 0; i < p->started; i++)
        (void)pthread_join(p->helpers[i].thread, NULL);
    (void)pthread_cond_destroy(&p->finished);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->sleep);
    (void)pthread_mutex_destroy(&p->job);
    tn__free(p->runtime, p, pool_bytes(p->workers - 1));
}

tn_status tn__pool_create(tn_runtime *rt, uint32_t workers, tn__pool **out)
{
    *out = NULL;
    if (workers == 0)
        workers = 1;
    tn__pool *p = tn__alloc(rt, pool_bytes(workers - 1));
    if (!p)
        return TN_STATUS_NO_MEMORY;
    p->runtime = rt;
    p->workers = workers;
    /* With fewer cpus than threads who spins keeps one from who works. */
    p->spin_ns = workers <= tn__cpus_usable() ? UINT64_C(1000) * rt->env.spin_us : 0;
    p->clear = TN__NO_CPU;
    atomic_init(&p->ticket, 0);
    atomic_init(&p->done, 0);
    atomic_init(&p->caller_sleeps, 0);
    atomic_init(&p->running, false);
    atomic_init(&p->sleepers, 0);
    atomic_init(&p->stop, false);
    (void)pthread_mutex_init(&p->job, NULL);
    (void)pthread_mutex_init(&p->sleep, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->finished, NULL);
    for (uint32_t i = 0; i + 1 < workers; i++) {
        helper *h = &p->helpers[i];
        h->pool = p;
        h->worker = i + 1;
        h->cpu = TN__NO_CPU;
        if (pthread_create(&h->thread, NULL, helper_main, h) != 0) {
            /* Fewer helpers do the same work; worker indices stay below `workers`. */
            tn__log(rt, 2, "the system gave %u of %u pool threads", i, workers - 1);
            break;
        }
        p->started++;
    }
    place(p);
    *out = p;
    return TN_OK;
}

tn_executor tn__pool_executor(tn__pool *p)
{
    return (tn_executor){.self = p, .workers = p->workers, .parallel = parallel};
}
