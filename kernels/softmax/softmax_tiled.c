/* SPDX-License-Identifier: Apache-2.0 */
/* softmax for devices of groups with local memory, in the CANONICAL order: what the host decides of
 * softmax_tiled.cl. */
#include <kernels/common/canon.h>
#include <kernels/common/group_tiles.h>
#include <kernels/common/widen.h>
#include <kernels/softmax/softmax.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_softmax_params *p = params;
    (void)caps;
    return p->stride[0] == 1 ||
           tn_k_refuse(why, "softmax.stride", "a", "for elements of a row side by side");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_softmax_params *p = params;
    int64_t rows = p->count == 0 ? 0 : tn_k_grid_count(&p->rows);
    *out = (tn_k_launch){.workers = caps->workers};
    out->phases = rows > 0;
    out->tasks[0] = 1;
    out->estimate_ns = tn_k_group_estimate(caps, (double)rows * (double)p->count * 32.0);
}

static void lay_out(const tn_k_launch *launch, const void *params, const tn_k_caps *caps,
                    tn_k_groups *out)
{
    const tn_k_softmax_params *p = params;
    (void)caps;
    if (launch->phases == 0)
        return;
    tn_k_group_rows(out, tn_k_grid_count(&p->rows), p->count > TN_C_SEGMENT);
    tn_k_group_option(out, "FROM", p->from);
    tn_k_group_option(out, "TO", p->to);
    tn_k_group_option(out, "LOG", p->log != 0);
}

extern const tn_k_group_row tn_k_softmax_tiled;
const tn_k_group_row tn_k_softmax_tiled = {
    .variant = {.name = "softmax_tiled",
                .isa = TN_K_ISA_GROUPS,
                .cls = TN_CLASS_CANONICAL,
                .accepts = accepts,
                .plan = plan,
                .arithmetic = tn_k_softmax_arithmetic},
    .groups = lay_out,
};
