/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, RMS and group norm in the normative order, written out. */
#include <kernels/common/canon.h>
#include <kernels/norm/norm.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return ((const tn_k_norm_params *)params)->kind != TN_NORM_BATCH_INFERENCE ||
           tn_k_refuse(why, "norm.kind_row", "attr.kind", "this row is not for batch norm");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_norm_params *p = params;
    tn_k_launch_items(out, caps, p->count == 0 ? 0 : tn_k_grid_count(&p->rows),
                      (uint64_t)p->count * 32);
    out->estimate_ns *= 8;
}

static float sum(const tn_k_norm_params *p, const float *x, bool squares, float centre)
{
    float t = 0.0f;
    for (int64_t first = 0; first < p->count; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < p->count && i < first + TN_C_SEGMENT; i++) {
            float v = x[tn_k_grid_offset(&p->inner, 0, i)], *l = &lane[i % TN_C_LANES];
            if (p->kind != TN_NORM_RMS && squares)
                v = v - centre;
            *l = squares ? __builtin_fmaf(v, v, *l) : *l + v;
        }
        t = t + tn_c_fold(lane);
    }
    return t;
}

static void row(const tn_k_norm_params *p, int64_t r_at, const float *x, const float *gamma,
                const float *beta, float *y)
{
    float scale = c_recip((float)p->count), mean = 0.0f;
    if (p->kind != TN_NORM_RMS)
        mean = sum(p, x, false, 0.0f) * scale;
    float r = c_rsqrt(__builtin_fmaf(sum(p, x, true, mean), scale, p->epsilon));
    for (int64_t i = 0; i < p->count; i++) {
        float z = x[tn_k_grid_offset(&p->inner, 0, i)];
        if (p->kind != TN_NORM_RMS)
            z = z - mean;
        z = z * r;
        float g = gamma == NULL ? 1.0f : gamma[tn_k_norm_affine(p, 0, r_at, i)];
        float b = beta == NULL ? 0.0f : beta[tn_k_norm_affine(p, 1, r_at, i)];
        if (gamma != NULL && beta != NULL)
            z = __builtin_fmaf(z, g, b);
        else if (gamma != NULL)
            z = z * g;
        else if (beta != NULL)
            z = z + b;
        y[tn_k_grid_offset(&p->inner, 1, i)] = z;
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_norm_params *p = params;
    const float *gamma = p->gamma_at < 0 ? NULL : operand[p->gamma_at];
    const float *beta = p->beta_at < 0 ? NULL : operand[p->beta_at];
    int64_t rows = tn_k_grid_count(&p->rows);
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, r, (const float *)operand[0] + tn_k_grid_offset(&p->rows, 0, r), gamma, beta,
            (float *)operand[1] + tn_k_grid_offset(&p->rows, 1, r));
}

extern const tn_k_variant tn_k_norm_f32_canonical;
const tn_k_variant tn_k_norm_f32_canonical = {
    .name = "norm_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
