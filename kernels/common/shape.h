/* SPDX-License-Identifier: Apache-2.0 */
/* Index spaces with a stride per operand, and how ops find operands and split work. */
#ifndef TN_KERNELS_SHAPE_H
#define TN_KERNELS_SHAPE_H

#include <kernels/common/kernel.h>
#include <string.h>

enum { TN_K_GRID_OPERANDS = 4, TN_K_TASK_BYTES = 16384 };

/** Dims with one stride (elements) an operand; the last dim is the innermost. Rank 0 is one point.
 */
typedef struct tn_k_grid {
    uint32_t rank;
    int64_t dim[TN_MAX_RANK];
    int64_t stride[TN_K_GRID_OPERANDS][TN_MAX_RANK];
} tn_k_grid;

static inline bool tn_k_refuse(tn_k_why *why, const char *reason, const char *argument,
                               const char *text)
{
    if (why != NULL)
        *why = (tn_k_why){reason, argument, text};
    return false;
}

/** The argument of a role, or NULL. */
static inline const tn_arg *tn_k_find(const tn_op *op, uint32_t role)
{
    for (uint32_t i = 0; i < op->arg_count; i++)
        if (op->args[i].role == role)
            return &op->args[i];
    return NULL;
}

static inline void tn_k_add_operand(tn_k_operands *o, const tn_arg *arg)
{
    o->item[o->count].role = arg->role;
    o->item[o->count].flags = arg->flags;
    o->count++;
}

static inline uint32_t tn_k_elem_bytes(uint32_t dtype)
{
    switch (dtype) {
    case TN_F64:
    case TN_S64:
        return 8;
    case TN_F32:
    case TN_TF32:
    case TN_S32:
        return 4;
    case TN_F16:
    case TN_BF16:
        return 2;
    case TN_S8:
    case TN_U8:
    case TN_BOOL:
    case TN_F8E4M3:
    case TN_F8E5M2:
    case TN_E8M0:
        return 1;
    default:
        return 0;
    }
}

/** Stride of `t` along dim `d` of a space of `rank` dims of extents `dim`, aligned at the end:
 *  0 where the tensor is broadcast. */
static inline int64_t tn_k_broadcast_stride(const tn_tensor *t, uint32_t rank, uint32_t d,
                                            int64_t extent)
{
    uint32_t missing = rank - t->rank;
    if (d < missing || (t->dim[d - missing] == 1 && extent != 1))
        return 0;
    return t->stride[d - missing];
}

static inline int64_t tn_k_grid_count(const tn_k_grid *g)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < g->rank; d++)
        n *= g->dim[d];
    return n;
}

/** Drops dims of 1 and merges neighbours that every operand walks as one. */
static inline void tn_k_grid_collapse(tn_k_grid *g, uint32_t operands)
{
    uint32_t rank = 0;
    for (uint32_t d = 0; d < g->rank; d++) {
        if (g->dim[d] == 1)
            continue;
        bool merge = rank > 0;
        for (uint32_t o = 0; o < operands && merge; o++)
            merge = g->stride[o][rank - 1] == g->stride[o][d] * g->dim[d];
        if (merge)
            rank--;
        g->dim[rank] = merge ? g->dim[rank] * g->dim[d] : g->dim[d];
        for (uint32_t o = 0; o < operands; o++)
            g->stride[o][rank] = g->stride[o][d];
        rank++;
    }
    g->rank = rank;
}

/** Offset of operand `o` at the point with this row-major index. */
static inline int64_t tn_k_grid_offset(const tn_k_grid *g, uint32_t o, int64_t index)
{
    int64_t at = 0;
    for (uint32_t d = g->rank; d-- > 0;) {
        at += index % g->dim[d] * g->stride[o][d];
        index /= g->dim[d];
    }
    return at;
}

/** Extent of the innermost dim (1 for rank 0) and its stride. */
static inline int64_t tn_k_grid_inner(const tn_k_grid *g)
{
    return g->rank == 0 ? 1 : g->dim[g->rank - 1];
}

static inline int64_t tn_k_grid_inner_stride(const tn_k_grid *g, uint32_t o)
{
    return g->rank == 0 ? 1 : g->stride[o][g->rank - 1];
}

/** Copies the points [first, last) of operand `o`, in row-major order, to a dense array. */
static inline void tn_k_grid_read(const tn_k_grid *g, uint32_t o, const float *from, int64_t first,
                                  int64_t last, float *to)
{
    int64_t inner = tn_k_grid_inner(g), stride = tn_k_grid_inner_stride(g, o);
    while (first < last) {
        int64_t column = first % inner;
        int64_t count = inner - column < last - first ? inner - column : last - first;
        const float *at = from + tn_k_grid_offset(g, o, first);
        for (int64_t i = 0; i < count; i++)
            to[i] = at[i * stride];
        to += count;
        first += count;
    }
}

static inline void tn_k_grid_write(const tn_k_grid *g, uint32_t o, float *to, int64_t first,
                                   int64_t last, const float *from)
{
    int64_t inner = tn_k_grid_inner(g), stride = tn_k_grid_inner_stride(g, o);
    while (first < last) {
        int64_t column = first % inner;
        int64_t count = inner - column < last - first ? inner - column : last - first;
        float *at = to + tn_k_grid_offset(g, o, first);
        for (int64_t i = 0; i < count; i++)
            at[i * stride] = from[i];
        from += count;
        first += count;
    }
}

/** One phase over `items` pieces of `item_bytes` work: tasks of 16 KiB or what the device wants, or
 *  more; at most 4 a worker. */
static inline void tn_k_launch_items(tn_k_launch *out, const tn_k_caps *caps, int64_t items,
                                     uint64_t item_bytes)
{
    memset(out, 0, sizeof *out);
    out->workers = caps->workers == 0 ? 1 : caps->workers;
    if (items <= 0)
        return;
    uint64_t least = caps->task_bytes != 0 ? caps->task_bytes : TN_K_TASK_BYTES;
    uint64_t work = (uint64_t)items * item_bytes, tasks = work / least;
    uint64_t most = (uint64_t)out->workers * 4;
    if (tasks > most)
        tasks = most;
    if (tasks > (uint64_t)items)
        tasks = (uint64_t)items;
    out->phases = 1;
    out->tasks[0] = tasks == 0 ? 1 : (uint32_t)tasks;
    out->estimate_ns = 200 + work / 8;
}

/** First item of a task; tasks take contiguous ranges. */
static inline int64_t tn_k_task_first(int64_t items, uint32_t tasks, uint32_t task)
{
    int64_t each = items / tasks, rest = items % tasks;
    return each * task + (task < rest ? task : rest);
}

/** A grid of tiles that tasks share out as blocks of rows and columns. */
typedef struct tn_k_sharing {
    int64_t batch, workers;
    int64_t tiles[2];  /* of all rows and columns of one matrix */
    int64_t least[2];  /* blocks of each that there have to be */
    double packing[2]; /* what a task does for each row and column of tiles of its own, in tiles */
} tn_k_sharing;

/** About as many blocks as there are, such that the worker with most to do has the least: nine
 * equal tasks keep two workers as long as ten. Nothing where tasks are many or no choice is. */
static inline void tn_k_share(const tn_k_sharing *s, int64_t *blocks)
{
    int64_t w = s->workers, tasks = s->batch * blocks[0] * blocks[1];
    if (w < 2 || tasks < 2 || tasks >= 16 * w)
        return;
    int64_t fewest = tasks >= 4 * w ? 4 * w : (2 * tasks + 2) / 3, most = tasks + 2 * w;
    double best = 0.0;
    for (int64_t r = s->least[0]; r <= s->tiles[0] && s->batch * r <= most; r++)
        for (int64_t c = s->least[1]; c <= s->tiles[1] && s->batch * r * c <= most; c++) {
            int64_t n = s->batch * r * c;
            if (n < fewest)
                continue;
            double rows = (double)((s->tiles[0] + r - 1) / r);
            double cols = (double)((s->tiles[1] + c - 1) / c);
            double one = rows * cols + rows * s->packing[0] + cols * s->packing[1];
            double all = (double)((n + w - 1) / w) * one;
            if (best == 0.0 || all < best) {
                best = all;
                blocks[0] = r;
                blocks[1] = c;
            }
        }
}

#endif
