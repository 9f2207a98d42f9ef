/* SPDX-License-Identifier: Apache-2.0 */
/* pool: params from an op, and the rows. */
#include <kernels/pool/pool.h>

_Static_assert(sizeof(tn_k_pool) <= TN_K_PARAMS_BYTES, "pool params do not fit");

static int64_t or_one(int32_t n)
{
    return n == 0 ? 1 : n;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_pool *p = out_params;
    const tn_pool *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "pool.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "pool.posts", "posts", "takes no posts");
    uint32_t dims = attr->dims, dtype = a->tensor.dtype;
    bool last = (attr->flags & TN_POOL_CHANNELS_LAST) != 0;
    bool floats = dtype == TN_F32 || dtype == TN_BF16 || dtype == TN_F16;
    bool bytes = attr->kind == TN_POOL_MAX && (dtype == TN_S8 || dtype == TN_U8);
    if ((!floats && !bytes) || out->tensor.dtype != dtype)
        return tn_k_refuse(why, "pool.types", "a",
                           "takes f32, bf16 and f16, and s8 and u8 of a maximum");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->kind = attr->kind;
    p->dtype = dtype;
    p->count_padding = (attr->flags & TN_POOL_COUNT_PADDING) != 0;
    uint32_t channel = last ? dims + 1 : 1, space = last ? 1 : 2;
    p->n = a->tensor.dim[0];
    p->channels = a->tensor.dim[channel];
    p->a_n = a->tensor.stride[0], p->a_c = a->tensor.stride[channel];
    p->out_n = out->tensor.stride[0], p->out_c = out->tensor.stride[channel];
    for (uint32_t d = 0; d < 3; d++) {
        p->in[d] = p->size[d] = p->window[d] = p->stride[d] = p->dilation[d] = 1;
        if (d < 3 - dims)
            continue;
        uint32_t from = d - (3 - dims);
        p->in[d] = a->tensor.dim[space + from];
        p->size[d] = out->tensor.dim[space + from];
        p->window[d] = attr->window[from] == 0 ? p->in[d] : attr->window[from];
        p->stride[d] = p->size[d] == 1 ? 1 : or_one(attr->stride[from]);
        p->dilation[d] = or_one(attr->dilation[from]);
        p->lo[d] = attr->pad_lo[from];
        p->hi[d] = attr->pad_hi[from];
        p->a_s[d] = a->tensor.stride[space + from];
        p->out_s[d] = out->tensor.stride[space + from];
    }
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/pool/pool_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/pool/pool_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_pool;
const tn_k_op tn_k_op_pool = {
    TN_OP_POOL, "pool", sizeof(tn_k_pool), params, variants, sizeof variants / sizeof variants[0],
};
