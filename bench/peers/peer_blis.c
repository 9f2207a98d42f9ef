/* SPDX-License-Identifier: Apache-2.0 */
/* BLIS as a peer of the matmul bench, through its typed interface. */
#include "peer.h"

#include <blis.h>
#include <stdlib.h>

static const char *version(void)
{
    return bli_info_get_version_str();
}

static void threads(int count)
{
    bli_thread_set_num_threads(count);
}

static void *prepare(const tn_peer_matmul *p)
{
    tn_peer_matmul *own = malloc(sizeof *own);
    if (own != NULL)
        *own = *p;
    return own;
}

static void run(void *prepared)
{
    const tn_peer_matmul *p = prepared;
    float one = 1.0f, zero = 0.0f;
    /* BLIS does not write through its input pointers; its interface merely lacks const. */
    union {
        const float *in;
        float *out;
    } a = {p->a}, b = {p->b};
    for (int64_t i = 0; i < p->batch; ++i)
        bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, p->m, p->n, p->k, &one,
                  a.out + i * p->m * p->k, p->k, 1, b.out + i * p->k * p->n, p->nt ? 1 : p->n,
                  p->nt ? p->k : 1, &zero, p->c + i * p->m * p->n, p->n, 1);
}

static const tn_peer entry = {TN_PEER_ABI, 0,   "blis", version, threads,
                              prepare,     run, free,   NULL,    NULL};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index == 0 ? &entry : NULL;
}
