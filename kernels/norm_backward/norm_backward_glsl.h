/* SPDX-License-Identifier: Apache-2.0 */
/* Params of norm_backward.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct norm_backward_glsl {
    int count, epsilon;          /* of a row; bits */
    int groups, channels, space; /* GROUP */
    int gamma_stride;
    grid_glsl rows;  /* A, GRAD, OUT */
    grid_glsl inner; /* A, GRAD, OUT, GAMMA */
};
