/* SPDX-License-Identifier: Apache-2.0 */
/* Finds plugins in the folders of the path, tries each new file in a child, loads what passed. */
/* path: api > placement > queue > [backend] > kernel > device */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <hal/plugin.h>

static const char prefix[] = "tenon_backend_", suffix[] = ".so";
static const uint64_t limit_ns = 10u * UINT64_C(1000000000);

tn_status tn__plugins_create(tn_runtime *rt, tn__plugins **out)
{
    tn__plugins *p = tn__alloc(rt, sizeof(*p));
    *out = p;
    if (!p)
        return TN_STATUS_NO_MEMORY;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    p->end = &p->first;
    p->limit_ns = limit_ns;
    return TN_OK;
}

void tn__plugins_destroy(tn_runtime *rt, tn__plugins *plugins)
{
    if (!plugins)
        return;
    for (tn__plugin *p = plugins->first, *next; p; p = next) {
        next = p->next;
        if (p->ops && tn__has(p->ops, unload))
            p->ops->unload();
        if (p->handle)
            (void)dlclose(p->handle);
        tn__free(rt, p, p->bytes);
    }
    (void)pthread_cond_destroy(&plugins->changed);
    (void)pthread_mutex_destroy(&plugins->lock);
    tn__free(rt, plugins, sizeof(*plugins));
}

/* ---- rows ---- */

static tn__plugin *find(tn__plugins *all, const char *path)
{
    tn__plugin *p = all->first;
    while (p && strcmp(p->path, path) != 0)
        p = p->next;
    return p;
}

/* The row of a path, made if there is none; only the thread that scans calls this. */
static tn__plugin *row_of(tn_runtime *rt, const char *path)
{
    tn__plugins *all = rt->plugins;
    tn__plugin *p = find(all, path);
    if (p)
        return p;
    size_t length = strlen(path) + 1;
    p = tn__alloc(rt, sizeof(*p) + length);
    if (!p)
        return NULL;
    p->bytes = sizeof(*p) + length;
    p->gone = true;
    memcpy(p->path, path, length);
    (void)pthread_mutex_lock(&all->lock);
    *all->end = p;
    all->end = &p->next;
    (void)pthread_mutex_unlock(&all->lock);
    return p;
}

/* Writes a verdict: `st` with this thread's last error, or TN_OK. */
static void decide(tn_runtime *rt, tn__plugin *p, const tn__plugin_file *file, tn_status st,
                   const tn_backend_ops *ops, void *handle, bool remember)
{
    tn__plugins *all = rt->plugins;
    (void)pthread_mutex_lock(&all->lock);
    p->file = *file;
    p->status = st;
    p->remember = remember;
    p->gone = false;
    p->ops = ops;
    p->handle = handle;
    if (st)
        tn__error_save(&p->error, NULL);
    (void)pthread_mutex_unlock(&all->lock);
    if (st)
        tn__log(rt, 2, "plugin refused, %s: %s", p->error.reason, p->error.text);
    else
        tn__log(rt, 3, "plugin loaded: %s has backend %s", p->path, ops->name);
}

static tn_status refuse_path(tn_runtime *rt, const char *path)
{
    const tn__plugin_file none = {0};
    tn__plugin *p = row_of(rt, path);
    if (!p)
        return TN_STATUS_NO_MEMORY;
    decide(rt, p, &none, TN_STATUS_UNAVAILABLE, NULL, NULL, false);
    return TN_OK;
}

/* ---- one file ---- */

static bool same_file(const tn__plugin_file *a, const tn__plugin_file *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns;
}

static tn_status check_twice(tn__plugins *all, const tn__plugin *row, const tn__plugin_file *file)
{
    for (const tn__plugin *p = all->first; p; p = p->next)
        if (p != row && !p->gone && p->file.inode && p->file.device == file->device &&
            p->file.inode == file->inode)
            return tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.duplicate", "path",
                            "%s is the same file as %s, which was looked at first; remove one",
                            row->path, p->path);
    return TN_OK;
}

static tn_status check_name_free(tn_runtime *rt, const tn__plugin *row, const char *name)
{
    const char *owner = NULL;
    for (size_t i = 0; !owner && tn__builtin_backends[i]; i++) {
        const tn_backend_ops *ops;
        if (tn__registry_at(rt, i, &ops) == TN_OK && strcmp(ops->name, name) == 0)
            owner = "built in";
    }
    for (const tn__plugin *p = rt->plugins->first; p && !owner; p = p->next)
        if (p->ops && strcmp(p->ops->name, name) == 0)
            owner = p->path;
    return owner
               ? tn__fail(TN_STATUS_INCOMPATIBLE, "plugin.name_taken", "path",
                          "%s has a backend \"%s\", and so has %s; every backend needs a name of "
                          "its own",
                          row->path, name, strcmp(owner, "built in") == 0 ? "this library" : owner)
               : TN_OK;
}

static tn_status try_in_child(tn_runtime *rt, const char *path)
{
    char place[TN__PLUGIN_PATH_BYTES];
    const char *helper = rt->plugins->helper;
    if (!helper && !tn__plugin_helper(place, sizeof(place)))
        return tn__fail(TN_STATUS_UNAVAILABLE, "plugin.helper", "path",
                        "%s was not tried: there is no helper %s and none beside this library; "
                        "install tenon-probe",
                        path, place);
    return tn__plugin_probe(helper ? helper : place, rt->plugins->limit_ns, path);
}

static tn_status load(tn_runtime *rt, const tn__plugin *row, void **out_handle,
                      const tn_backend_ops **out_ops)
{
    tn__backend_query query;
    tn__error_copy first;
    *out_ops = NULL;
    tn_status st = tn__plugin_load(row->path, out_handle, &query);
    if (st)
        return st;
    st = tn__plugin_query(query, TN_BACKEND_ABI, TN_BACKEND_ABI_OLDEST, out_ops);
    if (!st)
        st = check_name_free(rt, row, (*out_ops)->name);
    if (!st)
        return TN_OK;
    tn__error_save(&first, NULL);
    if (*out_ops && tn__has(*out_ops, unload))
        (*out_ops)->unload();
    (void)dlclose(*out_handle);
    *out_handle = NULL;
    *out_ops = NULL;
    return tn__fail_again(&first.error);
}

/* A failure here is the plugin's verdict; only NO_MEMORY for the row itself is the caller's. */
static tn_status examine(tn_runtime *rt, const char *path)
{
    tn__plugin_file file, now;
    const tn_backend_ops *ops = NULL;
    void *handle = NULL;
    tn__plugin *p = row_of(rt, path);
    if (!p)
        return TN_STATUS_NO_MEMORY;
    tn_status st = tn__plugin_look(path, &file);
    if (p->ops || (p->remember && same_file(&p->file, &file))) {
        (void)pthread_mutex_lock(&rt->plugins->lock);
        p->gone = false;
        (void)pthread_mutex_unlock(&rt->plugins->lock);
        return TN_OK;
    }
    bool remember = true;
    if (!st && check_twice(rt->plugins, p, &file))
        st = TN_STATUS_INCOMPATIBLE, remember = false;
    if (!st) {
        st = try_in_child(rt, path);
        remember = st != TN_STATUS_UNAVAILABLE && st != TN_STATUS_NO_MEMORY;
    }
    if (!st && (tn__plugin_look(path, &now) || !same_file(&file, &now))) {
        st = tn__fail(TN_STATUS_UNAVAILABLE, "plugin.changed", "path",
                      "%s changed while it was tried; discover again", path);
        remember = false;
    }
    if (!st) {
        st = load(rt, p, &handle, &ops);
        remember = false; /* it depends on who else is loaded */
    }
    decide(rt, p, &file, st, ops, handle, remember);
    return TN_OK;
}

/* ---- folders ---- */

static bool plugin_name(const char *name)
{
    size_t n = strlen(name), head = sizeof(prefix) - 1, tail = sizeof(suffix) - 1;
    return n > head + tail && memcmp(name, prefix, head) == 0 &&
           strcmp(name + n - tail, suffix) == 0;
}

/* In the order of their names, so that the same files give the same answer everywhere; folders of
 * plugins are small, so each step reads the folder again instead of keeping a list. */
static tn_status look_into(tn_runtime *rt, DIR *d, const char *folder)
{
    char last[256] = "", next[256], path[TN__PLUGIN_PATH_BYTES];
    for (;;) {
        const struct dirent *e;
        next[0] = 0;
        rewinddir(d);
        while ((e = readdir(d)) != NULL)
            if (plugin_name(e->d_name) && strlen(e->d_name) < sizeof(next) &&
                strcmp(e->d_name, last) > 0 && (!next[0] || strcmp(e->d_name, next) < 0))
                memcpy(next, e->d_name, strlen(e->d_name) + 1);
        if (!next[0])
            return TN_OK;
        memcpy(last, next, sizeof(last));
        if (snprintf(path, sizeof(path), "%s/%s", folder, next) >= (int)sizeof(path))
            continue; /* no such path can be opened: it is longer than PATH_MAX */
        tn_status st = examine(rt, path);
        if (st)
            return st;
    }
}

/* A folder that somebody named is missed, the one that is always searched is not. */
static tn_status scan_folder(tn_runtime *rt, const char *folder, bool named)
{
    DIR *d = opendir(folder);
    if (!d) {
        if (!named)
            return TN_OK;
        (void)tn__fail(TN_STATUS_UNAVAILABLE, "plugin.folder", "plugin_path",
                       "the folder %s of the plugin path cannot be read: %s", folder,
                       strerror(errno));
        return refuse_path(rt, folder);
    }
    tn_status st = look_into(rt, d, folder);
    (void)closedir(d);
    return st;
}

static tn_status scan(tn_runtime *rt)
{
    char folder[TN__PLUGIN_PATH_BYTES];
    for (const char *at = rt->plugin_path; at && *at;) {
        size_t n = strcspn(at, ":"); /* its length was checked */
        memcpy(folder, at, n);
        while (n > 1 && folder[n - 1] == '/')
            n--;
        folder[n] = 0;
        if (n) {
            tn_status st = scan_folder(rt, folder, true);
            if (st)
                return st;
        }
        at += strcspn(at, ":");
        at += *at == ':';
    }
    tn__plugin_folder(folder, sizeof(folder));
    return scan_folder(rt, folder, false);
}

tn_status tn__plugins_scan(tn_runtime *rt, bool again)
{
    tn__plugins *all = rt->plugins;
    tn__error_copy before, first;
    if (!all)
        return TN_OK;
    (void)pthread_mutex_lock(&all->lock);
    bool self = all->busy && pthread_equal(all->owner, pthread_self());
    while (all->busy && !self)
        (void)pthread_cond_wait(&all->changed, &all->lock);
    bool work = !self && (again || !all->scanned);
    if (work) {
        all->busy = true;
        all->owner = pthread_self();
    }
    for (tn__plugin *p = all->first; work && p; p = p->next)
        p->gone = p->ops == NULL;
    (void)pthread_mutex_unlock(&all->lock);
    if (!work)
        return TN_OK;
    tn__error_save(&before, NULL); /* refused plugins are rows, not errors of this call */
    tn_status st = scan(rt);
    tn__error_save(&first, NULL);
    (void)pthread_mutex_lock(&all->lock);
    all->busy = false;
    all->scanned = st == TN_OK;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
    (void)tn__fail_again(st ? &first.error : &before.error);
    return st;
}

/* ---- questions ---- */

const tn_backend_ops *tn__plugins_at(tn_runtime *rt, size_t n)
{
    const tn_backend_ops *ops = NULL;
    tn__plugins *all = rt->plugins;
    if (!all)
        return NULL;
    (void)pthread_mutex_lock(&all->lock);
    for (const tn__plugin *p = all->first; p && !ops; p = p->next)
        if (p->ops && n-- == 0)
            ops = p->ops;
    (void)pthread_mutex_unlock(&all->lock);
    return ops;
}

/* Whether the file's own part of its name is the scheme; a name has _ where a scheme may have -. */
static bool named_after(const char *path, const char *scheme)
{
    const char *name = strrchr(path, '/');
    if (!name || !plugin_name(name + 1))
        return false;
    name += sizeof(prefix);
    while (*scheme && (*name == *scheme || (*name == '_' && *scheme == '-')))
        name++, scheme++;
    return !*scheme && strcmp(name, suffix) == 0;
}

bool tn__plugins_refused(tn_runtime *rt, const char *scheme, tn__error_copy *out)
{
    tn__plugins *all = rt->plugins;
    bool found = false;
    if (!all)
        return false;
    (void)pthread_mutex_lock(&all->lock);
    for (const tn__plugin *p = all->first; p && !found; p = p->next) {
        found = !p->gone && p->status && named_after(p->path, scheme);
        if (found)
            tn__error_save(out, &p->error.error);
    }
    (void)pthread_mutex_unlock(&all->lock);
    return found;
}

bool tn__plugins_row(tn_runtime *rt, size_t n, char path[TN__PLUGIN_PATH_BYTES], tn_status *status,
                     tn__error_copy *error, bool *out_gone)
{
    tn__plugins *all = rt->plugins;
    if (!all)
        return false;
    (void)pthread_mutex_lock(&all->lock);
    const tn__plugin *p = all->first;
    while (p && n-- > 0)
        p = p->next;
    if (p) {
        (void)snprintf(path, TN__PLUGIN_PATH_BYTES, "%s", p->path);
        *status = p->status;
        *out_gone = p->gone;
        if (p->status)
            tn__error_save(error, &p->error.error);
    }
    (void)pthread_mutex_unlock(&all->lock);
    return p != NULL;
}
