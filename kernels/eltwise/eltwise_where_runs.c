/* SPDX-License-Identifier: Apache-2.0 */
/* where along the innermost dim, one loop a size of element; what is dense, the compiler vectorises
 * as far as the baseline goes. */
#include <kernels/eltwise/eltwise.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)caps;
    if (((const tn_k_eltwise_params *)params)->kind != TN_ELTWISE_WHERE)
        return tn_k_refuse(why, "eltwise.kind", "attr.kind", "this kernel is where alone");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_eltwise_params *p = params;
    tn_k_launch_items(out, caps, tn_k_grid_count(&p->grid), 1 + 4 * tn_k_elem_bytes(p->dtype));
}

/* OUT may be B or C exactly: no iteration depends on another. */
static void run_1(uint8_t *o, const uint8_t *m, const uint8_t *x, const uint8_t *y,
                  const int64_t *s, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
        o[i * s[3]] = m[i * s[0]] != 0 ? x[i * s[1]] : y[i * s[2]];
}

static void run_2(uint16_t *o, const uint8_t *m, const uint16_t *x, const uint16_t *y,
                  const int64_t *s, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
        o[i * s[3]] = m[i * s[0]] != 0 ? x[i * s[1]] : y[i * s[2]];
}

static void run_4(uint32_t *o, const uint8_t *m, const uint32_t *x, const uint32_t *y,
                  const int64_t *s, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
        o[i * s[3]] = m[i * s[0]] != 0 ? x[i * s[1]] : y[i * s[2]];
}

static void run_8(uint64_t *o, const uint8_t *m, const uint64_t *x, const uint64_t *y,
                  const int64_t *s, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
        o[i * s[3]] = m[i * s[0]] != 0 ? x[i * s[1]] : y[i * s[2]];
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_eltwise_params *p = params;
    int64_t count = tn_k_grid_count(&p->grid), inner = tn_k_grid_inner(&p->grid);
    int64_t bytes = tn_k_elem_bytes(p->dtype), s[4];
    for (uint32_t o = 0; o < 4; o++)
        s[o] = tn_k_grid_inner_stride(&p->grid, o);
    int64_t i = tn_k_task_first(count, launch->tasks[0], first);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    while (i < end) {
        int64_t left = inner - i % inner, n = left < end - i ? left : end - i;
        const uint8_t *m = (const uint8_t *)operand[0] + tn_k_grid_offset(&p->grid, 0, i);
        const void *x = (const char *)operand[1] + tn_k_grid_offset(&p->grid, 1, i) * bytes;
        const void *y = (const char *)operand[2] + tn_k_grid_offset(&p->grid, 2, i) * bytes;
        void *o = (char *)operand[3] + tn_k_grid_offset(&p->grid, 3, i) * bytes;
        if (bytes == 1)
            run_1(o, m, x, y, s, n);
        else if (bytes == 2)
            run_2(o, m, x, y, s, n);
        else if (bytes == 4)
            run_4(o, m, x, y, s, n);
        else
            run_8(o, m, x, y, s, n);
        i += n;
    }
}

extern const tn_k_variant tn_k_eltwise_where_runs;
const tn_k_variant tn_k_eltwise_where_runs = {
    .name = "eltwise_where_runs",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
