/* SPDX-License-Identifier: Apache-2.0 */
/* gather: every row against the plain one, and that one against a direct look-up. */
#include "support/k_rows.h"
#include <kernels/gather/gather.h>

extern const tn_k_op tn_k_op_gather;

static void round_of(uint64_t *state)
{
    static const uint16_t types[] = {TN_F32, TN_U8, TN_BF16, TN_S64};
    tn_axis attr = {.head = TN_INIT(tn_axis)};
    tn_arg args[3] = {{.role = TN_ARG_A}, {.role = TN_ARG_INDEX}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *index = &args[1].tensor, *out = &args[2].tensor;
    a->dtype = out->dtype = types[tn_test_random(state) % 4];
    index->dtype = tn_test_random(state) % 2 ? TN_S32 : TN_S64;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 3);
    index->rank = (uint16_t)(tn_test_random(state) % 3);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 12);
    for (uint32_t d = 0; d < index->rank; d++)
        index->dim[d] = 1 + (int64_t)(tn_test_random(state) % 7);
    attr.axis = (int32_t)(tn_test_random(state) % (2u * a->rank)) - a->rank;
    uint32_t axis = (uint32_t)(attr.axis < 0 ? attr.axis + a->rank : attr.axis);
    for (uint32_t d = 0; d < a->rank; d++) {
        if (d != axis)
            out->dim[out->rank++] = a->dim[d];
        for (uint32_t i = 0; d == axis && i < index->rank; i++)
            out->dim[out->rank++] = index->dim[i];
    }
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, index, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_GATHER, .arg_count = 3, .attr = &attr, .args = args};
    unsigned char *block[3] = {tn_t_block(), tn_t_block(), tn_t_block()};
    for (size_t i = 0; i < TN_T_BYTES; i++)
        block[0][i] = (unsigned char)(1 + tn_test_random(state) % 255);
    for (size_t i = 0; i < TN_T_BYTES / 4; i++) {
        int64_t v = (int64_t)(tn_test_random(state) % 40) - 20;
        if (index->dtype == TN_S32)
            ((int32_t *)(void *)block[1])[i] = (int32_t)v;
        else
            ((int64_t *)(void *)block[1])[i / 2] = v;
    }
    tn_k_gather_params p;
    tn_t_rows(&tn_k_op_gather, &op, block, 2, false, &p);
    /* Decompose an output index by hand. */
    int64_t total = 1;
    for (uint32_t d = 0; d < out->rank; d++)
        total *= out->dim[d];
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i, at[TN_MAX_RANK], to = 0, pick = 0, from = 0;
        for (uint32_t d = out->rank; d-- > 0; rest /= out->dim[d])
            at[d] = rest % out->dim[d];
        for (uint32_t d = 0; d < out->rank; d++)
            to += at[d] * out->stride[d];
        for (uint32_t d = 0; d < index->rank; d++)
            pick += at[axis + d] * index->stride[d];
        const unsigned char *ib = block[1] + TN_T_MIDDLE;
        int64_t v = index->dtype == TN_S32 ? ((const int32_t *)(const void *)ib)[pick]
                                           : ((const int64_t *)(const void *)ib)[pick];
        v = v < 0 ? v + a->dim[axis] : v;
        for (uint32_t d = 0; d < a->rank; d++)
            from += a->stride[d] * (d < axis ? at[d] : d == axis ? v : at[d + index->rank - 1]);
        size_t bytes = p.elem_bytes;
        const unsigned char *y = block[2] + TN_T_MIDDLE + to * (int64_t)bytes;
        static const unsigned char zeros[8] = {0};
        const unsigned char *x =
            v < 0 || v >= a->dim[axis] ? zeros : block[0] + TN_T_MIDDLE + from * (int64_t)bytes;
        TN_EXPECT(memcmp(x, y, bytes) == 0, "element %" PRId64, i);
    }
    for (int k = 0; k < 3; k++)
        free(block[k]);
}

TN_TEST(k_gather, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 100; i++)
        round_of(&state);
}
