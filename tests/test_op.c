/* SPDX-License-Identifier: Apache-2.0 */
/* Validation, inference and cost of ops, without a device. */
#include <tenon/tenon.h>

#include "support/test.h"

static tn_tensor tensor(tn_dtype dtype, int rank, const int64_t *dims)
{
    tn_tensor t = {.dtype = (uint16_t)dtype, .rank = (uint16_t)rank};
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; --i) {
        t.dim[i] = dims[i];
        t.stride[i] = stride;
        stride *= dims[i];
    }
    return t;
}
#define DIMS(...)                                                                                  \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* A matmul 3x5x4 to break. */
typedef struct sample {
    tn_op op;
    tn_matmul attr;
    tn_arg arg[6];
    tn_post post[2];
} sample;

static void make(sample *s)
{
    memset(s, 0, sizeof *s);
    s->attr = (tn_matmul){.head = TN_INIT(tn_matmul)};
    s->arg[0] = (tn_arg){.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(3, 4))};
    s->arg[1] = (tn_arg){.role = TN_ARG_B, .tensor = tensor(TN_F32, DIMS(4, 5))};
    s->arg[2] = (tn_arg){.role = TN_ARG_OUT, .tensor = tensor(TN_F32, DIMS(3, 5))};
    s->arg[3] = (tn_arg){.role = TN_ARG_POST0, .tensor = tensor(TN_F32, DIMS(5))};
    s->post[0] = (tn_post){.kind = TN_POST_BIAS, .role = TN_ARG_POST0};
    s->op = (tn_op){.head = TN_INIT(tn_op),
                    .kind = TN_OP_MATMUL,
                    .arg_count = 4,
                    .post_count = 1,
                    .attr = &s->attr,
                    .args = s->arg,
                    .posts = s->post};
}

static tn_status check(const tn_op *op)
{
    return tn_op_cost(op, NULL, NULL);
}

static void expect(const sample *s, tn_status status, const char *reason, const char *argument)
{
    tn_error e;
    tn_status st = check(&s->op);
    tn_error_last(&e);
    TN_EXPECT(st == status, "%s: got %s (%s)", reason, tn_status_name(st), e.text);
    if (st == status && st != TN_OK) {
        TN_EXPECT(strcmp(e.reason, reason) == 0, "want %s, got %s: %s", reason, e.reason, e.text);
        TN_EXPECT(argument == NULL || (e.argument != NULL && strcmp(e.argument, argument) == 0),
                  "%s names %s, not %s", reason, e.argument ? e.argument : "nothing", argument);
    }
}

TN_TEST(op, matmul_refusals)
{
    sample s;
    make(&s);
    expect(&s, TN_OK, "", NULL);
#define BREAK(status, reason, argument, ...)                                                       \
    do {                                                                                           \
        make(&s);                                                                                  \
        __VA_ARGS__;                                                                               \
        expect(&s, status, reason, argument);                                                      \
    } while (0)
    const tn_status bad = TN_STATUS_INVALID;
    BREAK(bad, "matmul.k_mismatch", "b", s.arg[1].tensor = tensor(TN_F32, DIMS(7, 5)));
    BREAK(bad, "op.out_shape", "out", s.arg[2].tensor = tensor(TN_F32, DIMS(3, 6)));
    BREAK(bad, "op.role_twice", "a", s.arg[1].role = TN_ARG_A);
    BREAK(bad, "op.role", "q", s.arg[1].role = TN_ARG_Q);
    BREAK(bad, "op.role", NULL, s.arg[1].role = 9999);
    BREAK(bad, "op.role_missing", "out", s.op.arg_count = 2; s.op.post_count = 0);
    BREAK(bad, "op.post_role", "posts", s.post[0].role = TN_ARG_POST0 + 1; s.op.arg_count = 3);
    BREAK(bad, "op.role", "post0", s.op.post_count = 0);
    BREAK(bad, "op.post_shape", "post0", s.arg[3].tensor = tensor(TN_F32, DIMS(3)));
    BREAK(bad, "op.post_kind", "posts", s.post[0].kind = (tn_post_kind)77);
    BREAK(bad, "op.dtype", "a", s.arg[0].tensor.dtype = 99);
    BREAK(bad, "op.rank", "a", s.arg[0].tensor.rank = 9);
    BREAK(bad, "matmul.rank", "a", s.arg[0].tensor = tensor(TN_F32, DIMS(4)));
    BREAK(bad, "op.dim", "a", s.arg[0].tensor.dim[0] = -3);
    BREAK(bad, "op.stride", "b", s.arg[1].tensor.stride[0] = -5);
    BREAK(bad, "op.out_stride", "out", s.arg[2].tensor.stride[0] = 0);
    BREAK(bad, "op.out_overlap", "out", s.arg[2].tensor.stride[0] = 4);
    BREAK(bad, "op.extent", "a", s.arg[0].tensor.stride[0] = INT64_MAX / 2);
    BREAK(bad, "op.class", "numerics.cls", s.op.numerics.cls = (tn_class)9);
    BREAK(TN_STATUS_INCOMPATIBLE, "op.canonical_version", NULL,
          s.op.numerics.canonical_version = 2);
    BREAK(bad, "op.accumulate", NULL, s.op.numerics.accumulate = 77);
    BREAK(bad, "op.allow", NULL, s.op.numerics.allow = TN_ALLOW_TF32);
    BREAK(bad, "matmul.beta", "c", s.attr.flags = TN_MATMUL_BETA);
    BREAK(bad, "matmul.flags", NULL, s.attr.flags = 64);
    BREAK(bad, "op.packed", "a", s.arg[0].flags = TN_ARG_PACKED);
    BREAK(bad, "op.may_alias", "a", s.arg[0].flags = TN_ARG_MAY_ALIAS);
    BREAK(TN_STATUS_UNSUPPORTED, "op.kind", "kind", s.op.kind = TN_OP_VENDOR);
    BREAK(bad, "op.kind", "kind", s.op.kind = (tn_op_kind)99);
    BREAK(bad, "op.arg_count", "args", s.op.arg_count = 25);
    BREAK(TN_OK, "", NULL, s.op.numerics.cls = TN_CLASS_FAST; s.op.numerics.allow = TN_ALLOW_BF16);
    BREAK(TN_OK, "", NULL, s.arg[0].tensor.stride[0] = 0);
    BREAK(TN_OK, "", NULL, s.op.attr = NULL);
#undef BREAK
}

static tn_tensor infer(tn_op_kind kind, const void *attr, tn_arg *args, uint32_t count)
{
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = kind, .arg_count = count, .attr = attr, .args = args};
    tn_tensor out;
    tn_status st = tn_op_infer(&op, TN_ARG_OUT, &out);
    tn_error e;
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s", e.text);
    return out;
}

static void expect_shape(const tn_tensor *t, tn_dtype dtype, int rank, const int64_t *dims)
{
    tn_tensor want = tensor(dtype, rank, dims);
    TN_EXPECT(t->dtype == dtype && t->rank == rank, "dtype %u rank %u", t->dtype, t->rank);
    TN_EXPECT(memcmp(t->dim, want.dim, sizeof want.dim) == 0, "first dim %lld",
              (long long)t->dim[0]);
    TN_EXPECT(memcmp(t->stride, want.stride, (size_t)rank * sizeof want.stride[0]) == 0, "strides");
}

TN_TEST(op, infer_shapes)
{
    tn_matmul nt = {.head = TN_INIT(tn_matmul), .flags = TN_MATMUL_TRANSPOSE_B};
    tn_arg mm[] = {{.role = TN_ARG_A, .tensor = tensor(TN_BF16, DIMS(2, 1, 3, 4))},
                   {.role = TN_ARG_B, .tensor = tensor(TN_BF16, DIMS(7, 5, 4))}};
    tn_tensor t = infer(TN_OP_MATMUL, &nt, mm, 2);
    expect_shape(&t, TN_BF16, DIMS(2, 7, 3, 5));

    tn_arg at[] = {{.role = TN_ARG_Q, .tensor = tensor(TN_F32, DIMS(2, 8, 10, 16))},
                   {.role = TN_ARG_K, .tensor = tensor(TN_F32, DIMS(2, 2, 20, 16))},
                   {.role = TN_ARG_V, .tensor = tensor(TN_F32, DIMS(2, 2, 20, 24))},
                   {.role = TN_ARG_MASK, .tensor = tensor(TN_BOOL, DIMS(10, 20))}};
    t = infer(TN_OP_ATTENTION, NULL, at, 4);
    expect_shape(&t, TN_F32, DIMS(2, 8, 10, 24));

    tn_reduce rd = {.head = TN_INIT(tn_reduce), .kind = TN_REDUCE_MEAN, .axes_mask = 2};
    tn_arg ra[] = {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(2, 3, 4))},
                   {.role = TN_ARG_OUT, .tensor = tensor(TN_F32, DIMS(2, 4))}};
    t = infer(TN_OP_REDUCE, &rd, ra, 1);
    expect_shape(&t, TN_F32, DIMS(2, 1, 4));
    t = infer(TN_OP_REDUCE, &rd, ra, 2);
    expect_shape(&t, TN_F32, DIMS(2, 4));

    tn_axis gx = {.head = TN_INIT(tn_axis), .axis = -2};
    tn_arg ga[] = {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(2, 30, 4))},
                   {.role = TN_ARG_INDEX, .tensor = tensor(TN_S64, DIMS(5, 6))}};
    t = infer(TN_OP_GATHER, &gx, ga, 2);
    expect_shape(&t, TN_F32, DIMS(2, 5, 6, 4));

    tn_eltwise less = {.head = TN_INIT(tn_eltwise), .kind = TN_ELTWISE_LESS};
    tn_arg ea[] = {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(3, 1))},
                   {.role = TN_ARG_B, .tensor = tensor(TN_F32, DIMS(2, 1, 5))}};
    t = infer(TN_OP_ELTWISE, &less, ea, 2);
    expect_shape(&t, TN_BOOL, DIMS(2, 3, 5));
}

TN_TEST(op, infer_shapes_of_moves)
{
    tn_axis axis = {.head = TN_INIT(tn_axis), .axis = -2};
    tn_arg cat[] = {{.role = TN_ARG_INPUT0 + 1, .tensor = tensor(TN_S8, DIMS(2, 1, 4))},
                    {.role = TN_ARG_INPUT0, .tensor = tensor(TN_S8, DIMS(2, 30, 4))}};
    tn_tensor t = infer(TN_OP_CONCAT, &axis, cat, 2);
    expect_shape(&t, TN_S8, DIMS(2, 31, 4));

    tn_window window = {.head = TN_INIT(tn_window), .lo = {1, -2}, .hi = {0, -3}};
    tn_arg a = {.role = TN_ARG_A, .tensor = tensor(TN_BF16, DIMS(4, 9))};
    t = infer(TN_OP_PAD, &window, &a, 1);
    expect_shape(&t, TN_BF16, DIMS(5, 4));

    axis.param = 3;
    t = infer(TN_OP_TOPK, &axis, &a, 1);
    expect_shape(&t, TN_BF16, DIMS(3, 9));
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_TOPK, .arg_count = 1, .attr = &axis, .args = &a};
    TN_REQUIRE(tn_op_infer(&op, TN_ARG_INDEX, &t) == TN_OK);
    expect_shape(&t, TN_S32, DIMS(3, 9));
    axis.flags = TN_TOPK_INDICES;
    t = infer(TN_OP_TOPK, &axis, &a, 1);
    expect_shape(&t, TN_S32, DIMS(3, 9));

    axis = (tn_axis){.head = TN_INIT(tn_axis)};
    t = infer(TN_OP_SCAN, &axis, &a, 1);
    expect_shape(&t, TN_BF16, DIMS(4, 9));
    tn_arg q[] = {{.role = TN_ARG_A, .tensor = tensor(TN_S8, DIMS(4, 9))},
                  {.role = TN_ARG_SCALE_OF + TN_ARG_A, .tensor = tensor(TN_F32, DIMS(4))}};
    t = infer(TN_OP_DEQUANTIZE, NULL, q, 2);
    expect_shape(&t, TN_F32, DIMS(4, 9));
    t = infer(TN_OP_QUANTIZE, NULL, q, 2);
    expect_shape(&t, TN_S8, DIMS(4, 9));

    tn_arg r[] = {{.role = TN_ARG_A, .tensor = tensor(TN_F16, DIMS(2, 3, 8))},
                  {.role = TN_ARG_INDEX, .tensor = tensor(TN_S32, DIMS(3))},
                  {.role = TN_ARG_FREQ, .tensor = tensor(TN_F32, DIMS(4))}};
    t = infer(TN_OP_ROPE, NULL, r, 3);
    expect_shape(&t, TN_F16, DIMS(2, 3, 8));
}

TN_TEST(op, refusals_of_other_kinds)
{
    struct {
        const char *reason;
        tn_op_kind kind;
        const void *attr;
        tn_arg arg[4];
        uint32_t count;
    } rows[] = {
        {"op.attr",
         TN_OP_SOFTMAX,
         NULL,
         {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(3))}},
         1},
        {"softmax.axis",
         TN_OP_SOFTMAX,
         &(tn_softmax){.head = TN_INIT(tn_softmax), .axis = 1},
         {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(3))}},
         1},
        {"norm.affine_shape",
         TN_OP_NORM,
         &(tn_norm){.head = TN_INIT(tn_norm)},
         {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(2, 3))},
          {.role = TN_ARG_GAMMA, .tensor = tensor(TN_F32, DIMS(2))}},
         2},
        {"reduce.axes",
         TN_OP_REDUCE,
         &(tn_reduce){.head = TN_INIT(tn_reduce), .axes_mask = 4},
         {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(2, 3))}},
         1},
        {"gather.index_dtype",
         TN_OP_GATHER,
         &(tn_axis){.head = TN_INIT(tn_axis)},
         {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(2, 3))},
          {.role = TN_ARG_INDEX, .tensor = tensor(TN_F32, DIMS(2))}},
         2},
        {"eltwise.arity",
         TN_OP_ELTWISE,
         &(tn_eltwise){.head = TN_INIT(tn_eltwise), .kind = TN_ELTWISE_ADD},
         {{.role = TN_ARG_A, .tensor = tensor(TN_F32, DIMS(2, 3))}},
         1},
        {"attention.heads",
         TN_OP_ATTENTION,
         NULL,
         {{.role = TN_ARG_Q, .tensor = tensor(TN_F32, DIMS(8, 4, 16))},
          {.role = TN_ARG_K, .tensor = tensor(TN_F32, DIMS(3, 4, 16))},
          {.role = TN_ARG_V, .tensor = tensor(TN_F32, DIMS(3, 4, 16))}},
         3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = rows[i].kind,
                    .arg_count = rows[i].count,
                    .attr = rows[i].attr,
                    .args = rows[i].arg};
        tn_tensor out;
        tn_error e;
        tn_status st = tn_op_infer(&op, TN_ARG_OUT, &out);
        tn_error_last(&e);
        TN_EXPECT(st == TN_STATUS_INVALID && strcmp(e.reason, rows[i].reason) == 0,
                  "want %s, got %s %s", rows[i].reason, tn_status_name(st), e.reason);
    }
}

TN_TEST(op, cost)
{
    sample s;
    uint64_t flops, bytes;
    make(&s);
    s.op.arg_count = 3;
    s.op.post_count = 0;
    TN_REQUIRE(tn_op_cost(&s.op, &flops, &bytes) == TN_OK);
    TN_EXPECT(flops == 2 * 3 * 5 * 4, "%llu", (unsigned long long)flops);
    TN_EXPECT(bytes == 4 * (12 + 20 + 15), "%llu", (unsigned long long)bytes);
}
