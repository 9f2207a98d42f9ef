/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of floats in the canonical order: an invocation PIXELS pixels, 16 apart, of FILTERS
 * filters; the pixels of a workgroup lie side by side.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 16) in;
layout(constant_id = 0) const uint A_TYPE = 2u;
layout(constant_id = 1) const uint B_TYPE = 2u;
layout(constant_id = 2) const uint OUT_TYPE = 2u;
layout(constant_id = 3) const int FILTERS = 8;
layout(constant_id = 4) const bool TRANSPOSED = false;
layout(constant_id = 5) const int PIXELS = 4;
layout(set = 0, binding = 9, std430) readonly buffer Params { conv_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/common/glsl/post.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(4)
OPERAND(5)
OPERAND(6)
OPERAND(7)

float post_operand(uint which, uint type, int i)
{
    return which == 4u   ? ld4(type, i)
           : which == 5u ? ld5(type, i)
           : which == 6u ? ld6(type, i)
                         : ld7(type, i);
}

/* Of a pixel: space, then batch. */
ivec4 position_of(int pixel)
{
    int row = pixel / P.size[2], plane = row / P.size[1];
    return ivec4(plane % P.size[0], row % P.size[1], pixel % P.size[2], plane / P.size[0]);
}

int view_at(conv_view_glsl v, ivec4 position, int channel)
{
    return position[3] * v.n + channel * v.c + position[0] * v.s[0] + position[1] * v.s[1] +
           position[2] * v.s[2];
}

/* Where the pixel's tap lies in A, from `a` on; false: outside. */
bool tap_at(int tap, ivec4 position, int a, out int at, out int b)
{
    int k[3] = int[3](tap / P.kernel[2] / P.kernel[1], tap / P.kernel[2] % P.kernel[1],
                      tap % P.kernel[2]);
    bool inside = true;
    at = a;
    b = 0;
    for (int d = 0; d < 3; d++) {
        int i = TRANSPOSED ? position[d] + P.lo[d] - k[d] * P.dilation[d]
                           : position[d] * P.stride[d] - P.lo[d] + k[d] * P.dilation[d];
        if (TRANSPOSED) {
            inside = inside && i >= 0 && i % P.stride[d] == 0;
            i /= P.stride[d];
        }
        inside = inside && i >= 0 && i < P.in_size[d];
        at += i * P.a.s[d];
        b += k[d] * P.b_s[d];
    }
    return inside;
}

float steps(float y, ivec4 position, int channel)
{
    for (int j = 0; j < P.post_count; j++) {
        uint which = uint(P.post_binding[j]);
        float r = 0.0f;
        if (which != 0u)
            r = post_operand(which, uint(P.post_type[j]),
                             view_at(P.post[int(which) - 4], position, channel));
        y = post_step(uint(P.post_kind[j]), intBitsToFloat(P.post_a[j]),
                      intBitsToFloat(P.post_b[j]), y, r);
    }
    return y;
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int g = block / P.blocks, first = block % P.blocks * FILTERS;
    int x = int(gl_WorkGroupID.x) * 16 * PIXELS + int(gl_LocalInvocationID.x);
    if (g >= P.groups)
        return;
    int count = min(FILTERS, P.kg - first), taps = P.kernel[0] * P.kernel[1] * P.kernel[2];
    int a[4], at[4], b = g * P.b_group + first * P.b_k, bt;
    ivec4 position[4];
    bool inside[4];
    for (int i = 0; i < PIXELS; i++) { /* pixels beyond the last compute the last one */
        position[i] = position_of(min(x + i * 16, P.pixels - 1));
        a[i] = position[i][3] * P.a.n + g * P.cg * P.a.c;
    }
    int k0 = 0, k = 0, last = taps * P.cg;
    uint suspect[4] = uint[4](0u, 0u, 0u, 0u);
    float t[32], s[32];
    for (int i = 0; i < 32; i++)
        t[i] = 0.0f;
    for (int i = 0; i < PIXELS * FILTERS; i++)
        s[i] = 0.0f;
    for (int tap = 0; tap < taps; tap++) {
        for (int i = 0; i < PIXELS; i++)
            inside[i] = tap_at(tap, position[i], a[i], at[i], bt);
        for (int c = 0; c < P.cg;) {
            int end = min(P.cg, c + 128 - k % 128);
            k += end - c;
            for (; c < end; c++) {
                LINK z[4];
                for (int i = 0; i < PIXELS; i++)
                    z[i] = link(inside[i] ? ld0(A_TYPE, at[i] + c * P.a.c) : 0.0f);
                for (int r = 0; r < FILTERS; r++) { /* filters beyond the last repeat it */
                    float y = ld1(B_TYPE, b + min(r, count - 1) * P.b_k + bt + c * P.b_c);
                    for (int i = 0; i < PIXELS; i++) {
                        float link_of = chain(y, z[i], s[i * FILTERS + r], suspect[i]);
                        s[i * FILTERS + r] = inside[i] ? link_of : s[i * FILTERS + r];
                    }
                }
            }
            if (k % 128 != 0 && k != last)
                continue;
            uint suspects = 0u;
            for (int i = 0; i < PIXELS; i++) {
                suspects |= (suspect[i] != 0u ? 1u : 0u) << uint(i);
                for (int r = 0; r < FILTERS; r++) {
                    if (suspect[i] == 0u)
                        t[i * 8 + r] = t[i * 8 + r] + s[i * FILTERS + r];
                    s[i * FILTERS + r] = 0.0f;
                }
                suspect[i] = 0u;
            }
            /* The chunk once more for pixels in doubt, with the fma that is right for all inputs. */
            for (int i = suspects != 0u ? 0 : PIXELS; i < PIXELS; i++) {
                bool again = (suspects >> uint(i) & 1u) != 0u;
                float u[8];
                for (int r = 0; r < FILTERS; r++)
                    u[r] = 0.0f;
                for (int j = again ? k0 : k; j < k; j++) {
                    int slow, bs, ci = j % P.cg;
                    if (!tap_at(j / P.cg, position[i], a[i], slow, bs))
                        continue;
                    float y = ld0(A_TYPE, slow + ci * P.a.c);
                    for (int r = 0; r < FILTERS; r++)
                        u[r] = FMA(ld1(B_TYPE, b + min(r, count - 1) * P.b_k + bs + ci * P.b_c), y,
                                   u[r]);
                }
                if (again)
                    for (int r = 0; r < FILTERS; r++)
                        t[i * 8 + r] = t[i * 8 + r] + u[r];
            }
            k0 = k;
        }
    }
    for (int i = 0; i < PIXELS; i++) {
        if (x + i * 16 >= P.pixels)
            return;
        for (int r = 0; r < count; r++) {
            int channel = g * P.kg + first + r;
            st2(OUT_TYPE, view_at(P.out_view, position[i], channel),
                steps(t[i * 8 + r], position[i], channel));
        }
    }
}
