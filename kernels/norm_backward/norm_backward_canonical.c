/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of layer, RMS and group norm in the normative order, written out. */
#include <kernels/common/canon.h>
#include <kernels/norm_backward/norm_backward.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_norm_backward_params *p = params;
    tn_k_launch_items(out, caps, p->count == 0 ? 0 : tn_k_grid_count(&p->rows),
                      (uint64_t)p->count * 64);
    out->estimate_ns *= 8;
}

/* One row: its operands and what is known of it so far. */
typedef struct line {
    const float *x, *dy, *gamma;
    int64_t r;
    float mean, scale; /* scale: the reciprocal deviation */
} line;

enum { OF_X, OF_SQUARES, OF_G, OF_PRODUCTS };

static float centred(const tn_k_norm_backward_params *p, const line *l, int64_t i)
{
    float v = l->x[tn_k_grid_offset(&p->inner, 0, i)];
    return p->kind == TN_NORM_RMS ? v : v - l->mean;
}

static float weighted(const tn_k_norm_backward_params *p, const line *l, int64_t i)
{
    float g = l->dy[tn_k_grid_offset(&p->inner, 1, i)];
    return l->gamma == NULL ? g : g * l->gamma[tn_k_norm_backward_gamma(p, l->r, i)];
}

static float sum(const tn_k_norm_backward_params *p, const line *l, int of)
{
    float t = 0.0f;
    for (int64_t first = 0; first < p->count; first += TN_C_SEGMENT) {
        float lane[TN_C_LANES] = {0};
        for (int64_t i = first; i < p->count && i < first + TN_C_SEGMENT; i++) {
            float *to = &lane[i % TN_C_LANES];
            if (of == OF_X)
                *to = *to + l->x[tn_k_grid_offset(&p->inner, 0, i)];
            else if (of == OF_SQUARES)
                *to = __builtin_fmaf(centred(p, l, i), centred(p, l, i), *to);
            else if (of == OF_G)
                *to = *to + weighted(p, l, i);
            else
                *to = *to + weighted(p, l, i) * (centred(p, l, i) * l->scale);
        }
        t = t + tn_c_fold(lane);
    }
    return t;
}

static void row(const tn_k_norm_backward_params *p, line *l, float *out)
{
    float each = c_recip((float)p->count);
    bool rms = p->kind == TN_NORM_RMS;
    if (!rms)
        l->mean = sum(p, l, OF_X) * each;
    l->scale = c_rsqrt(__builtin_fmaf(sum(p, l, OF_SQUARES), each, p->epsilon));
    float mean_g = rms ? 0.0f : sum(p, l, OF_G) * each, mean_p = sum(p, l, OF_PRODUCTS) * each;
    for (int64_t i = 0; i < p->count; i++) {
        float xh = centred(p, l, i) * l->scale, g = weighted(p, l, i);
        if (!rms)
            g = g - mean_g;
        out[tn_k_grid_offset(&p->inner, 2, i)] = l->scale * __builtin_fmaf(-xh, mean_p, g);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_norm_backward_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows);
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++) {
        line l = {.x = (const float *)operand[0] + tn_k_grid_offset(&p->rows, 0, r),
                  .dy = (const float *)operand[1] + tn_k_grid_offset(&p->rows, 1, r),
                  .gamma = p->gamma ? operand[3] : NULL,
                  .r = r};
        row(p, &l, (float *)operand[2] + tn_k_grid_offset(&p->rows, 2, r));
    }
}

extern const tn_k_variant tn_k_norm_backward_f32_canonical;
const tn_k_variant tn_k_norm_backward_f32_canonical = {
    .name = "norm_backward_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
