/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins: backends in files, looked at from outside, tried in a child process, then loaded. */
#ifndef TN_HAL_PLUGIN_H
#define TN_HAL_PLUGIN_H

#include <hal/hal.h>
#include <hal/registry.h>

enum { TN__PLUGIN_PATH_BYTES = 4096, TN__PLUGIN_DEVICES = 1024 };

/* Which file it is: a verdict holds for as long as these are the same. */
typedef struct tn__plugin_file {
    uint64_t device, inode, bytes;
    int64_t mtime_s, mtime_ns;
} tn__plugin_file;

typedef struct tn__plugin {
    struct tn__plugin *next;
    tn__plugin_file file;
    tn_status status;
    bool gone;     /* not found by the last look; a loaded one never is */
    bool remember; /* the verdict is about the file alone, not about its neighbours */
    tn__error_copy error;
    const tn_backend_ops *ops; /* NULL: refused */
    void *handle;
    size_t bytes; /* of this allocation */
    char path[];
} tn__plugin;

struct tn__plugins {
    pthread_mutex_t lock; /* guards: all below but limit_ns and helper; never held over a call */
    pthread_cond_t changed;
    bool busy, scanned;
    pthread_t owner; /* who is busy: a log function that calls back must not wait for itself */
    tn__plugin *first, **end; /* rows are appended, changed, and freed with the runtime */
    uint64_t limit_ns;        /* for one plugin's child */
    const char *helper;       /* NULL: searched for */
};

/* ---- plugin_check.c: what is asked of a backend, in the child as in this process ---- */
/* dlopen and dlsym; the file stays mapped for the life of the process, whoever closes it: threads,
 * thread-local destructors and callers up-stack may still be in its code. */
tn_status tn__plugin_load(const char *path, void **out_handle, tn__backend_query *out_query);
/* Asks with ABI `newest`, then lower; checks the table. */
tn_status tn__plugin_query(tn__backend_query query, uint32_t newest, uint32_t oldest,
                           const tn_backend_ops **out);

/* ---- plugin_linux.c: files and processes ---- */
/* What can be known without running it: a regular, whole ELF library of this architecture. */
tn_status tn__plugin_look(const char *path, tn__plugin_file *out);
/* What the child sends: letters for the stages that it entered, at last TN__STAGE_RESULT and the
 * record. */
enum {
    TN__STAGE_STARTED = 'h',
    TN__STAGE_LOAD = 'l',
    TN__STAGE_QUERY = 'q',
    TN__STAGE_ENUMERATE = 'e',
    TN__STAGE_DEVICE = 'd', /* then a tn_device_info, of a built-in backend */
    TN__STAGE_RESULT = 'r',
    TN__PROBE_FD = 3
};
typedef struct tn__probe_record {
    uint32_t status;
    char reason[64], text[384];
} tn__probe_record;
#define TN__PROBE_PROTOCOL "3"
#define TN__PROBE_BUILTIN  "builtin:" /* then the name of a backend, in place of a plugin's path */
#define TN__PROBE_OPEN     "open:"    /* likewise: opens one of its devices */
/* Loads, queries and enumerates the plugin in a child process. */
tn_status tn__plugin_probe(const char *helper, uint64_t limit_ns, const char *path);
/* What a child is to do with a built-in backend. */
typedef struct tn__driver_task {
    const char *backend;
    const char *drivers; /* these alone, as in tn_host; NULL: all */
    const char *open;    /* a device of it; NULL: enumerate */
    const char *cache;   /* a folder or NULL */
} tn__driver_task;
/* Does it in a child process and passes on what was found; a failure of enumerate keeps its reason,
 * one of open is no matter here, and what happens to the child is driver.crashed, driver.timeout,
 * driver.helper. */
tn_status tn__driver_probe(const char *helper, uint64_t limit_ns, const tn__driver_task *task,
                           void *token, void (*found)(void *token, const tn_device_info *));
/* The helper program, or false: out then says where it was looked for. */
bool tn__plugin_helper(char *out, size_t bytes);
/* The folder that is searched after the plugin path. */
void tn__plugin_folder(char *out, size_t bytes);

/* ---- plugin.c ---- */
tn_status tn__plugins_create(tn_runtime *rt, tn__plugins **out);
void tn__plugins_destroy(tn_runtime *rt, tn__plugins *plugins);
/* Looks at the files; `again` also when that was done already. Refused plugins are no failure. */
tn_status tn__plugins_scan(tn_runtime *rt, bool again);
/* The n-th loaded plugin, NULL past the last. */
const tn_backend_ops *tn__plugins_at(tn_runtime *rt, size_t n);
/* The refused plugin whose file name says that it is of this scheme; false if there is none. */
bool tn__plugins_refused(tn_runtime *rt, const char *scheme, tn__error_copy *out);
/* Copies row n; false past the last. */
bool tn__plugins_row(tn_runtime *rt, size_t n, char path[TN__PLUGIN_PATH_BYTES], tn_status *status,
                     tn__error_copy *error, bool *out_gone);

#endif
