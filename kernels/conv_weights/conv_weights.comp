/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights: an invocation a weight. */
#include "kernels/conv_weights/conv_weights_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint A_TYPE = 2u;
layout(constant_id = 1) const uint G_TYPE = 2u;
layout(constant_id = 2) const uint OUT_TYPE = 2u;
layout(set = 0, binding = 9, std430) readonly buffer Params { conv_weights_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)

int a_from, g_from, tap[3];

/* Where position k lies in A and GRAD; false: its tap is outside of A. */
bool places(int k, out int a, out int g)
{
    bool inside = true;
    a = a_from;
    g = g_from;
    for (int d = 2; d >= 0; d--) {
        int o = k % P.size[d], i = o * P.stride[d] - P.lo[d] + tap[d] * P.dilation[d];
        k /= P.size[d];
        inside = inside && i >= 0 && i < P.in_size[d];
        a += i * P.a_s[d];
        g += o * P.g_s[d];
    }
    a += k * P.a_n;
    g += k * P.g_n;
    return inside;
}

void main()
{
    int w = int(GROUP * 64u + gl_LocalInvocationID.x), a, g;
    if (w >= P.count)
        return;
    int taps = P.kernel[0] * P.kernel[1] * P.kernel[2];
    int k = w % taps, c = w / taps % P.cg, f = w / taps / P.cg;
    tap = int[3](k / P.kernel[2] / P.kernel[1], k / P.kernel[2] % P.kernel[1], k % P.kernel[2]);
    a_from = (f / P.kg * P.cg + c) * P.a_c;
    g_from = f * P.g_c;
    float t = 0.0f;
    for (int first = 0; first < P.positions; first += 128) {
        int end = min(first + 128, P.positions);
        uint suspect = 0u;
        float s = 0.0f;
        for (int i = first; i < end; i++)
            if (places(i, a, g))
                s = chain(ld1(G_TYPE, g), ld0(A_TYPE, a), s, suspect);
        if (suspect != 0u)
            s = 0.0f;
        for (int i = suspect != 0u ? first : end; i < end; i++)
            if (places(i, a, g))
                s = FMA(ld1(G_TYPE, g), ld0(A_TYPE, a), s);
        t = t + s;
    }
    st2(OUT_TYPE, f * P.out_f + c * P.out_c + tap[0] * P.out_s[0] + tap[1] * P.out_s[1] +
                      tap[2] * P.out_s[2], t);
}
