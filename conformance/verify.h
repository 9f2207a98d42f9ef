/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite as a library: what the command calls. */
#ifndef TN_CONFORMANCE_VERIFY_H
#define TN_CONFORMANCE_VERIFY_H

#include <conformance/runner/execute.h>

typedef struct tn_v_record {
    const tn_v_case *which;
    tn_v_result result;
    char waiver[48];
} tn_v_record;

typedef struct tn_v_options {
    const char *device;
    tn_v_list list;
    const char *const *globs; /* any of them; none: all */
    int glob_count;
    const char *caselist; /* file of names, "-": standard input */
    const char *op;       /* one case by its op's text and data, besides the lists */
    tn_v_data op_data;
    int shard, shards; /* shard 1..shards; 0: all */
    int jobs;
    uint64_t shuffle; /* seed; 0: in order */
    double budget;    /* multiplications at most; 0: no limit */
    double case_timeout_s;
    const char *jsonl, *resume, *junit, *csv, *html, *baseline, *waivers;
    bool quiet, ladder, no_retry;
    long stop_after; /* this many failures; 0: go on */
    void (*progress)(void *self, long done, long all, double seconds, long failed);
    void *progress_self;
} tn_v_options;

typedef struct tn_v_summary {
    long status[TN_V_STATUS_COUNT], total, cases, ran; /* in the list; chosen; done */
    double seconds;
    char list_hash[17], why[256];
    tn_v_case *cases_made;
    tn_v_record *records;
} tn_v_summary;

/* Exit statuses of `tenon verify`, documented in docs/CONFORMANCE.md. */
enum {
    TN_V_EXIT_PASSED = 0,
    TN_V_EXIT_FAILED = 1,
    TN_V_EXIT_USAGE = 2,
    TN_V_EXIT_NO_DEVICE = 3,
    TN_V_EXIT_NOTHING = 4
};

/** Run cases in child processes: a crash or a hang costs one case. Records go to options->jsonl as
 *  they come, one write each.
 *  memory    tn_v_summary_free gives back what out holds
 *  returns   an exit status */
int tn_v_verify(const tn_v_options *options, tn_v_summary *out);
void tn_v_summary_free(tn_v_summary *s);

/* Reports from records; false: the file could not be written. */
bool tn_v_write_junit(const tn_v_options *o, const tn_v_summary *s, const char *path);
bool tn_v_write_csv(const tn_v_options *o, const tn_v_summary *s, const char *path);
bool tn_v_write_html(const tn_v_options *o, const tn_v_summary *s, const char *path);

/** One record as a line of JSON, ending in a newline; malloc'ed. */
char *tn_v_record_json(const tn_v_options *o, const tn_v_record *r, const char *list_hash);

/** Check a folder of JSONL records against the list that they name: complete, no case twice, none
 *  unknown, seals intact; with `device` every n-th case is run again.
 *  returns   an exit status; problems are told line by line */
int tn_v_verify_submission(const char *folder, const char *device,
                           void (*tell)(void *self, const char *line), void *self);

#endif
