/* SPDX-License-Identifier: Apache-2.0 */
/* Tiers of the cpu device from captured cpuid words. */
#include "support/test.h"

#include <backends/cpu/cpu.h>

static const struct {
    const char *cpu;
    cpu_words words;
    const char *tier;
} captured[] = {
    {"Zen 4", {16, 0x7efa320b, 0xf1bf97a9, 0x405fce, 0x10000010, 0x20, 0xe7}, "avx512bf16"},
    {"Zen 4 whose host hides AVX-512", {16, 0x7efa320b, 0x219c97a9, 0x400684, 0, 0, 0x7}, "avx2"},
    {"Sapphire Rapids",
     {32, 0xfffaf38b, 0xf1bfbffb, 0x1b415f6e, 0xffdd4432, 0x1c30, 0xe02e7},
     "amx"},
    {"Sapphire Rapids without tile state",
     {32, 0xfffaf38b, 0xf1bfbffb, 0x1b415f6e, 0xffdd4432, 0x1c30, 0x2e7},
     "avx512bf16"},
    {"Haswell", {13, 0x7ffafbff, 0x27ab, 0, 0x9c000000, 0, 0x7}, "avx2"},
    {"AVX2 without the OS saving ymm", {13, 0x7ffafbff, 0x27ab, 0, 0, 0, 0x3}, "baseline"},
    {"AVX2 without OSXSAVE", {13, 0x77fafbff, 0x27ab, 0, 0, 0, 0x7}, "baseline"},
    {"Core 2", {10, 0x8e3fd, 0, 0, 0, 0, 0}, "baseline"},
};

TN_TEST(cpu_caps, tiers_of_captured_cpus)
{
    for (size_t i = 0; i < sizeof captured / sizeof captured[0]; ++i) {
        uint32_t isa = tn__cpu_tiers(&captured[i].words);
        TN_EXPECT(strcmp(tn__cpu_tier_name(isa), captured[i].tier) == 0, "%s is %s, not %s",
                  captured[i].cpu, tn__cpu_tier_name(isa), captured[i].tier);
        TN_EXPECT((isa & TN_K_ISA_BASELINE) != 0, "%s lost the baseline", captured[i].cpu);
    }
}

TN_TEST(cpu_caps, tier_names_are_cumulative)
{
    TN_EXPECT(tn__cpu_tier_mask("avx2") == (TN_K_ISA_BASELINE | TN_K_ISA_AVX2), "avx2");
    TN_EXPECT(tn__cpu_tier_mask("avx9000") == 0, "an unknown tier");
}
