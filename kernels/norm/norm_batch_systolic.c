/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm by given statistics as packets: channels are rows, factor and summand one word a row.
 */
#include <kernels/norm/norm.h>
#include <kernels/systolic/systolic_runs.h>

static const tn_k_sys_source none;

/* Channels of a block and elements of space of each. */
static bool shape(const tn_k_norm_params *p, const tn_k_sys_caps *caps, int64_t *out_rows,
                  int64_t *out_width)
{
    *out_rows = 0;
    for (*out_width = p->space < TN_K_SYS_COLUMNS ? p->space : TN_K_SYS_COLUMNS;
         *out_width > 0 && *out_rows == 0; *out_width /= 2) {
        *out_rows = tn_k_sys_fit(
            caps, 2u * (uint64_t)tn_k_sys_rows_of(caps, 0, (uint64_t)*out_width * 4) + 6, 6);
        if (*out_rows > 0)
            break;
    }
    *out_rows = *out_rows < p->channels ? *out_rows : p->channels;
    bool good = p->inner.rank <= 1 && *out_rows > 0;
    for (uint32_t i = 0; i < 2; i++)
        good = good && tn_k_sys_grid_fits(&p->inner, i, 4) &&
               tn_k_sys_stride_fits(p->channel_stride[i], 4) &&
               tn_k_sys_stride_fits(p->affine_stride[i], 4) &&
               tn_k_sys_stride_fits(p->stats_stride[i], 4);
    return good;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_norm_params *p = params;
    int64_t rows, width;
    if (p->kind != TN_NORM_BATCH_INFERENCE)
        return tn_k_refuse(why, "systolic.kind", "attr.kind", "this row is for batch norm");
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    return (p->space > 0 && p->channels > 0 && shape(p, caps, &rows, &width)) ||
           tn_k_sys_no_room(why);
}

static uint32_t load_words(tn_k_sys_block *b, uint64_t address, int64_t stride, int64_t count)
{
    uint32_t at = tn_k_sys_room(b, 1, (uint64_t)count * 4);
    tn_k_sys_load_packet(b, tn_k_sys_transfer(TN_K_SYS_LD, address, 4, 0, stride, 1, count, at));
    return at;
}

typedef struct piece {
    int64_t channel, rows, cols; /* channels; elements of space */
    int64_t at[2];               /* where they begin in A and OUT */
} piece;

static void block(tn_k_sys_block *b, const tn_k_norm_params *p, const uint64_t *operand,
                  const piece *x)
{
    int64_t col[2] = {1, 1};
    for (uint32_t i = 0; i < 2 && p->inner.rank == 1; i++)
        col[i] = p->inner.stride[i][0];
    tn_k_sys_begin(b);
    tn_k_sys_source in = tn_k_sys_load_full(b, operand[0] + (uint64_t)x->at[0] * 4, TN_F32,
                                            p->channel_stride[0], col[0], x->rows, x->cols);
    uint64_t stats = operand[p->stats_at] + (uint64_t)(x->channel * p->stats_stride[1] * 4);
    uint32_t mean = load_words(b, stats, p->stats_stride[1], x->rows), gamma = 0, beta = 0;
    uint32_t factor =
        load_words(b, stats + (uint64_t)(p->stats_stride[0] * 4), p->stats_stride[1], x->rows);
    if (p->gamma_at >= 0)
        gamma =
            load_words(b, operand[p->gamma_at] + (uint64_t)(x->channel * p->affine_stride[0] * 4),
                       p->affine_stride[0], x->rows);
    if (p->beta_at >= 0)
        beta = load_words(b, operand[p->beta_at] + (uint64_t)(x->channel * p->affine_stride[1] * 4),
                          p->affine_stride[1], x->rows);
    uint32_t out = tn_k_sys_room(b, (uint64_t)x->rows, (uint64_t)x->cols * 4);
    tn_k_sys_source f = tn_k_sys_full(factor, TN_F32), m = tn_k_sys_full(mean, TN_F32);
    tn_k_sys_ready(b);
    tn_k_sys_map(b, TN_ELTWISE_SCALE, f, none, none, 1.0f, p->epsilon, 1, x->rows, factor, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_RSQRT, f, none, none, 0, 0, 1, x->rows, factor, TN_F32);
    if (p->gamma_at >= 0)
        tn_k_sys_map(b, TN_ELTWISE_MUL, tn_k_sys_full(gamma, TN_F32), f, none, 0, 0, 1, x->rows,
                     factor, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_NEG, m, none, none, 0, 0, 1, x->rows, mean, TN_F32);
    if (p->beta_at >= 0) {
        tn_k_sys_map(b, TN_ELTWISE_FMA, m, f, tn_k_sys_full(beta, TN_F32), 0, 0, 1, x->rows, mean,
                     TN_F32);
    } else { /* fma(-mean, a, +0) */
        tn_k_sys_map(b, TN_ELTWISE_MUL, m, f, none, 0, 0, 1, x->rows, mean, TN_F32);
        tn_k_sys_map(b, TN_ELTWISE_SCALE, m, none, none, 1.0f, 0.0f, 1, x->rows, mean, TN_F32);
    }
    tn_k_sys_map(b, TN_ELTWISE_FMA, in, tn_k_sys_per_row(factor), tn_k_sys_per_row(mean), 0, 0,
                 x->rows, x->cols, out, TN_F32);
    tn_k_sys_store(b, operand[1] + (uint64_t)x->at[1] * 4, TN_F32, p->channel_stride[1], col[1],
                   x->rows, x->cols, out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_norm_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most, width, count = tn_k_grid_count(&p->rows);
    if (!shape(p, caps, &most, &width))
        return;
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < p->channels && !out->failed; c += most)
            for (int64_t s = 0; s < p->space; s += width) {
                piece x = {.channel = c};
                x.rows = p->channels - c < most ? p->channels - c : most;
                x.cols = p->space - s < width ? p->space - s : width;
                for (uint32_t i = 0; i < 2; i++)
                    x.at[i] = tn_k_grid_offset(&p->rows, i, r) + c * p->channel_stride[i] +
                              tn_k_grid_offset(&p->inner, i, s);
                block(&b, p, operand, &x);
            }
}

extern const tn_k_sys_row tn_k_norm_batch_systolic;
const tn_k_sys_row tn_k_norm_batch_systolic = {
    .name = "norm_batch_systolic",
    .kind = TN_OP_NORM,
    .accepts = accepts,
    .lower = lower,
};
