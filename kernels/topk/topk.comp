/* SPDX-License-Identifier: Apache-2.0 */
/* topk: a workgroup a row; for each place its invocations look for what comes next, each among
 * every 64th element. */
#include "kernels/topk/topk_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TYPE = 2u;
layout(constant_id = 1) const bool SMALLEST = false;
layout(constant_id = 2) const bool VALUES = true;
layout(constant_id = 3) const uint INDICES = 0u; /* words of an index; 0: none are written */
layout(set = 0, binding = 9, std430) readonly buffer Params { topk_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"

OPERAND(0)
OPERAND(1)
OPERAND(2)
GRID(row_at, P.rows)

const bool WIDE = TYPE == T_F64 || TYPE == T_S64; /* of two words */

/* What orders like the elements, in two parts, the second of wide ones alone. */
struct Key {
    int high;
    uint low;
};
const Key LEAST = Key(-0x7fffffff - 1, 0u), MOST = Key(0x7fffffff, 0xffffffffu);

shared int tn_key[64], tn_index[64];
shared uint tn_low[64];

/* An integer that orders like the float: -0 just below +0, NaN first of all. */
Key float_key(uint bits, uint sign_bit, uint inf)
{
    uint magnitude = bits & ((1u << sign_bit) - 1u);
    int key = (bits >> sign_bit & 1u) != 0u ? -int(magnitude) - 1 : int(magnitude);
    return magnitude > inf ? MOST : Key(SMALLEST ? ~key : key, 0u);
}

Key wide_key(uint low, uint high)
{
    bool is_float = TYPE == T_F64, below = is_float && (high >> 31) != 0u;
    uint magnitude = is_float ? high & 0x7fffffffu : high;
    if (is_float && (magnitude > 0x7ff00000u || (magnitude == 0x7ff00000u && low != 0u)))
        return MOST;
    bool turn = below != SMALLEST; /* -x - 1 is ~x */
    return Key(int(turn ? ~magnitude : magnitude), turn ? ~low : low);
}

Key key_at(int i)
{
    if (WIDE)
        return wide_key(get0(2u, 2 * i), get0(2u, 2 * i + 1));
    uint bits = get0(c_size(TYPE), i);
    if (TYPE == T_F32)
        return float_key(bits, 31u, 0x7f800000u);
    if (TYPE == T_F16)
        return float_key(bits, 15u, 0x7c00u);
    if (TYPE == T_BF16)
        return float_key(bits, 15u, 0x7f80u);
    if (TYPE == T_E4M3)
        return float_key(bits, 7u, 0x7eu);
    if (TYPE == T_E5M2)
        return float_key(bits, 7u, 0x7cu);
    int x = TYPE == T_S8 ? int(bits << 24) >> 24 : int(bits);
    return Key(SMALLEST ? ~x : x, 0u);
}

bool before(Key key, int index, Key other, int other_index)
{
    if (WIDE && key.high == other.high && key.low != other.low)
        return key.low > other.low;
    return key.high > other.high || (key.high == other.high && index < other_index);
}

Key shared_key(int lane)
{
    return Key(tn_key[lane], WIDE ? tn_low[lane] : 0u);
}

void main()
{
    int row = int(GROUP), lane = int(gl_LocalInvocationID.x);
    if (row >= P.rows.count)
        return;
    int from = row_at(0u, row), last_index = -1;
    Key last = MOST; /* before all elements */
    for (int place = 0; place < P.k; place++) {
        Key best = LEAST; /* after all elements */
        int best_index = 0x7fffffff;
        for (int i = lane; i < P.extent; i += 64) {
            Key key = key_at(from + i * P.stride[0]);
            if (before(last, last_index, key, i) && before(key, i, best, best_index)) {
                best = key;
                best_index = i;
            }
        }
        barrier(); /* all have read what the place before left */
        tn_key[lane] = best.high;
        if (WIDE)
            tn_low[lane] = best.low;
        tn_index[lane] = best_index;
        barrier();
        for (int h = 32; h > 0; h /= 2) {
            if (lane < h && before(shared_key(lane + h), tn_index[lane + h], shared_key(lane),
                                   tn_index[lane])) {
                tn_key[lane] = tn_key[lane + h];
                if (WIDE)
                    tn_low[lane] = tn_low[lane + h];
                tn_index[lane] = tn_index[lane + h];
            }
            barrier();
        }
        last = shared_key(0);
        last_index = tn_index[0];
        if (lane != 0)
            continue;
        if (VALUES) {
            int to = row_at(1u, row) + place * P.stride[1], at = from + last_index * P.stride[0];
            if (WIDE) {
                put1(2u, 2 * to, get0(2u, 2 * at));
                put1(2u, 2 * to + 1, get0(2u, 2 * at + 1));
            } else {
                put1(c_size(TYPE), to, get0(c_size(TYPE), at));
            }
        }
        if (INDICES != 0u) {
            int to = (row_at(2u, row) + place * P.stride[2]) * int(INDICES);
            put2(2u, to, uint(last_index));
            if (INDICES == 2u)
                put2(2u, to + 1, 0u);
        }
    }
}
