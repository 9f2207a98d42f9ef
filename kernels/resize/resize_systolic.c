/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest neighbours by whole factors as packets: rows are loaded once and stored once a place that
 * they go to. */
#include <kernels/resize/resize.h>
#include <kernels/systolic/systolic_rows.h>

/* How often each element of axis d stands in a row; 0: not each equally often, in order. */
static int64_t factor(const tn_k_resize *p, uint32_t d)
{
    if (tn_k_resize_kept(p, d))
        return 1;
    if (p->in[d] == 0 || p->out[d] % p->in[d] != 0)
        return 0;
    int64_t f = p->out[d] / p->in[d];
    for (int64_t o = 0; o < p->out[d]; o++)
        if (tn_k_resize_nearest(p, d, o) != o / f)
            return 0;
    return f;
}

/* A as a grid with the places of the first copy in OUT: strides of OUT are of whole groups. */
static bool grid_of(const tn_k_resize *p, tn_k_grid *g, int64_t *high, int64_t *wide)
{
    int64_t f[2] = {1, 1};
    *g = (tn_k_grid){.rank = p->rank};
    for (uint32_t d = 0; d < p->rank; d++) {
        int64_t each = factor(p, d);
        if (each == 0 || (each != 1 && d + 2 < p->rank))
            return false;
        if (d + 2 >= p->rank)
            f[2 - (p->rank - d)] = each;
        g->dim[d] = p->in[d];
        g->stride[0][d] = p->a_s[d];
        g->stride[1][d] = p->out_s[d] * each;
    }
    *high = f[0];
    *wide = f[1];
    return p->rank >= 1;
}

static int64_t rows_of(const tn_k_sys_caps *caps, const tn_k_resize *p, int64_t cols)
{
    return tn_k_sys_fit(caps, tn_k_sys_rows_of(caps, 0, (uint64_t)cols * tn_k_elem_bytes(p->dtype)),
                        0);
}

static bool accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_resize *p = params;
    tn_k_grid g;
    int64_t high, wide;
    uint32_t bytes = tn_k_elem_bytes(p->dtype);
    (void)cls; /* EXACT serves all */
    if (p->kind != TN_RESIZE_NEAREST || bytes == 0 || !grid_of(p, &g, &high, &wide))
        return tn_k_refuse(why, "systolic.kind", "attr",
                           "takes nearest neighbours by whole factors of the last two dims");
    bool good = tn_k_sys_grid_fits(&g, 0, bytes) && tn_k_sys_grid_fits(&g, 1, bytes);
    return (good && rows_of(caps, p, g.dim[g.rank - 1]) > 0) || tn_k_grid_count(&g) == 0 ||
           tn_k_sys_no_room(why);
}

/* Rows of a plane to every place that they have in OUT. */
static void piece(tn_k_sys_block *b, const tn_k_resize *p, const tn_k_sys_plane *x,
                  const uint64_t *operand, const int64_t at[2], int64_t rows, int64_t high,
                  int64_t wide)
{
    uint32_t bytes = tn_k_elem_bytes(p->dtype);
    int64_t up = p->rank >= 2 ? p->out_s[p->rank - 2] : 0, along = p->out_s[p->rank - 1];
    tn_k_sys_begin(b);
    tn_k_sys_source in = tn_k_sys_load_full(b, operand[0] + (uint64_t)(at[0] * (int64_t)bytes),
                                            p->dtype, x->row[0], x->col[0], rows, x->cols);
    tn_k_sys_ready(b);
    tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, 0, 0, TN_K_SYS_OUT_FULL, 1);
    for (int64_t i = 0; i < high * wide; i++) {
        int64_t to = at[1] + i / wide * up + i % wide * along;
        tn_k_sys_packet y =
            tn_k_sys_transfer(TN_K_SYS_ST, operand[1] + (uint64_t)(to * (int64_t)bytes), bytes,
                              x->row[1], x->col[1], rows, x->cols, in.at);
        y.wait_sem = TN_K_SYS_OUT_FULL;
        y.wait_val = i == 0;
        y.sig_sem = TN_K_SYS_STORED;
        y.sig_val = i + 1 == high * wide;
        tn_k_sys_put(b->out, y);
    }
    tn_k_sys_stored(b);
}

static void lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                  tn_k_sys_stream *out)
{
    const tn_k_resize *p = params;
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    tn_k_grid g;
    int64_t high = 1, wide = 1;
    if (!grid_of(p, &g, &high, &wide))
        return;
    tn_k_sys_plane x = tn_k_sys_plane_of(&g);
    int64_t most = rows_of(caps, p, x.cols);
    for (int64_t o = 0; o < x.outer && most > 0 && !out->failed; o++)
        for (int64_t r = 0; r < x.rows && x.cols != 0; r += most) {
            const int64_t at[2] = {tn_k_sys_outer(&g, &x, 0, o) + r * x.row[0],
                                   tn_k_sys_outer(&g, &x, 1, o) + r * x.row[1]};
            piece(&b, p, &x, operand, at, x.rows - r < most ? x.rows - r : most, high, wide);
        }
}

extern const tn_k_sys_row tn_k_resize_systolic;
const tn_k_sys_row tn_k_resize_systolic = {
    .name = "resize_systolic",
    .kind = TN_OP_RESIZE,
    .accepts = accepts,
    .lower = lower,
};
