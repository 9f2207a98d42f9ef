/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of convolution to its weights: params from an op, and the rows. */
#include <kernels/conv_weights/conv_weights.h>

_Static_assert(sizeof(tn_k_conv_weights_params) <= TN_K_PARAMS_BYTES, "params do not fit");

static bool sums(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_BF16 || dtype == TN_F16;
}

static int64_t or_one(int32_t n)
{
    return n == 0 ? 1 : n;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_conv_weights_params *p = out_params;
    const tn_conv *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *grad = tn_k_find(op, TN_ARG_GRAD);
    const tn_arg *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || grad == NULL || out == NULL || op->arg_count != 3)
        return tn_k_refuse(why, "conv.operand", "args", "takes A, GRAD and OUT for the weights");
    if (!sums(a->tensor.dtype) || !sums(grad->tensor.dtype) || !sums(out->tensor.dtype))
        return tn_k_refuse(why, "conv.types", "a", "takes f32, bf16 and f16 for the weights");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, grad);
    tn_k_add_operand(&p->operands, out);
    p->a_dtype = a->tensor.dtype;
    p->g_dtype = grad->tensor.dtype;
    p->out_dtype = out->tensor.dtype;
    uint32_t dims = attr->dims;
    bool last = (attr->flags & TN_CONV_CHANNELS_LAST) != 0;
    uint32_t channel = last ? dims + 1 : 1, space = last ? 1 : 2;
    p->n = a->tensor.dim[0];
    p->groups = attr->groups == 0 ? 1 : attr->groups;
    p->cg = a->tensor.dim[channel] / p->groups;
    p->kg = grad->tensor.dim[channel] / p->groups;
    p->a_view = (tn_k_conv_view){a->tensor.stride[0], a->tensor.stride[channel], {0}};
    p->g_view = (tn_k_conv_view){grad->tensor.stride[0], grad->tensor.stride[channel], {0}};
    p->out_f = out->tensor.stride[0];
    p->out_c = out->tensor.stride[channel];
    for (uint32_t d = 0; d < 3; d++) {
        p->in[d] = p->size[d] = p->kernel[d] = p->stride[d] = p->dilation[d] = 1;
        if (d < 3 - dims)
            continue;
        uint32_t from = d - (3 - dims);
        p->in[d] = a->tensor.dim[space + from];
        p->size[d] = grad->tensor.dim[space + from];
        p->kernel[d] = out->tensor.dim[space + from];
        p->stride[d] = or_one(attr->stride[from]);
        p->dilation[d] = or_one(attr->dilation[from]);
        p->lo[d] = attr->pad_lo[from];
        p->a_view.s[d] = a->tensor.stride[space + from];
        p->g_view.s[d] = grad->tensor.stride[space + from];
        p->out_s[d] = out->tensor.stride[space + from];
    }
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/conv_weights/conv_weights_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/conv_weights/conv_weights_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_conv_weights;
const tn_k_op tn_k_op_conv_weights = {
    .kind = TN_K_PASS(TN_OP_CONV, TN_PASS_BACKWARD_WEIGHTS),
    .name = "conv_weights",
    .params_bytes = sizeof(tn_k_conv_weights_params),
    .params = params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
