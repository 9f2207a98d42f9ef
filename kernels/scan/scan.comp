/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums: an invocation a row. */
#include "kernels/scan/scan_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const bool EXCLUSIVE = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { scan_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
GRID(row_at, P.rows)

void main()
{
    int row = int(GROUP * 64u + gl_LocalInvocationID.x);
    if (row >= P.rows.count)
        return;
    int from = row_at(0u, row) + P.first[0], to = row_at(1u, row) + P.first[1];
    bool floats = FROM == T_F32 || FROM == T_F16 || FROM == T_BF16;
    float t = 0.0f, c = 0.0f;
    int sum = 0;
    for (int i = 0; i < P.extent; i++) {
        uint bits = get0(c_size(FROM), from + i * P.step_of[0]);
        if (floats) {
            if (i % 4096 == 0) {
                t = t + c;
                c = 0.0f;
            }
            float before = c;
            c = c + c_widen(FROM, bits);
            float y = (EXCLUSIVE ? before : c) + t;
            st1(TO, to + i * P.step_of[1], y);
        } else {
            int before = sum;
            sum += FROM == T_S8 ? int(bits << 24) >> 24 : FROM == T_BOOL ? int(bits != 0u) : int(bits);
            put1(c_size(TO), to + i * P.step_of[1], uint(EXCLUSIVE ? before : sum));
        }
    }
}
