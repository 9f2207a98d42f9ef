/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of floats in the canonical order: an invocation ROWS rows of one column, with the columns
 * of a workgroup side by side. What an invocation reads of A is the same for all of its workgroup.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint A_TYPE = 2u;
layout(constant_id = 1) const uint B_TYPE = 2u;
layout(constant_id = 2) const uint OUT_TYPE = 2u;
layout(constant_id = 3) const uint C_TYPE = 0u; /* 0: no C */
layout(constant_id = 4) const int ROWS = 8;
layout(constant_id = 5) const bool ALPHA = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { matmul_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/common/glsl/post.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
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

int located[8]; /* where the batch item begins, by binding */

void locate(int item)
{
    for (int i = 0; i < 8; i++)
        located[i] = 0;
    for (int d = P.batch_rank - 1; d >= 0; d--) {
        int i = item % P.batch[d];
        item /= P.batch[d];
        located[0] += i * P.a.batch[d];
        located[1] += i * P.b.batch[d];
        located[2] += i * P.out_view.batch[d];
        if (C_TYPE != 0u)
            located[3] += i * P.c.batch[d];
        for (int j = 0; j < 4; j++)
            located[4 + j] += i * P.post[j].batch[d];
    }
}

float steps(float y, int row, int col)
{
    for (int j = 0; j < P.post_count; j++) {
        uint which = uint(P.post_binding[j]);
        float r = 0.0f;
        if (which != 0u) {
            int v = int(which) - 4;
            r = post_operand(which, uint(P.post_type[j]),
                             located[which] + row * P.post[v].row + col * P.post[v].col);
        }
        y = post_step(uint(P.post_kind[j]), intBitsToFloat(P.post_a[j]),
                      intBitsToFloat(P.post_b[j]), y, r);
    }
    return y;
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = int(gl_GlobalInvocationID.x), count = min(ROWS, P.m - row);
    if (item >= P.batch_count)
        return;
    /* Columns beyond the last compute the last one and store nothing: no lane is left alone. */
    int column = min(col, P.n - 1);
    locate(item);
    int a = located[0] + row * P.a.row, b = located[1] + column * P.b.col;
    float t[8], s[8];
    for (int r = 0; r < ROWS; r++)
        t[r] = 0.0f;
    for (int k0 = 0; k0 < P.k; k0 += 128) {
        int k1 = min(k0 + 128, P.k);
        uint suspect = 0u;
        for (int r = 0; r < ROWS; r++)
            s[r] = 0.0f;
        for (int k = k0; k < k1; k++) {
            LINK y = link(ld1(B_TYPE, b + k * P.b.row));
            for (int r = 0; r < ROWS; r++) /* rows beyond the last repeat it */
                s[r] = chain(ld0(A_TYPE, a + min(r, count - 1) * P.a.row + k * P.a.col), y, s[r],
                             suspect);
        }
        if (suspect != 0u)
            for (int r = 0; r < ROWS; r++)
                s[r] = 0.0f;
        for (int k = suspect != 0u ? k0 : k1; k < k1; k++) {
            float y = ld1(B_TYPE, b + k * P.b.row);
            for (int r = 0; r < ROWS; r++)
                s[r] = FMA(ld0(A_TYPE, a + min(r, count - 1) * P.a.row + k * P.a.col), y, s[r]);
        }
        for (int r = 0; r < ROWS; r++)
            t[r] = t[r] + s[r];
    }
    if (col >= P.n)
        return;
    for (int r = 0; r < ROWS; r++) {
        if (r >= count)
            return;
        int i = row + r;
        float y = t[r];
        if (ALPHA)
            y = intBitsToFloat(P.alpha) * y;
        if (C_TYPE != 0u)
            y = FMA(intBitsToFloat(P.beta),
                    ld3(C_TYPE, located[3] + i * P.c.row + col * P.c.col), y);
        y = steps(y, i, col);
        st2(OUT_TYPE, located[2] + i * P.out_view.row + col * P.out_view.col, y);
    }
}
