/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul for devices of groups with local memory, in the CANONICAL order: what the host decides of
 * matmul_tiled.cl, and the epilogue that it calls. */
#define TN_K_POST_COPIED 1
#include <kernels/common/group_tiles.h>
#include <kernels/matmul/matmul_epilogue.h>

/* By shape, TINY where that does not fit the device: many outputs, some, few, and so few rows or
 * columns that a group takes strips of the other operand. The slices of a group share out the
 * chunks of k. */
enum { LARGE, MIDDLE, SMALL, FEW_ROWS, FEW_COLUMNS, TINY, SHAPES };
enum { FEW = 4, MOST_ROW_BLOCKS = 32768 };

typedef struct tiled_device {
    const char *vendor, *device, *driver; /* words in their names */
    tn_k_group_tile tile[SHAPES];
} tiled_device;

/* The first row whose words the device's names have counts; the last one has none, and suits
 * devices of 32 KiB of local memory and 256 work-items a group. */
static const tiled_device tiles[] = {
    {"",
     "",
     "",
     {[LARGE] = {128, 64, 8, 4, 16, 1},
      [MIDDLE] = {64, 64, 4, 4, 16, 1},
      [SMALL] = {32, 32, 4, 4, 16, 4},
      [FEW_ROWS] = {4, 64, 4, 1, 16, 4},
      [FEW_COLUMNS] = {64, 4, 1, 4, 16, 4},
      [TINY] = {16, 16, 2, 2, 8, 1}}},
};

static const tn_k_group_tile *tile_of(const tn_k_matmul *p, const tn_k_caps *caps)
{
    uint32_t row = 0, units = caps->workers / 256;
    while (row + 1 < sizeof tiles / sizeof tiles[0] &&
           !tn_k_group_named(caps, tiles[row].vendor, tiles[row].device, tiles[row].driver))
        row++;
    int64_t outputs = p->m * p->n * p->batch_count;
    int shape = p->m <= FEW                                                 ? FEW_ROWS
                : p->n <= FEW                                               ? FEW_COLUMNS
                : p->m <= 32 || p->n <= 32 || outputs < 64 * 64 * 2 * units ? SMALL
                : p->m <= 64 || outputs < 128 * 64 * 4 * units              ? MIDDLE
                                                                            : LARGE;
    const tn_k_group_tile *t = &tiles[row].tile[shape];
    return tn_k_group_fits(t, 0, caps) ? t : &tiles[row].tile[TINY];
}

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    (void)caps;
    if (p->b_layout != 0 || !tn_k_widens(p->a_type) || !tn_k_widens(p->b_type))
        return tn_k_refuse(why, "matmul.dtype", "b", "for floats, each an element of its own");
    if (p->out_type != TN_F32 && p->out_type != TN_F16 && p->out_type != TN_BF16)
        return tn_k_refuse(why, "matmul.dtype", "out", "the output is f32, f16 or bf16");
    return !p->b_packed || tn_k_refuse(why, "matmul.packed", "b", "this kernel has no packed form");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    *out = (tn_k_launch){.workers = caps->workers};
    if (p->batch_count * p->m * p->n == 0)
        return;
    out->phases = 1;
    out->tasks[0] = 1;
    out->estimate_ns =
        tn_k_group_estimate(caps, (double)(p->batch_count * p->m * p->n) * (double)(p->k + 1));
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Where the last element of a view lies, whatever the signs of its strides. */
static int64_t reach(const tn_k_matmul *p, const tn_k_matmul_view *v, int64_t rows, int64_t cols)
{
    int64_t at = (rows - 1) * most(v->row, -v->row) + (cols - 1) * most(v->col, -v->col);
    for (uint32_t d = 0; d < p->batch_rank; d++)
        at += (p->batch[d] - 1) * most(v->batch[d], -v->batch[d]);
    return at;
}

static void lay_out(const tn_k_launch *launch, const void *params, const tn_k_caps *caps,
                    tn_k_groups *out)
{
    const tn_k_matmul *p = params;
    const tn_k_group_tile *t = tile_of(p, caps);
    if (launch->phases == 0)
        return;
    int64_t rows = (p->m + t->rows - 1) / t->rows * p->batch_count;
    bool near =
        reach(p, &p->a_view, p->m, p->k) < 1 << 30 && reach(p, &p->b_view, p->k, p->n) < 1 << 30;
    bool steps = p->alpha != 1.0f || p->c >= 0 || p->post_count > 0;
    tn_k_group_lay_out(t, out);
    out->count[0][0] = (uint32_t)((p->n + t->cols - 1) / t->cols);
    out->count[0][1] = (uint32_t)(rows < MOST_ROW_BLOCKS ? rows : MOST_ROW_BLOCKS);
    out->count[0][2] = (uint32_t)((rows + MOST_ROW_BLOCKS - 1) / MOST_ROW_BLOCKS);
    tn_k_group_option(out, "A_TYPE", p->a_type);
    tn_k_group_option(out, "B_TYPE", p->b_type);
    tn_k_group_option(out, "OUT_TYPE", p->out_type);
    tn_k_group_option(out, "A_ALONG_K", p->a_view.col == 1);
    tn_k_group_option(out, "B_ALONG_K", p->b_view.row == 1);
    tn_k_group_option(out, "STEPS", steps);
    tn_k_group_option(out, "NEAR", near);
}

/* Of one output, in registers of its work-item. */
static inline float tiled_steps(const tn_k_matmul *p, const tn_k_matmul_item *at,
                                void *const *operand, int64_t row, int64_t col, float y)
{
    float one[1] = {y};
    matmul_steps(p, at, operand, row, col, one, 1, 1);
    return one[0];
}

extern const tn_k_group_row tn_k_matmul_tiled;
const tn_k_group_row tn_k_matmul_tiled = {
    .variant = {.name = "matmul_tiled",
                .isa = TN_K_ISA_GROUPS,
                .cls = TN_CLASS_CANONICAL,
                .accepts = accepts,
                .plan = plan,
                .arithmetic = tn_k_matmul_arithmetic},
    .groups = lay_out,
};
