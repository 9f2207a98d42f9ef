/* SPDX-License-Identifier: Apache-2.0 */
/* Backends that load drivers of others: their devices are listed by a child process, and a driver
 * that crashes or hangs there is not let into this one. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <hal/plugin.h>

/* Drivers compile, look for hardware and start threads before they list anything: they get three
 * times what a plugin gets. */
static const uint64_t usual_limit_ns = 10u * UINT64_C(1000000000);

struct tn__driver {
    struct tn__driver *next;
    const tn_backend_ops *ops;
    tn_status status;
    tn__error_copy error;
};

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
static void remember(tn_runtime *rt, const tn_backend_ops *ops, tn_status st)
{
    tn__error_copy error = {0};
    if (st)
        tn__error_save(&error, NULL);
    tn__driver *fresh = tn__alloc(rt, sizeof(*fresh));
    (void)pthread_mutex_lock(&rt->lock);
    tn__driver *d = find(rt, ops);
    if (!d && fresh) {
        d = fresh;
        fresh = NULL;
        d->ops = ops;
        d->next = rt->drivers;
        rt->drivers = d;
    }
    if (d) {
        d->status = st;
        if (st)
            tn__error_save(&d->error, &error.error);
    }
    (void)pthread_mutex_unlock(&rt->lock);
    if (fresh)
        tn__free(rt, fresh, sizeof(*fresh));
    if (st)
        (void)tn__fail_again(&error.error);
}

tn_status tn__driver_enumerate(tn_runtime *rt, const tn_backend_ops *ops, void *token,
                               void (*found)(void *token, const tn_device_info *))
{
    char place[TN__PLUGIN_PATH_BYTES];
    const char *helper = rt->plugins ? rt->plugins->helper : NULL;
    uint64_t limit_ns = 3 * (rt->plugins ? rt->plugins->limit_ns : usual_limit_ns);
    tn_status st;
    if (helper || tn__plugin_helper(place, sizeof(place)))
        st = tn__driver_probe(helper ? helper : place, limit_ns, ops->name, token, found);
    else
        st = tn__fail(TN_STATUS_UNAVAILABLE, "driver.helper", "uri",
                      "the drivers of %s were not tried: there is no helper %s and none beside "
                      "this library; install tenon-probe",
                      ops->name, place);
    if (st != TN_STATUS_NO_MEMORY)
        remember(rt, ops, st);
    return st;
}

static void ignore(void *token, const tn_device_info *info)
{
    (void)token, (void)info;
}

tn_status tn__driver_usable(tn_runtime *rt, const tn_backend_ops *ops)
{
    tn_status st = TN_OK;
    tn__error_copy error = {0};
    (void)pthread_mutex_lock(&rt->lock);
    const tn__driver *d = find(rt, ops);
    if (d && d->status) {
        st = d->status;
        tn__error_save(&error, &d->error.error);
    }
    (void)pthread_mutex_unlock(&rt->lock);
    if (!d)
        return tn__driver_enumerate(rt, ops, NULL, ignore);
    return st ? tn__fail_again(&error.error) : TN_OK;
}

void tn__drivers_destroy(tn_runtime *rt)
{
    for (tn__driver *d = rt->drivers, *next; d; d = next) {
        next = d->next;
        tn__free(rt, d, sizeof(*d));
    }
}
