/* SPDX-License-Identifier: Apache-2.0 */
/* Backward passes of eltwise, softmax and norm: every row against the plain one, that one against
 * float64, and the float64 truth against differences of the forward truth. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/common/canonmath.h>
#include <kernels/eltwise/eltwise.h>
#include <kernels/eltwise_backward/eltwise_backward.h>
#include <kernels/gather_backward/gather_backward.h>
#include <kernels/norm/norm.h>
#include <kernels/norm_backward/norm_backward.h>
#include <kernels/softmax/softmax.h>
#include <kernels/softmax_backward/softmax_backward.h>
#include <math.h>

extern const tn_k_op tn_k_op_eltwise_backward, tn_k_op_softmax_backward, tn_k_op_norm_backward;
extern const tn_k_op tn_k_op_gather_backward;

static const double u = FLT_EPSILON / 2;

/* Adds on the way of one element through reduce. */
static double adds(int64_t n)
{
    return 64 + 6 + (double)(n / 4096 + 1);
}

/* f' in units of u: what canonmath declares, or the roundings that its definition counts. An ulp is
 * at most 2 u. */
static double declared(uint32_t kind)
{
    switch (kind) {
    case TN_ELTWISE_RECIP: /* y, twice, and the square */
        return 3;
    case TN_ELTWISE_SQRT: /* root, reciprocal */
        return 2;
    case TN_ELTWISE_RSQRT: /* y three times, two products */
        return 5;
    case TN_ELTWISE_EXP:
        return 2 * (double)TN_C_EXP_ULP;
    case TN_ELTWISE_EXP2: /* ln 2 and the product */
        return 2 * (double)TN_C_EXP2_ULP + 2;
    case TN_ELTWISE_LOG:
        return 1;
    case TN_ELTWISE_TANH:
        return (double)TN_C_TANH_GRAD_U;
    case TN_ELTWISE_SIGMOID:
        return (double)TN_C_SIGMOID_GRAD_U;
    case TN_ELTWISE_SILU:
        return (double)TN_C_SILU_GRAD_U;
    case TN_ELTWISE_GELU:
        return (double)TN_C_GELU_GRAD_U;
    case TN_ELTWISE_GELU_TANH:
        return (double)TN_C_GELU_TANH_GRAD_U;
    case TN_ELTWISE_ERF:
        return (double)TN_C_ERF_GRAD_U;
    case TN_ELTWISE_SIN:
        return 2 * (double)TN_C_COS_ULP;
    case TN_ELTWISE_COS:
        return 2 * (double)TN_C_SIN_ULP;
    default:
        return 0;
    }
}

static tn_tensor shape_of(uint64_t *state, int64_t most)
{
    tn_tensor t = {.dtype = TN_F32, .rank = (uint16_t)(1 + tn_test_random(state) % 4)};
    for (uint32_t d = 0; d < t.rank; d++)
        t.dim[d] = 1 + (int64_t)(tn_test_random(state) % 9);
    t.dim[t.rank - 1] += (int64_t)(tn_test_random(state) % (uint64_t)(t.rank > 2 ? 60 : most));
    return t;
}

static void fill(uint64_t *state, unsigned char *block, bool special)
{
    for (size_t i = 0; i < TN_T_BYTES / 4; i++)
        ((float *)(void *)block)[i] = tn_t_float(state, special ? 40 : 0);
}

static void eltwise_round(uint64_t *state, bool special)
{
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .pass = TN_PASS_BACKWARD_DATA};
    tn_arg args[3] = {{.role = TN_ARG_A}, {.role = TN_ARG_GRAD}, {.role = TN_ARG_OUT}};
    attr.kind = 1 + (uint32_t)(tn_test_random(state) % TN_ELTWISE_CLAMP);
    attr.a = -1.5f;
    attr.b = 2.25f;
    args[0].tensor = args[1].tensor = args[2].tensor = shape_of(state, 1500);
    unsigned char *block[3];
    for (int i = 0; i < 3; i++) {
        tn_t_strides(state, &args[i].tensor, tn_test_random(state) % 2);
        block[i] = tn_t_block();
        fill(state, block[i], special);
    }
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_ELTWISE, .arg_count = 3, .attr = &attr, .args = args};
    tn_k_eltwise_backward_params p;
    tn_t_rows(&tn_k_op_eltwise_backward, &op, block, 2, true, &p);
    int64_t n = tn_k_grid_count(&p.grid);
    const float *at[3];
    for (int i = 0; i < 3; i++)
        at[i] = (const float *)(void *)(block[i] + TN_T_MIDDLE);
    for (int64_t i = 0; i < n && !special; i++) {
        double x = (double)at[0][tn_k_grid_offset(&p.grid, 0, i)];
        double g = (double)at[1][tn_k_grid_offset(&p.grid, 1, i)], scale;
        double got = (double)at[2][tn_k_grid_offset(&p.grid, 2, i)];
        double d = tn_k_eltwise_backward_ref(p.kind, x, (double)p.a, (double)p.b, &scale);
        if (isnan(d) || (x < 0 && p.kind == TN_ELTWISE_SQRT)) {
            TN_EXPECT(isnan(got), "kind %u of %a: %a", p.kind, x, got);
            continue;
        }
        double bound = fabs(g) * (scale * declared(p.kind) * u + (double)FLT_TRUE_MIN) +
                       u * fabs(d * g) + (double)FLT_TRUE_MIN;
        TN_EXPECT(fabs(got - d * g) <= bound * (1 + 0x1p-10), "kind %u of %a: %a, want %a +- %a",
                  p.kind, x, got, d * g, bound);
    }
    for (int i = 0; i < 3; i++)
        free(block[i]);
}

TN_TEST(k_backward, eltwise)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 300; i++)
        eltwise_round(&state, i % 3 == 2);
}

/* Central differences of the forward truth. Their own error: third derivatives are below 200 on
 * these points, so h = 1e-5 leaves 2e-8, and cancellation some 1e-11. */
TN_TEST(k_backward, eltwise_truth)
{
    const double h = 1e-5;
    for (uint32_t kind = TN_ELTWISE_NEG; kind <= TN_ELTWISE_CLAMP; kind++)
        for (double x = 0.31; x < 4; x += 0.173) {
            bool positive = kind == TN_ELTWISE_SQRT || kind == TN_ELTWISE_RSQRT ||
                            kind == TN_ELTWISE_LOG || kind == TN_ELTWISE_RECIP;
            for (double at = x; at >= -x; at -= positive ? 3 * x : 2 * x) {
                double scale, d = tn_k_eltwise_backward_ref(kind, at, -1.5, 2.25, &scale);
                double slope = (tn_k_eltwise_ref(kind, at + h, 0, 0, -1.5, 2.25) -
                                tn_k_eltwise_ref(kind, at - h, 0, 0, -1.5, 2.25)) /
                               (2 * h);
                if (kind == TN_ELTWISE_RINT || fabs(at - 2.25) < 2 * h || fabs(at + 1.5) < 2 * h)
                    continue;
                TN_EXPECT(fabs(d - slope) < 1e-7 * fmax(1, fabs(d)), "kind %u at %g: %g, slope %g",
                          kind, at, d, slope);
            }
        }
}

/* dx = y (dy - S): S by its products and adds; then a difference and a product. Log: exp, product
 * and difference fused. */
static void check_softmax(const tn_k_softmax_backward_params *p, const float *a, const float *grad,
                          const float *out)
{
    int64_t rows = tn_k_grid_count(&p->rows), n = p->count;
    double *ref = malloc((size_t)(2 * rows * n + 1) * sizeof *ref), *size = ref + rows * n;
    TN_REQUIRE(ref != NULL);
    tn_k_softmax_backward_ref(p, a, grad, ref, size);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            double y = (double)a[tn_k_grid_offset(&p->rows, 0, r) + i * p->stride[0]];
            double g = (double)grad[tn_k_grid_offset(&p->rows, 1, r) + i * p->stride[1]];
            double got = (double)out[tn_k_grid_offset(&p->rows, 2, r) + i * p->stride[2]];
            double want = ref[r * n + i], sum_error = size[r * n + i] * u * (adds(n) + 1);
            double e = p->log ? exp(y) : fabs(y), sum = size[r * n + i];
            double bound = e * sum_error + u * (p->log ? e * sum * 2 * 1.012 + fabs(want)
                                                       : e * (fabs(g) + sum) + fabs(want));
            bound += (double)FLT_TRUE_MIN * (2 + sum);
            TN_EXPECT(fabs(got - want) <= bound * (1 + 0x1p-10), "%a, want %a +- %a", got, want,
                      bound);
        }
    free(ref);
}

static void softmax_round(uint64_t *state, bool special)
{
    tn_softmax attr = {.head = TN_INIT(tn_softmax), .pass = TN_PASS_BACKWARD_DATA};
    tn_arg args[3] = {{.role = TN_ARG_A}, {.role = TN_ARG_GRAD}, {.role = TN_ARG_OUT}};
    tn_tensor t = shape_of(state, 200);
    attr.axis = (int32_t)(tn_test_random(state) % (2u * t.rank)) - t.rank;
    if (t.rank == 1)
        t.dim[0] += (int64_t)(tn_test_random(state) % 9000);
    attr.log = tn_test_random(state) % 2;
    unsigned char *block[3];
    for (int i = 0; i < 3; i++) {
        args[i].tensor = t;
        tn_t_strides(state, &args[i].tensor, tn_test_random(state) % 2);
        block[i] = tn_t_block();
        fill(state, block[i], special);
    }
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_SOFTMAX, .arg_count = 3, .attr = &attr, .args = args};
    tn_k_softmax_backward_params p;
    tn_t_rows(&tn_k_op_softmax_backward, &op, block, 2, true, &p);
    if (!special)
        check_softmax(&p, (const float *)(void *)(block[0] + TN_T_MIDDLE),
                      (const float *)(void *)(block[1] + TN_T_MIDDLE),
                      (const float *)(void *)(block[2] + TN_T_MIDDLE));
    for (int i = 0; i < 3; i++)
        free(block[i]);
}

TN_TEST(k_backward, softmax)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 150; i++)
        softmax_round(&state, i % 3 == 2);
}

enum { N = 12 };

/* The loss sum(out * w) of a row by differences of the forward truth against the backward truth.
 * The forward takes floats: h is a power of two that they hold, so x + h and x - h are exact. */
TN_TEST(k_backward, softmax_truth)
{
    uint64_t state = tn_test_seed();
    const double h = 0x1p-12;
    for (uint32_t log = 0; log < 2; log++) {
        tn_k_softmax_params f = {.log = log, .count = N, .stride = {1, 1}};
        tn_k_softmax_backward_params b = {.log = log, .count = N, .stride = {1, 1, 1}};
        float x[N], w[N], y[N];
        double fy[N], dx[N], size[N];
        for (int i = 0; i < N; i++) {
            x[i] = (float)((int)(tn_test_random(&state) % 4096) - 2048) * 0x1p-10f;
            w[i] = tn_t_float(&state, 0);
        }
        tn_k_softmax_ref(&f, x, fy);
        for (int i = 0; i < N; i++)
            y[i] = (float)fy[i];
        tn_k_softmax_backward_ref(&b, y, w, dx, size);
        for (int i = 0; i < N; i++) {
            float held = x[i];
            double slope = 0;
            for (int side = 1; side >= -1; side -= 2) {
                x[i] = held + (float)(side * h);
                tn_k_softmax_ref(&f, x, fy);
                for (int j = 0; j < N; j++)
                    slope += side * fy[j] * (double)w[j] / (2 * h);
            }
            x[i] = held;
            /* h^2 / 6 of a third derivative of at most 6 sum |w|, and y rounded to f32 */
            double bound = (h * h + 8 * u) * (size[0] + N * 4);
            TN_EXPECT(fabs(slope - dx[i]) < bound, "%g, slope %g", dx[i], slope);
        }
    }
}

/* Norm: each step's error from its definition. */
static void check_norm(const tn_k_norm_backward_params *p, const float *a, const float *grad,
                       const float *gamma, const float *out)
{
    int64_t rows = tn_k_grid_count(&p->rows), n = p->count;
    double way = adds(n) + 3, *ref = malloc((size_t)(rows * n + 1) * sizeof *ref);
    TN_REQUIRE(ref != NULL);
    tn_k_norm_backward_ref(p, a, grad, gamma, ref);
    for (int64_t r = 0; r < rows; r++) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        const float *dy = grad + tn_k_grid_offset(&p->rows, 1, r);
        bool layer = p->kind != TN_NORM_RMS;
        double sum = 0, size = 0, square = 0, cross = 0, g_size = 0, p_sum = 0, p_error = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += (double)x[tn_k_grid_offset(&p->inner, 0, i)];
            size += fabs((double)x[tn_k_grid_offset(&p->inner, 0, i)]);
        }
        double mean = layer ? sum / (double)n : 0;
        double mean_error = layer ? way * u * size / (double)n : 0;
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            double d_error = layer ? mean_error + u * (fabs(d) + mean_error) : 0;
            square += d * d;
            cross += 2 * fabs(d) * d_error + d_error * d_error;
        }
        double q = square / (double)n + (double)p->epsilon;
        double q_error = (cross / (double)n + way * u * (square + cross) / (double)n) / q + u;
        double r_sd = 1 / sqrt(q), r_error = q_error / 2 / pow(1 - fmin(q_error, 0.5), 1.5) + u;
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            double d_error = layer ? mean_error + u * (fabs(d) + mean_error) : 0;
            double f = gamma == NULL ? 1 : (double)gamma[tn_k_norm_backward_gamma(p, r, i)];
            double g = fabs((double)dy[tn_k_grid_offset(&p->inner, 1, i)] * f);
            double xh_error = r_sd * (d_error + (fabs(d) + d_error) * (r_error + u));
            g_size += g;
            p_sum += g * fabs(d) * r_sd;
            p_error += g * (xh_error + 2 * u * (fabs(d) * r_sd + xh_error));
        }
        double a_size = layer ? g_size / (double)n : 0, a_error = a_size * u * (way + 1);
        double b_size = p_sum / (double)n, b_error = p_error / (double)n + way * u * b_size;
        for (int64_t i = 0; i < n; i++) {
            double d = (double)x[tn_k_grid_offset(&p->inner, 0, i)] - mean;
            double d_error = layer ? mean_error + u * (fabs(d) + mean_error) : 0;
            double f = gamma == NULL ? 1 : (double)gamma[tn_k_norm_backward_gamma(p, r, i)];
            double g = fabs((double)dy[tn_k_grid_offset(&p->inner, 1, i)] * f);
            double xh = fabs(d) * r_sd;
            double xh_error = r_sd * (d_error + (fabs(d) + d_error) * (r_error + u));
            double inner = a_error + u * (2 * g + a_size) + xh * b_error +
                           xh_error * (b_size + b_error) + u * (g + a_size + xh * b_size);
            double want = ref[r * n + i];
            double got =
                (double)out[tn_k_grid_offset(&p->rows, 2, r) + tn_k_grid_offset(&p->inner, 2, i)];
            double bound = r_sd * inner * (1 + r_error) + fabs(want) * (r_error + u) +
                           (double)FLT_TRUE_MIN * (1 + r_sd);
            TN_EXPECT(fabs(got - want) <= bound * (1 + 0x1p-10), "%a, want %a +- %a", got, want,
                      bound);
        }
    }
    free(ref);
}

static void norm_round(uint64_t *state, bool special)
{
    tn_norm attr = {.head = TN_INIT(tn_norm), .pass = TN_PASS_BACKWARD_DATA, .epsilon = 1e-5f};
    tn_arg args[4] = {
        {.role = TN_ARG_A}, {.role = TN_ARG_GRAD}, {.role = TN_ARG_GAMMA}, {.role = TN_ARG_OUT}};
    tn_tensor t = shape_of(state, 200);
    attr.kind = (uint32_t)(tn_test_random(state) % 3);
    if (t.rank == 1)
        t.dim[0] += (int64_t)(tn_test_random(state) % 9000);
    attr.axes = (uint32_t)(tn_test_random(state) % (t.rank + 1u));
    bool group = attr.kind == TN_NORM_GROUP, affine = tn_test_random(state) % 3 != 0;
    uint32_t axes = attr.axes != 0 ? attr.axes : group ? t.rank - 1u : 1;
    if (axes == 0)
        axes = attr.axes = 1;
    if (group) {
        int64_t channels = t.dim[t.rank - axes];
        attr.groups = 1 + (uint32_t)(tn_test_random(state) % (uint64_t)channels);
        while (channels % attr.groups != 0)
            attr.groups--;
    }
    for (int i = 0; i < 4; i++)
        args[i].tensor = t;
    tn_tensor *gamma = &args[2].tensor;
    gamma->rank = (uint16_t)(group ? 1 : axes);
    for (uint32_t d = 0; d < gamma->rank; d++)
        gamma->dim[d] = t.dim[t.rank - axes + d];
    if (!affine)
        args[2] = args[3];
    unsigned char *block[4];
    for (int i = 0; i < 4; i++) {
        tn_t_strides(state, &args[i].tensor, tn_test_random(state) % 2);
        block[i] = tn_t_block();
        fill(state, block[i], special);
    }
    uint32_t out = affine ? 3 : 2;
    tn_op op = {.head = TN_INIT(tn_op),
                .kind = TN_OP_NORM,
                .arg_count = out + 1,
                .attr = &attr,
                .args = args};
    tn_k_norm_backward_params p;
    tn_t_rows(&tn_k_op_norm_backward, &op, block, out, true, &p);
    if (!special)
        check_norm(&p, (const float *)(void *)(block[0] + TN_T_MIDDLE),
                   (const float *)(void *)(block[1] + TN_T_MIDDLE),
                   affine ? (const float *)(void *)(block[2] + TN_T_MIDDLE) : NULL,
                   (const float *)(void *)(block[out] + TN_T_MIDDLE));
    for (int i = 0; i < 4; i++)
        free(block[i]);
}

TN_TEST(k_backward, norm)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 240; i++)
        norm_round(&state, i % 3 == 2);
}

TN_TEST(k_backward, norm_truth)
{
    uint64_t state = tn_test_seed();
    const double h = 0x1p-12;
    for (uint32_t kind = TN_NORM_LAYER; kind <= TN_NORM_RMS; kind++) {
        tn_k_norm_params f = {
            .kind = kind, .gamma_at = 2, .beta_at = -1, .epsilon = 0.125f, .count = N};
        tn_k_norm_backward_params b = {
            .kind = kind, .gamma = true, .epsilon = 0.125f, .count = N, .groups = 1};
        f.inner = (tn_k_grid){.rank = 1, .dim = {N}, .stride = {{1}, {1}, {1}, {1}}};
        b.inner = f.inner;
        float x[N], w[N], gamma[N];
        double y[N], dx[N];
        for (int i = 0; i < N; i++) {
            x[i] = (float)((int)(tn_test_random(&state) % 4096) - 2048) * 0x1p-10f;
            w[i] = tn_t_float(&state, 0);
            gamma[i] = tn_t_float(&state, 0);
        }
        tn_k_norm_backward_ref(&b, x, w, gamma, dx);
        for (int i = 0; i < N; i++) {
            float held = x[i];
            double slope = 0;
            for (int side = 1; side >= -1; side -= 2) {
                x[i] = held + (float)(side * h);
                tn_k_norm_ref(&f, x, gamma, NULL, y);
                for (int j = 0; j < N; j++)
                    slope += side * y[j] * (double)w[j] / (2 * h);
            }
            x[i] = held;
            /* h^2 / 6 of a third derivative, r^3 sum |w gamma| times a small number */
            TN_EXPECT(fabs(slope - dx[i]) < h * h * 16 * N * 22.7, "kind %u: %g, slope %g", kind,
                      dx[i], slope);
        }
    }
}

/* Against a sum in float64, whose error is that of a chain of 128 and the chunks'. */
static void gather_round(uint64_t *state, bool special)
{
    static const uint16_t types[] = {TN_F32, TN_F32, TN_F32, TN_BF16, TN_F16};
    tn_axis attr = {.head = TN_INIT(tn_axis), .flags = TN_GATHER_BACKWARD};
    tn_arg args[3] = {{.role = TN_ARG_GRAD}, {.role = TN_ARG_INDEX}, {.role = TN_ARG_OUT}};
    tn_tensor *g = &args[0].tensor, *x = &args[1].tensor, *o = &args[2].tensor;
    g->dtype = types[tn_test_random(state) % 5];
    o->dtype = types[tn_test_random(state) % 5];
    x->dtype = tn_test_random(state) % 2 ? TN_S32 : TN_S64;
    o->rank = (uint16_t)(1 + tn_test_random(state) % 3);
    x->rank = (uint16_t)(tn_test_random(state) % 3);
    uint32_t axis = (uint32_t)(tn_test_random(state) % o->rank);
    attr.axis = (int32_t)axis - (tn_test_random(state) % 2 ? (int32_t)o->rank : 0);
    for (uint32_t d = 0; d < o->rank; d++)
        o->dim[d] = 1 + (int64_t)(tn_test_random(state) % 7);
    attr.param = o->dim[axis];
    for (uint32_t d = 0; d < x->rank; d++)
        x->dim[d] = (int64_t)(tn_test_random(state) % 20);
    g->rank = (uint16_t)(o->rank - 1 + x->rank);
    for (uint32_t d = 0; d < g->rank; d++)
        g->dim[d] = d < axis             ? o->dim[d]
                    : d < axis + x->rank ? x->dim[d - axis]
                                         : o->dim[d - x->rank + 1];
    unsigned char *block[3];
    for (int i = 0; i < 3; i++) {
        tn_t_strides(state, &args[i].tensor, tn_test_random(state) % 3 == 0);
        block[i] = tn_t_block();
    }
    for (size_t i = 0; i < TN_T_BYTES / 4; i++)
        tn_c_store(g->dtype, block[0], (int64_t)i,
                   (tn_c_value){false, 0, (double)tn_t_float(state, special ? 40 : 0)}, false);
    for (size_t i = 0; i < TN_T_BYTES / 8; i++) {
        int64_t v =
            (int64_t)(tn_test_random(state) % (uint64_t)(2 * o->dim[axis] + 2)) - o->dim[axis] - 1;
        tn_c_store(x->dtype, block[1], (int64_t)i, (tn_c_value){true, v, 0}, false);
    }
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_GATHER, .arg_count = 3, .attr = &attr, .args = args};
    tn_k_gather_backward_params p;
    tn_t_rows(&tn_k_op_gather_backward, &op, block, 2, o->dtype == TN_F32, &p);
    int64_t inner = tn_k_grid_count(&p.inner), rows = tn_k_grid_count(&p.outer) * p.rows;
    double last = o->dtype == TN_F32 ? 0 : o->dtype == TN_BF16 ? 0x1p-8 : 0x1p-11;
    for (int64_t r = 0; r < rows * inner && !special; r++) {
        int64_t outer = r / inner / p.rows, v = r / inner % p.rows, e = r % inner;
        int64_t from = tn_k_grid_offset(&p.outer, 0, outer) + tn_k_grid_offset(&p.inner, 0, e);
        int64_t to = tn_k_grid_offset(&p.outer, 1, outer) + v * p.row_stride +
                     tn_k_grid_offset(&p.inner, 1, e);
        double sum = 0, size = 0, n = 128 + (double)p.grad_positions / 128 + 1;
        for (int64_t i = 0; i < p.grad_positions; i++) {
            int64_t at = tn_k_grid_offset(&p.positions, 1, i);
            int64_t row = tn_c_load(x->dtype, block[1] + TN_T_MIDDLE, at).i;
            if (row != v && row + p.rows != v)
                continue;
            double y = tn_c_load(g->dtype, block[0] + TN_T_MIDDLE,
                                 from + tn_k_grid_offset(&p.positions, 0, i))
                           .f;
            sum += y;
            size += fabs(y);
        }
        double got = tn_c_load(o->dtype, block[2] + TN_T_MIDDLE, to).f;
        double bound = size * n * u / (1 - n * u);
        bound += last * (fabs(sum) + bound) + (o->dtype == TN_F16 ? 0x1p-25 : 0);
        TN_EXPECT(fabs(got - sum) <= bound, "%a, want %a +- %a", got, sum, bound);
    }
    for (int i = 0; i < 3; i++)
        free(block[i]);
}

TN_TEST(k_backward, gather)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 150; i++)
        gather_round(&state, i % 3 == 2);
}
