/* SPDX-License-Identifier: Apache-2.0 */
/* Params of pad.comp; one text for C and GLSL. */
struct pad_glsl {
    int count, rank, value[2];
    int from_dim[8], from_stride[8], lo[8], dim[8], stride[8];
};
