/* SPDX-License-Identifier: Apache-2.0 */
/* topk in plain form: for each place, one walk over the row for what comes next. */
#include <kernels/topk/topk.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_topk_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->rows),
                      (uint64_t)p->extent * (uint64_t)(p->k < 256 ? p->k : 256) * 16);
    out->estimate_ns *= 2;
}

static void row(const tn_k_topk_params *p, void *const *operand, int64_t r)
{
    int64_t from = tn_k_grid_offset(&p->rows, 0, r);
    tn_k_topk_item last = {INT64_MAX, -1}; /* before all elements */
    for (int64_t place = 0; place < p->k; place++) {
        tn_k_topk_item best = {INT64_MIN, INT64_MAX}; /* after all elements */
        for (int64_t i = 0; i < p->extent; i++) {
            tn_k_topk_item x = {tn_k_topk_key(p, operand[0], from + i * p->stride[0]), i};
            if (tn_k_topk_before(last, x) && tn_k_topk_before(x, best))
                best = x;
        }
        tn_k_topk_put(p, operand, r, place, best.index);
        last = best;
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_topk_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows), end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, operand, r);
}

extern const tn_k_variant tn_k_topk_canonical;
const tn_k_variant tn_k_topk_canonical = {
    .name = "topk_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
