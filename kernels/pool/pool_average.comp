/* SPDX-License-Identifier: Apache-2.0 */
/* Average over windows: a workgroup an output, its invocations the lanes of the sum. */
#include "kernels/pool/pool_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TYPE = 2u;
layout(set = 0, binding = 9, std430) readonly buffer Params { pool_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/lanes.glsl"
#include "kernels/pool/pool_place.glsl"

OPERAND(0)
OPERAND(1)

/* Taps along one dim that the average divides by. */
int along(int d)
{
    int count = 0;
    for (int k = 0; k < P.window[d]; k++) {
        int i = position[d] * P.stride[d] - P.lo[d] + k * P.dilation[d];
        bool inside = i >= 0 && i < P.in_size[d];
        count += inside || (P.count_padding != 0 && i < P.in_size[d] + P.hi[d]) ? 1 : 0;
    }
    return count;
}

void main()
{
    int r = int(GROUP), taps = pool_taps(), at;
    if (r >= P.count)
        return;
    pool_locate(r);
    float t = 0.0f;
    for (int first = 0; first < taps; first += SEGMENT) {
        float s = 0.0f;
        for (int k = first + int(LANE); k < min(taps, first + SEGMENT); k += 64)
            if (pool_tap(k, at))
                s = s + ld0(TYPE, at);
        t = t + fold(s);
    }
    if (LANE == 0u)
        st1(TYPE, to, t * c_recip_seq(I2F(along(0) * along(1) * along(2))));
}
