/* SPDX-License-Identifier: Apache-2.0 */
/* softmax and log_softmax: a workgroup a row, its invocations the lanes of the sum. */
#include "kernels/softmax/softmax_glsl.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 2u;
layout(constant_id = 1) const uint TO = 2u;
layout(constant_id = 2) const bool LOG = false;
layout(set = 0, binding = 9, std430) readonly buffer Params { softmax_glsl P; };

#include "kernels/common/glsl/prelude.glsl"
#include "kernels/common/glsl/grid.glsl"
#include "kernels/common/glsl/lanes.glsl"

OPERAND(0)
OPERAND(1)
GRID(row_at, P.rows)

void main()
{
    int row = int(GROUP), n = P.count, lane = int(LANE);
    if (row >= P.rows.count)
        return;
    int x = row_at(0u, row), y = row_at(1u, row), key = -0x7fffffff - 1;
    for (int i = lane; i < n; i += 64)
        key = max(key, c_key_max(ld0(FROM, x + i * P.from_stride)));
    float m = c_unkey(fold_max(key)), t = 0.0f;
    for (int first = 0; first < n; first += SEGMENT) {
        float s = 0.0f;
        for (int i = first + lane; i < min(n, first + SEGMENT); i += 64)
            s = s + c_exp(ld0(FROM, x + i * P.from_stride) - m);
        t = t + fold(s);
    }
    float scale = LOG ? c_log(t) : c_recip_seq(t);
    for (int i = lane; i < n; i += 64) {
        float d = ld0(FROM, x + i * P.from_stride) - m;
        st1(TO, y + i * P.to_stride, LOG ? d - scale : c_exp(d) * scale);
    }
}
