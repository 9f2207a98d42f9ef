/* SPDX-License-Identifier: Apache-2.0 */
/* Defects of earlier launches, of places in memory, of queues and of plans beside; and a device
 * that only does what it declares. */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#include <math.h>

/* ---- places in memory, earlier launches ---- */

enum {
    KEEP_RESULT = 1,
    KEEP_BY_FIRST,
    KEEP_SECOND,
    KEEP_BY_PLACE,
    LAUNCH_17,
    LAUNCH_50,
    LAUNCH_0,
    OFFSET_LINE,
    OFFSET_FAR,
    OFFSET_SHARED,
    OFFSET_TAIL,
    IN_PLACE,
    PLANS_ALIVE,
    OTHER_QUEUE
};

static bool any_output(mutant_op *o, int which)
{
    int i = tn__mutant_index(o, TN_ARG_OUT);
    (void)which;
    return i >= 0 && tn__mutant_is_output(o, TN_ARG_OUT) &&
           tn_dtype_bits((tn_dtype)o->args[i].tensor.dtype) >= 8;
}

static int second_input(const mutant_op *o)
{
    static const uint32_t roles[] = {TN_ARG_B, TN_ARG_K, TN_ARG_GAMMA, TN_ARG_INDEX};
    for (int k = 0; k < 4; ++k)
        if (tn__mutant_index(o, roles[k]) >= 0)
            return tn__mutant_index(o, roles[k]);
    return -1;
}

static bool two_inputs(mutant_op *o, int which)
{
    (void)which;
    return second_input(o) >= 0;
}

static uint64_t bytes_of(const mutant_op *o, int i)
{
    const tn_tensor *t = &o->args[i].tensor;
    return (uint64_t)tn__mutant_span(t) * (tn_dtype_bits((tn_dtype)t->dtype) / 8);
}

static uint64_t digest(const unsigned char *p, uint64_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint64_t i = 0; i < n; ++i)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Old bytes of operand i come from the plan's memory; the first time they go there. */
static bool recall(mutant_run *r, int i, bool known)
{
    mutant_memo *m = r->memo;
    uint64_t n = bytes_of(&r->plan->right, i);
    if (m->bytes == NULL) {
        m->bytes = tn__mutant_take(r->host, n > 0 ? n : 1);
        m->size = n > 0 ? n : 1;
        known = false;
    }
    if (m->bytes == NULL)
        return false;
    if (!known)
        memcpy(m->bytes, r->data[i], n);
    return known;
}

static void put_back(mutant_run *r, int i)
{
    const tn_tensor *t = &r->plan->right.args[i].tensor;
    uint64_t elem = tn_dtype_bits((tn_dtype)t->dtype) / 8;
    for (int64_t n = 0; n < tn__mutant_count_of(t); ++n) {
        uint64_t at = (uint64_t)tn__mutant_offset(t, n) * elem;
        memcpy(r->data[i] + at, r->memo->bytes + at, elem);
    }
}

static void after_launch(mutant_run *r, int which)
{
    const mutant_op *o = &r->plan->right;
    int out = tn__mutant_index(o, TN_ARG_OUT), in = out == 0 ? 1 : 0;
    mutant_memo *m = r->memo;
    uint64_t key = 0;
    bool known;
    switch (which) {
    case KEEP_RESULT:
        if (recall(r, out, m->runs > 0))
            put_back(r, out);
        break;
    case KEEP_BY_FIRST:
    case KEEP_BY_PLACE:
        key = which == KEEP_BY_FIRST
                  ? digest(r->data[in], bytes_of(o, in))
                  : (uint64_t)(uintptr_t)r->data[in] ^ (uint64_t)(uintptr_t)r->data[out] << 1;
        known = m->runs > 0 && key == m->key;
        m->key = key;
        if (recall(r, out, known))
            put_back(r, out);
        break;
    case LAUNCH_17:
        if (m->runs == 16)
            tn__mutant_spoil_last(r, 0);
        break;
    case LAUNCH_50:
        if (r->launch % 50 == 49)
            tn__mutant_spoil_last(r, 0);
        break;
    case LAUNCH_0:
        if (m->runs == 0)
            tn__mutant_spoil_last(r, 0);
        break;
    case OFFSET_TAIL:
        if (r->offset[in] % 64 != 0)
            tn__mutant_spoil_last(r, 0);
        break;
    case IN_PLACE:
        for (uint32_t i = 0; i < o->op.arg_count; ++i)
            if ((int)i != out && r->data[i] == r->data[out]) {
                tn__mutant_spoil_last(r, 0);
                break;
            }
        break;
    case PLANS_ALIVE:
        if (r->plan->device->plans > 1)
            tn__mutant_spoil_last(r, 0);
        break;
    case OTHER_QUEUE:
        if (r->other_queue)
            tn__mutant_spoil_last(r, 0);
        break;
    default:
        break;
    }
    m->runs++;
}

static void before_launch(mutant_run *r, int which)
{
    const mutant_op *o = &r->plan->right;
    int b = second_input(o);
    if (which == KEEP_SECOND) {
        uint64_t n = bytes_of(o, b);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = n > 0 ? n : 1};
        tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
        if (!recall(r, b, r->memo->runs > 0))
            return;
        if (tn_buffer_create(r->plan->device->child, &desc, &r->scratch[b]) != TN_OK ||
            tn_buffer_get_info(r->scratch[b], &info) != TN_OK)
            return;
        memcpy((void *)(uintptr_t)info.address, r->memo->bytes, n);
        return;
    }
    if (which == OFFSET_LINE) {
        r->offset[b] &= ~63ull;
    } else if (which == OFFSET_FAR) {
        r->offset[b] &= (1ull << 26) - 1;
    } else if (which == OFFSET_SHARED && r->buffer[b] == r->buffer[b == 0 ? 1 : 0] &&
               bytes_of(o, b) <= (uint64_t)r->room[b == 0 ? 1 : 0]) {
        r->offset[b] = r->offset[b == 0 ? 1 : 0];
    }
}

/* ---- what is no defect ---- */

static bool computes(mutant_op *o, int which)
{
    switch ((int)o->op.kind) {
    case TN_OP_COPY:
    case TN_OP_CONCAT:
    case TN_OP_PAD:
    case TN_OP_GATHER:
    case TN_OP_TOPK:
        return false;
    case TN_OP_RESIZE:
        return o->attr.window.kind != TN_RESIZE_NEAREST && any_output(o, which);
    default:
        return true;
    }
}

static bool tiny(uint32_t dtype, double v)
{
    return (dtype == TN_F32 || dtype == TN_BF16) && v != 0 && fabs(v) < 0x1p-126;
}

static void flush_inputs(mutant_run *r, int which)
{
    const mutant_op *o = &r->plan->right;
    (void)which;
    for (uint32_t i = 0; i < o->op.arg_count; ++i) {
        const tn_tensor *t = &o->args[i].tensor;
        uint64_t n = bytes_of(o, (int)i);
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = n};
        tn_buffer_info info = {.head = TN_INIT(tn_buffer_info)};
        if (tn__mutant_is_output(&r->plan->right, o->args[i].role) || t->layout != 0 || n == 0 ||
            (o->args[i].flags & TN_ARG_PACKED) != 0 ||
            (t->dtype != TN_F32 && t->dtype != TN_BF16) ||
            tn_buffer_create(r->plan->device->child, &desc, &r->scratch[i]) != TN_OK ||
            tn_buffer_get_info(r->scratch[i], &info) != TN_OK)
            continue;
        unsigned char *to = (unsigned char *)(uintptr_t)info.address, *from = r->data[i];
        memcpy(to, from, n);
        for (int64_t k = 0; k < tn__mutant_span(t); ++k) {
            double v = tn__mutant_load(r, o->args[i].role, k);
            r->data[i] = to;
            if (tiny(t->dtype, v))
                tn__mutant_store(r, o->args[i].role, k, copysign(0.0, v));
            r->data[i] = from;
        }
    }
}

static void flush_outputs(mutant_run *r, int which)
{
    const mutant_op *o = &r->plan->right;
    (void)which;
    for (uint32_t i = 0; i < o->op.arg_count; ++i) {
        const tn_tensor *t = &o->args[i].tensor;
        for (int64_t n = 0;
             tn__mutant_is_output(o, o->args[i].role) &&
             (t->dtype == TN_F32 || t->dtype == TN_BF16) && n < tn__mutant_count_of(t);
             ++n) {
            int64_t at = tn__mutant_offset(t, n);
            double v = tn__mutant_load(r, o->args[i].role, at);
            if (tiny(t->dtype, v))
                tn__mutant_store(r, o->args[i].role, at, copysign(0.0, v));
        }
    }
}

#define AFTER  .family = "launches", .bend = any_output, .after = after_launch
#define BEFORE .family = "launches", .bend = two_inputs, .before = before_launch
const mutant_defect tn__mutant_launches[] = {
    {.id = "U01", .text = "the first result of a plan is kept", AFTER, .param = KEEP_RESULT},
    {.id = "U02", .text = "results are kept by the first operand", AFTER, .param = KEEP_BY_FIRST},
    {.id = "U03",
     .text = "the second operand of the first launch is kept",
     BEFORE,
     .after = after_launch,
     .param = KEEP_SECOND},
    {.id = "U04", .text = "results are kept by addresses", AFTER, .param = KEEP_BY_PLACE},
    {.id = "U05", .text = "launch 17 of a plan is wrong", AFTER, .param = LAUNCH_17},
    {.id = "U06", .text = "one launch of 50 is wrong", AFTER, .param = LAUNCH_50},
    {.id = "U07", .text = "the first launch of a plan is wrong", AFTER, .param = LAUNCH_0},
    {.id = "U08", .text = "offsets are rounded down to 64", BEFORE, .param = OFFSET_LINE},
    {.id = "U09", .text = "offsets have 26 bits", BEFORE, .param = OFFSET_FAR},
    {.id = "U10", .text = "operands of one buffer are mixed up", BEFORE, .param = OFFSET_SHARED},
    {.id = "U11", .text = "operands off a cache line end wrong", AFTER, .param = OFFSET_TAIL},
    {.id = "U12", .text = "in place the last element is wrong", AFTER, .param = IN_PLACE},
    {.id = "U13", .text = "wrong while two plans are alive", AFTER, .param = PLANS_ALIVE},
    {.id = "U14", .text = "wrong on the second queue", AFTER, .param = OTHER_QUEUE},
    {.id = "L01",
     .text = "subnormals are 0, and it says so",
     .family = "legitimate",
     .bend = computes,
     .before = flush_inputs,
     .after = flush_outputs,
     .declares_flush = true,
     .equivalent = "what it declares it may do"},
    {.id = "U15", .text = "a map does not wait", .family = "launches", .hal = MUTANT_LATE_MAP},
    {.id = "U16",
     .text = "plans are found by shapes alone",
     .family = "launches",
     .hal = MUTANT_PLAN_BY_SHAPE},
    {0}};
