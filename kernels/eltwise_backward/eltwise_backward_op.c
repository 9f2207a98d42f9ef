/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of the unary elementwise kinds: params from an op, and the rows. */
#include <kernels/eltwise_backward/eltwise_backward.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_GRAD, TN_ARG_OUT};
    tn_k_eltwise_backward_params *p = out_params;
    const tn_eltwise *attr = op->attr;
    if (attr->kind < TN_ELTWISE_NEG || attr->kind > TN_ELTWISE_CLAMP)
        return tn_k_refuse(why, "eltwise.kind", "attr.kind", "takes unary kinds backward");
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < 3; i++) {
        const tn_arg *arg = tn_k_find(op, roles[i]);
        if (arg == NULL || op->arg_count != 3)
            return tn_k_refuse(why, "eltwise.operand", "args", "takes A, GRAD and OUT backward");
        if (arg->tensor.dtype != TN_F32)
            return tn_k_refuse(why, "eltwise.dtype",
                               i == 1   ? "grad"
                               : i == 0 ? "a"
                                        : "out",
                               "computes f32 only backward");
        tn_k_add_operand(&p->operands, arg);
        p->grid.rank = arg->tensor.rank;
        for (uint32_t d = 0; d < p->grid.rank; d++) {
            p->grid.dim[d] = arg->tensor.dim[d];
            p->grid.stride[i][d] = arg->tensor.stride[d];
        }
    }
    p->kind = attr->kind;
    p->a = attr->a;
    p->b = attr->b;
    tn_k_grid_collapse(&p->grid, 3);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/eltwise_backward/eltwise_backward_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/eltwise_backward/eltwise_backward_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_eltwise_backward;
const tn_k_op tn_k_op_eltwise_backward = {
    .kind = TN_K_PASS(TN_OP_ELTWISE, TN_PASS_BACKWARD_DATA),
    .name = "eltwise_backward",
    .params_bytes = sizeof(tn_k_eltwise_backward_params),
    .params = params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
