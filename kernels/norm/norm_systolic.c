/* SPDX-License-Identifier: Apache-2.0 */
/* Layer and RMS norm, softmax, reductions as packets: rows in a block, statistics as one word a
 * row. */
#include <kernels/norm/norm.h>
#include <kernels/reduce/reduce.h>
#include <kernels/softmax/softmax.h>
#include <kernels/systolic/systolic_rows.h>

static const tn_k_sys_source none;

enum { ROW_MOST = 1 << 18 }; /* what the unit reduces at a time */

/* Rows of a block when each holds `tiles` tiles of f32 and a few words; 0: none fits. */
static int64_t rows_of(const tn_k_sys_caps *caps, int64_t count, uint32_t tiles, uint32_t fixed)
{
    uint64_t each = (uint64_t)tiles * tn_k_sys_rows_of(caps, 0, (uint64_t)count * 4) + 3;
    return count > ROW_MOST
               ? 0
               : tn_k_sys_fit(caps, each,
                              (uint64_t)fixed * tn_k_sys_rows_of(caps, 0, (uint64_t)count * 4));
}

/* ---- norm ---- */

static bool norm_rows(const tn_k_norm_params *p, const tn_k_sys_caps *caps, int64_t *out)
{
    bool good = p->inner.rank <= 1 && tn_k_sys_grid_fits(&p->rows, 0, 4) &&
                tn_k_sys_grid_fits(&p->rows, 1, 4);
    for (uint32_t i = 0; i < 4; i++)
        good = good && tn_k_sys_grid_fits(&p->inner, i, 4);
    *out = rows_of(caps, p->count, 3, 2);
    return good && *out > 0;
}

static bool norm_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_norm_params *p = params;
    int64_t rows;
    if (p->kind != TN_NORM_LAYER && p->kind != TN_NORM_RMS)
        return tn_k_refuse(why, "systolic.kind", "attr.kind", "the rows are layer and rms norm");
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    return (p->count > 0 && norm_rows(p, caps, &rows)) || tn_k_sys_no_room(why);
}

static void norm_block(tn_k_sys_block *b, const tn_k_norm_params *p, const uint64_t *operand,
                       int64_t from, int64_t to, int64_t in_row, int64_t out_row, int64_t rows)
{
    int64_t n = p->count, col[4] = {1, 1, 1, 1};
    uint64_t f32 = (uint64_t)n * 4;
    float share = 1.0f / (float)n;
    for (uint32_t i = 0; i < 4 && p->inner.rank == 1; i++)
        col[i] = p->inner.stride[i][0];
    tn_k_sys_source x, affine[2] = {none, none};
    tn_k_sys_begin(b);
    x = tn_k_sys_load_full(b, operand[0] + (uint64_t)(from * tn_k_elem_bytes(p->from)), p->from,
                           in_row, col[0], rows, n);
    for (uint32_t i = 0; i < 2; i++) {
        int32_t which = i == 0 ? p->gamma_at : p->beta_at;
        if (which < 0)
            continue;
        affine[i].type = p->affine[i];
        affine[i].at =
            tn_k_sys_load(b, operand[which], p->affine[i], 0, col[2 + i], 1, n, &affine[i].mode);
    }
    uint32_t d = tn_k_sys_room(b, (uint64_t)rows, f32),
             stat = tn_k_sys_room(b, 1, (uint64_t)rows * 4);
    uint32_t out = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)n * tn_k_elem_bytes(p->to));
    tn_k_sys_source word = tn_k_sys_full(stat, TN_F32), each = tn_k_sys_per_row(stat);
    tn_k_sys_source dd = tn_k_sys_full(d, TN_F32);
    tn_k_sys_ready(b);
    if (p->kind == TN_NORM_LAYER) {
        tn_k_sys_reduce(b, TN_K_SYS_RED_SUM, x, rows, n, stat);
        tn_k_sys_map(b, TN_ELTWISE_SCALE, word, none, none, share, -0.0f, 1, rows, stat, TN_F32);
        tn_k_sys_map(b, TN_ELTWISE_SUB, x, each, none, 0, 0, rows, n, d, TN_F32);
        x = dd;
    }
    tn_k_sys_reduce(b, TN_K_SYS_RED_SUMSQ, x, rows, n, stat);
    tn_k_sys_map(b, TN_ELTWISE_SCALE, word, none, none, share, p->epsilon, 1, rows, stat, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_RSQRT, word, none, none, 0, 0, 1, rows, stat, TN_F32);
    bool gamma = affine[0].type != 0, beta = affine[1].type != 0;
    tn_k_sys_map(b, TN_ELTWISE_MUL, x, each, none, 0, 0, rows, n, gamma || beta ? d : out,
                 gamma || beta ? TN_F32 : p->to);
    if (gamma && beta)
        tn_k_sys_map(b, TN_ELTWISE_FMA, dd, affine[0], affine[1], 0, 0, rows, n, out, p->to);
    else if (gamma || beta)
        tn_k_sys_map(b, gamma ? TN_ELTWISE_MUL : TN_ELTWISE_ADD, dd, affine[gamma ? 0 : 1], none, 0,
                     0, rows, n, out, p->to);
    tn_k_sys_store(b, operand[1] + (uint64_t)(to * tn_k_elem_bytes(p->to)), p->to, out_row, col[1],
                   rows, n, out);
}

/* The rows of a grid as runs along its last dim: fn of the first offsets, their steps, their count.
 */
typedef struct run {
    int64_t from, to, in_row, out_row, rows;
} run;

static uint32_t next_run(const tn_k_grid *g, int64_t most, int64_t *index, run *r)
{
    int64_t count = tn_k_grid_count(g);
    if (*index >= count)
        return 0;
    int64_t dim = g->rank != 0 ? g->dim[g->rank - 1] : 1, left = dim - *index % dim;
    *r = (run){.from = tn_k_grid_offset(g, 0, *index),
               .to = tn_k_grid_offset(g, 1, *index),
               .in_row = g->rank != 0 ? g->stride[0][g->rank - 1] : 1,
               .out_row = g->rank != 0 ? g->stride[1][g->rank - 1] : 1,
               .rows = left < most ? left : most};
    *index += r->rows;
    return 1;
}

static void norm_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                       tn_k_sys_stream *out)
{
    const tn_k_norm_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most = 0, index = 0;
    run r;
    if (!norm_rows(p, caps, &most))
        return;
    while (!out->failed && next_run(&p->rows, most, &index, &r))
        norm_block(&b, p, operand, r.from, r.to, r.in_row, r.out_row, r.rows);
}

/* ---- softmax ---- */

static bool softmax_rows(const tn_k_softmax_params *p, const tn_k_sys_caps *caps, int64_t *out)
{
    *out = rows_of(caps, p->count, 3, 0);
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
                          const run *r)
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
    run r;
    if (!softmax_rows(p, caps, &most))
        return;
    while (!out->failed && next_run(&p->rows, most, &index, &r))
        softmax_block(&b, p, operand, &r);
}

/* ---- reduce ---- */

static bool reduce_rows(const tn_k_reduce_params *p, const tn_k_sys_caps *caps, int64_t *out)
{
    *out = rows_of(caps, p->count, 2, 0);
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
                         const run *r)
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
    run r;
    if (!reduce_rows(p, caps, &most))
        return;
    while (!out->failed && next_run(&p->kept, most, &index, &r))
        reduce_block(&b, p, operand, &r);
}

const tn_k_sys_row tn_k_norm_systolic = {
    .name = "norm_systolic",
    .kind = TN_OP_NORM,
    .accepts = norm_accepts,
    .lower = norm_lower,
};
const tn_k_sys_row tn_k_softmax_systolic = {
    .name = "softmax_systolic",
    .kind = TN_OP_SOFTMAX,
    .accepts = softmax_accepts,
    .lower = softmax_lower,
    .arithmetic = tn_k_softmax_arithmetic,
};
const tn_k_sys_row tn_k_reduce_systolic = {
    .name = "reduce_systolic",
    .kind = TN_OP_REDUCE,
    .accepts = reduce_accepts,
    .lower = reduce_lower,
};
