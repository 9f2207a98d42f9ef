/* SPDX-License-Identifier: Apache-2.0 */
/* Running sums in the normative order, written out; integers, which need none. */
#include <kernels/common/canon.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/scan/scan.h>

static bool accepts_floats(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (!tn_k_scan_float(((const tn_k_scan_params *)params)->from))
        return tn_k_refuse(why, "scan.dtype", "a", "this kernel sums floats");
    return true;
}

static bool accepts_integers(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (tn_k_scan_float(((const tn_k_scan_params *)params)->from))
        return tn_k_refuse(why, "scan.dtype", "a", "this kernel sums integers");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_scan_params *p = params;
    tn_k_launch_items(out, caps, p->extent == 0 ? 0 : tn_k_grid_count(&p->rows),
                      (uint64_t)p->extent * 32);
    out->estimate_ns *= 2;
}

static void row_of_floats(const tn_k_scan_params *p, void *const *operand, int64_t from, int64_t to)
{
    float t = 0.0f, c = 0.0f;
    for (int64_t i = 0; i < p->extent; i++) {
        if (i % TN_C_SEGMENT == 0) {
            t = t + c;
            c = 0.0f;
        }
        float before = c;
        c = c + (float)tn_c_load(p->from, operand[0], from + i * p->step[0]).f;
        float y = (p->exclusive ? before : c) + t;
        tn_c_store(p->to, operand[1], to + i * p->step[1], (tn_c_value){false, 0, (double)y},
                   false);
    }
}

static void row_of_integers(const tn_k_scan_params *p, void *const *operand, int64_t from,
                            int64_t to)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < p->extent; i++) {
        uint64_t before = sum;
        sum += (uint64_t)tn_c_load(p->from, operand[0], from + i * p->step[0]).i;
        tn_c_value v = {true, (int64_t)(p->exclusive ? before : sum), 0.0};
        tn_c_store(p->to, operand[1], to + i * p->step[1], v, false);
    }
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_scan_params *p = params;
    int64_t rows = tn_k_grid_count(&p->rows), end = tn_k_task_first(rows, launch->tasks[0], last);
    for (int64_t r = tn_k_task_first(rows, launch->tasks[0], first); r < end; r++) {
        int64_t from = tn_k_grid_offset(&p->rows, 0, r) + p->first[0];
        int64_t to = tn_k_grid_offset(&p->rows, 1, r) + p->first[1];
        if (tn_k_scan_float(p->from))
            row_of_floats(p, operand, from, to);
        else
            row_of_integers(p, operand, from, to);
    }
}

extern const tn_k_variant tn_k_scan_canonical, tn_k_scan_integer;
const tn_k_variant tn_k_scan_canonical = {
    .name = "scan_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_floats,
    .plan = plan,
    .run = run,
};
const tn_k_variant tn_k_scan_integer = {
    .name = "scan_integer",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_integers,
    .plan = plan,
    .run = run,
};
