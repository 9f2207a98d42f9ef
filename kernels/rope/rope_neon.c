/* SPDX-License-Identifier: Apache-2.0 */
/* rope on NEON. */
#include "rope_simd.inc"

extern const tn_k_variant tn_k_rope_f32_neon;
const tn_k_variant tn_k_rope_f32_neon = {
    .name = "rope_f32_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_rope_arithmetic,
};
