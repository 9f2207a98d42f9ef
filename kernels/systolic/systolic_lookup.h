/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of a vector unit that looks them up: straight lines between nodes after an exact
 * reduction of the argument, as units of chips have them. */
#ifndef TN_KERNELS_SYSTOLIC_LOOKUP_H
#define TN_KERNELS_SYSTOLIC_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

enum { TN_K_SYS_SEGMENTS_LEAST = 64, TN_K_SYS_SEGMENTS_MOST = 1024 };

/** Nodes at i / segments of the reduced argument; segments is a power of two. Immutable once made.
 */
typedef struct tn_k_sys_tables {
    uint32_t segments;
    float pow2[TN_K_SYS_SEGMENTS_MOST + 1];     /* 2^(u - 1/2) */
    float rsqrt[2][TN_K_SYS_SEGMENTS_MOST + 1]; /* of 1 + u and of 2 + 2 u */
    float log[2][TN_K_SYS_SEGMENTS_MOST + 1];   /* log(1 + f) / f at f = u / 2 and f = -u / 2 */
    float tanh[TN_K_SYS_SEGMENTS_MOST + 1];     /* tanh(u) / u */
    float erf[TN_K_SYS_SEGMENTS_MOST + 1];      /* erf(u) / u */
    float tail[TN_K_SYS_SEGMENTS_MOST + 1];     /* erfc(z) exp(z^2) z at z = 1 / u */
} tn_k_sys_tables;

void tn_k_sys_tables_make(uint32_t segments, tn_k_sys_tables *out);
/** Whether a kind of TN_ELTWISE_* is looked up; all others the unit computes. */
bool tn_k_sys_tables_have(uint32_t kind);
/** out[i] = f(x[i]) of a kind that they have; out may be x. */
void tn_k_sys_tables_map(const tn_k_sys_tables *t, uint32_t kind, const float *x, float *out,
                         int64_t n);
/** As `block` of tn_k_sys_math, with the power of two looked up. */
void tn_k_sys_tables_block(const tn_k_sys_tables *t, const float *s, const uint8_t *takes,
                           int64_t n, float *p, float *out_max, float *out_sum);
/** Largest relative errors in units of 2^-23, as measured over all arguments of each kind (see
 *  tests/test_k_systolic_lookup.c): of rsqrt, and of the others. */
float tn_k_sys_tables_rsqrt_ulp(uint32_t segments);
float tn_k_sys_tables_ulp(uint32_t segments);

#endif
