/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that begin in a backend or below it: silence, wrong tables, lost devices, no memory, no
 * threads, work that a queue does not take. */
#define _GNU_SOURCE
#include "support/errors.h"

#include "support/liar.h"

#include <hal/plan.h>
#include <hal/queue.h>
#include <pthread.h>

static tn_device *open_liar(tn_runtime *rt, const char *uri)
{
    tn_device *d = NULL;
    liar_silent = liar_item = TN_OK;
    liar_workspace = 0;
    TN_REQUIRE(tn_device_open(rt, uri, &d) == TN_OK);
    return d;
}

static void ignore_choice(void *self, const tn_choice *choice)
{
    (void)self, (void)choice;
}

static void ignore_lost(void *self, tn_device *d, const tn_error *e)
{
    (void)self, (void)d, (void)e;
}

static void nothing(void *self)
{
    (void)self;
}

TN_TEST(errors_backend, open)
{
    tn_runtime *rt = NULL;
    tn_device *d = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    TN_ERROR(tn_device_open(rt, "liar:silent", &d), TN_STATUS_UNAVAILABLE, "backend.silent", NULL,
             "open()");
    TN_ERROR(tn_device_open(rt, "liar:info", &d), TN_STATUS_INTERNAL, "backend.silent", NULL,
             "info()");
    TN_ERROR(tn_device_open(rt, "liar:abi", &d), TN_STATUS_INCOMPATIBLE, "backend.abi", "uri",
             "liar:abi");
    TN_ERROR(tn_device_open(rt, "liar:short", &d), TN_STATUS_INCOMPATIBLE, "backend.abi", "uri",
             "liar:short");
    TN_EXPECT(d == NULL);
    /* an alignment that is no power of two is refused where alignments are computed with */
    errors_forget();
    tn_status st = tn_device_open(rt, "liar:align", &d);
    if (st != TN_OK)
        errors_call(__FILE__, __LINE__, "tn_device_open", "tn_device_open", st,
                    TN_STATUS_INCOMPATIBLE, "device.align", "uri", "48");
    tn_device_release(d);
    tn_runtime_release(rt);
}

/* A failure without a word must not borrow the words of an older one. */
TN_TEST(errors_backend, silence)
{
    static unsigned char memory[64];
    tn_runtime *rt = NULL;
    tn_op *op = NULL;
    tn_plan *plan = NULL, *made = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_device *d = open_liar(rt, "liar"), *two = open_liar(rt, "liar"), *child = NULL;
    TN_REQUIRE(tn_op_parse(rt, "matmul 4x4x4", &op) == TN_OK);
    TN_REQUIRE(tn_plan_create(d, op, NULL, &plan) == TN_OK);
    tn_buffer *b = errors_buffer(d, 64), *bad = NULL;
    tn_queue *q = NULL;
    void *p = NULL;
    uint64_t layout, bytes;
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
    tn_external ext = {
        .head = TN_INIT(tn_external), .kind = TN_EXTERNAL_HOST, .pointer = memory, .bytes = 64};
    tn_class_info classes = {.head = TN_INIT(tn_class_info)};
    tn_memory_info info = {.head = TN_INIT(tn_memory_info)};
    tn_link link = {.head = TN_INIT(tn_link)};
    tn_arithmetic arithmetic = {.head = TN_INIT(tn_arithmetic)};
    tn_bus bus;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    tn_plan_desc other = {.head = TN_INIT(tn_plan_desc), .tune_ns = 7};
    TN_REQUIRE(b != NULL);
    liar_silent = TN_STATUS_CORRUPT;
#define SILENT(call, entry)                                                                        \
    TN_ERROR(call, TN_STATUS_CORRUPT, "backend.silent", NULL, entry "() failed with corrupt")
    SILENT(tn_buffer_create(d, &desc, &bad), "buffer_create");
    SILENT(tn_buffer_import(d, &ext, &bad), "buffer_import");
    SILENT(tn_buffer_map(b, 0, 4, TN_MAP_READ, &p), "map");
    SILENT(tn_buffer_export(b, TN_EXTERNAL_HOST, &ext), "export_to");
    SILENT(tn_queue_create(d, NULL, &q), "queue_create");
    SILENT(tn_device_classes(d, TN_F32, &classes), "classes");
    SILENT(tn_device_memory(d, 0, &info), "memory");
    SILENT(tn_link_get(d, NULL, &link), "link");
    SILENT(tn_link_get(d, two, &link), "link");
    SILENT(tn_device_child(d, 1, &child), "child");
    SILENT(tn_device_bus(d, &bus, &chip), "bus");
    SILENT(tn_device_supports(d, op), "supports");
    SILENT(tn_device_explain(d, op, ignore_choice, NULL), "plan_create");
    SILENT(tn_plan_create(d, op, &other, &made), "plan_create");
    SILENT(tn_plan_arithmetic(plan, &arithmetic), "arithmetic");
    SILENT(tn_plan_explain(plan, ignore_choice, NULL), "explain");
    SILENT(tn_plan_layout(plan, TN_ARG_B, &layout, &bytes), "layout");
    TN_INVALID(tn_device_child(d, 2, &child), "device.child", "index", "index is 2");
    liar_silent = TN_OK;
    TN_EXPECT(bad == NULL && q == NULL && made == NULL && child == NULL);

    /* an item that fails so, and the whole queue after it */
    TN_REQUIRE(tn_queue_create(d, NULL, &q) == TN_OK);
    liar_item = TN_STATUS_CORRUPT;
    TN_REQUIRE(tn_queue_call(q, nothing, NULL, NULL) == TN_OK);
    TN_ERROR(tn_queue_wait_idle(q, UINT64_MAX), TN_STATUS_CORRUPT, "queue.item", NULL, "call");
    tn_queue_release(q);

    /* an item that fails with TIMEOUT is one that failed: nobody waits for it for ever */
    tn_fence *f = NULL;
    TN_REQUIRE(tn_queue_create(d, NULL, &q) == TN_OK && tn_fence_create(rt, 0, &f) == TN_OK);
    tn_point point = {f, 1};
    tn_sync sync = {.signal = &point, .signal_count = 1};
    liar_item = TN_STATUS_TIMEOUT;
    TN_REQUIRE(tn_queue_call(q, nothing, NULL, &sync) == TN_OK);
    TN_ERROR(tn_fence_wait(&point, 1, 0, UINT64_MAX), TN_STATUS_TIMEOUT, "queue.item", NULL,
             "call");
    tn_fence_release(f);
    tn_queue_release(q);
    tn_buffer_release(b);
    tn_plan_release(plan);
    tn_op_free(rt, op);
    tn_device_release(two);
    tn_device_release(d);
    tn_runtime_release(rt);
}

TN_TEST(errors_backend, workspaces)
{
    tn_runtime *rt = NULL;
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    tn_queue *q = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    tn_device *d = open_liar(rt, "liar");
    TN_REQUIRE(tn_op_parse(rt, "matmul 4x4x4", &op) == TN_OK);
    TN_REQUIRE(tn_queue_create(d, NULL, &q) == TN_OK);
    tn_buffer *b = errors_buffer(d, 256);
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .workspace_limit_bytes = 1000};
    liar_workspace = 1001;
    TN_ERROR(tn_plan_create(d, op, &desc, &plan), TN_STATUS_UNSUPPORTED, "plan.workspace",
             "desc.workspace_limit_bytes", "1001");
    liar_workspace = UINT64_MAX;
    TN_REQUIRE(tn_plan_create(d, op, NULL, &plan) == TN_OK);
    tn_bind bind[3] = {{.role = TN_ARG_A, .buffer = b},
                       {.role = TN_ARG_B, .buffer = b, .offset_bytes = 64},
                       {.role = TN_ARG_OUT, .buffer = b, .offset_bytes = 128}};
    TN_ERROR(tn_queue_run(q, plan, bind, 3, NULL, NULL), TN_STATUS_NO_MEMORY, "queue.workspace",
             "workspace", "18446744073709551615");
    tn_tensor t = {.dtype = TN_F32, .rank = 2, .dim = {4, 4}, .stride = {4, 1}, .buffer = b};
    TN_INVALID(tn_queue_pack(q, plan, TN_ARG_MASK, &t, b, 128, NULL), "pack.role", "role", "6");
    tn_buffer_release(b);
    tn_plan_release(plan);
    tn_queue_release(q);
    tn_op_free(rt, op);
    tn_device_release(d);
    tn_runtime_release(rt);
}

/* ---- loss ---- */
typedef struct lost {
    tn_runtime *rt;
    tn_device *d;
    tn_queue *q, *recorder, *ended;
    tn_buffer *b;
    tn_plan *plan;
    tn_op *op;
    tn_commands *commands;
} lost;

#define LOST(call, reason) TN_ERROR(call, TN_STATUS_DEVICE_LOST, reason, "device", "liar is lost")

static void after_loss(lost *x, const char *reason)
{
    char host[64] = {0};
    tn_buffer *b = NULL;
    tn_queue *q = NULL;
    tn_plan *plan = NULL;
    tn_commands *c = NULL;
    tn_bus bus;
    void *p = NULL;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    tn_class_info classes = {.head = TN_INIT(tn_class_info)};
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    tn_link link = {.head = TN_INIT(tn_link)};
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
    tn_external ext = {
        .head = TN_INIT(tn_external), .kind = TN_EXTERNAL_HOST, .pointer = host, .bytes = 64};
    tn_bind bind[3] = {{.role = TN_ARG_A, .buffer = x->b},
                       {.role = TN_ARG_B, .buffer = x->b, .offset_bytes = 64},
                       {.role = TN_ARG_OUT, .buffer = x->b, .offset_bytes = 128}};
    tn_tensor t = {.dtype = TN_F32, .rank = 2, .dim = {4, 4}, .stride = {4, 1}, .buffer = x->b};
    long long managed[32] = {1};
    LOST(tn_device_get_status(x->d), reason);
    LOST(tn_device_classes(x->d, TN_F32, &classes), reason);
    LOST(tn_device_supports(x->d, x->op), reason);
    LOST(tn_device_explain(x->d, x->op, ignore_choice, NULL), reason);
    LOST(tn_device_inject(x->d, "lose at=1"), reason);
    LOST(tn_device_bus(x->d, &bus, &chip), reason);
    LOST(tn_link_get(x->d, NULL, &link), reason);
    LOST(tn_buffer_create(x->d, &desc, &b), reason);
    LOST(tn_buffer_view(x->b, 0, 4, &b), reason);
    LOST(tn_buffer_import(x->d, &ext, &b), reason);
    LOST(tn_buffer_export(x->b, TN_EXTERNAL_HOST, &ext), reason);
    LOST(tn_buffer_map(x->b, 0, 4, TN_MAP_READ, &p), reason);
    LOST(tn_tensor_from_dlpack(x->d, managed, &t), reason);
    LOST(tn_queue_create(x->d, NULL, &q), reason);
    LOST(tn_queue_write(x->q, x->b, 0, host, 4, NULL), reason);
    LOST(tn_queue_read(x->q, host, x->b, 0, 4, NULL), reason);
    LOST(tn_queue_copy(x->q, x->b, 0, x->b, 64, 4, NULL), reason);
    LOST(tn_queue_fill(x->q, x->b, 0, 4, 0, 4, NULL), reason);
    LOST(tn_queue_call(x->q, nothing, NULL, NULL), reason);
    LOST(tn_queue_run(x->q, x->plan, bind, 3, NULL, NULL), reason);
    LOST(tn_queue_pack(x->q, x->plan, TN_ARG_B, &t, x->b, 128, NULL), reason);
    LOST(tn_queue_submit(x->q, x->commands, NULL), reason);
    LOST(tn_compute(x->q, x->op), reason);
    LOST(tn_commands_begin(x->q, &q), reason);
    LOST(tn_commands_end(x->recorder, &c), reason);
    LOST(tn_plan_create(x->d, x->op, NULL, &plan), reason);
    TN_ACCEPTS(tn_device_get_info(x->d, &info) == TN_OK);
    TN_ACCEPTS(tn_device_on_lost(x->d, ignore_lost, NULL) == TN_OK);
    TN_EXPECT(b == NULL && q == NULL && plan == NULL && c == NULL);
}

static lost lost_make(void)
{
    lost x = {0};
    TN_REQUIRE(tn_runtime_create(NULL, &x.rt) == TN_OK);
    x.d = open_liar(x.rt, "liar");
    x.b = errors_buffer(x.d, 256);
    TN_REQUIRE(tn_queue_create(x.d, NULL, &x.q) == TN_OK);
    TN_REQUIRE(tn_op_parse(x.rt, "matmul 4x4x4", &x.op) == TN_OK);
    TN_REQUIRE(tn_plan_create(x.d, x.op, NULL, &x.plan) == TN_OK);
    TN_REQUIRE(tn_commands_begin(x.q, &x.recorder) == TN_OK);
    TN_REQUIRE(tn_queue_fill(x.recorder, x.b, 0, 4, 0, 4, NULL) == TN_OK);
    TN_REQUIRE(tn_commands_end(x.recorder, &x.commands) == TN_OK);
    x.ended = x.recorder;
    TN_REQUIRE(tn_commands_begin(x.q, &x.recorder) == TN_OK);
    return x;
}

static void lost_drop(lost *x)
{
    tn_commands_release(x->commands);
    tn_queue_release(x->ended);
    tn_queue_release(x->recorder);
    tn_plan_release(x->plan);
    tn_op_free(x->rt, x->op);
    tn_buffer_release(x->b);
    tn_queue_release(x->q);
    tn_device_release(x->d);
    tn_runtime_release(x->rt);
}

TN_TEST(errors_backend, loss)
{
    lost x = lost_make();
    x.rt->host.lost(x.d, TN_STATUS_INTERNAL, NULL);
    after_loss(&x, "device.lost");
    x.rt->host.lost(x.d, TN_STATUS_INTERNAL, "liar.again");
    LOST(tn_device_get_status(x.d), "device.lost"); /* the first cause stays */
    lost_drop(&x);

    x = lost_make();
    x.rt->host.lost(x.d, TN_STATUS_INTERNAL, "liar.burnt");
    after_loss(&x, "liar.burnt");
    lost_drop(&x);

    /* whoever holds the bus has the device */
    tn_bus bus;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    x = lost_make();
    TN_ACCEPTS(tn_device_bus(x.d, &bus, &chip) == TN_OK);
    after_loss(&x, "device.bring_up");
    lost_drop(&x);
}

/* ---- no memory, no threads ---- */
static atomic_bool exhausted;
static atomic_int until_failure = -1; /* allocations that still succeed before one fails */

static void *limited_alloc(void *self, size_t bytes, size_t align)
{
    tn_allocator a = tn__default_allocator();
    (void)self;
    if (atomic_load(&until_failure) >= 0 && atomic_fetch_sub(&until_failure, 1) == 0)
        return NULL;
    return atomic_load(&exhausted) ? NULL : a.alloc(a.self, bytes, align);
}

static void limited_free(void *self, void *p, size_t bytes)
{
    tn_allocator a = tn__default_allocator();
    (void)self;
    a.free(a.self, p, bytes);
}

static tn_runtime *limited_runtime(void)
{
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc),
                            .allocator = {.alloc = limited_alloc, .free = limited_free}};
    tn_runtime *rt = NULL;
    atomic_store(&exhausted, false);
    TN_REQUIRE(tn_runtime_create(&desc, &rt) == TN_OK);
    return rt;
}

#define NO_MEMORY(call, reason)                                                                    \
    do {                                                                                           \
        atomic_store(&exhausted, true);                                                            \
        TN_ERROR(call, TN_STATUS_NO_MEMORY, reason, NULL, NULL);                                   \
        atomic_store(&exhausted, false);                                                           \
    } while (0)

TN_TEST(errors_backend, no_memory)
{
    tn_runtime *rt = limited_runtime();
    tn_device *d = NULL, *template = NULL, *mutant = NULL;
    tn_queue *q = NULL;
    tn_fence *f = NULL;
    tn_op *op = NULL;
    NO_MEMORY(tn_device_open(rt, "cpu", &d), "host.memory");
    NO_MEMORY(tn_fence_create(rt, 0, &f), "host.memory");
    NO_MEMORY(tn_op_parse(rt, "matmul 4x4x4", &op), "host.memory");
    TN_REQUIRE(tn_device_open(rt, "cpu", &d) == TN_OK);
    TN_REQUIRE(tn_device_open(rt, "null", &template) == TN_OK);
    TN_REQUIRE(tn_device_open(rt, "mutant", &mutant) == TN_OK);
    NO_MEMORY(tn_queue_create(d, NULL, &q), "host.memory");
    /* below hal's own: the backends' entries, as hal calls them */
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
    tn_external ext = {.head = TN_INIT(tn_external),
                       .kind = TN_EXTERNAL_HOST,
                       .pointer = &desc,
                       .bytes = sizeof desc};
    tn_queue_desc plain = {.head = TN_INIT(tn_queue_desc)};
    tn_plan_desc whole = {.head = TN_INIT(tn_plan_desc)};
    const tn_buffer_ops *buffer_ops;
    const tn_queue_ops *queue_ops;
    const tn_plan_ops *plan_ops;
    const tn_device_ops *device_ops;
    const tn_backend_ops *null_ops = NULL, *cpu_ops = NULL;
    void *out = NULL;
    TN_REQUIRE(tn_op_parse(rt, "matmul 4x4x4", &op) == TN_OK);
    TN_REQUIRE(tn_backend_query_null(TN_BACKEND_ABI, &null_ops) == TN_OK &&
               tn_backend_query_cpu(TN_BACKEND_ABI, &cpu_ops) == TN_OK);
    atomic_store(&exhausted, true);
    TN_ERROR_OF("tn_buffer_create", d->ops->buffer_create(d->object, &desc, &out, &buffer_ops),
                TN_STATUS_NO_MEMORY, "buffer.memory", "desc.bytes", "64");
    TN_ERROR_OF("tn_buffer_import", d->ops->buffer_import(d->object, &ext, &out, &buffer_ops),
                TN_STATUS_NO_MEMORY, "host.memory", NULL, "buffer");
    TN_ERROR_OF("tn_queue_create", d->ops->queue_create(d->object, &plain, NULL, &out, &queue_ops),
                TN_STATUS_NO_MEMORY, "host.memory", NULL, "queue");
    TN_ERROR_OF("tn_plan_create",
                d->ops->plan_create(d->object, op, &whole, ignore_choice, NULL, &out, &plan_ops),
                TN_STATUS_NO_MEMORY, "host.memory", NULL, "plan");
    TN_ERROR_OF("tn_device_open", cpu_ops->open(&rt->host, "", NULL, &out, &device_ops),
                TN_STATUS_NO_MEMORY, "host.memory", NULL, "device");
    TN_ERROR_OF("tn_buffer_create",
                template->ops->buffer_create(template->object, &desc, &out, &buffer_ops),
                TN_STATUS_NO_MEMORY, "null.memory", NULL, "64 bytes");
    TN_ERROR_OF("tn_queue_create",
                template->ops->queue_create(template->object, &plain, NULL, &out, &queue_ops),
                TN_STATUS_NO_MEMORY, "null.memory", NULL, "queue");
    TN_ERROR_OF("tn_device_open", null_ops->open(&rt->host, "", NULL, &out, &device_ops),
                TN_STATUS_NO_MEMORY, "null.memory", NULL, "device");
    TN_ERROR_OF("tn_queue_create",
                mutant->ops->queue_create(mutant->object, &plain, NULL, &out, &queue_ops),
                TN_STATUS_NO_MEMORY, "mutant.memory", NULL, "queue");
    atomic_store(&exhausted, false);
    tn_op_free(rt, op);
    tn_device_release(mutant);
    tn_device_release(template);
    tn_device_release(d);
    tn_runtime_release(rt);
}

/* Each allocation of one call in turn: the reason says whose it was. */
TN_TEST(errors_backend, no_memory_for_a_plan)
{
    tn_runtime *rt = limited_runtime();
    tn_device *d = NULL;
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    int failed = 0;
    TN_REQUIRE(tn_device_open(rt, "cpu", &d) == TN_OK);
    TN_REQUIRE(tn_op_parse(rt, "matmul 64x64x64", &op) == TN_OK);
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc)};
    for (int n = 0; n < 100; ++n) {
        desc.tune_ns = (uint64_t)n + 1; /* no plan of the cache */
        atomic_store(&until_failure, n);
        errors_forget();
        tn_status st = tn_plan_create(d, op, &desc, &plan);
        bool used = atomic_exchange(&until_failure, -1) < 0;
        tn_plan_release(plan);
        plan = NULL;
        if (!used)
            break;
        if (st == TN_OK) /* what only failed to be kept in the cache */
            continue;
        tn_error e;
        tn_error_last(&e);
        bool choices = strcmp(e.reason, "plan.choices") == 0;
        ++failed;
        errors_call(__FILE__, __LINE__, "tn_plan_create", "tn_plan_create", st, TN_STATUS_NO_MEMORY,
                    choices ? "plan.choices" : "host.memory", NULL, "free something");
    }
    TN_EXPECT(failed > 3, "%d", failed);
    tn_op_free(rt, op);
    tn_device_release(d);
    tn_runtime_release(rt);
}

static void wait_for_point(void *self)
{
    if (tn_fence_wait(self, 1, 0, UINT64_MAX) != TN_OK)
        abort();
}

static void tell_nobody(void *token, uint64_t item, tn_status status, const tn_times *times)
{
    (void)token, (void)item, (void)status, (void)times;
}

/* A queue that cannot grow behind an item that lasts. */
TN_TEST(errors_backend, full_queue)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        tn_runtime *rt = limited_runtime();
        tn_device *d = NULL;
        tn_fence *f = NULL;
        void *object = NULL;
        const tn_queue_ops *ops = NULL;
        tn_queue_desc desc = {.head = TN_INIT(tn_queue_desc)};
        TN_REQUIRE(tn_device_open(rt, *uri, &d) == TN_OK && tn_fence_create(rt, 0, &f) == TN_OK);
        rt->host.complete = tell_nobody; /* the items are this test's own */
        TN_REQUIRE(d->ops->queue_create(d->object, &desc, NULL, &object, &ops) == TN_OK);
        tn_point gate = {f, 1};
        tn_work work = {.head = TN_INIT(tn_work),
                        .kind = TN_WORK_CALL,
                        .call = wait_for_point,
                        .call_self = &gate};
        TN_REQUIRE(ops->submit(object, &work) == TN_OK);
        atomic_store(&exhausted, true);
        work.call = nothing;
        tn_status st = TN_OK;
        for (int i = 0; i < 1000 && st == TN_OK; ++i) {
            errors_forget();
            st = ops->submit(object, &work);
        }
        errors_call(__FILE__, __LINE__, "tn_queue_call", "submit", st, TN_STATUS_NO_MEMORY,
                    "cpu.queue", NULL, "one more item");
        atomic_store(&exhausted, false);
        TN_EXPECT(tn_fence_signal(f, 1) == TN_OK);
        ops->destroy(object);
        tn_fence_release(f);
        tn_device_release(d);
        tn_runtime_release(rt);
    }
}

TN_TEST(errors_backend, no_thread)
{
    pthread_attr_t usual, huge;
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    /* a stack that no address space holds */
    TN_REQUIRE(pthread_getattr_default_np(&usual) == 0 && pthread_attr_init(&huge) == 0);
    TN_REQUIRE(pthread_attr_setstacksize(&huge, (size_t)1 << 62) == 0 &&
               pthread_setattr_default_np(&huge) == 0);
    TN_ERROR_OF("tn_queue_create", tn__progress_start(rt), TN_STATUS_NO_MEMORY, "progress.thread",
                NULL, "no thread");
    TN_REQUIRE(pthread_setattr_default_np(&usual) == 0);
    TN_EXPECT(tn__progress_start(rt) == TN_OK, "it can be made later");
    /* a queue of cpu may make its thread with the first item, and then fails that */
    tn_device *d = NULL;
    tn_queue *q = NULL;
    TN_REQUIRE(tn_device_open(rt, "cpu", &d) == TN_OK);
    TN_REQUIRE(pthread_setattr_default_np(&huge) == 0);
    errors_forget();
    tn_status st = tn_queue_create(d, NULL, &q);
    if (st != TN_OK) {
        errors_call(__FILE__, __LINE__, "tn_queue_create", "tn_queue_create", st,
                    TN_STATUS_NO_MEMORY, "cpu.thread", NULL, "no thread");
    } else {
        TN_REQUIRE(tn_queue_call(q, nothing, NULL, NULL) == TN_OK);
        TN_ERROR(tn_queue_wait_idle(q, UINT64_MAX), TN_STATUS_NO_MEMORY, "cpu.queue", NULL,
                 "thread");
    }
    TN_REQUIRE(pthread_setattr_default_np(&usual) == 0);
    tn_queue_release(q);
    tn_device_release(d);
    (void)pthread_attr_destroy(&huge);
    (void)pthread_attr_destroy(&usual);
    tn_runtime_release(rt);
}

/* ---- work and ops that hal does not hand over ---- */
TN_TEST(errors_backend, foreign_work)
{
    tn_runtime *rt = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    static const char *const uris[] = {"cpu", "cpu?private=1", "null", "mutant"},
                             *const reasons[] = {"cpu.work", "cpu.work", "null.work",
                                                 "mutant.work"};
    for (int i = 0; i < 4; ++i) {
        tn_device *d = NULL;
        tn_queue *q = NULL;
        /* the mutant plays commands */
        tn_work work = {.head = TN_INIT(tn_work), .kind = TN_WORK_COMMANDS + (i == 3)};
        TN_REQUIRE(tn_device_open(rt, uris[i], &d) == TN_OK);
        TN_REQUIRE(tn_queue_create(d, NULL, &q) == TN_OK);
        TN_ERROR_OF("tn_queue_submit", q->ops->submit(q->object, &work), TN_STATUS_UNSUPPORTED,
                    reasons[i], NULL, i == 3 ? "kind 9" : "kind 8");
        tn_op op = {.head = TN_INIT(tn_op), .kind = TN_OP_VENDOR};
        if (i < 2)
            TN_ERROR_OF("tn_device_supports", d->ops->supports(d->object, &op),
                        TN_STATUS_UNSUPPORTED, "cpu.no_kernels", "kind", "65536");
        if (i == 3) { /* more operands than it has room for */
            tn_op many = {.head = TN_INIT(tn_op), .kind = TN_OP_CONCAT, .arg_count = 27};
            const tn_plan_ops *plan_ops;
            void *out = NULL;
            TN_ERROR_OF(
                "tn_plan_create",
                d->ops->plan_create(d->object, &many, NULL, ignore_choice, NULL, &out, &plan_ops),
                TN_STATUS_UNSUPPORTED, "mutant.operands", NULL, "27 operands");
            tn_external ext = {
                .head = TN_INIT(tn_external), .kind = TN_EXTERNAL_DEVICE, .bytes = 64};
            const tn_buffer_ops *buffer_ops;
            TN_ERROR_OF("tn_buffer_import",
                        d->ops->buffer_import(d->object, &ext, &out, &buffer_ops),
                        TN_STATUS_UNSUPPORTED, "mutant.import", NULL, "kind 2");
        }
        tn_queue_release(q);
        tn_device_release(d);
    }
    /* a plan with a defect has no packed form */
    tn_device *d = NULL;
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    uint64_t layout, bytes;
    TN_REQUIRE(tn_device_open(rt, "mutant:M05", &d) == TN_OK);
    TN_REQUIRE(tn_op_parse(rt, "matmul 4x4x4", &op) == TN_OK);
    TN_REQUIRE(tn_plan_create(d, op, NULL, &plan) == TN_OK);
    TN_ERROR(tn_plan_layout(plan, TN_ARG_B, &layout, &bytes), TN_STATUS_UNSUPPORTED,
             "mutant.layout", NULL, "with a defect");
    tn_plan_release(plan);
    tn_op_free(rt, op);
    tn_device_release(d);
    TN_REQUIRE(tn_device_open(rt, "mutant:L01", &d) == TN_OK);
    TN_REQUIRE(tn_op_parse(rt, "matmul 4x4x4:f32:canonical", &op) == TN_OK);
    TN_ERROR(tn_plan_create(d, op, NULL, &plan), TN_STATUS_UNSUPPORTED, "mutant.flush", NULL,
             "CANONICAL");
    tn_op_free(rt, op);
    tn_device_release(d);
    tn_runtime_release(rt);
}
