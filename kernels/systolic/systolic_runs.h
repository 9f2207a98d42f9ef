/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are worked on whole, as runs of them: what norms, softmax and reductions share. */
#ifndef TN_KERNELS_SYSTOLIC_RUNS_H
#define TN_KERNELS_SYSTOLIC_RUNS_H

#include <kernels/systolic/systolic_rows.h>

enum { TN_K_SYS_ROW_MOST = 1 << 18 }; /* what the unit reduces at a time */

/* Rows of a block when each holds `tiles` tiles of f32 and a few words; 0: none fits. */
static inline int64_t tn_k_sys_run_fit(const tn_k_sys_caps *caps, int64_t count, uint32_t tiles,
                                       uint32_t fixed)
{
    uint64_t each = (uint64_t)tiles * tn_k_sys_rows_of(caps, 0, (uint64_t)count * 4) + 3;
    return count > TN_K_SYS_ROW_MOST
               ? 0
               : tn_k_sys_fit(caps, each,
                              (uint64_t)fixed * tn_k_sys_rows_of(caps, 0, (uint64_t)count * 4));
}

/* The rows of a grid as runs along its last dim: fn of the first offsets, their steps, their count.
 */
typedef struct tn_k_sys_run {
    int64_t from, to, in_row, out_row, rows;
} tn_k_sys_run;

static inline bool tn_k_sys_next_run(const tn_k_grid *g, int64_t most, int64_t *index,
                                     tn_k_sys_run *r)
{
    int64_t count = tn_k_grid_count(g);
    if (*index >= count)
        return false;
    int64_t dim = g->rank != 0 ? g->dim[g->rank - 1] : 1, left = dim - *index % dim;
    *r = (tn_k_sys_run){.from = tn_k_grid_offset(g, 0, *index),
                        .to = tn_k_grid_offset(g, 1, *index),
                        .in_row = g->rank != 0 ? g->stride[0][g->rank - 1] : 1,
                        .out_row = g->rank != 0 ? g->stride[1][g->rank - 1] : 1,
                        .rows = left < most ? left : most};
    *index += r->rows;
    return true;
}

#endif
