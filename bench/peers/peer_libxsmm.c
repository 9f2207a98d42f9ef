/* SPDX-License-Identifier: Apache-2.0 */
/* libxsmm as a peer of the matmul bench: its JIT kernel for the whole shape, one thread. */
#include "peer.h"

#include <libxsmm.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct prepared {
    tn_peer_matmul p;
    libxsmm_smmfunction fn;
} prepared;

static int thread_count = 1;

static const char *version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "%d.%d", LIBXSMM_VERSION_MAJOR, LIBXSMM_VERSION_MINOR);
    return text;
}

static void threads(int count)
{
    thread_count = count;
}

static void *prepare(const tn_peer_matmul *p)
{
    /* The kernels are single-threaded and meant for small shapes. */
    if (thread_count != 1 || p->nt ||
        (double)p->m * (double)p->n * (double)p->k > 512.0 * 512.0 * 512.0)
        return NULL;
    float alpha = 1.0f, beta = 0.0f;
    int flags = LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_PREFETCH_NONE;
    prepared *own = malloc(sizeof *own);
    if (own == NULL)
        return NULL;
    own->p = *p;
    /* column-major C^T = B^T A^T */
    own->fn = libxsmm_smmdispatch((int)p->n, (int)p->m, (int)p->k, NULL, NULL, NULL, &alpha, &beta,
                                  &flags, &prefetch);
    if (own->fn == NULL) {
        free(own);
        return NULL;
    }
    return own;
}

static void run(void *state)
{
    const prepared *own = state;
    const tn_peer_matmul *p = &own->p;
    for (int64_t i = 0; i < p->batch; ++i)
        own->fn(p->b + i * p->k * p->n, p->a + i * p->m * p->k, p->c + i * p->m * p->n);
}

static const tn_peer entry = {TN_PEER_ABI, 0,   "libxsmm", version, threads,
                              prepare,     run, free,      NULL,    NULL};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index == 0 ? &entry : NULL;
}
