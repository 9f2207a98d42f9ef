/* SPDX-License-Identifier: Apache-2.0 */
/* Params of attention_*.comp; one text for C and GLSL. */
struct attention_glsl {
    int batch, heads, group, queries, keys, d, dv; /* group: query heads of a key head */
    int q[4], k[4], v[4], out_stride[4], mask[4];  /* batch, head, row, column */
    int blocks, border; /* of 128 keys at absolute positions; the local key that the first begins at */
    int position, first_key, left, right; /* left, right: -1 is no limit */
    int c, inner;                         /* bits */
    int slopes, sinks, lengths;           /* strides: head, head, batch */
    int k_scale[3], v_scale[3], stats[4]; /* strides: batch, head, row, of stats m and l */
    int from_end;                         /* the last query stands at the last key of its batch */
};
