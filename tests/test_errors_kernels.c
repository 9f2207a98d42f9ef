/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals of kernels, asked directly: what validation already keeps away from them, and what rows
 * refuse on cpus that this one is not. */
#include "support/errors.h"
#include <kernels/common/kernel.h>

typedef struct sample {
    tn_op op;
    tn_arg args[32];
    tn_post posts[16];
    union {
        tn_head head;
        tn_matmul matmul;
        tn_conv conv;
        tn_attention attention;
        tn_softmax softmax;
        tn_norm norm;
        tn_eltwise eltwise;
        tn_reduce reduce;
        tn_axis axis;
        tn_window window;
        tn_rope rope;
        tn_pool pool;
    } attr;
} sample;

static void add(sample *s, uint32_t role, uint16_t dtype, uint16_t rank, const int64_t *dim)
{
    tn_tensor t = {.dtype = dtype, .rank = rank};
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; --i) {
        t.dim[i] = dim[i];
        t.stride[i] = stride;
        stride *= dim[i];
    }
    s->args[s->op.arg_count++] = (tn_arg){.role = role, .tensor = t};
}
#define DIMS(...)                                                                                  \
    (uint16_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (const int64_t[])                            \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void start(sample *s, tn_op_kind kind)
{
    memset(s, 0, sizeof *s);
    s->op = (tn_op){.head = TN_INIT(tn_op),
                    .kind = kind,
                    .args = s->args,
                    .posts = s->posts,
                    .attr = kind == TN_OP_COPY ? NULL : &s->attr};
}

static void matmul(sample *s)
{
    start(s, TN_OP_MATMUL);
    add(s, TN_ARG_A, TN_F32, DIMS(8, 8));
    add(s, TN_ARG_B, TN_F32, DIMS(8, 8));
    add(s, TN_ARG_OUT, TN_F32, DIMS(8, 8));
}

static void bytes(sample *s)
{
    start(s, TN_OP_MATMUL);
    add(s, TN_ARG_A, TN_U8, DIMS(8, 8));
    add(s, TN_ARG_B, TN_S8, DIMS(8, 8));
    add(s, TN_ARG_OUT, TN_S32, DIMS(8, 8));
}

static void conv(sample *s)
{
    start(s, TN_OP_CONV);
    s->attr.conv.dims = 1;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 2, 5));
    add(s, TN_ARG_B, TN_F32, DIMS(4, 2, 3));
    add(s, TN_ARG_OUT, TN_F32, DIMS(1, 4, 3));
}

static void attention(sample *s)
{
    start(s, TN_OP_ATTENTION);
    add(s, TN_ARG_Q, TN_F32, DIMS(2, 4, 5, 8));
    add(s, TN_ARG_K, TN_F32, DIMS(2, 2, 6, 8));
    add(s, TN_ARG_V, TN_F32, DIMS(2, 2, 6, 8));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4, 5, 8));
}

static void softmax(sample *s)
{
    start(s, TN_OP_SOFTMAX);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void norm(sample *s)
{
    start(s, TN_OP_NORM);
    s->attr.norm.axes = 1;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void eltwise(sample *s)
{
    start(s, TN_OP_ELTWISE);
    s->attr.eltwise.kind = TN_ELTWISE_ADD;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_B, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void reduce(sample *s)
{
    start(s, TN_OP_REDUCE);
    s->attr.reduce.axes_mask = 1;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(4));
}

static void gather(sample *s)
{
    start(s, TN_OP_GATHER);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_INDEX, TN_S32, DIMS(2));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4));
}

static void concat(sample *s)
{
    start(s, TN_OP_CONCAT);
    add(s, TN_ARG_INPUT0, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_INPUT0 + 1, TN_F32, DIMS(2, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(5, 4));
}

static void pad(sample *s)
{
    start(s, TN_OP_PAD);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void pool(sample *s)
{
    start(s, TN_OP_POOL);
    s->attr.pool.dims = 1;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(1, 3, 1));
}

static void resize(sample *s)
{
    start(s, TN_OP_RESIZE);
    s->attr.window.kind = TN_RESIZE_LINEAR;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4, 5));
    add(s, TN_ARG_OUT, TN_F32, DIMS(6, 8, 10));
}

static void topk(sample *s)
{
    start(s, TN_OP_TOPK);
    s->attr.axis.param = 2;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4));
}

static void scan(sample *s)
{
    start(s, TN_OP_SCAN);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void rope(sample *s)
{
    start(s, TN_OP_ROPE);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_INDEX, TN_S32, DIMS(3));
    add(s, TN_ARG_FREQ, TN_F32, DIMS(2));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void quantize(sample *s)
{
    start(s, TN_OP_QUANTIZE);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_SCALE_OF + TN_ARG_OUT, TN_F32, DIMS(3));
    add(s, TN_ARG_OUT, TN_S8, DIMS(3, 4));
}

static void dequantize(sample *s)
{
    start(s, TN_OP_DEQUANTIZE);
    add(s, TN_ARG_A, TN_S8, DIMS(3, 4));
    add(s, TN_ARG_SCALE_OF + TN_ARG_A, TN_F32, DIMS(3));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void blocks_of(tn_tensor *t)
{
    t->dtype = TN_S8;
    t->layout = TN_LAYOUT_Q8_0;
}

static void in_blocks(sample *s)
{
    blocks_of(&s->args[1].tensor);
}

static void quantize_blocks(sample *s)
{
    start(s, TN_OP_QUANTIZE);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 32));
    add(s, TN_ARG_OUT, TN_S8, DIMS(3, 32));
    blocks_of(&s->args[1].tensor);
}

static void dequantize_blocks(sample *s)
{
    start(s, TN_OP_DEQUANTIZE);
    add(s, TN_ARG_A, TN_S8, DIMS(3, 32));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 32));
    blocks_of(&s->args[0].tensor);
}

static void copy(sample *s)
{
    start(s, TN_OP_COPY);
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void softmax_backward(sample *s)
{
    softmax(s);
    s->attr.softmax.pass = TN_PASS_BACKWARD_DATA;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(3, 4));
}

static void norm_backward(sample *s)
{
    norm(s);
    s->attr.norm.pass = TN_PASS_BACKWARD_DATA;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(3, 4));
}

static void eltwise_backward(sample *s)
{
    start(s, TN_OP_ELTWISE);
    s->attr.eltwise.pass = TN_PASS_BACKWARD_DATA;
    s->attr.eltwise.kind = TN_ELTWISE_GELU;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_GRAD, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void conv_weights(sample *s)
{
    start(s, TN_OP_CONV);
    s->attr.conv.dims = 2;
    s->attr.conv.pass = TN_PASS_BACKWARD_WEIGHTS;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 4, 5, 6));
    add(s, TN_ARG_GRAD, TN_F32, DIMS(1, 6, 3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(6, 4, 3, 3));
}

static void gather_backward(sample *s)
{
    start(s, TN_OP_GATHER);
    s->attr.axis.flags = TN_GATHER_BACKWARD;
    s->attr.axis.param = 3;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(2, 4));
    add(s, TN_ARG_INDEX, TN_S32, DIMS(2));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static void attention_backward(sample *s)
{
    start(s, TN_OP_ATTENTION);
    s->attr.attention.pass = TN_PASS_BACKWARD_DATA;
    add(s, TN_ARG_Q, TN_F32, DIMS(4, 5, 8));
    add(s, TN_ARG_K, TN_F32, DIMS(2, 6, 8));
    add(s, TN_ARG_V, TN_F32, DIMS(2, 6, 7));
    add(s, TN_ARG_OUT, TN_F32, DIMS(4, 5, 7));
    add(s, TN_ARG_GRAD, TN_F32, DIMS(4, 5, 7));
    add(s, TN_ARG_STATS, TN_F32, DIMS(4, 5, 2));
    add(s, TN_ARG_OUT_GRAD_A, TN_F32, DIMS(4, 5, 8));
    add(s, TN_ARG_OUT_GRAD_B, TN_F32, DIMS(2, 6, 8));
    add(s, TN_ARG_OUT_GRAD_V, TN_F32, DIMS(2, 6, 7));
}

static const tn_k_op *find(const tn_op *op)
{
    for (uint32_t i = 0; i < tn_k_op_count; ++i)
        if (tn_k_ops[i]->kind == TN_K_PASS(op->kind, tn_k_pass(op)))
            return tn_k_ops[i];
    return NULL;
}

/* A kernel's words are half of the error: the device adds who refuses, and what was asked for. */
static void refused(const char *file, int line, const sample *s, const char *kernel,
                    const char *reason, const char *argument)
{
    static _Alignas(64) unsigned char params[TN_K_PARAMS_BYTES];
    const tn_k_op *k = find(&s->op);
    const tn_k_caps caps = {.isa = UINT32_MAX, .workers = 1, .l1d_bytes = 32768};
    tn_k_why why = {NULL, NULL, NULL};
    char text[256];
    TN_REQUIRE(k != NULL);
    bool ok = k->params(&s->op, params, &why);
    if (kernel == NULL) {
        TN_EXPECT(!ok, "%s:%d: %s was not refused", file, line, reason);
    } else {
        const tn_k_variant *v = NULL;
        TN_REQUIRE(ok, "%s:%d: %s", file, line, why.reason);
        for (uint32_t i = 0; i < k->variant_count; ++i)
            if (strcmp(k->variants[i]->name, kernel) == 0)
                v = k->variants[i];
        TN_REQUIRE(v != NULL, "%s:%d: no row %s", file, line, kernel);
        TN_EXPECT(!v->accepts(params, &caps, &why), "%s:%d: %s takes it", file, line, kernel);
    }
    TN_REQUIRE(why.reason != NULL && why.text != NULL && why.argument != NULL, "%s:%d", file, line);
    size_t n = strlen(why.text);
    if (n < 8 || why.text[n - 1] == '.' || strpbrk(why.text, "\n%") != NULL)
        errors_report(file, line, "%s: no clause: \"%s\"", why.reason, why.text);
    snprintf(text, sizeof text, "%s, %s: %s; asked for by a test", kernel ? kernel : k->name,
             why.argument, why.text);
    tn_error e = {.status = TN_STATUS_UNSUPPORTED,
                  .line = 1,
                  .reason = why.reason,
                  .argument = why.argument,
                  .text = text,
                  .file = "kernels"};
    errors_row(file, line, "tn_plan_create", kernel ? kernel : k->name, &e, TN_STATUS_UNSUPPORTED,
               reason, argument, why.text);
}

#define REFUSED(kind, change, reason, argument) ROW(kind, change, NULL, reason, argument)
#define ROW(kind, change, kernel, reason, argument)                                                \
    do {                                                                                           \
        sample s;                                                                                  \
        kind(&s);                                                                                  \
        change;                                                                                    \
        refused(__FILE__, __LINE__, &s, kernel, reason, argument);                                 \
    } while (0)

static void posts(sample *s, uint32_t count, uint32_t kind)
{
    s->op.post_count = count;
    for (uint32_t i = 0; i < count; ++i)
        s->posts[i].kind = (tn_post_kind)kind;
}

TN_TEST(errors_kernels, params)
{
    REFUSED(matmul, s.op.arg_count = 2, "matmul.operand", "args");
    REFUSED(matmul, s.args[0].tensor.dtype = TN_F64, "matmul.dtype", "a");
    REFUSED(matmul, add(&s, TN_ARG_C, TN_F16, DIMS(5)), "matmul.dtype", "c");
    REFUSED(matmul, s.args[0].tensor.rank = 3, "matmul.rank", "a");
    REFUSED(matmul, s.args[0].flags = TN_ARG_PACKED, "matmul.packed", "a");
    REFUSED(matmul, posts(&s, 13, TN_POST_RELU), "matmul.posts", "posts");
    REFUSED(matmul, posts(&s, 1, 99), "matmul.post", "posts");
    REFUSED(matmul, posts(&s, 1, TN_POST_BIAS), "matmul.post_operand", "posts");
    REFUSED(matmul, add(&s, TN_ARG_SCALE_OF + TN_ARG_B, TN_F32, DIMS(8)), "matmul.scale", "args");
    REFUSED(bytes, s.args[2].tensor.dtype = TN_S64, "matmul.dtype", "out");
    REFUSED(bytes, (s.attr.matmul.flags = TN_MATMUL_ALPHA, s.attr.matmul.alpha = 2.0f),
            "matmul.integer", "attr");
    REFUSED(bytes, add(&s, TN_ARG_C, TN_S32, DIMS(8, 8)), "matmul.integer", "attr");
    REFUSED(bytes, add(&s, TN_ARG_SCALE_OF + TN_ARG_B, TN_F32, DIMS(8)), "matmul.scale", "out");
    REFUSED(bytes, posts(&s, 1, TN_POST_SCALE), "matmul.post", "posts");
    REFUSED(bytes,
            (s.args[2].tensor.dtype = TN_F32, s.op.numerics.cls = TN_CLASS_EXACT,
             posts(&s, 1, TN_POST_GELU)),
            "matmul.exact", "posts");
    REFUSED(conv, s.op.arg_count = 2, "conv.operand", "args");
    REFUSED(conv, s.args[0].tensor.dtype = TN_F64, "conv.types", "a");
    REFUSED(conv, posts(&s, 9, TN_POST_RELU), "conv.posts", "posts");
    REFUSED(conv, posts(&s, 1, TN_POST_BIAS), "conv.post_operand", "posts");
    REFUSED(attention, s.op.arg_count = 3, "attention.operand", "args");
    REFUSED(attention, add(&s, TN_ARG_GAMMA, TN_F32, DIMS(4)), "attention.operand", "args");
    REFUSED(attention, add(&s, TN_ARG_PAGES, TN_S32, DIMS(2, 4)), "attention.pages", "pages");
    REFUSED(attention, s.args[0].tensor.dtype = TN_F64, "attention.dtype", "q");
    REFUSED(attention, add(&s, TN_ARG_SINKS, TN_F64, DIMS(4)), "attention.dtype", "sinks");
    REFUSED(attention, posts(&s, 1, TN_POST_RELU), "attention.posts", "posts");
    REFUSED(attention, add(&s, TN_ARG_MASK, TN_S32, DIMS(5, 6)), "attention.mask", "mask");
    REFUSED(attention, s.args[0].tensor.rank = 2, "attention.rank", "q");
    REFUSED(softmax, s.op.arg_count = 1, "softmax.operand", "args");
    REFUSED(softmax, posts(&s, 1, TN_POST_RELU), "softmax.posts", "posts");
    REFUSED(softmax, s.args[0].tensor.dtype = TN_F64, "softmax.dtype", "a");
    REFUSED(norm, posts(&s, 1, TN_POST_RELU), "norm.posts", "posts");
    REFUSED(norm, s.attr.norm.kind = 4, "norm.kind", "attr.kind");
    REFUSED(norm, s.attr.norm.kind = TN_NORM_BATCH_INFERENCE, "norm.operand", "args");
    REFUSED(norm, s.attr.norm.kind = TN_NORM_GROUP, "norm.groups", "attr.groups");
    REFUSED(norm, s.op.arg_count = 1, "norm.operand", "args");
    REFUSED(norm, s.attr.norm.axes = 3, "norm.axes", "attr.axes");
    REFUSED(norm, s.args[0].tensor.dtype = TN_F64, "norm.dtype", "a");
    REFUSED(eltwise, posts(&s, 1, TN_POST_RELU), "eltwise.posts", "posts");
    REFUSED(conv_weights, s.op.arg_count = 2, "conv.operand", "args");
    REFUSED(conv_weights, s.args[1].tensor.dtype = TN_F64, "conv.types", "a");
    REFUSED(gather_backward, s.op.arg_count = 2, "gather.operand", "args");
    REFUSED(gather_backward, s.args[0].tensor.dtype = TN_F64, "gather.dtype", "grad");
    REFUSED(attention_backward, s.op.arg_count = 5, "attention.operand", "args");
    REFUSED(attention_backward, s.op.arg_count = 8, "attention.operand", "args");
    REFUSED(attention_backward, add(&s, TN_ARG_SINKS, TN_F32, DIMS(4)), "attention.operand",
            "args");
    REFUSED(attention_backward, s.args[0].tensor.dtype = TN_F64, "attention.dtype", "q");
    REFUSED(attention_backward, s.args[6].tensor.dtype = TN_F64, "attention.dtype", "grad");
    REFUSED(attention_backward, s.attr.attention.page_tokens = 1, "attention.pages",
            "attr.page_tokens");
    REFUSED(softmax_backward, s.op.arg_count = 2, "softmax.operand", "args");
    REFUSED(softmax_backward, s.args[2].tensor.dtype = TN_F16, "softmax.dtype", "grad");
    REFUSED(norm_backward, s.op.arg_count = 2, "norm.operand", "args");
    REFUSED(norm_backward, s.args[2].tensor.dtype = TN_F16, "norm.dtype", "a");
    REFUSED(norm_backward, s.attr.norm.kind = 3, "norm.kind", "attr.kind");
    REFUSED(norm_backward, s.attr.norm.kind = TN_NORM_GROUP, "norm.groups", "attr.groups");
    REFUSED(norm_backward, s.attr.norm.axes = 3, "norm.axes", "attr.axes");
    REFUSED(eltwise_backward, s.op.arg_count = 2, "eltwise.operand", "args");
    REFUSED(eltwise_backward, s.args[1].tensor.dtype = TN_F16, "eltwise.dtype", "grad");
    REFUSED(eltwise_backward, s.attr.eltwise.kind = TN_ELTWISE_ADD, "eltwise.kind", "attr.kind");
    REFUSED(eltwise, s.attr.eltwise.kind = 40, "eltwise.kind", "attr.kind");
    REFUSED(eltwise, s.op.arg_count = 2, "eltwise.operand", "args");
    REFUSED(eltwise, s.args[1].role = TN_ARG_C, "eltwise.operand", "args");
    REFUSED(eltwise, s.args[0].tensor.dtype = TN_F64, "eltwise.dtype", "a");
    REFUSED(reduce, s.op.arg_count = 1, "reduce.operand", "args");
    REFUSED(reduce, posts(&s, 1, TN_POST_RELU), "reduce.posts", "posts");
    REFUSED(reduce, s.attr.reduce.kind = 9, "reduce.kind", "attr.kind");
    REFUSED(reduce, s.args[0].tensor.dtype = TN_F64, "reduce.dtype", "a");
    REFUSED(reduce, s.args[1].tensor.rank = 0, "reduce.rank", "out");
    REFUSED(gather, s.op.arg_count = 2, "gather.operand", "args");
    REFUSED(gather, posts(&s, 1, TN_POST_RELU), "gather.posts", "posts");
    REFUSED(gather, s.args[1].tensor.dtype = TN_S8, "gather.dtype", "index");
    REFUSED(gather, s.args[0].tensor.dtype = TN_S4, "gather.dtype", "a");
    REFUSED(gather, s.attr.axis.axis = 2, "gather.axis", "attr.axis");
    REFUSED(concat, s.op.arg_count = 2, "concat.operand", "args");
    REFUSED(concat, posts(&s, 1, TN_POST_RELU), "concat.posts", "posts");
    REFUSED(concat, s.attr.axis.axis = 2, "concat.axis", "attr.axis");
    REFUSED(concat, s.args[1].tensor.dtype = TN_F16, "concat.dtype", "out");
    REFUSED(pad, s.op.arg_count = 1, "pad.operand", "args");
    REFUSED(pad, posts(&s, 1, TN_POST_RELU), "pad.posts", "posts");
    REFUSED(pad, s.attr.window.mode = 3, "pad.mode", "attr.mode");
    REFUSED(pad, s.args[1].tensor.rank = 1, "pad.rank", "out");
    REFUSED(pad, s.args[0].tensor.dtype = TN_S4, "pad.dtype", "a");
    REFUSED(pool, s.op.arg_count = 1, "pool.operand", "args");
    REFUSED(pool, posts(&s, 1, TN_POST_RELU), "pool.posts", "posts");
    REFUSED(pool, s.args[0].tensor.dtype = TN_F64, "pool.types", "a");
    REFUSED(resize, s.op.arg_count = 1, "resize.operand", "args");
    REFUSED(resize, posts(&s, 1, TN_POST_RELU), "resize.posts", "posts");
    REFUSED(resize, s.args[0].tensor.dtype = TN_F64, "resize.types", "a");
    REFUSED(topk, s.op.arg_count = 1, "topk.operand", "args");
    REFUSED(topk, posts(&s, 1, TN_POST_RELU), "topk.posts", "posts");
    REFUSED(topk, s.args[0].tensor.dtype = TN_BOOL, "topk.dtype", "a");
    REFUSED(topk, add(&s, TN_ARG_INDEX, TN_U8, DIMS(2, 4)), "topk.index_dtype", "index");
    REFUSED(topk, s.attr.axis.axis = 2, "topk.axis", "attr.axis");
    REFUSED(scan, s.op.arg_count = 1, "scan.operand", "args");
    REFUSED(scan, posts(&s, 1, TN_POST_RELU), "scan.posts", "posts");
    REFUSED(scan, s.args[0].tensor.dtype = TN_F64, "scan.dtype", "a");
    REFUSED(scan, s.attr.axis.axis = 2, "scan.axis", "attr.axis");
    REFUSED(rope, s.op.arg_count = 3, "rope.operand", "args");
    REFUSED(rope, posts(&s, 1, TN_POST_RELU), "rope.posts", "posts");
    REFUSED(rope, s.args[0].tensor.dtype = TN_F64, "rope.dtype", "a");
    REFUSED(rope, s.args[0].tensor.rank = 0, "rope.rank", "a");
    REFUSED(quantize, s.op.arg_count = 2, "quantize.operand", "args");
    REFUSED(quantize, posts(&s, 1, TN_POST_RELU), "quantize.posts", "posts");
    REFUSED(quantize, s.args[0].tensor.dtype = TN_F64, "quantize.dtype", "a");
    REFUSED(quantize, (s.args[0].tensor.rank = 8, s.attr.axis.param = 3), "quantize.rank", "a");
    REFUSED(dequantize, s.op.arg_count = 2, "dequantize.operand", "args");
    REFUSED(dequantize, posts(&s, 1, TN_POST_RELU), "dequantize.posts", "posts");
    REFUSED(dequantize, s.args[0].tensor.dtype = TN_S64, "dequantize.dtype", "a");
    REFUSED(dequantize, (s.args[0].tensor.rank = 8, s.attr.axis.param = 3), "dequantize.rank", "a");
    REFUSED(quantize, s.args[2].tensor.layout = TN_LAYOUT_Q8_0, "quantize.operand", "args");
    REFUSED(quantize, (quantize_blocks(&s), s.args[0].tensor.dtype = TN_F64), "quantize.dtype",
            "a");
    REFUSED(dequantize, s.args[0].tensor.layout = TN_LAYOUT_Q8_0, "dequantize.operand", "args");
    REFUSED(dequantize, (dequantize_blocks(&s), s.args[1].tensor.dtype = TN_F64),
            "dequantize.dtype", "out");
    REFUSED(matmul, (in_blocks(&s), s.args[2].tensor.dtype = TN_F64), "matmul.dtype", "a");
    ROW(matmul, in_blocks(&s), "matmul_canonical", "matmul.dtype", "b");
    REFUSED(copy, s.op.arg_count = 1, "copy.operand", "args");
    REFUSED(copy, posts(&s, 1, TN_POST_RELU), "copy.posts", "posts");
    REFUSED(copy, s.args[0].tensor.dtype = TN_S4, "copy.dtype", "a");
    REFUSED(copy, s.args[1].tensor.rank = 1, "copy.rank", "a");
}

TN_TEST(errors_kernels, rows)
{
    ROW(eltwise, (void)0, "eltwise_where_runs", "eltwise.kind", "attr.kind");
    ROW(concat, s.args[2].tensor.stride[1] = 2, "concat_rows", "concat.stride", "out");
    ROW(topk, s.attr.axis.param = (1 << 20) + 1, "topk_heap", "topk.k", "attr.param");
    ROW(scan, s.args[0].tensor.dtype = s.args[1].tensor.dtype = TN_S32, "scan_canonical",
        "scan.dtype", "a");
    ROW(scan, (void)0, "scan_integer", "scan.dtype", "a");
    ROW(scan, s.args[0].tensor.dtype = TN_F16, "scan_f32_columns", "scan.dtype", "a");
    ROW(scan, (void)0, "scan_f32_columns", "scan.stride", "a");
    ROW(pool, (void)0, "pool_exact", "pool.dtype_row", "a");
    ROW(resize, (void)0, "resize_nearest_exact", "resize.kind_row", "attr.kind");
    ROW(resize, s.attr.window.kind = TN_RESIZE_NEAREST, "resize_nearest_rows", "resize.view", "a");
    ROW(norm, (void)0, "norm_batch_f32_canonical", "norm.kind_row", "attr.kind");
    ROW(pad, s.args[0].tensor.stride[1] = 2, "pad_rows", "pad.stride", "a");
    ROW(matmul, s.args[1].flags = TN_ARG_PACKED, "matmul_canonical", "matmul.packed", "b");
    ROW(bytes, s.args[1].flags = TN_ARG_PACKED, "matmul_int8_exact", "matmul.packed", "b");
    ROW(matmul, (void)0, "matmul_int8_exact", "matmul.dtype", "a");
    ROW(matmul, (void)0, "matmul_block_canonical", "matmul.dtype", "b");
    ROW(quantize, (void)0, "quantize_blocks_canonical", "quantize.layout", "out");
    ROW(quantize, quantize_blocks(&s), "quantize_canonical", "quantize.layout", "out");
    ROW(dequantize, (void)0, "dequantize_blocks_canonical", "dequantize.layout", "a");
    ROW(dequantize, dequantize_blocks(&s), "dequantize_canonical", "dequantize.layout", "a");
    ROW(conv, s.args[1].flags = TN_ARG_PACKED, "conv_canonical", "conv.packed", "b");
    ROW(conv, (void)0, "conv_s32_exact", "conv.kind", "a");
    ROW(eltwise, s.args[0].tensor.dtype = s.args[1].tensor.dtype = s.args[2].tensor.dtype = TN_S32,
        "eltwise_f32_canonical", "eltwise.dtype", "a");
    ROW(eltwise, (void)0, "eltwise_s32_canonical", "eltwise.dtype", "a");
    ROW(copy, s.args[1].tensor.dtype = TN_F16, "copy_canonical", "copy.dtype", "out");
    ROW(copy, (void)0, "copy_cast_canonical", "copy.dtype", "out");
    ROW(copy, s.args[1].tensor.dtype = TN_F16, "copy_strided", "copy.dtype", "out");
    ROW(copy, s.args[1].tensor.dtype = TN_F16, "copy_rows", "copy.dtype", "out");
    ROW(copy, s.args[0].tensor.stride[1] = 3, "copy_rows", "copy.stride", "a");
    ROW(copy, s.args[1].tensor.dtype = TN_F16, "copy_transpose", "copy.dtype", "out");
    ROW(copy, (void)0, "copy_transpose", "copy.stride", "a");
    ROW(gather, s.args[0].tensor.stride[1] = 3, "gather_rows", "gather.stride", "a");
    ROW(gather_backward, s.args[0].tensor.stride[1] = 3, "gather_backward_f32_columns",
        "gather.stride", "grad");
    ROW(gather_backward, s.args[0].tensor.dtype = TN_F16, "gather_backward_f32_columns",
        "gather.dtype", "grad");
#if defined(__x86_64__)
    ROW(matmul, (s.args[1].tensor.stride[0] = 1, s.args[1].tensor.stride[1] = 8),
        "matmul_f32_avx2_direct_6x16", "matmul.layout", "b");
    ROW(conv, s.args[1].tensor.dtype = TN_F16, "conv_depthwise_f32_avx2", "conv.f32", "a");
    ROW(conv, (void)0, "conv_winograd2_f32_avx2", "conv.allow", "numerics.allow");
    ROW(conv, s.op.numerics.allow = TN_ALLOW_WINOGRAD, "conv_winograd4_f32_avx2", "conv.winograd",
        "b");
    ROW(conv, (void)0, "conv_depthwise_f32_avx2", "conv.depthwise", "b");
    ROW(conv,
        (s.attr.conv.groups = 2, s.args[1].tensor.dim[0] = s.args[2].tensor.dim[1] = 2,
         s.args[0].tensor.stride[2] = 7),
        "conv_depthwise_f32_avx2", "conv.layout", "a");
    ROW(conv, s.args[1].tensor.dim[0] = s.args[2].tensor.dim[1] = 40, "conv_space_f32_avx512",
        "conv.positions", "a");
    ROW(conv, (s.attr.conv.stride[0] = 2, s.args[2].tensor.dim[2] = 2), "conv_space_f32_avx512",
        "conv.window", "b");
    ROW(matmul, (void)0, "matmul_f32_avx2_gemv", "matmul.rows", "a");
    ROW(matmul, (void)0, "matmul_f32_avx512_gemv", "matmul.device", "device");
    ROW(bytes, (void)0, "matmul_int8_avx2_gemv", "matmul.rows", "a");
    ROW(attention,
        (s.args[0].tensor.dim[3] = s.args[1].tensor.dim[3] = s.args[2].tensor.dim[3] =
             s.args[3].tensor.dim[3] = 2000),
        "attention_f32_avx2", "attention.head", "q");
    ROW(attention_backward, s.args[0].tensor.dim[2] = s.args[1].tensor.dim[2] = 2000,
        "attention_backward_avx2", "attention.head", "q");
    ROW(copy, s.args[1].tensor.dtype = TN_S64, "copy_cast_avx2", "copy.dtype", "out");
    ROW(copy, (s.args[0].tensor.dtype = TN_F16, s.args[0].tensor.stride[1] = 3), "copy_cast_avx2",
        "copy.stride", "a");
    ROW(rope, s.args[0].tensor.dtype = TN_F16, "rope_f32_avx2", "rope.dtype", "a");
    ROW(rope, s.args[0].tensor.stride[1] = 2, "rope_f32_avx2", "rope.stride", "a");
    ROW(eltwise, (void)0, "eltwise_s32_avx2", "eltwise.dtype", "a");
    ROW(eltwise, (void)0, "eltwise_fast_avx2", "eltwise.kind", "attr.kind");
#endif
}
