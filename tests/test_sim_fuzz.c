/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated chip under packets, register writes, scripts and profiles that nobody meant: each
 * ends with a status, in time, and after a reset the chip works. */
#include "support/sim_bed.h"

enum { MEMORY = 1 << 14 };

static uint32_t below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(tn_test_random(state) % n);
}

/* Mostly small, sometimes at a limit, sometimes anything. */
static uint32_t number(uint64_t *state)
{
    static const uint32_t odd[] = {0, 1, 255, 256, 0x7fffffffu, 0x80000000u, UINT32_MAX};
    switch (below(state, 8)) {
    case 0:
        return odd[below(state, sizeof odd / sizeof odd[0])];
    case 1:
        return (uint32_t)tn_test_random(state);
    case 2:
        return 1u << below(state, 32);
    default:
        return below(state, 40);
    }
}

static void small_chip(uint64_t *state, sim_profile *p)
{
    bed_profile(below(state, 2) ? "canonical-128" : "tpu-v4", p);
    p->rows = 1 + below(state, 16);
    p->cols = 1 + below(state, 16);
    p->arrays = 1 + below(state, TN_K_SYS_ARRAYS_MOST);
    p->planes = 1 + below(state, 3);
    p->spad_kib = 1 + below(state, 16);
    p->acc_kib = 1 + below(state, 8);
    p->row_bytes = 4 * (1 + below(state, 40));
    p->lanes = 1 + below(state, 64);
    p->queue_depth = 1 + below(state, 8);
    p->dma_latency_ns = below(state, 100);
    p->dma_burst = 1 + below(state, 64);
    p->watchdog_us = 20;
    p->numerics = below(state, 3) ? 0 : (uint32_t)tn_test_random(state) & 0x140f0007u;
    p->types = (uint32_t)tn_test_random(state) | 1u << TN_BF16 | 1u << TN_S8;
    p->types &= 1u << TN_BF16 | 1u << TN_S8 | 1u << TN_U8 | 1u << TN_F16 | 1u << TN_F8E4M3;
}

static uint32_t type(uint64_t *state)
{
    static const uint32_t some[] = {TN_F32, TN_BF16, TN_F16, TN_S8, TN_U8, TN_S32, TN_BOOL, 0};
    return below(state, 10) == 0 ? below(state, 256) : some[below(state, 8)];
}

static tn_k_sys_packet packet(uint64_t *state, const uint64_t *iova)
{
    tn_k_sys_packet p = {0};
    uint32_t *words = (uint32_t *)(void *)&p;
    for (size_t i = 0; i < sizeof p / 4; i++)
        words[i] = number(state);
    p.op = (uint8_t)below(state, below(state, 20) == 0 ? 256 : TN_K_SYS_OPS + 1);
    p.flags = below(state, 3) ? 0 : (uint8_t)below(state, 64);
    p.wait_sem = below(state, 8) ? TN_K_SYS_NONE : (uint8_t)below(state, 256);
    p.sig_sem = below(state, 4) ? TN_K_SYS_NONE : (uint8_t)below(state, 32);
    if (p.op == TN_K_SYS_HALT) /* nothing ends behind one, which is its purpose */
        p.op = TN_K_SYS_NOP;
    uint32_t *address[] = {&p.a, &p.b, &p.c, &p.d};
    for (int i = 0; i < 4; i++)
        *address[i] |= below(state, 3) ? 0 : TN_K_SYS_ACC;
    if (p.op == TN_K_SYS_LD || p.op == TN_K_SYS_ST || p.op == TN_K_SYS_GTH) {
        p.iova = below(state, 8) ? iova[below(state, 2)] + below(state, 2000) : p.iova;
        p.b &= below(state, 2) ? 0 : ~TN_K_SYS_ACC;
        p.c = below(state, 4) ? 0 : p.c;
        p.n2 = below(state, 2) ? 1 : p.n2;
    }
    if (p.op == TN_K_SYS_LDW || p.op == TN_K_SYS_MM) {
        p.b = below(state, 3);
        p.d = below(state, 3);
        p.p1 = type(state);
        p.c |= below(state, 8) ? TN_K_SYS_ACC : 0;
    } else {
        p.n2 = p.op >= TN_K_SYS_MAP
                   ? TN_K_SYS_MAP_TYPES(type(state), type(state), type(state), type(state))
                   : p.n2;
        p.s0 = p.op == TN_K_SYS_MAP ? TN_K_SYS_MAP_KIND(below(state, 60), below(state, 5),
                                                        below(state, 5), below(state, 5))
                                    : p.s0;
        if (p.op == TN_K_SYS_MAP)
            p.iova = below(state, 2) ? 0 : p.iova;
    }
    return p;
}

/* States of every engine add up to the same time. */
static void states_add_up(sim_bed *b)
{
    uint64_t all = 0;
    b->bus.write32(b->bus.self, TPU_PMU_CTRL, 2);
    for (uint32_t e = 0; e < TN_K_SYS_ENGINES; e++) {
        uint64_t sum = 0;
        for (uint32_t s = 0; s < 4; s++)
            sum += tn__tpu_counter(&b->chip, TPU_COUNT_ENGINES + 4 * e + s);
        TN_EXPECT(e == 0 || sum == all, "engine %u: %" PRIu64 ", others %" PRIu64, e, sum, all);
        all = sum;
    }
    b->bus.write32(b->bus.self, TPU_PMU_CTRL, 4);
}

TN_TEST(sim_fuzz, packets_end_with_a_status)
{
    uint64_t state = tn_test_seed(), iova[2];
    uint32_t failed = 0, well = 0, ran = 0, codes = 0;
    for (int round = 0; round < 400; round++) {
        sim_bed b = {.error = ""};
        small_chip(&state, &b.profile);
        TN_REQUIRE(bed_open(&b, below(&state, 2), below(&state, 3), NULL), "%s", b.error);
        void *memory[2];
        for (int i = 0; i < 2; i++) {
            memory[i] = b.bus.dma_alloc(b.bus.self, MEMORY, 64, &iova[i]);
            TN_REQUIRE(memory[i] != NULL);
            for (int j = 0; j < MEMORY; j++)
                ((unsigned char *)memory[i])[j] = (unsigned char)tn_test_random(&state);
        }
        b.bus.write32(b.bus.self, TPU_PMU_CTRL, 1);
        for (int burst = 0; burst < 20; burst++) {
            tpu_result r = TPU_OK;
            for (uint32_t i = 1 + below(&state, 6); i > 0 && r == TPU_OK; i--) {
                tn_k_sys_packet p = packet(&state, iova);
                r = tn__tpu_push(&b.chip, &p);
            }
            uint64_t start = b.bus.now_ns(b.bus.self);
            r = r == TPU_OK ? tn__tpu_finish(&b.chip) : r;
            TN_EXPECT(b.bus.now_ns(b.bus.self) - start < 1000000000, "it took a simulated second");
            TN_EXPECT(r == TPU_OK || r == TPU_FAILED, "round %d: result %d", round, (int)r);
            states_add_up(&b);
            well += r == TPU_OK;
            if (r == TPU_OK)
                continue;
            failed++;
            TN_EXPECT(b.chip.report.code > TPU_ERR_NONE && b.chip.report.code <= TPU_ERR_COMPARE,
                      "code %u", b.chip.report.code);
            codes |= 1u << b.chip.report.code;
            TN_REQUIRE(tn__tpu_reset(&b.chip) == TPU_OK);
            bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_NOP, .d = TN_K_SYS_VECTOR});
            TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK, "after a reset it works again");
            ran++;
        }
        b.bus.dma_free(b.bus.self, memory[0]);
        b.bus.dma_free(b.bus.self, memory[1]);
        bed_close(&b);
    }
    const uint32_t want = 1u << TPU_ERR_BUS | 1u << TPU_ERR_PACKET | 1u << TPU_ERR_RANGE |
                          1u << TPU_ERR_TYPE | 1u << TPU_ERR_WATCHDOG;
    TN_EXPECT((codes & want) == want, "codes %x", codes);
    TN_EXPECT(well > 100 && failed > 1000 && ran == failed, "%u well, %u failed", well, failed);
}

TN_TEST(sim_fuzz, registers_take_anything)
{
    uint64_t state = tn_test_seed() ^ 0x5eedu;
    uint32_t again = 0;
    for (int round = 0; round < 300; round++) {
        sim_bed b = {.error = ""};
        small_chip(&state, &b.profile);
        TN_REQUIRE(bed_open(&b, SIM_OVERLAP, below(&state, 3), NULL), "%s", b.error);
        uint64_t iova;
        uint32_t *memory = b.bus.dma_alloc(b.bus.self, MEMORY, 64, &iova);
        TN_REQUIRE(memory != NULL);
        for (int i = 0; i < MEMORY / 4; i++)
            memory[i] = number(&state);
        for (int i = 0; i < 200; i++) {
            static const uint32_t often[] = {TPU_RING_LO, TPU_RING_LOG2, TPU_TAIL, TPU_CTRL,
                                             TPU_WIN_LO,  TPU_DBG_ADDR,  TPU_SEM,  TPU_FENCE_LO};
            uint32_t at =
                below(&state, 3) ? often[below(&state, 8)] : below(&state, TPU_BYTES + 64);
            /* a fuse stays blown: leave a column */
            bool fuse = at == TPU_FUSE_MASK || at == TPU_FUSE_SELECT;
            uint32_t value =
                at == TPU_RING_LO || at == TPU_WIN_LO ? (uint32_t)iova : number(&state);
            if (at == TPU_RING_LO)
                b.bus.write32(b.bus.self, TPU_RING_HI, (uint32_t)(iova >> 32));
            if (below(&state, 2) && !fuse)
                b.bus.write32(b.bus.self, at, value);
            else
                (void)b.bus.read32(b.bus.self, at);
            if (below(&state, 20) == 0)
                (void)b.bus.wait(b.bus.self, (uint32_t)tn_test_random(&state), 100000);
        }
        b.bus.write32(b.bus.self, TPU_CTRL, TPU_CTRL_RESET);
        tpu_chip second;
        char error[200] = "";
        TN_REQUIRE(tn__tpu_open(&second, &b.bus, error, sizeof error), "round %d: %s", round,
                   error);
        tn_k_sys_packet nop = {.op = TN_K_SYS_NOP, .wait_sem = 255, .sig_sem = 255};
        again += tn__tpu_push(&second, &nop) == TPU_OK && tn__tpu_finish(&second) == TPU_OK;
        tn__tpu_close(&second);
        b.bus.dma_free(b.bus.self, memory);
        bed_close(&b);
    }
    TN_EXPECT(again == 300, "only %u of 300 work after a reset", again);
}

/* A text with a few characters replaced, taken out or doubled. */
static size_t spoil(uint64_t *state, const char *from, size_t bytes, char *to, size_t room)
{
    static const char some[] = "{}[]\",: 0179-\\xe\n";
    size_t n = 0, where[4];
    for (int i = 0; i < 4; i++)
        where[i] = (size_t)(tn_test_random(state) % bytes);
    for (size_t i = 0; i < bytes && n + 2 < room; i++) {
        bool hit = i == where[0] || (i == where[1] && where[1] % 2) || i == where[3];
        if (!hit)
            to[n++] = from[i];
        else if (below(state, 3) != 0)
            to[n++] = some[below(state, sizeof some - 1)];
        else if (below(state, 2))
            to[n++] = from[i], to[n++] = from[i];
    }
    to[n] = '\0';
    return below(state, 10) == 0 ? where[2] : n; /* or it ends early */
}

TN_TEST(sim_fuzz, profiles_are_read_or_refused)
{
    static char text[1 << 14];
    uint64_t state = tn_test_seed() ^ 0xf11eu;
    uint32_t taken = 0, refused = 0;
    for (int round = 0; round < 3000; round++) {
        size_t bytes;
        sim_profile p;
        char error[200] = "";
        const char *from = tn__sim_profile_text(tn__sim_profile_name(below(&state, 10)), &bytes);
        size_t n = spoil(&state, from, bytes, text, sizeof text);
        bool good = tn__sim_profile_read(text, n, &p, error, sizeof error);
        TN_EXPECT(good == (error[0] == '\0'), "%d: %s", good, error);
        taken += good;
        refused += !good;
    }
    TN_EXPECT(taken > 100 && refused > 1000, "%u taken, %u refused", taken, refused);
}

TN_TEST(sim_fuzz, bad_values_are_named_with_their_line)
{
    static const struct {
        const char *key, *value;
    } bad[] = {
        {"rows", "0"},
        {"rows", "1025"},
        {"rows", "-3"},
        {"rows", "many"},
        {"columns", "18446744073709551616"},
        {"arrays", "5"},
        {"weight_planes", "0"},
        {"array_clock_khz", "0"},
        {"types", "[\"f64\"]"},
        {"types", "\"bf16\""},
        {"columns_add_in_order", "1"},
        {"tree_products", "1"},
        {"integer_sum_bits", "16"},
        {"round_toward_zero", "maybe"},
        {"vector_ports", "5"},
        {"spad_kib", "0"},
        {"row_bytes", "2"},
        {"dma_bytes_per_s", "999"},
        {"queue_depth", "65"},
        {"semaphores", "15"},
        {"watchdog_us", "0"},
        {"table_segments", "3"},
        {"dead_columns", "[512]"},
        {"dead_columns", "[-1]"},
        {"errata", "[2]"},
        {"speed", "1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[1 << 9], error[200] = "", line[16];
        sim_profile p;
        int before = (int)(i % 3); /* good parameters in front of it */
        int n =
            snprintf(text, sizeof text, "{\n%s%s    \"%s\": {\"value\": %s, \"source\": \"s\"}}",
                     before > 0 ? "    \"name\": {\"value\": \"n\", \"source\": \"s\"},\n" : "",
                     before > 1 ? "    \"vendor\": {\"value\": \"v\", \"source\": \"s\"},\n" : "",
                     bad[i].key, bad[i].value);
        snprintf(line, sizeof line, "line %d: ", 2 + before);
        TN_EXPECT(!tn__sim_profile_read(text, (size_t)n, &p, error, sizeof error) &&
                      strncmp(error, line, strlen(line)) == 0 && strstr(error, bad[i].key) != NULL,
                  "%s %s: %s", bad[i].key, bad[i].value, error);
    }
}

TN_TEST(sim_fuzz, scripts_are_read_or_refused)
{
    static const char script[] =
        "flip nth=3 space=1 row=4 bit=2 bits=1; stuck row=1 column=2 bit=3 "
        "value=1\nthrottle nth=2 ratio=64; dma_delay nth=1 cycles=100";
    uint64_t state = tn_test_seed() ^ 0xbadu;
    uint32_t taken = 0, refused = 0;
    for (int round = 0; round < 1000; round++) {
        char text[2 * sizeof script];
        sim_bed b = {.error = ""};
        size_t n = spoil(&state, script, sizeof script - 1, text, sizeof text);
        text[n] = '\0';
        small_chip(&state, &b.profile);
        bool good = bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, text);
        TN_EXPECT(good || b.error[0] != '\0', "\"%s\"", text);
        taken += good;
        refused += !good;
        if (good)
            bed_close(&b);
    }
    TN_EXPECT(taken > 0 && refused > 100, "%u taken, %u refused", taken, refused);
}
