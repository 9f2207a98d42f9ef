/* SPDX-License-Identifier: Apache-2.0 */
/* One op among many: its plan, and whether what came back is right for what went in. */
#ifndef TN_CONFORMANCE_STEP_H
#define TN_CONFORMANCE_STEP_H

#include <conformance/lowlevel/lowlevel.h>

typedef struct tn_v_step {
    tn_op *op;
    tn_plan *plan;
    tn_v_arith arith;
    bool unrepeatable;
} tn_v_step;

/** Parse an op and plan it.
 *  memory    tn_v_step_drop gives it back, also after a failure
 *  returns   false with the reason in `result`; NOT_SUPPORTED where the device says so */
bool tn_v_step_make(tn_v_session *s, tn_device *device, const char *text, tn_v_step *out,
                    tn_v_result *result);
void tn_v_step_drop(tn_v_session *s, tn_v_step *step);

int64_t tn_v_span(const tn_tensor *t);        /* elements from the first to the last, gaps too */
uint64_t tn_v_span_bytes(const tn_tensor *t); /* the same in bytes */

/** Whether the outputs are right for the inputs; bytes[i] is where operand i of the op begins.
 *  returns   false with the first wrong element in `result` */
bool tn_v_step_right(const tn_v_step *step, const unsigned char *const bytes[TN_V_ARGS],
                     tn_v_result *result);

/* Random numbers of a type, each of magnitude 1 at most. */
void tn_v_draw(tn_dtype dtype, tn_v_random *r, unsigned char *to, int64_t count);
void tn_v_mix_digest(tn_v_result *result, const unsigned char *bytes, uint64_t count);

#endif
