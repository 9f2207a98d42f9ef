/* SPDX-License-Identifier: Apache-2.0 */
/* As matmul.comp, a and b of f32 read through texel buffers: llvmpipe gathers texels for all lanes at
 * once, words of a storage buffer lane by lane behind a branch, at about five times the cost. The
 * tile's 32 sums stay in registers, as they do where every index is known when the pipeline is made; k
 * is unrolled, since a loop's end costs a blend of each of them.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#extension GL_EXT_control_flow_attributes : enable
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 16) in;
layout(constant_id = 6) const int COLS = 4;
#include "kernels/matmul/matmul.glsl"

TEXELS(0)
TEXELS(1)

const int TURNS = 4;
uint suspect[8];
int a[8], b[4]; /* of each row and column, where its k = 0 is */

/* One k of all sums; ka, kb: how far it lies behind k = 0. */
void add(int ka, int kb, inout float s[32])
{
    float y[4];
    for (int c = 0; c < COLS; c++)
        y[c] = texel1(b[c] + kb);
    for (int r = 0; r < ROWS; r++) {
        float x = texel0(a[r] + ka);
        for (int c = 0; c < COLS; c++)
            s[r * 4 + c] = chain(x, y[c], s[r * 4 + c], suspect[r]);
    }
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = int(gl_WorkGroupID.x) * 16 * COLS + int(gl_LocalInvocationID.x);
    int count = min(ROWS, P.m - row), last = P.k, a_k = P.a.col, b_k = P.b.row;
    if (item >= P.batch_count)
        return;
    locate(item);
    for (int r = 0; r < ROWS; r++) /* rows and columns beyond the last compute the last one */
        a[r] = located[0] + (row + min(r, count - 1)) * P.a.row;
    for (int c = 0; c < COLS; c++)
        b[c] = located[1] + min(col + c * 16, P.n - 1) * P.b.col;
    float s[32], t[32]; /* by row and column of the tile: of the chunk, and of all before */
    for (int i = 0; i < 32; i++)
        t[i] = 0.0f;
    for (int k0 = 0; k0 < last; k0 += 128) {
        int k1 = min(k0 + 128, last), k = k0, ka = k0 * a_k, kb = k0 * b_k;
        uint suspects = 0u;
        for (int i = 0; i < 32; i++)
            s[i] = 0.0f;
        for (int r = 0; r < ROWS; r++)
            suspect[r] = 0u;
        for (; k + TURNS <= k1; k += TURNS) {
            [[unroll]] for (int u = 0; u < TURNS; u++) {
                add(ka, kb, s);
                ka += a_k;
                kb += b_k;
            }
        }
        for (; k < k1; k++) {
            add(ka, kb, s);
            ka += a_k;
            kb += b_k;
        }
        for (int r = 0; r < ROWS; r++) {
            suspects |= (suspect[r] != 0u ? 1u : 0u) << uint(r);
            for (int c = 0; c < COLS; c++)
                t[r * 4 + c] = suspect[r] == 0u ? t[r * 4 + c] + s[r * 4 + c] : t[r * 4 + c];
        }
        /* The chunk once more for rows in doubt, with the fma that is right for all inputs. */
        for (int r = suspects != 0u ? 0 : ROWS; r < ROWS; r++) {
            bool again = (suspects >> uint(r) & 1u) != 0u;
            float u[4];
            for (int c = 0; c < COLS; c++)
                u[c] = 0.0f;
            int from = located[0] + (row + min(r, count - 1)) * P.a.row;
            for (int i = again ? k0 : k1; i < k1; i++) {
                float x = texel0(from + i * a_k);
                for (int c = 0; c < COLS; c++)
                    u[c] = FMA(x, texel1(b[c] + i * b_k), u[c]);
            }
            for (int i = 0; i < 32; i++)
                t[i] = again && i / 4 == r && i % 4 < COLS ? t[i] + u[i % 4] : t[i];
        }
    }
    /* Read once: loads of params are as dear as those of operands. */
    int out_row = P.out_view.row, out_col = P.out_view.col, columns = P.n;
    float kept[32]; /* with indices of any kind */
    for (int i = 0; i < 32; i++)
        kept[i] = t[i];
    for (int r = 0; r < count; r++)
        for (int c = 0; c < COLS; c++) {
            int j = col + c * 16;
            float y = kept[r * 4 + c];
            if (j >= columns)
                continue;
            if (ALPHA || C_TYPE != 0u || STEPS) /* drivers without jumps take both ways */
                y = finish(y, row + r, j);
            st2(OUT_TYPE, located[2] + (row + r) * out_row + j * out_col, y);
        }
}
