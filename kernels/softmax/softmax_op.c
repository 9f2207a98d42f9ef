/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: params from an op, and the rows. */
#include <kernels/common/float_rows.h>
#include <kernels/softmax/softmax.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_softmax_params *p = out_params;
    const tn_softmax *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "softmax.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "softmax.posts", "posts", "takes no posts");
    if (!tn_k_computes(a->tensor.dtype) || !tn_k_computes(out->tensor.dtype))
        return tn_k_refuse(why, "softmax.dtype", "a", "computes f32, f16 and bf16 only");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->log = attr->log != 0;
    p->from = a->tensor.dtype;
    p->to = out->tensor.dtype;
    uint32_t rank = a->tensor.rank;
    uint32_t axis = (uint32_t)(attr->axis < 0 ? attr->axis + (int32_t)rank : attr->axis);
    p->count = rank == 0 ? 1 : a->tensor.dim[axis];
    for (uint32_t d = 0; d < rank; d++) {
        if (d == axis) {
            p->stride[0] = a->tensor.stride[d];
            p->stride[1] = out->tensor.stride[d];
            continue;
        }
        p->rows.dim[p->rows.rank] = a->tensor.dim[d];
        p->rows.stride[0][p->rows.rank] = a->tensor.stride[d];
        p->rows.stride[1][p->rows.rank++] = out->tensor.stride[d];
    }
    tn_k_grid_collapse(&p->rows, 2);
    return true;
}

void tn_k_softmax_arithmetic(const void *params, tn_arithmetic *out)
{
    (void)params;
    out->exp_ulp = TN_C_EXP_ULP;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/softmax/softmax_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/softmax/softmax_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_softmax;
const tn_k_op tn_k_op_softmax = {
    TN_OP_SOFTMAX, "softmax", sizeof(tn_k_softmax_params),
    params,        variants,  sizeof variants / sizeof variants[0],
};
