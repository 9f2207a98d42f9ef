/* SPDX-License-Identifier: Apache-2.0 */
/* Copy and cast in plain form: one element at a time. */
#include <kernels/common/dtype_convert.h>
#include <kernels/copy/copy.h>

static bool accepts_copy(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (((const tn_k_copy_params *)params)->elem_bytes == 0)
        return tn_k_refuse(why, "copy.dtype", "out", "this kernel moves one type unchanged");
    return true;
}

static bool accepts_cast(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (((const tn_k_copy_params *)params)->elem_bytes != 0)
        return tn_k_refuse(why, "copy.dtype", "out", "this kernel converts types");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_copy_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 16);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_copy_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), bytes = p->elem_bytes;
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        int64_t from = tn_k_grid_offset(&p->grid, 0, i), to = tn_k_grid_offset(&p->grid, 1, i);
        if (bytes != 0)
            memcpy((char *)operand[1] + to * bytes, (const char *)operand[0] + from * bytes,
                   (size_t)bytes);
        else
            tn_c_store(p->to, operand[1], to, tn_c_load(p->from, operand[0], from), p->saturate);
    }
}

extern const tn_k_variant tn_k_copy_canonical, tn_k_copy_cast_canonical;
const tn_k_variant tn_k_copy_canonical = {
    .name = "copy_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_copy,
    .plan = plan,
    .run = run,
};
const tn_k_variant tn_k_copy_cast_canonical = {
    .name = "copy_cast_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_cast,
    .plan = plan,
    .run = run,
};
