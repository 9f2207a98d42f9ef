/* SPDX-License-Identifier: Apache-2.0 */
/* reduce: params from an op, and the rows. */
#include <kernels/common/float_rows.h>
#include <kernels/reduce/reduce.h>

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_reduce_params *p = out_params;
    const tn_reduce *attr = op->attr;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || out == NULL || op->arg_count != 2)
        return tn_k_refuse(why, "reduce.operand", "args", "takes A and OUT only");
    if (op->post_count != 0)
        return tn_k_refuse(why, "reduce.posts", "posts", "takes no posts");
    if (attr->kind > TN_REDUCE_SUMSQ)
        return tn_k_refuse(why, "reduce.kind", "attr.kind", "is no known reduction");
    if (!tn_k_computes(a->tensor.dtype) || !tn_k_computes(out->tensor.dtype))
        return tn_k_refuse(why, "reduce.dtype", "a", "computes f32, f16 and bf16 only");
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, out);
    p->kind = attr->kind;
    p->from = a->tensor.dtype;
    p->to = out->tensor.dtype;
    p->count = 1;
    uint32_t rank = a->tensor.rank, kept_seen = 0;
    bool keeps = out->tensor.rank == rank;
    for (uint32_t d = 0; d < rank; d++) {
        int64_t dim = a->tensor.dim[d];
        if (attr->axes_mask >> d & 1) {
            p->inner.dim[p->inner.rank] = dim;
            p->inner.stride[0][p->inner.rank++] = a->tensor.stride[d];
            p->count *= dim;
        } else {
            p->kept.dim[p->kept.rank] = dim;
            p->kept.stride[0][p->kept.rank] = a->tensor.stride[d];
            p->kept.stride[1][p->kept.rank++] = out->tensor.stride[keeps ? d : kept_seen];
            kept_seen++;
        }
    }
    if (!keeps && out->tensor.rank != kept_seen)
        return tn_k_refuse(why, "reduce.rank", "out", "keeps all reduced dims as 1, or none");
    tn_k_grid_collapse(&p->kept, 2);
    tn_k_grid_collapse(&p->inner, 1);
    return true;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/reduce/reduce_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/reduce/reduce_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_reduce;
const tn_k_op tn_k_op_reduce = {
    TN_OP_REDUCE, "reduce", sizeof(tn_k_reduce_params),
    params,       variants, sizeof variants / sizeof variants[0],
};
