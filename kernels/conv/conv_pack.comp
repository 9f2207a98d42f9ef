/* SPDX-License-Identifier: Apache-2.0 */
/* What conv_texel4.comp reads in fours, laid into the workspace: filters as [group][filter][tap]
 * [channel], or the input as [image][group][tap along width][channel][depth][height][width], with
 * zeros for what is outside of it and columns that lie where the output's do. An invocation writes
 * one channel of a filter, or four columns of a plane: it counts along, since llvmpipe divides
 * lane by lane. */
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 8) in;
layout(constant_id = 4) const bool OF_FILTERS = false;
#include "kernels/conv/conv.glsl"

TEXELS(0)
TEXELS(1)
layout(set = 0, binding = 8, std430) buffer Workspace { uint work[]; };

void pack_filter(int i)
{
    int taps = P.kernel[0] * P.kernel[1] * P.kernel[2], cg = P.cg;
    int filter_of = i / cg, c = i % cg, at = filter_of * taps * cg + c;
    int from = filter_of / P.kg * P.b_group + filter_of % P.kg * P.b_k + c * P.b_c;
    for (int z = 0; z < P.kernel[0]; z++)
        for (int y = 0; y < P.kernel[1]; y++)
            for (int x = 0; x < P.kernel[2]; x++) {
                work[push.at[8] + uint(at)] =
                    F2U(texel1(from + z * P.b_s[0] + y * P.b_s[1] + x * P.b_s[2]));
                at += cg;
            }
}

void pack_columns(int i)
{
    int quads = P.pack[0] / 4, height = P.pack[1], plane = i / quads;
    int x = i % quads * 4, z = plane % P.pack[2] - P.lo[0], rest = plane / P.pack[2];
    int c = rest % P.cg, image = rest / P.cg / P.kernel[2];
    int first = rest / P.cg % P.kernel[2] * P.dilation[2] - P.lo[2];
    int from = image / P.groups * P.a.n + (image % P.groups * P.cg + c) * P.a.c + z * P.a.s[0];
    int at = P.pack_at + plane * height * P.pack[0] + x, row = P.pack[0];
    int below = P.in_size[1], left = P.a.s[1], column[4];
    bool inside[4];
    for (int j = 0; j < 4; j++) {
        int k = (x + j) * P.stride[2] + first;
        inside[j] = x + j < P.size[2] && k >= 0 && k < P.in_size[2] && z >= 0 && z < P.in_size[0];
        column[j] = from + k * P.a.s[2];
    }
    int y = -P.lo[1];
    for (int i = 0; i < height; i++) {
        bool there = y >= 0 && y < below;
        for (int j = 0; j < 4; j++) {
            bool is = inside[j] && there;
            float v = texel0(is ? column[j] + y * left : 0);
            work[push.at[8] + uint(at + j)] = is ? F2U(v) : 0u;
        }
        at += row;
        ++y;
    }
}

void main()
{
    int i = int(GROUP) * 8 + int(gl_LocalInvocationID.x);
    if (OF_FILTERS) {
        if (i < P.groups * P.kg * P.cg)
            pack_filter(i);
    } else if (i < P.pack[0] / 4 * P.pack[2] * P.cg * P.kernel[2] * P.groups *
                       (P.pixels / (P.size[0] * P.size[1] * P.size[2]))) {
        pack_columns(i);
    }
}
