/* SPDX-License-Identifier: Apache-2.0 */
/* copy: params from an op, and the rows. */
#include <kernels/common/dtype_convert.h>
#include <kernels/copy/copy.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_copy_params *p = out_params;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "copy.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "copy.posts", "posts", "takes no posts");
    const tn_tensor *ta = &a->tensor, *to = &out->tensor;
    bool same = ta->dtype == to->dtype;
    if (same ? tn_k_elem_bytes(ta->dtype) == 0
             : !tn_c_convertible(ta->dtype) || !tn_c_convertible(to->dtype))
        return tn_k_refuse(why, "copy.dtype", "a",
                           "moves and casts types of whole bytes, not those of 4 bits");
    if (ta->rank > to->rank)
        return tn_k_refuse(why, "copy.rank", "a", "the input has more dims than the output");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->from = ta->dtype;
    p->to = to->dtype;
    p->saturate = (op->numerics.flags & TN_NUMERICS_SATURATE) != 0;
    p->elem_bytes = same ? tn_k_elem_bytes(ta->dtype) : 0;
    p->grid.rank = to->rank;
    for (uint32_t d = 0; d < to->rank; d++) {
        p->grid.dim[d] = to->dim[d];
        p->grid.stride[0][d] = tn_k_broadcast_stride(ta, to->rank, d, to->dim[d]);
        p->grid.stride[1][d] = to->stride[d];
    }
    tn_k_grid_collapse(&p->grid, 2);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/copy/copy_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/copy/copy_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_copy;
const tn_k_op tn_k_op_copy = {
    TN_OP_COPY, "copy",   sizeof(tn_k_copy_params),
    params,     variants, sizeof variants / sizeof variants[0],
};
