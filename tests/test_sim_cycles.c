/* SPDX-License-Identifier: Apache-2.0 */
/* Closed forms of an array's cycles: every reference row, and a register-level array beside them.
 */
#include "support/array_rtl.h"

#include <backends/tpu-sim/model/sim.h>
#include <math.h>

static int dataflow_of(const char *name)
{
    return strcmp(name, "ws") == 0 ? SIM_WS : strcmp(name, "is") == 0 ? SIM_IS : SIM_OS;
}

TN_TEST(sim_cycles, every_reference_row)
{
    FILE *f = fopen(TN_TEST_DATA "/scalesim.csv", "r");
    char line[512], layer[64], kind[16], dims[64], df[8];
    int rows = 0;
    TN_REQUIRE(f != NULL, "no rows");
    while (fgets(line, sizeof line, f) != NULL) {
        sim_gemm g = {.timing = SIM_SERIAL};
        sim_gemm_cycles y;
        unsigned long long m, n, k, total, ifmap, filter;
        double mapping;
        if (sscanf(line, "%63[^,],%15[^,],%63[^,],%u,%u,%7[^,],%llu,%llu,%llu,%llu,%lf,%llu,%llu",
                   layer, kind, dims, &g.rows, &g.cols, df, &m, &n, &k, &total, &mapping, &ifmap,
                   &filter) != 13)
            continue;
        g.m = m;
        g.n = n;
        g.k = k;
        g.dataflow = (uint32_t)dataflow_of(df);
        g.no_drain = g.dataflow == SIM_OS; /* which the reference leaves out */
        TN_EXPECT(tn__sim_gemm_count(&g, &y), "%s", line);
        TN_EXPECT(y.cycles == total + 1, "%s %s: %" PRIu64 " cycles, not %llu", layer, df, y.cycles,
                  total + 1);
        TN_EXPECT(fabs(y.mapping_efficiency - mapping) <= 1e-9, "%s %s: %.12g", layer, df,
                  y.mapping_efficiency);
        TN_EXPECT(y.ifmap_reads == ifmap && y.filter_reads == filter, "%s %s: reads", layer, df);
        TN_EXPECT(y.useful_macs == m * n * k, "%s", layer);
        rows++;
    }
    fclose(f);
    TN_EXPECT(rows == 80, "%d rows", rows);
}

/* m by k by n in exactly the order of an array of `high` rows. */
static void by_hand(const float *x, const float *w, uint32_t m, uint32_t n, uint32_t k,
                    uint32_t high, float *out)
{
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            float t = 0.0f;
            for (uint32_t first = 0; first < k; first += high) {
                float s = 0.0f;
                for (uint32_t kk = first; kk < k && kk < first + high; kk++)
                    s = fmaf(x[i * k + kk], w[kk * n + j], s);
                t = t + s;
            }
            out[i * n + j] = t;
        }
}

static void random_floats(uint64_t *state, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = ((float)(int32_t)(tn_test_random(state) >> 40) - 0x1p23f) * 0x1p-21f;
}

static void turn(const float *from, uint32_t rows, uint32_t cols, float *to)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < cols; c++)
            to[c * rows + r] = from[r * cols + c];
}

enum { MOST = 50 };

static bool equal(const float *x, const float *y, size_t n)
{
    return memcmp(x, y, n * sizeof *x) == 0;
}

/* Any NaN being one NaN. */
static bool same_numbers(const float *x, const float *y, size_t n)
{
    size_t i = 0;
    while (i < n && ((x[i] != x[i] && y[i] != y[i]) || memcmp(&x[i], &y[i], sizeof *x) == 0))
        i++;
    return i == n;
}

TN_TEST(sim_cycles, a_register_level_array_agrees)
{
    static float x[MOST * MOST], w[MOST * MOST], xt[MOST * MOST], wt[MOST * MOST];
    static float out[MOST * MOST], back[MOST * MOST], want[MOST * MOST];
    uint64_t state = tn_test_seed();
    uint32_t broken = 0;
    for (int round = 0; round < 300; round++) {
        rtl_array a = {.stuck_row = -1};
        a.rows = 1 + (uint32_t)(tn_test_random(&state) % RTL_MOST);
        a.cols = 1 + (uint32_t)(tn_test_random(&state) % RTL_MOST);
        if (round % 10 == 0)
            a.rows = a.cols = RTL_MOST;
        uint32_t m = 1 + (uint32_t)(tn_test_random(&state) % MOST);
        uint32_t n = 1 + (uint32_t)(tn_test_random(&state) % MOST);
        uint32_t k = 1 + (uint32_t)(tn_test_random(&state) % MOST);
        sim_gemm g = {.m = m, .n = n, .k = k, .rows = a.rows, .cols = a.cols};
        sim_gemm_cycles y;
        a.state = round % 3 == 0 ? state | 1u : 0; /* a third of the streams stall */
        random_floats(&state, x, (size_t)m * k);
        random_floats(&state, w, (size_t)k * n);

        rtl_ws(&a, x, w, m, n, k, out);
        by_hand(x, w, m, n, k, a.rows, want);
        TN_EXPECT(equal(out, want, (size_t)m * n), "ws %ux%u: %u %u %u", a.rows, a.cols, m, n, k);
        TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles + a.stalls == a.clocks,
                  "ws %ux%u: %u %u %u: %" PRIu64 " and %" PRIu64 " clocks", a.rows, a.cols, m, n, k,
                  y.cycles + a.stalls, a.clocks);

        /* With a second plane of weights; in some rounds an element is broken, in both alike. */
        a.clocks = a.stalls = 0;
        rtl_overlap(&a, x, w, m, n, k, back);
        g.timing = SIM_OVERLAP;
        TN_EXPECT(equal(back, want, (size_t)m * n), "overlap %ux%u: %u %u %u", a.rows, a.cols, m, n,
                  k);
        TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles + a.stalls == a.clocks,
                  "overlap %ux%u: %u %u %u: %" PRIu64 " and %" PRIu64 " clocks", a.rows, a.cols, m,
                  n, k, y.cycles + a.stalls, a.clocks);
        if (round % 4 == 0) {
            a.stuck_row = (int)(tn_test_random(&state) % a.rows);
            a.stuck_col = (int)(tn_test_random(&state) % a.cols);
            a.stuck_bit = (uint32_t)(tn_test_random(&state) % 32);
            a.stuck_value = round / 4 % 2;
            rtl_ws(&a, x, w, m, n, k, out);
            a.clocks = a.stalls = 0;
            rtl_overlap(&a, x, w, m, n, k, back);
            TN_EXPECT(same_numbers(out, back, (size_t)m * n), "a stuck bit, two planes or one");
            TN_EXPECT(y.cycles + a.stalls == a.clocks, "a stuck bit takes no time");
            broken += !equal(back, want, (size_t)m * n);
            a.stuck_row = -1;
        }
        g.timing = SIM_SERIAL;

        /* Input-stationary: the same array, the operands exchanged. */
        a.clocks = a.stalls = 0;
        turn(w, k, n, wt);
        turn(x, m, k, xt);
        rtl_ws(&a, wt, xt, n, m, k, back);
        turn(back, n, m, out);
        g.dataflow = SIM_IS;
        TN_EXPECT(equal(out, want, (size_t)m * n), "is");
        TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles + a.stalls == a.clocks, "is cycles");

        a.clocks = a.stalls = 0;
        rtl_os(&a, x, w, m, n, k, out);
        by_hand(x, w, m, n, k, k, want); /* one chain over all of k */
        g.dataflow = SIM_OS;
        TN_EXPECT(equal(out, want, (size_t)m * n), "os %ux%u: %u %u %u", a.rows, a.cols, m, n, k);
        TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles + a.stalls == a.clocks,
                  "os %ux%u: %u %u %u: %" PRIu64 " and %" PRIu64 " clocks", a.rows, a.cols, m, n, k,
                  y.cycles + a.stalls, a.clocks);
    }
    TN_EXPECT(broken > 20, "only %u of 75 stuck bits showed", broken);
}

TN_TEST(sim_cycles, overlap_is_its_closed_form_and_sizes_have_limits)
{
    sim_gemm g = {.m = 512, .n = 512, .k = 512, .rows = 128, .cols = 128};
    sim_gemm_cycles y;
    TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles == 14304);
    g.timing = SIM_OVERLAP;
    TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles == 8574);
    g.m = 1; /* bound by loading: 16 tiles, a row each */
    TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles == 16 * 128 + 1 + 128 + 128 - 2);
    g.load_rows = 4;
    TN_EXPECT(tn__sim_gemm_count(&g, &y) && y.cycles == 16 * 32 + 1 + 128 + 128 - 2);
    g.k = 0;
    TN_EXPECT(!tn__sim_gemm_count(&g, &y), "no k");
    g = (sim_gemm){.m = UINT64_MAX / 2, .n = 3, .k = 3, .rows = 4, .cols = 4};
    TN_EXPECT(!tn__sim_gemm_count(&g, &y), "does not fit");
}
