/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a bus: it plays back as the device, into a device, and says where one bit is wrong. */
#include "support/run_op.h"
#include "support/sim_bed.h"

#include <backends/tpu-sim/driver/tpu_bus_log.h>
#include <unistd.h>

static const tn_allocator allocator = {NULL, bed_alloc, bed_free};

/* A product of a few numbers by the driver on any bus; false where it did not end well. */
static bool product(const tn_bus *bus, float *out)
{
    tpu_chip chip;
    char error[200];
    uint64_t at[3];
    enum { T = 5, K = 8, N = 9 };
    if (!tn__tpu_open(&chip, bus, error, sizeof error))
        return false;
    uint16_t *a = bus->dma_alloc(bus->self, T * K * 2, 64, &at[0]);
    uint16_t *w = bus->dma_alloc(bus->self, K * N * 2, 64, &at[1]);
    float *y = bus->dma_alloc(bus->self, T * N * 4, 64, &at[2]);
    for (int i = 0; i < T * K; i++)
        a[i] = (uint16_t)(0x3f80 + i);
    for (int i = 0; i < K * N; i++)
        w[i] = (uint16_t)(0x3e80 + 3 * i);
    bus->dma_sync(bus->self, a, T * K * 2, 1);
    bus->dma_sync(bus->self, w, K * N * 2, 1);
    const tn_k_sys_packet list[] = {
        {.op = TN_K_SYS_LD,
         .iova = at[0],
         .n0 = T,
         .n1 = K * 2,
         .n2 = 1,
         .s0 = K * 2,
         .wait_sem = 255,
         .sig_sem = 0,
         .sig_val = 1},
        {.op = TN_K_SYS_LD,
         .iova = at[1],
         .a = 16,
         .n0 = K,
         .n1 = N * 2,
         .n2 = 1,
         .s0 = N * 2,
         .wait_sem = 255,
         .sig_sem = 1,
         .sig_val = 1},
        {.op = TN_K_SYS_LDW,
         .a = 16,
         .n0 = K,
         .n1 = N,
         .s0 = 1,
         .p1 = TN_BF16,
         .wait_sem = 1,
         .wait_val = 1,
         .sig_sem = 255},
        {.op = TN_K_SYS_MM,
         .flags = TN_K_SYS_ZERO,
         .c = TN_K_SYS_ACC,
         .n0 = T,
         .s0 = 1,
         .p1 = TN_BF16,
         .wait_sem = 0,
         .wait_val = 1,
         .sig_sem = 2,
         .sig_val = 1},
        {.op = TN_K_SYS_ST,
         .iova = at[2],
         .a = TN_K_SYS_ACC,
         .n0 = T,
         .n1 = N * 4,
         .n2 = 1,
         .s0 = N * 4,
         .wait_sem = 2,
         .wait_val = 1,
         .sig_sem = 255},
    };
    bool good = true;
    for (size_t i = 0; good && i < sizeof list / sizeof list[0]; i++)
        good = tn__tpu_push(&chip, &list[i]) == TPU_OK;
    good = good && tn__tpu_finish(&chip) == TPU_OK;
    bus->dma_sync(bus->self, y, T * N * 4, 0);
    memcpy(out, y, T * N * 4);
    bus->dma_free(bus->self, a);
    bus->dma_free(bus->self, w);
    bus->dma_free(bus->self, y);
    tn__tpu_close(&chip);
    return good;
}

static bool model(const char *faults, tn_bus *out)
{
    sim_profile p;
    char error[200];
    sim_options o = {.timing = SIM_OVERLAP, .faults = faults, .math = &tn_k_sys_math_baseline};
    bed_profile("test-24x40", &p);
    p.errata = 0;
    return tn__tpu_bus_model_open(&allocator, &p, &o, out, error, sizeof error);
}

static unsigned char *record(size_t *bytes, float *out)
{
    tn_bus chip, log;
    const unsigned char *data;
    TN_REQUIRE(model(NULL, &chip) && tn__tpu_log_open(&allocator, &chip, &log));
    TN_REQUIRE(product(&log, out));
    TN_REQUIRE(tn__tpu_log_data(&log, &data, bytes));
    unsigned char *copy = malloc(*bytes);
    TN_REQUIRE(copy != NULL);
    memcpy(copy, data, *bytes);
    tn__tpu_log_close(&log);
    tn__tpu_bus_model_close(&chip);
    return copy;
}

TN_TEST(tpu_log, plays_back_identically)
{
    static float want[64], got[64];
    size_t bytes;
    unsigned char *data = record(&bytes, want);
    tn_bus replay, chip;
    tpu_divergence where;
    uint64_t records = 0;
    TN_REQUIRE(tn__tpu_replay_open(&allocator, data, bytes, &replay));
    TN_EXPECT(product(&replay, got), "the log as the device");
    tn__tpu_replay_where(&replay, &where);
    TN_EXPECT(!where.found, "%s at record %" PRIu64, where.what, where.record);
    TN_EXPECT(memcmp(want, got, 5 * 9 * 4) == 0);
    tn__tpu_replay_close(&replay);
    TN_REQUIRE(model(NULL, &chip));
    tn__tpu_replay_into(&allocator, data, bytes, &chip, &where, &records);
    TN_EXPECT(!where.found && records > 50, "%" PRIu64 " records, %s at %" PRIx64, records,
              where.found ? where.what : "", where.address);
    tn__tpu_bus_model_close(&chip);
    free(data);
}

TN_TEST(tpu_log, another_call_is_a_divergence)
{
    static float want[64];
    size_t bytes;
    unsigned char *data = record(&bytes, want);
    tn_bus replay;
    tpu_divergence where;
    TN_REQUIRE(tn__tpu_replay_open(&allocator, data, bytes, &replay));
    TN_EXPECT(replay.read32(replay.self, TPU_ID) == TPU_MAGIC);
    (void)replay.read32(replay.self, TPU_STATUS); /* the driver asked for the version */
    tn__tpu_replay_where(&replay, &where);
    TN_EXPECT(where.found && where.address == TPU_STATUS, "%d", where.found);
    TN_EXPECT(replay.read32(replay.self, TPU_ID) == UINT32_MAX, "from then on nobody answers");
    tn__tpu_replay_close(&replay);
    free(data);
}

/* The record that a byte of the log lies in, by walking over them. */
static uint64_t record_of(const unsigned char *data, size_t at)
{
    uint64_t record = 0;
    for (size_t i = 8;; record++) {
        uint32_t kind;
        uint64_t more;
        memcpy(&kind, data + i + 4, 4);
        memcpy(&more, data + i + 16, 8);
        i += 32 + (kind == 5 || kind == 6 ? (size_t)more : 0);
        if (at < i)
            return record;
    }
}

TN_TEST(tpu_log, one_wrong_bit_is_located)
{
    static float want[64];
    size_t bytes;
    unsigned char *data = record(&bytes, want), *copy = malloc(bytes);
    TN_REQUIRE(copy != NULL);
    uint64_t state = tn_test_seed();
    for (int i = 0; i < 400; i++) {
        size_t at = 8 + (size_t)(tn_test_random(&state) % (bytes - 8));
        tn_bus chip;
        tpu_divergence where;
        uint64_t records;
        memcpy(copy, data, bytes);
        copy[at] ^= (unsigned char)(1u << tn_test_random(&state) % 8);
        TN_REQUIRE(model(NULL, &chip));
        tn__tpu_replay_into(&allocator, copy, bytes, &chip, &where, &records);
        TN_EXPECT(where.found && where.record == record_of(data, at),
                  "byte %zu of %zu: record %" PRIu64 ", not %" PRIu64, at, bytes, where.record,
                  record_of(data, at));
        tn__tpu_bus_model_close(&chip);
    }
    free(copy);
    free(data);
}

TN_TEST(tpu_log, a_device_that_computes_otherwise_is_located)
{
    static float want[64];
    size_t bytes;
    unsigned char *data = record(&bytes, want);
    tn_bus chip;
    tpu_divergence where;
    uint64_t records;
    TN_REQUIRE(model("stuck row=2 column=4 bit=30 value=1", &chip));
    tn__tpu_replay_into(&allocator, data, bytes, &chip, &where, &records);
    TN_EXPECT(where.found && strcmp(where.what, "memory from the device") == 0, "%s",
              where.found ? where.what : "nothing");
    TN_EXPECT(where.command == 6, "the packets were told: %" PRIu64, where.command);
    TN_EXPECT(where.address % 4096 / 4 == 4, "column 4 of the first row: %" PRIx64, where.address);
    tn__tpu_bus_model_close(&chip);
    memcpy(data, "NOTALOG", 7);
    TN_REQUIRE(model(NULL, &chip));
    tn__tpu_replay_into(&allocator, data, bytes, &chip, &where, &records);
    TN_EXPECT(where.found && records == 0, "a file of another kind");
    tn__tpu_bus_model_close(&chip);
    free(data);
}

/* The same by URI: one device writes the log, another one is the log. */
TN_TEST(tpu_log, devices_record_and_play)
{
    char path[64], uri[128];
    int64_t dim[] = {7, 7};
    uint16_t a[49], out[2][49];
    tn_eltwise attr = {.head = TN_INIT(tn_eltwise), .kind = TN_ELTWISE_SQUARE};
    tn_arg args[2] = {{TN_ARG_A, 0, tn_test_tensor(TN_BF16, 2, dim)},
                      {TN_ARG_OUT, 0, tn_test_tensor(TN_BF16, 2, dim)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_ELTWISE, .arg_count = 2, .attr = &attr, .args = args};
    const uint64_t sizes[2] = {sizeof a, sizeof a};
    tn_test_device d;
    for (int i = 0; i < 49; i++)
        a[i] = (uint16_t)(0x3f80 + 5 * i);
    snprintf(path, sizeof path, "tpu_log_%d.bin", (int)getpid());
    for (int i = 0; i < 2; i++) {
        void *host[2] = {a, out[i]};
        memset(out[i], 0xee, sizeof out[i]); /* it is uploaded, too */
        snprintf(uri, sizeof uri, "tpu-sim:test-24x40?%s%s", i == 0 ? "log=" : "bus=replay:", path);
        TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
        TN_EXPECT(tn_test_compute(&d, &op, host, sizes), "%s", uri);
        tn_test_close(&d);
    }
    TN_EXPECT(memcmp(out[0], out[1], sizeof out[0]) == 0);
    snprintf(uri, sizeof uri, "tpu-sim:test-24x40?bus=replay:/no/such/log");
    TN_EXPECT(!tn_test_open(uri, &d), "no log");
    remove(path);
}
