/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of plans: descriptions, forced kernels, classes, workspaces, binds, packing, fallbacks. */
#include "support/errors.h"
#include <hal/plan.h>

enum { BYTES = 1 << 16 };

/* A matmul of f32 with its plan and three buffers. */
typedef struct planned {
    errors_bed bed;
    tn_op *op;
    tn_plan *plan;
    tn_buffer *a, *b, *out, *work;
    tn_bind bind[3];
} planned;

static planned plan_make(const char *uri, const char *text, const char *kernel, uint32_t flags)
{
    planned x = {.bed = errors_make(uri)};
    tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .flags = flags, .kernel = kernel};
    TN_REQUIRE(tn_op_parse(x.bed.rt, text, &x.op) == TN_OK);
    TN_REQUIRE(tn_plan_create(x.bed.d, x.op, &desc, &x.plan) == TN_OK, "%s %s", uri, text);
    x.a = errors_buffer(x.bed.d, BYTES);
    x.b = errors_buffer(x.bed.d, BYTES);
    x.out = errors_buffer(x.bed.d, BYTES);
    x.work = errors_buffer(x.bed.d, BYTES * 16);
    TN_REQUIRE(x.a && x.b && x.out && x.work);
    x.bind[0] = (tn_bind){.role = TN_ARG_A, .buffer = x.a};
    x.bind[1] = (tn_bind){.role = TN_ARG_B, .buffer = x.b};
    x.bind[2] = (tn_bind){.role = TN_ARG_OUT, .buffer = x.out};
    return x;
}

static void plan_drop(planned *x)
{
    tn_plan_release(x->plan);
    tn_op_free(x->bed.rt, x->op);
    tn_buffer_release(x->a);
    tn_buffer_release(x->b);
    tn_buffer_release(x->out);
    tn_buffer_release(x->work);
    errors_drop(&x->bed);
}

static void ignore_choice(void *self, const tn_choice *choice)
{
    (void)self, (void)choice;
}

static tn_status create(tn_device *d, tn_runtime *rt, const char *text, const tn_plan_desc *desc)
{
    tn_op *op = NULL;
    tn_plan *plan = NULL;
    TN_REQUIRE(tn_op_parse(rt, text, &op) == TN_OK, "%s", text);
    tn_status st = tn_plan_create(d, op, desc, &plan);
    TN_EXPECT((plan != NULL) == (st == TN_OK));
    tn_plan_release(plan);
    tn_op_free(rt, op);
    return st;
}

#define CREATE(text, desc, status, reason, argument, given)                                        \
    TN_ERROR_OF("tn_plan_create", create(bed.d, bed.rt, text, desc), status, reason, argument,     \
                given)

TN_TEST(errors_plan, descriptions)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        errors_bed bed = errors_make(*uri);
        char name[128];
        memset(name, 'k', sizeof name);
        name[127] = '\0';
        tn_plan_desc d = {.head = TN_INIT(tn_plan_desc), .flags = 12};
        CREATE("matmul 4x4x4", &d, TN_STATUS_INVALID, "plan.flags", "desc.flags", "0xc");
        d.flags = 0;
        d.head.type = TN_TYPE_tn_op;
        CREATE("matmul 4x4x4", &d, TN_STATUS_INVALID, "struct.type", "desc", "10");
        d.head.type = TN_TYPE_tn_plan_desc;
        d.kernel = name;
        CREATE("matmul 4x4x4", &d, TN_STATUS_INVALID, "plan.kernel", "desc.kernel", "127");
        d.kernel = "matmul_by_hand";
        CREATE("matmul 4x4x4", &d, TN_STATUS_UNSUPPORTED, "kernel.not_asked", "desc.kernel",
               "matmul_by_hand");
        d.kernel = NULL;
        CREATE("matmul 4x4x4:f32:exact", &d, TN_STATUS_UNSUPPORTED, "kernel.class", "numerics.cls",
               "exact");
        CREATE("matmul 4x4x4:f32:acc=f64", &d, TN_STATUS_UNSUPPORTED, "kernel.accumulate",
               "numerics.accumulate", "f64");
        CREATE("matmul 4x4x4:f64", &d, TN_STATUS_UNSUPPORTED, "matmul.dtype", "a", "f64");
        TN_INVALID(tn_plan_get_info(NULL, NULL), "argument.null", "plan", "NULL");
        TN_INVALID(tn_plan_arithmetic(NULL, NULL), "argument.null", "plan", "NULL");
        TN_INVALID(tn_plan_explain(NULL, ignore_choice, NULL), "argument.null", "plan", "NULL");
        TN_INVALID(tn_plan_layout(NULL, TN_ARG_B, NULL, NULL), "argument.null", "plan", "NULL");
        errors_drop(&bed);
    }
#if defined(__x86_64__)
    errors_bed bed = errors_make("cpu?max=baseline");
    tn_plan_desc d = {.head = TN_INIT(tn_plan_desc), .kernel = "matmul_f32_avx2_6x16"};
    CREATE("matmul 64x64x64", &d, TN_STATUS_UNSUPPORTED, "kernel.isa", NULL, "matmul_f32_avx2");
    errors_drop(&bed);
    bed = errors_make("cpu");
    if (((tn_device *)bed.d)->ops->supports != NULL) {
        d.workspace_limit_bytes = 1;
        tn_status st = create(bed.d, bed.rt, "matmul 64x64x64", &d);
        tn_error e;
        tn_error_last(&e);
        if (st != TN_OK && strcmp(e.reason, "kernel.isa") != 0) /* where the cpu has the tier */
            CREATE("matmul 64x64x64", &d, TN_STATUS_UNSUPPORTED, "kernel.workspace",
                   "desc.workspace_limit_bytes", "matmul_f32_avx2_6x16");
    }
    errors_drop(&bed);
#endif
}

TN_TEST(errors_plan, asked)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        planned x = plan_make(*uri, "matmul 8x8x8", "matmul_canonical", 0);
        uint64_t layout, bytes;
        tn_arithmetic arithmetic = {.head = {sizeof(tn_arithmetic), 3, NULL}};
        TN_INVALID(tn_plan_get_info(x.plan, NULL), "struct.null", "out_info", "NULL");
        TN_INVALID(tn_plan_arithmetic(x.plan, NULL), "struct.null", "out_arithmetic", "NULL");
        TN_INVALID(tn_plan_arithmetic(x.plan, &arithmetic), "struct.type", "out_arithmetic",
                   "type 3");
        TN_INVALID(tn_plan_explain(x.plan, NULL, NULL), "argument.null", "fn", "NULL");
        TN_INVALID(tn_plan_layout(x.plan, TN_ARG_B, NULL, &bytes), "argument.null", "out_layout",
                   "NULL");
        TN_INVALID(tn_plan_layout(x.plan, TN_ARG_B, &layout, NULL), "argument.null", "out_bytes",
                   "NULL");
        TN_ERROR(tn_plan_layout(x.plan, TN_ARG_B, &layout, &bytes), TN_STATUS_UNSUPPORTED,
                 "plan.no_layout", "role", "role 2");
        plan_drop(&x);
    }
}

TN_TEST(errors_plan, run)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        planned x = plan_make(*uri, "matmul 8x8x8", NULL, 0);
        errors_bed *bed = &x.bed;
        tn_bind bind[4];
        tn_buffer *v = NULL;
        tn_queue *again_q = NULL;
        void *p = NULL;
        tn_point theirs = {bed->other_f, 1};
        tn_sync sync = {.signal = &theirs, .signal_count = 1};
        TN_REQUIRE(tn_queue_create(bed->again, NULL, &again_q) == TN_OK);
        TN_REQUIRE(tn_buffer_view(x.b, 1024, 128, &v) == TN_OK);
#define RUN(change, reason, argument, given)                                                       \
    do {                                                                                           \
        memcpy(bind, x.bind, sizeof x.bind);                                                       \
        change;                                                                                    \
        TN_INVALID(tn_queue_run(bed->q, x.plan, bind, 3, NULL, NULL), reason, argument, given);    \
    } while (0)
        TN_INVALID(tn_queue_run(NULL, x.plan, x.bind, 3, NULL, NULL), "argument.null", "queue",
                   "NULL");
        TN_INVALID(tn_queue_run(bed->q, NULL, x.bind, 3, NULL, NULL), "argument.null", "plan",
                   "NULL");
        TN_INVALID(tn_queue_run(bed->other_q, x.plan, x.bind, 3, NULL, NULL), "run.device", "plan",
                   *uri);
        TN_INVALID(tn_queue_run(again_q, x.plan, x.bind, 3, NULL, NULL), "run.device", "plan",
                   *uri);
        TN_INVALID(tn_queue_run(bed->q, x.plan, NULL, 3, NULL, NULL), "run.count", "binds", "NULL");
        TN_INVALID(tn_queue_run(bed->q, x.plan, x.bind, 2, NULL, NULL), "run.count", "binds",
                   "count 2");
        TN_INVALID(tn_queue_run(bed->q, x.plan, x.bind, 3, NULL, &sync), "sync.runtime",
                   "sync.signal", "another runtime");
        RUN(bind[1].role = TN_ARG_C, "run.role", "binds", "3 (c)");
        RUN(bind[1].role = 9999, "run.role", "binds", "9999");
        RUN(bind[1].role = TN_ARG_A, "run.role", "binds", "role 1 twice");
        RUN(bind[1].flags = TN_ARG_PACKED, "run.flags", "b", "0x1");
        RUN(bind[1].offset_bytes = 6, "run.offset", "b", "6");
        RUN(bind[1].offset_bytes = BYTES, "buffer.range", "b", "65536");
        RUN(bind[1].offset_bytes = UINT64_MAX - 3, "buffer.range", "b", "18446744073709551612");
        RUN(bind[1].buffer = NULL, "buffer.null", "b", *uri);
        RUN(bind[1].buffer = v, "buffer.range", "b", "128 bytes");
        RUN(bind[1].buffer = bed->again_b, "buffer.device", "b", "opened another time");
        RUN(bind[1].buffer = bed->other_b, "buffer.device", "b", "another runtime");
        RUN(bind[2].buffer = x.a, "run.overlap", "out", "256 bytes at 0");
        RUN((bind[2].buffer = x.b, bind[2].offset_bytes = 128), "run.overlap", "out", "b,");
        TN_REQUIRE(tn_buffer_map(x.b, 128, 64, TN_MAP_READ, &p) == TN_OK);
        RUN((void)0, "buffer.mapped", "b", "256 bytes");
        TN_REQUIRE(tn_buffer_unmap(x.b) == TN_OK);
        TN_INVALID(tn_queue_run(bed->q, x.plan, x.bind, 3, bed->other_b, NULL), "buffer.device",
                   "workspace", "another runtime");
        TN_ACCEPTS(tn_queue_run(bed->q, x.plan, x.bind, 3, x.work, NULL) == TN_OK);
        TN_EXPECT(tn_queue_wait_idle(bed->q, UINT64_MAX) == TN_OK);
#undef RUN
        tn_queue_release(again_q);
        tn_buffer_release(v);
        plan_drop(&x);
    }
}

/* MAY_ALIAS does not make an output fit over what is still read after it is written. */
TN_TEST(errors_plan, matmul_over_its_factors)
{
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        planned x = plan_make(*uri, "matmul 8x8x8:f32:alias", NULL, 0);
        tn_bind bind[3];
        for (uint32_t i = 0; i < 2; ++i) {
            memcpy(bind, x.bind, sizeof bind);
            bind[2].buffer = i ? x.b : x.a;
            bind[2].offset_bytes = bind[i].offset_bytes;
            TN_INVALID(tn_queue_run(x.bed.q, x.plan, bind, 3, NULL, NULL), "run.overlap", "out",
                       "only c and posts");
        }
        plan_drop(&x);
    }
}

/* A kernel that needs a workspace, and one that takes b packed. */
TN_TEST(errors_plan, workspace_and_packing)
{
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return;
    for (const char *const *uri = tn_test_devices(); *uri != NULL; ++uri) {
        planned x = plan_make(*uri, "matmul 64x64x64", "matmul_f32_avx2_6x16", 0);
        errors_bed *bed = &x.bed;
        tn_plan_info info = {.head = TN_INIT(tn_plan_info)};
        uint64_t layout = 0, bytes = 0;
        TN_REQUIRE(tn_plan_get_info(x.plan, &info) == TN_OK && info.workspace_bytes > 0);
        tn_buffer *small = errors_buffer(bed->d, info.workspace_bytes - 1);
        TN_INVALID(tn_queue_run(bed->q, x.plan, x.bind, 3, small, NULL), "buffer.range",
                   "workspace", NULL);
        tn_bind bind[3];
        memcpy(bind, x.bind, sizeof bind);
        bind[2].buffer = x.work;
        TN_INVALID(tn_queue_run(bed->q, x.plan, bind, 3, x.work, NULL), "run.overlap", "workspace",
                   "out, 16384 bytes");

        TN_REQUIRE(tn_plan_layout(x.plan, TN_ARG_B, &layout, &bytes) == TN_OK && bytes <= BYTES);
        const tn_tensor good = {
            .dtype = TN_F32, .rank = 2, .dim = {64, 64}, .stride = {64, 1}, .buffer = x.b};
        tn_tensor t = good;
        TN_INVALID(tn_queue_pack(NULL, x.plan, TN_ARG_B, &t, x.out, 0, NULL), "argument.null",
                   "queue", "NULL");
        TN_INVALID(tn_queue_pack(bed->q, NULL, TN_ARG_B, &t, x.out, 0, NULL), "argument.null",
                   "plan", "NULL");
        TN_INVALID(tn_queue_pack(bed->other_q, x.plan, TN_ARG_B, &t, x.out, 0, NULL), "run.device",
                   "plan", *uri);
        TN_ERROR(tn_queue_pack(bed->q, x.plan, TN_ARG_A, &t, x.out, 0, NULL), TN_STATUS_UNSUPPORTED,
                 "plan.no_layout", "role", "role 1");
        TN_INVALID(tn_queue_pack(bed->q, x.plan, TN_ARG_B, NULL, x.out, 0, NULL), "argument.null",
                   "from", "NULL");
#define PACK(change, reason, argument, given)                                                      \
    do {                                                                                           \
        t = good;                                                                                  \
        change;                                                                                    \
        TN_INVALID(tn_queue_pack(bed->q, x.plan, TN_ARG_B, &t, x.out, 0, NULL), reason, argument,  \
                   given);                                                                         \
    } while (0)
        PACK(t.dtype = TN_F16, "pack.shape", "from", "f16");
        PACK(t.rank = 9, "pack.shape", "from", "rank 9");
        PACK(t.dim[0] = 63, "pack.shape", "from", "[63,64]");
        PACK(t.stride[0] = -64, "pack.shape", "from", "-64");
        PACK(t.buffer = NULL, "buffer.null", "from", *uri);
        PACK(t.buffer = bed->other_b, "buffer.device", "from", "another runtime");
        PACK(t.offset_bytes = BYTES, "buffer.range", "from", "65536");
#undef PACK
        t = good;
        TN_INVALID(tn_queue_pack(bed->q, x.plan, TN_ARG_B, &t, NULL, 0, NULL), "buffer.null", "to",
                   *uri);
        TN_INVALID(tn_queue_pack(bed->q, x.plan, TN_ARG_B, &t, x.out, BYTES, NULL), "buffer.range",
                   "to", "65536");
        TN_INVALID(tn_queue_pack(bed->q, x.plan, TN_ARG_B, &t, x.b, 64, NULL), "run.overlap", "to",
                   "16384 bytes at 0");
        TN_EXPECT(tn_queue_wait_idle(bed->q, UINT64_MAX) == TN_OK);

        /* another plan's layout */
        tn_op *op = NULL;
        tn_plan *plan = NULL;
        char text[96];
        snprintf(text, sizeof text, "matmul 64x64x64:f32:packed+layout=%llx",
                 (unsigned long long)layout + 1);
        TN_REQUIRE(tn_op_parse(bed->rt, text, &op) == TN_OK);
        tn_plan_desc desc = {.head = TN_INIT(tn_plan_desc), .kernel = "matmul_f32_avx2_6x16"};
        char given[32];
        snprintf(given, sizeof given, "0x%llx", (unsigned long long)layout + 1);
        TN_ERROR(tn_plan_create(bed->d, op, &desc, &plan), TN_STATUS_INCOMPATIBLE, "plan.layout",
                 "args", given);
        desc.kernel = "matmul_canonical";
        TN_ERROR(tn_plan_create(bed->d, op, &desc, &plan), TN_STATUS_UNSUPPORTED, "matmul.packed",
                 "b", "packed");
        tn_op_free(bed->rt, op);
        tn_buffer_release(small);
        plan_drop(&x);
    }
#endif
}

static void nothing(void *self)
{
    (void)self;
}

/* The template device has no kernels: what it runs, cpu does for it. */
TN_TEST(errors_plan, fallback)
{
    planned x = plan_make("null", "matmul 8x8x8", NULL, TN_PLAN_ALLOW_FALLBACK);
    errors_bed bed = x.bed;
    tn_queue *r = NULL;
    uint64_t layout, bytes;
    tn_plan_desc d = {.head = TN_INIT(tn_plan_desc), .flags = TN_PLAN_ALLOW_FALLBACK};
    TN_REQUIRE(tn_commands_begin(bed.q, &r) == TN_OK);
    TN_ERROR(tn_queue_run(r, x.plan, x.bind, 3, NULL, NULL), TN_STATUS_UNSUPPORTED,
             "fallback.record", "plan", "cpu");
    TN_ERROR(tn_plan_layout(x.plan, TN_ARG_B, &layout, &bytes), TN_STATUS_UNSUPPORTED,
             "plan.layout", "role", "role 2");
    CREATE("matmul 8x8x8:f32:packed", &d, TN_STATUS_UNSUPPORTED, "plan.packed", "args",
           "a fallback");
    d.flags = 0;
    CREATE("matmul 8x8x8", &d, TN_STATUS_UNSUPPORTED, "null.no_kernels", NULL, NULL);
    TN_ERROR(tn_device_supports(bed.d, x.op), TN_STATUS_UNSUPPORTED, "null.no_kernels", NULL, NULL);
    d = (tn_plan_desc){.head = TN_INIT(tn_plan_desc),
                       .flags = TN_PLAN_ALLOW_FALLBACK,
                       .kernel = "matmul_canonical"};
    CREATE("matmul 8x8x8", &d, TN_STATUS_UNSUPPORTED, "null.no_kernels", NULL, NULL);
    d.kernel = NULL;
    CREATE("matmul 8x8x8:f64", &d, TN_STATUS_UNSUPPORTED, "null.no_kernels", NULL, NULL);
    TN_ACCEPTS(tn_queue_call(bed.q, nothing, NULL, NULL) == TN_OK);
    TN_EXPECT(tn_queue_wait_idle(bed.q, UINT64_MAX) == TN_OK);
    tn_queue_release(r);
    plan_drop(&x);
}
