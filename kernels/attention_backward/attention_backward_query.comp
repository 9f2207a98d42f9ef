/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention, step 2: an invocation a column of a row of dQ. */
#include "kernels/attention_backward/attention_backward_glsl.h"

layout(local_size_x = 32) in;
layout(constant_id = 0) const uint K_TYPE = 2u;
layout(constant_id = 1) const uint OUT_TYPE = 2u;
layout(set = 0, binding = 9, std430) readonly buffer Params { attention_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/attention_backward/attention_backward_work.glsl"

OPERAND(1)
OPERAND(7)

void main()
{
    int row = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int e = int(gl_GlobalInvocationID.x), chunk = 0;
    if (row >= rows() || e >= P.d)
        return;
    int i = row % P.queries, h = row / P.queries % P.heads, b = row / P.queries / P.heads;
    int k = b * P.k[0] + h / (P.heads / P.kv_heads) * P.k[1] + e * P.k[3];
    float sum = 0.0f, part = 0.0f;
    for (int j = 0; j < P.keys; j++) {
        if (work[weight_at(row, j)] == NO_PART)
            continue;
        if ((P.first_key + j) / 128 != chunk) {
            sum = sum + part;
            part = 0.0f;
        }
        chunk = (P.first_key + j) / 128;
        part = FMA(c_round(K_TYPE, U2F(work[score_at(row, j)])), ld1(K_TYPE, k + j * P.k[2]), part);
    }
    sum = sum + part;
    float y = intBitsToFloat(P.scale) * sum;
    st7(OUT_TYPE, b * P.to_q[0] + h * P.to_q[1] + i * P.to_q[2] + e * P.to_q[3], y);
}
