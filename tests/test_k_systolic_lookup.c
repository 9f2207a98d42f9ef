/* SPDX-License-Identifier: Apache-2.0 */
/* Functions by tables: the stated error over all magnitudes, ends and NaNs, and blocks of keys. */
#include "support/k_rows.h"

#include <kernels/common/canon.h>
#include <kernels/common/canonmath.h>
#include <kernels/systolic/systolic.h>
#include <kernels/systolic/systolic_lookup.h>
#include <math.h>

static double logistic(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double truth(uint32_t kind, double x)
{
    switch (kind) {
    case TN_ELTWISE_RSQRT:
        return 1 / sqrt(x);
    case TN_ELTWISE_EXP:
        return exp(x);
    case TN_ELTWISE_EXP2:
        return exp2(x);
    case TN_ELTWISE_LOG:
        return log(x);
    case TN_ELTWISE_TANH:
        return tanh(x);
    case TN_ELTWISE_SIGMOID:
        return logistic(x);
    case TN_ELTWISE_SILU:
        return x * logistic(x);
    case TN_ELTWISE_GELU:
        return 0.5 * x * erfc(-x * 0.70710678118654757);
    case TN_ELTWISE_GELU_TANH:
        return x * logistic(1.5957691216057308 * (x + 0.044715 * x * x * x));
    default:
        return erf(x);
    }
}

TN_TEST(k_systolic_lookup, errors_are_below_what_is_stated)
{
    static tn_k_sys_tables t;
    uint64_t state = tn_test_seed();
    for (uint32_t n = TN_K_SYS_SEGMENTS_LEAST; n <= TN_K_SYS_SEGMENTS_MOST; n *= 2) {
        tn_k_sys_tables_make(n, &t);
        for (uint32_t kind = TN_ELTWISE_RSQRT; kind <= TN_ELTWISE_ERF; kind++) {
            double worst = 0, most = kind == TN_ELTWISE_RSQRT ? tn_k_sys_tables_rsqrt_ulp(n)
                                                              : tn_k_sys_tables_ulp(n);
            float at = 0;
            TN_REQUIRE(tn_k_sys_tables_have(kind));
            for (uint64_t u = tn_test_random(&state) % 65536; u < UINT64_C(1) << 32; u += 65537) {
                float x = tn_c_float((uint32_t)u), y;
                double want = truth(kind, (double)x);
                tn_k_sys_tables_map(&t, kind, &x, &y, 1);
                if (x != x || want != want) {
                    TN_EXPECT(y != y, "kind %u at %a: %a", kind, (double)x, (double)y);
                    continue;
                }
                if (fabs(want) < 0x1p-126 || fabs(want) > 0x1.fffffep127) {
                    TN_EXPECT(fabs((double)y - want) <= 0x1p-126 || fabs((double)y) > 0x1p127,
                              "kind %u at %a: %a", kind, (double)x, (double)y);
                    continue;
                }
                double e = fabs((double)y - want) / fabs(want) * 0x1p23;
                if (!(e <= worst)) {
                    worst = e;
                    at = x;
                }
            }
            TN_EXPECT(worst <= most, "%u segments, kind %u at %a: %g of %g", n, kind, (double)at,
                      worst, most);
            TN_EXPECT(n > 256 || worst > 0.01 * most, "%u segments, kind %u: %g is no table", n,
                      kind, worst);
        }
    }
}

TN_TEST(k_systolic_lookup, ends_are_those_of_the_functions)
{
    static tn_k_sys_tables t;
    static const struct {
        uint32_t kind;
        float x, y;
    } ends[] = {{TN_ELTWISE_EXP, -__builtin_inff(), 0.0f},
                {TN_ELTWISE_EXP, __builtin_inff(), __builtin_inff()},
                {TN_ELTWISE_EXP, 0.0f, 1.0f},
                {TN_ELTWISE_EXP2, -__builtin_inff(), 0.0f},
                {TN_ELTWISE_EXP2, 3.0f, 8.0f},
                {TN_ELTWISE_LOG, 0.0f, -__builtin_inff()},
                {TN_ELTWISE_LOG, 1.0f, 0.0f},
                {TN_ELTWISE_RSQRT, 0.0f, __builtin_inff()},
                {TN_ELTWISE_RSQRT, __builtin_inff(), 0.0f},
                {TN_ELTWISE_RSQRT, 4.0f, 0.5f},
                {TN_ELTWISE_TANH, -__builtin_inff(), -1.0f},
                {TN_ELTWISE_SIGMOID, 0.0f, 0.5f},
                {TN_ELTWISE_SILU, -__builtin_inff(), -0.0f},
                {TN_ELTWISE_GELU, -__builtin_inff(), -0.0f},
                {TN_ELTWISE_GELU, __builtin_inff(), __builtin_inff()},
                {TN_ELTWISE_GELU_TANH, -__builtin_inff(), -0.0f},
                {TN_ELTWISE_ERF, __builtin_inff(), 1.0f}};
    tn_k_sys_tables_make(256, &t);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        float y;
        tn_k_sys_tables_map(&t, ends[i].kind, &ends[i].x, &y, 1);
        TN_EXPECT(tn_c_bits(y) == tn_c_bits(ends[i].y), "kind %u at %g: %a", ends[i].kind,
                  (double)ends[i].x, (double)y);
    }
    TN_EXPECT(!tn_k_sys_tables_have(TN_ELTWISE_SIN) && !tn_k_sys_tables_have(TN_ELTWISE_ADD));
}

TN_TEST(k_systolic_lookup, a_block_of_keys_differs_by_the_table_alone)
{
    static tn_k_sys_tables t;
    uint64_t state = tn_test_seed();
    tn_k_sys_tables_make(256, &t);
    for (int round = 0; round < 50; round++) {
        float s[TN_K_SYS_BLOCK], p[2][TN_K_SYS_BLOCK], most[2], sum[2];
        uint8_t takes[TN_K_SYS_BLOCK];
        for (int i = 0; i < TN_K_SYS_BLOCK; i++) {
            s[i] = (float)(int32_t)tn_test_random(&state) * 0x1p-28f;
            takes[i] = tn_test_random(&state) % 4 != 0;
        }
        tn_k_sys_tables_block(&t, s, takes, TN_K_SYS_BLOCK, p[0], &most[0], &sum[0]);
        tn_k_sys_math_baseline.block(s, takes, TN_K_SYS_BLOCK, p[1], &most[1], &sum[1]);
        TN_EXPECT(most[0] == most[1]);
        for (int i = 0; i < TN_K_SYS_BLOCK; i++) {
            double e = fabs((double)p[0][i] - (double)p[1][i]);
            TN_EXPECT(e <= (double)p[1][i] * (double)tn_k_sys_tables_ulp(256) * 0x1p-23 &&
                          signbit(p[0][i]) == signbit(p[1][i]),
                      "%d: %a %a", i, (double)p[0][i], (double)p[1][i]);
        }
    }
}
