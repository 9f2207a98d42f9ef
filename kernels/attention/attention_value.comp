/* SPDX-License-Identifier: Apache-2.0 */
/* Attention, step 3: an invocation one column of a query row: the products of each block, merged in
 * ascending order by powers of two. */
#include "kernels/attention/attention_glsl.h"

layout(local_size_x = 32) in;
layout(constant_id = 0) const uint V_TYPE = 2u;
layout(constant_id = 1) const uint OUT_TYPE = 2u;
layout(constant_id = 2) const uint SINK_TYPE = 0u; /* 0: none */
layout(constant_id = 3) const bool SCALED = false; /* values */
layout(constant_id = 4) const bool STATS = false;  /* are told */
layout(set = 0, binding = 9, std430) readonly buffer Params { attention_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/attention/attention_work.glsl"

OPERAND(2)
OPERAND(3)
OPERAND(6)
OPERAND(11)
OPERAND(12)

float value_at(int i, int scale)
{
    float x = ld2(V_TYPE, i);
    return SCALED ? x * ld11(T_F32, scale) : x;
}

void main()
{
    int row = int(gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y);
    int col = int(gl_GlobalInvocationID.x), column = min(col, P.dv - 1);
    if (row >= rows())
        return;
    int i = row % P.queries, h = row / P.queries % P.heads, b = row / P.queries / P.heads;
    int v = b * P.v[0] + h / P.group * P.v[1] + column * P.v[3];
    bool any = false, bad = false;
    float m = 0.0f, l = 0.0f, o = 0.0f;
    if (SINK_TYPE != 0u) { /* the state before the first block */
        float t = ld6(SINK_TYPE, h * P.sinks) * L2E;
        any = F2U(t) != 0xff800000u;
        bad = any && (F2U(t) & 0x7fffffffu) >= 0x7f800000u;
        m = any ? RINT(t) : 0.0f;
        l = any ? c_p2(t - m) : 0.0f;
    }
    for (int block = 0; block < P.blocks; block++) {
        uint bits = work[top_at(row, block)];
        if (bits == 0xff800000u)
            continue; /* no key of it takes part */
        bad = bad || (bits & 0x7fffffffu) > 0x7f800000u;
        float top = U2F(bits), lb = U2F(work[sum_at(row, block)]), s = 0.0f;
        int low = max(0, -(P.border + block * 128)), high = min(128, P.keys - P.border - block * 128);
        uint suspect = 0u, first = score_at(row, block * 128);
        int from = v + (P.border + block * 128) * P.v[2], scale = b * P.v_scale[0] +
                   h / P.group * P.v_scale[1] + (P.border + block * 128) * P.v_scale[2];
        for (int j = low; j < high; j++) {
            uint p = work[first + uint(j)];
            if (p != NO_PART)
                s = chain(U2F(p), value_at(from + j * P.v[2], scale + j * P.v_scale[2]), s, suspect);
        }
        if (suspect != 0u)
            s = 0.0f;
        for (int j = suspect != 0u ? low : high; j < high; j++) {
            uint p = work[first + uint(j)];
            if (p != NO_PART)
                s = FMA(U2F(p), value_at(from + j * P.v[2], scale + j * P.v_scale[2]), s);
        }
        float ob = 0.0f + s;
        if (!any) {
            m = top;
            l = lb;
            o = ob;
        } else if (top > m) {
            float f = pow2_of(m - top);
            l = FMA(l, f, lb);
            o = FMA(o, f, ob);
            m = top;
        } else {
            float f = pow2_of(top - m);
            l = FMA(lb, f, l);
            o = FMA(ob, f, o);
        }
        any = true;
    }
    if (col >= P.dv)
        return;
    if (STATS && col == 0) {
        int to = b * P.stats[0] + h * P.stats[1] + i * P.stats[2];
        st12(T_F32, to, bad ? NAN_ : any ? m + 0.0f : 0.0f); /* -0 is +0 */
        st12(T_F32, to + P.stats[3], bad ? NAN_ : any ? l : 0.0f);
    }
    float y = bad ? NAN_ : any ? o * c_recip_seq(l) : 0.0f;
    st3(OUT_TYPE, b * P.out_stride[0] + h * P.out_stride[1] + i * P.out_stride[2] +
                      col * P.out_stride[3], y);
}
