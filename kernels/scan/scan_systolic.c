/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums as packets for the vector unit: a position is a row of the scratchpad, the rows that
 * are summed lie side by side in it, and the sums so far are two rows of their own. */
#include <kernels/common/canon.h>
#include <kernels/scan/scan.h>
#include <kernels/systolic/systolic_rows.h>

static const tn_k_sys_source none;

typedef struct shape {
    tn_k_sys_caps caps;   /* what is left beside the sums */
    int64_t cols, rows;   /* of a block */
    uint32_t sum, before; /* of the segment, of those before it */
} shape;

static bool layout(const tn_k_scan_params *p, const tn_k_sys_caps *caps, shape *s)
{
    int64_t wide = tn_k_grid_inner(&p->rows);
    uint32_t fb = tn_k_elem_bytes(p->from), tb = tn_k_elem_bytes(p->to);
    *s = (shape){.caps = *caps};
    for (s->cols = wide < TN_K_SYS_COLUMNS ? wide : TN_K_SYS_COLUMNS; s->cols > 0; s->cols /= 2) {
        uint32_t state = tn_k_sys_rows_of(caps, 0, (uint64_t)s->cols * 4);
        if (2 * state >= caps->spad_rows)
            continue;
        s->caps.spad_rows = caps->spad_rows - 2 * state;
        s->sum = s->caps.spad_rows;
        s->before = s->sum + state;
        s->rows = tn_k_sys_fit(&s->caps,
                               (uint64_t)tn_k_sys_rows_of(caps, 0, (uint64_t)s->cols * fb) +
                                   tn_k_sys_rows_of(caps, 0, (uint64_t)s->cols * tb),
                               0);
        if (s->rows > 0)
            return true;
    }
    return false;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_scan_params *p = params;
    shape s;
    if (!tn_k_scan_float(p->from))
        return tn_k_refuse(why, "systolic.dtype", "a", "the vector unit sums floats");
    if (!tn_k_sys_vector_class(caps, false, cls, why))
        return false;
    bool good = tn_k_sys_grid_fits(&p->rows, 0, 4) && tn_k_sys_grid_fits(&p->rows, 1, 4) &&
                tn_k_sys_stride_fits(p->step[0], 4) && tn_k_sys_stride_fits(p->step[1], 4);
    return (good && layout(p, caps, &s)) || tn_k_grid_count(&p->rows) == 0 || tn_k_sys_no_room(why);
}

static void clear(tn_k_sys_block *b, uint32_t at, int64_t cols)
{
    tn_k_sys_put(b->out,
                 (tn_k_sys_packet){.op = TN_K_SYS_IOT, .c = at, .n0 = 1, .n1 = (uint32_t)cols});
}

/* Positions [first, first + rows) of `cols` rows. */
static void block(tn_k_sys_block *b, const tn_k_scan_params *p, const shape *s,
                  const uint64_t *operand, const int64_t at[2], int64_t first, int64_t rows,
                  int64_t cols)
{
    int64_t along[2] = {tn_k_grid_inner_stride(&p->rows, 0), tn_k_grid_inner_stride(&p->rows, 1)};
    uint32_t fb = tn_k_elem_bytes(p->from), tb = tn_k_elem_bytes(p->to);
    uint32_t in_pitch = tn_k_sys_rows_of(b->caps, 0, (uint64_t)cols * fb);
    uint32_t out_pitch = tn_k_sys_rows_of(b->caps, 0, (uint64_t)cols * tb);
    tn_k_sys_source sum = tn_k_sys_full(s->sum, TN_F32), before = tn_k_sys_full(s->before, TN_F32);
    tn_k_sys_begin(b);
    int64_t from = at[0] + p->first[0] + first * p->step[0];
    int64_t to = at[1] + p->first[1] + first * p->step[1];
    tn_k_sys_source in = tn_k_sys_load_full(b, operand[0] + (uint64_t)(from * (int64_t)fb), p->from,
                                            p->step[0], along[0], rows, cols);
    uint32_t out = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)cols * tb);
    tn_k_sys_ready(b);
    for (int64_t i = 0; i < rows; i++) {
        tn_k_sys_source x = tn_k_sys_full(in.at + (uint32_t)i * in_pitch, p->from);
        uint32_t y = out + (uint32_t)i * out_pitch;
        if (first + i == 0) {
            clear(b, s->before, cols);
            clear(b, s->sum, cols);
        } else if ((first + i) % TN_C_SEGMENT == 0) {
            tn_k_sys_map(b, TN_ELTWISE_ADD, before, sum, none, 0, 0, 1, cols, s->before, TN_F32);
            clear(b, s->sum, cols);
        }
        if (p->exclusive)
            tn_k_sys_map(b, TN_ELTWISE_ADD, sum, before, none, 0, 0, 1, cols, y, p->to);
        tn_k_sys_map(b, TN_ELTWISE_ADD, sum, x, none, 0, 0, 1, cols, s->sum, TN_F32);
        if (!p->exclusive)
            tn_k_sys_map(b, TN_ELTWISE_ADD, sum, before, none, 0, 0, 1, cols, y, p->to);
    }
    tn_k_sys_store(b, operand[1] + (uint64_t)(to * (int64_t)tb), p->to, p->step[1], along[1], rows,
                   cols, out);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_scan_params *p = params;
    shape s;
    int64_t wide = tn_k_grid_inner(&p->rows), count = tn_k_grid_count(&p->rows);
    if (count == 0 || !layout(p, caps, &s))
        return;
    tn_k_sys_block b = tn_k_sys_blocks(&s.caps, out);
    for (int64_t r = 0; r < count && !out->failed; r += wide)
        for (int64_t c = 0; c < wide; c += s.cols) {
            const int64_t at[2] = {tn_k_grid_offset(&p->rows, 0, r + c),
                                   tn_k_grid_offset(&p->rows, 1, r + c)};
            for (int64_t i = 0; i < p->extent; i += s.rows)
                block(&b, p, &s, operand, at, i, p->extent - i < s.rows ? p->extent - i : s.rows,
                      wide - c < s.cols ? wide - c : s.cols);
        }
}

extern const tn_k_sys_row tn_k_scan_systolic;
const tn_k_sys_row tn_k_scan_systolic = {
    .name = "scan_systolic",
    .kind = TN_OP_SCAN,
    .accepts = accepts,
    .lower = lower,
};
