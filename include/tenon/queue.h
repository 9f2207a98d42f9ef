/* SPDX-License-Identifier: Apache-2.0 */
/* Order of work: queues, fences, transfers. */
#ifndef TENON_QUEUE_H
#define TENON_QUEUE_H

#include <tenon/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ----
 * A queue executes in submission order, each item seeing all effects of the earlier ones; two
 * queues are ordered by fences only. Submitting never blocks and may come before the signal that it
 * waits for. Arguments are checked at submit (INVALID); what fails later fails the fence points of
 * that item, and every later item of the same queue completes with the same error without running
 * (use another queue to go on; the device is alive unless DEVICE_LOST). (A wait that no device can
 * do natively is held by the runtime's one progress thread, made at first need; under
 * TN_RUNTIME_NO_THREADS such a submit is UNSUPPORTED.) Fence: a u64 that only grows. A failed fence
 * keeps the values already reached and fails every wait for a higher one, for ever, with the first
 * error. */
typedef struct tn_point {
    tn_fence *fence;
    uint64_t value;
} tn_point;
typedef struct tn_sync {
    const tn_point *wait, *signal;
    uint32_t wait_count, signal_count;
} tn_sync;
enum { TN_QUEUE_COMPUTE = 0, TN_QUEUE_TRANSFER = 1 };
enum {
    TN_QUEUE_INLINE = 1
}; /* An item whose waits are met and whose queue is empty may run in the submitting thread, which
      saves a hand-over: it does on all devices of this library but `cpu?private=1`, unless it has
      to be divided. A plugin does as it likes (TN_WORK_MAY_RUN_HERE). */
typedef struct tn_queue_desc {
    tn_head head;
    uint32_t kind, flags;
    int32_t priority;
} tn_queue_desc;

/** Create a queue, which executes in submission order; desc may be NULL.
 *  memory    the queue retains the device
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   the queue is externally synchronised for submitting; any thread may wait
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_create(tn_device *device, const tn_queue_desc *desc,
                                              tn_queue **out_queue);

/** Wait until everything submitted so far is complete; UINT64_MAX waits for ever.
 *  returns   TIMEOUT while the work goes on; the error of a failed queue
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_wait_idle(tn_queue *queue, uint64_t timeout_ns);

/** Create a fence: a u64 that only grows, for any device, any queue, and the host.
 *  memory    the fence retains the runtime
 *  returns   INVALID, NO_MEMORY
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_create(tn_runtime *runtime, uint64_t initial,
                                              tn_fence **out_fence);

/** The value reached so far.
 *  returns   INVALID; the fence's error once it has failed, out_value is written all the same
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_query(const tn_fence *fence, uint64_t *out_value);

/** Wait for all points, or for any one of them.
 *  returns   TIMEOUT; the error of a failed fence whose point can no longer be reached; INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_wait(const tn_point *points, uint32_t count, uint32_t any,
                                            uint64_t timeout_ns);

/** Raise the fence from the host; wakes waits and starts work that waited.
 *  returns   INVALID for a value below the present one; the error of a failed fence
 *  threads   thread-safe; never runs work on the calling thread
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_signal(tn_fence *fence, uint64_t value);

/** Fail every wait for a value not yet reached, for ever; the first error stays.
 *  memory    the error is copied
 *  returns   INVALID for an error whose status is OK, TIMEOUT or no status
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_fail(tn_fence *fence, const tn_error *error);

/** Call fn exactly once when the value is reached or can no longer be.
 *  memory    error is NULL on success, else borrowed during the call
 *  returns   INVALID, NO_MEMORY (fn is then not called)
 *  threads   thread-safe; fn is called without a lock, on any thread, before return if the value
 *            is reached already
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_notify(tn_fence *fence, uint64_t value,
                                              void (*fn)(void *self, tn_status status,
                                                         const tn_error *error),
                                              void *self);

/** The error of a failed fence; all zero when it has not failed.
 *  memory    borrowed until the fence is released
 *  returns   INVALID for NULL
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_get_error(const tn_fence *fence, tn_error *out_error);

/** Hand out a point for use outside.
 *  returns   UNSUPPORTED for a kind that no device here has
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_export(tn_fence *fence, uint64_t value,
                                              tn_external_kind kind, tn_external *out_external);

/** A fence that reaches 1 when the foreign one is signalled.
 *  memory    the fence retains the runtime; the foreign one stays its owner's
 *  returns   UNSUPPORTED for a kind that no device here has
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_import(tn_runtime *runtime, const tn_external *external,
                                              tn_fence **out_fence);
typedef struct tn_times {
    uint64_t submitted_ns, start_ns, end_ns;
    uint64_t device_cycles;
} tn_times; /* one runtime clock for all devices; simulated devices: simulated ns */

/** When the item that signalled this value was submitted, started and ended, on one runtime clock.
 *  returns   UNAVAILABLE for a value that no item has signalled, or one too long ago; INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_fence_times(const tn_fence *fence, uint64_t value,
                                             tn_times *out_times);

/** Copy host memory into a buffer.
 *  memory    `from` is borrowed until the signal; arguments are checked at submit (INVALID); what
 *            fails later fails the fence points of the item and every later item of the queue
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   externally synchronised (one submitter); never blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_write(tn_queue *queue, tn_buffer *to, uint64_t offset,
                                             const void *from, uint64_t bytes, const tn_sync *sync);

/** Copy a buffer into host memory.
 *  memory    `to` is borrowed until the signal
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   externally synchronised (one submitter); never blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_read(tn_queue *queue, void *to, tn_buffer *from,
                                            uint64_t offset, uint64_t bytes, const tn_sync *sync);

/** Copy between buffers of any two devices of the runtime.
 *  memory    ranges of one buffer must not overlap
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   externally synchronised (one submitter); never blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_copy(tn_queue *queue, tn_buffer *to, uint64_t to_offset,
                                            tn_buffer *from, uint64_t from_offset, uint64_t bytes,
                                            const tn_sync *sync);

/** Fill a range with a pattern of 1, 2 or 4 bytes.
 *  memory    offset and bytes are multiples of pattern_bytes
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   externally synchronised (one submitter); never blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_fill(tn_queue *queue, tn_buffer *buffer, uint64_t offset,
                                            uint64_t bytes, uint32_t pattern,
                                            uint32_t pattern_bytes, const tn_sync *sync);

/** Call a host function in stream order.
 *  memory    self is handed to fn as it is
 *  returns   INVALID, NO_MEMORY, DEVICE_LOST
 *  threads   externally synchronised (one submitter); fn runs on any thread and must not submit to
 *            this queue
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_call(tn_queue *queue, void (*fn)(void *self), void *self,
                                            const tn_sync *sync);

#ifdef __cplusplus
}
#endif

#endif
