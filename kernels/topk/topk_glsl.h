/* SPDX-License-Identifier: Apache-2.0 */
/* Params of topk.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct topk_glsl {
    int k, extent, stride[3]; /* along the axis: A, values, indices */
    grid_glsl rows;           /* A, values, indices */
};
