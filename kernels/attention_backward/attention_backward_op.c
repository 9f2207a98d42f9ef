/* SPDX-License-Identifier: Apache-2.0 */
/* Backward pass of attention: params from an op, and the rows. */
#include <kernels/attention_backward/attention_backward.h>

_Static_assert(sizeof(tn_k_attention_backward_params) <= TN_K_PARAMS_BYTES, "params do not fit");

/* Strides of the four dims, batch first; 0 along a dim that is broadcast or missing. */
static void strides(const tn_tensor *t, const int64_t extent[4], int64_t out[4])
{
    for (uint32_t d = 0; d < 4; ++d)
        out[d] = tn_k_broadcast_stride(t, 4, d, extent[d]);
}

static bool computes(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_BF16 || dtype == TN_F16;
}

static void attribute(const tn_attention *attr, tn_k_attention_backward_params *p)
{
    tn_k_attention_params *f = &p->f;
    f->first_key = attr->first_key;
    f->position = attr->first_query;
    f->left = f->right = INT64_MAX;
    f->from_end = (attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0;
    if ((attr->flags & TN_ATTENTION_WINDOW) != 0) {
        f->left = attr->window_left < 0 ? INT64_MAX : attr->window_left;
        f->right = attr->window_right < 0 ? INT64_MAX : attr->window_right;
    }
    if ((attr->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0)
        f->right = 0;
    p->scale = attr->scale == 0.0f ? c_rsqrt((float)f->d) : attr->scale;
    f->c = p->scale * 0x1.715476p+0f;
    if (attr->softcap != 0.0f) {
        f->inner = p->scale * c_recip(attr->softcap);
        f->c = attr->softcap * 0x1.715476p+0f;
    }
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    /* those of the forward pass, with where they are in its params */
    static const struct {
        uint32_t role, at;
    } forward[] = {{TN_ARG_Q, TN_K_ATT_Q},           {TN_ARG_K, TN_K_ATT_K},
                   {TN_ARG_V, TN_K_ATT_V},           {TN_ARG_OUT, TN_K_ATT_OUT},
                   {TN_ARG_STATS, TN_K_ATT_STATS},   {TN_ARG_MASK, TN_K_ATT_MASK},
                   {TN_ARG_SLOPES, TN_K_ATT_SLOPES}, {TN_ARG_LENGTHS, TN_K_ATT_LENGTHS}};
    static const uint32_t outputs[3] = {TN_ARG_OUT_GRAD_A, TN_ARG_OUT_GRAD_B, TN_ARG_OUT_GRAD_V};
    tn_k_attention_backward_params *p = out_params;
    tn_k_attention_params *f = &p->f;
    const tn_attention *attr = op->attr;
    const tn_tensor *t[TN_K_ATT_OPERANDS] = {NULL};
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < sizeof forward / sizeof forward[0]; ++i) {
        const tn_arg *arg = tn_k_find(op, forward[i].role);
        uint32_t at = forward[i].at;
        if (arg == NULL && i < 5)
            return tn_k_refuse(why, "attention.operand", "args",
                               "takes Q, K, V, OUT, GRAD and STATS backward");
        if (arg == NULL)
            continue;
        tn_k_add_operand(&f->operands, arg);
        t[at] = &arg->tensor;
        f->slot[at] = (uint8_t)f->operands.count;
        f->type[at] = arg->tensor.dtype;
        if (i < 4 && !computes(f->type[at]))
            return tn_k_refuse(why, "attention.dtype", "q", "computes f32, bf16 and f16 backward");
    }
    const tn_tensor *q = t[TN_K_ATT_Q], *k = t[TN_K_ATT_K], *v = t[TN_K_ATT_V];
    const tn_tensor *mask = t[TN_K_ATT_MASK];
    if (attr->page_tokens != 0)
        return tn_k_refuse(why, "attention.pages", "attr.page_tokens",
                           "has no paged kernel backward");
    f->mask = mask == NULL             ? TN_K_ATT_NO_MASK
              : mask->dtype == TN_BOOL ? TN_K_ATT_BOOL_MASK
                                       : TN_K_ATT_ADD_MASK;
    uint32_t r = q->rank;
    f->batch = r == 4 ? q->dim[0] : 1;
    f->heads = q->dim[r - 3];
    f->kv_heads = k->dim[r - 3];
    f->queries = q->dim[r - 2];
    f->keys = k->dim[r - 2];
    f->d = q->dim[r - 1];
    f->dv = v->dim[r - 1];
    const int64_t of_q[4] = {f->batch, f->heads, f->queries, f->d};
    const int64_t of_k[4] = {f->batch, f->kv_heads, f->keys, f->d};
    const int64_t of_v[4] = {f->batch, f->kv_heads, f->keys, f->dv};
    const int64_t of_out[4] = {f->batch, f->heads, f->queries, f->dv};
    const int64_t of_scores[4] = {f->batch, f->heads, f->queries, f->keys};
    const int64_t of_stats[4] = {f->batch, f->heads, f->queries, 2};
    strides(q, of_q, f->stride[TN_K_ATT_Q]);
    strides(k, of_k, f->stride[TN_K_ATT_K]);
    strides(v, of_v, f->stride[TN_K_ATT_V]);
    strides(t[TN_K_ATT_OUT], of_out, f->stride[TN_K_ATT_OUT]);
    strides(t[TN_K_ATT_STATS], of_stats, f->stride[TN_K_ATT_STATS]);
    if (mask != NULL)
        strides(mask, of_scores, f->stride[TN_K_ATT_MASK]);
    if (t[TN_K_ATT_SLOPES] != NULL)
        f->stride[TN_K_ATT_SLOPES][1] = t[TN_K_ATT_SLOPES]->stride[0];
    if (t[TN_K_ATT_LENGTHS] != NULL)
        f->stride[TN_K_ATT_LENGTHS][0] = t[TN_K_ATT_LENGTHS]->stride[0];
    const int64_t *const of[4] = {of_q, of_k, of_v, of_out};
    for (uint32_t i = 0; i < 4; ++i) {
        const tn_arg *arg = tn_k_find(op, i < 3 ? outputs[i] : TN_ARG_GRAD);
        if (arg == NULL)
            return tn_k_refuse(why, "attention.operand", "args",
                               "takes GRAD and the gradients of Q, K and V");
        if (!computes(arg->tensor.dtype))
            return tn_k_refuse(why, "attention.dtype", "grad",
                               "computes f32, bf16 and f16 backward");
        strides(&arg->tensor, of[i], i < 3 ? p->out_stride[i] : p->grad_stride);
        *(i < 3 ? &p->out_slot[i] : &p->grad_slot) = f->operands.count;
        *(i < 3 ? &p->out_type[i] : &p->grad_type) = arg->tensor.dtype;
        tn_k_add_operand(&f->operands, arg);
    }
    if (op->arg_count != f->operands.count)
        return tn_k_refuse(why, "attention.operand", "args", "has operands that it lacks backward");
    attribute(attr, p);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/attention_backward/attention_backward_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/attention_backward/attention_backward_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_attention_backward;
const tn_k_op tn_k_op_attention_backward = {
    .kind = TN_K_PASS(TN_OP_ATTENTION, TN_PASS_BACKWARD_DATA),
    .name = "attention_backward",
    .params_bytes = sizeof(tn_k_attention_backward_params),
    .params = params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
