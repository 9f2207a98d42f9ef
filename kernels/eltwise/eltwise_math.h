/* SPDX-License-Identifier: Apache-2.0 */
/* The normative scalar form of every elementwise kind. */
#ifndef TN_KERNELS_ELTWISE_MATH_H
#define TN_KERNELS_ELTWISE_MATH_H

#include <kernels/common/canonmath.h>
#include <kernels/eltwise/eltwise.h>

TN_C_FN float tn_k_eltwise_f32(uint32_t kind, float x, float y, float z, float a, float b)
{
    switch (kind) {
    case TN_ELTWISE_NEG:
        return -x;
    case TN_ELTWISE_ABS:
        return __builtin_fabsf(x);
    case TN_ELTWISE_SQUARE:
        return x * x;
    case TN_ELTWISE_RELU:
        return tn_c_relu(x);
    case TN_ELTWISE_RINT:
        return __builtin_rintf(x);
    case TN_ELTWISE_RECIP:
        return c_recip(x);
    case TN_ELTWISE_SQRT:
        return c_sqrt(x);
    case TN_ELTWISE_RSQRT:
        return c_rsqrt(x);
    case TN_ELTWISE_EXP:
        return c_exp(x);
    case TN_ELTWISE_EXP2:
        return c_exp2(x);
    case TN_ELTWISE_LOG:
        return c_log(x);
    case TN_ELTWISE_TANH:
        return c_tanh(x);
    case TN_ELTWISE_SIGMOID:
        return c_sigmoid(x);
    case TN_ELTWISE_SILU:
        return c_silu(x);
    case TN_ELTWISE_GELU:
        return c_gelu(x);
    case TN_ELTWISE_GELU_TANH:
        return c_gelu_tanh(x);
    case TN_ELTWISE_ERF:
        return c_erf(x);
    case TN_ELTWISE_SIN:
        return c_sin(x);
    case TN_ELTWISE_COS:
        return c_cos(x);
    case TN_ELTWISE_SCALE:
        return __builtin_fmaf(x, a, b);
    case TN_ELTWISE_CLAMP:
        return tn_c_min(tn_c_max(x, a), b);
    case TN_ELTWISE_ADD:
        return x + y;
    case TN_ELTWISE_SUB:
        return x - y;
    case TN_ELTWISE_MUL:
        return x * y;
    case TN_ELTWISE_DIV:
        return x / y;
    case TN_ELTWISE_MAX:
        return tn_c_max(x, y);
    case TN_ELTWISE_MIN:
        return tn_c_min(x, y);
    default: /* TN_ELTWISE_FMA */
        return __builtin_fmaf(x, y, z);
    }
}

TN_C_FN int32_t tn_k_eltwise_s32(uint32_t kind, int32_t x, int32_t y)
{
    switch (kind) {
    case TN_ELTWISE_ADD:
        return (int32_t)((uint32_t)x + (uint32_t)y);
    case TN_ELTWISE_SUB:
        return (int32_t)((uint32_t)x - (uint32_t)y);
    case TN_ELTWISE_MUL:
        return (int32_t)((uint32_t)x * (uint32_t)y);
    case TN_ELTWISE_MAX:
        return x > y ? x : y;
    default: /* TN_ELTWISE_MIN */
        return x < y ? x : y;
    }
}

TN_C_FN uint8_t tn_k_eltwise_compare_f32(uint32_t kind, float x, float y)
{
    return kind == TN_ELTWISE_EQUAL ? x == y : kind == TN_ELTWISE_LESS ? x < y : x <= y;
}

TN_C_FN uint8_t tn_k_eltwise_compare_s32(uint32_t kind, int32_t x, int32_t y)
{
    return kind == TN_ELTWISE_EQUAL ? x == y : kind == TN_ELTWISE_LESS ? x < y : x <= y;
}

#endif
