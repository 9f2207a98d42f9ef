/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels of matmul for floats share: params, places of a batch item, the epilogue. */
layout(constant_id = 0) const uint A_TYPE = 2u;
layout(constant_id = 1) const uint B_TYPE = 2u;
layout(constant_id = 2) const uint OUT_TYPE = 2u;
layout(constant_id = 3) const uint C_TYPE = 0u; /* 0: no C */
layout(constant_id = 4) const int ROWS = 8;
layout(constant_id = 5) const bool ALPHA = false;
layout(constant_id = 14) const bool STEPS = true; /* the epilogue has any */
layout(set = 0, binding = 9, std430) readonly buffer Params { matmul_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/common/glsl/post.glsl"

OPERAND(2)
OPERAND(3)
#include "kernels/common/glsl/post_operand.glsl"

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
    for (int j = 0; STEPS && j < P.post_count; j++) {
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

float finish(float y, int row, int col)
{
    if (ALPHA)
        y = intBitsToFloat(P.alpha) * y;
    if (C_TYPE != 0u)
        y = FMA(intBitsToFloat(P.beta), ld3(C_TYPE, located[3] + row * P.c.row + col * P.c.col), y);
    return steps(y, row, col);
}
