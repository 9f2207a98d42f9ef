/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution of floats in the canonical order: an invocation PIXELS pixels, 16 apart, of FILTERS
 * filters; the pixels of a workgroup lie side by side.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 16) in;
#include "kernels/conv/conv.glsl"
#include "kernels/conv/conv_tap.glsl"

OPERAND(0)
OPERAND(1)

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
                float z[4];
                for (int i = 0; i < PIXELS; i++)
                    z[i] = inside[i] ? ld0(A_TYPE, at[i] + c * P.a.c) : 0.0f;
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
