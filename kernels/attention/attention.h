/* SPDX-License-Identifier: Apache-2.0 */
/* attention: softmax(scale q k^T + mask) v, fused, never the whole score matrix.
 *
 *  shape     q [B,Hq,Sq,D], k [B,Hkv,Sk,D], v [B,Hkv,Sk,Dv], out [B,Hq,Sq,Dv], or rank 3 without B;
 *            query head h uses key head h / (Hq / Hkv); mask broadcasts to [B,Hq,Sq,Sk]; paged: k
 *            [pages,Hkv,tokens of a page,D], v likewise, and a table [B,n] of pages, Sk = n *
 * tokens dtype     q, k, v, out f32, bf16 or f16, each by itself; accumulated in f32; k and v also
 * s8 with a scale (f32) that broadcasts to them without their last dim; mask bool (true takes part)
 * or f32 (added in natural units); sinks [Hq] f32, bf16 or f16; slopes [Hq] f32; lengths [B] s32,
 * the keys of each batch that exist; stats [B,Hq,Sq,2] f32; pages s32 memory    any strides
 *  numerics  CANONICAL: docs/NUMERICS.md section 7. Blocks of 128 keys at absolute positions, each
 *            with an integer base-2 maximum, merged in ascending order by powers of two
 *  cost      4 B Hq Sq Sk D flops, half of it when causal; q, k, v and out once
 *  split     tasks are blocks of query rows of all heads that share a key head; where these are too
 *            few, ranges of keys: blocks are handed over one by one and merged in a second phase */
#ifndef TN_KERNELS_ATTENTION_H
#define TN_KERNELS_ATTENTION_H

#include <kernels/common/shape.h>

enum {
    TN_K_ATT_Q,
    TN_K_ATT_K,
    TN_K_ATT_V,
    TN_K_ATT_OUT,
    TN_K_ATT_MASK,
    TN_K_ATT_SINKS,
    TN_K_ATT_SLOPES,
    TN_K_ATT_LENGTHS,
    TN_K_ATT_STATS,
    TN_K_ATT_PAGES,
    TN_K_ATT_K_SCALE,
    TN_K_ATT_V_SCALE,
    TN_K_ATT_OPERANDS
};
enum { TN_K_ATT_NO_MASK, TN_K_ATT_BOOL_MASK, TN_K_ATT_ADD_MASK };

typedef struct tn_k_attention_params {
    tn_k_operands operands;
    int64_t batch, heads, kv_heads, queries, keys, d, dv;
    int64_t stride[TN_K_ATT_OPERANDS][4]; /* batch (paged k and v: page), head, row, column */
    uint8_t slot[TN_K_ATT_OPERANDS];      /* place among the pointers, from 1; 0: not given */
    uint32_t type[TN_K_ATT_OPERANDS];     /* dtypes */
    uint32_t mask;
    int64_t page_tokens, pages; /* keys of a page and pages there are; 0: keys lie in a row */
    bool from_end;              /* the last query stands at the last key of its batch */
    int64_t first_key;          /* absolute position of key 0 */
    int64_t position;           /* absolute position of query 0, unless from_end */
    int64_t left, right;        /* keys in [position - left, position + right] */
    float c;                    /* scale * L2E, or cap * L2E with softcap */
    float inner;                /* scale * recip(cap); 0 without softcap */
} tn_k_attention_params;

/* What is the same for all query rows of one batch and head. */
typedef struct tn_k_attention_sequence {
    int64_t batch, keys, position; /* keys that exist; absolute position of query 0 */
    const int32_t *table;          /* pages of this batch; NULL: not paged */
    bool sink, bad;                /* bad: the sink is NaN or +Inf, and so is every row */
    float sink_m, sink_l;          /* the state before the first block */
    float slope;                   /* 0 without slopes */
} tn_k_attention_sequence;

/* Keys of query row i that its position allows: local [*low, *high). */
static inline void tn_k_attention_limits(const tn_k_attention_params *p,
                                         const tn_k_attention_sequence *q, int64_t i, int64_t *low,
                                         int64_t *high)
{
    int64_t at = q->position + i - p->first_key;
    int64_t first = p->left == INT64_MAX ? 0 : at - p->left;
    int64_t last = p->right == INT64_MAX ? q->keys : at + p->right + 1;
    *low = first < 0 ? 0 : first;
    *high = last > q->keys ? q->keys : last;
}

/** What the float64 truth has to know of a batch and head; zero but for keys: nothing special. */
typedef struct tn_k_attention_truth {
    int64_t keys;
    bool has_sink;
    double sink, slope;
} tn_k_attention_truth;

/** The truth of one query row in float64, from operands in f32: scores in natural units (-Inf: the
 *  key takes no part), |scale| sum |q||k| of each, and dv outputs (0 without keys). */
void tn_k_attention_ref(const tn_k_attention_params *p, const tn_attention *attr, const float *q,
                        const float *k, const float *v, const void *mask,
                        const tn_k_attention_truth *truth, int64_t batch, int64_t head, int64_t row,
                        double *out_score, double *out_magnitude, double *out);

/* Every row's `arithmetic`: canonical functions, f32 scores and weights. */
void tn_k_attention_arithmetic(const void *params, tn_arithmetic *out);

#endif
