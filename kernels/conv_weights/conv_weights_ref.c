/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights in float64, from the definition: every input element
 * meets every position, and counts where the window brings them together. */
#include <kernels/conv_weights/conv_weights.h>
#include <math.h>

void tn_k_conv_weights_ref(const tn_k_conv_weights_params *p, const void *a, const void *grad,
                           double *out_dot, double *out_magnitude)
{
    int64_t taps = tn_k_conv_weights_taps(p), space = p->size[0] * p->size[1] * p->size[2];
    for (int64_t w = 0; w < p->groups * p->kg * p->cg * taps; w++) {
        int64_t f = w / taps / p->cg, c = w / taps % p->cg, k = w % taps;
        int64_t tap[3] = {k / p->kernel[2] / p->kernel[1], k / p->kernel[2] % p->kernel[1],
                          k % p->kernel[2]};
        double dot = 0, magnitude = 0;
        for (int64_t n = 0; n < p->n; n++)
            for (int64_t x = 0; x < space; x++) {
                int64_t o[3] = {x / p->size[2] / p->size[1], x / p->size[2] % p->size[1],
                                x % p->size[2]};
                int64_t i[3];
                bool met = true;
                for (int d = 0; d < 3; d++) {
                    i[d] = o[d] * p->stride[d] + tap[d] * p->dilation[d] - p->lo[d];
                    met = met && i[d] >= 0 && i[d] < p->in[d];
                }
                if (!met)
                    continue;
                int64_t at = tn_k_conv_at(&p->a_view, n, f / p->kg * p->cg + c, i);
                double v = tn_c_load(p->a_dtype, a, at).f *
                           tn_c_load(p->g_dtype, grad, tn_k_conv_at(&p->g_view, n, f, o)).f;
                dot += v;
                magnitude += fabs(v);
            }
        *out_dot++ = dot;
        *out_magnitude++ = magnitude;
    }
}
