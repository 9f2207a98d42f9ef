/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of gather: an invocation an element of OUT, which looks at every position. */
#include "kernels/gather_backward/gather_backward_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const bool WIDE = false; /* INDEX is s64 */
layout(set = 0, binding = 9, std430) readonly buffer Params { gather_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
GRID(outer_at, P.outer)
GRID(inner_at, P.inner)
GRID(place_at, P.places)

int row_of(int at)
{
    int i = int(get1(2u, WIDE ? 2 * at : at));
    if (WIDE && int(get1(2u, 2 * at + 1)) != i >> 31)
        return -1; /* no int, hence out of range */
    return i < 0 ? i + P.rows : i;
}

void main()
{
    int x = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (x >= P.outer.count * P.rows * P.inner.count)
        return;
    int e = x % P.inner.count, row = x / P.inner.count, v = row % P.rows, o = row / P.rows;
    int from = outer_at(0u, o) + inner_at(0u, e);
    float t = 0.0f, s = 0.0f;
    for (int i = 0; i < P.positions; i++) {
        if (i % 128 == 0) {
            t = t + s;
            s = 0.0f;
        }
        if (row_of(place_at(1u, i)) == v)
            s = s + ld0(FROM, from + place_at(0u, i)); /* an fma by 1 */
    }
    t = t + s;
    st2(TO, outer_at(1u, o) + v * P.row_stride + inner_at(1u, e), t);
}
