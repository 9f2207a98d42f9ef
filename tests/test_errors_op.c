/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of ops: every rule of validation through every public function that takes an op, and the
 * text form. */
#include "support/errors_op.h"

/* b [4,32], a [3,4]: wrong in nothing but that b is not transposed. */
static void in_blocks(sample *s)
{
    s->args[1].tensor = dense(TN_S8, 2, (const int64_t[]){4, 32});
    s->args[1].tensor.layout = TN_LAYOUT_Q8_0;
    s->args[2].tensor = dense(TN_F32, 2, (const int64_t[]){3, 32});
}

static void common_rules(void)
{
    const uint32_t bad_size = 4;
    int64_t unknown[4] = {32, 77, 0, 0};
    WRONG(matmul, s.op.head.type = TN_TYPE_tn_conv, "struct.type", "op", "14");
    WRONG(matmul, s.op.head.size = bad_size, "struct.size", "op", "4");
    WRONG(matmul, s.op.head.size = sizeof(tn_head), "op.kind", "kind", "kind 0");
    BAD(matmul, s.op.head.next = unknown, TN_STATUS_INCOMPATIBLE, "struct.next", "op", "0x");
    WRONG(matmul, s.attr.head.type = TN_TYPE_tn_norm, "struct.type", "attr", "17");
    BAD(matmul, s.attr.head.next = unknown, TN_STATUS_INCOMPATIBLE, "struct.next", "attr", "0x");
    WRONG(matmul, s.op.kind = (tn_op_kind)0, "op.kind", "kind", "kind 0");
    WRONG(matmul, s.op.kind = (tn_op_kind)999, "op.kind", "kind", "kind 999");
    LACKS(matmul, s.op.kind = (tn_op_kind)(TN_OP_VENDOR + 3), "op.kind", "kind", "65539");
    WRONG(matmul, s.op.args = NULL, "op.arg_count", "args", "NULL");
    WRONG(matmul, s.op.arg_count = 0, "op.arg_count", "args", "0 operands");
    WRONG(matmul, s.op.arg_count = 25, "op.arg_count", "args", "25 operands");
    WRONG(matmul, s.op.post_count = 9, "op.post_count", "posts", "9 posts");
    WRONG(matmul, (s.op.post_count = 1, s.op.posts = NULL), "op.post_count", "posts", "NULL");
    WRONG(matmul, s.args[1].tensor.rank = 9, "op.rank", "b", "9");
    WRONG(copy, s.op.attr = &s.attr, "op.attr", "attr", "copy");
    WRONG(softmax, s.op.attr = NULL, "op.attr", "attr", "NULL");
    WRONG(matmul, s.args[1].role = TN_ARG_K, "op.role", "k", "8 (k)");
    WRONG(matmul, s.args[1].role = 60, "op.role", "args", "60");
    WRONG(matmul, s.args[1].role = 77, "op.role", "input13", "77");
    WRONG(matmul, s.args[1].role = TN_ARG_POST0 + 1, "op.role", "post1", "129");
    WRONG(matmul, s.args[1].role = TN_ARG_A, "op.role_twice", "a", "args[1]");
    WRONG(matmul, (s.args[1] = s.args[2], s.op.arg_count = 2), "op.role_missing", "b", "matmul");
    WRONG(matmul, s.op.arg_count = 2, "op.role_missing", "out", "matmul");
    WRONG(matmul, s.args[0].flags = 0x40, "op.arg_flags", "a", "0x40");
    WRONG(matmul, s.args[0].flags = TN_ARG_PACKED, "op.packed", "a", "a of matmul");
    WRONG(matmul, s.args[0].flags = TN_ARG_MAY_ALIAS, "op.may_alias", "a", "0x4");
    WRONG(matmul, s.args[2].flags = TN_ARG_CONSTANT, "op.constant", "out", "0x2");
    WRONG(matmul, s.args[0].tensor.dtype = 17, "op.dtype", "a", "dtype 17");
    WRONG(matmul, s.args[0].tensor.dtype = 0, "op.dtype", "a", "dtype 0");
    WRONG(matmul, s.args[0].tensor.flags = 3, "op.tensor_flags", "a", "0x3");
    LACKS(matmul, s.args[1].tensor.quant_group = 32, "op.quant", "b", "32");
    LACKS(matmul, s.args[0].tensor.layout = TN_LAYOUT_Q4_0, "op.layout", "a", "0x1");
    WRONG(matmul, s.args[1].tensor.layout = TN_LAYOUT_Q4_0, "block.dtype", "b",
          "f32 in layout q4_0");
    WRONG(matmul, (s.args[1].tensor.layout = TN_LAYOUT_Q8_0, s.args[1].tensor.dtype = TN_S8),
          "block.row", "b", "last dim of 5");
    WRONG(matmul, in_blocks(&s), "matmul.block_axis", "b", "0x0");
    WRONG(matmul, (in_blocks(&s), s.args[1].tensor.stride[0] = 33), "block.stride", "b", "33");
    WRONG(matmul, (in_blocks(&s), s.args[0].tensor.dtype = TN_S8), "matmul.dtype", "a", "s8");
    WRONG(matmul, s.args[1].tensor.layout = UINT64_C(1) << 40, "op.layout", "b", "0x10000000000");
    LACKS(matmul, (s.args[1].tensor.layout = 2, s.args[1].flags = TN_ARG_PACKED), "op.layout", "b",
          "layout 2");
    WRONG(matmul, s.args[0].tensor.dim[0] = -3, "op.dim", "a", "-3");
    WRONG(matmul, s.args[0].tensor.dim[1] = INT64_MIN, "op.dim", "a", "-9223372036854775808");
    WRONG(matmul, s.args[0].tensor.stride[0] = -4, "op.stride", "a", "-4");
    WRONG(matmul, s.args[2].tensor.stride[0] = 0, "op.out_stride", "out", "3 elements");
    WRONG(matmul, s.args[0].tensor.stride[0] = INT64_MAX, "op.extent", "a", "[3,4]");
    WRONG(matmul, s.args[0].tensor.dim[0] = INT64_MAX, "op.elements", "a", "9223372036854775807");
    WRONG(matmul, (s.args[0].tensor.dim[0] = INT64_C(1) << 47, s.args[0].tensor.stride[0] = 0),
          "op.elements", "a", "[140737488355328,4]");
    const int64_t far = INT64_C(1) << 24;
    WRONG(matmul,
          (s.args[0].tensor = dense(TN_F32, DIMS(far, far)),
           s.args[1].tensor = dense(TN_F32, DIMS(far, far)),
           s.args[2].tensor = dense(TN_F32, DIMS(far, far))),
          "op.work", "args", "operations or more");
    WRONG(matmul, s.args[2].tensor.stride[0] = 4, "op.out_overlap", "out", "[3,5]");
    WRONG(matmul, s.op.numerics.cls = (tn_class)4, "op.class", "numerics.cls", "is 4");
    BAD(matmul, s.op.numerics.canonical_version = 2, TN_STATUS_INCOMPATIBLE, "op.canonical_version",
        "numerics.canonical_version", "is 2");
    WRONG(matmul, s.op.numerics.accumulate = 99, "op.accumulate", "numerics.accumulate", "99");
    WRONG(matmul, (s.op.numerics.cls = TN_CLASS_FAST, s.op.numerics.allow = 0x30), "op.allow",
          "numerics.allow", "0x30");
    WRONG(matmul, s.op.numerics.allow = TN_ALLOW_TF32, "op.allow", "numerics.allow", "0x1");
    WRONG(matmul, s.op.numerics.flags = 6, "op.numerics_flags", "numerics.flags", "0x6");
}

static void post_rules(void)
{
    WRONG(matmul, (s.op.post_count = 1, s.posts[0].kind = (tn_post_kind)10), "op.post_kind",
          "posts", "10");
    WRONG(matmul, (s.op.post_count = 1, s.posts[0].kind = TN_POST_RELU, s.posts[0].role = 128),
          "op.post_role", "posts", "128");
    WRONG(matmul, (s.op.post_count = 1, s.posts[0].kind = TN_POST_BIAS, s.posts[0].role = 128),
          "op.post_role", "posts", "not among");
    WRONG(matmul, (s.op.post_count = 1, s.posts[0].kind = TN_POST_BIAS, s.posts[0].role = TN_ARG_A),
          "op.post_role", "posts", "role 1");
    WRONG(matmul,
          (s.op.post_count = 1, s.posts[0] = (tn_post){.kind = TN_POST_CLAMP, .a = 2, .b = 1}),
          "op.post_clamp", "posts", "[2, 1]");
    WRONG(matmul,
          (s.op.post_count = 1, s.posts[0] = (tn_post){.kind = TN_POST_BIAS, .role = TN_ARG_POST0},
           add(&s, TN_ARG_POST0, TN_F32, DIMS(3))),
          "op.post_shape", "post0", "[3]");
    WRONG(matmul,
          (s.op.post_count = 1, s.posts[0] = (tn_post){.kind = TN_POST_BIAS, .role = TN_ARG_POST0},
           add(&s, TN_ARG_POST0, TN_BOOL, DIMS(5))),
          "op.post_dtype", "post0", "bool");
    LACKS(softmax, (s.op.post_count = 1, s.posts[0].kind = TN_POST_RELU), "op.posts", "posts",
          "softmax");
}

static void matmul_rules(void)
{
    WRONG(matmul, s.attr.matmul.flags = 0x50, "matmul.flags", "attr.flags", "0x50");
    WRONG(matmul, s.attr.matmul.flags = TN_MATMUL_BETA, "matmul.beta", "c", "0x8");
    WRONG(matmul, s.args[0].tensor.rank = 1, "matmul.rank", "a", "rank 1");
    WRONG(matmul, s.args[0].tensor.dtype = TN_BOOL, "matmul.dtype", "a", "bool");
    WRONG(matmul, s.args[1].tensor.dtype = TN_S8, "matmul.dtype", "b", "s8");
    WRONG(matmul, s.args[2].tensor.dtype = TN_BOOL, "matmul.dtype", "out", "bool");
    WRONG(matmul, add(&s, TN_ARG_C, TN_BOOL, DIMS(5)), "matmul.dtype", "c", "bool");
    WRONG(matmul, add(&s, TN_ARG_C, TN_F32, DIMS(4, 5)), "matmul.c_shape", "c", "[4,5]");
    WRONG(matmul, s.args[1].tensor.dim[0] = 7, "matmul.k_mismatch", "b", "K = 7");
    WRONG(matmul,
          (s.args[0].tensor = dense(TN_F32, DIMS(2, 3, 4)),
           s.args[1].tensor = dense(TN_F32, DIMS(3, 4, 5))),
          "matmul.batch", "b", "[3,4,5]");
    WRONG(matmul, add(&s, TN_ARG_SCALE_OF + TN_ARG_B, TN_F32, DIMS(4)), "matmul.factor_shape",
          "scale_of_b", "[4]");
    WRONG(matmul, add(&s, TN_ARG_SCALE_OF + TN_ARG_A, TN_F16, DIMS(3)), "matmul.factor_dtype",
          "scale_of_a", "f16");
    WRONG(matmul, add(&s, TN_ARG_ZERO_OF + TN_ARG_B, TN_F32, DIMS(5)), "matmul.factor_of",
          "zero_of_b", "b is f32");
    WRONG(matmul, s.args[2].tensor.dim[1] = 4, "op.out_shape", "out", "[3,4]");
}

static void attention_rules(void)
{
    const int64_t far = (INT64_C(1) << 60) + 1;
    LACKS(attention, s.attr.attention.pass = 2, "op.pass", "attr.pass", "is 2");
    WRONG(attention, s.attr.attention.flags = 0x80, "attention.flags", "attr.flags", "0x80");
    WRONG(attention, s.attr.attention.flags = 3, "attention.flags", "attr.flags", "0x3");
    WRONG(attention, s.attr.attention.scale = __builtin_nanf(""), "attention.scale", "attr.scale",
          "nan");
    WRONG(attention, s.attr.attention.softcap = -1, "attention.softcap", "attr.softcap", "-1");
    WRONG(attention,
          (s.attr.attention.flags = TN_ATTENTION_WINDOW, s.attr.attention.window_left = -2),
          "attention.window", "attr.window_left", "-2");
    WRONG(attention,
          (s.attr.attention.flags = TN_ATTENTION_WINDOW, s.attr.attention.window_right = far),
          "attention.window", "attr.window_left", "1152921504606846977");
    WRONG(attention, s.attr.attention.page_tokens = 16, "attention.pages", "attr.page_tokens",
          "16");
    WRONG(attention, add(&s, TN_ARG_PAGES, TN_S32, DIMS(2, 3)), "attention.pages",
          "attr.page_tokens", "pages is given");
    WRONG(paged, s.attr.attention.page_tokens = -1, "attention.pages", "attr.page_tokens", "-1");
    WRONG(paged, s.attr.attention.page_tokens = 7, "attention.page_tokens", "k", "7");
    WRONG(paged, s.args[4].tensor.dim[0] = 1, "attention.page_table", "pages", "[1,3]");
    WRONG(paged,
          (s.args[4].tensor.dim[1] = INT64_C(1) << 46, s.args[4].tensor.stride[1] = 0,
           s.attr.attention.page_tokens = INT64_C(1) << 20,
           s.args[1].tensor = s.args[2].tensor = dense(TN_F32, DIMS(9, 2, INT64_C(1) << 20, 8))),
          "attention.page_table", "pages", "70368744177664");
    WRONG(paged, s.args[4].tensor.dtype = TN_F32, "attention.dtype", "pages", "f32");
    WRONG(paged, s.args[2].tensor.dim[0] = 8, "attention.batch", "v", "8");
    WRONG(attention, s.args[1].tensor.dtype = TN_S8, "attention.scale_of", "scale_of_k", "s8");
    WRONG(attention, add(&s, TN_ARG_SCALE_OF + TN_ARG_V, TN_F32, DIMS(1)), "attention.scale_of",
          "scale_of_v", "f32");
    WRONG(attention,
          (s.args[1].tensor.dtype = TN_S8, add(&s, TN_ARG_SCALE_OF + TN_ARG_K, TN_F16, DIMS(2, 6))),
          "attention.dtype", "scale_of_k", "f16");
    WRONG(attention,
          (s.args[2].tensor.dtype = TN_S8, add(&s, TN_ARG_SCALE_OF + TN_ARG_V, TN_F32, DIMS(5))),
          "attention.scale_shape", "scale_of_v", "[5]");
    WRONG(attention, s.args[0].tensor.dtype = TN_S8, "attention.dtype", "q", "s8");
    WRONG(attention, s.attr.attention.first_query = -1, "attention.first", "attr.first_query",
          "-1");
    WRONG(attention, s.attr.attention.first_key = INT64_MAX, "attention.first", "attr.first_query",
          "9223372036854775807");
    WRONG(attention, s.args[1].tensor.rank = 3, "attention.rank", "k", "rank 3");
    WRONG(attention, s.args[2].tensor.dtype = TN_S32, "attention.dtype", "v", "s32");
    WRONG(attention, s.args[3].tensor.dtype = TN_S32, "attention.dtype", "out", "s32");
    WRONG(attention, s.args[1].tensor.dim[0] = 3, "attention.batch", "k", "3");
    WRONG(attention, s.args[2].tensor.dim[0] = 3, "attention.batch", "v", "3");
    WRONG(attention, s.args[2].tensor.dim[2] = 9, "attention.v_shape", "v", "9 tokens");
    WRONG(attention, s.args[1].tensor.dim[3] = 9, "attention.d_mismatch", "k", "d = 9");
    WRONG(attention, (s.args[1].tensor.dim[1] = 3, s.args[2].tensor.dim[1] = 3), "attention.heads",
          "k", "3 heads");
    WRONG(attention, (s.args[1].tensor.dim[1] = 0, s.args[2].tensor.dim[1] = 0), "attention.heads",
          "k", "0 heads");
    WRONG(attention, add(&s, TN_ARG_MASK, TN_F32, DIMS(5, 7)), "attention.mask_shape", "mask",
          "[5,7]");
    WRONG(attention, add(&s, TN_ARG_MASK, TN_S32, DIMS(5, 6)), "attention.mask_dtype", "mask",
          "s32");
    WRONG(attention, add(&s, TN_ARG_SINKS, TN_F32, DIMS(3)), "attention.vector", "sinks", "[3]");
    WRONG(attention, add(&s, TN_ARG_LENGTHS, TN_F32, DIMS(2)), "attention.dtype", "lengths", "f32");
    WRONG(attention, add(&s, TN_ARG_STATS, TN_F64, DIMS(2, 4, 5, 2)), "attention.dtype", "stats",
          "f64");
    WRONG(attention, add(&s, TN_ARG_STATS, TN_F32, DIMS(2, 4, 5, 3)), "op.out_shape", "stats",
          "[2,4,5,3]");
}

static void row_rules(void)
{
    LACKS(softmax, s.attr.softmax.pass = 2, "op.pass", "attr.pass", "is 2");
    WRONG(softmax, s.attr.softmax.axis = 2, "softmax.axis", "attr.axis", "2 over");
    WRONG(softmax, s.attr.softmax.axis = -3, "softmax.axis", "attr.axis", "-3");
    WRONG(softmax, (s.args[0].tensor.rank = 0, s.args[1].tensor.rank = 0), "softmax.axis",
          "attr.axis", "rank 0");
    WRONG(softmax, s.attr.softmax.log = 2, "softmax.log", "attr.log", "is 2");
    WRONG(softmax, s.args[0].tensor.dtype = TN_S32, "op.float", "a", "s32");
    WRONG(softmax, s.args[1].tensor.dtype = TN_BOOL, "op.float", "out", "bool");
    LACKS(norm, s.attr.norm.pass = 2, "op.pass", "attr.pass", "is 2");
    WRONG(norm, s.attr.norm.kind = 4, "norm.kind", "attr.kind", "is 4");
    WRONG(norm, s.attr.norm.kind = TN_NORM_BATCH_INFERENCE, "norm.stats", "stats", "not given");
    WRONG(norm, add(&s, TN_ARG_STATS, TN_F32, DIMS(2, 4)), "norm.stats", "stats", "[2,4]");
    WRONG(norm,
          (s.attr.norm.kind = TN_NORM_BATCH_INFERENCE, add(&s, TN_ARG_STATS, TN_F32, DIMS(2, 3))),
          "norm.stats", "stats", "[2,3]");
    WRONG(norm,
          (s.attr.norm.kind = TN_NORM_BATCH_INFERENCE, add(&s, TN_ARG_STATS, TN_S8, DIMS(2, 4))),
          "norm.dtype", "stats", "s8");
    WRONG(norm, s.attr.norm.kind = TN_NORM_GROUP, "norm.groups", "attr.groups", "is 0 over 4");
    WRONG(norm, (s.attr.norm.kind = TN_NORM_GROUP, s.attr.norm.groups = 3), "norm.groups",
          "attr.groups", "is 3 over 4");
    WRONG(norm, s.attr.norm.groups = 2, "norm.groups", "attr.groups", "is 2");
    WRONG(norm, s.attr.norm.axes = 3, "norm.axes", "attr.axes", "is 3");
    WRONG(norm, (s.attr.norm.kind = 2, s.args[0].tensor.rank = s.args[1].tensor.rank = 1),
          "norm.axes", "attr.axes", "is 0");
    WRONG(norm, s.attr.norm.epsilon = -1, "norm.epsilon", "attr.epsilon", "-1");
    WRONG(norm, s.args[2].tensor.dim[0] = 3, "norm.affine_shape", "gamma", "[3]");
    WRONG(norm, s.args[2].tensor.dtype = TN_S8, "norm.dtype", "gamma", "s8");
    WRONG(reduce, s.attr.reduce.kind = 5, "reduce.kind", "attr.kind", "is 5");
    WRONG(reduce, s.attr.reduce.axes_mask = 0, "reduce.axes", "attr.axes_mask", "0x0");
    WRONG(reduce, s.attr.reduce.axes_mask = 4, "reduce.axes", "attr.axes_mask", "0x4");
    WRONG(reduce, s.args[0].tensor.dtype = TN_BOOL, "reduce.dtype", "a", "bool");
    WRONG(reduce, s.args[1].tensor.dtype = TN_BOOL, "reduce.dtype", "out", "bool");
    WRONG(reduce, s.args[1].tensor.dim[0] = 3, "op.out_shape", "out", "[3]");
}

static void other_rules(void)
{
    LACKS(eltwise, s.attr.eltwise.pass = 2, "op.pass", "attr.pass", "is 2");
    WRONG(eltwise, s.attr.eltwise.kind = 30, "eltwise.kind", "attr.kind", "is 30");
    WRONG(eltwise, (s.attr.eltwise.kind = TN_ELTWISE_CLAMP, s.attr.eltwise.a = 1), "eltwise.clamp",
          "attr.a", "[1, 0]");
    WRONG(eltwise, s.attr.eltwise.kind = TN_ELTWISE_NEG, "eltwise.arity", "b", "too much");
    WRONG(eltwise, s.attr.eltwise.kind = TN_ELTWISE_FMA, "eltwise.arity", "c", "missing");
    WRONG(eltwise, s.args[1].tensor.dim[1] = 3, "eltwise.broadcast", "b", "[1,3]");
    WRONG(eltwise, s.args[0].tensor.dtype = TN_BOOL, "eltwise.dtype", "a", "bool");
    WRONG(eltwise, s.args[2].tensor.dtype = TN_BOOL, "eltwise.dtype", "out", "bool");
    WRONG(eltwise, s.attr.eltwise.kind = TN_ELTWISE_LESS, "eltwise.compare", "out", "f32");
    WRONG(eltwise, (s.attr.eltwise.kind = TN_ELTWISE_WHERE, add(&s, TN_ARG_C, TN_F32, DIMS(3, 4))),
          "eltwise.where", "a", "f32");
    WRONG(gather, s.attr.axis.axis = -3, "gather.axis", "attr.axis", "-3 over");
    WRONG(gather, s.attr.axis.axis = 2, "gather.axis", "attr.axis", "2 over");
    WRONG(gather, s.attr.axis.flags = 2, "gather.attr", "attr.flags", "0x2");
    WRONG(gather, s.attr.axis.param = 9, "gather.attr", "attr.param", "9");
    WRONG(gather, s.args[1].tensor.dtype = TN_F32, "gather.index_dtype", "index", "f32");
    WRONG(gather, s.args[2].tensor.dtype = TN_F16, "gather.dtype", "out", "f16");
    WRONG(gather, s.args[1].tensor = dense(TN_S32, DIMS(1, 1, 1, 1, 1, 1, 1, 1)), "gather.rank",
          "index", "rank 8");
    WRONG(copy, s.args[1].tensor.dim[0] = 2, "op.out_shape", "out", "[2,4]");
}

/* Sizes that only strides of 0 make possible: refused or planned, but never computed with in a way
 * that overflows (which the sanitizers see). */
static void (*const kinds[])(sample *) = {matmul, attention, softmax,    norm,   eltwise, reduce,
                                          gather, copy,      rope,       concat, pad,     topk,
                                          scan,   quantize,  dequantize, pool,   resize};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void hostile_sizes(void)
{
    static const int64_t sizes[] = {
        1, 3, INT64_C(1) << 31, INT64_C(1) << 44, INT64_C(1) << 59, INT64_MAX};
    enum { N = sizeof sizes / sizeof sizes[0] };
    uint64_t seed = tn_test_seed();
    uint32_t planned = 0, refused = 0;
    for (uint32_t i = 0; i < 6500; ++i) {
        sample s;
        tn_plan *plan = NULL;
        uint64_t flops, bytes;
        tn_tensor t;
        kinds[i % KINDS](&s);
        int64_t of[16];
        for (uint32_t d = 0; d < 16; ++d)
            of[d] = sizes[tn_test_random(&seed) % N];
        /* equal dims stay equal, so that many are valid */
        for (uint32_t a = 0; a < s.op.arg_count; ++a) {
            tn_tensor *x = &s.args[a].tensor;
            for (uint32_t d = 0; d < x->rank; ++d) {
                int64_t dim = of[x->dim[d] & 15];
                bool out = s.args[a].role == TN_ARG_OUT;
                x->dim[d] = dim;
                x->stride[d] = out || tn_test_random(&seed) % 3 == 0 ? 1 : 0;
            }
        }
        s.attr.attention.head = s.attr.head;
        if (tn_op_infer(&s.op, TN_ARG_OUT, &t) == TN_OK)
            s.args[s.op.arg_count - 1 - (s.op.kind == TN_OP_NORM)].tensor = t;
        tn_status st = tn_op_cost(&s.op, &flops, &bytes);
        TN_EXPECT(tn_plan_create(device, &s.op, NULL, &plan) == st || st == TN_OK);
        if (plan != NULL)
            ++planned;
        else
            ++refused;
        tn_plan_release(plan);
    }
    TN_EXPECT(planned > 100 && refused > 100, "%u planned, %u refused", planned, refused);
    printf("# hostile sizes: %u planned, %u refused\n", planned, refused);
}

/* Any bytes in the plain data of an op: refused in whole sentences, or planned. */
static void mangled_bytes(void)
{
    static const uint64_t values[] = {
        0,         1,         2, 8, 9, 24, 255, 65535, 0x7fffffff, UINT32_MAX, UINT64_C(1) << 48,
        INT64_MAX, UINT64_MAX};
    uint64_t seed = tn_test_seed();
    uint32_t planned = 0, refused = 0;
    for (uint32_t i = 0; i < 32500; ++i) {
        sample s;
        tn_plan *plan = NULL;
        kinds[i % KINDS](&s);
        uint64_t r = tn_test_random(&seed), value = values[(r >> 8) % 13];
        uint32_t width = 1u << (r & 3), place = (uint32_t)(r >> 16);
        unsigned char *base = (unsigned char *)s.args;
        size_t bytes = s.op.arg_count * sizeof s.args[0];
        if ((r >> 4) % 4 == 0) {
            base = (unsigned char *)&s.op.numerics;
            bytes = sizeof s.op.numerics;
        } else if ((r >> 4) % 4 == 1) { /* what is behind the head: that has a table of its own */
            base = (unsigned char *)&s.attr + sizeof(tn_head);
            bytes = sizeof s.attr - sizeof(tn_head);
        } else if ((r >> 4) % 4 == 2) {
            base = (unsigned char *)s.posts;
            bytes = sizeof s.posts;
            s.op.post_count = 1 + place % 9;
        }
        memcpy(base + place % (bytes / width) * width, &value, width);
        errors_forget();
        tn_status st = tn_plan_create(device, &s.op, NULL, &plan);
        tn_error e;
        tn_error_last(&e);
        if (st == TN_OK)
            ++planned;
        else
            ++refused;
        if (st != TN_OK)
            errors_properties(__FILE__, __LINE__, &e, NULL);
        TN_EXPECT((st == TN_OK) == (plan != NULL));
        tn_plan_release(plan);
    }
    TN_EXPECT(planned > 1000 && refused > 1000, "%u planned, %u refused", planned, refused);
    printf("# mangled bytes: %u planned, %u refused\n", planned, refused);
}

TN_TEST(errors_op, common)
{
    each_device(common_rules);
}

TN_TEST(errors_op, posts)
{
    each_device(post_rules);
}

static void conv_rules(void)
{
    WRONG(conv, s.op.attr = NULL, "op.attr", "attr", "NULL");
    WRONG(conv, s.attr.conv.dims = 0, "conv.dims", "attr.dims", "0");
    WRONG(conv, s.attr.conv.dims = 4, "conv.dims", "attr.dims", "4");
    LACKS(conv, s.attr.conv.pass = TN_PASS_BACKWARD_DATA, "op.pass", "attr.pass", "1");
    WRONG(conv, s.attr.conv.flags = 4, "conv.flags", "attr.flags", "0x4");
    WRONG(conv, s.attr.conv.stride[1] = -1, "conv.stride", "attr.stride", "-1");
    WRONG(conv, s.attr.conv.stride[2] = 2, "conv.stride", "attr.stride", "attr.stride[2] is 2");
    WRONG(conv, s.attr.conv.dilation[0] = -3, "conv.dilation", "attr.dilation", "-3");
    WRONG(conv, s.attr.conv.pad_lo[0] = -1, "conv.pad", "attr.pad_lo", "-1");
    WRONG(conv, s.attr.conv.pad_hi[2] = 1, "conv.pad", "attr.pad_hi", "1");
    WRONG(conv, s.attr.conv.out_pad[0] = 1, "conv.out_pad", "attr.out_pad", "1");
    WRONG(conv, s.attr.conv.dims = 1, "conv.rank", "a", "rank 4");
    WRONG(conv, s.args[1].tensor.rank = 3, "conv.rank", "b", "rank 3");
    WRONG(conv, s.args[0].tensor.dtype = TN_BOOL, "conv.dtype", "a", "bool");
    WRONG(conv, s.args[1].tensor.dtype = TN_S8, "conv.dtype", "b", "s8");
    WRONG(conv, s.args[2].tensor.dtype = TN_S32, "conv.dtype", "out", "s32");
    WRONG(conv, s.attr.conv.groups = 3, "conv.groups", "attr.groups", "3");
    WRONG(conv, s.attr.conv.groups = 1, "conv.channels", "b", "2 channels");
    WRONG(conv, s.attr.conv.flags = TN_CONV_TRANSPOSED, "conv.channels", "b", "6 filters");
    WRONG(conv, s.attr.conv.dilation[0] = 3, "conv.window", "b", "kernel of 3");
    WRONG(conv, s.attr.conv.dilation[1] = INT32_MAX, "conv.window", "b", "spatial dim 1");
    WRONG(conv, s.args[1].tensor.dim[2] = 0, "conv.window", "b", "kernel of 0");
    WRONG(conv, s.attr.conv.pad_lo[1] = 2, "op.out_shape", "out", "[1,6,3,6]");
    WRONG(conv, s.args[0].flags = TN_ARG_PACKED, "op.packed", "a", "a of conv");
}

TN_TEST(errors_op, of_conv)
{
    each_device(conv_rules);
}

TN_TEST(errors_op, of_matmul)
{
    each_device(matmul_rules);
}

TN_TEST(errors_op, of_attention)
{
    each_device(attention_rules);
}

TN_TEST(errors_op, of_rows)
{
    each_device(row_rules);
}

TN_TEST(errors_op, of_the_others)
{
    each_device(other_rules);
}

TN_TEST(errors_op, sizes)
{
    each_device(hostile_sizes);
}

TN_TEST(errors_op, mangled)
{
    each_device(mangled_bytes);
}

TN_TEST(errors_op, outputs_and_texts)
{
    sample s;
    tn_tensor out;
    tn_plan *plan = NULL;
    char text[8];
    size_t bytes = sizeof text;
    errors_bed bed = errors_make("cpu");
    matmul(&s);
    TN_INVALID(tn_op_infer(NULL, TN_ARG_OUT, &out), "struct.null", "op", "NULL");
    TN_INVALID(tn_op_infer(&s.op, TN_ARG_OUT, NULL), "argument.null", "out_tensor", "NULL");
    TN_INVALID(tn_op_infer(&s.op, TN_ARG_STATS, &out), "op.role", "role", "21");
    TN_INVALID(tn_op_cost(NULL, NULL, NULL), "struct.null", "op", "NULL");
    TN_ACCEPTS(tn_op_cost(&s.op, NULL, NULL) == TN_OK);
    TN_INVALID(tn_op_format(NULL, text, &bytes), "struct.null", "op", "NULL");
    TN_INVALID(tn_op_format(&s.op, text, NULL), "argument.null", "bytes", "NULL");
    TN_INVALID(tn_op_format(&s.op, text, &bytes), "optext.bytes", "bytes", "is 8");
    TN_EXPECT(strlen(text) == 7, "what fits is there");
    bytes = 0;
    TN_INVALID(tn_op_format(&s.op, text, &bytes), "optext.bytes", "bytes", "is 0");
    s.op.post_count = 1;
    s.posts[0] = (tn_post){.kind = TN_POST_BIAS, .role = TN_ARG_POST0 + 3};
    add(&s, TN_ARG_POST0 + 3, TN_F32, DIMS(5));
    TN_ERROR(tn_op_format(&s.op, NULL, &bytes), TN_STATUS_UNSUPPORTED, "optext.posts", "posts",
             "1 posts");
    /* dims that only the output has */
    matmul(&s);
    s.op.arg_count = 2;
    s.args[0].tensor = dense(TN_F32, DIMS(INT64_C(1) << 40, 1));
    s.args[1].tensor = dense(TN_F32, DIMS(1, INT64_C(1) << 40));
    TN_INVALID(tn_op_infer(&s.op, TN_ARG_OUT, &out), "op.extent", "out", "[1099511627776,");
    TN_INVALID(tn_plan_create(NULL, &s.op, NULL, &plan), "device.null", "device", "NULL");
    TN_INVALID(tn_plan_create(bed.d, NULL, NULL, &plan), "struct.null", "op", "NULL");
    TN_INVALID(tn_plan_create(bed.d, &s.op, NULL, NULL), "argument.null", "out_plan", "NULL");
    TN_INVALID(tn_compute(NULL, &s.op), "argument.null", "queue", "NULL");
    TN_INVALID(tn_compute(bed.q, NULL), "struct.null", "op", "NULL");
    errors_drop(&bed);
}

TN_TEST(errors_op, reading)
{
    static const struct {
        const char *text, *reason, *given;
    } rows[] = {
        {"matmull 2x3x4", "optext.op", "character 1 "},
        {"matmul", "optext.space", "character 7 "},
        {"matmul 2x3", "optext.rank", "character 11 "},
        {"matmul 2xx4", "optext.number", "character 10 "},
        {"matmul 2x3x99999999999999999999", "optext.number", "999999999"},
        {"matmul -2x3x4", "op.dim", "-2"},
        {"matmul 2x3x4:f32,f32", "optext.dtypes", "character 21 "},
        {"matmul 2x3x4:f32,f32,f32,f32", "optext.dtypes", "character 26 "},
        {"matmul 2x3x4:f32,f99,f32", "optext.dtype", "\"f99,f32\""},
        {"matmul 2x3x4:f32:nt+wrong", "optext.key", "\"wrong\""},
        {"matmul 2x3x4:f32:alpha", "optext.value", "character 23 "},
        {"matmul 2x3x4:f32:acc", "optext.value", "character 21 "},
        {"matmul 2x3x4:f32:const", "optext.value", "character 23 "},
        {"matmul 2x3x4:f32:clamp", "optext.value", "character 23 "},
        {"matmul 2x3x4:f32:clamp=1", "optext.value", "character 25 "},
        {"matmul 2x3x4:f32:const=q", "optext.role", "\"q\""},
        {"matmul 2x3x4:f32:alpha=x", "optext.float", "\"x\""},
        {"matmul 2x3x4:f32:alpha=1e99", "optext.range", "60"},
        {"matmul 2x3x4:f32:relu+relu+relu+relu+relu+relu+relu+relu+relu", "optext.posts",
         "at most 8"},
        {"norm layer 3x4:f32:axes=3+gamma", "optext.operand", "character 32 "},
        {"matmul 2x3x4:f32:packed+layout", "optext.layout", "character 31 "},
        {"matmul 2x3x4:f32:packed+layout=xyz", "optext.layout", "\"xyz\""},
        {"matmul 2x3x4:f32:nt ", "optext.end", "character 20 "},
        {"attention h1q2k3", "optext.letter", "character 17 "},
        {"conv n1c2h3w3k4s3", "optext.letter", "character 6 "},
        {"conv n1c2h3w3k4r3x3", "optext.letter", "\"x3\""},
        {"conv c2w9k4s3p-1", "optext.letter", "character 6 "},
        {"conv c2w9k4s3:f32:stride=4294967297", "optext.range", "32 bits"},
        {"attention h1h2q2k3d4", "optext.letter", "\"h2q2k3d4\""},
        {"attention h1q2k3d4:f32:window=3", "optext.pair", "character 32 "},
        {"softmax 2x3:f32:axis=9", "optext.range", "-8 to 8"},
        {"eltwise plus 3", "optext.word", "\"plus 3\""},
        {"copy 2x3:f32:a=2x3@1", "optext.strides", "character 21 "},
        {"copy 1x1x1x1x1x1x1x1x1", "optext.rank", "character 22 "},
        {"softmax 2x3:f32:axis=5", "softmax.axis", "5 over"},
        {"reduce sum 2x3:f32", "reduce.axes", "0x0"},
        {"gather 2x3:f32:index=2/f32", "gather.index_dtype", "f32"},
        {"gather 2x3:f32:axis=5", "optext.dims", "dims are expected"},
    };
    errors_bed bed = errors_make("cpu");
    tn_op *op = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        errors_forget();
        tn_status st = tn_op_parse(bed.rt, rows[i].text, &op);
        tn_error e;
        tn_error_last(&e);
        const char *argument = strncmp(rows[i].reason, "optext.", 7) == 0 ? "text" : e.argument;
        errors_call(__FILE__, __LINE__, "tn_op_parse", rows[i].text, st, TN_STATUS_INVALID,
                    rows[i].reason, argument, rows[i].given);
        TN_EXPECT(op == NULL);
        tn_op_free(bed.rt, op);
    }
    TN_INVALID(tn_op_parse(NULL, "matmul 2x3x4", &op), "runtime.null", "runtime", "NULL");
    TN_INVALID(tn_op_parse(bed.rt, NULL, &op), "argument.null", "text", "NULL");
    TN_INVALID(tn_op_parse(bed.rt, "matmul 2x3x4", NULL), "argument.null", "out_op", "NULL");
    errors_drop(&bed);
}

/* Texts with a byte wrong here and there: refused in whole sentences, or read and written again. */
TN_TEST(errors_op, mangled_texts)
{
    static const char *const texts[] = {
        "matmul 2x33x65x127:f32,f32,f32:nt+canonical+bias+gelu+alpha=0.5",
        "attention b1h12g4q10k20d64e32:f32:causal+window=3x-1+mask+scale=0.125",
        "softmax 2x3x4:f32:axis=-1+log",
        "norm layer 2x3x4:f32:axes=2+eps=1e-05+gamma+beta",
        "eltwise clamp 2x3:f32:pa=-1+pb=1",
        "reduce sum 2x3x4:f32:axes=0x2+out=3",
        "gather 5x6:f32:axis=1+index=2x3/s64",
        "copy 2x3:f32,f16:a=2x3/f32@6x2",
        "rope 2x3x8:f32:interleaved+rotary=4+index=2x1",
        "concat 2x3:f32:axis=1+input1=2x5+input2",
        "pad 2x3:f32:lo=1x-1+hi=0x2+value=1.5",
        "topk 2x30:f32:axis=1+k=4+smallest+index",
        "scan 5x6:f32:axis=0+exclusive+reverse",
        "norm group 2x8x3:f32:axes=2+groups=4+eps=0.5+gamma"};
    static const char bytes[] = "0123456789abxhqkd:+=x-/@,. eEnf_\x01\x7f";
    uint64_t seed = tn_test_seed();
    uint32_t read = 0, refused = 0;
    errors_bed bed = errors_make("cpu");
    for (uint32_t i = 0; i < 40000; ++i) {
        char text[128];
        tn_op *op = NULL;
        uint64_t r = tn_test_random(&seed);
        snprintf(text, sizeof text, "%s", texts[i % (sizeof texts / sizeof texts[0])]);
        size_t n = strlen(text);
        for (uint32_t k = 0; k < 1 + (r & 1); ++k) {
            uint64_t p = tn_test_random(&seed);
            if (p % 11 == 0)
                text[(p >> 8) % n] = '\0';
            else
                text[(p >> 8) % n] = bytes[(p >> 32) % (sizeof bytes - 1)];
        }
        errors_forget();
        if (tn_op_parse(bed.rt, text, &op) == TN_OK) {
            size_t room = 0;
            ++read;
            TN_EXPECT(tn_op_format(op, NULL, &room) == TN_OK && room > 1, "%s", text);
        } else {
            tn_error e;
            tn_error_last(&e);
            ++refused;
            /* a text is quoted as it is, with what it has of unprintable bytes */
            TN_EXPECT(e.reason[0] != '\0' && strlen(e.text) > 20 && op == NULL, "%s", text);
        }
        tn_op_free(bed.rt, op);
    }
    TN_EXPECT(read > 1000 && refused > 1000, "%u read, %u refused", read, refused);
    errors_drop(&bed);
}
