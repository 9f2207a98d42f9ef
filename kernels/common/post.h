/* SPDX-License-Identifier: Apache-2.0 */
/* One step of an epilogue over a piece of a row (docs/NUMERICS.md section 4), one rounding each. */
#ifndef TN_KERNELS_POST_H
#define TN_KERNELS_POST_H

#include <kernels/common/canonmath.h>
#include <tenon/ops.h>

/* Most columns of a piece. A row that defines TN_K_POST_COPIED has one at a time and copies operands
 * of steps, so that no pointer there is to an operand and the copies need no place beside. */
#ifdef TN_K_POST_COPIED
enum { TN_K_POST_ROOM = 1 };
#define TN_K_POST_BESIDE
#else
enum { TN_K_POST_ROOM = 32 };
#define TN_K_POST_BESIDE TN_K_BESIDE
#endif

/* y: `width` floats, a constant, so that loops become vectors; r: the step's operand, if
 * it has one. */
static inline __attribute__((always_inline)) void tn_k_post_step(uint32_t kind, float a, float b,
                                                                 float *restrict y,
                                                                 const float *restrict r, int width)
{
    switch (kind) {
    case TN_POST_BIAS:
    case TN_POST_ADD:
        for (int j = 0; j < width; j++)
            y[j] = y[j] + r[j];
        break;
    case TN_POST_MUL:
        for (int j = 0; j < width; j++)
            y[j] = y[j] * r[j];
        break;
    case TN_POST_SCALE:
        for (int j = 0; j < width; j++)
            y[j] = y[j] * a;
        break;
    case TN_POST_CLAMP:
        for (int j = 0; j < width; j++)
            y[j] = tn_c_min(tn_c_max(y[j], a), b);
        break;
    case TN_POST_RELU:
        for (int j = 0; j < width; j++)
            y[j] = tn_c_relu(y[j]);
        break;
    case TN_POST_GELU:
        for (int j = 0; j < width; j++)
            y[j] = c_gelu(y[j]);
        break;
    case TN_POST_GELU_TANH:
        for (int j = 0; j < width; j++)
            y[j] = c_gelu_tanh(y[j]);
        break;
    default:
        for (int j = 0; j < width; j++)
            y[j] = c_silu(y[j]);
        break;
    }
}

/* What `arithmetic` declares of a step: the error of its function. */
static inline float tn_k_post_ulp(uint32_t kind)
{
    return kind == TN_POST_GELU        ? TN_C_GELU_ULP
           : kind == TN_POST_GELU_TANH ? TN_C_GELU_TANH_ULP
           : kind == TN_POST_SILU      ? TN_C_SILU_ULP
                                       : 0.0f;
}

#endif
