/* SPDX-License-Identifier: Apache-2.0 */
/* What every kernel tn_run is called with: `box` holds the launch and, TN_PARAMS_AT bytes behind its start, the
 * params; the workspace what all tasks or groups share. Built for TN_SLOTS operands, or with 0 for packing. */
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
#define TN_RUN_ARGUMENTS                                                                           \
    __global const uchar *box, __global uchar *workspace, ulong shared_at, ulong scratch_at,       \
        uint phase, TN_BUFFERS
