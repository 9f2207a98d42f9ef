/* SPDX-License-Identifier: Apache-2.0 */
/* Params of reduce.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct reduce_glsl {
    int count; /* elements of one output */
    grid_glsl kept, inner;
};
