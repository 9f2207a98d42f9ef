/* SPDX-License-Identifier: Apache-2.0 */
/* tenon-probe: loads one plugin, queries and enumerates it, or enumerates a built-in backend with
 * its drivers or opens a device of one, and reports through file 3; whatever they do wrong ends
 * this process and not the one that asked. */
/* path: api > placement > queue > [backend] > kernel > device */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hal/plugin.h>

typedef struct devices {
    const char *scheme;
    uint32_t count;
    tn_status status;
} devices;

static void send_bytes(const void *from, size_t bytes)
{
    for (const char *at = from; bytes > 0;) {
        ssize_t n = write(TN__PROBE_FD, at, bytes);
        if (n <= 0)
            _exit(3);
        at += n;
        bytes -= (size_t)n;
    }
}

static void enter(char stage)
{
    send_bytes(&stage, 1);
}

/* The first bad description stays the answer. */
static void found(void *token, const tn_device_info *info)
{
    devices *all = token;
    tn_device_info own = {.head = TN_INIT(tn_device_info)};
    if (all->status)
        return;
    if (++all->count > TN__PLUGIN_DEVICES)
        all->status = tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.device_info", NULL,
                               "enumerate told of more than %d devices", TN__PLUGIN_DEVICES);
    else
        all->status = tn__struct_in(&own, sizeof(own), TN_TYPE_tn_device_info, info, "found");
    if (!all->status)
        all->status = tn__device_info_check(&own, all->scheme);
}

static tn_status try_plugin(tn_runtime *rt, const char *path)
{
    tn__backend_query query;
    const tn_backend_ops *ops;
    void *handle;
    enter(TN__STAGE_LOAD);
    tn_status st = tn__plugin_load(path, &handle, &query);
    if (st)
        return st;
    enter(TN__STAGE_QUERY);
    st = tn__plugin_query(query, TN_BACKEND_ABI, TN_BACKEND_ABI_OLDEST, &ops);
    if (st)
        return st;
    devices all = {.scheme = ops->name};
    enter(TN__STAGE_ENUMERATE);
    /* A failure is nothing unusual: the driver may be absent here and there. */
    (void)ops->enumerate(&rt->host, &all, found);
    if (all.status) {
        tn_error e;
        tn_error_last(&e);
        if (strcmp(e.reason, "plugin.device_info") != 0) {
            char text[256];
            (void)snprintf(text, sizeof(text), "%s", e.text);
            return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.device_info", NULL, "%s", text);
        }
    }
    return all.status;
}

/* hal checks what it is told as it checks what a backend in its own process says. */
static void pass_on(void *token, const tn_device_info *info)
{
    (void)token;
    tn_device_info own = {.head = TN_INIT(tn_device_info)};
    if (tn__struct_in(&own, sizeof(own), TN_TYPE_tn_device_info, info, "found"))
        return;
    enter(TN__STAGE_DEVICE);
    send_bytes(&own, sizeof(own));
}

static tn_status try_builtin(tn_runtime *rt, const char *name)
{
    const tn_backend_ops *ops;
    tn_status st = tn__registry_find(rt, name, &ops);
    if (st)
        return st;
    enter(TN__STAGE_ENUMERATE);
    tn__error_clear();
    st = ops->enumerate(&rt->host, NULL, pass_on);
    return st ? tn__backend_failed(st, NULL, "enumerate") : TN_OK;
}

static void ignore_loss(void *device_token, tn_status status, const char *reason)
{
    (void)device_token, (void)status, (void)reason;
}

/* Whatever it says in words it will say again to the process that asked; here only its life counts.
 */
static tn_status try_open(tn_runtime *rt, const char *name, const char *arg)
{
    static const char token; /* of a device that hal does not know */
    const tn_backend_ops *ops;
    const tn_device_ops *device = NULL;
    void *object = NULL;
    tn_status st = tn__registry_find(rt, name, &ops);
    if (st)
        return st;
    enter(TN__STAGE_ENUMERATE);
    rt->host.lost = ignore_loss;
    if (ops->open(&rt->host, arg, (void *)(uintptr_t)&token, &object, &device) == TN_OK &&
        tn__table_known(device) && tn__has(device, close))
        device->close(object);
    return TN_OK;
}

/* What follows a word at the beginning of a text; NULL: it begins otherwise. */
static const char *behind(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 ? text + n : NULL;
}

int main(int argc, char **argv)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .flags = TN_RUNTIME_NO_ENV | TN_RUNTIME_NO_PLUGINS};
    tn_runtime *rt = NULL;
    tn__probe_record record = {0};
    /* 1: no core, neither as a file nor through a pipe. */
    struct rlimit core = {.rlim_cur = 1, .rlim_max = 1};
    if (argc != 6 || strcmp(argv[1], TN__PROBE_PROTOCOL) != 0)
        return 2;
    const char *builtin = behind(argv[2], TN__PROBE_BUILTIN),
               *opened = behind(argv[2], TN__PROBE_OPEN);
    if (!builtin && !opened && argv[2][0] != '/')
        return 2;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &core);
    if (fcntl(TN__PROBE_FD, F_SETFD, FD_CLOEXEC) != 0)
        return 2;
    enter(TN__STAGE_STARTED);
    tn_status st = tn_runtime_create(&desc, &rt);
    if (!st) {
        rt->host.drivers = argv[3][0] ? argv[3] : NULL;
        rt->host.cache_dir = argv[5][0] ? argv[5] : NULL;
        st = builtin  ? try_builtin(rt, builtin)
             : opened ? try_open(rt, opened, argv[4])
                      : try_plugin(rt, argv[2]);
    }
    if (st) {
        tn_error e;
        tn_error_last(&e);
        record.status = (uint32_t)st;
        (void)snprintf(record.reason, sizeof(record.reason), "%s", e.reason);
        (void)snprintf(record.text, sizeof(record.text), "%s", e.text);
    }
    enter(TN__STAGE_RESULT);
    send_bytes(&record, sizeof(record));
    _exit(0); /* not exit: the plugin's destructors are its own affair */
}
