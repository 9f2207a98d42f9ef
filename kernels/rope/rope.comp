/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary embedding: an invocation a pair of elements, or one that is copied. */
#include "kernels/rope/rope_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const bool INTERLEAVED = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { rope_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
GRID(row_at, P.rows)

void main()
{
    int each = P.d - P.half_d, x = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (x >= each * P.rows.count)
        return;
    int row = x / each, i = x % each, from = row_at(0u, row), to = row_at(2u, row);
    if (i >= P.half_d) {
        int e = P.half_d + i;
        st3(TO, to + e * P.out_stride, ld0(FROM, from + e * P.a_stride));
        return;
    }
    float position = I2F(int(get1(2u, row_at(1u, row))));
    float angle = position * ld2(T_F32, i * P.freq_stride);
    float c = c_cos(angle), s = c_sin(angle);
    int e0 = INTERLEAVED ? 2 * i : i, e1 = INTERLEAVED ? 2 * i + 1 : i + P.half_d;
    float x0 = ld0(FROM, from + e0 * P.a_stride), x1 = ld0(FROM, from + e1 * P.a_stride);
    float y = x1 * s;
    st3(TO, to + e0 * P.out_stride, FMA(x0, c, U2F(F2U(y) ^ 0x80000000u)));
    st3(TO, to + e1 * P.out_stride, FMA(x0, s, x1 * c));
}
