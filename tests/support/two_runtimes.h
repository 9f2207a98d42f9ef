/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest library of tests/test_two_runtimes.c exports. */
#ifndef TN_TESTS_SUPPORT_TWO_RUNTIMES_H
#define TN_TESTS_SUPPORT_TWO_RUNTIMES_H

#include <stdint.h>

typedef struct guest_report {
    uint64_t plans, runs, wrong, errors, digest; /* digest: of the expected bits of every op */
    int64_t live_bytes;                          /* after everything was released */
    uint64_t misuse, allocations;
    char text[256]; /* the first error */
} guest_report;

/* Opens `uri` on a runtime of its own and works on it with `threads` threads for some seconds. */
typedef void (*guest_fn)(const char *uri, uint32_t threads, double seconds, uint64_t seed,
                         guest_report *out);

#endif
