/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels around a row's text: one work-item is one task. `box` holds the launch and, TN_PARAMS_AT
 * bytes behind its start, the params; scratch of a task lies at scratch_at + task * worker_bytes. */
typedef char tn_launch_as_on_the_host[sizeof(tn_k_launch) == TN_LAUNCH_BYTES ? 1 : -1];
typedef char tn_params_as_on_the_host[sizeof(TN_PARAMS) == TN_PARAMS_BYTES ? 1 : -1];

#define TN_B(i) __global uchar *b##i, ulong o##i
#define TN_P(i) TN_POINTER(b##i) + o##i

#define TN_ENTRY(name, args, ...)                                                                  \
    __attribute__((reqd_work_group_size(1, 1, 1))) __kernel void name(                             \
        __global const uchar *box, __global uchar *workspace, ulong shared_at, ulong scratch_at,   \
        uint phase, args)                                                                          \
    {                                                                                              \
        void *operand[] = {__VA_ARGS__};                                                           \
        const tn_k_launch *launch = (const tn_k_launch *)TN_POINTER(box);                          \
        uint task = (uint)get_global_id(0);                                                        \
        uchar *room = TN_POINTER(workspace);                                                       \
        TN_RUN(launch, TN_POINTER(box) + TN_PARAMS_AT, operand, room + shared_at,                  \
               room + scratch_at + task * launch->worker_bytes, phase, task, task + 1);            \
    }

#define TN_AND ,
TN_ENTRY(tn_run4, TN_B(0) TN_AND TN_B(1) TN_AND TN_B(2) TN_AND TN_B(3), TN_P(0), TN_P(1), TN_P(2), TN_P(3))
TN_ENTRY(tn_run8,
         TN_B(0) TN_AND TN_B(1) TN_AND TN_B(2) TN_AND TN_B(3) TN_AND TN_B(4) TN_AND TN_B(5) TN_AND TN_B(6) TN_AND TN_B(7),
         TN_P(0), TN_P(1), TN_P(2), TN_P(3), TN_P(4), TN_P(5), TN_P(6), TN_P(7))
TN_ENTRY(tn_run24,
         TN_B(0) TN_AND TN_B(1) TN_AND TN_B(2) TN_AND TN_B(3) TN_AND TN_B(4) TN_AND TN_B(5) TN_AND TN_B(6) TN_AND TN_B(7)
         TN_AND TN_B(8) TN_AND TN_B(9) TN_AND TN_B(10) TN_AND TN_B(11) TN_AND TN_B(12) TN_AND TN_B(13) TN_AND TN_B(14)
         TN_AND TN_B(15) TN_AND TN_B(16) TN_AND TN_B(17) TN_AND TN_B(18) TN_AND TN_B(19) TN_AND TN_B(20) TN_AND TN_B(21)
         TN_AND TN_B(22) TN_AND TN_B(23),
         TN_P(0), TN_P(1), TN_P(2), TN_P(3), TN_P(4), TN_P(5), TN_P(6), TN_P(7), TN_P(8), TN_P(9), TN_P(10), TN_P(11),
         TN_P(12), TN_P(13), TN_P(14), TN_P(15), TN_P(16), TN_P(17), TN_P(18), TN_P(19), TN_P(20), TN_P(21), TN_P(22),
         TN_P(23))

#ifdef TN_PACK
__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void
tn_pack(__global const uchar *box, __global const uchar *tensor, __global uchar *from, ulong from_at,
        __global uchar *to, ulong to_at)
{
    uint task = (uint)get_global_id(0);
    TN_PACK((const tn_k_launch *)TN_POINTER(box), TN_POINTER(box) + TN_PARAMS_AT,
            (const tn_tensor *)TN_POINTER(tensor), TN_POINTER(from) + from_at, TN_POINTER(to) + to_at, task,
            task + 1);
}
#endif
