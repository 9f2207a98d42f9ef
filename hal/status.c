/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of this thread, versioned structs, names of statuses, the version. */
/* path: [api] > placement > queue > backend > kernel > device */
#include <stdio.h>
#include <stdlib.h>

#include <hal/hal.h>

/* A longer struct is a head that was never set: its tail is not read. */
enum { STRUCT_MOST = 4096 };

/* The one thing in the library that is not in an object: what this thread did wrong last. */
static _Thread_local tn__error_copy last;

static void copy_text(char *to, size_t bytes, const char *from)
{
    size_t n = from ? strlen(from) : 0;
    if (n >= bytes)
        n = bytes - 1;
    if (n)
        memmove(to, from, n);
    to[n] = 0;
}

/* Points the error at the strings that live beside it. */
static void point_inside(tn__error_copy *c, bool has_argument)
{
    c->error.reason = c->reason;
    c->error.argument = has_argument ? c->argument : NULL;
    c->error.text = c->text;
    c->error.file = c->file;
    c->error.device = c->device;
}

static void record(tn_status status, const char *reason, const char *argument, const char *file,
                   int32_t line, const char *text)
{
    last.error.status = status;
    last.error.line = line;
    copy_text(last.reason, sizeof(last.reason), reason);
    copy_text(last.argument, sizeof(last.argument), argument);
    copy_text(last.file, sizeof(last.file), file);
    copy_text(last.text, sizeof(last.text), text);
    last.device[0] = 0;
    point_inside(&last, argument != NULL);
}

tn_status tn__fail_at(tn_status status, const char *reason, const char *argument, const char *file,
                      int32_t line, const char *format, ...)
{
    char text[sizeof(last.text)]; /* the arguments may point into `last` */
    va_list list;
    va_start(list, format);
    if (vsnprintf(text, sizeof(text), format, list) < 0)
        text[0] = 0;
    va_end(list);
    record(status, reason, argument, file, line, text);
    return status;
}

tn_status tn__fail_again(const tn_error *error)
{
    tn__error_copy copy;
    tn__error_save(&copy, error);
    last = copy;
    point_inside(&last, copy.error.argument != NULL);
    return last.error.status;
}

void tn__error_device(const char *uri)
{
    copy_text(last.device, sizeof(last.device), uri);
}

void tn__error_save(tn__error_copy *to, const tn_error *from)
{
    if (!from) {
        *to = last;
        point_inside(to, last.error.argument != NULL);
        return;
    }
    to->error = *from;
    copy_text(to->reason, sizeof(to->reason), from->reason);
    copy_text(to->argument, sizeof(to->argument), from->argument);
    copy_text(to->text, sizeof(to->text), from->text);
    copy_text(to->file, sizeof(to->file), from->file);
    copy_text(to->device, sizeof(to->device), from->device);
    point_inside(to, from->argument != NULL);
}

void tn__error_clear(void)
{
    last.error.status = TN_OK;
}

tn_status tn__backend_failed(tn_status status, const char *uri, const char *entry)
{
    if (last.error.status != status)
        (void)tn__fail(status, "backend.silent", NULL,
                       "the backend's %s() failed with %s and gave no reason; it should call "
                       "tn_host.fail",
                       entry, tn_status_name(status));
    if (uri && !last.device[0])
        tn__error_device(uri);
    return status;
}

void tn_error_last(tn_error *out)
{
    if (!out)
        return;
    if (!last.error.reason)
        point_inside(&last, false);
    *out = last.error;
}

const char *tn_status_name(tn_status s)
{
    switch (s) {
    case TN_OK:
        return "ok";
    case TN_STATUS_INVALID:
        return "invalid";
    case TN_STATUS_UNSUPPORTED:
        return "unsupported";
    case TN_STATUS_UNAVAILABLE:
        return "unavailable";
    case TN_STATUS_NO_MEMORY:
        return "no_memory";
    case TN_STATUS_TIMEOUT:
        return "timeout";
    case TN_STATUS_DEVICE_LOST:
        return "device_lost";
    case TN_STATUS_INCOMPATIBLE:
        return "incompatible";
    case TN_STATUS_CORRUPT:
        return "corrupt";
    case TN_STATUS_CANCELLED:
        return "cancelled";
    case TN_STATUS_INTERNAL:
        return "internal";
    }
    return "?";
}

uint32_t tn_version(void)
{
    const char *at = TN_VERSION_TEXT;
    uint32_t version = 0;
    for (int part = 0; part < 3; part++) {
        char *end;
        version = (version << 8) | (uint32_t)strtoul(at, &end, 10);
        at = *end == '.' ? end + 1 : end;
    }
    return version;
}

/* What both directions ask of the head of a caller's struct. */
static tn_status check_head(const tn_head *head, uint32_t type, const char *argument)
{
    if (!head)
        return tn__fail(TN_STATUS_INVALID, "struct.null", argument,
                        "%s is NULL; give a struct with head = TN_INIT(...)", argument);
    if (head->type != type)
        return tn__fail(TN_STATUS_INVALID, "struct.type", argument,
                        "%s has head.type %u where %u is needed; set head = TN_INIT(...)", argument,
                        head->type, type);
    if (head->size < sizeof(tn_head))
        return tn__fail(TN_STATUS_INVALID, "struct.size", argument,
                        "%s has head.size %u, less than its head of %zu bytes; set head = "
                        "TN_INIT(...)",
                        argument, head->size, sizeof(tn_head));
    if (head->size > STRUCT_MOST)
        return tn__fail(TN_STATUS_INVALID, "struct.size", argument,
                        "%s has head.size %u, more than the %d bytes that a struct may have; set "
                        "head = TN_INIT(...)",
                        argument, head->size, STRUCT_MOST);
    if (head->next)
        return tn__fail(TN_STATUS_INCOMPATIBLE, "struct.next", argument,
                        "%s has an extension (%p) in head.next that this version does not know; an "
                        "ignored one would be a wrong answer: set it to NULL",
                        argument, head->next);
    return TN_OK;
}

tn_status tn__struct_in(void *to, size_t bytes, uint32_t type, const void *from,
                        const char *argument)
{
    const tn_head *head = from;
    tn_status st = check_head(head, type, argument);
    if (st)
        return st;
    const unsigned char *tail = from;
    for (size_t i = bytes; i < head->size; i++)
        if (tail[i])
            return tn__fail(TN_STATUS_INCOMPATIBLE, "struct.tail", argument,
                            "%s is %u bytes long and byte %zu is not zero, but this version knows "
                            "only %zu bytes: a newer field is in use; leave it 0",
                            argument, head->size, i, bytes);
    memset(to, 0, bytes);
    memcpy(to, from, head->size < bytes ? head->size : bytes);
    ((tn_head *)to)->size = (uint32_t)bytes;
    return TN_OK;
}

tn_status tn__struct_out_check(const void *to, uint32_t type, const char *argument)
{
    return check_head(to, type, argument);
}

tn_status tn__struct_out(void *to, const void *from, size_t bytes, uint32_t type,
                         const char *argument)
{
    tn_head *head = to;
    tn_status st = check_head(head, type, argument);
    if (st)
        return st;
    size_t n = head->size < bytes ? head->size : bytes;
    memcpy((char *)to + sizeof(tn_head), (const char *)from + sizeof(tn_head), n - sizeof(tn_head));
    head->size = (uint32_t)n;
    return TN_OK;
}
