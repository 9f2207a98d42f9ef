/* SPDX-License-Identifier: Apache-2.0 */
/* As matmul_texel.comp, where k, n and all strides come in fours: a fetch brings four neighbours for
 * about the price of one. Those of a lie along k: each invocation of a subgroup fetches another row,
 * and hands it to the others. Those of b lie along n, one row of four columns an invocation.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#extension GL_KHR_shader_subgroup_ballot : enable
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 16) in;
layout(constant_id = 7) const bool ALIGNED = true; /* operands begin at a multiple of four, too */
#include "kernels/matmul/matmul.glsl"

TEXELS4(0)
TEXELS4(1)

uint suspect[8];

/* Four k of all sums, from ka of this invocation's row of a and kb of its columns of b on. */
void add4(int ka, int kb, int b_k, inout float s[32])
{
    uvec4 x = texels4_0(ka);
    [[unroll]] for (int k = 0; k < 4; k++) {
        uvec4 w = texels4_1(kb + k * b_k);
        LINK y[4];
        for (int c = 0; c < 4; c++)
            y[c] = link(U2F(w[c]));
        for (int r = 0; r < ROWS; r++) {
            float z = U2F(subgroupBroadcast(x[k], uint(r)));
            for (int c = 0; c < 4; c++)
                s[r * 4 + c] = chain(z, y[c], s[r * 4 + c], suspect[r]);
        }
    }
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = (int(gl_WorkGroupID.x) * 16 + int(gl_LocalInvocationID.x)) * 4;
    int count = min(ROWS, P.m - row), last = P.k, b_k = P.b.row, a_row = P.a.row;
    if (item >= P.batch_count)
        return;
    locate(item);
    /* rows and columns beyond the last compute the last one */
    int first = located[0] + row * a_row;
    int a = first + min(int(gl_SubgroupInvocationID % uint(ROWS)), count - 1) * a_row;
    int b = located[1] + min(col, P.n - 4);
    float s[32], t[32]; /* by row and column of the tile: of the chunk, and of all before */
    for (int i = 0; i < 32; i++)
        t[i] = 0.0f;
    for (int k0 = 0; k0 < last; k0 += 128) {
        int k1 = min(k0 + 128, last), k = k0, kb = b + k0 * b_k;
        uint suspects = 0u;
        for (int i = 0; i < 32; i++)
            s[i] = 0.0f;
        for (int r = 0; r < ROWS; r++)
            suspect[r] = 0u;
        for (; k < k1; k += 4) {
            add4(a + k, kb, b_k, s);
            kb += 4 * b_k;
        }
        for (int r = 0; r < ROWS; r++) {
            suspects |= (suspect[r] != 0u ? 1u : 0u) << uint(r);
            for (int c = 0; c < 4; c++)
                t[r * 4 + c] = suspect[r] == 0u ? t[r * 4 + c] + s[r * 4 + c] : t[r * 4 + c];
        }
        /* The chunk once more for rows in doubt, with the fma that is right for all inputs. */
        for (int r = suspects != 0u ? 0 : ROWS; r < ROWS; r++) {
            bool again = (suspects >> uint(r) & 1u) != 0u;
            float u[4];
            for (int c = 0; c < 4; c++)
                u[c] = 0.0f;
            int from = first + min(r, count - 1) * a_row;
            for (int i = again ? k0 : k1; i < k1; i += 4) {
                uvec4 x = texels4_0(from + i);
                for (int j = 0; j < 4; j++) {
                    uvec4 w = texels4_1(b + (i + j) * b_k);
                    for (int c = 0; c < 4; c++)
                        u[c] = FMA(U2F(x[j]), U2F(w[c]), u[c]);
                }
            }
            for (int i = 0; i < 32; i++)
                t[i] = again && i / 4 == r ? t[i] + u[i % 4] : t[i];
        }
    }
    /* Read once: loads of params are as dear as those of operands. */
    bool finishes = ALPHA || C_TYPE != 0u || P.post_count != 0;
    int out_row = P.out_view.row, out_col = P.out_view.col, columns = P.n;
    float kept[32]; /* with indices of any kind */
    for (int i = 0; i < 32; i++)
        kept[i] = t[i];
    for (int r = 0; r < count; r++)
        for (int c = 0; c < 4; c++) {
            float y = kept[r * 4 + c];
            if (col >= columns)
                continue;
            if (finishes)
                y = finish(y, row + r, col + c);
            st2(OUT_TYPE, located[2] + (row + r) * out_row + (col + c) * out_col, y);
        }
}
