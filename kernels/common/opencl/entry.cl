/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel around a row's text: one work-item is one task. `box` holds the launch and, TN_PARAMS_AT
 * bytes behind its start, the params; scratch of a task lies at scratch_at + task * worker_bytes, what its
 * arrays beside need (TN_BESIDE) at the end of that. Built for TN_SLOTS operands, or with 0 for packing. */
typedef char tn_launch_as_on_the_host[sizeof(tn_k_launch) == TN_LAUNCH_BYTES ? 1 : -1];
typedef char tn_params_as_on_the_host[sizeof(TN_PARAMS) == TN_PARAMS_BYTES ? 1 : -1];

#define TN_B(i)  __global uchar *b##i, ulong o##i
#define TN_B4(i) TN_B(i##0), TN_B(i##1), TN_B(i##2), TN_B(i##3)
#define TN_P(i)  b##i + o##i
#define TN_P4(i) TN_P(i##0), TN_P(i##1), TN_P(i##2), TN_P(i##3)
#if TN_SLOTS == 4
#define TN_BUFFERS  TN_B4(a)
#define TN_OPERANDS TN_P4(a)
#elif TN_SLOTS == 8
#define TN_BUFFERS  TN_B4(a), TN_B4(b)
#define TN_OPERANDS TN_P4(a), TN_P4(b)
#else
#define TN_BUFFERS  TN_B4(a), TN_B4(b), TN_B4(c), TN_B4(d), TN_B4(e), TN_B4(f)
#define TN_OPERANDS TN_P4(a), TN_P4(b), TN_P4(c), TN_P4(d), TN_P4(e), TN_P4(f)
#endif
#ifdef cl_intel_vec_len_hint
#define TN_KERNEL                                                                                  \
    __attribute__((intel_vec_len_hint(1), reqd_work_group_size(1, 1, 1))) __kernel void
#else
#define TN_KERNEL __attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
#endif

#if TN_SLOTS
TN_KERNEL tn_run(__global const uchar *box, __global uchar *workspace, ulong shared_at,
                 ulong scratch_at, uint phase, TN_BUFFERS)
{
    __global void *operand[] = {TN_OPERANDS};
    __global const tn_k_launch *launch = (__global const tn_k_launch *)box;
    uint task = (uint)get_global_id(0);
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
TN_KERNEL tn_pack(__global const uchar *box, __global const uchar *tensor, __global uchar *from,
                  ulong from_at, __global uchar *to, ulong to_at)
{
    uint task = (uint)get_global_id(0);
    TN_PACK((__global const tn_k_launch *)box, box + TN_PARAMS_AT,
            (__global const tn_tensor *)tensor, from + from_at, to + to_at, task, task + 1);
}
#endif
