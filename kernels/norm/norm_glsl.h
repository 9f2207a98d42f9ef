/* SPDX-License-Identifier: Apache-2.0 */
/* Params of norm.comp and norm_batch.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct norm_glsl {
    int count, epsilon;          /* of a row; bits */
    int groups, channels, space; /* GROUP */
    int gamma_stride, beta_stride;
    grid_glsl rows, inner;
};

struct norm_batch_glsl {
    int channels, epsilon; /* bits */
    int from_channel, to_channel, gamma_stride, beta_stride, stats_which, stats_stride;
    grid_glsl rows, inner;
};
