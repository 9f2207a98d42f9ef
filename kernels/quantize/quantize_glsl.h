/* SPDX-License-Identifier: Apache-2.0 */
/* Params of quantize.comp and dequantize.comp; one text for C and GLSL. */
#include "kernels/common/glsl/grid_glsl.h"

struct quantize_glsl {
    int saturate;
    grid_glsl grid; /* A, SCALE, ZERO, OUT */
};
