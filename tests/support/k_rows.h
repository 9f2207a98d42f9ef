/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every row of an op that this CPU can run and compares it with the plain canonical row:
 * outputs start as poison, lie inside a poisoned block that is compared whole, and have
 * to agree bit for bit (any NaN is one NaN).
 */
#ifndef TN_TESTS_SUPPORT_K_ROWS_H
#define TN_TESTS_SUPPORT_K_ROWS_H

#include "test.h"
#include <kernels/common/kernel.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
long syscall(long number, ...);
#endif

enum { TN_T_BYTES = 1 << 21, TN_T_MIDDLE = 1 << 18 };

static inline uint32_t tn_t_isa(void)
{
    uint32_t isa = TN_K_ISA_BASELINE;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        isa |= TN_K_ISA_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        isa |= TN_K_ISA_AVX512;
    if ((isa & TN_K_ISA_AVX512) != 0 && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512bf16"))
        isa |= TN_K_ISA_AVX512BF16;
#ifdef SYS_arch_prctl
    unsigned leaf[4];
    const unsigned tiles = 1u << 22 | 1u << 24 | 1u << 25; /* bf16, tile, int8 */
    if ((isa & TN_K_ISA_AVX512BF16) != 0 &&
        __get_cpuid_count(7, 0, &leaf[0], &leaf[1], &leaf[2], &leaf[3]) &&
        (leaf[3] & tiles) == tiles && syscall(SYS_arch_prctl, 0x1023, 18) == 0)
        isa |= TN_K_ISA_AMX;
#endif
#elif defined(__aarch64__)
    isa |= TN_K_ISA_NEON;
    if ((getauxval(AT_HWCAP) & 1ul << 20) != 0)
        isa |= TN_K_ISA_NEON_DOT;
#endif
    return isa;
}

/* A float of all kinds: mostly ordinary, one in `rare` special or of random bits. */
static inline float tn_t_float(uint64_t *state, uint32_t rare)
{
    static const float special[] = {0.0f,     -0.0f,     1e-42f,           -1e-45f,
                                    0x1p127f, -0x1p127f, __builtin_inff(), -__builtin_inff(),
                                    1.0f,     -1.0f,     0x1p-126f,        __builtin_nanf("")};
    uint64_t r = tn_test_random(state);
    if (rare != 0 && r % rare == 0)
        return special[(r >> 32) % (sizeof special / sizeof special[0])];
    return ((float)(int32_t)(r >> 40) - 0x1p23f) * 0x1p-21f;
}

/* Row-major strides, the dims in a random order of memory when `shuffle`, with gaps. */
static inline void tn_t_strides(uint64_t *state, tn_tensor *t, bool shuffle)
{
    uint32_t order[TN_MAX_RANK];
    for (uint32_t d = 0; d < t->rank; d++)
        order[d] = d;
    for (uint32_t d = 0; shuffle && d + 1 < t->rank; d++) {
        uint32_t e = d + (uint32_t)(tn_test_random(state) % (t->rank - d)), k = order[d];
        order[d] = order[e];
        order[e] = k;
    }
    int64_t step = shuffle && tn_test_random(state) % 4 == 0 ? 2 : 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        uint32_t d = order[i];
        t->stride[d] = step;
        step *= t->dim[d] == 0 ? 1 : t->dim[d];
        if (shuffle)
            step += (int64_t)(tn_test_random(state) % 3);
    }
}

static inline unsigned char *tn_t_block(void)
{
    unsigned char *p = malloc(TN_T_BYTES);
    TN_REQUIRE(p != NULL);
    memset(p, 0xa5, TN_T_BYTES);
    return p;
}

/* Bits of both blocks; f32 outputs may hold different NaNs. */
static inline bool tn_t_same(const unsigned char *x, const unsigned char *y, bool floats)
{
    if (memcmp(x, y, TN_T_BYTES) == 0)
        return true;
    for (size_t i = 0; floats && i < TN_T_BYTES; i += 4) {
        uint32_t a, b;
        memcpy(&a, x + i, 4);
        memcpy(&b, y + i, 4);
        bool nans = (a & 0x7fffffffu) > 0x7f800000u && (b & 0x7fffffffu) > 0x7f800000u;
        if (a != b && !nans)
            return false;
    }
    return floats;
}

/* Aligned memory of poison with a guard line on either side. */
static inline unsigned char *tn_t_workspace(uint64_t bytes)
{
    unsigned char *p = NULL;
    TN_REQUIRE(posix_memalign((void **)&p, 64, bytes + 128) == 0);
    memset(p, 0xa5, bytes + 128);
    return p + 64;
}

/* Frees it; false when something was written outside. */
static inline bool tn_t_workspace_free(unsigned char *p, uint64_t bytes)
{
    bool clean = true;
    for (int i = 0; i < 64; i++)
        clean = clean && p[-1 - i] == 0xa5 && p[bytes + (uint64_t)i] == 0xa5;
    free(p - 64);
    return clean;
}

/* Runs one row; tasks one by one, backwards or all at once. */
static inline void tn_t_run(const tn_k_variant *v, const void *params, const tn_k_caps *caps,
                            void *const *operand, bool backwards)
{
    tn_k_launch launch;
    memset(&launch, 0xa5, sizeof launch);
    v->plan(params, caps, &launch);
    uint64_t shared_bytes = launch.phases ? launch.shared_bytes : 0;
    uint64_t worker_bytes = launch.phases ? launch.worker_bytes : 0;
    unsigned char *shared = tn_t_workspace(shared_bytes), *scratch = tn_t_workspace(worker_bytes);
    for (uint32_t phase = 0; phase < launch.phases; phase++) {
        uint32_t n = launch.tasks[phase];
        memset(scratch, 0xa5, worker_bytes);
        if (!backwards)
            v->run(&launch, params, operand, shared, scratch, phase, 0, n);
        else
            for (uint32_t t = n; t-- > 0;)
                v->run(&launch, params, operand, shared, scratch, phase, t, t + 1);
    }
    TN_EXPECT(tn_t_workspace_free(shared, shared_bytes), "%s leaves its workspace", v->name);
    TN_EXPECT(tn_t_workspace_free(scratch, worker_bytes), "%s leaves its scratch", v->name);
}

/* Every row but those of class FAST against the first that accepts, on operands whose last one is
 * the output; the output block then holds the canonical result. Returns the rows compared. */
static inline uint32_t tn_t_rows(const tn_k_op *kop, const tn_op *op, unsigned char *const *block,
                                 uint32_t out, bool floats, void *params)
{
    tn_k_why why = {"none", "none", "none"};
    TN_REQUIRE(kop->params(op, params, &why), "%s %s", why.reason, why.text);
    const tn_k_operands *o = params;
    for (uint32_t j = 0; j < op->arg_count; j++) {
        const tn_tensor *t = &op->args[j].tensor;
        int64_t end = 1;
        for (uint32_t d = 0; d < t->rank; d++)
            end += (t->dim[d] - 1) * t->stride[d];
        TN_REQUIRE(end * 8 <= TN_T_BYTES - TN_T_MIDDLE, "the test's own shape is too large");
    }
    void *operand[TN_K_OPERANDS] = {0};
    uint32_t at = 0;
    for (uint32_t i = 0; i < o->count; i++)
        for (uint32_t j = 0; j < op->arg_count; j++)
            if (op->args[j].role == o->item[i].role) {
                operand[i] = block[j] + TN_T_MIDDLE;
                at = j == out ? i : at;
            }
    uint32_t rows = 0;
    unsigned char *other = tn_t_block();
    for (uint32_t i = 0; i < kop->variant_count; i++) {
        const tn_k_variant *v = kop->variants[i];
        for (uint32_t workers = 1; workers <= 3; workers += 2) {
            /* Beside so small an L2 any output is one to be written past the caches. */
            tn_k_caps caps = {.isa = tn_t_isa(),
                              .workers = workers,
                              .l1d_bytes = 32768,
                              .l2_bytes = workers > 1 ? 8 : 0,
                              .page_by_page = workers > 1};
            if ((v->isa & caps.isa) != v->isa || v->cls == TN_CLASS_FAST ||
                !v->accepts(params, &caps, &why))
                continue;
            unsigned char *to = rows == 0 ? block[out] : other;
            memset(to, 0xa5, TN_T_BYTES);
            operand[at] = to + TN_T_MIDDLE;
            tn_t_run(v, params, &caps, operand, workers > 1);
            rows++;
            TN_EXPECT(to == block[out] || tn_t_same(to, block[out], floats), "%s", v->name);
        }
    }
    free(other);
    TN_EXPECT(rows >= 2, "%s: only %u runs", kop->name, rows);
    return rows;
}

#endif
