/* SPDX-License-Identifier: Apache-2.0 */
/* Params of softmax_backward.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct softmax_backward_glsl {
    int count, stride[3]; /* along the axis: A, GRAD, OUT */
    grid_glsl rows;
};
