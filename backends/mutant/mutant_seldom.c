/* SPDX-License-Identifier: Apache-2.0 */
/* Defects that only some calls meet: a size, a stride, an attribute or a value. Each leaves
 * everything else right. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>

/* ---- what an op is like ---- */

static const tn_tensor *given(const mutant_op *o, uint32_t role)
{
    int i = tn__mutant_index(o, role);
    return i < 0 ? NULL : &o->args[i].tensor;
}

/* Dim d from the end; 1 where there is none. */
static int64_t last(const tn_tensor *t, uint32_t d)
{
    return t != NULL && d < t->rank ? t->dim[t->rank - 1 - d] : 1;
}

static bool dense(const tn_tensor *t)
{
    int64_t next = 1;
    for (uint32_t d = t->rank; d-- > 0;) {
        if (t->dim[d] > 1 && t->stride[d] != next)
            return false;
        next *= t->dim[d];
    }
    return true;
}

static int64_t batches(const tn_tensor *t)
{
    int64_t n = 1;
    for (uint32_t d = 0; d + 2 < t->rank; ++d)
        n *= t->dim[d];
    return n;
}

static int64_t terms(const mutant_op *o)
{
    const tn_tensor *a = given(o, TN_ARG_A);
    return last(a, (o->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0 ? 1 : 0);
}

enum {
    N_17 = 1,
    K_256,
    K_LONG,
    N_MANY,
    M_MANY,
    BATCH_8,
    LARGE,
    ROW_BIAS,
    ALPHA_BETA,
    BROADCAST_B,
    COLUMN_ONE,
    GAPS_OUT,
    TURNED_BOTH,
    ZERO_B_VECTOR,
    BATCH_64,
    POST_EDGE,
    POSTS_THREE,
    K_ODD,
    BROADCAST_POST,
    OLD_C,
    CONV_DILATED_GROUPS,
    CONV_VOLUME,
    CONV_LINE,
    CONV_TURNED_PADS,
    CONV_LAST_STRIDES,
    CONV_DEEP,
    ATT_WINDOW,
    ATT_CAP,
    ATT_WIDE,
    ATT_MANY_HEADS,
    ATT_LENGTHS,
    ATT_MASK_ODD,
    ATT_ONE_QUERY,
    SOFTMAX_AXIS,
    SOFTMAX_LONG,
    SOFTMAX_STRIDES,
    NORM_AXES,
    NORM_ONE,
    NORM_LONG,
    REDUCE_ROWS,
    REDUCE_LONG,
    REDUCE_MEAN_F16,
    REDUCE_APART,
    REDUCE_STRIDES,
    POOL_DILATED,
    POOL_COUNTED,
    ELT_MANY,
    ELT_BROADCAST,
    ELT_STRIDES,
    COPY_STRIDES,
    COPY_BROADCAST,
    COPY_MANY,
    GATHER_AXIS,
    CONCAT_FOUR,
    PAD_MIRROR,
    PAD_LESS,
    QUANT_GROUP,
    QUANT_AXIS,
    SCAN_BACK,
    ROPE_PART,
    TOPK_LAST,
    RESIZE_DOWN,
    BLOCKS_LONG,
    BACK_ELTWISE
};

static bool has_posts(const mutant_op *o, uint32_t least)
{
    return o->op.post_count >= least;
}

static bool matmul_meets(const mutant_op *o, int which)
{
    const tn_tensor *a = given(o, TN_ARG_A), *b = given(o, TN_ARG_B), *out = given(o, TN_ARG_OUT),
                    *zero = given(o, TN_ARG_ZERO_OF + TN_ARG_B);
    const tn_matmul *t = &o->attr.matmul;
    int64_t m = last(out, 1), n = last(out, 0), k = terms(o);
    switch (which) {
    case N_17:
        return n % 32 == 17;
    case K_256:
        return k == 256;
    case K_LONG:
        return k >= 4096;
    case N_MANY:
        return n > 1024;
    case M_MANY:
        return m >= 1024;
    case BATCH_8:
        return batches(out) > 8;
    case BATCH_64:
        return batches(out) > 64;
    case LARGE:
        return m * n * k > 1 << 22;
    case ROW_BIAS:
        return m == 1 && has_posts(o, 1);
    case ALPHA_BETA:
        return (t->flags & TN_MATMUL_ALPHA) != 0 && (t->flags & TN_MATMUL_BETA) != 0;
    case BROADCAST_B:
        return batches(out) > 1 && b->rank < out->rank;
    case COLUMN_ONE:
        return n == 1 && m > 16;
    case GAPS_OUT:
        return !dense(out);
    case TURNED_BOTH:
        return (t->flags & 3u) == 3u && m != n;
    case ZERO_B_VECTOR:
        return zero != NULL && zero->rank > 0 && n > 16;
    case POST_EDGE:
        return has_posts(o, 1) && m % 16 != 0 && n > 64;
    case POSTS_THREE:
        return has_posts(o, 3);
    case K_ODD:
        return k % 2 == 1 && k > 1000;
    case BROADCAST_POST:
        return given(o, TN_ARG_POST0) != NULL && last(given(o, TN_ARG_POST0), 1) == 1 && m > 1 &&
               given(o, TN_ARG_POST0)->rank > 1;
    case OLD_C:
        return (t->flags & TN_MATMUL_BETA) != 0 && t->beta == 0 && a != NULL;
    default:
        return false;
    }
}

static bool conv_meets(const mutant_op *o, int which)
{
    const tn_conv *t = &o->attr.conv;
    const tn_tensor *a = given(o, TN_ARG_A);
    switch (which) {
    case CONV_DILATED_GROUPS:
        return t->groups > 1 && t->dilation[0] > 1;
    case CONV_VOLUME:
        return t->dims == 3 && t->stride[0] > 1;
    case CONV_LINE:
        return t->dims == 1 && t->stride[0] > 1 && t->pad_lo[0] != t->pad_hi[0];
    case CONV_TURNED_PADS:
        return (t->flags & TN_CONV_TRANSPOSED) != 0 && t->pad_lo[0] != t->pad_hi[0];
    case CONV_LAST_STRIDES:
        return (t->flags & TN_CONV_CHANNELS_LAST) != 0 && t->dims == 2 &&
               t->stride[0] != t->stride[1];
    default:
        return a != NULL && has_posts(o, 2);
    }
}

static bool attention_meets(const mutant_op *o, int which)
{
    const tn_attention *t = &o->attr.attention;
    const tn_tensor *q = given(o, TN_ARG_Q), *k = given(o, TN_ARG_K);
    bool causal = (t->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0;
    if (t->pass != TN_PASS_FORWARD)
        return false;
    switch (which) {
    case ATT_WINDOW:
        return (t->flags & TN_ATTENTION_WINDOW) != 0 && last(q, 1) != last(k, 1) && !causal;
    case ATT_CAP:
        return t->softcap > 0 && causal;
    case ATT_WIDE:
        return last(q, 0) > 128;
    case ATT_MANY_HEADS:
        return last(q, 2) >= 4 * last(k, 2) && last(k, 2) > 1;
    case ATT_LENGTHS:
        return given(o, TN_ARG_LENGTHS) != NULL && !causal;
    case ATT_MASK_ODD:
        return given(o, TN_ARG_MASK) != NULL && last(q, 0) % 16 != 0;
    default:
        return last(q, 1) == 1 && last(k, 1) > 64;
    }
}

static bool rows_meet(const mutant_op *o, int which)
{
    const tn_tensor *a = given(o, TN_ARG_A);
    int axis = o->attr.softmax.axis;
    uint32_t mask = o->attr.reduce.axes_mask;
    int64_t reduced = 1;
    for (uint32_t d = 0; a != NULL && d < a->rank; ++d)
        reduced *= (mask >> d & 1u) != 0 ? a->dim[d] : 1;
    switch (which) {
    case SOFTMAX_AXIS:
        axis = axis < 0 ? axis + a->rank : axis;
        return a->rank > 2 && axis != a->rank - 1;
    case SOFTMAX_LONG:
        axis = axis < 0 ? axis + a->rank : axis;
        return a->dim[axis] > 4096;
    case SOFTMAX_STRIDES:
    case REDUCE_STRIDES:
        return !dense(a);
    case NORM_AXES:
        return o->attr.norm.axes > 1 && a->rank > 2 && o->attr.norm.kind <= TN_NORM_RMS;
    case NORM_ONE:
        return last(a, 0) == 1;
    case NORM_LONG:
        return last(a, 0) > 8192;
    case REDUCE_ROWS:
        return mask == 1 && a->rank == 2 && a->dim[0] > 512;
    case REDUCE_LONG:
        return reduced > 65536;
    case REDUCE_MEAN_F16:
        return o->attr.reduce.kind == TN_REDUCE_MEAN && a->dtype == TN_F16 && reduced > 512;
    default:
        return (mask & 5u) == 5u && (mask & 2u) == 0 && a->rank > 2;
    }
}

static bool other_meets(const mutant_op *o, int which)
{
    const tn_tensor *a = given(o, TN_ARG_A), *b = given(o, TN_ARG_B), *out = given(o, TN_ARG_OUT);
    switch (which) {
    case POOL_DILATED:
        return o->attr.pool.dilation[0] > 1 && o->attr.pool.stride[0] > 1;
    case POOL_COUNTED:
        return o->attr.pool.kind == TN_POOL_AVERAGE && o->attr.pool.ceil != 0 &&
               (o->attr.pool.flags & TN_POOL_COUNT_PADDING) != 0;
    case ELT_MANY:
        return tn__mutant_count_of(out) > 65536;
    case ELT_BROADCAST:
        return b != NULL && b->rank > 1 && last(b, 0) == 1 && last(out, 0) > 1 && last(b, 1) > 1;
    case ELT_STRIDES:
        return !dense(a) && b != NULL;
    case COPY_STRIDES:
        return a->rank > 2 && !dense(a) && !dense(out);
    case COPY_BROADCAST:
        return a->rank > 0 && a->dim[0] > 1 && a->stride[0] == 0;
    case COPY_MANY:
        return tn__mutant_count_of(out) > 1 << 18;
    case GATHER_AXIS:
        return a != NULL && o->attr.axis.axis != 0 && given(o, TN_ARG_INDEX)->rank > 1;
    case CONCAT_FOUR:
        return o->op.arg_count >= 5;
    case PAD_MIRROR:
        return o->attr.window.mode == TN_PAD_REFLECT && a->rank > 1 && o->attr.window.lo[0] > 0;
    case PAD_LESS:
        return o->attr.window.lo[0] < 0;
    case QUANT_GROUP:
        return o->attr.axis.param > 1 && a->rank > 1;
    case QUANT_AXIS:
        return a->rank > 2 && o->attr.axis.axis == 1 && o->attr.axis.param == 0;
    case SCAN_BACK:
        return (o->attr.axis.flags & 3u) == 3u;
    case ROPE_PART:
        return o->attr.rope.rotary_dims > 0;
    case TOPK_LAST:
        return o->attr.axis.param > 1;
    case RESIZE_DOWN:
        return last(out, 0) < last(a, 0);
    case BLOCKS_LONG:
        return b != NULL && b->layout != 0;
    default: /* BACK_ELTWISE */
        return o->attr.eltwise.pass != TN_PASS_FORWARD;
    }
}

static bool meets(mutant_op *o, int which)
{
    if (tn__mutant_index(o, TN_ARG_OUT) < 0 && which != TOPK_LAST)
        return false;
    if (o->op.kind != TN_OP_MATMUL && tn__mutant_index(o, TN_ARG_A) < 0 &&
        (which < ATT_WINDOW || which > ATT_ONE_QUERY) && which != CONCAT_FOUR)
        return false;
    return which <= OLD_C            ? matmul_meets(o, which)
           : which <= CONV_DEEP      ? conv_meets(o, which)
           : which <= ATT_ONE_QUERY  ? attention_meets(o, which)
           : which <= REDUCE_STRIDES ? rows_meet(o, which)
                                     : other_meets(o, which);
}

/* The last element of the output, or of each row where rows are what goes wrong. */
void tn__mutant_spoil_last(mutant_run *r, int which)
{
    int i = tn__mutant_index(&r->plan->right, TN_ARG_OUT);
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    int64_t n = tn__mutant_count_of(t);
    (void)which;
    if (n == 0)
        return;
    uint32_t bytes = tn_dtype_bits((tn_dtype)t->dtype) / 8;
    int64_t at = tn__mutant_offset(t, n - 1);
    if (bytes == 0)
        return;
    if (t->dtype == TN_BOOL || bytes == 1) {
        r->data[i][at] ^= 1;
        return;
    }
    double v = tn__mutant_load(r, TN_ARG_OUT, at);
    tn__mutant_store(r, TN_ARG_OUT, at, isfinite(v) ? v + 1 + fabs(v) / 2 : 0);
}

/* ---- values ---- */

enum {
    PAIR_EXTREME = 1,
    HUGE_ROW,
    BIAS_NAN,
    MAX_NAN,
    ZERO_SIGN,
    INF_INF,
    WORD_OVERFLOW,
    TINY_PRODUCT,
    NAN_PAYLOAD,
    INDEX_NEGATIVE,
    INDEX_OUTSIDE,
    BYTE_LOWEST,
    TIE_NEGATIVE,
    SOFTMAX_INF,
    NO_TERMS,
    RELU_ZERO,
    C_TAKEN
};

static double value_of(const mutant_run *r, uint32_t role, const tn_tensor *out, int64_t n)
{
    const tn_tensor *t = given(&r->plan->right, role);
    int64_t at = 0, i[TN_MAX_RANK];
    for (uint32_t d = out->rank; d-- > 0; n /= out->dim[d] > 0 ? out->dim[d] : 1)
        i[d] = out->dim[d] > 0 ? n % out->dim[d] : 0;
    for (uint32_t d = 0; d < t->rank; ++d)
        at += t->dim[d] > 1 ? i[out->rank - t->rank + d] * t->stride[d] : 0;
    return tn__mutant_load(r, role, at);
}

static bool any_value(const mutant_run *r, uint32_t role, bool (*is)(double))
{
    const tn_tensor *t = given(&r->plan->right, role);
    bool any = false;
    for (int64_t n = 0; t != NULL && n < tn__mutant_count_of(t) && !any; ++n)
        any = is(tn__mutant_load(r, role, tn__mutant_offset(t, n)));
    return any;
}

static bool is_huge(double v)
{
    return isfinite(v) && fabs(v) > 0x1p40;
}

static bool is_lowest(double v)
{
    return v == -128;
}

static bool is_nan(double v)
{
    return isnan(v);
}

static bool is_inf(double v)
{
    return isinf(v);
}

static bool is_negative(double v)
{
    return v < 0;
}

static bool is_far(double v)
{
    return v > 1000 || v < -1000;
}

static bool value_meets(mutant_op *o, int which)
{
    const tn_tensor *a = given(o, TN_ARG_A), *out = given(o, TN_ARG_OUT);
    if (a == NULL || out == NULL)
        return false;
    switch (which) {
    case PAIR_EXTREME:
        return a->dtype == TN_S8 && given(o, TN_ARG_B)->dtype == TN_S8;
    case BIAS_NAN:
        return has_posts(o, 1) && given(o, TN_ARG_POST0) != NULL && a->dtype == TN_F32;
    case MAX_NAN:
    case ZERO_SIGN:
        return o->attr.eltwise.kind == TN_ELTWISE_MAX || o->attr.eltwise.kind == TN_ELTWISE_MIN;
    case INF_INF:
    case WORD_OVERFLOW:
        return o->attr.eltwise.kind == TN_ELTWISE_ADD;
    case TINY_PRODUCT:
        return o->attr.eltwise.kind == TN_ELTWISE_MUL && a->dtype == TN_F32;
    case NAN_PAYLOAD:
        return a->dtype == TN_F32 && out->dtype == TN_F32;
    case BYTE_LOWEST:
        return out->dtype == TN_S8;
    case TIE_NEGATIVE:
        return a->dtype == TN_F32 && out->dtype == TN_BF16;
    case NO_TERMS:
        return o->op.kind == TN_OP_MATMUL && terms(o) == 0;
    case RELU_ZERO:
        return o->attr.eltwise.kind == TN_ELTWISE_RELU;
    case C_TAKEN:
        return (o->attr.matmul.flags & TN_MATMUL_BETA) != 0 && o->attr.matmul.beta == 0 &&
               given(o, TN_ARG_C) != NULL;
    default:
        return true;
    }
}

/* What element n becomes; its own value where nothing is wrong. */
static double changed(const mutant_run *r, int which, const tn_tensor *out, int64_t n, double v)
{
    bool two =
        given(&r->plan->right, TN_ARG_B) != NULL && which >= MAX_NAN && which <= TINY_PRODUCT;
    double x = two ? value_of(r, TN_ARG_A, out, n) : 0, y = two ? value_of(r, TN_ARG_B, out, n) : 0;
    switch (which) {
    case MAX_NAN:
        return isnan(x) && !isnan(y) ? y : v;
    case ZERO_SIGN:
        return v == 0 ? x : v;
    case INF_INF:
        return isinf(x) && isinf(y) ? 0 : v;
    case WORD_OVERFLOW:
        return x + y > 2147483647.0 ? 2147483647.0 : x + y < -2147483648.0 ? -2147483648.0 : v;
    case TINY_PRODUCT:
        return v != 0 && fabs(v) < 0x1p-126 ? 0 : v;
    case BYTE_LOWEST:
        return v == -128 ? -127 : v;
    case RELU_ZERO:
        return isnan(v) ? 0 : v;
    default:
        return v;
    }
}

static void change_values(mutant_run *r, int which)
{
    const mutant_op *o = &r->plan->right;
    int i = tn__mutant_index(o, TN_ARG_OUT);
    const tn_tensor *out = &o->args[i].tensor;
    if ((which == PAIR_EXTREME && any_value(r, TN_ARG_A, is_lowest) &&
         any_value(r, TN_ARG_B, is_lowest)) ||
        (which == HUGE_ROW && any_value(r, TN_ARG_A, is_huge)) ||
        (which == BIAS_NAN && any_value(r, TN_ARG_POST0, is_nan)) ||
        (which == INDEX_NEGATIVE && any_value(r, TN_ARG_INDEX, is_negative)) ||
        (which == INDEX_OUTSIDE && any_value(r, TN_ARG_INDEX, is_far)) ||
        (which == SOFTMAX_INF && any_value(r, TN_ARG_A, is_inf)) || which == NO_TERMS ||
        (which == C_TAKEN && any_value(r, TN_ARG_C, is_nan)))
        tn__mutant_spoil_last(r, which);
    if (which == NAN_PAYLOAD || which == TIE_NEGATIVE) {
        uint32_t bytes = tn_dtype_bits((tn_dtype)out->dtype) / 8;
        const tn_tensor *a = given(o, TN_ARG_A);
        for (int64_t n = 0; n < tn__mutant_count_of(out); ++n) {
            unsigned char *e = r->data[i] + tn__mutant_offset(out, n) * bytes;
            uint32_t quiet = 0x7fc00000, word = 0;
            if (which == NAN_PAYLOAD) {
                if (isnan(tn__mutant_load(r, TN_ARG_OUT, tn__mutant_offset(out, n))))
                    memcpy(e, &quiet, 4);
                continue;
            }
            if (!(value_of(r, TN_ARG_A, out, n) < 0) || a->rank != out->rank)
                continue;
            float x = (float)value_of(r, TN_ARG_A, out, n);
            memcpy(&word, &x, 4);
            if ((word & 0xffff) == 0x8000 && isfinite(x)) { /* a tie: always away from 0 */
                uint16_t up = (uint16_t)((word >> 16) + 1);
                memcpy(e, &up, 2);
            }
        }
        return;
    }
    for (int64_t n = 0; n < tn__mutant_count_of(out); ++n) {
        int64_t at = tn__mutant_offset(out, n);
        double was = tn__mutant_load(r, TN_ARG_OUT, at), v = changed(r, which, out, n, was);
        if (v != was || (isnan(was) && !isnan(v)) || (v == 0 && signbit(v) != signbit(was)))
            tn__mutant_store(r, TN_ARG_OUT, at, v);
    }
}

#define MATMUL                                                                                     \
    .family = "seldom", .kind = TN_OP_MATMUL, .bend = meets, .after = tn__mutant_spoil_last
#define CONV .family = "seldom", .kind = TN_OP_CONV, .bend = meets, .after = tn__mutant_spoil_last
#define ATTENTION                                                                                  \
    .family = "seldom", .kind = TN_OP_ATTENTION, .bend = meets, .after = tn__mutant_spoil_last
#define OF(op) .family = "seldom", .kind = TN_OP_##op, .bend = meets, .after = tn__mutant_spoil_last
#define VALUE(op)                                                                                  \
    .family = "seldom", .kind = TN_OP_##op, .bend = value_meets, .after = change_values
const mutant_defect tn__mutant_seldom[] = {
    {.id = "U20", .text = "last column of 17 wrong", MATMUL, .param = N_17},
    {.id = "U21", .text = "wrong at exactly 256 terms", MATMUL, .param = K_256},
    {.id = "U22", .text = "wrong from 4096 terms on", MATMUL, .param = K_LONG},
    {.id = "U23", .text = "wrong above 1024 columns", MATMUL, .param = N_MANY},
    {.id = "U24", .text = "wrong from 1024 rows on", MATMUL, .param = M_MANY},
    {.id = "U25", .text = "wrong above 8 batches", MATMUL, .param = BATCH_8},
    {.id = "U26", .text = "wrong above 64 batches", MATMUL, .param = BATCH_64},
    {.id = "U27", .text = "wrong above 2^22 products", MATMUL, .param = LARGE},
    {.id = "U28", .text = "epilogue of one row wrong", MATMUL, .param = ROW_BIAS},
    {.id = "U29", .text = "alpha and beta together wrong", MATMUL, .param = ALPHA_BETA},
    {.id = "U30", .text = "b broadcast over batches wrong", MATMUL, .param = BROADCAST_B},
    {.id = "U31", .text = "one column, many rows: wrong", MATMUL, .param = COLUMN_ONE},
    {.id = "U32", .text = "an output with gaps is wrong", MATMUL, .param = GAPS_OUT},
    {.id = "U33", .text = "both transposed wrong", MATMUL, .param = TURNED_BOTH},
    {.id = "U34", .text = "zeros of columns wrong", MATMUL, .param = ZERO_B_VECTOR},
    {.id = "U35", .text = "epilogue of edge tiles wrong", MATMUL, .param = POST_EDGE},
    {.id = "U36", .text = "third part of an epilogue wrong", MATMUL, .param = POSTS_THREE},
    {.id = "U37", .text = "long odd sums wrong", MATMUL, .param = K_ODD},
    {.id = "U38", .text = "broadcast operand of an epilogue", MATMUL, .param = BROADCAST_POST},
    {.id = "U39", .text = "beta of 0 wrong", MATMUL, .param = OLD_C},
    {.id = "U40", .text = "dilation with groups wrong", CONV, .param = CONV_DILATED_GROUPS},
    {.id = "U41", .text = "strides of volumes wrong", CONV, .param = CONV_VOLUME},
    {.id = "U42", .text = "uneven padding of strided lines", CONV, .param = CONV_LINE},
    {.id = "U43", .text = "uneven padding, transposed", CONV, .param = CONV_TURNED_PADS},
    {.id = "U44", .text = "uneven strides, channels last", CONV, .param = CONV_LAST_STRIDES},
    {.id = "U45", .text = "two epilogues of a convolution", CONV, .param = CONV_DEEP},
    {.id = "U46", .text = "window with unequal lengths", ATTENTION, .param = ATT_WINDOW},
    {.id = "U47", .text = "softcap with causality", ATTENTION, .param = ATT_CAP},
    {.id = "U48", .text = "heads above 128", ATTENTION, .param = ATT_WIDE},
    {.id = "U49", .text = "four query heads a key head", ATTENTION, .param = ATT_MANY_HEADS},
    {.id = "U50", .text = "lengths without causality", ATTENTION, .param = ATT_LENGTHS},
    {.id = "U51", .text = "mask with odd heads", ATTENTION, .param = ATT_MASK_ODD},
    {.id = "U52", .text = "one query, many keys", ATTENTION, .param = ATT_ONE_QUERY},
    {.id = "U53", .text = "softmax of an inner axis", OF(SOFTMAX), .param = SOFTMAX_AXIS},
    {.id = "U54", .text = "softmax above 4096", OF(SOFTMAX), .param = SOFTMAX_LONG},
    {.id = "U55", .text = "softmax of strided rows", OF(SOFTMAX), .param = SOFTMAX_STRIDES},
    {.id = "U56", .text = "norm of several axes", OF(NORM), .param = NORM_AXES},
    {.id = "U57", .text = "norm of one element", OF(NORM), .param = NORM_ONE},
    {.id = "U58", .text = "norm of long rows", OF(NORM), .param = NORM_LONG},
    {.id = "U59", .text = "column sums above 512 rows", OF(REDUCE), .param = REDUCE_ROWS},
    {.id = "U60", .text = "reduces above 65536 terms", OF(REDUCE), .param = REDUCE_LONG},
    {.id = "U61", .text = "mean of many f16", OF(REDUCE), .param = REDUCE_MEAN_F16},
    {.id = "U62", .text = "reduce of axes apart", OF(REDUCE), .param = REDUCE_APART},
    {.id = "U63", .text = "reduce of strided operands", OF(REDUCE), .param = REDUCE_STRIDES},
    {.id = "U64", .text = "pool, dilated and strided", OF(POOL), .param = POOL_DILATED},
    {.id = "U65", .text = "pool, padding counted, ceil", OF(POOL), .param = POOL_COUNTED},
    {.id = "U66", .text = "functions above 65536", OF(ELTWISE), .param = ELT_MANY},
    {.id = "U67", .text = "inner broadcast", OF(ELTWISE), .param = ELT_BROADCAST},
    {.id = "U68", .text = "strided operand of a function", OF(ELTWISE), .param = ELT_STRIDES},
    {.id = "U69", .text = "copy, both strided", OF(COPY), .param = COPY_STRIDES},
    {.id = "U70", .text = "copy of a broadcast", OF(COPY), .param = COPY_BROADCAST},
    {.id = "U71", .text = "copy above 2^18", OF(COPY), .param = COPY_MANY},
    {.id = "U72", .text = "gather inside, index of a matrix", OF(GATHER), .param = GATHER_AXIS},
    {.id = "U73", .text = "fourth input of concat", OF(CONCAT), .param = CONCAT_FOUR},
    {.id = "U74", .text = "mirrored pad of outer dims", OF(PAD), .param = PAD_MIRROR},
    {.id = "U75", .text = "negative pad", OF(PAD), .param = PAD_LESS},
    {.id = "U76", .text = "scales of groups", OF(QUANTIZE), .param = QUANT_GROUP},
    {.id = "U77", .text = "scales of a middle axis", OF(QUANTIZE), .param = QUANT_AXIS},
    {.id = "U78", .text = "scan, exclusive and reverse", OF(SCAN), .param = SCAN_BACK},
    {.id = "U79", .text = "rope of a part", OF(ROPE), .param = ROPE_PART},
    {.id = "U80", .text = "topk of several", OF(TOPK), .param = TOPK_LAST},
    {.id = "U81", .text = "resize to less", OF(RESIZE), .param = RESIZE_DOWN},
    {.id = "U82", .text = "weights in blocks", MATMUL, .param = BLOCKS_LONG},
    {.id = "U83", .text = "derivatives", OF(ELTWISE), .param = BACK_ELTWISE},
    {.id = "V01", .text = "-128 * -128 overflows", VALUE(MATMUL), .param = PAIR_EXTREME},
    {.id = "V02", .text = "inputs above 2^40 wrong", VALUE(MATMUL), .param = HUGE_ROW},
    {.id = "V03", .text = "a NaN in an epilogue is lost", VALUE(MATMUL), .param = BIAS_NAN},
    {.id = "V04", .text = "max and min drop a NaN", VALUE(ELTWISE), .param = MAX_NAN},
    {.id = "V05", .text = "max and min of zeros", VALUE(ELTWISE), .param = ZERO_SIGN},
    {.id = "V06", .text = "Inf - Inf is 0", VALUE(ELTWISE), .param = INF_INF},
    {.id = "V07", .text = "s32 sums saturate", VALUE(ELTWISE), .param = WORD_OVERFLOW},
    {.id = "V08", .text = "subnormal products are 0", VALUE(ELTWISE), .param = TINY_PRODUCT},
    {.id = "V09", .text = "copies lose the NaN's payload", VALUE(COPY), .param = NAN_PAYLOAD},
    {.id = "V10", .text = "negative index wrong", VALUE(GATHER), .param = INDEX_NEGATIVE},
    {.id = "V11", .text = "-128 becomes -127", VALUE(QUANTIZE), .param = BYTE_LOWEST},
    {.id = "V12", .text = "negative ties go away", VALUE(COPY), .param = TIE_NEGATIVE},
    {.id = "V13", .text = "rows with an infinity wrong", VALUE(SOFTMAX), .param = SOFTMAX_INF},
    {.id = "V14", .text = "a sum of nothing is not 0", VALUE(MATMUL), .param = NO_TERMS},
    {.id = "V15", .text = "relu of NaN is 0", VALUE(ELTWISE), .param = RELU_ZERO},
    {.id = "V16", .text = "beta of 0 reads a NaN of C", VALUE(MATMUL), .param = C_TAKEN},
    {0}};
