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
}; /* cpu: an item whose waits are met and whose queue is empty runs in the submitting thread: no
      hand-over cost */
typedef struct tn_queue_desc {
    tn_head head;
    uint32_t kind, flags;
    int32_t priority;
} tn_queue_desc;
TN_API TN_NODISCARD tn_status tn_queue_create(tn_device *, const tn_queue_desc *, tn_queue **out);
TN_API TN_NODISCARD tn_status tn_queue_wait_idle(tn_queue *, uint64_t timeout_ns);
TN_API TN_NODISCARD tn_status tn_fence_create(
    tn_runtime *, uint64_t initial, tn_fence **out); /* any device, any queue, and the host */
TN_API TN_NODISCARD tn_status
tn_fence_query(const tn_fence *, uint64_t *out_value); /* returns its error once failed */
TN_API TN_NODISCARD tn_status tn_fence_wait(const tn_point *, uint32_t count, uint32_t any,
                                            uint64_t timeout_ns);
TN_API TN_NODISCARD tn_status tn_fence_signal(tn_fence *, uint64_t value);
TN_API TN_NODISCARD tn_status tn_fence_fail(tn_fence *, const tn_error *);
TN_API TN_NODISCARD tn_status
tn_fence_notify(tn_fence *, uint64_t value, void (*fn)(void *self, tn_status, const tn_error *),
                void *self); /* exactly once, no lock held, on any thread */
TN_API TN_NODISCARD tn_status
tn_fence_get_error(const tn_fence *, tn_error *out); /* borrowed until the fence is released */
TN_API TN_NODISCARD tn_status tn_fence_export(tn_fence *, uint64_t value, tn_external_kind,
                                              tn_external *out);
TN_API TN_NODISCARD tn_status
tn_fence_import(tn_runtime *, const tn_external *,
                tn_fence **out); /* value 1 when the foreign one is signalled */
typedef struct tn_times {
    uint64_t submitted_ns, start_ns, end_ns;
    uint64_t device_cycles;
} tn_times; /* one runtime clock for all devices; simulated devices: simulated ns */
TN_API TN_NODISCARD tn_status tn_fence_times(const tn_fence *, uint64_t value, tn_times *out);
TN_API TN_NODISCARD tn_status
tn_queue_write(tn_queue *, tn_buffer *to, uint64_t offset, const void *from, uint64_t bytes,
               const tn_sync *); /* `from` borrowed until the signal */
TN_API TN_NODISCARD tn_status tn_queue_read(tn_queue *, void *to, tn_buffer *from, uint64_t offset,
                                            uint64_t bytes, const tn_sync *);
TN_API TN_NODISCARD tn_status tn_queue_copy(tn_queue *, tn_buffer *to, uint64_t to_offset,
                                            tn_buffer *from, uint64_t from_offset, uint64_t bytes,
                                            const tn_sync *); /* any two devices */
TN_API TN_NODISCARD tn_status tn_queue_fill(tn_queue *, tn_buffer *, uint64_t offset,
                                            uint64_t bytes, uint32_t pattern,
                                            uint32_t pattern_bytes, const tn_sync *);
TN_API TN_NODISCARD tn_status tn_queue_call(tn_queue *, void (*fn)(void *self), void *self,
                                            const tn_sync *); /* host function in stream order */

#ifdef __cplusplus
}
#endif

#endif
