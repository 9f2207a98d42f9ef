/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize of blocks of 32 that carry their scale. */
#include <kernels/common/blocks.h>
#include <kernels/dequantize/dequantize.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_dequantize_params *p = params;
    (void)caps;
    return p->layout != TN_LAYOUT_STRIDED ||
           tn_k_refuse(why, "dequantize.layout", "a", "reads blocks with their scale only");
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_dequantize_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 4 * TN_K_BLOCK);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_dequantize_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), bytes = tn_k_block_bytes(p->layout);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t i = tn_k_task_first(count, launch->tasks[0], first); i < end; i++) {
        int64_t a = tn_k_grid_offset(&p->grid, 0, i), out = tn_k_grid_offset(&p->grid, 3, i);
        float y[TN_K_BLOCK];
        tn_k_block_decode(p->layout, (const uint8_t *)operand[0] + a * bytes, y);
        for (int k = 0; k < TN_K_BLOCK; k++)
            tn_c_store(p->to, operand[1], out + k * p->step, (tn_c_value){false, 0, (double)y[k]},
                       false);
    }
}

extern const tn_k_variant tn_k_dequantize_blocks_canonical;
const tn_k_variant tn_k_dequantize_blocks_canonical = {
    .name = "dequantize_blocks_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
