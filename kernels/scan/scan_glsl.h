/* SPDX-License-Identifier: Apache-2.0 */
/* Params of scan.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct scan_glsl {
    int extent, first[2], step_of[2]; /* along the axis: A, OUT */
    grid_glsl rows;
};
