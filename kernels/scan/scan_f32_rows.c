/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums of f32, several rows at a time, so that the additions of one need not wait for each
 * other alone. */
#include <kernels/common/canon.h>
#include <kernels/scan/scan.h>

enum { ROWS = 8 };

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_scan_params *p = params;
    (void)caps;
    if (p->from != TN_F32 || p->to != TN_F32)
        return tn_k_refuse(why, "scan.dtype", "a", "this kernel sums f32");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_scan_params *p = params;
    int64_t rows = p->extent == 0 ? 0 : tn_k_grid_count(&p->rows);
    tn_k_launch_items(out, caps, rows, (uint64_t)p->extent * 16);
}

/* `rows` (a constant) rows from a[r] to out[r]. */
static inline __attribute__((always_inline)) void several(const tn_k_scan_params *p, int rows,
                                                          const float *const *a, float *const *out)
{
    float c[ROWS] = {0}, t[ROWS] = {0};
    for (int64_t first = 0; first < p->extent; first += TN_C_SEGMENT) {
        int64_t end = p->extent - first < TN_C_SEGMENT ? p->extent : first + TN_C_SEGMENT;
        for (int r = 0; r < rows; r++) {
            t[r] = t[r] + c[r];
            c[r] = 0.0f;
        }
        for (int64_t i = first; i < end; i++)
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) { /* OUT may be A exactly */
                float before = c[r];
                c[r] = c[r] + a[r][i * p->step[0]];
                out[r][i * p->step[1]] = (p->exclusive ? before : c[r]) + t[r];
            }
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_scan_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows), end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end;) {
        const float *a[ROWS];
        float *out[ROWS];
        int n = end - r < ROWS ? 1 : ROWS;
        for (int i = 0; i < n; i++) {
            a[i] = (const float *)operand[0] + tn_k_grid_offset(&p->rows, 0, r + i) + p->first[0];
            out[i] = (float *)operand[1] + tn_k_grid_offset(&p->rows, 1, r + i) + p->first[1];
        }
        if (n == ROWS)
            several(p, ROWS, a, out);
        else
            several(p, 1, a, out);
        r += n;
    }
}

extern const tn_k_variant tn_k_scan_f32_rows;
const tn_k_variant tn_k_scan_f32_rows = {
    .name = "scan_f32_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
