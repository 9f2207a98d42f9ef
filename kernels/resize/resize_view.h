/* SPDX-License-Identifier: Apache-2.0 */
/* A resize seen as images: all of it that changes is two neighbouring axes, rows and columns, of
 * pixels that are one element or a dense run. */
#ifndef TN_KERNELS_RESIZE_VIEW_H
#define TN_KERNELS_RESIZE_VIEW_H

#include <kernels/resize/resize.h>

typedef struct resize_view {
    uint32_t row, column; /* axes; row == rank: there are no rows, one image is one row */
    tn_k_grid outer;      /* images: A, OUT */
    int64_t rows_in, rows, columns_in, columns, run;
    int64_t a_row, a_column, out_row, out_column;
} resize_view;

/* False: it is not of that kind. */
static inline bool resize_view_of(const tn_k_resize *p, resize_view *v)
{
    uint32_t first = p->rank, last = 0;
    for (uint32_t d = 0; d < p->rank; d++)
        if (!tn_k_resize_kept(p, d)) {
            first = first == p->rank ? d : first;
            last = d;
        }
    memset(v, 0, sizeof *v);
    if (first == p->rank || last - first > 1)
        return false;
    v->column = last;
    v->row = last > 0 ? last - 1 : p->rank;
    v->rows_in = v->rows = v->run = 1;
    if (last > 0) {
        v->rows_in = p->in[v->row], v->rows = p->out[v->row];
        v->a_row = p->a_s[v->row], v->out_row = p->out_s[v->row];
    }
    v->columns_in = p->in[last], v->columns = p->out[last];
    v->a_column = p->a_s[last], v->out_column = p->out_s[last];
    for (uint32_t d = p->rank; d-- > last + 1;) {
        if (p->in[d] != 1 && (p->a_s[d] != v->run || p->out_s[d] != v->run))
            return false;
        v->run *= p->in[d];
    }
    for (uint32_t d = 0; d + 1 < last; d++) {
        v->outer.dim[d] = p->in[d];
        v->outer.stride[0][d] = p->a_s[d];
        v->outer.stride[1][d] = p->out_s[d];
        v->outer.rank++;
    }
    tn_k_grid_collapse(&v->outer, 2);
    return v->columns_in <= INT32_MAX && v->rows_in <= INT32_MAX;
}

#endif
