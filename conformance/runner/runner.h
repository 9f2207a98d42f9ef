/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes that run cases, and who watches them. */
#ifndef TN_CONFORMANCE_RUNNER_H
#define TN_CONFORMANCE_RUNNER_H

#include <cjson/cJSON.h>
#include <conformance/verify.h>
#include <sys/types.h>

typedef struct tn_v_worker {
    pid_t pid;
    int to, from; /* pipes */
    long running; /* index of the case, -1: idle */
    double since, used; /* when it was asked, and the processor time that it had used */
    long *history; /* cases that it has run before */
    long done, room;
    int died; /* after tn_v_worker_stop: the signal that ended it before; 0: it was stopped */
} tn_v_worker;
/* "the process died of signal 11 (Segmentation fault)" */
void tn_v_death(int signal, char *text, size_t bytes);

bool tn_v_worker_start(tn_v_worker *w, const tn_v_options *o, const tn_v_case *cases);
void tn_v_worker_stop(tn_v_worker *w); /* kills it */
bool tn_v_worker_ask(tn_v_worker *w, long index);
bool tn_v_worker_late(const tn_v_worker *w, double limit);

/* ---- patience (patience.c) ---- */
/** Whether whoever has not answered for `passed` seconds, in which its process had `used` seconds of
 *  processor time, is waited for on. Idle ones are given up after `limit`; busy ones have as much
 *  processor time, which on a loaded machine takes longer, up to ten times. */
bool tn_v_waits(double limit, double passed, double used);
double tn_v_used(pid_t pid); /* processor seconds, all threads; 0: of this process */

/** Runs cases one after the other in a new process.
 *  returns   whether all answers came; *last is that of the last, or Crash or Timeout */
bool tn_v_alone(const tn_v_options *o, const tn_v_case *cases, const long *index, long count,
                tn_v_result *last);
double tn_v_now(void);

/* ---- records (record.c) ---- */
const char *tn_v_json_text(const cJSON *r, const char *key); /* "" where there is none */
double tn_v_json_number(const cJSON *r, const char *key);    /* 0 there; also inf, -inf, nan */

/* ---- waivers ---- */
typedef struct tn_v_waivers tn_v_waivers;
/* NULL path: none. NULL with a reason in `why` for a file that is wrong. */
tn_v_waivers *tn_v_waivers_load(const char *path, char *why, size_t bytes);
void tn_v_waivers_free(tn_v_waivers *w);
/* Turns a Fail into Waived, and a Pass where it must fail into UnexpectedPass. */
void tn_v_waive(const tn_v_waivers *w, const char *device, tn_v_record *r);

#endif
