/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize by scales of an operand: an invocation an element. */
#include "kernels/quantize/quantize_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 12u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const bool ZERO = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { quantize_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
GRID(grid_at, P.grid)

void main()
{
    int i = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (i >= P.grid.count)
        return;
    float x = ld0(FROM, grid_at(0u, i)), scale = ld1(T_F32, grid_at(1u, i)), y = x * scale;
    if (ZERO) {
        float z = ld3(FROM, grid_at(2u, i)) * scale;
        y = FMA(x, scale, U2F(F2U(z) ^ 0x80000000u));
    }
    st2(TO, grid_at(3u, i), y);
}
