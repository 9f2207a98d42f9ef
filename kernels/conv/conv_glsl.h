/* SPDX-License-Identifier: Apache-2.0 */
/* Params of conv's shaders; one text for C and GLSL. */
#ifndef VULKAN
typedef struct conv_view_glsl conv_view_glsl;
#endif
struct conv_view_glsl {
    int n, c, s[3];
};
struct conv_glsl {
    int pixels, groups, cg, kg, blocks; /* blocks of filters in a group */
    int in_size[3], size[3], kernel[3], stride[3], dilation[3], lo[3];
    conv_view_glsl a, out_view;
    int b_group, b_k, b_c, b_s[3];
    /* Steps of the epilogue, as in matmul_glsl.h. */
    int post_count, post_kind[6], post_binding[6], post_type[6], post_a[6], post_b[6];
    conv_view_glsl post[4];
    /* Of conv_texel4.comp and conv_pack.comp: rows of pixels that lie side by side, how many, and
     * fours in one; the packed input's rows in words, rows and planes, and words before it; words
     * between filters; groups that pack filters. */
    int width, rows, quads, pack[3], pack_at, filter_words, filter_groups;
};
