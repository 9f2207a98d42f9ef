/* SPDX-License-Identifier: Apache-2.0 */
/* concat of at most 7 inputs: an invocation an element of OUT, or a word of one of 8 bytes. */
#include "kernels/concat/concat_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint SIZE = 2u; /* log2 of an element's bytes */
layout(set = 0, binding = 9, std430) readonly buffer Params { concat_glsl P; };

#include "kernels/common/glsl/prelude.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
OPERAND(4)
OPERAND(5)
OPERAND(6)
OPERAND(7)

uint input_bits(int which, uint size, int i)
{
    switch (which) {
    case 0:
        return get0(size, i);
    case 1:
        return get1(size, i);
    case 2:
        return get2(size, i);
    case 3:
        return get3(size, i);
    case 4:
        return get4(size, i);
    case 5:
        return get5(size, i);
    default:
        return get6(size, i);
    }
}

void main()
{
    int words = SIZE == 3u ? 2 : 1;
    int x = int(GROUP * 64u + gl_LocalInvocationID.x), e = x / words, part = x % words;
    if (e >= P.count)
        return;
    int along = 0, rest = e, to = 0, which = 0, from = 0;
    for (int d = P.rank - 1; d >= 0; d--) {
        int i = rest % P.dim[d];
        rest /= P.dim[d];
        to += i * P.stride[d];
        along = d == P.axis ? i : along;
    }
    for (; along >= P.extent[which]; which++)
        along -= P.extent[which];
    rest = e;
    for (int d = P.rank - 1; d >= 0; d--) {
        int i = d == P.axis ? along : rest % P.dim[d];
        rest /= P.dim[d];
        from += i * P.from_stride[which * 8 + d];
    }
    uint size = min(SIZE, 2u);
    put7(size, to * words + part, input_bits(which, size, from * words + part));
}
