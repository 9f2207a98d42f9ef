/* SPDX-License-Identifier: Apache-2.0 */
/* attention on NEON: the fused core. */
#include <kernels/common/simd_neon.h>

#include "attention_core.inc"

extern const tn_k_variant tn_k_attention_f32_neon;
const tn_k_variant tn_k_attention_f32_neon = {
    .name = "attention_f32_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_attention_arithmetic,
};
