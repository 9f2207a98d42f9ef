/* SPDX-License-Identifier: Apache-2.0 */
/* Params of norm_batch.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct norm_batch_glsl {
    int channels, epsilon; /* bits */
    int from_channel, to_channel, gamma_stride, beta_stride, stats_which, stats_stride;
    grid_glsl rows, inner;
};
