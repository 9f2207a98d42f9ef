/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions as packets: rows in a block, results as one word a row. */
#include <kernels/reduce/reduce.h>
#include <kernels/systolic/systolic_runs.h>

static const tn_k_sys_source none;

static bool reduce_rows(const tn_k_reduce_params *p, const tn_k_sys_caps *caps, int64_t *out)
{
    *out = tn_k_sys_run_fit(caps, p->count, 2, 0);
    return p->inner.rank <= 1 && tn_k_sys_grid_fits(&p->kept, 0, 4) &&
           tn_k_sys_grid_fits(&p->kept, 1, 4) && tn_k_sys_grid_fits(&p->inner, 0, 4) && *out > 0;
}

static bool reduce_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls,
                           tn_k_why *why)
{
    const tn_k_reduce_params *p = params;
    int64_t rows;
    if (p->kind == TN_REDUCE_MIN)
        return tn_k_refuse(why, "systolic.kind", "attr.kind",
                           "the vector unit reduces by max, sum and sum of squares");
    if (!tn_k_sys_vector_class(caps, false, cls, why))
        return false;
    return (p->count > 0 && reduce_rows(p, caps, &rows)) || tn_k_sys_no_room(why);
}

static void reduce_block(tn_k_sys_block *b, const tn_k_reduce_params *p, const uint64_t *operand,
                         const tn_k_sys_run *r)
{
    static const uint32_t kinds[] = {TN_K_SYS_RED_SUM, TN_K_SYS_RED_SUM, TN_K_SYS_RED_MAX, 0,
                                     TN_K_SYS_RED_SUMSQ};
    int64_t n = p->count, rows = r->rows, col = p->inner.rank == 1 ? p->inner.stride[0][0] : 1;
    tn_k_sys_begin(b);
    tn_k_sys_source x =
        tn_k_sys_load_full(b, operand[0] + (uint64_t)(r->from * tn_k_elem_bytes(p->from)), p->from,
                           r->in_row, col, rows, n);
    uint32_t stat = tn_k_sys_room(b, 1, (uint64_t)rows * 4);
    uint32_t out = tn_k_sys_room(b, 1, (uint64_t)rows * 4);
    tn_k_sys_source word = tn_k_sys_full(stat, TN_F32);
    bool mean = p->kind == TN_REDUCE_MEAN;
    tn_k_sys_ready(b);
    tn_k_sys_reduce(b, kinds[p->kind], x, rows, n, stat);
    tn_k_sys_map(b, mean ? TN_ELTWISE_SCALE : 0, word, none, none, 1.0f / (float)n, -0.0f, 1, rows,
                 out, p->to);
    /* the results lie in a row here, and as far apart as they like in memory */
    tn_k_sys_store(b, operand[1] + (uint64_t)(r->to * tn_k_elem_bytes(p->to)), p->to, 0, r->out_row,
                   1, rows, out);
}

static void reduce_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                         tn_k_sys_stream *out)
{
    const tn_k_reduce_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most = 0, index = 0;
    tn_k_sys_run r;
    if (!reduce_rows(p, caps, &most))
        return;
    while (!out->failed && tn_k_sys_next_run(&p->kept, most, &index, &r))
        reduce_block(&b, p, operand, &r);
}

extern const tn_k_sys_row tn_k_reduce_systolic;
const tn_k_sys_row tn_k_reduce_systolic = {
    .name = "reduce_systolic",
    .kind = TN_OP_REDUCE,
    .accepts = reduce_accepts,
    .lower = reduce_lower,
};
