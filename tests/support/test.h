/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros that all C tests use: over Criterion, or over a plain main in one process when
 * TN_TEST_PLAIN is defined (sanitizers: Criterion 2.4.1 crashes under TSan and exits 0 on a leak).
 */
#ifndef TN_TESTS_SUPPORT_TEST_H
#define TN_TESTS_SUPPORT_TEST_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef TN_TEST_PLAIN
typedef struct tn_test_case {
    const char *suite, *name;
    void (*fn)(void);
    struct tn_test_case *next;
} tn_test_case;
void tn_test_register(tn_test_case *c);
void tn_test_fail(const char *file, int line, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
_Noreturn void tn_test_stop(void);

#define TN_TEST(suite_, name_)                                                                     \
    static void test_##suite_##_##name_(void);                                                     \
    __attribute__((constructor)) static void register_##suite_##_##name_(void)                     \
    {                                                                                              \
        static tn_test_case c = {#suite_, #name_, test_##suite_##_##name_, NULL};                  \
        tn_test_register(&c);                                                                      \
    }                                                                                              \
    static void test_##suite_##_##name_(void)
/* Report and go on. */
#define TN_EXPECT(cond, ...)                                                                       \
    do {                                                                                           \
        if (!(cond))                                                                               \
            tn_test_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__);                              \
    } while (0)
/* Report and leave this test. */
#define TN_REQUIRE(cond, ...)                                                                      \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            tn_test_fail(__FILE__, __LINE__, #cond, " " __VA_ARGS__);                              \
            tn_test_stop();                                                                        \
        }                                                                                          \
    } while (0)
#else
#include <criterion/criterion.h>
#define TN_TEST(suite_, name_) Test(suite_, name_, .timeout = 300)
#define TN_EXPECT(cond, ...)   cr_expect(cond, "" __VA_ARGS__)
#define TN_REQUIRE(cond, ...)  cr_assert(cond, "" __VA_ARGS__)
#endif

/* The seed of this run: TENON_TEST_SEED, or the date (YYYYMMDD); printed once. */
uint64_t tn_test_seed(void);
/* Next number of a small generator; state is any value. */
static inline uint64_t tn_test_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Devices that every device test runs on: TENON_TEST_DEVICES or "cpu cpu?private=1".
 * NULL-terminated. */
const char *const *tn_test_devices(void);

#endif
