/* SPDX-License-Identifier: Apache-2.0 */
/* As matmul_texel.comp, where k, n and all strides come in fours: a fetch brings four neighbours for
 * about the price of one. Those of a lie along k and are the same for all invocations, which costs
 * a third of handing them around in the subgroup; those of b lie along n. All that four k need is
 * fetched before it is used: a fetch is a call, which leaves no register alone.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 8) in;
layout(constant_id = 6) const int QUADS = 2;       /* of columns */
layout(constant_id = 7) const bool ALIGNED = true; /* operands begin at a multiple of four, too */
#include "kernels/matmul/matmul.glsl"
#include "kernels/common/glsl/watch.glsl"

TEXELS4(0)
TEXELS4(1)

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = (int(gl_WorkGroupID.x) * 8 + int(gl_LocalInvocationID.x)) * 4 * QUADS;
    int count = min(ROWS, P.m - row), last = P.k, b_k = P.b.row, a_row = P.a.row;
    if (item >= P.batch_count)
        return;
    locate(item);
    /* rows and columns beyond the last compute the last ones */
    int a[8], b[2];
    for (int r = 0; r < ROWS; r++)
        a[r] = located[0] + (row + min(r, count - 1)) * a_row;
    for (int q = 0; q < QUADS; q++)
        b[q] = located[1] + min(col + 4 * q, P.n - 4);
    int low[8];
    float s[8][8], t[8][8]; /* by row and column of the tile: of the chunk, and of all before */
    [[unroll]] for (int r = 0; r < 8; r++)
        [[unroll]] for (int c = 0; c < 8; c++)
            t[r][c] = 0.0f;
    for (int k0 = 0; k0 < last; k0 += 128) {
        int k1 = min(k0 + 128, last), kb = k0 * b_k;
        [[unroll]] for (int r = 0; r < 8; r++)
            [[unroll]] for (int c = 0; c < 8; c++)
                s[r][c] = 0.0f;
        for (int r = 0; r < ROWS; r++)
            low[r] = NO_TIE;
        watch_none();
        for (int k = k0; k < k1; k += 4) {
            uvec4 x[8], w[4][2];
            [[unroll]] for (int j = 0; j < 4; j++) {
                for (int q = 0; q < QUADS; q++) {
                    w[j][q] = texels4_1(b[q] + kb);
                    watch(w[j][q]);
                }
                kb += b_k;
            }
            for (int r = 0; r < ROWS; r++) {
                x[r] = texels4_0(a[r] + k);
                watch(x[r]);
            }
            for (int r = 0; r < ROWS; r++)
                [[unroll]] for (int j = 0; j < 4; j++)
                    for (int q = 0; q < QUADS; q++)
                        for (int c = 0; c < 4; c++)
                            s[r][q * 4 + c] =
                                watched(U2F(x[r][j]), U2F(w[j][q][c]), s[r][q * 4 + c], low[r]);
        }
        bool all = !PLAIN && few_bits();
        uint doubts = 0u;
        for (int r = 0; r < ROWS; r++) {
            bool doubt = all || (!PLAIN && low[r] == TIE);
            doubts |= (doubt ? 1u : 0u) << uint(r);
            for (int q = 0; q < QUADS; q++)
                for (int c = 0; c < 4; c++)
                    t[r][q * 4 + c] = doubt ? t[r][q * 4 + c] : t[r][q * 4 + c] + s[r][q * 4 + c];
        }
        /* The chunk once more for rows in doubt, with the fma that is right for all inputs. */
        if (PLAIN)
            continue;
        for (int tile = doubts != 0u ? 0 : ROWS * QUADS; tile < ROWS * QUADS; tile++) {
            int r = tile / QUADS, q = tile % QUADS;
            bool again = (doubts >> uint(r) & 1u) != 0u;
            float u[4];
            for (int c = 0; c < 4; c++)
                u[c] = 0.0f;
            int from = located[0] + (row + min(r, count - 1)) * a_row;
            int to = located[1] + min(col + 4 * q, P.n - 4);
            for (int i = again ? k0 : k1; i < k1; i += 4) {
                uvec4 x = texels4_0(from + i);
                [[unroll]] for (int j = 0; j < 4; j++) {
                    uvec4 w = texels4_1(to + (i + j) * b_k);
                    for (int c = 0; c < 4; c++)
                        u[c] = FMA(U2F(x[j]), U2F(w[c]), u[c]);
                }
            }
            for (int y = 0; y < ROWS; y++)
                for (int z = 0; z < QUADS; z++)
                    for (int c = 0; c < 4; c++)
                        t[y][z * 4 + c] =
                            again && y == r && z == q ? t[y][z * 4 + c] + u[c] : t[y][z * 4 + c];
        }
    }
    /* Read once: loads of params are as dear as those of operands. */
    int out_row = P.out_view.row, out_col = P.out_view.col, columns = P.n;
    float kept[64]; /* with indices of any kind */
    [[unroll]] for (int r = 0; r < 8; r++)
        [[unroll]] for (int c = 0; c < 8; c++)
            kept[r * 8 + c] = t[r][c];
    for (int r = 0; r < count; r++)
        for (int c = 0; c < 4 * QUADS; c++) {
            float y = kept[r * 8 + c];
            if (col + c >= columns)
                continue;
            if (ALPHA || C_TYPE != 0u || STEPS) /* drivers without jumps take both ways */
                y = finish(y, row + r, col + c);
            st2(OUT_TYPE, located[2] + (row + r) * out_row + (col + c) * out_col, y);
        }
}
