/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of gather: params from an op, and the rows. */
#include <kernels/gather_backward/gather_backward.h>

static bool sums(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_BF16 || dtype == TN_F16;
}

static void append(tn_k_grid *g, int64_t dim, int64_t first, int64_t second)
{
    g->dim[g->rank] = dim;
    g->stride[0][g->rank] = first;
    g->stride[1][g->rank++] = second;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_gather_backward_params *p = out_params;
    const tn_axis *attr = op->attr;
    const tn_arg *grad = tn_k_find(op, TN_ARG_GRAD), *index = tn_k_find(op, TN_ARG_INDEX);
    const tn_arg *out = tn_k_find(op, TN_ARG_OUT);
    if (grad == NULL || index == NULL || out == NULL || op->arg_count != 3)
        return tn_k_refuse(why, "gather.operand", "args", "takes GRAD, INDEX and OUT backward");
    const tn_tensor *g = &grad->tensor, *x = &index->tensor, *o = &out->tensor;
    if (!sums(g->dtype) || !sums(o->dtype))
        return tn_k_refuse(why, "gather.dtype", "grad", "adds up f32, bf16 and f16");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, grad);
    tn_k_add_operand(&p->operands, index);
    tn_k_add_operand(&p->operands, out);
    p->grad_dtype = g->dtype;
    p->out_dtype = o->dtype;
    p->index_dtype = x->dtype;
    uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)o->rank : attr->axis);
    p->rows = o->dim[axis];
    p->row_stride = o->stride[axis];
    for (uint32_t d = 0; d < axis; d++)
        append(&p->outer, o->dim[d], g->stride[d], o->stride[d]);
    for (uint32_t d = 0; d < x->rank; d++)
        append(&p->positions, x->dim[d], g->stride[axis + d], x->stride[d]);
    for (uint32_t d = axis + 1; d < o->rank; d++)
        append(&p->inner, o->dim[d], g->stride[d - 1 + x->rank], o->stride[d]);
    p->grad_positions = tn_k_grid_count(&p->positions);
    tn_k_grid_collapse(&p->outer, 2);
    tn_k_grid_collapse(&p->inner, 2);
    tn_k_grid_collapse(&p->positions, 2);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/gather_backward/gather_backward_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/gather_backward/gather_backward_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_gather_backward;
const tn_k_op tn_k_op_gather_backward = {
    .kind = TN_K_PASS(TN_OP_GATHER, TN_PASS_BACKWARD_DATA),
    .name = "gather_backward",
    .params_bytes = sizeof(tn_k_gather_backward_params),
    .params = params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
