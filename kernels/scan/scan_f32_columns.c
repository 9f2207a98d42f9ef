/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums of f32 along an axis that is not the innermost: neighbouring rows side by side, so
 * that memory is walked in order and the additions of different rows overlap. */
#include <kernels/common/canon.h>
#include <kernels/scan/scan.h>

enum { COLUMNS = 64 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_scan_params *p = params;
    (void)caps;
    if (p->from != TN_F32 || p->to != TN_F32)
        return tn_k_refuse(why, "scan.dtype", "a", "this kernel sums f32");
    if (tn_k_grid_inner_stride(&p->rows, 0) != 1 || tn_k_grid_inner_stride(&p->rows, 1) != 1 ||
        tn_k_grid_inner(&p->rows) < 8)
        return tn_k_refuse(why, "scan.stride", "a", "sums rows that lie side by side");
    return true;
}

static int64_t blocks(const tn_k_scan_params *p)
{
    return (tn_k_grid_inner(&p->rows) + COLUMNS - 1) / COLUMNS;
}

static int64_t items(const tn_k_scan_params *p)
{
    int64_t inner = tn_k_grid_inner(&p->rows);
    return p->extent == 0 ? 0 : tn_k_grid_count(&p->rows) / inner * blocks(p);
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_scan_params *p = params;
    tn_k_launch_items(out, caps, items(p), (uint64_t)p->extent * COLUMNS * 8);
}

static void block(const tn_k_scan_params *p, const float *a, float *out, int64_t columns)
{
    float c[COLUMNS] = {0}, t[COLUMNS] = {0};
    for (int64_t i = 0; i < p->extent; i++, a += p->step[0], out += p->step[1]) {
        for (int64_t j = 0; i % TN_C_SEGMENT == 0 && j < columns; j++) {
            t[j] = t[j] + c[j];
            c[j] = 0.0f;
        }
        /* OUT may be A exactly: no column depends on another */
        if (p->exclusive) {
#pragma GCC ivdep
            for (int64_t j = 0; j < columns; j++) {
                float y = c[j] + t[j];
                c[j] = c[j] + a[j];
                out[j] = y;
            }
        } else {
#pragma GCC ivdep
            for (int64_t j = 0; j < columns; j++) {
                c[j] = c[j] + a[j];
                out[j] = c[j] + t[j];
            }
        }
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_scan_params *p = params;
    int64_t count = items(p), inner = tn_k_grid_inner(&p->rows), per_row = blocks(p);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t b = tn_k_task_first(count, launch->tasks[0], first); b < end; b++) {
        int64_t column = b % per_row * COLUMNS, at = b / per_row * inner + column;
        int64_t columns = inner - column < COLUMNS ? inner - column : COLUMNS;
        block(p, (const float *)operand[0] + tn_k_grid_offset(&p->rows, 0, at) + p->first[0],
              (float *)operand[1] + tn_k_grid_offset(&p->rows, 1, at) + p->first[1], columns);
    }
}

extern const tn_k_variant tn_k_scan_f32_columns;
const tn_k_variant tn_k_scan_f32_columns = {
    .name = "scan_f32_columns",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
