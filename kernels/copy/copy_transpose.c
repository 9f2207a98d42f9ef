/* SPDX-License-Identifier: Apache-2.0 */
/* Transpose of 4-byte elements by square tiles, so that both sides move whole cache lines. */
#include <kernels/copy/copy.h>

enum { TILE = 16 };

/* The dim along which A is dense, where OUT is dense along the innermost one; rank if none. */
static uint32_t other(const tn_k_copy_params *p)
{
    uint32_t d = 0;
    while (d < p->grid.rank && p->grid.stride[0][d] != 1)
        d++;
    return d;
}

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    (void)caps;
    if (p->elem_bytes != 4)
        return tn_k_refuse(why, "copy.dtype", "out", "transposes elements of 4 bytes");
    if (p->grid.rank < 2 || other(p) >= p->grid.rank - 1 ||
        tn_k_grid_inner_stride(&p->grid, 1) != 1)
        return tn_k_refuse(why, "copy.stride", "a", "transposes two dims, each dense on one side");
    return true;
}

/* Bands of TILE rows along `other` for every point of the remaining dims. */
static int64_t bands(const tn_k_copy_params *p)
{
    int64_t rows = p->grid.dim[other(p)];
    int64_t row = tn_k_grid_inner(&p->grid);
    return row == 0 || rows == 0
               ? 0
               : tn_k_grid_count(&p->grid) / rows / row * ((rows + TILE - 1) / TILE);
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_copy_params *p = params;
    tn_k_launch_items(out, caps, bands(p), (uint64_t)tn_k_grid_inner(&p->grid) * TILE * 4);
}

static void full_tile(const uint32_t *a, int64_t a_stride, uint32_t *out, int64_t out_stride)
{
    uint32_t tile[TILE][TILE];
    for (int c = 0; c < TILE; c++)
        for (int r = 0; r < TILE; r++)
            tile[r][c] = a[c * a_stride + r];
    for (int r = 0; r < TILE; r++)
        memcpy(out + r * out_stride, tile[r], sizeof tile[r]);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_copy_params *p = params;
    uint32_t rank = p->grid.rank, dim = other(p);
    int64_t rows = p->grid.dim[dim], columns = p->grid.dim[rank - 1];
    int64_t a_stride = p->grid.stride[0][rank - 1], out_stride = p->grid.stride[1][dim];
    int64_t per_plane = (rows + TILE - 1) / TILE, count = bands(p);
    tn_k_grid planes = {0};
    for (uint32_t d = 0; d + 1 < rank; d++) {
        if (d == dim)
            continue;
        planes.dim[planes.rank] = p->grid.dim[d];
        planes.stride[0][planes.rank] = p->grid.stride[0][d];
        planes.stride[1][planes.rank++] = p->grid.stride[1][d];
    }
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t b = tn_k_task_first(count, launch->tasks[0], first); b < end; b++) {
        int64_t plane = b / per_plane, row = b % per_plane * TILE;
        const uint32_t *a =
            (const uint32_t *)operand[0] + tn_k_grid_offset(&planes, 0, plane) + row;
        uint32_t *out =
            (uint32_t *)operand[1] + tn_k_grid_offset(&planes, 1, plane) + row * out_stride;
        int64_t high = rows - row < TILE ? rows - row : TILE;
        for (int64_t column = 0; column < columns; column += TILE) {
            int64_t wide = columns - column < TILE ? columns - column : TILE;
            if (high == TILE && wide == TILE) {
                full_tile(a + column * a_stride, a_stride, out + column, out_stride);
                continue;
            }
            for (int64_t r = 0; r < high; r++)
                for (int64_t c = 0; c < wide; c++)
                    out[r * out_stride + column + c] = a[(column + c) * a_stride + r];
        }
    }
}

extern const tn_k_variant tn_k_copy_transpose;
const tn_k_variant tn_k_copy_transpose = {
    .name = "copy_transpose",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
