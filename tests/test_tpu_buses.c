/* SPDX-License-Identifier: Apache-2.0 */
/* The driver over a mapped region and over a socket, with the chip in another process: the bits and
 * cycles of the model in this one. */
#define _GNU_SOURCE
#include "support/run_op.h"
#include "support/sim_bed.h"

#include <backends/tpu-sim/driver/tpu_bus_mmio.h>
#include <backends/tpu-sim/driver/tpu_bus_socket.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const tn_allocator allocator = {NULL, bed_alloc, bed_free};

enum { MMIO, SOCKET, HERE, SIDES };

/* A child that is the chip; -1 where it could not be made. */
static pid_t serve(const char *path, int side)
{
    char error[200];
    if (side == MMIO && !tn__tpu_mmio_make(path, 64 << 20, error, sizeof error))
        return -1;
    pid_t child = fork();
    if (child != 0)
        return child;
    sim_profile p;
    sim_options o = {.timing = SIM_OVERLAP, .math = &tn_k_sys_math_baseline};
    bed_profile("test-24x40", &p);
    bool good = side == MMIO
                    ? tn__tpu_mmio_serve(&allocator, path, &p, &o, 20000, error, sizeof error)
                    : tn__tpu_socket_serve(&allocator, path, &p, &o, 20000, error, sizeof error);
    _exit(good ? 0 : 1);
}

/* The server's socket may not be there yet. */
static void await_path(const char *path)
{
    for (int i = 0; i < 500 && access(path, F_OK) != 0; i++)
        usleep(10000);
    usleep(20000);
}

static bool served_well(pid_t child)
{
    int status = 1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run_on(const char *uri, float *out)
{
    enum { M = 30, N = 50, K = 70 };
    static uint16_t a[M * K], b[K * N];
    int64_t da[] = {M, K}, db[] = {K, N}, dc[] = {M, N};
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {{TN_ARG_A, 0, tn_test_tensor(TN_BF16, 2, da)},
                      {TN_ARG_B, 0, tn_test_tensor(TN_BF16, 2, db)},
                      {TN_ARG_OUT, 0, tn_test_tensor(TN_F32, 2, dc)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};
    void *host[3] = {a, b, out};
    const uint64_t bytes[3] = {sizeof a, sizeof b, M * N * 4};
    tn_test_device d;
    for (int i = 0; i < M * K; i++)
        a[i] = (uint16_t)(0x3f00 + i % 200);
    for (int i = 0; i < K * N; i++)
        b[i] = (uint16_t)(0xbe00 + i % 300);
    memset(out, 0, M * N * 4);
    TN_REQUIRE(tn_test_open(uri, &d), "%s", uri);
    TN_EXPECT(tn_device_supports(d.device, &op) == TN_OK);
    TN_EXPECT(tn_test_compute(&d, &op, host, bytes), "%s", uri);
    tn_test_close(&d);
}

TN_TEST(tpu_buses, a_chip_in_another_process_gives_the_same_bits)
{
    static float here[30 * 50], there[30 * 50];
    static const char *const kinds[] = {"mmio", "socket"};
    char path[64], uri[128];
    run_on("tpu-sim:test-24x40", here);
    TN_EXPECT(here[0] != 0.0f);
    for (int side = MMIO; side <= SOCKET; side++) {
        snprintf(path, sizeof path, "/tmp/tenon_test_%s_%d", kinds[side], (int)getpid());
        pid_t child = serve(path, side);
        TN_REQUIRE(child > 0);
        await_path(path);
        snprintf(uri, sizeof uri, "tpu-sim:test-24x40?bus=%s:%s", kinds[side], path);
        run_on(uri, there);
        TN_EXPECT(served_well(child), "the server ends when the driver closes");
        TN_EXPECT(memcmp(here, there, sizeof here) == 0, "%s", kinds[side]);
        remove(path);
    }
}

/* By the driver alone: time and memory are those of the model here. */
TN_TEST(tpu_buses, time_and_memory_are_the_models)
{
    char path[64], error[200];
    uint64_t ns[SIDES];
    snprintf(path, sizeof path, "/tmp/tenon_test_time_%d", (int)getpid());
    for (int side = MMIO; side < SIDES; side++) {
        tn_bus bus;
        tpu_chip chip;
        uint64_t at[40], first;
        void *p[40];
        pid_t child = side != HERE ? serve(path, side) : 0;
        sim_bed bed = {.error = ""};
        if (side != HERE) {
            await_path(path);
            bool there = child > 0;
            if (side == MMIO)
                there = there && tn__tpu_mmio_open(&allocator, path, &bus, error, sizeof error);
            else
                there = there && tn__tpu_socket_open(&allocator, path, &bus, error, sizeof error);
            TN_REQUIRE(there, "%s", error);
            TN_REQUIRE(tn__tpu_open(&chip, &bus, error, sizeof error), "%s", error);
        } else {
            bed_profile("test-24x40", &bed.profile);
            TN_REQUIRE(bed_open(&bed, SIM_OVERLAP, SIM_PROTECT_NONE, NULL));
            bus = bed.bus;
            chip = bed.chip;
        }
        for (int i = 0; i < 40; i++) {
            p[i] = bus.dma_alloc(bus.self, 5000 + 100 * (size_t)i, 64, &at[i]);
            TN_REQUIRE(p[i] != NULL);
            memset(p[i], i, 5000);
            bus.dma_sync(bus.self, p[i], 5000, 1);
        }
        first = at[7];
        for (int i = 0; i < 40; i += 2)
            bus.dma_free(bus.self, p[i]);
        tn_k_sys_packet in = {.op = TN_K_SYS_LD,
                              .iova = first,
                              .n0 = 100,
                              .n1 = 48,
                              .n2 = 1,
                              .s0 = 48,
                              .wait_sem = 255,
                              .sig_sem = 3,
                              .sig_val = 1};
        tn_k_sys_packet out = in;
        out.op = TN_K_SYS_ST;
        out.iova = at[9];
        out.wait_sem = 3;
        out.wait_val = 1;
        out.sig_sem = 255;
        TN_EXPECT(tn__tpu_push(&chip, &in) == TPU_OK && tn__tpu_push(&chip, &out) == TPU_OK &&
                  tn__tpu_finish(&chip) == TPU_OK);
        ns[side] = bus.now_ns(bus.self);
        bool moved = true;
        bus.dma_sync(bus.self, p[9], 4800, 0);
        for (int i = 0; i < 4800; i++)
            moved = moved && ((unsigned char *)p[9])[i] == 7;
        TN_EXPECT(moved, "side %d", side);
        in.iova = at[39] + (1u << 30); /* memory that is nobody's */
        TN_EXPECT(tn__tpu_push(&chip, &in) == TPU_OK && tn__tpu_finish(&chip) == TPU_FAILED &&
                  chip.report.code == TPU_ERR_BUS);
        for (int i = 1; i < 40; i += 2)
            bus.dma_free(bus.self, p[i]);
        if (side != HERE) {
            tn__tpu_close(&chip);
            if (side == MMIO)
                tn__tpu_mmio_close(&bus);
            else
                tn__tpu_socket_close(&bus);
            TN_EXPECT(served_well(child));
            remove(path);
        } else {
            bed.chip = chip;
            bed_close(&bed);
        }
    }
    TN_EXPECT(ns[MMIO] == ns[HERE] && ns[SOCKET] == ns[HERE], "%" PRIu64 ", %" PRIu64 ", %" PRIu64,
              ns[MMIO], ns[SOCKET], ns[HERE]);
}

/* The other side is gone in the middle: all ones, and no wait for ever. */
TN_TEST(tpu_buses, a_socket_that_breaks_is_a_chip_that_is_gone)
{
    char path[64], error[200];
    tn_bus bus;
    tpu_chip chip;
    snprintf(path, sizeof path, "/tmp/tenon_test_break_%d", (int)getpid());
    pid_t child = serve(path, SOCKET);
    TN_REQUIRE(child > 0);
    await_path(path);
    TN_REQUIRE(tn__tpu_socket_open(&allocator, path, &bus, error, sizeof error), "%s", error);
    TN_REQUIRE(tn__tpu_open(&chip, &bus, error, sizeof error), "%s", error);
    kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    tn_k_sys_packet nop = {.op = TN_K_SYS_NOP, .wait_sem = 255, .sig_sem = 255};
    tpu_result r = tn__tpu_push(&chip, &nop);
    TN_EXPECT((r == TPU_OK ? tn__tpu_finish(&chip) : r) == TPU_GONE);
    TN_EXPECT(bus.read32(bus.self, TPU_ID) == UINT32_MAX);
    tn__tpu_close(&chip);
    tn__tpu_socket_close(&bus);
    remove(path);
}

TN_TEST(tpu_buses, a_file_that_is_none_or_is_left_is_no_chip)
{
    char path[64], uri[128], error[200];
    tn_bus bus;
    TN_EXPECT(!tn__tpu_mmio_open(&allocator, "/no/such/file", &bus, error, sizeof error) &&
              error[0] != '\0');
    TN_EXPECT(!tn__tpu_socket_open(&allocator, "/no/such/socket", &bus, error, sizeof error) &&
              error[0] != '\0');
    TN_EXPECT(!tn__tpu_socket_open(&allocator, "nonsense", &bus, error, sizeof error));
    snprintf(path, sizeof path, "tpu_mmio_none_%d.bin", (int)getpid());
    tn_error e;
    tn_runtime *rt = NULL;
    tn_device *device = NULL;
    TN_REQUIRE(tn_runtime_create(NULL, &rt) == TN_OK);
    snprintf(uri, sizeof uri, "tpu-sim:test-24x40?bus=mmio:%s", path);
    TN_EXPECT(tn_device_open(rt, uri, &device) == TN_STATUS_UNAVAILABLE);
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "tpu.file") == 0, "%s", e.reason);
    tn_runtime_release(rt);
    remove(path);
}
