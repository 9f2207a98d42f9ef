/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the backend of a URI's scheme. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <stdio.h>

#include <hal/plugin.h>

static tn_status builtin(size_t i, const tn_backend_ops **out)
{
    const tn_backend_ops *ops = NULL;
    tn__error_clear();
    tn_status st = tn__builtin_backends[i](TN_BACKEND_ABI, &ops);
    if (st)
        return tn__backend_failed(st, NULL, "tn_backend_query");
    if (!tn__table_known(ops) || !tn__has(ops, open) || !tn__has(ops, enumerate) || !ops->name)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "backend.abi", NULL,
                        "built-in backend %zu has no table of ABI %u to %u with name, enumerate "
                        "and open",
                        i, TN_BACKEND_ABI_OLDEST, TN_BACKEND_ABI);
    *out = ops;
    return TN_OK;
}

tn_status tn__registry_at(tn_runtime *rt, size_t i, const tn_backend_ops **out)
{
    size_t count = 0;
    *out = NULL;
    while (count < i && tn__builtin_backends[count])
        count++;
    if (tn__builtin_backends[count])
        return builtin(i, out);
    *out = tn__plugins_at(rt, i - count);
    return TN_OK;
}

/* Adds a name to a list for an error text. */
static void add_name(char *list, size_t bytes, const char *name)
{
    size_t at = strlen(list);
    if (at + strlen(name) + 3 < bytes)
        (void)snprintf(list + at, bytes - at, "%s%s", at ? ", " : "", name);
}

/* Looks among the backends that are there; those of other names go into the list. */
static void find_known(tn_runtime *rt, const char *scheme, char *known, size_t bytes,
                       const tn_backend_ops **out)
{
    for (size_t i = 0;; i++) {
        const tn_backend_ops *ops;
        tn_status st = tn__registry_at(rt, i, &ops);
        if (st) {
            tn_error e;
            tn_error_last(&e);
            tn__log(rt, 2, "backend %zu is left out: %s", i, e.text);
            continue;
        }
        if (!ops)
            return;
        if (strcmp(ops->name, scheme) == 0) {
            *out = ops;
            return;
        }
        add_name(known, bytes, ops->name);
    }
}

tn_status tn__registry_find(tn_runtime *rt, const char *scheme, const tn_backend_ops **out)
{
    char known[256] = "";
    tn__error_copy why;
    *out = NULL;
    find_known(rt, scheme, known, sizeof(known), out);
    if (!*out) { /* plugins are looked for when a name asks for them, not before */
        tn_status st = tn__plugins_scan(rt, false);
        if (st)
            return st;
        known[0] = 0;
        find_known(rt, scheme, known, sizeof(known), out);
    }
    if (*out)
        return TN_OK;
    if (tn__plugins_refused(rt, scheme, &why))
        return tn__fail(TN_STATUS_UNAVAILABLE, "device.refused", "uri",
                        "the plugin of \"%s\" was refused (%s): %s", scheme, why.reason, why.text);
    return tn__fail(TN_STATUS_UNAVAILABLE, "device.unknown", "uri",
                    "uri begins with \"%s\", and no backend is called so; this library has: %s",
                    scheme, known[0] ? known : "none");
}
