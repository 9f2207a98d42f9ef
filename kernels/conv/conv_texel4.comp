/* SPDX-License-Identifier: Apache-2.0 */
/* As conv_texel.comp, pixels and channels in fours as in matmul_texel4.comp: FILTERS filters of
 * QUADS fours of pixels an invocation, and four channels of a tap a turn. Where pixels or channels
 * do not lie in fours conv_pack.comp has laid them so before, zeros around the input: with finite
 * weights these change no sum (none is -0, but where a product underflows, which is watched); a
 * chunk with a weight that is not finite is computed again without them.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 8) in;
layout(constant_id = 6) const int QUADS = 2;
layout(constant_id = 7) const bool ALIGNED = true; /* operands begin at a multiple of four, too */
layout(constant_id = 8) const bool PACKED_A = false;
layout(constant_id = 9) const bool PACKED_B = false;
layout(constant_id = 10) const bool PADDED = false;
#include "kernels/conv/conv.glsl"
#include "kernels/common/glsl/watch.glsl"

TEXELS4(0)
TEXELS4(1)
layout(set = 1, binding = 2) uniform usamplerBuffer packed;

uvec4 input4(int i)
{
    if (PACKED_A)
        return texelFetch(packed, int(push.at[8]) + P.pack_at + i >> 2);
    return texels4_0(i);
}

uvec4 filter4(int i)
{
    if (PACKED_B)
        return texelFetch(packed, int(push.at[8]) + i >> 2);
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
    ivec3 kernel = ivec3(P.kernel[0], P.kernel[1], P.kernel[2]);
    int plane = PACKED_A ? P.pack[0] * P.pack[1] * P.pack[2] : P.a.c;
    /* by which a tap lies behind the first one */
    ivec3 behind = ivec3(P.dilation[0] * P.pack[0] * P.pack[1], P.dilation[1] * P.pack[0], cg * plane);
    int a[2], b[8], pixel[2], valid[2];
    for (int q = 0; q < QUADS; q++) { /* what is beyond the last computes the last one */
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
    }
    int from = PACKED_B ? g * P.kg * P.filter_words : g * P.b_group;
    for (int r = 0; r < FILTERS; r++) /* filters beyond the last repeat it */
        b[r] = from + (first + min(r, count - 1)) * P.filter_words;
    int low[8];
    float s[8][8], t[8][8]; /* by filter and pixel: of the chunk, and of all before */
    [[unroll]] for (int r = 0; r < 8; r++)
        [[unroll]] for (int c = 0; c < 8; c++)
            t[r][c] = 0.0f;
    ivec3 tap = ivec3(0);
    int last = kernel.x * kernel.y * kernel.z * cg, channel = 0, at = 0;
    for (int k0 = 0; k0 < last; k0 += 128) {
        int k1 = min(k0 + 128, last);
        uvec4 endless = uvec4(0u);
        [[unroll]] for (int r = 0; r < 8; r++)
            [[unroll]] for (int c = 0; c < 8; c++)
                s[r][c] = 0.0f;
        for (int r = 0; r < FILTERS; r++)
            low[r] = NO_TIE;
        watch_none();
        for (int k = k0; k < k1; k += 4) {
            uvec4 x[8], w[4][2];
            [[unroll]] for (int j = 0; j < 4; j++) {
                for (int q = 0; q < QUADS; q++) {
                    w[j][q] = input4(a[q] + at);
                    watch(w[j][q]);
                }
                at += plane;
            }
            for (int r = 0; r < FILTERS; r++) {
                x[r] = filter4(b[r] + k);
                watch(x[r]);
                if (PADDED)
                    endless = max(endless, x[r] << 1u);
            }
            for (int r = 0; r < FILTERS; r++)
                [[unroll]] for (int j = 0; j < 4; j++)
                    for (int q = 0; q < QUADS; q++)
                        for (int c = 0; c < 4; c++)
                            s[r][q * 4 + c] =
                                watched(U2F(x[r][j]), U2F(w[j][q][c]), s[r][q * 4 + c], low[r]);
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
        uvec2 most = max(endless.xy, endless.zw);
        bool all = (!PLAIN && few_bits()) || (PADDED && max(most.x, most.y) >= 0xff000000u);
        uint doubts = 0u;
        for (int r = 0; r < FILTERS; r++) {
            bool doubt = all || (!PLAIN && low[r] == TIE);
            doubts |= (doubt ? 1u : 0u) << uint(r);
            for (int q = 0; q < QUADS; q++)
                for (int c = 0; c < 4; c++)
                    t[r][q * 4 + c] = doubt ? t[r][q * 4 + c] : t[r][q * 4 + c] + s[r][q * 4 + c];
        }
        if (PLAIN && !PADDED)
            continue;
        /* The chunk once more for filters in doubt, with the fma that is right for all inputs. */
        for (int tile = doubts != 0u ? 0 : FILTERS * QUADS; tile < FILTERS * QUADS; tile++) {
            int r = tile / QUADS, q = tile % QUADS;
            bool again = (doubts >> uint(r) & 1u) != 0u;
            float u[4];
            for (int c = 0; c < 4; c++)
                u[c] = 0.0f;
            int filter_of = from + (first + min(r, count - 1)) * P.filter_words;
            int image = q == 0 ? a[0] : a[1];
            ivec4 position = position_of(q == 0 ? pixel[0] : pixel[1]);
            for (int i = again ? k0 : k1; i < k1; i += 4) {
                uvec4 x = filter4(filter_of + i);
                int place = i / cg;
                ivec3 of = ivec3(place / kernel.z / kernel.y, place / kernel.z % kernel.y,
                                 place % kernel.z);
                int there = image + i % cg * plane;
                if (PACKED_A)
                    there += of.x * behind.x + of.y * behind.y + of.z * behind.z;
                bool inside[4];
                for (int c = 0; c < 4; c++)
                    inside[c] = !PADDED || meets(position, of, c);
                [[unroll]] for (int j = 0; j < 4; j++) {
                    uvec4 w = input4(there + j * plane);
                    for (int c = 0; c < 4; c++) {
                        float y = FMA(U2F(x[j]), U2F(w[c]), u[c]);
                        u[c] = inside[c] ? y : u[c];
                    }
                }
            }
            for (int y = 0; y < FILTERS; y++)
                for (int z = 0; z < QUADS; z++)
                    for (int c = 0; c < 4; c++)
                        t[y][z * 4 + c] =
                            again && y == r && z == q ? t[y][z * 4 + c] + u[c] : t[y][z * 4 + c];
        }
    }
    /* Read once: loads of params are as dear as those of operands. */
    int out_c = P.out_view.c, out_x = P.out_view.s[2];
    float kept[64]; /* with indices of any kind */
    [[unroll]] for (int r = 0; r < 8; r++)
        [[unroll]] for (int c = 0; c < 8; c++)
            kept[r * 8 + c] = t[r][c];
    for (int q = 0; q < QUADS; q++) {
        ivec4 position = position_of(pixel[q]);
        int out_at = view_at(P.out_view, position, g * P.kg + first);
        for (int c = 0; c < min(4, valid[q]); c++) {
            if (STEPS)
                position = position_of(pixel[q] + c);
            for (int r = 0; r < count; r++) {
                float y = kept[r * 8 + q * 4 + c];
                if (STEPS)
                    y = steps(y, position, g * P.kg + first + r);
                st2(OUT_TYPE, out_at + r * out_c + c * out_x, y);
            }
        }
    }
}
