/* SPDX-License-Identifier: Apache-2.0 */
/* Status, errors, versioned structs, object handles: what every other header needs. */
#ifndef TENON_BASE_H
#define TENON_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(TN_STATIC) || !defined(__GNUC__)
#define TN_API
#else
#define TN_API __attribute__((visibility("default")))
#endif
#if defined(__GNUC__)
#define TN_NODISCARD  __attribute__((warn_unused_result))
#define TN_RESTRICT   __restrict
#define TN_ALIGNED(n) __attribute__((aligned(n)))
#else
#define TN_NODISCARD
#define TN_RESTRICT
#define TN_ALIGNED(n)
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_head {
    uint32_t size, type;
    void *next;
} tn_head;
#define TN_INIT(T) {sizeof(T), TN_TYPE_##T, NULL}
enum {
    TN_TYPE_tn_runtime_desc = 1,
    TN_TYPE_tn_device_info,
    TN_TYPE_tn_buffer_desc,
    TN_TYPE_tn_buffer_info,
    TN_TYPE_tn_external,
    TN_TYPE_tn_queue_desc,
    TN_TYPE_tn_link,
    TN_TYPE_tn_memory_info,
    TN_TYPE_tn_class_info,
    TN_TYPE_tn_op,
    TN_TYPE_tn_plan_desc,
    TN_TYPE_tn_plan_info,
    TN_TYPE_tn_matmul,
    TN_TYPE_tn_conv,
    TN_TYPE_tn_attention,
    TN_TYPE_tn_softmax,
    TN_TYPE_tn_norm,
    TN_TYPE_tn_reduce,
    TN_TYPE_tn_eltwise,
    TN_TYPE_tn_pool,
    TN_TYPE_tn_rope,
    TN_TYPE_tn_axis,
    TN_TYPE_tn_chip,
    TN_TYPE_tn_arithmetic,
    TN_TYPE_tn_window,
    TN_TYPE_tn_host,
    TN_TYPE_tn_work,
    TN_TYPE_VENDOR = 0x10000
};

/* What the caller can do about it decides the code; what went wrong is tn_error.reason. */
typedef enum tn_status {
    TN_OK = 0,
    TN_STATUS_INVALID,      /* the caller's bug: fix the call */
    TN_STATUS_UNSUPPORTED,  /* this device cannot; another may: placement goes on */
    TN_STATUS_UNAVAILABLE,  /* driver, device, file or library is not there */
    TN_STATUS_NO_MEMORY,    /* host or device memory, or another resource: free something, retry */
    TN_STATUS_TIMEOUT,      /* not finished in the given time; the work goes on */
    TN_STATUS_DEVICE_LOST,  /* sticky for this tn_device; open it again */
    TN_STATUS_INCOMPATIBLE, /* ABI, version, layout id or hardware does not match */
    TN_STATUS_CORRUPT,      /* a file, cache entry or answer fails its check */
    TN_STATUS_CANCELLED,
    TN_STATUS_INTERNAL /* our bug: please report */
} tn_status;
typedef struct tn_error { /* thread-local; pointers borrowed until this thread's next Tenon call */
    tn_status status;
    int32_t line;
    const char *reason;   /* stable id, also a docs anchor: "matmul.k_mismatch", "plugin.abi" */
    const char *argument; /* name of the offending argument or field, or NULL */
    const char *text, *file, *device;
} tn_error;

/** Get this thread's last error; all zero when there was none.
 *  memory    the pointers are borrowed until this thread's next Tenon call
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_error_last(tn_error *out);

/** The name of a status ("INVALID"), for messages.
 *  returns   a static string; "?" for a value that is no status
 *  threads   thread-safe
 *  since     0.1 */
TN_API const char *tn_status_name(tn_status status);

/** The version of the library that runs.
 *  returns   (major << 16) | (minor << 8) | patch
 *  threads   thread-safe
 *  since     0.1 */
TN_API uint32_t tn_version(void);

typedef struct tn_runtime tn_runtime;
typedef struct tn_device tn_device;
typedef struct tn_buffer tn_buffer;
typedef struct tn_queue tn_queue;
typedef struct tn_fence tn_fence;
typedef struct tn_plan tn_plan;
typedef struct tn_commands tn_commands;

/** Add a reference to the runtime; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_runtime *tn_runtime_retain(tn_runtime *runtime);

/** Give up a reference to the runtime; NULL is accepted.
 *  memory    once tn_queue_wait_idle has returned for every queue, nothing of the library runs and
 *            no memory is held after the last release; work still pending ends on its own threads
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_runtime_release(tn_runtime *runtime);

/** Add a reference to the device; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_device *tn_device_retain(tn_device *device);

/** Give up a reference to the device; NULL is accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_device_release(tn_device *device);

/** Add a reference to the buffer; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_buffer *tn_buffer_retain(tn_buffer *buffer);

/** Give up a reference to the buffer; memory is freed after the last work that uses it; NULL is
 *  accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_buffer_release(tn_buffer *buffer);

/** Add a reference to the queue; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_queue *tn_queue_retain(tn_queue *queue);

/** Give up a reference to the queue; does not wait: pending work completes; NULL is accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_queue_release(tn_queue *queue);

/** Add a reference to the fence; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_fence *tn_fence_retain(tn_fence *fence);

/** Give up a reference to the fence; NULL is accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_fence_release(tn_fence *fence);

/** Add a reference to the plan; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_plan *tn_plan_retain(tn_plan *plan);

/** Give up a reference to the plan; NULL is accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_plan_release(tn_plan *plan);

/** Add a reference to the commands object; NULL is accepted.
 *  returns   its argument
 *  threads   thread-safe
 *  since     0.1 */
TN_API tn_commands *tn_commands_retain(tn_commands *commands);

/** Give up a reference to the commands object; NULL is accepted.
 *  threads   thread-safe
 *  since     0.1 */
TN_API void tn_commands_release(tn_commands *commands);

#ifdef __cplusplus
}
#endif

#endif
