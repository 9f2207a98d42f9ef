/* SPDX-License-Identifier: Apache-2.0 */
/* Strided copy and casts: an invocation an element, or a word of one of 8 bytes. */
#include "kernels/copy/copy_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const bool CAST = false;
layout(constant_id = 3) const uint SIZE = 2u; /* log2 of an element's bytes where there is no cast */
layout(constant_id = 4) const bool DENSE = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { copy_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/narrow8.glsl"

OPERAND(0)
OPERAND(1)
GRID(grid_at, P.grid)

bool is_float(uint type)
{
    return type == T_F32 || type == T_F16 || type == T_BF16 || type == T_E4M3 || type == T_E5M2;
}

/* Truncates and saturates; NaN gives 0. */
int to_int(float x, float low, float high, int least, int most)
{
    uint a = F2U(x) & 0x7fffffffu;
    return a > 0x7f800000u ? 0 : x <= low ? least : x >= high ? most : int(x);
}

uint convert(uint bits)
{
    if (is_float(FROM)) {
        float x = c_widen(FROM, bits);
        if (is_float(TO))
            return c_narrow8(TO, x, P.saturate != 0);
        if (TO == T_BOOL)
            return (F2U(x) & 0x7fffffffu) != 0u ? 1u : 0u;
        return uint(TO == T_S32 ? to_int(x, -2147483648.0f, 2147483648.0f, -0x7fffffff - 1, 0x7fffffff)
                    : TO == T_S8 ? to_int(x, -128.0f, 127.0f, -128, 127)
                                 : to_int(x, 0.0f, 255.0f, 0, 255));
    }
    int i = FROM == T_S8 ? int(bits << 24) >> 24 : int(bits);
    if (is_float(TO))
        return c_narrow8(TO, I2F(i), P.saturate != 0);
    return TO == T_BOOL ? (i != 0 ? 1u : 0u) : uint(i);
}

void main()
{
    int words = !CAST && SIZE == 3u ? 2 : 1;
    int at = int(GROUP * 64u + gl_LocalInvocationID.x), i = at / words, part = at % words;
    if (i >= P.grid.count)
        return;
    int x = DENSE ? i : grid_at(0u, i), y = DENSE ? i : grid_at(1u, i);
    if (CAST)
        put1(c_size(TO), y, convert(get0(c_size(FROM), x)));
    else
        put1(min(SIZE, 2u), y * words + part, get0(min(SIZE, 2u), x * words + part));
}
