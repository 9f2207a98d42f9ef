/* SPDX-License-Identifier: Apache-2.0 */
/* gather of slices that are dense at the innermost dim: one memcpy a run. The C library's memcpy
 * uses the CPU's widest moves, so there is nothing to gain from a row per ISA. Slices of one
 * element are loads and stores of their own. */
#include <kernels/gather/gather.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_gather_params *p = params;
    (void)caps;
    if (tn_k_grid_inner_stride(&p->slice, 0) != 1 || tn_k_grid_inner_stride(&p->slice, 2) != 1)
        return tn_k_refuse(why, "gather.stride", "a", "copies slices that are dense inside");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_gather_params *p = params;
    int64_t slice = tn_k_grid_count(&p->slice);
    tn_k_launch_items(out, caps, slice == 0 ? 0 : tn_k_grid_count(&p->outer),
                      (uint64_t)slice * p->elem_bytes);
}

static void one_slice(const tn_k_gather_params *p, const char *a, int64_t from, int64_t index,
                      char *out, int64_t to)
{
    int64_t count = tn_k_grid_count(&p->slice), inner = tn_k_grid_inner(&p->slice);
    int64_t bytes = p->elem_bytes;
    for (int64_t n = 0; n < count; n += inner) {
        char *y = out + (to + tn_k_grid_offset(&p->slice, 2, n)) * bytes;
        if (index < 0)
            memset(y, 0, (size_t)(inner * bytes));
        else
            memcpy(y,
                   a + (from + index * p->axis_stride + tn_k_grid_offset(&p->slice, 0, n)) * bytes,
                   (size_t)(inner * bytes));
    }
}

/* A run of the innermost outer dim, slices of one element. */
#define ELEMENTS(name, type)                                                                       \
    static void name(const tn_k_gather_params *p, const type *a, const void *index, int64_t at,    \
                     type *out, int64_t n)                                                         \
    {                                                                                              \
        int64_t a_stride = tn_k_grid_inner_stride(&p->outer, 0);                                   \
        int64_t index_stride = tn_k_grid_inner_stride(&p->outer, 1);                               \
        int64_t out_stride = tn_k_grid_inner_stride(&p->outer, 2);                                 \
        for (int64_t s = 0; s < n; s++) {                                                          \
            int64_t i = tn_k_gather_index(p, index, at + s * index_stride);                        \
            out[s * out_stride] = i < 0 ? 0 : a[s * a_stride + i * p->axis_stride];                \
        }                                                                                          \
    }

ELEMENTS(elements_1, uint8_t)
ELEMENTS(elements_2, uint16_t)
ELEMENTS(elements_4, uint32_t)
ELEMENTS(elements_8, uint64_t)

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_gather_params *p = params;
    int64_t slices = tn_k_grid_count(&p->outer), inner = tn_k_grid_inner(&p->outer), n;
    int64_t end = tn_k_task_first(slices, launch->tasks[0], last);
    bool single = tn_k_grid_count(&p->slice) == 1;
    for (int64_t s = tn_k_task_first(slices, launch->tasks[0], first); s < end; s += n) {
        n = inner - s % inner < end - s ? inner - s % inner : end - s;
        int64_t a = tn_k_grid_offset(&p->outer, 0, s), index = tn_k_grid_offset(&p->outer, 1, s);
        int64_t out = tn_k_grid_offset(&p->outer, 2, s);
        if (single && p->elem_bytes == 1)
            elements_1(p, (const uint8_t *)operand[0] + a, operand[1], index,
                       (uint8_t *)operand[2] + out, n);
        else if (single && p->elem_bytes == 2)
            elements_2(p, (const uint16_t *)operand[0] + a, operand[1], index,
                       (uint16_t *)operand[2] + out, n);
        else if (single && p->elem_bytes == 4)
            elements_4(p, (const uint32_t *)operand[0] + a, operand[1], index,
                       (uint32_t *)operand[2] + out, n);
        else if (single)
            elements_8(p, (const uint64_t *)operand[0] + a, operand[1], index,
                       (uint64_t *)operand[2] + out, n);
        for (int64_t i = 0; i < n && !single; i++)
            one_slice(
                p, operand[0], a + i * tn_k_grid_inner_stride(&p->outer, 0),
                tn_k_gather_index(p, operand[1], index + i * tn_k_grid_inner_stride(&p->outer, 1)),
                operand[2], out + i * tn_k_grid_inner_stride(&p->outer, 2));
    }
}

extern const tn_k_variant tn_k_gather_rows;
const tn_k_variant tn_k_gather_rows = {
    .name = "gather_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
