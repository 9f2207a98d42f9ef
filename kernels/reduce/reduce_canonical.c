/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions in the normative order, written out. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
#include <kernels/reduce/reduce.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_reduce_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->kept), (uint64_t)p->count * 16 + 16);
    out->estimate_ns *= 8;
}

/* x: the first element in A */
static float reduce(const tn_k_reduce_params *p, const void *a, int64_t x)
{
    if (p->kind == TN_REDUCE_MAX || p->kind == TN_REDUCE_MIN) {
        float m = p->kind == TN_REDUCE_MAX ? -__builtin_inff() : __builtin_inff();
        for (int64_t i = 0; i < p->count; i++) {
            float v = tn_k_widen(p->from, a, x + tn_k_grid_offset(&p->inner, 0, i));
            m = p->kind == TN_REDUCE_MAX ? tn_c_max(m, v) : tn_c_min(m, v);
        }
        return m;
    }
    float t = 0.0f;
    for (int64_t first = 0; first < p->count; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < p->count && i < first + TN_C_SEGMENT; i++) {
            float v = tn_k_widen(p->from, a, x + tn_k_grid_offset(&p->inner, 0, i));
            float *l = &lane[i % TN_C_LANES];
            *l = p->kind == TN_REDUCE_SUMSQ ? __builtin_fmaf(v, v, *l) : *l + v;
        }
        t = t + tn_c_fold(lane);
    }
    return p->kind == TN_REDUCE_MEAN ? t * c_recip((float)p->count) : t;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_reduce_params *p = params;
    int64_t outputs = tn_k_grid_count(&p->kept);
    int64_t end = tn_k_task_first(outputs, launch->tasks[0], last);
    for (int64_t o = tn_k_task_first(outputs, launch->tasks[0], first); o < end; o++)
        tn_k_narrow(p->to, operand[1], tn_k_grid_offset(&p->kept, 1, o),
                    reduce(p, operand[0], tn_k_grid_offset(&p->kept, 0, o)));
}

extern const tn_k_variant tn_k_reduce_f32_canonical;
const tn_k_variant tn_k_reduce_f32_canonical = {
    .name = "reduce_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
