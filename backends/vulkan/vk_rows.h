/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows share: spaces and grids in the form that shaders read. */
#ifndef TN_BACKENDS_VK_ROWS_H
#define TN_BACKENDS_VK_ROWS_H

#include "vk.h"

#include <kernels/common/glsl/grid_glsl.h>
#include <kernels/common/shape.h>
#include <vk_modules.h>

static inline bool vk_size_refused(tn_k_why *why)
{
    return tn_k_refuse(why, "vulkan.size", "args", "has more elements than an int32 counts");
}

/* A space of at most 2^31 - 1 points; strides were checked with the operands' spans. */
static inline bool vk_grid(const tn_k_grid *g, uint32_t operands, grid_glsl *out, tn_k_why *why)
{
    int64_t count = 1;
    out->rank = (int)g->rank;
    for (uint32_t d = 0; d < g->rank; ++d) {
        if (g->dim[d] > INT32_MAX ||
            __builtin_mul_overflow(count, g->dim[d] == 0 ? 1 : g->dim[d], &count) ||
            count > INT32_MAX / 2)
            return vk_size_refused(why);
        out->dim[d] = (int)g->dim[d];
        for (uint32_t o = 0; o < operands; ++o)
            out->stride[o * 8 + d] = g->dim[d] > 1 ? (int)g->stride[o][d] : 0;
    }
    out->count = (int)tn_k_grid_count(g);
    return true;
}

/* Points of all operands lie one behind the other. */
static inline bool vk_grid_dense(const tn_k_grid *g, uint32_t operands)
{
    if (g->rank > 1)
        return false;
    for (uint32_t o = 0; g->rank == 1 && o < operands; ++o)
        if (g->stride[o][0] != 1)
            return false;
    return true;
}

/* Workgroups in a row, folded where one dim has too few: a shader's GROUP. */
static inline void vk_groups(const vk_caps *caps, uint64_t count, vk_step *out)
{
    uint64_t wide = count;
    if (wide > caps->groups[0])
        wide = caps->groups[0];
    out->groups[0] = (uint32_t)wide;
    out->groups[1] = wide == 0 ? 0 : (uint32_t)((count + wide - 1) / wide);
    out->groups[2] = 1;
}

static inline void vk_groups_of(const vk_caps *caps, uint64_t invocations, uint32_t size,
                                vk_step *out)
{
    vk_groups(caps, (invocations + size - 1) / size, out);
}

/* y folded into y and z. */
static inline void vk_groups_rows(const vk_caps *caps, uint64_t columns, uint32_t size,
                                  uint64_t rows, vk_step *out)
{
    uint64_t tall = rows > caps->groups[1] ? caps->groups[1] : rows;
    out->groups[0] = (uint32_t)((columns + size - 1) / size);
    out->groups[1] = (uint32_t)tall;
    out->groups[2] = tall == 0 ? 0 : (uint32_t)((rows + tall - 1) / tall);
}

/* Turns of `passes` over a row of 64 lanes, and of the folds in between; rank: of the grid inside a
 * pass. */
static inline uint32_t vk_turns(int64_t count, uint32_t passes, uint32_t rank)
{
    double each = (double)(count / 64 + 1) * (rank + 1) + 8.0 * ((double)count / 4096 + 1);
    double all = passes * each;
    return all > UINT32_MAX ? UINT32_MAX : (uint32_t)all;
}

static inline int vk_bits(float x)
{
    int bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* log2 of 1, 2, 4 or 8. */
static inline uint32_t vk_log2(uint32_t bytes)
{
    return bytes == 8 ? 3 : bytes == 4 ? 2 : bytes == 2 ? 1 : 0;
}

#endif
