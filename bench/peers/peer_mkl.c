/* SPDX-License-Identifier: Apache-2.0 */
/* Intel MKL as a peer: matmul with plain weights, and with weights that it packed before. */
#include "peer.h"

#include <mkl_cblas.h>
#include <mkl_service.h>
#include <stdlib.h>

typedef struct prepared {
    tn_peer_matmul p;
    float *packed;
} prepared;

static const char *version(void)
{
    static char text[198];
    mkl_get_version_string(text, sizeof text);
    return text;
}

static void threads(int count)
{
    mkl_set_num_threads(count);
}

static void *prepare(const tn_peer_matmul *p)
{
    prepared *own = calloc(1, sizeof *own);
    if (own != NULL)
        own->p = *p;
    return own;
}

static void finish(void *state)
{
    prepared *own = state;
    mkl_free(own->packed);
    free(own);
}

static void *prepare_packed(const tn_peer_matmul *p)
{
    prepared *own = p->batch == 1 ? prepare(p) : NULL;
    if (own == NULL)
        return NULL;
    own->packed =
        mkl_malloc(cblas_sgemm_pack_get_size(CblasBMatrix, (int)p->m, (int)p->n, (int)p->k), 64);
    if (own->packed == NULL) {
        free(own);
        return NULL;
    }
    cblas_sgemm_pack(CblasRowMajor, CblasBMatrix, p->nt ? CblasTrans : CblasNoTrans, (int)p->m,
                     (int)p->n, (int)p->k, 1.0f, p->b, (int)(p->nt ? p->k : p->n), own->packed);
    return own;
}

static void run(void *state)
{
    const prepared *own = state;
    const tn_peer_matmul *p = &own->p;
    if (own->packed != NULL)
        cblas_sgemm_compute(CblasRowMajor, CblasNoTrans, CblasPacked, (int)p->m, (int)p->n,
                            (int)p->k, p->a, (int)p->k, own->packed, (int)p->n, 0.0f, p->c,
                            (int)p->n);
    for (int64_t i = 0; own->packed == NULL && i < p->batch; ++i)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, p->nt ? CblasTrans : CblasNoTrans, (int)p->m,
                    (int)p->n, (int)p->k, 1.0f, p->a + i * p->m * p->k, (int)p->k,
                    p->b + i * p->k * p->n, (int)(p->nt ? p->k : p->n), 0.0f,
                    p->c + i * p->m * p->n, (int)p->n);
}

static const tn_peer entries[] = {
    {TN_PEER_ABI, 0, "mkl", version, threads, prepare, run, finish, NULL, NULL},
    {TN_PEER_ABI, 1, "mkl", version, threads, prepare_packed, run, finish, NULL, NULL},
};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index < 2 ? &entries[index] : NULL;
}
