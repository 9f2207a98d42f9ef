/* SPDX-License-Identifier: Apache-2.0 */
/* resize by tables of places (docs/NUMERICS.md section 11): an invocation an element of OUT, or a
 * word of one of 8 bytes. */
#include "kernels/resize/resize_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TYPE = 2u;
layout(constant_id = 1) const bool NEAREST = false;
layout(constant_id = 2) const uint SIZE = 2u; /* log2 of an element's bytes, of NEAREST */
layout(set = 0, binding = 9, std430) readonly buffer Params { resize_glsl P; };
layout(set = 0, binding = 9, std430) readonly buffer Table { int table[]; };

#include "kernels/common/glsl/prelude.glsl"

OPERAND(0)
OPERAND(1)

/* Of each axis that changes: where its table of this element begins (-1: it is not there), and the
 * sum of each from inside outwards. */
int entry[3], step_of[3];

int taps_of(int x) { return entry[x] < 0 ? 1 : P.taps; }
float weight_of(int x, int t) { return entry[x] < 0 ? 1.0f : intBitsToFloat(table[entry[x] + 4 + t]); }
int place_of(int x, int t) { return entry[x] < 0 ? 0 : table[entry[x] + t] * step_of[x]; }
float link_of(int x, int t, float value, float s)
{
    return entry[x] < 0 ? value : FMA(weight_of(x, t), value, s);
}
float end_of(int x, float s) { return entry[x] < 0 ? s : 0.0f + s; }

float line(int from)
{
    float s = 0.0f;
    for (int t = 0; t < taps_of(2); t++)
        if (weight_of(2, t) != 0.0f)
            s = link_of(2, t, ld0(TYPE, from + place_of(2, t)), s);
    return end_of(2, s);
}

float plane(int from)
{
    float s = 0.0f;
    for (int t = 0; t < taps_of(1); t++)
        if (weight_of(1, t) != 0.0f)
            s = link_of(1, t, line(from + place_of(1, t)), s);
    return end_of(1, s);
}

void main()
{
    int words = NEAREST && SIZE == 3u ? 2 : 1;
    int x = int(GROUP * 64u + gl_LocalInvocationID.x), e = x / words, part = x % words;
    if (e >= P.count)
        return;
    int to = 0, from = 0, place[8];
    for (int d = P.rank - 1; d >= 0; d--) {
        int i = e % P.dim[d];
        e /= P.dim[d];
        to += i * P.out_stride[d];
        place[d] = i;
        if (P.first[d] < 0)
            from += i * P.a_stride[d];
        else if (NEAREST)
            from += table[P.first[d] + i] * P.a_stride[d];
    }
    if (NEAREST) {
        uint size = min(SIZE, 2u);
        put1(size, to * words + part, get0(size, from * words + part));
        return;
    }
    for (int i = 0; i < 3; i++) {
        int d = P.moving[i];
        entry[i] = d < 0 ? -1 : P.first[d] + 8 * place[max(d, 0)];
        step_of[i] = d < 0 ? 0 : P.a_stride[d];
    }
    float s = 0.0f;
    for (int t = 0; t < taps_of(0); t++)
        if (weight_of(0, t) != 0.0f)
            s = link_of(0, t, plane(from + place_of(0, t)), s);
    st1(TYPE, to, end_of(0, s));
}
