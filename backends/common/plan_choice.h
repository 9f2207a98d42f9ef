/* SPDX-License-Identifier: Apache-2.0 */
/* What choosing a kernel has in common on all devices: the op's row, and the words of verdicts. */
#ifndef TN_BACKENDS_PLAN_CHOICE_H
#define TN_BACKENDS_PLAN_CHOICE_H

#include <stdio.h>
#include <string.h>

#include <kernels/common/kernel.h>
#include <tenon/backend.h>

/* NULL: no folder of kernels is for this op and pass. */
static inline const tn_k_op *plan_find_op(const tn_op *op)
{
    for (uint32_t i = 0; i < tn_k_op_count; ++i)
        if (tn_k_ops[i]->kind == TN_K_PASS(op->kind, tn_k_pass(op)))
            return tn_k_ops[i];
    return NULL;
}

/* What hal puts for 0. */
static inline uint16_t plan_usual_accumulate(const tn_op *op)
{
    const uint32_t first = op->kind == TN_OP_ATTENTION ? TN_ARG_Q : TN_ARG_A;
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        uint16_t dtype = op->args[i].tensor.dtype;
        if (op->args[i].role == first)
            return dtype == TN_F64 ? TN_F64 : dtype >= TN_S64 && dtype <= TN_U4 ? TN_S32 : TN_F32;
    }
    return TN_F32;
}

/* A row that is for other types could not have been it, whatever else it would say. */
static inline bool plan_for_other_types(const tn_k_why *why)
{
    const char *dot = strrchr(why->reason, '.');
    return dot != NULL && strcmp(dot, ".dtype") == 0;
}

/* Of a row that takes the op. */
static inline tn_k_why plan_verdict(bool chosen)
{
    if (chosen)
        return (tn_k_why){"kernel.chosen", NULL,
                          "the best of those that take the op in this class"};
    return (tn_k_why){"kernel.not_best", NULL,
                      "takes the op, but the model says that the chosen one is as fast or faster"};
}

/* How the chosen row has its operands inside. */
static inline void plan_tell_layouts(const tn_k_variant *v, const tn_k_launch *launch,
                                     const void *params, tn_plan_info *out)
{
    const char *text =
        v->layouts != NULL && launch->phases != 0 ? v->layouts(launch, params) : NULL;
    snprintf(out->layouts, sizeof out->layouts, "%s", text != NULL ? text : "");
}

/* The op as its text form, for the end of a refusal. */
static inline const char *plan_asked(const tn_op *op, char text[128])
{
    size_t bytes = 128;
    if (tn_op_format(op, text, &bytes) != TN_OK)
        snprintf(text, 128, "%s", "an op with a longer name");
    return text;
}

#endif
