/* SPDX-License-Identifier: Apache-2.0 */
/* Params of concat.comp; one text for C and GLSL. */
struct concat_glsl {
    int count, rank, axis, inputs;
    int dim[8], stride[8];          /* of OUT */
    int extent[8], from_stride[64]; /* of the inputs; input * 8 + dim */
};
