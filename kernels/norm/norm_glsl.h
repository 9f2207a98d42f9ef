/* SPDX-License-Identifier: Apache-2.0 */
/* Params of norm.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct norm_glsl {
    int count, epsilon;          /* of a row; bits */
    int groups, channels, space; /* GROUP */
    int gamma_stride, beta_stride;
    grid_glsl rows, inner;
};
