/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution for devices of groups with local memory, in the CANONICAL order: what the host
 * decides of conv_tiled.cl, and the functions that it calls. */
#define TN_K_POST_COPIED 1
#include <kernels/common/group_tiles.h>
#include <kernels/common/widen.h>
#include <kernels/conv/conv.h>

/* Rows are pixels, columns the filters of a group of channels. */
enum { LARGE, SMALL, FEW_FILTERS, ONE_FILTER, TINY, SHAPES };
enum { MOST_BLOCKS = 32768 };

typedef struct tiled_device {
    const char *vendor, *device, *driver; /* words in their names */
    tn_k_group_tile tile[SHAPES];
} tiled_device;

/* As in matmul_tiled.c. */
static const tiled_device tiles[] = {
    {"",
     "",
     "",
     {[LARGE] = {64, 64, 4, 4, 16, 1},
      [SMALL] = {32, 32, 4, 4, 16, 2},
      [FEW_FILTERS] = {64, 8, 2, 2, 16, 2},
      [ONE_FILTER] = {128, 1, 1, 1, 8, 1},
      [TINY] = {16, 16, 2, 2, 8, 1}}},
};

/* Places of pixels and taps, which of them are inside, and whether a filter is not finite. */
static uint32_t more_bytes(const tn_k_group_tile *t)
{
    return (t->rows * 4 + t->slices * t->deep * 6 + 1) * 4 + t->slices * t->deep * (t->rows + 1);
}

static const tn_k_group_tile *tile_of(const tn_k_conv *p, const tn_k_caps *caps)
{
    uint32_t row = 0, units = caps->workers / 256;
    while (row + 1 < sizeof tiles / sizeof tiles[0] &&
           !tn_k_group_named(caps, tiles[row].vendor, tiles[row].device, tiles[row].driver))
        row++;
    int64_t outputs = tn_k_conv_pixels(p) * p->kg * p->groups;
    int shape = p->kg == 1                                              ? ONE_FILTER
                : p->kg <= 8                                            ? FEW_FILTERS
                : p->kg <= 32 || outputs < (int64_t)64 * 64 * 2 * units ? SMALL
                                                                        : LARGE;
    const tn_k_group_tile *t = &tiles[row].tile[shape];
    return tn_k_group_fits(t, more_bytes(t), caps) ? t : &tiles[row].tile[TINY];
}

static int64_t size_of(int64_t stride, int64_t count)
{
    return (stride < 0 ? -stride : stride) * (count - 1);
}

/* Whether offsets in a and b and all coordinates fit an int. */
static bool near(const tn_k_conv *p)
{
    int64_t a = size_of(p->a_view.n, p->n) + size_of(p->a_view.c, p->groups * p->cg);
    int64_t b = size_of(p->b_group, p->groups) + size_of(p->b_k, p->kg) + size_of(p->b_c, p->cg);
    int64_t place = tn_k_conv_pixels(p) + tn_k_conv_taps(p) * p->cg;
    for (int d = 0; d < 3; d++) {
        a += size_of(p->a_view.s[d], p->in[d]);
        b += size_of(p->b_s[d], p->kernel[d]);
        place += p->size[d] * p->stride[d] + p->kernel[d] * p->dilation[d] +
                 (p->lo[d] < 0 ? -p->lo[d] : p->lo[d]);
    }
    return a < 1 << 30 && b < 1 << 30 && place < 1 << 30;
}

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_conv *p = params;
    (void)caps;
    if (p->a_dtype == TN_S8 || p->a_dtype == TN_U8 || p->out_dtype == TN_S32)
        return tn_k_refuse(why, "conv.kind", "a", "this kernel adds floats");
    if (p->out_dtype != TN_F32 && p->out_dtype != TN_F16 && p->out_dtype != TN_BF16)
        return tn_k_refuse(why, "conv.dtype", "out", "the output is f32, f16 or bf16");
    if (p->packed)
        return tn_k_refuse(why, "conv.packed", "b", "this kernel has no packed form");
    return near(p) || tn_k_refuse(why, "conv.size", "a", "for operands within 2^30 elements");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_conv *p = params;
    int64_t outputs = tn_k_conv_pixels(p) * p->kg * p->groups;
    *out = (tn_k_launch){.workers = caps->workers};
    if (outputs == 0)
        return;
    out->phases = 1;
    out->tasks[0] = 1;
    out->estimate_ns =
        tn_k_group_estimate(caps, (double)outputs * (double)(tn_k_conv_taps(p) * p->cg + 1));
}

/* Whether a tap of some pixel may lie outside of A. */
static bool padded(const tn_k_conv *p)
{
    bool any = p->transposed != 0;
    for (int d = 0; d < 3; d++)
        any |= p->lo[d] > 0 ||
               (p->size[d] - 1) * p->stride[d] - p->lo[d] + (p->kernel[d] - 1) * p->dilation[d] >=
                   p->in[d];
    return any;
}

static void lay_out(const tn_k_launch *launch, const void *params, const tn_k_caps *caps,
                    tn_k_groups *out)
{
    const tn_k_conv *p = params;
    const tn_k_group_tile *t = tile_of(p, caps);
    if (launch->phases == 0)
        return;
    int64_t blocks = (p->kg + t->cols - 1) / t->cols * p->groups;
    int64_t pixels = (tn_k_conv_pixels(p) + t->rows - 1) / t->rows;
    tn_k_group_lay_out(t, out);
    if (!p->last) { /* neighbours in a group are pixels */
        out->size[0] = t->rows / t->item_rows;
        out->size[1] = t->cols / t->item_cols;
    }
    out->local_bytes += more_bytes(t);
    out->count[0][0] = (uint32_t)pixels;
    out->count[0][1] = (uint32_t)(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS);
    out->count[0][2] = (uint32_t)((blocks + MOST_BLOCKS - 1) / MOST_BLOCKS);
    tn_k_group_option(out, "A_TYPE", p->a_dtype);
    tn_k_group_option(out, "B_TYPE", p->b_dtype);
    tn_k_group_option(out, "OUT_TYPE", p->out_dtype);
    tn_k_group_option(out, "A_ALONG_K", p->a_view.c == 1);
    tn_k_group_option(out, "B_ALONG_K", p->b_c == 1);
    tn_k_group_option(out, "LAST", p->last != 0);
    tn_k_group_option(out, "PADDED", padded(p));
}

/* Where tap `tap` lies: along each dim, what is added to a pixel's own place, and where in b. */
typedef struct tiled_tap {
    int32_t away[3], b;
} tiled_tap;

static inline tiled_tap tiled_tap_of(const tn_k_conv *p, int32_t tap)
{
    tiled_tap t = {{0, 0, 0}, 0};
    int32_t wide = (int32_t)p->kernel[2], high = (int32_t)p->kernel[1];
    int32_t at[3] = {tap / wide / high, tap / wide % high, tap % wide};
    for (int d = 0; d < 3; d++) {
        int32_t away = at[d] * (int32_t)p->dilation[d];
        t.away[d] = p->transposed ? -away : away;
        t.b += at[d] * (int32_t)p->b_s[d];
    }
    return t;
}

/* The place of a pixel's first tap along a dim, before what the tap adds. */
static inline int32_t tiled_place(const tn_k_conv *p, int d, int32_t o)
{
    return p->transposed ? o + (int32_t)p->lo[d] : o * (int32_t)p->stride[d] - (int32_t)p->lo[d];
}

/* Where along a dim a place is in A; -1: outside. */
static inline int32_t tiled_inside(const tn_k_conv *p, int d, int32_t place)
{
    if (p->transposed) {
        int32_t stride = (int32_t)p->stride[d];
        if (place < 0 || place % stride != 0)
            return -1;
        place /= stride;
    }
    return place < (int32_t)p->in[d] ? place : -1;
}

/* Of one output, in registers of its work-item. */
static inline void tiled_finish(const tn_k_conv *p, void *const *operand, int64_t pixel, int64_t f,
                                float y)
{
    int64_t row = pixel / p->size[2], plane = row / p->size[1];
    int64_t o[3] = {plane % p->size[0], row % p->size[1], pixel % p->size[2]};
    int64_t n = plane / p->size[0];
    float one[1] = {y};
    tn_k_conv_steps(p, operand, n, o, f, one, 1, 1);
    tn_k_narrow_wide(p->out_dtype, operand[p->out], tn_k_conv_at(&p->out_view, n, f, o), one[0]);
}

extern const tn_k_group_row tn_k_conv_tiled;
const tn_k_group_row tn_k_conv_tiled = {
    .variant = {.name = "conv_tiled",
                .isa = TN_K_ISA_GROUPS,
                .cls = TN_CLASS_CANONICAL,
                .accepts = accepts,
                .plan = plan,
                .arithmetic = tn_k_conv_arithmetic},
    .groups = lay_out,
};
