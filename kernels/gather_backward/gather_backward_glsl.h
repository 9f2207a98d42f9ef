/* SPDX-License-Identifier: Apache-2.0 */
/* Params of gather_backward.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct gather_backward_glsl {
    int rows, positions, row_stride;
    grid_glsl outer, inner; /* GRAD, OUT */
    grid_glsl places;       /* positions: GRAD, INDEX */
};
