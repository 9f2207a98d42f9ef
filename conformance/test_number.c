/* SPDX-License-Identifier: Apache-2.0 */
/* Formats against their definitions, and bounds against sums whose error is known exactly. */
#include <conformance/bounds/bounds.h>
#include <math.h>
#include <tests/support/test.h>

static const tn_dtype small[] = {TN_F16, TN_BF16, TN_F8E4M3, TN_F8E5M2};

static bool same(double a, double b)
{
    return a == b ? signbit(a) == signbit(b) : isnan(a) && isnan(b);
}

TN_TEST(number, every_pattern_comes_back)
{
    for (int t = 0; t < 4; ++t) {
        uint32_t bytes = tn_v_elem_bytes(small[t]), all = bytes == 2 ? 65536 : 256;
        for (uint32_t bits = 0; bits < all; ++bits) {
            uint16_t again = 0, from = (uint16_t)bits;
            double v = tn_v_decode(small[t], &from);
            tn_v_encode(small[t], v, TN_V_NEAREST_EVEN, false, &again);
            TN_EXPECT(isnan(v) ? isnan(tn_v_decode(small[t], &again)) : again == from,
                      "%s 0x%x gives %g and 0x%x", tn_dtype_name(small[t]), bits, v, again);
        }
    }
}

/* By the definition of rounding alone: of the two neighbours the nearer, of equal ones the even. */
TN_TEST(number, rounding_is_to_the_nearest)
{
    uint64_t seed = tn_test_seed();
    for (int t = 0; t < 4; ++t)
        for (int i = 0; i < 20000; ++i) {
            double v = ldexp((double)(int64_t)tn_test_random(&seed) * 0x1p-63,
                             (int)(tn_test_random(&seed) % 24) - 10);
            uint16_t bits = 0, below, above;
            double near = tn_v_rounded(small[t], v, TN_V_NEAREST_EVEN, true);
            tn_v_encode(small[t], v, TN_V_TOWARD_ZERO, true, &bits);
            below = bits;
            above = (uint16_t)(bits + 1);
            double low = tn_v_decode(small[t], &below), high = tn_v_decode(small[t], &above);
            TN_EXPECT(fabs(low) <= fabs(v), "%g truncates to %g", v, low);
            if (!isfinite(high))
                continue;
            TN_EXPECT(fabs(v) <= fabs(high), "%g is beyond %g", v, high);
            double d0 = fabs(v - low), d1 = fabs(v - high);
            double want = d0 < d1 ? low : d1 < d0 ? high : bits % 2 == 0 ? low : high;
            TN_EXPECT(same(near, want), "%s: %a to %a, want %a", tn_dtype_name(small[t]), v, near,
                      want);
        }
}

TN_TEST(number, ends_of_ranges)
{
    TN_EXPECT(isinf(tn_v_rounded(TN_F16, 65520, TN_V_NEAREST_EVEN, false)));
    TN_EXPECT(tn_v_rounded(TN_F16, 65519.99, TN_V_NEAREST_EVEN, false) == 65504);
    TN_EXPECT(tn_v_rounded(TN_F16, 1e9, TN_V_TOWARD_ZERO, false) == 65504);
    TN_EXPECT(isnan(tn_v_rounded(TN_F8E4M3, 465, TN_V_NEAREST_EVEN, false)));
    TN_EXPECT(tn_v_rounded(TN_F8E4M3, 464, TN_V_NEAREST_EVEN, false) == 448);
    TN_EXPECT(tn_v_rounded(TN_F8E4M3, 1e9, TN_V_NEAREST_EVEN, true) == 448);
    TN_EXPECT(tn_v_rounded(TN_S8, 200, TN_V_NEAREST_EVEN, false) == 127);
    TN_EXPECT(tn_v_rounded(TN_U8, -3, TN_V_NEAREST_EVEN, false) == 0);
    TN_EXPECT(tn_v_rounded(TN_BF16, 0x1p-134, TN_V_NEAREST_EVEN, false) == 0); /* a tie to even */
    TN_EXPECT(tn_v_rounded(TN_F32, 0x1.8p-149, TN_V_NEAREST_EVEN, false) == 0x1p-148);
    TN_EXPECT(tn_v_to_bits(5.5, 3, TN_V_NEAREST_EVEN) == 6 &&
              tn_v_to_bits(-5.5, 3, TN_V_NEAREST_AWAY) == -6);
}

static tn_v_arith strict(void)
{
    static const tn_arg a = {.role = TN_ARG_A, .tensor = {.dtype = TN_F32}};
    static const tn_op op = {.kind = TN_OP_MATMUL, .arg_count = 1, .args = &a};
    tn_arithmetic declared = {.head = TN_INIT(tn_arithmetic)};
    return tn_v_arith_of(&declared, &op);
}

/* Orders of a legitimate f32 accumulator stay inside, one with fewer bits does not. */
TN_TEST(bounds, legitimate_orders_pass_and_narrow_ones_do_not)
{
    uint64_t seed = tn_test_seed();
    tn_v_arith a = strict();
    int outside[3] = {0, 0, 0};
    enum { N = 300, ROUNDS = 200 };
    for (int r = 0; r < ROUNDS; ++r) {
        float x[N], up = 0, down = 0, lane[8] = {0};
        double exact = 0, mag = 0, narrow = 0;
        for (int i = 0; i < N; ++i) {
            x[i] = (float)((double)(int64_t)tn_test_random(&seed) * 0x1p-63);
            exact += (double)x[i];
            mag += fabs((double)x[i]);
        }
        for (int i = 0; i < N; ++i) {
            up += x[i];
            down += x[N - 1 - i];
            lane[i % 8] += x[i];
            narrow = tn_v_to_bits(narrow + (double)x[i], 14, TN_V_TOWARD_ZERO);
        }
        for (int h = 4; h > 0; h /= 2)
            for (int i = 0; i < h; ++i)
                lane[i] += lane[i + h];
        double err = tn_v_sum_error(&a, N, mag), ratio,
               got[4] = {(double)up, (double)down, (double)lane[0], narrow};
        for (int k = 0; k < 3; ++k)
            outside[k] += !tn_v_within(&a, TN_F32, exact, err, mag, got[k], &ratio);
        outside[0] += tn_v_within(&a, TN_F32, exact, err, mag, narrow, &ratio) ? 1000 : 0;
    }
    TN_EXPECT(outside[1] == 0 && outside[2] == 0, "%d %d", outside[1], outside[2]);
    /* A sum of 14 bits is outside in nearly all rounds. */
    TN_EXPECT(outside[0] % 1000 == 0 && outside[0] / 1000 < ROUNDS / 10, "%d", outside[0]);
}

TN_TEST(bounds, what_is_not_there_is_not_excused)
{
    tn_v_arith a = strict();
    double ratio;
    TN_EXPECT(tn_v_sum_error(&a, 0, 0) == 0);
    TN_EXPECT(tn_v_sum_error(&a, 10, 1) <= 11 * 0x1p-24 &&
              tn_v_sum_error(&a, 10000, 1) < 10000 * 0x1p-24);
    TN_EXPECT(!tn_v_within(&a, TN_F32, 1, 0x1p-20, 1, (double)NAN, &ratio));
    TN_EXPECT(!tn_v_within(&a, TN_F32, 1, 0x1p-20, 1, (double)INFINITY, &ratio));
    TN_EXPECT(!tn_v_within(&a, TN_F32, (double)NAN, 0, 1, 0, &ratio));
    TN_EXPECT(tn_v_within(&a, TN_F32, 1, 0x1p-20, 1, 1 + 0x1p-21, &ratio) && ratio > 0.4 &&
              ratio < 0.6);
    TN_EXPECT(!tn_v_within(&a, TN_F32, 1, 0x1p-20, 1, 1 + 0x1p-19, &ratio) && ratio > 1);
    /* rounding to the output: half a unit and no more */
    TN_EXPECT(tn_v_within(&a, TN_BF16, 1, 0, 1, 1, &ratio));
    TN_EXPECT(!tn_v_within(&a, TN_BF16, 1.001, 1e-7, 1, 1.0078125, &ratio));
    TN_EXPECT(tn_v_within(&a, TN_F16, 65519, 0.5, 1, 65504, &ratio));
    TN_EXPECT(!tn_v_within(&a, TN_F16, 65519, 0.5, 1, (double)INFINITY, &ratio));
    TN_EXPECT(tn_v_within(&a, TN_F16, 65520, 0.5, 1, (double)INFINITY, &ratio));
}
