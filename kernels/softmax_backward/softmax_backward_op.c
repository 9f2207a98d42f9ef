/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of softmax: params from an op, and the rows. */
#include <kernels/softmax_backward/softmax_backward.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_GRAD, TN_ARG_OUT};
    tn_k_softmax_backward_params *p = out_params;
    const tn_softmax *attr = op->attr;
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < 3; i++) {
        const tn_arg *arg = tn_k_find(op, roles[i]);
        if (arg == NULL || op->arg_count != 3)
            return tn_k_refuse(why, "softmax.operand", "args", "takes A, GRAD and OUT backward");
        if (arg->tensor.dtype != TN_F32)
            return tn_k_refuse(why, "softmax.dtype",
                               i == 1   ? "grad"
                               : i == 0 ? "a"
                                        : "out",
                               "computes f32 only backward");
        tn_k_add_operand(&p->operands, arg);
        const tn_tensor *t = &arg->tensor;
        uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)t->rank : attr->axis);
        p->rows.rank = 0;
        p->count = 1;
        for (uint32_t d = 0; d < t->rank; d++) {
            if (d == axis) {
                p->count = t->dim[d];
                p->stride[i] = t->stride[d];
                continue;
            }
            p->rows.dim[p->rows.rank] = t->dim[d];
            p->rows.stride[i][p->rows.rank++] = t->stride[d];
        }
    }
    p->log = attr->log != 0;
    tn_k_grid_collapse(&p->rows, 3);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/softmax_backward/softmax_backward_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/softmax_backward/softmax_backward_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_softmax_backward;
const tn_k_op tn_k_op_softmax_backward = {
    .kind = TN_K_PASS(TN_OP_SOFTMAX, TN_PASS_BACKWARD_DATA),
    .name = "softmax_backward",
    .params_bytes = sizeof(tn_k_softmax_backward_params),
    .params = params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
