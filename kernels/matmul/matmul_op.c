/* SPDX-License-Identifier: Apache-2.0 */
/* Matmul: params from a validated op, and the rows of the cpu target. */
#include <kernels/common/post.h>
#include <kernels/common/widen.h>
#include <kernels/matmul/matmul.h>

_Static_assert(sizeof(tn_k_matmul) <= TN_K_PARAMS_BYTES, "matmul params do not fit");

static bool refuse(tn_k_why *why, const char *reason, const char *argument, const char *text)
{
    return tn_k_refuse(why, reason, argument, text);
}

static bool byte_integer(uint32_t dtype)
{
    return dtype == TN_S8 || dtype == TN_U8;
}

static const tn_tensor *find(const tn_op *op, uint32_t role, uint32_t *out_flags)
{
    for (uint32_t i = 0; i < op->arg_count; i++) {
        if (op->args[i].role == role) {
            *out_flags = op->args[i].flags;
            return &op->args[i].tensor;
        }
    }
    return NULL;
}

static int32_t add_operand(tn_k_operands *operands, uint32_t role, uint32_t flags)
{
    for (uint32_t i = 0; i < operands->count; i++)
        if (operands->item[i].role == role)
            return (int32_t)i;
    operands->item[operands->count].role = role;
    operands->item[operands->count].flags = flags;
    return (int32_t)operands->count++;
}

/* Stride of t along dimension d of an output of rank `rank`; 0 where t is broadcast. */
static int64_t stride_at(const tn_tensor *t, int d, int rank)
{
    int at = d - (rank - (int)t->rank);
    return at < 0 || t->dim[at] == 1 ? 0 : t->stride[at];
}

static void batch_view(const tn_tensor *t, int rank, tn_k_matmul_view *view)
{
    for (int d = 0; d + 2 < rank; d++)
        view->batch[d] = stride_at(t, d, rank);
}

static void full_view(const tn_tensor *t, int rank, tn_k_matmul_view *view)
{
    view->row = stride_at(t, rank - 2, rank);
    view->col = stride_at(t, rank - 1, rank);
    batch_view(t, rank, view);
}

static void drop_batch(tn_k_matmul_view *view, uint32_t d, uint32_t rank)
{
    for (uint32_t i = d; i + 1 < rank; i++)
        view->batch[i] = view->batch[i + 1];
}

static void remove_batch(tn_k_matmul *p, uint32_t d)
{
    for (uint32_t i = d; i + 1 < p->batch_rank; i++) {
        p->batch[i] = p->batch[i + 1];
        p->b_pack[i] = p->b_pack[i + 1];
    }
    drop_batch(&p->a_view, d, p->batch_rank);
    drop_batch(&p->b_view, d, p->batch_rank);
    drop_batch(&p->c_view, d, p->batch_rank);
    drop_batch(&p->out_view, d, p->batch_rank);
    for (uint32_t j = 0; j < p->post_count; j++)
        drop_batch(&p->post[j].view, d, p->batch_rank);
    p->batch_rank--;
}

static bool one_number(const tn_k_matmul_factor *f)
{
    return f->operand < 0 || f->stride == 0;
}

static bool joins(const tn_k_matmul_view *view, uint32_t d, int64_t m)
{
    return view->batch[d] == m * view->row;
}

/* A batch that shares one B and continues its rows is only a taller matrix. */
static bool fold_last_batch(tn_k_matmul *p)
{
    uint32_t d = p->batch_rank - 1;
    bool shared = p->b_packed ? p->b_pack[d] == 0 : p->b_view.batch[d] == 0;
    if (!one_number(&p->a_scale) || !one_number(&p->a_zero))
        return false;
    if (!shared || !joins(&p->a_view, d, p->m) || !joins(&p->out_view, d, p->m))
        return false;
    if (p->c >= 0 && !joins(&p->c_view, d, p->m))
        return false;
    for (uint32_t j = 0; j < p->post_count; j++)
        if (p->post[j].operand >= 0 && !joins(&p->post[j].view, d, p->m))
            return false;
    p->m *= p->batch[d];
    remove_batch(p, d);
    return true;
}

static void simplify_batch(tn_k_matmul *p)
{
    for (uint32_t d = p->batch_rank; d-- > 0;)
        if (p->batch[d] == 1)
            remove_batch(p, d);
    /* A one-row matrix has no row stride of its own: take the batch's. */
    while (p->batch_rank > 0) {
        if (p->m == 1) {
            uint32_t d = p->batch_rank - 1;
            p->a_view.row = p->a_view.batch[d];
            p->c_view.row = p->c_view.batch[d];
            p->out_view.row = p->out_view.batch[d];
            for (uint32_t j = 0; j < p->post_count; j++)
                p->post[j].view.row = p->post[j].view.batch[d];
        }
        if (!fold_last_batch(p))
            break;
    }
    p->batch_count = 1;
    for (uint32_t d = 0; d < p->batch_rank; d++)
        p->batch_count *= p->batch[d];
}

static bool take_posts(const tn_op *op, tn_k_matmul *p, int rank, tn_k_why *why)
{
    if (op->post_count > TN_K_MATMUL_POSTS)
        return refuse(why, "matmul.posts", "posts", "at most 12 epilogue steps");
    p->post_count = op->post_count;
    for (uint32_t i = 0; i < op->post_count; i++) {
        const tn_post *from = &op->posts[i];
        tn_k_matmul_post *to = &p->post[i];
        *to = (tn_k_matmul_post){.kind = from->kind, .operand = -1, .a = from->a, .b = from->b};
        if (from->kind < TN_POST_BIAS || from->kind > TN_POST_SILU)
            return refuse(why, "matmul.post", "posts", "an epilogue step that matmul lacks");
        if (from->kind > TN_POST_MUL)
            continue;
        uint32_t flags = 0;
        const tn_tensor *t = find(op, from->role, &flags);
        /* s32 is added to the sum of integers, so it comes before all that is done in floats. */
        bool integer = byte_integer(p->a_type), own = t != NULL && t->dtype == p->out_type;
        bool sum = integer && t != NULL && t->dtype == TN_S32 && from->kind != TN_POST_MUL &&
                   p->int_posts == i;
        if (t == NULL || (t->dtype != TN_F32 && !(own && !integer) && !sum) || t->rank > rank)
            return refuse(why, "matmul.post_operand", "posts",
                          "needs an operand of f32 or of a float output's type, or after sums of "
                          "integers leading bias and add in s32");
        p->int_posts += sum;
        to->type = t->dtype;
        to->operand = add_operand(&p->operands, from->role, flags);
        full_view(t, rank, &to->view);
    }
    return true;
}

static bool matmul_params(const tn_op *op, void *out_params, tn_k_why *why)
{
    tn_k_matmul *p = out_params;
    const tn_matmul *attr = op->attr;
    uint32_t flags = attr != NULL ? attr->flags : 0, a_flags = 0, b_flags = 0, c_flags = 0;
    uint32_t out_flags = 0;
    const tn_tensor *a = find(op, TN_ARG_A, &a_flags), *b = find(op, TN_ARG_B, &b_flags);
    const tn_tensor *c = find(op, TN_ARG_C, &c_flags), *out = find(op, TN_ARG_OUT, &out_flags);
    memset(p, 0, sizeof *p);
    if (a == NULL || b == NULL || out == NULL)
        return refuse(why, "matmul.operand", "args", "a, b and out are needed");
    bool blocks = b->layout != TN_LAYOUT_STRIDED && b->layout <= UINT32_MAX;
    bool integer = byte_integer(a->dtype) && byte_integer(b->dtype) && !blocks;
    bool floats =
        tn_k_widens(a->dtype) && tn_k_widens(out->dtype) && (blocks || tn_k_widens(b->dtype));
    if (!integer && !floats)
        return refuse(why, "matmul.dtype", "a", "only f32, bf16, f16, f8e4m3, f8e5m2, s8 and u8");
    if (!integer && c != NULL && c->dtype != TN_F32 && c->dtype != out->dtype)
        return refuse(why, "matmul.dtype", "c", "only f32 and the output's type");
    p->a_type = a->dtype;
    p->b_type = b->dtype;
    p->c_type = c != NULL ? c->dtype : TN_F32;
    p->out_type = out->dtype;
    p->b_layout = blocks ? (uint32_t)b->layout : 0;
    if (a->rank < 2 || b->rank < 2 || out->rank < 2 || out->rank > TN_MAX_RANK ||
        a->rank > out->rank || b->rank > out->rank || (c != NULL && c->rank > out->rank))
        return refuse(why, "matmul.rank", "a", "ranks 2 to 8, none above the output's");
    if ((a_flags | c_flags | out_flags) & TN_ARG_PACKED)
        return refuse(why, "matmul.packed", "a", "only b can be packed");
    int rank = out->rank, ar = a->rank, br = b->rank;
    bool ta = flags & TN_MATMUL_TRANSPOSE_A, tb = flags & TN_MATMUL_TRANSPOSE_B;
    add_operand(&p->operands, TN_ARG_A, a_flags);
    add_operand(&p->operands, TN_ARG_B, b_flags);
    p->c = -1;
    p->alpha = flags & TN_MATMUL_ALPHA ? attr->alpha : 1.0f;
    p->beta = flags & TN_MATMUL_BETA ? attr->beta : 1.0f;
    if (c != NULL) {
        int32_t index = add_operand(&p->operands, TN_ARG_C, c_flags);
        if (p->beta != 0.0f) {
            p->c = index;
            full_view(c, rank, &p->c_view);
        }
    }
    p->out = add_operand(&p->operands, TN_ARG_OUT, out_flags);
    p->m = out->dim[rank - 2];
    p->n = out->dim[rank - 1];
    p->k = a->dim[ta ? ar - 2 : ar - 1];
    p->a_view.row = a->stride[ta ? ar - 1 : ar - 2];
    p->a_view.col = a->stride[ta ? ar - 2 : ar - 1];
    p->b_view.row = b->stride[tb ? br - 1 : br - 2];
    p->b_view.col = b->stride[tb ? br - 2 : br - 1];
    p->b_packed = (b_flags & TN_ARG_PACKED) != 0;
    p->b_transposed = tb;
    batch_view(a, rank, &p->a_view);
    batch_view(b, rank, &p->b_view);
    full_view(out, rank, &p->out_view);
    p->batch_rank = (uint32_t)rank - 2;
    p->b_matrices = 1;
    for (int d = rank - 2; d-- > 0;) {
        int at = d - (rank - br);
        p->batch[d] = out->dim[d];
        if (at >= 0 && b->dim[at] != 1) {
            p->b_pack[d] = p->b_matrices;
            p->b_matrices *= b->dim[at];
        }
    }
    if (!take_posts(op, p, rank, why) || !tn_k_matmul_factors(op, p, why))
        return false;
    simplify_batch(p);
    return true;
}

void tn_k_matmul_arithmetic(const void *params, tn_arithmetic *out)
{
    const tn_k_matmul *p = params;
    for (uint32_t i = 0; i < p->post_count; i++) {
        float ulp = tn_k_post_ulp(p->post[i].kind);
        out->exp_ulp = ulp > out->exp_ulp ? ulp : out->exp_ulp;
    }
}

#define TN_ROW(name) extern const tn_k_variant name;
#include <kernels/matmul/matmul_variants.inc>
#undef TN_ROW
static const tn_k_variant *const variants[] = {
#define TN_ROW(name) &name,
#include <kernels/matmul/matmul_variants.inc>
#undef TN_ROW
};

extern const tn_k_op tn_k_op_matmul;
const tn_k_op tn_k_op_matmul = {
    .kind = TN_OP_MATMUL,
    .name = "matmul",
    .params_bytes = sizeof(tn_k_matmul),
    .params = matmul_params,
    .variants = variants,
    .variant_count = sizeof variants / sizeof variants[0],
};
