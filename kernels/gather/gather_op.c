/* SPDX-License-Identifier: Apache-2.0 */
/* gather: params from an op, and the rows. */
#include <kernels/gather/gather.h>

static void outer_dim(tn_k_gather_params *p, int64_t dim, int64_t a, int64_t index, int64_t out)
{
    uint32_t d = p->outer.rank++;
    p->outer.dim[d] = dim;
    p->outer.stride[0][d] = a;
    p->outer.stride[1][d] = index;
    p->outer.stride[2][d] = out;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_gather_params *p = out_params;
    const tn_axis *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *index = tn_k_find(op, TN_ARG_INDEX);
    const tn_arg *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || index == NULL || out == NULL || op->arg_count != 3)
        return tn_k_refuse(why, "gather.operand", "args", "takes A, INDEX and OUT");
    if (op->post_count != 0)
        return tn_k_refuse(why, "gather.posts", "posts", "takes no posts");
    const tn_tensor *ta = &a->tensor, *ti = &index->tensor, *to = &out->tensor;
    if (ti->dtype != TN_S32 && ti->dtype != TN_S64)
        return tn_k_refuse(why, "gather.dtype", "index", "takes s32 or s64 indices");
    if (tn_k_elem_bytes(ta->dtype) == 0 || ta->dtype != to->dtype)
        return tn_k_refuse(why, "gather.dtype", "a", "moves types of whole bytes unchanged");
    int32_t axis = attr->axis < 0 ? attr->axis + (int32_t)ta->rank : attr->axis;
    if (axis < 0 || axis >= ta->rank || to->rank + 1 != ta->rank + ti->rank)
        return tn_k_refuse(why, "gather.axis", "attr.axis",
                           "the axis or the output rank does not fit");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, index);
    tn_k_add_operand(&p->operands, out);
    p->elem_bytes = tn_k_elem_bytes(ta->dtype);
    p->index_bytes = tn_k_elem_bytes(ti->dtype);
    p->extent = ta->dim[axis];
    p->axis_stride = ta->stride[axis];
    uint32_t at = 0;
    for (int32_t d = 0; d < axis; d++, at++)
        outer_dim(p, ta->dim[d], ta->stride[d], 0, to->stride[at]);
    for (uint32_t d = 0; d < ti->rank; d++, at++)
        outer_dim(p, ti->dim[d], 0, ti->stride[d], to->stride[at]);
    for (uint32_t d = (uint32_t)axis + 1; d < ta->rank; d++, at++) {
        uint32_t n = p->slice.rank++;
        p->slice.dim[n] = ta->dim[d];
        p->slice.stride[0][n] = ta->stride[d];
        p->slice.stride[2][n] = to->stride[at];
    }
    tn_k_grid_collapse(&p->outer, 3);
    tn_k_grid_collapse(&p->slice, 3);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/gather/gather_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/gather/gather_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_gather;
const tn_k_op tn_k_op_gather = {
    TN_OP_GATHER, "gather", sizeof(tn_k_gather_params),
    params,       variants, sizeof variants / sizeof variants[0],
};
