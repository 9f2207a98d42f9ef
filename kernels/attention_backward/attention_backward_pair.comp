/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention, step 1: a workgroup a query row, every 64th key an invocation: the
 * weight of each pair and the gradient of its score. */
#include "kernels/attention_backward/attention_backward_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint Q_TYPE = 2u;
layout(constant_id = 1) const uint K_TYPE = 2u;
layout(constant_id = 2) const uint V_TYPE = 2u;
layout(constant_id = 3) const uint O_TYPE = 2u;
layout(constant_id = 4) const uint G_TYPE = 2u;
layout(constant_id = 5) const uint MASK = 0u; /* 0: none; T_BOOL, T_F32 */
layout(constant_id = 6) const bool CAP = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { attention_backward_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/attention_backward/attention_backward_work.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
OPERAND(3)
OPERAND(4)
OPERAND(5)
OPERAND(6)

/* The dot of docs/NUMERICS.md section 3 of a row of one operand and a row of another. */
#define DOT(name, x, x_type, y, y_type)                                                            \
    float name(int a, int a_step, int b, int b_step, int n)                                        \
    {                                                                                              \
        float z = 0.0f;                                                                            \
        for (int e0 = 0; e0 < n; e0 += 128) {                                                      \
            int e1 = min(e0 + 128, n);                                                             \
            uint suspect = 0u;                                                                     \
            float s = 0.0f;                                                                        \
            for (int e = e0; e < e1; e++)                                                          \
                s = chain(ld##x(x_type, a + e * a_step), ld##y(y_type, b + e * b_step), s,         \
                          suspect);                                                                \
            if (suspect != 0u)                                                                     \
                s = 0.0f;                                                                          \
            for (int e = suspect != 0u ? e0 : e1; e < e1; e++)                                     \
                s = FMA(ld##x(x_type, a + e * a_step), ld##y(y_type, b + e * b_step), s);          \
            z = z + s;                                                                             \
        }                                                                                          \
        return z;                                                                                  \
    }
DOT(dot_qk, 0, Q_TYPE, 1, K_TYPE)
DOT(dot_gv, 6, G_TYPE, 2, V_TYPE)
DOT(dot_go, 6, G_TYPE, 3, O_TYPE)

bool is_nan(float x) { return (F2U(x) & 0x7fffffffu) > 0x7f800000u; }

float weight(float t, float m, float recip_l)
{
    float n = RINT(t), e = n - m;
    int power = is_nan(e) || e < -126.0f ? -127 : e > 127.0f ? 127 : int(e);
    float p = (c_p2(t - n) * U2F(uint(power + 127) << 23)) * recip_l;
    return is_nan(m) ? m : p;
}

void main()
{
    int row = int(GROUP);
    if (row >= rows())
        return;
    int i = row % P.queries, h = row / P.queries % P.heads, b = row / P.queries / P.heads;
    int kv = h / (P.heads / P.kv_heads), place = P.position + i - P.first_key;
    int q = b * P.q[0] + h * P.q[1] + i * P.q[2], k = b * P.k[0] + kv * P.k[1];
    int v = b * P.v[0] + kv * P.v[1], g = b * P.grad[0] + h * P.grad[1] + i * P.grad[2];
    int stats = b * P.stats[0] + h * P.stats[1] + i * P.stats[2];
    float m = ld5(T_F32, stats), recip_l = c_recip_seq(ld5(T_F32, stats + P.stats[3]));
    float d = dot_go(g, P.grad[3], b * P.out_stride[0] + h * P.out_stride[1] + i * P.out_stride[2],
                     P.out_stride[3], P.dv);
    for (int j = int(gl_LocalInvocationID.x); j < P.keys; j += 64) {
        int mask = b * P.mask[0] + h * P.mask[1] + i * P.mask[2] + j * P.mask[3];
        bool part = (P.left < 0 || j >= place - P.left) && (P.right < 0 || j <= place + P.right);
        uint bits = NO_PART;
        float ds = 0.0f;
        if (part && MASK == T_BOOL)
            part = get4(0u, mask) != 0u;
        if (part) {
            float z = dot_qk(q, P.q[3], k + j * P.k[2], P.k[3], P.d), u = 0.0f;
            float t = z * intBitsToFloat(P.c);
            if (CAP) {
                u = c_tanh(z * intBitsToFloat(P.inner));
                t = u * intBitsToFloat(P.c);
            }
            if (MASK == T_F32)
                t = FMA(ld4(T_F32, mask), L2E, t);
            if (F2U(t) != 0xff800000u) {
                float p = weight(t, m, recip_l);
                ds = p * (dot_gv(g, P.grad[3], v + j * P.v[2], P.v[3], P.dv) - d);
                if (CAP)
                    ds = ds * FMA(U2F(F2U(u) ^ 0x80000000u), u, 1.0f);
                bits = F2U(p);
            }
        }
        work[weight_at(row, j)] = bits;
        work[score_at(row, j)] = F2U(ds);
    }
}
