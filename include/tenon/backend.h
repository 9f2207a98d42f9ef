/* SPDX-License-Identifier: Apache-2.0 */
/* The contract between the core and a backend, for chip makers. Own ABI number. */
#ifndef TENON_BACKEND_H
#define TENON_BACKEND_H

#include <tenon/diag.h>
#include <tenon/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ----
 * Objects are the backend's own structs behind void *. hal keeps reference counts, checks every
 * argument, resolves fences, holds no lock while it calls. [R] required: 12 entries make a working
 * device. Threads: entries of one object are not called concurrently, except where "any thread". */
#define TN_BACKEND_ABI        1u
#define TN_BACKEND_ABI_OLDEST 1u /* the oldest that this version still drives */
typedef struct tn_host {         /* what hal gives to a backend */
    tn_head head;
    tn_runtime *runtime;
    tn_allocator allocator;
    tn_executor executor;
    tn_status (*fail)(tn_status, const char *reason, const char *file, int32_t line,
                      const char *format, ...); /* returns its first argument */
    void (*log)(tn_runtime *, int32_t level, const char *text);
    void (*complete)(void *queue_token, uint64_t item, tn_status,
                     const tn_times *); /* any thread; items of a queue complete in order */
    void (*lost)(void *device_token, tn_status, const char *reason);
    /* as fail, with the name of the offending argument, field or operand (tn_error.argument) */
    tn_status (*fail_argument)(tn_status, const char *reason, const char *argument,
                               const char *file, int32_t line, const char *format, ...);
    const char *cache_dir; /* folder for what can be made again, or NULL; stays with the runtime */
    const char *drivers;   /* what a backend with TN_BACKEND_DRIVER loads, as its `drivers` names
                              them, joined by ':'; NULL: what the machine's own loader knows */
} tn_host;
typedef enum tn_work_kind {
    TN_WORK_RUN = 1,
    TN_WORK_PACK,
    TN_WORK_COPY,
    TN_WORK_FILL,
    TN_WORK_WRITE,
    TN_WORK_READ,
    TN_WORK_CALL,
    TN_WORK_COMMANDS
} tn_work_kind;
/* The calling thread is the submitter's own and the queue was made TN_QUEUE_INLINE: the item may be
 * executed before submit returns. Without it submit hands over and returns. */
enum {
    TN_WORK_MAY_RUN_HERE = 1,
    TN_WORK_TIMED = 2 /* somebody looks at the times: complete with them, if that is cheap */
};
typedef struct tn_slot {
    uint32_t role, flags;
    void *buffer;
    uint64_t offset;
} tn_slot; /* buffer: the backend's own */
typedef struct tn_native_point {
    void *fence;
    uint64_t value;
} tn_native_point;       /* the backend's own fence */
typedef struct tn_work { /* one item of a queue; waits are met, or listed as native and named by the
                            backend's own fences */
    tn_head head;
    tn_work_kind kind;
    uint32_t slot_count, flags; /* TN_WORK_MAY_RUN_HERE, TN_WORK_TIMED */
    uint64_t item;
    void *plan;
    const tn_slot *slots;
    void *workspace;
    uint64_t workspace_offset; /* RUN, PACK */
    const tn_tensor *tensor;   /* PACK: shape and strides of the source, which is slots[0] */
    void *to, *from;
    uint64_t to_offset, from_offset, bytes;
    uint32_t pattern, pattern_bytes; /* COPY, FILL; for WRITE/READ one of them is a host pointer */
    void (*call)(void *self);
    void *call_self;
    void *commands;
    const tn_native_point *native_wait, *native_signal;
    uint32_t native_wait_count, native_signal_count;
} tn_work;
typedef struct tn_plan_ops {
    uint32_t abi, bytes;
    void (*destroy)(void *plan); /* [R] */
    tn_status (*info)(void *plan,
                      tn_plan_info *out); /* NULL: kernel "device", no workspace, BOUNDED */
    tn_status (*layout)(void *plan, tn_role, uint64_t *out_layout,
                        uint64_t *out_bytes);                /* NULL: nothing to pack */
    tn_status (*arithmetic)(void *plan, tn_arithmetic *out); /* NULL: all 0, the strictest claim */
    tn_status (*explain)(void *plan, tn_choice_fn, void *self);
} tn_plan_ops; /* NULL: the one chosen kernel */
typedef struct tn_buffer_ops {
    uint32_t abi, bytes;
    void (*destroy)(void *buffer); /* [R] after the last work */
    tn_status (*map)(void *buffer, uint64_t offset, uint64_t bytes, uint32_t mode,
                     void **out); /* NULL: hal stages through WRITE and READ */
    tn_status (*unmap)(void *buffer);
    tn_status (*address)(void *buffer, uint64_t *out); /* NULL: hal reserves a range */
    tn_status (*export_to)(void *buffer, tn_external_kind, tn_external *out);
} tn_buffer_ops;
typedef struct tn_fence_ops {
    uint32_t abi, bytes;
    void (*destroy)(void *fence);
    tn_status (*signal)(void *fence, uint64_t value);
    tn_status (*query)(void *fence, uint64_t *out_value);
    tn_status (*export_to)(void *fence, uint64_t value, tn_external_kind, tn_external *out);
} tn_fence_ops;
typedef struct tn_queue_ops {
    uint32_t abi, bytes;
    void (*destroy)(void *queue); /* [R] */
    tn_status (*submit)(void *queue,
                        const tn_work *); /* [R] never blocks; UNSUPPORTED for COPY, FILL, PACK,
                                             CALL, COMMANDS: hal emulates, says so */
    tn_status (*poll)(void *queue, uint64_t timeout_ns); /* [R] any thread; drives completion where
                                                            the device does not interrupt */
    tn_status (*flush)(void *queue);
    tn_status (*record)(void *queue, const tn_work *, uint32_t count,
                        void **out_commands); /* NULL: hal replays item by item */
    void (*commands_destroy)(void *queue, void *commands);
    tn_status (*cancel)(void *queue);
} tn_queue_ops;
typedef struct tn_device_ops {
    uint32_t abi, bytes;
    void (*close)(void *device);                          /* [R] legal after loss; must not wait */
    tn_status (*info)(void *device, tn_device_info *out); /* [R] any thread */
    tn_status (*buffer_create)(void *device, const tn_buffer_desc *, void **out,
                               const tn_buffer_ops **out_ops); /* [R] */
    tn_status (*queue_create)(void *device, const tn_queue_desc *, void *token, void **out,
                              const tn_queue_ops **out_ops); /* [R] */
    tn_status (*plan_create)(
        void *device, const tn_op *, const tn_plan_desc *, tn_choice_fn, void *self, void **out,
        const tn_plan_ops **out_ops); /* [R] shapes are already valid; UNSUPPORTED + reason */
    tn_status (*supports)(void *device, const tn_op *); /* NULL: plan_create and destroy */
    tn_status (*classes)(void *device, tn_dtype,
                         tn_class_info *out); /* NULL: BOUNDED only; a claim is probed by hal before
                                                 anyone sees it */
    tn_status (*memory)(void *device, uint32_t index, tn_memory_info *out);
    tn_status (*link)(void *device, void *other_or_null,
                      tn_link *out); /* other: of the same backend; enables direct COPY */
    tn_status (*buffer_import)(void *device, const tn_external *, void **out,
                               const tn_buffer_ops **out_ops);
    tn_status (*fence_create)(
        void *device, const tn_external *import_or_null, void **out,
        const tn_fence_ops **out_ops); /* NULL: hal resolves every wait on the host */
    tn_status (*bus)(void *device, tn_bus *out, tn_chip *out_chip);
    tn_status (*child)(void *device, uint32_t index, tn_device **out);
} tn_device_ops;
/* What enumerate and open load is somebody else's driver, which may crash or hang: hal enumerates a
 * built-in backend with this flag in a child process, and opens it only after that went well. */
enum { TN_BACKEND_DRIVER = 1 };
typedef struct tn_backend_ops {
    uint32_t abi, bytes;
    const char *name; /* name is the URI scheme */
    tn_status (*enumerate)(
        const tn_host *, void *token,
        void (*found)(void *token,
                      const tn_device_info *)); /* [R] cheap, cannot hang; no driver: UNAVAILABLE */
    tn_status (*open)(const tn_host *, const char *arg, void *token, void **out,
                      const tn_device_ops **out_ops); /* [R] */
    void (*unload)(void); /* of a plugin: once for each runtime that it succeeded for, after that
                             runtime's last object; others may still use it. NULL: nothing to do */
    uint64_t flags;       /* TN_BACKEND_* */
    tn_status (*drivers)(const tn_host *, const char *(*variable)(const char *name), void *token,
                         void (*found)(void *token, const char *driver)); /* with
                             TN_BACKEND_DRIVER: names the drivers that are there and loads none,
                             so that one that fails can be left out; variable: of the environment.
                             NULL: a driver that fails takes the others with it */
} tn_backend_ops;

/** The one exported symbol of a plugin; a built-in backend has the same function as
 *  tn_backend_query_<name>, listed in a table that CMake generates. hal asks with the newest ABI
 *  that it speaks, then with each lower one down to TN_BACKEND_ABI_OLDEST for as long as the answer
 *  is INCOMPATIBLE. The answer is a table whose abi is at most host_abi: both sides then speak that
 *  lower number, in all tables. A table may be shorter than hal's: entries that it lacks count as
 *  NULL. A longer one is used as far as hal knows it.
 *  memory    the table is constant and stays for as long as the plugin is loaded
 *  returns   INCOMPATIBLE for a host_abi that the plugin does not speak
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_backend_query(uint32_t host_abi, const tn_backend_ops **out_ops);

#ifdef __cplusplus
}
#endif

#endif
