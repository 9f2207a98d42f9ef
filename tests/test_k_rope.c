/* SPDX-License-Identifier: Apache-2.0 */
/* rope: every row against the plain one, and that one against float64. */
#include "support/k_rows.h"
#include <float.h>
#include <kernels/common/canonmath.h>
#include <kernels/common/dtype_convert.h>
#include <kernels/rope/rope.h>
#include <math.h>

extern const tn_k_op tn_k_op_rope;

/* The angle is rounded once, which turns by as much; sine and cosine are off by their ulps of at
 * most 2^-23; then two roundings. */
static void check(const tn_k_rope_params *p, unsigned char *const *block)
{
    const double u = FLT_EPSILON / 2;
    const float *a = (const float *)(void *)(block[0] + TN_T_MIDDLE);
    const int32_t *index = (const int32_t *)(void *)(block[1] + TN_T_MIDDLE);
    const float *freq = (const float *)(void *)(block[2] + TN_T_MIDDLE);
    const float *out = (const float *)(void *)(block[3] + TN_T_MIDDLE);
    int64_t rows = tn_k_grid_count(&p->rows);
    double *want = malloc((size_t)(rows * p->d + 1) * sizeof *want);
    TN_REQUIRE(want != NULL);
    tn_k_rope_ref(p, a, index, freq, want);
    tn_arithmetic claim = {0};
    tn_k_rope_arithmetic(p, &claim);
    double wave = fmax((double)claim.exp_ulp, TN_C_SIN_ULP) * 2 * u;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = a + tn_k_grid_offset(&p->rows, 0, r);
        const float *y = out + tn_k_grid_offset(&p->rows, 2, r);
        double position = index[tn_k_grid_offset(&p->rows, 1, r)];
        for (int64_t e = 2 * p->half; e < p->d; e++)
            TN_EXPECT(x[e * p->a_stride] == y[e * p->out_stride]);
        for (int64_t i = 0; i < p->half; i++) {
            int64_t e[2];
            tn_k_rope_pair(p, i, &e[0], &e[1]);
            double size = fabs((double)x[e[0] * p->a_stride]) + fabs((double)x[e[1] * p->a_stride]);
            double angle = fabs(position * (double)freq[i * p->freq_stride]);
            double bound = size * (angle * u + wave + 3 * u) + (double)FLT_TRUE_MIN;
            for (int k = 0; k < 2; k++) {
                double got = (double)y[e[k] * p->out_stride], w = want[r * p->d + e[k]];
                TN_EXPECT(fabs(got - w) <= bound, "%a %a bound %a", got, w, bound);
            }
        }
    }
    free(want);
}

static void round_of(uint64_t *state, uint16_t dtype, bool special)
{
    tn_rope attr = {.head = TN_INIT(tn_rope), .interleaved = tn_test_random(state) % 2};
    tn_arg args[4] = {
        {.role = TN_ARG_A}, {.role = TN_ARG_INDEX}, {.role = TN_ARG_FREQ}, {.role = TN_ARG_OUT}};
    tn_tensor *a = &args[0].tensor, *index = &args[1].tensor, *freq = &args[2].tensor;
    tn_tensor *out = &args[3].tensor;
    a->dtype = dtype;
    a->rank = (uint16_t)(1 + tn_test_random(state) % 4);
    for (uint32_t d = 0; d < a->rank; d++)
        a->dim[d] = 1 + (int64_t)(tn_test_random(state) % 7);
    int64_t d = (int64_t)(tn_test_random(state) % 100);
    attr.rotary_dims = (int32_t)(tn_test_random(state) % 2 ? 0 : d / 4 * 2);
    a->dim[a->rank - 1] = attr.rotary_dims == 0 ? (d + 1) / 2 * 2 : d;
    int64_t half = (attr.rotary_dims == 0 ? a->dim[a->rank - 1] : attr.rotary_dims) / 2;
    if (a->dim[a->rank - 1] == 0)
        return;
    *out = *a;
    index->dtype = TN_S32;
    index->rank = (uint16_t)(tn_test_random(state) % a->rank);
    for (uint32_t i = 0; i < index->rank; i++)
        index->dim[i] = tn_test_random(state) % 3 == 0 ? 1 : a->dim[a->rank - 1u - index->rank + i];
    *freq = (tn_tensor){.dtype = TN_F32, .rank = 1, .dim = {half}};
    for (int k = 0; k < 4; k++)
        tn_t_strides(state, &args[k].tensor, tn_test_random(state) % 2);
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_ROPE, .arg_count = 4, .attr = &attr, .args = args};
    unsigned char *block[4];
    for (int k = 0; k < 4; k++)
        block[k] = tn_t_block();
    for (int64_t i = 0; i < TN_T_BYTES / 4; i++) {
        tn_c_value v = {false, 0, (double)tn_t_float(state, special ? 40 : 0)};
        tn_c_store(dtype, block[0], i, v, false);
        ((int32_t *)(void *)block[1])[i] = (int32_t)(tn_test_random(state) % 3000) - 500;
        ((float *)(void *)block[2])[i] = tn_t_float(state, special ? 30 : 0);
    }
    tn_k_rope_params p;
    tn_t_rows(&tn_k_op_rope, &op, block, 3, dtype == TN_F32, &p);
    if (dtype == TN_F32 && !special)
        check(&p, block);
    if (dtype != TN_F32) { /* the f32 result of the same values, rounded */
        const int64_t rows = tn_k_grid_count(&p.rows);
        const int32_t *at = (const int32_t *)(void *)(block[1] + TN_T_MIDDLE);
        const float *f = (const float *)(void *)(block[2] + TN_T_MIDDLE);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < p.half; i++) {
                int64_t e0, e1, from = tn_k_grid_offset(&p.rows, 0, r);
                tn_k_rope_pair(&p, i, &e0, &e1);
                float angle = (float)at[tn_k_grid_offset(&p.rows, 1, r)] * f[i * p.freq_stride];
                float x0 =
                    (float)tn_c_load(dtype, block[0] + TN_T_MIDDLE, from + e0 * p.a_stride).f;
                float x1 =
                    (float)tn_c_load(dtype, block[0] + TN_T_MIDDLE, from + e1 * p.a_stride).f;
                float y = fmaf(x0, c_cos(angle), -(x1 * c_sin(angle)));
                uint64_t want = 0;
                tn_c_store(dtype, &want, 0, (tn_c_value){false, 0, (double)y}, false);
                int64_t to = tn_k_grid_offset(&p.rows, 2, r) + e0 * p.out_stride;
                TN_EXPECT(memcmp(&want, block[3] + TN_T_MIDDLE + to * 2, 2) == 0);
            }
    }
    for (int k = 0; k < 4; k++)
        free(block[k]);
}

TN_TEST(k_rope, rows_agree)
{
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 90; i++)
        round_of(&state, i % 5 == 3 ? TN_F16 : i % 5 == 4 ? TN_BF16 : TN_F32, i % 3 == 2);
}

/* OUT may be A: both elements of a pair are read before one is written. */
TN_TEST(k_rope, in_place)
{
    uint64_t state = tn_test_seed() + 1;
    for (uint32_t interleaved = 0; interleaved < 2; interleaved++) {
        enum { ROWS = 9, D = 40 };
        tn_rope attr = {.head = TN_INIT(tn_rope), .interleaved = interleaved, .rotary_dims = 38};
        tn_tensor x = {.dtype = TN_F32, .rank = 2, .dim = {ROWS, D}, .stride = {D, 1}};
        tn_arg args[4] = {{.role = TN_ARG_A, .tensor = x},
                          {.role = TN_ARG_INDEX,
                           .tensor = {.dtype = TN_S32, .rank = 1, .dim = {ROWS}, .stride = {1}}},
                          {.role = TN_ARG_FREQ,
                           .tensor = {.dtype = TN_F32, .rank = 1, .dim = {19}, .stride = {1}}},
                          {.role = TN_ARG_OUT, .tensor = x}};
        tn_op op = {.head = TN_INIT(tn_op),
                    .kind = TN_OP_ROPE,
                    .arg_count = 4,
                    .attr = &attr,
                    .args = args};
        unsigned char *block[4];
        for (int k = 0; k < 4; k++)
            block[k] = tn_t_block();
        for (int i = 0; i < ROWS * D; i++) {
            ((float *)(void *)(block[0] + TN_T_MIDDLE))[i] = tn_t_float(&state, 0);
            ((int32_t *)(void *)(block[1] + TN_T_MIDDLE))[i] = i;
            ((float *)(void *)(block[2] + TN_T_MIDDLE))[i] = 1.0f / (float)(1 + i);
        }
        tn_k_rope_params p;
        tn_t_rows(&tn_k_op_rope, &op, block, 3, true, &p);
        for (uint32_t v = 0; v < tn_k_op_rope.variant_count; v++) {
            const tn_k_variant *row = tn_k_op_rope.variants[v];
            tn_k_caps caps = {.isa = tn_t_isa(), .workers = 2};
            if ((row->isa & caps.isa) != row->isa || !row->accepts(&p, &caps, NULL))
                continue;
            unsigned char *copy = tn_t_block();
            memcpy(copy, block[0], TN_T_BYTES);
            tn_t_run(row, &p, &caps,
                     (void *[]){copy + TN_T_MIDDLE, block[1] + TN_T_MIDDLE, block[2] + TN_T_MIDDLE,
                                copy + TN_T_MIDDLE},
                     true);
            TN_EXPECT(memcmp(copy + TN_T_MIDDLE, block[3] + TN_T_MIDDLE, ROWS * D * 4) == 0, "%s",
                      row->name);
            free(copy);
        }
        for (int k = 0; k < 4; k++)
            free(block[k]);
    }
}
