/* SPDX-License-Identifier: Apache-2.0 */
/* quantize by scales of an operand: an invocation an element. */
#include "kernels/quantize/quantize_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 12u;
layout(constant_id = 2) const bool DIVIDE = false;
layout(constant_id = 3) const bool ZERO = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { quantize_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/divide.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/narrow8.glsl"

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
    float x = ld0(FROM, grid_at(0u, i)), scale = ld1(T_F32, grid_at(1u, i));
    x = DIVIDE ? c_divide(x, scale) : x * scale;
    int to = grid_at(3u, i);
    if (TO == T_E4M3 || TO == T_E5M2) {
        put2(0u, to, c_narrow8(TO, x, P.saturate != 0));
        return;
    }
    float n = RINT(x), most = 1073741824.0f;
    bool bad = (F2U(n) & 0x7fffffffu) > 0x7f800000u;
    int y = bad ? 0 : n > most ? 1073741824 : n < -most ? -1073741824 : int(n);
    if (ZERO) {
        uint z = get3(0u, grid_at(2u, i));
        y += TO == T_S8 ? int(z << 24) >> 24 : int(z);
    }
    put2(0u, to, uint(TO == T_S8 ? clamp(y, -128, 127) : clamp(y, 0, 255)));
}
