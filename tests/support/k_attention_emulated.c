/* SPDX-License-Identifier: Apache-2.0 */
/* The 512-bit core of attention over plain C, a row for tests. */
#define ATTENTION_MR 14
#include <kernels/common/simd_emulated512.h>

#include <kernels/attention/attention_core.inc>

extern const tn_k_variant tn_t_attention_emulated512;
const tn_k_variant tn_t_attention_emulated512 = {
    .name = "attention_f32_emulated512",
    .isa = TN_K_ISA_AVX2, /* x86 alone: there it stands for a core that is built; under qemu it
                             takes minutes */
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};
