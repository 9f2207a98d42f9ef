/* SPDX-License-Identifier: Apache-2.0 */
/* Gather of contiguous slices as packets: indices first, then rows by index. */
#include <kernels/gather/gather.h>
#include <kernels/systolic/systolic_rows.h>

enum { INDEX_FULL = TN_K_SYS_STORED + 1 };

/* Slices that lie in one piece, picked by one run of indices. */
static bool plain(const tn_k_gather_params *p, int64_t *out_bytes)
{
    tn_k_grid slice = p->slice;
    for (uint32_t d = 0; d < slice.rank; d++)
        slice.stride[1][d] = slice.stride[0][d]; /* the index does not go along */
    tn_k_grid_collapse(&slice, 3);
    bool dense =
        slice.rank == 0 || (slice.rank == 1 && slice.stride[0][0] == 1 && slice.stride[2][0] == 1);
    *out_bytes = tn_k_grid_count(&slice) * p->elem_bytes;
    return dense && p->outer.rank <= 1 && (p->outer.rank == 0 || p->outer.stride[0][0] == 0);
}

static int64_t rows_of(const tn_k_gather_params *p, const tn_k_sys_caps *caps)
{
    int64_t bytes;
    bool good = plain(p, &bytes) && bytes < INT32_MAX / 4 && p->extent < INT32_MAX &&
                tn_k_sys_stride_fits(p->axis_stride, p->elem_bytes) &&
                tn_k_sys_grid_fits(&p->outer, 1, p->index_bytes) &&
                tn_k_sys_grid_fits(&p->outer, 2, p->elem_bytes);
    return good ? tn_k_sys_fit(caps, (uint64_t)tn_k_sys_rows_of(caps, 0, (uint64_t)bytes) + 1, 0)
                : 0;
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    (void)cls; /* EXACT serves all */
    return rows_of(params, caps) > 0 || tn_k_sys_no_room(why);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_gather_params *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    int64_t most = rows_of(p, caps), bytes = 0, count = tn_k_grid_count(&p->outer);
    int64_t step = p->outer.rank != 0 ? p->outer.stride[1][0] : 1;
    int64_t to = p->outer.rank != 0 ? p->outer.stride[2][0] : 1;
    (void)plain(p, &bytes);
    for (int64_t r = 0; r < count && bytes != 0 && most > 0 && !out->failed; r += most) {
        int64_t rows = count - r < most ? count - r : most;
        tn_k_sys_begin(&b);
        uint32_t index = tn_k_sys_room(&b, 1, (uint64_t)rows * p->index_bytes);
        tn_k_sys_packet x =
            tn_k_sys_transfer(TN_K_SYS_LD, operand[1] + (uint64_t)(r * step * p->index_bytes),
                              p->index_bytes, 0, step, 1, rows, index);
        x.wait_sem = TN_K_SYS_IN_FREE;
        x.wait_val = b.used >= 2;
        x.sig_sem = INDEX_FULL;
        x.sig_val = 1;
        tn_k_sys_put(out, x);
        uint32_t at = tn_k_sys_room(&b, (uint64_t)rows, (uint64_t)bytes);
        /* The engine that loads the indices waits for them like any other would. */
        tn_k_sys_nop(out, TN_K_SYS_DMA_IN, INDEX_FULL, 1, 0, 0);
        if (b.used >= 2)
            tn_k_sys_nop(out, TN_K_SYS_DMA_IN, TN_K_SYS_OUT_FREE, 1, 0, 0);
        tn_k_sys_put(out, (tn_k_sys_packet){.op = TN_K_SYS_GTH,
                                            .a = at,
                                            .b = index,
                                            .iova = operand[0],
                                            .n0 = (uint32_t)rows,
                                            .n1 = (uint32_t)bytes,
                                            .n2 = (uint32_t)p->extent,
                                            .s0 = (int32_t)(p->axis_stride * p->elem_bytes),
                                            .p0 = p->index_bytes,
                                            .sig_sem = TN_K_SYS_IN_FULL,
                                            .sig_val = 1});
        tn_k_sys_nop(out, TN_K_SYS_VECTOR, TN_K_SYS_IN_FULL, 1, 0, 0);
        /* as bytes: rows of any type */
        tn_k_sys_store(&b, operand[2] + (uint64_t)(r * to * p->elem_bytes), TN_U8,
                       to * p->elem_bytes, 1, rows, bytes, at);
    }
}

const tn_k_sys_row tn_k_gather_systolic = {
    .name = "gather_systolic",
    .kind = TN_OP_GATHER,
    .accepts = accepts,
    .lower = lower,
};
