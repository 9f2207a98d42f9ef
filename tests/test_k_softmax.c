/* SPDX-License-Identifier: Apache-2.0 */
/* softmax: every row against the plain one, and that one against float64. */
#include "support/k_narrow.h"
#include <float.h>
#include <kernels/softmax/softmax.h>
#include <math.h>

extern const tn_k_op tn_k_op_softmax;

/* Half an ulp, relative; adds on the way of one element through reduce. */
static const double u = FLT_EPSILON / 2;
static double adds(int64_t n)
{
    return 64 + 6 + (double)(n / 4096 + 1);
}

/* Rounding of x - m gives u |d| in the exponent, exp 1.012 ulp, the sum its adds, then recip and
 * the product; second order by 1 + 2^-10, subnormal p by their spacing. */
static void check(const tn_k_softmax_params *p, const float *a, const float *out)
{
    int64_t rows = tn_k_grid_count(&p->rows), n = p->count;
    double *ref = malloc((size_t)(rows * n + 1) * sizeof *ref);
    TN_REQUIRE(ref != NULL);
    tn_k_softmax_ref(p, a, ref);
    for (int64_t r = 0; r < rows; r++) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        const float *y = out + tn_k_grid_offset(&p->rows, 1, r);
        double m = -INFINITY, sum = 0, weighted = 0;
        for (int64_t i = 0; i < n; i++)
            m = fmax(m, (double)x[i * p->stride[0]]);
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[i * p->stride[0]] - m;
            sum += exp(d);
            weighted += exp(d) * -d;
        }
        double sum_error = u * (weighted / sum + 2 * 1.012 + adds(n));
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[i * p->stride[0]] - m, want = ref[r * n + i];
            double bound =
                p->log ? u * (fabs(d) + 2 * 0.83 * log(sum) + fabs(want)) + sum_error
                       : want * (sum_error + u * (-d + 2 * 1.012 + 2)) + 3 * (double)FLT_TRUE_MIN;
            double got = (double)y[i * p->stride[1]];
            TN_EXPECT(fabs(got - want) <= bound * (1 + 0x1p-10), "%a %a bound %a", got, want,
                      bound);
        }
    }
    free(ref);
}

static void round_of(uint64_t *state, bool special)
{
    tn_softmax attr = {.head = TN_INIT(tn_softmax)};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    a->dtype = TN_F32;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 4);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 9);
    attr.axis = (int32_t)(tn_test_random(state) % (2u * a->rank)) - a->rank;
    a->dim[attr.axis < 0 ? attr.axis + a->rank : attr.axis] =
        1 + (int64_t)(tn_test_random(state) % (a->rank > 2 ? 60 : 300));
    if (a->rank == 1)
        a->dim[0] += (int64_t)(tn_test_random(state) % 9000);
    attr.log = tn_test_random(state) % 2;
    *out = *a;
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_SOFTMAX, .arg_count = 2, .attr = &attr, .args = args};
    unsigned char *block[2] = {tn_t_block(), tn_t_block()};
    for (size_t i = 0; i < TN_T_BYTES / 4; i++)
        ((float *)(void *)block[0])[i] = tn_t_float(state, special ? 40 : 0);
    tn_k_softmax_params p;
    tn_t_rows(&tn_k_op_softmax, &op, block, 1, true, &p);
    tn_t_narrow_rows(&tn_k_op_softmax, &op, 1, false, state, special ? 40 : 0);
    if (!special)
        check(&p, (const float *)(void *)(block[0] + TN_T_MIDDLE),
              (const float *)(void *)(block[1] + TN_T_MIDDLE));
    free(block[0]);
    free(block[1]);
}

TN_TEST(k_softmax, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 300; i++)
        round_of(&state, i % 3 == 2);
}
