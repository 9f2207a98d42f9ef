/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm by given statistics: an invocation an element. */
#include "kernels/norm/norm_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const bool GAMMA = false;
layout(constant_id = 1) const bool BETA = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { norm_batch_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
OPERAND(4)
GRID(row_at, P.rows)
GRID(inner_at, P.inner)

void main()
{
    int x = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (x >= P.rows.count * P.channels * P.inner.count)
        return;
    int i = x % P.inner.count, channel = x / P.inner.count % P.channels;
    int row = x / P.inner.count / P.channels;
    float mean = ld4(T_F32, channel * P.stats_stride);
    float variance = ld4(T_F32, P.stats_which + channel * P.stats_stride);
    float a = c_rsqrt(variance + intBitsToFloat(P.epsilon)), beta = 0.0f;
    if (GAMMA)
        a = ld2(T_F32, channel * P.gamma_stride) * a;
    if (BETA)
        beta = ld3(T_F32, channel * P.beta_stride);
    float b = FMA(U2F(F2U(mean) ^ 0x80000000u), a, beta);
    float y = ld0(T_F32, row_at(0u, row) + channel * P.from_channel + inner_at(0u, i));
    st1(T_F32, row_at(1u, row) + channel * P.to_channel + inner_at(1u, i), FMA(y, a, b));
}
