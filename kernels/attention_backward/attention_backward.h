/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention. */
#ifndef TN_KERNELS_ATTENTION_BACKWARD_H
#define TN_KERNELS_ATTENTION_BACKWARD_H

#include <kernels/attention/attention_sequence.h>

/** dQ, dK and dV from dO, with the scores computed once more: p from the statistics of the forward
 *  pass, dV = p' dO, dS = p (dO v' - dO o'), dQ = scale dS k, dK = scale dS' q.
 *  shape     as forward; GRAD like OUT, the gradients like Q, K and V
 *  dtype     f32, bf16, f16, each by itself, added up in f32; STATS f32
 *  memory    any strides
 *  numerics  CANONICAL 1 section 7
 *  cost      B Hq Sq Sk (6 D + 4 Dv) flops by the definition; 10 D + 6 Dv here, since dQ and dK
 * find their scores each for itself, which needs no sums across tasks split     phase 1: rows of
 * queries; phase 2: rows of keys */
typedef struct tn_k_attention_backward_params {
    tn_k_attention_params f; /* the forward pass; first, for its operands */
    float scale;
    uint32_t grad_slot, grad_type, out_slot[3], out_type[3]; /* outputs: of Q, K, V; slots from 0 */
    int64_t grad_stride[4], out_stride[3][4];
} tn_k_attention_backward_params;

/* The part of a pair of query and key: t its score in base 2 (-Inf: it takes no part). The row's m
 * and reciprocal l. */
static inline __attribute__((always_inline)) float tn_k_attention_backward_weight(float t, float m,
                                                                                  float recip_l)
{
    float n = __builtin_rintf(t), e = n - m;
    e = e > 127.0f ? 127.0f : e;
    e = e >= -126.0f ? e : -127.0f; /* NaN, too: its weight is made a NaN below */
    float two = tn_c_float((uint32_t)((int32_t)e + 127) << 23);
    float p = (c_p2(t - n) * two) * recip_l;
    return m == m ? p : m;
}

/** The truth of one batch and query head in float64, from f32 operands: adds to dk [keys][d] and dv
 *  [keys][dv] of its key head, writes dq [queries][d]. keys: those that exist; slope: 0 without;
 * scratch: 2 keys. */
void tn_k_attention_backward_ref(const tn_k_attention_backward_params *p, const tn_attention *attr,
                                 void *const *operand, int64_t keys, double slope, int64_t batch,
                                 int64_t head, double *scratch, double *dq, double *dk, double *dv);

#endif
