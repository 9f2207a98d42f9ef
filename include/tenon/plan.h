/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: one op prepared for one device; running it. */
#ifndef TENON_PLAN_H
#define TENON_PLAN_H

#include <tenon/ops.h>
#include <tenon/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Whether a device has a kernel for an op; builds nothing.
 *  returns   UNSUPPORTED with the reason, INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_supports(tn_device *device, const tn_op *op);
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

/** Prepare an op for a device: kernel, layouts, workspace; cached by shapes, dtypes, attributes
 *  and class.
 *  memory    buffers in op are not looked at; desc may be NULL; the plan retains the device
 *  returns   UNSUPPORTED with the reason (another device may), INVALID, NO_MEMORY
 *  threads   thread-safe; the plan is immutable after create; may block
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_plan_create(tn_device *device, const tn_op *op,
                                             const tn_plan_desc *desc, tn_plan **out_plan);
typedef struct tn_plan_info {
    tn_head head;
    char kernel[96], device[128];
    tn_numerics numerics; /* resolved: what will run, version never 0 */
    uint32_t fallback, parts;
    uint64_t workspace_bytes, estimate_ns;
    char layouts[160]; /* which operands are read where they lie, the form of those moved first; "":
                          all are read where they lie, or the device does not tell */
} tn_plan_info;

/** What will run: kernel, device, resolved numerics, workspace, inner layouts, whether it is a
 *  fallback.
 *  returns   INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_plan_get_info(const tn_plan *plan, tn_plan_info *out_info);
/* What the chosen kernel does; bounds are computed from it (CONFORMANCE.md 2.2). All 0 is the
 * strictest: exact products, f32 accumulate, nearest even, subnormals kept, no transform. exp_ulp:
 * the largest error, in ulp of its result, of a function that is not correctly rounded: exp inside
 * softmax and attention, the function of eltwise, those after a matmul; rsqrt_ulp: likewise of
 * rsqrt in norms. 0: no such function, or correctly rounded. */
typedef struct tn_arithmetic {
    tn_head head;
    uint16_t product, accumulate, inner; /* tn_dtype; inner: stored scores and P */
    uint16_t accumulate_bits, extra_bits, block;
    uint8_t accumulate_round, output_round, flush_in, flush_out, overflow, split, transform, tree,
        unrepeatable, pad[7];
    float exp_ulp, rsqrt_ulp;
} tn_arithmetic;

/** The arithmetic that the chosen kernel declares; bounds are computed from it.
 *  returns   INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_plan_arithmetic(const tn_plan *plan,
                                                 tn_arithmetic *out_arithmetic);
typedef struct tn_choice {
    const char *device, *kernel, *reason, *text, *file;
    int32_t line, accepted;
    uint64_t estimate_ns;
} tn_choice;
typedef void (*tn_choice_fn)(void *self, const tn_choice *);

/** Every candidate, chosen or refused, in order.
 *  memory    the strings are borrowed during the call
 *  returns   INVALID
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_plan_explain(const tn_plan *plan, tn_choice_fn fn, void *self);

/** As tn_plan_explain, also when no plan can be made.
 *  memory    the strings are borrowed during the call
 *  returns   INVALID for an op that no device could run
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_device_explain(tn_device *device, const tn_op *op, tn_choice_fn fn,
                                                void *self);
/* Packed weights are plain buffers that the caller owns; plans that name the same layout share
 * them. Layout ids are stable across processes (hash of device, kernel family, tile). */

/** The packed layout that the plan takes for an operand, and its size; the id is stable across
 *  processes.
 *  returns   UNSUPPORTED when the kernel packs nothing
 *  threads   thread-safe
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_plan_layout(const tn_plan *plan, tn_role role,
                                             uint64_t *out_layout, uint64_t *out_bytes);

/** Pack an operand for a plan into a buffer that the caller owns; plans that name the same layout
 *  share it.
 *  memory    `from` has the shape of the operand, any strides; `to` has the bytes that
 *            tn_plan_layout told
 *  returns   INVALID, UNSUPPORTED when the kernel packs nothing
 *  threads   externally synchronised (one submitter); never blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_pack(tn_queue *queue, const tn_plan *plan, tn_role role,
                                            const tn_tensor *from, tn_buffer *to,
                                            uint64_t to_offset, const tn_sync *sync);
typedef struct tn_bind {
    uint32_t role, flags;
    tn_buffer *buffer;
    uint64_t offset_bytes;
} tn_bind;

/** Run a plan: every role of its op is bound to a buffer of the queue's device.
 *  memory    NULL workspace: from the queue's own arena; buffers are retained until the work is
 *            done; an output must not overlap an input unless MAY_ALIAS and the same range
 *  returns   INVALID with the role that is missing, doubled or too small; NO_MEMORY, DEVICE_LOST;
 *            what fails later is on the fence
 *  threads   externally synchronised (one submitter); never blocks (on a queue made
 *            TN_QUEUE_INLINE the work may be done on return)
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_run(tn_queue *queue, tn_plan *plan, const tn_bind *binds,
                                           uint32_t count, tn_buffer *workspace,
                                           const tn_sync *sync);

/** Start recording: a queue that keeps instead of running; same calls, no waits or signals.
 *  memory    the recorder retains the queue
 *  returns   INVALID, NO_MEMORY
 *  threads   externally synchronised
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_commands_begin(tn_queue *queue, tn_queue **out_recorder);

/** End recording; the recorder takes no more work.
 *  memory    the commands retain what they use; they belong to the queue that recording began on
 *  returns   INVALID for a queue that does not record
 *  threads   externally synchronised; commands are immutable after create
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_commands_end(tn_queue *recorder, tn_commands **out_commands);

/** Run recorded commands in their order; the signals come after the last.
 *  returns   INVALID for commands of another queue
 *  threads   externally synchronised (one submitter); never blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_queue_submit(tn_queue *queue, tn_commands *commands,
                                              const tn_sync *sync);

/** Plan (cached), run with the op's own buffers, wait: for scripts and tests.
 *  returns   as tn_plan_create, tn_queue_run and tn_queue_wait_idle
 *  threads   externally synchronised; blocks
 *  since     0.1 */
TN_API TN_NODISCARD tn_status tn_compute(tn_queue *queue, const tn_op *op);

#ifdef __cplusplus
}
#endif

#endif
