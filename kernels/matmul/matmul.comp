/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of floats in the canonical order: an invocation a tile of ROWS by COLS outputs, its columns
 * 16 apart, so that those of a workgroup lie side by side. Software drivers load lane by lane, which
 * costs far more than arithmetic: a tile of 8 by 8 has 16 loads for 64 fmas.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 16) in;
layout(constant_id = 6) const int COLS = 8;
#include "kernels/matmul/matmul.glsl"

OPERAND(0)
OPERAND(1)

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = int(gl_WorkGroupID.x) * 16 * COLS + int(gl_LocalInvocationID.x);
    int count = min(ROWS, P.m - row), b[8];
    if (item >= P.batch_count)
        return;
    locate(item);
    int a = located[0] + row * P.a.row;
    for (int c = 0; c < COLS; c++) /* columns beyond the last compute the last one */
        b[c] = located[1] + min(col + c * 16, P.n - 1) * P.b.col;
    float t[64]; /* the sums, by row and column of the tile */
    for (int i = 0; i < 64; i++)
        t[i] = 0.0f;
    for (int k0 = 0; k0 < P.k; k0 += 128) {
        int k1 = min(k0 + 128, P.k);
        float s[64];
        uint suspect[8], suspects = 0u;
        for (int r = 0; r < ROWS; r++) {
            suspect[r] = 0u;
            for (int c = 0; c < COLS; c++)
                s[r * 8 + c] = 0.0f;
        }
        for (int k = k0; k < k1; k++) {
            float y[8];
            for (int c = 0; c < COLS; c++)
                y[c] = ld1(B_TYPE, b[c] + k * P.b.row);
            for (int r = 0; r < ROWS; r++) { /* rows beyond the last repeat it */
                float x = ld0(A_TYPE, a + min(r, count - 1) * P.a.row + k * P.a.col);
                for (int c = 0; c < COLS; c++)
                    s[r * 8 + c] = chain(x, y[c], s[r * 8 + c], suspect[r]);
            }
        }
        for (int r = 0; r < ROWS; r++) {
            suspects |= (suspect[r] != 0u ? 1u : 0u) << uint(r);
            if (suspect[r] == 0u)
                for (int c = 0; c < COLS; c++)
                    t[r * 8 + c] = t[r * 8 + c] + s[r * 8 + c];
        }
        /* The chunk once more for rows in doubt, with the fma that is right for all inputs. */
        for (int r = suspects != 0u ? 0 : ROWS; r < ROWS; r++) {
            bool again = (suspects >> uint(r) & 1u) != 0u;
            float u[8];
            for (int c = 0; c < COLS; c++)
                u[c] = 0.0f;
            for (int k = again ? k0 : k1; k < k1; k++) {
                float x = ld0(A_TYPE, a + min(r, count - 1) * P.a.row + k * P.a.col);
                for (int c = 0; c < COLS; c++)
                    u[c] = FMA(x, ld1(B_TYPE, b[c] + k * P.b.row), u[c]);
            }
            if (again)
                for (int c = 0; c < COLS; c++)
                    t[r * 8 + c] = t[r * 8 + c] + u[c];
        }
    }
    for (int r = 0; r < count; r++)
        for (int c = 0; c < COLS; c++) {
            int j = col + c * 16;
            if (j < P.n)
                st2(OUT_TYPE, located[2] + (row + r) * P.out_view.row + j * P.out_view.col,
                    finish(t[r * 8 + c], row + r, j));
        }
}
