/* SPDX-License-Identifier: Apache-2.0 */
/* Attention, step 1: an invocation the score of one query and one key, in base 2; -Inf where the
 * key takes no part. */
#include "kernels/attention/attention_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint Q_TYPE = 2u;
layout(constant_id = 1) const uint K_TYPE = 2u;
layout(constant_id = 2) const uint MASK = 0u; /* 0: none; T_BOOL, T_F32 */
layout(constant_id = 3) const bool CAP = false;
layout(constant_id = 4) const bool SLOPES = false;
layout(constant_id = 5) const bool LENGTHS = false;
layout(constant_id = 6) const bool SCALED = false; /* keys */
layout(set = 0, binding = 9, std430) readonly buffer Params { attention_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/attention/attention_work.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(4)
OPERAND(5)
OPERAND(7)
OPERAND(10)

float key_at(int i, float scale)
{
    float x = ld1(K_TYPE, i);
    return SCALED ? x * scale : x;
}

void main()
{
    int row = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int w = int(gl_GlobalInvocationID.x), j = w + P.border;
    if (row >= rows() || w >= P.blocks * 128)
        return;
    int i = row % P.queries, h = row / P.queries % P.heads, b = row / P.queries / P.heads;
    int keys = P.keys, position = P.position;
    if (LENGTHS) {
        keys = clamp(int(get7(2u, b * P.lengths)), 0, P.keys);
        if (P.from_end != 0)
            position = P.first_key + keys - P.queries;
    }
    int place = position + i - P.first_key;
    bool part = j >= 0 && j < keys && (P.left < 0 || j >= place - P.left) &&
                (P.right < 0 || j <= place + P.right);
    int mask = b * P.mask[0] + h * P.mask[1] + i * P.mask[2] + j * P.mask[3];
    if (part && MASK == T_BOOL)
        part = get4(0u, mask) != 0u;
    uint bits = 0xff800000u;
    if (part) {
        int q = b * P.q[0] + h * P.q[1] + i * P.q[2];
        int k = b * P.k[0] + h / P.group * P.k[1] + j * P.k[2];
        float z = 0.0f, scale = 1.0f;
        if (SCALED)
            scale = ld10(T_F32, b * P.k_scale[0] + h / P.group * P.k_scale[1] + j * P.k_scale[2]);
        for (int e0 = 0; e0 < P.d; e0 += 128) {
            int e1 = min(e0 + 128, P.d);
            uint suspect = 0u;
            float s = 0.0f;
            for (int e = e0; e < e1; e++)
                s = chain(ld0(Q_TYPE, q + e * P.q[3]), key_at(k + e * P.k[3], scale), s, suspect);
            if (suspect != 0u)
                s = 0.0f;
            for (int e = suspect != 0u ? e0 : e1; e < e1; e++)
                s = FMA(ld0(Q_TYPE, q + e * P.q[3]), key_at(k + e * P.k[3], scale), s);
            z = z + s;
        }
        float c = intBitsToFloat(P.c), t = CAP ? c_tanh(z * intBitsToFloat(P.inner)) * c : z * c;
        if (MASK == T_F32)
            t = FMA(ld4(T_F32, mask), L2E, t);
        if (SLOPES) {
            float away = j - place, lift = ld5(T_F32, h * P.slopes) * away;
            t = FMA(lift, L2E, t);
        }
        bits = F2U(t);
    }
    work[score_at(row, w)] = bits;
}
