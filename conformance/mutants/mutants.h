/* SPDX-License-Identifier: Apache-2.0 */
/* The suite measured: devices with one known defect each have to fail, devices without must not. */
#ifndef TN_CONFORMANCE_MUTANTS_H
#define TN_CONFORMANCE_MUTANTS_H

#include <conformance/verify.h>

typedef struct tn_v_mutant {
    char uri[32], text[128], family[32], equivalent[128];
    bool killed, named; /* named: the hypothesis was the right one */
    bool judged;        /* a matmul, conv or attention defect that has a hypothesis to be found */
    char by[TN_V_NAME], hypothesis[120], common[256];
} tn_v_mutant;

typedef struct tn_v_score {
    tn_v_mutant *mutants;
    int count, killed, survived, equivalent, false_alarms, judged, named;
    double seconds;
} tn_v_score;

/** Run the list of `o` on each mutant until a few cases fail, and on the devices of `right`, which
 *  have none, in full. `draw` > 0: only that many, chosen by the seed o->shuffle.
 *  memory    tn_v_score_free gives back what out holds
 *  returns   false when the list of mutants cannot be had */
bool tn_v_mutants(const tn_v_options *o, const char *const *right, int draw,
                  void (*tell)(void *self, const tn_v_mutant *m, int done, int all), void *self,
                  tn_v_score *out);
void tn_v_score_free(tn_v_score *s);

#endif
