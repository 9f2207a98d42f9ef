/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of groups finds before its kernel, TN_GROUP_KERNEL { .. }: the params, the operands and its place. A
 * launch may be of some of the groups, so that their number within it says nothing. */
#ifdef cl_intel_vec_len_hint /* of the runtime for cpus, whose vectoriser loads operand[-1] before it asks */
#define TN_NO_VECTORS __attribute__((intel_vec_len_hint(1)))
#else
#define TN_NO_VECTORS
#endif
#define TN_GROUP_KERNEL                                                                            \
    TN_NO_VECTORS                                                                                  \
    __attribute__((reqd_work_group_size(TN_SIZE_0, TN_SIZE_1, TN_SIZE_2))) __kernel void tn_run(   \
        TN_RUN_ARGUMENTS)
#define TN_PARAMS_HERE ((__global const TN_PARAMS *)(box + TN_PARAMS_AT))
#define TN_LAUNCH_HERE ((__global const tn_k_launch *)box)
#define TN_SHARED_HERE (workspace + shared_at)
#define TN_GROUP(d)    ((uint)(get_global_id(d) / TN_SIZE_##d))
#define TN_ITEM(d)     ((uint)get_local_id(d))
#define TN_MEET        barrier(CLK_LOCAL_MEM_FENCE)

/* The tree over 64 lanes, one of each work-item (docs/NUMERICS.md section 3): the sum is in lane[0] until the group
 * meets again. */
static void tn_fold(__local float *lane, uint x, float mine)
{
    TN_MEET;
    lane[x] = mine;
    for (uint h = 32; h > 0; h /= 2) {
        TN_MEET;
        if (x < h)
            lane[x] = lane[x] + lane[x + h];
    }
    TN_MEET;
}
