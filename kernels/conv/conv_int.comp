/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of s8 and u8 to s32, sums mod 2^32: an invocation FILTERS filters of a pixel, pixels
 * of a workgroup side by side. */
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 64) in;
#include "kernels/conv/conv.glsl"
#include "kernels/conv/conv_tap.glsl"

OPERAND(0)
OPERAND(1)

int byte_of(uint type, uint bits)
{
    return type == T_S8 ? int(bits << 24) >> 24 : int(bits);
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int g = block / P.blocks, first = block % P.blocks * FILTERS;
    int pixel = int(gl_WorkGroupID.x) * 64 + int(gl_LocalInvocationID.x);
    if (g >= P.groups || pixel >= P.pixels)
        return;
    int count = min(FILTERS, P.kg - first), taps = P.kernel[0] * P.kernel[1] * P.kernel[2];
    int cg = P.cg, a_c = P.a.c, b_c = P.b_c, from[8];
    ivec4 position = position_of(pixel);
    int a = position[3] * P.a.n + g * cg * a_c, b = g * P.b_group + first * P.b_k;
    uint sum[8];
    for (int r = 0; r < 8; r++) { /* filters beyond the last repeat it */
        sum[r] = 0u;
        from[r] = b + min(r, count - 1) * P.b_k;
    }
    for (int tap = 0; tap < taps; tap++) {
        int at, behind;
        bool inside = tap_at(tap, position, a, at, behind);
        for (int c = inside ? 0 : cg; c < cg; c++) {
            int x = byte_of(A_TYPE, get0(0u, at + c * a_c));
            for (int r = 0; r < FILTERS; r++)
                sum[r] += uint(x * byte_of(B_TYPE, get1(0u, from[r] + behind + c * b_c)));
        }
    }
    int out_at = view_at(P.out_view, position, g * P.kg + first), out_c = P.out_view.c;
    for (int r = 0; r < FILTERS; r++)
        if (r < count)
            put2(2u, out_at + r * out_c, sum[r]);
}
