/* SPDX-License-Identifier: Apache-2.0 */
/* The normative scalar form of the backward pass of every unary kind. */
#ifndef TN_KERNELS_ELTWISE_BACKWARD_MATH_H
#define TN_KERNELS_ELTWISE_BACKWARD_MATH_H

#include <kernels/common/canonmath.h>
#include <kernels/eltwise_backward/eltwise_backward.h>

TN_C_FN float tn_k_eltwise_backward_f32(uint32_t kind, float x, float g, float a, float b)
{
    switch (kind) {
    case TN_ELTWISE_NEG:
        return -g;
    case TN_ELTWISE_ABS:
        return x > 0.0f ? g : x < 0.0f ? -g : x == 0.0f ? 0.0f : x;
    case TN_ELTWISE_SQUARE:
        return (x + x) * g;
    case TN_ELTWISE_RELU:
        return x > 0.0f ? g : x <= 0.0f ? 0.0f : x;
    case TN_ELTWISE_RINT:
        return x == x ? 0.0f : x;
    case TN_ELTWISE_RECIP: {
        float y = c_recip(x);
        return -(y * y) * g;
    }
    case TN_ELTWISE_SQRT:
        return (c_recip(c_sqrt(x)) * 0.5f) * g;
    case TN_ELTWISE_RSQRT: {
        float y = c_rsqrt(x);
        return ((y * y) * (y * -0.5f)) * g;
    }
    case TN_ELTWISE_EXP:
        return c_exp(x) * g;
    case TN_ELTWISE_EXP2:
        return (c_exp2(x) * 0x1.62e43p-1f) * g;
    case TN_ELTWISE_LOG:
        return c_recip(x) * g;
    case TN_ELTWISE_TANH:
        return c_tanh_grad(x) * g;
    case TN_ELTWISE_SIGMOID:
        return c_sigmoid_grad(x) * g;
    case TN_ELTWISE_SILU:
        return c_silu_grad(x) * g;
    case TN_ELTWISE_GELU:
        return c_gelu_grad(x) * g;
    case TN_ELTWISE_GELU_TANH:
        return c_gelu_tanh_grad(x) * g;
    case TN_ELTWISE_ERF:
        return c_erf_grad(x) * g;
    case TN_ELTWISE_SIN:
        return c_cos(x) * g;
    case TN_ELTWISE_COS:
        return -c_sin(x) * g;
    case TN_ELTWISE_SCALE:
        return a * g;
    default: /* TN_ELTWISE_CLAMP */
        return x >= a && x <= b ? g : x == x ? 0.0f : x;
    }
}

#endif
