/* SPDX-License-Identifier: Apache-2.0 */
/* rope with AVX2 flags. */
#include "rope_simd.inc"

extern const tn_k_variant tn_k_rope_f32_avx2;
const tn_k_variant tn_k_rope_f32_avx2 = {
    .name = "rope_f32_avx2",
    .isa = TN_K_ISA_AVX2,
    .cls = TN_CLASS_CANONICAL,
    .accepts = accepts,
    .plan = plan,
    .run = run,
    .arithmetic = tn_k_rope_arithmetic,
};
