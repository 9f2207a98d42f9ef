/* SPDX-License-Identifier: Apache-2.0 */
/* gather in plain form: one element at a time. */
#include <kernels/gather/gather.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_gather_params *p = params;
    int64_t slice = tn_k_grid_count(&p->slice);
    tn_k_launch_items(out, caps, slice == 0 ? 0 : tn_k_grid_count(&p->outer),
                      (uint64_t)slice * p->elem_bytes);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_gather_params *p = params;
    int64_t slices = tn_k_grid_count(&p->outer), count = tn_k_grid_count(&p->slice);
    int64_t end = tn_k_task_first(slices, launch->tasks[0], last);
    for (int64_t s = tn_k_task_first(slices, launch->tasks[0], first); s < end; s++) {
        int64_t i = tn_k_gather_index(p, operand[1], tn_k_grid_offset(&p->outer, 1, s));
        int64_t from = tn_k_grid_offset(&p->outer, 0, s) + i * p->axis_stride;
        int64_t to = tn_k_grid_offset(&p->outer, 2, s);
        for (int64_t n = 0; n < count; n++) {
            char *y = (char *)operand[2] +
                      (to + tn_k_grid_offset(&p->slice, 2, n)) * (int64_t)p->elem_bytes;
            if (i < 0)
                memset(y, 0, p->elem_bytes);
            else
                memcpy(y,
                       (const char *)operand[0] +
                           (from + tn_k_grid_offset(&p->slice, 0, n)) * (int64_t)p->elem_bytes,
                       p->elem_bytes);
        }
    }
}

extern const tn_k_variant tn_k_gather_canonical;
const tn_k_variant tn_k_gather_canonical = {
    .name = "gather_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
