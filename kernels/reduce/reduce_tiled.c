/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions for devices of groups with local memory, in the CANONICAL order: what the host decides
 * of reduce_tiled.cl. */
#include <kernels/common/canon.h>
#include <kernels/common/group_tiles.h>
#include <kernels/common/widen.h>
#include <kernels/reduce/reduce.h>

/* Where outputs are few and long, groups hand over the sums of segments, so many at most. */
enum { MOST_SHARED = 1 << 20, NUMBER_SEGMENTS = 0 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_reduce_params *p = params;
    (void)caps;
    return tn_k_grid_inner_stride(&p->inner, 0) == 1 ||
           tn_k_refuse(why, "reduce.stride", "a", "for elements of an output side by side");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_reduce_params *p = params;
    int64_t outputs = tn_k_grid_count(&p->kept);
    int64_t segments = (p->count + TN_C_SEGMENT - 1) / TN_C_SEGMENT;
    bool split = outputs < caps->workers / 64 && segments > TN_K_GROUP_HIGH &&
                 outputs * segments <= MOST_SHARED;
    *out = (tn_k_launch){.workers = caps->workers};
    out->phases = outputs == 0 ? 0 : split ? 2 : 1;
    out->tasks[0] = out->tasks[1] = 1;
    out->number[NUMBER_SEGMENTS] = split ? segments : 0;
    out->shared_bytes = split ? ((uint64_t)(outputs * segments) * 4 + 63) & ~(uint64_t)63 : 0;
    out->estimate_ns = tn_k_group_estimate(caps, (double)outputs * (double)(p->count + 64));
}

static void lay_out(const tn_k_launch *launch, const void *params, const tn_k_caps *caps,
                    tn_k_groups *out)
{
    const tn_k_reduce_params *p = params;
    int64_t segments = launch->number[NUMBER_SEGMENTS];
    (void)caps;
    if (launch->phases == 0)
        return;
    tn_k_group_rows(out, tn_k_grid_count(&p->kept), p->count > TN_C_SEGMENT);
    for (int d = 0; d < 3; d++)
        out->count[1][d] = out->count[0][d];
    if (segments > 0)
        out->count[0][1] = (uint32_t)((segments + TN_K_GROUP_HIGH - 1) / TN_K_GROUP_HIGH);
    tn_k_group_option(out, "FROM", p->from);
    tn_k_group_option(out, "TO", p->to);
    tn_k_group_option(out, "FLAT", p->inner.rank <= 1);
    tn_k_group_option(out, "KIND", p->kind);
    tn_k_group_option(out, "SPLIT", segments > 0);
}

extern const tn_k_group_row tn_k_reduce_tiled;
const tn_k_group_row tn_k_reduce_tiled = {
    .variant = {.name = "reduce_tiled",
                .isa = TN_K_ISA_GROUPS,
                .cls = TN_CLASS_CANONICAL,
                .accepts = accepts,
                .plan = plan},
    .groups = lay_out,
};
