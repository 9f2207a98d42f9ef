/* SPDX-License-Identifier: Apache-2.0 */
/* gather: an invocation an element of OUT, or a word of one of 8 bytes. */
#include "kernels/gather/gather_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint SIZE = 2u;  /* log2 of an element's bytes */
layout(constant_id = 1) const bool WIDE = false; /* INDEX is s64 */
layout(set = 0, binding = 9, std430) readonly buffer Params { gather_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
GRID(outer_at, P.outer)
GRID(slice_at, P.slice)

int index_at(int at)
{
    int i = int(get1(2u, WIDE ? 2 * at : at));
    if (WIDE && int(get1(2u, 2 * at + 1)) != i >> 31)
        return -1; /* no int, hence out of range */
    if (i < 0)
        i += P.extent;
    return i < 0 || i >= P.extent ? -1 : i;
}

void main()
{
    int words = SIZE == 3u ? 2 : 1;
    int at = int(GROUP * 64u + gl_LocalInvocationID.x), i = at / words, part = at % words;
    if (i >= P.outer.count * P.slice.count)
        return;
    int o = i / P.slice.count, n = i % P.slice.count;
    int from = index_at(outer_at(1u, o));
    uint x = 0u, size = min(SIZE, 2u);
    if (from >= 0)
        x = get0(size,
                 (outer_at(0u, o) + from * P.axis_stride + slice_at(0u, n)) * words + part);
    put2(size, (outer_at(2u, o) + slice_at(2u, n)) * words + part, x);
}
