/* SPDX-License-Identifier: Apache-2.0 */
/* Params of attention_backward_*.comp; one text for C and GLSL. Strides: batch, head, row, column. */
struct attention_backward_glsl {
    int batch, heads, kv_heads, queries, keys, d, dv;
    int q[4], k[4], v[4], out_stride[4], mask[4], stats[4], grad[4];
    int to_q[4], to_k[4], to_v[4];
    int position, first_key, left, right; /* left, right: -1 is no limit */
    int chunk_position; /* of query 0, from where sums over queries count their chunks */
    int c, inner, scale; /* bits */
};
