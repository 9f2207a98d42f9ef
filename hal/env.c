/* SPDX-License-Identifier: Apache-2.0 */
/* The environment, read once when a runtime is created; the only reader of it. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hal/hal.h>

extern char **environ;

enum { MAX_THREADS = 4096, MAX_SPIN_US = 100000, MAX_FOLDER = 3072 };

#if defined(__x86_64__)
static const char *const cpu_tiers[] = {"baseline", "avx2", "avx512", "avx512bf16", "amx", NULL};
#elif defined(__aarch64__)
static const char *const cpu_tiers[] = {"baseline", "neon", NULL};
#else
static const char *const cpu_tiers[] = {"baseline", NULL};
#endif
static const char *const log_levels[] = {"off", "error", "warning", "info", "debug", "trace", NULL};

/* Empty is unset. */
static const char *read_env(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

/* Index of the value among the names; refuses others and says what is allowed. */
static tn_status pick(const char *name, const char *value, const char *const *allowed, int32_t *out)
{
    char list[128] = "";
    size_t at = 0;
    for (int32_t i = 0; allowed[i]; i++) {
        if (strcmp(value, allowed[i]) == 0) {
            *out = i;
            return TN_OK;
        }
        int n = snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "", allowed[i]);
        if (n > 0 && (size_t)n < sizeof(list) - at)
            at += (size_t)n;
    }
    return tn__fail(TN_STATUS_INVALID, "env.value", name, "%s is \"%.64s\"; allowed are: %s", name,
                    value, list);
}

/* Leaves *out where the variable is unset. */
static tn_status read_number(const char *name, uint32_t least, uint32_t most, uint32_t *out)
{
    const char *value = read_env(name);
    char *end;
    if (!value)
        return TN_OK;
    unsigned long n = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || n < least || n > most)
        return tn__fail(TN_STATUS_INVALID, "env.value", name,
                        "%s is \"%.64s\"; allowed are: %u to %u", name, value, least, most);
    *out = (uint32_t)n;
    return TN_OK;
}

static tn_status read_text(tn_runtime *rt, const char *name, char **out)
{
    const char *value = read_env(name);
    if (!value)
        return TN_OK;
    size_t bytes = strlen(value) + 1;
    *out = tn__alloc(rt, bytes);
    if (!*out)
        return TN_STATUS_NO_MEMORY;
    memcpy(*out, value, bytes);
    return TN_OK;
}

static tn_status check_devices(const char *list)
{
    char uri[TN__URI_BYTES], scheme[TN__SCHEME_BYTES];
    const char *rest;
    for (;;) {
        tn_status st = tn__uri_next(&list, uri);
        if (st || !uri[0])
            return st;
        st = tn__uri_split(uri, scheme, &rest);
        if (st) {
            tn__error_copy why;
            tn__error_save(&why, NULL);
            return tn__fail(st, "env.value", "TENON_DEVICES",
                            "TENON_DEVICES names \"%.64s\"; allowed are URI,URI,...: %s", uri,
                            why.text);
        }
    }
}

tn_status tn__env_check_path(const char *path, const char *argument)
{
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, ":");
        if (n && (at[0] != '/' || n > MAX_FOLDER))
            return tn__fail(TN_STATUS_INVALID, "env.value", argument,
                            "%s has the folder \"%.*s\"; allowed are: absolute names of at most %d "
                            "characters, joined by ':'",
                            argument, n > 64 ? 64 : (int)n, at, MAX_FOLDER);
        at += n + (at[n] == ':');
    }
    return TN_OK;
}

char **tn__env_all(void)
{
    return environ;
}

/* Whoever runs a program with more rights than their own does not choose what it loads. */
static bool same_rights(void)
{
    return getuid() == geteuid() && getgid() == getegid();
}

const char *tn__env_driver(const char *name)
{
    return same_rights() ? read_env(name) : NULL;
}

tn_status tn__env_read(tn_runtime *rt, tn__env *out)
{
    tn_status st;
    const char *value;
    int32_t i;
    memset(out, 0, sizeof(*out));
    out->log_level = -1;
    out->spin_us = TN__SPIN_US;

    value = read_env("TENON_CPU_MAX");
    if (value) {
        st = pick("TENON_CPU_MAX", value, cpu_tiers, &i);
        if (st)
            return st;
        (void)snprintf(out->cpu_max, sizeof(out->cpu_max), "%s", cpu_tiers[i]);
    }
    value = read_env("TENON_LOG");
    if (value) {
        st = pick("TENON_LOG", value, log_levels, &out->log_level);
        if (st)
            return st;
    }
    st = read_number("TENON_THREADS", 1, MAX_THREADS, &out->threads);
    if (!st)
        st = read_number("TENON_SPIN_US", 0, MAX_SPIN_US, &out->spin_us);
    if (st)
        return st;
    st = same_rights() ? read_text(rt, "TENON_PLUGIN_PATH", &out->plugin_path) : TN_OK;
    if (!st && out->plugin_path)
        st = tn__env_check_path(out->plugin_path, "TENON_PLUGIN_PATH");
    if (!st)
        st = read_text(rt, "TENON_CACHE_DIR", &out->cache_dir);
    if (!st)
        st = read_text(rt, "TENON_DEVICES", &out->devices);
    if (!st && out->devices)
        st = check_devices(out->devices);
    if (st)
        tn__env_free(rt, out);
    return st;
}

static void free_text(tn_runtime *rt, char **text)
{
    if (*text)
        tn__free(rt, *text, strlen(*text) + 1);
    *text = NULL;
}

void tn__env_free(tn_runtime *rt, tn__env *env)
{
    free_text(rt, &env->plugin_path);
    free_text(rt, &env->cache_dir);
    free_text(rt, &env->devices);
}
