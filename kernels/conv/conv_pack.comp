/* SPDX-License-Identifier: Apache-2.0 */
/* What conv_texel4.comp reads in fours, laid into the workspace, with zeros for what is outside of
 * the input. Where it takes taps along width one at a time: filters as [group][filter][tap]
 * [channel], the input as [image][group][tap along width][channel][depth][height][width], columns
 * where the output's are. Where it takes WIDE at once: [group][filter][tap of the other dims]
 * [channel][tap along width], and the input once. An invocation writes four channels of a filter,
 * or four columns of a plane, and counts along, since llvmpipe divides lane by lane; four words at
 * once, for which it goes through its lanes once. */
#extension GL_EXT_control_flow_attributes : enable
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 8) in;
layout(constant_id = 8) const bool PACKED_A = false;
layout(constant_id = 9) const bool PACKED_B = false;
layout(constant_id = 11) const int WIDE = 1;
#include "kernels/conv/conv.glsl"

TEXELS(0)
TEXELS(1)
layout(set = 0, binding = 8, std430) buffer Workspace { uvec4 work[]; };

/* Four channels of a filter. */
void pack_filter(int i)
{
    int fours = P.cg / 4, filter_of = i / fours, c = i % fours * 4, step = P.b_c;
    int high = P.kernel[1], wide = P.kernel[2], stride = P.b_s[1], next = P.b_s[2];
    int at = int(push.at[8]) / 4 + filter_of * P.kernel[0] * high * wide * fours;
    int from = filter_of / P.kg * P.b_group + filter_of % P.kg * P.b_k + c * step;
    at += i % fours * WIDE;
    for (int z = 0; z < P.kernel[0]; z++)
        for (int y = 0; y < high; y++) {
            int first = from + z * P.b_s[0] + y * stride;
            for (int x = 0; x < wide; x += WIDE) {
                uint v[4 * WIDE];
                [[unroll]] for (int j = 0; j < 4 * WIDE; j++)
                    v[j] = F2U(texel1(first + (x + j % WIDE) * next + j / WIDE * step));
                [[unroll]] for (int j = 0; j < WIDE; j++)
                    work[at + j] = uvec4(v[4 * j], v[4 * j + 1], v[4 * j + 2], v[4 * j + 3]);
                at += fours * WIDE;
            }
        }
}

void pack_columns(int i)
{
    int quads = P.pack[0] / 4, height = P.pack[1], plane = i / quads;
    int copies = WIDE == 1 ? P.kernel[2] : 1;
    int x = i % quads * 4, z = plane % P.pack[2] - P.lo[0], rest = plane / P.pack[2];
    int c = rest % P.cg, image = rest / P.cg / copies;
    int first = rest / P.cg % copies * P.dilation[2] - P.lo[2];
    int from = image / P.groups * P.a.n + (image % P.groups * P.cg + c) * P.a.c + z * P.a.s[0];
    int at = (int(push.at[8]) + P.pack_at + plane * height * P.pack[0] + x) / 4, row = quads;
    int below = P.in_size[1], left = P.a.s[1], column[4];
    bool inside[4];
    for (int j = 0; j < 4; j++) {
        int k = (x + j) * P.stride[2] + first;
        inside[j] = k >= 0 && k < P.in_size[2] && z >= 0 && z < P.in_size[0];
        column[j] = from + k * P.a.s[2];
    }
    int y = -P.lo[1];
    for (int i = 0; i < height; i++) {
        bool there = y >= 0 && y < below;
        uvec4 v;
        [[unroll]] for (int j = 0; j < 4; j++) {
            bool is = inside[j] && there;
            float f = texel0(is ? column[j] + y * left : 0);
            v[j] = is ? F2U(f) : 0u;
        }
        work[at] = v;
        at += row;
        ++y;
    }
}

void main()
{
    int i = (int(GROUP) - P.filter_groups) * 8 + int(gl_LocalInvocationID.x);
    if (PACKED_B && i < 0) {
        i += P.filter_groups * 8;
        if (i < P.groups * P.kg * (P.cg / 4))
            pack_filter(i);
    } else if (PACKED_A && i < P.pack[0] / 4 * P.pack[2] * P.cg *
                                  (WIDE == 1 ? P.kernel[2] : 1) * P.groups *
                                  (P.pixels / (P.size[0] * P.size[1] * P.size[2]))) {
        pack_columns(i);
    }
}
