/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel around a row's text: one work-item is one task. Scratch of a task lies at scratch_at + task *
 * worker_bytes, what its arrays beside need (TN_BESIDE) at the end of that. The last group has work-items too
 * many. */
#ifdef cl_intel_vec_len_hint
#define TN_KERNEL(size)                                                                            \
    __attribute__((intel_vec_len_hint(1), reqd_work_group_size(size, 1, 1))) __kernel void
#else
#define TN_KERNEL(size) __attribute__((reqd_work_group_size(size, 1, 1))) __kernel void
#endif

#if TN_SLOTS
TN_KERNEL(TN_SIZE_0)
tn_run(TN_RUN_ARGUMENTS)
{
    __global void *operand[] = {TN_OPERANDS};
    __global const tn_k_launch *launch = (__global const tn_k_launch *)box;
    uint task = (uint)get_global_id(0);
    if (TN_SIZE_0 > 1 && task >= launch->tasks[phase])
        return;
    __global uchar *scratch = workspace + scratch_at + task * launch->worker_bytes;
#ifdef TN_BESIDE
    TN_RUN(launch, box + TN_PARAMS_AT, operand, workspace + shared_at, scratch, phase, task,
           task + 1, scratch + launch->worker_bytes - TN_BESIDE_BYTES);
#else
    TN_RUN(launch, box + TN_PARAMS_AT, operand, workspace + shared_at, scratch, phase, task,
           task + 1);
#endif
}
#else
TN_KERNEL(1)
tn_pack(__global const uchar *box, __global const uchar *tensor, __global uchar *from,
                  ulong from_at, __global uchar *to, ulong to_at)
{
    uint task = (uint)get_global_id(0);
    TN_PACK((__global const tn_k_launch *)box, box + TN_PARAMS_AT,
            (__global const tn_tensor *)tensor, from + from_at, to + to_at, task, task + 1);
}
#endif
