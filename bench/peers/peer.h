/* SPDX-License-Identifier: Apache-2.0 */
/* The interface between the bench and one peer library: a module built when the library is found
 * and loaded at run time, so that neither the command nor libtenon links a peer. */
#ifndef TN_BENCH_PEER_H
#define TN_BENCH_PEER_H

#include <stdint.h>

#include <tenon/ops.h>

enum { TN_PEER_ABI = 3 };

/* C[M,N] = A[M,K] B[K,N], row-major, f32, `batch` times one behind the other; nt: B is [N,K]. */
typedef struct tn_peer_matmul {
    int64_t m, n, k, batch;
    int nt;
    const float *a, *b;
    float *c;
} tn_peer_matmul;

/* 2-D f32 convolution with packed or own-layout filters; last: channels last in a, b (filters,
 * kernel, channels) and c, otherwise first. */
typedef struct tn_peer_conv {
    int64_t n, channels, h, w, filters, kh, kw, groups, stride[2], dilation[2], lo[2], hi[2], oh,
        ow;
    int last;
    const float *a, *b;
    float *c;
} tn_peer_conv;

/* Any op, dense; data has a pointer for each operand of op, in its order. */
typedef struct tn_peer_op {
    const tn_op *op;
    void *const *data;
} tn_peer_op;

typedef struct tn_peer {
    uint32_t abi, packed; /* packed: prepare() also puts B in the library's own layout */
    const char *name;
    const char *(*version)(void);
    void (*threads)(int count);
    /* NULL: the library does not take this shape. The result is handed to run and finish. */
    void *(*prepare)(const tn_peer_matmul *problem);
    void (*run)(void *prepared);
    void (*finish)(void *prepared);
    void *(*prepare_conv)(const tn_peer_conv *problem); /* NULL: no conv; filters are repacked */
    void *(*prepare_op)(const tn_peer_op *problem);     /* NULL: no op but the two above */
} tn_peer;

/* The one symbol of a module: the index-th entry of this library, NULL past the last. */
__attribute__((visibility("default"))) const tn_peer *tn_peer_get(uint32_t index);

#endif
