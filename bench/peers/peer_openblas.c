/* SPDX-License-Identifier: Apache-2.0 */
/* OpenBLAS as a peer of the matmul bench. */
#include "peer.h"

#include <cblas.h>
#include <stddef.h>
#include <stdlib.h>

static const char *version(void)
{
    return openblas_get_config();
}

static void threads(int count)
{
    openblas_set_num_threads(count);
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
    for (int64_t i = 0; i < p->batch; ++i)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->nt ? CblasTrans : CblasNoTrans, (int)p->m,
                    (int)p->n, (int)p->k, 1.0f, p->a + i * p->m * p->k, (int)p->k,
                    p->b + i * p->k * p->n, (int)(p->nt ? p->k : p->n), 0.0f,
                    p->c + i * p->m * p->n, (int)p->n);
}

static const tn_peer entry = {TN_PEER_ABI, 0,   "openblas", version, threads,
                              prepare,     run, free,       NULL,    NULL};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index == 0 ? &entry : NULL;
}
