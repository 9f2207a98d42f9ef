/* SPDX-License-Identifier: Apache-2.0 */
/* quantize to blocks of 32 that carry their scale. */
#include <kernels/common/blocks.h>
#include <kernels/quantize/quantize.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_quantize_params *p = params;
    (void)caps;
    return p->layout != TN_LAYOUT_STRIDED ||
           tn_k_refuse(why, "quantize.layout", "out", "writes blocks with their scale only");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_quantize_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 4 * TN_K_BLOCK);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_quantize_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), bytes = tn_k_block_bytes(p->layout);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        int64_t a = tn_k_grid_offset(&p->grid, 0, i), out = tn_k_grid_offset(&p->grid, 3, i);
        float x[TN_K_BLOCK];
        for (int k = 0; k < TN_K_BLOCK; k++) {
            tn_c_value v = tn_c_load(p->from, operand[0], a + k * p->step);
            x[k] = v.integer ? (float)v.i : (float)v.f;
        }
        tn_k_block_encode(p->layout, x, (uint8_t *)operand[1] + out * bytes);
    }
}

extern const tn_k_variant tn_k_quantize_blocks_canonical;
const tn_k_variant tn_k_quantize_blocks_canonical = {
    .name = "quantize_blocks_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
