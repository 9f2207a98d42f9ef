/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime: what every other object hangs off, and what backends get from the core. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <hal/hal.h>
#include <hal/plugin.h>

enum { THREADS_MOST = 4096, LOG_MOST = 5 };

uint64_t tn__now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void tn__log(tn_runtime *rt, int32_t level, const char *format, ...)
{
    char text[512];
    va_list list;
    if (!rt->log || level > rt->log_level)
        return;
    va_start(list, format);
    if (vsnprintf(text, sizeof(text), format, list) < 0)
        text[0] = 0;
    va_end(list);
    rt->log(rt->log_self, level, text);
}

/* ---- what backends call ---- */

static tn_status host_fail(tn_status status, const char *reason, const char *file, int32_t line,
                           const char *format, ...)
{
    char text[sizeof(((tn__error_copy *)0)->text)];
    va_list list;
    va_start(list, format);
    if (vsnprintf(text, sizeof(text), format, list) < 0)
        text[0] = 0;
    va_end(list);
    return tn__fail_at(status, reason, NULL, file, line, "%s", text);
}

static tn_status host_fail_argument(tn_status status, const char *reason, const char *argument,
                                    const char *file, int32_t line, const char *format, ...)
{
    char text[sizeof(((tn__error_copy *)0)->text)];
    va_list list;
    va_start(list, format);
    if (vsnprintf(text, sizeof(text), format, list) < 0)
        text[0] = 0;
    va_end(list);
    return tn__fail_at(status, reason, argument, file, line, "%s", text);
}

static void host_log(tn_runtime *rt, int32_t level, const char *text)
{
    tn__log(rt, level, "%s", text);
}

static void host_lost(void *device_token, tn_status status, const char *reason)
{
    tn__device_lose(device_token, status, reason);
}

/* Our own executor: makes the pool when the first job of more than one task comes. */
static void own_parallel(void *self, uint32_t tasks,
                         void (*task)(void *arg, uint32_t index, uint32_t worker), void *arg)
{
    tn_runtime *rt = self;
    if (tasks > 1 && rt->threads > 1) {
        tn__pool *pool = atomic_load_explicit(&rt->pool, memory_order_acquire);
        if (!pool) {
            tn__pool *none = NULL; /* made without a lock: it may log; the first one stays */
            if (tn__pool_create(rt, rt->threads, &pool) == TN_OK &&
                !atomic_compare_exchange_strong(&rt->pool, &none, pool)) {
                tn__pool_destroy(pool);
                pool = none;
            }
        }
        if (pool) {
            tn_executor e = tn__pool_executor(pool);
            e.parallel(e.self, tasks, task, arg);
            return;
        }
    }
    for (uint32_t i = 0; i < tasks; i++)
        task(arg, i, 0);
}

tn_status tn__runtime_executor(tn_runtime *rt, tn_executor *out)
{
    *out = rt->host.executor;
    return TN_OK;
}

/* ---- life ---- */

static tn_status copy_text(tn_runtime *rt, const char *from, char **out)
{
    size_t bytes = strlen(from) + 1;
    *out = tn__alloc(rt, bytes);
    if (!*out)
        return TN_STATUS_NO_MEMORY;
    memcpy(*out, from, bytes);
    return TN_OK;
}

static void free_text(tn_runtime *rt, char *text)
{
    if (text)
        tn__free(rt, text, strlen(text) + 1);
}

static tn_status check_desc(const tn_runtime_desc *d)
{
    const uint32_t flags = TN_RUNTIME_NO_ENV | TN_RUNTIME_NO_PLUGINS | TN_RUNTIME_NO_THREADS;
    if (d->flags & ~flags)
        return tn__fail(TN_STATUS_INVALID, "runtime.flags", "desc.flags",
                        "desc.flags is 0x%x; only TN_RUNTIME_* bits (0x%x) are allowed", d->flags,
                        flags);
    if (!d->allocator.alloc != !d->allocator.free)
        return tn__fail(TN_STATUS_INVALID, "runtime.allocator", "desc.allocator",
                        "desc.allocator has %s only; give alloc and free, or neither",
                        d->allocator.alloc ? "alloc" : "free");
    if (d->executor.parallel ? d->executor.workers == 0 || d->executor.workers > THREADS_MOST
                             : d->executor.workers != 0)
        return tn__fail(TN_STATUS_INVALID, "runtime.executor", "desc.executor",
                        "desc.executor has %u workers and %s parallel(); with parallel() 1 to %d "
                        "may run at once, without it 0",
                        d->executor.workers, d->executor.parallel ? "a" : "no", THREADS_MOST);
    if (d->threads > THREADS_MOST)
        return tn__fail(TN_STATUS_INVALID, "runtime.threads", "desc.threads",
                        "desc.threads is %u; 0 (all cpus) to %d are allowed", d->threads,
                        THREADS_MOST);
    if (d->log_level < 0 || d->log_level > LOG_MOST)
        return tn__fail(TN_STATUS_INVALID, "runtime.log_level", "desc.log_level",
                        "desc.log_level is %d; 0 (off) to %d (trace) are allowed", d->log_level,
                        LOG_MOST);
    return TN_OK;
}

static void destroy(tn_runtime *rt)
{
    tn__progress_destroy(rt->progress);
    tn__pool_destroy(atomic_load_explicit(&rt->pool, memory_order_acquire));
    if (rt->addresses)
        tn__addresses_destroy(rt->addresses);
    tn__free(rt, rt->found, rt->found_capacity * sizeof(*rt->found));
    tn__drivers_destroy(rt);
    tn__plugins_destroy(rt, rt->plugins);
    free_text(rt, rt->plugin_path);
    free_text(rt, rt->cache_dir);
    tn__env_free(rt, &rt->env);
    tn__fork_page_destroy(rt->alive);
    (void)pthread_cond_destroy(&rt->trace_quiet);
    (void)pthread_mutex_destroy(&rt->lock);
    tn_allocator a = rt->allocator;
    a.free(a.self, rt, sizeof(*rt));
}

/* The description decides where it says something, the environment where it does not. */
static tn_status apply_settings(tn_runtime *rt, const tn_runtime_desc *d)
{
    tn_status st = TN_OK;
    rt->env.log_level = -1;
    rt->env.spin_us = TN__SPIN_US;
    if (!(d->flags & TN_RUNTIME_NO_ENV))
        st = tn__env_read(rt, &rt->env);
    if (st)
        return st;
    rt->log_level = rt->env.log_level >= 0 ? rt->env.log_level : d->log_level;
    if (d->threads)
        rt->env.threads = 0;
    rt->threads = d->threads ? d->threads : rt->env.threads;
    if (rt->threads == 0)
        rt->threads = tn__cpus_usable();
    if (d->flags & TN_RUNTIME_NO_THREADS)
        rt->threads = 1;
    const char *path = d->plugin_path ? d->plugin_path : rt->env.plugin_path;
    const char *cache = d->cache_dir ? d->cache_dir : rt->env.cache_dir;
    if (d->plugin_path)
        st = tn__env_check_path(d->plugin_path, "plugin_path");
    if (!st && path && !(d->flags & TN_RUNTIME_NO_PLUGINS))
        st = copy_text(rt, path, &rt->plugin_path);
    if (!st && cache)
        st = copy_text(rt, cache, &rt->cache_dir);
    return st;
}

tn_status tn_runtime_create(const tn_runtime_desc *desc, tn_runtime **out)
{
    tn_runtime_desc d = {.head = TN_INIT(tn_runtime_desc)};
    tn_status st = TN_OK;
    if (!out)
        return tn__fail(TN_STATUS_INVALID, "runtime.null", "out_runtime",
                        "out_runtime is NULL; give a tn_runtime * to fill");
    *out = NULL;
    if (desc)
        st = tn__struct_in(&d, sizeof(d), TN_TYPE_tn_runtime_desc, desc, "desc");
    if (!st)
        st = check_desc(&d);
    if (st)
        return st;

    tn_allocator a = d.allocator.alloc ? d.allocator : tn__default_allocator();
    tn_runtime *rt = a.alloc(a.self, sizeof(*rt), _Alignof(tn_runtime));
    if (!rt)
        return tn__fail(TN_STATUS_NO_MEMORY, "host.memory", NULL,
                        "the host allocator has no %zu bytes; free something and try again",
                        sizeof(*rt));
    memset(rt, 0, sizeof(*rt));
    tn__ref_init(&rt->ref);
    rt->allocator = a;
    rt->executor = d.executor;
    rt->flags = d.flags;
    rt->process_id = getpid();
    rt->log = d.log;
    rt->log_self = d.log_self;
    rt->log_level = d.log_level;
    atomic_init(&rt->pool, NULL);
    atomic_init(&rt->tracing, false);
    atomic_init(&rt->queue_count, 0u);
    (void)pthread_mutex_init(&rt->lock, NULL);
    (void)pthread_cond_init(&rt->trace_quiet, NULL);
    rt->alive = tn__fork_page_create();
    st = apply_settings(rt, &d);
    if (!st)
        st = tn__addresses_create(rt, &rt->addresses);
    if (!st && !(d.flags & TN_RUNTIME_NO_PLUGINS))
        st = tn__plugins_create(rt, &rt->plugins);
    if (st) {
        destroy(rt);
        return st;
    }
    rt->host = (tn_host){
        .head = TN_INIT(tn_host),
        .runtime = rt,
        .allocator = rt->allocator,
        .executor = {.self = rt, .workers = rt->threads, .parallel = own_parallel},
        .fail = host_fail,
        .log = host_log,
        .complete = tn__queue_complete,
        .lost = host_lost,
        .fail_argument = host_fail_argument,
        .cache_dir = rt->cache_dir,
    };
    if (d.executor.parallel && !(d.flags & TN_RUNTIME_NO_THREADS))
        rt->host.executor = d.executor;
    *out = rt;
    return TN_OK;
}

bool tn__runtime_forked(const tn_runtime *rt)
{
    return rt->alive ? *rt->alive == 0 : rt->process_id != getpid();
}

bool tn__runtime_usable(const tn_runtime *rt)
{
    if (!rt) {
        (void)tn__fail(TN_STATUS_INVALID, "runtime.null", "runtime",
                       "runtime is NULL; make one with tn_runtime_create");
        return false;
    }
    if (tn__runtime_forked(rt)) {
        (void)tn__fail(TN_STATUS_INVALID, "runtime.forked", "runtime",
                       "this runtime belongs to the parent process %lld, whose threads and devices "
                       "a forked child does not have; create a new runtime in the child",
                       (long long)rt->process_id);
        return false;
    }
    return true;
}

tn_runtime *tn_runtime_retain(tn_runtime *rt)
{
    if (rt)
        tn__ref_retain(&rt->ref);
    return rt;
}

void tn_runtime_release(tn_runtime *rt)
{
    /* A child has copies of locks and no threads to join: it leaves the memory alone. */
    if (rt && tn__ref_release(&rt->ref) && !tn__runtime_forked(rt))
        destroy(rt);
}

/* ---- the device that fallback plans run on ---- */

tn_status tn__runtime_fallback(tn_runtime *rt, tn_device **out_retained)
{
    tn_device *have = NULL, *made = NULL;
    *out_retained = NULL;
    (void)pthread_mutex_lock(&rt->lock);
    if (rt->fallback && atomic_load(&rt->fallback->lost) == TN_OK &&
        tn__ref_try_retain(&rt->fallback->ref))
        have = rt->fallback;
    (void)pthread_mutex_unlock(&rt->lock);
    if (!have) {
        tn_status st = tn_device_open(rt, "cpu", &made);
        if (st)
            return st;
        (void)pthread_mutex_lock(&rt->lock);
        if (rt->fallback && atomic_load(&rt->fallback->lost) == TN_OK &&
            tn__ref_try_retain(&rt->fallback->ref))
            have = rt->fallback; /* another thread was faster */
        else
            rt->fallback = made;
        (void)pthread_mutex_unlock(&rt->lock);
        if (have)
            tn_device_release(made);
        else
            have = made;
    }
    *out_retained = have;
    return TN_OK;
}
