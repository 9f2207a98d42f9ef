/* SPDX-License-Identifier: Apache-2.0 */
/* Params of resize.comp; one text for C and GLSL. Behind them lies a table of the places that an
 * axis is taken from: an int an element (nearest), or four places and the bits of four weights. */
struct resize_glsl {
    int count, rank, taps;
    int dim[8], a_stride[8], out_stride[8];
    int first[8];  /* where the table of an axis begins, or -1: it stays as it is */
    int moving[3]; /* sums: the axes that do not stay, -1 where there are fewer */
};
