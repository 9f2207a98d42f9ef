/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical functions against float64 on 2^20 stratified inputs each and on the worst inputs of
 * the full sweep (tools/canonmath/result.txt); recip and sqrt against the hardware's; max and min.
 */
#include "support/test.h"
#include <kernels/common/canon.h>
#include <tools/canonmath/canonmath_ref.h>

static bool checked(double limit, float x)
{
    return fabs((double)x) <= limit; /* false for NaN */
}

TN_TEST(k_canonmath, stays_within_declared_ulp)
{
    uint64_t state = tn_test_seed();
    for (int r = 0; r < TN_CANONMATH_ROWS; r++) {
        const tn_canonmath_row *row = &tn_canonmath_rows[r];
        double worst = 0;
        float at = 0;
        for (uint32_t i = 0; i < 1u << 20; i++) {
            float x = tn_c_float(i << 12 | (uint32_t)(tn_test_random(&state) & 0xfff));
            if (x != x)
                TN_EXPECT(row->f(x) != row->f(x), "%s of NaN", row->name);
            if (!checked(row->limit, x))
                continue;
            double e = ulp_error(row->f(x), row->ref((double)x));
            if (e > worst) {
                worst = e;
                at = x;
            }
        }
        /* The declared figure is printed with four decimals or fewer. */
        TN_EXPECT(worst <= row->declared + 0.0005, "%s: %.4f ulp at %a", row->name, worst,
                  (double)at);
    }
}

TN_TEST(k_canonmath, worst_inputs)
{
    static const struct {
        float (*f)(float);
        double (*ref)(double);
        float x;
        double ulp;
    } row[] = {{c_exp, ref_exp, 0x1.924bdep+5f, 1.0115},
               {c_exp2, ref_exp2, -0x1.f9fc6ap+6f, 0.878},
               {c_log, ref_log, 0x1.55de9cp+0f, 0.826},
               {c_tanh, ref_tanh, 0x1.41a114p-1f, 1.421},
               {c_sigmoid, ref_sigmoid, -0x1.5ac6ccp+1f, 2.820},
               {c_erf, ref_erf, 0x1.0e60bap+0f, 1.216},
               {c_silu, ref_silu, -0x1.45888ap+2f, 3.279},
               {c_gelu_tanh, ref_gelu_tanh, -0x1.43e75p+1f, 3.434},
               {c_gelu, ref_gelu, -0x1.4f571ep+0f, 6.062},
               {c_sin, ref_sin, 0x1.c704c4p+19f, 1.669},
               {c_cos, ref_cos, 0x1.e506fp+19f, 1.807}};
    /* one unit of the last printed digit */
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        double e = ulp_error(row[i].f(row[i].x), row[i].ref((double)row[i].x));
        TN_EXPECT(fabs(e - row[i].ulp) <= 0.001, "row %zu: %.4f ulp", i, e);
    }
}

static bool same(float a, float b)
{
    return tn_c_bits(a) == tn_c_bits(b) || (a != a && b != b);
}

TN_TEST(k_canonmath, recip_and_sqrt_equal_hardware)
{
    uint64_t state = tn_test_seed() + 1;
    for (uint32_t i = 0; i < 1u << 20; i++) {
        float x = tn_c_float(i << 12 | (uint32_t)(tn_test_random(&state) & 0xfff));
        TN_EXPECT(same(c_recip_seq(x), c_recip(x)), "recip %a", (double)x);
        TN_EXPECT(same(c_sqrt_seq(x), c_sqrt(x)), "sqrt %a", (double)x);
    }
}

TN_TEST(k_canonmath, special_values)
{
    const float inf = INFINITY;
    static const float none = -0.0f;
    TN_EXPECT(same(c_exp(-inf), 0.0f) && same(c_exp(inf), inf));
    TN_EXPECT(same(c_exp2(-inf), 0.0f) && same(c_exp2(inf), inf));
    TN_EXPECT(same(c_log(0.0f), -inf) && same(c_log(none), -inf) && same(c_log(inf), inf));
    TN_EXPECT(c_log(-1.0f) != c_log(-1.0f) && c_rsqrt(-1.0f) != c_rsqrt(-1.0f));
    TN_EXPECT(same(c_recip_seq(none), -inf) && same(c_recip_seq(-inf), none));
    TN_EXPECT(same(c_rsqrt(none), -inf) && same(c_rsqrt(0.0f), inf) && same(c_rsqrt(inf), 0.0f));
    TN_EXPECT(same(c_tanh(none), none) && same(c_tanh(-inf), -1.0f));
    TN_EXPECT(same(c_erf(none), none) && same(c_erf(inf), 1.0f));
    TN_EXPECT(same(c_sigmoid(-inf), 0.0f) && same(c_sigmoid(inf), 1.0f));
    TN_EXPECT(same(c_silu(-inf), none) && same(c_silu(inf), inf));
    TN_EXPECT(same(c_gelu(-inf), none) && same(c_gelu(inf), inf));
    TN_EXPECT(same(c_gelu_tanh(-inf), none) && same(c_gelu_tanh(inf), inf));
    TN_EXPECT(c_sin(inf) != c_sin(inf) && c_cos(-inf) != c_cos(-inf));
    TN_EXPECT(same(c_sin(none), 0.0f) && same(c_cos(none), 1.0f));
    float nans[2] = {tn_c_float(0x7fc00000u), tn_c_float(0xffffffffu)};
    for (int i = 0; i < 2; i++) {
        TN_EXPECT(tn_c_bits(tn_c_max(nans[i], inf)) == 0x7fc00000u);
        TN_EXPECT(tn_c_bits(tn_c_max(-inf, nans[i])) == 0x7fc00000u);
        TN_EXPECT(tn_c_bits(tn_c_min(nans[i], -inf)) == 0x7fc00000u);
        TN_EXPECT(tn_c_bits(tn_c_min(inf, nans[i])) == 0x7fc00000u);
        TN_EXPECT(tn_c_relu(nans[i]) != tn_c_relu(nans[i]));
    }
    TN_EXPECT(same(tn_c_max(none, 0.0f), 0.0f) && same(tn_c_max(0.0f, none), 0.0f));
    TN_EXPECT(same(tn_c_min(none, 0.0f), none) && same(tn_c_min(0.0f, none), none));
    TN_EXPECT(same(tn_c_max(-inf, -1.0f), -1.0f) && same(tn_c_min(-inf, -1.0f), -inf));
    TN_EXPECT(same(tn_c_relu(none), 0.0f) && same(tn_c_relu(2.0f), 2.0f));
}
