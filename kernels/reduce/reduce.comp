/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions: a workgroup an output, its invocations the lanes of the sum. */
#include "kernels/reduce/reduce_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const uint KIND = 0u; /* TN_REDUCE_*: sum mean max min sumsq */
layout(set = 0, binding = 9, std430) readonly buffer Params { reduce_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/lanes.glsl"

OPERAND(0)
OPERAND(1)
GRID(kept_at, P.kept)
GRID(inner_at, P.inner)

void main()
{
    int o = int(GROUP), n = P.count, lane = int(LANE);
    if (o >= P.kept.count)
        return;
    int x = kept_at(0u, o);
    float y = 0.0f;
    if (KIND == 2u) {
        int key = c_key_max(-INF);
        for (int i = lane; i < n; i += 64)
            key = max(key, c_key_max(ld0(FROM, x + inner_at(0u, i))));
        y = c_unkey(fold_max(key));
    } else if (KIND == 3u) {
        int key = c_key_min(INF);
        for (int i = lane; i < n; i += 64)
            key = min(key, c_key_min(ld0(FROM, x + inner_at(0u, i))));
        y = c_unkey(fold_min(key));
    } else {
        for (int first = 0; first < n; first += SEGMENT) {
            float s = 0.0f;
            for (int i = first + lane; i < min(n, first + SEGMENT); i += 64) {
                float v = ld0(FROM, x + inner_at(0u, i));
                s = KIND == 4u ? FMA(v, v, s) : s + v;
            }
            y = y + fold(s);
        }
        if (KIND == 1u)
            y = y * c_recip_seq(I2F(n));
    }
    if (lane == 0)
        st1(TO, kept_at(1u, o), y);
}
