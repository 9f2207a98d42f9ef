/* SPDX-License-Identifier: Apache-2.0 */
/* Seed and device list of the tests; the plain runner that stands in for Criterion. */
#include "test.h"

#include <time.h>

uint64_t tn_test_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *text = getenv("TENON_TEST_SEED");
        if (text != NULL && *text != '\0') {
            seed = strtoull(text, NULL, 0);
        } else {
            time_t now = time(NULL);
            struct tm tm;
            gmtime_r(&now, &tm);
            seed = (uint64_t)(tm.tm_year + 1900) * 10000u + (uint64_t)(tm.tm_mon + 1) * 100u +
                   (uint64_t)tm.tm_mday;
        }
        fprintf(stderr, "seed %" PRIu64 " (TENON_TEST_SEED)\n", seed);
    }
    return seed;
}

const char *const *tn_test_devices(void)
{
    static char text[1024];
    static const char *list[32];
    if (list[0] == NULL) {
        const char *env = getenv("TENON_TEST_DEVICES");
        snprintf(text, sizeof text, "%s", env != NULL && *env != '\0' ? env : "cpu cpu?private=1");
        size_t n = 0;
        char *save = NULL;
        for (char *t = strtok_r(text, " ", &save); t != NULL && n < 31;
             t = strtok_r(NULL, " ", &save))
            list[n++] = t;
        list[n] = NULL;
    }
    return list;
}

#ifdef TN_TEST_PLAIN
#include <setjmp.h>

static tn_test_case *first_case;
static int failures;
static jmp_buf leave;

void tn_test_register(tn_test_case *c)
{
    tn_test_case **at = &first_case;
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
}

void tn_test_fail(const char *file, int line, const char *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: %s:", file, line, what);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    ++failures;
}

_Noreturn void tn_test_stop(void)
{
    longjmp(leave, 1);
}

/* A function of its own: setjmp may lose what its caller keeps in registers. */
static __attribute__((noinline)) bool passes(const tn_test_case *c)
{
    volatile int before = failures;
    if (setjmp(leave) == 0)
        c->fn();
    return failures == before;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    for (tn_test_case *c = first_case; c != NULL; c = c->next) {
        char name[256];
        snprintf(name, sizeof name, "%s_%s", c->suite, c->name);
        if (argc > 1 && strstr(name, argv[1]) == NULL)
            continue;
        if (passes(c)) {
            ++passed;
        } else {
            fprintf(stderr, "FAILED %s\n", name);
            ++failed;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
#endif
