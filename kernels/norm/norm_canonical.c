/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, RMS and group norm in the normative order, written out. */
#include <kernels/common/canon.h>
#include <kernels/common/widen.h>
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

/* x: the row's first element in A */
static float sum(const tn_k_norm_params *p, const void *a, int64_t x, bool squares, float centre)
{
    float t = 0.0f;
    for (int64_t first = 0; first < p->count; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < p->count && i < first + TN_C_SEGMENT; i++) {
            float v = tn_k_widen(p->from, a, x + tn_k_grid_offset(&p->inner, 0, i));
            float *l = &lane[i % TN_C_LANES];
            if (p->kind != TN_NORM_RMS && squares)
                v = v - centre;
            *l = squares ? __builtin_fmaf(v, v, *l) : *l + v;
        }
        t = t + tn_c_fold(lane);
    }
    return t;
}

static void row(const tn_k_norm_params *p, int64_t r_at, const void *a, const void *gamma,
                const void *beta, void *out)
{
    int64_t x = tn_k_grid_offset(&p->rows, 0, r_at), y = tn_k_grid_offset(&p->rows, 1, r_at);
    float scale = c_recip((float)p->count), mean = 0.0f;
    if (p->kind != TN_NORM_RMS)
        mean = sum(p, a, x, false, 0.0f) * scale;
    float r = c_rsqrt(__builtin_fmaf(sum(p, a, x, true, mean), scale, p->epsilon));
    for (int64_t i = 0; i < p->count; i++) {
        float z = tn_k_widen(p->from, a, x + tn_k_grid_offset(&p->inner, 0, i));
        if (p->kind != TN_NORM_RMS)
            z = z - mean;
        z = z * r;
        float g = 1.0f, b = 0.0f;
        if (gamma != NULL)
            g = tn_k_widen(p->affine[0], gamma, tn_k_norm_affine(p, 0, r_at, i));
        if (beta != NULL)
            b = tn_k_widen(p->affine[1], beta, tn_k_norm_affine(p, 1, r_at, i));
        if (gamma != NULL && beta != NULL)
            z = __builtin_fmaf(z, g, b);
        else if (gamma != NULL)
            z = z * g;
        else if (beta != NULL)
            z = z + b;
        tn_k_narrow(p->to, out, y + tn_k_grid_offset(&p->inner, 1, i), z);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_norm_params *p = params;
    const void *gamma = p->gamma_at < 0 ? NULL : operand[p->gamma_at];
    const void *beta = p->beta_at < 0 ? NULL : operand[p->beta_at];
    int64_t rows = tn_k_grid_count(&p->rows);
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++)
        row(p, r, operand[0], gamma, beta, operand[1]);
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
