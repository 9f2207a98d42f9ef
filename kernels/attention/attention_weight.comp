/* SPDX-License-Identifier: Apache-2.0 */
/* Attention, step 2: a workgroup a block of 128 keys of a query row: its greatest integer score M,
 * the weights by it, their sum l. */
#include "kernels/attention/attention_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint V_TYPE = 2u;
layout(set = 0, binding = 9, std430) readonly buffer Params { attention_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/lanes.glsl"
#include "kernels/attention/attention_work.glsl"

#define NONE 0xff800000u

float weight(uint bits, float top)
{
    float t = U2F(bits), n = RINT(t);
    return bits == NONE || (F2U(top) & 0x7fffffffu) > 0x7f800000u ? 0.0f
                                                                  : c_p2(t - n) * pow2_of(n - top);
}

void main()
{
    int block = int(GROUP), row = block / P.blocks, b = block % P.blocks, lane = int(LANE);
    if (row >= rows())
        return;
    uint first = score_at(row, b * 128 + lane);
    uint x = work[first], y = work[first + 64u];
    /* The keys of NONE are below those of all numbers; NaN comes out on top. */
    int key = max(c_key_max(RINT(U2F(x))), c_key_max(RINT(U2F(y))));
    float top = c_unkey(fold_max(key));
    float p = weight(x, top), q = weight(y, top);
    float l = fold((0.0f + p) + q);
    work[first] = x == NONE ? NO_PART : F2U(c_round(V_TYPE, p));
    work[first + 64u] = y == NONE ? NO_PART : F2U(c_round(V_TYPE, q));
    if (lane == 0) {
        work[top_at(row, b)] = F2U(top);
        work[sum_at(row, b)] = F2U(l);
    }
}
