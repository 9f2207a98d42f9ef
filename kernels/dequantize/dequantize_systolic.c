/* SPDX-License-Identifier: Apache-2.0 */
/* Dequantising as packets for the vector unit. */
#include <kernels/common/widen.h>
#include <kernels/dequantize/dequantize.h>
#include <kernels/systolic/systolic_job.h>

static const tn_k_sys_source none;

/* a * scale, or fma(a, scale, -(zero * scale)) */
static void steps(tn_k_sys_block *b, const tn_k_sys_job *j, const tn_k_sys_source in[3],
                  uint32_t room, uint32_t tile, int64_t rows, int64_t cols, uint32_t out)
{
    const tn_k_dequantize_params *p = j->params;
    (void)tile;
    if (!p->zero) {
        tn_k_sys_map(b, TN_ELTWISE_MUL, in[0], in[1], none, 0, 0, rows, cols, out, p->to);
        return;
    }
    tn_k_sys_source less = tn_k_sys_full(room, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_MUL, in[2], in[1], none, 0, 0, rows, cols, less.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_NEG, less, none, none, 0, 0, rows, cols, less.at, TN_F32);
    tn_k_sys_map(b, TN_ELTWISE_FMA, in[0], in[1], less, 0, 0, rows, cols, out, p->to);
}

static tn_k_sys_job job_of(const tn_k_dequantize_params *p, tn_k_grid *grid)
{
    tn_k_sys_job j = {.inputs = p->zero ? 3 : 2,
                      .from = {p->from, TN_F32, p->from},
                      .to = p->to,
                      .grid = grid,
                      .steps = steps,
                      .tiles = p->zero,
                      .params = p};
    *grid = p->grid;
    memcpy(grid->stride[j.inputs], p->grid.stride[3], sizeof grid->stride[0]);
    return j;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_dequantize_params *p = params;
    tn_k_grid grid;
    int64_t rows, width;
    bool whole = p->from == TN_S8 || p->from == TN_U8 || p->from == TN_S32;
    if (p->layout != TN_LAYOUT_STRIDED || (!whole && !tn_k_widens(p->from)))
        return tn_k_refuse(why, "systolic.dtype", "a",
                           "the vector unit widens s8, u8, s32 and f8 with a scale beside them");
    if (!tn_k_sys_vector_class(caps, false, cls, why))
        return false;
    tn_k_sys_job j = job_of(p, &grid);
    return tn_k_sys_job_fits(&j, caps, &rows, &width) || tn_k_sys_no_room(why);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_dequantize_params *p = params;
    tn_k_grid grid;
    tn_k_sys_job j = job_of(p, &grid);
    const uint64_t at[4] = {operand[0], operand[1], p->zero ? operand[3] : operand[2], operand[2]};
    tn_k_sys_job_emit(&j, caps, at, out);
}

extern const tn_k_sys_row tn_k_dequantize_systolic;
const tn_k_sys_row tn_k_dequantize_systolic = {
    .name = "dequantize_systolic",
    .kind = TN_OP_DEQUANTIZE,
    .accepts = accepts,
    .lower = lower,
};
