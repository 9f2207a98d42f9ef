/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins that do one thing wrong, and two that are merely old; KIND_<name> says which this is. */
#if defined(KIND_touched)
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <tenon/backend.h>
#include <unistd.h>

#if defined(KIND_name_builtin)
#define SCHEME "cpu"
#elif defined(KIND_name_bad)
#define SCHEME "Not a name"
#elif defined(KIND_name_long)
#define SCHEME "a-name-that-no-uri-can-have-because-it-does-not-end-soon-enough"
#else
#define SCHEME KIND_TEXT
#endif

#if defined(KIND_undefined)
int tn_test_nobody_defines_this(void); /* RTLD_NOW: found out before anything runs */
#endif

static void hang(void)
{
    for (;;)
        pause();
}

#if defined(KIND_crash_load)
__attribute__((constructor)) static void crash(void)
{
    (void)raise(SIGSEGV);
}
#endif

#if defined(KIND_grown) || defined(KIND_info_tail)
/* A description with a field of tomorrow, which is in use or not. */
static void tell_tomorrow(void *token, const tn_device_info *info,
                          void (*found)(void *, const tn_device_info *))
{
    struct {
        tn_device_info info;
        uint64_t tomorrow;
    } more;
    memset(&more, 0, sizeof more);
    more.info = *info;
    more.info.head.size = sizeof more;
#if defined(KIND_info_tail)
    more.tomorrow = 1;
#endif
    found(token, &more.info);
}
#endif

static void tell(void *token, void (*found)(void *, const tn_device_info *))
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    snprintf(info.uri, sizeof info.uri, "%s", SCHEME);
    snprintf(info.name, sizeof info.name, "a device of the tests");
    info.kind = TN_KIND_ACCELERATOR;
#if defined(KIND_info_uri)
    snprintf(info.uri, sizeof info.uri, "cpu");
#elif defined(KIND_info_kind)
    info.kind = (tn_kind)77;
#elif defined(KIND_info_text)
    memset(info.vendor, 'x', sizeof info.vendor);
#elif defined(KIND_info_flags)
    info.flags = 1u << 30;
#elif defined(KIND_info_align)
    info.buffer_align = 48;
#elif defined(KIND_info_memory)
    info.memory_bytes = 4096;
    info.largest_buffer_bytes = 8192;
#elif defined(KIND_info_children)
    info.children = 1000000;
#elif defined(KIND_info_head)
    info.head.type = TN_TYPE_tn_link;
#elif defined(KIND_info_many)
    for (int i = 0; i < 100000; ++i)
        found(token, &info);
#endif
#if defined(KIND_grown) || defined(KIND_info_tail)
    tell_tomorrow(token, &info, found);
#else
    found(token, &info);
#endif
}

static tn_status enumerate(const tn_host *host, void *token,
                           void (*found)(void *token, const tn_device_info *))
{
    (void)host;
#if defined(KIND_crash_enumerate)
    (void)raise(SIGBUS);
#elif defined(KIND_hang_enumerate)
    hang();
#elif defined(KIND_touched) /* a file that is written to while it is tried */
    Dl_info self;
    if (dladdr(SCHEME, &self))
        (void)utimensat(AT_FDCWD, self.dli_fname, NULL, 0);
#elif defined(KIND_no_driver)
    return host->fail(TN_STATUS_UNAVAILABLE, "no_driver.absent", __FILE__, __LINE__, "no driver");
#endif
    tell(token, found);
    return TN_OK;
}

/* ---- a device whose objects lack what its argument names: liar:queue, liar:buffer, ... ---- */

typedef struct device {
    const tn_host *host;
    char lie[16];
} device;

static const tn_host *last_host; /* one runtime at a time has queues of this device */

static int lies(const device *d, const char *what)
{
    return strcmp(d->lie, what) == 0;
}

static void nothing(void *self)
{
    (void)self;
}

static void device_close(void *self)
{
    device *d = self;
    d->host->allocator.free(d->host->allocator.self, d, sizeof *d);
}

static tn_status device_info(void *self, tn_device_info *out)
{
    device *d = self;
    out->kind = lies(d, "info") ? (tn_kind)0 : TN_KIND_ACCELERATOR;
    if (lies(d, "text"))
        memset(out->name, 'x', sizeof out->name);
    return TN_OK;
}

static const tn_buffer_ops whole_buffer = {
    TN_BACKEND_ABI, sizeof(tn_buffer_ops), nothing, NULL, NULL, NULL, NULL};
static const tn_buffer_ops no_destroy_buffer = {
    TN_BACKEND_ABI, sizeof(tn_buffer_ops), NULL, NULL, NULL, NULL, NULL};

static tn_status buffer_create(void *self, const tn_buffer_desc *desc, void **out,
                               const tn_buffer_ops **out_ops)
{
    device *d = self;
    (void)desc;
    *out = d;
    *out_ops = lies(d, "buffer") ? &no_destroy_buffer : &whole_buffer;
    return TN_OK;
}

static tn_status submit(void *self, const tn_work *work)
{
    last_host->complete(self, work->item, TN_OK, NULL); /* the queue's object is its token */
    return TN_OK;
}

static tn_status poll_nothing(void *self, uint64_t timeout_ns)
{
    (void)self, (void)timeout_ns;
    return TN_OK;
}

static const tn_queue_ops whole_queue = {.abi = TN_BACKEND_ABI,
                                         .bytes = sizeof(tn_queue_ops),
                                         .destroy = nothing,
                                         .submit = submit,
                                         .poll = poll_nothing};
/* Too short to have poll, and one from the future. */
static const tn_queue_ops short_queue = {
    .abi = TN_BACKEND_ABI, .bytes = 24, .destroy = nothing, .submit = submit};
static const tn_queue_ops newer_queue = {
    .abi = TN_BACKEND_ABI + 1, .bytes = sizeof(tn_queue_ops), .destroy = nothing, .submit = submit};

static tn_status queue_create(void *self, const tn_queue_desc *desc, void *token, void **out,
                              const tn_queue_ops **out_ops)
{
    device *d = self;
    (void)desc;
    *out = token;
    *out_ops = lies(d, "queue") ? &short_queue : lies(d, "newer") ? &newer_queue : &whole_queue;
    return TN_OK;
}

/* Claims every class and has no kernel that could show it. */
static tn_status classes(void *self, tn_dtype dtype, tn_class_info *out)
{
    (void)self, (void)dtype;
    out->classes = 15;
    return TN_OK;
}

static tn_status plan_create(void *self, const tn_op *op, const tn_plan_desc *desc, tn_choice_fn fn,
                             void *fn_self, void **out, const tn_plan_ops **out_ops)
{
    device *d = self;
    (void)op, (void)desc, (void)fn, (void)fn_self;
    if (lies(d, "classes"))
        return d->host->fail(TN_STATUS_UNSUPPORTED, "liar.kernels", __FILE__, __LINE__, "none");
    *out = self;
    *out_ops = NULL;
    return TN_OK;
}

static const tn_device_ops device_ops = {.abi = TN_BACKEND_ABI,
                                         .bytes = sizeof(tn_device_ops),
                                         .close = device_close,
                                         .info = device_info,
                                         .buffer_create = buffer_create,
                                         .queue_create = queue_create,
                                         .plan_create = plan_create,
                                         .classes = classes};
static const tn_device_ops no_plans = {.abi = TN_BACKEND_ABI,
                                       .bytes = sizeof(tn_device_ops),
                                       .close = device_close,
                                       .info = device_info,
                                       .buffer_create = buffer_create,
                                       .queue_create = queue_create};

static tn_status open_device(const tn_host *host, const char *arg, void *token, void **out,
                             const tn_device_ops **out_ops)
{
    (void)token;
    device *d = host->allocator.alloc(host->allocator.self, sizeof *d, 64);
    if (d == NULL)
        return host->fail(TN_STATUS_NO_MEMORY, "liar.memory", __FILE__, __LINE__, "no memory");
    d->host = last_host = host;
    snprintf(d->lie, sizeof d->lie, "%s", arg);
    *out = d;
    *out_ops = lies(d, "device") ? &no_plans : &device_ops;
    return TN_OK;
}

/* ---- the symbol ---- */

extern int tn_test_unloads;
__attribute__((visibility("default"))) int tn_test_unloads;

static void unload(void)
{
    ++tn_test_unloads;
}

static const tn_backend_ops ops = {
#if defined(KIND_abi_newer)
    .abi = TN_BACKEND_ABI + 1,
#elif !defined(KIND_abi_zero)
    .abi = TN_BACKEND_ABI,
#endif
#if defined(KIND_table_short)
    .bytes = 16,
#elif defined(KIND_table_long)
    .bytes = 1u << 30,
#elif defined(KIND_old)
    .bytes = offsetof(tn_backend_ops, unload), /* built before unload was there */
#else
    .bytes = sizeof(tn_backend_ops),
#endif
#if !defined(KIND_name_null)
    .name = SCHEME,
#endif
#if defined(KIND_table_enumerate)
    .open = open_device,
#elif defined(KIND_table_open)
    .enumerate = enumerate,
#else
    .enumerate = enumerate,
    .open = open_device,
    .unload = unload,
#endif
};

#if !defined(KIND_symbol)
tn_status tn_backend_query(uint32_t host_abi, const tn_backend_ops **out)
{
    *out = &ops;
#if defined(KIND_abi_refused)
    (void)host_abi;
    return TN_STATUS_INCOMPATIBLE;
#elif defined(KIND_abi_exact)
    return host_abi == TN_BACKEND_ABI ? TN_OK : TN_STATUS_INCOMPATIBLE;
#elif defined(KIND_refused)
    (void)host_abi;
    return TN_STATUS_UNAVAILABLE;
#elif defined(KIND_refused_odd)
    (void)host_abi;
    return (tn_status)1234;
#elif defined(KIND_crash_query)
    return (tn_status)(raise(SIGSEGV) + (int)host_abi);
#elif defined(KIND_exit_query)
    _exit((int)host_abi - 1);
#elif defined(KIND_hang_query)
    hang();
#elif defined(KIND_hang_deaf)
    for (int fd = 0; fd < 64; ++fd)
        (void)close(fd);
    hang();
#elif defined(KIND_hang_family)
    if (fork() != 0)
        return TN_STATUS_UNAVAILABLE;
    hang(); /* what it started keeps the report's file open */
#elif defined(KIND_table_null)
    *out = NULL;
#elif defined(KIND_table_wild)
    *out = (const tn_backend_ops *)(uintptr_t)64;
#elif defined(KIND_undefined)
    return (tn_status)tn_test_nobody_defines_this();
#endif
    (void)host_abi, (void)hang, (void)enumerate, (void)open_device, (void)unload;
    return TN_OK;
}
#else
const tn_backend_ops *tn_test_other_symbol(void);
__attribute__((visibility("default"))) const tn_backend_ops *tn_test_other_symbol(void)
{
    (void)hang;
    return &ops;
}
#endif
