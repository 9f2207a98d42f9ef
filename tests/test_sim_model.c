/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated chip: its cycles against the closed forms, its values against a register-level
 * array, its counters against what was sent, its complaints about streams that are wrong. */
#include "support/array_rtl.h"
#include "support/sim_bed.h"

typedef struct span {
    uint64_t first, last;
} span;

static void widen(void *self, const sim_retired *r)
{
    span *s = self;
    if (r->packet->op != TN_K_SYS_LDW && r->packet->op != TN_K_SYS_MM)
        return;
    s->first = r->start < s->first ? r->start : s->first;
    s->last = r->end > s->last ? r->end : s->last;
}

/* Loads and multiplications alone, n folds of t rows; cycles from the first start to the last end.
 */
static uint64_t folds(sim_bed *b, uint32_t n, uint32_t t)
{
    span s = {UINT64_MAX, 0};
    tn__sim_trace(tn__tpu_bus_model_chip(&b->bus), widen, &s, false);
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_FILL, .a = 0, .n0 = b->chip.caps.spad_rows});
    TN_REQUIRE(tn__tpu_finish(&b->chip) == TPU_OK);
    uint32_t rows = (b->chip.caps.cols * 2 + b->chip.caps.row_bytes - 1) / b->chip.caps.row_bytes;
    for (uint32_t i = 0; i < n; i++) {
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                     .b = i % 2,
                                     .n0 = b->chip.caps.rows,
                                     .n1 = b->chip.caps.cols,
                                     .s0 = (int32_t)rows,
                                     .p1 = TN_BF16});
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                     .flags = TN_K_SYS_ZERO,
                                     .b = i % 2,
                                     .c = TN_K_SYS_ACC,
                                     .n0 = t,
                                     .s0 = 1,
                                     .p1 = TN_BF16});
    }
    TN_REQUIRE(tn__tpu_finish(&b->chip) == TPU_OK);
    tn__sim_trace(tn__tpu_bus_model_chip(&b->bus), NULL, NULL, false);
    return (s.last - s.first) * b->chip.clock_khz /
           tn__sim_tick_khz(tn__tpu_bus_model_chip(&b->bus));
}

TN_TEST(sim_model, cycles_are_the_closed_forms)
{
    uint64_t state = tn_test_seed();
    for (int round = 0; round < 60; round++) {
        sim_bed b = {.error = ""};
        bed_profile("canonical-128", &b.profile);
        b.profile.rows = 1 + (uint32_t)(tn_test_random(&state) % 40);
        b.profile.cols = 1 + (uint32_t)(tn_test_random(&state) % 40);
        b.profile.load_rows = 1 + (uint32_t)(tn_test_random(&state) % 3);
        b.profile.array_khz = round % 2 ? 700000 : 1000000;
        uint32_t timing = round % 3 == 0 ? SIM_SERIAL : SIM_OVERLAP;
        if (timing == SIM_SERIAL)
            b.profile.load_rows = 1;
        uint32_t n = 1 + (uint32_t)(tn_test_random(&state) % 40);
        uint32_t t = 1 + (uint32_t)(tn_test_random(&state) % 60);
        sim_gemm g = {.m = t,
                      .n = b.profile.cols,
                      .k = (uint64_t)n * b.profile.rows,
                      .rows = b.profile.rows,
                      .cols = b.profile.cols,
                      .timing = timing,
                      .load_rows = b.profile.load_rows};
        sim_gemm_cycles y;
        TN_REQUIRE(bed_open(&b, timing, SIM_PROTECT_NONE, NULL), "%s", b.error);
        uint64_t got = folds(&b, n, t);
        TN_EXPECT(tn__sim_gemm_count(&g, &y) && got == y.cycles,
                  "%ux%u, %u folds of %u rows, timing %u: %" PRIu64 " cycles, not %" PRIu64,
                  b.profile.rows, b.profile.cols, n, t, timing, got, y.cycles);
        bed_close(&b);
    }
}

/* The published issue rule: a product every max(N, 64) cycles, loading hidden and 4 times as fast.
 */
TN_TEST(sim_model, neuroncore_issues_by_its_published_rule)
{
    sim_bed b = {.error = ""};
    bed_profile("neuroncore-v2", &b.profile);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    for (uint32_t t = 16; t <= 512; t *= 2) {
        uint64_t more = folds(&b, 20, t) - folds(&b, 10, t);
        TN_EXPECT(more == 10 * (t > 64 ? t : 64), "%u rows: %" PRIu64, t, more);
    }
    bed_close(&b);
}

/* Values through the model, one fold, with or without a stuck bit. */
static void model_fold(sim_bed *b, const float *x, uint32_t t, const float *w, uint32_t k,
                       uint32_t n, float *out)
{
    uint64_t at[3];
    uint16_t *a = b->bus.dma_alloc(b->bus.self, (size_t)t * k * 2, 64, &at[0]);
    uint16_t *v = b->bus.dma_alloc(b->bus.self, (size_t)k * n * 2, 64, &at[1]);
    float *y = b->bus.dma_alloc(b->bus.self, (size_t)t * n * 4, 64, &at[2]);
    TN_REQUIRE(a != NULL && v != NULL && y != NULL);
    for (uint32_t i = 0; i < t * k; i++)
        memcpy(&a[i], (const char *)&x[i] + 2, 2);
    for (uint32_t i = 0; i < k * n; i++)
        memcpy(&v[i], (const char *)&w[i] + 2, 2);
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                 .iova = at[0],
                                 .a = 0,
                                 .n0 = t,
                                 .n1 = k * 2,
                                 .n2 = 1,
                                 .s0 = (int32_t)k * 2,
                                 .sig_sem = 0,
                                 .sig_val = 1});
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                 .iova = at[1],
                                 .a = t,
                                 .n0 = k,
                                 .n1 = n * 2,
                                 .n2 = 1,
                                 .s0 = (int32_t)n * 2,
                                 .sig_sem = 1,
                                 .sig_val = 1});
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                 .wait_sem = 1,
                                 .wait_val = 1,
                                 .a = t,
                                 .n0 = k,
                                 .n1 = n,
                                 .s0 = 1,
                                 .p1 = TN_BF16});
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                 .flags = TN_K_SYS_ZERO,
                                 .wait_sem = 0,
                                 .wait_val = 1,
                                 .c = TN_K_SYS_ACC,
                                 .n0 = t,
                                 .s0 = 1,
                                 .p1 = TN_BF16,
                                 .sig_sem = 2,
                                 .sig_val = 1});
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_ST,
                                 .wait_sem = 2,
                                 .wait_val = 1,
                                 .iova = at[2],
                                 .a = TN_K_SYS_ACC,
                                 .n0 = t,
                                 .n1 = n * 4,
                                 .n2 = 1,
                                 .s0 = (int32_t)n * 4});
    TN_REQUIRE(tn__tpu_finish(&b->chip) == TPU_OK);
    memcpy(out, y, (size_t)t * n * 4);
    b->bus.dma_free(b->bus.self, a);
    b->bus.dma_free(b->bus.self, v);
    b->bus.dma_free(b->bus.self, y);
}

TN_TEST(sim_model, values_are_those_of_the_register_level_array_broken_or_not)
{
    enum { T = 20 };
    static float x[T * RTL_MOST], w[RTL_MOST * RTL_MOST], got[T * RTL_MOST], want[T * RTL_MOST];
    uint64_t state = tn_test_seed();
    uint32_t wrong = 0;
    for (int round = 0; round < 200; round++) {
        sim_bed b = {.error = ""};
        rtl_array rtl = {.stuck_row = -1};
        char script[80] = "";
        bed_profile("canonical-128", &b.profile);
        b.profile.rows = rtl.rows = 1 + (uint32_t)(tn_test_random(&state) % RTL_MOST);
        b.profile.cols = rtl.cols = 1 + (uint32_t)(tn_test_random(&state) % RTL_MOST);
        if (round % 2 == 0) {
            rtl.stuck_row = (int)(tn_test_random(&state) % rtl.rows);
            rtl.stuck_col = (int)(tn_test_random(&state) % rtl.cols);
            rtl.stuck_bit = (uint32_t)(tn_test_random(&state) % 32);
            rtl.stuck_value = round / 2 % 2;
            snprintf(script, sizeof script, "stuck row=%d column=%d bit=%u value=%u", rtl.stuck_row,
                     rtl.stuck_col, rtl.stuck_bit, rtl.stuck_value);
        }
        uint32_t k = rtl.rows, n = rtl.cols;
        if (round % 3 == 0) { /* a tile that does not fill the array */
            k = 1 + (uint32_t)(tn_test_random(&state) % k);
            n = 1 + (uint32_t)(tn_test_random(&state) % n);
        }
        for (uint32_t i = 0; i < T * k + k * n; i++) { /* bf16: the lower half is 0 */
            float *to = i < T * k ? &x[i] : &w[i - T * k];
            uint32_t u = (uint32_t)(tn_test_random(&state) & 0x807f0000u) |
                         (uint32_t)(120 + tn_test_random(&state) % 12) << 23;
            memcpy(to, &u, 4);
        }
        TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, script), "%s", b.error);
        model_fold(&b, x, T, w, k, n, got);
        rtl_fold(&rtl, x, k, T, w, n, k, n, want, n, false);
        for (uint32_t i = 0; i < T * n; i++) {
            bool nan = got[i] != got[i] && want[i] != want[i];
            TN_EXPECT(nan || memcmp(&got[i], &want[i], 4) == 0, "%ux%u %s: element %u: %g not %g",
                      k, n, script, i, (double)got[i], (double)want[i]);
        }
        rtl.stuck_row = -1;
        static float right[T * RTL_MOST];
        rtl_fold(&rtl, x, k, T, w, n, k, n, right, n, false);
        wrong += memcmp(got, right, T * n * 4u) != 0;
        bed_close(&b);
    }
    TN_EXPECT(wrong > 50 && wrong <= 100, "%u of 100 stuck bits showed", wrong);
}

TN_TEST(sim_model, counters_add_up)
{
    sim_bed b = {.error = ""};
    float x[64] = {1}, w[64] = {2}, y[64];
    bed_profile("test-24x40", &b.profile);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    sim_dev *dev = tn__tpu_bus_model_chip(&b.bus);
    b.bus.write32(b.bus.self, TPU_PMU_CTRL, 1);
    uint64_t start = tn__sim_now_ns(dev);
    model_fold(&b, x, 8, w, 8, 8, y);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_MACS) == 8 * 8 * 8);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_READ_BYTES) == 2 * 8 * 8 * 2);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_WRITE_BYTES) == 8 * 8 * 4);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_PACKETS) == 6);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_RACES) == 0);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_UNWRITTEN) == 0);
    uint64_t ns = tn__sim_now_ns(dev) - start, ticks = 0;
    for (uint32_t e = 0; e < TN_K_SYS_WEIGHTS + 2; e++) {
        uint64_t sum = 0;
        for (uint32_t s = 0; s < 4; s++)
            sum += tn__tpu_counter(&b.chip, TPU_COUNT_ENGINES + 4 * e + s);
        TN_EXPECT(e == 0 || sum == ticks, "engine %u: %" PRIu64 " and %" PRIu64, e, sum, ticks);
        ticks = sum;
    }
    uint64_t counted = ticks * 1000000 / tn__sim_tick_khz(dev);
    TN_EXPECT(counted + 1 >= ns && counted <= ns + 1, "%" PRIu64 " %" PRIu64, counted, ns);
    bed_close(&b);
}

static uint64_t copy_cycles(uint64_t bytes_per_s, uint64_t control_khz, uint32_t bytes)
{
    sim_bed b = {.error = ""};
    uint64_t at;
    bed_profile("canonical-128", &b.profile);
    b.profile.dma_bytes_per_s = bytes_per_s;
    b.profile.control_khz = control_khz;
    b.profile.dma_setup_cycles = b.profile.dma_latency_ns = 0;
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    void *p = b.bus.dma_alloc(b.bus.self, bytes, 64, &at);
    TN_REQUIRE(p != NULL);
    memset(p, 0, bytes);
    uint64_t start = b.bus.now_ns(b.bus.self);
    bed_put(&b,
            (tn_k_sys_packet){
                .op = TN_K_SYS_LD, .iova = at, .n0 = bytes / 256, .n1 = 256, .n2 = 1, .s0 = 256});
    TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
    uint64_t ns = b.bus.now_ns(b.bus.self) - start;
    b.bus.dma_free(b.bus.self, p);
    bed_close(&b);
    return ns;
}

TN_TEST(sim_model, bandwidth_alone_bounds_a_transfer)
{
    uint64_t one = copy_cycles(1000000000, 1000000, 1 << 20);
    uint64_t two = copy_cycles(2000000000, 1000000, 1 << 20);
    TN_EXPECT(one == 1 << 20, "%" PRIu64 " ns for 2^20 bytes at 1 GB/s", one);
    TN_EXPECT(two == 1 << 19, "%" PRIu64, two);
    TN_EXPECT(copy_cycles(1000000000, 2000000, 1 << 20) == one, "the clock plays no part");
}

TN_TEST(sim_model, complains_about_streams_that_are_wrong)
{
    static const struct {
        tn_k_sys_packet p;
        uint32_t code;
    } bad[] = {
        {{.op = 77}, TPU_ERR_PACKET},
        {{.op = TN_K_SYS_NOP, .d = 99}, TPU_ERR_PACKET},
        {{.op = TN_K_SYS_NOP, .wait_sem = 77, .wait_val = 1}, TPU_ERR_PACKET},
        {{.op = TN_K_SYS_LD, .iova = 16, .n0 = 1, .n1 = 4, .n2 = 1}, TPU_ERR_BUS},
        {{.op = TN_K_SYS_LD, .n0 = 0, .n1 = 4, .n2 = 1}, TPU_ERR_PACKET},
        {{.op = TN_K_SYS_FILL, .a = 1u << 30, .n0 = 1}, TPU_ERR_RANGE},
        {{.op = TN_K_SYS_LDW, .n0 = 1, .n1 = 1, .p1 = TN_F64}, TPU_ERR_TYPE},
        {{.op = TN_K_SYS_LDW, .n0 = 9999, .n1 = 1, .p1 = TN_BF16}, TPU_ERR_PACKET},
        {{.op = TN_K_SYS_MM, .n0 = 1, .c = TN_K_SYS_ACC, .p1 = TN_BF16}, TPU_ERR_TYPE},
        {{.op = TN_K_SYS_MM, .n0 = 1, .c = 0, .p1 = TN_BF16}, TPU_ERR_PACKET},
        {{.op = TN_K_SYS_MAP, .n0 = 1, .n1 = 1}, TPU_ERR_TYPE},
        {{.op = TN_K_SYS_NOP, .wait_sem = 3, .wait_val = 1}, TPU_ERR_WATCHDOG},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sim_bed b = {.error = ""};
        bed_profile("canonical-128", &b.profile);
        b.profile.watchdog_us = 50;
        TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
        bed_put(&b, bad[i].p);
        TN_EXPECT(tn__tpu_finish(&b.chip) == TPU_FAILED && b.chip.report.code == bad[i].code,
                  "packet %zu: code %u, not %u", i, b.chip.report.code, bad[i].code);
        TN_EXPECT(tn__tpu_reset(&b.chip) == TPU_OK && tn__tpu_finish(&b.chip) == TPU_OK,
                  "after a reset it works again");
        bed_close(&b);
    }
}

TN_TEST(sim_model, tells_races_and_reads_of_nothing)
{
    sim_bed b = {.error = ""};
    uint64_t at;
    bed_profile("canonical-128", &b.profile);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    void *p = b.bus.dma_alloc(b.bus.self, 4096, 64, &at);
    TN_REQUIRE(p != NULL);
    memset(p, 0, 4096);
    tn_k_sys_packet in = {.op = TN_K_SYS_LD, .iova = at, .n0 = 4, .n1 = 256, .n2 = 1, .s0 = 256};
    tn_k_sys_packet out = {
        .op = TN_K_SYS_ST, .iova = at + 2048, .n0 = 4, .n1 = 256, .n2 = 1, .s0 = 256};
    bed_put(&b, out); /* rows that nothing wrote */
    TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_UNWRITTEN) == 1);
    bed_put(&b, in);
    bed_put(&b, out); /* at the same time */
    TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_RACES) == 1);
    in.sig_sem = out.wait_sem = 1;
    in.sig_val = out.wait_val = 1;
    bed_put(&b, in);
    bed_put(&b, out);
    TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_RACES) == 1, "an order is an order");
    b.bus.dma_free(b.bus.self, p);
    bed_close(&b);
}

typedef struct golden {
    char text[1 << 15];
    size_t used;
} golden;

static void write_down(void *self, const sim_retired *r)
{
    golden *g = self;
    g->used += (size_t)snprintf(g->text + g->used, sizeof g->text - g->used,
                                "%" PRIu64 " %u %u %" PRIu64 " %" PRIu64 " %08x\n", r->seq,
                                r->engine, r->packet->op, r->start, r->end, r->crc32);
}

/* Packets of several engines; the chip is left in the middle of them. */
static void long_stream(sim_bed *b, uint64_t iova)
{
    for (uint32_t i = 0; i < 12; i++) {
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                     .iova = iova,
                                     .a = 8 * (i % 4),
                                     .n0 = 8,
                                     .n1 = 48,
                                     .n2 = 1,
                                     .s0 = 48,
                                     .wait_sem = 1,
                                     .wait_val = i >= 4,
                                     .sig_sem = 0,
                                     .sig_val = 1});
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                     .wait_sem = 0,
                                     .wait_val = 1,
                                     .a = 8 * (i % 4),
                                     .b = i % 2,
                                     .n0 = 8,
                                     .n1 = 24,
                                     .s0 = 1,
                                     .p1 = TN_BF16,
                                     .sig_sem = 2,
                                     .sig_val = 1});
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                     .flags = TN_K_SYS_ZERO,
                                     .wait_sem = 2,
                                     .wait_val = 1,
                                     .a = 8 * (i % 4),
                                     .b = i % 2,
                                     .c = TN_K_SYS_ACC | 8 * (i % 2),
                                     .n0 = 8,
                                     .s0 = 1,
                                     .p1 = TN_BF16,
                                     .sig_sem = 1,
                                     .sig_val = 1});
    }
}

TN_TEST(sim_model, a_snapshot_goes_on_as_if_nothing_had_been)
{
    static golden whole, again;
    sim_bed b = {.error = ""}, other = {.error = ""};
    uint64_t at;
    bed_profile("test-24x40", &b.profile);
    other.profile = b.profile;
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    sim_dev *dev = tn__tpu_bus_model_chip(&b.bus);
    uint16_t *p = b.bus.dma_alloc(b.bus.self, 8 * 48, 64, &at);
    TN_REQUIRE(p != NULL);
    for (int i = 0; i < 8 * 24; i++)
        p[i] = (uint16_t)(0x3f00 + i);
    long_stream(&b, at);
    b.bus.write32(b.bus.self, TPU_TAIL, b.chip.tail); /* what tn__tpu_finish would ring */
    (void)tn__sim_run(dev, 0, 700);
    TN_EXPECT(b.bus.read32(b.bus.self, TPU_STATUS) & TPU_STATUS_RUNNING, "in the middle");
    size_t bytes = tn__sim_snapshot_bytes(dev);
    void *block = malloc(bytes);
    TN_REQUIRE(block != NULL);
    tn__sim_snapshot(dev, block);
    memset(&whole, 0, sizeof whole);
    tn__sim_trace(dev, write_down, &whole, true);
    (void)tn__sim_run(dev, 0, 100000);
    memset(&again, 0, sizeof again);
    tn__sim_trace(dev, write_down, &again, true);
    TN_REQUIRE(tn__sim_restore(dev, block, bytes));
    (void)tn__sim_run(dev, 0, 100000);
    TN_EXPECT(whole.used > 200 && strcmp(whole.text, again.text) == 0, "%s\n%s", whole.text,
              again.text);
    other.profile.load_rows++;
    TN_REQUIRE(bed_open(&other, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", other.error);
    TN_EXPECT(!tn__sim_restore(tn__tpu_bus_model_chip(&other.bus), block, bytes),
              "another chip does not take it");
    bed_close(&other);
    free(block);
    b.bus.dma_free(b.bus.self, p);
    bed_close(&b);
}
