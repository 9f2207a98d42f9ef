/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul's scales and zero points, and the calls that integer operands allow. */
#include <kernels/matmul/matmul.h>

static void take(const tn_op *op, tn_k_matmul *p, uint32_t role, tn_k_matmul_factor *f)
{
    const tn_arg *arg = tn_k_find(op, role);
    *f = (tn_k_matmul_factor){.operand = -1};
    if (arg == NULL)
        return;
    f->operand = (int32_t)p->operands.count;
    f->stride = arg->tensor.rank == 0 || arg->tensor.dim[0] == 1 ? 0 : arg->tensor.stride[0];
    tn_k_add_operand(&p->operands, arg);
}

static bool byte_integer(uint32_t dtype)
{
    return dtype == TN_S8 || dtype == TN_U8;
}

static bool integer_call(const tn_op *op, const tn_k_matmul *p, tn_k_why *why)
{
    bool sums = p->out_type == TN_S32;
    if (!sums && !byte_integer(p->out_type) && p->out_type != TN_F32)
        return tn_k_refuse(why, "matmul.dtype", "out", "s8 and u8 give s32, s8, u8 or f32");
    if (p->c >= 0 || p->alpha != 1.0f)
        return tn_k_refuse(why, "matmul.integer", "attr",
                           "integers take no alpha, beta or c; add and scale are posts");
    if (sums && (p->a_scale.operand >= 0 || p->b_scale.operand >= 0))
        return tn_k_refuse(why, "matmul.scale", "out", "an s32 output takes no scale");
    for (uint32_t i = p->int_posts; i < p->post_count; i++) {
        uint32_t kind = p->post[i].kind;
        if (sums && kind != TN_POST_RELU)
            return tn_k_refuse(why, "matmul.post", "posts",
                               "an s32 output takes bias and add of s32, then relu");
        if (op->numerics.cls == TN_CLASS_EXACT && kind >= TN_POST_GELU)
            return tn_k_refuse(why, "matmul.exact", "posts",
                               "a function has no exact result; ask for canonical");
    }
    return true;
}

bool tn_k_matmul_factors(const tn_op *op, tn_k_matmul *p, tn_k_why *why)
{
    uint32_t before = p->operands.count;
    take(op, p, TN_ARG_SCALE_OF + TN_ARG_A, &p->a_scale);
    take(op, p, TN_ARG_SCALE_OF + TN_ARG_B, &p->b_scale);
    take(op, p, TN_ARG_SCALE_OF + TN_ARG_OUT, &p->out_scale);
    take(op, p, TN_ARG_ZERO_OF + TN_ARG_A, &p->a_zero);
    take(op, p, TN_ARG_ZERO_OF + TN_ARG_B, &p->b_zero);
    take(op, p, TN_ARG_ZERO_OF + TN_ARG_OUT, &p->out_zero);
    if (byte_integer(p->a_type) && byte_integer(p->b_type) && p->b_layout == 0)
        return integer_call(op, p, why);
    return p->operands.count == before ||
           tn_k_refuse(why, "matmul.scale", "args",
                       "scales and zero points are of s8 and u8 operands");
}
