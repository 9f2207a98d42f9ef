/* SPDX-License-Identifier: Apache-2.0 */
/* Transpose by square tiles of a cache line a side, turned in registers block by block, so that
 * both sides move whole lines. */
#include <kernels/common/simd_turn.h>
#include <kernels/copy/copy.h>

enum { LINE = 64 };

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
    if (p->elem_bytes == 0)
        return tn_k_refuse(why, "copy.dtype", "out", "this kernel moves one type unchanged");
    if (p->grid.rank < 2 || other(p) >= p->grid.rank - 1 ||
        tn_k_grid_inner_stride(&p->grid, 1) != 1)
        return tn_k_refuse(why, "copy.stride", "a", "transposes two dims, each dense on one side");
    return true;
}

/* Elements of a tile's side. */
static int64_t side(const tn_k_copy_params *p)
{
    return LINE / p->elem_bytes;
}

/* Bands of `side` rows along `other` for every point of the remaining dims. */
static int64_t bands(const tn_k_copy_params *p)
{
    int64_t rows = p->grid.dim[other(p)];
    int64_t row = tn_k_grid_inner(&p->grid);
    return row == 0 || rows == 0
               ? 0
               : tn_k_grid_count(&p->grid) / rows / row * ((rows + side(p) - 1) / side(p));
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_copy_params *p = params;
    tn_k_launch_items(out, caps, bands(p), (uint64_t)tn_k_grid_inner(&p->grid) * LINE);
}

/* out[r][c] = a[c][r], r < high, c < wide; blocks that do not fit go element by element. */
#define TURN(name, type, block, turn)                                                              \
    static void name(const unsigned char *a, int64_t a_stride, unsigned char *out,                 \
                     int64_t out_stride, int64_t high, int64_t wide)                               \
    {                                                                                              \
        const int64_t bytes = sizeof(type), high_blocks = high / block * block;                    \
        int64_t c = 0;                                                                             \
        for (; c + block <= wide; c += block)                                                      \
            for (int64_t r = 0; r < high_blocks; r += block)                                       \
                turn(a + (c * a_stride + r) * bytes, a_stride, out + (r * out_stride + c) * bytes, \
                     out_stride);                                                                  \
        for (int64_t r = 0; r < high; r++)                                                         \
            for (int64_t i = r < high_blocks ? c : 0; i < wide; i++)                               \
                memcpy(out + (r * out_stride + i) * bytes, a + (i * a_stride + r) * bytes,         \
                       sizeof(type));                                                              \
    }

TURN(tile_1, uint8_t, 16, tn_k_turn_1)
TURN(tile_2, uint16_t, 8, tn_k_turn_2)
TURN(tile_4, uint32_t, 4, tn_k_turn_4)
TURN(tile_8, uint64_t, 2, tn_k_turn_8)

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_copy_params *p = params;
    uint32_t rank = p->grid.rank, dim = other(p);
    int64_t rows = p->grid.dim[dim], columns = p->grid.dim[rank - 1], bytes = p->elem_bytes;
    int64_t a_stride = p->grid.stride[0][rank - 1], out_stride = p->grid.stride[1][dim];
    int64_t tile = side(p), per_plane = (rows + tile - 1) / tile, count = bands(p);
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
        int64_t plane = b / per_plane, row = b % per_plane * tile;
        const unsigned char *a =
            (const unsigned char *)operand[0] + (tn_k_grid_offset(&planes, 0, plane) + row) * bytes;
        unsigned char *out = (unsigned char *)operand[1] +
                             (tn_k_grid_offset(&planes, 1, plane) + row * out_stride) * bytes;
        int64_t high = rows - row < tile ? rows - row : tile;
        for (int64_t c = 0; c < columns; c += tile) {
            int64_t wide = columns - c < tile ? columns - c : tile;
            const unsigned char *from = a + c * a_stride * bytes;
            unsigned char *to = out + c * bytes;
            if (c + 2 * tile <= columns) /* the hardware does not foresee lines a row apart */
                for (int64_t i = 0; i < tile; i++)
                    __builtin_prefetch(from + (tile + i) * a_stride * bytes);
            if (bytes == 1)
                tile_1(from, a_stride, to, out_stride, high, wide);
            else if (bytes == 2)
                tile_2(from, a_stride, to, out_stride, high, wide);
            else if (bytes == 4)
                tile_4(from, a_stride, to, out_stride, high, wide);
            else
                tile_8(from, a_stride, to, out_stride, high, wide);
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
