/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of the norms: params from an op, and the rows. */
#include <kernels/norm_backward/norm_backward.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_GRAD, TN_ARG_OUT};
    tn_k_norm_backward_params *p = out_params;
    const tn_norm *attr = op->attr;
    const tn_arg *gamma = tn_k_find(op, TN_ARG_GAMMA), *arg[3];
    if (attr->kind > TN_NORM_GROUP)
        return tn_k_refuse(why, "norm.kind", "attr.kind", "computes LAYER, RMS and GROUP only");
    bool group = attr->kind == TN_NORM_GROUP;
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < 3; i++) {
        arg[i] = tn_k_find(op, roles[i]);
        if (arg[i] == NULL || op->arg_count != 3u + (gamma != NULL))
            return tn_k_refuse(why, "norm.operand", "args",
                               "takes A, GRAD, GAMMA and OUT backward");
        if (arg[i]->tensor.dtype != TN_F32 || (gamma != NULL && gamma->tensor.dtype != TN_F32))
            return tn_k_refuse(why, "norm.dtype", "a", "computes f32 only backward");
        tn_k_add_operand(&p->operands, arg[i]);
    }
    const tn_tensor *a = &arg[0]->tensor;
    uint32_t rank = a->rank, axes = attr->axes;
    if (axes == 0)
        axes = !group ? 1 : rank == 0 ? 0 : rank - 1;
    if (axes > rank || axes == 0 || (gamma != NULL && gamma->tensor.rank > axes))
        return tn_k_refuse(why, "norm.axes", "attr.axes", "has more normalised axes than dims");
    int64_t groups = group ? attr->groups : 1, channels = a->dim[rank - axes];
    if (groups == 0 || channels % groups != 0)
        return tn_k_refuse(why, "norm.groups", "attr.groups", "takes a divisor of the channels");
    p->kind = attr->kind;
    p->epsilon = attr->epsilon;
    p->gamma = gamma != NULL;
    if (gamma != NULL)
        tn_k_add_operand(&p->operands, gamma);
    p->groups = groups;
    if (group) {
        p->channels = channels / groups;
        p->gamma_stride = gamma != NULL ? gamma->tensor.stride[0] : 0;
    }
    p->rows.rank = rank - axes + (group ? 1 : 0);
    p->inner.rank = axes;
    p->count = 1;
    for (uint32_t d = 0; d < rank; d++) {
        bool row = d < rank - axes, split = group && d == rank - axes;
        uint32_t at = row ? d : d - (rank - axes);
        int64_t dim = split ? p->channels : a->dim[d];
        for (uint32_t i = 0; i < 3; i++) {
            int64_t stride = arg[i]->tensor.stride[d];
            (row ? &p->rows : &p->inner)->stride[i][at] = stride;
            if (split)
                p->rows.stride[i][rank - axes] = p->channels * stride;
        }
        if (split)
            p->rows.dim[rank - axes] = groups;
        (row ? &p->rows : &p->inner)->dim[at] = dim;
        if (row)
            continue;
        /* An operand that does not go along must not keep dims apart. */
        p->inner.stride[3][at] = gamma != NULL && !group
                                     ? tn_k_broadcast_stride(&gamma->tensor, axes, at, dim)
                                     : p->inner.stride[0][at];
        p->count *= dim;
    }
    p->space = p->channels == 0 ? 0 : p->count / p->channels;
    tn_k_grid_collapse(&p->rows, 3);
    tn_k_grid_collapse(&p->inner, 4);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/norm_backward/norm_backward_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/norm_backward/norm_backward_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_norm_backward;
const tn_k_op tn_k_op_norm_backward = {
    .kind = TN_K_PASS(TN_OP_NORM, TN_PASS_BACKWARD_DATA),
    .name = "norm_backward",
    .params_bytes = sizeof(tn_k_norm_backward_params),
    .params = params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
