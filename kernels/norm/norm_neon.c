/* SPDX-License-Identifier: Apache-2.0 */
/* norm on NEON. */
#include "norm_simd.inc"

extern const tn_k_variant tn_k_norm_f32_neon;
const tn_k_variant tn_k_norm_f32_neon = {
    .name = "norm_f32_neon",
    .isa = TN_K_ISA_NEON,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
};
