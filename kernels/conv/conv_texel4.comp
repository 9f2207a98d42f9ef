/* SPDX-License-Identifier: Apache-2.0 */
/* As conv_texel.comp, pixels and channels in fours as in matmul_texel4.comp: FILTERS filters of
 * QUADS fours of pixels an invocation, and four channels of WIDE taps side by side a turn, whose
 * pixels are fetched once for all of these taps. Where pixels or channels do not lie in fours
 * conv_pack.comp has laid them so before, zeros around the input: with finite weights these change
 * no sum (none is -0, but where a product underflows); a chunk with a weight that is not finite is
 * computed again without them.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#extension GL_KHR_shader_subgroup_shuffle : require
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 8) in;
layout(constant_id = 6) const int QUADS = 2;
layout(constant_id = 7) const bool ALIGNED = true; /* operands begin at a multiple of four, too */
layout(constant_id = 8) const bool PACKED_A = false;
layout(constant_id = 9) const bool PACKED_B = false;
layout(constant_id = 10) const bool PADDED = false;
layout(constant_id = 11) const int WIDE = 1; /* more than one: of a packed input alone */
#include "kernels/conv/conv.glsl"

TEXELS4(0)
TEXELS4(1)
layout(set = 1, binding = 2) uniform usamplerBuffer packed;

const int PIXELS4 = 4 * QUADS, TURN = 4 * WIDE, CHUNK = 128 / TURN * TURN, SHARES = FILTERS / 8;
const int FETCHES = WIDE == 1 ? QUADS : QUADS + (WIDE + 2) / 4; /* fours of pixels of a channel */

uvec4 input4(int i)
{
    if (PACKED_A)
        return texelFetch(packed, i >> 2);
    return texels4_0(i);
}

uvec4 filter4(int i)
{
    if (PACKED_B)
        return texelFetch(packed, i >> 2);
    return texels4_1(i);
}

/* Whether input column x + j of a four meets the tap; all do where nothing is around the input. */
bool meets(ivec4 position, ivec3 tap, int j)
{
    bool inside = true;
    position.z += j;
    for (int d = 0; d < 3; d++) {
        int i = position[d] * P.stride[d] - P.lo[d] + tap[d] * P.dilation[d];
        inside = inside && i >= 0 && i < P.in_size[d];
    }
    return inside;
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int g = block / P.blocks, first = block % P.blocks * FILTERS;
    int quad = (int(gl_WorkGroupID.x) * 8 + int(gl_LocalInvocationID.x)) * QUADS;
    if (g >= P.groups)
        return;
    int count = min(FILTERS, P.kg - first), cg = P.cg, quads = P.quads;
    ivec3 kernel = ivec3(P.kernel[0], P.kernel[1], WIDE == 1 ? P.kernel[2] : 1);
    int plane = PACKED_A ? P.pack[0] * P.pack[1] * P.pack[2] : P.a.c;
    /* by which a tap lies behind the first one */
    ivec3 behind =
        ivec3(P.dilation[0] * P.pack[0] * P.pack[1], P.dilation[1] * P.pack[0], cg * plane);
    /* Where operands begin is read once, too: in the loop it would be read again every turn. */
    int begin_a = PACKED_A ? int(push.at[8]) + P.pack_at : int(push.at[0]);
    int begin_b = PACKED_B ? int(push.at[8]) + g * P.kg * P.filter_words
                           : int(push.at[1]) + g * P.b_group;
    int a[QUADS], b[SHARES], pixel[QUADS], valid[QUADS];
    [[unroll]] for (int q = 0; q < QUADS; q++) { /* what is beyond the last computes the last one */
        int of = min(quad + q, P.rows * quads - 1), row = of / quads, x = of % quads * 4;
        pixel[q] = row * P.width + x;
        valid[q] = quad + q < P.rows * quads ? P.width - x : 0;
        if (PACKED_A) {
            int z = row / P.size[1], image = z / P.size[0];
            a[q] = (image * P.groups + g) * kernel.z * behind.z + x +
                   (row % P.size[1] * P.stride[1] +
                    z % P.size[0] * P.stride[0] * P.pack[1]) * P.pack[0];
        } else {
            a[q] = row * P.a.n + g * cg * plane + x;
        }
        a[q] += begin_a;
    }
    /* An invocation fetches those of every eighth filter; those beyond the last repeat it. */
    [[unroll]] for (int i = 0; i < SHARES; i++)
        b[i] = begin_b + P.filter_words *
                             (first + min(i * 8 + int(gl_SubgroupInvocationID), count - 1));
    float s[FILTERS][PIXELS4], t[FILTERS][PIXELS4]; /* of the chunk, and of all before */
    [[unroll]] for (int r = 0; r < FILTERS; r++)
        [[unroll]] for (int c = 0; c < PIXELS4; c++)
            t[r][c] = 0.0f;
    ivec3 tap = ivec3(0);
    int last = kernel.x * kernel.y * kernel.z * WIDE * cg, channel = 0, at = 0;
    for (int k0 = 0; k0 < last; k0 += CHUNK) {
        int k1 = min(k0 + CHUNK, last);
        uvec4 endless = uvec4(0u);
        [[unroll]] for (int r = 0; r < FILTERS; r++)
            [[unroll]] for (int c = 0; c < PIXELS4; c++)
                s[r][c] = 0.0f;
        for (int k = k0; k < k1; k += TURN) {
            uvec4 x[SHARES][WIDE], w[4][FETCHES];
            [[unroll]] for (int j = 0; j < 4; j++) {
                [[unroll]] for (int q = 0; q < FETCHES; q++)
                    w[j][q] = input4((WIDE == 1 ? a[q] : a[0] + 4 * q) + at);
                at += plane;
            }
            [[unroll]] for (int i = 0; i < SHARES; i++)
                [[unroll]] for (int v = 0; v < WIDE; v++) {
                    x[i][v] = filter4(b[i] + k + 4 * v);
                    if (PADDED)
                        endless = max(endless, x[i][v] << 1u);
                }
            [[unroll]] for (int r = 0; r < FILTERS; r++)
                [[unroll]] for (int j = 0; j < TURN; j++) {
                    float y = U2F(subgroupShuffle(x[r / 8][j / 4][j % 4], uint(r % 8)));
                    [[unroll]] for (int c = 0; c < PIXELS4; c++) {
                        int from = j % WIDE + c;
                        s[r][c] = y * U2F(w[j / WIDE][from / 4][from % 4]) + s[r][c];
                    }
                }
            channel += 4;
            if (PACKED_A) { /* on to the next tap? */
                bool next = channel == cg;
                channel = next ? 0 : channel;
                tap.z += next ? 1 : 0;
                tap.y += tap.z == kernel.z ? 1 : 0;
                tap.z = tap.z == kernel.z ? 0 : tap.z;
                tap.x += tap.y == kernel.y ? 1 : 0;
                tap.y = tap.y == kernel.y ? 0 : tap.y;
                at = next ? tap.x * behind.x + tap.y * behind.y + tap.z * behind.z : at;
            }
        }
        uint most = max(max(endless.x, endless.y), max(endless.z, endless.w));
        bool again = false;
        for (int i = 0; PADDED && i < 8; i++)
            again = again || subgroupShuffle(most, uint(i)) >= 0xff000000u;
        [[unroll]] for (int r = 0; r < FILTERS; r++)
            [[unroll]] for (int c = 0; c < PIXELS4; c++)
                s[r][c] = again ? 0.0f : s[r][c];
        for (int k = again ? k0 : k1; k < k1; k++) {
            int place = k / (cg * WIDE), rest = k % (cg * WIDE), beside = rest % WIDE;
            ivec3 of = ivec3(place / kernel.z / kernel.y, place / kernel.z % kernel.y,
                             place % kernel.z);
            int there = rest / WIDE * plane + of.x * behind.x + of.y * behind.y +
                        of.z * behind.z + beside;
            uint x[SHARES];
            float w[PIXELS4];
            bool inside[PIXELS4];
            of.z += beside;
            [[unroll]] for (int i = 0; i < SHARES; i++)
                x[i] = filter4(b[i] + k / 4 * 4)[k % 4];
            [[unroll]] for (int c = 0; c < PIXELS4; c++) {
                int at = a[c / 4] + there + c % 4;
                w[c] = U2F(input4(at / 4 * 4)[at % 4]);
                inside[c] = meets(position_of(pixel[c / 4]), of, c % 4);
            }
            [[unroll]] for (int r = 0; r < FILTERS; r++) {
                float y = U2F(subgroupShuffle(x[r / 8], uint(r % 8)));
                [[unroll]] for (int c = 0; c < PIXELS4; c++)
                    s[r][c] = inside[c] ? y * w[c] + s[r][c] : s[r][c];
            }
        }
        [[unroll]] for (int r = 0; r < FILTERS; r++)
            [[unroll]] for (int c = 0; c < PIXELS4; c++)
                t[r][c] += s[r][c];
    }
    int out_c = P.out_view.c, out_x = P.out_view.s[2];
    [[unroll]] for (int q = 0; q < QUADS; q++) {
        ivec4 position = position_of(pixel[q]);
        int out_at = view_at(P.out_view, position, g * P.kg + first);
        [[unroll]] for (int c = 0; c < 4; c++) {
            if (STEPS)
                position = position_of(pixel[q] + c);
            [[unroll]] for (int r = 0; r < FILTERS; r++)
                if (c < valid[q] && r < count) {
                    float y = t[r][q * 4 + c];
                    if (STEPS)
                        y = steps(y, position, g * P.kg + first + r);
                    st2(OUT_TYPE, out_at + r * out_c + c * out_x, y);
                }
        }
    }
}
