/* SPDX-License-Identifier: Apache-2.0 */
/* One small program of a user that touches every front function of a device, for tests that strike
 * it with faults: what it got is right or said to be wrong, whatever happens to it. */
#ifndef TN_TESTS_SUPPORT_FAULT_WORLD_H
#define TN_TESTS_SUPPORT_FAULT_WORLD_H

#include <stdatomic.h>
#include <tenon/tenon.h>
#include <time.h>

#include "failing_alloc.h"
#include "test.h"

enum { WORLD_N = 32, WORLD_BYTES = WORLD_N * WORLD_N * 4, WORLD_QUEUES = 2, WORLD_BUFFERS = 5 };
enum { WORLD_PAGE = 65536 };

typedef struct fault_world {
    failing_alloc alloc;
    tn_runtime *rt;
    tn_device *d;
    char uri[64];
    uint32_t failures;        /* API calls and waits that gave an error */
    tn_status first;          /* of these the first */
    atomic_int lost;          /* calls of on_lost */
    atomic_int calls;         /* of the host function in stream order */
    bool can_import, imports; /* what the device can, and what the program does */
    char trace[8192];         /* what failed and with which call's number */
    size_t trace_bytes;
    float in[WORLD_N * WORLD_N], expected[WORLD_N * WORLD_N], got[WORLD_N * WORLD_N];
    unsigned char *page;
} fault_world;

static inline void world_lost(void *self, tn_device *d, const tn_error *error)
{
    fault_world *w = self;
    (void)d;
    TN_EXPECT(error != NULL && error->status == TN_STATUS_DEVICE_LOST);
    atomic_fetch_add(&w->lost, 1);
}

static inline void world_call(void *self)
{
    atomic_fetch_add(&((fault_world *)self)->calls, 1);
}

static inline void world_pause(void)
{
    struct timespec t = {0, 1000000};
    nanosleep(&t, NULL);
}

static inline void world_write(fault_world *w, const char *text)
{
    size_t n = strlen(text);
    TN_REQUIRE(w->trace_bytes + n + 1 < sizeof w->trace, "the trace is full");
    memcpy(w->trace + w->trace_bytes, text, n + 1);
    w->trace_bytes += n;
}

/* Every error that comes out is one that a script brought about. */
static inline bool world_step(fault_world *w, const char *what, tn_status st)
{
    if (st == TN_OK)
        return true;
    tn_error e;
    char line[700];
    tn_error_last(&e);
    TN_EXPECT(e.status == st, "%s returned %s and recorded %s", what, tn_status_name(st),
              tn_status_name(e.status));
    TN_EXPECT(strncmp(e.reason, "inject.", 7) == 0, "%s: %s: %s", what, e.reason, e.text);
    TN_EXPECT(e.device != NULL && strcmp(e.device, w->uri) == 0, "%s: device %s", what, e.device);
    ++w->failures;
    if (w->first == TN_OK)
        w->first = st;
    snprintf(line, sizeof line, "%s: %s %s: %s\n", what, tn_status_name(st), e.reason, e.text);
    world_write(w, line);
    return false;
}

static inline void world_device(fault_world *w)
{
    TN_REQUIRE(tn_device_open(w->rt, w->uri, &w->d) == TN_OK, "%s", w->uri);
    TN_REQUIRE(tn_device_on_lost(w->d, world_lost, w) == TN_OK);
}

static inline void world_open(fault_world *w, const char *uri, uint32_t flags)
{
    memset(w, 0, sizeof *w);
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .flags = flags};
    desc.allocator = failing_allocator(&w->alloc);
    TN_REQUIRE(tn_runtime_create(&desc, &w->rt) == TN_OK);
    snprintf(w->uri, sizeof w->uri, "%s", uri);
    world_device(w);
    /* Whole numbers, small enough for every order of additions to give the same bits. */
    for (int i = 0; i < WORLD_N * WORLD_N; ++i)
        w->in[i] = (float)((i * 7 + i / 31) % 13 - 6);
    for (int m = 0; m < WORLD_N; ++m)
        for (int n = 0; n < WORLD_N; ++n) {
            float sum = 0;
            for (int k = 0; k < WORLD_N; ++k)
                sum += w->in[m * WORLD_N + k] * w->in[k * WORLD_N + n];
            w->expected[m * WORLD_N + n] = sum;
        }
    void *page = NULL;
    TN_REQUIRE(posix_memalign(&page, WORLD_PAGE, WORLD_PAGE) == 0);
    w->page = page;
    tn_external ext = {.head = TN_INIT(tn_external),
                       .kind = TN_EXTERNAL_HOST,
                       .pointer = w->page,
                       .bytes = WORLD_PAGE};
    tn_buffer *b = NULL;
    w->can_import = tn_buffer_import(w->d, &ext, &b) == TN_OK;
    tn_buffer_release(b);
}

static inline void world_close(fault_world *w)
{
    tn_device_release(w->d);
    tn_runtime_release(w->rt);
    /* The last bytes may be given back by the runtime's own thread. */
    for (int i = 0; i < 5000 && atomic_load(&w->alloc.live_bytes) != 0; ++i)
        world_pause();
    TN_EXPECT(atomic_load(&w->alloc.live_bytes) == 0 && atomic_load(&w->alloc.misuse) == 0,
              "%" PRId64 " bytes are not given back", atomic_load(&w->alloc.live_bytes));
    free(w->page);
}

static inline tn_status world_plan(fault_world *w, bool packed, tn_plan **out)
{
    tn_tensor t = {.dtype = TN_F32, .rank = 2, .dim = {WORLD_N, WORLD_N}, .stride = {WORLD_N, 1}};
    tn_arg args[3] = {{.role = TN_ARG_A, .tensor = t},
                      {.role = TN_ARG_B, .flags = packed ? TN_ARG_PACKED : 0, .tensor = t},
                      {.role = TN_ARG_OUT, .tensor = t}};
    tn_op op = {.head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .args = args, .arg_count = 3};
    return tn_plan_create(w->d, &op, NULL, out);
}

/* A wait that does not end is a failure of the test, not of the device. */
static inline tn_status world_wait(tn_fence *f)
{
    tn_point p = {f, 1};
    tn_status st = tn_fence_wait(&p, 1, 0, 60ull * 1000000000ull);
    TN_EXPECT(st != TN_STATUS_TIMEOUT, "a wait did not end");
    return st;
}

/* All once. True: the result is there, and it is right. */
static inline bool world_attempt(fault_world *w)
{
    tn_device *d = w->d;
    tn_queue *q[WORLD_QUEUES] = {NULL}, *recorder = NULL;
    tn_buffer *b[WORLD_BUFFERS] = {NULL}, *imported = NULL;
    tn_fence *f[2] = {NULL};
    tn_plan *plain = NULL, *packed = NULL;
    tn_commands *commands = NULL;
    uint64_t layout = 0, bytes = 0;
    uint32_t failures = w->failures;
    int calls = atomic_load(&w->calls);
    bool ok = true;
    TN_REQUIRE(tn_fence_create(w->rt, 0, &f[0]) == TN_OK &&
               tn_fence_create(w->rt, 0, &f[1]) == TN_OK);
    for (int i = 0; ok && i < WORLD_QUEUES; ++i)
        ok = world_step(w, "tn_queue_create", tn_queue_create(d, NULL, &q[i]));
    ok = ok && world_step(w, "tn_plan_create", world_plan(w, false, &plain));
    ok = ok && world_step(w, "tn_plan_create", world_plan(w, true, &packed));
    ok = ok && world_step(w, "tn_plan_layout", tn_plan_layout(packed, TN_ARG_B, &layout, &bytes));
    for (int i = 0; ok && i < WORLD_BUFFERS; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc),
                               .bytes = i == 4 ? bytes : WORLD_BYTES};
        ok = world_step(w, "tn_buffer_create", tn_buffer_create(d, &desc, &b[i]));
    }
    if (ok) {
        tn_tensor t = {.buffer = b[0],
                       .dtype = TN_F32,
                       .rank = 2,
                       .dim = {WORLD_N, WORLD_N},
                       .stride = {WORLD_N, 1}};
        tn_bind bind[3] = {{.role = TN_ARG_A, .buffer = b[0]},
                           {.role = TN_ARG_B, .buffer = b[0]},
                           {.role = TN_ARG_OUT, .buffer = b[1]}};
        tn_point p[2] = {{f[0], 1}, {f[1], 1}};
        tn_sync first = {.signal = &p[0], .signal_count = 1};
        tn_sync second = {.wait = &p[0], .wait_count = 1};
        tn_sync last = {.signal = &p[1], .signal_count = 1};
        memset(w->got, 0, sizeof w->got);
        /* What goes wrong with one does not keep the others from being submitted. */
#define STEP(what, ...) world_step(w, what, __VA_ARGS__)
        STEP("tn_queue_write", tn_queue_write(q[0], b[0], 0, w->in, WORLD_BYTES, NULL));
        STEP("tn_queue_fill", tn_queue_fill(q[0], b[1], 0, WORLD_BYTES, 0xff, 1, NULL));
        STEP("tn_queue_run", tn_queue_run(q[0], plain, bind, 3, NULL, NULL));
        STEP("tn_queue_fill", tn_queue_fill(q[0], b[1], 0, WORLD_BYTES, 0xff, 1, NULL));
        STEP("tn_queue_pack", tn_queue_pack(q[0], packed, TN_ARG_B, &t, b[4], 0, NULL));
        bind[1].buffer = b[4];
        STEP("tn_queue_run", tn_queue_run(q[0], packed, bind, 3, NULL, NULL));
        STEP("tn_queue_call", tn_queue_call(q[0], world_call, w, NULL));
        STEP("tn_queue_copy", tn_queue_copy(q[0], b[2], 0, b[1], 0, 0, &first));
        if (STEP("tn_commands_begin", tn_commands_begin(q[1], &recorder)) &&
            STEP("tn_queue_copy", tn_queue_copy(recorder, b[2], 0, b[1], 0, WORLD_BYTES, NULL)) &&
            STEP("tn_commands_end", tn_commands_end(recorder, &commands)))
            STEP("tn_queue_submit", tn_queue_submit(q[1], commands, &second));
        STEP("tn_queue_copy", tn_queue_copy(q[1], b[3], 0, b[2], 0, WORLD_BYTES, NULL));
        STEP("tn_queue_read", tn_queue_read(q[1], w->got, b[3], 0, WORLD_BYTES, &last));
        /* A signal that was refused never comes; what waits for it ends all the same, because only
         * a lost device refuses. */
        bool all = w->failures == failures;
        TN_EXPECT(all || tn_device_get_status(d) == TN_STATUS_DEVICE_LOST, "%s", w->trace);
        bool waited = all && STEP("fence 0", world_wait(f[0]));
        waited = all && STEP("fence 1", world_wait(f[1])) && waited;
        for (int i = 0; i < WORLD_QUEUES; ++i)
            STEP("idle", tn_queue_wait_idle(q[i], 60ull * 1000000000ull));
        void *p_map = NULL;
        if (waited) {
            TN_EXPECT(atomic_load(&w->calls) == calls + 1, "%s", w->uri);
            TN_EXPECT(memcmp(w->got, w->expected, sizeof w->got) == 0,
                      "%s: no error and a wrong result", w->uri);
        }
        if (waited &&
            STEP("tn_buffer_map", tn_buffer_map(b[3], 0, WORLD_BYTES, TN_MAP_READ, &p_map))) {
            TN_EXPECT(memcmp(p_map, w->expected, WORLD_BYTES) == 0, "%s", w->uri);
            TN_EXPECT(tn_buffer_unmap(b[3]) == TN_OK);
        }
    }
    if (w->imports) {
        tn_external ext = {.head = TN_INIT(tn_external),
                           .kind = TN_EXTERNAL_HOST,
                           .pointer = w->page,
                           .bytes = WORLD_PAGE};
        STEP("tn_buffer_import", tn_buffer_import(d, &ext, &imported));
    }
#undef STEP
    tn_buffer_release(imported);
    for (int i = 0; i < WORLD_BUFFERS; ++i)
        tn_buffer_release(b[i]);
    tn_commands_release(commands);
    tn_queue_release(recorder);
    for (int i = 0; i < WORLD_QUEUES; ++i)
        tn_queue_release(q[i]);
    tn_fence_release(f[0]);
    tn_fence_release(f[1]);
    tn_plan_release(plain);
    tn_plan_release(packed);
    return w->failures == failures;
}

#endif
