/* SPDX-License-Identifier: Apache-2.0 */
/* Right ops of every kind, to be made wrong in one place. */
#ifndef TN_CONFORMANCE_SAMPLES_H
#define TN_CONFORMANCE_SAMPLES_H

#include <conformance/negative/bed.h>

/* An op that can be changed. */
typedef struct tn_v_sample {
    tn_op op;
    tn_v_attribute attr;
    tn_arg args[TN_V_ARGS + 8];
    tn_post posts[12];
} tn_v_sample;

enum { TN_V_SAMPLES = 22 };
extern const char *const tn_v_samples[TN_V_SAMPLES];

/** A sample from its text; operands without buffers.
 *  returns   false with the reason in `result` */
bool tn_v_sample_of(tn_v_session *s, const char *text, tn_v_sample *out, tn_v_result *result);

/* A runtime to parse with where none is at hand: it starts no thread. NULL: no memory. */
tn_runtime *tn_v_sample_runtime(void);

/** What an error calls an operand. */
const char *tn_v_role_name(uint32_t role);

/* The name of a sample in names of cases: its op, and its number where there are several. */
void tn_v_sample_name(int sample, char *text, size_t bytes);

#endif
