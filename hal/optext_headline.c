/* SPDX-License-Identifier: Apache-2.0 */
/* What the dims and dtypes of a text imply for each operand. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/optext.h"

uint32_t tn__headline_roles(const tn__headline *h, uint32_t roles[5])
{
    uint32_t n = 0;
    if (h->kind == TN_OP_ATTENTION) {
        roles[n++] = TN_ARG_Q;
        roles[n++] = TN_ARG_K;
        roles[n++] = TN_ARG_V;
    } else if (h->kind == TN_OP_CONCAT) {
        roles[n++] = TN_ARG_INPUT0;
    } else {
        uint32_t inputs = 1;
        bool back = h->pass != TN_PASS_FORWARD;
        if (h->kind == TN_OP_MATMUL || h->kind == TN_OP_CONV)
            inputs = 2;
        else if (h->kind == TN_OP_ELTWISE)
            inputs = tn__eltwise_arity(h->sub);
        for (; n < inputs; ++n)
            roles[n] = TN_ARG_A + n;
        if (back && h->kind == TN_OP_CONV)
            roles[1] = TN_ARG_GRAD;
        if (back && h->kind == TN_OP_GATHER)
            roles[0] = TN_ARG_GRAD;
    }
    roles[n++] = TN_ARG_OUT;
    return n;
}

void tn__headline_dtypes(tn__headline *h, uint16_t dtype)
{
    uint32_t roles[5], n = tn__headline_roles(h, roles);
    for (uint32_t i = 0; i < n; ++i)
        h->dtype[i] = dtype;
    if (h->kind == TN_OP_ELTWISE && tn__eltwise_compares(h->sub))
        h->dtype[n - 1] = TN_BOOL;
    if (h->kind == TN_OP_ELTWISE && h->sub == TN_ELTWISE_WHERE)
        h->dtype[0] = TN_BOOL;
}

const char *tn__text_type_name(uint16_t type)
{
    return type > TN__TEXT_BLOCKS ? tn__block_name(type - TN__TEXT_BLOCKS)
                                  : tn_dtype_name((tn_dtype)type);
}

static void append(tn_tensor *t, int64_t dim)
{
    t->dim[t->rank++] = dim;
}

static bool matmul_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *t)
{
    if (h->rank < 3)
        return false;
    int64_t m = h->dim[h->rank - 3], n = h->dim[h->rank - 2], k = h->dim[h->rank - 1];
    uint32_t flags = v->attr.matmul.flags;
    if (role >= TN_ARG_SCALE_OF) { /* one number */
        uint32_t of = role - (role >= TN_ARG_ZERO_OF ? TN_ARG_ZERO_OF : TN_ARG_SCALE_OF);
        t->dtype = role < TN_ARG_ZERO_OF ? TN_F32 : h->dtype[of == TN_ARG_OUT ? 2 : of - TN_ARG_A];
        return true;
    }
    /* After the rounding to f32, and before that to bytes. */
    if (role >= TN_ARG_POST0 && (h->dtype[2] == TN_S8 || h->dtype[2] == TN_U8))
        t->dtype = TN_F32;
    for (uint32_t p = 0; p < v->op.post_count; ++p)
        if (v->op.posts[p].role == role && v->op.posts[p].kind == TN_POST_BIAS) {
            append(t, n);
            return true;
        }
    for (uint32_t i = 0; i + 3 < h->rank; ++i)
        append(t, h->dim[i]);
    if (role == TN_ARG_A) {
        append(t, (flags & TN_MATMUL_TRANSPOSE_A) != 0 ? k : m);
        append(t, (flags & TN_MATMUL_TRANSPOSE_A) != 0 ? m : k);
    } else if (role == TN_ARG_B) {
        append(t, (flags & TN_MATMUL_TRANSPOSE_B) != 0 ? n : k);
        append(t, (flags & TN_MATMUL_TRANSPOSE_B) != 0 ? k : n);
    } else {
        append(t, m);
        append(t, n);
    }
    return true;
}

/* With pages, k and v have as many as the table names. */
static bool attention_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role,
                             tn_tensor *t)
{
    enum { B, H, G, Q, K, D, E };
    const int64_t *dim = h->dim;
    /* a gradient is like what it is of */
    uint32_t like = role == TN_ARG_OUT_GRAD_A   ? TN_ARG_Q
                    : role == TN_ARG_OUT_GRAD_B ? TN_ARG_K
                    : role == TN_ARG_OUT_GRAD_V ? TN_ARG_V
                                                : role;
    bool keys = like == TN_ARG_K || like == TN_ARG_V;
    if (like != role)
        t->dtype = h->dtype[like - TN_ARG_Q];
    int64_t tokens = v->attr.attention.page_tokens, pages = tokens > 0 ? dim[K] / tokens : 0, all;
    switch (role) {
    case TN_ARG_PAGES:
        t->dtype = TN_S32;
        append(t, h->batch ? dim[B] : 1);
        append(t, pages);
        return tokens > 0;
    case TN_ARG_SCALE_OF + TN_ARG_K:
    case TN_ARG_SCALE_OF + TN_ARG_V: /* one number for all */
        t->dtype = TN_F32;
        return true;
    case TN_ARG_MASK:
        t->dtype = TN_BOOL;
        append(t, dim[Q]);
        append(t, dim[K]);
        return true;
    case TN_ARG_SINKS:
    case TN_ARG_SLOPES:
        t->dtype = TN_F32;
        append(t, dim[H]);
        return true;
    case TN_ARG_LENGTHS:
        t->dtype = TN_S32;
        append(t, h->batch ? dim[B] : 1);
        return true;
    default:
        if (keys && tokens > 0) {
            if (!h->batch || __builtin_mul_overflow(dim[B], pages, &all))
                return false;
            append(t, all);
        } else if (h->batch) {
            append(t, dim[B]);
        }
        append(t, keys ? dim[G] : dim[H]);
        append(t, !keys ? dim[Q] : tokens > 0 ? tokens : dim[K]);
        if (role == TN_ARG_STATS) {
            t->dtype = TN_F32;
            append(t, 2);
        } else {
            append(t, like == TN_ARG_Q || like == TN_ARG_K ? dim[D] : dim[E]);
        }
        return true;
    }
}

/* An axis of the headline's dims, or -1. */
static int32_t axis_of(const tn__headline *h, int32_t axis)
{
    int32_t rank = (int32_t)h->rank;
    axis = axis < 0 ? axis + rank : axis;
    return axis < rank ? axis : -1;
}

/* The output of concat: the inputs that are there, one after the other. */
static bool concat_tensor(const tn__headline *h, const tn__op_view *v, tn_tensor *t)
{
    int32_t axis = axis_of(h, v->attr.axis.axis);
    int64_t sum = 0;
    for (uint32_t i = 0; axis >= 0 && i < v->op.arg_count; ++i) {
        const tn_arg *a = &v->op.args[i];
        if (a->role < TN_ARG_INPUT0 || a->role >= TN_ARG_POST0)
            continue;
        if (a->tensor.rank != h->rank || __builtin_add_overflow(sum, a->tensor.dim[axis], &sum))
            return false;
    }
    if (axis >= 0)
        t->dim[axis] = sum;
    return axis >= 0;
}

static bool pad_tensor(const tn__headline *h, const tn__op_view *v, tn_tensor *t)
{
    for (uint32_t d = 0; d < h->rank; ++d)
        if (__builtin_add_overflow(t->dim[d], v->attr.window.lo[d], &t->dim[d]) ||
            __builtin_add_overflow(t->dim[d], v->attr.window.hi[d], &t->dim[d]))
            return false;
    return true;
}

static bool pool_tensor(const tn__headline *h, const tn__op_view *v, tn_tensor *t)
{
    const tn_pool *p = &v->attr.pool;
    uint32_t space = (p->flags & TN_POOL_CHANNELS_LAST) != 0 ? 1 : 2;
    if (h->rank != p->dims + 2)
        return false;
    for (uint32_t d = 0; d < p->dims; ++d)
        if (!tn__pool_out_dim(p, d, h->dim[space + d], &t->dim[space + d]))
            return false;
    return true;
}

static bool resize_tensor(const tn__headline *h, const tn__op_view *v, tn_tensor *t)
{
    for (uint32_t d = 0; d < h->rank; ++d)
        if (!tn__resize_out_dim(v->attr.window.scale[d], h->dim[d], &t->dim[d]))
            return false;
    return true;
}

static bool rope_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *t)
{
    int64_t rotary = v->attr.rope.rotary_dims;
    if (h->rank == 0)
        return false;
    t->rank = 0;
    if (role == TN_ARG_FREQ) {
        t->dtype = TN_F32;
        append(t, (rotary == 0 ? h->dim[h->rank - 1] : rotary) / 2);
        return t->dim[0] >= 0;
    }
    t->dtype = TN_S32; /* one position a token */
    if (h->rank > 1)
        append(t, h->dim[h->rank - 2]);
    return true;
}

/* Scale or zero: one a run of the axis, or one an index of it. */
static bool scale_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *t)
{
    int32_t axis = axis_of(h, v->attr.axis.axis);
    int64_t run = v->attr.axis.param;
    bool of_out = role == TN_ARG_ZERO_OF + TN_ARG_OUT;
    t->dtype = role < TN_ARG_ZERO_OF ? (uint16_t)TN_F32 : h->dtype[of_out ? 1 : 0];
    if (axis < 0 || run < 0)
        return false;
    if (run != 0) {
        t->dim[axis] /= run;
        return true;
    }
    t->rank = 1;
    t->dim[0] = h->dim[axis];
    return true;
}

static bool row_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *t)
{
    if (role == TN_ARG_INDEX && h->kind == TN_OP_GATHER) {
        t->dtype = TN_S32;
        append(t, 1);
        return true;
    }
    t->rank = (uint16_t)h->rank;
    memcpy(t->dim, h->dim, h->rank * sizeof t->dim[0]);
    if (h->kind == TN_OP_ROPE && (role == TN_ARG_INDEX || role == TN_ARG_FREQ))
        return rope_tensor(h, v, role, t);
    if (h->kind == TN_OP_TOPK && (role == TN_ARG_OUT || role == TN_ARG_INDEX)) {
        int32_t axis = axis_of(h, v->attr.axis.axis);
        if (axis >= 0)
            t->dim[axis] = v->attr.axis.param;
        if (role == TN_ARG_INDEX)
            t->dtype = TN_S32;
        return axis >= 0;
    }
    if (role >= TN_ARG_SCALE_OF)
        return scale_tensor(h, v, role, t);
    if (h->kind == TN_OP_CONCAT && role == TN_ARG_OUT)
        return concat_tensor(h, v, t);
    if (h->kind == TN_OP_PAD && role == TN_ARG_OUT)
        return pad_tensor(h, v, t);
    if (h->kind == TN_OP_POOL && role == TN_ARG_OUT)
        return pool_tensor(h, v, t);
    if (h->kind == TN_OP_RESIZE && role == TN_ARG_OUT)
        return resize_tensor(h, v, t);
    if (h->kind == TN_OP_NORM && role == TN_ARG_STATS) {
        uint32_t axes = tn__norm_axes(&v->attr.norm, h->rank);
        if (axes > h->rank || axes == 0)
            return false;
        t->dtype = h->dtype[0];
        t->rank = 2;
        t->dim[0] = 2;
        t->dim[1] = h->dim[h->rank - axes];
        return true;
    }
    if (role == TN_ARG_GAMMA || role == TN_ARG_BETA) {
        uint32_t axes = tn__norm_axes(&v->attr.norm, h->rank);
        if (axes > h->rank || axes == 0)
            return false;
        if (v->attr.norm.kind >= TN_NORM_GROUP) {
            t->dtype = h->dtype[0];
            t->rank = 1;
            t->dim[0] = h->dim[h->rank - axes];
            return true;
        }
        t->dtype = h->dtype[0];
        t->rank = (uint16_t)axes;
        memcpy(t->dim, h->dim + h->rank - axes, axes * sizeof t->dim[0]);
    } else if (role == TN_ARG_OUT && h->kind == TN_OP_REDUCE) {
        for (uint32_t i = 0; i < h->rank; ++i)
            if ((v->attr.reduce.axes_mask >> i & 1u) != 0)
                t->dim[i] = 1;
    } else if (role == (h->pass == TN_PASS_FORWARD ? TN_ARG_OUT : TN_ARG_GRAD) &&
               h->kind == TN_OP_GATHER) {
        const tn_tensor *index = tn__op_tensor(v, TN_ARG_INDEX);
        int32_t axis = axis_of(h, v->attr.axis.axis);
        if (index == NULL || axis < 0 || h->rank - 1 + index->rank > TN_MAX_RANK)
            return false;
        t->rank = (uint16_t)axis;
        for (int i = 0; i < index->rank; ++i)
            append(t, index->dim[i]);
        for (uint32_t i = (uint32_t)axis + 1; i < h->rank; ++i)
            append(t, h->dim[i]);
    }
    return true;
}

bool tn__headline_tensor(const tn__headline *h, const tn__op_view *v, uint32_t role, tn_tensor *out)
{
    uint32_t roles[5], n = tn__headline_roles(h, roles);
    memset(out, 0, sizeof *out);
    if (h->kind != TN_OP_ATTENTION && h->rank > TN_MAX_RANK + (h->kind == TN_OP_MATMUL ? 1u : 0u))
        return false;
    out->dtype = h->dtype[n - 1]; /* c and posts are like out */
    for (uint32_t i = 0; i < n; ++i)
        if (roles[i] == role)
            out->dtype = h->dtype[i];
    bool ok;
    if (h->kind == TN_OP_MATMUL)
        ok = matmul_tensor(h, v, role, out);
    else if (h->kind == TN_OP_CONV)
        ok = tn__conv_tensor(h, v, role, out);
    else if (h->kind == TN_OP_ATTENTION)
        ok = attention_tensor(h, v, role, out);
    else
        ok = row_tensor(h, v, role, out);
    if (out->dtype > TN__TEXT_BLOCKS) {
        out->layout = out->dtype - TN__TEXT_BLOCKS;
        out->dtype = tn__block_dtype(out->layout);
    }
    tn__strides_contiguous(out);
    return ok;
}
