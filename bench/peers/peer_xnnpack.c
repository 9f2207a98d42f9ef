/* SPDX-License-Identifier: Apache-2.0 */
/* XNNPACK as a peer: fully connected layers and convolutions with channels last, whose weights it
 * packs when the operator is made, and softmax over rows. */
#include "peer.h"

#include <math.h>
#include <pthreadpool.h>
#include <stdlib.h>
#include <xnnpack.h>

typedef struct prepared {
    xnn_operator_t op;
} prepared;

static pthreadpool_t pool;
static int ready;

static const char *version(void)
{
    return "2022"; /* the library does not tell; Debian 12 has this year's */
}

static void threads(int count)
{
    if (!ready)
        ready = xnn_initialize(NULL) == xnn_status_success ? 1 : -1;
    if (pool != NULL)
        pthreadpool_destroy(pool);
    pool = count > 1 ? pthreadpool_create((size_t)count) : NULL;
}

static void run(void *state)
{
    (void)xnn_run_operator(((prepared *)state)->op, pool);
}

static void finish(void *state)
{
    prepared *own = state;
    if (own->op != NULL)
        (void)xnn_delete_operator(own->op);
    free(own);
}

static void *done(prepared *own, int ok)
{
    if (ok)
        return own;
    finish(own);
    return NULL;
}

static void *prepare(const tn_peer_matmul *p)
{
    prepared *own = ready > 0 && p->batch == 1 ? calloc(1, sizeof *own) : NULL;
    if (own == NULL)
        return NULL;
    size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    int ok = xnn_create_fully_connected_nc_f32(k, n, k, n, p->b, NULL, -INFINITY, INFINITY,
                                               p->nt ? 0 : XNN_FLAG_TRANSPOSE_WEIGHTS,
                                               &own->op) == xnn_status_success &&
             xnn_setup_fully_connected_nc_f32(own->op, m, p->a, p->c, pool) == xnn_status_success;
    return done(own, ok);
}

/* Depthwise filters lie as [kernel, channels] here with a flag; without it as [channels, kernel],
 * which is the form of [filters, kernel, 1]. */
static void *prepare_conv(const tn_peer_conv *q)
{
    prepared *own = ready > 0 && q->last ? calloc(1, sizeof *own) : NULL;
    if (own == NULL)
        return NULL;
    size_t in = (size_t)q->channels, out = (size_t)q->filters, groups = (size_t)q->groups;
    int ok = xnn_create_convolution2d_nhwc_f32(
                 (uint32_t)q->lo[0], (uint32_t)q->hi[1], (uint32_t)q->hi[0], (uint32_t)q->lo[1],
                 (uint32_t)q->kh, (uint32_t)q->kw, (uint32_t)q->stride[0], (uint32_t)q->stride[1],
                 (uint32_t)q->dilation[0], (uint32_t)q->dilation[1], (uint32_t)groups, in / groups,
                 out / groups, in, out, q->b, NULL, -INFINITY, INFINITY, 0,
                 &own->op) == xnn_status_success &&
             xnn_setup_convolution2d_nhwc_f32(own->op, (size_t)q->n, (size_t)q->h, (size_t)q->w,
                                              q->a, q->c, pool) == xnn_status_success;
    return done(own, ok);
}

static void *prepare_op(const tn_peer_op *q)
{
    const tn_op *op = q->op;
    const tn_tensor *a = &op->args[0].tensor;
    const tn_softmax *t = op->attr;
    if (ready <= 0 || op->kind != TN_OP_SOFTMAX || op->arg_count != 2 || a->dtype != TN_F32 ||
        op->args[1].tensor.dtype != TN_F32 || t->log != 0 || t->pass != TN_PASS_FORWARD ||
        a->rank == 0 || (t->axis != -1 && t->axis != a->rank - 1))
        return NULL;
    prepared *own = calloc(1, sizeof *own);
    if (own == NULL)
        return NULL;
    size_t columns = (size_t)a->dim[a->rank - 1], rows = 1;
    for (int d = 0; d + 1 < a->rank; ++d)
        rows *= (size_t)a->dim[d];
    int ok =
        xnn_create_softmax_nc_f32(columns, columns, columns, 0, &own->op) == xnn_status_success &&
        xnn_setup_softmax_nc_f32(own->op, rows, q->data[0], q->data[1], pool) == xnn_status_success;
    return done(own, ok);
}

static const tn_peer entries[] = {
    {TN_PEER_ABI, 1, "xnnpack", version, threads, prepare, run, finish, prepare_conv, NULL},
    {TN_PEER_ABI, 0, "xnnpack", version, threads, NULL, run, finish, NULL, prepare_op},
};

const tn_peer *tn_peer_get(uint32_t index)
{
    return index < 2 ? &entries[index] : NULL;
}
