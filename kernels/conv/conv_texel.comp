/* SPDX-License-Identifier: Apache-2.0 */
/* As conv.comp, not transposed, a and b of f32 read through texel buffers (matmul_texel.comp says
 * why). Taps outside of the input count as zeros here: with finite weights that changes no sum, and
 * where a weight is not finite the chunk is computed again without them.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#include "kernels/conv/conv_glsl.h"

layout(local_size_x = 16) in;
#include "kernels/conv/conv.glsl"

TEXELS(0)
TEXELS(1)

const int TURNS = 4;
uint suspect[4], endless; /* endless: a weight of the chunk is not finite */
int b[8], at[4];
bool inside[4];

bool within(ivec3 p, ivec3 size)
{
    return p.x >= 0 && p.y >= 0 && p.z >= 0 && p.x < size.x && p.y < size.y && p.z < size.z;
}

/* One channel of a tap of all sums, `ca` and `cb` behind where the tap's first is. */
void add(int ca, int cb, inout float s[32])
{
    float z[4];
    for (int i = 0; i < PIXELS; i++) {
        float x = texel0(at[i] + ca);
        z[i] = inside[i] ? x : 0.0f;
    }
    for (int r = 0; r < FILTERS; r++) {
        float y = texel1(b[r] + cb);
        endless |= (F2U(y) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
        for (int i = 0; i < PIXELS; i++)
            s[r * 4 + i] = chain(y, z[i], s[r * 4 + i], suspect[i]);
    }
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int g = block / P.blocks, first = block % P.blocks * FILTERS;
    int x = int(gl_WorkGroupID.x) * 16 * PIXELS + int(gl_LocalInvocationID.x);
    if (g >= P.groups)
        return;
    /* Read once: loads of params are as dear as those of operands. */
    ivec3 kernel = ivec3(P.kernel[0], P.kernel[1], P.kernel[2]);
    ivec3 dilation = ivec3(P.dilation[0], P.dilation[1], P.dilation[2]);
    ivec3 stride = ivec3(P.stride[0], P.stride[1], P.stride[2]);
    ivec3 lo = ivec3(P.lo[0], P.lo[1], P.lo[2]);
    ivec3 size = ivec3(P.in_size[0], P.in_size[1], P.in_size[2]);
    ivec3 a_s = ivec3(P.a.s[0], P.a.s[1], P.a.s[2]), b_s = ivec3(P.b_s[0], P.b_s[1], P.b_s[2]);
    int count = min(FILTERS, P.kg - first), cg = P.cg, a_c = P.a.c, b_c = P.b_c, b_k = P.b_k;
    int taps = kernel.x * kernel.y * kernel.z, from = g * P.b_group + first * b_k;
    int a[4];
    ivec3 origin[4], tap = ivec3(0);
    for (int r = 0; r < FILTERS; r++)
        b[r] = from + min(r, count - 1) * b_k; /* filters beyond the last repeat it */
    for (int i = 0; i < PIXELS; i++) { /* pixels beyond the last compute the last one */
        ivec4 position = position_of(min(x + i * 16, P.pixels - 1));
        origin[i] = position.xyz * stride - lo;
        a[i] = position[3] * P.a.n + g * cg * a_c;
    }
    int k0 = 0, k = 0, last = taps * cg;
    float s[32], t[32]; /* by filter and pixel: of the chunk, and of all before */
    endless = 0u;
    for (int i = 0; i < 32; i++) {
        s[i] = 0.0f;
        t[i] = 0.0f;
    }
    for (int i = 0; i < PIXELS; i++)
        suspect[i] = 0u;
    bool all = true; /* taps of the chunk inside, of all pixels */
    for (int step = 0; step < taps; step++) {
        for (int i = 0; i < PIXELS; i++) {
            ivec3 p = origin[i] + tap * dilation;
            inside[i] = within(p, size);
            int off = p.x * a_s.x + p.y * a_s.y + p.z * a_s.z;
            at[i] = a[i] + (inside[i] ? off : 0);
            all = all && inside[i];
        }
        int bt = tap.x * b_s.x + tap.y * b_s.y + tap.z * b_s.z;
        for (int c = 0; c < cg;) {
            int end = min(cg, c + 128 - (k & 127)), ca = c * a_c, cb = bt + c * b_c;
            k += end - c;
            for (; c + TURNS <= end; c += TURNS) {
                [[unroll]] for (int u = 0; u < TURNS; u++) {
                    add(ca, cb, s);
                    ca += a_c;
                    cb += b_c;
                }
            }
            for (; c < end; c++) {
                add(ca, cb, s);
                ca += a_c;
                cb += b_c;
            }
            if ((k & 127) != 0 && k != last)
                continue;
            uint suspects = 0u;
            for (int i = 0; i < PIXELS; i++) {
                bool doubt = suspect[i] != 0u || (endless != 0u && !all);
                suspects |= (doubt ? 1u : 0u) << uint(i);
                for (int r = 0; r < FILTERS; r++) {
                    t[r * 4 + i] = doubt ? t[r * 4 + i] : t[r * 4 + i] + s[r * 4 + i];
                    s[r * 4 + i] = 0.0f;
                }
                suspect[i] = 0u;
            }
            /* The chunk once more for pixels in doubt, with the fma that is right for all inputs. */
            for (int i = suspects != 0u ? 0 : PIXELS; i < PIXELS; i++) {
                bool again = (suspects >> uint(i) & 1u) != 0u;
                float u[8];
                for (int r = 0; r < FILTERS; r++)
                    u[r] = 0.0f;
                ivec4 place_of = position_of(min(x + i * 16, P.pixels - 1));
                ivec3 start = place_of.xyz * stride - lo;
                int image = place_of[3] * P.a.n + g * cg * a_c;
                for (int j = again ? k0 : k; j < k; j++) {
                    int ci = j % cg, place = j / cg;
                    ivec3 of = ivec3(place / kernel.z / kernel.y, place / kernel.z % kernel.y,
                                     place % kernel.z);
                    ivec3 p = start + of * dilation;
                    int off = p.x * a_s.x + p.y * a_s.y + p.z * a_s.z;
                    int bs = of.x * b_s.x + of.y * b_s.y + of.z * b_s.z + ci * b_c;
                    if (within(p, size)) {
                        float y = texel0(image + off + ci * a_c);
                        for (int r = 0; r < FILTERS; r++)
                            u[r] = FMA(texel1(from + min(r, count - 1) * b_k + bs), y, u[r]);
                    }
                }
                for (int n = 0; n < 32; n++)
                    t[n] = again && n % 4 == i && n / 4 < FILTERS ? t[n] + u[n / 4] : t[n];
            }
            k0 = k;
            endless = 0u;
            all = true;
            for (int i = 0; i < PIXELS; i++)
                all = all && inside[i]; /* the tap goes on in the next chunk */
        }
        ++tap.z;
        tap.y += tap.z == kernel.z ? 1 : 0;
        tap.z = tap.z == kernel.z ? 0 : tap.z;
        tap.x += tap.y == kernel.y ? 1 : 0;
        tap.y = tap.y == kernel.y ? 0 : tap.y;
    }
    int out_c = P.out_view.c;
    float kept[32]; /* with indices of any kind */
    for (int i = 0; i < 32; i++)
        kept[i] = t[i];
    for (int i = 0; i < PIXELS; i++) {
        if (x + i * 16 >= P.pixels)
            return;
        ivec4 position = position_of(x + i * 16);
        int out_at = view_at(P.out_view, position, g * P.kg + first);
        for (int r = 0; r < count; r++) {
            int channel = g * P.kg + first + r;
            float y = kept[r * 4 + i];
            if (STEPS)
                y = steps(y, position, channel);
            st2(OUT_TYPE, out_at + r * out_c, y);
        }
    }
}
