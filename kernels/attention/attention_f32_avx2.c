/* SPDX-License-Identifier: Apache-2.0 */
/* attention on AVX2: the fused core. */
#include <kernels/common/simd_avx2.h>

#include "attention_core.inc"

extern const tn_k_variant tn_k_attention_f32_avx2;
const tn_k_variant tn_k_attention_f32_avx2 = {
    .name = "attention_f32_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};
