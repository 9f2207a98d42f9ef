/* SPDX-License-Identifier: Apache-2.0 */
/* Params of copy.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct copy_glsl {
    int saturate;
    grid_glsl grid; /* A, OUT */
};
