/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of kernels that run as groups of work-items, and what rows of them have in common. */
#ifndef TN_KERNELS_GROUP_TILES_H
#define TN_KERNELS_GROUP_TILES_H

#include <kernels/common/kernel_opencl.h>
#ifndef TN_K_OPENCL
#include <string.h>

/* Outputs of a group, of a work-item, steps of k that are in local memory at a time, and slices of
 * the group that share out chunks of k. Work-items: (cols / item_cols) x (rows / item_rows) x
 * slices. */
typedef struct tn_k_group_tile {
    uint32_t rows, cols, item_rows, item_cols, deep, slices;
} tn_k_group_tile;

/* Whether the device's names have these words; "" is in all. */
static inline bool tn_k_group_named(const tn_k_caps *caps, const char *vendor, const char *device,
                                    const char *driver)
{
    return caps->vendor != NULL && strstr(caps->vendor, vendor) != NULL &&
           strstr(caps->device, device) != NULL && strstr(caps->driver, driver) != NULL;
}

/* 8 fmas a nanosecond and compute unit: what the smallest units reach, so that no launch takes much
 * longer than is supposed. */
static inline uint64_t tn_k_group_estimate(const tn_k_caps *caps, double fmas)
{
    return (uint64_t)(1000.0 + fmas * 32.0 / (double)(caps->workers != 0 ? caps->workers : 1));
}

static inline void tn_k_group_option(tn_k_groups *out, const char *name, int64_t value)
{
    out->option[out->options].name = name;
    out->option[out->options++].value = (int32_t)value;
}

/* Local memory: a step of both operands, and the sums that slices hand over. */
static inline uint32_t tn_k_group_bytes(const tn_k_group_tile *t)
{
    uint32_t handed = t->slices > 1 ? (t->slices - 1) * t->rows * t->cols : t->cols;
    return (t->slices * t->deep * (t->rows + t->cols + 2) + handed) * 4;
}

/* Whether a device has the memory, `more` bytes included, and runs so many work-items in a group.
 */
static inline bool tn_k_group_fits(const tn_k_group_tile *t, uint32_t more, const tn_k_caps *caps)
{
    uint32_t items = t->cols / t->item_cols * (t->rows / t->item_rows) * t->slices;
    return items <= caps->group_items && tn_k_group_bytes(t) + more <= caps->local_bytes;
}

/* What a tile asks for, and its names. */
static inline void tn_k_group_lay_out(const tn_k_group_tile *t, tn_k_groups *out)
{
    out->size[0] = t->cols / t->item_cols;
    out->size[1] = t->rows / t->item_rows;
    out->size[2] = t->slices;
    out->local_bytes = tn_k_group_bytes(t);
    tn_k_group_option(out, "ROWS", t->rows);
    tn_k_group_option(out, "COLS", t->cols);
    tn_k_group_option(out, "ITEM_ROWS", t->item_rows);
    tn_k_group_option(out, "ITEM_COLS", t->item_cols);
    tn_k_group_option(out, "DEEP", t->deep);
    tn_k_group_option(out, "SLICES", t->slices);
}
/* A group takes ROWS rows by 64 lanes, the lanes of docs/NUMERICS.md section 3, or, where rows are
 * long, one row with 64 lanes for each of SEGMENTS segments of it. */
enum { TN_K_GROUP_LANES = 64, TN_K_GROUP_HIGH = 4 };

static inline void tn_k_group_rows(tn_k_groups *out, int64_t rows, bool is_long)
{
    int64_t each = is_long ? 1 : TN_K_GROUP_HIGH;
    out->size[0] = TN_K_GROUP_LANES;
    out->size[1] = TN_K_GROUP_HIGH;
    out->size[2] = 1;
    out->local_bytes = TN_K_GROUP_LANES * TN_K_GROUP_HIGH * 4;
    out->count[0][0] = (uint32_t)((rows + each - 1) / each);
    out->count[0][1] = out->count[0][2] = 1;
    tn_k_group_option(out, "ROWS", each);
    tn_k_group_option(out, "SEGMENTS", TN_K_GROUP_HIGH / each);
}
#endif

#endif
