/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution: params from a validated op, and the rows of the cpu target. */
#include <kernels/conv/conv.h>

_Static_assert(sizeof(tn_k_conv) <= TN_K_PARAMS_BYTES, "conv params do not fit");

static int64_t or_one(int32_t n)
{
    return n == 0 ? 1 : n;
}

static bool sums_as_f32(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_BF16 || dtype == TN_F16;
}

static bool byte_integer(uint32_t dtype)
{
    return dtype == TN_S8 || dtype == TN_U8;
}

/* A tensor that broadcasts to the output, aligned at its end. */
static tn_k_conv_view view_of(const tn_tensor *t, uint32_t dims, bool last)
{
    uint32_t rank = dims + 2;
    tn_k_conv_view v = {0};
    for (uint32_t d = 0; d < rank; d++) {
        if (d < rank - t->rank || t->dim[d - (rank - t->rank)] == 1)
            continue;
        int64_t stride = t->stride[d - (rank - t->rank)];
        if (d == 0)
            v.n = stride;
        else if (d == (last ? rank - 1 : 1))
            v.c = stride;
        else
            v.s[3 - dims + d - (last ? 1 : 2)] = stride;
    }
    return v;
}

static bool take_posts(const tn_op *op, tn_k_conv *p, uint32_t dims, bool last, tn_k_why *why)
{
    if (op->post_count > (p->out_dtype == TN_S32 ? 0 : TN_K_CONV_POSTS))
        return tn_k_refuse(why, "conv.posts", "posts",
                           "at most 8 epilogue steps after floats, none after integers");
    p->post_count = op->post_count;
    for (uint32_t i = 0; i < op->post_count; i++) {
        const tn_post *from = &op->posts[i];
        tn_k_conv_post *to = &p->post[i];
        *to = (tn_k_conv_post){.kind = from->kind, .operand = -1, .a = from->a, .b = from->b};
        if (from->kind > TN_POST_MUL)
            continue;
        const tn_arg *arg = tn_k_find(op, from->role);
        if (arg == NULL || !sums_as_f32(arg->tensor.dtype))
            return tn_k_refuse(why, "conv.post_operand", "posts",
                               "needs an f32, bf16 or f16 operand");
        for (uint32_t j = 0; j < p->operands.count; j++)
            if (p->operands.item[j].role == from->role)
                to->operand = (int32_t)j;
        if (to->operand < 0) {
            to->operand = (int32_t)p->operands.count;
            tn_k_add_operand(&p->operands, arg);
        }
        to->dtype = arg->tensor.dtype;
        to->view = view_of(&arg->tensor, dims, last);
    }
    return true;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_conv *p = out_params;
    const tn_conv *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *b = tn_k_find(op, TN_ARG_B);
    const tn_arg *out = tn_k_find(op, TN_ARG_OUT);
    memset(p, 0, sizeof *p);
    if (a == NULL || b == NULL || out == NULL)
        return tn_k_refuse(why, "conv.operand", "args", "a, b and out are needed");
    uint32_t dims = attr->dims, ad = a->tensor.dtype, bd = b->tensor.dtype;
    uint32_t od = out->tensor.dtype;
    bool last = (attr->flags & TN_CONV_CHANNELS_LAST) != 0;
    bool turned = (attr->flags & TN_CONV_TRANSPOSED) != 0;
    if (!(sums_as_f32(ad) && sums_as_f32(bd) && sums_as_f32(od)) &&
        !(byte_integer(ad) && byte_integer(bd) && od == TN_S32))
        return tn_k_refuse(why, "conv.types", "a",
                           "takes f32, bf16 and f16, or s8 and u8 with an s32 out");
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, b);
    tn_k_add_operand(&p->operands, out);
    p->out = 2;
    p->a_dtype = ad, p->b_dtype = bd, p->out_dtype = od;
    p->transposed = turned;
    p->packed = (b->flags & TN_ARG_PACKED) != 0;
    p->saturate = (op->numerics.flags & TN_NUMERICS_SATURATE) != 0;
    p->allow = op->numerics.allow;
    uint32_t channel = last ? dims + 1 : 1, space = last ? 1 : 2;
    p->n = a->tensor.dim[0];
    p->groups = attr->groups == 0 ? 1 : attr->groups;
    p->cg = a->tensor.dim[channel] / p->groups;
    p->kg = out->tensor.dim[channel] / p->groups;
    p->a_view = (tn_k_conv_view){a->tensor.stride[0], a->tensor.stride[channel], {0}};
    p->out_view = (tn_k_conv_view){out->tensor.stride[0], out->tensor.stride[channel], {0}};
    p->dims = dims, p->last = last;
    tn_k_conv_filters(p, &b->tensor);
    for (uint32_t d = 0; d < 3; d++) {
        p->in[d] = p->size[d] = p->kernel[d] = p->stride[d] = p->dilation[d] = 1;
        if (d < 3 - dims)
            continue;
        uint32_t from = d - (3 - dims);
        p->in[d] = a->tensor.dim[space + from];
        p->size[d] = out->tensor.dim[space + from];
        p->kernel[d] = b->tensor.dim[space + from];
        p->stride[d] = or_one(attr->stride[from]);
        p->dilation[d] = or_one(attr->dilation[from]);
        p->lo[d] = attr->pad_lo[from];
        p->a_view.s[d] = a->tensor.stride[space + from];
        p->out_view.s[d] = out->tensor.stride[space + from];
    }
    return take_posts(op, p, dims, last, why);
}

void tn_k_conv_arithmetic(const void *params, tn_arithmetic *out)
{
    const tn_k_conv *p = params;
    for (uint32_t i = 0; i < p->post_count; i++) {
        float ulp = tn_k_post_ulp(p->post[i].kind);
        out->exp_ulp = ulp > out->exp_ulp ? ulp : out->exp_ulp;
    }
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/conv/conv_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/conv/conv_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_conv;
const tn_k_op tn_k_op_conv = {
    TN_OP_CONV, "conv", sizeof(tn_k_conv), params, variants, sizeof variants / sizeof variants[0],
};
