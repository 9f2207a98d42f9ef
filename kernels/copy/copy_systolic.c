/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and casts as packets for the vector unit. */
#include <kernels/common/widen.h>
#include <kernels/copy/copy.h>
#include <kernels/systolic/systolic_job.h>

static tn_k_sys_job copy_job(const tn_k_copy_params *p)
{
    tn_k_sys_job j = {.inputs = 1, .from = {p->from}, .to = p->to, .grid = &p->grid};
    return j;
}

static bool copy_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls, tn_k_why *why)
{
    const tn_k_copy_params *p = params;
    tn_k_sys_job j = copy_job(p);
    int64_t rows, width;
    bool same = p->from == p->to;
    if (tn_k_elem_bytes(p->from) == 0 ||
        (!same && (!tn_k_widens(p->from) || !tn_k_widens(p->to))) || (!same && p->saturate))
        return tn_k_refuse(why, "systolic.dtype", "a",
                           "the vector unit casts f32, f16, bf16 and f8");
    if (!same && !tn_k_sys_vector_class(caps, false, cls, why))
        return false;
    return tn_k_sys_job_fits(&j, caps, &rows, &width) || tn_k_sys_no_room(why);
}

static void copy_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                       tn_k_sys_stream *out)
{
    tn_k_sys_job j = copy_job(params);
    tn_k_sys_job_emit(&j, caps, operand, out);
}

extern const tn_k_sys_row tn_k_copy_systolic;
const tn_k_sys_row tn_k_copy_systolic = {
    .name = "copy_systolic",
    .kind = TN_OP_COPY,
    .accepts = copy_accepts,
    .lower = copy_lower,
};
