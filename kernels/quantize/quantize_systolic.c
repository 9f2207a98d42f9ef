/* SPDX-License-Identifier: Apache-2.0 */
/* Quantising as packets for the vector unit, which rounds to nearest even and saturates as it
 * narrows, and makes 0 of a NaN. */
#include <kernels/common/widen.h>
#include <kernels/quantize/quantize.h>
#include <kernels/systolic/systolic_job.h>

static const tn_k_sys_source none;

/* x / scale or x * scale; with a zero point: rounded, a NaN made 0, then the sum. */
static void steps(tn_k_sys_block *b, const tn_k_sys_job *j, const tn_k_sys_source in[3],
                  uint32_t room, uint32_t tile, int64_t rows, int64_t cols, uint32_t out)
{
    const tn_k_quantize_params *p = j->params;
    uint32_t kind = p->divide ? TN_ELTWISE_DIV : TN_ELTWISE_MUL;
    if (!p->zero) {
        tn_k_sys_map(b, kind, in[0], in[1], none, 0, 0, rows, cols, out, p->to);
        return;
    }
    tn_k_sys_source x = tn_k_sys_full(room, TN_F32), number = tn_k_sys_full(room + tile, TN_BOOL);
    tn_k_sys_source nothing = tn_k_sys_full(room + 2 * tile, TN_BOOL);
    tn_k_sys_map(b, kind, in[0], in[1], none, 0, 0, rows, cols, x.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_EQUAL, x, x, none, 0, 0, rows, cols, number.at, TN_BOOL);
    tn_k_sys_map(b, TN_ELTWISE_LESS, x, x, none, 0, 0, rows, cols, nothing.at, TN_BOOL);
    tn_k_sys_map(b, TN_ELTWISE_WHERE, number, x, nothing, 0, 0, rows, cols, x.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_RINT, x, none, none, 0, 0, rows, cols, x.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_ADD, x, in[2], none, 0, 0, rows, cols, out, p->to);
}

static tn_k_sys_job job_of(const tn_k_quantize_params *p, tn_k_grid *grid)
{
    tn_k_sys_job j = {.inputs = p->zero ? 3 : 2,
                      .from = {p->from, TN_F32, p->to},
                      .to = p->to,
                      .grid = grid,
                      .steps = steps,
                      .tiles = p->zero ? 3 : 0,
                      .params = p};
    *grid = p->grid;
    memcpy(grid->stride[j.inputs], p->grid.stride[3], sizeof grid->stride[0]);
    return j;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_quantize_params *p = params;
    tn_k_grid grid;
    int64_t rows, width;
    bool whole = p->to == TN_S8 || p->to == TN_U8;
    if (p->layout != TN_LAYOUT_STRIDED || (!whole && (!tn_k_widens(p->to) || p->saturate)) ||
        (p->from != TN_S32 && !tn_k_widens(p->from)))
        return tn_k_refuse(why, "systolic.dtype", "out",
                           "the vector unit narrows to s8, u8 and, without saturating, f8");
    if (!tn_k_sys_vector_class(caps, false, cls, why))
        return false;
    tn_k_sys_job j = job_of(p, &grid);
    return tn_k_sys_job_fits(&j, caps, &rows, &width) || tn_k_sys_no_room(why);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_quantize_params *p = params;
    tn_k_grid grid;
    tn_k_sys_job j = job_of(p, &grid);
    const uint64_t at[4] = {operand[0], operand[1], p->zero ? operand[3] : operand[2], operand[2]};
    tn_k_sys_job_emit(&j, caps, at, out);
}

extern const tn_k_sys_row tn_k_quantize_systolic;
const tn_k_sys_row tn_k_quantize_systolic = {
    .name = "quantize_systolic",
    .kind = TN_OP_QUANTIZE,
    .accepts = accepts,
    .lower = lower,
};
