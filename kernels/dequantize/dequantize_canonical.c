/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize in the normative form. */
#include <kernels/common/dtype_convert.h>
#include <kernels/dequantize/dequantize.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_dequantize_params *p = params;
    (void)caps;
    return p->layout == TN_LAYOUT_STRIDED ||
           tn_k_refuse(why, "dequantize.layout", "a", "leaves the scale to an operand");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_dequantize_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 16);
}

static float load(uint32_t dtype, const void *from, int64_t at)
{
    tn_c_value v = tn_c_load(dtype, from, at);
    return v.integer ? (float)v.i : (float)v.f;
}

static void element(const tn_k_dequantize_params *p, void *const *operand, int64_t a,
                    int64_t scale_at, int64_t zero_at, int64_t out)
{
    float x = load(p->from, operand[0], a), scale = ((const float *)operand[1])[scale_at], y;
    if (p->zero)
        y = __builtin_fmaf(x, scale, -(load(p->from, operand[3], zero_at) * scale));
    else
        y = x * scale;
    tn_c_store(p->to, operand[2], out, (tn_c_value){false, 0, (double)y}, false);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_dequantize_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), inner = tn_k_grid_inner(&p->grid), s[4], at[4];
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (uint32_t o = 0; o < 4; o++)
        s[o] = tn_k_grid_inner_stride(&p->grid, o);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end;) {
        int64_t left = inner - i % inner, n = left < end - i ? left : end - i;
        for (uint32_t o = 0; o < 4; o++)
            at[o] = tn_k_grid_offset(&p->grid, o, i);
        for (int64_t k = 0; k < n; k++)
            element(p, operand, at[0] + k * s[0], at[1] + k * s[1], at[2] + k * s[2],
                    at[3] + k * s[3]);
        i += n;
    }
}

extern const tn_k_variant tn_k_dequantize_canonical;
const tn_k_variant tn_k_dequantize_canonical = {
    .name = "dequantize_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
