/* SPDX-License-Identifier: Apache-2.0 */
/* Cases that are no single op: checks of levels 0 to 3 and 7, wrong calls, drawn graphs, networks.
 */
#ifndef TN_CONFORMANCE_LOWLEVEL_H
#define TN_CONFORMANCE_LOWLEVEL_H

#include <conformance/cases/case_list.h>
#include <conformance/runner/execute.h>

typedef struct tn_v_check {
    const char *name;
    int level;
    tn_v_list from;
    /* true: passed; otherwise out->message is filled, and out->status if it is not TN_V_FAIL */
    bool (*run)(tn_v_session *s, tn_v_random *r, tn_v_result *out);
} tn_v_check;

/* One table a file; the last row has no name. */
extern const tn_v_check tn_v_memory_checks[], tn_v_transfer_checks[], tn_v_order_checks[],
    tn_v_stress_checks[], tn_v_pressure_checks[], tn_v_reuse_checks[];

/* Cases whose name has parameters: `prefix`, a dot, and what list() put behind it. */
typedef struct tn_v_family {
    const char *prefix;
    bool drawn; /* another seed is another case */
    void (*list)(tn_v_sink *s);
    bool (*run)(tn_v_session *s, const tn_v_case *c, tn_v_random *r, tn_v_result *out);
} tn_v_family;
extern const tn_v_family tn_v_graphs, tn_v_packings, tn_v_wrong_calls, tn_v_wrong_ops,
    tn_v_wrong_runs, tn_v_networks;

/* Fails the check with a sentence; returns false. */
bool tn_v_wrong(tn_v_result *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A call that has to succeed; else the check fails with its error. */
bool tn_v_good(tn_v_result *out, tn_status st, const char *what);
bool tn_v_buffer(tn_v_session *s, uint64_t bytes, tn_buffer **out, tn_v_result *result);
bool tn_v_put(tn_v_session *s, tn_buffer *b, uint64_t offset, const void *from, uint64_t bytes,
              tn_v_result *out); /* and waits */
bool tn_v_get(tn_v_session *s, void *to, tn_buffer *b, uint64_t offset, uint64_t bytes,
              tn_v_result *out);
/* The first byte that differs, or -1. */
int64_t tn_v_differs(const unsigned char *got, const unsigned char *want, uint64_t bytes);

#endif
