/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime, devices, links. */
#ifndef TENON_DEVICE_H
#define TENON_DEVICE_H

#include <tenon/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the library's host memory comes from. alloc gives `bytes` at a multiple of `align` (a power
 * of two), contents undefined, or NULL: the call that needed them is then NO_MEMORY and its objects
 * are as they were. free gets what alloc gave and the same bytes. Both are called by any thread,
 * several at once, possibly under a lock of the library: they must not call Tenon. What the system
 * and hwloc take for themselves (stacks, mappings, the topology at open) does not come from here.
 */
typedef struct tn_allocator {
    void *self;
    void *(*alloc)(void *self, size_t bytes, size_t align);
    void (*free)(void *self, void *p, size_t bytes);
} tn_allocator;
/* The host application's own pool instead of ours. parallel() calls task(arg, index, worker) once
 * for each index below `tasks`, in any order, on any threads, its caller's included, and returns
 * when these calls have returned; it calls none afterwards. `worker` is below `workers`, and no two
 * calls at once have the same. The library calls it from several threads at once and never from
 * inside a task; an index that it leaves out is computed by the thread that called it. */
typedef struct tn_executor {
    void *self;
    uint32_t workers;
    void (*parallel)(void *self, uint32_t tasks,
                     void (*task)(void *arg, uint32_t index, uint32_t worker), void *arg);
} tn_executor;
typedef void (*tn_log_fn)(void *self, int level, const char *text); /* 1 error .. 5 trace */
typedef struct tn_runtime_desc {
    tn_head head;
    tn_allocator allocator;
    tn_executor executor; /* zeroed: libc, own pool */
    uint32_t threads; /* 0: all cpus this process may use (affinity, cgroup). One pool a runtime,
                         made at the first cpu queue, shared by all of them. With as many threads as
                         cpus its helpers keep to one cpu each, away from the calling thread's */
    uint32_t flags;   /* TN_RUNTIME_NO_ENV, TN_RUNTIME_NO_PLUGINS, TN_RUNTIME_NO_THREADS */
    const char *plugin_path, *cache_dir;
    tn_log_fn log;
    void *log_self;
    int32_t log_level;
} tn_runtime_desc;

/** Create a runtime; loads no driver and starts no thread, both wait for first need.
 *  memory    desc may be NULL; its strings are copied; the caller owns the reference in out_runtime
 *  returns   INVALID for a bad desc or environment value (named, with those allowed), INCOMPATIBLE
 *            for an unknown extension, NO_MEMORY
 *  threads   thread-safe; a call on any object of the runtime from a forked child is INVALID
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_runtime_create(const tn_runtime_desc *desc,
                                                tn_runtime **out_runtime);
typedef enum tn_kind {
    TN_KIND_CPU = 1,
    TN_KIND_GPU,
    TN_KIND_ACCELERATOR,
    TN_KIND_COMPOSITE
} tn_kind;
enum { TN_RUNTIME_NO_ENV = 1, TN_RUNTIME_NO_PLUGINS = 2, TN_RUNTIME_NO_THREADS = 4 };
enum {
    TN_DEVICE_HOST_VISIBLE = 1,
    TN_DEVICE_ASYNC = 2,
    TN_DEVICE_SIMULATED = 4,
    TN_DEVICE_REMOTE = 8,
    TN_DEVICE_DEFAULT = 16
}; /* DEFAULT: `for all devices` includes it */
typedef struct tn_device_info {
    tn_head head;
    char uri[128], name[128], vendor[64], driver[128];
    uint8_t uuid[16];
    tn_kind kind;
    uint32_t flags;
    char group[32]; /* devices of one group share the same silicon ("host-cpu"): their rates do not
                       add up */
    uint64_t memory_bytes, largest_buffer_bytes;
    /* powers of two. buffer_align: of a new buffer, and of a workspace inside one; offset_align: of
       every operand of a plan inside its buffer (copies take any offset); import_align: of memory
       that is imported. 0 and 1: any */
    uint64_t buffer_align, offset_align, import_align;
    uint32_t queues, numa_node, children;
    uint8_t numerics_digest[32];
} tn_device_info;

/** Number of devices that were discovered; the first call discovers.
 *  returns   0 for NULL or when discovery failed (see tn_error_last)
 *  threads   thread-safe
 *  since     0.1 */
TN_API size_t tn_runtime_device_count(tn_runtime *runtime);

/** Describe a discovered device without opening it.
 *  returns   INVALID past the last index
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_runtime_device_info(tn_runtime *runtime, size_t index,
                                                     tn_device_info *out_info);

/** Discover again: after hot plug, or when a lost device came back.
 *  returns   NO_MEMORY; a backend without devices or driver is no error
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_runtime_discover(tn_runtime *runtime);

/** Open a device by URI: name[:arg][?key=value&...]; a child with a comma or question mark goes in
 *  [ ].
 *  memory    the device retains the runtime
 *  returns   INVALID for an unknown option or value, UNAVAILABLE for an unknown or absent device,
 *            NO_MEMORY
 *  threads   thread-safe; may block
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_open(tn_runtime *runtime, const char *uri,
                                             tn_device **out_device);

/** Describe an open device.
 *  returns   INVALID for NULL or a bad head
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_get_info(const tn_device *device, tn_device_info *out_info);

/** Whether the device is still there.
 *  returns   OK, or DEVICE_LOST with the first cause in tn_error_last
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_get_status(const tn_device *device);

/** Name a function to be called once when the device is lost; NULL takes it back.
 *  memory    self is kept as it is; device and error are borrowed during the call
 *  returns   INVALID for NULL device
 *  threads   thread-safe; fn is called without a lock, on any thread, at once if the device is
 *            lost already
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_on_lost(tn_device *device,
                                                void (*fn)(void *self, tn_device *device,
                                                           const tn_error *error),
                                                void *self);

/** A child of a composite device: the very device, retained.
 *  memory    the caller owns the reference in out_device
 *  returns   INVALID past the last child, UNSUPPORTED for a device without children
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_child(const tn_device *device, uint32_t index,
                                              tn_device **out_device);
typedef struct tn_memory_info {
    tn_head head;
    uint64_t total_bytes, used_bytes, peak_bytes;
    uint32_t flags;
} tn_memory_info; /* TN_MEMORY_* */

/** One memory of a device: size, use, peak; index 0 is the default memory.
 *  returns   INVALID past the last
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_memory(const tn_device *device, uint32_t index,
                                               tn_memory_info *out_info);
enum { TN_LINK_DIRECT = 1, TN_LINK_PEER = 2, TN_LINK_THROUGH_HOST = 4 };
typedef struct tn_link {
    tn_head head;
    uint32_t flags;
    uint64_t latency_ns, bytes_per_s;
    uint32_t measured;
} tn_link; /* DIRECT, PEER, THROUGH_HOST */

/** How data travels between two devices; NULL is the host.
 *  returns   INVALID when both are NULL or of different runtimes
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_link_get(const tn_device *from, const tn_device *to,
                                          tn_link *out_link);

#ifdef __cplusplus
}
#endif

#endif
