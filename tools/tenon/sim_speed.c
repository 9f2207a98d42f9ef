/* SPDX-License-Identifier: Apache-2.0 */
/* tenon sim speed: how fast this machine simulates: products, the vector unit, commands alone. */
#include "sim_chip.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECONDS_TENTHS = 5 };

/* Of this thread, in which the model runs: what else the machine does is no speed of the model. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Packets until the time is up; returns how many a second. */
static double rate(tool_chip *chip, const tn_k_sys_packet *list, uint32_t count)
{
    double start = seconds(), now = start;
    uint64_t done = 0;
    while (now - start < SECONDS_TENTHS * 0.1) {
        for (uint32_t i = 0; i < 2000; i++)
            if (tn__tpu_push(&chip->device->chip, &list[i % count]) != TPU_OK)
                return 0.0;
        if (tn__tpu_finish(&chip->device->chip) != TPU_OK)
            return 0.0;
        done += 2000;
        now = seconds();
    }
    return (double)done / (now - start);
}

/* The tile function in plain C by itself, on numbers of bf16. */
static double plain_rate(void)
{
    enum { ROWS = 64, K = 128, COLUMNS = 128 };
    static float a[ROWS * K], w[K * COLUMNS], s[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * K; i++)
        a[i] = (float)(i % 100 - 50) * 0.125f;
    for (int i = 0; i < K * COLUMNS; i++)
        w[i] = (float)(i % 90 - 45) * 0.0625f;
    double start = seconds(), now = start, done = 0;
    while (now - start < SECONDS_TENTHS * 0.1) {
        for (int i = 0; i < 50; i++)
            tn_k_sys_math_baseline.tile(a, K, w, COLUMNS, ROWS, K, COLUMNS, s, COLUMNS);
        done += 50.0 * ROWS * K * COLUMNS;
        now = seconds();
    }
    return done / (now - start);
}

static tn_k_sys_packet packet(uint8_t op)
{
    return (tn_k_sys_packet){.op = op, .wait_sem = TN_K_SYS_NONE, .sig_sem = TN_K_SYS_NONE};
}

int tool_sim_speed(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) {
        printf("usage: tenon sim speed [--json]\n");
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    tool_chip chip;
    if (!tool_chip_open("canonical-128", &chip))
        return 1;
    const tn_k_sys_caps *caps = &chip.device->chip.caps;
    tn_k_sys_packet fill = packet(TN_K_SYS_FILL), list[4];
    fill.n0 = caps->spad_rows;
    fill.p0 = 0x3f803f80u;
    bool good = tn__tpu_push(&chip.device->chip, &fill) == TPU_OK;
    fill.a = TN_K_SYS_ACC;
    fill.n0 = caps->acc_rows;
    good = good && tn__tpu_push(&chip.device->chip, &fill) == TPU_OK &&
           tn__tpu_finish(&chip.device->chip) == TPU_OK;

    list[0] = packet(TN_K_SYS_LDW);
    list[0].n0 = list[0].n1 = 128;
    list[0].s0 = 1;
    list[0].p1 = TN_BF16;
    list[1] = packet(TN_K_SYS_MM);
    list[1].flags = TN_K_SYS_ACCUMULATE;
    list[1].c = TN_K_SYS_ACC;
    list[1].n0 = 512;
    list[1].s0 = 1;
    list[1].p1 = TN_BF16;
    double products = good ? rate(&chip, list, 2) * 0.5 * 128 * 128 * 512 : 0.0;
    double portable = good ? plain_rate() : 0.0;

    list[0] = packet(TN_K_SYS_MAP);
    list[0].b = 16384;
    list[0].c = 32768;
    list[0].n0 = 16;
    list[0].n1 = 4096;
    list[0].n2 = TN_K_SYS_MAP_TYPES(TN_F32, TN_F32, 0, TN_F32);
    list[0].s0 = TN_K_SYS_MAP_KIND(TN_ELTWISE_ADD, 0, 0, 0);
    double elements = good ? rate(&chip, list, 1) * 16 * 4096 : 0.0;

    /* Two engines in turn, each waiting for the other one's signal. */
    list[0] = list[1] = packet(TN_K_SYS_NOP);
    list[0].d = TN_K_SYS_DMA_IN;
    list[0].sig_sem = 0;
    list[0].sig_val = 1;
    list[1].d = TN_K_SYS_VECTOR;
    list[1].wait_sem = 0;
    list[1].wait_val = 1;
    double commands = good ? rate(&chip, list, 2) : 0.0;
    tool_chip_close(&chip);
    if (json)
        printf("{\"gmacs\": %.3f, \"gmacs_portable\": %.3f, \"vector_gelements\": %.3f, "
               "\"mcommands\": %.3f}\n",
               products * 1e-9, portable * 1e-9, elements * 1e-9, commands * 1e-6);
    else
        printf("one core: %.1f GMAC/s in bf16 (%.1f in plain C), %.2f G elements/s added in f32, "
               "%.2f M commands/s\n",
               products * 1e-9, portable * 1e-9, elements * 1e-9, commands * 1e-6);
    return products > 0 && elements > 0 && commands > 0 ? 0 : 1;
}
