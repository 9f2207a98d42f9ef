/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu backend's own view of its objects. */
#ifndef TN_BACKENDS_CPU_H
#define TN_BACKENDS_CPU_H

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <kernels/common/kernel.h>
#include <tenon/backend.h>

/* cpuid leaves as captured, so that tests can feed those of other machines. */
typedef struct cpu_words {
    uint32_t max_leaf, leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_edx, leaf7_1_eax, xcr0;
    char vendor[13];
} cpu_words;

uint32_t tn__cpu_tiers(const cpu_words *words); /* TN_K_ISA_* */
/* page_by_page of the caps: cpuid says nothing of prefetchers, so it goes by the vendor. */
bool tn__cpu_page_by_page(const cpu_words *words);
/* The same on aarch64, from the kernel's word of capabilities. */
uint32_t tn__cpu_tiers_arm(uint64_t hwcap);
/* What an MIDR_EL1 is, "Arm Neoverse N1"; what is on no list in numbers. */
void tn__cpu_brand_arm(uint64_t midr, char *brand, size_t bytes);
/* cpu_caps_linux.c: AT_HWCAP; and the sizes of the first core's caches from files like those of
 * /sys/devices/system/cpu/cpu0/cache, which stay as they are where a file is not there. */
uint64_t tn__cpu_hwcap(void);
/* Asks the kernel for the state of AMX's tiles, once for the whole process. */
bool tn__cpu_tiles_allowed(void);
void tn__cpu_caches_from(const char *folder, uint64_t bytes[3]);
const char *tn__cpu_tier_name(uint32_t isa); /* of the highest tier in isa */
/* The tiers up to a name; 0: not a name of this architecture. */
uint32_t tn__cpu_tier_mask(const char *name);
void tn__cpu_caps(tn_k_caps *out, char *brand, size_t bytes);

typedef struct cpu_device {
    const tn_host *host;
    void *token;
    tn_executor executor;
    tn_k_caps caps;
    bool hidden; /* ?private=1 */
    uint64_t delay_seed;
    char brand[128];
} cpu_device;

typedef struct cpu_buffer {
    cpu_device *device;
    unsigned char *data; /* what kernels use */
    uint64_t bytes, reserved;
    uint64_t address; /* private: the second mapping, without access */
    size_t allocated;
    void (*release)(void *self); /* imported memory */
    void *release_self;
} cpu_buffer;

tn_status tn__cpu_buffer_create(void *device, const tn_buffer_desc *desc, void **out,
                                const tn_buffer_ops **out_ops);
tn_status tn__cpu_buffer_import(void *device, const tn_external *external, void **out,
                                const tn_buffer_ops **out_ops);
/* cpu_private_linux.c: memory whose address cannot be read; bytes > 0, align a power of two or 0.
 */
tn_status tn__cpu_private_alloc(cpu_buffer *b, uint64_t bytes, uint64_t align);
void tn__cpu_private_free(cpu_buffer *b);
/* cpu_pages_linux.c: asks for huge pages inside a large range of memory; no more than a wish. */
void tn__cpu_huge_pages(void *data, size_t bytes);

typedef struct cpu_plan {
    cpu_device *device;
    const tn_k_op *op;
    const tn_k_variant *variant;
    tn_k_launch launch;
    tn_numerics numerics;
    TN_ALIGNED(64) unsigned char params[TN_K_PARAMS_BYTES];
} cpu_plan;

tn_status tn__cpu_plan_create(void *device, const tn_op *op, const tn_plan_desc *desc,
                              tn_choice_fn fn, void *self, void **out, const tn_plan_ops **out_ops);
tn_status tn__cpu_supports(void *device, const tn_op *op);
tn_status tn__cpu_queue_create(void *device, const tn_queue_desc *desc, void *token, void **out,
                               const tn_queue_ops **out_ops);

#define CPU_FAIL(host, status, reason, ...)                                                        \
    (host)->fail(status, reason, __FILE__, __LINE__, __VA_ARGS__)
/* With the name of the offending argument, field or operand. */
#define CPU_FAIL_ARGUMENT(host, status, reason, argument, ...)                                     \
    (host)->fail_argument(status, reason, argument, __FILE__, __LINE__, __VA_ARGS__)

#endif
