/* SPDX-License-Identifier: Apache-2.0 */
/* Copy of runs that are dense on both sides: one memcpy a run. The C library's memcpy uses the
 * CPU's widest moves, so there is nothing to gain from a row per ISA. */
#include <kernels/copy/copy.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    (void)caps;
    if (p->elem_bytes == 0)
        return tn_k_refuse(why, "copy.dtype", "out", "this kernel moves one type unchanged");
    if (tn_k_grid_inner_stride(&p->grid, 0) != 1 || tn_k_grid_inner_stride(&p->grid, 1) != 1)
        return tn_k_refuse(why, "copy.stride", "a", "copies runs that are dense on both sides");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_copy_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), p->elem_bytes);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_copy_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), inner = tn_k_grid_inner(&p->grid);
    int64_t bytes = p->elem_bytes;
    int64_t i = tn_k_task_first(count, launch->tasks[0], first);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    while (i < end) {
        int64_t left = inner - i % inner, n = left < end - i ? left : end - i;
        memmove((char *)operand[1] + tn_k_grid_offset(&p->grid, 1, i) * bytes,
                (const char *)operand[0] + tn_k_grid_offset(&p->grid, 0, i) * bytes,
                (size_t)(n * bytes));
        i += n;
    }
}

extern const tn_k_variant tn_k_copy_rows;
const tn_k_variant tn_k_copy_rows = {
    .name = "copy_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
