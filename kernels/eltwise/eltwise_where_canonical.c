/* SPDX-License-Identifier: Apache-2.0 */
/* where in plain form: one element at a time, of any whole bytes. */
#include <kernels/eltwise/eltwise.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (((const tn_k_eltwise_params *)params)->kind != TN_ELTWISE_WHERE)
        return tn_k_refuse(why, "eltwise.kind", "attr.kind", "this kernel is where alone");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_eltwise_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 64);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_eltwise_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), bytes = tn_k_elem_bytes(p->dtype);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        bool take = ((const uint8_t *)operand[0])[tn_k_grid_offset(&p->grid, 0, i)] != 0;
        uint32_t from = take ? 1 : 2;
        memmove((char *)operand[3] + tn_k_grid_offset(&p->grid, 3, i) * bytes,
                (const char *)operand[from] + tn_k_grid_offset(&p->grid, from, i) * bytes,
                (size_t)bytes);
    }
}

extern const tn_k_variant tn_k_eltwise_where_canonical;
const tn_k_variant tn_k_eltwise_where_canonical = {
    .name = "eltwise_where_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
