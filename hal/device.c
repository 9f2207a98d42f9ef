/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: open, info, loss, memory, children. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdio.h>

#include <hal/hal.h>

tn_status tn__device_usable(tn_device *d, const char *argument)
{
    if (!d)
        return tn__fail(TN_STATUS_INVALID, "device.null", argument,
                        "%s is NULL; open one with tn_device_open", argument);
    if (!tn__runtime_usable(d->runtime))
        return TN_STATUS_INVALID;
    if (atomic_load_explicit(&d->lost, memory_order_acquire))
        return tn__fail_again(&d->error.error);
    return TN_OK;
}

/* Not lost is not asked: what a lost device was can still be read. */
static tn_status readable(const tn_device *d)
{
    if (!d)
        return tn__fail(TN_STATUS_INVALID, "device.null", "device",
                        "device is NULL; open one with tn_device_open");
    return tn__runtime_usable(d->runtime) ? TN_OK : TN_STATUS_INVALID;
}

void tn__device_lose(tn_device *d, tn_status status, const char *reason)
{
    void (*fn)(void *, tn_device *, const tn_error *) = NULL;
    void *self = NULL;
    tn__error_copy before;
    /* The backend's thread may be in the middle of reporting something else. */
    tn__error_save(&before, NULL);
    (void)tn__fail(TN_STATUS_DEVICE_LOST, reason ? reason : "device.lost", "device",
                   "device %s is lost (%s, %s); release it and open it again", d->uri,
                   reason ? reason : "no reason given", tn_status_name(status));
    tn__error_device(d->uri);
    (void)pthread_mutex_lock(&d->lock);
    bool first = atomic_load_explicit(&d->lost, memory_order_relaxed) == TN_OK;
    if (first) {
        tn__error_save(&d->error, NULL);
        atomic_store_explicit(&d->lost, TN_STATUS_DEVICE_LOST, memory_order_release);
        fn = d->on_lost;
        self = d->on_lost_self;
    }
    (void)pthread_mutex_unlock(&d->lock);
    if (first && tn__tracing(d->runtime))
        tn__trace_lost(d);
    (void)tn__fail_again(&before.error);
    if (first)
        tn__log(d->runtime, 1, "%s", d->error.text);
    if (first)
        tn__queues_wake(d);
    if (fn)
        fn(self, d, &d->error.error);
}

/* What a backend is told: the text behind the name, and for the cpu the settings of the
 * environment, unless the URI gives its own. */
static tn_status backend_text(const tn_runtime *rt, const char *uri, const char *scheme,
                              const char *rest, char *text, size_t bytes)
{
    size_t at = strlen(rest);
    memcpy(text, rest, at + 1);
    if (strcmp(scheme, "cpu") != 0)
        return TN_OK;
    bool any = strchr(rest, '?') != NULL;
    if (rt->env.threads && !tn__uri_has(uri, "threads")) {
        int n = snprintf(text + at, bytes - at, "%cthreads=%u", any ? '&' : '?', rt->env.threads);
        at += n > 0 ? (size_t)n : 0;
        any = true;
    }
    if (rt->env.cpu_max[0] && !tn__uri_has(uri, "max"))
        (void)snprintf(text + at, bytes - at, "%cmax=%s", any ? '&' : '?', rt->env.cpu_max);
    return TN_OK;
}

static tn_status check_ops(const tn_device_ops *ops, const char *uri)
{
    if (tn__table_known(ops) && tn__has(ops, close) && tn__has(ops, info) &&
        tn__has(ops, buffer_create) && tn__has(ops, queue_create) && tn__has(ops, plan_create))
        return TN_OK;
    return tn__fail(TN_STATUS_INCOMPATIBLE, "backend.abi", "uri",
                    "the backend of %s gave no device table of ABI %u to %u with the required "
                    "entries; build it for this version",
                    uri, TN_BACKEND_ABI_OLDEST, TN_BACKEND_ABI);
}

/* What is computed with masks from here on. */
static tn_status check_align(const tn_device *d)
{
    const uint64_t align[] = {d->info.buffer_align, d->info.offset_align, d->info.import_align};
    for (int i = 0; i < 3; ++i)
        if ((align[i] & (align[i] - 1)) != 0)
            return tn__fail(TN_STATUS_INCOMPATIBLE, "device.align", "uri",
                            "the backend of %s says an alignment of %llu; 0 or a power of two is "
                            "allowed",
                            d->uri, (unsigned long long)align[i]);
    return TN_OK;
}

static void destroy(tn_device *d)
{
    tn_runtime *rt = d->runtime;
    (void)pthread_mutex_lock(&rt->lock);
    if (rt->fallback == d)
        rt->fallback = NULL;
    (void)pthread_mutex_unlock(&rt->lock);
    if (d->plans)
        tn__plan_cache_destroy(d->plans);
    if (d->ops)
        d->ops->close(d->object);
    tn__inject_free(d);
    (void)pthread_mutex_destroy(&d->probe_lock);
    (void)pthread_mutex_destroy(&d->lock);
    tn__free(rt, d, sizeof(*d));
    tn_runtime_release(rt);
}

tn_status tn_device_open(tn_runtime *rt, const char *uri, tn_device **out)
{
    char scheme[TN__SCHEME_BYTES], text[TN__URI_BYTES + 64];
    const char *rest;
    const tn_backend_ops *backend;
    const tn_host *host = rt ? &rt->host : NULL;
    if (!out)
        return tn__fail(TN_STATUS_INVALID, "device.null", "out_device",
                        "out_device is NULL; give a tn_device * to fill");
    *out = NULL;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    tn_status st = tn__uri_split(uri, scheme, &rest);
    if (!st)
        st = tn__registry_find(rt, scheme, &backend);
    if (!st)
        st = backend_text(rt, uri, scheme, rest, text, sizeof(text));
    if (!st && tn__has_driver(backend))
        st = tn__driver_usable(rt, backend, text, &host);
    if (st)
        return st;

    tn_device *d = tn__alloc(rt, sizeof(*d));
    if (!d)
        return TN_STATUS_NO_MEMORY;
    tn__ref_init(&d->ref);
    d->runtime = tn_runtime_retain(rt);
    d->backend = backend;
    memcpy(d->uri, uri, strlen(uri) + 1);
    atomic_init(&d->lost, TN_OK);
    atomic_init(&d->injecting, false);
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_mutex_init(&d->probe_lock, NULL);

    const tn_device_ops *ops = NULL;
    tn__error_clear();
    st = backend->open(host, text, d, &d->object, &ops);
    if (st) {
        st = tn__backend_failed(st, uri, "open");
        goto fail;
    }
    if (tn__table_known(ops) && tn__has(ops, close))
        d->ops = ops; /* the object can be closed, whatever else is missing */
    st = check_ops(ops, uri);
    if (st)
        goto fail;
    d->info = (tn_device_info){.head = TN_INIT(tn_device_info)};
    tn__error_clear();
    st = ops->info(d->object, &d->info);
    if (st) {
        st = tn__backend_failed(st, uri, "info");
        goto fail;
    }
    d->info.head = (tn_head)TN_INIT(tn_device_info);
    memcpy(d->info.uri, d->uri, sizeof(d->uri));
    st = check_align(d);
    if (!st)
        st = tn__device_info_check(&d->info, NULL);
    if (!st)
        st = tn__plan_cache_create(rt, &d->plans);
    if (st)
        goto fail;
    *out = d;
    return TN_OK;
fail:
    destroy(d);
    return st;
}

tn_device *tn_device_retain(tn_device *d)
{
    if (d)
        tn__ref_retain(&d->ref);
    return d;
}

void tn_device_release(tn_device *d)
{
    tn__error_copy before;
    if (!d || !tn__ref_release(&d->ref))
        return;
    tn__error_save(&before, NULL); /* clean-up never hides the first error */
    if (tn__runtime_usable(d->runtime))
        destroy(d);
    (void)tn__fail_again(&before.error);
}

tn_status tn_device_get_info(const tn_device *d, tn_device_info *out)
{
    tn_status st = readable(d);
    return st ? st
              : tn__struct_out(out, &d->info, sizeof(d->info), TN_TYPE_tn_device_info, "out_info");
}

tn_status tn_device_get_status(const tn_device *d)
{
    tn_status st = readable(d);
    if (!st && atomic_load_explicit(&d->lost, memory_order_acquire))
        st = tn__fail_again(&d->error.error);
    return st;
}

tn_status tn_device_on_lost(tn_device *d, void (*fn)(void *self, tn_device *, const tn_error *),
                            void *self)
{
    tn_status st = readable(d);
    if (st)
        return st;
    (void)pthread_mutex_lock(&d->lock);
    d->on_lost = fn;
    d->on_lost_self = self;
    bool lost = atomic_load_explicit(&d->lost, memory_order_relaxed) != TN_OK;
    (void)pthread_mutex_unlock(&d->lock);
    if (lost && fn) /* whoever asks after the loss must hear of it too */
        fn(self, d, &d->error.error);
    return TN_OK;
}

tn_status tn_device_child(const tn_device *d, uint32_t index, tn_device **out)
{
    if (!out)
        return tn__fail(TN_STATUS_INVALID, "device.null", "out_device",
                        "out_device is NULL; give a tn_device * to fill");
    *out = NULL;
    tn_status st = readable(d);
    if (st)
        return st;
    if (!tn__has(d->ops, child) || d->info.children == 0) {
        st = tn__fail(TN_STATUS_UNSUPPORTED, "device.no_children", "device",
                      "device %s has no children; a composite device (mixed:) has", d->uri);
        tn__error_device(d->uri);
        return st;
    }
    if (index >= d->info.children) {
        st = tn__fail(TN_STATUS_INVALID, "device.child", "index",
                      "index is %u; %s has %u children, counted from 0", index, d->uri,
                      d->info.children);
        tn__error_device(d->uri);
        return st;
    }
    tn__error_clear();
    st = d->ops->child(d->object, index, out);
    return st ? tn__backend_failed(st, d->uri, "child") : TN_OK;
}

tn_status tn_device_memory(const tn_device *device, uint32_t index, tn_memory_info *out)
{
    tn_memory_info info = {.head = TN_INIT(tn_memory_info)};
    tn_status st = readable(device);
    if (st)
        return st;
    tn_device *d = (tn_device *)(uintptr_t)device; /* its lock */
    if (tn__has(d->ops, memory)) {
        tn__error_clear();
        st = d->ops->memory(d->object, index, &info);
        if (st)
            return tn__backend_failed(st, d->uri, "memory");
    } else if (index > 0) {
        st = tn__fail(TN_STATUS_INVALID, "memory.index", "index",
                      "index is %u; %s has one memory, index 0", index, d->uri);
        tn__error_device(d->uri);
        return st;
    } else {
        info.total_bytes = d->info.memory_bytes;
        info.flags = d->info.flags & TN_DEVICE_HOST_VISIBLE ? TN_MEMORY_HOST_VISIBLE : 0;
    }
    if (index == 0) {
        (void)pthread_mutex_lock(&d->lock);
        if (info.used_bytes == 0)
            info.used_bytes = d->used_bytes;
        if (info.peak_bytes == 0)
            info.peak_bytes = d->peak_bytes;
        (void)pthread_mutex_unlock(&d->lock);
    }
    return tn__struct_out(out, &info, sizeof(info), TN_TYPE_tn_memory_info, "out_info");
}
