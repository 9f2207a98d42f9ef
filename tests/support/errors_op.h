/* SPDX-License-Identifier: Apache-2.0 */
/* Good samples of every op, and rows that change one thing and go through every public function
 * that takes an op. */
#ifndef TN_TESTS_SUPPORT_ERRORS_OP_H
#define TN_TESTS_SUPPORT_ERRORS_OP_H

#include "errors.h"

typedef struct sample {
    tn_op op;
    tn_arg args[32];
    tn_post posts[9];
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

static tn_device *device;
static tn_queue *queue;

static inline tn_tensor dense(uint16_t dtype, uint16_t rank, const int64_t *dim)
{
    tn_tensor t = {.dtype = dtype, .rank = rank};
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; --i) {
        t.dim[i] = dim[i];
        t.stride[i] = stride;
        stride *= dim[i];
    }
    return t;
}

static inline void add(sample *s, uint32_t role, uint16_t dtype, uint16_t rank, const int64_t *dim)
{
    s->args[s->op.arg_count++] = (tn_arg){.role = role, .tensor = dense(dtype, rank, dim)};
}
#define DIMS(...)                                                                                  \
    (uint16_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (const int64_t[])                            \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static inline void start(sample *s, tn_op_kind kind, uint32_t type, uint32_t bytes)
{
    memset(s, 0, sizeof *s);
    s->op = (tn_op){.head = TN_INIT(tn_op), .kind = kind, .args = s->args, .posts = s->posts};
    s->attr.head = (tn_head){bytes, type, NULL};
    s->op.attr = &s->attr;
}

static inline void matmul(sample *s)
{
    start(s, TN_OP_MATMUL, TN_TYPE_tn_matmul, sizeof(tn_matmul));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_B, TN_F32, DIMS(4, 5));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 5));
}

static inline void conv(sample *s)
{
    start(s, TN_OP_CONV, TN_TYPE_tn_conv, sizeof(tn_conv));
    s->attr.conv.dims = 2;
    s->attr.conv.groups = 2;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 4, 5, 6));
    add(s, TN_ARG_B, TN_F32, DIMS(6, 2, 3, 3));
    add(s, TN_ARG_OUT, TN_F32, DIMS(1, 6, 3, 4));
}

static inline void attention(sample *s)
{
    start(s, TN_OP_ATTENTION, TN_TYPE_tn_attention, sizeof(tn_attention));
    add(s, TN_ARG_Q, TN_F32, DIMS(2, 4, 5, 8));
    add(s, TN_ARG_K, TN_F32, DIMS(2, 2, 6, 8));
    add(s, TN_ARG_V, TN_F32, DIMS(2, 2, 6, 7));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4, 5, 7));
}

static inline void paged(sample *s)
{
    start(s, TN_OP_ATTENTION, TN_TYPE_tn_attention, sizeof(tn_attention));
    s->attr.attention.page_tokens = 6;
    add(s, TN_ARG_Q, TN_F32, DIMS(2, 4, 5, 8));
    add(s, TN_ARG_K, TN_F32, DIMS(9, 2, 6, 8));
    add(s, TN_ARG_V, TN_F32, DIMS(9, 2, 6, 8));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4, 5, 8));
    add(s, TN_ARG_PAGES, TN_S32, DIMS(2, 3));
}

static inline void softmax(sample *s)
{
    start(s, TN_OP_SOFTMAX, TN_TYPE_tn_softmax, sizeof(tn_softmax));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void norm(sample *s)
{
    start(s, TN_OP_NORM, TN_TYPE_tn_norm, sizeof(tn_norm));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_GAMMA, TN_F32, DIMS(4));
}

static inline void eltwise(sample *s)
{
    start(s, TN_OP_ELTWISE, TN_TYPE_tn_eltwise, sizeof(tn_eltwise));
    s->attr.eltwise.kind = TN_ELTWISE_ADD;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_B, TN_F32, DIMS(1, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void reduce(sample *s)
{
    start(s, TN_OP_REDUCE, TN_TYPE_tn_reduce, sizeof(tn_reduce));
    s->attr.reduce.axes_mask = 1;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(4));
}

static inline void softmax_backward(sample *s)
{
    softmax(s);
    s->attr.softmax.pass = TN_PASS_BACKWARD_DATA;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(3, 4));
}

static inline void norm_backward(sample *s)
{
    norm(s);
    s->attr.norm.pass = TN_PASS_BACKWARD_DATA;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(3, 4));
}

static inline void eltwise_backward(sample *s)
{
    start(s, TN_OP_ELTWISE, TN_TYPE_tn_eltwise, sizeof(tn_eltwise));
    s->attr.eltwise.pass = TN_PASS_BACKWARD_DATA;
    s->attr.eltwise.kind = TN_ELTWISE_GELU;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_GRAD, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void conv_weights(sample *s)
{
    start(s, TN_OP_CONV, TN_TYPE_tn_conv, sizeof(tn_conv));
    s->attr.conv.dims = 2;
    s->attr.conv.groups = 2;
    s->attr.conv.pass = TN_PASS_BACKWARD_WEIGHTS;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 4, 5, 6));
    add(s, TN_ARG_GRAD, TN_F32, DIMS(1, 6, 3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(6, 2, 3, 3));
}

static inline void attention_backward(sample *s)
{
    attention(s);
    s->attr.attention.pass = TN_PASS_BACKWARD_DATA;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(2, 4, 5, 7));
    add(s, TN_ARG_STATS, TN_F32, DIMS(2, 4, 5, 2));
    add(s, TN_ARG_OUT_GRAD_A, TN_F32, DIMS(2, 4, 5, 8));
    add(s, TN_ARG_OUT_GRAD_B, TN_F32, DIMS(2, 2, 6, 8));
    add(s, TN_ARG_OUT_GRAD_V, TN_F32, DIMS(2, 2, 6, 7));
}

static inline void gather_backward(sample *s)
{
    start(s, TN_OP_GATHER, TN_TYPE_tn_axis, sizeof(tn_axis));
    s->attr.axis.flags = TN_GATHER_BACKWARD;
    s->attr.axis.param = 3;
    add(s, TN_ARG_GRAD, TN_F32, DIMS(2, 4));
    add(s, TN_ARG_INDEX, TN_S32, DIMS(2));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void gather(sample *s)
{
    start(s, TN_OP_GATHER, TN_TYPE_tn_axis, sizeof(tn_axis));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_INDEX, TN_S32, DIMS(2));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4));
}

static inline void copy(sample *s)
{
    start(s, TN_OP_COPY, 0, 0);
    s->op.attr = NULL;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void rope(sample *s)
{
    start(s, TN_OP_ROPE, TN_TYPE_tn_rope, sizeof(tn_rope));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_INDEX, TN_S32, DIMS(3));
    add(s, TN_ARG_FREQ, TN_F32, DIMS(2));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void concat(sample *s)
{
    start(s, TN_OP_CONCAT, TN_TYPE_tn_axis, sizeof(tn_axis));
    add(s, TN_ARG_INPUT0, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_INPUT0 + 1, TN_F32, DIMS(2, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(5, 4));
}

static inline void pad(sample *s)
{
    start(s, TN_OP_PAD, TN_TYPE_tn_window, sizeof(tn_window));
    s->attr.window.lo[0] = 1;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(4, 4));
}

static inline void pool(sample *s)
{
    start(s, TN_OP_POOL, TN_TYPE_tn_pool, sizeof(tn_pool));
    s->attr.pool.dims = 2;
    s->attr.pool.window[0] = s->attr.pool.window[1] = 2;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 3, 4, 5));
    add(s, TN_ARG_OUT, TN_F32, DIMS(1, 3, 3, 4));
}

static inline void resize(sample *s)
{
    start(s, TN_OP_RESIZE, TN_TYPE_tn_window, sizeof(tn_window));
    s->attr.window.kind = TN_RESIZE_LINEAR;
    add(s, TN_ARG_A, TN_F32, DIMS(1, 3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(1, 6, 9));
}

static inline void topk(sample *s)
{
    start(s, TN_OP_TOPK, TN_TYPE_tn_axis, sizeof(tn_axis));
    s->attr.axis.param = 2;
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(2, 4));
}

static inline void scan(sample *s)
{
    start(s, TN_OP_SCAN, TN_TYPE_tn_axis, sizeof(tn_axis));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void quantize(sample *s)
{
    start(s, TN_OP_QUANTIZE, TN_TYPE_tn_axis, sizeof(tn_axis));
    add(s, TN_ARG_A, TN_F32, DIMS(3, 4));
    add(s, TN_ARG_SCALE_OF + TN_ARG_OUT, TN_F32, DIMS(3));
    add(s, TN_ARG_OUT, TN_S8, DIMS(3, 4));
}

static inline void dequantize(sample *s)
{
    start(s, TN_OP_DEQUANTIZE, TN_TYPE_tn_axis, sizeof(tn_axis));
    add(s, TN_ARG_A, TN_S8, DIMS(3, 4));
    add(s, TN_ARG_SCALE_OF + TN_ARG_A, TN_F32, DIMS(3));
    add(s, TN_ARG_OUT, TN_F32, DIMS(3, 4));
}

static inline void ignore_choice(void *self, const tn_choice *choice)
{
    (void)self, (void)choice;
}

static inline void through_all(const char *file, int line, const tn_op *op, tn_status status,
                               const char *reason, const char *argument, const char *given)
{
    tn_plan *plan = NULL;
    tn_tensor out;
    bool gradients = op->kind == TN_OP_ATTENTION &&
                     ((const tn_attention *)op->attr)->pass == TN_PASS_BACKWARD_DATA;
    tn_role first = gradients ? TN_ARG_OUT_GRAD_A : TN_ARG_OUT;
    uint64_t flops, bytes;
    size_t room = 0;
#define ROW(call)                                                                                  \
    do {                                                                                           \
        errors_forget();                                                                           \
        tn_status st = (call);                                                                     \
        errors_call(file, line, NULL, #call, st, status, reason, argument, given);                 \
    } while (0)
    ROW(tn_op_cost(op, &flops, &bytes));
    ROW(tn_op_format(op, NULL, &room));
    ROW(tn_device_supports(device, op));
    ROW(tn_device_explain(device, op, ignore_choice, NULL));
    ROW(tn_plan_create(device, op, NULL, &plan));
    ROW(tn_compute(queue, op));
    /* what is asked for need not be given */
    if (strcmp(reason, "op.work") != 0 &&
        (strcmp(reason, "op.role_missing") != 0 || strncmp(argument, "out", 3) != 0))
        ROW(tn_op_infer(op, first, &out));
#undef ROW
    TN_EXPECT(plan == NULL);
}

/* A good sample with one thing wrong. */
#define BAD(kind, change, status, reason, argument, given)                                         \
    do {                                                                                           \
        sample s;                                                                                  \
        kind(&s);                                                                                  \
        change;                                                                                    \
        through_all(__FILE__, __LINE__, &s.op, status, reason, argument, given);                   \
    } while (0)
#define WRONG(kind, change, reason, argument, given)                                               \
    BAD(kind, change, TN_STATUS_INVALID, reason, argument, given)
#define LACKS(kind, change, reason, argument, given)                                               \
    BAD(kind, change, TN_STATUS_UNSUPPORTED, reason, argument, given)

static inline void each_device(void (*rules)(void))
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        device = bed.d;
        queue = bed.q;
        rules();
        errors_drop(&bed);
    }
}

#endif
