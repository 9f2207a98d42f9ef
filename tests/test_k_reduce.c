/* SPDX-License-Identifier: Apache-2.0 */
/* reduce: every row against the plain one, and that one against float64. */
#include "support/k_narrow.h"
#include <float.h>
#include <kernels/reduce/reduce.h>
#include <math.h>

extern const tn_k_op tn_k_op_reduce;

/* One rounding an add on an element's way, one for the product, recip and mean. */
static void check(const tn_k_reduce_params *p, const float *a, const float *out)
{
    int64_t outputs = tn_k_grid_count(&p->kept);
    double *ref = malloc((size_t)(outputs + 1) * sizeof *ref);
    TN_REQUIRE(ref != NULL);
    tn_k_reduce_ref(p, a, ref);
    double adds = 64 + 6 + (double)(p->count / 4096 + 1) + 3, u = FLT_EPSILON / 2;
    for (int64_t o = 0; o < outputs; o++) {
        const float *x = a + tn_k_grid_offset(&p->kept, 0, o);
        double size = 0, got = (double)out[tn_k_grid_offset(&p->kept, 1, o)];
        for (int64_t i = 0; i < p->count; i++) {
            double v = fabs((double)x[tn_k_grid_offset(&p->inner, 0, i)]);
            size += p->kind == TN_REDUCE_SUMSQ ? v * v : v;
        }
        bool order = p->kind == TN_REDUCE_MAX || p->kind == TN_REDUCE_MIN;
        double bound = order ? 0 : adds * u * size;
        if (p->kind == TN_REDUCE_MEAN)
            bound /= (double)p->count;
        TN_EXPECT(fabs(got - ref[o]) <= bound * (1 + 0x1p-10), "%a %a bound %a", got, ref[o],
                  bound);
    }
    free(ref);
}

static void round_of(uint64_t *state, bool special)
{
    tn_reduce attr = {.head = TN_INIT(tn_reduce)};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    a->dtype = out->dtype = TN_F32;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 4);
    attr.kind = (uint32_t)(tn_test_random(state) % 5);
    attr.axes_mask = 1 + (uint32_t)(tn_test_random(state) % ((1u << a->rank) - 1));
    bool keep = tn_test_random(state) % 2;
    uint32_t longest = (uint32_t)(tn_test_random(state) % a->rank);
    for (uint32_t d = 0; d < a->rank; d++) {
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 9);
        if (d == longest)
            a->dim[d] += (int64_t)(tn_test_random(state) % (a->rank == 1 ? 9000 : 90));
        if (!(attr.axes_mask >> d & 1))
            out->dim[out->rank++] = a->dim[d];
        else if (keep)
            out->dim[out->rank++] = 1;
    }
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_REDUCE, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    for (size_t i = 0; i < TN_T_BYTES / 4; i++)
        ((float *)(void *)block[0])[i] = tn_t_float(state, special ? 60 : 0);
    tn_k_reduce_params p;
    tn_t_rows(&tn_k_op_reduce, &op, block, 1, true, &p);
    tn_t_narrow_rows(&tn_k_op_reduce, &op, 1, false, state, special ? 60 : 0);
    if (!special)
        check(&p, (const float *)(void *)(block[0] + TN_T_MIDDLE),
              (const float *)(void *)(block[1] + TN_T_MIDDLE));
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_reduce, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 200; i++)
        round_of(&state, i % 3 == 2);
}
