/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds: an invocation an element. */
#include "kernels/eltwise/eltwise_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint KIND = 0u;  /* 0: P.kind, a cheap one */
layout(constant_id = 1) const uint TYPE = 2u;  /* of the values */
layout(constant_id = 2) const uint INPUTS = 1u;
layout(constant_id = 3) const bool DENSE = false;
layout(constant_id = 4) const uint SIZE = 2u;  /* log2 of the bytes, of WHERE */
layout(set = 0, binding = 9, std430) readonly buffer Params { eltwise_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/divide.glsl"
#include "kernels/eltwise/eltwise_kinds.glsl"

GRID(grid_at, P.grid)

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)

int at(uint operand, int i)
{
    return DENSE ? i : grid_at(operand, i);
}

uint value_bits(uint operand, int i)
{
    uint size = c_size(TYPE);
    return operand == 0u ? get0(size, i) : operand == 1u ? get1(size, i) : get2(size, i);
}

void store(uint size, int i, uint bits)
{
    int o = at(INPUTS, i);
    if (INPUTS == 1u)
        put1(size, o, bits);
    else if (INPUTS == 2u)
        put2(size, o, bits);
    else
        put3(size, o, bits);
}

void main()
{
    int i = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (i >= P.grid.count)
        return;
    if (KIND == K_WHERE) {
        bool take = get0(0u, at(0u, i)) != 0u;
        store(SIZE, i, take ? get1(SIZE, at(1u, i)) : get2(SIZE, at(2u, i)));
        return;
    }
    uint x[3] = uint[3](0u, 0u, 0u);
    for (uint n = 0u; n < INPUTS; n++)
        x[n] = value_bits(n, at(n, i));
    if (TYPE == T_S32) {
        if (KIND == K_COMPARE)
            store(0u, i, compare_s32(int(x[0]), int(x[1])) ? 1u : 0u);
        else
            store(2u, i, uint(kind_s32(int(x[0]), int(x[1]))));
        return;
    }
    float f0 = c_widen(TYPE, x[0]), f1 = c_widen(TYPE, x[1]), f2 = c_widen(TYPE, x[2]);
    if (KIND == K_COMPARE)
        store(0u, i, compare_f32(f0, f1) ? 1u : 0u);
    else
        store(c_size(TYPE), i,
              c_narrow(TYPE, kind_f32(f0, f1, f2, intBitsToFloat(P.a), intBitsToFloat(P.b))));
}
