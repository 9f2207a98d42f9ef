/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8: sums mod 2^32, then the epilogue of docs/NUMERICS.md section 4. An invocation
 * 4 rows of a column; columns of a workgroup lie side by side.
 * variants ACT: 0 7 8 9 (no function among the steps of the epilogue; TN_POST_GELU to SILU) */
#include "kernels/matmul/matmul_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const bool A_SIGNED = true;
layout(constant_id = 1) const bool B_SIGNED = true;
layout(constant_id = 2) const uint OUT_TYPE = 11u;
layout(constant_id = 3) const bool SCALED = false; /* a or b has a scale */
layout(constant_id = 4) const bool DIVIDED = false; /* so has out */
layout(set = 0, binding = 9, std430) readonly buffer Params { matmul_int_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/divide.glsl"
#include "kernels/common/glsl/post.glsl"

#define ROWS 4

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
OPERAND(4)
OPERAND(5)
OPERAND(6)
OPERAND(7)
OPERAND(10)
OPERAND(11)

/* Of any operand behind a and b. */
uint bits_of(int which, uint size, int i)
{
    switch (which) {
    case 2:
        return get2(size, i);
    case 3:
        return get3(size, i);
    case 4:
        return get4(size, i);
    case 5:
        return get5(size, i);
    case 6:
        return get6(size, i);
    case 7:
        return get7(size, i);
    case 10:
        return get10(size, i);
    default:
        return get11(size, i);
    }
}

int byte_of(uint bits, bool with_sign)
{
    return with_sign ? int(bits << 24) >> 24 : int(bits);
}

/* The bits of factor f (scales of a, b and out, then zero points) of row or column i. */
uint factor_of(int f, int i)
{
    return bits_of(P.factor[f], f < 3 ? 2u : 0u, i * P.factor_stride[f]);
}

void main()
{
    int block = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int item = block / P.row_blocks, row = block % P.row_blocks * ROWS;
    int col = int(gl_GlobalInvocationID.x);
    if (item >= P.batch_count || col >= P.n)
        return;
    int a = 0, b = 0, out_at = 0, post_at[6] = int[6](0, 0, 0, 0, 0, 0);
    for (int d = P.batch_rank - 1; d >= 0; d--) {
        int i = item % P.batch[d];
        item /= P.batch[d];
        a += i * P.a.batch[d];
        b += i * P.b.batch[d];
        out_at += i * P.out_view.batch[d];
        for (int j = 0; j < P.post_count; j++)
            post_at[j] += i * P.post[j].batch[d];
    }
    b += col * P.b.col;
    int count = min(ROWS, P.m - row);
    uint sum[ROWS], a_sum[ROWS], b_sum = 0u;
    for (int r = 0; r < ROWS; r++)
        sum[r] = a_sum[r] = 0u;
    for (int k = 0; k < P.k; k++) {
        int y = byte_of(get1(0u, b + k * P.b.row), B_SIGNED);
        b_sum += uint(y);
        for (int r = 0; r < ROWS; r++) { /* rows beyond the last repeat it */
            int x = byte_of(get0(0u, a + (row + min(r, count - 1)) * P.a.row + k * P.a.col), A_SIGNED);
            sum[r] += uint(x * y);
            a_sum[r] += uint(x);
        }
    }
    uint b_zero = 0u;
    if (P.factor[4] >= 0)
        b_zero = uint(byte_of(factor_of(4, col), B_SIGNED));
    for (int r = 0; r < count; r++) {
        int i = row + r, out_index = out_at + i * P.out_view.row + col * P.out_view.col;
        uint a_zero = 0u;
        if (P.factor[3] >= 0)
            a_zero = uint(byte_of(factor_of(3, i), A_SIGNED));
        /* sum of (a - za)(b - zb), all mod 2^32 */
        uint u = sum[r] - a_zero * b_sum - b_zero * (a_sum[r] - uint(P.k) * a_zero);
        for (int j = 0; j < P.int_posts; j++)
            u += bits_of(P.post_binding[j], 2u,
                         post_at[j] + i * P.post[j].row + col * P.post[j].col);
        if (OUT_TYPE == T_S32) {
            bool relu = P.post_count > P.int_posts;
            put2(2u, out_index, relu && int(u) < 0 ? 0u : u);
            continue;
        }
        float y = I2F(int(u));
        if (SCALED) {
            float row_scale = P.factor[0] >= 0 ? U2F(factor_of(0, i)) : 1.0f;
            float col_scale = P.factor[1] >= 0 ? U2F(factor_of(1, col)) : 1.0f;
            y = y * (row_scale * col_scale);
        }
        for (int j = P.int_posts; j < P.post_count; j++) {
            float x = 0.0f;
            if (P.post_binding[j] >= 0)
                x = U2F(bits_of(P.post_binding[j], 2u,
                                post_at[j] + i * P.post[j].row + col * P.post[j].col));
            y = post_step(uint(P.post_kind[j]), intBitsToFloat(P.post_a[j]),
                          intBitsToFloat(P.post_b[j]), y, x);
        }
        if (OUT_TYPE == T_F32) {
            put2(2u, out_index, F2U(y));
            continue;
        }
        if (DIVIDED)
            y = c_divide(y, U2F(factor_of(2, col)));
        float n = RINT(y), most = 1073741824.0f;
        bool bad = (F2U(n) & 0x7fffffffu) > 0x7f800000u;
        int q = bad ? 0 : n > most ? 1073741824 : n < -most ? -1073741824 : int(n);
        if (P.factor[5] >= 0)
            q += byte_of(factor_of(5, col), OUT_TYPE == T_S8);
        put2(0u, out_index, uint(OUT_TYPE == T_S8 ? clamp(q, -128, 127) : clamp(q, 0, 255)));
    }
}
