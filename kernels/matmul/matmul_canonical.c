/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul in the normative order, written to be read: NUMERICS.md sections 3 and 4. */
#include <kernels/common/canon.h>
#include <kernels/matmul/matmul_epilogue.h>

static bool canonical_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    (void)caps;
    if (p->b_layout != 0 || !tn_k_widens(p->a_type) || !tn_k_widens(p->b_type))
        return tn_k_refuse(why, "matmul.dtype", "b", "for floats, each an element of its own");
    if (p->b_packed) {
        *why = (tn_k_why){"matmul.packed", "b", "the plain kernel has no packed form"};
        return false;
    }
    return true;
}

static void canonical_plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    int64_t rows = p->batch_count * p->m;
    *out = (tn_k_launch){.workers = caps->workers};
    if (rows == 0 || p->n == 0)
        return;
    out->phases = 1;
    out->number[0] = rows > 65536 ? (rows + 65535) / 65536 : 1;
    out->tasks[0] = (uint32_t)((rows + out->number[0] - 1) / out->number[0]);
    out->estimate_ns = (uint64_t)(1000.0 + 4.0 * (double)rows * (double)p->n * (double)p->k /
                                               (caps->workers ? caps->workers : 1));
}

/* Chunks of 128 chains; elements of any type enter as the f32 that they are exactly. */
static float dot(const tn_k_matmul *p, const void *a, int64_t a_at, const void *b, int64_t b_at)
{
    float t = 0.0f;
    for (int64_t k0 = 0; k0 < p->k; k0 += TN_C_CHUNK) {
        float s = 0.0f;
        for (int64_t k = k0; k < p->k && k < k0 + TN_C_CHUNK; k++)
            s = __builtin_fmaf(tn_k_widen(p->a_type, a, a_at + k * p->a_view.col),
                               tn_k_widen(p->b_type, b, b_at + k * p->b_view.row), s);
        t = t + s;
    }
    return t;
}

static void canonical_run(const tn_k_launch *launch, const void *params, void *const *operand,
                          void *shared, void *worker_scratch, uint32_t phase, uint32_t first,
                          uint32_t last)
{
    const tn_k_matmul *p = params;
    int64_t rows = p->batch_count * p->m, end = last * launch->number[0];
    (void)shared, (void)worker_scratch, (void)phase;
    for (int64_t r = first * launch->number[0]; r < (end < rows ? end : rows); r++) {
        tn_k_matmul_item at;
        tn_k_matmul_locate(p, r / p->m, &at);
        int64_t i = r % p->m;
        for (int64_t j = 0; j < p->n; j++) {
            float y =
                dot(p, operand[0], at.a + i * p->a_view.row, operand[1], at.b + j * p->b_view.col);
            matmul_finish(p, &at, operand, i, j, &y, 1, 1);
        }
    }
}

extern const tn_k_variant tn_k_matmul_canonical;
const tn_k_variant tn_k_matmul_canonical = {
    .name = "matmul_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = canonical_accepts,
    .plan = canonical_plan,
    .run = canonical_run,
    .arithmetic = tn_k_matmul_arithmetic,
};
