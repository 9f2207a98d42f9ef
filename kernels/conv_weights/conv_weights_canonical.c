/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights in the normative order, written to be read. */
#include <kernels/conv_weights/conv_weights.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static int64_t weights(const tn_k_conv_weights_params *p)
{
    return p->groups * p->kg * p->cg * tn_k_conv_weights_taps(p);
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_conv_weights_params *p = params;
    tn_k_launch_items(out, caps, weights(p), (uint64_t)tn_k_conv_weights_positions(p) * 8 + 8);
    out->estimate_ns *= 8;
}

/* f: filter of all; c: channel of its group. */
static float weight(const tn_k_conv_weights_params *p, void *const *operand, int64_t f, int64_t c,
                    const int64_t tap[3])
{
    int64_t all = tn_k_conv_weights_positions(p);
    float t = 0.0f;
    for (int64_t first = 0; first < all; first += TN_C_CHUNK) {
        float s = 0.0f;
        for (int64_t k = first; k < all && k < first + TN_C_CHUNK; k++) {
            int64_t o[3], i[3], n = tn_k_conv_weights_place(p, k, o);
            bool there = true;
            for (int d = 0; d < 3; d++) {
                i[d] = o[d] * p->stride[d] - p->lo[d] + tap[d] * p->dilation[d];
                there = there && i[d] >= 0 && i[d] < p->in[d];
            }
            if (!there)
                continue;
            int64_t from = tn_k_conv_at(&p->a_view, n, f / p->kg * p->cg + c, i);
            s = __builtin_fmaf(
                tn_k_conv_load(p->g_dtype, operand[1], tn_k_conv_at(&p->g_view, n, f, o)),
                tn_k_conv_load(p->a_dtype, operand[0], from), s);
        }
        t = t + s;
    }
    return t;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_conv_weights_params *p = params;
    int64_t taps = tn_k_conv_weights_taps(p), all = weights(p);
    int64_t end = tn_k_task_first(all, launch->tasks[0], last);
    for (int64_t w = tn_k_task_first(all, launch->tasks[0], first); w < end; w++) {
        int64_t k = w % taps, c = w / taps % p->cg, f = w / taps / p->cg;
        int64_t tap[3] = {k / p->kernel[2] / p->kernel[1], k / p->kernel[2] % p->kernel[1],
                          k % p->kernel[2]};
        int64_t to = f * p->out_f + c * p->out_c + tap[0] * p->out_s[0] + tap[1] * p->out_s[1] +
                     tap[2] * p->out_s[2];
        float y = weight(p, operand, f, c, tap);
        tn_c_store(p->out_dtype, operand[2], to, (tn_c_value){false, 0, (double)y}, false);
    }
}

extern const tn_k_variant tn_k_conv_weights_canonical;
const tn_k_variant tn_k_conv_weights_canonical = {
    .name = "conv_weights_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
