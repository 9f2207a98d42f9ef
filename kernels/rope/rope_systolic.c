/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary embedding as packets for the vector unit: the two halves of the pairs are tiles of their
 * own, angles a product of one word a row and one a column. */
#include <kernels/common/widen.h>
#include <kernels/rope/rope.h>
#include <kernels/systolic/systolic_rows.h>

static const tn_k_sys_source none;
enum { A, INDEX, FREQ, OUT };

static int64_t fit(const tn_k_rope_params *p, const tn_k_sys_caps *caps)
{
    uint64_t half = (uint64_t)p->half, rest = (uint64_t)(p->d - 2 * p->half);
    uint64_t each = 2 * (uint64_t)tn_k_sys_rows_of(caps, 0, half * tn_k_elem_bytes(p->from)) +
                    2 * (uint64_t)tn_k_sys_rows_of(caps, 0, half * tn_k_elem_bytes(p->to)) +
                    3 * (uint64_t)tn_k_sys_rows_of(caps, 0, half * 4) + 1 +
                    tn_k_sys_rows_of(caps, 0, rest * tn_k_elem_bytes(p->from)) +
                    tn_k_sys_rows_of(caps, 0, rest * tn_k_elem_bytes(p->to));
    return tn_k_sys_fit(caps, each, tn_k_sys_rows_of(caps, 0, half * 4) + 1u);
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_rope_params *p = params;
    if (!tn_k_widens(p->from) || !tn_k_widens(p->to))
        return tn_k_refuse(why, "systolic.dtype", "a", "the vector unit computes floats");
    if ((caps->flags & TN_K_SYS_MATH) == 0)
        return tn_k_refuse(why, "systolic.function", "attr",
                           "the vector unit has no sine and no cosine");
    if (!tn_k_sys_vector_class(caps, true, cls, why))
        return false;
    bool good = p->half > 0 && tn_k_sys_stride_fits(2 * p->a_stride, 4) &&
                tn_k_sys_stride_fits(2 * p->out_stride, 4) &&
                tn_k_sys_stride_fits(p->freq_stride, 4);
    for (uint32_t i = 0; i < 3; i++)
        good = good && tn_k_sys_grid_fits(&p->rows, i, 4);
    return (good && fit(p, caps) > 0) || tn_k_sys_no_room(why);
}

/* Elements of the pairs from `first` on, or what is behind them, to `at`. */
static void store(tn_k_sys_block *b, const tn_k_rope_params *p, uint64_t address, int64_t row,
                  int64_t first, int64_t step, int64_t rows, int64_t cols, uint32_t at, bool last)
{
    uint32_t bytes = tn_k_elem_bytes(p->to);
    tn_k_sys_packet x =
        tn_k_sys_transfer(TN_K_SYS_ST, address + (uint64_t)(first * p->out_stride * (int64_t)bytes),
                          bytes, row, step * p->out_stride, rows, cols, at);
    x.wait_sem = TN_K_SYS_OUT_FULL;
    x.wait_val = first == 0;
    x.sig_sem = TN_K_SYS_STORED;
    x.sig_val = last;
    tn_k_sys_put(b->out, x);
}

/* Rows that are stride[0..2] elements apart in A, INDEX and OUT. */
static void block(tn_k_sys_block *b, const tn_k_rope_params *p, const uint64_t operand[4],
                  const int64_t stride[3], int64_t rows)
{
    int64_t n = p->half, step = p->interleaved ? 2 : 1, rest = p->d - 2 * n;
    int64_t second = p->interleaved ? 1 : n, in = p->a_stride;
    int64_t bytes = tn_k_elem_bytes(p->from);
    tn_k_sys_begin(b);
    tn_k_sys_source x0 = tn_k_sys_load_full(b, operand[A], p->from, stride[0], step * in, rows, n);
    tn_k_sys_source x1 = tn_k_sys_load_full(b, operand[A] + (uint64_t)(second * in * bytes),
                                            p->from, stride[0], step * in, rows, n);
    tn_k_sys_source x2 = none;
    if (rest > 0)
        x2 = tn_k_sys_load_full(b, operand[A] + (uint64_t)(2 * n * in * bytes), p->from, stride[0],
                                in, rows, rest);
    tn_k_sys_source position = tn_k_sys_load_full(b, operand[INDEX], TN_S32, 0, stride[1], 1, rows);
    position.mode = TN_K_SYS_PER_ROW;
    tn_k_sys_source freq = tn_k_sys_load_full(b, operand[FREQ], TN_F32, 0, p->freq_stride, 1, n);
    freq.mode = TN_K_SYS_PER_COLUMN;
    uint32_t tile[3];
    for (int i = 0; i < 3; i++)
        tile[i] = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)n * 4);
    uint64_t width = (uint64_t)n * tn_k_elem_bytes(p->to);
    uint32_t y0 = tn_k_sys_room(b, (uint64_t)rows, width);
    uint32_t y1 = tn_k_sys_room(b, (uint64_t)rows, width), y2 = 0;
    if (rest > 0)
        y2 = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)rest * tn_k_elem_bytes(p->to));
    tn_k_sys_source s = tn_k_sys_full(tile[0], TN_F32), c = tn_k_sys_full(tile[1], TN_F32);
    tn_k_sys_source t = tn_k_sys_full(tile[2], TN_F32);
    tn_k_sys_ready(b);
    /* the product's first operand covers the tile, so the angles begin as the frequencies */
    tn_k_sys_map(b, 0, freq, none, none, 0, 0, rows, n, t.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_MUL, t, position, none, 0, 0, rows, n, t.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_SIN, t, none, none, 0, 0, rows, n, s.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_COS, t, none, none, 0, 0, rows, n, c.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_MUL, x1, s, none, 0, 0, rows, n, t.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_NEG, t, none, none, 0, 0, rows, n, t.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_FMA, x0, c, t, 0, 0, rows, n, y0, p->to);
    tn_k_sys_map(b, TN_ELTWISE_MUL, x1, c, none, 0, 0, rows, n, t.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_FMA, x0, s, t, 0, 0, rows, n, y1, p->to);
    if (rest > 0)
        tn_k_sys_map(b, 0, x2, none, none, 0, 0, rows, rest, y2, p->to);
    tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, 0, 0, TN_K_SYS_OUT_FULL, 1);
    store(b, p, operand[OUT], stride[2], 0, step, rows, n, y0, false);
    store(b, p, operand[OUT], stride[2], second, step, rows, n, y1, rest == 0);
    if (rest > 0)
        store(b, p, operand[OUT], stride[2], 2 * n, 1, rows, rest, y2, true);
    tn_k_sys_stored(b);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_rope_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most = fit(p, caps), count = tn_k_grid_count(&p->rows), dim = tn_k_grid_inner(&p->rows);
    const int64_t bytes[3] = {tn_k_elem_bytes(p->from), 4, tn_k_elem_bytes(p->to)};
    int64_t stride[3], rows;
    for (uint32_t i = 0; i < 3; i++)
        stride[i] = tn_k_grid_inner_stride(&p->rows, i);
    for (int64_t r = 0; r < count && most > 0 && !out->failed; r += rows) {
        uint64_t at[3];
        rows = dim - r % dim < most ? dim - r % dim : most;
        for (uint32_t i = 0; i < 3; i++)
            at[i] = (uint64_t)(tn_k_grid_offset(&p->rows, i, r) * bytes[i]);
        const uint64_t here[4] = {operand[A] + at[0], operand[INDEX] + at[1], operand[FREQ],
                                  operand[OUT] + at[2]};
        block(&b, p, here, stride, rows);
    }
}

extern const tn_k_sys_row tn_k_rope_systolic;
const tn_k_sys_row tn_k_rope_systolic = {
    .name = "rope_systolic",
    .kind = TN_OP_ROPE,
    .accepts = accepts,
    .lower = lower,
    .arithmetic = tn_k_rope_arithmetic,
};
