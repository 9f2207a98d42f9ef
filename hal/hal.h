/* SPDX-License-Identifier: Apache-2.0 */
/* The core's own view of its objects. Each struct is filled and freed by the .c file of its noun;
 * other files read the fields that are immutable after create and go through functions otherwise.
 * Locks, in the order in which they may nest: runtime.lock > device.lock > queue.lock > fence.lock.
 * plugins.lock is taken alone. No lock is held while a backend entry or a user callback is called.
 */
#ifndef TN_HAL_HAL_H
#define TN_HAL_HAL_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tenon/backend.h>
#include <tenon/tenon.h>

/* ---- errors (status.c) ---- */
tn_status tn__fail_at(tn_status status, const char *reason, const char *argument, const char *file,
                      int32_t line, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* argument is the name of the offending argument or field, or NULL; the rest is a printf text. */
#define tn__fail(status, reason, argument, ...)                                                    \
    tn__fail_at(status, reason, argument, __FILE__, __LINE__, __VA_ARGS__)
/* Of an argument that is NULL and must not be; `give` says what to pass. */
#define tn__fail_null(argument, give)                                                              \
    tn__fail(TN_STATUS_INVALID, "argument.null", argument, "%s is NULL; %s", argument, give)
/* Puts an error (of a fence, say) back as this thread's last; returns its status. */
tn_status tn__fail_again(const tn_error *error);
void tn__error_device(const char *uri); /* names the device in this thread's last error */

/* An owned copy of an error; strings live inside. */
typedef struct tn__error_copy {
    tn_error error;
    char reason[64], argument[64], text[384], file[96], device[128];
} tn__error_copy;
void tn__error_save(tn__error_copy *to, const tn_error *from); /* NULL from: this thread's last */
/* Before a backend entry whose failure tn__backend_failed() reports: forgets this thread's last. */
void tn__error_clear(void);
/* After a backend's entry failed: keeps what it recorded, or says that it recorded nothing, and
 * names the device; returns `status`. `uri` may be NULL. */
tn_status tn__backend_failed(tn_status status, const char *uri, const char *entry);

/* ---- memory (alloc.c) ---- */
void *tn__alloc(tn_runtime *rt,
                size_t bytes); /* zeroed, 64-byte aligned; NULL + NO_MEMORY recorded */
void tn__free(tn_runtime *rt, void *p, size_t bytes);
tn_allocator tn__default_allocator(void);

/* ---- checked arithmetic (checked.h style helpers) ---- */
static inline bool tn__add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool tn__mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* ---- reference counts ---- */
typedef struct tn__ref {
    atomic_uint count;
} tn__ref;
static inline void tn__ref_init(tn__ref *r)
{
    atomic_init(&r->count, 1u);
}
static inline void tn__ref_retain(tn__ref *r)
{
    atomic_fetch_add_explicit(&r->count, 1u, memory_order_relaxed);
}
/* A reference, unless the last one is gone already and the object is being destroyed. */
static inline bool tn__ref_try_retain(tn__ref *r)
{
    unsigned n = atomic_load_explicit(&r->count, memory_order_relaxed);
    while (n != 0)
        if (atomic_compare_exchange_weak_explicit(&r->count, &n, n + 1, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}
/* true when the caller held the last reference and must destroy the object */
static inline bool tn__ref_release(tn__ref *r)
{
    return atomic_fetch_sub_explicit(&r->count, 1u, memory_order_acq_rel) == 1u;
}

/* ---- versioned structs (status.c): copies min(head.size, bytes) of `from` into the zeroed `to`;
 * INVALID on a wrong type or a too short head, INCOMPATIBLE on unknown next or non-zero tail ----
 */
tn_status tn__struct_in(void *to, size_t bytes, uint32_t type, const void *from,
                        const char *argument);
/* Whether `to` can be written by tn__struct_out: asked before anything is done that would be lost.
 */
tn_status tn__struct_out_check(const void *to, uint32_t type, const char *argument);
/* Writes min(head.size, bytes) of `from` to the caller's `to`, head.size written back. */
tn_status tn__struct_out(void *to, const void *from, size_t bytes, uint32_t type,
                         const char *argument);

/* ---- environment (env.c): read once by tn_runtime_create ---- */
typedef struct tn__env {
    char cpu_max[32];                        /* "" when unset */
    uint32_t threads;                        /* 0 when unset */
    char *plugin_path, *devices, *cache_dir; /* owned by the runtime's allocator, NULL when unset */
    int32_t log_level;                       /* -1 when unset */
    uint32_t spin_us;                        /* TN__SPIN_US when unset */
} tn__env;
/* How long threads of the pool look for work before they sleep: a wake-up costs several
 * microseconds, and tens of them where a hypervisor has to start the cpu again. */
enum { TN__SPIN_US = 100 };
tn_status tn__env_read(tn_runtime *rt, tn__env *out);
void tn__env_free(tn_runtime *rt, tn__env *env);
/* Folders with absolute names, joined by ':'; INVALID with the argument's name otherwise. */
tn_status tn__env_check_path(const char *path, const char *argument);
char **tn__env_all(void); /* what a child process gets */
/* A variable of somebody else's loader, NULL when unset or when the caller's rights are not those
 * of the user. */
const char *tn__env_driver(const char *name);

/* ---- runtime ---- */
typedef struct tn__pool tn__pool;
typedef struct tn__progress tn__progress;
typedef struct tn__plan_cache tn__plan_cache;
typedef struct tn__addresses tn__addresses;
typedef struct tn__plugins tn__plugins;
typedef struct tn__driver tn__driver;

struct tn_runtime {
    tn__ref ref;
    tn_allocator allocator;
    tn_executor executor; /* the host's; parallel NULL: ours */
    uint32_t flags, threads;
    int64_t process_id; /* a call from a forked child is INVALID */
    tn_log_fn log;
    void *log_self;
    int32_t log_level;
    tn__env env;
    char *plugin_path, *cache_dir;
    const volatile uint32_t *alive; /* a page that fork() wipes in the child, or NULL */
    pthread_mutex_t lock;           /* guards: progress, discovered list, trace*, fallback,
                                       drivers */
    _Atomic(tn__pool *) pool;
    tn__progress *progress;
    tn_host host;          /* handed to every backend of this runtime */
    tn_device_info *found; /* discovered devices */
    size_t found_count, found_capacity;
    bool discovered;
    tn_device *fallback; /* the cpu device that fallback plans run on; not counted here: its users
                            retain it, and its destruction clears this */
    tn__addresses *addresses;
    tn__plugins *plugins;    /* NULL with TN_RUNTIME_NO_PLUGINS */
    tn__driver *drivers;     /* backends whose driver was tried in a child */
    atomic_bool tracing;     /* trace is not NULL */
    atomic_uint queue_count; /* queues made so far */
    void (*trace)(void *self, const tn_event *);
    void *trace_self;
    uint64_t trace_turn;            /* counts the changes of trace */
    struct tn__trace_call *tracers; /* calls of trace that are going on */
    pthread_cond_t trace_quiet;     /* one of them ended */
    _Atomic uint64_t trace_ids;
};
bool tn__runtime_usable(const tn_runtime *rt); /* false in a forked child; the error is recorded */
/* Whether this is a child that was forked after the runtime was made: its copies of locks and
 * threads are left alone, also by the release functions. */
bool tn__runtime_forked(const tn_runtime *rt);
void tn__log(tn_runtime *rt, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t tn__now_ns(void);
/* The device of fallback plans, opened at first need; the caller owns one reference. */
tn_status tn__runtime_fallback(tn_runtime *rt, tn_device **out_retained);
static inline bool tn__tracing(const tn_runtime *rt)
{
    return atomic_load_explicit(&rt->tracing, memory_order_relaxed);
}
/* trace.c; all but the first two only while tracing, with no lock held. */
uint64_t tn__trace_id(tn_runtime *rt, _Atomic uint64_t *id); /* number of a fence or a queue */
static inline uint64_t tn__trace_begin(const tn_runtime *rt) /* 0: nobody listens */
{
    return tn__tracing(rt) ? tn__now_ns() : 0;
}
/* A slice of this thread, from tn__trace_begin() on; keeps this thread's last error. Returns its
 * number, which the points that it waited for or signalled are told with. */
uint64_t tn__trace_host(tn_runtime *rt, const char *crossing, const char *name, tn_status status,
                        uint64_t start_ns, const tn_plan *plan, const tn_op *op);
void tn__trace_host_point(tn_runtime *rt, tn_event_kind kind, uint64_t item, uint64_t at_ns,
                          const tn_point *point);
void tn__trace_memory(tn_device *d, uint64_t used_bytes, uint64_t at_ns);
void tn__trace_hit(const tn_plan *plan);                          /* found again */
void tn__trace_fallback(const tn_plan *plan, const char *reason); /* that has its inner plan */
void tn__trace_lost(tn_device *d);                                /* that has its error */
/* The runtime's executor: the host's, or ours, whose pool (pool.c) is made at first need. */
tn_status tn__runtime_executor(tn_runtime *rt, tn_executor *out);
uint32_t tn__cpus_usable(void); /* affinity and cgroup quota, >= 1 (topology_linux.c) */
/* Numbers of cpus; TN__NO_CPU where there is none or the system does not tell. */
#define TN__NO_CPU UINT32_MAX
uint32_t tn__cpu_here(void);                     /* that this thread is on now */
uint32_t tn__cpu_next(uint32_t after);           /* the next one that this thread may run on */
bool tn__thread_keep(pthread_t t, uint32_t cpu); /* on one cpu; false where it cannot be */
/* A page that reads 1 here and 0 in a forked child; NULL where the system cannot (fork_linux.c). */
const volatile uint32_t *tn__fork_page_create(void);
void tn__fork_page_destroy(const volatile uint32_t *page);
/* Ends and frees the progress thread (progress.c); may be called from that very thread. */
void tn__progress_destroy(tn__progress *progress);

/* ---- pool (pool.c): one a runtime ---- */
tn_status tn__pool_create(tn_runtime *rt, uint32_t workers, tn__pool **out);
void tn__pool_destroy(tn__pool *pool);
tn_executor tn__pool_executor(tn__pool *pool);

/* ---- addresses (address.c): live buffers by 64-bit range ---- */
tn_status tn__addresses_create(tn_runtime *rt, tn__addresses **out);
void tn__addresses_destroy(tn__addresses *a);
tn_status tn__addresses_add(tn__addresses *a, uint64_t address, uint64_t bytes, tn_buffer *buffer);
void tn__addresses_remove(tn__addresses *a, uint64_t address, tn_buffer *buffer);
tn_status tn__address_reserve(uint64_t bytes, uint64_t *out); /* a no-access mapping */
void tn__address_unreserve(uint64_t address, uint64_t bytes);

/* ---- injected faults (inject.c) ---- */
/* What a script does to one call; all zero: nothing. */
typedef struct tn__fault {
    tn_status status; /* of a call that is struck; DEVICE_LOST: the device is lost with it */
    uint32_t rule;
    uint64_t call, seed, delay_ns;
} tn__fault;

/* ---- device (device.c) ---- */
struct tn_device {
    tn__ref ref;
    tn_runtime *runtime; /* retained */
    const tn_backend_ops *backend;
    const tn_device_ops *ops;
    void *object; /* the backend's own */
    char uri[128];
    tn_device_info info;  /* as of open */
    atomic_int lost;      /* tn_status once lost */
    pthread_mutex_t lock; /* guards: error, on_lost, used_bytes, peak_bytes, inject, queues */
    tn__error_copy error;
    void (*on_lost)(void *self, tn_device *, const tn_error *);
    void *on_lost_self;
    uint64_t used_bytes, peak_bytes;
    atomic_bool injecting; /* inject is not NULL */
    struct tn__inject *inject;
    tn_queue *queues;           /* all that live, none retained */
    tn__plan_cache *plans;      /* its plans hold no reference to this device */
    pthread_mutex_t probe_lock; /* guards: the three below; held while the probe runs */
    bool probed;
    uint32_t probe_lost_classes; /* bit (1 << tn_class) for f32: claims that the probe took away */
    char probe_refused[160];
};
/* Marks the device as lost, once: saves the error, wakes its queues, whose work then fails, and
 * calls on_lost. */
void tn__device_lose(tn_device *d, tn_status status, const char *reason);
static inline bool tn__device_lost(const tn_device *d)
{
    return atomic_load_explicit(&d->lost, memory_order_acquire) != TN_OK;
}
void tn__inject_free(tn_device *d);
tn_status tn__device_usable(tn_device *d,
                            const char *argument); /* NULL, forked or lost: the error */
/* Calls a function of a backend's table only if the table is long enough to have it. */
#define tn__has(ops, entry)                                                                        \
    ((ops)->bytes >= offsetof(__typeof__(*(ops)), entry) + sizeof((ops)->entry) &&                 \
     (ops)->entry != NULL)

/* ---- buffer (buffer.c) ---- */
struct tn_buffer {
    tn__ref ref;
    tn_device *device; /* retained */
    tn_buffer *parent; /* of a view, retained; its object is then the parent's */
    const tn_buffer_ops *ops;
    void *object;
    uint64_t offset; /* of a view inside the object */
    uint64_t bytes, address;
    uint32_t memory;
    bool reserved;        /* address is our reservation */
    pthread_mutex_t lock; /* guards: the mapping below */
    void *staging;        /* a map staged through WRITE and READ, or NULL */
    uint64_t map_offset, map_bytes;
    uint32_t map_mode;
    atomic_uint mapped; /* 1 while mapped (of the root buffer: count of mapped views and itself) */
    tn_buffer *mapped_list, *mapped_next; /* root: what is mapped; guarded by the root's lock */
    void *map_pointer;
    void (*release)(void *self); /* of an import; called once, after the last work */
    void *release_self;
};
/* As tn_buffer_create; `call` is what fault injection counts it as (TN__CALL_*). */
tn_status tn__buffer_create(tn_device *d, const tn_buffer_desc *desc, uint32_t call,
                            tn_buffer **out);
/* NULL, foreign device (of another runtime or device) or range: the error, with the argument name.
 */
tn_status tn__buffer_check(tn_buffer *b, tn_device *device, uint64_t offset, uint64_t bytes,
                           const char *argument);

/* ---- fence (fence.c) ---- */
struct tn_fence;
/* Calls fn exactly once: now if already reached or failed, otherwise from the signalling thread. */
typedef void (*tn__fence_fn)(void *self, tn_status status, const tn_error *error);
tn_status tn__fence_when(tn_fence *f, uint64_t value, tn__fence_fn fn, void *self);
void tn__fence_complete(tn_fence *f, uint64_t value, const tn_error *error, const tn_times *times);
tn_runtime *tn__fence_runtime(const tn_fence *f);
uint64_t tn__fence_trace_id(tn_fence *f);
bool tn__fence_reached(tn_fence *f, uint64_t value); /* false also when failed */

/* ---- queue (queue.c) ---- */
/* What tn_host.complete calls: item `item` of the queue whose token that is has ended. */
void tn__queue_complete(void *token, uint64_t item, tn_status status, const tn_times *times);
/* One thing to do, built by the front functions and owned by the queue until it completes. */
typedef struct tn__item tn__item;
tn_device *tn__queue_device(const tn_queue *q);
/* Has the progress thread look at every queue of a device that is lost. */
void tn__queues_wake(tn_device *d);
bool tn__queue_recording(const tn_queue *q);
/* Submits RUN of a backend plan: slots resolved to backend objects. Buffers named in `keep` and
 * the plan are retained until completion. */
tn_status tn__queue_run_plan(tn_queue *q, tn_plan *plan, void *plan_object, const tn_slot *slots,
                             uint32_t slot_count, tn_buffer *const *keep, uint32_t keep_count,
                             tn_buffer *workspace, uint64_t workspace_bytes, const tn_sync *sync);
/* PACK: `tensor` is copied. */
tn_status tn__queue_pack_plan(tn_queue *q, tn_plan *plan, void *plan_object, tn_role role,
                              const tn_tensor *from, tn_buffer *to, uint64_t to_offset,
                              const tn_sync *sync);
tn_status tn__sync_check(tn_queue *q, const tn_sync *sync);

/* ---- op (op.c and its neighbours): validation; every INVALID about an op is born here ---- */
/* Checks everything that does not need buffers: roles, ranks, dims, dtypes, strides, attributes,
 * posts, numerics. `op` may be from outside (short structs). */
tn_status tn__op_check(const tn_op *op);
/* A deep copy in one allocation (args, attr, posts), buffers stripped; `bytes` for tn__free. */
tn_status tn__op_copy(tn_runtime *rt, const tn_op *op, tn_op **out, size_t *out_bytes);
const char *tn__op_name(tn_op_kind kind);                /* "matmul" */
bool tn__role_is_output(const tn_op *op, uint32_t role); /* op: whole structs, checked */
/* Whether an output with MAY_ALIAS may be in place of this input: each element of the input is read
 * before the same element of the output is written, and never after. */
bool tn__op_in_place(tn_op_kind kind, uint32_t role);
bool tn__role_name(uint32_t role, char *text, size_t bytes); /* "a", "out", "post0" */
/* Bytes from the tensor's first element to the end of its last (0 when empty); overflow: false. */
bool tn__tensor_extent(const tn_tensor *t, uint64_t *out_bytes);

/* ---- plan (plan.c, plan_cache.c, fallback.c, explain.c) ---- */
uint32_t tn__plan_kind(const tn_plan *plan); /* tn_op_kind */
tn_status tn__plan_cache_create(tn_runtime *rt, tn__plan_cache **out);
void tn__plan_cache_destroy(tn__plan_cache *c); /* releases the plans it holds */

/* ---- URIs (uri.c) ---- */
enum { TN__URI_BYTES = 128, TN__SCHEME_BYTES = 32 };
/* Checks name[:arg][?k=v&...]; `out_rest` points behind the name and a ':' ("" if none, and
 * starts with '?' if there are only parameters). */
tn_status tn__uri_split(const char *uri, char scheme[TN__SCHEME_BYTES], const char **out_rest);
/* Whether a parameter `key` is given outside of [ ]. */
bool tn__uri_has(const char *uri, const char *key);
/* Takes the next URI of a comma list ([ ] respected) from *list; INVALID on an empty or a too long
 * one. At the end: TN_OK and out[0] == 0. */
tn_status tn__uri_next(const char **list, char out[TN__URI_BYTES]);

/* ---- registry (registry.c) ---- */
/* The i-th backend, plugins after those built in; past the last: TN_OK and NULL. INCOMPATIBLE: it
 * refuses or is malformed. */
tn_status tn__registry_at(tn_runtime *rt, size_t i, const tn_backend_ops **out);
tn_status tn__registry_find(tn_runtime *rt, const char *scheme, const tn_backend_ops **out);
/* ---- drivers (driver.c): backends with TN_BACKEND_DRIVER, tried in a child process ---- */
bool tn__has_driver(const tn_backend_ops *ops); /* built in, with that flag */
/* Enumerates in a child; what went wrong is the verdict on the driver until the next call. */
tn_status tn__driver_enumerate(tn_runtime *rt, const tn_backend_ops *ops, void *token,
                               void (*found)(void *token, const tn_device_info *));
/* The verdict on the backend's drivers and on the device that `text` names; tries what nobody has
 * tried yet. *out_host is what the device is to be opened with. */
tn_status tn__driver_usable(tn_runtime *rt, const tn_backend_ops *ops, const char *text,
                            const tn_host **out_host);
void tn__drivers_destroy(tn_runtime *rt);
/* ---- what a backend gave (plugin_check.c) ---- */
/* Whether a table can be used at all; its required entries are asked for with tn__has. */
#define tn__table_known(ops)                                                                       \
    ((ops) != NULL && (ops)->abi >= TN_BACKEND_ABI_OLDEST && (ops)->abi <= TN_BACKEND_ABI)
/* INCOMPATIBLE, naming the device and the kind of object whose table is not as it must be. */
tn_status tn__backend_table(const char *uri, const char *what);
/* INCOMPATIBLE for a field out of range; scheme NULL: the URI may be anyone's. */
tn_status tn__device_info_check(const tn_device_info *info, const char *scheme);

#endif
