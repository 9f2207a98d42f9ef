/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the error tables: a call, the status, reason id and argument that it has to give, and
 * what the text has to quote. Each row is checked and printed in one line, from which
 * tests/check_reasons.py counts what is covered:
 *   error: status reason argument: text  [function file:line]
 * Rows with no error to expect (what accepts NULL, say) print `call: function`. */
#ifndef TN_TESTS_SUPPORT_ERRORS_H
#define TN_TESTS_SUPPORT_ERRORS_H

#include "test.h"
#include <hal/hal.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a forked child the test framework is out of reach: failures are counted here. */
static int errors_in_child, errors_child_failures;

__attribute__((format(printf, 3, 4))) static inline void errors_report(const char *file, int line,
                                                                       const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (errors_in_child != 0) {
        fprintf(stderr, "%s:%d (child): %s\n", file, line, text);
        ++errors_child_failures;
        return;
    }
    TN_EXPECT(false, "%s:%d: %s", file, line, text);
}

/* The public function that the text of a call names first. */
static inline void errors_function(const char *call, char *out, size_t bytes)
{
    const char *at = strstr(call, "tn_");
    size_t n = 0;
    for (; at != NULL && n + 1 < bytes &&
           (at[n] == '_' || (at[n] >= '0' && at[n] <= '9') || (at[n] >= 'a' && at[n] <= 'z'));
         ++n)
        out[n] = at[n];
    out[n] = '\0';
}

/* What a row left behind may not pass for what the next one did. */
static inline void errors_forget(void)
{
    (void)tn__fail_at(TN_OK, "errors.stale", NULL, "tests", 0, "an older error");
}

/* The names of things in brackets or behind dots: "attr.flags" is named by "flags". */
static inline const char *errors_last_part(const char *argument)
{
    const char *dot = strrchr(argument, '.');
    return dot != NULL ? dot + 1 : argument;
}

/* What every error has, whatever it says. `given` is a part of the text, or NULL. */
static inline void errors_properties(const char *file, int line, const tn_error *e,
                                     const char *given)
{
    const char *text = e->text != NULL ? e->text : "";
    size_t n = strlen(text);
    if (n < 20)
        errors_report(file, line, "%s: \"%s\" is no sentence", e->reason, text);
    if (n + 1 >= sizeof((tn__error_copy *)0)->text)
        errors_report(file, line, "%s: the text is cut off: %s", e->reason, text);
    if (strpbrk(text, "\n\r\t") != NULL ||
        (n > 3 && (text[n - 1] == ' ' || (text[n - 1] == '.' && text[n - 2] != '.'))))
        errors_report(file, line, "%s: line ends, tabs or a closing . or blank: \"%s\"", e->reason,
                      text);
    if (strstr(text, "%") != NULL || strstr(text, "(null)") != NULL)
        errors_report(file, line, "%s: a format that was not filled in: %s", e->reason, text);
    /* What is wrong; what is allowed or to be done. */
    const char *cut = strstr(text, "; ");
    if (cut == NULL)
        cut = strstr(text, ": ");
    if (cut == NULL || cut == text || cut[2] == '\0')
        errors_report(file, line, "%s: no word on what is allowed or to be done: %s", e->reason,
                      text);
    bool quoted = given != NULL && strstr(text, given) != NULL;
    if (given != NULL && !quoted)
        errors_report(file, line, "%s does not quote \"%s\": %s", e->reason, given, text);
    if (e->argument != NULL && !quoted && strstr(text, errors_last_part(e->argument)) == NULL)
        errors_report(file, line, "%s does not name %s: %s", e->reason, e->argument, text);
    if (e->status == TN_STATUS_INVALID && e->argument == NULL)
        errors_report(file, line, "%s is INVALID and blames no argument: %s", e->reason, text);
    if (e->reason == NULL || strchr(e->reason, '.') == NULL ||
        strpbrk(e->reason, " ./\"") != strchr(e->reason, '.'))
        errors_report(file, line, "\"%s\" is no reason id", e->reason);
    if (e->file == NULL || e->file[0] == '\0' || e->file[0] == '/' || e->line <= 0)
        errors_report(file, line, "%s: no place in the source (%s:%d)", e->reason,
                      e->file != NULL ? e->file : "", (int)e->line);
}

/* One row: `e` is what `call` (of `function`) left. */
static inline void errors_row(const char *file, int line, const char *function, const char *call,
                              const tn_error *e, tn_status status, const char *reason,
                              const char *argument, const char *given)
{
    const char *had = e->reason != NULL ? e->reason : "";
    const char *blamed = e->argument != NULL ? e->argument : "-";
    if (e->status != status || strcmp(had, reason) != 0) {
        errors_report(file, line, "%s: want %s %s, got %s %s: %s", call, tn_status_name(status),
                      reason, tn_status_name(e->status), had, e->text != NULL ? e->text : "");
        return;
    }
    if (strcmp(blamed, argument != NULL ? argument : "-") != 0)
        errors_report(file, line, "%s: %s blames %s instead of %s", call, reason, blamed,
                      argument != NULL ? argument : "-");
    errors_properties(file, line, e, given);
    printf("error: %s %s %s: %s  [%s %s:%d]\n", tn_status_name(e->status), had, blamed, e->text,
           function, e->file, (int)e->line);
    fflush(stdout); /* whole lines, also where several processes write */
}

static inline void errors_call(const char *file, int line, const char *function, const char *call,
                               tn_status got, tn_status status, const char *reason,
                               const char *argument, const char *given)
{
    char name[64];
    tn_error e;
    tn_error_last(&e);
    if (function == NULL) {
        errors_function(call, name, sizeof name);
        function = name;
    }
    if (got != e.status)
        errors_report(file, line, "%s returned %s and recorded %s %s", call, tn_status_name(got),
                      tn_status_name(e.status), e.reason != NULL ? e.reason : "");
    errors_row(file, line, function, call, &e, status, reason, argument, given);
}

/* A call that has to fail: its status, reason, argument (NULL: none) and a part of the text. */
#define TN_ERROR(call, status, reason, argument, given)                                            \
    TN_ERROR_OF(NULL, call, status, reason, argument, given)
/* The same where the call does not name the public function that it stands for. */
#define TN_ERROR_OF(function, call, status, reason, argument, given)                               \
    do {                                                                                           \
        errors_forget();                                                                           \
        tn_status errors_got_ = (call);                                                            \
        errors_call(__FILE__, __LINE__, function, #call, errors_got_, status, reason, argument,    \
                    given);                                                                        \
    } while (0)
#define TN_INVALID(call, reason, argument, given)                                                  \
    TN_ERROR(call, TN_STATUS_INVALID, reason, argument, given)
/* An error that was handed over, to a callback or on a fence. */
#define TN_ERROR_IS(function, error, status, reason, argument, given)                              \
    errors_row(__FILE__, __LINE__, function, #error, error, status, reason, argument, given)
/* A condition on a call that has no error to give: the functions that accept NULL. */
#define TN_ACCEPTS(...)                                                                            \
    do {                                                                                           \
        char errors_name_[64];                                                                     \
        errors_function(#__VA_ARGS__, errors_name_, sizeof errors_name_);                          \
        if (!(__VA_ARGS__))                                                                        \
            errors_report(__FILE__, __LINE__, "%s does not hold", #__VA_ARGS__);                   \
        printf("call: %s\n", errors_name_);                                                        \
        fflush(stdout);                                                                            \
    } while (0)

/* Runs rows in a forked child, which may hang where it should not: it is given 20 seconds. */
static inline void errors_forked(void (*rows)(void *), void *self)
{
    int status = -1;
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    TN_REQUIRE(child >= 0);
    if (child == 0) {
        errors_in_child = 1;
        alarm(20);
        rows(self);
        fflush(stdout);
        _exit(errors_child_failures != 0);
    }
    TN_REQUIRE(waitpid(child, &status, 0) == child);
    TN_EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with 0x%x", status);
}

/* ---- what most rows need ---- */
typedef struct errors_bed {
    tn_runtime *rt, *other_rt;
    tn_device *d, *again, *other; /* one URI twice, and a device of the other runtime */
    tn_queue *q, *other_q;
    tn_buffer *b, *again_b, *other_b; /* of 4096 bytes */
    tn_fence *f, *other_f;
} errors_bed;

static inline tn_buffer *errors_buffer(tn_device *d, uint64_t bytes)
{
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes};
    tn_buffer *b = NULL;
    return tn_buffer_create(d, &desc, &b) == TN_OK ? b : NULL;
}

static inline errors_bed errors_make(const char *uri)
{
    errors_bed bed = {0};
    TN_REQUIRE(tn_runtime_create(NULL, &bed.rt) == TN_OK &&
               tn_runtime_create(NULL, &bed.other_rt) == TN_OK);
    TN_REQUIRE(tn_device_open(bed.rt, uri, &bed.d) == TN_OK &&
                   tn_device_open(bed.rt, uri, &bed.again) == TN_OK &&
                   tn_device_open(bed.other_rt, uri, &bed.other) == TN_OK,
               "%s", uri);
    TN_REQUIRE(tn_queue_create(bed.d, NULL, &bed.q) == TN_OK &&
               tn_queue_create(bed.other, NULL, &bed.other_q) == TN_OK);
    bed.b = errors_buffer(bed.d, 4096);
    bed.again_b = errors_buffer(bed.again, 4096);
    bed.other_b = errors_buffer(bed.other, 4096);
    TN_REQUIRE(bed.b != NULL && bed.again_b != NULL && bed.other_b != NULL);
    TN_REQUIRE(tn_fence_create(bed.rt, 0, &bed.f) == TN_OK &&
               tn_fence_create(bed.other_rt, 0, &bed.other_f) == TN_OK);
    return bed;
}

static inline void errors_drop(errors_bed *bed)
{
    tn_fence_release(bed->f);
    tn_fence_release(bed->other_f);
    tn_buffer_release(bed->b);
    tn_buffer_release(bed->again_b);
    tn_buffer_release(bed->other_b);
    tn_queue_release(bed->q);
    tn_queue_release(bed->other_q);
    tn_device_release(bed->d);
    tn_device_release(bed->again);
    tn_device_release(bed->other);
    tn_runtime_release(bed->rt);
    tn_runtime_release(bed->other_rt);
}

#endif
