/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax as packets: rows in a block, statistics as one word a row. */
#include <kernels/softmax/softmax.h>
#include <kernels/systolic/systolic_runs.h>

static const tn_k_sys_source none;

static bool softmax_rows(const tn_k_softmax_params *p, const tn_k_sys_caps *caps, int64_t *out)
{
    *out = tn_k_sys_run_fit(caps, p->count, 3, 0);
    return tn_k_sys_grid_fits(&p->rows, 0, 4) && tn_k_sys_grid_fits(&p->rows, 1, 4) &&
           tn_k_sys_stride_fits(p->stride[0], 4) && tn_k_sys_stride_fits(p->stride[1], 4) &&
           *out > 0;
}

static bool softmax_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls,
                            tn_k_why *why)
{
    const tn_k_softmax_params *p = params;
    int64_t rows;
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    return (p->count > 0 && softmax_rows(p, caps, &rows)) || tn_k_sys_no_room(why);
}

static void softmax_block(tn_k_sys_block *b, const tn_k_softmax_params *p, const uint64_t *operand,
                          const tn_k_sys_run *r)
{
    int64_t n = p->count, rows = r->rows;
    tn_k_sys_begin(b);
    tn_k_sys_source x =
        tn_k_sys_load_full(b, operand[0] + (uint64_t)(r->from * tn_k_elem_bytes(p->from)), p->from,
                           r->in_row, p->stride[0], rows, n);
    uint32_t d = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)n * 4);
    uint32_t stat = tn_k_sys_room(b, 1, (uint64_t)rows * 4);
    uint32_t out = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)n * 4);
    tn_k_sys_source word = tn_k_sys_full(stat, TN_F32), each = tn_k_sys_per_row(stat);
    tn_k_sys_source dd = tn_k_sys_full(d, TN_F32);
    tn_k_sys_ready(b);
    tn_k_sys_reduce(b, TN_K_SYS_RED_MAX, x, rows, n, stat);
    tn_k_sys_map(b, TN_ELTWISE_SUB, x, each, none, 0, 0, rows, n, d, TN_F32);
    if (p->log) {
        tn_k_sys_map(b, TN_ELTWISE_EXP, dd, none, none, 0, 0, rows, n, out, TN_F32);
        tn_k_sys_reduce(b, TN_K_SYS_RED_SUM, tn_k_sys_full(out, TN_F32), rows, n, stat);
        tn_k_sys_map(b, TN_ELTWISE_LOG, word, none, none, 0, 0, 1, rows, stat, TN_F32);
        tn_k_sys_map(b, TN_ELTWISE_SUB, dd, each, none, 0, 0, rows, n, out, p->to);
    } else {
        tn_k_sys_map(b, TN_ELTWISE_EXP, dd, none, none, 0, 0, rows, n, d, TN_F32);
        tn_k_sys_reduce(b, TN_K_SYS_RED_SUM, dd, rows, n, stat);
        tn_k_sys_map(b, TN_ELTWISE_RECIP, word, none, none, 0, 0, 1, rows, stat, TN_F32);
        tn_k_sys_map(b, TN_ELTWISE_MUL, dd, each, none, 0, 0, rows, n, out, p->to);
    }
    tn_k_sys_store(b, operand[1] + (uint64_t)(r->to * tn_k_elem_bytes(p->to)), p->to, r->out_row,
                   p->stride[1], rows, n, out);
}

static void softmax_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                          tn_k_sys_stream *out)
{
    const tn_k_softmax_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most = 0, index = 0;
    tn_k_sys_run r;
    if (!softmax_rows(p, caps, &most))
        return;
    while (!out->failed && tn_k_sys_next_run(&p->rows, most, &index, &r))
        softmax_block(&b, p, operand, &r);
}

extern const tn_k_sys_row tn_k_softmax_systolic;
const tn_k_sys_row tn_k_softmax_systolic = {
    .name = "softmax_systolic",
    .kind = TN_OP_SOFTMAX,
    .accepts = softmax_accepts,
    .lower = softmax_lower,
    .arithmetic = tn_k_softmax_arithmetic,
};
