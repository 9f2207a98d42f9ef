/* SPDX-License-Identifier: Apache-2.0 */
/* resize: params from an op, and the rows. */
#include <kernels/resize/resize.h>

_Static_assert(sizeof(tn_k_resize) <= TN_K_PARAMS_BYTES, "resize params do not fit");

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_resize *p = out_params;
    const tn_window *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "resize.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "resize.posts", "posts", "takes no posts");
    const tn_tensor *ta = &a->tensor, *to = &out->tensor;
    bool nearest = attr->kind == TN_RESIZE_NEAREST;
    bool floats = ta->dtype == TN_F32 || ta->dtype == TN_BF16 || ta->dtype == TN_F16;
    if ((nearest ? tn_k_elem_bytes(ta->dtype) == 0 : !floats) || ta->dtype != to->dtype)
        return tn_k_refuse(why, "resize.types", "a",
                           "moves types of whole bytes (nearest), computes f32, bf16 and f16");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->kind = attr->kind;
    p->mode = attr->mode;
    p->dtype = ta->dtype;
    p->rank = ta->rank;
    p->value = attr->value == 0.0f ? -0.75 : (double)attr->value;
    memcpy(p->scale, attr->scale, sizeof p->scale);
    memcpy(p->in, ta->dim, sizeof p->in);
    memcpy(p->out, to->dim, sizeof p->out);
    memcpy(p->a_s, ta->stride, sizeof p->a_s);
    memcpy(p->out_s, to->stride, sizeof p->out_s);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/resize/resize_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/resize/resize_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_resize;
const tn_k_op tn_k_op_resize = {
    TN_OP_RESIZE, "resize", sizeof(tn_k_resize),
    params,       variants, sizeof variants / sizeof variants[0],
};
