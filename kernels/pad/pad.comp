/* SPDX-License-Identifier: Apache-2.0 */
/* pad: an invocation an element of OUT, or a word of one of 8 bytes. */
#include "kernels/pad/pad_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint SIZE = 2u; /* log2 of an element's bytes */
layout(constant_id = 1) const uint MODE = 0u; /* TN_PAD_*: constant edge reflect */
layout(set = 0, binding = 9, std430) readonly buffer Params { pad_glsl P; };

#include "kernels/common/glsl/prelude.glsl"

OPERAND(0)
OPERAND(1)

void main()
{
    int words = SIZE == 3u ? 2 : 1;
    int x = int(GROUP * 64u + gl_LocalInvocationID.x), e = x / words, part = x % words;
    if (e >= P.count)
        return;
    int to = 0, from = 0;
    bool inside = true;
    for (int d = P.rank - 1; d >= 0; d--) {
        int i = e % P.dim[d], at = i - P.lo[d], most = P.from_dim[d] - 1;
        e /= P.dim[d];
        to += i * P.stride[d];
        if (at < 0 || at > most) {
            inside = inside && MODE != 0u;
            at = MODE == 1u ? (at < 0 ? 0 : most) : at < 0 ? -at : 2 * most - at;
        }
        from += at * P.from_stride[d];
    }
    uint size = min(SIZE, 2u), bits = uint(P.value[part]);
    if (inside)
        bits = get0(size, from * words + part);
    put1(size, to * words + part, bits);
}
