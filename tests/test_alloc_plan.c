/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of ops, plans, runs and packing, failed one by one. */
#include "support/alloc_bed.h"

#include <hal/op.h>

static const char matmul[] = "matmul 48x40x56:f32:bias+relu+canonical";
static const char packed[] = "matmul 48x40x56:f32:bias+relu+packed";
static const char wide[] = "attention b1h8q64k64d32:f32:canonical"; /* several threads work */

static void an_op(bed *b, const char *text)
{
    tn_error e;
    tn_status st = tn_op_parse(b->rt, text, &b->op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK, "%s: %s", text, e.text);
}

static void op_matmul(bed *b)
{
    an_op(b, matmul);
}

static tn_status plan_of(bed *b, uint32_t flags, tn_plan **out)
{
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = flags};
    return tn_plan_create(b->d, b->op, &desc, out);
}

enum { OUT_BYTES = 48 * 40 * 4 };

/* Small whole numbers as f32, for every operand. */
static void operands(bed *b)
{
    float *x = (float *)(void *)b->in;
    for (uint32_t i = 0; i < BED_BYTES / 4; ++i)
        x[i] = (float)((int)(i * 7 % 13) - 6);
    for (uint32_t i = 0; i < b->op->arg_count; ++i) {
        b->buffer[i] = bed_buffer(b, BED_BYTES);
        TN_REQUIRE(tn_queue_write(b->q, b->buffer[i], 0, b->in, BED_BYTES, NULL) == TN_OK);
    }
}

static void op_and_operands(bed *b)
{
    an_op(b, matmul);
    operands(b);
}

static void plan_and_operands(bed *b)
{
    op_and_operands(b);
    TN_REQUIRE(plan_of(b, TN_PLAN_ALLOW_FALLBACK, &b->plan) == TN_OK);
}

static void wide_plan_and_operands(bed *b)
{
    an_op(b, wide);
    operands(b);
    TN_REQUIRE(plan_of(b, 0, &b->plan) == TN_OK);
}

static void packed_plan_and_operands(bed *b)
{
    an_op(b, packed);
    operands(b);
    uint64_t layout, bytes;
    TN_REQUIRE(plan_of(b, 0, &b->plan) == TN_OK);
    TN_REQUIRE(tn_plan_layout(b->plan, TN_ARG_B, &layout, &bytes) == TN_OK && bytes <= BED_BYTES);
}

/* ---- ops ---- */
static tn_status op_parse(bed *b)
{
    tn_op *op = NULL;
    tn_status st = tn_op_parse(b->rt, matmul, &op);
    if (st != TN_OK)
        return op == NULL ? st : TN_STATUS_INTERNAL;
    size_t bytes = 256;
    st = tn_op_format(op, (char *)b->got, &bytes);
    b->got_bytes = strlen((char *)b->got);
    tn_op_free(b->rt, op);
    return st;
}

/* ---- plans ---- */
static void count_choice(void *self, const tn_choice *c)
{
    (void)c;
    ++*(uint8_t *)self;
}

static tn_status plan_create(bed *b)
{
    tn_plan *p = NULL;
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_status st = plan_of(b, TN_PLAN_ALLOW_FALLBACK, &p);
    if (st != TN_OK)
        return p == NULL ? st : TN_STATUS_INTERNAL;
    st = tn_plan_get_info(p, &info);
    memset(b->got, 0, 128);
    snprintf((char *)b->got, 96, "%s", info.kernel);
    b->got_bytes = 128;
    if (st == TN_OK)
        st = tn_plan_explain(p, count_choice, &b->got[127]);
    tn_plan_release(tn_plan_retain(p));
    tn_plan_release(p);
    return st;
}

static tn_status device_explain(bed *b)
{
    uint8_t rows = 0;
    tn_status st = tn_device_explain(b->d, b->op, count_choice, &rows);
    b->got[0] = rows;
    b->got_bytes = 1;
    return st;
}

/* ---- work ---- */
static tn_status read_back(bed *b, tn_status st, tn_buffer *from)
{
    if (st == TN_OK)
        st = tn_queue_read(b->q, b->got, from, 0, OUT_BYTES, NULL);
    b->got_bytes = OUT_BYTES;
    tn__error_copy kept;
    tn__error_save(&kept, NULL);
    tn_status idle = tn_queue_wait_idle(b->q, UINT64_MAX);
    return st != TN_OK ? tn__fail_again(&kept.error) : idle;
}

static tn_buffer *bind(bed *b, tn_bind *binds, uint32_t *count)
{
    tn_buffer *out = NULL;
    *count = b->op->arg_count;
    for (uint32_t i = 0; i < *count; ++i) {
        binds[i] = (tn_bind){.role = b->op->args[i].role, .buffer = b->buffer[i]};
        if (binds[i].role == TN_ARG_OUT)
            out = b->buffer[i];
    }
    return out;
}

static tn_status run(bed *b)
{
    tn_bind binds[BED_BUFFERS];
    uint32_t count;
    tn_buffer *out = bind(b, binds, &count);
    return read_back(b, tn_queue_run(b->q, b->plan, binds, count, NULL, NULL), out);
}

/* The same through a recorder. */
static tn_status run_recorded(bed *b)
{
    tn_bind binds[BED_BUFFERS];
    uint32_t count;
    tn_queue *r = NULL;
    tn_commands *c = NULL;
    tn_buffer *out = bind(b, binds, &count);
    tn_status st = tn_commands_begin(b->q, &r);
    if (st == TN_OK)
        st = tn_queue_run(r, b->plan, binds, count, NULL, NULL);
    if (st == TN_OK)
        st = tn_commands_end(r, &c);
    if (st == TN_OK)
        st = tn_queue_submit(b->q, c, NULL);
    st = read_back(b, st, out);
    tn_commands_release(c);
    tn_queue_release(r);
    return st;
}

static tn_status pack(bed *b)
{
    tn_bind binds[BED_BUFFERS];
    uint32_t count;
    tn_buffer *out = bind(b, binds, &count), *to = NULL;
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = BED_BYTES};
    tn_status st = tn_buffer_create(b->d, &desc, &to);
    for (uint32_t i = 0; i < count && st == TN_OK; ++i) {
        if (binds[i].role != TN_ARG_B)
            continue;
        tn_tensor from = b->op->args[i].tensor;
        from.layout = 0;
        from.buffer = b->buffer[i];
        st = tn_queue_pack(b->q, b->plan, TN_ARG_B, &from, to, 0, NULL);
        binds[i].buffer = to;
    }
    if (st == TN_OK)
        st = tn_queue_run(b->q, b->plan, binds, count, NULL, NULL);
    st = read_back(b, st, out);
    tn_buffer_release(to);
    return st;
}

static tn_status compute(bed *b)
{
    tn_arg args[BED_BUFFERS];
    tn_buffer *out = NULL;
    for (uint32_t i = 0; i < b->op->arg_count; ++i) {
        args[i] = b->op->args[i];
        args[i].tensor.buffer = b->buffer[i];
        if (args[i].role == TN_ARG_OUT)
            out = b->buffer[i];
    }
    tn_op op = *b->op;
    op.args = args;
    return read_back(b, tn_compute(b->q, &op), out);
}

static const scenario everywhere[] = {
    {"op_parse", BED_RUNTIME, 0, 1, NULL, op_parse},
    {"plan_create", BED_DEVICE, BED_KEEPS, 6, op_matmul, plan_create},
    {"device_explain", BED_DEVICE, 0, 1, op_matmul, device_explain},
    {"run", BED_QUEUE, BED_KEEPS, 2, plan_and_operands, run},
    {"compute", BED_QUEUE, BED_KEEPS, 8, op_and_operands, compute},
    {"compute_inline", BED_QUEUE, BED_KEEPS | BED_INLINE, 8, op_and_operands, compute},
};
static const scenario kernels_only[] = {
    {"run_wide", BED_QUEUE, BED_KEEPS, 3, wide_plan_and_operands, run},
    {"run_wide_inline", BED_QUEUE, BED_KEEPS | BED_INLINE, 3, wide_plan_and_operands, run},
    {"run_recorded", BED_QUEUE, BED_KEEPS, 4, plan_and_operands, run_recorded},
    {"pack", BED_QUEUE, BED_KEEPS, 4, packed_plan_and_operands, pack},
};

static void sweep(const char *uri, bool kernels)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof everywhere / sizeof everywhere[0]; ++i) {
        scenario s = everywhere[i];
        if (!kernels) /* the copies of a fallback are the host's */
            s.flags |= BED_POISONS;
        sum += bed_sweep_all(&s, 1, uri);
    }
    if (kernels)
        sum += bed_sweep_all(kernels_only, sizeof kernels_only / sizeof kernels_only[0], uri);
    fprintf(stderr, "%llu allocation points of plans on %s\n", (unsigned long long)sum, uri);
}

TN_TEST(alloc_plan, cpu)
{
    sweep("cpu", true);
}

TN_TEST(alloc_plan, private)
{
    sweep("cpu?private=1", true);
}

TN_TEST(alloc_plan, fallback)
{
    sweep("null", false);
}

/* ---- calls that take no memory ---- */
static tn_status questions(bed *b)
{
    tn_tensor out;
    char text[256];
    size_t bytes = sizeof text;
    uint64_t flops, moved, layout;
    tn_plan *hit = NULL;
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    tn_arithmetic arithmetic = {.head = TN_INIT(tn_arithmetic)};
    uint8_t rows = 0;
    tn_status st = tn_op_infer(b->op, TN_ARG_OUT, &out);
    (void)bed_try(&st, tn_op_cost(b->op, &flops, &moved));
    (void)bed_try(&st, tn_op_format(b->op, text, &bytes));
    (void)bed_try(&st, tn_plan_get_info(b->plan, &info));
    (void)bed_try(&st, tn_plan_arithmetic(b->plan, &arithmetic));
    (void)bed_try(&st, tn_plan_explain(b->plan, count_choice, &rows));
    (void)bed_try(&st, plan_of(b, TN_PLAN_ALLOW_FALLBACK, &hit));
    if (strcmp(b->uri, "null") != 0)
        (void)bed_try(&st, tn_device_supports(b->d, b->op));
    if (tn_plan_layout(b->plan, TN_ARG_GRAD, &layout, &moved) == TN_OK)
        st = TN_STATUS_INTERNAL;
    tn_plan_release(hit);
    return st != TN_OK || hit == b->plan ? st : TN_STATUS_INTERNAL;
}

TN_TEST(alloc_plan, questions_and_warm_runs_take_none)
{
    static const char *const uris[] = {"cpu", "cpu?private=1", "null"};
    static const scenario s = {"questions", BED_QUEUE, 0, 0, plan_and_operands, questions};
    static bed b;
    for (size_t i = 0; i < sizeof uris / sizeof uris[0]; ++i) {
        bed_make(&b, &s, uris[i]);
        bed_without(&b, s.name, questions);
        if (strcmp(uris[i], "null") != 0) {
            bed_warm(&b);
            TN_EXPECT(run(&b) == TN_OK);
            bed_without(&b, "warm run", run);
        }
        bed_drop(&b, s.name);
    }
}
