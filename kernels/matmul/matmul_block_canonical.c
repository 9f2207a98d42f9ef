/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of floats with weights in blocks, written to be read: each weight is its integer times its
 * scale, then the dot of NUMERICS.md section 3. */
#include <kernels/common/blocks.h>
#include <kernels/common/canon.h>
#include <kernels/matmul/matmul_epilogue.h>

static bool block_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    return tn_k_matmul_blocks(params, why);
}

static void block_plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    int64_t cells = p->batch_count * p->m * p->n;
    *out = (tn_k_launch){.workers = caps->workers};
    if (cells == 0)
        return;
    out->phases = 1;
    out->number[0] = cells / 4096 + 1;
    out->tasks[0] = (uint32_t)((cells + out->number[0] - 1) / out->number[0]);
    out->estimate_ns = (uint64_t)(1000.0 + 6.0 * (double)cells * (double)p->k /
                                               (caps->workers ? caps->workers : 1));
}

static void block_run(const tn_k_launch *launch, const void *params, void *const *operand,
                      void *shared, void *worker_scratch, uint32_t phase, uint32_t first,
                      uint32_t last)
{
    const tn_k_matmul *p = params;
    int64_t cells = p->batch_count * p->m * p->n, end = last * launch->number[0];
    int64_t bytes = tn_k_block_bytes(p->b_layout);
    (void)shared, (void)worker_scratch, (void)phase;
    for (int64_t cell = first * launch->number[0]; cell < (end < cells ? end : cells); cell++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, cell / p->n / p->m, &at);
        int64_t i = cell / p->n % p->m, j = cell % p->n;
        int64_t a = at.a + i * p->a_view.row;
        const uint8_t *b =
            (const uint8_t *)operand[1] + (at.b + j * p->b_view.col) / TN_K_BLOCK * bytes;
        float y = 0.0f, s = 0.0f, w[TN_K_BLOCK];
        for (int64_t k = 0; k < p->k; k++) {
            if (k % TN_K_BLOCK == 0)
                tn_k_block_decode(p->b_layout, b + k / TN_K_BLOCK * bytes, w);
            s = __builtin_fmaf(tn_k_widen(p->a_type, operand[0], a + k * p->a_view.col),
                               w[k % TN_K_BLOCK], s);
            if ((k + 1) % TN_C_CHUNK == 0 || k + 1 == p->k) {
                y = y + s;
                s = 0.0f;
            }
        }
        matmul_finish(p, &at, operand, i, j, &y, 1, 1);
    }
}

extern const tn_k_variant tn_k_matmul_block_canonical;
const tn_k_variant tn_k_matmul_block_canonical = {
    .name = "matmul_block_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = block_accepts,
    .plan = block_plan,
    .run = block_run,
    .arithmetic = tn_k_matmul_arithmetic,
};
