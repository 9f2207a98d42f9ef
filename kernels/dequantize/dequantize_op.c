/* SPDX-License-Identifier: Apache-2.0 */
/* dequantize: params from an op, and the rows. */
#include <kernels/dequantize/dequantize.h>

static bool narrow(uint32_t dtype)
{
    return dtype == TN_S8 || dtype == TN_U8 || dtype == TN_S32 || dtype == TN_F8E4M3 ||
           dtype == TN_F8E5M2;
}

static bool wide(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

/* Blocks carry their scale. */
static bool block_params(const tn_op *op, const tn_arg *a, const tn_arg *out,
                         tn_k_dequantize_params *p, tn_k_why *why)
{
    if (op->arg_count != 2)
        return tn_k_refuse(why, "dequantize.operand", "args", "blocks take A and OUT only");
    if (!wide(out->tensor.dtype))
        return tn_k_refuse(why, "dequantize.dtype", "out", "makes f32 f16 bf16 of blocks");
    memset(p, 0, sizeof *p);
    tn_k_block_grid(&p->grid, &out->tensor, 3, &a->tensor);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->to = out->tensor.dtype;
    p->layout = a->tensor.layout;
    p->step = out->tensor.stride[out->tensor.rank - 1];
    return true;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const tn_axis none;
    tn_k_dequantize_params *p = out_params;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    const tn_arg *scale = tn_k_find(op, TN_ARG_SCALE_OF + TN_ARG_A);
    const tn_arg *zero = tn_k_find(op, TN_ARG_ZERO_OF + TN_ARG_A);
    if (a != NULL && out != NULL && a->tensor.layout != TN_LAYOUT_STRIDED && op->post_count == 0)
        return block_params(op, a, out, p, why);
    if (a == NULL || out == NULL || scale == NULL || op->arg_count != 3u + (zero != NULL))
        return tn_k_refuse(why, "dequantize.operand", "args", "takes A, its scale and zero, OUT");
    if (op->post_count != 0)
        return tn_k_refuse(why, "dequantize.posts", "posts", "takes no posts");
    uint32_t from = a->tensor.dtype, to = out->tensor.dtype;
    if (!narrow(from) || !wide(to) || scale->tensor.dtype != TN_F32 ||
        (zero != NULL && zero->tensor.dtype != from))
        return tn_k_refuse(why, "dequantize.dtype", "a",
                           "makes f32 f16 bf16 of s8 u8 s32 f8e4m3 f8e5m2");
    memset(p, 0, sizeof *p);
    if (!tn_k_quant_grid(&p->grid, op->attr != NULL ? op->attr : &none, &a->tensor, &scale->tensor,
                         zero != NULL ? &zero->tensor : NULL, &out->tensor))
        return tn_k_refuse(why, "dequantize.rank", "a", "runs take one dim more than there are");
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, scale);
    tn_k_add_operand(&p->operands, out);
    if (zero != NULL)
        tn_k_add_operand(&p->operands, zero);
    p->from = from;
    p->to = to;
    p->zero = zero != NULL;
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/dequantize/dequantize_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/dequantize/dequantize_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_dequantize;
const tn_k_op tn_k_op_dequantize = {
    TN_OP_DEQUANTIZE, "dequantize", sizeof(tn_k_dequantize_params),
    params,           variants,     sizeof variants / sizeof variants[0],
};
