/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that lay out operands and launch a case's plan share. */
#ifndef TN_CONFORMANCE_LAUNCHES_H
#define TN_CONFORMANCE_LAUNCHES_H

#include <conformance/runner/execute.h>

/* ---- operands ---- */
uint64_t tn_v_alignment(const tn_v_job *j); /* of every operand's offset */
bool tn_v_images(tn_v_job *j, char *why, size_t bytes);
void tn_v_forget(tn_v_job *j);
/* The reference; a device that may take subnormal inputs for 0 need not always do so. */
void tn_v_refer(tn_v_job *j);
/* Elements of outputs: NaN in the first launch, -7 or 5 in the others. */
void tn_v_lay_outputs(tn_v_job *j, int launch);
/* Guards, gaps of outputs, and inputs have to be as they were; `in_place`: an argument that the
 * output replaces, or arg_count. */
bool tn_v_intact(const tn_v_job *j, uint32_t in_place, tn_v_result *out);
uint64_t tn_v_digest(const tn_v_job *j);

/* ---- launches ---- */
void tn_v_failed_call(tn_v_result *out, tn_status st, const char *what);
/* A plan for nearly the same op, which is alive beside the case's own; NULL: there is none. */
tn_plan *tn_v_beside(const tn_v_job *j);
/* All launches of a case with their verdicts. `other` is the same op with other data, or NULL. */
void tn_v_launches(tn_v_job *j, tn_v_job *other, tn_plan *plan, tn_plan *beside, tn_v_result *out);

#endif
