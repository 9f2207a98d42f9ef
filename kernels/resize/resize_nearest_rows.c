/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest resize of images: the columns of a row are looked up once, runs are copied whole. */
#include <kernels/resize/resize_view.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_resize *p = params;
    resize_view v;
    (void)caps;
    if (p->kind != TN_RESIZE_NEAREST)
        return tn_k_refuse(why, "resize.kind_row", "attr.kind", "this row is for nearest");
    return resize_view_of(p, &v) ||
           tn_k_refuse(why, "resize.view", "a",
                       "changes one or two neighbouring axes, of dense runs of elements");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_resize *p = params;
    resize_view v;
    (void)resize_view_of(p, &v);
    int64_t rows = v.columns * v.run == 0 ? 0 : tn_k_grid_count(&v.outer) * v.rows;
    tn_k_launch_items(out, caps, rows,
                      (uint64_t)(v.columns * v.run) * tn_k_elem_bytes(p->dtype) * 2);
    out->worker_bytes = ((uint64_t)v.columns * sizeof(int32_t) + 63) & ~(uint64_t)63;
}

static inline __attribute__((always_inline)) void
copy_row(const resize_view *v, int64_t bytes, const char *from, const int32_t *at, char *to)
{
    for (int64_t o = 0; o < v->columns; o++)
        memcpy(to + o * v->out_column * bytes, from + at[o] * v->a_column * bytes, (size_t)bytes);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)phase;
    const tn_k_resize *p = params;
    int64_t bytes = tn_k_elem_bytes(p->dtype);
    int32_t *at = worker_scratch;
    resize_view v;
    (void)resize_view_of(p, &v);
    for (int64_t o = 0; o < v.columns; o++)
        at[o] = (int32_t)(tn_k_resize_kept(p, v.column) ? o : tn_k_resize_nearest(p, v.column, o));
    int64_t rows = tn_k_grid_count(&v.outer) * v.rows;
    int64_t end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++) {
        int64_t o = r % v.rows, i = o;
        if (v.row < p->rank && !tn_k_resize_kept(p, v.row))
            i = tn_k_resize_nearest(p, v.row, o);
        const char *from = (const char *)operand[0] +
                           (tn_k_grid_offset(&v.outer, 0, r / v.rows) + i * v.a_row) * bytes;
        char *to = (char *)operand[1] +
                   (tn_k_grid_offset(&v.outer, 1, r / v.rows) + o * v.out_row) * bytes;
        if (v.run > 1)
            for (int64_t c = 0; c < v.columns; c++)
                memcpy(to + c * v.out_column * bytes, from + at[c] * v.a_column * bytes,
                       (size_t)(v.run * bytes));
        else if (bytes == 4)
            copy_row(&v, 4, from, at, to);
        else if (bytes == 2)
            copy_row(&v, 2, from, at, to);
        else if (bytes == 1)
            copy_row(&v, 1, from, at, to);
        else
            copy_row(&v, bytes, from, at, to);
    }
}

extern const tn_k_variant tn_k_resize_nearest_rows;
const tn_k_variant tn_k_resize_nearest_rows = {
    .name = "resize_nearest_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
