/* SPDX-License-Identifier: Apache-2.0 */
/* gather of slices that are dense at the innermost dim: one memcpy a run. The C library's memcpy
 * uses the CPU's widest moves, so there is nothing to gain from a row per ISA. */
#include <kernels/gather/gather.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_gather_params *p = params;
    (void)caps;
    if (tn_k_grid_inner_stride(&p->slice, 0) != 1 || tn_k_grid_inner_stride(&p->slice, 2) != 1)
        return tn_k_refuse(why, "gather.stride", "a", "copies slices that are dense inside");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_gather_params *p = params;
    int64_t slice = tn_k_grid_count(&p->slice);
    tn_k_launch_items(out, caps, slice == 0 ? 0 : tn_k_grid_count(&p->outer),
                      (uint64_t)slice * p->elem_bytes);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_gather_params *p = params;
    int64_t slices = tn_k_grid_count(&p->outer), count = tn_k_grid_count(&p->slice);
    int64_t inner = tn_k_grid_inner(&p->slice), bytes = p->elem_bytes;
    int64_t end = tn_k_task_first(slices, launch->tasks[0], last);
    for (int64_t s = tn_k_task_first(slices, launch->tasks[0], first); s < end; s++) {
        int64_t i = tn_k_gather_index(p, operand[1], tn_k_grid_offset(&p->outer, 1, s));
        int64_t from = tn_k_grid_offset(&p->outer, 0, s) + i * p->axis_stride;
        int64_t to = tn_k_grid_offset(&p->outer, 2, s);
        for (int64_t n = 0; n < count; n += inner) {
            char *y = (char *)operand[2] + (to + tn_k_grid_offset(&p->slice, 2, n)) * bytes;
            if (i < 0)
                memset(y, 0, (size_t)(inner * bytes));
            else
                memcpy(y,
                       (const char *)operand[0] +
                           (from + tn_k_grid_offset(&p->slice, 0, n)) * bytes,
                       (size_t)(inner * bytes));
        }
    }
}

extern const tn_k_variant tn_k_gather_rows;
const tn_k_variant tn_k_gather_rows = {
    .name = "gather_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
