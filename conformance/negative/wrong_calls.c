/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong calls of all that is no op: rows of calls.inc. */
#include <conformance/negative/bed.h>

#include <stdio.h>
#include <string.h>

static void no_call(void *self)
{
    (void)self;
}

static void no_notice(void *self, tn_status status, const tn_error *error)
{
    (void)self, (void)status, (void)error;
}

static tn_status queue_of(tn_v_bed *x, tn_queue_desc desc)
{
    return tn_queue_create(x->d, &desc, &x->made_queue);
}

static tn_status buffer_of(tn_v_bed *x, tn_buffer_desc desc)
{
    return tn_buffer_create(x->d, &desc, &x->made_buffer);
}

static tn_status plan_of(tn_v_bed *x, tn_plan_desc desc)
{
    return tn_plan_create(x->d, x->op, &desc, &x->made_plan);
}

static tn_status with_sync(tn_v_bed *x, tn_sync sync)
{
    return tn_queue_call(x->q, no_call, NULL, &sync);
}

static tn_status map(tn_buffer *b, uint64_t offset, uint64_t bytes, uint32_t mode)
{
    void *p = NULL;
    return tn_buffer_map(b, offset, bytes, mode, &p);
}

static uint64_t largest(const tn_v_bed *x)
{
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    if (tn_device_get_info(x->d, &info) != TN_OK || info.largest_buffer_bytes == 0 ||
        info.largest_buffer_bytes > INT64_MAX)
        return INT64_MAX;
    return info.largest_buffer_bytes;
}

static tn_status while_mapped(tn_v_bed *x, int what)
{
    void *p = NULL;
    tn_status st = tn_buffer_map(x->b, 0, 64, TN_MAP_READ, &p);
    if (st != TN_OK)
        return st;
    x->mapped = true;
    return what == 0   ? tn_buffer_map(x->b, 128, 64, TN_MAP_READ, &p)
           : what == 1 ? tn_queue_write(x->q, x->b, 0, x->host, 4, NULL)
           : what == 2 ? tn_queue_read(x->q, x->host, x->b, 0, 4, NULL)
                       : tn_queue_fill(x->q, x->b, 0, 4, 0, 4, NULL);
}

#define N(name, status, argument, ...)                                                             \
    static tn_status call_##name(tn_v_bed *x)                                                      \
    {                                                                                              \
        (void)x;                                                                                   \
        return __VA_ARGS__;                                                                        \
    }
#include <conformance/negative/calls.inc>
#undef N

#define N(name, status, argument, ...) {#name, call_##name, TN_STATUS_##status, argument},
static const struct {
    const char *name;
    tn_status (*call)(tn_v_bed *x);
    tn_status status;
    const char *argument;
} rows[] = {
#include <conformance/negative/calls.inc>
};
#undef N
enum { ROWS = sizeof rows / sizeof rows[0] };

static bool run(tn_v_session *s, const tn_v_case *c, tn_v_random *r, tn_v_result *out)
{
    const char *name = strrchr(c->op, '.') + 1;
    tn_v_bed *x = tn_v_make_bed(s, out);
    (void)r;
    for (int i = 0; x != NULL && i < ROWS; ++i)
        if (strcmp(rows[i].name, name) == 0) {
            if (rows[i].status == TN_STATUS_UNSUPPORTED && x->plan == NULL) {
                out->status = TN_V_NOT_SUPPORTED; /* it has no kernel, whatever is asked for */
                return tn_v_wrong(out, "the device has no plan for the op");
            }
            return tn_v_refused(x, rows[i].call(x), rows[i].status, rows[i].argument, out);
        }
    return x != NULL && tn_v_wrong(out, "no such call");
}

static void list(tn_v_sink *s)
{
    for (int i = 0; i < ROWS; ++i)
        tn_v_add(s, TN_V_QUICK, 3, TN_V_BIT(TN_V_EDGE), "negative.call.%s", rows[i].name);
}

const tn_v_family tn_v_wrong_calls = {"negative.call", false, list, run};
