/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of the unary elementwise kinds: an invocation an element.
 * variants FUNCTION: 0 6 7 8 9 10 11 12 13 14 15 16 17 18 19 (the cheap ones; TN_ELTWISE_RECIP to COS) */
#include "kernels/eltwise_backward/eltwise_backward_glsl.h"

layout(local_size_x = 64) in;
layout(set = 0, binding = 9, std430) readonly buffer Params { eltwise_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
GRID(grid_at, P.grid)

#define NEGATED(x) U2F(F2U(x) ^ 0x80000000u)

float backward(float x, float g)
{
#if FUNCTION == 0
    float a = intBitsToFloat(P.a), b = intBitsToFloat(P.b);
    bool bad = (F2U(x) & 0x7fffffffu) > 0x7f800000u;
    switch (P.kind) {
    case 1:
        return NEGATED(g);
    case 2:
        return bad ? x : x > 0.0f ? g : x < 0.0f ? NEGATED(g) : 0.0f;
    case 3:
        return (x + x) * g;
    case 4:
        return bad ? x : x > 0.0f ? g : 0.0f;
    case 5:
        return bad ? x : 0.0f;
    case 20:
        return a * g;
    default:
        return bad ? x : x >= a && x <= b ? g : 0.0f;
    }
#elif FUNCTION == 6
    float y = c_recip_seq(x);
    return NEGATED(y * y) * g;
#elif FUNCTION == 7
    return (c_recip_seq(c_sqrt_seq(x)) * 0.5f) * g;
#elif FUNCTION == 8
    float y = c_rsqrt(x);
    return ((y * y) * (y * -0.5f)) * g;
#elif FUNCTION == 9
    return c_exp(x) * g;
#elif FUNCTION == 10
    return (c_exp2(x) * U2F(0x3f317218u)) * g; /* ln 2 */
#elif FUNCTION == 11
    return c_recip_seq(x) * g;
#elif FUNCTION == 12
    return c_tanh_grad(x) * g;
#elif FUNCTION == 13
    return c_sigmoid_grad(x) * g;
#elif FUNCTION == 14
    return c_silu_grad(x) * g;
#elif FUNCTION == 15
    return c_gelu_grad(x) * g;
#elif FUNCTION == 16
    return c_gelu_tanh_grad(x) * g;
#elif FUNCTION == 17
    return c_erf_grad(x) * g;
#elif FUNCTION == 18
    return c_cos(x) * g;
#else
    return NEGATED(c_sin(x)) * g;
#endif
}

void main()
{
    int i = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (i >= P.grid.count)
        return;
    st2(T_F32, grid_at(2u, i), backward(ld0(T_F32, grid_at(0u, i)), ld1(T_F32, grid_at(1u, i))));
}
