/* SPDX-License-Identifier: Apache-2.0 */
/* norm: every row against the plain one, and that one against float64. */
#include "support/k_narrow.h"
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
    tn_t_narrow_rows(&tn_k_op_norm, &op, 1, false, state, special ? 60 : 0);
    if (!special)
        check(&p, in[0], gamma, beta, in[1]);
    for (uint32_t k = 0; k < 4; k++)
        free(block[k]);
}

/* Section 6 step by step: var + eps, rsqrt, a, b and y are one rounding each. */
static void check_batch(const tn_k_norm_params *p, const float *a, const float *gamma,
                        const float *beta, const float *stats, const float *out)
{
    int64_t total = tn_k_grid_count(&p->rows) * p->channels * p->space;
    double *ref = malloc((size_t)(total + 1) * sizeof *ref);
    TN_REQUIRE(ref != NULL);
    tn_k_norm_batch_ref(p, a, gamma, beta, stats, ref);
    for (int64_t i = 0; i < total; i++) {
        int64_t c = i / p->space % p->channels, row = i / p->space / p->channels, s = i % p->space;
        int64_t at[2];
        for (uint32_t o = 0; o < 2; o++)
            at[o] = tn_k_grid_offset(&p->rows, o, row) + c * p->channel_stride[o] +
                    tn_k_grid_offset(&p->inner, o, s);
        double mean = (double)stats[c * p->stats_stride[1]];
        double variance = (double)stats[p->stats_stride[0] + c * p->stats_stride[1]];
        double factor = 1 / sqrt(variance + (double)p->epsilon);
        factor *= gamma != NULL ? fabs((double)gamma[c * p->affine_stride[0]]) : 1;
        double x = fabs((double)a[at[0]]), m = fabs(mean);
        double b = beta != NULL ? fabs((double)beta[c * p->affine_stride[1]]) : 0;
        /* half of u from the sum under the root, u from it, u from a; then u from b and from y */
        double bound = (2.5 * u * (x + m) * factor + u * (m * factor + b) +
                        u * (x * factor + m * factor + b)) *
                           (1 + 0x1p-10) +
                       (double)FLT_TRUE_MIN;
        double got = (double)out[at[1]];
        TN_EXPECT(fabs(got - ref[i]) <= bound, "%a %a bound %a", got, ref[i], bound);
    }
    free(ref);
}

static void batch_round_of(uint64_t *state, bool special)
{
    tn_norm attr = {.head = TN_INIT(tn_norm), .kind = TN_NORM_BATCH_INFERENCE, .epsilon = 1e-5f};
    tn_arg args[5] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}, {.role = TN_ARG_STATS}};
    tn_tensor *a = &args[0].tensor, *out = &args[1].tensor, *stats = &args[2].tensor;
    uint32_t count = 3;
    a->dtype = TN_F32;
    a->rank = (uint16_t)(2 + tn_test_random(state) % 3);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 12);
    attr.axes = (uint32_t)(tn_test_random(state) % (a->rank + 1u));
    uint32_t axes = attr.axes == 0 ? a->rank - 1u : attr.axes;
    a->dim[a->rank - axes] += (int64_t)(tn_test_random(state) % 40);
    *out = *a;
    stats->dtype = TN_F32;
    stats->rank = 2;
    stats->dim[0] = 2;
    stats->dim[1] = a->dim[a->rank - axes];
    for (uint32_t k = 0; k < 3; k++)
        tn_t_strides(state, &args[k].tensor, tn_test_random(state) % 2);
    for (uint32_t k = 0; k < 2; k++) {
        if (tn_test_random(state) % 3 == 0)
            continue;
        args[count].role = k == 0 ? TN_ARG_GAMMA : TN_ARG_BETA;
        tn_tensor *t = &args[count++].tensor;
        t->dtype = TN_F32;
        t->rank = 1;
        t->dim[0] = stats->dim[1];
        tn_t_strides(state, t, tn_test_random(state) % 2);
    }
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_NORM,
                .arg_count = count,
                .attr = &attr,
                .args = args};
    unsigned char *block[5];
    const float *in[5] = {NULL}, *gamma = NULL, *beta = NULL;
    for (uint32_t k = 0; k < 5; k++) {
        block[k] = tn_t_block();
        for (size_t i = 0; i < TN_T_BYTES / 4; i++)
            ((float *)(void *)block[k])[i] = tn_t_float(state, special ? 60 : 0);
        in[k] = (const float *)(void *)(block[k] + TN_T_MIDDLE);
    }
    for (int64_t c = 0; c < stats->dim[1]; c++) { /* variances; a special one may be negative */
        float *v =
            (float *)(void *)(block[2] + TN_T_MIDDLE) + stats->stride[0] + c * stats->stride[1];
        *v = special && tn_test_random(state) % 8 == 0 ? *v : fabsf(*v);
    }
    for (uint32_t k = 3; k < count; k++)
        *(args[k].role == TN_ARG_GAMMA ? &gamma : &beta) = in[k];
    tn_k_norm_params p;
    tn_t_rows(&tn_k_op_norm, &op, block, 1, true, &p);
    if (!special)
        check_batch(&p, in[0], gamma, beta, in[2], in[1]);
    for (uint32_t k = 0; k < 5; k++)
        free(block[k]);
}

TN_TEST(k_norm, batch_rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 120; i++)
        batch_round_of(&state, i % 3 == 2);
}

TN_TEST(k_norm, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 240; i++)
        round_of(&state, i % 3 == 2);
}
