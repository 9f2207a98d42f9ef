/* SPDX-License-Identifier: Apache-2.0 */
/* quantize in the normative form. */
#include <kernels/common/dtype_convert.h>
#include <kernels/quantize/quantize.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_quantize_params *p = params;
    (void)caps;
    return p->layout == TN_LAYOUT_STRIDED ||
           tn_k_refuse(why, "quantize.layout", "out", "leaves the scale to an operand");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_quantize_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 16);
}

static void element(const tn_k_quantize_params *p, void *const *operand, int64_t a,
                    int64_t scale_at, int64_t zero_at, int64_t out)
{
    tn_c_value v = tn_c_load(p->from, operand[0], a);
    float x = v.integer ? (float)v.i : (float)v.f, scale = ((const float *)operand[1])[scale_at];
    x = p->divide ? x / scale : x * scale;
    if (p->to == TN_F8E4M3 || p->to == TN_F8E5M2) {
        tn_c_store(p->to, operand[2], out, (tn_c_value){false, 0, (double)x}, p->saturate);
        return;
    }
    int64_t low = p->to == TN_S8 ? INT8_MIN : 0, high = p->to == TN_S8 ? INT8_MAX : UINT8_MAX;
    float n = __builtin_rintf(x);
    int64_t y = n != n ? 0 : n > 0x1p30f ? 1 << 30 : n < -0x1p30f ? -(1 << 30) : (int64_t)n;
    if (p->zero)
        y += tn_c_load(p->to, operand[3], zero_at).i;
    y = y < low ? low : y > high ? high : y;
    tn_c_store(p->to, operand[2], out, (tn_c_value){true, y, 0.0}, false);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_quantize_params *p = params;
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

extern const tn_k_variant tn_k_quantize_canonical;
const tn_k_variant tn_k_quantize_canonical = {
    .name = "quantize_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
