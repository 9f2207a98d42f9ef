/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of fully connected layers on TPU v1, against what its paper (ISCA 2017, table 3 and the
 * roofline) says: weights come from their memory once a batch, activations stay on the chip. */
#include "support/sim_bed.h"

typedef struct network {
    uint32_t layers, size, batch;
} network;

typedef struct outcome {
    double tops, active, useful; /* useful and active as parts of all cycles */
} outcome;

static uint32_t part(uint32_t all, uint32_t first)
{
    return all - first < 256 ? all - first : 256;
}

/* Semaphores: a tile of weights is there, was loaded; a column of sums is done, was read. */
enum { W_FULL, W_FREE, S_FULL, S_FREE, TILES = 4 };

static outcome run(const network *net)
{
    sim_bed b = {.error = ""};
    uint64_t at;
    bed_profile("tpu-v1", &b.profile);
    TN_REQUIRE(bed_open(&b, SIM_OVERLAP, SIM_PROTECT_NONE, NULL), "%s", b.error);
    uint32_t tiles = (net->size + 255) / 256, in = TILES * 256, step = net->batch * tiles;
    void *weights = b.bus.dma_alloc(b.bus.self, 65536, 64, &at);
    TN_REQUIRE(weights != NULL);
    memset(weights, 1, 65536);
    bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_FILL, .a = in, .n0 = 2 * step});
    TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
    b.bus.write32(b.bus.self, TPU_PMU_CTRL, 1);
    uint32_t used = 0, columns = 0;
    for (uint32_t layer = 0; layer < net->layers; layer++) {
        uint32_t from = in + layer % 2 * step, to = in + (layer + 1) % 2 * step;
        for (uint32_t n = 0; n < tiles; n++, columns++) {
            uint32_t acc = TN_K_SYS_ACC | columns % 2 * 2048, wide = part(net->size, n * 256);
            if (columns >= 2)
                bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_NOP,
                                              .d = TN_K_SYS_ARRAY,
                                              .wait_sem = S_FREE,
                                              .wait_val = 1});
            for (uint32_t k = 0; k < tiles; k++, used++) {
                uint32_t high = part(net->size, k * 256), tile = used % TILES * 256;
                bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_LD,
                                              .iova = at,
                                              .a = tile,
                                              .wait_sem = W_FREE,
                                              .wait_val = used >= TILES,
                                              .sig_sem = W_FULL,
                                              .sig_val = 1,
                                              .n0 = high,
                                              .n1 = wide,
                                              .n2 = 1,
                                              .s0 = (int32_t)wide});
                bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_LDW,
                                              .wait_sem = W_FULL,
                                              .wait_val = 1,
                                              .sig_sem = W_FREE,
                                              .sig_val = 1,
                                              .a = tile,
                                              .b = used % 2,
                                              .n0 = high,
                                              .n1 = wide,
                                              .s0 = 1,
                                              .p1 = TN_S8});
                bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_MM,
                                              .flags = k == 0 ? TN_K_SYS_ZERO : TN_K_SYS_ACCUMULATE,
                                              .a = from + k * net->batch,
                                              .b = used % 2,
                                              .c = acc,
                                              .n0 = net->batch,
                                              .s0 = 1,
                                              .p1 = TN_S8,
                                              .sig_sem = S_FULL,
                                              .sig_val = k + 1 == tiles});
            }
            bed_put(&b, (tn_k_sys_packet){.op = TN_K_SYS_MAP,
                                          .wait_sem = S_FULL,
                                          .wait_val = 1,
                                          .sig_sem = S_FREE,
                                          .sig_val = 1,
                                          .a = acc,
                                          .c = to + n * net->batch,
                                          .n0 = net->batch,
                                          .n1 = wide,
                                          .n2 = TN_K_SYS_MAP_TYPES(TN_S32, 0, 0, TN_S8),
                                          .s0 = TN_K_SYS_MAP_KIND(TN_ELTWISE_RELU, 0, 0, 0)});
        }
        /* The next layer reads what this one has written. */
        TN_REQUIRE(tn__tpu_finish(&b.chip) == TPU_OK);
        used = 0;
        columns = 0;
    }
    double cycles = (double)tn__tpu_counter(&b.chip, TPU_COUNT_CYCLES);
    double macs = (double)tn__tpu_counter(&b.chip, TPU_COUNT_MACS);
    TN_EXPECT(macs == (double)net->layers * net->size * net->size * net->batch, "useful MACs");
    TN_EXPECT(tn__tpu_counter(&b.chip, TPU_COUNT_RACES) == 0, "races");
    double busy = 0, all = 0;
    for (uint32_t s = 0; s < 4; s++) {
        double t = (double)tn__tpu_counter(&b.chip, TPU_COUNT_ENGINES + 4 * TN_K_SYS_ARRAY + s);
        busy += s == 0 ? t : 0;
        all += t;
    }
    outcome o = {.tops = 2 * macs / cycles * 0.7e-3,
                 .active = busy / all,
                 .useful = macs / (cycles * 65536)};
    b.bus.dma_free(b.bus.self, weights);
    bed_close(&b);
    return o;
}

TN_TEST(sim_paper, tpu_v1_lands_in_the_band_of_its_paper)
{
    /* MLP0: 5 layers, 20 million weights, batch 200: 12.3 TOPS measured, 13.6 by the roofline */
    const network mlp0 = {5, 2000, 200};
    outcome o = run(&mlp0);
    TN_EXPECT(o.tops >= 12.0 && o.tops <= 13.6, "MLP0: %.2f TOPS", o.tops);
    TN_EXPECT(o.active > 0.10 && o.active < 0.16, "MLP0: active %.3f; the paper has 0.127",
              o.active);
    /* LSTM0: batch 64, at most 4.4 by the roofline, 3.7 measured */
    const network lstm0 = {5, 1536, 64};
    o = run(&lstm0);
    TN_EXPECT(o.tops <= 4.4 && o.tops >= 3.7, "LSTM0: %.2f TOPS", o.tops);
    TN_EXPECT(o.useful <= o.active, "useful %.3f, active %.3f", o.useful, o.active);
}
