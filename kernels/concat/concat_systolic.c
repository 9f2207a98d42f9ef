/* SPDX-License-Identifier: Apache-2.0 */
/* Concatenation as packets: one copy an input, all in the same blocks. */
#include <kernels/concat/concat.h>
#include <kernels/systolic/systolic_job.h>

static uint32_t type_of(const tn_k_concat_params *p)
{
    return p->elem_bytes == 8   ? TN_S64
           : p->elem_bytes == 4 ? TN_F32
           : p->elem_bytes == 2 ? TN_BF16
                                : TN_U8;
}

/* Input i and the part of OUT that it becomes; *to is where that begins. */
static tn_k_sys_job job_of(const tn_k_concat_params *p, uint32_t i, tn_k_grid *grid, int64_t *to)
{
    *grid = (tn_k_grid){.rank = p->rank};
    *to = 0;
    for (uint32_t k = 0; k < i; k++)
        *to += p->in[k].extent * p->stride[p->axis];
    for (uint32_t d = 0; d < p->rank; d++) {
        grid->dim[d] = d == p->axis ? p->in[i].extent : p->dim[d];
        grid->stride[0][d] = p->in[i].stride[d];
        grid->stride[1][d] = p->stride[d];
    }
    tn_k_grid_collapse(grid, 2);
    return (tn_k_sys_job){.inputs = 1, .from = {type_of(p)}, .to = type_of(p), .grid = grid};
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_concat_params *p = params;
    bool good = true;
    (void)cls; /* EXACT serves all */
    for (uint32_t i = 0; i < p->inputs; i++) {
        tn_k_grid grid;
        int64_t to, rows, width;
        tn_k_sys_job j = job_of(p, i, &grid, &to);
        good = good && (tn_k_grid_count(&grid) == 0 || tn_k_sys_job_fits(&j, caps, &rows, &width));
    }
    return good || tn_k_sys_no_room(why);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_concat_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    for (uint32_t i = 0; i < p->inputs; i++) {
        tn_k_grid grid;
        int64_t to;
        tn_k_sys_job j = job_of(p, i, &grid, &to);
        const uint64_t at[2] = {operand[i],
                                operand[p->inputs] + (uint64_t)(to * (int64_t)p->elem_bytes)};
        tn_k_sys_job_go_on(&b, &j, at);
    }
}

extern const tn_k_sys_row tn_k_concat_systolic;
const tn_k_sys_row tn_k_concat_systolic = {
    .name = "concat_systolic",
    .kind = TN_OP_CONCAT,
    .accepts = accepts,
    .lower = lower,
};
