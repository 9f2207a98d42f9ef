/* SPDX-License-Identifier: Apache-2.0 */
/* pad: params from an op, and the rows. */
#include <kernels/common/dtype_convert.h>
#include <kernels/pad/pad.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_pad_params *p = out_params;
    const tn_window *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "pad.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "pad.posts", "posts", "takes no posts");
    const tn_tensor *ta = &a->tensor, *to = &out->tensor;
    if (attr->mode > TN_PAD_REFLECT)
        return tn_k_refuse(why, "pad.mode", "attr.mode", "pads with a value, the edge or a mirror");
    if (ta->rank != to->rank)
        return tn_k_refuse(why, "pad.rank", "out", "keeps the rank");
    if (tn_k_elem_bytes(ta->dtype) == 0 || ta->dtype != to->dtype)
        return tn_k_refuse(why, "pad.dtype", "a", "moves types of whole bytes unchanged");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->mode = attr->mode;
    p->rank = ta->rank;
    p->elem_bytes = tn_k_elem_bytes(ta->dtype);
    memcpy(p->from_dim, ta->dim, sizeof p->from_dim);
    memcpy(p->from_stride, ta->stride, sizeof p->from_stride);
    memcpy(p->lo, attr->lo, sizeof p->lo);
    memcpy(p->dim, to->dim, sizeof p->dim);
    memcpy(p->stride, to->stride, sizeof p->stride);
    uint64_t value = 0;
    tn_c_store(to->dtype, &value, 0, (tn_c_value){false, 0, (double)attr->value},
               (op->numerics.flags & TN_NUMERICS_SATURATE) != 0);
    memcpy(p->value, &value, sizeof p->value);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/pad/pad_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/pad/pad_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_pad;
const tn_k_op tn_k_op_pad = {
    TN_OP_PAD, "pad",    sizeof(tn_k_pad_params),
    params,    variants, sizeof variants / sizeof variants[0],
};
