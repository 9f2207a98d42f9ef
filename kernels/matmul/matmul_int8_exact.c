/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul of s8 and u8, written to be read: sums mod 2^32, then the epilogue of NUMERICS.md 4. */
#include <kernels/matmul/matmul_int_epilogue.h>

static bool exact_accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_matmul *p = params;
    (void)caps;
    if (!matmul_int_takes(p, why))
        return false;
    return !p->b_packed ||
           tn_k_refuse(why, "matmul.packed", "b", "the plain kernel has no packed form");
}

static void exact_plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_matmul *p = params;
    int64_t rows = p->batch_count * p->m;
    *out = (tn_k_launch){.workers = caps->workers};
    if (rows == 0 || p->n == 0)
        return;
    out->phases = 1;
    out->number[0] = rows > 65536 ? (rows + 65535) / 65536 : 1;
    out->tasks[0] = (uint32_t)((rows + out->number[0] - 1) / out->number[0]);
    out->estimate_ns = (uint64_t)(1000.0 + 2.0 * (double)rows * (double)p->n * (double)p->k /
                                               (caps->workers ? caps->workers : 1));
}

static void exact_run(const tn_k_launch *launch, const void *params, void *const *operand,
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
        uint32_t row_zero = matmul_int_zero(&p->a_zero, p->a_type, operand, i);
        for (int64_t j = 0; j < p->n; j++) {
            uint32_t sum = 0, a_sum = 0, b_sum = 0;
            for (int64_t k = 0; k < p->k; k++) {
                int64_t a_at = at.a + i * p->a_view.row + k * p->a_view.col;
                int64_t b_at = at.b + k * p->b_view.row + j * p->b_view.col;
                int32_t a = matmul_int_byte(p->a_type, operand[0], a_at);
                int32_t b = matmul_int_byte(p->b_type, operand[1], b_at);
                a -= p->a_type == TN_U8 ? 128 : 0;
                b -= p->b_type == TN_U8 ? 128 : 0;
                sum += (uint32_t)(a * b);
                a_sum += (uint32_t)a;
                b_sum += (uint32_t)b;
            }
            matmul_int_columns c;
            int32_t dot = (int32_t)sum, column = (int32_t)b_sum;
            matmul_int_prepare(p, operand, j, 1, 1, &column, &c);
            matmul_int_finish(p, &at, operand, i, j, &c, row_zero, a_sum, &dot, 1);
        }
    }
}

extern const tn_k_variant tn_k_matmul_int8_exact;
const tn_k_variant tn_k_matmul_int8_exact = {
    .name = "matmul_int8_exact",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = exact_accepts,
    .plan = exact_plan,
    .run = exact_run,
    .arithmetic = tn_k_matmul_arithmetic,
};
