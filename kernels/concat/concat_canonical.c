/* SPDX-License-Identifier: Apache-2.0 */
/* concat in plain form: one element at a time. */
#include <kernels/concat/concat.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_concat_params *p = params;
    tn_k_launch_items(out, caps, tn_k_concat_count(p, 0, p->rank), 16);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_concat_params *p = params;
    int64_t count = tn_k_concat_count(p, 0, p->rank), bytes = p->elem_bytes;
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    for (int64_t e = tn_k_task_first(count, launch->tasks[0], first); e < end; e++) {
        int64_t at[TN_MAX_RANK] = {0}, rest = e, to = 0, from = 0;
        for (uint32_t d = p->rank; d-- > 0; rest /= p->dim[d]) {
            at[d] = rest % p->dim[d];
            to += at[d] * p->stride[d];
        }
        uint32_t i = 0;
        for (; at[p->axis] >= p->in[i].extent; i++)
            at[p->axis] -= p->in[i].extent;
        for (uint32_t d = 0; d < p->rank; d++)
            from += at[d] * p->in[i].stride[d];
        memmove((char *)operand[p->inputs] + to * bytes, (const char *)operand[i] + from * bytes,
                (size_t)bytes);
    }
}

extern const tn_k_variant tn_k_concat_canonical;
const tn_k_variant tn_k_concat_canonical = {
    .name = "concat_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
