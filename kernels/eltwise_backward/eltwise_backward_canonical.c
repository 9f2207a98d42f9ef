/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of the unary kinds in plain form: one element at a time. */
#include <kernels/eltwise_backward/eltwise_backward_math.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_eltwise_backward_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 64);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_eltwise_backward_params *p = params;
    const float *a = operand[0], *grad = operand[1];
    float *out = operand[2];
    int64_t count = tn_k_grid_count(&p->grid);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++)
        out[tn_k_grid_offset(&p->grid, 2, i)] =
            tn_k_eltwise_backward_f32(p->kind, a[tn_k_grid_offset(&p->grid, 0, i)],
                                      grad[tn_k_grid_offset(&p->grid, 1, i)], p->a, p->b);
}

extern const tn_k_variant tn_k_eltwise_backward_f32_canonical;
const tn_k_variant tn_k_eltwise_backward_f32_canonical = {
    .name = "eltwise_backward_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
