/* SPDX-License-Identifier: Apache-2.0 */
/* How columns add, as a profile says it: order, start, rounding, flushing, saturation and bits of
 * sums, against oracles that are written down another way. */
#define _GNU_SOURCE
#include "support/run_op.h"
#include "support/sim_bed.h"

#include <fenv.h>
#include <math.h>
#include <unistd.h>

enum { T = 7, MOST = 24, FOLDS = 3 };

typedef struct problem {
    uint32_t rows, cols, type;
    unsigned char a[FOLDS][T * MOST * 2], w[FOLDS][MOST * MOST * 2];
    float fa[FOLDS][T * MOST], fw[FOLDS][MOST * MOST];
} problem;

/* Numbers of wide exponents, subnormal ones and -0 among them; bytes where the type is s8. */
static void fill(uint64_t *state, problem *p)
{
    for (int f = 0; f < FOLDS; f++)
        for (uint32_t i = 0; i < T * MOST + MOST * MOST; i++) {
            bool w = i >= T * MOST;
            size_t at = w ? i - T * MOST : i;
            uint32_t u = (uint32_t)tn_test_random(state) & 0x80ff0000u;
            u |= (uint32_t)(tn_test_random(state) % 4   ? 115 + tn_test_random(state) % 20
                            : tn_test_random(state) % 2 ? 0
                                                        : 55 + tn_test_random(state) % 10)
                 << 23;
            int8_t byte = (int8_t)(tn_test_random(state) % 4 ? (u >> 16 & 1u ? 127 : -128)
                                                             : (int)(u >> 16 & 255u) - 128);
            unsigned char *to = w ? p->w[f] : p->a[f];
            float *wide = w ? &p->fw[f][at] : &p->fa[f][at];
            if (p->type == TN_S8) {
                to[at] = (unsigned char)byte;
                *wide = (float)byte;
            } else {
                memcpy(to + 2 * at, (const char *)&u + 2, 2);
                memcpy(wide, &u, 4);
            }
        }
}

static void run(sim_bed *b, const problem *p, float *out)
{
    uint64_t at[3];
    uint32_t size = p->type == TN_S8 ? 1 : 2,
             pitch = (p->cols * size + b->profile.row_bytes - 1) / b->profile.row_bytes;
    uint32_t a_pitch = (p->rows * size + b->profile.row_bytes - 1) / b->profile.row_bytes;
    unsigned char *a = b->bus.dma_alloc(b->bus.self, sizeof p->a, 64, &at[0]);
    unsigned char *w = b->bus.dma_alloc(b->bus.self, sizeof p->w, 64, &at[1]);
    float *y = b->bus.dma_alloc(b->bus.self, T * MOST * 4, 64, &at[2]);
    TN_REQUIRE(a != NULL && w != NULL && y != NULL);
    memcpy(a, p->a, sizeof p->a);
    memcpy(w, p->w, sizeof p->w);
    for (uint32_t f = 0; f < FOLDS; f++) {
        uint32_t to = f * (T * a_pitch + MOST * pitch);
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                     .iova = at[0] + f * sizeof p->a[0],
                                     .a = to,
                                     .n0 = T,
                                     .n1 = p->rows * size,
                                     .n2 = 1,
                                     .s0 = (int32_t)(MOST * size),
                                     .sig_sem = 0,
                                     .sig_val = 1});
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                     .iova = at[1] + f * sizeof p->w[0],
                                     .a = to + T * a_pitch,
                                     .n0 = p->rows,
                                     .n1 = p->cols * size,
                                     .n2 = 1,
                                     .s0 = (int32_t)(MOST * size),
                                     .sig_sem = 0,
                                     .sig_val = 1});
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                     .wait_sem = 0,
                                     .wait_val = 2,
                                     .a = to + T * a_pitch,
                                     .n0 = p->rows,
                                     .n1 = p->cols,
                                     .s0 = (int32_t)pitch,
                                     .p1 = p->type});
        bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                     .flags = f == 0 ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE,
                                     .a = to,
                                     .c = TN_K_SYS_ACC,
                                     .n0 = T,
                                     .s0 = (int32_t)a_pitch,
                                     .p1 = p->type,
                                     .sig_sem = 2,
                                     .sig_val = 1});
    }
    bed_put(b, (tn_k_sys_packet){.op = TN_K_SYS_ST,
                                 .wait_sem = 2,
                                 .wait_val = FOLDS,
                                 .iova = at[2],
                                 .a = TN_K_SYS_ACC,
                                 .n0 = T,
                                 .n1 = p->cols * 4,
                                 .n2 = 1,
                                 .s0 = (int32_t)p->cols * 4});
    TN_REQUIRE(tn__tpu_finish(&b->chip) == TPU_OK, "code %u", b->chip.report.code);
    memcpy(out, y, T * p->cols * 4);
    b->bus.dma_free(b->bus.self, a);
    b->bus.dma_free(b->bus.self, w);
    b->bus.dma_free(b->bus.self, y);
}

/* ---- the oracles: the machine's own rounding mode, recursion, wide integers ---- */

static float zeroed(uint32_t id, float x)
{
    return (id & TPU_NUMERICS_FLUSH) != 0 && fpclassify(x) == FP_SUBNORMAL ? copysignf(0.0f, x) : x;
}

static float rounded(uint32_t id, float x, float y, float s, int how)
{
    volatile float vx = x, vy = y, vs = s, out;
    if ((id & TPU_NUMERICS_TO_ZERO) != 0)
        fesetround(FE_TOWARDZERO);
    out = how == 0 ? vx * vy : how == 1 ? vx + vy : fmaf(vx, vy, vs);
    fesetround(FE_TONEAREST);
    return zeroed(id, out);
}

static float pairs(uint32_t id, const float *p, uint32_t n)
{
    uint32_t half = 1;
    if (n == 1)
        return p[0];
    while (2 * half < n)
        half *= 2;
    return rounded(id, pairs(id, p, half), pairs(id, p + half, n - half), 0.0f, 1);
}

static float float_element(uint32_t id, const problem *p, uint32_t i, uint32_t c)
{
    uint32_t tree = id & TPU_NUMERICS_TREE;
    float all = 0.0f;
    for (int f = 0; f < FOLDS; f++) {
        bool starts = (id & TPU_NUMERICS_START) != 0;
        float s = starts ? all : 0.0f;
        for (uint32_t k = 0; k < p->rows;) {
            float group[MOST * 2] = {0};
            for (uint32_t j = 0; j < (tree ? tree : 1); j++, k++) {
                float a = k < p->rows ? zeroed(id, p->fa[f][i * MOST + k]) : 0.0f;
                float w = k < p->rows ? zeroed(id, p->fw[f][k * MOST + c]) : 0.0f;
                if (tree == 0)
                    s = rounded(id, a, w, s, 2);
                else
                    group[j] = rounded(id, a, w, 0.0f, 0);
            }
            if (tree != 0)
                s = rounded(id, s, pairs(id, group, tree), 0.0f, 1);
        }
        all = starts ? s : f == 0 ? 0.0f + s : rounded(id, all, s, 0.0f, 1);
    }
    return all;
}

static int64_t held(uint32_t id, int bits, int64_t v)
{
    int64_t most = INT64_C(1) << (bits - 1);
    if ((id & TPU_NUMERICS_SATURATE) != 0)
        return v >= most ? most - 1 : v < -most ? -most : v;
    while (v >= most)
        v -= 2 * most;
    while (v < -most)
        v += 2 * most;
    return v;
}

static int64_t integer_element(uint32_t id, const problem *p, uint32_t i, uint32_t c)
{
    int bits = id >> TPU_NUMERICS_BITS ? (int)(id >> TPU_NUMERICS_BITS) : 32;
    int64_t all = 0;
    for (int f = 0; f < FOLDS; f++) {
        bool starts = (id & TPU_NUMERICS_START) != 0;
        int64_t s = starts ? all : 0;
        for (uint32_t k = 0; k < p->rows; k++)
            s = held(id, bits,
                     s + (int64_t)p->fa[f][i * MOST + k] * (int64_t)p->fw[f][k * MOST + c]);
        all = starts ? s : held(id, 32, all + s);
    }
    return all;
}

TN_TEST(sim_numerics, columns_add_as_the_id_says)
{
    static problem p;
    static float out[T * MOST], plain[T * MOST];
    uint64_t state = tn_test_seed();
    uint32_t other = 0;
    for (int round = 0; round < 300; round++) {
        sim_bed b = {.error = ""}, usual = {.error = ""};
        uint32_t id =
            (uint32_t)tn_test_random(&state) & (TPU_NUMERICS_START | TPU_NUMERICS_TO_ZERO |
                                                TPU_NUMERICS_FLUSH | TPU_NUMERICS_SATURATE);
        p.type = round % 3 == 0 ? TN_S8 : TN_BF16;
        p.rows = 1 + (uint32_t)(tn_test_random(&state) % MOST);
        p.cols = 1 + (uint32_t)(tn_test_random(&state) % MOST);
        if (tn_test_random(&state) % 2)
            id |= 2 + (uint32_t)(tn_test_random(&state) % 18);
        if (p.type == TN_S8 && tn_test_random(&state) % 2)
            id |= (uint32_t)(17 + tn_test_random(&state) % 4) << TPU_NUMERICS_BITS;
        fill(&state, &p);
        bed_profile("canonical-128", &b.profile);
        b.profile.rows = p.rows;
        b.profile.cols = p.cols;
        usual.profile = b.profile;
        b.profile.numerics = id;
        TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
        TN_EXPECT(b.bus.read32(b.bus.self, TPU_CAP_NUMERICS) == id && b.chip.caps.numerics == id);
        run(&b, &p, out);
        bed_close(&b);
        TN_REQUIRE(bed_open(&usual, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", usual.error);
        run(&usual, &p, plain);
        bed_close(&usual);
        other += memcmp(out, plain, (size_t)T * p.cols * 4) != 0;
        for (uint32_t i = 0; i < T; i++)
            for (uint32_t c = 0; c < p.cols; c++) {
                float got = out[i * p.cols + c], want = float_element(id, &p, i, c);
                int32_t word;
                memcpy(&word, &got, 4);
                if (p.type == TN_S8)
                    TN_EXPECT(word == integer_element(id, &p, i, c), "id %x: %d not %d", id, word,
                              (int)integer_element(id, &p, i, c));
                else
                    TN_EXPECT((got != got && want != want) || memcmp(&got, &want, 4) == 0,
                              "id %x, %u rows: %a not %a", id, p.rows, (double)got, (double)want);
            }
    }
    TN_EXPECT(other > 100, "only %u of 300 differ from the usual way", other);
}

/* A broken element spoils the same column, whatever the order. */
TN_TEST(sim_numerics, stuck_bits_are_found_in_any_order)
{
    uint64_t state = tn_test_seed() ^ 0x57u;
    static const char *const kinds[] = {"stuck", "stuck_sum", "stuck_weight"};
    for (int round = 0; round < 60; round++) {
        sim_bed b = {.error = ""};
        char script[80];
        uint32_t bad[4], column;
        bed_profile("canonical-128", &b.profile);
        b.profile.spad_kib = 64;
        b.profile.acc_kib = 16;
        b.profile.rows = 2 + (uint32_t)(tn_test_random(&state) % 15);
        b.profile.cols = 3 + (uint32_t)(tn_test_random(&state) % 14);
        b.profile.numerics = TPU_NUMERICS_SATURATE | (round % 2 ? TPU_NUMERICS_START : 0) |
                             (uint32_t)(20 + round % 5) << TPU_NUMERICS_BITS;
        column = (uint32_t)(tn_test_random(&state) % b.profile.cols);
        snprintf(script, sizeof script, "%s row=%u column=%u bit=%u value=%u", kinds[round % 3],
                 (unsigned)(tn_test_random(&state) % b.profile.rows), column,
                 (unsigned)(tn_test_random(&state) % 7), round / 3 % 2);
        TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, script), "%s", b.error);
        uint32_t n = tn__tpu_test_columns(&b.chip, bad, 4);
        TN_EXPECT(n == 1 && bad[0] == column, "%s: %u columns, first %u", script, n, bad[0]);
        bed_close(&b);
    }
}

/* By a file alone: the device declares what its array does, keeps to the bound of that, and is not
 * canonical. */
TN_TEST(sim_numerics, a_profile_declares_its_arithmetic)
{
    enum { M = 9, K = 300, N = 33 };
    char path[64], uri[96];
    size_t bytes = 0;
    const char *text = tn__sim_profile_text("canonical-128", &bytes);
    const char *from = "\"columns_add_in_order\": {\"value\": true";
    const char *to = "\"round_toward_zero\": {\"value\": true, \"source\": \"s\"},\n"
                     "    \"flush_subnormals\": {\"value\": true, \"source\": \"s\"},\n"
                     "    \"tree_products\": {\"value\": 16, \"source\": \"s\"},\n"
                     "    \"columns_add_in_order\": {\"value\": false";
    static uint16_t a[M * K], w[K * N];
    static float out[M * N];
    uint64_t state = tn_test_seed();
    const char *at = strstr(text, from);
    snprintf(path, sizeof path, "sim_numerics_%d.json", (int)getpid());
    snprintf(uri, sizeof uri, "tpu-sim:%s", path);
    FILE *f = fopen(path, "w");
    TN_REQUIRE(f != NULL && at != NULL);
    fwrite(text, 1, (size_t)(at - text), f);
    fputs(to, f);
    fwrite(at + strlen(from), 1, bytes - (size_t)(at - text) - strlen(from), f);
    fclose(f);
    tn_test_device chip;
    tn_plan *plan = NULL;
    tn_arithmetic said = {.head = TN_INIT(tn_arithmetic)};
    int64_t da[] = {M, K}, dw[] = {K, N}, dc[] = {M, N};
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[3] = {{TN_ARG_A, 0, tn_test_tensor(TN_BF16, 2, da)},
                      {TN_ARG_B, 0, tn_test_tensor(TN_BF16, 2, dw)},
                      {TN_ARG_OUT, 0, tn_test_tensor(TN_F32, 2, dc)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};
    void *host[3] = {a, w, out};
    const uint64_t sizes[3] = {sizeof a, sizeof w, sizeof out};
    for (int i = 0; i < M * K; i++)
        a[i] = (uint16_t)(0x3e80 + tn_test_random(&state) % 512);
    for (int i = 0; i < K * N; i++)
        w[i] = (uint16_t)(0x3e80 + tn_test_random(&state) % 512);
    TN_REQUIRE(tn_test_open(uri, &chip), "%s", uri);
    op.numerics.cls = TN_CLASS_CANONICAL;
    TN_EXPECT(tn_device_supports(chip.device, &op) == TN_STATUS_UNSUPPORTED);
    tn_error e;
    tn_error_last(&e);
    TN_EXPECT(strcmp(e.reason, "systolic.order") == 0, "%s", e.reason);
    op.numerics.cls = TN_CLASS_BOUNDED;
    TN_REQUIRE(tn_plan_create(chip.device, &op, NULL, &plan) == TN_OK);
    TN_EXPECT(tn_plan_arithmetic(plan, &said) == TN_OK && said.accumulate_round == 1 &&
              said.flush_in == 1 && said.flush_out == 1 && said.tree == 1);
    tn_plan_release(plan);
    TN_REQUIRE(tn_test_compute(&chip, &op, host, sizes));
    uint32_t below = 0;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double want = 0.0;
            for (int k = 0; k < K; k++) {
                uint32_t u = (uint32_t)a[i * K + k] << 16, v = (uint32_t)w[k * N + j] << 16;
                float x, y;
                memcpy(&x, &u, 4);
                memcpy(&y, &v, 4);
                want += (double)x * (double)y;
            }
            /* positive terms, each rounding off less than 2^-23 of a sum: K + 1 of them at most */
            double got = (double)out[i * N + j];
            TN_EXPECT(got <= want && got >= want * (1.0 - (K + 1) * 0x1p-23), "%g not %g", got,
                      want);
            below += got < want;
        }
    TN_EXPECT(below > M * N / 2, "rounded toward zero, sums are too small: %u", below);
    tn_test_close(&chip);
    remove(path);
}

TN_TEST(sim_numerics, an_order_of_its_own_is_not_in_order)
{
    static const char *const more[] = {
        "\"tree_products\": {\"value\": 4", "\"sums_start_at_accumulator\": {\"value\": true",
        "\"round_toward_zero\": {\"value\": true", "\"flush_subnormals\": {\"value\": true"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        static char text[1 << 14];
        char error[200] = "";
        sim_profile p;
        size_t bytes = 0;
        const char *from = tn__sim_profile_text("canonical-128", &bytes);
        int n = snprintf(text, sizeof text, "{%s, \"source\": \"s\"},%.*s", more[i], (int)bytes - 1,
                         from + 1);
        TN_EXPECT(!tn__sim_profile_read(text, (size_t)n, &p, error, sizeof error) &&
                      strstr(error, "columns_add_in_order") != NULL,
                  "%s: %s", more[i], error);
    }
}
