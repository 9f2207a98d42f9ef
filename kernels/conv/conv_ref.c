/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution in float64, with the magnitude that error bounds are made of. */
#include <kernels/conv/conv.h>

/* Along one dim: input index of a tap, or -1. Written from the definition of forward and backward
 * data, not with the helper that the kernels share. */
static int64_t meets(const tn_k_conv *p, int d, int64_t o, int64_t k)
{
    for (int64_t i = 0; i < p->in[d]; i++) {
        int64_t from = p->transposed ? i * p->stride[d] - p->lo[d] + k * p->dilation[d]
                                     : o * p->stride[d] - p->lo[d] + k * p->dilation[d];
        if (p->transposed ? from == o : from == i)
            return i;
    }
    return -1;
}

void tn_k_conv_ref(const tn_k_conv *p, const void *a, const void *b, double *out_dot,
                   double *out_magnitude)
{
    int64_t channels = p->groups * p->kg, space = p->size[0] * p->size[1] * p->size[2];
    for (int64_t r = 0; r < p->n * channels * space; r++) {
        int64_t n = r / space / channels, f = r / space % channels, g = f / p->kg;
        int64_t o[3] = {r / p->size[2] / p->size[1] % p->size[0], r / p->size[2] % p->size[1],
                        r % p->size[2]};
        double dot = 0, magnitude = 0;
        for (int64_t k = 0; k < tn_k_conv_taps(p); k++) {
            int64_t t[3] = {k / p->kernel[2] / p->kernel[1], k / p->kernel[2] % p->kernel[1],
                            k % p->kernel[2]};
            int64_t i[3] = {meets(p, 0, o[0], t[0]), meets(p, 1, o[1], t[1]),
                            meets(p, 2, o[2], t[2])};
            if (i[0] < 0 || i[1] < 0 || i[2] < 0)
                continue;
            for (int64_t c = 0; c < p->cg; c++) {
                int64_t at = tn_k_conv_at(&p->a_view, n, g * p->cg + c, i);
                int64_t bt = g * p->b_group + f % p->kg * p->b_k + c * p->b_c + t[0] * p->b_s[0] +
                             t[1] * p->b_s[1] + t[2] * p->b_s[2];
                tn_c_value x = tn_c_load(p->a_dtype, a, at), y = tn_c_load(p->b_dtype, b, bt);
                double z = (x.integer ? (double)x.i : x.f) * (y.integer ? (double)y.i : y.f);
                dot += z;
                magnitude += z < 0 ? -z : z;
            }
        }
        *out_dot++ = dot;
        *out_magnitude++ = magnitude;
    }
}
