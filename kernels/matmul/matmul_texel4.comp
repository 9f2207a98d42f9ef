/* SPDX-License-Identifier: Apache-2.0 */
/* As matmul_texel.comp, where k, n and all strides come in fours: a fetch brings four neighbours for
 * about the price of one. Those of b lie along n; those of a lie along k and are the same for all
 * invocations, of which each fetches another row and hands it around: by a shuffle from a lane that
 * is known when the pipeline is made, one instruction, where a broadcast is a loop over the lanes.
 * All that four k need is fetched before it is used: a fetch is a call, which leaves no register
 * alone.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#extension GL_KHR_shader_subgroup_shuffle : require
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 8) in;
layout(constant_id = 6) const int QUADS = 2;       /* of columns */
layout(constant_id = 7) const bool ALIGNED = true; /* operands begin at a multiple of four, too */
#include "kernels/matmul/matmul.glsl"

TEXELS4(0)
TEXELS4(1)

const int COLUMNS = 4 * QUADS, SHARES = (ROWS + 7) / 8;

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = (int(gl_WorkGroupID.x) * 8 + int(gl_LocalInvocationID.x)) * COLUMNS;
    int count = min(ROWS, P.m - row), last = P.k, b_k = P.b.row, a_row = P.a.row;
    if (item >= P.batch_count)
        return;
    locate(item);
    /* Rows and columns beyond the last compute the last ones. Where operands begin is read once: in
     * the loop it would be read again every turn. */
    int a[SHARES], b[QUADS];
    [[unroll]] for (int i = 0; i < SHARES; i++)
        a[i] = int(push.at[0]) + located[0] +
               (row + min(i * 8 + int(gl_SubgroupInvocationID), count - 1)) * a_row;
    [[unroll]] for (int q = 0; q < QUADS; q++)
        b[q] = int(push.at[1]) + located[1] + min(col + 4 * q, P.n - 4);
    float s[ROWS][COLUMNS], t[ROWS][COLUMNS]; /* of the chunk, and of all before */
    [[unroll]] for (int r = 0; r < ROWS; r++)
        [[unroll]] for (int c = 0; c < COLUMNS; c++)
            t[r][c] = 0.0f;
    for (int k0 = 0; k0 < last; k0 += 128) {
        int k1 = min(k0 + 128, last), kb = k0 * b_k;
        [[unroll]] for (int r = 0; r < ROWS; r++)
            [[unroll]] for (int c = 0; c < COLUMNS; c++)
                s[r][c] = 0.0f;
        for (int k = k0; k < k1; k += 4) {
            uvec4 x[SHARES], w[4][QUADS];
            [[unroll]] for (int j = 0; j < 4; j++) {
                [[unroll]] for (int q = 0; q < QUADS; q++)
                    w[j][q] = texels4_1(b[q] + kb);
                kb += b_k;
            }
            [[unroll]] for (int i = 0; i < SHARES; i++)
                x[i] = texels4_0(a[i] + k);
            [[unroll]] for (int r = 0; r < ROWS; r++)
                [[unroll]] for (int j = 0; j < 4; j++) {
                    float y = U2F(subgroupShuffle(x[r / 8][j], uint(r % 8)));
                    [[unroll]] for (int c = 0; c < COLUMNS; c++)
                        s[r][c] = y * U2F(w[j][c / 4][c % 4]) + s[r][c];
                }
        }
        [[unroll]] for (int r = 0; r < ROWS; r++)
            [[unroll]] for (int c = 0; c < COLUMNS; c++)
                t[r][c] += s[r][c];
    }
    /* Read once: loads of params are as dear as those of operands. */
    int out_row = P.out_view.row, out_col = P.out_view.col, columns = P.n;
    [[unroll]] for (int r = 0; r < ROWS; r++)
        [[unroll]] for (int c = 0; c < COLUMNS; c++)
            if (r < count && col + c < columns) {
                float y = t[r][c];
                if (ALPHA || C_TYPE != 0u || STEPS) /* drivers without jumps take both ways */
                    y = finish(y, row + r, col + c);
                st2(OUT_TYPE, located[2] + (row + r) * out_row + (col + c) * out_col, y);
            }
}
