/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make data share. */
#ifndef TN_CONFORMANCE_CASE_FILL_H
#define TN_CONFORMANCE_CASE_FILL_H

#include <conformance/cases/cases.h>

#define TN_V_HOT_KEY TN_V_ONE_HOT

typedef struct tn_v_fill_call {
    const tn_v_case *which;
    const tn_op *op;
    const tn_v_arith *arith;
    double *const *value;
    tn_v_plan *plan;
    int64_t keys; /* of attention */
} tn_v_fill_call;

double tn_v_fit(const tn_tensor *t, double v); /* rounded to the operand's type, saturating */
bool tn_v_integer(const tn_tensor *t);
int64_t tn_v_count(const tn_tensor *t);
double tn_v_value(const tn_tensor *t, tn_v_data data, tn_v_random *r);
int tn_v_find(const tn_op *op, uint32_t role); /* index of the argument, or -1 */
void tn_v_all(const tn_v_fill_call *f, uint32_t arg, tn_v_data data, tn_v_random *r);

bool tn_v_fill_matmul(const tn_v_fill_call *f, tn_v_random *r);
bool tn_v_fill_conv(const tn_v_fill_call *f, tn_v_random *r);
bool tn_v_fill_reduce(const tn_v_fill_call *f, tn_v_random *r);

#endif
