/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime, devices, links. */
#ifndef TENON_DEVICE_H
#define TENON_DEVICE_H

#include <tenon/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_allocator {
    void *self;
    void *(*alloc)(void *self, size_t bytes, size_t align);
    void (*free)(void *self, void *p, size_t bytes);
} tn_allocator;
typedef struct tn_executor { /* the host application's own pool instead of ours; parallel() returns
                                when all tasks are done and may run them on the caller */
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
                         made at the first cpu queue, shared by all of them */
    uint32_t flags;   /* TN_RUNTIME_NO_ENV, TN_RUNTIME_NO_PLUGINS, TN_RUNTIME_NO_THREADS */
    const char *plugin_path, *cache_dir;
    tn_log_fn log;
    void *log_self;
    int32_t log_level;
} tn_runtime_desc;
TN_API TN_NODISCARD tn_status tn_runtime_create(
    const tn_runtime_desc *desc,
    tn_runtime *
        *out); /* NULL desc allowed; loads no driver, starts no thread: both wait for first need */
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
    uint64_t memory_bytes, largest_buffer_bytes, buffer_align, offset_align, import_align;
    uint32_t queues, numa_node, children;
    uint8_t numerics_digest[32];
} tn_device_info;
TN_API size_t tn_runtime_device_count(
    tn_runtime *); /* first call discovers (child process for drivers that may crash) */
TN_API TN_NODISCARD tn_status tn_runtime_device_info(tn_runtime *, size_t index,
                                                     tn_device_info *out);
TN_API TN_NODISCARD tn_status
tn_runtime_discover(tn_runtime *); /* again: hot plug, return after loss */
TN_API TN_NODISCARD tn_status
tn_device_open(tn_runtime *, const char *uri,
               tn_device **out); /* name[:arg][?key=value&...]; a child with , or ? goes in [ ]:
                                    mixed:[cpu?threads=1],opencl:0 */
TN_API TN_NODISCARD tn_status tn_device_get_info(const tn_device *, tn_device_info *out);
TN_API TN_NODISCARD tn_status tn_device_get_status(
    const tn_device *); /* TN_OK or TN_STATUS_DEVICE_LOST, detail in tn_error_last */
TN_API TN_NODISCARD tn_status
tn_device_on_lost(tn_device *, void (*fn)(void *self, tn_device *, const tn_error *), void *self);
TN_API TN_NODISCARD tn_status
tn_device_child(const tn_device *, uint32_t index,
                tn_device **out); /* of a composite: the very device, retained */
typedef struct tn_memory_info {
    tn_head head;
    uint64_t total_bytes, used_bytes, peak_bytes;
    uint32_t flags;
} tn_memory_info; /* TN_MEMORY_* */
TN_API TN_NODISCARD tn_status
tn_device_memory(const tn_device *, uint32_t index,
                 tn_memory_info *out); /* index 0 is the default memory; INVALID past the last */
typedef struct tn_link {
    tn_head head;
    uint32_t flags;
    uint64_t latency_ns, bytes_per_s;
    uint32_t measured;
} tn_link; /* DIRECT, PEER, THROUGH_HOST */
TN_API TN_NODISCARD tn_status tn_link_get(const tn_device *from, const tn_device *to,
                                          tn_link *out); /* NULL is the host */

#ifdef __cplusplus
}
#endif

#endif
