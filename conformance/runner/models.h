/* SPDX-License-Identifier: Apache-2.0 */
/* Models of known defects, as changes of an op, of its operands or of what is done with a result.
 */
#ifndef TN_CONFORMANCE_MODELS_H
#define TN_CONFORMANCE_MODELS_H

#include <conformance/runner/execute.h>

typedef struct tn_v_edit {
    const tn_v_job *job;
    tn_v_call call;
    tn_op op;
    tn_v_attribute attr;
    tn_arg args[TN_V_ARGS];
    tn_post posts[8];
    double *own[TN_V_ARGS]; /* changed operands */
    int owned;
    tn_v_round round; /* of the output */
    bool saturate, flush;
    int param;
    /* Makes the model's result of its own reference and the right one; NULL: it is the model's. */
    bool (*combine)(struct tn_v_edit *e, tn_v_truth *model, const tn_v_truth *right);
} tn_v_edit;

typedef struct tn_v_model {
    const char *name;
    int kind;                              /* tn_op_kind; 0: any */
    bool (*bend)(tn_v_edit *e, int param); /* false: makes no difference for this op */
    int param;
} tn_v_model;
/* Tables, each ending with a row without name; they are tried in this order. */
extern const tn_v_model tn_v_models_matmul[], tn_v_models_conv[], tn_v_models_attention[],
    tn_v_models_any[];
/* The old contents of the output are added to the result. */
bool tn_v_not_cleared(tn_v_edit *e, int param);

/* Defects with parameters that are read off the results; `where`: of the wrong elements. */
bool tn_v_family(const tn_v_job *j, const char *where, tn_v_result *out);

tn_tensor *tn_v_edit_tensor(tn_v_edit *e, uint32_t role); /* NULL: not given */
tn_v_memory *tn_v_edit_memory(tn_v_edit *e, uint32_t role);
bool tn_v_edit_map(tn_v_edit *e, uint32_t role, double (*f)(double)); /* false: nothing changed */

#endif
