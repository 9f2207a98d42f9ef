/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what the oracle says about the ops on its command line (text, class of data, seed): the
 * operands, and each output with reference, bound, magnitude and, in CANONICAL, its bits, in
 * hexadecimal floats, for check_oracle.py to compute again by exact arithmetic. */
#include <conformance/cases/cases.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>

static void row(const char *what, uint32_t role, const tn_tensor *t, const double *v, int64_t n)
{
    printf("%s %u %s", what, role, tn_dtype_name((tn_dtype)t->dtype));
    for (uint32_t d = 0; d < t->rank; ++d)
        printf("%s%lld", d == 0 ? " " : "x", (long long)t->dim[d]);
    printf("%s :", t->rank == 0 ? " -" : "");
    for (int64_t i = 0; i < n; ++i)
        printf(" %a", v[i]);
    putchar('\n');
}

static int dump(tn_runtime *rt, const char *text, const char *data)
{
    tn_v_case c;
    tn_op *op = NULL;
    int which = 0;
    while (which < TN_V_DATA_COUNT && strcmp(tn_v_data_names[which], data) != 0)
        ++which;
    if (which == TN_V_DATA_COUNT || !tn_v_case_make(&c, 6, text, (tn_v_data)which, 0) ||
        tn_op_parse(rt, text, &op) != TN_OK)
        return 1;
    double *value[TN_V_ARGS] = {NULL};
    tn_arithmetic declared = {.head = TN_INIT(tn_arithmetic)};
    tn_v_call call;
    tn_v_plan plan;
    memset(&call, 0, sizeof call);
    call.op = op;
    call.arith = tn_v_arith_of(&declared, op);
    for (uint32_t i = 0; i < op->arg_count; ++i) {
        int64_t n = 1;
        for (uint32_t d = 0; d < op->args[i].tensor.rank; ++d)
            n *= op->args[i].tensor.dim[d];
        if (!tn_v_is_output(op, op->args[i].role))
            value[i] = calloc((size_t)n + 1, sizeof(double));
        call.memory[i] = (tn_v_memory){value[i], n};
    }
    bool good = tn_v_fill(&c, op, &call.arith, value, &plan);
    call.exact = plan.exact;
    tn_v_truth truth[TN_V_ARGS];
    int n = good ? tn_v_oracle(&call, truth) : 0;
    printf("op %s\n", text);
    for (uint32_t i = 0; i < op->arg_count && n > 0; ++i)
        if (value[i] != NULL)
            row("in", op->args[i].role, &op->args[i].tensor, value[i], call.memory[i].elems);
    for (int k = 0; k < n; ++k) {
        tn_tensor t = {.dtype = (uint16_t)truth[k].dtype, .rank = (uint16_t)truth[k].rank};
        memcpy(t.dim, truth[k].dim, sizeof t.dim);
        row("ref", truth[k].role, &t, truth[k].ref, truth[k].count);
        row("err", truth[k].role, &t, truth[k].err, truth[k].count);
        row("mag", truth[k].role, &t, truth[k].mag, truth[k].count);
        if (truth[k].canonical != NULL)
            row("bits", truth[k].role, &t, truth[k].canonical, truth[k].count);
    }
    if (n > 0)
        tn_v_truth_free(truth, n);
    for (uint32_t i = 0; i < op->arg_count; ++i)
        free(value[i]);
    tn_op_free(rt, op);
    return n > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    tn_runtime *rt = NULL;
    int status = tn_runtime_create(NULL, &rt) != TN_OK;
    for (int i = 1; i + 1 < argc && status == 0; i += 2)
        status = dump(rt, argv[i], argv[i + 1]);
    tn_runtime_release(rt);
    return status;
}
