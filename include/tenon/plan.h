/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: one op prepared for one device; running it. */
#ifndef TENON_PLAN_H
#define TENON_PLAN_H

#include <tenon/ops.h>
#include <tenon/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

TN_API TN_NODISCARD tn_status tn_device_supports(
    tn_device *, const tn_op *); /* microseconds, builds nothing; the reason is in tn_error_last */
enum {
    TN_PLAN_ALLOW_FALLBACK = 1,
    TN_PLAN_TUNE = 2
}; /* FALLBACK: run on cpu with copies in and out when the device lacks the op; said in info */
typedef struct tn_plan_desc {
    tn_head head;
    uint32_t flags;
    uint64_t workspace_limit_bytes, tune_ns;
    const char *kernel;
} tn_plan_desc; /* kernel: force one, or error */
TN_API TN_NODISCARD tn_status
tn_plan_create(tn_device *, const tn_op *, const tn_plan_desc *,
               tn_plan **out); /* cached a runtime; the key holds the class */
typedef struct tn_plan_info {
    tn_head head;
    char kernel[96], device[128];
    tn_numerics numerics; /* resolved: what will run, version never 0 */
    uint32_t fallback, parts;
    uint64_t workspace_bytes, estimate_ns;
} tn_plan_info;
TN_API TN_NODISCARD tn_status tn_plan_get_info(const tn_plan *, tn_plan_info *out);
/* What the chosen kernel does; bounds are computed from it (CONFORMANCE.md 2.2). All 0 is the
 * strictest: exact products, f32 accumulate, nearest even, subnormals kept, no transform. */
typedef struct tn_arithmetic {
    tn_head head;
    uint16_t product, accumulate, inner; /* tn_dtype; inner: stored scores and P */
    uint16_t accumulate_bits, extra_bits, block;
    uint8_t accumulate_round, output_round, flush_in, flush_out, overflow, split, transform, tree,
        unrepeatable, pad[7];
    float exp_ulp, rsqrt_ulp;
} tn_arithmetic;
TN_API TN_NODISCARD tn_status tn_plan_arithmetic(const tn_plan *, tn_arithmetic *out);
typedef struct tn_choice {
    const char *device, *kernel, *reason, *text, *file;
    int32_t line, accepted;
    uint64_t estimate_ns;
} tn_choice;
typedef void (*tn_choice_fn)(void *self, const tn_choice *);
TN_API TN_NODISCARD tn_status tn_plan_explain(
    const tn_plan *, tn_choice_fn, void *self); /* every candidate, chosen or refused, in order */
TN_API TN_NODISCARD tn_status tn_device_explain(tn_device *, const tn_op *, tn_choice_fn,
                                                void *self); /* also when no plan can be made */
/* Packed weights are plain buffers that the caller owns; plans that name the same layout share
 * them. Layout ids are stable across processes (hash of device, kernel family, tile). */
TN_API TN_NODISCARD tn_status tn_plan_layout(const tn_plan *, tn_role, uint64_t *out_layout,
                                             uint64_t *out_bytes);
TN_API TN_NODISCARD tn_status tn_queue_pack(tn_queue *, const tn_plan *, tn_role,
                                            const tn_tensor *from, tn_buffer *to,
                                            uint64_t to_offset, const tn_sync *);
typedef struct tn_bind {
    uint32_t role, flags;
    tn_buffer *buffer;
    uint64_t offset_bytes;
} tn_bind;
TN_API TN_NODISCARD tn_status
tn_queue_run(tn_queue *, tn_plan *, const tn_bind *, uint32_t count, tn_buffer *workspace,
             const tn_sync *); /* NULL workspace: from the queue's own arena */
TN_API TN_NODISCARD tn_status tn_commands_begin(
    tn_queue *,
    tn_queue **out_recorder); /* the commands belong to that queue, retain it, and are submitted to
                                 it alone; same calls, no waits or signals */
TN_API TN_NODISCARD tn_status tn_commands_end(tn_queue *recorder, tn_commands **out);
TN_API TN_NODISCARD tn_status tn_queue_submit(tn_queue *, tn_commands *, const tn_sync *);
TN_API TN_NODISCARD tn_status
tn_compute(tn_queue *, const tn_op *); /* plan (cached), run, wait: for scripts and tests */

#ifdef __cplusplus
}
#endif

#endif
