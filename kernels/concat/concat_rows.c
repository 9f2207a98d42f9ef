/* SPDX-License-Identifier: Apache-2.0 */
/* Concat where every operand is dense from the axis on: one memcpy an input and outer index. The C
 * library's memcpy uses the CPU's widest moves, so there is nothing to gain from a row per ISA. */
#include <kernels/concat/concat.h>

static bool dense(const tn_k_concat_params *p, const int64_t *stride, int64_t extent)
{
    int64_t step = 1;
    for (uint32_t d = p->rank; d-- > p->axis;) {
        int64_t dim = d == p->axis ? extent : p->dim[d];
        if (dim != 1 && stride[d] != step)
            return false;
        step *= dim;
    }
    return true;
}

static bool accepts(const void *params, const tn_k_caps *caps, tn_k_why *why)
{
    const tn_k_concat_params *p = params;
    (void)caps;
    bool ok = dense(p, p->stride, p->dim[p->axis]);
    for (uint32_t i = 0; i < p->inputs; i++)
        ok = ok && dense(p, p->in[i].stride, p->in[i].extent);
    if (!ok)
        return tn_k_refuse(why, "concat.stride", "out", "joins runs that are dense on both sides");
    return true;
}

static void plan(const void *params, const tn_k_caps *caps, tn_k_launch *out)
{
    const tn_k_concat_params *p = params;
    tn_k_launch_items(out, caps, tn_k_concat_count(p, 0, p->rank), p->elem_bytes);
}

static void run(const tn_k_launch *launch, const void *params, void *const *operand, void *shared,
                void *worker_scratch, uint32_t phase, uint32_t first, uint32_t last)
{
    (void)shared, (void)worker_scratch, (void)phase;
    const tn_k_concat_params *p = params;
    int64_t count = tn_k_concat_count(p, 0, p->rank), bytes = p->elem_bytes;
    int64_t run_elems = tn_k_concat_count(p, p->axis, p->rank);
    int64_t inner = tn_k_concat_count(p, p->axis + 1, p->rank);
    int64_t e = tn_k_task_first(count, launch->tasks[0], first);
    int64_t end = tn_k_task_first(count, launch->tasks[0], last);
    while (e < end) {
        int64_t outer = e / run_elems, begin = e % run_elems, to = begin, from;
        uint32_t i = 0;
        for (; begin >= p->in[i].extent * inner; i++)
            begin -= p->in[i].extent * inner;
        int64_t n = p->in[i].extent * inner - begin;
        n = n < end - e ? n : end - e;
        from = begin;
        for (uint32_t d = p->axis; d-- > 0; outer /= p->dim[d]) {
            to += outer % p->dim[d] * p->stride[d];
            from += outer % p->dim[d] * p->in[i].stride[d];
        }
        memmove((char *)operand[p->inputs] + to * bytes, (const char *)operand[i] + from * bytes,
                (size_t)(n * bytes));
        e += n;
    }
}

extern const tn_k_variant tn_k_concat_rows;
const tn_k_variant tn_k_concat_rows = {
    .name = "concat_rows",
    .isa = TN_K_ISA_BASELINE,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
