/* SPDX-License-Identifier: Apache-2.0 */
/* An element-wise kind over a grid, in blocks for the vector unit: what eltwise and copy share. */
#ifndef TN_KERNELS_SYSTOLIC_JOB_H
#define TN_KERNELS_SYSTOLIC_JOB_H

#include <kernels/systolic/systolic_rows.h>

/* What element-wise ops and copies are: a kind over a grid, or steps over it. */
typedef struct tn_k_sys_job {
    uint32_t kind, inputs, from[3], to;
    float a, b;
    const tn_k_grid *grid; /* inputs, then at [inputs] OUT */
    /* Steps instead of the kind: from what was loaded to `out`, with `tiles` of f32 at `room`, each
     * `tile` rows; NULL: the kind alone. */
    void (*steps)(tn_k_sys_block *b, const struct tn_k_sys_job *j, const tn_k_sys_source in[3],
                  uint32_t room, uint32_t tile, int64_t rows, int64_t cols, uint32_t out);
    uint32_t tiles;
    const void *params; /* for the steps */
} tn_k_sys_job;

/* Columns and rows of a block: as wide as there is room for. */
static inline bool tn_k_sys_job_fits(const tn_k_sys_job *j, const tn_k_sys_caps *caps,
                                     int64_t *out_rows, int64_t *out_width)
{
    tn_k_sys_plane p = tn_k_sys_plane_of(j->grid);
    bool good = true;
    for (uint32_t i = 0; i <= j->inputs; i++) {
        uint32_t bytes = tn_k_elem_bytes(i < j->inputs ? j->from[i] : j->to);
        good = good && tn_k_sys_grid_fits(j->grid, i, bytes);
    }
    *out_rows = 0;
    for (*out_width = TN_K_SYS_COLUMNS; *out_width >= 16 && *out_rows == 0; *out_width /= 2) {
        uint64_t each = 0, cols = (uint64_t)(p.cols < *out_width ? p.cols : *out_width);
        for (uint32_t i = 0; i <= j->inputs; i++) {
            uint32_t bytes = tn_k_elem_bytes(i < j->inputs ? j->from[i] : j->to);
            each += tn_k_sys_rows_of(caps, 0, cols * (bytes > 4 ? bytes : 4));
        }
        each += j->tiles * tn_k_sys_rows_of(caps, 0, cols * 4);
        *out_rows = tn_k_sys_fit(caps, each, 0);
    }
    *out_width *= 2; /* the loop has gone on */
    return good && (*out_rows > 0 || p.cols == 0);
}

/* One long row whose operands all go on is cut into rows of a block's width. */
static inline tn_k_sys_plane tn_k_sys_job_planes(const tn_k_sys_job *j, int64_t width,
                                                 int64_t *out_tail)
{
    tn_k_sys_plane p = tn_k_sys_plane_of(j->grid);
    bool dense = p.rows == 1 && p.cols > width;
    *out_tail = 0;
    if (dense) {
        *out_tail = p.cols % width;
        p.rows = p.cols / width;
        p.cols = width;
        for (uint32_t i = 0; i <= j->inputs; i++)
            p.row[i] = p.col[i] * width;
    }
    return p;
}

static inline void tn_k_sys_job_piece(tn_k_sys_block *b, const tn_k_sys_job *j,
                                      const tn_k_sys_plane *p, const uint64_t *operand,
                                      const int64_t *at, int64_t rows, int64_t cols)
{
    tn_k_sys_source in[3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
    tn_k_sys_begin(b);
    for (uint32_t i = 0; i < j->inputs; i++) {
        uint64_t from = operand[i] + (uint64_t)(at[i] * tn_k_elem_bytes(j->from[i]));
        if (j->kind == 0 &&
            j->steps == NULL) { /* bits as they are: nothing passes through f32 but casts */
            in[i] = tn_k_sys_load_full(b, from, j->from[i], p->row[i], p->col[i], rows, cols);
            continue;
        }
        in[i].type = j->from[i];
        in[i].at =
            tn_k_sys_load(b, from, j->from[i], p->row[i], p->col[i], rows, cols, &in[i].mode);
    }
    uint32_t out = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)cols * tn_k_elem_bytes(j->to));
    uint32_t tile = (uint32_t)rows * tn_k_sys_rows_of(b->caps, 0, (uint64_t)cols * 4);
    uint32_t room = tn_k_sys_room(b, (uint64_t)rows * j->tiles, (uint64_t)cols * 4);
    tn_k_sys_ready(b);
    if (j->steps != NULL)
        j->steps(b, j, in, room, tile, rows, cols, out);
    else
        tn_k_sys_map(b, j->kind, in[0], in[1], in[2], j->a, j->b, rows, cols, out, j->to);
    tn_k_sys_store(b, operand[j->inputs] + (uint64_t)(at[j->inputs] * tn_k_elem_bytes(j->to)),
                   j->to, p->row[j->inputs], p->col[j->inputs], rows, cols, out);
}

/* Goes on in the blocks of a job before it. */
static inline void tn_k_sys_job_go_on(tn_k_sys_block *b, const tn_k_sys_job *j,
                                      const uint64_t *operand)
{
    tn_k_sys_stream *out = b->out;
    int64_t tail, most, width;
    if (!tn_k_sys_job_fits(j, b->caps, &most, &width) || tn_k_grid_count(j->grid) == 0)
        return;
    tn_k_sys_plane p = tn_k_sys_job_planes(j, width, &tail);
    for (int64_t o = 0; o < p.outer && !out->failed; o++) {
        int64_t base[4], at[4];
        for (uint32_t i = 0; i <= j->inputs; i++)
            base[i] = tn_k_sys_outer(j->grid, &p, i, o);
        for (int64_t r = 0; r < p.rows; r += most)
            for (int64_t c = 0; c < p.cols; c += width) {
                for (uint32_t i = 0; i <= j->inputs; i++)
                    at[i] = base[i] + r * p.row[i] + c * p.col[i];
                tn_k_sys_job_piece(b, j, &p, operand, at, p.rows - r < most ? p.rows - r : most,
                                   p.cols - c < width ? p.cols - c : width);
            }
        if (tail != 0) {
            for (uint32_t i = 0; i <= j->inputs; i++)
                at[i] = base[i] + p.rows * p.row[i];
            tn_k_sys_job_piece(b, j, &p, operand, at, 1, tail);
        }
    }
}

static inline void tn_k_sys_job_emit(const tn_k_sys_job *j, const tn_k_sys_caps *caps,
                                     const uint64_t *operand, tn_k_sys_stream *out)
{
    tn_k_sys_block b = tn_k_sys_blocks(caps, out);
    tn_k_sys_job_go_on(&b, j, operand);
}

#endif
