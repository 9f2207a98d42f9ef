/* SPDX-License-Identifier: Apache-2.0 */
/* Group norm as packets: a group as one row for its statistics, and once more as a row a channel,
 * so that factors and summands are one word a row. */
#include <kernels/norm/norm.h>
#include <kernels/systolic/systolic_runs.h>

static const tn_k_sys_source none;

/* Strides of a group's channels and of the elements of one; false where space is no one stride. */
static bool strides(const tn_k_norm_params *p, uint32_t operand, int64_t *channel, int64_t *element)
{
    const tn_k_grid *g = &p->inner;
    *element = g->rank != 0 ? g->stride[operand][g->rank - 1] : 1;
    *channel = g->rank == 2 ? g->stride[operand][0] : p->space * *element;
    return g->rank <= 1 || (g->rank == 2 && g->dim[0] == p->channels);
}

static bool fits(const tn_k_norm_params *p, const tn_k_sys_caps *caps)
{
    int64_t channel, element;
    bool good = tn_k_sys_grid_fits(&p->rows, 0, 4) && tn_k_sys_grid_fits(&p->rows, 1, 4);
    for (uint32_t i = 0; i < 2; i++)
        good = good && tn_k_sys_grid_fits(&p->inner, i, 4) && strides(p, i, &channel, &element) &&
               tn_k_sys_stride_fits(p->affine_stride[i], 4);
    uint64_t row = tn_k_sys_rows_of(caps, 0, (uint64_t)p->count * 4);
    uint64_t tile = (uint64_t)p->channels * tn_k_sys_rows_of(caps, 0, (uint64_t)p->space * 4);
    uint64_t each =
        2 * row + 3 * tile + 2 * tn_k_sys_rows_of(caps, 0, (uint64_t)p->channels * 4) + 1;
    return good && p->count <= TN_K_SYS_ROW_MOST && tn_k_sys_fit(caps, each, 0) > 0;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_norm_params *p = params;
    if (p->kind != TN_NORM_GROUP)
        return tn_k_refuse(why, "systolic.kind", "attr.kind", "this row is for group norm");
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    return (p->count > 0 && fits(p, caps)) || tn_k_sys_no_room(why);
}

/* All elements of a group on one row, channel after channel. */
static tn_k_sys_source load_row(tn_k_sys_block *b, const tn_k_norm_params *p, uint64_t address,
                                int64_t channel, int64_t element)
{
    uint32_t bytes = tn_k_elem_bytes(p->from);
    bool one = channel == p->space * element;
    int64_t pieces = one ? 1 : p->channels, width = one ? p->count : p->space;
    uint32_t at = tn_k_sys_room(b, 1, (uint64_t)p->count * bytes);
    for (int64_t c = 0; c < pieces; c++) {
        tn_k_sys_packet x =
            tn_k_sys_transfer(TN_K_SYS_LD, address + (uint64_t)(c * channel * (int64_t)bytes),
                              bytes, 0, element, 1, width, at);
        x.c = (uint32_t)(c * width) * bytes;
        tn_k_sys_load_packet(b, x);
    }
    return tn_k_sys_full(at, p->from);
}

static void group(tn_k_sys_block *b, const tn_k_norm_params *p, const uint64_t *operand, int64_t r)
{
    int64_t n = p->count, high = p->channels, wide = p->space, channel[2], element[2];
    uint64_t from = operand[0], to = operand[1];
    float share = 1.0f / (float)n;
    tn_k_sys_source row, tile, affine[2] = {none, none};
    for (uint32_t i = 0; i < 2; i++)
        (void)strides(p, i, &channel[i], &element[i]);
    from += (uint64_t)(tn_k_grid_offset(&p->rows, 0, r) * tn_k_elem_bytes(p->from));
    to += (uint64_t)(tn_k_grid_offset(&p->rows, 1, r) * tn_k_elem_bytes(p->to));
    tn_k_sys_begin(b);
    row = load_row(b, p, from, channel[0], element[0]);
    tile = tn_k_sys_load_full(b, from, p->from, channel[0], element[0], high, wide);
    for (uint32_t i = 0; i < 2; i++) {
        int32_t which = i == 0 ? p->gamma_at : p->beta_at;
        if (which < 0)
            continue;
        int64_t first = r % p->groups * high * p->affine_stride[i];
        uint64_t at = operand[which] + (uint64_t)(first * tn_k_elem_bytes(p->affine[i]));
        affine[i] = tn_k_sys_load_full(b, at, p->affine[i], 0, p->affine_stride[i], 1, high);
        affine[i].mode = TN_K_SYS_PER_ROW;
    }
    uint32_t all = tn_k_sys_room(b, 1, (uint64_t)n * 4), stat = tn_k_sys_room(b, 1, 8);
    uint32_t d = tn_k_sys_room(b, (uint64_t)high, (uint64_t)wide * 4);
    uint32_t out = tn_k_sys_room(b, (uint64_t)high, (uint64_t)wide * tn_k_elem_bytes(p->to));
    tn_k_sys_source word = tn_k_sys_full(stat, TN_F32), each = {stat, TN_K_SYS_ONE, TN_F32};
    tn_k_sys_source dd = tn_k_sys_full(d, TN_F32), rest = tn_k_sys_full(all, TN_F32);
    tn_k_sys_ready(b);
    tn_k_sys_reduce(b, TN_K_SYS_RED_SUM, row, 1, n, stat);
    tn_k_sys_map(b, TN_ELTWISE_SCALE, word, none, none, share, -0.0f, 1, 1, stat, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_SUB, row, each, none, 0, 0, 1, n, all, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_SUB, tile, each, none, 0, 0, high, wide, d, TN_F32);
    tn_k_sys_reduce(b, TN_K_SYS_RED_SUMSQ, rest, 1, n, stat);
    tn_k_sys_map(b, TN_ELTWISE_SCALE, word, none, none, share, p->epsilon, 1, 1, stat, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_RSQRT, word, none, none, 0, 0, 1, 1, stat, TN_F32);
    bool gamma = affine[0].type != 0, beta = affine[1].type != 0, more = gamma || beta;
    tn_k_sys_map(b, TN_ELTWISE_MUL, dd, each, none, 0, 0, high, wide, more ? d : out,
                 more ? TN_F32 : p->to);
    if (gamma && beta)
        tn_k_sys_map(b, TN_ELTWISE_FMA, dd, affine[0], affine[1], 0, 0, high, wide, out, p->to);
    else if (more)
        tn_k_sys_map(b, gamma ? TN_ELTWISE_MUL : TN_ELTWISE_ADD, dd, affine[gamma ? 0 : 1], none, 0,
                     0, high, wide, out, p->to);
    tn_k_sys_store(b, to, p->to, channel[1], element[1], high, wide, out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_norm_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t rows = tn_k_grid_count(&p->rows);
    for (int64_t r = 0; r < rows && !out->failed; r++)
        group(&b, p, operand, r);
}

extern const tn_k_sys_row tn_k_norm_group_systolic;
const tn_k_sys_row tn_k_norm_group_systolic = {
    .name = "norm_group_systolic",
    .kind = TN_OP_NORM,
    .accepts = accepts,
    .lower = lower,
};
