/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery: which devices this machine has, as the backends say without opening a driver twice. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <hal/hal.h>
#include <hal/plugin.h>

typedef struct list {
    tn_runtime *runtime;
    const char *scheme; /* of the backend that tells; NULL: not asked */
    tn_device_info *items;
    size_t count, capacity;
    tn_status status;
} list;

static void add(void *token, const tn_device_info *info)
{
    list *l = token;
    if (l->status)
        return;
    if (l->count == l->capacity) {
        size_t more = l->capacity ? l->capacity * 2 : 8;
        tn_device_info *items = tn__alloc(l->runtime, more * sizeof(*items));
        if (!items) {
            l->status = TN_STATUS_NO_MEMORY;
            return;
        }
        if (l->count)
            memcpy(items, l->items, l->count * sizeof(*items));
        tn__free(l->runtime, l->items, l->capacity * sizeof(*items));
        l->items = items;
        l->capacity = more;
    }
    tn_device_info own = {.head = TN_INIT(tn_device_info)};
    tn_status st = tn__struct_in(&own, sizeof(own), TN_TYPE_tn_device_info, info, "found");
    if (!st)
        st = tn__device_info_check(&own, l->scheme);
    if (!st) {
        l->items[l->count++] = own;
        return;
    }
    tn_error e; /* one device less; the others stay */
    tn_error_last(&e);
    tn__log(l->runtime, 1, "a device is left out: %s", e.text);
}

static void free_list(list *l)
{
    tn__free(l->runtime, l->items, l->capacity * sizeof(*l->items));
}

/* Asks every backend; one without a driver is nothing unusual. */
static tn_status enumerate(tn_runtime *rt, list *all, bool again)
{
    tn_status scanned = tn__plugins_scan(rt, again);
    if (scanned)
        return scanned;
    for (size_t i = 0;; i++) {
        const tn_backend_ops *ops;
        tn_error e;
        tn_status st = tn__registry_at(rt, i, &ops);
        if (!st && !ops)
            return TN_OK;
        if (!st) {
            tn__error_clear();
            all->scheme = ops->name;
            bool child = tn__has_driver(ops);
            st = child ? tn__driver_enumerate(rt, ops, all, add)
                       : ops->enumerate(&rt->host, all, add);
            if (all->status)
                return all->status;
            if (st && !child)
                st = tn__backend_failed(st, NULL, "enumerate");
        }
        if (st) {
            tn_error_last(&e);
            tn__log(rt, st == TN_STATUS_UNAVAILABLE ? 4 : 2, "no devices from backend %s: %s",
                    ops ? ops->name : "?", e.text);
        }
    }
}

/* What TENON_DEVICES names and no backend lists by itself (cpu?private=1) is opened to be asked. */
static tn_status add_named(tn_runtime *rt, const char *uri, const list *all, list *chosen)
{
    tn_device *d;
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->items[i].uri, uri) == 0) {
            tn_device_info info = all->items[i];
            info.flags |= TN_DEVICE_DEFAULT;
            add(chosen, &info);
            return chosen->status;
        }
    }
    tn_status st = tn_device_open(rt, uri, &d);
    if (st)
        return st;
    tn_device_info info = d->info;
    info.flags |= TN_DEVICE_DEFAULT;
    add(chosen, &info);
    tn_device_release(d);
    return chosen->status;
}

/* All that the variable names is tried; the first failure is the answer. */
static tn_status choose(tn_runtime *rt, const list *all, list *chosen)
{
    char uri[TN__URI_BYTES];
    tn__error_copy first;
    tn_status status = TN_OK;
    for (const char *at = rt->env.devices;;) {
        tn_status st = tn__uri_next(&at, uri);
        if (st)
            return st;
        if (!uri[0])
            break;
        st = add_named(rt, uri, all, chosen);
        if (st && !status) {
            status = st;
            tn__error_save(&first, NULL);
        }
    }
    return status ? tn__fail_again(&first.error) : TN_OK;
}

static tn_status discover(tn_runtime *rt, bool again)
{
    list all = {.runtime = rt}, chosen = {.runtime = rt};
    tn_status st = enumerate(rt, &all, again);
    if (!st && rt->env.devices) {
        st = choose(rt, &all, &chosen);
        free_list(&all);
        all = chosen;
    }
    if (st == TN_STATUS_NO_MEMORY) { /* says nothing about the devices: what was known stays */
        free_list(&all);
        return st;
    }
    (void)pthread_mutex_lock(&rt->lock);
    list old = {.runtime = rt, .items = rt->found, .capacity = rt->found_capacity};
    rt->found = all.items;
    rt->found_count = all.count;
    rt->found_capacity = all.capacity;
    rt->discovered = true;
    (void)pthread_mutex_unlock(&rt->lock);
    free_list(&old);
    return st;
}

tn_status tn_runtime_discover(tn_runtime *rt)
{
    return tn__runtime_usable(rt) ? discover(rt, true) : TN_STATUS_INVALID;
}

static tn_status discover_once(tn_runtime *rt)
{
    (void)pthread_mutex_lock(&rt->lock);
    bool done = rt->discovered;
    (void)pthread_mutex_unlock(&rt->lock);
    return done ? TN_OK : discover(rt, false);
}

size_t tn_runtime_device_count(tn_runtime *rt)
{
    if (!tn__runtime_usable(rt))
        return 0;
    (void)discover_once(rt); /* what failed is in tn_error_last; what was found counts */
    (void)pthread_mutex_lock(&rt->lock);
    size_t count = rt->found_count;
    (void)pthread_mutex_unlock(&rt->lock);
    return count;
}

tn_status tn_runtime_device_info(tn_runtime *rt, size_t index, tn_device_info *out)
{
    tn_device_info info;
    if (!tn__runtime_usable(rt))
        return TN_STATUS_INVALID;
    if (discover_once(rt) == TN_STATUS_NO_MEMORY)
        return TN_STATUS_NO_MEMORY;
    (void)pthread_mutex_lock(&rt->lock);
    size_t count = rt->found_count;
    if (index < count)
        info = rt->found[index];
    (void)pthread_mutex_unlock(&rt->lock);
    if (index >= count)
        return tn__fail(TN_STATUS_INVALID, "device.index", "index",
                        "index is %zu; discovery found %zu devices, counted from 0", index, count);
    return tn__struct_out(out, &info, sizeof(info), TN_TYPE_tn_device_info, "out_info");
}
