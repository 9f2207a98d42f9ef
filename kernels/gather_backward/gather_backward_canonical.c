/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of gather in the normative order, written out: one row of the table at a time. */
#include <kernels/gather_backward/gather_backward.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_gather_backward_params *p = params;
    int64_t inner = tn_k_grid_count(&p->inner), rows = tn_k_grid_count(&p->outer) * p->rows;
    tn_k_launch_items(out, caps, inner == 0 ? 0 : rows,
                      (uint64_t)p->grad_positions * 16 + (uint64_t)inner * 8);
    out->estimate_ns *= 8;
}

static float element(const tn_k_gather_backward_params *p, const void *grad, const void *index,
                     int64_t at, int64_t v)
{
    float t = 0.0f;
    for (int64_t first = 0; first < p->grad_positions; first += TN_C_CHUNK) {
        float s = 0.0f;
        for (int64_t i = first; i < p->grad_positions && i < first + TN_C_CHUNK; i++)
            if (tn_k_gather_backward_row(p, index, i) == v) {
                int64_t from = at + tn_k_grid_offset(&p->positions, 0, i);
                s = __builtin_fmaf(1.0f, (float)tn_c_load(p->grad_dtype, grad, from).f, s);
            }
        t = t + s;
    }
    return t;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_gather_backward_params *p = params;
    int64_t inner = tn_k_grid_count(&p->inner), rows = tn_k_grid_count(&p->outer) * p->rows;
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        for (int64_t e = 0; e < inner; e++) {
            int64_t o = r / p->rows, v = r % p->rows;
            int64_t from = tn_k_grid_offset(&p->outer, 0, o) + tn_k_grid_offset(&p->inner, 0, e);
            int64_t to = tn_k_grid_offset(&p->outer, 1, o) + v * p->row_stride +
                         tn_k_grid_offset(&p->inner, 1, e);
            float y = element(p, operand[0], operand[1], from, v);
            tn_c_store(p->out_dtype, operand[2], to, (tn_c_value){false, 0, (double)y}, false);
        }
}

extern const tn_k_variant tn_k_gather_backward_canonical;
const tn_k_variant tn_k_gather_backward_canonical = {
    .name = "gather_backward_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
