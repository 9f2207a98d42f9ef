/* SPDX-License-Identifier: Apache-2.0 */
/* Validation common to all ops: structs, roles, tensors, posts, numerics; inference of outputs. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/op.h"

#include <stdio.h>

enum { ELEMENTS_LOG2 = 48, FLOPS_LOG2 = 62 };

const tn_tensor *tn__op_tensor(const tn__op_view *v, uint32_t role)
{
    for (uint32_t i = 0; i < v->op.arg_count; ++i)
        if (v->op.args[i].role == role)
            return &v->op.args[i].tensor;
    return NULL;
}

/* ---- opening ---- */

tn_status tn__op_open(const tn_op *op, tn__op_view *out)
{
    memset(out, 0, sizeof *out);
    tn_status st = tn__struct_in(&out->op, sizeof out->op, TN_TYPE_tn_op, op, "op");
    if (st != TN_OK)
        return st;
    uint32_t kind = (uint32_t)out->op.kind;
    out->row = tn__op_find(kind, TN_PASS_FORWARD);
    if (out->row == NULL) {
        if (kind >= TN_OP_VENDOR)
            return tn__fail(TN_STATUS_UNSUPPORTED, "op.kind", "kind",
                            "kind %u is an op of a vendor that is not built; built are %s", kind,
                            tn__op_built);
        return tn__fail(TN_STATUS_INVALID, "op.kind", "kind",
                        "kind %u does not exist; kinds are %d to %u", kind, TN_OP_MATMUL,
                        tn__op_newest);
    }
    if (out->op.arg_count > TN__OP_ARGS || out->op.arg_count == 0 || out->op.args == NULL)
        return tn__fail(TN_STATUS_INVALID, "op.arg_count", "args",
                        "args is %s with %u operands of %s; give 2 to %d",
                        out->op.args == NULL ? "NULL" : "given", out->op.arg_count, out->row->name,
                        TN__OP_ARGS);
    if (out->op.post_count > TN__OP_POSTS || (out->op.post_count > 0 && out->op.posts == NULL))
        return tn__fail(TN_STATUS_INVALID, "op.post_count", "posts",
                        "posts is %s with %u posts of %s; give 0 to %d",
                        out->op.posts == NULL ? "NULL" : "given", out->op.post_count,
                        out->row->name, TN__OP_POSTS);
    for (uint32_t i = 0; i < out->op.arg_count; ++i)
        if (out->op.args[i].tensor.rank > TN_MAX_RANK)
            return tn__fail(TN_STATUS_INVALID, "op.rank", tn__role_static(out->op.args[i].role),
                            "%s has rank %u (args[%u]); at most %d is allowed",
                            tn__role_static(out->op.args[i].role), out->op.args[i].tensor.rank, i,
                            TN_MAX_RANK);
    if (out->row->attr_bytes == 0) {
        if (out->op.attr != NULL)
            return tn__fail(TN_STATUS_INVALID, "op.attr", "attr",
                            "attr is %p, but %s takes none; pass NULL", out->op.attr,
                            out->row->name);
        return TN_OK;
    }
    if (out->op.attr == NULL) {
        if (!out->row->attr_optional)
            return tn__fail(TN_STATUS_INVALID, "op.attr", "attr",
                            "attr is NULL; %s needs its attribute struct", out->row->name);
        out->attr.head.size = (uint32_t)out->row->attr_bytes;
        out->attr.head.type = out->row->attr_type;
    } else {
        st = tn__struct_in(&out->attr, out->row->attr_bytes, out->row->attr_type, out->op.attr,
                           "attr");
        if (st != TN_OK)
            return st;
        /* A short struct from an older caller was filled up with zeros: it is whole now. */
        out->attr.head.size = (uint32_t)out->row->attr_bytes;
        out->attr.head.type = out->row->attr_type;
        out->attr.head.next = NULL;
    }
    out->op.attr = NULL; /* readers use the copy */
    uint32_t pass = tn__op_pass(kind, &out->attr);
    if (pass != TN_PASS_FORWARD && tn__op_find(kind, pass) == NULL)
        return tn__fail(TN_STATUS_UNSUPPORTED, "op.pass", "attr.pass",
                        "attr.pass is %u; %s has forward (0) and %s", pass, out->row->name,
                        kind == TN_OP_CONV ? "backward weights (2); backward data is the forward "
                                             "pass of a TN_CONV_TRANSPOSED conv"
                                           : "backward (1)");
    out->row = tn__op_find(kind, pass);
    out->op.head.size = (uint32_t)sizeof out->op;
    out->op.head.next = NULL;
    return TN_OK;
}

/* ---- checks ---- */

static bool in_list(const uint16_t *list, size_t count, uint32_t role)
{
    for (size_t i = 0; i < count && list[i] != 0; ++i)
        if (list[i] == role)
            return true;
    return false;
}

static tn_status check_roles(const tn__op_view *v, bool need_out)
{
    const tn__op_row *row = v->row;
    for (uint32_t i = 0; i < v->op.arg_count; ++i) {
        uint32_t role = v->op.args[i].role;
        const char *name = tn__role_static(role);
        bool post = role >= TN_ARG_POST0 && role < TN_ARG_POST0 + TN__OP_ARGS;
        bool input = row->inputs && role >= TN_ARG_INPUT0 && role < TN_ARG_INPUT0 + TN__OP_ARGS;
        bool used = false;
        for (uint32_t p = 0; post && p < v->op.post_count; ++p)
            used = used || v->op.posts[p].role == role;
        if (post ? !used
                 : !input && !in_list(row->required, TN__OP_REQUIRED, role) &&
                       !in_list(row->optional, TN__OP_OPTIONAL, role) &&
                       !in_list(row->outputs, TN__OP_OUTPUTS, role))
            return tn__fail(TN_STATUS_INVALID, "op.role", name,
                            "args[%u] has role %u (%s), which %s does not take; %s", i, role,
                            strcmp(name, "args") == 0 ? "unknown" : name, row->name,
                            post ? "name it in a post or leave it out" : "leave it out");
        for (uint32_t j = 0; j < i; ++j)
            if (v->op.args[j].role == role)
                return tn__fail(
                    TN_STATUS_INVALID, "op.role_twice", name,
                    "args[%u] and args[%u] of %s both have the role %s; give each role once", j, i,
                    row->name, name);
    }
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A);
    bool own_scale = v->op.kind == TN_OP_DEQUANTIZE && a != NULL && tn__block_bytes(a->layout) != 0;
    for (size_t i = 0; i < TN__OP_REQUIRED && row->required[i] != 0; ++i)
        if (tn__op_tensor(v, row->required[i]) == NULL &&
            !(own_scale && row->required[i] >= TN_ARG_SCALE_OF))
            return tn__fail(TN_STATUS_INVALID, "op.role_missing", tn__role_static(row->required[i]),
                            "%s is missing; %s needs that operand",
                            tn__role_static(row->required[i]), row->name);
    /* As many as there are, numbered without gaps. */
    uint32_t inputs = 0;
    for (uint32_t i = 0; row->inputs && i < v->op.arg_count; ++i)
        inputs += v->op.args[i].role >= TN_ARG_INPUT0;
    for (uint32_t i = 0; row->inputs && i < (inputs == 0 ? 1 : inputs); ++i)
        if (tn__op_tensor(v, TN_ARG_INPUT0 + i) == NULL)
            return tn__fail(TN_STATUS_INVALID, "op.role_missing",
                            tn__role_static(TN_ARG_INPUT0 + i),
                            "%s is missing; %s needs one input or more, numbered from "
                            "TN_ARG_INPUT0 without gaps",
                            tn__role_static(TN_ARG_INPUT0 + i), row->name);
    for (size_t i = 0; need_out && i < (row->all_outputs ? TN__OP_OUTPUTS : 1); ++i)
        if (row->outputs[i] != 0 && tn__op_tensor(v, row->outputs[i]) == NULL)
            return tn__fail(TN_STATUS_INVALID, "op.role_missing", tn__role_static(row->outputs[i]),
                            "%s is missing; %s needs that operand",
                            tn__role_static(row->outputs[i]), row->name);
    return TN_OK;
}

/* Strides in growing order must each step over all that the smaller ones reach. */
static bool covers_itself(const tn_tensor *t)
{
    int order[TN_MAX_RANK], n = 0;
    for (int i = 0; i < t->rank; ++i) {
        if (t->dim[i] == 0)
            return false;
        if (t->dim[i] < 2)
            continue;
        int at = n++;
        for (; at > 0 && t->stride[order[at - 1]] > t->stride[i]; --at)
            order[at] = order[at - 1];
        order[at] = i;
    }
    int64_t reach = 0; /* the extent was checked: no overflow below */
    for (int i = 0; i < n; ++i) {
        if (t->stride[order[i]] <= reach)
            return true;
        reach += (t->dim[order[i]] - 1) * t->stride[order[i]];
    }
    return false;
}

/* Strides of 0 make dims possible that no memory holds: kernels count elements in int64_t. */
static bool too_many(const tn_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; ++i)
        if (__builtin_mul_overflow(n, t->dim[i] > 1 ? t->dim[i] : 1, &n) || n >> ELEMENTS_LOG2 > 1)
            return true;
    return n > INT64_C(1) << ELEMENTS_LOG2;
}

/* Where blocks are understood: weights, and the ops that make and unmake them. */
static bool takes_blocks(tn_op_kind kind, uint32_t role)
{
    return (kind == TN_OP_MATMUL && role == TN_ARG_B) ||
           (kind == TN_OP_QUANTIZE && role == TN_ARG_OUT) ||
           (kind == TN_OP_DEQUANTIZE && role == TN_ARG_A);
}

static tn_status check_blocks(const tn_tensor *t, const char *name)
{
    const char *layout = tn__block_name(t->layout);
    uint16_t dtype = tn__block_dtype(t->layout);
    if (t->dtype != dtype)
        return tn__fail(TN_STATUS_INVALID, "block.dtype", name,
                        "%s is %s in layout %s; %s is needed", name,
                        tn_dtype_name((tn_dtype)t->dtype), layout, tn_dtype_name((tn_dtype)dtype));
    int last = t->rank - 1;
    if (last < 0 || t->dim[last] % TN__BLOCK != 0 || (t->dim[last] > 1 && t->stride[last] != 1))
        return tn__fail(TN_STATUS_INVALID, "block.row", name,
                        "%s in layout %s has a last dim of %lld, stride %lld; whole blocks of %d "
                        "with stride 1 are allowed",
                        name, layout, last < 0 ? 0LL : (long long)t->dim[last],
                        last < 0 ? 0LL : (long long)t->stride[last], TN__BLOCK);
    for (int i = 0; i < last; ++i)
        if (t->dim[i] > 1 && t->stride[i] % TN__BLOCK != 0)
            return tn__fail(TN_STATUS_INVALID, "block.stride", name,
                            "%s in layout %s has stride %d = %lld; multiples of %d are allowed",
                            name, layout, i, (long long)t->stride[i], TN__BLOCK);
    return TN_OK;
}

static tn_status check_tensor(const tn__op_view *v, const tn_arg *arg)
{
    const tn_tensor *t = &arg->tensor;
    const char *name = tn__role_static(arg->role);
    uint32_t known = TN_ARG_PACKED | TN_ARG_CONSTANT | TN_ARG_MAY_ALIAS;
    bool output = tn__row_writes(v->row, arg->role);
    uint64_t bytes;
    if ((arg->flags & ~known) != 0)
        return tn__fail(TN_STATUS_INVALID, "op.arg_flags", name,
                        "%s has unknown flags 0x%x; TN_ARG_PACKED, CONSTANT and MAY_ALIAS exist",
                        name, arg->flags & ~known);
    bool packs = v->op.kind == TN_OP_MATMUL || v->op.kind == TN_OP_CONV;
    if ((arg->flags & TN_ARG_PACKED) != 0 && (!packs || arg->role != TN_ARG_B))
        return tn__fail(TN_STATUS_INVALID, "op.packed", name,
                        "%s of %s cannot be PACKED (flags 0x%x); only b of matmul and conv can",
                        name, v->row->name, arg->flags);
    if ((arg->flags & TN_ARG_MAY_ALIAS) != 0 && !output)
        return tn__fail(TN_STATUS_INVALID, "op.may_alias", name,
                        "%s is an input with MAY_ALIAS (flags 0x%x); put it on an output", name,
                        arg->flags);
    if ((arg->flags & TN_ARG_MAY_ALIAS) != 0 && v->row->no_alias)
        return tn__fail(TN_STATUS_INVALID, "op.may_alias", name,
                        "%s has MAY_ALIAS (flags 0x%x); %s does not work in place, give it memory "
                        "of its own",
                        name, arg->flags, v->row->name);
    if ((arg->flags & TN_ARG_CONSTANT) != 0 && output)
        return tn__fail(TN_STATUS_INVALID, "op.constant", name,
                        "%s is an output with CONSTANT (flags 0x%x); put it on an input", name,
                        arg->flags);
    if (tn_dtype_bits((tn_dtype)t->dtype) == 0)
        return tn__fail(TN_STATUS_INVALID, "op.dtype", name,
                        "%s has dtype %u; dtypes are %d (f64) to %d (bool)", name, t->dtype, TN_F64,
                        TN_BOOL);
    if (t->flags != 0)
        return tn__fail(TN_STATUS_INVALID, "op.tensor_flags", name,
                        "%s has tensor flags 0x%x; none are defined, give 0", name, t->flags);
    if (t->quant_group != 0)
        return tn__fail(
            TN_STATUS_UNSUPPORTED, "op.quant", name,
            "%s is quantised in groups of %u, which no op takes yet; dequantise it first", name,
            t->quant_group);
    bool blocks = tn__block_bytes(t->layout) != 0 && (arg->flags & TN_ARG_PACKED) == 0 &&
                  takes_blocks(v->op.kind, arg->role);
    if (t->layout != TN_LAYOUT_STRIDED && (arg->flags & TN_ARG_PACKED) == 0 && !blocks)
        return tn__fail(
            t->layout <= UINT32_MAX ? TN_STATUS_UNSUPPORTED : TN_STATUS_INVALID, "op.layout", name,
            "%s has layout 0x%llx; without PACKED only strided (0) is allowed, and blocks "
            "(1 to 3) as b of matmul, out of quantize and a of dequantize",
            name, (unsigned long long)t->layout);
    if (t->layout != TN_LAYOUT_STRIDED && t->layout <= UINT32_MAX && !blocks)
        return tn__fail(
            TN_STATUS_UNSUPPORTED, "op.layout", name,
            "%s has layout %u and PACKED; packed layouts are above 2^32, or 0 for the plan's own",
            name, (unsigned)t->layout);
    for (int i = 0; i < t->rank; ++i) {
        if (t->dim[i] < 0)
            return tn__fail(TN_STATUS_INVALID, "op.dim", name,
                            "%s has dim %d = %lld; 0 or more is allowed", name, i,
                            (long long)t->dim[i]);
        if (t->stride[i] < 0)
            return tn__fail(TN_STATUS_INVALID, "op.stride", name,
                            "%s has stride %d = %lld; 0 or more is allowed", name, i,
                            (long long)t->stride[i]);
        if (output && t->stride[i] == 0 && t->dim[i] > 1)
            return tn__fail(TN_STATUS_INVALID, "op.out_stride", name,
                            "%s is an output with stride %d = 0 over %lld elements, all written to "
                            "one place; give it a stride",
                            name, i, (long long)t->dim[i]);
    }
    tn_status st = blocks ? check_blocks(t, name) : TN_OK;
    if (st != TN_OK)
        return st;
    if (too_many(t)) {
        char shape[96];
        tn__shape_text(t, shape, sizeof shape);
        return tn__fail(TN_STATUS_INVALID, "op.elements", name,
                        "%s is %s; at most 2^%d elements are allowed, repeated ones counted", name,
                        shape, ELEMENTS_LOG2);
    }
    if (!tn__tensor_extent(t, &bytes)) {
        char shape[96];
        tn__shape_text(t, shape, sizeof shape);
        return tn__fail(TN_STATUS_INVALID, "op.extent", name,
                        "%s is %s with strides from %lld on and reaches past the address space; "
                        "give smaller dims or strides",
                        name, shape, (long long)t->stride[0]);
    }
    if (output && covers_itself(t)) {
        char shape[96];
        tn__shape_text(t, shape, sizeof shape);
        return tn__fail(
            TN_STATUS_INVALID, "op.out_overlap", name,
            "%s is an output %s whose strides (from %lld on) let elements overlap; each "
            "stride has to step over all that the smaller ones reach",
            name, shape, (long long)t->stride[0]);
    }
    return TN_OK;
}

static tn_status check_posts(const tn__op_view *v, const tn_tensor *out)
{
    if (v->op.post_count > 0 && !v->row->posts)
        return tn__fail(TN_STATUS_UNSUPPORTED, "op.posts", "posts",
                        "posts: %s takes none yet and %u are given; matmul and conv do, else use "
                        "eltwise",
                        v->row->name, v->op.post_count);
    for (uint32_t i = 0; i < v->op.post_count; ++i) {
        const tn_post *p = &v->op.posts[i];
        bool operand = p->kind == TN_POST_BIAS || p->kind == TN_POST_ADD || p->kind == TN_POST_MUL;
        if (p->kind < TN_POST_BIAS || p->kind > TN_POST_SILU)
            return tn__fail(TN_STATUS_INVALID, "op.post_kind", "posts",
                            "posts[%u] has kind %d; %d to %d exist", i, (int)p->kind, TN_POST_BIAS,
                            TN_POST_SILU);
        if (!operand && p->role != 0)
            return tn__fail(TN_STATUS_INVALID, "op.post_role", "posts",
                            "posts[%u] has role %u and reads no operand; its role has to be 0", i,
                            p->role);
        if (p->kind == TN_POST_CLAMP && !(p->a <= p->b))
            return tn__fail(TN_STATUS_INVALID, "op.post_clamp", "posts",
                            "posts[%u] clamps to [%g, %g]; the first has to be the smaller", i,
                            (double)p->a, (double)p->b);
        if (!operand)
            continue;
        const tn_tensor *t = tn__op_tensor(v, p->role);
        if (p->role < TN_ARG_POST0 || p->role >= TN_ARG_POST0 + TN__OP_ARGS || t == NULL)
            return tn__fail(
                TN_STATUS_INVALID, "op.post_role", "posts",
                "posts[%u] names role %u%s; it needs an operand with role TN_ARG_POST0 + %u", i,
                p->role, t == NULL ? ", which is not among the operands" : "", i);
        if (!tn__shape_fits(t, out)) {
            char have[96], want[96];
            tn__shape_text(t, have, sizeof have);
            tn__shape_text(out, want, sizeof want);
            return tn__fail(TN_STATUS_INVALID, "op.post_shape", tn__role_static(p->role),
                            "%s is %s; it has to broadcast to out %s", tn__role_static(p->role),
                            have, want);
        }
        if (t->dtype == TN_BOOL)
            return tn__fail(TN_STATUS_INVALID, "op.post_dtype", tn__role_static(p->role),
                            "%s is bool; a number is needed", tn__role_static(p->role));
    }
    return TN_OK;
}

static tn_status check_numerics(const tn_numerics *n)
{
    const uint32_t allow =
        TN_ALLOW_TF32 | TN_ALLOW_BF16 | TN_ALLOW_F16_ACCUMULATE | TN_ALLOW_WINOGRAD;
    if ((uint32_t)n->cls > TN_CLASS_EXACT)
        return tn__fail(TN_STATUS_INVALID, "op.class", "numerics.cls",
                        "numerics.cls is %u; bounded 0, fast 1, canonical 2 and exact 3 exist",
                        (unsigned)n->cls);
    if (n->canonical_version > TN__CANONICAL_NEWEST)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "op.canonical_version",
                        "numerics.canonical_version",
                        "numerics.canonical_version is %u, which this library does not know; 1 to "
                        "%d are, 0 is the newest",
                        n->canonical_version, TN__CANONICAL_NEWEST);
    if (n->accumulate != 0 && tn_dtype_bits((tn_dtype)n->accumulate) == 0)
        return tn__fail(TN_STATUS_INVALID, "op.accumulate", "numerics.accumulate",
                        "numerics.accumulate is %u, no dtype; give one, or 0 for the usual",
                        n->accumulate);
    if ((n->allow & ~allow) != 0)
        return tn__fail(TN_STATUS_INVALID, "op.allow", "numerics.allow",
                        "numerics.allow is 0x%x; only TN_ALLOW_* bits (0x%x) are allowed", n->allow,
                        allow);
    if (n->allow != 0 && n->cls != TN_CLASS_FAST)
        return tn__fail(TN_STATUS_INVALID, "op.allow", "numerics.allow",
                        "numerics.allow is 0x%x; it may be non-zero only with class FAST",
                        n->allow);
    if ((n->flags & ~(uint32_t)TN_NUMERICS_SATURATE) != 0)
        return tn__fail(TN_STATUS_INVALID, "op.numerics_flags", "numerics.flags",
                        "numerics.flags is 0x%x; only TN_NUMERICS_SATURATE (0x%x) is allowed",
                        n->flags, TN_NUMERICS_SATURATE);
    return TN_OK;
}

tn_status tn__op_expect(const tn__op_view *v, uint32_t role, const tn_tensor *shape,
                        const char *rule)
{
    const tn_tensor *t = tn__op_tensor(v, role);
    if (t == NULL || tn__shape_equal(t, shape))
        return TN_OK;
    char have[96], want[96];
    tn__shape_text(t, have, sizeof have);
    tn__shape_text(shape, want, sizeof want);
    return tn__fail(TN_STATUS_INVALID, "op.out_shape", tn__role_static(role),
                    "%s of %s is %s; it has to be %s (%s)", tn__role_static(role), v->row->name,
                    have, want, rule);
}

static tn_status check_all(const tn__op_view *v, bool need_out, uint32_t role, tn_tensor *out)
{
    tn_status st = check_roles(v, need_out);
    for (uint32_t i = 0; st == TN_OK && i < v->op.arg_count; ++i)
        st = check_tensor(v, &v->op.args[i]);
    if (st == TN_OK)
        st = check_numerics(&v->op.numerics);
    tn_tensor main_out = {0};
    if (st == TN_OK)
        st = v->row->check(v, v->row->outputs[0], &main_out);
    if (st == TN_OK)
        st = check_posts(v, &main_out);
    if (st != TN_OK || out == NULL)
        return st;
    *out = main_out;
    return role == v->row->outputs[0] ? TN_OK : v->row->check(v, role, out);
}

tn_status tn__op_check_view(const tn__op_view *v)
{
    tn_status st = check_all(v, true, 0, NULL);
    if (st != TN_OK)
        return st;
    uint64_t flops = tn__op_flops(v);
    if (flops > UINT64_C(1) << FLOPS_LOG2)
        return tn__fail(TN_STATUS_INVALID, "op.work", "args",
                        "args make %s of %.3g operations or more; at most 2^%d are allowed, split "
                        "the op",
                        v->row->name, (double)flops, FLOPS_LOG2);
    return TN_OK;
}

tn_status tn__op_check(const tn_op *op)
{
    tn__op_view v;
    tn_status st = tn__op_open(op, &v);
    return st != TN_OK ? st : tn__op_check_view(&v);
}

/** Gives shape and dtype of an output, with contiguous strides.
 *  shape     from the inputs; a given out is checked, and decides the form of reduce and the dtype
 *  returns   INVALID as validation does, or for a role that is no output of this op;
 *            UNSUPPORTED for a kind that is not built
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_op_infer(const tn_op *op, tn_role role, tn_tensor *out)
{
    tn__op_view v;
    tn_status st = tn__op_open(op, &v);
    if (st != TN_OK)
        return st;
    if (out == NULL)
        return tn__fail_null("out_tensor", "give a tn_tensor to fill");
    if (!tn__row_writes(v.row, (uint32_t)role))
        return tn__fail(TN_STATUS_INVALID, "op.role", "role",
                        "role %u is no output of %s; ask for %s (%d)", (unsigned)role, v.row->name,
                        tn__role_static(v.row->outputs[0]), v.row->outputs[0]);
    tn_tensor t = {0};
    st = check_all(&v, false, (uint32_t)role, &t);
    if (st != TN_OK)
        return st;
    const tn_tensor *given = tn__op_tensor(&v, (uint32_t)role);
    if (given != NULL)
        t.dtype = given->dtype;
    for (int i = t.rank; i < TN_MAX_RANK; ++i)
        t.dim[i] = 0;
    tn__strides_contiguous(&t);
    uint64_t bytes;
    if (!tn__tensor_extent(&t, &bytes)) {
        char shape[96];
        tn__shape_text(&t, shape, sizeof shape);
        return tn__fail(TN_STATUS_INVALID, "op.extent", tn__role_static((uint32_t)role),
                        "%s would be %s, which reaches past the address space; give smaller dims",
                        tn__role_static((uint32_t)role), shape);
    }
    *out = t;
    return TN_OK;
}

/* ---- copies ---- */

static size_t round_up(size_t n)
{
    return (n + 15u) & ~(size_t)15u;
}

size_t tn__op_copy_bytes(const tn_op *op)
{
    return round_up(sizeof(tn_op)) + round_up(op->arg_count * sizeof(tn_arg)) +
           round_up(op->post_count * sizeof(tn_post)) +
           round_up(tn__op_find((uint32_t)op->kind, TN_PASS_FORWARD)->attr_bytes);
}

tn_status tn__op_copy_view(tn_runtime *rt, const tn__op_view *v, tn_op **out, size_t *out_bytes)
{
    size_t args_at = round_up(sizeof(tn_op));
    size_t posts_at = args_at + round_up(v->op.arg_count * sizeof(tn_arg));
    size_t attr_at = posts_at + round_up(v->op.post_count * sizeof(tn_post));
    size_t bytes = tn__op_copy_bytes(&v->op);
    unsigned char *base = tn__alloc(rt, bytes);
    if (base == NULL)
        return TN_STATUS_NO_MEMORY;
    tn_op *op = (tn_op *)(void *)base;
    tn_arg *args = (tn_arg *)(void *)(base + args_at);
    *op = v->op;
    memcpy(args, v->op.args, v->op.arg_count * sizeof(tn_arg));
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        args[i].tensor.buffer = NULL;
        args[i].tensor.offset_bytes = 0;
    }
    op->args = args;
    op->posts = NULL;
    if (op->post_count > 0) {
        memcpy(base + posts_at, v->op.posts, op->post_count * sizeof(tn_post));
        op->posts = (const tn_post *)(const void *)(base + posts_at);
    }
    if (v->row->attr_bytes > 0) {
        memcpy(base + attr_at, &v->attr, v->row->attr_bytes);
        op->attr = base + attr_at;
    }
    *out = op;
    *out_bytes = bytes;
    return TN_OK;
}

tn_status tn__op_copy(tn_runtime *rt, const tn_op *op, tn_op **out, size_t *out_bytes)
{
    tn__op_view v;
    tn_status st = tn__op_open(op, &v);
    return st != TN_OK ? st : tn__op_copy_view(rt, &v, out, out_bytes);
}
