/* SPDX-License-Identifier: Apache-2.0 */
/* concat: params from an op, and the rows. */
#include <kernels/concat/concat.h>

_Static_assert(sizeof(tn_k_concat_params) <= TN_K_PARAMS_BYTES, "all inputs fit");

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_concat_params *p = out_params;
    const tn_axis *attr = op->attr;
    const tn_arg *out = tn_k_find(op, TN_ARG_OUT), *in[TN_K_CONCAT_INPUTS];
    uint32_t inputs = 0;
    while (inputs < TN_K_CONCAT_INPUTS &&
           (in[inputs] = tn_k_find(op, TN_ARG_INPUT0 + inputs)) != NULL)
        inputs++;
    if (out == NULL || inputs == 0 || op->arg_count != inputs + 1)
        return tn_k_refuse(why, "concat.operand", "args", "takes INPUT0 and on, and OUT");
    if (op->post_count != 0)
        return tn_k_refuse(why, "concat.posts", "posts", "takes no posts");
    const tn_tensor *to = &out->tensor;
    int32_t axis = attr->axis < 0 ? attr->axis + (int32_t)to->rank : attr->axis;
    if (axis < 0 || axis >= to->rank)
        return tn_k_refuse(why, "concat.axis", "attr.axis", "the axis does not fit");
    memset(p, 0, sizeof *p);
    p->inputs = inputs;
    p->rank = to->rank;
    p->axis = (uint32_t)axis;
    p->elem_bytes = tn_k_elem_bytes(to->dtype);
    memcpy(p->dim, to->dim, sizeof p->dim);
    memcpy(p->stride, to->stride, sizeof p->stride);
    for (uint32_t i = 0; i < inputs; i++) {
        const tn_tensor *t = &in[i]->tensor;
        if (p->elem_bytes == 0 || t->dtype != to->dtype || t->rank != to->rank)
            return tn_k_refuse(why, "concat.dtype", "out",
                               "moves one type of whole bytes unchanged");
        tn_k_add_operand(&p->operands, in[i]);
        p->in[i].extent = t->dim[axis];
        memcpy(p->in[i].stride, t->stride, sizeof t->stride);
    }
    tn_k_add_operand(&p->operands, out);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/concat/concat_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/concat/concat_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_concat;
const tn_k_op tn_k_op_concat = {
    TN_OP_CONCAT, "concat", sizeof(tn_k_concat_params),
    params,       variants, sizeof variants / sizeof variants[0],
};
