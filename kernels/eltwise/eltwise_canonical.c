/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds in plain form: one element at a time. */
#include <kernels/common/float_rows.h>
#include <kernels/eltwise/eltwise_math.h>

static bool accepts_f32(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_eltwise_params *p = params;
    (void)caps;
    if (!tn_k_computes(p->dtype) || (p->dtype != TN_F32 && p->kind == TN_ELTWISE_WHERE))
        return tn_k_refuse(why, "eltwise.dtype", "a", "this kernel computes f32, f16 and bf16");
    return true;
}

static bool accepts_s32(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (((const tn_k_eltwise_params *)params)->dtype != TN_S32)
        return tn_k_refuse(why, "eltwise.dtype", "a", "this kernel computes s32");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_eltwise_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 64);
    out->estimate_ns *= 8;
}

static void element(const tn_k_eltwise_params *p, void *const *operand, const int64_t *at)
{
    if (p->kind == TN_ELTWISE_WHERE) {
        bool take = ((const uint8_t *)operand[0])[at[0]] != 0;
        ((uint32_t *)operand[3])[at[3]] =
            take ? ((const uint32_t *)operand[1])[at[1]] : ((const uint32_t *)operand[2])[at[2]];
        return;
    }
    bool compare = tn_k_eltwise_is_compare(p->kind);
    if (p->dtype == TN_S32) {
        int32_t x = ((const int32_t *)operand[0])[at[0]], y = ((const int32_t *)operand[1])[at[1]];
        if (compare)
            ((uint8_t *)operand[2])[at[2]] = tn_k_eltwise_compare_s32(p->kind, x, y);
        else
            ((int32_t *)operand[2])[at[2]] = tn_k_eltwise_s32(p->kind, x, y);
        return;
    }
    float x[3] = {0};
    for (uint32_t i = 0; i < p->inputs; i++)
        x[i] = tn_k_widen(p->dtype, operand[i], at[i]);
    if (compare)
        ((uint8_t *)operand[2])[at[2]] = tn_k_eltwise_compare_f32(p->kind, x[0], x[1]);
    else
        tn_k_narrow(p->dtype, operand[p->inputs], at[p->inputs],
                    tn_k_eltwise_f32(p->kind, x[0], x[1], x[2], p->a, p->b));
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_eltwise_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        int64_t at[4];
        for (uint32_t o = 0; o <= p->inputs; o++)
            at[o] = tn_k_grid_offset(&p->grid, o, i);
        element(p, operand, at);
    }
}

extern const tn_k_variant tn_k_eltwise_f32_canonical, tn_k_eltwise_s32_canonical;
const tn_k_variant tn_k_eltwise_f32_canonical = {
    .name = "eltwise_f32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_f32,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_eltwise_arithmetic,
};
const tn_k_variant tn_k_eltwise_s32_canonical = {
    .name = "eltwise_s32_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_s32,
    .plan = plan,
    .run = run,
};
