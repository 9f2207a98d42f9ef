/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of softmax and log_softmax: a workgroup a row, its invocations the lanes of the
 * sum. */
#include "kernels/softmax_backward/softmax_backward_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const bool LOG = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { softmax_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/lanes.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
GRID(row_at, P.rows)

void main()
{
    int row = int(GROUP), n = P.count, lane = int(LANE);
    if (row >= P.rows.count)
        return;
    int y = row_at(0u, row), g = row_at(1u, row), to = row_at(2u, row);
    float t = 0.0f;
    for (int first = 0; first < n; first += SEGMENT) {
        float s = 0.0f;
        for (int i = first + lane; i < min(n, first + SEGMENT); i += 64) {
            float d = ld1(T_F32, g + i * P.stride[1]);
            float v = d;
            if (!LOG)
                v = ld0(T_F32, y + i * P.stride[0]) * d;
            s = s + v;
        }
        t = t + fold(s);
    }
    for (int i = lane; i < n; i += 64) {
        float v = ld0(T_F32, y + i * P.stride[0]), d = ld1(T_F32, g + i * P.stride[1]);
        float z = LOG ? FMA(U2F(F2U(c_exp(v)) ^ 0x80000000u), t, d) : v * (d - t);
        st2(T_F32, to + i * P.stride[2], z);
    }
}
