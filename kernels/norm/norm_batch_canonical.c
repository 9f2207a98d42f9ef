/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm (inference) in plain form: one element at a time. */
#include <kernels/norm/norm_batch.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return ((const tn_k_norm_params *)params)->kind == TN_NORM_BATCH_INFERENCE ||
           tn_k_refuse(why, "norm.kind_row", "attr.kind", "this row is for batch norm");
}

static int64_t count_of(const tn_k_norm_params *p)
{
    return tn_k_grid_count(&p->rows) * p->channels * p->space;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    tn_k_launch_items(out, caps, count_of(params), 64);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_norm_params *p = params;
    int64_t count = count_of(p), end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        int64_t s = i % p->space, c = i / p->space % p->channels, row = i / p->space / p->channels;
        int64_t at[2];
        for (uint32_t o = 0; o < 2; o++)
            at[o] = tn_k_grid_offset(&p->rows, o, row) + c * p->channel_stride[o] +
                    tn_k_grid_offset(&p->inner, o, s);
        float a, b;
        norm_batch_factors(p, operand, c, &a, &b);
        ((float *)operand[1])[at[1]] = __builtin_fmaf(((const float *)operand[0])[at[0]], a, b);
    }
}

extern const tn_k_variant tn_k_norm_batch_f32_canonical;
const tn_k_variant tn_k_norm_batch_f32_canonical = {
    .name = "norm_batch_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
