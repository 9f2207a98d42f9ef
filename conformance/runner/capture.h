/* SPDX-License-Identifier: Apache-2.0 */
/* A case as it was met on a device: operands, what came back, what should have. A capture is kept
 * as a capsule, made smaller, and written out as a program. */
#ifndef TN_CONFORMANCE_CAPTURE_H
#define TN_CONFORMANCE_CAPTURE_H

#include <conformance/verify.h>

typedef struct tn_v_operand {
    uint32_t role;
    tn_tensor tensor;
    bool output;
    uint64_t guard, elem, total; /* bytes; a guard lies on each side */
    int64_t elems, count;        /* gaps included; without */
    unsigned char *sent, *got;   /* total bytes each; got NULL: nothing came back */
    double *value;               /* [count], inputs */
} tn_v_operand;

typedef struct tn_v_expected {
    uint32_t role, rank;
    tn_dtype dtype;
    int64_t dim[TN_MAX_RANK], count, wrong_at; /* wrong_at: the first wrong element, or -1 */
    bool bits;                                 /* moves of data: the very bits of `want_bytes` */
    double *want, *bound;                      /* [count]; bound 0: exactly, infinite: anything */
    unsigned char *want_bytes;
} tn_v_expected;

typedef struct tn_v_capture {
    tn_v_case which;
    tn_v_result result;
    char device[128];
    int operands, outputs;
    tn_v_operand operand[TN_V_ARGS];
    tn_v_expected expected[TN_V_ARGS];
    bool exact, rms;  /* of the data (tn_v_plan) */
    bool elementwise; /* `expected` says it all: no set of outcomes, no flushing either way */
    bool signed_zero; /* a zero has one right sign */
    bool simple;      /* two launches with these values alone were made */
    double limit_s;   /* when a hang counts as one; 0: nobody measured */
} tn_v_capture;

/** Copy what a watch's `judged` sees.
 *  memory    tn_v_capture_free gives it back
 *  returns   false without memory */
bool tn_v_capture_take(tn_v_capture *c, const tn_v_job *job, const tn_v_result *r);
void tn_v_capture_free(tn_v_capture *c);

/* Values in place of those that the class of data makes; NULL entries are left as they are. The
 * promises of the class that others need not keep are withdrawn. */
typedef struct tn_v_values {
    double *value[TN_V_ARGS];
    int64_t count[TN_V_ARGS];
    bool exact;
} tn_v_values;
bool tn_v_values_of(tn_v_values *v, const tn_v_capture *c);
void tn_v_values_free(tn_v_values *v);

/** Run a case in this process, with other values if any are given, and capture it. `simple`: two
 *  launches of one plan alone, as a short program makes them. */
void tn_v_observe(tn_v_session *s, const tn_v_case *c, const tn_v_values *values, bool simple,
                  tn_v_capture *out);
/* The same, and `ready` sees the capture before the first launch, which may be the last. */
void tn_v_observe_ready(tn_v_session *s, const tn_v_case *c, const tn_v_values *values, bool simple,
                        void (*ready)(void *self, tn_v_capture *c), void *self, tn_v_capture *out);

/* ---- smaller ---- */
typedef struct tn_v_small {
    tn_v_capture capture; /* of the smallest that still fails; operands 0: nothing was smaller */
    tn_v_values values;
    int tries;
    int64_t k; /* of the first failure's sum: the term that it needs; -1: not found */
} tn_v_small;
/** Look for the smallest shape and the simplest values that still fail, for at most `seconds`.
 *  memory    tn_v_small_free gives it back */
void tn_v_shrink(tn_v_session *s, const tn_v_capture *failing, double seconds, tn_v_small *out);
/* How a smaller form is tried where the session would not outlive it. */
typedef struct tn_v_trial {
    void *self;
    /* Whether it fails as the first did; `values` NULL: those of the class. */
    bool (*fails)(void *self, const tn_v_case *c, const tn_v_values *values);
    /* The operands and values of the last that failed, into `small`. */
    bool (*operands)(void *self, tn_v_small *small);
} tn_v_trial;
void tn_v_shrink_by(const tn_v_trial *trial, const tn_v_case *failing, double seconds,
                    tn_v_small *out);
void tn_v_small_free(tn_v_small *small);
/* Element, tile, lane, term and bits of the first wrong element, as lines of text. */
void tn_v_where(const tn_v_capture *c, int64_t k, char *text, size_t bytes);

/* ---- files ---- */
bool tn_v_capsule_write(const char *path, const tn_v_capture *c, const tn_v_small *small,
                        const char *list_hash);
/** A program that uses tenon.h alone and shows the failure: exit status 1 while it is there.
 *  returns   false where a short program cannot show it, or the file cannot be written */
bool tn_v_program_write(const char *path, const tn_v_capture *c);

/* Of one form in a capsule: the case, the values of its inputs, and operands without their bytes.
 */
bool tn_v_capsule_read(const char *path, tn_v_case *c, tn_v_values *v, tn_v_capture *operands);
/** Put the failure of one capsule into another as its smallest form. */
bool tn_v_capsule_join(const char *path, const char *smallest);

/** Keep a crash or a hang: a capsule whose operands were written before the launch, a smaller form
 *  and a program where one shows it. Every try has a process of its own.
 *  returns   false with the reason in out->message where it did not happen again */
bool tn_v_keep_lost(const tn_v_options *o, const tn_v_record *r, const char *folder,
                    const char *list_hash, double seconds, tn_v_result *out);

/** A session in a new process, with an end: `work` runs there, its result comes back.
 *  returns   0, or an exit status with the reason in `why`; a crash or a hang is a result */
int tn_v_in_child(const char *device, double seconds,
                  void (*work)(tn_v_session *s, void *self, tn_v_result *out), void *self,
                  tn_v_result *out, char *why, size_t bytes);

#endif
