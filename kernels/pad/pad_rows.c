/* SPDX-License-Identifier: Apache-2.0 */
/* pad of rows that are dense on both sides: what comes from within a is one memcpy a row. */
#include <kernels/pad/pad.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_pad_params *p = params;
    (void)caps;
    if (p->rank == 0 || (p->from_stride[p->rank - 1] != 1 && p->from_dim[p->rank - 1] != 1) ||
        p->stride[p->rank - 1] != 1)
        return tn_k_refuse(why, "pad.stride", "a", "pads rows that are dense on both sides");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_pad_params *p = params;
    int64_t columns = tn_k_pad_width(p);
    tn_k_launch_items(out, caps, columns == 0 ? 0 : tn_k_pad_height(p),
                      (uint64_t)columns * p->elem_bytes);
}

/* Columns [first, last) one by one; `from` is the row of A, or NULL. */
static void columns_of(const tn_k_pad_params *p, const char *from, char *to, int64_t first,
                       int64_t last)
{
    int64_t bytes = p->elem_bytes;
    for (int64_t c = first; c < last; c++) {
        int64_t at = from == NULL ? -1 : tn_k_pad_index(p, p->rank - 1, c);
        memcpy(to + c * bytes, at < 0 ? (const char *)p->value : from + at * bytes, (size_t)bytes);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_pad_params *p = params;
    int64_t columns = tn_k_pad_width(p), rows = tn_k_pad_height(p), bytes = p->elem_bytes;
    int64_t lo = p->lo[p->rank - 1], inside = lo + p->from_dim[p->rank - 1];
    int64_t begin = lo < 0 ? 0 : lo < columns ? lo : columns;
    int64_t end = inside < begin ? begin : inside < columns ? inside : columns;
    int64_t stop = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < stop; r++) {
        int64_t from_at, to_at = tn_k_pad_row(p, r, &from_at);
        const char *from = from_at < 0 ? NULL : (const char *)operand[0] + from_at * bytes;
        char *to = (char *)operand[1] + to_at * bytes;
        if (from == NULL) {
            columns_of(p, NULL, to, 0, columns);
            continue;
        }
        columns_of(p, from, to, 0, begin);
        memcpy(to + begin * bytes, from + (begin - lo) * bytes, (size_t)((end - begin) * bytes));
        columns_of(p, from, to, end, columns);
    }
}

extern const tn_k_variant tn_k_pad_rows;
const tn_k_variant tn_k_pad_rows = {
    .name = "pad_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
