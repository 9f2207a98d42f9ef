/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul's params as plain data, and what all of its variants share. */
#ifndef TN_KERNELS_MATMUL_H
#define TN_KERNELS_MATMUL_H

#include <kernels/common/shape.h>

enum { TN_K_MATMUL_BATCH = 6, TN_K_MATMUL_POSTS = 12 };

/* An operand seen with the output's indices: strides in elements, 0 where it is broadcast. */
typedef struct tn_k_matmul_view {
    int64_t row, col; /* a: m, k; b: k, n; the others: m, n */
    int64_t batch[TN_K_MATMUL_BATCH];
} tn_k_matmul_view;

typedef struct tn_k_matmul_post {
    uint32_t kind; /* tn_post_kind */
    int32_t operand;
    uint32_t type; /* tn_dtype of the operand */
    float a, b;
    tn_k_matmul_view view;
} tn_k_matmul_post;

/* A scale or a zero point: one number, or one a row of a or a column of b or out. */
typedef struct tn_k_matmul_factor {
    int32_t operand; /* -1: not given */
    int64_t stride;  /* elements along m (of a) or n; 0: one number */
} tn_k_matmul_factor;

/** out = post(alpha * a b + beta * c).
 *  shape     a [...,M,K], b [...,K,N] or transposed, out [...,M,N]; batch dims broadcast
 *  dtype     a and b f32, bf16, f16, f8e4m3 or f8e5m2, each by itself: activations of one type
 *            with weights of another, and the two 8-bit formats together; added up in f32; out any
 *            of them; c and operands of posts f32 or out's type. Weights in blocks
 * (docs/LAYOUTS.md) for any of these a. s8 and u8 by s8 or u8: EXACT sums mod 2^32 to s32, or
 * scaled to f32, s8 and u8; scales f32, zero points of their operand's type, leading s32 posts
 *  numerics  CANONICAL: operands widened exactly, the dot of docs/NUMERICS.md section 3, posts in
 *            f32, rounded once at the end. BOUNDED: one chain of fma over a block of k
 *  memory    b may be packed, by the layout of the row that packed it */
typedef struct tn_k_matmul {
    tn_k_operands operands;
    int32_t c, out;                            /* operand index; c -1: no C; a is 0, b is 1 */
    uint32_t a_type, b_type, c_type, out_type; /* tn_dtype */
    uint32_t b_layout;                         /* TN_LAYOUT_* of blocks along k, or 0 */
    uint32_t int_posts; /* integer operands: leading steps that add s32 to the sum */
    tn_k_matmul_factor a_scale, b_scale, out_scale, a_zero, b_zero, out_zero;
    uint32_t batch_rank, post_count, b_packed, b_transposed;
    float alpha, beta;
    int64_t m, n, k, batch_count, b_matrices;
    int64_t batch[TN_K_MATMUL_BATCH];
    int64_t b_pack[TN_K_MATMUL_BATCH]; /* matrices to step over in a packed B */
    tn_k_matmul_view a_view, b_view, c_view, out_view;
    tn_k_matmul_post post[TN_K_MATMUL_POSTS];
} tn_k_matmul;

/* Where one batch item starts, elements from each operand's pointer. */
typedef struct tn_k_matmul_item {
    int64_t a, b, b_matrix, c, out, post[TN_K_MATMUL_POSTS];
} tn_k_matmul_item;

static inline void tn_k_matmul_locate(const tn_k_matmul *p, int64_t index, tn_k_matmul_item *at)
{
    *at = (tn_k_matmul_item){0};
    for (uint32_t d = p->batch_rank; d-- > 0;) {
        int64_t i = index % p->batch[d];
        index /= p->batch[d];
        at->a += i * p->a_view.batch[d];
        at->b += i * p->b_view.batch[d];
        at->b_matrix += i * p->b_pack[d];
        at->c += i * p->c_view.batch[d];
        at->out += i * p->out_view.batch[d];
        for (uint32_t j = 0; j < p->post_count; j++)
            at->post[j] += i * p->post[j].view.batch[d];
    }
}

/* What a row of block weights says to other layouts. */
static inline bool tn_k_matmul_blocks(const tn_k_matmul *p, tn_k_why *why)
{
    return p->b_layout != 0 || tn_k_refuse(why, "matmul.dtype", "b", "for weights in blocks");
}

/* Scales and zero points, and what integer operands allow (matmul_factors.c). */
bool tn_k_matmul_factors(const tn_op *op, tn_k_matmul *p, tn_k_why *why);

/* The truth for bounds: dot and sum |a||b| of each output in float64, without alpha, beta and
 * epilogue; both dense [batch, M, N]. */
void tn_k_matmul_ref(const tn_k_matmul *p, const void *a, const void *b, double *out_dot,
                     double *out_magnitude);

/* Every row's `arithmetic`: exact products in an fma, f32 sums; the functions of the epilogue are
 * all that deviates. */
void tn_k_matmul_arithmetic(const void *params, tn_arithmetic *out);

/* For a row's `layouts`: whether A is packed by tiles, and how many columns a panel of B has; 0: B
 * is read in place, too. */
static inline const char *tn_k_matmul_layouts(bool a_packed, int columns)
{
    if (columns == 0)
        return a_packed ? "a by tiles [k][rows]; b read in place" : NULL;
    if (columns == 16)
        return a_packed ? "a by tiles [k][rows]; b [columns / 16][k][16]"
                        : "a read in place; b [columns / 16][k][16]";
    return a_packed ? "a by tiles [k][rows]; b [columns / 32][k][32]"
                    : "a read in place; b [columns / 32][k][32]";
}

#endif
