/* SPDX-License-Identifier: Apache-2.0 */
/* Params of eltwise_backward.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct eltwise_backward_glsl {
    int kind, a, b; /* TN_ELTWISE_*; bits of the attributes */
    grid_glsl grid; /* A, GRAD, OUT */
};
