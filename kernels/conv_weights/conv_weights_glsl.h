/* SPDX-License-Identifier: Apache-2.0 */
/* Params of conv_weights.comp; one text for C and GLSL. */
struct conv_weights_glsl {
    int count, positions, cg, kg; /* weights; positions of GRAD with its batch */
    int in_size[3], size[3], kernel[3], stride[3], dilation[3], lo[3];
    int a_n, a_c, a_s[3], g_n, g_c, g_s[3], out_f, out_c, out_s[3];
};
