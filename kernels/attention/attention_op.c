/* SPDX-License-Identifier: Apache-2.0 */
/* attention: params from an op, and the rows. */
#include <kernels/attention/attention.h>
#include <kernels/common/canonmath.h>

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

/* Strides of what is one number a key: the dims of k or v without the last. */
static void scale_strides(const tn_tensor *t, const tn_tensor *of, int64_t out[4])
{
    const int64_t *dim = of->dim + (of->rank - 3);
    for (uint32_t d = of->rank == 4 ? 0 : 1; d < 3; ++d)
        out[d] = tn_k_broadcast_stride(t, 3, d, d == 0 ? of->dim[0] : dim[d - 1]);
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const uint32_t roles[] = {TN_ARG_Q,
                                     TN_ARG_K,
                                     TN_ARG_V,
                                     TN_ARG_OUT,
                                     TN_ARG_MASK,
                                     TN_ARG_SINKS,
                                     TN_ARG_SLOPES,
                                     TN_ARG_LENGTHS,
                                     TN_ARG_STATS,
                                     TN_ARG_PAGES,
                                     TN_ARG_SCALE_OF + TN_ARG_K,
                                     TN_ARG_SCALE_OF + TN_ARG_V};
    tn_k_attention_params *p = out_params;
    const tn_attention *attr = op->attr;
    const tn_arg *arg[TN_K_ATT_OPERANDS];
    memset(p, 0, sizeof *p);
    uint32_t given = 0;
    for (uint32_t i = 0; i < TN_K_ATT_OPERANDS; ++i) {
        arg[i] = tn_k_find(op, roles[i]);
        if (arg[i] == NULL && i < TN_K_ATT_MASK)
            return tn_k_refuse(why, "attention.operand", "args", "takes Q, K, V and OUT");
        if (arg[i] == NULL)
            continue;
        tn_k_add_operand(&p->operands, arg[i]);
        p->slot[i] = (uint8_t)++given;
        p->type[i] = arg[i]->tensor.dtype;
        bool quantised = (i == TN_K_ATT_K || i == TN_K_ATT_V) && p->type[i] == TN_S8;
        if ((i < TN_K_ATT_MASK || i == TN_K_ATT_SINKS) && !computes(p->type[i]) && !quantised)
            return tn_k_refuse(why, "attention.dtype", i == TN_K_ATT_SINKS ? "sinks" : "q",
                               "computes f32, bf16 and f16, with keys and values also s8");
    }
    const tn_arg *mask = arg[TN_K_ATT_MASK];
    if (op->arg_count != given)
        return tn_k_refuse(why, "attention.operand", "args",
                           "takes Q, K, V, OUT, MASK, SINKS, SLOPES, LENGTHS, STATS, PAGES and the "
                           "scales of K and V");
    if (op->post_count != 0)
        return tn_k_refuse(why, "attention.posts", "posts", "takes no posts");
    const tn_arg *pages = arg[TN_K_ATT_PAGES];
    if ((attr->page_tokens != 0) != (pages != NULL))
        return tn_k_refuse(why, "attention.pages", "pages",
                           "takes a table of pages and attr.page_tokens together");
    if (mask != NULL && mask->tensor.dtype != TN_BOOL && mask->tensor.dtype != TN_F32)
        return tn_k_refuse(why, "attention.mask", "mask", "takes a mask of bool or f32");
    p->mask = mask == NULL                    ? TN_K_ATT_NO_MASK
              : mask->tensor.dtype == TN_BOOL ? TN_K_ATT_BOOL_MASK
                                              : TN_K_ATT_ADD_MASK;
    const tn_tensor *q = &arg[TN_K_ATT_Q]->tensor, *k = &arg[TN_K_ATT_K]->tensor,
                    *v = &arg[TN_K_ATT_V]->tensor;
    uint32_t r = q->rank;
    if (r < 3 || r > 4)
        return tn_k_refuse(why, "attention.rank", "q", "takes rank 3 or 4");
    p->batch = r == 4 ? q->dim[0] : 1;
    p->heads = q->dim[r - 3];
    p->kv_heads = k->dim[k->rank - 3];
    p->queries = q->dim[r - 2];
    p->keys = k->dim[k->rank - 2];
    p->d = q->dim[r - 1];
    p->dv = v->dim[v->rank - 1];
    strides(q, (int64_t[]){p->batch, p->heads, p->queries, p->d}, p->stride[TN_K_ATT_Q]);
    int64_t outer = p->batch, rows = p->keys;
    if (pages != NULL) {
        outer = p->pages = k->dim[0];
        p->page_tokens = attr->page_tokens;
        p->keys = pages->tensor.dim[1] * p->page_tokens;
        p->stride[TN_K_ATT_PAGES][0] = pages->tensor.stride[0];
        p->stride[TN_K_ATT_PAGES][1] = pages->tensor.stride[1];
    }
    strides(k, (int64_t[]){outer, p->kv_heads, rows, p->d}, p->stride[TN_K_ATT_K]);
    strides(v, (int64_t[]){outer, p->kv_heads, rows, p->dv}, p->stride[TN_K_ATT_V]);
    for (uint32_t i = TN_K_ATT_K_SCALE; i <= TN_K_ATT_V_SCALE; ++i)
        if (arg[i] != NULL)
            scale_strides(&arg[i]->tensor, i == TN_K_ATT_K_SCALE ? k : v, p->stride[i]);
    strides(&arg[TN_K_ATT_OUT]->tensor, (int64_t[]){p->batch, p->heads, p->queries, p->dv},
            p->stride[TN_K_ATT_OUT]);
    if (mask != NULL)
        strides(&mask->tensor, (int64_t[]){p->batch, p->heads, p->queries, p->keys},
                p->stride[TN_K_ATT_MASK]);
    if (arg[TN_K_ATT_STATS] != NULL)
        strides(&arg[TN_K_ATT_STATS]->tensor, (int64_t[]){p->batch, p->heads, p->queries, 2},
                p->stride[TN_K_ATT_STATS]);
    for (uint32_t i = TN_K_ATT_SINKS; i <= TN_K_ATT_LENGTHS; ++i)
        if (arg[i] != NULL)
            p->stride[i][i == TN_K_ATT_LENGTHS ? 0 : 1] = arg[i]->tensor.stride[0];
    p->first_key = attr->first_key;
    p->position = attr->first_query;
    p->left = p->right = INT64_MAX;
    p->from_end = (attr->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0;
    if ((attr->flags & TN_ATTENTION_WINDOW) != 0) {
        p->left = attr->window_left < 0 ? INT64_MAX : attr->window_left;
        p->right = attr->window_right < 0 ? INT64_MAX : attr->window_right;
    }
    if ((attr->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0)
        p->right = 0;
    float scale = attr->scale == 0.0f ? c_rsqrt((float)p->d) : attr->scale;
    p->c = scale * 0x1.715476p+0f;
    if (attr->softcap != 0.0f) {
        p->inner = scale * c_recip(attr->softcap);
        p->c = attr->softcap * 0x1.715476p+0f;
    }
    return true;
}

void tn_k_attention_arithmetic(const void *params, tn_arithmetic *out)
{
    const tn_k_attention_params *p = params;
    out->exp_ulp = TN_C_EXP2_ULP;
    if (computes(p->type[TN_K_ATT_V]) &&
        p->type[TN_K_ATT_V] != TN_F32) /* weights are rounded to it before they meet the values */
        out->inner = (uint16_t)p->type[TN_K_ATT_V];
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/attention/attention_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/attention/attention_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_attention;
const tn_k_op tn_k_op_attention = {
    TN_OP_ATTENTION, "attention", sizeof(tn_k_attention_params),
    params,          variants,    sizeof variants / sizeof variants[0],
};
