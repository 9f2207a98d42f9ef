/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of floats in the canonical order: an invocation one pixel of FILTERS filters, with the
 * pixels of a workgroup side by side. What an invocation reads of B is the same for all of its
 * workgroup.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint A_TYPE = 2u;
layout(constant_id = 1) const uint B_TYPE = 2u;
layout(constant_id = 2) const uint OUT_TYPE = 2u;
layout(constant_id = 3) const int FILTERS = 8;
layout(constant_id = 4) const bool TRANSPOSED = false;
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

int position[4]; /* of the pixel: space, then batch */

float post_operand(uint which, uint type, int i)
{
    return which == 4u   ? ld4(type, i)
           : which == 5u ? ld5(type, i)
           : which == 6u ? ld6(type, i)
                         : ld7(type, i);
}

int view_at(conv_view_glsl v, int channel)
{
    return position[3] * v.n + channel * v.c + position[0] * v.s[0] + position[1] * v.s[1] +
           position[2] * v.s[2];
}

/* Where the pixel's tap lies in A, from `a` on; false: outside. */
bool tap_at(int tap, int a, out int at, out int b)
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

float steps(float y, int channel)
{
    for (int j = 0; j < P.post_count; j++) {
        uint which = uint(P.post_binding[j]);
        float r = 0.0f;
        if (which != 0u)
            r = post_operand(which, uint(P.post_type[j]),
                             view_at(P.post[int(which) - 4], channel));
        y = post_step(uint(P.post_kind[j]), intBitsToFloat(P.post_a[j]),
                      intBitsToFloat(P.post_b[j]), y, r);
    }
    return y;
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int g = block / P.blocks, first = block % P.blocks * FILTERS;
    int x = int(gl_GlobalInvocationID.x), pixel = min(x, P.pixels - 1);
    if (g >= P.groups)
        return;
    int count = min(FILTERS, P.kg - first), taps = P.kernel[0] * P.kernel[1] * P.kernel[2];
    position[2] = pixel % P.size[2];
    position[1] = pixel / P.size[2] % P.size[1];
    position[0] = pixel / P.size[2] / P.size[1] % P.size[0];
    position[3] = pixel / P.size[2] / P.size[1] / P.size[0];
    int a = position[3] * P.a.n + g * P.cg * P.a.c, b = g * P.b_group + first * P.b_k;
    int k0 = 0, k = 0, last = taps * P.cg, at, bt;
    uint suspect = 0u;
    float t[8], s[8];
    for (int r = 0; r < FILTERS; r++)
        t[r] = s[r] = 0.0f;
    for (int tap = 0; tap < taps; tap++) {
        bool inside = tap_at(tap, a, at, bt);
        for (int c = 0; c < P.cg;) {
            int end = min(P.cg, c + 128 - k % 128);
            k += end - c;
            for (; c < end; c++) {
                if (inside) {
                    float y = ld0(A_TYPE, at + c * P.a.c);
                    LINK z = link(y);
                    for (int r = 0; r < FILTERS; r++) /* filters beyond the last repeat it */
                        s[r] = chain(ld1(B_TYPE, b + min(r, count - 1) * P.b_k + bt + c * P.b_c), z,
                                     s[r], suspect);
                }
            }
            if (k % 128 != 0 && k != last)
                continue;
            if (suspect != 0u)
                for (int r = 0; r < FILTERS; r++)
                    s[r] = 0.0f;
            for (int i = suspect != 0u ? k0 : k; i < k; i++) {
                int slow, bs, ci = i % P.cg;
                if (tap_at(i / P.cg, a, slow, bs))
                    for (int r = 0; r < FILTERS; r++)
                        s[r] = FMA(ld0(A_TYPE, slow + ci * P.a.c),
                                   ld1(B_TYPE, b + min(r, count - 1) * P.b_k + bs + ci * P.b_c),
                                   s[r]);
            }
            for (int r = 0; r < FILTERS; r++) {
                t[r] = t[r] + s[r];
                s[r] = 0.0f;
            }
            suspect = 0u;
            k0 = k;
        }
    }
    if (x >= P.pixels)
        return;
    for (int r = 0; r < FILTERS; r++) {
        if (r >= count)
            return;
        int channel = g * P.kg + first + r;
        st2(OUT_TYPE, view_at(P.out_view, channel), steps(t[r], channel));
    }
}
