/* SPDX-License-Identifier: Apache-2.0 */
/* Params of gather.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct gather_glsl {
    int extent, axis_stride;
    grid_glsl outer, slice; /* A, INDEX, OUT */
};
