/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a check by its name; what the checks share. */
#include <conformance/lowlevel/lowlevel.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const tn_v_check *const tables[] = {tn_v_memory_checks,   tn_v_transfer_checks,
                                           tn_v_order_checks,    tn_v_stress_checks,
                                           tn_v_pressure_checks, tn_v_reuse_checks};
enum { TABLES = sizeof tables / sizeof tables[0] };

static const tn_v_family *const families[] = {&tn_v_graphs,    &tn_v_packings,   &tn_v_wrong_calls,
                                              &tn_v_wrong_ops, &tn_v_wrong_runs, &tn_v_networks};
enum { FAMILIES = sizeof families / sizeof families[0] };

static const tn_v_family *family_of(const char *op)
{
    for (int f = 0; f < FAMILIES; ++f) {
        size_t n = strlen(families[f]->prefix);
        if (strncmp(op, families[f]->prefix, n) == 0 && op[n] == '.')
            return families[f];
    }
    return NULL;
}

static const tn_v_check *find(const char *op)
{
    for (int t = 0; t < TABLES; ++t)
        for (const tn_v_check *c = tables[t]; c->name != NULL; ++c)
            if (strcmp(c->name, op) == 0)
                return c;
    return NULL;
}

bool tn_v_is_lowlevel(const char *op)
{
    return find(op) != NULL || family_of(op) != NULL;
}

bool tn_v_takes_seed(const char *op)
{
    const tn_v_family *f = family_of(op);
    return f != NULL ? f->drawn : find(op) == NULL;
}

void tn_v_list_lowlevel(tn_v_sink *s)
{
    for (int t = 0; t < TABLES; ++t)
        for (const tn_v_check *c = tables[t]; c->name != NULL; ++c)
            tn_v_add(s, c->from, c->level, TN_V_BIT(TN_V_EDGE), "%s", c->name);
    for (int f = 0; f < FAMILIES; ++f)
        families[f]->list(s);
}

bool tn_v_wrong(tn_v_result *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->message, sizeof out->message, format, args);
    va_end(args);
    return false;
}

bool tn_v_good(tn_v_result *out, tn_status st, const char *what)
{
    if (st == TN_OK)
        return true;
    tn_error e;
    tn_error_last(&e);
    if (st == TN_STATUS_TIMEOUT)
        out->status = TN_V_TIMEOUT;
    return tn_v_wrong(out, "%s: %s: %s", what, e.reason != NULL ? e.reason : tn_status_name(st),
                      e.text != NULL ? e.text : "no text");
}

bool tn_v_buffer(tn_v_session *s, uint64_t bytes, tn_buffer **out, tn_v_result *result)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    *out = NULL;
    return tn_v_good(result, tn_buffer_create(s->device, &desc, out), "buffer");
}

bool tn_v_put(tn_v_session *s, tn_buffer *b, uint64_t offset, const void *from, uint64_t bytes,
              tn_v_result *out)
{
    tn_status st = tn_queue_write(s->queue, b, offset, from, bytes, NULL);
    tn_status idle = tn_v_wait_idle(s, s->queue);
    return tn_v_good(out, st != TN_OK ? st : idle, "write");
}

bool tn_v_get(tn_v_session *s, void *to, tn_buffer *b, uint64_t offset, uint64_t bytes,
              tn_v_result *out)
{
    tn_status st = tn_queue_read(s->queue, to, b, offset, bytes, NULL);
    tn_status idle = tn_v_wait_idle(s, s->queue);
    return tn_v_good(out, st != TN_OK ? st : idle, "read");
}

int64_t tn_v_differs(const unsigned char *got, const unsigned char *want, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; ++i)
        if (got[i] != want[i])
            return (int64_t)i;
    return -1;
}

bool tn_v_lowlevel(tn_v_session *s, const tn_v_case *c, tn_v_result *out)
{
    const tn_v_check *check = find(c->op);
    const tn_v_family *family = check == NULL ? family_of(c->op) : NULL;
    tn_v_random r = {c->seed};
    if (check == NULL && family == NULL)
        return false;
    bool good = check != NULL ? check->run(s, &r, out) : family->run(s, c, &r, out);
    if (good)
        out->status = TN_V_PASS;
    else if (out->status == TN_V_PASS)
        out->status = TN_V_FAIL;
    return true;
}
