/* SPDX-License-Identifier: Apache-2.0 */
/* Params of softmax.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct softmax_glsl {
    int count, from_stride, to_stride; /* along the axis */
    grid_glsl rows;
};
