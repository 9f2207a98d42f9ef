/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary embedding in the normative form, written out. */
#include <kernels/common/dtype_convert.h>
#include <kernels/rope/rope.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_rope_params *p = params;
    tn_k_launch_items(out, caps, p->d == 0 ? 0 : tn_k_grid_count(&p->rows), (uint64_t)p->d * 32);
    out->estimate_ns *= 8;
}

static void put(const tn_k_rope_params *p, void *out, int64_t at, float y)
{
    tn_c_store(p->to, out, at, (tn_c_value){false, 0, (double)y}, false);
}

static void row(const tn_k_rope_params *p, void *const *operand, int64_t r)
{
    const float *freq = operand[2];
    int64_t from = tn_k_grid_offset(&p->rows, 0, r), to = tn_k_grid_offset(&p->rows, 2, r);
    float position = (float)((const int32_t *)operand[1])[tn_k_grid_offset(&p->rows, 1, r)];
    for (int64_t e = 2 * p->half; e < p->d; e++)
        put(p, operand[3], to + e * p->out_stride,
            (float)tn_c_load(p->from, operand[0], from + e * p->a_stride).f);
    for (int64_t i = 0; i < p->half; i++) {
        int64_t e0, e1;
        tn_k_rope_pair(p, i, &e0, &e1);
        float angle = position * freq[i * p->freq_stride];
        float c = c_cos(angle), s = c_sin(angle);
        float x0 = (float)tn_c_load(p->from, operand[0], from + e0 * p->a_stride).f;
        float x1 = (float)tn_c_load(p->from, operand[0], from + e1 * p->a_stride).f;
        put(p, operand[3], to + e0 * p->out_stride, __builtin_fmaf(x0, c, -(x1 * s)));
        put(p, operand[3], to + e1 * p->out_stride, __builtin_fmaf(x0, s, x1 * c));
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_rope_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows), end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, operand, r);
}

extern const tn_k_variant tn_k_rope_canonical;
const tn_k_variant tn_k_rope_canonical = {
    .name = "rope_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_rope_arithmetic,
};
