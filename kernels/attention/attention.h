/* SPDX-License-Identifier: Apache-2.0 */
/* attention: softmax(scale q k^T + mask) v, fused, never the whole score matrix.
 *
 *  shape     q [B,Hq,Sq,D], k [B,Hkv,Sk,D], v [B,Hkv,Sk,Dv], out [B,Hq,Sq,Dv], or rank 3 without B;
 *            query head h uses key head h / (Hq / Hkv); mask broadcasts to [B,Hq,Sq,Sk]
 *  dtype     f32; mask bool (true takes part) or f32 (added in natural units)
 *  memory    any strides
 *  numerics  CANONICAL: docs/NUMERICS.md section 7. Blocks of 128 keys at absolute positions, each
 *            with an integer base-2 maximum, merged in ascending order by powers of two
 *  cost      4 B Hq Sq Sk D flops, half of it when causal; q, k, v and out once
 *  split     tasks are blocks of query rows of one head */
#ifndef TN_KERNELS_ATTENTION_H
#define TN_KERNELS_ATTENTION_H

#include <kernels/common/shape.h>

enum { TN_K_ATT_Q, TN_K_ATT_K, TN_K_ATT_V, TN_K_ATT_OUT, TN_K_ATT_MASK, TN_K_ATT_OPERANDS };
enum { TN_K_ATT_NO_MASK, TN_K_ATT_BOOL_MASK, TN_K_ATT_ADD_MASK };

typedef struct tn_k_attention_params {
    tn_k_operands operands;
    int64_t batch, heads, kv_heads, queries, keys, d, dv;
    int64_t stride[TN_K_ATT_OPERANDS][4]; /* batch, head, row, column */
    uint32_t mask;
    int64_t first_key;   /* absolute position of key 0 */
    int64_t position;    /* absolute position of query 0 */
    int64_t left, right; /* keys in [position - left, position + right] */
    float c;             /* scale * L2E, or cap * L2E with softcap */
    float inner;         /* scale * recip(cap); 0 without softcap */
} tn_k_attention_params;

/* Keys of query row i that its position allows: local [*low, *high). */
static inline void tn_k_attention_limits(const tn_k_attention_params *p, int64_t i, int64_t *low,
                                         int64_t *high)
{
    int64_t at = p->position + i - p->first_key;
    int64_t first = p->left == INT64_MAX ? 0 : at - p->left;
    int64_t last = p->right == INT64_MAX ? p->keys : at + p->right + 1;
    *low = first < 0 ? 0 : first;
    *high = last > p->keys ? p->keys : last;
}

/** The truth of one query row in float64: scores in natural units (-Inf: the key takes no part),
 *  |scale| sum |q||k| of each, and dv outputs (0 without keys). */
void tn_k_attention_ref(const tn_k_attention_params *p, const tn_attention *attr, const float *q,
                        const float *k, const float *v, const void *mask, int64_t batch,
                        int64_t head, int64_t row, double *out_score, double *out_magnitude,
                        double *out);

/* Every row's `arithmetic`: canonical functions, f32 scores and weights. */
void tn_k_attention_arithmetic(const void *params, tn_arithmetic *out);

#endif
