/* SPDX-License-Identifier: Apache-2.0 */
/* topk: every row against the plain one, and that one against a sort of the values. */
#include "support/k_rows.h"
#include <kernels/common/dtype_convert.h>
#include <kernels/topk/topk.h>
#include <math.h>

extern const tn_k_op tn_k_op_topk;

typedef struct entry {
    tn_c_value v;
    int64_t index;
} entry;

static bool smallest; /* for the sort */

/* -1: x is the smaller value. NaN is not asked for. */
static int compare_values(const entry *x, const entry *y)
{
    if (x->v.integer)
        return x->v.i < y->v.i ? -1 : x->v.i > y->v.i;
    if (x->v.f != y->v.f)
        return x->v.f < y->v.f ? -1 : 1;
    return (signbit(y->v.f) != 0) - (signbit(x->v.f) != 0);
}

static int in_order(const void *left, const void *right)
{
    const entry *x = left, *y = right;
    bool nan_x = !x->v.integer && isnan(x->v.f), nan_y = !y->v.integer && isnan(y->v.f);
    int order = 0;
    if (nan_x != nan_y)
        return nan_x ? -1 : 1;
    if (!nan_x)
        order = smallest ? compare_values(x, y) : compare_values(y, x);
    return order != 0 ? order : x->index < y->index ? -1 : 1;
}

static int64_t index_of(const tn_tensor *t, const unsigned char *block, int64_t at)
{
    const void *p = block + TN_T_MIDDLE;
    return t->dtype == TN_S64 ? ((const int64_t *)p)[at] : ((const int32_t *)p)[at];
}

static void check(const tn_op *op, unsigned char *const *block, uint32_t axis, int64_t k)
{
    const tn_tensor *a = &op->args[0].tensor, *out = &op->args[1].tensor;
    const tn_tensor *index = op->arg_count == 3 ? &op->args[2].tensor : NULL;
    bool indices = (((const tn_axis *)op->attr)->flags & TN_TOPK_INDICES) != 0;
    int64_t n = a->dim[axis], rows = 1, bytes = tn_k_elem_bytes(a->dtype);
    entry *list = malloc((size_t)n * sizeof *list);
    TN_REQUIRE(list != NULL);
    for (uint32_t d = 0; d < a->rank; d++)
        rows *= d == axis ? 1 : a->dim[d];
    for (int64_t r = 0; r < rows; r++) {
        int64_t rest = r, from = 0, to = 0, to_index = 0;
        for (uint32_t d = a->rank; d-- > 0;) {
            if (d == axis)
                continue;
            from += rest % a->dim[d] * a->stride[d];
            to += rest % a->dim[d] * out->stride[d];
            to_index += index != NULL ? rest % a->dim[d] * index->stride[d] : 0;
            rest /= a->dim[d];
        }
        for (int64_t i = 0; i < n; i++)
            list[i] =
                (entry){tn_c_load(a->dtype, block[0] + TN_T_MIDDLE, from + i * a->stride[axis]), i};
        qsort(list, (size_t)n, sizeof *list, in_order);
        for (int64_t i = 0; i < k; i++) {
            int64_t at = to + i * out->stride[axis];
            if (indices)
                TN_EXPECT(index_of(out, block[1], at) == list[i].index, "row %" PRId64, r);
            else
                TN_EXPECT(memcmp(block[1] + TN_T_MIDDLE + at * bytes,
                                 block[0] + TN_T_MIDDLE +
                                     (from + list[i].index * a->stride[axis]) * bytes,
                                 (size_t)bytes) == 0,
                          "row %" PRId64 " place %" PRId64 " dtype %u", r, i, a->dtype);
            if (index != NULL)
                TN_EXPECT(index_of(index, block[2], to_index + i * index->stride[axis]) ==
                              list[i].index,
                          "row %" PRId64, r);
        }
    }
    free(list);
}

static void round_of(uint64_t *state, uint16_t dtype)
{
    tn_axis attr = {.head = TN_INIT(tn_axis)};
    tn_arg args[3] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}, {.role = TN_ARG_INDEX}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor, *index = &args[2].tensor;
    a->dtype = dtype;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 3);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 6);
    attr.axis = (int32_t)(tn_test_random(state) % (2u * a->rank)) - a->rank;
    uint32_t axis = (uint32_t)(attr.axis < 0 ? attr.axis + a->rank : attr.axis);
    a->dim[axis] = 1 + (int64_t)(tn_test_random(state) % 200);
    attr.param = 1 + (int64_t)(tn_test_random(state) % (uint64_t)a->dim[axis]);
    if (tn_test_random(state) % 3 == 0)
        attr.param = 1;
    attr.flags = (uint32_t)(tn_test_random(state) % 4);
    *out = *a;
    out->dim[axis] = attr.param;
    *index = *out;
    index->dtype = tn_test_random(state) % 2 ? TN_S32 : TN_S64;
    bool indices = (attr.flags & TN_TOPK_INDICES) != 0;
    if (indices)
        out->dtype = index->dtype;
    uint32_t count = indices || tn_test_random(state) % 2 ? 2 : 3;
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    tn_t_strides(state, index, tn_test_random(state) % 2);
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_TOPK,
                .arg_count = count,
                .attr = &attr,
                .args = args};
    unsigned char *block[3] = {tn_t_block(), tn_t_block(), tn_t_block()};
    /* any bits, of which NaN and both zeros are some, or few values with many ties */
    bool ties = tn_test_random(state) % 2;
    for (int64_t i = 0; i < TN_T_BYTES / 8; i++) {
        uint64_t r = tn_test_random(state);
        if (ties)
            tn_c_store(dtype, block[0], i,
                       (tn_c_value){false, 0,
                                    r % 7 == 0   ? (double)NAN
                                    : r % 5 == 0 ? -0.0
                                                 : (double)(r % 3) - 1},
                       false);
        else
            memcpy(block[0] + 8 * i, &r, 8);
    }
    smallest = (attr.flags & TN_TOPK_SMALLEST) != 0;
    tn_k_topk_params p;
    tn_t_rows(&tn_k_op_topk, &op, block, 1, false, &p);
    check(&op, block, axis, attr.param);
    if (count == 3) { /* and with the indices as the output that is compared */
        tn_t_rows(&tn_k_op_topk, &op, block, 2, false, &p);
        check(&op, block, axis, attr.param);
    }
    for (int k = 0; k < 3; k++)
        free(block[k]);
}

TN_TEST(k_topk, rows_agree)
{
    static const uint16_t types[] = {TN_F32,    TN_F64,  TN_TF32, TN_F16, TN_BF16, TN_F8E4M3,
                                     TN_F8E5M2, TN_E8M0, TN_S64,  TN_S32, TN_S8,   TN_U8};
    uint64_t state = tn_test_seed();
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int i = 0; i < 10; i++)
            round_of(&state, types[t]);
}

/* The stated order, written out. */
TN_TEST(k_topk, ties_zeros_and_nan)
{
    static const float x[8] = {-0.0f, 3.0f, NAN, 0.0f, 3.0f, -INFINITY, NAN, -0.0f};
    static const int32_t largest[8] = {2, 6, 1, 4, 3, 0, 7, 5}, least[8] = {2, 6, 5, 0, 7, 3, 1, 4};
    for (uint32_t flags = TN_TOPK_INDICES; flags <= (TN_TOPK_INDICES | TN_TOPK_SMALLEST); flags++) {
        tn_axis attr = {.head = TN_INIT(tn_axis), .flags = flags, .param = 8};
        tn_arg args[2] = {
            {.role = TN_ARG_A, .tensor = {.dtype = TN_F32, .rank = 1, .dim = {8}, .stride = {1}}},
            {.role = TN_ARG_OUT,
             .tensor = {.dtype = TN_S32, .rank = 1, .dim = {8}, .stride = {1}}}};
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = TN_OP_TOPK,
                    .arg_count = 2,
                    .attr = &attr,
                    .args = args};
        unsigned char *block[2] = {tn_t_block(), tn_t_block()};
        memcpy(block[0] + TN_T_MIDDLE, x, sizeof x);
        tn_k_topk_params p;
        tn_t_rows(&tn_k_op_topk, &op, block, 1, false, &p);
        TN_EXPECT(memcmp(block[1] + TN_T_MIDDLE, flags & TN_TOPK_SMALLEST ? least : largest,
                         sizeof largest) == 0);
        free(block[0]);
        free(block[1]);
    }
}
