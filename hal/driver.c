/* SPDX-License-Identifier: Apache-2.0 */
/* Backends that load drivers of others: a child process lists their devices, and each device is
 * opened in one first. A driver that crashes or hangs there is not let into this process, and the
 * others are used without it. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hal/plugin.h>
#include <tenon/tenon.h>

enum {
    DRIVERS_MOST = 32,
    DRIVER_BYTES = 1024,
    LIST_BYTES = 8192, /* of all that a backend loads, joined */
    OPEN_PATIENCE = 4  /* times as long as listing: a device compiles when it is opened */
};

/* Drivers compile, look for hardware and start threads before they list anything: they get three
 * times what a plugin gets. */
static const uint64_t usual_limit_ns = 10u * UINT64_C(1000000000);

/* One device that was opened in a child. */
typedef struct trial {
    struct trial *next;
    tn_status status;
    tn__error_copy error;
    char arg[TN__URI_BYTES + 64];
} trial;

/* A verdict; a later one stands before it, and both stay: devices keep `host`. */
struct tn__driver {
    struct tn__driver *next;
    const tn_backend_ops *ops;
    tn_status status;
    tn__error_copy error;
    trial *trials;
    tn_device_info *items; /* what was listed; of the first time that these drivers were */
    size_t count;
    tn_host host; /* the runtime's; with drivers where some were left out */
    char drivers[LIST_BYTES];
};

/* What a child told, kept until it is known how it ended. */
typedef struct told {
    tn_runtime *rt;
    tn_device_info *items;
    size_t count, capacity;
    bool full; /* no memory for more */
} told;

typedef struct names {
    uint32_t count;
    char name[DRIVERS_MOST][DRIVER_BYTES];
} names;

bool tn__has_driver(const tn_backend_ops *ops)
{
    const tn_backend_ops *own = NULL;
    if (ops->bytes < offsetof(tn_backend_ops, flags) + sizeof(ops->flags) ||
        (ops->flags & TN_BACKEND_DRIVER) == 0)
        return false;
    for (size_t i = 0; own != ops && tn__builtin_backends[i]; i++)
        if (tn__builtin_backends[i](TN_BACKEND_ABI, &own))
            own = NULL;
    return own == ops; /* a plugin was enumerated in a child before it was loaded */
}

/* With the runtime's lock. */
static tn__driver *find(tn_runtime *rt, const tn_backend_ops *ops)
{
    tn__driver *d = rt->drivers;
    while (d && d->ops != ops)
        d = d->next;
    return d;
}

/* Remembers the verdict; without memory for that the driver is tried again when it is asked for. */
static void remember(tn_runtime *rt, const tn_backend_ops *ops, tn_status st, const char *drivers,
                     const told *all)
{
    tn__error_copy error = {0};
    if (st)
        tn__error_save(&error, NULL);
    tn__driver *fresh = tn__alloc(rt, sizeof(*fresh));
    tn_device_info *items = !st && all->count ? tn__alloc(rt, all->count * sizeof(*items)) : NULL;
    (void)pthread_mutex_lock(&rt->lock);
    tn__driver *d = find(rt, ops);
    bool same =
        d && strcmp(d->drivers, drivers) == 0; /* another status of it may be written over */
    if (!same && fresh) {
        d = fresh;
        fresh = NULL;
        d->ops = ops;
        d->host = rt->host;
        (void)snprintf(d->drivers, sizeof(d->drivers), "%s", drivers);
        d->host.drivers = drivers[0] ? d->drivers : NULL;
        d->next = rt->drivers;
        rt->drivers = d;
        same = true;
    }
    if (same) {
        d->status = st;
        if (items && !d->items) {
            memcpy(items, all->items, all->count * sizeof(*items));
            d->items = items;
            d->count = all->count;
            items = NULL;
        }
        if (st)
            tn__error_save(&d->error, &error.error);
    }
    (void)pthread_mutex_unlock(&rt->lock);
    if (fresh)
        tn__free(rt, fresh, sizeof(*fresh));
    if (items)
        tn__free(rt, items, all->count * sizeof(*items));
    if (st)
        (void)tn__fail_again(&error.error);
}

/* ---- listing ---- */

static void keep(void *token, const tn_device_info *info)
{
    told *t = token;
    if (t->count == t->capacity && !t->full) {
        size_t more = t->capacity ? 2 * t->capacity : 8;
        tn_device_info *items = tn__alloc(t->rt, more * sizeof(*items));
        t->full = !items;
        if (items) {
            if (t->count)
                memcpy(items, t->items, t->count * sizeof(*items));
            tn__free(t->rt, t->items, t->capacity * sizeof(*items));
            t->items = items;
            t->capacity = more;
        }
    }
    if (!t->full)
        t->items[t->count++] = *info;
}

static void drop(told *t)
{
    tn__free(t->rt, t->items, t->capacity * sizeof(*t->items));
    *t = (told){.rt = t->rt};
}

/* The helper; NULL with the error recorded. */
static const char *helper_of(tn_runtime *rt, const tn_backend_ops *ops,
                             char place[TN__PLUGIN_PATH_BYTES])
{
    if (rt->plugins && rt->plugins->helper)
        return rt->plugins->helper;
    if (tn__plugin_helper(place, TN__PLUGIN_PATH_BYTES))
        return place;
    (void)tn__fail(TN_STATUS_UNAVAILABLE, "driver.helper", "uri",
                   "the drivers of %s were not tried: there is no helper %s and none beside this "
                   "library; install tenon-probe",
                   ops->name, place);
    return NULL;
}

static uint64_t limit_of(const tn_runtime *rt)
{
    return 3 * (rt->plugins ? rt->plugins->limit_ns : usual_limit_ns);
}

static tn_status list(tn_runtime *rt, const tn_backend_ops *ops, const char *helper,
                      const char *drivers, told *out)
{
    tn__driver_task task = {.backend = ops->name, .drivers = drivers};
    tn_status st = tn__driver_probe(helper, limit_of(rt), &task, out, keep);
    return !st && out->full ? tn__fail(TN_STATUS_NO_MEMORY, "host.memory", NULL,
                                       "no host memory for the list of devices; free something "
                                       "and try again")
                            : st;
}

/* Whether the last failure is that of a child that did not come back. */
static bool ended_child(tn_status st)
{
    tn_error e;
    tn_error_last(&e);
    return st == TN_STATUS_UNAVAILABLE &&
           (strcmp(e.reason, "driver.crashed") == 0 || strcmp(e.reason, "driver.timeout") == 0);
}

static void keep_name(void *token, const char *name)
{
    names *n = token;
    bool twice = false;
    for (uint32_t i = 0; i < n->count; i++)
        twice = twice || strcmp(n->name[i], name) == 0;
    if (!twice && name[0] && !strchr(name, ':') && strlen(name) < DRIVER_BYTES &&
        n->count < DRIVERS_MOST)
        memcpy(n->name[n->count++], name, strlen(name) + 1);
}

/* Each driver in a child of its own; those that come back are joined in `good`. */
static void part(tn_runtime *rt, const tn_backend_ops *ops, const char *helper, const names *all,
                 char good[LIST_BYTES])
{
    size_t at = 0;
    good[0] = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        told one = {.rt = rt};
        tn_status st = list(rt, ops, helper, all->name[i], &one);
        size_t n = strlen(all->name[i]);
        drop(&one);
        if (!st && at + n + 2 <= LIST_BYTES) {
            if (at)
                good[at++] = ':';
            memcpy(good + at, all->name[i], n + 1);
            at += n;
        } else if (st) {
            tn_error e;
            tn_error_last(&e);
            tn__log(rt, ended_child(st) ? 2 : 4, "a driver is left out: %s", e.text);
        }
    }
}

/* Some driver did not come back: which, and what there is without it. The failure of all together
 * is the answer where nothing is left. */
static tn_status isolate(tn_runtime *rt, const tn_backend_ops *ops, const char *helper, told *out,
                         char good[LIST_BYTES])
{
    tn__error_copy first;
    tn_error now;
    tn__error_save(&first, NULL);
    names *all = tn__alloc(rt, sizeof(*all));
    if (!all)
        return TN_STATUS_NO_MEMORY;
    (void)ops->drivers(&rt->host, tn__env_driver, all, keep_name);
    part(rt, ops, helper, all, good);
    bool one = all->count == 1;
    tn__free(rt, all, sizeof(*all));
    tn_error_last(&now);
    if (!good[0]) /* the one driver is named by its own failure */
        return one && now.status == TN_STATUS_UNAVAILABLE ? now.status
                                                          : tn__fail_again(&first.error);
    return list(rt, ops, helper, good, out);
}

tn_status tn__driver_enumerate(tn_runtime *rt, const tn_backend_ops *ops, void *token,
                               void (*found)(void *token, const tn_device_info *))
{
    char place[TN__PLUGIN_PATH_BYTES], good[LIST_BYTES] = "";
    const char *helper = helper_of(rt, ops, place);
    told all = {.rt = rt};
    tn_status st = helper ? list(rt, ops, helper, NULL, &all) : TN_STATUS_UNAVAILABLE;
    if (st && helper && ended_child(st) && tn__has(ops, drivers)) {
        drop(&all);
        st = isolate(rt, ops, helper, &all, good);
    }
    for (size_t i = 0; !st && i < all.count; i++)
        found(token, &all.items[i]);
    if (st != TN_STATUS_NO_MEMORY)
        remember(rt, ops, st, st ? "" : good, &all);
    drop(&all);
    return st;
}

static void ignore(void *token, const tn_device_info *info)
{
    (void)token, (void)info;
}

/* ---- what was opened before, by whichever process ---- */

static void digest(uint64_t *hash, const char *text)
{
    do /* FNV-1a, with the text's end */
        *hash = (*hash ^ (unsigned char)*text) * 0x100000001b3u;
    while (*text++);
}

/* The file that says so: of this library, driver and device. False: there is no folder for it, or
 * the device is not one that was listed. */
static bool stamp_of(tn_runtime *rt, const tn__driver *d, const char *arg, char *out, size_t bytes)
{
    char uri[TN__URI_BYTES + 96];
    const tn_device_info *info = NULL;
    uint64_t hash = 0xcbf29ce484222325u;
    (void)snprintf(uri, sizeof(uri), "%s:%s", d->ops->name, arg);
    (void)pthread_mutex_lock(&rt->lock); /* the list comes once and stays */
    for (size_t i = 0; i < d->count && !info; i++)
        if (strcmp(d->items[i].uri, uri) == 0)
            info = &d->items[i];
    (void)pthread_mutex_unlock(&rt->lock);
    if (!rt->cache_dir || !info)
        return false;
    (void)snprintf(uri, sizeof(uri), "%u", tn_version());
    digest(&hash, uri);
    digest(&hash, d->drivers);
    digest(&hash, info->uri);
    digest(&hash, info->name);
    digest(&hash, info->vendor);
    digest(&hash, info->driver);
    return snprintf(out, bytes, "%s/opened-%016llx", rt->cache_dir, (unsigned long long)hash) <
           (int)bytes;
}

static void leave_stamp(const tn_runtime *rt, const char *stamp)
{
    (void)mkdir(rt->cache_dir, 0700);
    int fd = open(stamp, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
}

/* ---- opening ---- */

/* The device is opened in a child first: what it compiles and runs then may end a process. */
static tn_status try_open(tn_runtime *rt, tn__driver *d, const char *text)
{
    char place[TN__PLUGIN_PATH_BYTES];
    trial *fresh = tn__alloc(rt, sizeof(*fresh));
    if (!fresh)
        return TN_STATUS_NO_MEMORY;
    (void)snprintf(fresh->arg, sizeof(fresh->arg), "%.*s", (int)strcspn(text, "?"), text);
    const trial *known;
    (void)pthread_mutex_lock(&rt->lock);
    for (known = d->trials; known && strcmp(known->arg, fresh->arg) != 0; known = known->next)
        ;
    if (known)
        fresh->status = known->status, fresh->error = known->error;
    (void)pthread_mutex_unlock(&rt->lock);
    if (known) {
        tn_status st = fresh->status ? tn__fail_again(&fresh->error.error) : TN_OK;
        tn__free(rt, fresh, sizeof(*fresh));
        return st;
    }
    char stamp[TN__PLUGIN_PATH_BYTES];
    bool stamped = stamp_of(rt, d, fresh->arg, stamp, sizeof(stamp));
    if (stamped && access(stamp, F_OK) == 0) {
        tn__free(rt, fresh, sizeof(*fresh));
        return TN_OK;
    }
    const char *helper = helper_of(rt, d->ops, place);
    tn__driver_task task = {.backend = d->ops->name,
                            .drivers = d->host.drivers,
                            .open = fresh->arg,
                            .cache = rt->cache_dir};
    tn_status st = helper
                       ? tn__driver_probe(helper, OPEN_PATIENCE * limit_of(rt), &task, NULL, ignore)
                       : TN_STATUS_UNAVAILABLE;
    if (st == TN_STATUS_NO_MEMORY) {
        tn__free(rt, fresh, sizeof(*fresh));
        return st;
    }
    if (!st && stamped)
        leave_stamp(rt, stamp);
    fresh->status = st;
    if (st)
        tn__error_save(&fresh->error, NULL);
    (void)pthread_mutex_lock(&rt->lock);
    fresh->next = d->trials; /* the same from two threads does no harm */
    d->trials = fresh;
    (void)pthread_mutex_unlock(&rt->lock);
    return st;
}

tn_status tn__driver_usable(tn_runtime *rt, const tn_backend_ops *ops, const char *text,
                            const tn_host **out_host)
{
    tn_status st = TN_OK;
    tn__error_copy error = {0};
    (void)pthread_mutex_lock(&rt->lock);
    bool tried = find(rt, ops) != NULL;
    (void)pthread_mutex_unlock(&rt->lock);
    if (!tried)
        st = tn__driver_enumerate(rt, ops, NULL, ignore);
    if (st)
        return st;
    (void)pthread_mutex_lock(&rt->lock);
    tn__driver *d = find(rt, ops);
    if (d && d->status) {
        st = d->status;
        tn__error_save(&error, &d->error.error);
    }
    (void)pthread_mutex_unlock(&rt->lock);
    if (st)
        return tn__fail_again(&error.error);
    if (!d)
        return TN_STATUS_NO_MEMORY; /* for the verdict */
    *out_host = &d->host;
    return try_open(rt, d, text);
}

void tn__drivers_destroy(tn_runtime *rt)
{
    for (tn__driver *d = rt->drivers, *next; d; d = next) {
        next = d->next;
        for (trial *t = d->trials, *after; t; t = after) {
            after = t->next;
            tn__free(rt, t, sizeof(*t));
        }
        tn__free(rt, d->items, d->count * sizeof(*d->items));
        tn__free(rt, d, sizeof(*d));
    }
}
