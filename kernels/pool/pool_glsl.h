/* SPDX-License-Identifier: Apache-2.0 */
/* Params of pool_*.comp; one text for C and GLSL. */
struct pool_glsl {
    int count, channels, count_padding;
    int in_size[3], size[3], window[3], stride[3], dilation[3], lo[3], hi[3];
    int a_n, a_c, a_s[3], out_n, out_c, out_s[3];
};
