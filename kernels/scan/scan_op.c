/* SPDX-License-Identifier: Apache-2.0 */
/* scan: params from an op, and the rows. */
#include <kernels/scan/scan.h>

static bool whole_integer(uint32_t dtype)
{
    return dtype == TN_S64 || dtype == TN_S32 || dtype == TN_S8 || dtype == TN_U8;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_scan_params *p = out_params;
    const tn_axis *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "scan.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "scan.posts", "posts", "takes no posts");
    const tn_tensor *t[2] = {&a->tensor, &out->tensor};
    bool floats = tn_k_scan_float(t[0]->dtype) && tn_k_scan_float(t[1]->dtype);
    if (!floats && !(whole_integer(t[0]->dtype) && whole_integer(t[1]->dtype)))
        return tn_k_refuse(why, "scan.dtype", "a", "sums f32 f16 bf16, and s64 s32 s8 u8");
    int32_t axis = attr->axis < 0 ? attr->axis + (int32_t)t[0]->rank : attr->axis;
    if (axis < 0 || axis >= t[0]->rank || t[1]->rank != t[0]->rank)
        return tn_k_refuse(why, "scan.axis", "attr.axis",
                           "the axis or the output rank does not fit");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->from = t[0]->dtype;
    p->to = t[1]->dtype;
    p->exclusive = (attr->flags & TN_SCAN_EXCLUSIVE) != 0;
    p->extent = t[0]->dim[axis];
    bool reverse = (attr->flags & TN_SCAN_REVERSE) != 0 && p->extent > 0;
    for (uint32_t o = 0; o < 2; o++) {
        p->first[o] = reverse ? (p->extent - 1) * t[o]->stride[axis] : 0;
        p->step[o] = reverse ? -t[o]->stride[axis] : t[o]->stride[axis];
    }
    for (int32_t d = 0; d < t[0]->rank; d++) {
        if (d == axis)
            continue;
        uint32_t n = p->rows.rank++;
        p->rows.dim[n] = t[0]->dim[d];
        p->rows.stride[0][n] = t[0]->stride[d];
        p->rows.stride[1][n] = t[1]->stride[d];
    }
    tn_k_grid_collapse(&p->rows, 2);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/scan/scan_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/scan/scan_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_scan;
const tn_k_op tn_k_op_scan = {
    TN_OP_SCAN, "scan",   sizeof(tn_k_scan_params),
    params,     variants, sizeof variants / sizeof variants[0],
};
