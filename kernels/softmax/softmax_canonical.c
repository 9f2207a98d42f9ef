/* SPDX-License-Identifier: Apache-2.0 */
/* softmax in the normative order, written out. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
#include <kernels/softmax/softmax.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_softmax_params *p = params;
    tn_k_launch_items(out, caps, p->count == 0 ? 0 : tn_k_grid_count(&p->rows),
                      (uint64_t)p->count * 64);
    out->estimate_ns *= 8;
}

/* x, y: the row's first elements in A and OUT */
static void row(const tn_k_softmax_params *p, const void *a, int64_t x, void *out, int64_t y)
{
    int64_t xs = p->stride[0], ys = p->stride[1];
    float m = tn_k_widen(p->from, a, x);
    for (int64_t i = 0; i < p->count; i++)
        m = tn_c_max(m, tn_k_widen(p->from, a, x + i * xs));
    float t = 0.0f;
    for (int64_t first = 0; first < p->count; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < p->count && i < first + TN_C_SEGMENT; i++)
            lane[i % TN_C_LANES] =
                lane[i % TN_C_LANES] + c_exp(tn_k_widen(p->from, a, x + i * xs) - m);
        t = t + tn_c_fold(lane);
    }
    float scale = p->log ? c_log(t) : c_recip(t);
    for (int64_t i = 0; i < p->count; i++) {
        float d = tn_k_widen(p->from, a, x + i * xs) - m;
        tn_k_narrow(p->to, out, y + i * ys, p->log ? d - scale : c_exp(d) * scale);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_softmax_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows);
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, operand[0], tn_k_grid_offset(&p->rows, 0, r), operand[1],
            tn_k_grid_offset(&p->rows, 1, r));
}

extern const tn_k_variant tn_k_softmax_f32_canonical;
const tn_k_variant tn_k_softmax_f32_canonical = {
    .name = "softmax_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_softmax_arithmetic,
};
