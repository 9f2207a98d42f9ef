/* SPDX-License-Identifier: Apache-2.0 */
/* Layer, RMS and group norm: a workgroup a row, its invocations the lanes of the sums. */
#include "kernels/norm/norm_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const uint KIND = 0u;   /* TN_NORM_*: layer rms group */
layout(constant_id = 3) const uint GAMMA = 0u;  /* its dtype, or 0 */
layout(constant_id = 4) const uint BETA = 0u;
layout(set = 0, binding = 9, std430) readonly buffer Params { norm_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/lanes.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
GRID(row_at, P.rows)
GRID(inner_at, P.inner)

int affine_at(uint which, int row, int i)
{
    if (KIND != 2u)
        return inner_at(2u + which, i);
    int channel = row % P.groups * P.channels + i / P.space;
    return channel * (which == 0u ? P.gamma_stride : P.beta_stride);
}

float sum(int x, bool squares, float centre)
{
    float t = 0.0f;
    for (int first = 0; first < P.count; first += SEGMENT) {
        float s = 0.0f;
        for (int i = first + int(LANE); i < min(P.count, first + SEGMENT); i += 64) {
            float v = ld0(FROM, x + inner_at(0u, i));
            if (KIND != 1u && squares)
                v = v - centre;
            s = squares ? FMA(v, v, s) : s + v;
        }
        t = t + fold(s);
    }
    return t;
}

void main()
{
    int row = int(GROUP);
    if (row >= P.rows.count)
        return;
    int x = row_at(0u, row), y = row_at(1u, row);
    float scale = c_recip_seq(I2F(P.count)), mean = 0.0f;
    if (KIND != 1u)
        mean = sum(x, false, 0.0f) * scale;
    float r = c_rsqrt(FMA(sum(x, true, mean), scale, intBitsToFloat(P.epsilon)));
    for (int i = int(LANE); i < P.count; i += 64) {
        float z = ld0(FROM, x + inner_at(0u, i));
        if (KIND != 1u)
            z = z - mean;
        z = z * r;
        float g = GAMMA != 0u ? ld2(GAMMA, affine_at(0u, row, i)) : 1.0f;
        float b = BETA != 0u ? ld3(BETA, affine_at(1u, row, i)) : 0.0f;
        if (GAMMA != 0u && BETA != 0u)
            z = FMA(z, g, b);
        else if (GAMMA != 0u)
            z = z * g;
        else if (BETA != 0u)
            z = z + b;
        st1(TO, y + inner_at(1u, i), z);
    }
}
