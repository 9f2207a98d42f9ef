/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights. */
#ifndef TN_KERNELS_CONV_WEIGHTS_H
#define TN_KERNELS_CONV_WEIGHTS_H

#include <kernels/common/canon.h>
#include <kernels/conv/conv.h>

/** dw[f, c, tap] = sum over batch and positions o of grad[n, f, o] * a[n, c, o * stride - lo + tap
 * * dilation]. shape     space is always depth, height, width, with 1 for the dims that are not
 * there; layout is in the strides alone dtype     f32, bf16, f16, each by itself, added up in f32
 *  memory    a tap outside of A takes no part
 *  numerics  CANONICAL 1 section 5: one dot a weight, k = (n * OH + oh) * OW + ow
 *  cost      2 FLOP an element of GRAD, tap and channel of its group
 *  split     taps and channels */
typedef struct tn_k_conv_weights_params {
    tn_k_operands operands; /* A, GRAD, OUT */
    uint32_t a_dtype, g_dtype, out_dtype;
    int64_t n, groups, cg, kg; /* channels and filters of one group */
    int64_t in[3], size[3], kernel[3], stride[3], dilation[3], lo[3];
    tn_k_conv_view a_view, g_view;
    int64_t out_f, out_c, out_s[3]; /* strides of OUT */
} tn_k_conv_weights_params;

static inline int64_t tn_k_conv_weights_positions(const tn_k_conv_weights_params *p)
{
    return p->n * p->size[0] * p->size[1] * p->size[2];
}

static inline int64_t tn_k_conv_weights_taps(const tn_k_conv_weights_params *p)
{
    return p->kernel[0] * p->kernel[1] * p->kernel[2];
}

/* Batch and place of position k. */
static inline int64_t tn_k_conv_weights_place(const tn_k_conv_weights_params *p, int64_t k,
                                              int64_t o[3])
{
    for (int d = 3; d-- > 0; k /= p->size[d])
        o[d] = k % p->size[d];
    return k;
}

/** The truth: dot and sum |a||grad| of each weight in float64; dense [filter, channel, taps]. */
void tn_k_conv_weights_ref(const tn_k_conv_weights_params *p, const void *a, const void *grad,
                           double *out_dot, double *out_magnitude);

#endif
