/* SPDX-License-Identifier: Apache-2.0 */
/* What this cpu is: tiers by cpuid with the state that the OS saves, or by the capabilities that
 * the kernel tells on Arm; caches by hwloc where it is built in. */
/* path: api > placement > queue > backend > kernel > [device] */
#include "cpu.h"

#include <stdio.h>
#ifdef TN_HWLOC
#include <hwloc.h>
#else
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const struct {
    const char *name;
    uint32_t isa;
} tiers[] = {
#if defined(__x86_64__)
    {"baseline", TN_K_ISA_BASELINE},     {"avx2", TN_K_ISA_AVX2}, {"avx512", TN_K_ISA_AVX512},
    {"avx512bf16", TN_K_ISA_AVX512BF16}, {"amx", TN_K_ISA_AMX},
#else
    {"baseline", TN_K_ISA_BASELINE},
    {"neon", TN_K_ISA_NEON | TN_K_ISA_NEON_DOT},
#endif
};
enum { TIERS = sizeof tiers / sizeof tiers[0] };

uint32_t tn__cpu_tiers(const cpu_words *w)
{
    uint32_t isa = TN_K_ISA_BASELINE;
    enum { FMA = 1u << 12, OSXSAVE = 1u << 27, AVX = 1u << 28, F16C = 1u << 29 };
    enum { YMM = 0x6, ZMM = 0xe6, TILES = 0x60000 };
    const uint32_t avx2 = 1u << 5, avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const uint32_t need = FMA | OSXSAVE | AVX | F16C;
    if (w->max_leaf < 7 || (w->leaf1_ecx & need) != need || (w->xcr0 & YMM) != YMM ||
        (w->leaf7_ebx & avx2) == 0)
        return isa;
    isa |= TN_K_ISA_AVX2;
    if ((w->leaf7_ebx & avx512) != avx512 || (w->xcr0 & ZMM) != ZMM)
        return isa;
    isa |= TN_K_ISA_AVX512;
    if ((w->leaf7_ecx & 1u << 11) == 0 || (w->leaf7_1_eax & 1u << 5) == 0)
        return isa;
    isa |= TN_K_ISA_AVX512BF16;
    if ((w->leaf7_edx & (1u << 22 | 1u << 24 | 1u << 25)) == (1u << 22 | 1u << 24 | 1u << 25) &&
        (w->xcr0 & TILES) == TILES)
        isa |= TN_K_ISA_AMX;
    return isa;
}

/* Measured on Zen 5 against Emerald Rapids: one row by K-contiguous columns of 64 MiB takes 2.1 ms
 * by eight streams side by side and 1.4 page by page. */
bool tn__cpu_page_by_page(const cpu_words *w)
{
    return strcmp(w->vendor, "AuthenticAMD") == 0 || strcmp(w->vendor, "HygonGenuine") == 0;
}

uint32_t tn__cpu_tiers_arm(uint64_t hwcap)
{
    enum { ASIMD = 1u << 1, ASIMDDP = 1u << 20 };
    uint32_t isa = TN_K_ISA_BASELINE;
    if ((hwcap & ASIMD) != 0)
        isa |= TN_K_ISA_NEON;
    if ((hwcap & (ASIMD | ASIMDDP)) == (ASIMD | ASIMDDP))
        isa |= TN_K_ISA_NEON_DOT;
    return isa;
}

void tn__cpu_brand_arm(uint64_t midr, char *brand, size_t bytes)
{
    static const struct {
        uint32_t implementer, part;
        const char *name;
    } known[] = {
        {0x41, 0xd03, "Arm Cortex-A53"},    {0x41, 0xd05, "Arm Cortex-A55"},
        {0x41, 0xd07, "Arm Cortex-A57"},    {0x41, 0xd08, "Arm Cortex-A72"},
        {0x41, 0xd0b, "Arm Cortex-A76"},    {0x41, 0xd0c, "Arm Neoverse N1"},
        {0x41, 0xd40, "Arm Neoverse V1"},   {0x41, 0xd49, "Arm Neoverse N2"},
        {0x41, 0xd4f, "Arm Neoverse V2"},   {0xc0, 0xac3, "Ampere-1"},
        {0x61, 0x022, "Apple M1 Icestorm"}, {0x61, 0x023, "Apple M1 Firestorm"},
    };
    uint32_t implementer = (uint32_t)(midr >> 24) & 0xffu, part = (uint32_t)(midr >> 4) & 0xfffu;
    snprintf(brand, bytes, "aarch64, implementer 0x%02x part 0x%03x", implementer, part);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i)
        if (known[i].implementer == implementer && known[i].part == part)
            snprintf(brand, bytes, "%s", known[i].name);
}

const char *tn__cpu_tier_name(uint32_t isa)
{
    const char *name = tiers[0].name;
    for (int i = 0; i < TIERS; ++i)
        if ((isa & tiers[i].isa) != 0)
            name = tiers[i].name;
    return name;
}

uint32_t tn__cpu_tier_mask(const char *name)
{
    uint32_t mask = 0;
    for (int i = 0; i < TIERS; ++i) {
        mask |= tiers[i].isa;
        if (strcmp(tiers[i].name, name) == 0)
            return mask;
    }
    return 0;
}

static uint32_t detect(tn_k_caps *caps, char *brand, size_t bytes)
{
    (void)caps;
    snprintf(brand, bytes, "cpu");
#if defined(__aarch64__)
    uint64_t hwcap = tn__cpu_hwcap();
    if ((hwcap & 1u << 11) != 0) { /* CPUID: the kernel lets programs read the register */
        uint64_t midr;
        __asm__("mrs %0, midr_el1" : "=r"(midr));
        tn__cpu_brand_arm(midr, brand, bytes);
    }
    return tn__cpu_tiers_arm(hwcap);
#elif defined(__x86_64__)
    cpu_words words = {0}, *w = &words;
    uint32_t a, b, c, d, text[13] = {0};
    w->max_leaf = __get_cpuid_max(0, NULL);
    if (__get_cpuid(0, &a, &b, &c, &d)) {
        memcpy(w->vendor, &b, 4);
        memcpy(w->vendor + 4, &d, 4);
        memcpy(w->vendor + 8, &c, 4);
    }
    caps->page_by_page = tn__cpu_page_by_page(w);
    if (__get_cpuid(1, &a, &b, &c, &d))
        w->leaf1_ecx = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        w->leaf7_ebx = b, w->leaf7_ecx = c, w->leaf7_edx = d;
        if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
            w->leaf7_1_eax = a;
    }
    if ((w->leaf1_ecx & 1u << 27) != 0) {
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        w->xcr0 = low;
    }
    if (__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u) {
        for (uint32_t i = 0; i < 3; ++i)
            __get_cpuid(0x80000002u + i, &text[4 * i], &text[4 * i + 1], &text[4 * i + 2],
                        &text[4 * i + 3]);
        char plain[49];
        memcpy(plain, text, 48);
        plain[48] = '\0';
        char *start = plain;
        while (*start == ' ')
            ++start;
        if (*start != '\0')
            snprintf(brand, bytes, "%s", start);
    }
    return tn__cpu_tiers(w);
#else
    return TN_K_ISA_BASELINE;
#endif
}

#ifdef TN_HWLOC
static void ask_caches(uint64_t bytes[3])
{
    static const hwloc_obj_type_t types[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE,
                                             HWLOC_OBJ_L3CACHE};
    hwloc_topology_t t;
    if (hwloc_topology_init(&t) != 0)
        return;
    if (hwloc_topology_load(t) == 0)
        for (int i = 0; i < 3; ++i) {
            hwloc_obj_t o = hwloc_get_obj_by_type(t, types[i], 0);
            if (o != NULL)
                bytes[i] = o->attr->cache.size;
        }
    hwloc_topology_destroy(t);
}
#else
static void ask_caches(uint64_t bytes[3])
{
#ifdef _SC_LEVEL1_DCACHE_SIZE
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    for (int i = 0; i < 3; ++i) {
        long n = sysconf(names[i]);
        bytes[i] = n > 0 ? (uint64_t)n : 0;
    }
#endif
    /* On Arm the C library knows the size of a line alone. */
    if (bytes[0] == 0)
        tn__cpu_caches_from("/sys/devices/system/cpu/cpu0/cache", bytes);
}
#endif

/* Caches of the first core; what cannot be seen stays at a small cpu's sizes. */
static void caches(tn_k_caps *caps)
{
    uint64_t bytes[3] = {0};
    uint32_t *to[] = {&caps->l1d_bytes, &caps->l2_bytes, &caps->l3_bytes};
    caps->l1d_bytes = 32u << 10;
    caps->l2_bytes = 1u << 20;
    caps->l3_bytes = 8u << 20;
    caps->line_bytes = 64;
    ask_caches(bytes);
    for (int i = 0; i < 3; ++i)
        if (bytes[i] >= 4096 && bytes[i] < 1u << 31)
            *to[i] = (uint32_t)bytes[i];
}

void tn__cpu_caps(tn_k_caps *out, char *brand, size_t bytes)
{
    memset(out, 0, sizeof *out);
    out->isa = detect(out, brand, bytes);
    caches(out);
}
