/* SPDX-License-Identifier: Apache-2.0 */
/* Broken elements are found and taken out of use, errata are worked around, chips come as files. */
#include "support/run_op.h"
#include "support/sim_bed.h"

#include <unistd.h>

static void small_chip(sim_profile *p, uint32_t rows, uint32_t cols)
{
    bed_profile("canonical-128", p);
    p->rows = rows;
    p->cols = cols;
    p->spad_kib = 64;
    p->acc_kib = 16;
}

/* Every stuck bit of a product of bytes, in every element, is found and its column named. */
TN_TEST(tpu_chip, every_stuck_product_bit_is_found)
{
    static const uint32_t sizes[][2] = {{1, 1}, {2, 3}, {5, 16}, {16, 5}, {16, 16}};
    uint32_t tried = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint32_t rows = sizes[s][0], cols = sizes[s][1];
        for (uint32_t at = 0; at < rows * cols * 64; at++) {
            char script[80];
            sim_bed b = {.error = ""};
            uint32_t bad[4] = {0}, row = at / 64 / cols, col = at / 64 % cols;
            small_chip(&b.profile, rows, cols);
            snprintf(script, sizeof script, "stuck row=%u column=%u bit=%u value=%u", row, col,
                     at % 32, at / 32 % 2);
            TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, script), "%s", b.error);
            uint32_t n = tn__tpu_test_columns(&b.chip, bad, 4);
            TN_EXPECT(n == 1 && bad[0] == col, "%ux%u %s: %u columns, first %u", rows, cols, script,
                      n, bad[0]);
            /* Without the column all products are right. */
            if (cols > 1 && at % 8 == 0)
                TN_EXPECT(tn__tpu_mask_column(&b.chip, bad[0]) == TPU_OK &&
                              b.chip.caps.cols == cols - 1 &&
                              tn__tpu_test_columns(&b.chip, bad, 4) == 0,
                          "%ux%u %s: masked", rows, cols, script);
            bed_close(&b);
            tried++;
        }
    }
    TN_EXPECT(tried == 64 * (1 + 6 + 80 + 80 + 256), "%u", tried);
}

TN_TEST(tpu_chip, a_sound_array_passes_and_a_masked_column_is_left_out)
{
    sim_bed b = {.error = ""};
    uint32_t bad[4];
    small_chip(&b.profile, 16, 16);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, ""), "%s", b.error);
    TN_EXPECT(tn__tpu_test_columns(&b.chip, bad, 4) == 0);
    bed_close(&b);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, "stuck row=3 column=9 bit=2 value=1"),
               "%s", b.error);
    TN_EXPECT(tn__tpu_test_columns(&b.chip, bad, 4) == 1 && bad[0] == 9);
    TN_EXPECT(tn__tpu_mask_column(&b.chip, 9) == TPU_OK && b.chip.caps.cols == 15);
    TN_EXPECT(tn__tpu_test_columns(&b.chip, bad, 4) == 0, "what is masked is not used");
    bed_close(&b);
}

/* One row times weights of one, twice in a row: the second is what the erratum is about. */
static bool single_rows_are_right(bool workaround)
{
    sim_bed b = {.error = ""};
    uint64_t at[2];
    bool right = true;
    bed_profile("test-24x40", &b.profile);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    TN_REQUIRE(b.chip.errata == 2u);
    if (!workaround)
        b.chip.errata = 0;
    uint16_t *ones = b.bus.dma_alloc(b.bus.self, 24 * 2 * 24, 64, &at[0]);
    float *out = b.bus.dma_alloc(b.bus.self, 2 * 24 * 4, 64, &at[1]);
    TN_REQUIRE(ones != NULL && out != NULL);
    for (int i = 0; i < 24 * 24; i++)
        ones[i] = 0x3f80;
    bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                  .iova = at[0],
                                  .n0 = 24,
                                  .n1 = 48,
                                  .n2 = 1,
                                  .s0 = 48,
                                  .sig_sem = 0,
                                  .sig_val = 2});
    bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                  .wait_sem = 0,
                                  .wait_val = 1,
                                  .n0 = 24,
                                  .n1 = 24,
                                  .s0 = 1,
                                  .p1 = TN_BF16});
    for (uint32_t i = 0; i < 2; i++)
        bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                      .flags = TN_K_SYS_ZERO,
                                      .wait_sem = 0,
                                      .wait_val = i == 0,
                                      .sig_sem = 1,
                                      .sig_val = 1,
                                      .c = TN_K_SYS_ACC | i,
                                      .n0 = 1,
                                      .s0 = 1,
                                      .p1 = TN_BF16});
    bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_ST,
                                  .wait_sem = 1,
                                  .wait_val = 2,
                                  .iova = at[1],
                                  .a = TN_K_SYS_ACC,
                                  .n0 = 2,
                                  .n1 = 96,
                                  .n2 = 1,
                                  .s0 = 96});
    TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
    for (int i = 0; i < 48; i++)
        right = right && out[i] == 24.0f;
    b.bus.dma_free(b.bus.self, ones);
    b.bus.dma_free(b.bus.self, out);
    bed_close(&b);
    return right;
}

TN_TEST(tpu_chip, an_erratum_shows_without_its_workaround_alone)
{
    TN_EXPECT(single_rows_are_right(true));
    TN_EXPECT(!single_rows_are_right(false));
}

/* A chip that nobody has compiled in: sizes, dead columns and an erratum from a file. */
TN_TEST(tpu_chip, a_file_is_a_chip)
{
    char path[64], uri[96], error[200] = "";
    size_t bytes = 0;
    const char *text = tn__sim_profile_text("test-24x40", &bytes);
    tn_test_device chip;
    sim_profile p;
    static int8_t a[3][50], b[50][90];
    static int32_t out[3][90];
    snprintf(path, sizeof path, "tpu_chip_%d.json", (int)getpid());
    FILE *f = fopen(path, "w");
    TN_REQUIRE(f != NULL && text != NULL);
    /* the same text with another array: 20 rows of 36 columns, the first and the last dead */
    for (size_t i = 0; i < bytes; i++) {
        static const char *const from[] = {"\"rows\": {\"value\": 24",
                                           "\"columns\": {\"value\": 40", "[17]"};
        static const char *const to[] = {"\"rows\": {\"value\": 20", "\"columns\": {\"value\": 36",
                                         "[0, 35]"};
        int k = 0;
        while (k < 3 && strncmp(text + i, from[k], strlen(from[k])) != 0)
            k++;
        if (k < 3) {
            fputs(to[k], f);
            i += strlen(from[k]) - 1;
        } else {
            fputc(text[i], f);
        }
    }
    fclose(f);
    f = fopen(path, "r");
    static char back[1 << 14];
    bytes = fread(back, 1, sizeof back, f);
    fclose(f);
    TN_REQUIRE(tn__sim_profile_read(back, bytes, &p, error, sizeof error), "%s", error);
    TN_EXPECT(p.rows == 20 && p.cols == 36 && p.dead_columns[0] == (1ull | 1ull << 35));
    snprintf(uri, sizeof uri, "tpu-sim:%s", path);
    TN_REQUIRE(tn_test_open(uri, &chip), "%s", uri);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 50; k++)
            a[i][k] = (int8_t)(i * 50 + k - 70);
    for (int k = 0; k < 50; k++)
        for (int j = 0; j < 90; j++)
            b[k][j] = (int8_t)(k * j * 3 - 11);
    int64_t da[] = {3, 50}, db[] = {50, 90}, dc[] = {3, 90};
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {{TN_ARG_A, 0, tn_test_tensor(TN_S8, 2, da)},
                      {TN_ARG_B, 0, tn_test_tensor(TN_S8, 2, db)},
                      {TN_ARG_OUT, 0, tn_test_tensor(TN_S32, 2, dc)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};
    void *host[3] = {a, b, out};
    const uint64_t sizes[3] = {sizeof a, sizeof b, sizeof out};
    TN_REQUIRE(tn_device_supports(chip.device, &op) == TN_OK);
    TN_REQUIRE(tn_test_compute(&chip, &op, host, sizes));
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 90; j++) {
            int32_t want = 0;
            for (int k = 0; k < 50; k++)
                want += a[i][k] * b[k][j];
            TN_EXPECT(out[i][j] == want, "%d %d: %d not %d", i, j, out[i][j], want);
        }
    tn_test_close(&chip);
    remove(path);
}

/* What the vendors say of their peak is what the profiles' numbers give. */
TN_TEST(tpu_chip, peaks_agree_with_what_vendors_say)
{
    for (uint32_t i = 0; tn__sim_profile_name(i) != NULL; i++) {
        sim_profile p;
        bed_profile(tn__sim_profile_name(i), &p);
        double peak = (double)p.rows * p.cols * p.tile_rows * p.arrays * (double)p.array_khz * 1e-6;
        TN_EXPECT(p.peak_gmacs == 0 ||
                      (peak > 0.97 * (double)p.peak_gmacs && peak < 1.03 * (double)p.peak_gmacs),
                  "%s: %g and %" PRIu64, p.name, peak, p.peak_gmacs);
    }
}
