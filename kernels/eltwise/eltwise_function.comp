/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise functions of one operand: an invocation an element.
 * variants FUNCTION: 6 7 8 9 10 11 12 13 14 15 16 17 18 19 (TN_ELTWISE_RECIP to COS) */
#include "kernels/eltwise/eltwise_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 1) const uint TYPE = 2u; /* of the values */
layout(constant_id = 3) const bool DENSE = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { eltwise_glsl P; };
const uint KIND = FUNCTION;

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/eltwise/eltwise_kinds.glsl"

GRID(grid_at, P.grid)

OPERAND(0)
OPERAND(1)

void main()
{
    int i = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (i >= P.grid.count)
        return;
    float x = ld0(TYPE, DENSE ? i : grid_at(0u, i));
    st1(TYPE, DENSE ? i : grid_at(1u, i), kind_f32(x, 0.0f, 0.0f, 0.0f, 0.0f));
}
