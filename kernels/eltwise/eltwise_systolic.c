/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds as packets for the vector unit. */
#include <kernels/common/float_rows.h>
#include <kernels/eltwise/eltwise.h>
#include <kernels/systolic/systolic_job.h>

static bool is_function(uint32_t kind)
{
    return kind >= TN_ELTWISE_RSQRT && kind <= TN_ELTWISE_COS;
}

/* Tables have no sine and no cosine. */
static bool has(const tn_k_sys_caps *caps, uint32_t kind)
{
    bool turns = kind == TN_ELTWISE_SIN || kind == TN_ELTWISE_COS;
    return !turns || (caps->flags & TN_K_SYS_MATH) != 0;
}

static tn_k_sys_job eltwise_job(const tn_k_eltwise_params *p)
{
    tn_k_sys_job j = {.kind = p->kind, .inputs = p->inputs, .a = p->a, .b = p->b, .grid = &p->grid};
    for (uint32_t i = 0; i < p->inputs; i++)
        j.from[i] = p->dtype;
    if (p->kind == TN_ELTWISE_WHERE)
        j.from[0] = TN_BOOL;
    j.to = tn_k_eltwise_is_compare(p->kind) ? TN_BOOL : p->dtype;
    return j;
}

static bool eltwise_accepts(const void *params, const tn_k_sys_caps *caps, tn_class cls,
                            tn_k_why *why)
{
    const tn_k_eltwise_params *p = params;
    tn_k_sys_job j = eltwise_job(p);
    int64_t rows, width;
    /* f32 is moved as it is, NaNs included; narrower types pass through f32 */
    bool where = p->kind == TN_ELTWISE_WHERE;
    if (!tn_k_computes(p->dtype) || (where && p->dtype != TN_F32))
        return tn_k_refuse(why, "eltwise.dtype", "a", "the vector unit computes f32, f16 and bf16");
    if (!has(caps, p->kind))
        return tn_k_refuse(why, "systolic.function", "attr.kind",
                           "the vector unit has no sine and no cosine");
    if (!tn_k_sys_vector_class(caps, is_function(p->kind), where ? TN_CLASS_CANONICAL : cls, why))
        return false;
    return tn_k_sys_job_fits(&j, caps, &rows, &width) || tn_k_sys_no_room(why);
}

static void eltwise_lower(const void *params, const tn_k_sys_caps *caps, const uint64_t *operand,
                          tn_k_sys_stream *out)
{
    tn_k_sys_job j = eltwise_job(params);
    tn_k_sys_job_emit(&j, caps, operand, out);
}

extern const tn_k_sys_row tn_k_eltwise_systolic;
const tn_k_sys_row tn_k_eltwise_systolic = {
    .name = "eltwise_systolic",
    .kind = TN_OP_ELTWISE,
    .accepts = eltwise_accepts,
    .lower = eltwise_lower,
    .arithmetic = tn_k_eltwise_arithmetic,
};
