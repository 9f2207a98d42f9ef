/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong ops: every op of the samples with one thing wrong at each of its operands and fields, and
 * rows of what is wrong for one kind alone. Plans and tn_device_supports have to refuse them. */
#include <conformance/negative/samples.h>

#include <stdio.h>
#include <string.h>

/* One thing that is wrong with operand `i`. False: it does not apply. */
typedef struct operand_row {
    const char *name;
    bool (*change)(tn_v_sample *s, uint32_t i, bool output);
    tn_status status;
    const char *argument; /* NULL: the operand */
} operand_row;

/* A dim of more than one element, or -1. */
static int wide(const tn_tensor *t)
{
    for (uint32_t d = 0; d < t->rank; ++d)
        if (t->dim[d] > 1)
            return (int)d;
    return -1;
}

#define OPERAND(name, condition, ...)                                                              \
    static bool name(tn_v_sample *s, uint32_t i, bool output)                                      \
    {                                                                                              \
        tn_arg *a = &s->args[i];                                                                   \
        tn_tensor *t = &a->tensor;                                                                 \
        int d = wide(t);                                                                           \
        (void)d, (void)output, (void)t;                                                            \
        if (!(condition))                                                                          \
            return false;                                                                          \
        __VA_ARGS__;                                                                               \
        return true;                                                                               \
    }

OPERAND(rank_9, true, t->rank = 9)
OPERAND(rank_65535, true, t->rank = 65535)
OPERAND(dtype_0, true, t->dtype = 0)
OPERAND(dtype_99, true, t->dtype = 99)
OPERAND(dim_negative, d >= 0, t->dim[d] = -3)
OPERAND(dim_least, d >= 0, t->dim[d] = INT64_MIN)
OPERAND(dim_most, d >= 0, t->dim[d] = INT64_MAX)
OPERAND(stride_negative, d >= 0, t->stride[d] = -1)
OPERAND(stride_most, d >= 0, t->stride[d] = INT64_MAX)
OPERAND(unknown_flags, true, a->flags |= 0x40)
OPERAND(tensor_flags, true, t->flags = 3)
OPERAND(quant_group, true, t->quant_group = 32)
OPERAND(packing_of_nobody, true, t->layout = UINT64_C(1) << 40)
OPERAND(unknown_role, true, a->role = 60)
OPERAND(out_constant, output, a->flags |= TN_ARG_CONSTANT)
OPERAND(out_all_in_one_place, output &&d >= 0, t->stride[d] = 0)
OPERAND(in_may_alias, !output, a->flags |= TN_ARG_MAY_ALIAS)
OPERAND(left_out, output, s->args[i] = s->args[s->op.arg_count - 1]; s->op.arg_count--)
OPERAND(out_too_long, output &&d >= 0 && s->op.kind != TN_OP_RESIZE, t->dim[d] += 1;
        for (uint32_t k = 0; k < (uint32_t)d; ++k) t->stride[k] *= 4)

static bool twice(tn_v_sample *s, uint32_t i, bool output)
{
    (void)output;
    s->args[s->op.arg_count++] = s->args[i];
    return true;
}

static const operand_row operand_rows[] = {
    {"rank_9", rank_9, TN_STATUS_INVALID, NULL},
    {"rank_65535", rank_65535, TN_STATUS_INVALID, NULL},
    {"dtype_0", dtype_0, TN_STATUS_INVALID, NULL},
    {"dtype_99", dtype_99, TN_STATUS_INVALID, NULL},
    {"dim_negative", dim_negative, TN_STATUS_INVALID, NULL},
    {"dim_least", dim_least, TN_STATUS_INVALID, NULL},
    {"dim_most", dim_most, TN_STATUS_INVALID, NULL},
    {"stride_negative", stride_negative, TN_STATUS_INVALID, NULL},
    {"stride_most", stride_most, TN_STATUS_INVALID, NULL},
    {"unknown_flags", unknown_flags, TN_STATUS_INVALID, NULL},
    {"tensor_flags", tensor_flags, TN_STATUS_INVALID, NULL},
    {"quant_group", quant_group, TN_STATUS_UNSUPPORTED, NULL},
    {"packing_of_nobody", packing_of_nobody, TN_STATUS_INVALID, NULL},
    {"unknown_role", unknown_role, TN_STATUS_INVALID, "args"},
    {"twice", twice, TN_STATUS_INVALID, NULL},
    {"constant", out_constant, TN_STATUS_INVALID, NULL},
    {"all_in_one_place", out_all_in_one_place, TN_STATUS_INVALID, NULL},
    {"may_alias", in_may_alias, TN_STATUS_INVALID, NULL},
    {"left_out", left_out, TN_STATUS_INVALID, NULL},
    {"too_long", out_too_long, TN_STATUS_INVALID, NULL},
};
enum { OPERAND_ROWS = sizeof operand_rows / sizeof operand_rows[0] };

/* ---- fields of the op ---- */

typedef struct field_row {
    const char *name;
    void (*change)(tn_v_sample *s);
    tn_status status;
    const char *argument;
} field_row;

static char stranger[32] = {32, 0, 0, 0, 99};

#define FIELD(name, ...)                                                                           \
    static void name(tn_v_sample *s)                                                               \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
FIELD(head_type, s->op.head.type = TN_TYPE_tn_link)
FIELD(head_size, s->op.head.size = 4)
FIELD(head_next, s->op.head.next = stranger)
FIELD(kind_0, s->op.kind = (tn_op_kind)0)
FIELD(kind_999, s->op.kind = (tn_op_kind)999)
FIELD(kind_of_vendor, s->op.kind = (tn_op_kind)(TN_OP_VENDOR + 3))
FIELD(args_null, s->op.args = NULL)
FIELD(args_none, s->op.arg_count = 0)
FIELD(args_too_many, s->op.arg_count = 25)
FIELD(args_most, s->op.arg_count = UINT32_MAX)
FIELD(posts_too_many, s->op.post_count = 9)
FIELD(posts_null, s->op.post_count = 1, s->op.posts = NULL)
FIELD(class_4, s->op.numerics.cls = (tn_class)4)
FIELD(class_most, s->op.numerics.cls = (tn_class)-1)
FIELD(canonical_99, s->op.numerics.cls = TN_CLASS_CANONICAL, s->op.numerics.canonical_version = 99)
FIELD(accumulate_99, s->op.numerics.accumulate = 99)
FIELD(allow_unknown, s->op.numerics.cls = TN_CLASS_FAST, s->op.numerics.allow = 0x30)
FIELD(allow_without_fast, s->op.numerics.allow = TN_ALLOW_TF32)
FIELD(numerics_flags, s->op.numerics.flags = 6)

static const field_row field_rows[] = {
    {"head_type", head_type, TN_STATUS_INVALID, "op"},
    {"head_size", head_size, TN_STATUS_INVALID, "op"},
    {"head_next", head_next, TN_STATUS_INCOMPATIBLE, "op"},
    {"kind_0", kind_0, TN_STATUS_INVALID, "kind"},
    {"kind_999", kind_999, TN_STATUS_INVALID, "kind"},
    {"kind_of_vendor", kind_of_vendor, TN_STATUS_UNSUPPORTED, "kind"},
    {"args_null", args_null, TN_STATUS_INVALID, "args"},
    {"args_none", args_none, TN_STATUS_INVALID, "args"},
    {"args_too_many", args_too_many, TN_STATUS_INVALID, "args"},
    {"args_most", args_most, TN_STATUS_INVALID, "args"},
    {"posts_too_many", posts_too_many, TN_STATUS_INVALID, "posts"},
    {"posts_null", posts_null, TN_STATUS_INVALID, "posts"},
    {"class_4", class_4, TN_STATUS_INVALID, "numerics.cls"},
    {"class_most", class_most, TN_STATUS_INVALID, "numerics.cls"},
    {"canonical_99", canonical_99, TN_STATUS_INCOMPATIBLE, "numerics.canonical_version"},
    {"accumulate_99", accumulate_99, TN_STATUS_INVALID, "numerics.accumulate"},
    {"allow_unknown", allow_unknown, TN_STATUS_INVALID, "numerics.allow"},
    {"allow_without_fast", allow_without_fast, TN_STATUS_INVALID, "numerics.allow"},
    {"numerics_flags", numerics_flags, TN_STATUS_INVALID, "numerics.flags"},
};
enum { FIELD_ROWS = sizeof field_rows / sizeof field_rows[0] };

/* ---- what is wrong for one kind ---- */

#define KIND(name, ...) FIELD(kind_##name, __VA_ARGS__)
#define ARG(n)          s->args[n].tensor
KIND(other_k, ARG(1).dim[0] = 7)
KIND(flat_a, ARG(0).rank = 1)
KIND(bool_a, ARG(0).dtype = TN_BOOL)
KIND(bytes_b, ARG(1).dtype = TN_S8)
KIND(matmul_flags, s->attr.matmul.flags = 0x50)
KIND(beta_without_c, s->attr.matmul.flags = TN_MATMUL_BETA)
KIND(post_kind, s->posts[0].kind = (tn_post_kind)99)
KIND(post_role, s->posts[0].role = TN_ARG_A)
KIND(relu_with_role, s->posts[1].role = TN_ARG_POST0)
KIND(conv_flags, s->attr.conv.flags = 0x80)
KIND(conv_dims, s->attr.conv.dims = 4)
KIND(conv_groups, s->attr.conv.groups = 3)
KIND(conv_stride, s->attr.conv.stride[0] = -1)
KIND(conv_dilation, s->attr.conv.dilation[1] = -1)
KIND(conv_window, s->attr.conv.dilation[0] = 99)
KIND(attention_flags, s->attr.attention.flags = 0x80)
KIND(causal_twice, s->attr.attention.flags = 3)
KIND(scale_nan, s->attr.attention.scale = NAN)
KIND(softcap, s->attr.attention.softcap = -1)
KIND(pages, s->attr.attention.page_tokens = 16)
KIND(other_d, ARG(1).dim[3] = 9)
KIND(other_tokens, ARG(2).dim[2] = 9)
KIND(axis_2, s->attr.softmax.axis = 2)
KIND(axis_below, s->attr.softmax.axis = -3)
KIND(log_2, s->attr.softmax.log = 2)
KIND(norm_kind, s->attr.norm.kind = 4)
KIND(norm_axes, s->attr.norm.axes = 3)
KIND(epsilon, s->attr.norm.epsilon = -1)
KIND(eltwise_kind, s->attr.eltwise.kind = 30)
KIND(too_few, s->attr.eltwise.kind = TN_ELTWISE_FMA)
KIND(broadcast, ARG(1).dim[1] = 3)
KIND(reduce_kind, s->attr.reduce.kind = 5)
KIND(no_axes, s->attr.reduce.axes_mask = 0)
KIND(axes_beyond, s->attr.reduce.axes_mask = 4)
KIND(pool_kind, s->attr.pool.kind = 9)
KIND(pool_dims, s->attr.pool.dims = 4)
KIND(pool_ceil, s->attr.pool.ceil = 2)
KIND(gather_axis, s->attr.axis.axis = 5)
KIND(index_float, ARG(1).dtype = TN_F32)
KIND(attr_given, s->op.attr = &s->attr)
KIND(attr_missing, s->op.attr = NULL)
KIND(k_0, s->attr.axis.param = 0)
KIND(k_beyond, s->attr.axis.param = 99)
KIND(scan_flags, s->attr.axis.flags = 0x40)
KIND(pad_mode, s->attr.window.mode = 7)
KIND(rope_dims, s->attr.rope.rotary_dims = 99)
KIND(rope_interleaved, s->attr.rope.interleaved = 2)

#define KIND_ROW(sample, name, argument)                                                           \
    {                                                                                              \
        sample, #name, kind_##name, argument                                                       \
    }
static const struct {
    int sample;
    const char *name;
    void (*change)(tn_v_sample *s);
    const char *argument;
} kind_rows[] = {
    KIND_ROW(0, other_k, "b"),
    KIND_ROW(0, flat_a, "a"),
    KIND_ROW(0, bool_a, "a"),
    KIND_ROW(0, bytes_b, "b"),
    KIND_ROW(0, matmul_flags, "attr.flags"),
    KIND_ROW(0, beta_without_c, "c"),
    KIND_ROW(1, post_kind, "posts"),
    KIND_ROW(1, post_role, "post0"),
    KIND_ROW(1, relu_with_role, "posts"),
    KIND_ROW(2, conv_flags, "attr.flags"),
    KIND_ROW(2, conv_dims, "attr.dims"),
    KIND_ROW(2, conv_groups, "attr.groups"),
    KIND_ROW(2, conv_stride, "attr.stride"),
    KIND_ROW(2, conv_dilation, "attr.dilation"),
    KIND_ROW(2, conv_window, "b"),
    KIND_ROW(3, attention_flags, "attr.flags"),
    KIND_ROW(3, causal_twice, "attr.flags"),
    KIND_ROW(3, scale_nan, "attr.scale"),
    KIND_ROW(3, softcap, "attr.softcap"),
    KIND_ROW(3, pages, "attr.page_tokens"),
    KIND_ROW(3, other_d, "k"),
    KIND_ROW(3, other_tokens, "v"),
    KIND_ROW(4, axis_2, "attr.axis"),
    KIND_ROW(4, axis_below, "attr.axis"),
    KIND_ROW(4, log_2, "attr.log"),
    KIND_ROW(4, attr_missing, "attr"),
    KIND_ROW(5, norm_kind, "attr.kind"),
    KIND_ROW(5, norm_axes, "attr.axes"),
    KIND_ROW(5, epsilon, "attr.epsilon"),
    KIND_ROW(7, eltwise_kind, "attr.kind"),
    KIND_ROW(7, too_few, "c"),
    KIND_ROW(7, broadcast, "b"),
    KIND_ROW(10, reduce_kind, "attr.kind"),
    KIND_ROW(10, no_axes, "attr.axes_mask"),
    KIND_ROW(10, axes_beyond, "attr.axes_mask"),
    KIND_ROW(11, pool_kind, "attr.kind"),
    KIND_ROW(11, pool_dims, "attr.dims"),
    KIND_ROW(11, pool_ceil, "attr.ceil"),
    KIND_ROW(12, rope_dims, "attr.rotary_dims"),
    KIND_ROW(12, rope_interleaved, "attr.interleaved"),
    KIND_ROW(13, gather_axis, "attr.axis"),
    KIND_ROW(13, index_float, "index"),
    KIND_ROW(14, attr_given, "attr"),
    KIND_ROW(16, pad_mode, "attr.mode"),
    KIND_ROW(17, k_0, "attr.param"),
    KIND_ROW(17, k_beyond, "attr.param"),
    KIND_ROW(18, scan_flags, "attr.flags"),
};
enum { KIND_ROWS = sizeof kind_rows / sizeof kind_rows[0] };

/* ---- running ---- */

static bool refused(tn_v_bed *x, const tn_v_sample *s, tn_status want, const char *argument,
                    tn_v_result *out)
{
    return tn_v_refused(x, tn_device_supports(x->d, &s->op), want, argument, out) &&
           tn_v_refused(x, tn_plan_create(x->d, &s->op, NULL, &x->made_plan), want, argument, out);
}

static bool with_operand(tn_v_bed *x, tn_v_sample *s, const char *what, tn_v_result *out)
{
    char name[64];
    for (uint32_t i = 0; i < s->op.arg_count; ++i)
        for (int k = 0; k < OPERAND_ROWS; ++k) {
            const operand_row *row = &operand_rows[k];
            const char *role = tn_v_role_name(s->args[i].role);
            snprintf(name, sizeof name, "%s.%s", role, row->name);
            if (strcmp(name, what) != 0)
                continue;
            return row->change(s, i, tn_v_is_output(&s->op, s->args[i].role)) &&
                   refused(x, s, row->status, row->argument != NULL ? row->argument : role, out);
        }
    return tn_v_wrong(out, "no such row");
}

static bool run(tn_v_session *session, const tn_v_case *c, tn_v_random *r, tn_v_result *out)
{
    tn_v_bed *x = tn_v_make_bed(session, out);
    const char *what = c->op + strlen("negative.op.");
    tn_v_sample s;
    (void)r;
    for (int k = 0; k < TN_V_SAMPLES && x != NULL; ++k) {
        char name[32];
        tn_v_sample_name(k, name, sizeof name);
        size_t n = strlen(name);
        if (strncmp(what, name, n) != 0 || what[n] != '.')
            continue;
        what += n + 1;
        if (!tn_v_sample_of(session, tn_v_samples[k], &s, out))
            return false;
        for (int i = 0; i < FIELD_ROWS; ++i)
            if (strcmp(field_rows[i].name, what) == 0) {
                field_rows[i].change(&s);
                return refused(x, &s, field_rows[i].status, field_rows[i].argument, out);
            }
        for (int i = 0; i < KIND_ROWS; ++i)
            if (kind_rows[i].sample == k && strcmp(kind_rows[i].name, what) == 0) {
                kind_rows[i].change(&s);
                return refused(x, &s, TN_STATUS_INVALID, kind_rows[i].argument, out);
            }
        return with_operand(x, &s, what, out);
    }
    return x != NULL && tn_v_wrong(out, "no such op");
}

static void add(tn_v_sink *s, const char *sample, const char *role, const char *row)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s%s%s", sample, role, role[0] != '\0' ? "." : "", row);
    tn_v_add(s, tn_v_share(name, 8), 6, TN_V_BIT(TN_V_EDGE), "negative.op.%s", name);
}

static void list(tn_v_sink *s)
{
    tn_v_session none;
    tn_v_result ignored;
    memset(&none, 0, sizeof none);
    none.runtime = tn_v_sample_runtime();
    for (int k = 0; k < TN_V_SAMPLES; ++k) {
        char name[32];
        tn_v_sample sample, changed;
        tn_v_sample_name(k, name, sizeof name);
        if (tn_v_sample_of(&none, tn_v_samples[k], &sample, &ignored)) {
            for (uint32_t i = 0; i < sample.op.arg_count; ++i)
                for (int row = 0; row < OPERAND_ROWS; ++row) {
                    uint32_t role = sample.args[i].role;
                    changed = sample;
                    if (operand_rows[row].change(&changed, i, tn_v_is_output(&sample.op, role)))
                        add(s, name, tn_v_role_name(role), operand_rows[row].name);
                }
        } else {
            s->failed = true;
        }
        for (int i = 0; i < FIELD_ROWS; ++i)
            add(s, name, "", field_rows[i].name);
        for (int i = 0; i < KIND_ROWS; ++i)
            if (kind_rows[i].sample == k)
                add(s, name, "", kind_rows[i].name);
    }
    tn_runtime_release(none.runtime);
}

const tn_v_family tn_v_wrong_ops = {"negative.op", false, list, run};
