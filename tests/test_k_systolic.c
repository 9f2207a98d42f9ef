/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of a systolic chip's engines: every ISA's table gives the bits of the definitions.
 */
#include "support/k_rows.h"

#include <kernels/common/canon.h>
#include <kernels/eltwise/eltwise_math.h>
#include <kernels/systolic/systolic.h>

static uint32_t tables(const tn_k_sys_math *out[3])
{
    uint32_t n = 0;
    out[n++] = &tn_k_sys_math_baseline;
#ifdef __x86_64__
    static const tn_k_sys_math *const more[] = {&tn_k_sys_math_avx2, &tn_k_sys_math_avx512};
    for (int i = 0; i < 2; i++)
        if ((more[i]->isa & tn_t_isa()) == more[i]->isa)
            out[n++] = more[i];
#endif
    return n;
}

static bool same(float x, float y)
{
    return tn_c_bits(x) == tn_c_bits(y) || (x != x && y != y);
}

/* A bf16: mostly of ordinary size, in some rounds of all exponents, infinities and NaNs among them.
 */
static float narrow(uint64_t *state, bool wild)
{
    uint32_t r = (uint32_t)tn_test_random(state);
    uint32_t e = wild ? r >> 8 & 255u : 120 + (r >> 8) % 14;
    return r % 17 == 0 ? 0.0f * ((r & 32u) != 0 ? -1.0f : 1.0f)
                       : tn_c_float((r & 0x80000000u) | e << 23 | (r & 127u) << 16);
}

TN_TEST(k_systolic, a_column_adds_one_by_one)
{
    enum { MOST = 140, LD = 192 };
    static float a[20 * MOST], w[MOST * LD], s[20 * LD];
    const tn_k_sys_math *table[3];
    uint32_t n = tables(table);
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 60; round++) {
        int64_t rows = 1 + (int64_t)(tn_test_random(&state) % 20);
        int64_t k = 1 + (int64_t)(tn_test_random(&state) % MOST);
        int64_t cols = 1 + (int64_t)(tn_test_random(&state) % 130);
        for (int i = 0; i < 20 * MOST; i++)
            a[i] = narrow(&state, round % 4 == 0);
        for (int64_t i = 0; i < MOST * LD; i++)
            w[i] = i % LD < cols ? narrow(&state, round % 4 == 0) : 0.0f;
        for (uint32_t t = 0; t < n; t++) {
            memset(s, 0xa5, sizeof s);
            table[t]->tile(a, MOST, w, LD, rows, k, cols, s, LD);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t c = 0; c < cols; c++) {
                    float want = 0.0f;
                    for (int64_t kk = 0; kk < k; kk++)
                        want = __builtin_fmaf(a[i * MOST + kk], w[kk * LD + c], want);
                    TN_EXPECT(same(s[i * LD + c], want), "table %u: %" PRId64 " %" PRId64 ": %a %a",
                              t, i, c, (double)s[i * LD + c], (double)want);
                }
        }
    }
}

TN_TEST(k_systolic, kinds_and_reductions_are_the_canonical_ones)
{
    enum { N = 9000 };
    static float x[N], y[N], z[N], out[N];
    const tn_k_sys_math *table[3];
    uint32_t n = tables(table);
    uint64_t state = tn_test_seed();
    for (int i = 0; i < N; i++) {
        x[i] = tn_t_float(&state, 20);
        y[i] = tn_t_float(&state, 20);
        z[i] = tn_t_float(&state, 20);
    }
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t kind = TN_ELTWISE_NEG; kind <= TN_ELTWISE_FMA; kind++) {
            if ((kind > TN_ELTWISE_CLAMP && kind < TN_ELTWISE_ADD) || kind == TN_ELTWISE_SIN ||
                kind == TN_ELTWISE_COS || (kind > TN_ELTWISE_MIN && kind < TN_ELTWISE_FMA))
                continue;
            table[t]->map(kind, x, y, z, -0.5f, 1.25f, out, 777);
            for (int i = 0; i < 777; i++)
                TN_EXPECT(same(out[i], tn_k_eltwise_f32(kind, x[i], y[i], z[i], -0.5f, 1.25f)),
                          "table %u kind %u at %d", t, kind, i);
        }
    for (int i = 0; i < N; i++) /* without NaN, which would hide the order */
        x[i] = narrow(&state, false);
    for (uint32_t t = 0; t < n; t++)
        for (int64_t count = 0; count < N; count += 1 + count / 7) {
            TN_EXPECT(same(table[t]->sum(x, count), tn_c_reduce(x, 1, count)), "%" PRId64, count);
            TN_EXPECT(same(table[t]->sumsq(x, count), tn_c_sumsq(x, 1, count)), "%" PRId64, count);
            float most = -__builtin_inff();
            for (int64_t i = 0; i < count; i++)
                most = tn_c_max(most, x[i]);
            TN_EXPECT(same(table[t]->max(x, count), most), "%" PRId64, count);
        }
}

TN_TEST(k_systolic, a_block_of_keys)
{
    const tn_k_sys_math *table[3];
    uint32_t n = tables(table);
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 300; round++) {
        float t[TN_K_SYS_BLOCK], p[TN_K_SYS_BLOCK], most, sum, top = -__builtin_inff();
        uint8_t takes[TN_K_SYS_BLOCK];
        int64_t count = 1 + (int64_t)(tn_test_random(&state) % TN_K_SYS_BLOCK);
        float want[TN_K_SYS_BLOCK] = {0};
        for (int64_t j = 0; j < count; j++) {
            t[j] =
                ((float)(int32_t)tn_test_random(&state)) * (round % 3 == 0 ? 0x1p-23f : 0x1p-28f);
            if (tn_test_random(&state) % 40 == 0)
                t[j] = -__builtin_inff();
            takes[j] = tn_test_random(&state) % 4 != 0;
            if (takes[j] && t[j] != -__builtin_inff() && __builtin_rintf(t[j]) > top)
                top = __builtin_rintf(t[j]);
        }
        for (int64_t j = 0; j < count; j++) {
            float r = __builtin_rintf(t[j]), e = r - top;
            bool in = takes[j] && t[j] != -__builtin_inff();
            want[j] = !in ? 0.0f : c_p2(t[j] - r) * (e >= -126.0f ? c_pow2((int)e) : 0.0f);
        }
        for (uint32_t i = 0; i < n; i++) {
            table[i]->block(t, takes, count, p, &most, &sum);
            TN_EXPECT(same(most, top), "%g %g", (double)most, (double)top);
            TN_EXPECT(same(sum, tn_c_reduce(want, 1, count)), "table %u: sum", i);
            for (int64_t j = 0; j < count; j++) {
                bool in = takes[j] && t[j] != -__builtin_inff();
                TN_EXPECT(in ? same(p[j], want[j]) : tn_c_bits(p[j]) == 0x80000000u,
                          "table %u key %" PRId64 ": %a", i, j, (double)p[j]);
            }
        }
    }
}
