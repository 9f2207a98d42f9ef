/* SPDX-License-Identifier: Apache-2.0 */
/* An op by its text form with seeded operands, computed on one device and compared with another. */
#ifndef TN_TESTS_SUPPORT_OP_PROBLEM_H
#define TN_TESTS_SUPPORT_OP_PROBLEM_H

#include "run_op.h"
#include "test.h"
#include <hal/op.h>

enum { OPERANDS = 16 };

/* Whether work for the idle queue of TN_QUEUE_INLINE is done when its submission returns. */
static inline bool inline_work_is_done(const tn_test_device *d)
{
    tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc), .flags = TN_QUEUE_INLINE};
    tn_buffer_desc room = {.head = TN_INIT(tn_buffer_desc), .bytes = 4096};
    tn_queue *q = NULL;
    tn_buffer *b = NULL;
    tn_fence *f = NULL;
    uint8_t out[4096] = {0};
    bool ok = tn_queue_create(d->device, &desc, &q) == TN_OK &&
              tn_buffer_create(d->device, &room, &b) == TN_OK &&
              tn_fence_create(d->runtime, 0, &f) == TN_OK;
    for (uint64_t i = 1; ok && i <= 20; ++i) {
        uint64_t value = 0;
        tn_point done = {f, i};
        tn_sync sync = {.signal = &done, .signal_count = 1};
        ok = tn_queue_fill(q, b, 0, sizeof out, (uint32_t)i, 1, &sync) == TN_OK &&
             tn_fence_query(f, &value) == TN_OK && value == i &&
             tn_queue_read(q, out, b, 0, sizeof out, NULL) == TN_OK &&
             tn_queue_wait_idle(q, UINT64_MAX) == TN_OK && out[0] == i && out[4095] == i;
    }
    tn_fence_release(f);
    tn_buffer_release(b);
    tn_queue_release(q);
    return ok;
}

typedef struct problem {
    tn_op *op;
    void *host[OPERANDS];
    uint64_t bytes[OPERANDS];
} problem;

/* Finite floats, or any bits where they are only moved; flags and positions in their range. */
static inline void fill(const tn_op *op, const tn_arg *a, void *host, uint64_t bytes,
                        uint64_t *state)
{
    bool exact = op->numerics.cls == TN_CLASS_EXACT && op->kind != TN_OP_TOPK;
    for (uint64_t i = 0; i < bytes; ++i)
        ((uint8_t *)host)[i] = (uint8_t)(a->tensor.dtype == TN_BOOL ? tn_test_random(state) & 1u
                                                                    : tn_test_random(state));
    if (a->tensor.dtype == TN_F32 && !exact)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((float *)host)[i] = (float)((int64_t)(tn_test_random(state) >> 48) - 32768) * 0x1p-12f;
    for (uint64_t i = 0; a->role == TN_ARG_STATS && i < bytes / 4; ++i)
        ((float *)host)[i] = i % 2 == 0 ? 120.0f : 4096.0f; /* above every score here */
    if (a->role == TN_ARG_FREQ)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((float *)host)[i] = 1.0f / (1.0f + (float)i);
    if (a->role == TN_ARG_INDEX)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((uint32_t *)host)[i] = (uint32_t)tn_test_random(state) % 4096u;
    if (a->role == TN_ARG_LENGTHS)
        for (uint64_t i = 0; i < bytes / 4; ++i)
            ((int32_t *)host)[i] = (int32_t)(tn_test_random(state) % 200u) - 10;
    for (uint64_t i = 0; a->tensor.dtype == TN_F8E5M2 && i < bytes; ++i)
        ((uint8_t *)host)[i] &= 0xbfu;
    if (a->tensor.dtype == TN_BF16 && !exact) /* no NaN, which has many bits */
        for (uint64_t i = 0; i < bytes / 2; ++i)
            ((uint16_t *)host)[i] &= 0xbfffu;
}

static inline void make(tn_test_device *d, const char *text, problem *p, uint64_t seed)
{
    uint64_t state = seed;
    tn_error e;
    memset(p, 0, sizeof *p);
    tn_status st = tn_op_parse(d->runtime, text, &p->op);
    tn_error_last(&e);
    TN_REQUIRE(st == TN_OK && p->op->arg_count <= OPERANDS, "%s: %s", text, e.text);
    for (uint32_t i = 0; i < p->op->arg_count; ++i) {
        const tn_arg *a = &p->op->args[i];
        TN_REQUIRE(tn__tensor_extent(&a->tensor, &p->bytes[i]), "%s", text);
        p->host[i] = malloc(p->bytes[i] + 8);
        TN_REQUIRE(p->host[i] != NULL, "memory");
        fill(p->op, a, p->host[i], p->bytes[i], &state);
    }
}

static inline void drop(tn_test_device *d, problem *p)
{
    for (uint32_t i = 0; i < p->op->arg_count; ++i)
        free(p->host[i]);
    tn_op_free(d->runtime, p->op);
}

/* Computes on `d` and compares what is there with `want`, or keeps it there. */
static inline void compute(tn_test_device *d, const char *uri, const char *text, problem *p,
                           void *const *want)
{
    tn_error e = {0};
    for (uint32_t i = 0; i < p->op->arg_count; ++i)
        if (tn__role_is_output(p->op, p->op->args[i].role))
            memset(p->host[i], 0x7e, p->bytes[i]);
    bool ok = tn_test_compute(d, p->op, p->host, p->bytes);
    if (!ok)
        tn_error_last(&e);
    TN_EXPECT(ok, "%s on %s: %s", text, uri, e.text ? e.text : "");
    for (uint32_t i = 0; ok && want != NULL && i < p->op->arg_count; ++i)
        TN_EXPECT(memcmp(want[i], p->host[i], p->bytes[i]) == 0, "%s on %s: role %u differs", text,
                  uri, p->op->args[i].role);
}

/* Not ./test without --full. */
static inline bool whole_lists(void)
{
    const char *full = getenv("TENON_TEST_FULL");
    return full == NULL || strcmp(full, "0") != 0;
}

/* ./test without --full takes one case in `of`, others each day. */
static inline bool drawn(uint64_t seed, size_t at, uint64_t of)
{
    uint64_t state = seed + at * 0x9e3779b97f4a7c15u;
    return whole_lists() || tn_test_random(&state) % of == 0;
}

#endif
