/* SPDX-License-Identifier: Apache-2.0 */
/* Copy of elements at any strides: a run of the innermost dim at a time, without a division an
 * element. */
#include <kernels/copy/copy.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    (void)caps;
    return p->elem_bytes != 0 ||
           tn_k_refuse(why, "copy.dtype", "out", "this kernel moves one type unchanged");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_copy_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 8);
}

/* A may be broadcast: its stride is 0 then. */
#define STRIDED(name, type)                                                                        \
    static void name(const type *a, int64_t a_stride, type *out, int64_t out_stride, int64_t n)    \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            out[i * out_stride] = a[i * a_stride];                                                 \
    }

STRIDED(run_1, uint8_t)
STRIDED(run_2, uint16_t)
STRIDED(run_4, uint32_t)
STRIDED(run_8, uint64_t)

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_copy_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), inner = tn_k_grid_inner(&p->grid);
    int64_t a_stride = tn_k_grid_inner_stride(&p->grid, 0);
    int64_t out_stride = tn_k_grid_inner_stride(&p->grid, 1);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last), n;
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i += n) {
        n = inner - i % inner < end - i ? inner - i % inner : end - i;
        int64_t a = tn_k_grid_offset(&p->grid, 0, i), out = tn_k_grid_offset(&p->grid, 1, i);
        if (p->elem_bytes == 1)
            run_1((const uint8_t *)operand[0] + a, a_stride, (uint8_t *)operand[1] + out,
                  out_stride, n);
        else if (p->elem_bytes == 2)
            run_2((const uint16_t *)operand[0] + a, a_stride, (uint16_t *)operand[1] + out,
                  out_stride, n);
        else if (p->elem_bytes == 4)
            run_4((const uint32_t *)operand[0] + a, a_stride, (uint32_t *)operand[1] + out,
                  out_stride, n);
        else
            run_8((const uint64_t *)operand[0] + a, a_stride, (uint64_t *)operand[1] + out,
                  out_stride, n);
    }
}

extern const tn_k_variant tn_k_copy_strided;
const tn_k_variant tn_k_copy_strided = {
    .name = "copy_strided",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
