/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of tn_k_grid as shaders read it; one text for C and GLSL. */
#ifndef TN_KERNELS_GRID_GLSL_H
#define TN_KERNELS_GRID_GLSL_H

#ifndef VULKAN
typedef struct grid_glsl grid_glsl;
#endif
struct grid_glsl {
    int rank, count;
    int dim[8];
    int stride[32]; /* operand * 8 + dim */
};

#endif
