/* SPDX-License-Identifier: Apache-2.0 */
/* Params of matmul.comp and matmul_int.comp; one text for C and GLSL. */
#ifndef VULKAN
typedef struct matmul_view_glsl matmul_view_glsl;
#endif
struct matmul_view_glsl {
    int row, col; /* a: m, k; b: k, n; the others: m, n */
    int batch[6];
};
struct matmul_glsl {
    int m, n, k, batch_rank, batch_count, row_blocks;
    int alpha, beta; /* bits */
    int batch[6];
    /* Steps of the epilogue: operands by binding, 0 where there is none; bits of their numbers. */
    int post_count, post_kind[6], post_binding[6], post_type[6], post_a[6], post_b[6];
    matmul_view_glsl a, b, out_view, c;
    matmul_view_glsl post[4]; /* by operand, from binding 4 on */
};

struct matmul_int_glsl {
    int m, n, k, batch_rank, batch_count, row_blocks;
    int batch[6];
    /* Binding and stride of scales of a, b and out, then of zero points; binding -1: not given. */
    int factor[6], factor_stride[6];
    /* Steps: the first int_posts add s32 to the sum; binding -1: without an operand. */
    int int_posts, post_count, post_kind[6], post_binding[6], post_a[6], post_b[6];
    matmul_view_glsl a, b, out_view;
    matmul_view_glsl post[6]; /* by step */
};
