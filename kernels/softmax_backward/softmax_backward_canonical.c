/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of softmax in the normative order, written out. */
#include <kernels/common/canon.h>
#include <kernels/softmax_backward/softmax_backward.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_softmax_backward_params *p = params;
    tn_k_launch_items(out, caps, p->count == 0 ? 0 : tn_k_grid_count(&p->rows),
                      (uint64_t)p->count * 32);
    out->estimate_ns *= 8;
}

static void row(const tn_k_softmax_backward_params *p, const float *y, const float *g, float *out)
{
    int64_t ys = p->stride[0], gs = p->stride[1];
    float t = 0.0f;
    for (int64_t first = 0; first < p->count; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < p->count && i < first + TN_C_SEGMENT; i++) {
            float v = p->log ? g[i * gs] : y[i * ys] * g[i * gs];
            lane[i % TN_C_LANES] = lane[i % TN_C_LANES] + v;
        }
        t = t + tn_c_fold(lane);
    }
    for (int64_t i = 0; i < p->count; i++) {
        float v = y[i * ys], d = g[i * gs];
        out[i * p->stride[2]] = p->log ? __builtin_fmaf(-c_exp(v), t, d) : v * (d - t);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_softmax_backward_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows);
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, (const float *)operand[0] + tn_k_grid_offset(&p->rows, 0, r),
            (const float *)operand[1] + tn_k_grid_offset(&p->rows, 1, r),
            (float *)operand[2] + tn_k_grid_offset(&p->rows, 2, r));
}

extern const tn_k_variant tn_k_softmax_backward_f32_canonical;
const tn_k_variant tn_k_softmax_backward_f32_canonical = {
    .name = "softmax_backward_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
