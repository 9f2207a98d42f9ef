/* SPDX-License-Identifier: Apache-2.0 */
/* attention on AVX512: the fused core. */
#define ATTENTION_MR 14
#include <kernels/common/simd_avx512.h>

#include "attention_core.inc"

extern const tn_k_variant tn_k_attention_f32_avx512;
const tn_k_variant tn_k_attention_f32_avx512 = {
    .name = "attention_f32_avx512",
    .isa = TN_K_ISA_AVX512,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};
