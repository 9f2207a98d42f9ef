/* SPDX-License-Identifier: Apache-2.0 */
/* rope: params from an op, and the rows. */
#include <kernels/common/canonmath.h>
#include <kernels/rope/rope.h>

static bool computes(uint32_t dtype)
{
    return dtype == TN_F32 || dtype == TN_F16 || dtype == TN_BF16;
}

static bool params(const tn_op *op, void *out_params, tn_k_why *why)
{
    static const tn_rope none;
    tn_k_rope_params *p = out_params;
    const tn_rope *attr = op->attr != NULL ? op->attr : &none;
    const tn_arg *a = tn_k_find(op, TN_ARG_A), *index = tn_k_find(op, TN_ARG_INDEX);
    const tn_arg *freq = tn_k_find(op, TN_ARG_FREQ), *out = tn_k_find(op, TN_ARG_OUT);
    if (a == NULL || index == NULL || freq == NULL || out == NULL || op->arg_count != 4)
        return tn_k_refuse(why, "rope.operand", "args", "takes A, INDEX, FREQ and OUT");
    if (op->post_count != 0)
        return tn_k_refuse(why, "rope.posts", "posts", "takes no posts");
    const tn_tensor *ta = &a->tensor, *ti = &index->tensor, *to = &out->tensor;
    if (!computes(ta->dtype) || !computes(to->dtype) || ti->dtype != TN_S32 ||
        freq->tensor.dtype != TN_F32)
        return tn_k_refuse(why, "rope.dtype", "a",
                           "rotates f32 f16 bf16 by s32 positions and f32 frequencies");
    if (ta->rank == 0 || to->rank != ta->rank || ti->rank + 1 > ta->rank)
        return tn_k_refuse(why, "rope.rank", "a", "the ranks do not fit");
    uint32_t rank = ta->rank - 1u;
    memset(p, 0, sizeof *p);
    tn_k_add_operand(&p->operands, a);
    tn_k_add_operand(&p->operands, index);
    tn_k_add_operand(&p->operands, freq);
    tn_k_add_operand(&p->operands, out);
    p->from = ta->dtype;
    p->to = to->dtype;
    p->interleaved = attr->interleaved != 0;
    p->d = ta->dim[rank];
    p->half = (attr->rotary_dims == 0 ? p->d : attr->rotary_dims) / 2;
    p->a_stride = ta->stride[rank];
    p->freq_stride = freq->tensor.stride[0];
    p->out_stride = to->stride[rank];
    tn_tensor number = *ti; /* row-major, so that a stride says which position */
    int64_t step = 1;
    p->positions.rank = ti->rank;
    for (uint32_t d = ti->rank; d-- > 0;) {
        number.stride[d] = step;
        step *= ti->dim[d];
        p->positions.dim[d] = ti->dim[d];
        p->positions.stride[0][d] = ti->stride[d];
    }
    p->rows.rank = rank;
    for (uint32_t d = 0; d < rank; d++) {
        p->rows.dim[d] = ta->dim[d];
        p->rows.stride[0][d] = ta->stride[d];
        p->rows.stride[1][d] = tn_k_broadcast_stride(ti, rank, d, ta->dim[d]);
        p->rows.stride[2][d] = to->stride[d];
        p->rows.stride[3][d] = tn_k_broadcast_stride(&number, rank, d, ta->dim[d]);
    }
    tn_k_grid_collapse(&p->rows, 4);
    return true;
}

void tn_k_rope_arithmetic(const void *params, tn_arithmetic *out)
{
    (void)params;
    out->exp_ulp = TN_C_COS_ULP;
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/rope/rope_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/rope/rope_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_rope;
const tn_k_op tn_k_op_rope = {
    TN_OP_ROPE, "rope",   sizeof(tn_k_rope_params),
    params,     variants, sizeof variants / sizeof variants[0],
};
