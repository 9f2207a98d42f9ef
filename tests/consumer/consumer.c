/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody else's program does with Tenon: a matmul on every device named, with its result
 * checked. Built against an installed package, and against headers from before and after structs
 * grew: TN_SHRUNK, TN_GROWN. */
#include <stdio.h>
#include <string.h>
#include <tenon/tenon.h>

static int failed(const char *what)
{
    tn_error e;
    tn_error_last(&e);
    fprintf(stderr, "%s: %s: %s\n", what, e.reason, e.text);
    return 1;
}
#define CHECK(call)                                                                                \
    if ((call) != TN_OK)                                                                           \
    return failed(#call)

#ifdef TN_GROWN
/* The last call was refused for a field that the library does not know. */
static int refused(const char *what, tn_status st)
{
    tn_error e;
    tn_error_last(&e);
    if (st == TN_STATUS_INCOMPATIBLE && strcmp(e.reason, "struct.tail") == 0)
        return 0;
    fprintf(stderr, "%s: a field that the library does not know was taken as known: %s\n", what,
            e.reason);
    return 1;
}

/* Fields that the library does not know yet: harmless while nothing is asked of them. */
static int grown(tn_device *d, const tn_op *op)
{
    tn_runtime *other = NULL;
    tn_buffer *b = NULL;
    tn_queue *q = NULL;
    tn_plan *p = NULL;
    tn_runtime_desc rd = {.head = TN_INIT(tn_runtime_desc), .tn_grown = 1};
    tn_buffer_desc bd = {.head = TN_INIT(tn_buffer_desc), .bytes = 64, .tn_grown = 1};
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc), .tn_grown = 1};
    tn_plan_desc pd = {.head = TN_INIT(tn_plan_desc), .tn_grown = 1};
    tn_matmul attr = {.head = TN_INIT(tn_matmul), .tn_grown = 1};
    tn_op late = *op, odd = *op;
    late.tn_grown = 1;
    odd.attr = &attr;
    if (refused("tn_runtime_desc", tn_runtime_create(&rd, &other)) ||
        refused("tn_buffer_desc", tn_buffer_create(d, &bd, &b)) ||
        refused("tn_queue_desc", tn_queue_create(d, &qd, &q)) ||
        refused("tn_plan_desc", tn_plan_create(d, op, &pd, &p)) ||
        refused("tn_op", tn_plan_create(d, &late, NULL, &p)) ||
        refused("tn_matmul", tn_plan_create(d, &odd, NULL, &p)) || other != NULL || b != NULL ||
        q != NULL || p != NULL)
        return 1;
    tn_device_info info = {.head = TN_INIT(tn_device_info), .tn_grown = 77};
    CHECK(tn_device_get_info(d, &info));
    if (info.tn_grown != 77 || info.head.size >= sizeof info)
        return failed("the library does not say how much it wrote");
    return 0;
}
#endif

/* The structs that come out lie before bytes of their own: an older program's are shorter. */
#define OUT(type, get)                                                                             \
    do {                                                                                           \
        struct {                                                                                   \
            type out;                                                                              \
            unsigned char after[256];                                                              \
        } told;                                                                                    \
        memset(&told, 0x5a, sizeof told);                                                          \
        told.out.head = (tn_head)TN_INIT(type);                                                    \
        CHECK(get);                                                                                \
        for (size_t i = 0; i < sizeof told.after; ++i)                                             \
            if (told.after[i] != 0x5a)                                                             \
                return failed("the library wrote behind the struct");                              \
    } while (0)

static int run(tn_runtime *rt, const char *uri)
{
    static const float a[6] = {1, 2, 3, 4, 5, 6}, right[4] = {22, 28, 49, 64};
    float got[4] = {0};
    tn_device *d = NULL;
    tn_queue *q = NULL;
    tn_buffer *b[3] = {NULL};
    CHECK(tn_device_open(rt, uri, &d));
    tn_queue_desc qd = {.head = TN_INIT(tn_queue_desc)};
    CHECK(tn_queue_create(d, &qd, &q));
    for (int i = 0; i < 3; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = 64};
        CHECK(tn_buffer_create(d, &desc, &b[i]));
    }
    OUT(tn_device_info, tn_device_get_info(d, &told.out));
    CHECK(tn_queue_write(q, b[0], 0, a, sizeof a, NULL));
    CHECK(tn_queue_write(q, b[1], 0, a, sizeof a, NULL));
    tn_arg args[3] = {
        {.role = TN_ARG_A,
         .tensor = {.buffer = b[0], .dtype = TN_F32, .rank = 2, .dim = {2, 3}, .stride = {3, 1}}},
        {.role = TN_ARG_B,
         .tensor = {.buffer = b[1], .dtype = TN_F32, .rank = 2, .dim = {3, 2}, .stride = {2, 1}}},
        {.role = TN_ARG_OUT,
         .tensor = {.buffer = b[2], .dtype = TN_F32, .rank = 2, .dim = {2, 2}, .stride = {2, 1}}}};
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .attr = &attr, .args = args, .arg_count = 3};
    op.numerics.cls = TN_CLASS_CANONICAL;
    CHECK(tn_compute(q, &op));
    tn_plan_desc pd = {.head = TN_INIT(tn_plan_desc)};
    tn_plan *plan = NULL;
    CHECK(tn_plan_create(d, &op, &pd, &plan));
    OUT(tn_plan_info, tn_plan_get_info(plan, &told.out));
    OUT(tn_arithmetic, tn_plan_arithmetic(plan, &told.out));
    tn_plan_release(plan);
    CHECK(tn_queue_read(q, got, b[2], 0, sizeof got, NULL));
    CHECK(tn_queue_wait_idle(q, UINT64_MAX));
#ifdef TN_GROWN
    if (grown(d, &op) != 0)
        return 1;
#endif
    for (int i = 0; i < 3; ++i)
        tn_buffer_release(b[i]);
    tn_queue_release(q);
    tn_device_release(d);
    printf("%s: %g %g %g %g\n", uri, got[0], got[1], got[2], got[3]);
    return memcmp(got, right, sizeof got) != 0;
}

static void tell(void *self, const char *path, tn_status status, const char *reason)
{
    (void)self, (void)path;
    printf("%s %s\n", tn_status_name(status), reason);
}

/* usage: consumer [--plugins | URI...] */
int main(int argc, char **argv)
{
    tn_runtime *rt = NULL;
    tn_runtime_desc desc = {.head = TN_INIT(tn_runtime_desc), .threads = 2};
    CHECK(tn_runtime_create(&desc, &rt));
    int bad = 0;
    if (argc > 1 && strcmp(argv[1], "--plugins") == 0) {
        CHECK(tn_runtime_plugins(rt, tell, NULL));
    } else if (argc > 1) {
        for (int i = 1; i < argc; ++i)
            bad += run(rt, argv[i]);
    } else {
        bad = run(rt, "cpu") + run(rt, "cpu?private=1");
    }
    tn_runtime_release(rt);
    return bad;
}
