/* SPDX-License-Identifier: Apache-2.0 */
/* eltwise: params from an op, and the rows. */
#include <kernels/common/float_rows.h>
#include <kernels/eltwise/eltwise.h>

static bool takes_s32(uint32_t kind)
{
    switch (kind) {
    case TN_ELTWISE_ADD:
    case TN_ELTWISE_SUB:
    case TN_ELTWISE_MUL:
    case TN_ELTWISE_MAX:
    case TN_ELTWISE_MIN:
    case TN_ELTWISE_WHERE:
        return true;
    default:
        return tn_k_eltwise_is_compare(kind);
    }
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const uint32_t roles[3] = {TN_ARG_A, TN_ARG_B, TN_ARG_C};
    tn_k_eltwise_params *p = out_params;
    const tn_eltwise *attr = op->attr;
    const tn_arg *out = tn_k_find(op, TN_ARG_OUT), *in[3];
    uint32_t kind = attr->kind, inputs = kind < TN_ELTWISE_ADD ? 1 : kind < TN_ELTWISE_FMA ? 2 : 3;
    if (op->post_count != 0)
        return tn_k_refuse(why, "eltwise.posts", "posts", "takes no posts");
    bool known = (kind >= TN_ELTWISE_NEG && kind <= TN_ELTWISE_CLAMP) ||
                 (kind >= TN_ELTWISE_ADD && kind <= TN_ELTWISE_LESS_EQUAL) ||
                 kind == TN_ELTWISE_FMA || kind == TN_ELTWISE_WHERE;
    if (!known)
        return tn_k_refuse(why, "eltwise.kind", "attr.kind", "is no known elementwise kind");
    if (out == NULL || op->arg_count != inputs + 1)
        return tn_k_refuse(why, "eltwise.operand", "args", "has operands that the kind lacks");
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < inputs; i++) {
        in[i] = tn_k_find(op, roles[i]);
        if (in[i] == NULL)
            return tn_k_refuse(why, "eltwise.operand", "args", "misses an operand of the kind");
        tn_k_add_operand(&p->operands, in[i]);
    }
    tn_k_add_operand(&p->operands, out);
    bool where = kind == TN_ELTWISE_WHERE;
    p->dtype = in[where ? 1 : 0]->tensor.dtype;
    bool good = (where && tn_k_elem_bytes(p->dtype) != 0) || tn_k_computes(p->dtype) ||
                (p->dtype == TN_S32 && takes_s32(kind));
    for (uint32_t i = 0; i < inputs; i++)
        good = good && in[i]->tensor.dtype == (where && i == 0 ? TN_BOOL : p->dtype);
    good = good && out->tensor.dtype == (tn_k_eltwise_is_compare(kind) ? TN_BOOL : p->dtype);
    if (!good)
        return tn_k_refuse(
            why, "eltwise.dtype", "a",
            "computes f32, f16 and bf16, s32 for add sub mul max min and comparisons, where of "
            "any type of whole bytes");
    p->kind = kind;
    p->inputs = inputs;
    p->a = attr->a;
    p->b = attr->b;
    p->grid.rank = out->tensor.rank;
    for (uint32_t d = 0; d < p->grid.rank; d++) {
        p->grid.dim[d] = out->tensor.dim[d];
        for (uint32_t i = 0; i < inputs; i++)
            p->grid.stride[i][d] =
                tn_k_broadcast_stride(&in[i]->tensor, p->grid.rank, d, p->grid.dim[d]);
        p->grid.stride[inputs][d] = out->tensor.stride[d];
    }
    tn_k_grid_collapse(&p->grid, inputs + 1);
    return true;
}

void tn_k_eltwise_arithmetic(const void *params, tn_arithmetic *out)
{
    static const float ulp[] = {
        [TN_ELTWISE_EXP] = TN_C_EXP_ULP,   [TN_ELTWISE_EXP2] = TN_C_EXP2_ULP,
        [TN_ELTWISE_LOG] = TN_C_LOG_ULP,   [TN_ELTWISE_TANH] = TN_C_TANH_ULP,
        [TN_ELTWISE_SILU] = TN_C_SILU_ULP, [TN_ELTWISE_SIGMOID] = TN_C_SIGMOID_ULP,
        [TN_ELTWISE_GELU] = TN_C_GELU_ULP, [TN_ELTWISE_GELU_TANH] = TN_C_GELU_TANH_ULP,
        [TN_ELTWISE_ERF] = TN_C_ERF_ULP,   [TN_ELTWISE_SIN] = TN_C_SIN_ULP,
        [TN_ELTWISE_COS] = TN_C_COS_ULP,
    };
    uint32_t kind = ((const tn_k_eltwise_params *)params)->kind;
    out->exp_ulp = kind < sizeof ulp / sizeof ulp[0] ? ulp[kind] : 0.0f;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/eltwise/eltwise_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/eltwise/eltwise_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_eltwise;
const tn_k_op tn_k_op_eltwise = {
    TN_OP_ELTWISE, "eltwise", sizeof(tn_k_eltwise_params),
    params,        variants,  sizeof variants / sizeof variants[0],
};
