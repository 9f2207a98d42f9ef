/* SPDX-License-Identifier: Apache-2.0 */
/* pad in plain form: one element at a time. */
#include <kernels/pad/pad.h>

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    (void)params, (void)caps, (void)why;
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_pad_params *p = params;
    tn_k_launch_items(out, caps, tn_k_pad_height(p) * tn_k_pad_width(p), 16);
    out->estimate_ns *= 8;
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_pad_params *p = params;
    int64_t columns = tn_k_pad_width(p), count = tn_k_pad_height(p) * columns;
    int64_t end = tn_k_task_first(count, launch->tasks[0], last), bytes = p->elem_bytes;
    for (int64_t e = tn_k_task_first(count, launch->tasks[0], first); e < end; e++) {
        int64_t from, to = tn_k_pad_row(p, e / columns, &from);
        if (p->rank > 0) {
            int64_t at = tn_k_pad_index(p, p->rank - 1, e % columns);
            to += e % columns * p->stride[p->rank - 1];
            from = from < 0 || at < 0 ? -1 : from + at * p->from_stride[p->rank - 1];
        }
        memcpy((char *)operand[1] + to * bytes,
               from < 0 ? (const char *)p->value : (const char *)operand[0] + from * bytes,
               (size_t)bytes);
    }
}

extern const tn_k_variant tn_k_pad_canonical;
const tn_k_variant tn_k_pad_canonical = {
    .name = "pad_canonical",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
