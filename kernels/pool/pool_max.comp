/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum over windows: an invocation an output. */
#include "kernels/pool/pool_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TYPE = 2u;
layout(set = 0, binding = 9, std430) readonly buffer Params { pool_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/pool/pool_place.glsl"

OPERAND(0)
OPERAND(1)

void main()
{
    int r = int(GROUP * 64u + gl_LocalInvocationID.x), at;
    if (r >= P.count)
        return;
    pool_locate(r);
    bool integers = TYPE == T_S8 || TYPE == T_U8;
    int most = TYPE == T_U8 ? 0 : TYPE == T_S8 ? -128 : KEY_NINF;
    for (int k = 0; k < pool_taps(); k++)
        if (pool_tap(k, at)) {
            uint bits = get0(c_size(TYPE), at);
            most = max(most, TYPE == T_U8   ? int(bits)
                             : TYPE == T_S8 ? int(bits << 24) >> 24
                                            : c_key_max(c_widen(TYPE, bits)));
        }
    if (integers)
        put1(0u, to, uint(most));
    else
        st1(TYPE, to, c_unkey(most));
}
