/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the backend of a URI's scheme. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <stdio.h>

#include <hal/hal.h>
#include <hal/registry.h>

tn_status tn__registry_at(size_t i, const tn_backend_ops **out)
{
    const tn_backend_ops *ops = NULL;
    *out = NULL;
    if (!tn__builtin_backends[i])
        return TN_OK;
    tn__error_clear();
    tn_status st = tn__builtin_backends[i](TN_BACKEND_ABI, &ops);
    if (st)
        return tn__backend_failed(st, NULL, "tn_backend_query");
    if (!ops || ops->abi == 0 || ops->abi > TN_BACKEND_ABI || !tn__has(ops, open) ||
        !tn__has(ops, enumerate) || !ops->name)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "backend.abi", NULL,
                        "built-in backend %zu has no table of ABI 1 to %u with name, enumerate and "
                        "open",
                        i, TN_BACKEND_ABI);
    *out = ops;
    return TN_OK;
}

tn_status tn__registry_find(tn_runtime *rt, const char *scheme, const tn_backend_ops **out)
{
    char known[256] = "";
    size_t at = 0;
    *out = NULL;
    for (size_t i = 0; tn__builtin_backends[i]; i++) {
        const tn_backend_ops *ops;
        if (tn__registry_at(i, &ops)) {
            tn_error e;
            tn_error_last(&e);
            tn__log(rt, 2, "backend %zu is left out: %s", i, e.text);
            continue;
        }
        if (strcmp(ops->name, scheme) == 0) {
            *out = ops;
            return TN_OK;
        }
        int n = snprintf(known + at, sizeof(known) - at, "%s%s", at ? ", " : "", ops->name);
        if (n > 0 && (size_t)n < sizeof(known) - at)
            at += (size_t)n;
    }
    return tn__fail(TN_STATUS_UNAVAILABLE, "device.unknown", "uri",
                    "no backend is called \"%s\"; this library has: %s", scheme,
                    at ? known : "none");
}
