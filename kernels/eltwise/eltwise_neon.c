/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise kinds on NEON. */
#include "eltwise_simd.inc"

extern const tn_k_variant tn_k_eltwise_f32_neon, tn_k_eltwise_s32_neon;
const tn_k_variant tn_k_eltwise_f32_neon = {
    .name = "eltwise_f32_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts_f32,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_eltwise_arithmetic,
};
const tn_k_variant tn_k_eltwise_s32_neon = {
    .name = "eltwise_s32_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_EXACT,
    .accepts = accepts_s32,
    .plan = plan,
    .run = run,
};
