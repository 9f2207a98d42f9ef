/* SPDX-License-Identifier: Apache-2.0 */
/* tenon bench of any op from its text: in its classes, with packed weights where a kernel takes
 * them, beside the peers that have it. */
#include "tool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bench/peers/peer.h>

enum { OPERANDS = 24, WAYS = 4, MOST = WAYS + TOOL_PEERS };

/* One of our contestants. */
typedef struct job {
    tn_queue *queue;
    tn_plan *plan;
    tn_buffer *buffer[OPERANDS];
    tn_bind bind[OPERANDS];
    uint32_t count;
    char kernel[96];
    bool failed;
} job;

static void run(void *self)
{
    job *j = self;
    if (tn_queue_run(j->queue, j->plan, j->bind, j->count, NULL, NULL) != TN_OK ||
        tn_queue_wait_idle(j->queue, UINT64_MAX) != TN_OK)
        j->failed = true;
}

static void shut(job *j)
{
    for (uint32_t i = 0; i < j->count; ++i)
        tn_buffer_release(j->buffer[i]);
    tn_plan_release(j->plan);
    tn_queue_release(j->queue);
    memset(j, 0, sizeof *j);
}

static uint64_t elements(const tn_tensor *t)
{
    uint64_t last = 0;
    for (int d = 0; d < t->rank; ++d) {
        if (t->dim[d] == 0)
            return 0;
        last += (uint64_t)(t->dim[d] - 1) * (uint64_t)t->stride[d];
    }
    return last + 1;
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What an operand of whole numbers may hold: indices stay below what they point into. */
static int64_t below(const tn_op *op, uint32_t role)
{
    const tn_tensor *a = &op->args[0].tensor;
    if (role == TN_ARG_INDEX && op->kind == TN_OP_GATHER) {
        int32_t axis = ((const tn_axis *)op->attr)->axis;
        return a->dim[axis < 0 ? axis + a->rank : axis];
    }
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        const tn_tensor *t = &op->args[i].tensor;
        if (role == TN_ARG_LENGTHS && op->args[i].role == TN_ARG_K && t->rank >= 2)
            return -t->dim[t->rank - 2]; /* every sequence is whole */
        if (role == TN_ARG_PAGES && op->args[i].role == TN_ARG_K)
            return t->dim[0];
    }
    return role == TN_ARG_INDEX ? 1024 : role >= TN_ARG_ZERO_OF ? 1 : 128;
}

/* Any numbers, under scales near a sixteenth. */
static void fill_blocks(const tn_tensor *t, unsigned char *to, uint32_t *state)
{
    uint64_t bytes = tool_tensor_bytes(t), block = tool_block_bytes(t->layout);
    for (uint64_t i = 0; i < bytes; ++i)
        to[i] = (unsigned char)next(state);
    for (uint64_t i = 0; i < bytes; i += block) {
        to[i] = 123;
        to[i + 1] = t->layout == TN_LAYOUT_MXFP4 ? to[i + 1] : 0x2c;
    }
}

/* Numbers within 2 of zero that every kind of op can bear; scales are positive. */
static void fill(const tn_op *op, uint32_t at, void *to, uint32_t seed)
{
    const tn_tensor *t = &op->args[at].tensor;
    uint64_t n = elements(t);
    uint32_t role = op->args[at].role, state = seed + at;
    int64_t most = below(op, role);
    most = most == 0 ? 1 : most;
    bool scale = role >= TN_ARG_SCALE_OF && role < TN_ARG_ZERO_OF;
    if (tool_block_bytes(t->layout) != 0) {
        fill_blocks(t, to, &state);
        return;
    }
    for (uint64_t i = 0; i < n; ++i) {
        uint32_t r = next(&state);
        double x = scale ? 0.0078125 + (double)r * 0x1p-31 : (double)r * 0x1p-23 - 1.0;
        int64_t whole = most < 0 ? -most : (int64_t)(r % (uint64_t)most);
        switch (t->dtype) {
        case TN_F64:
            ((double *)to)[i] = x;
            break;
        case TN_F32:
        case TN_TF32:
            ((float *)to)[i] = (float)x;
            break;
        case TN_F16: /* sign and a number of 1 to 2, whatever the exponent's width */
        case TN_BF16:
            ((uint16_t *)to)[i] =
                (uint16_t)((t->dtype == TN_BF16 ? 0x3f80u : 0x3c00u) | (r & 0x807fu));
            break;
        case TN_F8E4M3:
            ((uint8_t *)to)[i] = (uint8_t)(0x38u | (r & 0x87u));
            break;
        case TN_F8E5M2:
            ((uint8_t *)to)[i] = (uint8_t)(0x3cu | (r & 0x83u));
            break;
        case TN_E8M0:
            ((uint8_t *)to)[i] = (uint8_t)(120u + r % 8u);
            break;
        case TN_S64:
            ((int64_t *)to)[i] = whole;
            break;
        case TN_S32:
            ((int32_t *)to)[i] = (int32_t)whole;
            break;
        case TN_S8:
        case TN_U8:
            ((uint8_t *)to)[i] = (uint8_t)whole;
            break;
        case TN_BOOL:
            ((uint8_t *)to)[i] = (uint8_t)(r & 1u);
            break;
        default: /* two elements a byte */
            if (i % 2 == 0)
                ((uint8_t *)to)[i / 2] = (uint8_t)r;
        }
    }
}

static tn_status put(tn_device *device, tn_queue *queue, const tn_tensor *t, void *from,
                     tn_buffer **out)
{
    uint64_t bytes = tool_tensor_bytes(t);
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes == 0 ? 1 : bytes};
    if (tool_share(device, from, desc.bytes, out))
        return TN_OK;
    tn_status st = tn_buffer_create(device, &desc, out);
    if (st == TN_OK && bytes != 0)
        st = tn_queue_write(queue, *out, 0, from, bytes, NULL);
    return st == TN_OK ? tn_queue_wait_idle(queue, UINT64_MAX) : st;
}

/* Puts the packed form of an operand in the place of the plain one. */
static tn_status pack(tn_device *device, job *j, uint32_t at, const tn_tensor *t)
{
    uint64_t layout = 0, bytes = 0;
    tn_buffer *to = NULL;
    tn_tensor from = *t;
    from.buffer = j->buffer[at];
    tn_status st = tn_plan_layout(j->plan, (tn_role)j->bind[at].role, &layout, &bytes);
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    if (st == TN_OK)
        st = tn_buffer_create(device, &desc, &to);
    if (st == TN_OK)
        st = tn_queue_pack(j->queue, j->plan, (tn_role)j->bind[at].role, &from, to, 0, NULL);
    if (st == TN_OK)
        st = tn_queue_wait_idle(j->queue, UINT64_MAX);
    if (st != TN_OK) {
        tn_buffer_release(to);
        return st;
    }
    tn_buffer_release(j->buffer[at]);
    j->buffer[at] = j->bind[at].buffer = to;
    return TN_OK;
}

static tn_status open_job(tn_device *device, const tn_op *op, tn_class cls, bool packed,
                          void *const *data, job *j)
{
    tn_arg args[OPERANDS];
    tn_op mine = *op;
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
    uint32_t weights = OPERANDS;
    memcpy(args, op->args, op->arg_count * sizeof args[0]);
    mine.args = args;
    mine.numerics.cls = cls;
    if (cls != TN_CLASS_FAST)
        mine.numerics.allow = 0;
    for (uint32_t i = 0; i < op->arg_count && packed; ++i)
        if (args[i].role == TN_ARG_B) {
            args[i].flags |= TN_ARG_PACKED;
            weights = i;
        }
    tn_status st = tn_queue_create(device, &qd, &j->queue);
    if (st == TN_OK)
        st = tn_plan_create(device, &mine, NULL, &j->plan);
    if (st == TN_OK)
        st = tn_plan_get_info(j->plan, &info);
    for (uint32_t i = 0; i < op->arg_count && st == TN_OK; ++i) {
        j->bind[i].role = args[i].role;
        ++j->count;
        st = put(device, j->queue, &args[i].tensor, data[i], &j->buffer[i]);
        j->bind[i].buffer = j->buffer[i];
    }
    if (st == TN_OK && weights < OPERANDS)
        st = pack(device, j, weights, &args[weights].tensor);
    snprintf(j->kernel, sizeof j->kernel, "%s", info.kernel);
    return st;
}

/* Whether a peer's f32 output is the same op's: rounding differs, a thousandth of the largest
 * number does not come from it. */
static bool alike(const float *x, const float *y, uint64_t count)
{
    double worst = 0.0, largest = 0.0;
    for (uint64_t i = 0; i < count; ++i) {
        double e = fabs((double)x[i] - (double)y[i]), m = fabs((double)y[i]);
        if (isnan(e))
            return false;
        worst = e > worst ? e : worst;
        largest = m > largest ? m : largest;
    }
    return worst <= largest * 0x1p-10;
}

/* The operations that are told: of attention the two products, half of them in a causal square. */
static double told(const tn_op *op, uint64_t flops)
{
    const tn_attention *t = op->attr;
    const tn_tensor *q = NULL, *k = NULL, *out = NULL;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        const tn_tensor *one = &op->args[i].tensor;
        q = op->args[i].role == TN_ARG_Q ? one : q;
        k = op->args[i].role == TN_ARG_K ? one : k;
        out = op->args[i].role == TN_ARG_OUT ? one : out;
    }
    if (op->kind != TN_OP_ATTENTION || (t != NULL && t->pass != TN_PASS_FORWARD) || q == NULL ||
        k == NULL || out == NULL || q->rank < 3 || k->rank != q->rank)
        return (double)flops;
    int r = q->rank;
    double n = 2.0 * (double)(q->dim[r - 1] + out->dim[r - 1]) * (double)k->dim[r - 2];
    for (int d = 0; d < r - 1; ++d)
        n *= (double)q->dim[d];
    bool causal =
        t != NULL && (t->flags & (TN_ATTENTION_CAUSAL | TN_ATTENTION_CAUSAL_FROM_END)) != 0;
    return causal && q->dim[r - 2] > 1 ? n * 0.5 : n;
}

typedef struct bench {
    const tool_setup *with;
    tn_op *op;
    void *data[OPERANDS];
    uint32_t out; /* its place among the operands */
    float *want;
    job mine[WAYS];
    const tn_peer *peer[TOOL_PEERS];
    void *state[TOOL_PEERS];
    tool_contestant c[MOST];
    uint32_t own, count;
} bench;

static void add_ours(bench *b, const char *text)
{
    bool weights = b->op->kind == TN_OP_MATMUL || b->op->kind == TN_OP_CONV;
    for (uint32_t v = 0; v < (weights ? WAYS : 2u); ++v) {
        tn_class cls = v & 1u ? TN_CLASS_CANONICAL : TN_CLASS_FAST;
        job *j = &b->mine[b->own];
        if (open_job(b->with->device, b->op, cls, v >= 2, b->data, j) != TN_OK) {
            if (v < 2)
                tool_error(text);
            shut(j);
            continue;
        }
        tool_contestant *one = &b->c[b->own++];
        one->run = run;
        one->self = j;
        one->packed = v >= 2;
        snprintf(one->cls, sizeof one->cls, "%s%s", tool_class_name(cls),
                 cls == TN_CLASS_FAST && b->op->numerics.allow != 0 ? "+allow" : "");
        snprintf(one->impl, sizeof one->impl, "tenon");
        memcpy(one->kernel, j->kernel, sizeof one->kernel);
    }
    b->count = b->own;
}

static void add_peers(bench *b, const char *text)
{
    const tn_peer *all[TOOL_PEERS];
    const tn_tensor *t = &b->op->args[b->out].tensor;
    uint32_t n = strcmp(b->with->vs, "none") == 0 ? 0 : tool_peers(all, TOOL_PEERS);
    float *to = b->data[b->out];
    for (uint32_t i = 0; i < n; ++i) {
        if (!tool_peer_wanted(b->with->vs, all[i]->name))
            continue;
        all[i]->threads((int)b->with->threads);
        void *state = tool_peer_prepare(all[i], b->op, b->data);
        if (state == NULL)
            continue;
        memset(to, 0, tool_tensor_bytes(t));
        all[i]->run(state);
        if (b->want != NULL && !alike(to, b->want, elements(t)))
            fprintf(stderr, "tenon bench: %s on %s has ANOTHER RESULT\n", all[i]->name, text);
        tool_contestant *one = &b->c[b->count];
        b->peer[b->count - b->own] = all[i];
        b->state[b->count++ - b->own] = state;
        one->run = all[i]->run;
        one->self = state;
        one->packed = all[i]->packed != 0;
        snprintf(one->cls, sizeof one->cls, "fast");
        snprintf(one->impl, sizeof one->impl, "%s %.70s", all[i]->name, all[i]->version());
    }
}

static bool is_output(uint32_t role)
{
    return role == TN_ARG_OUT || role == TN_ARG_OUT_GRAD_A || role == TN_ARG_OUT_GRAD_B ||
           role == TN_ARG_OUT_GRAD_V;
}

static bool prepare(bench *b, const char *text)
{
    b->out = OPERANDS;
    for (uint32_t i = 0; i < b->op->arg_count; ++i) {
        uint64_t bytes = tool_tensor_bytes(&b->op->args[i].tensor);
        b->data[i] = tool_memory(bytes);
        if (b->data[i] == NULL) {
            fprintf(stderr, "tenon bench: not enough memory for %s\n", text);
            return false;
        }
        bool output = is_output(b->op->args[i].role);
        if (output && b->out == OPERANDS)
            b->out = i;
        if (!output)
            fill(b->op, i, b->data[i], 1);
    }
    add_ours(b, text);
    if (b->own == 0 || b->out == OPERANDS)
        return false;
    const tn_tensor *t = &b->op->args[b->out].tensor;
    if (t->dtype == TN_F32) {
        job *j = b->c[0].self;
        uint64_t bytes = tool_tensor_bytes(t);
        b->want = malloc(bytes + 1);
        run(j);
        if (b->want == NULL ||
            (bytes != 0 &&
             tn_queue_read(j->queue, b->want, j->buffer[b->out], 0, bytes, NULL) != TN_OK) ||
            tn_queue_wait_idle(j->queue, UINT64_MAX) != TN_OK) {
            tool_error(text);
            return false;
        }
    }
    add_peers(b, text);
    return true;
}

int tool_bench_op(const tool_setup *with, const char *text)
{
    bench *b = calloc(1, sizeof *b);
    uint64_t flops = 0, bytes = 0;
    int rc = 1;
    if (b == NULL)
        return 1;
    b->with = with;
    if (tn_op_parse(with->runtime, text, &b->op) != TN_OK ||
        tn_op_cost(b->op, &flops, &bytes) != TN_OK) {
        tool_error(text);
        rc = 2;
        goto done;
    }
    if (!prepare(b, text) || !tool_interleave(b->c, b->count, with->rounds))
        goto done;
    for (uint32_t i = 0; i < b->own; ++i)
        if (((job *)b->c[i].self)->failed) {
            rc = tool_error(text);
            goto done;
        }
    tool_problem p = {.text = text,
                      .dtype = tn_dtype_name((tn_dtype)b->op->args[0].tensor.dtype),
                      .flops = told(b->op, flops),
                      .bytes = (double)bytes,
                      .written = (double)tool_tensor_bytes(&b->op->args[b->out].tensor)};
    tool_report(with, &p, b->c, b->own, b->count);
    rc = 0;
done:
    for (uint32_t i = 0; i + b->own < b->count; ++i)
        b->peer[i]->finish(b->state[i]);
    for (uint32_t i = 0; i < MOST; ++i)
        free(b->c[i].sample_s);
    for (uint32_t i = 0; i < WAYS; ++i)
        shut(&b->mine[i]);
    for (uint32_t i = 0; i < OPERANDS; ++i)
        free(b->data[i]);
    free(b->want);
    tn_op_free(with->runtime, b->op);
    free(b);
    return rc;
}
