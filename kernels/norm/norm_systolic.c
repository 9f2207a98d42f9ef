/* SPDX-License-Identifier: Apache-2.0 */
/* Layer and RMS norm as packets: rows in a block, statistics as one word a row. */
#include <kernels/norm/norm.h>
#include <kernels/systolic/systolic_runs.h>

static const tn_k_sys_source none;

static bool norm_rows(const tn_k_norm_params *p, const tn_k_sys_caps *caps, int64_t *out)
{
    bool good = p->inner.rank <= 1 && tn_k_sys_grid_fits(&p->rows, 0, 4) &&
                tn_k_sys_grid_fits(&p->rows, 1, 4);
    for (uint32_t i = 0; i < 4; i++)
        good = good && tn_k_sys_grid_fits(&p->inner, i, 4);
    *out = tn_k_sys_run_fit(caps, p->count, 3, 2);
    return good && *out > 0;
}

static bool norm_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_norm_params *p = params;
    int64_t rows;
    if (p->kind != TN_NORM_LAYER && p->kind != TN_NORM_RMS)
        return tn_k_refuse(why, "systolic.kind", "attr.kind", "this row is for layer and rms norm");
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

static void norm_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                       tn_k_sys_stream *out)
{
    const tn_k_norm_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most = 0, index = 0;
    tn_k_sys_run r;
    if (!norm_rows(p, caps, &most))
        return;
    while (!out->failed && tn_k_sys_next_run(&p->rows, most, &index, &r))
        norm_block(&b, p, operand, r.from, r.to, r.in_row, r.out_row, r.rows);
}

extern const tn_k_sys_row tn_k_norm_systolic;
const tn_k_sys_row tn_k_norm_systolic = {
    .name = "norm_systolic",
    .kind = TN_OP_NORM,
    .accepts = norm_accepts,
    .lower = norm_lower,
};
