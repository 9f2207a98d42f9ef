/* SPDX-License-Identifier: Apache-2.0 */
/* Allocators of the host application with odd manners: no better aligned than asked for, watched
 * on both sides, failing now and then; every byte comes back, whoever frees it. */
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <tenon/tenon.h>

enum { EDGE = 64, EDGE_BYTE = 0xc3, LARGEST_ALIGN = 1 << 20 };

typedef struct odd {
    _Atomic int64_t live_bytes, live_blocks;
    _Atomic uint64_t calls, refused, bad; /* bad: a contract that the library broke */
    _Atomic uint64_t random;
    uint32_t refuse_one_in; /* 0: none */
} odd;

typedef struct head { /* before the first edge */
    void *base;
    size_t bytes, align;
    uint64_t alive;
} head;
enum { ALIVE = 0x600d };

static uint64_t next(odd *o)
{
    uint64_t z = atomic_fetch_add(&o->random, 0x9e3779b97f4a7c15u);
    return tn_test_random(&z);
}

/* At a multiple of align and of nothing larger. */
static void *take(void *self, size_t bytes, size_t align)
{
    odd *o = self;
    atomic_fetch_add(&o->calls, 1u);
    if (bytes == 0 || align == 0 || (align & (align - 1)) != 0 || align > LARGEST_ALIGN)
        atomic_fetch_add(&o->bad, 1u);
    if (o->refuse_one_in != 0 && next(o) % o->refuse_one_in == 0) {
        atomic_fetch_add(&o->refused, 1u);
        return NULL;
    }
    size_t room = sizeof(head) + EDGE;
    unsigned char *base = malloc(room + bytes + EDGE + 3 * align);
    if (base == NULL)
        return NULL;
    uintptr_t at = ((uintptr_t)base + room + 2 * align - 1) & ~(uintptr_t)(2 * align - 1);
    unsigned char *p = base + (at - (uintptr_t)base) + align;
    head *h = (head *)(void *)(base + ((size_t)(p - base) - room) / 16 * 16);
    memset(p - EDGE, EDGE_BYTE, EDGE);
    memset(p, 0x5a, bytes);
    memset(p + bytes, EDGE_BYTE, EDGE);
    *h = (head){.base = base, .bytes = bytes, .align = align, .alive = ALIVE};
    atomic_fetch_add(&o->live_bytes, (int64_t)bytes);
    atomic_fetch_add(&o->live_blocks, 1);
    return p;
}

static bool whole(const unsigned char *edge)
{
    for (int i = 0; i < EDGE; ++i)
        if (edge[i] != EDGE_BYTE)
            return false;
    return true;
}

static void give(void *self, void *block, size_t bytes)
{
    odd *o = self;
    unsigned char *p = block;
    if (p == NULL) {
        atomic_fetch_add(&o->bad, 1u);
        return;
    }
    /* The head lies where take() put it: it depends on base modulo 16 only, which malloc fixes. */
    head *h = (head *)((uintptr_t)(p - sizeof(head) - EDGE) & ~(uintptr_t)15);
    if (h->alive != ALIVE || h->bytes != bytes || !whole(p - EDGE) || !whole(p + bytes))
        atomic_fetch_add(&o->bad, 1u);
    void *base = h->base;
    h->alive = 0;
    memset(p, 0xdd, bytes);
    free(base);
    atomic_fetch_sub(&o->live_blocks, 1);
    atomic_fetch_sub(&o->live_bytes, (int64_t)bytes);
}

static const char *const texts[] = {"matmul 33x65x17:f32:bias", "softmax 9x33:f32:axis=1",
                                    "eltwise exp 77:f32",       "norm layer 5x24:f32:eps=0.00001",
                                    "gather 12x8:f32:axis=0",   "copy 3x5:f32",
                                    "attention b1h2q9k9d16:f32"};

static bool good(tn_status *st, tn_status now)
{
    if (*st == TN_OK)
        *st = now;
    return *st == TN_OK;
}

/* A whole life of a runtime; whatever fails, the rest is released. */
static tn_status life(odd *o, const char *uri)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = {.self = o, .alloc = take, .free = give},
                            .threads = 2};
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    tn_queue *q = NULL;
    tn_fence *f = NULL;
    tn_buffer *b = NULL;
    tn_status st = tn_runtime_create(&desc, &rt);
    tn_buffer_desc bd = {.head = TN_INIT(tn_buffer_desc), .bytes = 1 << 16};
    if (good(&st, st))
        (void)good(&st, tn_device_open(rt, uri, &d));
    if (good(&st, st))
        (void)good(&st, tn_queue_create(d, NULL, &q));
    if (good(&st, st))
        (void)good(&st, tn_fence_create(rt, 0, &f));
    if (good(&st, st))
        (void)good(&st, tn_buffer_create(d, &bd, &b));
    if (good(&st, st))
        (void)good(&st, tn_queue_fill(q, b, 0, bd.bytes, 0, 4, NULL));
    for (size_t i = 0; st == TN_OK && i < sizeof texts / sizeof texts[0]; ++i) {
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        tn_bind bind[8];
        if (good(&st, tn_op_parse(rt, texts[i], &op)) &&
            good(&st, tn_plan_create(d, op, NULL, &plan))) {
            for (uint32_t a = 0; a < op->arg_count; ++a)
                bind[a] =
                    (tn_bind){.role = op->args[a].role, .buffer = b, .offset_bytes = a * 8192};
            tn_point point = {f, i + 1};
            tn_sync sync = {.signal = &point, .signal_count = 1};
            (void)good(&st, tn_queue_run(q, plan, bind, op->arg_count, NULL, &sync));
        }
        tn_plan_release(plan);
        tn_op_free(rt, op);
    }
    if (q != NULL)
        (void)good(&st, tn_queue_wait_idle(q, UINT64_MAX));
    tn_buffer_release(b);
    tn_fence_release(f);
    tn_queue_release(q);
    tn_device_release(d);
    tn_runtime_release(rt);
    return st;
}

static void settled(const odd *o, const char *uri)
{
    TN_EXPECT(atomic_load(&o->bad) == 0, "%s: the allocator was misused", uri);
    TN_EXPECT(atomic_load(&o->live_blocks) == 0 && atomic_load(&o->live_bytes) == 0,
              "%s: %lld bytes in %lld blocks are left", uri, (long long)atomic_load(&o->live_bytes),
              (long long)atomic_load(&o->live_blocks));
}

TN_TEST(alloc_odd, no_better_aligned_than_asked)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        odd o = {0};
        tn_status st = life(&o, *uri);
        tn_error e;
        tn_error_last(&e);
        TN_EXPECT(st == TN_OK, "%s: %s %s", *uri, e.reason, e.text);
        TN_EXPECT(atomic_load(&o.calls) >= 20, "%s: only %llu allocations", *uri,
                  (unsigned long long)atomic_load(&o.calls));
        settled(&o, *uri);
    }
}

typedef struct visitor {
    const char *uri;
    odd *o;
    uint32_t ended_well, failed, wrong;
    uint32_t rounds;
} visitor;

static void *visit(void *arg)
{
    visitor *v = arg;
    for (uint32_t i = 0; i < v->rounds; ++i) {
        tn_status st = life(v->o, v->uri);
        v->ended_well += st == TN_OK;
        v->failed += st == TN_STATUS_NO_MEMORY;
        v->wrong += st != TN_OK && st != TN_STATUS_NO_MEMORY;
    }
    return NULL;
}

/* One allocator, several runtimes at a time; some lives end well, some do not. */
TN_TEST(alloc_odd, fails_now_and_then)
{
    enum { VISITORS = 2, ROUNDS = 40 };
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        odd o = {.random = tn_test_seed(), .refuse_one_in = 60};
        visitor v[VISITORS];
        pthread_t thread[VISITORS];
        uint32_t well = 0, failed = 0, wrong = 0;
        for (int i = 0; i < VISITORS; ++i) {
            v[i] = (visitor){.uri = *uri, .o = &o, .rounds = ROUNDS};
            TN_REQUIRE(pthread_create(&thread[i], NULL, visit, &v[i]) == 0);
        }
        for (int i = 0; i < VISITORS; ++i) {
            pthread_join(thread[i], NULL);
            well += v[i].ended_well;
            failed += v[i].failed;
            wrong += v[i].wrong;
        }
        TN_EXPECT(wrong == 0, "%s: %u lives ended with another status", *uri, wrong);
        TN_EXPECT(failed != 0, "%s: %u lives, none failed", *uri, well);
        TN_EXPECT(atomic_load(&o.refused) >= failed);
        settled(&o, *uri);
    }
}
