/* SPDX-License-Identifier: Apache-2.0 */
/* topk: params from an op, and the rows. */
#include <kernels/topk/topk.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_topk_params *p = out_params;
    const tn_axis *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    const tn_arg *index = tn_k_find(op, TN_ARG_INDEX);
    bool indices = (attr->flags & TN_TOPK_INDICES) != 0;
    if (a == NULL || out == NULL || op->arg_count != 2u + (index != NULL) ||
        (indices && index != NULL))
        return tn_k_refuse(why, "topk.operand", "args", "takes A, OUT and INDEX");
    if (op->post_count != 0)
        return tn_k_refuse(why, "topk.posts", "posts", "takes no posts");
    const tn_tensor *ta = &a->tensor, *to = &out->tensor, *ti = indices ? to : NULL;
    if (index != NULL)
        ti = &index->tensor;
    if (tn_k_elem_bytes(ta->dtype) == 0 || ta->dtype == TN_BOOL ||
        (!indices && to->dtype != ta->dtype))
        return tn_k_refuse(why, "topk.dtype", "a", "orders numbers of whole bytes");
    if (ti != NULL && ti->dtype != TN_S32 && ti->dtype != TN_S64)
        return tn_k_refuse(why, "topk.index_dtype", "index", "writes s32 or s64 indices");
    int32_t axis = attr->axis < 0 ? attr->axis + (int32_t)ta->rank : attr->axis;
    if (axis < 0 || axis >= ta->rank || to->rank != ta->rank ||
        (ti != NULL && ti->rank != ta->rank))
        return tn_k_refuse(why, "topk.axis", "attr.axis",
                           "the axis or an output rank does not fit");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    if (index != NULL)
        tn_k_add_operand(&p->operands, index);
    p->dtype = ta->dtype;
    p->elem_bytes = tn_k_elem_bytes(ta->dtype);
    p->index_bytes = ti != NULL ? tn_k_elem_bytes(ti->dtype) : 0;
    p->smallest = (attr->flags & TN_TOPK_SMALLEST) != 0;
    p->values_at = indices ? -1 : 1;
    p->index_at = indices ? 1 : index != NULL ? 2 : -1;
    p->k = attr->param;
    p->extent = ta->dim[axis];
    if (ti == NULL)
        ti = to; /* an operand that is not there must not keep dims apart */
    p->stride[0] = ta->stride[axis];
    p->stride[1] = to->stride[axis];
    p->stride[2] = ti->stride[axis];
    for (int32_t d = 0; d < ta->rank; d++) {
        if (d == axis)
            continue;
        uint32_t n = p->rows.rank++;
        p->rows.dim[n] = ta->dim[d];
        p->rows.stride[0][n] = ta->stride[d];
        p->rows.stride[1][n] = to->stride[d];
        p->rows.stride[2][n] = ti->stride[d];
    }
    tn_k_grid_collapse(&p->rows, 3);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/topk/topk_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/topk/topk_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_topk;
const tn_k_op tn_k_op_topk = {
    TN_OP_TOPK, "topk",   sizeof(tn_k_topk_params),
    params,     variants, sizeof variants / sizeof variants[0],
};
