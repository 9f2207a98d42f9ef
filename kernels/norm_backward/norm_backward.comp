/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of layer, RMS and group norm: a workgroup a row, its invocations the lanes of the
 * sums. */
#include "kernels/norm_backward/norm_backward_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint KIND = 0u; /* TN_NORM_*: layer rms group */
layout(constant_id = 1) const bool GAMMA = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { norm_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/lanes.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
GRID(row_at, P.rows)
GRID(inner_at, P.inner)

int row, from[3];

float centred(int i, float mean)
{
    float v = ld0(T_F32, from[0] + inner_at(0u, i));
    return KIND == 1u ? v : v - mean;
}

float weighted(int i)
{
    float g = ld1(T_F32, from[1] + inner_at(1u, i));
    if (!GAMMA)
        return g;
    int at = KIND == 2u ? (row % P.groups * P.channels + i / P.space) * P.gamma_stride
                        : inner_at(3u, i);
    return g * ld3(T_F32, at);
}

#define OF_X        0
#define OF_SQUARES  1
#define OF_G        2
#define OF_PRODUCTS 3

float sum(int of, float mean, float scale)
{
    float t = 0.0f;
    for (int first = 0; first < P.count; first += SEGMENT) {
        float s = 0.0f;
        for (int i = first + int(LANE); i < min(P.count, first + SEGMENT); i += 64) {
            if (of == OF_X) {
                s = s + ld0(T_F32, from[0] + inner_at(0u, i));
            } else if (of == OF_SQUARES) {
                float v = centred(i, mean);
                s = FMA(v, v, s);
            } else if (of == OF_G) {
                s = s + weighted(i);
            } else {
                s = s + weighted(i) * (centred(i, mean) * scale);
            }
        }
        t = t + fold(s);
    }
    return t;
}

void main()
{
    row = int(GROUP);
    if (row >= P.rows.count)
        return;
    for (uint o = 0u; o < 3u; o++)
        from[o] = row_at(o, row);
    float each = c_recip_seq(I2F(P.count)), mean_g = 0.0f, mean = 0.0f;
    if (KIND != 1u)
        mean = sum(OF_X, 0.0f, 0.0f) * each;
    float scale = c_rsqrt(FMA(sum(OF_SQUARES, mean, 0.0f), each, intBitsToFloat(P.epsilon)));
    if (KIND != 1u)
        mean_g = sum(OF_G, mean, 0.0f) * each;
    float mean_p = sum(OF_PRODUCTS, mean, scale) * each;
    for (int i = int(LANE); i < P.count; i += 64) {
        float xh = centred(i, mean) * scale, g = weighted(i);
        if (KIND != 1u)
            g = g - mean_g;
        float y = scale * FMA(U2F(F2U(xh) ^ 0x80000000u), mean_p, g);
        st2(T_F32, from[2] + inner_at(2u, i), y);
    }
}
