/* SPDX-License-Identifier: Apache-2.0 */
/* norm: every row against the plain one, and that one against float64. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/norm/norm.h>
#include <math.h>

extern const tn_k_op tn_k_op_norm;

static const double u = FLT_EPSILON / 2;

/* Forward error of section 6 step by step: the mean by its adds, d, the squares, rsqrt, y. */
static void check(const tn_k_norm_params *p, const float *a, const float *gamma, const float *beta,
                  const float *out)
{
    int64_t rows = tn_k_grid_count(&p->rows), n = p->count;
    double adds = 64 + 6 + (double)(n / 4096 + 1) + 3;
    double *ref = malloc((size_t)(rows * n + 1) * sizeof *ref);
    TN_REQUIRE(ref != NULL);
    tn_k_norm_ref(p, a, gamma, beta, ref);
    for (int64_t r = 0; r < rows; r++) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        const float *y = out + tn_k_grid_offset(&p->rows, 1, r);
        bool layer = p->kind != TN_NORM_RMS;
        double sum = 0, size = 0, square = 0, cross = 0;
        for (int64_t i = 0; i < n; i++) {
            double v = (double)x[tn_k_grid_offset(&p->inner, 0, i)];
            sum += v;
            size += fabs(v);
        }
        double mean = layer ? sum / (double)n : 0;
        double mean_error = layer ? adds * u * size / (double)n : 0;
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            double d_error = layer ? mean_error + u * (fabs(d) + mean_error) : 0;
            square += d * d;
            cross += 2 * fabs(d) * d_error + d_error * d_error;
        }
        double q = square / (double)n + (double)p->epsilon;
        double q_error = (cross / (double)n + adds * u * (square + cross) / (double)n) / q + u;
        double r_sd = 1 / sqrt(q), r_error = q_error / 2 / pow(1 - fmin(q_error, 0.5), 1.5) + u;
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            double d_error = layer ? mean_error + u * (fabs(d) + mean_error) : 0;
            double g = gamma == NULL ? 1 : (double)gamma[tn_k_norm_affine(p, 0, r, i)];
            double z_error = r_sd * (d_error + (fabs(d) + d_error) * (r_error + u));
            double want = ref[r * n + i], got = (double)y[tn_k_grid_offset(&p->inner, 1, i)];
            double bound =
                fabs(g) * z_error + u * (fabs(want) + fabs(g) * z_error) + (double)FLT_TRUE_MIN;
            TN_EXPECT(fabs(got - want) <= bound * (1 + 0x1p-10), "%a %a bound %a", got, want,
                      bound);
        }
    }
    free(ref);
}

static void round_of(uint64_t *state, bool special)
{
    tn_norm attr = {.head = TN_INIT(tn_norm)};
    tn_arg args[4] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor;
    uint32_t count = 2;
    attr.kind = (uint32_t)(tn_test_random(state) % 3);
    attr.epsilon = 1e-5f;
    a->dtype = TN_F32;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 4);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 9);
    a->dim[a->rank - 1] += (int64_t)(tn_test_random(state) % (a->rank == 1 ? 9000 : 60));
    attr.axes = (uint32_t)(tn_test_random(state) % (a->rank + 1u));
    uint32_t axes = attr.axes == 0 ? 1 : attr.axes;
    bool group = attr.kind == TN_NORM_GROUP;
    if (group) {
        axes = attr.axes == 0 ? a->rank - 1u : attr.axes;
        if (axes == 0)
            axes = attr.axes = 1;
        int64_t channels = a->dim[a->rank - axes];
        attr.groups = 1 + (uint32_t)(tn_test_random(state) % (uint64_t)channels);
        while (channels % attr.groups != 0)
            attr.groups--;
    }
    *out = *a;
    tn_t_strides(state, a, tn_test_random(state) % 2);
    tn_t_strides(state, out, tn_test_random(state) % 2);
    uint32_t roles[2] = {TN_ARG_GAMMA, TN_ARG_BETA};
    for (int k = 0; k < (attr.kind == TN_NORM_RMS ? 1 : 2); k++) {
        if (tn_test_random(state) % 3 == 0)
            continue;
        args[count].role = roles[k];
        tn_tensor *t = &args[count++].tensor;
        t->dtype = TN_F32;
        t->rank = (uint16_t)(group ? 1 : axes);
        for (uint32_t d = 0; d < t->rank; d++)
            t->dim[d] = a->dim[a->rank - axes + d];
        tn_t_strides(state, t, tn_test_random(state) % 2);
    }
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_NORM,
                .arg_count = count,
                .attr = &attr,
                .args = args};
    unsigned char *block[4];
    const float *in[4] = {NULL, NULL, NULL, NULL}, *gamma = NULL, *beta = NULL;
    for (uint32_t k = 0; k < 4; k++) {
        block[k] = tn_t_block();
        for (size_t i = 0; i < TN_T_BYTES / 4; i++)
            ((float *)(void *)block[k])[i] = tn_t_float(state, special ? 60 : 0);
        in[k] = (const float *)(void *)(block[k] + TN_T_MIDDLE);
    }
    for (uint32_t k = 2; k < count; k++)
        *(args[k].role == TN_ARG_GAMMA ? &gamma : &beta) = in[k];
    tn_k_norm_params p;
    tn_t_rows(&tn_k_op_norm, &op, block, 1, true, &p);
    if (!special)
        check(&p, in[0], gamma, beta, in[1]);
    for (uint32_t k = 0; k < 4; k++)
        free(block[k]);
}

TN_TEST(k_norm, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 240; i++)
        round_of(&state, i % 3 == 2);
}
