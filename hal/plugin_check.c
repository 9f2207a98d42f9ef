/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a backend's symbol, tables and device descriptions before they are believed. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <dlfcn.h>
#include <stdio.h>

#include <hal/plugin.h>

enum { TABLE_BYTES = 65536, CHILDREN = 4096 };
#ifndef RTLD_NODELETE
#define RTLD_NODELETE 0
#endif

tn_status tn__plugin_load(const char *path, void **out_handle, tn__backend_query *out_query)
{
    *out_query = NULL;
    *out_handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!*out_handle) {
        const char *why = dlerror();
        return tn__fail(TN_STATUS_UNAVAILABLE, "plugin.load", "path",
                        "%s cannot be loaded: %s; install what it needs", path,
                        why ? why : "no reason given");
    }
    void *symbol = dlsym(*out_handle, "tn_backend_query");
    if (!symbol) {
        (void)dlclose(*out_handle);
        *out_handle = NULL;
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.symbol", "path",
                        "%s does not export tn_backend_query; a plugin defines it as "
                        "<tenon/backend.h> declares it",
                        path);
    }
    *out_query = (tn__backend_query)symbol;
    return TN_OK;
}

static tn_status check_name(const char *name)
{
    size_t n = 0;
    while (n < TN__SCHEME_BYTES &&
           ((name[n] >= 'a' && name[n] <= 'z') || (name[n] >= '0' && name[n] <= '9') ||
            name[n] == '-' || name[n] == '_'))
        n++;
    if (n > 0 && n < TN__SCHEME_BYTES && name[n] == 0)
        return TN_OK;
    return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.name", "name",
                    "the backend's name starts with \"%.*s\" and cannot be a URI's; allowed are 1 "
                    "to %d of a-z 0-9 - _",
                    (int)n, name, TN__SCHEME_BYTES - 1);
}

tn_status tn__plugin_query(tn__backend_query query, uint32_t newest, uint32_t oldest,
                           const tn_backend_ops **out)
{
    const tn_backend_ops *ops = NULL;
    tn_status st = TN_STATUS_INCOMPATIBLE;
    uint32_t asked = newest;
    *out = NULL;
    for (;; asked--) {
        ops = NULL;
        st = query(asked, &ops);
        if (st != TN_STATUS_INCOMPATIBLE || asked <= oldest)
            break;
    }
    if (st == TN_STATUS_INCOMPATIBLE)
        return tn__fail(st, "plugin.abi", "host_abi",
                        "tn_backend_query refused every ABI from %u down to %u; build the plugin "
                        "against this library's <tenon/backend.h>",
                        newest, oldest);
    if (st)
        return tn__fail(st > TN_STATUS_INTERNAL ? TN_STATUS_INCOMPATIBLE : st, "plugin.refused",
                        NULL, "tn_backend_query(%u) failed with %s", asked, tn_status_name(st));
    if (!ops)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.table", "out_ops",
                        "tn_backend_query(%u) succeeded and gave no table", asked);
    if (ops->abi < oldest || ops->abi > asked)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.abi", "abi",
                        "tn_backend_query(%u) gave a table of ABI %u; allowed are %u to %u", asked,
                        ops->abi, oldest, asked);
    if (ops->bytes > TABLE_BYTES || !tn__has(ops, name) || !tn__has(ops, enumerate) ||
        !tn__has(ops, open))
        return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.table", "out_ops",
                        "the table has %u bytes (%zu to %d are allowed) or lacks one of name, "
                        "enumerate and open, which are required",
                        ops->bytes, offsetof(tn_backend_ops, unload), TABLE_BYTES);
    st = check_name(ops->name);
    if (!st)
        *out = ops;
    return st;
}

tn_status tn__backend_table(const char *uri, const char *what)
{
    tn_status st =
        tn__fail(TN_STATUS_INCOMPATIBLE, "backend.table", NULL,
                 "the backend of %s gave a %s without a table of ABI %u to %u with the required "
                 "entries",
                 uri, what, TN_BACKEND_ABI_OLDEST, TN_BACKEND_ABI);
    tn__error_device(uri);
    return st;
}

static bool ends(const char *text, size_t bytes)
{
    return memchr(text, 0, bytes) != NULL;
}

static bool power_or_zero(uint64_t n)
{
    return (n & (n - 1)) == 0;
}

tn_status tn__device_info_check(const tn_device_info *info, const char *scheme)
{
    const uint32_t flags = TN_DEVICE_HOST_VISIBLE | TN_DEVICE_ASYNC | TN_DEVICE_SIMULATED |
                           TN_DEVICE_REMOTE | TN_DEVICE_DEFAULT;
    const char *field = NULL, *allowed = "";
    char own[TN__SCHEME_BYTES];
    const char *rest;
    if (!ends(info->uri, sizeof(info->uri)) || !ends(info->name, sizeof(info->name)) ||
        !ends(info->vendor, sizeof(info->vendor)) || !ends(info->driver, sizeof(info->driver)) ||
        !ends(info->group, sizeof(info->group)))
        field = "uri, name, vendor, driver or group", allowed = "text that ends inside its field";
    else if (scheme && (tn__uri_split(info->uri, own, &rest) || strcmp(own, scheme) != 0))
        field = "uri", allowed = "a URI that starts with the backend's name";
    else if (info->kind < TN_KIND_CPU || info->kind > TN_KIND_COMPOSITE)
        field = "kind", allowed = "one of TN_KIND_*";
    else if (info->flags & ~flags)
        field = "flags", allowed = "TN_DEVICE_* bits";
    else if (!power_or_zero(info->buffer_align) || !power_or_zero(info->offset_align) ||
             !power_or_zero(info->import_align))
        field = "buffer_align, offset_align or import_align", allowed = "0 or a power of two";
    else if (info->memory_bytes && info->largest_buffer_bytes > info->memory_bytes)
        field = "largest_buffer_bytes", allowed = "0 to memory_bytes";
    else if (info->children > CHILDREN)
        field = "children", allowed = "0 to 4096";
    if (!field)
        return TN_OK;
    return tn__fail(TN_STATUS_INCOMPATIBLE, "backend.info", field,
                    "the description of a device of backend \"%s\" has a bad %s; allowed is %s",
                    scheme ? scheme : "?", field, allowed);
}
