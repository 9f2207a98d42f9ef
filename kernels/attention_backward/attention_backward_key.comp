/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention, step 3: an invocation a column of a row of dK, and behind these of
 * dV. */
#include "kernels/attention_backward/attention_backward_glsl.h"

layout(local_size_x = 32) in;
layout(constant_id = 0) const uint Q_TYPE = 2u;
layout(constant_id = 1) const uint G_TYPE = 2u;
layout(constant_id = 2) const uint DK_TYPE = 2u;
layout(constant_id = 3) const uint DV_TYPE = 2u;
layout(set = 0, binding = 9, std430) readonly buffer Params { attention_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/attention_backward/attention_backward_work.glsl"

OPERAND(0)
OPERAND(6)
OPERAND(10)
OPERAND(11)

void main()
{
    int key = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int column = int(gl_GlobalInvocationID.x), chunk = 0, group = P.heads / P.kv_heads;
    if (key >= P.batch * P.kv_heads * P.keys || column >= P.d + P.dv)
        return;
    int j = key % P.keys, kv = key / P.keys % P.kv_heads, b = key / P.keys / P.kv_heads;
    bool of_v = column >= P.d;
    int e = of_v ? column - P.d : column;
    float sum = 0.0f, part = 0.0f;
    for (int x = 0; x < group * P.queries; x++) {
        int h = kv * group + x / P.queries, i = x % P.queries;
        int row = (b * P.heads + h) * P.queries + i, at = x + P.chunk_position;
        uint bits = work[weight_at(row, j)];
        if (bits == NO_PART)
            continue;
        if (at / 128 != chunk) {
            sum = sum + part;
            part = 0.0f;
        }
        chunk = at / 128;
        if (of_v)
            part = FMA(c_round(G_TYPE, U2F(bits)),
                       ld6(G_TYPE, b * P.grad[0] + h * P.grad[1] + i * P.grad[2] + e * P.grad[3]),
                       part);
        else
            part = FMA(c_round(Q_TYPE, U2F(work[score_at(row, j)])),
                       ld0(Q_TYPE, b * P.q[0] + h * P.q[1] + i * P.q[2] + e * P.q[3]), part);
    }
    sum = sum + part;
    float y = intBitsToFloat(P.scale) * sum;
    if (of_v)
        st11(DV_TYPE, b * P.to_v[0] + kv * P.to_v[1] + j * P.to_v[2] + e * P.to_v[3], sum);
    else
        st10(DK_TYPE, b * P.to_k[0] + kv * P.to_k[1] + j * P.to_k[2] + e * P.to_k[3], y);
}
