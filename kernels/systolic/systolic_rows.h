/* SPDX-License-Identifier: Apache-2.0 */
/* What lowerings for the vector unit share: blocks of rows that are loaded, worked on and stored,
 * two of them on their way at any time. */
#ifndef TN_KERNELS_SYSTOLIC_ROWS_H
#define TN_KERNELS_SYSTOLIC_ROWS_H

#include <kernels/systolic/systolic.h>

enum { TN_K_SYS_IN_FULL, TN_K_SYS_IN_FREE, TN_K_SYS_OUT_FULL, TN_K_SYS_OUT_FREE, TN_K_SYS_STORED };
enum { TN_K_SYS_COLUMNS = 4096, TN_K_SYS_ROWS = 1024 }; /* of a block, at most */

/* Two halves of the scratchpad; what is loaded and made lies one behind another in one of them. */
typedef struct tn_k_sys_block {
    const tn_k_sys_caps *caps;
    tn_k_sys_stream *out;
    uint32_t half, used, next, loads;
} tn_k_sys_block;

typedef struct tn_k_sys_source {
    uint32_t at, mode, type; /* type 0: none */
} tn_k_sys_source;

static inline tn_k_sys_block tn_k_sys_blocks(const tn_k_sys_caps *caps, tn_k_sys_stream *out)
{
    return (tn_k_sys_block){.caps = caps, .out = out, .half = caps->spad_rows / 2};
}

static inline void tn_k_sys_begin(tn_k_sys_block *b)
{
    b->next = b->used % 2 * b->half;
    b->loads = 0;
}

/* Room for rows of so many bytes; a tile of the vector unit. */
static inline uint32_t tn_k_sys_room(tn_k_sys_block *b, uint64_t rows, uint64_t bytes)
{
    uint32_t at = b->next;
    b->next += (uint32_t)rows * tn_k_sys_rows_of(b->caps, 0, bytes);
    return at;
}

static inline void tn_k_sys_nop(tn_k_sys_stream *out, uint32_t engine, uint32_t wait_sem,
                                uint32_t wait, uint32_t sig_sem, uint32_t sig)
{
    tn_k_sys_put(out, (tn_k_sys_packet){.op = TN_K_SYS_NOP,
                                        .d = engine,
                                        .wait_sem = (uint8_t)wait_sem,
                                        .wait_val = (uint8_t)wait,
                                        .sig_sem = (uint8_t)sig_sem,
                                        .sig_val = (uint8_t)sig});
}

/* How an operand covers a block, by its strides. */
static inline uint32_t tn_k_sys_mode(int64_t row, int64_t col)
{
    return row != 0 && col != 0 ? TN_K_SYS_FULL
           : col != 0           ? TN_K_SYS_PER_COLUMN
           : row != 0           ? TN_K_SYS_PER_ROW
                                : TN_K_SYS_ONE;
}

/* A transfer of rows by columns of elements, `row` and `col` elements apart. */
static inline tn_k_sys_packet tn_k_sys_transfer(uint32_t op, uint64_t address, uint32_t bytes,
                                                int64_t row, int64_t col, int64_t rows,
                                                int64_t cols, uint32_t chip)
{
    tn_k_sys_packet x = {.op = (uint8_t)op,
                         .a = chip,
                         .iova = address,
                         .n0 = (uint32_t)rows,
                         .n1 = (uint32_t)cols * bytes,
                         .n2 = 1,
                         .s0 = (int32_t)(row * bytes)};
    if (cols != 1 && col != 1) {
        x.flags = TN_K_SYS_STRIDED;
        x.s1 = (int32_t)(col * bytes);
        x.p0 = bytes;
    }
    return x;
}

static inline void tn_k_sys_load_packet(tn_k_sys_block *b, tn_k_sys_packet x)
{
    x.wait_sem = TN_K_SYS_IN_FREE;
    x.wait_val = b->loads == 0 && b->used >= 2;
    x.sig_sem = TN_K_SYS_IN_FULL;
    x.sig_val = 1;
    b->loads++;
    tn_k_sys_put(b->out, x);
}

/* Loads what of an operand a block of rows by cols needs; returns its row, and how it covers the
 * block. */
static inline uint32_t tn_k_sys_load(tn_k_sys_block *b, uint64_t address, uint32_t type,
                                     int64_t row, int64_t col, int64_t rows, int64_t cols,
                                     uint32_t *out_mode)
{
    uint32_t bytes = tn_k_elem_bytes(type), at;
    *out_mode = tn_k_sys_mode(row, col);
    int64_t high = *out_mode == TN_K_SYS_FULL ? rows : 1, wide = cols;
    if (*out_mode == TN_K_SYS_PER_ROW) {
        wide = rows;
        col = row;
    } else if (*out_mode == TN_K_SYS_ONE) {
        wide = 1;
    }
    at = tn_k_sys_room(b, (uint64_t)high, (uint64_t)wide * bytes);
    tn_k_sys_load_packet(b,
                         tn_k_sys_transfer(TN_K_SYS_LD, address, bytes, row, col, high, wide, at));
    return at;
}

/* The same with an element for every place, also where strides are 0. */
static inline tn_k_sys_source tn_k_sys_load_full(tn_k_sys_block *b, uint64_t address, uint32_t type,
                                                 int64_t row, int64_t col, int64_t rows,
                                                 int64_t cols)
{
    uint32_t bytes = tn_k_elem_bytes(type);
    uint32_t at = tn_k_sys_room(b, (uint64_t)rows, (uint64_t)cols * bytes);
    tn_k_sys_load_packet(b,
                         tn_k_sys_transfer(TN_K_SYS_LD, address, bytes, row, col, rows, cols, at));
    return (tn_k_sys_source){at, TN_K_SYS_FULL, type};
}

/* The vector unit may begin: all is there, and the half that it writes to has been stored. */
static inline void tn_k_sys_ready(tn_k_sys_block *b)
{
    if (b->loads == 0 && b->used >= 2) /* nothing to load: the turn is over all the same */
        tn_k_sys_nop(b->out, TN_K_SYS_DMA_IN, TN_K_SYS_IN_FREE, 1, 0, 0);
    for (uint32_t left = b->loads; left != 0;) { /* a semaphore's wait is a byte */
        uint32_t here = left < 128 ? left : 128;
        tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, TN_K_SYS_IN_FULL, here, 0, 0);
        left -= here;
    }
    if (b->used >= 2)
        tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, TN_K_SYS_OUT_FREE, 1, 0, 0);
}

/* The last transfer of a block signals that it is stored: on to the other half. Blocks differ in
 * size, so what is loaded next may lie where this one is stored from: both who loads and who
 * computes wait for the store. */
static inline void tn_k_sys_stored(tn_k_sys_block *b)
{
    tn_k_sys_nop(b->out, TN_K_SYS_SYNC, TN_K_SYS_STORED, 1, TN_K_SYS_IN_FREE, 1);
    tn_k_sys_nop(b->out, TN_K_SYS_SYNC, 0, 0, TN_K_SYS_OUT_FREE, 1);
    b->used++;
}

/* Stores a block of the half and goes on to the other one. */
static inline void tn_k_sys_store(tn_k_sys_block *b, uint64_t address, uint32_t type, int64_t row,
                                  int64_t col, int64_t rows, int64_t cols, uint32_t at)
{
    tn_k_sys_packet x =
        tn_k_sys_transfer(TN_K_SYS_ST, address, tn_k_elem_bytes(type), row, col, rows, cols, at);
    tn_k_sys_nop(b->out, TN_K_SYS_VECTOR, 0, 0, TN_K_SYS_OUT_FULL, 1);
    x.wait_sem = TN_K_SYS_OUT_FULL;
    x.wait_val = 1;
    x.sig_sem = TN_K_SYS_STORED;
    x.sig_val = 1;
    tn_k_sys_put(b->out, x);
    tn_k_sys_stored(b);
}

static inline uint32_t tn_k_sys_word(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline tn_k_sys_source tn_k_sys_full(uint32_t at, uint32_t type)
{
    return (tn_k_sys_source){at, TN_K_SYS_FULL, type};
}

static inline tn_k_sys_source tn_k_sys_per_row(uint32_t at)
{
    return (tn_k_sys_source){at, TN_K_SYS_PER_ROW, TN_F32};
}

/* c = f(x, y, z) over rows by cols. */
static inline void tn_k_sys_map(tn_k_sys_block *b, uint32_t kind, tn_k_sys_source x,
                                tn_k_sys_source y, tn_k_sys_source z, float p0, float p1,
                                int64_t rows, int64_t cols, uint32_t to, uint32_t type)
{
    tn_k_sys_put(b->out, (tn_k_sys_packet){.op = TN_K_SYS_MAP,
                                           .a = x.at,
                                           .b = y.at,
                                           .d = z.at,
                                           .c = to,
                                           .n0 = (uint32_t)rows,
                                           .n1 = (uint32_t)cols,
                                           .n2 = TN_K_SYS_MAP_TYPES(x.type, y.type, z.type, type),
                                           .s0 = TN_K_SYS_MAP_KIND(kind, x.mode, y.mode, z.mode),
                                           .p0 = tn_k_sys_word(p0),
                                           .p1 = tn_k_sys_word(p1)});
}

/* Columns of a tile that is wider, from `bytes` on in rows that are `pitch` rows of the scratchpad
 * apart; 0: as wide as the columns. */
typedef struct tn_k_sys_part {
    uint32_t at, type, pitch, bytes;
} tn_k_sys_part;

/* c = f(x, y), x and c parts. */
static inline void tn_k_sys_map_parts(tn_k_sys_block *b, uint32_t kind, tn_k_sys_part x,
                                      tn_k_sys_source y, float p0, float p1, int64_t rows,
                                      int64_t cols, tn_k_sys_part c)
{
    tn_k_sys_put(b->out,
                 (tn_k_sys_packet){.op = TN_K_SYS_MAP,
                                   .a = x.at,
                                   .b = y.at,
                                   .c = c.at,
                                   .iova = TN_K_SYS_MAP_PARTS(x.pitch, c.pitch, x.bytes, c.bytes),
                                   .n0 = (uint32_t)rows,
                                   .n1 = (uint32_t)cols,
                                   .n2 = TN_K_SYS_MAP_TYPES(x.type, y.type, 0, c.type),
                                   .s0 = TN_K_SYS_MAP_KIND(kind, TN_K_SYS_FULL, y.mode, 0),
                                   .p0 = tn_k_sys_word(p0),
                                   .p1 = tn_k_sys_word(p1)});
}

/* f32 to[row] = max, sum or sum of squares of a row */
static inline void tn_k_sys_reduce(tn_k_sys_block *b, uint32_t kind, tn_k_sys_source x,
                                   int64_t rows, int64_t cols, uint32_t to)
{
    tn_k_sys_put(b->out, (tn_k_sys_packet){.op = TN_K_SYS_RED,
                                           .a = x.at,
                                           .c = to,
                                           .n0 = (uint32_t)rows,
                                           .n1 = (uint32_t)cols,
                                           .n2 = TN_K_SYS_MAP_TYPES(x.type, 0, 0, 0),
                                           .s0 = (int32_t)kind});
}

/* Rows of a block when each takes `each` rows of the scratchpad and `fixed` are taken anyhow. */
static inline int64_t tn_k_sys_fit(const tn_k_sys_caps *caps, uint64_t each, uint64_t fixed)
{
    uint64_t half = caps->spad_rows / 2;
    if (each == 0 || fixed + each > half)
        return 0;
    uint64_t n = (half - fixed) / each;
    return n < TN_K_SYS_ROWS ? (int64_t)n : TN_K_SYS_ROWS;
}

static inline bool tn_k_sys_stride_fits(int64_t stride, uint32_t bytes)
{
    int64_t most = INT32_MAX / (int64_t)bytes;
    return stride >= -most && stride <= most;
}

static inline bool tn_k_sys_grid_fits(const tn_k_grid *g, uint32_t operand, uint32_t bytes)
{
    bool good = true;
    for (uint32_t d = 0; d < g->rank; d++)
        good =
            good && tn_k_sys_stride_fits(g->stride[operand][d], bytes) && g->dim[d] < INT32_MAX / 8;
    return good;
}

/* The last two dims of a grid as rows and columns; one long contiguous dim is cut into rows. */
typedef struct tn_k_sys_plane {
    int64_t rows, cols, outer;
    int64_t row[TN_K_GRID_OPERANDS], col[TN_K_GRID_OPERANDS];
    uint32_t outer_rank;
} tn_k_sys_plane;

static inline tn_k_sys_plane tn_k_sys_plane_of(const tn_k_grid *g)
{
    tn_k_sys_plane p = {.rows = 1, .cols = 1, .outer = 1};
    if (g->rank > 0) {
        p.cols = g->dim[g->rank - 1];
        for (uint32_t o = 0; o < TN_K_GRID_OPERANDS; o++)
            p.col[o] = g->stride[o][g->rank - 1];
    }
    if (g->rank > 1) {
        p.rows = g->dim[g->rank - 2];
        for (uint32_t o = 0; o < TN_K_GRID_OPERANDS; o++)
            p.row[o] = g->stride[o][g->rank - 2];
        p.outer_rank = g->rank - 2;
    }
    for (uint32_t d = 0; d < p.outer_rank; d++)
        p.outer *= g->dim[d];
    return p;
}

/* Offset of operand `o` at an index of the outer dims. */
static inline int64_t tn_k_sys_outer(const tn_k_grid *g, const tn_k_sys_plane *p, uint32_t o,
                                     int64_t index)
{
    int64_t at = 0;
    for (uint32_t d = p->outer_rank; d-- > 0;) {
        at += index % g->dim[d] * g->stride[o][d];
        index /= g->dim[d];
    }
    return at;
}

static inline bool tn_k_sys_vector_class(const tn_k_sys_caps *caps, bool functions, tn_class cls,
                                         tn_k_why *why)
{
    uint32_t math = TN_K_SYS_MATH | (cls == TN_CLASS_FAST ? (uint32_t)TN_K_SYS_TABLES : 0u);
    if ((caps->flags & TN_K_SYS_VECTOR_F32) == 0 || (functions && (caps->flags & math) == 0))
        return tn_k_refuse(why, "systolic.function", "attr.kind",
                           "the vector unit lacks a function that this op needs, or looks it up, "
                           "which is for FAST");
    if (cls == TN_CLASS_EXACT)
        return tn_k_refuse(why, "kernel.class", "numerics.cls",
                           "the kernel promises less than the class asked for");
    return true;
}

static inline bool tn_k_sys_no_room(tn_k_why *why)
{
    return tn_k_refuse(why, "systolic.memory", "args",
                       "a row with its neighbours is more than the scratchpad holds, or strides "
                       "leave 31 bits");
}

#endif
