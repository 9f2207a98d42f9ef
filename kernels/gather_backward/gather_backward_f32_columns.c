/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of gather in f32 by blocks of columns: each chunk of positions adds its rows in
 * order, and what a row got there is added to it once. */
#include <kernels/gather_backward/gather_backward.h>

enum { COLUMNS = 256 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_gather_backward_params *p = params;
    (void)caps;
    if (p->grad_dtype != TN_F32 || p->out_dtype != TN_F32)
        return tn_k_refuse(why, "gather.dtype", "grad", "this kernel adds f32 to f32");
    if (p->inner.rank > 1 || tn_k_grid_inner_stride(&p->inner, 0) != 1 ||
        tn_k_grid_inner_stride(&p->inner, 1) != 1)
        return tn_k_refuse(why, "gather.stride", "grad", "this kernel needs dense rows");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_gather_backward_params *p = params;
    int64_t blocks = (tn_k_grid_count(&p->inner) + COLUMNS - 1) / COLUMNS;
    tn_k_launch_items(out, caps, p->rows == 0 ? 0 : tn_k_grid_count(&p->outer) * blocks,
                      (uint64_t)(p->grad_positions + p->rows) * COLUMNS * 4);
}

static void block(const tn_k_gather_backward_params *p, const float *grad, const void *index,
                  float *out, int64_t columns)
{
    for (int64_t v = 0; v < p->rows; v++)
        memset(out + v * p->row_stride, 0, (size_t)columns * sizeof *out);
    for (int64_t first = 0; first < p->grad_positions; first += TN_C_CHUNK) {
        int64_t left = p->grad_positions - first, row[TN_C_CHUNK];
        int n = left < TN_C_CHUNK ? (int)left : TN_C_CHUNK;
        for (int i = 0; i < n; i++)
            row[i] = tn_k_gather_backward_row(p, index, first + i);
        for (int i = 0; i < n; i++) {
            float s[COLUMNS];
            if (row[i] < 0)
                continue;
            for (int64_t e = 0; e < columns; e++)
                s[e] = 0.0f;
            /* all positions of this row, which is then done with in this chunk */
            int64_t v = row[i];
            for (int j = i; j < n; j++) {
                if (row[j] != v)
                    continue;
                row[j] = -1;
                const float *from = grad + tn_k_grid_offset(&p->positions, 0, first + j);
                for (int64_t e = 0; e < columns; e++)
                    s[e] = s[e] + from[e];
            }
            float *to = out + v * p->row_stride;
            for (int64_t e = 0; e < columns; e++)
                to[e] = to[e] + s[e];
        }
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_gather_backward_params *p = params;
    int64_t inner = tn_k_grid_count(&p->inner), blocks = (inner + COLUMNS - 1) / COLUMNS;
    int64_t items = tn_k_grid_count(&p->outer) * blocks;
    int64_t end = tn_k_task_first(items, launch->tasks[0], last);
    for (int64_t x = tn_k_task_first(items, launch->tasks[0], first); x < end; x++) {
        int64_t o = x / blocks, e = x % blocks * COLUMNS;
        block(p, (const float *)operand[0] + tn_k_grid_offset(&p->outer, 0, o) + e, operand[1],
              (float *)operand[2] + tn_k_grid_offset(&p->outer, 1, o) + e,
              inner - e < COLUMNS ? inner - e : COLUMNS);
    }
}

extern const tn_k_variant tn_k_gather_backward_f32_columns;
const tn_k_variant tn_k_gather_backward_f32_columns = {
    .name = "gather_backward_f32_columns",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
