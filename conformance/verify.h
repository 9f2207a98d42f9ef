/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite as a library: what the command calls. */
#ifndef TN_CONFORMANCE_VERIFY_H
#define TN_CONFORMANCE_VERIFY_H

#include <conformance/runner/execute.h>

typedef struct tn_v_record {
    const tn_v_case *which;
    tn_v_result result;
    char waiver[48], waiver_reason[128], waiver_expires[16];
} tn_v_record;

typedef struct tn_v_options {
    const char *device;
    tn_v_list list;
    const char *const *globs; /* any of them; none: all */
    int glob_count;
    const char *caselist; /* file of names, "-": standard input */
    const char *op;       /* one case by its op's text and data, besides the lists */
    tn_v_data op_data;
    uint32_t seed;     /* the repeat of every case: other data; names end in it */
    int shard, shards; /* shard 1..shards; 0: all */
    int jobs;
    uint64_t shuffle; /* seed; 0: in order */
    double budget;    /* multiplications at most; 0: no limit */
    double case_timeout_s;
    const char *jsonl, *resume, *junit, *csv, *html, *baseline, *waivers;
    bool quiet, ladder, no_retry, append; /* append: to jsonl */
    long stop_after;                      /* this many failures; 0: go on */
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

/** Level 7 and 8 again and again for `seconds`, with other data each time: graphs, packings and
 *  networks drawn anew, the other checks as they are. options->seed is the first round's, 0: 1; the
 *  records of all rounds go to options->jsonl.
 *  returns   an exit status; `tell` hears of each round */
int tn_v_soak(const tn_v_options *options, double seconds, tn_v_summary *out, long *rounds,
              void (*tell)(void *self, const char *line), void *self);

/** Level 9: the list in order, once more, and shuffled; all records have to be the same.
 *  options->jsonl gets those of the first run, with .again and .shuffled behind it those of the
 *  others.
 *  returns   an exit status; `tell` hears of what differs */
int tn_v_certify(const tn_v_options *options, tn_v_summary *out,
                 void (*tell)(void *self, const char *line), void *self);

/** A digest of the results of a run, in the order of names: status and bits of every case. */
void tn_v_results_digest(const tn_v_summary *s, char out[17]);

/** Tell, line by line, what the failing cases of each op have in common that few passing ones have:
 *  a size, a part, a type, a kernel, or two of these. */
void tn_v_common(const tn_v_summary *s, void (*tell)(void *self, const char *line), void *self);

/* What the results of an op in one type of its first operand are worth: A every bit is foreseen, by
 * the reference or by the twin, B accumulators of 24 bits or more that round to nearest, C one that
 * truncates, D narrower, '-' something failed, or less is done than is declared, '?' that is not
 * recorded. Waived failures leave the letter to the other cases, and are told beside it. */
typedef struct tn_v_op_grade {
    char op[24], type[16], grade;
    long cases, failed, waived;
    double worst; /* error over bound */
    char reason[192];
} tn_v_op_grade;
struct tn_v_identity;
/** Grades by op and type from a run's records; those of sums in the types that `who` was asked for
 *  (NULL: nobody) are what was found, not what is declared.
 *  memory    malloc'ed; the caller frees *out
 *  returns   how many */
int tn_v_grades(const tn_v_summary *s, const struct tn_v_identity *who, tn_v_op_grade **out);

/* Reports from records; false: the file could not be written. */
bool tn_v_write_junit(const tn_v_options *o, const tn_v_summary *s, const char *path);
bool tn_v_write_csv(const tn_v_options *o, const tn_v_summary *s, const char *path);
bool tn_v_write_html(const tn_v_options *o, const tn_v_summary *s, const char *path);

/** The line that runs a case again. */
void tn_v_again(const tn_v_options *o, const tn_v_case *c, char *text, size_t bytes);

/** One record as a line of JSON, ending in a newline; malloc'ed. */
char *tn_v_record_json(const tn_v_options *o, const tn_v_record *r, const char *list_hash);

/** Read records back, from files and from folders of *.jsonl: those of all shards are one summary,
 *  sorted by name; `device` gets theirs.
 *  memory    tn_v_summary_free gives back what out holds
 *  returns   false with the reason in out->why: other devices, other lists, a case twice */
bool tn_v_load_records(const char *const *paths, int count, tn_v_summary *out, char *device,
                       size_t bytes);
/* The list of this version that has a hash; false: none. */
bool tn_v_list_of_hash(const char *hash, tn_v_list *out);

/** Write the certificate of a run: HTML, or text where the path ends in .txt. Only a whole list
 *  without a failure gets one, and only with records of two more runs, one of them in another order
 *  (tn_v_certify makes them), that are the same.
 *  returns   false with the reason in `why` */
bool tn_v_write_certificate(const tn_v_options *o, const tn_v_summary *s, const char *const with[2],
                            const char *path, char *why, size_t bytes);

/** Check a folder of JSONL records against the list that they name: complete, no case twice, none
 *  unknown, seals intact; with `device` every n-th case is run again.
 *  returns   an exit status; problems are told line by line */
int tn_v_verify_submission(const char *folder, const char *device,
                           void (*tell)(void *self, const char *line), void *self);

/* ---- failures kept ---- */
typedef enum tn_v_outcome {
    TN_V_SAME_BITS,
    TN_V_SAME,
    TN_V_FIXED,
    TN_V_DIFFERENT,
    TN_V_SAME_END /* of a crash or a hang: by the same signal, or none again */
} tn_v_outcome;
typedef struct tn_v_replayed {
    tn_v_outcome outcome;
    tn_v_result before, now;
    char name[TN_V_NAME], device[128], why[256];
} tn_v_replayed;

/** Run what a capsule holds in a new process: on its device, or on another one. `smallest`: its
 *  smallest form.
 *  returns   an exit status: 0 it passes now, 1 it does not, 2 no capsule, 3 no such device */
int tn_v_replay(const char *path, const char *device, bool smallest, tn_v_replayed *out);

/** Make the failures of a run smaller and keep each as a capsule, and as a program where that shows
 *  it: one for each op and hypothesis, at most `most`, each in about `seconds`.
 *  returns   how many were kept */
int tn_v_keep_failures(const tn_v_options *o, const tn_v_summary *s, const char *folder, int most,
                       double seconds, void (*tell)(void *self, const char *line), void *self);

#endif
