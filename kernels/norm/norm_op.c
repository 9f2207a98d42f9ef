/* SPDX-License-Identifier: Apache-2.0 */
/* norm: params from an op, and the rows. */
#include <kernels/common/float_rows.h>
#include <kernels/norm/norm.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_norm_params *p = out_params;
    const tn_norm *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    const tn_arg *gamma = tn_k_find(op, TN_ARG_GAMMA), *beta = tn_k_find(op, TN_ARG_BETA);
    const tn_arg *stats = tn_k_find(op, TN_ARG_STATS);
    uint32_t given = 2u + (gamma != NULL) + (beta != NULL) + (stats != NULL);
    if (op->post_count != 0)
        return tn_k_refuse(why, "norm.posts", "posts", "takes no posts");
    if (attr->kind > TN_NORM_BATCH_INFERENCE)
        return tn_k_refuse(why, "norm.kind", "attr.kind",
                           "computes LAYER, RMS, GROUP and BATCH_INFERENCE only");
    bool batch = attr->kind == TN_NORM_BATCH_INFERENCE;
    bool group = batch || attr->kind == TN_NORM_GROUP;
    if (a == NULL || out == NULL || op->arg_count != given || batch != (stats != NULL) ||
        (attr->kind == TN_NORM_RMS && beta != NULL))
        return tn_k_refuse(why, "norm.operand", "args",
                           "takes A, OUT, GAMMA, (not RMS) BETA and (BATCH) STATS");
    uint32_t rank = a->tensor.rank, axes = attr->axes;
    if (axes == 0)
        axes = !group ? 1 : rank == 0 ? 0 : rank - 1;
    if (axes > rank || axes == 0 || (gamma != NULL && gamma->tensor.rank > axes) ||
        (beta != NULL && beta->tensor.rank > axes))
        return tn_k_refuse(why, "norm.axes", "attr.axes", "has more normalised axes than dims");
    if (!tn_k_computes(a->tensor.dtype) || !tn_k_computes(out->tensor.dtype) ||
        (gamma != NULL && !tn_k_computes(gamma->tensor.dtype)) ||
        (beta != NULL && !tn_k_computes(beta->tensor.dtype)))
        return tn_k_refuse(why, "norm.dtype", "a", "computes f32, f16 and bf16 only");
    if (batch && (a->tensor.dtype != TN_F32 || out->tensor.dtype != TN_F32 ||
                  (gamma != NULL && gamma->tensor.dtype != TN_F32) ||
                  (beta != NULL && beta->tensor.dtype != TN_F32) ||
                  (stats != NULL && stats->tensor.dtype != TN_F32)))
        return tn_k_refuse(why, "norm.dtype", "a", "computes batch norm of f32 only");
    int64_t groups = group && !batch ? attr->groups : 1, channels = a->tensor.dim[rank - axes];
    if (groups == 0 || channels % groups != 0)
        return tn_k_refuse(why, "norm.groups", "attr.groups", "takes a divisor of the channels");
    memset(p, 0, sizeof *p);
    p->kind = attr->kind;
    p->epsilon = attr->epsilon;
    p->from = a->tensor.dtype;
    p->to = out->tensor.dtype;
    p->affine[0] = gamma != NULL ? gamma->tensor.dtype : TN_F32;
    p->affine[1] = beta != NULL ? beta->tensor.dtype : TN_F32;
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->gamma_at = p->beta_at = p->stats_at = -1;
    if (gamma != NULL) {
        p->gamma_at = (int32_t)p->operands.count;
        tn_k_add_operand(&p->operands, gamma);
    }
    if (beta != NULL) {
        p->beta_at = (int32_t)p->operands.count;
        tn_k_add_operand(&p->operands, beta);
    }
    if (stats != NULL) {
        p->stats_at = (int32_t)p->operands.count;
        tn_k_add_operand(&p->operands, stats);
        p->stats_stride[0] = stats->tensor.stride[0];
        p->stats_stride[1] = stats->tensor.stride[1];
    }
    p->rows.rank = rank - axes;
    for (uint32_t d = 0; d < p->rows.rank; d++) {
        p->rows.dim[d] = a->tensor.dim[d];
        p->rows.stride[0][d] = a->tensor.stride[d];
        p->rows.stride[1][d] = out->tensor.stride[d];
    }
    p->groups = groups;
    if (group) {
        uint32_t d = batch ? p->rows.rank : p->rows.rank++;
        p->channels = channels / groups;
        if (!batch) {
            p->rows.dim[d] = groups;
            p->rows.stride[0][d] = p->channels * a->tensor.stride[d];
            p->rows.stride[1][d] = p->channels * out->tensor.stride[d];
        }
        p->channel_stride[0] = a->tensor.stride[d];
        p->channel_stride[1] = out->tensor.stride[d];
        p->affine_stride[0] = gamma != NULL ? gamma->tensor.stride[0] : 0;
        p->affine_stride[1] = beta != NULL ? beta->tensor.stride[0] : 0;
    }
    p->inner.rank = axes;
    p->count = 1;
    for (uint32_t i = 0; i < axes; i++) {
        uint32_t d = rank - axes + i;
        int64_t dim = !group || i > 0 ? a->tensor.dim[d] : batch ? 1 : p->channels;
        p->inner.dim[i] = dim;
        p->inner.stride[0][i] = a->tensor.stride[d];
        p->inner.stride[1][i] = out->tensor.stride[d];
        if (gamma != NULL && !group)
            p->inner.stride[2][i] = tn_k_broadcast_stride(&gamma->tensor, axes, i, dim);
        if (beta != NULL && !group)
            p->inner.stride[3][i] = tn_k_broadcast_stride(&beta->tensor, axes, i, dim);
        /* An operand that does not go along must not keep dims apart. */
        if (gamma == NULL || group)
            p->inner.stride[2][i] = p->inner.stride[0][i];
        if (beta == NULL || group)
            p->inner.stride[3][i] = p->inner.stride[0][i];
        p->count *= dim;
    }
    p->space = batch ? p->count : p->channels == 0 ? 0 : p->count / p->channels;
    tn_k_grid_collapse(&p->rows, 2);
    tn_k_grid_collapse(&p->inner, 4);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/norm/norm_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/norm/norm_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_norm;
const tn_k_op tn_k_op_norm = {
    TN_OP_NORM, "norm",   sizeof(tn_k_norm_params),
    params,     variants, sizeof variants / sizeof variants[0],
};
