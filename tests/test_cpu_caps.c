/* SPDX-License-Identifier: Apache-2.0 */
/* Tiers of the cpu device from captured cpuid words, capabilities of Arm, and caches in sysfs. */
#define _DEFAULT_SOURCE
#include "support/test.h"

#include <backends/cpu/cpu.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tenon/tenon.h>
#include <unistd.h>

#if defined(__x86_64__)
static const struct {
    const char *cpu;
    cpu_words words;
    const char *tier;
} captured[] = {
    {"Zen 4",
     {16, 0x7efa320b, 0xf1bf97a9, 0x405fce, 0x10000010, 0x20, 0xe7, "AuthenticAMD"},
     "avx512bf16"},
    {"Zen 4 whose host hides AVX-512",
     {16, 0x7efa320b, 0x219c97a9, 0x400684, 0, 0, 0x7, "AuthenticAMD"},
     "avx2"},
    {"Sapphire Rapids",
     {32, 0xfffaf38b, 0xf1bfbffb, 0x1b415f6e, 0xffdd4432, 0x1c30, 0xe02e7, "GenuineIntel"},
     "amx"},
    {"Sapphire Rapids without tile state",
     {32, 0xfffaf38b, 0xf1bfbffb, 0x1b415f6e, 0xffdd4432, 0x1c30, 0x2e7, "GenuineIntel"},
     "avx512bf16"},
    {"Haswell", {13, 0x7ffafbff, 0x27ab, 0, 0x9c000000, 0, 0x7, "GenuineIntel"}, "avx2"},
    {"AVX2 without the OS saving ymm",
     {13, 0x7ffafbff, 0x27ab, 0, 0, 0, 0x3, "GenuineIntel"},
     "baseline"},
    {"AVX2 without OSXSAVE", {13, 0x77fafbff, 0x27ab, 0, 0, 0, 0x7, "GenuineIntel"}, "baseline"},
    {"Core 2", {10, 0x8e3fd, 0, 0, 0, 0, 0, "GenuineIntel"}, "baseline"},
};

TN_TEST(cpu_caps, tiers_of_captured_cpus)
{
    for (size_t i = 0; i < sizeof captured / sizeof captured[0]; ++i) {
        uint32_t isa = tn__cpu_tiers(&captured[i].words);
        TN_EXPECT(strcmp(tn__cpu_tier_name(isa), captured[i].tier) == 0, "%s is %s, not %s",
                  captured[i].cpu, tn__cpu_tier_name(isa), captured[i].tier);
        TN_EXPECT((isa & TN_K_ISA_BASELINE) != 0, "%s lost the baseline", captured[i].cpu);
        TN_EXPECT(tn__cpu_page_by_page(&captured[i].words) ==
                      (strncmp(captured[i].cpu, "Zen", 3) == 0),
                  "%s reads memory otherwise", captured[i].cpu);
    }
}

#endif

/* AT_HWCAP, from the features that /proc/cpuinfo of such machines lists, and MIDR_EL1. */
static const struct {
    uint64_t hwcap, midr;
    uint32_t isa;
    const char *brand;
} arms[] = {
    {0x887, 0x410fd034, TN_K_ISA_BASELINE | TN_K_ISA_NEON, "Arm Cortex-A53"},
    {0x887, 0x410fd083, TN_K_ISA_BASELINE | TN_K_ISA_NEON, "Arm Cortex-A72"},
    {0x10119fff, 0x413fd0c1, TN_K_ISA_BASELINE | TN_K_ISA_NEON | TN_K_ISA_NEON_DOT,
     "Arm Neoverse N1"},
    {0xdfffffff, 0x411fd401, TN_K_ISA_BASELINE | TN_K_ISA_NEON | TN_K_ISA_NEON_DOT,
     "Arm Neoverse V1"},
    {0x10119fff, 0x510f8010, TN_K_ISA_BASELINE | TN_K_ISA_NEON | TN_K_ISA_NEON_DOT,
     "aarch64, implementer 0x51 part 0x801"},
    /* what no machine has: fp without vectors, and products of vectors without them */
    {0x1, 0, TN_K_ISA_BASELINE, "aarch64, implementer 0x00 part 0x000"},
    {0x100001, 0, TN_K_ISA_BASELINE, "aarch64, implementer 0x00 part 0x000"},
};

TN_TEST(cpu_caps, tiers_and_names_of_captured_arms)
{
    for (size_t i = 0; i < sizeof arms / sizeof arms[0]; ++i) {
        char brand[64];
        tn__cpu_brand_arm(arms[i].midr, brand, sizeof brand);
        TN_EXPECT(strcmp(brand, arms[i].brand) == 0, "%s, not %s", brand, arms[i].brand);
        TN_EXPECT(tn__cpu_tiers_arm(arms[i].hwcap) == arms[i].isa, "%s: isa %x", brand,
                  tn__cpu_tiers_arm(arms[i].hwcap));
    }
}

static void put(const char *root, int index, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/index%d/%s", root, index, name);
    FILE *f = fopen(path, "w");
    TN_REQUIRE(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "%s", path);
}

TN_TEST(cpu_caps, caches_of_a_captured_neoverse)
{
    static const char *const index[][3] = {{"1\n", "Data\n", "64K\n"},
                                           {"1\n", "Instruction\n", "48K\n"},
                                           {"2\n", "Unified\n", "1024K\n"},
                                           {"3\n", "Unified\n", "32M\n"}};
    static const char *const file[] = {"level", "type", "size"};
    enum { LEVELS = sizeof index / sizeof index[0] };
    char root[] = "/tmp/tenon_caps_XXXXXX", path[256];
    TN_REQUIRE(mkdtemp(root) != NULL, "no folder in /tmp");
    uint64_t bytes[3] = {7, 8, 9};
    tn__cpu_caches_from(root, bytes);
    TN_EXPECT(bytes[0] == 7 && bytes[1] == 8 && bytes[2] == 9, "sizes without a file");
    for (int i = 0; i < LEVELS; ++i) {
        snprintf(path, sizeof path, "%s/index%d", root, i);
        TN_REQUIRE(mkdir(path, 0700) == 0, "%s", path);
        for (int f = 0; f < 3; ++f)
            put(root, i, file[f], index[i][f]);
    }
    tn__cpu_caches_from(root, bytes);
    TN_EXPECT(bytes[0] == 64u << 10 && bytes[1] == 1u << 20 && bytes[2] == 32u << 20,
              "%" PRIu64 " %" PRIu64 " %" PRIu64, bytes[0], bytes[1], bytes[2]);
    for (int i = 0; i < LEVELS; ++i) {
        for (int f = 0; f < 3; ++f) {
            snprintf(path, sizeof path, "%s/index%d/%s", root, i, file[f]);
            TN_EXPECT(unlink(path) == 0, "%s", path);
        }
        snprintf(path, sizeof path, "%s/index%d", root, i);
        TN_EXPECT(rmdir(path) == 0, "%s", path);
    }
    TN_EXPECT(rmdir(root) == 0, "%s", root);
}

TN_TEST(cpu_caps, what_this_cpu_is)
{
    tn_k_caps caps;
    char brand[128];
    tn__cpu_caps(&caps, brand, sizeof brand);
    TN_EXPECT((caps.isa & TN_K_ISA_BASELINE) != 0 && brand[0] != '\0', "isa %x", caps.isa);
#if defined(__aarch64__)
    TN_EXPECT((caps.isa & TN_K_ISA_NEON) != 0, "aarch64 without NEON: isa %x", caps.isa);
#endif
    TN_EXPECT(caps.l1d_bytes >= 4096 && caps.l2_bytes >= caps.l1d_bytes && caps.line_bytes != 0,
              "caches of %u and %u", caps.l1d_bytes, caps.l2_bytes);
}

#if defined(__x86_64__)
/* 0: the device that opens says amx; 1: it says another tier; 2: it does not open. */
static int opened_without_amx(void)
{
    tn_runtime *runtime = NULL;
    tn_device *device = NULL;
    tn_device_info info = {.head = TN_INIT(tn_device_info)};
    int said = 2;
    if (tn_runtime_create(NULL, &runtime) == TN_OK &&
        tn_device_open(runtime, "cpu", &device) == TN_OK &&
        tn_device_get_info(device, &info) == TN_OK)
        said = strstr(info.driver, "amx") == NULL;
    tn_device_release(device);
    tn_runtime_release(runtime);
    return said;
}

/* The kernel refuses tiles to a process with a signal stack that has no room for them; the device
 * then opens with the tier below. */
TN_TEST(cpu_caps, tiles_need_the_kernels_leave)
{
    static char small[8192];
    tn_k_caps caps;
    char brand[128];
    int said[2] = {-1, -1};
    tn__cpu_caps(&caps, brand, sizeof brand);
    for (int with_stack = 1; with_stack >= 0; --with_stack) {
        pid_t child = fork();
        if (child == 0) {
            stack_t stack = {.ss_sp = small, .ss_size = sizeof small};
            if (with_stack && sigaltstack(&stack, NULL) != 0)
                _exit(3);
            _exit(opened_without_amx());
        }
        int status = 0;
        TN_REQUIRE(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status), "child");
        said[with_stack] = WEXITSTATUS(status);
    }
    bool amx = (caps.isa & TN_K_ISA_AMX) != 0;
    TN_EXPECT(said[1] == 1 && said[0] == (amx && tn__cpu_tiles_allowed() ? 0 : 1),
              "tiles %d, without a signal stack %d, with a small one %d", amx, said[0], said[1]);
}
#endif

TN_TEST(cpu_caps, tier_names_are_cumulative)
{
#if defined(__aarch64__)
    TN_EXPECT(tn__cpu_tier_mask("neon") == (TN_K_ISA_BASELINE | TN_K_ISA_NEON | TN_K_ISA_NEON_DOT),
              "neon");
    TN_EXPECT(tn__cpu_tier_mask("avx2") == 0, "a tier of another architecture");
#else
    TN_EXPECT(tn__cpu_tier_mask("avx2") == (TN_K_ISA_BASELINE | TN_K_ISA_AVX2), "avx2");
    TN_EXPECT(tn__cpu_tier_mask("neon") == 0, "a tier of another architecture");
#endif
    TN_EXPECT(tn__cpu_tier_mask("avx9000") == 0, "an unknown tier");
}
