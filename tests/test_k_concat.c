/* SPDX-License-Identifier: Apache-2.0 */
/* concat: every row against the plain one, and that one against a direct look-up. */
#include "support/k_rows.h"
#include <kernels/concat/concat.h>

extern const tn_k_op tn_k_op_concat;

static void round_of(uint64_t *state)
{
    static const uint16_t types[] = {TN_F32, TN_U8, TN_BF16, TN_S64, TN_F8E4M3};
    tn_axis attr = {.head = TN_INIT(tn_axis)};
    tn_arg args[TN_K_OPERANDS];
    memset(args, 0, sizeof args);
    uint32_t inputs = 1 + (uint32_t)(tn_test_random(state) % (tn_test_random(state) % 8 ? 5 : 23));
    tn_tensor *out = &args[inputs].tensor;
    uint16_t dtype = types[tn_test_random(state) % 5];
    out->dtype = dtype;
    out->rank = (uint16_t)(1 + tn_test_random(state) % 4);
    for (uint32_t d = 0; d < out->rank; d++)
        out->dim[d] = 1 + (int64_t)(tn_test_random(state) % 9);
    attr.axis = (int32_t)(tn_test_random(state) % (2u * out->rank)) - out->rank;
    uint32_t axis = (uint32_t)(attr.axis < 0 ? attr.axis + out->rank : attr.axis);
    bool shuffle = tn_test_random(state) % 2;
    out->dim[axis] = 0;
    for (uint32_t i = 0; i < inputs; i++) {
        tn_tensor *t = &args[i].tensor;
        int64_t sum = out->dim[axis];
        *t = *out;
        t->dim[axis] = (int64_t)(tn_test_random(state) % (out->rank == 1 ? 400 : 9));
        if (i == 0 && t->dim[axis] == 0)
            t->dim[axis] = 1;
        out->dim[axis] = sum + t->dim[axis];
        args[i].role = TN_ARG_INPUT0 + i;
        tn_t_strides(state, t, shuffle && tn_test_random(state) % 2);
    }
    args[inputs].role = TN_ARG_OUT;
    tn_t_strides(state, out, shuffle);
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_CONCAT,
                .arg_count = inputs + 1,
                .attr = &attr,
                .args = args};
    unsigned char *block[TN_K_OPERANDS];
    for (uint32_t k = 0; k <= inputs; k++) {
        block[k] = tn_t_block();
        for (size_t i = TN_T_MIDDLE; k < inputs && i < TN_T_MIDDLE + (1 << 16); i++)
            block[k][i] = (unsigned char)tn_test_random(state);
    }
    tn_k_concat_params p;
    tn_t_rows(&tn_k_op_concat, &op, block, inputs, false, &p);
    int64_t total = 1, bytes = p.elem_bytes;
    for (uint32_t d = 0; d < out->rank; d++)
        total *= out->dim[d];
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i, at[TN_MAX_RANK] = {0}, to = 0, from = 0;
        for (uint32_t d = out->rank; d-- > 0; rest /= out->dim[d]) {
            at[d] = rest % out->dim[d];
            to += at[d] * out->stride[d];
        }
        uint32_t k = 0;
        while (at[axis] >= args[k].tensor.dim[axis])
            at[axis] -= args[k++].tensor.dim[axis];
        for (uint32_t d = 0; d < out->rank; d++)
            from += at[d] * args[k].tensor.stride[d];
        TN_EXPECT(memcmp(block[k] + TN_T_MIDDLE + from * bytes,
                         block[inputs] + TN_T_MIDDLE + to * bytes, (size_t)bytes) == 0,
                  "element %" PRId64 " of input %u", i, k);
    }
    for (uint32_t k = 0; k <= inputs; k++)
        free(block[k]);
}

TN_TEST(k_concat, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 120; i++)
        round_of(&state);
}

/* The other row is for dense operands; these, it has to take. */
TN_TEST(k_concat, dense_operands_take_the_row_of_runs)
{
    tn_axis attr = {.head = TN_INIT(tn_axis), .axis = 1};
    tn_arg args[3] = {{.role = TN_ARG_INPUT0}, {.role = TN_ARG_INPUT0 + 1}, {.role = TN_ARG_OUT}};
    tn_tensor dense[3] = {{.dtype = TN_F32, .rank = 3, .dim = {4, 2, 5}, .stride = {10, 5, 1}},
                          {.dtype = TN_F32, .rank = 3, .dim = {4, 1, 5}, .stride = {9, 77, 1}},
                          {.dtype = TN_F32, .rank = 3, .dim = {4, 3, 5}, .stride = {20, 5, 1}}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_CONCAT, .arg_count = 3, .attr = &attr, .args = args};
    tn_k_concat_params p;
    tn_k_why why;
    for (int i = 0; i < 3; i++)
        args[i].tensor = dense[i];
    TN_REQUIRE(tn_k_op_concat.params(&op, &p, &why), "%s", why.text);
    const tn_k_variant *rows = tn_k_op_concat.variants[1];
    tn_k_caps caps = {.isa = TN_K_ISA_BASELINE, .workers = 1};
    TN_EXPECT(rows->accepts(&p, &caps, &why));
    args[0].tensor.stride[1] = 6;
    TN_REQUIRE(tn_k_op_concat.params(&op, &p, &why));
    TN_EXPECT(!rows->accepts(&p, &caps, &why) && strcmp(why.reason, "concat.stride") == 0);
}
