/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of many runs: soaking, and the three of a certificate. */
#include <conformance/runner/runner.h>

#include <stdio.h>
#include <string.h>

enum { ANY_ORDER = 7 }; /* the shuffled run's seed, where none is given */

int tn_v_soak(const tn_v_options *o, double seconds, tn_v_summary *out, long *rounds,
              void (*tell)(void *self, const char *line), void *self)
{
    static const char *const levels[] = {"L7.*", "L8.*"};
    double start = tn_v_now();
    tn_v_options with = *o;
    int status = TN_V_EXIT_NOTHING;
    bool more = true;
    memset(out, 0, sizeof *out);
    with.seed = o->seed != 0 ? o->seed : 1;
    if (o->glob_count == 0) {
        with.globs = levels;
        with.glob_count = 2;
    }
    for (*rounds = 0; more; ++with.seed) {
        tn_v_summary_free(out);
        status = tn_v_verify(&with, out);
        ++*rounds;
        char line[160];
        snprintf(line, sizeof line, "round %ld, seed %u: %ld cases, %ld passed, %.0f s", *rounds,
                 (unsigned)with.seed, out->ran, out->status[TN_V_PASS], tn_v_now() - start);
        tell(self, line);
        with.append = true;
        more = status == TN_V_EXIT_PASSED && tn_v_now() - start < seconds;
    }
    return status;
}

static void compare(const tn_v_summary *first, const tn_v_summary *other, const char *which,
                    long *differ, void (*tell)(void *self, const char *line), void *self)
{
    for (long i = 0; i < first->total && i < other->total; ++i) {
        const tn_v_record *a = &first->records[i], *b = &other->records[i];
        if (a->which == NULL || b->which == NULL)
            continue;
        if (a->result.status == b->result.status && strcmp(a->result.digest, b->result.digest) == 0)
            continue;
        char line[TN_V_NAME + 128];
        snprintf(line, sizeof line, "%s: %s %s, then %s %s in the %s run", a->which->name,
                 tn_v_status_names[a->result.status], a->result.digest,
                 tn_v_status_names[b->result.status], b->result.digest, which);
        if (++*differ <= 20)
            tell(self, line);
    }
}

int tn_v_certify(const tn_v_options *o, tn_v_summary *out,
                 void (*tell)(void *self, const char *line), void *self)
{
    static const char *const which[] = {"again", "shuffled"};
    int status = tn_v_verify(o, out);
    long differ = 0;
    for (int i = 0; i < 2 && status == TN_V_EXIT_PASSED; ++i) {
        tn_v_summary other;
        char path[1024];
        tn_v_options with = *o;
        snprintf(path, sizeof path, "%s.%s", o->jsonl != NULL ? o->jsonl : "", which[i]);
        with.jsonl = o->jsonl != NULL ? path : NULL;
        with.shuffle = i == 0 ? 0 : o->shuffle != 0 ? o->shuffle : ANY_ORDER;
        status = tn_v_verify(&with, &other);
        if (status != TN_V_EXIT_PASSED)
            snprintf(out->why, sizeof out->why, "the first run passed, the %s one did not",
                     which[i]);
        compare(out, &other, which[i], &differ, tell, self);
        tn_v_summary_free(&other);
    }
    if (differ > 0) {
        snprintf(out->why, sizeof out->why, "%ld records differ between runs", differ);
        status = TN_V_EXIT_FAILED;
    }
    return status;
}
