/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the text form of an op, and knows what a text leaves unsaid. */
/* path: [api] > placement > queue > backend > kernel > device */
#include "hal/optext.h"

#include <math.h>
#include <stdio.h>

/* clang-format off: the lines of this table stay as they are
 *
 *   text     = op [" " word] " " dims ":" dtypes [":" key {"+" key}]
 *   op       = matmul conv attention softmax norm eltwise reduce gather copy rope concat pad pool
 *              resize topk scan quantize dequantize
 *   word     = norm: layer rms group batch; eltwise: neg ... where; reduce: sum mean max min sumsq;
 *              pool: max average; resize: nearest linear cubic
 *   dims     = matmul: [batch "x" ...] M "x" N "x" K; attention: b1h12g4q1024k1024d64e64 (no b: no
 *              batch dim; g, the heads of k and v, is h unless given; e, the d of v, is d);
 *              conv: n1c64h56w56k64r3s3 (d, t: depth; w, s alone: 1-D), then g groups, p padding,
 *              u stride, l dilation, the same along every dim;
 *              others: 4x1x33, the dims of a (eltwise: of out; concat: of input0), "-" for rank 0
 *   dtypes   = one name for all, or one each: matmul, conv a,b,out; attention q,k,v,out; eltwise
 *              a[,b[,c]],out; concat input0,out; others a,out. One name: comparisons give bool,
 *              where reads bool. Commas may be left out: u8s8s32.
 *              q4_0, q8_0, mxfp4: blocks (docs/LAYOUTS.md), b of matmul, quantize, dequantize
 *   key      = nn nt tn tt  alpha=F beta=F                matmul; the letters: a, b transposed
 *              bias add mul relu gelu gelu_tanh silu scale=F/F clamp=F/F    posts, in order
 *              nhwc transposed stride=2x1 dilation=.. lo=.. hi=.. out_pad=..  conv (posts too)
 *              causal causal_end window=LxR scale=F softcap=F first=QxK page=N      attention
 *              axis=N log                                 softmax (log), gather, concat
 *              axes=N groups=N eps=F                      norm
 *              axes=0x2 | pa=F pb=F                       reduce | eltwise
 *              interleaved rotary=N                       rope
 *              lo=1x0 hi=-2x1 edge reflect value=F        pad
 *              window=3x3 stride=.. dilation=.. lo=.. hi=.. ceil nhwc count_padding   pool
 *              scale=1x1x2x0.5 align_corners asymmetric pytorch_half_pixel prefer_ceil floor ceil
 *              value=F                                    resize
 *              axis=N k=N smallest indices                topk
 *              axis=N exclusive reverse                   scan
 *              axis=N group=N                             quantize, dequantize
 *              backward                                   eltwise softmax norm attention gather
 *              backward_weights                           conv: dims and dtypes of a,grad,out
 *              exact canonical bounded fast  tf32 bf16 f16acc winograd  acc=DTYPE v=N saturate
 *              packed layout=HEX (b)  alias (out)  const=ROLE
 *              ROLE or ROLE=dims["/"dtype]["@"strides]    an optional operand, or one whose shape,
 *              dtype or strides are not what the rest of the text implies: a=2x1x3x4@12x0x4x1
 *   F        = decimal, no "+" in the exponent; nan inf -inf
 */
/* clang-format on */

const char tn__letters[TN__LETTERS + 1] = "bhgqkde";

static const char *const eltwise_words[] = {
    [TN_ELTWISE_NEG] = "neg",         [TN_ELTWISE_ABS] = "abs",
    [TN_ELTWISE_SQUARE] = "square",   [TN_ELTWISE_RELU] = "relu",
    [TN_ELTWISE_RINT] = "rint",       [TN_ELTWISE_RECIP] = "recip",
    [TN_ELTWISE_SQRT] = "sqrt",       [TN_ELTWISE_RSQRT] = "rsqrt",
    [TN_ELTWISE_EXP] = "exp",         [TN_ELTWISE_EXP2] = "exp2",
    [TN_ELTWISE_LOG] = "log",         [TN_ELTWISE_TANH] = "tanh",
    [TN_ELTWISE_SIGMOID] = "sigmoid", [TN_ELTWISE_SILU] = "silu",
    [TN_ELTWISE_GELU] = "gelu",       [TN_ELTWISE_GELU_TANH] = "gelu_tanh",
    [TN_ELTWISE_ERF] = "erf",         [TN_ELTWISE_SIN] = "sin",
    [TN_ELTWISE_COS] = "cos",         [TN_ELTWISE_SCALE] = "scale",
    [TN_ELTWISE_CLAMP] = "clamp",     [TN_ELTWISE_ADD] = "add",
    [TN_ELTWISE_SUB] = "sub",         [TN_ELTWISE_MUL] = "mul",
    [TN_ELTWISE_DIV] = "div",         [TN_ELTWISE_MAX] = "max",
    [TN_ELTWISE_MIN] = "min",         [TN_ELTWISE_EQUAL] = "equal",
    [TN_ELTWISE_LESS] = "less",       [TN_ELTWISE_LESS_EQUAL] = "less_equal",
    [TN_ELTWISE_FMA] = "fma",         [TN_ELTWISE_WHERE] = "where",
};
static const char *const norm_words[] = {"layer", "rms", "group", "batch"};
static const char *const pool_words[] = {"max", "average"};
static const char *const resize_words[] = {"nearest", "linear", "cubic"};
static const char *const reduce_words[] = {"sum", "mean", "max", "min", "sumsq"};
static const char *const post_words[] = {NULL,    "bias", "add",  "mul",       "scale",
                                         "clamp", "relu", "gelu", "gelu_tanh", "silu"};

static uint32_t words_of(tn_op_kind kind, const char *const **out)
{
    switch (kind) {
    case TN_OP_ELTWISE:
        *out = eltwise_words;
        return sizeof eltwise_words / sizeof eltwise_words[0];
    case TN_OP_NORM:
        *out = norm_words;
        return sizeof norm_words / sizeof norm_words[0];
    case TN_OP_POOL:
        *out = pool_words;
        return sizeof pool_words / sizeof pool_words[0];
    case TN_OP_RESIZE:
        *out = resize_words;
        return sizeof resize_words / sizeof resize_words[0];
    case TN_OP_REDUCE:
        *out = reduce_words;
        return sizeof reduce_words / sizeof reduce_words[0];
    default:
        *out = NULL;
        return 0;
    }
}

const char *tn__optext_sub_name(tn_op_kind kind, uint32_t sub)
{
    const char *const *words;
    uint32_t count = words_of(kind, &words);
    return sub < count ? words[sub] : NULL;
}

bool tn__optext_sub_find(tn_op_kind kind, const char *word, size_t n, uint32_t *out)
{
    const char *const *words;
    uint32_t count = words_of(kind, &words);
    for (uint32_t i = 0; i < count; ++i)
        if (words[i] != NULL && strlen(words[i]) == n && memcmp(words[i], word, n) == 0) {
            *out = i;
            return true;
        }
    return false;
}

const char *tn__optext_post_name(tn_post_kind kind)
{
    uint32_t k = (uint32_t)kind;
    return k < sizeof post_words / sizeof post_words[0] ? post_words[k] : NULL;
}

/* ---- writing ---- */

typedef struct sink {
    char *text;
    size_t capacity, used; /* used counts what did not fit, too */
    bool keys;             /* a key was written */
} sink;

static void put(sink *s, const char *text)
{
    for (; *text != '\0'; ++text) {
        if (s->used + 1 < s->capacity)
            s->text[s->used] = *text;
        ++s->used;
    }
}

static void put_int(sink *s, int64_t n)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)n);
    put(s, text);
}

/* Nine digits name every f32. Other locales' decimal comma becomes a point. */
static void put_float(sink *s, float f)
{
    char text[32], clean[32];
    size_t n = 0;
    if (isnan(f)) {
        put(s, "nan");
        return;
    }
    (void)snprintf(text, sizeof text, "%.9g", (double)f);
    for (const char *p = text; *p != '\0'; ++p)
        if (*p != '+')
            clean[n++] = *p == ',' ? '.' : *p;
    clean[n] = '\0';
    put(s, clean);
}

static void key(sink *s, const char *name)
{
    put(s, s->keys ? "+" : ":");
    s->keys = true;
    put(s, name);
}

static void key_float(sink *s, const char *name, float f)
{
    key(s, name);
    put_float(s, f);
}

static void put_dims(sink *s, const int64_t *dim, uint32_t rank)
{
    if (rank == 0)
        put(s, "-");
    for (uint32_t i = 0; i < rank; ++i) {
        if (i > 0)
            put(s, "x");
        put_int(s, dim[i]);
    }
}

static void headline_of(const tn__op_view *v, tn__headline *h)
{
    const tn_tensor *a = tn__op_tensor(v, TN_ARG_A), *out = tn__op_tensor(v, TN_ARG_OUT);
    memset(h, 0, sizeof *h);
    h->kind = v->op.kind;
    h->pass = v->row->pass;
    if (h->kind == TN_OP_ELTWISE)
        h->sub = v->attr.eltwise.kind;
    else if (h->kind == TN_OP_NORM)
        h->sub = v->attr.norm.kind;
    else if (h->kind == TN_OP_REDUCE)
        h->sub = v->attr.reduce.kind;
    else if (h->kind == TN_OP_POOL)
        h->sub = v->attr.pool.kind;
    else if (h->kind == TN_OP_RESIZE)
        h->sub = v->attr.window.kind;
    if (h->kind == TN_OP_MATMUL) {
        bool ta = (v->attr.matmul.flags & TN_MATMUL_TRANSPOSE_A) != 0;
        h->rank = out->rank + 1u;
        memcpy(h->dim, out->dim, out->rank * sizeof h->dim[0]);
        h->dim[out->rank] = a->dim[a->rank - (ta ? 2 : 1)];
    } else if (h->kind == TN_OP_CONV) {
        tn__conv_headline(v, h);
    } else if (h->kind == TN_OP_ATTENTION) {
        const tn_tensor *q = tn__op_tensor(v, TN_ARG_Q), *k = tn__op_tensor(v, TN_ARG_K);
        int r = q->rank;
        const tn_tensor *pages = tn__op_tensor(v, TN_ARG_PAGES);
        h->batch = r == 4;
        h->rank = TN__LETTERS;
        const int64_t dims[TN__LETTERS] = {h->batch ? q->dim[0] : 1,
                                           q->dim[r - 3],
                                           k->dim[r - 3],
                                           q->dim[r - 2],
                                           pages != NULL ? pages->dim[1] * k->dim[r - 2]
                                                         : k->dim[r - 2],
                                           q->dim[r - 1],
                                           out->dim[r - 1]};
        memcpy(h->dim, dims, sizeof dims);
    } else {
        const tn_tensor *of = h->kind == TN_OP_ELTWISE  ? out
                              : h->kind == TN_OP_CONCAT ? tn__op_tensor(v, TN_ARG_INPUT0)
                              : h->kind == TN_OP_GATHER && h->pass != TN_PASS_FORWARD ? out
                                                                                      : a;
        h->rank = of->rank;
        memcpy(h->dim, of->dim, of->rank * sizeof h->dim[0]);
    }
}

static void put_headline(sink *s, tn__headline *h, const tn__op_view *v)
{
    put(s, v->row->name);
    const char *sub = tn__optext_sub_name(h->kind, h->sub);
    if (sub != NULL) {
        put(s, " ");
        put(s, sub);
    }
    put(s, " ");
    if (h->kind == TN_OP_CONV) {
        char letters[256];
        tn__conv_put_letters(v, h, letters, sizeof letters);
        put(s, letters);
    } else if (h->kind == TN_OP_ATTENTION) {
        for (int i = 0; i < TN__LETTERS; ++i) {
            char letter[2] = {tn__letters[i], '\0'};
            if ((i == 0 && !h->batch) || (i == 2 && h->dim[2] == h->dim[1]) ||
                (i == 6 && h->dim[6] == h->dim[5]))
                continue;
            put(s, letter);
            put_int(s, h->dim[i]);
        }
    } else {
        put_dims(s, h->dim, h->rank);
    }
    uint32_t roles[5], n = tn__headline_roles(h, roles), given = 0;
    uint16_t actual[5];
    /* one name, if some operand's name gives them all */
    for (uint32_t i = 0; i < n; ++i) {
        const tn_tensor *t = tn__op_tensor(v, roles[i]);
        actual[i] = t->dtype;
        if (tn__block_bytes(t->layout) != 0)
            actual[i] = (uint16_t)(TN__TEXT_BLOCKS + t->layout);
    }
    for (uint32_t i = 0; i < n && given == 0; ++i) {
        tn__headline_dtypes(h, actual[i]);
        if (memcmp(h->dtype, actual, n * sizeof actual[0]) == 0)
            given = actual[i];
    }
    put(s, ":");
    if (given != 0)
        put(s, tn__text_type_name((uint16_t)given));
    for (uint32_t i = 0; given == 0 && i < n; ++i) {
        if (i > 0)
            put(s, ",");
        put(s, tn__text_type_name(actual[i]));
        h->dtype[i] = actual[i];
    }
}

static void put_axis(sink *s, tn_op_kind kind, const tn_axis *t)
{
    bool topk = kind == TN_OP_TOPK;
    key(s, "axis=");
    put_int(s, t->axis);
    if (topk) {
        key(s, "k=");
        put_int(s, t->param);
    }
    if ((t->flags & 1u) != 0)
        key(s, topk ? "smallest" : "exclusive");
    if ((t->flags & 2u) != 0)
        key(s, topk ? "indices" : "reverse");
}

static void put_pad(sink *s, const tn_window *t, uint32_t rank)
{
    static const int64_t none[TN_MAX_RANK];
    if (memcmp(t->lo, none, sizeof none) != 0) {
        key(s, "lo=");
        put_dims(s, t->lo, rank);
    }
    if (memcmp(t->hi, none, sizeof none) != 0) {
        key(s, "hi=");
        put_dims(s, t->hi, rank);
    }
    if (t->mode != TN_PAD_CONSTANT)
        key(s, t->mode == TN_PAD_EDGE ? "edge" : "reflect");
    if (t->value != 0.0f || signbit(t->value))
        key_float(s, "value=", t->value);
}

static void put_resize(sink *s, const tn_window *t, uint32_t rank)
{
    static const char *const where[] = {NULL, "align_corners", "asymmetric", "pytorch_half_pixel"};
    static const char *const rounds[] = {NULL, "prefer_ceil", "floor", "ceil"};
    static const float none[TN_MAX_RANK];
    uint32_t coordinate = t->mode & TN_RESIZE_COORDINATE, round = t->mode >> 4;
    if (memcmp(t->scale, none, sizeof none) != 0)
        key(s, "scale=");
    for (uint32_t d = 0; d < rank && memcmp(t->scale, none, sizeof none) != 0; ++d) {
        put(s, d > 0 ? "x" : "");
        put_float(s, t->scale[d]);
    }
    if (coordinate != 0)
        key(s, where[coordinate]);
    if (round != 0)
        key(s, rounds[round]);
    if (t->value != 0.0f || signbit(t->value))
        key_float(s, "value=", t->value);
}

static void put_attr(sink *s, const tn__op_view *v)
{
    static const char *const layouts[] = {"nn", "tn", "nt", "tt"};
    if (v->row->pass != TN_PASS_FORWARD)
        key(s, v->row->pass == TN_PASS_BACKWARD_DATA ? "backward" : "backward_weights");
    switch (v->op.kind) {
    case TN_OP_MATMUL: {
        const tn_matmul *t = &v->attr.matmul;
        if ((t->flags & 3u) != 0)
            key(s, layouts[t->flags & 3u]);
        if ((t->flags & TN_MATMUL_ALPHA) != 0)
            key_float(s, "alpha=", t->alpha);
        if ((t->flags & TN_MATMUL_BETA) != 0)
            key_float(s, "beta=", t->beta);
        break;
    }
    case TN_OP_RESIZE:
        put_resize(s, &v->attr.window, tn__op_tensor(v, TN_ARG_A)->rank);
        break;
    case TN_OP_POOL:
    case TN_OP_CONV: {
        char keys[256];
        (v->op.kind == TN_OP_CONV ? tn__conv_put_keys : tn__pool_put_keys)(v, keys, sizeof keys);
        if (keys[0] != '\0')
            key(s, keys + 1);
        break;
    }
    case TN_OP_ATTENTION: {
        const tn_attention *t = &v->attr.attention;
        if ((t->flags & TN_ATTENTION_CAUSAL) != 0)
            key(s, "causal");
        if ((t->flags & TN_ATTENTION_CAUSAL_FROM_END) != 0)
            key(s, "causal_end");
        if ((t->flags & TN_ATTENTION_WINDOW) != 0) {
            key(s, "window=");
            put_dims(s, (const int64_t[]){t->window_left, t->window_right}, 2);
        }
        if (t->scale != 0.0f)
            key_float(s, "scale=", t->scale);
        if (t->softcap != 0.0f)
            key_float(s, "softcap=", t->softcap);
        if (t->first_query != 0 || t->first_key != 0) {
            key(s, "first=");
            put_dims(s, (const int64_t[]){t->first_query, t->first_key}, 2);
        }
        if (t->page_tokens != 0) {
            key(s, "page=");
            put_int(s, t->page_tokens);
        }
        break;
    }
    case TN_OP_SOFTMAX:
        key(s, "axis=");
        put_int(s, v->attr.softmax.axis);
        if (v->attr.softmax.log != 0)
            key(s, "log");
        break;
    case TN_OP_GATHER:
    case TN_OP_CONCAT:
        key(s, "axis=");
        put_int(s, v->attr.axis.axis);
        break;
    case TN_OP_TOPK:
    case TN_OP_SCAN:
        put_axis(s, v->op.kind, &v->attr.axis);
        break;
    case TN_OP_QUANTIZE:
    case TN_OP_DEQUANTIZE:
        if (v->attr.axis.axis != 0) {
            key(s, "axis=");
            put_int(s, v->attr.axis.axis);
        }
        if (v->attr.axis.param != 0) {
            key(s, "group=");
            put_int(s, v->attr.axis.param);
        }
        break;
    case TN_OP_PAD:
        put_pad(s, &v->attr.window, tn__op_tensor(v, TN_ARG_A)->rank);
        break;
    case TN_OP_ROPE:
        if (v->attr.rope.interleaved != 0)
            key(s, "interleaved");
        if (v->attr.rope.rotary_dims != 0) {
            key(s, "rotary=");
            put_int(s, v->attr.rope.rotary_dims);
        }
        break;
    case TN_OP_NORM:
        if (v->attr.norm.axes > (v->attr.norm.kind >= TN_NORM_GROUP ? 0u : 1u)) {
            key(s, "axes=");
            put_int(s, v->attr.norm.axes);
        }
        if (v->attr.norm.groups != 0) {
            key(s, "groups=");
            put_int(s, v->attr.norm.groups);
        }
        key_float(s, "eps=", v->attr.norm.epsilon);
        break;
    case TN_OP_REDUCE: {
        const char *between = "";
        key(s, "axes=");
        for (int i = 0; i < TN_MAX_RANK; ++i)
            if ((v->attr.reduce.axes_mask >> i & 1u) != 0) {
                put(s, between);
                put_int(s, i);
                between = "x";
            }
        break;
    }
    case TN_OP_ELTWISE:
        if (v->attr.eltwise.a != 0.0f)
            key_float(s, "pa=", v->attr.eltwise.a);
        if (v->attr.eltwise.b != 0.0f)
            key_float(s, "pb=", v->attr.eltwise.b);
        break;
    default:
        break;
    }
}

static void put_numerics(sink *s, const tn_numerics *n)
{
    static const char *const classes[] = {"bounded", "fast", "canonical", "exact"};
    static const char *const allows[] = {"tf32", "bf16", "f16acc", "winograd"};
    if (n->cls != TN_CLASS_BOUNDED)
        key(s, classes[n->cls]);
    for (int i = 0; i < 4; ++i)
        if ((n->allow >> i & 1u) != 0)
            key(s, allows[i]);
    if (n->accumulate != 0) {
        key(s, "acc=");
        put(s, tn_dtype_name((tn_dtype)n->accumulate));
    }
    if (n->canonical_version != 0) {
        key(s, "v=");
        put_int(s, n->canonical_version);
    }
    if ((n->flags & TN_NUMERICS_SATURATE) != 0)
        key(s, "saturate");
}

static void put_posts(sink *s, const tn__op_view *v)
{
    for (uint32_t i = 0; i < v->op.post_count; ++i) {
        const tn_post *p = &v->op.posts[i];
        key(s, tn__optext_post_name(p->kind));
        if (p->kind == TN_POST_SCALE || p->kind == TN_POST_CLAMP) {
            put(s, "=");
            put_float(s, p->a);
            put(s, "/");
            put_float(s, p->b);
        }
    }
}

static void put_operand(sink *s, const tn__headline *h, const tn__op_view *v, const tn_arg *a)
{
    tn_tensor implied, row_major = a->tensor;
    uint32_t roles[5], n = tn__headline_roles(h, roles);
    char name[16];
    const tn_tensor *t = &a->tensor;
    bool known = tn__headline_tensor(h, v, a->role, &implied);
    bool optional = a->role < TN_ARG_POST0 || a->role >= TN_ARG_SCALE_OF;
    for (uint32_t i = 0; i < n; ++i)
        optional = optional && roles[i] != a->role;
    for (int i = 0; i < TN__OP_REQUIRED; ++i)
        optional = optional && v->row->required[i] != a->role;
    optional = optional && !(v->row->all_outputs && tn__row_writes(v->row, a->role));
    (void)tn__role_name(a->role, name, sizeof name);
    tn__strides_contiguous(&row_major);
    bool strided = memcmp(t->stride, row_major.stride, t->rank * sizeof t->stride[0]) != 0;
    if (!known || !tn__shape_equal(t, &implied) || t->dtype != implied.dtype || strided) {
        key(s, name);
        put(s, "=");
        put_dims(s, t->dim, t->rank);
        if (t->dtype != implied.dtype) {
            put(s, "/");
            put(s, tn_dtype_name((tn_dtype)t->dtype));
        }
        if (strided) {
            put(s, "@");
            put_dims(s, t->stride, t->rank);
        }
    } else if (optional) {
        key(s, name);
    }
    if ((a->flags & TN_ARG_PACKED) != 0)
        key(s, "packed");
    if (t->layout != 0 && t->layout != implied.layout) {
        char hex[24];
        (void)snprintf(hex, sizeof hex, "%llx", (unsigned long long)t->layout);
        key(s, "layout=");
        put(s, hex);
    }
    if ((a->flags & TN_ARG_MAY_ALIAS) != 0 && a->role == TN_ARG_OUT)
        key(s, "alias");
    if ((a->flags & TN_ARG_CONSTANT) != 0) {
        key(s, "const=");
        put(s, name);
    }
}

/* The text numbers its posts by their place; an op may name operands in another order. */
static bool posts_in_place(const tn__op_view *v)
{
    for (uint32_t i = 0; i < v->op.post_count; ++i)
        if (v->op.posts[i].role != 0 && v->op.posts[i].role != TN_ARG_POST0 + i)
            return false;
    return true;
}

/** Writes the text form of an op.
 *  memory    *bytes: in, the room at `text`; out, what is needed with the closing 0. NULL text asks
 *            for the size alone
 *  returns   INVALID for a wrong op or too little room; UNSUPPORTED for posts whose operands are
 *            not numbered by their place
 *  threads   thread-safe
 *  since     0.1 */
tn_status tn_op_format(const tn_op *op, char *text, size_t *bytes)
{
    tn__op_view v;
    tn__headline h;
    tn_status st = tn__op_open(op, &v);
    if (st == TN_OK)
        st = tn__op_check_view(&v);
    if (st != TN_OK)
        return st;
    if (bytes == NULL)
        return tn__fail_null("bytes", "give a size_t with the room at text");
    if (!posts_in_place(&v))
        return tn__fail(TN_STATUS_UNSUPPORTED, "optext.posts", "posts",
                        "posts have operands (of %u posts) that are not numbered by place; let "
                        "posts[i] read TN_ARG_POST0 + i",
                        v.op.post_count);
    sink s = {.text = text, .capacity = text != NULL ? *bytes : 0};
    headline_of(&v, &h);
    put_headline(&s, &h, &v);
    put_attr(&s, &v);
    put_posts(&s, &v);
    put_numerics(&s, &v.op.numerics);
    for (uint32_t i = 0; i < v.op.arg_count; ++i)
        put_operand(&s, &h, &v, &v.op.args[i]);
    size_t room = s.capacity;
    *bytes = s.used + 1;
    if (text == NULL)
        return TN_OK;
    if (room > 0)
        text[s.used < room ? s.used : room - 1] = '\0';
    if (s.used >= room)
        return tn__fail(TN_STATUS_INVALID, "optext.bytes", "bytes",
                        "bytes is %zu; the text needs %zu", room, s.used + 1);
    return TN_OK;
}
