/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels of conv for floats share: params, places of pixels, the epilogue. */
layout(constant_id = 0) const uint A_TYPE = 2u;
layout(constant_id = 1) const uint B_TYPE = 2u;
layout(constant_id = 2) const uint OUT_TYPE = 2u;
layout(constant_id = 3) const int FILTERS = 8;
layout(constant_id = 5) const int PIXELS = 4;
layout(constant_id = 14) const bool STEPS = true; /* the epilogue has any */
layout(set = 0, binding = 9, std430) readonly buffer Params { conv_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/chain.glsl"
#include "kernels/common/glsl/post.glsl"

OPERAND(2)
#include "kernels/common/glsl/post_operand.glsl"

/* Of a pixel: space, then batch. */
ivec4 position_of(int pixel)
{
    int row = pixel / P.size[2], plane = row / P.size[1];
    return ivec4(plane % P.size[0], row % P.size[1], pixel % P.size[2], plane / P.size[0]);
}

int view_at(conv_view_glsl v, ivec4 position, int channel)
{
    return position[3] * v.n + channel * v.c + position[0] * v.s[0] + position[1] * v.s[1] +
           position[2] * v.s[2];
}

float steps(float y, ivec4 position, int channel)
{
    for (int j = 0; STEPS && j < P.post_count; j++) {
        uint which = uint(P.post_binding[j]);
        float r = 0.0f;
        if (which != 0u)
            r = post_operand(which, uint(P.post_type[j]),
                             view_at(P.post[int(which) - 4], position, channel));
        y = post_step(uint(P.post_kind[j]), intBitsToFloat(P.post_a[j]),
                      intBitsToFloat(P.post_b[j]), y, r);
    }
    return y;
}
