/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution in the normative order, written to be read: NUMERICS.md sections 3 and 5; and the
 * exact sums of integers. */
#include <kernels/common/canon.h>
#include <kernels/conv/conv.h>

static bool integers(const tn_k_conv *p)
{
    return p->out_dtype == TN_S32;
}

static bool accepts_any(const void *params, bool want, tn_k_why *why)
{
    const tn_k_conv *p = params;
    if (p->packed)
        return tn_k_refuse(why, "conv.packed", "b", "the plain kernel has no packed form");
    return integers(p) == want ||
           tn_k_refuse(why, "conv.kind", "a", "one row adds floats, one integers");
}

static bool float_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return accepts_any(params, false, why);
}

static bool exact_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return accepts_any(params, true, why);
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_conv *p = params;
    int64_t work = tn_k_conv_taps(p) * p->cg * p->kg * p->groups;
    tn_k_launch_items(out, caps, p->kg * p->groups == 0 ? 0 : tn_k_conv_pixels(p),
                      (uint64_t)(work > 0 ? work : 1) * 8);
    out->estimate_ns *= 8;
}

static float dot(const tn_k_conv *p, void *const *operand, int64_t n, int64_t f, const int64_t o[3])
{
    int64_t g = f / p->kg, i[3], chunk = 0;
    float t = 0.0f, s = 0.0f;
    for (int64_t tap = 0; tap < tn_k_conv_taps(p); tap++) {
        int64_t k[3] = {tap / p->kernel[2] / p->kernel[1], tap / p->kernel[2] % p->kernel[1],
                        tap % p->kernel[2]};
        if (!tn_k_conv_tap(p, 0, o[0], k[0], &i[0]) || !tn_k_conv_tap(p, 1, o[1], k[1], &i[1]) ||
            !tn_k_conv_tap(p, 2, o[2], k[2], &i[2]))
            continue;
        int64_t a = tn_k_conv_at(&p->a_view, n, g * p->cg, i);
        int64_t b = g * p->b_group + f % p->kg * p->b_k + k[0] * p->b_s[0] + k[1] * p->b_s[1] +
                    k[2] * p->b_s[2];
        for (int64_t c = 0; c < p->cg; c++) {
            if ((tap * p->cg + c) / TN_C_CHUNK != chunk) {
                t = t + s;
                s = 0.0f;
                chunk = (tap * p->cg + c) / TN_C_CHUNK;
            }
            s = __builtin_fmaf(tn_k_conv_load(p->a_dtype, operand[0], a + c * p->a_view.c),
                               tn_k_conv_load(p->b_dtype, operand[1], b + c * p->b_c), s);
        }
    }
    return t + s;
}

static int32_t sum(const tn_k_conv *p, void *const *operand, int64_t n, int64_t f,
                   const int64_t o[3])
{
    int64_t g = f / p->kg, i[3];
    uint32_t s = 0; /* wraps */
    for (int64_t tap = 0; tap < tn_k_conv_taps(p); tap++) {
        int64_t k[3] = {tap / p->kernel[2] / p->kernel[1], tap / p->kernel[2] % p->kernel[1],
                        tap % p->kernel[2]};
        if (!tn_k_conv_tap(p, 0, o[0], k[0], &i[0]) || !tn_k_conv_tap(p, 1, o[1], k[1], &i[1]) ||
            !tn_k_conv_tap(p, 2, o[2], k[2], &i[2]))
            continue;
        int64_t a = tn_k_conv_at(&p->a_view, n, g * p->cg, i);
        int64_t b = g * p->b_group + f % p->kg * p->b_k + k[0] * p->b_s[0] + k[1] * p->b_s[1] +
                    k[2] * p->b_s[2];
        for (int64_t c = 0; c < p->cg; c++)
            s += (uint32_t)tn_c_load(p->a_dtype, operand[0], a + c * p->a_view.c).i *
                 (uint32_t)tn_c_load(p->b_dtype, operand[1], b + c * p->b_c).i;
    }
    return (int32_t)s;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_conv *p = params;
    int64_t pixels = tn_k_conv_pixels(p), end = tn_k_task_first(pixels, launch->tasks[0], last);
    for (int64_t x = tn_k_task_first(pixels, launch->tasks[0], first); x < end; x++) {
        int64_t n = x / p->size[2] / p->size[1] / p->size[0];
        int64_t o[3] = {x / p->size[2] / p->size[1] % p->size[0], x / p->size[2] % p->size[1],
                        x % p->size[2]};
        for (int64_t f = 0; f < p->groups * p->kg; f++) {
            if (integers(p)) {
                ((int32_t *)operand[p->out])[tn_k_conv_at(&p->out_view, n, f, o)] =
                    sum(p, operand, n, f, o);
                continue;
            }
            float y = dot(p, operand, n, f, o);
            tn_k_conv_finish(p, operand, n, o, f, &y, 1, 1);
        }
    }
}

extern const tn_k_variant tn_k_conv_canonical, tn_k_conv_s32_exact;
const tn_k_variant tn_k_conv_canonical = {
    .name = "conv_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = float_accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_conv_arithmetic,
};
const tn_k_variant tn_k_conv_s32_exact = {
    .name = "conv_s32_exact",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = exact_accepts,
    .plan = plan,
    .run = run,
};
