/* SPDX-License-Identifier: Apache-2.0 */
/* Params of rope.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct rope_glsl {
    int d, half_d, a_stride, freq_stride, out_stride;
    grid_glsl rows; /* A, INDEX, OUT */
};
