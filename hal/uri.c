/* SPDX-License-Identifier: Apache-2.0 */
/* Device URIs: name[:arg][?key=value&...]; a child with , or ? stands in [ ]. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdio.h>

#include <hal/hal.h>

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The first of the characters in `set` outside of [ ], or the end; NULL if brackets do not match.
 */
static const char *find_outside(const char *at, const char *set)
{
    int depth = 0;
    for (; *at; at++) {
        if (*at == '[')
            depth++;
        else if (*at == ']' && --depth < 0)
            return NULL;
        else if (depth == 0 && strchr(set, *at))
            return at;
    }
    return depth ? NULL : at;
}

static tn_status check_parameters(const char *uri, const char *at)
{
    const char *first = at;
    for (;;) {
        const char *end = find_outside(at, "&");
        size_t bytes = (size_t)(end - at), key = 0;
        while (key < bytes && name_char(at[key]))
            key++;
        if (key == 0 || key >= bytes || at[key] != '=')
            return tn__fail(TN_STATUS_INVALID, "uri.parameter", "uri",
                            "uri \"%s\" has the parameter \"%.*s\"; write ?key=value&key=value",
                            uri, (int)bytes, at);
        /* Two answers to one question are none. */
        for (const char *other = first; other < at; other = find_outside(other, "&") + 1)
            if (strncmp(other, at, key + 1) == 0)
                return tn__fail(TN_STATUS_INVALID, "uri.parameter", "uri",
                                "uri \"%s\" has the parameter \"%.*s\" twice; give each key once",
                                uri, (int)key, at);
        if (!*end)
            return TN_OK;
        at = end + 1;
    }
}

tn_status tn__uri_split(const char *uri, char scheme[TN__SCHEME_BYTES], const char **out_rest)
{
    size_t n = 0;
    if (!uri)
        return tn__fail(TN_STATUS_INVALID, "uri.null", "uri",
                        "uri is NULL; give a device such as \"cpu\"");
    size_t bytes = strlen(uri);
    if (bytes >= TN__URI_BYTES)
        return tn__fail(TN_STATUS_INVALID, "uri.length", "uri",
                        "uri has %zu characters; at most %d are allowed", bytes, TN__URI_BYTES - 1);
    while (name_char(uri[n]))
        n++;
    if (n == 0 || n >= TN__SCHEME_BYTES || (uri[n] && uri[n] != ':' && uri[n] != '?'))
        return tn__fail(TN_STATUS_INVALID, "uri.name", "uri",
                        "uri \"%s\" does not start with a device name; write 1 to %d of a-z 0-9 - "
                        "_, then nothing, : or ?",
                        uri, TN__SCHEME_BYTES - 1);
    const char *question = find_outside(uri, "?");
    if (!question)
        return tn__fail(TN_STATUS_INVALID, "uri.brackets", "uri",
                        "uri \"%s\" has [ and ] that do not match; close each [ with one ]", uri);
    if (*question) {
        tn_status st = check_parameters(uri, question + 1);
        if (st)
            return st;
    }
    memcpy(scheme, uri, n);
    scheme[n] = 0;
    *out_rest = uri + n + (uri[n] == ':');
    return TN_OK;
}

bool tn__uri_has(const char *uri, const char *key)
{
    size_t n = strlen(key);
    const char *at = find_outside(uri, "?");
    while (at && *at) {
        at++;
        if (strncmp(at, key, n) == 0 && at[n] == '=')
            return true;
        at = find_outside(at, "&");
    }
    return false;
}

tn_status tn__uri_next(const char **list, char out[TN__URI_BYTES])
{
    const char *at = *list;
    out[0] = 0;
    if (!*at)
        return TN_OK;
    const char *end = find_outside(at, ",");
    if (!end)
        return tn__fail(
            TN_STATUS_INVALID, "uri.brackets", "TENON_DEVICES",
            "TENON_DEVICES has [ and ] that do not match in \"%.100s\"; close each [ with one ]",
            at);
    size_t bytes = (size_t)(end - at);
    if (bytes > 2 && at[0] == '[' && at[bytes - 1] == ']') {
        at++;
        bytes -= 2;
    }
    if (bytes == 0 || bytes >= TN__URI_BYTES || (*end && !end[1]))
        return tn__fail(TN_STATUS_INVALID, "uri.list", "TENON_DEVICES",
                        "TENON_DEVICES has an entry of %zu characters or ends with a comma, from "
                        "\"%.64s\" on; write URI,URI with 1 to %d characters each",
                        bytes, at, TN__URI_BYTES - 1);
    memcpy(out, at, bytes);
    out[bytes] = 0;
    *list = *end ? end + 1 : end;
    return TN_OK;
}
